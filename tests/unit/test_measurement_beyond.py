"""Beyond the linear probe: planted truth, no truth, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_options import BEYOND, NGRAMS, attackers, probe_options
from sklearn.metrics import accuracy_score, f1_score

from langspec.errors import LangspecError
from langspec.features.bank import Bank, Units
from langspec.measurement.beyond import beyond_linear, three_layers
from langspec.measurement.bootstrap import BootstrapOptions, ratio_interval
from langspec.measurement.control import control_labels, shuffled_labels
from langspec.measurement.leak import language_leak
from langspec.measurement.ngrams import fit_ngrams
from langspec.measurement.rows import Origin
from langspec.measurement.scores import accuracy, macro_f1
from langspec.measurement.task_text import item_splits
from langspec.results import Result

pytestmark = pytest.mark.medium

CODES = ("de", "en", "tr", "zh")
ORIGIN = Origin("pos", "finetune", 1, "text", "test", "m")
PROBE = probe_options(0.001, 0.1, 10.0, tolerance=1e-4)
QUICK = BEYOND.model_copy(
    update={
        "run": ["mlp", "rbf", "mdl", "selectivity", "shuffled"],
    }
)


@pytest.fixture(autouse=True, scope="module")
def _small_batches() -> Iterator[None]:
    """The planted data are small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("langspec.attackers.mlp.BATCH", 64)
        yield


SMALL = attackers(hidden=16, decays=(0.01,), landmarks=128)


def beyond(bank, options, token_texts=None, *, probe=PROBE, units=("token",), attacked=SMALL):
    """Of words, with few resamples."""
    return beyond_linear(
        bank,
        ORIGIN,
        options,
        attacked,
        probe,
        BootstrapOptions(200, 0),
        units=units,
        token_texts=token_texts,
    )


def changed(options, **values):
    """Options with some values changed."""
    return options.model_copy(update=values)


@dataclass(frozen=True)
class Planted(Bank):
    """A bank in memory: vectors ``[layers, N, H]`` whatever the unit."""

    vectors: np.ndarray
    units: Units

    token_meta = property(lambda self: self.units)
    sentence_meta = property(lambda self: self.units)

    def tokens(self, layer: int) -> np.ndarray:
        return self.vectors[layer]

    sentences = tokens


def bank_of(vectors: np.ndarray, language: np.ndarray, line: np.ndarray) -> Planted:
    """Half of the lines to train, a fifth for dev, the rest to test."""
    split = np.array([2, 2, 2, 2, 2, 0, 0, 1, 1, 1])[line % 10]
    count = np.arange(len(language))
    units = Units(count, count, language, line, split, np.full(len(language), -100))
    meta = {
        "languages": CODES[: int(language.max()) + 1],
        "splits": ("dev", "test", "train"),
        "layers": tuple(range(len(vectors))),
    }
    return Planted(Path("nowhere"), meta, vectors.astype(np.float32), units)


LINES, EACH = 60, 6
LANGUAGE = np.repeat(np.arange(4), LINES * EACH)
LINE = np.tile(np.repeat(np.arange(LINES), EACH), 4)
COUNT = len(LANGUAGE)


def signal(rng: np.random.Generator, width: int = 12) -> np.ndarray:
    vectors = rng.normal(size=(COUNT, width))
    vectors[:, :4] += 8 * np.eye(4)[LANGUAGE]
    return vectors


def xor(rng: np.random.Generator, labels: np.ndarray, width: int = 6) -> np.ndarray:
    """Two bits tell the class; each is the product of two signs."""
    vectors = rng.normal(scale=0.2, size=(len(labels), width))
    for bit in (0, 1):
        first = rng.choice([-1, 1], size=len(labels))
        vectors[:, 2 * bit] += first
        vectors[:, 2 * bit + 1] += first * np.where(labels >> bit & 1, 1, -1)
    return vectors


def table(rows: list[Result]) -> dict[tuple[object, ...], float]:
    """Values by probe, layer and metric; ends of intervals by those and ``low`` or ``high``."""
    values = {(r.probe, r.layer, r.metric): r.value for r in rows}
    assert len(values) == len(rows)
    ends = {
        (r.probe, r.layer, r.metric, end): getattr(r, end)
        for r in rows
        for end in ("low", "high")
        if getattr(r, end) is not None
    }
    return {**values, **ends}


@pytest.fixture(scope="module")
def told() -> dict[tuple[str, int, str], float]:
    """Layer 0: noise, layer 1: a linear signal, layer 2: an exclusive or."""
    rng = np.random.default_rng(0)
    vectors = [
        rng.normal(size=(COUNT, 12)),
        signal(rng),
        np.pad(xor(rng, LANGUAGE), [(0, 0), (0, 6)]),
    ]
    texts = [f"word{i}" for i in rng.integers(400, size=COUNT)]
    bank = bank_of(np.stack(vectors), LANGUAGE, LINE)
    return table(beyond(bank, QUICK, texts))


def test_threads_change_no_number(told) -> None:
    """Layers side by side in three threads: the rows of one, in the same order."""
    vectors = [signal(np.random.default_rng(layer)) for layer in range(3)]
    bank = bank_of(np.stack(vectors), LANGUAGE, LINE)
    texts = [f"word{i}" for i in np.random.default_rng(3).integers(400, size=COUNT)]
    before, found = torch.get_num_threads(), {}
    for threads in (1, 3):
        torch.set_num_threads(threads)
        found[threads] = beyond(bank, QUICK, texts)
    torch.set_num_threads(before)
    assert found[1] == found[3]


def test_a_linear_signal_is_found_by_all(told) -> None:
    assert told["linear_sample", 1, "accuracy"] >= 0.99
    assert told["mlp", 1, "accuracy"] >= 0.99
    assert told["rbf", 1, "accuracy"] >= 0.99
    assert told["selectivity", 1, "accuracy"] > 0.5
    assert told["selectivity", 1, "accuracy"] == pytest.approx(
        told["linear_sample", 1, "accuracy"] - told["control", 1, "accuracy"]
    )
    assert told["mdl", 1, "compression"] > 8
    assert told["mdl", 1, "bits"] == pytest.approx(2 / told["mdl", 1, "compression"])


def test_the_share_of_words_seen_in_training_stands_beside_selectivity() -> None:
    """Of ten words to test, four are of types that the training lines have."""
    rng = np.random.default_rng(3)
    texts = np.array([f"word{i}" for i in range(COUNT)], dtype=object)  # each once
    train, tested = np.flatnonzero(LINE % 10 < 5), np.flatnonzero(LINE % 10 >= 7)
    again = tested[: len(tested) * 4 // 10]
    texts[again] = texts[train[: len(again)]]
    bank = bank_of(np.stack([signal(rng)]), LANGUAGE, LINE)
    options = changed(QUICK, run=["selectivity"])
    rows = table(beyond(bank, options, texts.tolist()))
    assert rows["selectivity", 0, "seen_types"] == pytest.approx(0.4, abs=0.01)
    sentences = beyond(bank, options, units=("sentence",))
    assert "seen_types" not in {row.metric for row in sentences}


def test_noise_has_no_code_and_no_selectivity(told) -> None:
    assert told["mdl", 0, "compression"] <= 1.02
    assert told["mdl", 0, "bits"] > 1.95
    assert told["selectivity", 0, "accuracy", "low"] <= 0
    assert abs(told["selectivity", 0, "accuracy"]) < 0.12
    assert told["mlp", 0, "accuracy", "low"] <= 0.25 <= told["mlp", 0, "accuracy", "high"] + 0.02


def test_an_exclusive_or_is_seen_by_attackers_alone(told) -> None:
    assert told["linear_sample", 2, "accuracy"] < 0.4
    assert told["mlp", 2, "accuracy"] > 0.95
    assert told["rbf", 2, "accuracy"] > 0.9


def test_shuffled_labels_are_at_chance_at_every_layer(told) -> None:
    for layer in range(3):
        low, high = (told["shuffled", layer, "accuracy", end] for end in ("low", "high"))
        assert low <= 0.25 <= high
        assert low <= told["shuffled", layer, "accuracy"] <= high


def test_every_fit_says_that_it_converged(told) -> None:
    fits = {key: value for key, value in told.items() if key[2] == "converged"}
    assert {key[0] for key in fits} == {
        "linear_sample",
        "mlp",
        "rbf",
        "control",
        "shuffled",
        "mdl",
    }
    assert {key for key, value in fits.items() if value != 1.0} == set()


def test_what_does_not_converge_is_reported_everywhere() -> None:
    rng = np.random.default_rng(1)
    bank = bank_of((signal(rng) + 3 * rng.normal(size=(COUNT, 12)))[None], LANGUAGE, LINE)
    probe = changed(PROBE, max_iterations=1)
    texts = [f"w{i % 50}" for i in range(COUNT)]
    rows = table(beyond(bank, QUICK, texts, probe=probe, attacked=attackers(max_rounds=1)))
    assert rows["linear_sample", 0, "converged"] == 0
    assert rows["mlp", 0, "converged"] == 0
    assert rows["mlp", 0, "iterations"] == 1
    assert rows["rbf", 0, "converged"] == 0
    assert rows["mdl", 0, "converged"] == 0
    leak = language_leak(bank, ORIGIN, probe, BootstrapOptions(1000, 0), units=("token",))
    assert [r.value for r in leak if r.metric == "converged"] == [0.0]


def test_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    vectors = signal(rng) + 2 * rng.normal(size=(COUNT, 12))
    texts = np.array([f"w{i}" for i in rng.integers(300, size=COUNT)])
    order = rng.permutation(COUNT)
    options = changed(QUICK, run=["mdl", "selectivity"])
    one, two = (
        table(
            beyond(
                bank_of(vectors[rows][None], LANGUAGE[rows], LINE[rows]), options,
                token_texts=texts[rows].tolist(),
            )
        )
        for rows in (np.arange(COUNT), order)
    )  # fmt: skip
    for key in (("mdl", 0, "bits"), ("control", 0, "accuracy"), ("selectivity", 0, "accuracy")):
        assert two[key] == pytest.approx(one[key], abs=0.01)


def test_two_runs_are_equal_and_leave_torch_alone() -> None:
    import torch

    rng = np.random.default_rng(3)
    bank = bank_of(signal(rng)[None], LANGUAGE, LINE)
    options = changed(QUICK, run=["mlp", "rbf", "mdl"])
    state = torch.random.get_rng_state()
    assert beyond(bank, options) == beyond(bank, options)
    assert torch.equal(state, torch.random.get_rng_state())


def test_fewer_training_rows_are_the_same_ones_and_fewer() -> None:
    bank = bank_of(signal(np.random.default_rng(4))[None], LANGUAGE, LINE)
    options = changed(QUICK, run=["mdl"], max_train_per_language=50)
    rows = beyond(bank, options)
    assert {r.n for r in rows if r.probe == "mdl"} == {200}
    assert {r.n for r in rows if r.metric == "accuracy"} == {COUNT * 3 // 10}


def test_bad_input_is_refused_in_one_line() -> None:
    vectors = signal(np.random.default_rng(5))
    bank = bank_of(vectors[None], LANGUAGE, LINE)
    broken = vectors.copy()
    broken[7, 3] = np.nan
    few = LINE < 10
    alone = LANGUAGE == 0
    cases = [
        (bank_of(broken[None], LANGUAGE, LINE), QUICK, ["x"] * COUNT, "layer 0 are not finite"),
        (bank, QUICK, None, "selectivity needs the text of each token"),
        (bank, QUICK, ["x"], f"expected {COUNT} token_texts"),
        (bank, changed(QUICK, layers=[9]), ["x"] * COUNT, r"layers \[9\] are not in"),
        (bank, changed(QUICK, run=["mind"]), None, "no method mind; there are mlp"),
        (bank_of(vectors[alone][None], LANGUAGE[alone], LINE[alone]), QUICK, None, "at least two"),
        (bank_of(vectors[few & (LINE < 5)][None], LANGUAGE[few & (LINE < 5)], LINE[LINE < 5]),
         QUICK, None, "no token vectors in split 'dev'"),
        (bank_of(vectors[(LINE % 10 > 2) & few][None], LANGUAGE[(LINE % 10 > 2) & few],
                 LINE[(LINE % 10 > 2) & few]), QUICK, None, "2 training lines for 4 languages"),
    ]  # fmt: skip
    for case, options, texts, message in cases:
        with pytest.raises(LangspecError, match=message) as refused:
            beyond(case, options, texts)
        assert "\n" not in str(refused.value)


def test_layers_first_middle_last() -> None:
    assert three_layers((0, 1, 2, 3, 4)) == (0, 2, 4)
    assert three_layers(range(13)) == (0, 6, 12)
    assert three_layers((0, 1)) == (0, 1)
    assert three_layers((3,)) == (3,)


# --- the parts -------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 7), st.integers(5, 60))
def test_scores_are_scikit_learns(seed: int, classes: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    gold, predicted = rng.integers(classes, size=(2, rows))
    assert accuracy(gold, predicted) == pytest.approx(accuracy_score(gold, predicted))
    expected = f1_score(gold, predicted, labels=np.unique(gold), average="macro", zero_division=0)
    assert macro_f1(gold, predicted, classes) == pytest.approx(expected)
    swap, order = rng.permutation(classes), rng.permutation(rows)
    assert macro_f1(swap[gold], swap[predicted], classes) == pytest.approx(expected)
    assert macro_f1(gold[order], predicted[order], classes) == pytest.approx(expected)
    assert macro_f1(np.tile(gold, 2), np.tile(predicted, 2), classes) == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_a_type_has_one_control_label_wherever_it_stands(seed: int, kinds: int) -> None:
    rng = np.random.default_rng(seed)
    types = np.array([f"t{i}" for i in rng.integers(kinds, size=80)])
    labels = control_labels(types, np.array([3.0, 1.0, 1.0]), seed)
    assert len({*zip(types.tolist(), labels.tolist(), strict=True)}) == len(set(types.tolist()))
    order = rng.permutation(80)
    assert (control_labels(types[order], np.array([3, 1, 1]), seed) == labels[order]).all()


def test_control_labels_come_as_often_as_languages() -> None:
    drawn = control_labels(np.arange(20_000), np.array([0.6, 0.0, 0.4]), 0)
    assert np.bincount(drawn, minlength=3) / 20_000 == pytest.approx([0.6, 0, 0.4], abs=0.02)


def test_shuffling_keeps_the_sizes_of_classes() -> None:
    labels = np.repeat(np.arange(3), [50, 30, 20])
    shuffled = shuffled_labels(labels, 1)
    assert (np.bincount(shuffled) == [50, 30, 20]).all()
    assert np.mean(shuffled == labels) < 0.6


def test_character_ngrams_know_spelling() -> None:
    rng = np.random.default_rng(0)
    alphabets = ("abcdefgh", "mnopqrst", "αβγδεζηθ")
    labels = rng.integers(3, size=600)
    words = ["".join(rng.choice(list(alphabets[i]), size=5)) for i in labels]
    parts = words[:300], labels[:300], words[300:400], labels[300:400], words[400:]
    # The commonest few are the letters themselves, and enough; the commonest one is the space.
    for most, low, high in ((100_000, 0.99, 1.0), (24, 0.99, 1.0), (1, 0.0, 0.6)):
        fit = fit_ngrams(*parts, NGRAMS, most=most)
        assert low <= np.mean(fit.predicted == labels[400:]) <= high
        assert fit.converged
    with pytest.raises(LangspecError, match="empty"):
        fit_ngrams([""] * 4, labels[:4] % 2 + np.arange(4) % 2, [""], labels[:1], [""], NGRAMS)


def test_translations_stay_on_one_side() -> None:
    items = np.random.default_rng(0).integers(200, size=1200)
    splits = np.array(item_splits(items, seed=1))
    for item in np.unique(items):
        assert len(set(splits[items == item])) == 1
    share = {name: np.mean(splits == name) for name in ("train", "dev", "test")}
    assert share == pytest.approx({"train": 0.5, "dev": 0.2, "test": 0.3}, abs=0.05)
    order = np.random.default_rng(1).permutation(1200)
    assert item_splits(items[order], seed=1) == splits[order].tolist()


def test_a_ratio_of_sums_and_its_interval() -> None:
    rng = np.random.default_rng(0)
    item, top = np.repeat(np.arange(100), 5), rng.random(500)
    interval = ratio_interval(item, top, np.full(500, 2.0), BootstrapOptions(1000, 0))
    assert interval.value == pytest.approx(top.mean() / 2)
    assert interval.low < interval.value < interval.high
