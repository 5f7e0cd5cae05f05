"""The published probe against the same steps in numpy; its settings; published scores."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from conftest import CHECKOUT
from langspec.encoders.inputs import Inputs
from langspec.errors import LangspecError
from langspec.features.bank import BankRows
from langspec.measurement.compat.paper_probe import (
    METHODS,
    PaperProbe,
    ProbeSetting,
    Texts,
    fit_paper_probe,
    published_settings,
    setting_of,
)
from langspec.measurement.compat.paper_scores import error_correlation, union_macro_f1, whole_texts
from langspec.measurement.compat.published_scale import published_updates
from langspec.measures.base import Shape
from langspec.measures.published_measure import PublishedMeasure
from langspec.presets import load_preset

CLASSES, HIDDEN = 3, 5
TABLE = CHECKOUT / "data" / "published" / "tanti2021_hyperparameters.csv"


def texts(count: int, seed: int) -> Texts:
    """Texts of one language each, whose vectors lean its way."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 4, count)
    languages = np.repeat(np.arange(count) % CLASSES, lengths)
    vectors = rng.normal(size=(len(languages), HIDDEN)) + 2 * np.eye(HIDDEN)[languages]
    return Texts(vectors, languages, lengths)


def right(part: Texts, predicted: np.ndarray) -> float:
    return float((predicted == part.languages).mean())


def by_hand(
    train: Texts, setting: ProbeSetting, epochs: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and bias after each epoch, epoch 0 first: Kingma and Ba 2015, in float64."""
    draw = torch.Generator().manual_seed(seed)
    w = torch.randn((CLASSES, HIDDEN), generator=draw, dtype=torch.float64).numpy()
    w = np.hstack([setting.init_stddev * w, np.zeros((CLASSES, 1))])  # the bias last
    m, v, t, states = np.zeros_like(w), np.zeros_like(w), 0, [w.copy()]
    where = np.repeat(np.arange(len(train.lengths)), train.lengths)
    x = np.hstack([train.vectors, np.ones((len(where), 1))])
    for _ in range(epochs):
        order = torch.randperm(len(train.lengths), generator=draw).numpy()
        while len(order):
            batch, order = order[: setting.minibatch], order[setting.minibatch :]
            rows = np.isin(where, batch)
            scores = np.exp(x[rows] @ w.T)
            slope = scores / scores.sum(1, keepdims=True) - np.eye(CLASSES)[train.languages[rows]]
            gradient = slope.T @ x[rows] / rows.sum()
            t += 1
            m = 0.9 * m + 0.1 * gradient
            v = 0.999 * v + 0.001 * gradient**2
            corrected = np.sqrt(v / (1 - 0.999**t)) + 1e-8
            w = w - setting.learning_rate * m / (1 - 0.9**t) / corrected
        states.append(w.copy())
    return [(state[:, :-1], state[:, -1]) for state in states]


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_every_step_by_hand_and_the_best_epoch_is_kept(kept: int) -> None:
    train, setting = texts(23, 1), ProbeSetting(0.05, 4, 0.1)
    marks = iter([float(epoch == kept) for epoch in range(4)])  # of epochs 0 to 3
    probe = fit_paper_probe(
        train, texts(6, 2), CLASSES, setting, lambda part, predicted: next(marks),
        epochs=3, seed=7, dropout=0,
    )  # fmt: skip
    weights, bias = by_hand(train, setting, 3, 7)[kept]
    assert probe.epoch == kept
    assert probe.scores == tuple(float(epoch == kept) for epoch in range(4))
    np.testing.assert_allclose(probe.weights, weights, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(probe.bias, bias, rtol=1e-9, atol=1e-12)


def test_only_a_higher_score_replaces_the_untrained_state() -> None:
    probe = fit_paper_probe(
        texts(12, 1), texts(6, 2), CLASSES, ProbeSetting(0.1, 4, 0.1), lambda *_: 0.5,
        epochs=2, seed=0,
    )  # fmt: skip
    assert probe.epoch == 0
    assert not probe.bias.any()


def fitted(seed: int, **changes: float) -> PaperProbe:
    setting = ProbeSetting(**{"learning_rate": 0.02, "minibatch": 4, "init_stddev": 0.1} | changes)
    return fit_paper_probe(texts(40, 1), texts(9, 2), CLASSES, setting, right, epochs=5, seed=seed)


def test_equal_seeds_give_equal_bytes_and_it_learns() -> None:
    one, again, other = fitted(3), fitted(3), fitted(4)
    assert one.weights.tobytes() == again.weights.tobytes()
    assert one.scores == again.scores
    assert not np.array_equal(one.weights, other.weights)
    held = texts(60, 5)
    assert right(held, one.predict(held.vectors)) > 0.7


def test_the_published_number_of_updates_whatever_the_texts() -> None:
    """115,500 texts an epoch: 40 texts are read again and again, each pass shuffled anew."""
    assert [5 * published_updates(size) for size in (16, 32, 64)] == [36_095, 18_050, 9_025]
    train, setting = texts(40, 1), ProbeSetting(0.002, 16, 0.1)
    kind = (train, texts(9, 2), CLASSES, setting, lambda *_: next(rising))
    rising = iter(range(100))
    long = fit_paper_probe(*kind, epochs=2, seed=3, updates=9, dropout=0.0)
    rising = iter(range(100))
    passes = fit_paper_probe(*kind, epochs=6, seed=3, dropout=0.0)  # three updates a pass
    assert (long.updates, passes.updates) == (18, 18)
    np.testing.assert_array_equal(long.weights, passes.weights)


def test_a_slow_rate_reads_more_with_the_published_number_of_updates() -> None:
    """What five passes over few texts say of a setting is not what the setting reads."""
    held, setting = texts(60, 5), ProbeSetting(0.001, 16, 0.01)
    read = []
    for updates in (None, published_updates(16) // 10):
        probe = fit_paper_probe(
            texts(40, 1), texts(9, 2), CLASSES, setting, right, epochs=5, seed=0, updates=updates
        )
        read.append(right(held, probe.predict(held.vectors)))
    assert read[1] > read[0] + 0.05


@pytest.mark.parametrize(
    ("texts", "sentences", "limit", "passes"),
    [
        (None, None, None, 0),  # all text is read by both
        (150, None, 200, 0),  # no split has as many lines
        (60, None, 200, 3),  # the published measure leaves lines out
        (None, 60, 200, 3),  # the leak leaves lines out that the published measure reads
        (None, 60, 100, 0),
        (150, None, None, 3),  # how many lines there are is not known: the dearer plan
    ],
)
def test_the_plan_counts_a_pass_where_other_lines_are_read(
    texts: int | None, sentences: int | None, limit: int | None, passes: int
) -> None:
    null = {None: "null"}
    values = [
        f"evaluate.compat.texts={null.get(texts, texts)}",
        *(f"features.sentences.{split}={null.get(sentences, sentences)}"
          for split in ("train", "dev", "test")),
        f"corpora.limits.text={null.get(limit, limit)}",
    ]  # fmt: skip
    shape = Shape(3, 3, 0, 5, 128, 6, 10, token=True, passes=1)
    cost = PublishedMeasure.cost(load_preset("demo", values), shape)
    assert cost is not None
    assert cost.encodings == passes


def test_the_setting_decides_what_is_read() -> None:
    """The same vectors: a rate that is too small reads next to nothing in five epochs."""
    held = texts(60, 5)
    fast, slow = fitted(0), fitted(0, learning_rate=1e-5)
    assert right(held, fast.predict(held.vectors)) - right(held, slow.predict(held.vectors)) > 0.2


def test_dropout_is_applied_and_drawn_from_the_seed() -> None:
    parts = (texts(40, 1), texts(9, 2), CLASSES, ProbeSetting(0.02, 4, 0.1), right)
    none = fit_paper_probe(*parts, epochs=5, seed=3, dropout=0.0)
    assert not np.array_equal(none.weights, fitted(3).weights)


def test_what_no_probe_can_be_trained_on_is_refused() -> None:
    none = Texts(np.zeros((0, HIDDEN)), np.zeros(0, int), np.zeros(0, int))
    setting = ProbeSetting(0.1, 4, 0.1)
    with pytest.raises(LangspecError, match="no training texts"):
        fit_paper_probe(none, texts(3, 1), CLASSES, setting, right, epochs=1, seed=0)
    with pytest.raises(LangspecError, match="no validation texts"):
        fit_paper_probe(texts(3, 1), none, CLASSES, setting, right, epochs=1, seed=0)
    with pytest.raises(LangspecError, match="two languages or more, found 1"):
        fit_paper_probe(texts(3, 1), texts(3, 1), 1, setting, right, epochs=1, seed=0)


def test_settings_are_the_published_ones_of_each_method(tmp_path: Path) -> None:
    token, pair = published_settings(TABLE, "token"), published_settings(TABLE, "pair")
    assert set(token) == set(pair) == set(METHODS.values())
    assert token["finetune"] == ProbeSetting(0.1, 64, 0.01)
    assert pair["adversary"] == ProbeSetting(1e-4, 32, 0.1)
    assert len({s.learning_rate for s in token.values()}) == 3  # the confound
    assert [setting_of(m) for m in ("frozen", "control", "grl", "mine", "random")] == [
        "frozen", "finetune", "grl", "finetune", "frozen",
    ]  # fmt: skip
    with pytest.raises(LangspecError, match=r"none\.csv: the published probe needs its settings"):
        published_settings(tmp_path / "none.csv", "token")
    text = TABLE.read_text(encoding="utf-8")
    short = tmp_path / "short.csv"
    short.write_text(text.replace("pos,grl,minibatch_size,32\n", ""), encoding="utf-8")
    with pytest.raises(LangspecError, match=r"no row for pos, .*minibatch_size"):
        published_settings(short, "token")
    short.write_text(text.replace("pos,grl,minibatch_size,32", "pos,grl,minibatch_size,x"))
    with pytest.raises(LangspecError, match="pos, grl: invalid literal"):
        published_settings(short, "token")


def test_union_macro_f1_punishes_stray_languages() -> None:
    """Right but for one stray prediction of each of 19 other languages: 14 / 33, no more."""
    gold = np.repeat(np.arange(14), 1000)
    predicted = gold.copy()
    predicted[:19] = np.arange(14, 33)
    assert (predicted == gold).mean() > 0.998
    assert union_macro_f1(gold, predicted) == pytest.approx(14 / 33, abs=1e-3)


def test_correlation_of_errors_is_found_as_planted() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 30, 3000)
    for planted in (0.2, 0.6):
        weight = 1 / planted - 1
        share = np.repeat(rng.beta(0.8 * weight, 0.2 * weight, 3000), lengths)
        drawn = rng.random(lengths.sum()) < share
        assert error_correlation(drawn, lengths) == pytest.approx(planted, abs=0.04)
    assert error_correlation(rng.random(lengths.sum()) < 0.8, lengths) < 0.01
    assert error_correlation(np.repeat(rng.random(3000) < 0.5, lengths), lengths) > 0.99
    assert np.isnan(error_correlation(np.ones(6, bool), np.asarray([3, 3])))
    assert whole_texts(np.asarray([1, 1, 0, 1, 1], bool), np.asarray([2, 2, 1])) == 2 / 3


def bench(
    splits: tuple[str, ...], codes: tuple[str, ...], texts: int | None, root: Path = CHECKOUT
) -> SimpleNamespace:
    """As much of a bench as is looked at before anything is encoded; two lines a split."""
    rows = [(c, s, 2 * i + n) for c in codes for i, s in enumerate(splits) for n in range(2)]
    count = len(rows)
    columns = np.arange(count, dtype=np.int32)
    compat = SimpleNamespace(
        run=["paper_probe"], settings="all", epochs=1, updates="epochs", texts=texts
    )
    return SimpleNamespace(
        task=SimpleNamespace(unit="token", name="pos"),
        config=SimpleNamespace(
            evaluate=SimpleNamespace(compat=compat, seed=0),
            corpora=SimpleNamespace(languages=["de", "en"]),
        ),
        paths=SimpleNamespace(root=root),
        text_hash="t",
        text_inputs=Inputs(
            columns, np.arange(count + 1), np.zeros(count, np.int8), columns,
            np.arange(count + 1), columns,
        ),
        text_rows=BankRows(
            [r[0] for r in rows], [r[1] for r in rows], np.asarray([r[2] for r in rows])
        ),
    )  # fmt: skip


def test_text_that_the_probe_cannot_be_trained_on_is_refused(tmp_path: Path) -> None:
    whole = ("train", "dev", "test")
    with pytest.raises(LangspecError, match=r"evaluate\.compat\.run: .* lacks de"):
        PublishedMeasure(bench(whole, ("en",), None))
    with pytest.raises(LangspecError, match=r"evaluate\.compat\.run: .* no dev lines"):
        PublishedMeasure(bench(("train", "test"), ("de", "en"), None))
    with pytest.raises(LangspecError, match="needs its settings"):
        PublishedMeasure(bench(whole, ("de", "en"), None, root=tmp_path))


def test_fewer_texts_are_the_same_lines_in_every_language() -> None:
    measure = PublishedMeasure(bench(("train", "dev", "test"), ("de", "en"), 1))
    rows = measure.rows_of_text
    lines = {(c, s): n for c, s, n in zip(rows.languages, rows.splits, rows.lines, strict=True)}
    assert len(lines) == len(measure.inputs) == 6
    assert all(lines["de", split] == lines["en", split] for split in ("train", "dev", "test"))
    assert measure.inputs.ids.tolist() == sorted(measure.inputs.ids.tolist())
