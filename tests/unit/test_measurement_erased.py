"""Erasers on a bank with a planted cue, and the head that is kept on erased vectors."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from measure_options import make_eraser, probe_options
from test_measurement_leak import HIDDEN, LANGUAGES, planted_bank

from langspec.erasure.leace import LEACE
from langspec.errors import LangspecError
from langspec.features.bank import Bank
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.erased import (
    ErasedBank,
    erased_leak,
    fit_maps,
    head_predictions,
    require_languages,
)
from langspec.measurement.leak import UNITS
from langspec.measurement.rows import Origin
from langspec.measures.fitted_erasers import FittedErasers, fitted_erasers
from langspec.modelling.model import LinearHead
from langspec.presets import load_preset

PROBE = probe_options(0.01, 1.0, tolerance=1e-3)
INTERVALS = BootstrapOptions(resamples=50, seed=0)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    return planted_bank(tmp_path_factory.mktemp("banks"))


def test_rows_of_an_erased_bank(bank: Bank) -> None:
    maps = fit_maps(bank, LEACE, UNITS, bank.layers)
    origin = Origin("pos", "frozen", 0, "text", "test", "m", eraser="leace")
    rows = erased_leak(bank, maps, origin, PROBE, INTERVALS)
    assert {(row.method, row.eraser) for row in rows} == {("frozen", "leace")}
    assert {row.probe for row in rows} == {"linear", "erasure"}
    assert {row.language for row in rows} == {"all"}
    found = {(r.probe, r.unit, r.layer, r.metric): r for r in rows}
    for unit in UNITS:
        for layer in (0, 1):
            # Layer 1 carried the cue: a direction a language, which the probe read perfectly.
            assert found["linear", unit, layer, "accuracy"].value < 0.45
            removed = found["erasure", unit, layer, "variance_removed"]
            rank = found["erasure", unit, layer, "rank_removed"]
            assert removed.n == rank.n == len(LANGUAGES) * 12 * (4 if unit == "token" else 1)
            assert rank.value == len(LANGUAGES) - 1
            assert 0 <= removed.value < 1
        cue, noise = (found["erasure", unit, layer, "variance_removed"].value for layer in (1, 0))
        assert cue > 0.5 > noise


def test_erasers_see_the_training_lines_alone(bank: Bank) -> None:
    maps = fit_maps(bank, LEACE, ["token"], [1])
    meta = bank.token_meta
    train = meta.split == bank.splits.index("train")
    vectors = bank.tokens(1)
    erased = ErasedBank(bank.folder, bank.meta, maps).tokens(1)
    np.testing.assert_array_equal(erased, maps["token", 1].apply(vectors))

    def spread(rows: np.ndarray) -> float:
        means = [erased[rows & (meta.language == i)].mean(axis=0) for i in range(len(LANGUAGES))]
        return float(np.ptp(means, axis=0).max())

    assert spread(train) < 1e-5
    assert spread(~train) > 1e-2  # nothing of them was fitted on


def test_a_kept_head_reads_the_erased_vectors() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, HIDDEN)).astype(np.float32)
    codes = np.asarray(["de", "en", "tr"])[np.arange(300) % 3]
    x[:, 0] += 4.0 * (codes == "en")
    fitted = make_eraser("leace").fit(x, codes).map
    head = LinearHead(HIDDEN, 3, dropout=0.5, init=1.0)
    with torch.no_grad():
        head.linear.bias[2] = 0.3
    weights = head.linear.weight.detach().numpy()
    expected = (fitted.apply(x) @ weights.T + head.linear.bias.detach().numpy()).argmax(axis=1)
    np.testing.assert_array_equal(head_predictions(head, x, fitted, codes), expected)
    assert (expected != (x @ weights.T).argmax(axis=1)).any()


@pytest.mark.parametrize(
    ("found", "splits", "expected"),
    [
        ([], [], "no training lines of language text"),
        (["en", "de"], ["test", "dev"], "no training lines of language text"),
        (["en", "en"], ["train", "train"], "at least two languages, found en"),
        (["en", "de"], ["train", "train"], "lacks fr"),
        (["en", "de", "fr"], ["train", "train", "test"], "lacks fr"),
    ],
)
def test_text_that_no_eraser_can_be_fitted_on_is_refused(found, splits, expected: str) -> None:
    with pytest.raises(LangspecError, match=rf"evaluate\.erasers\.run: .*{expected}"):
        require_languages(found, splits, ["de", "en", "fr"], place="evaluate.erasers.run")
    require_languages(["en", "de", "fr"], ["train"] * 3, ["de", "en"], place="x")


def test_a_bank_without_training_lines_is_refused(bank: Bank) -> None:
    bare = Bank(bank.folder, bank.meta | {"splits": ["a", "b", "c"]})
    with pytest.raises(LangspecError, match="no token vectors of training text"):
        fit_maps(bare, LEACE, ["token"], [1])
    with pytest.raises(LangspecError, match=r"evaluate\.erasers\.run: unknown eraser 'x'"):
        make_eraser("x")


def test_erasers_on_translations_need_parallel_text() -> None:
    """Refused before anything is encoded, by the card of the corpora."""
    values = load_preset("tiny", ["evaluate.erasers.run=[leace, relative, relative_oracle]"])
    bench = SimpleNamespace(config=values, parallel_text=False)
    message = r"evaluate\.erasers\.run: relative, relative_oracle is fitted on translations"
    with pytest.raises(LangspecError, match=message):
        FittedErasers(bench).require_parallel()
    bench.parallel_text = True
    FittedErasers(bench).require_parallel()


def test_measures_share_fitted_erasers_and_the_cache_keeps_them(bank: Bank, tmp_path) -> None:
    values = load_preset("tiny", [])
    fits = []

    def text_bank(*given: object) -> Bank:
        fits.append(given)
        return bank

    def bench() -> SimpleNamespace:
        return SimpleNamespace(
            config=values, text_key={}, text_bank=text_bank, shared={}, text_inputs=None,
            word_inputs=None, paths=SimpleNamespace(cache=tmp_path),
        )  # fmt: skip

    subject = SimpleNamespace(state="a" * 64, title="x", model=SimpleNamespace(encoder=None))
    one = bench()
    first = fitted_erasers(one).maps(subject, "leace", ["token"], [0, 1])
    assert (
        fitted_erasers(one).maps(subject, "leace", ["token"], [1])["token", 1] is first["token", 1]
    )
    assert len(fits) == 2
    again = fitted_erasers(bench()).maps(subject, "leace", ["token"], [0, 1])
    assert len(fits) == 2  # of another evaluation: read from the cache
    vectors = bank.tokens(1)
    for place in first:
        np.testing.assert_array_equal(again[place].apply(vectors), first[place].apply(vectors))
