"""Intervals and bootstrap by hand: formulas from elsewhere, counts that a pencil can check."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from langspec.errors import LangspecError
from langspec.measurement import bootstrap
from langspec.measurement.bootstrap import (
    BootstrapOptions,
    correlation,
    count_scores,
    item_counts,
    language_intervals,
    means_over_languages,
    ratio_interval,
    resampled_share,
    resampled_sums,
    score_intervals,
)
from langspec.measurement.intervals import (
    Interval,
    gap_interval,
    real_interval,
    share_interval,
    standard_error,
)
from langspec.measurement.scores import accuracy, confusion, macro_f1

OPTIONS = BootstrapOptions(400, 3)


def by_hand(value: float, error: float, items: int, level: float) -> tuple[float, float]:
    """Korn and Graubard 1998 by scipy's beta quantiles."""
    z, t = stats.norm.ppf((1 + level) / 2), stats.t.ppf((1 + level) / 2, items - 1)
    trials = (value * (1 - value) / error**2 if 0 < value < 1 else items) * (z / t) ** 2
    hits, tail = value * trials, (1 - level) / 2
    low = stats.beta.ppf(tail, hits, trials - hits + 1) if value > 0 else 0.0
    high = stats.beta.ppf(1 - tail, hits + 1, trials - hits) if value < 1 else 1.0
    return low, high


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize("items", [2, 12, 400])
@pytest.mark.parametrize("value", [0.0, 0.001, 0.3, 0.999, 1.0])
def test_an_interval_of_a_share(value: float, items: int, level: float) -> None:
    found = share_interval(value, 0.04, items, level)
    assert found.value == value
    assert (found.low, found.high) == pytest.approx(by_hand(value, 0.04, items, level))


def test_what_is_known_of_a_share_with_little_to_go_by() -> None:
    nan = np.nan
    unknown = share_interval(nan, 0.1, 50, 0.95)
    assert np.isnan([unknown.value, unknown.low, unknown.high]).all()
    assert share_interval(0.4, nan, 1, 0.95) == Interval(0.4, 0.0, 1.0)
    unmeasured = share_interval(0.4, nan, 2, 0.95)
    assert unmeasured.value == 0.4
    assert np.isnan([unmeasured.low, unmeasured.high]).all()
    assert share_interval(0.4, 0.0, 20, 0.95) == Interval(0.4, 0.4, 0.4)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_an_interval_of_a_number(level: float) -> None:
    reach = stats.t.ppf((1 + level) / 2, 2) * 0.3
    found = real_interval(-2.0, 0.3, 3, level)
    assert (found.low, found.high) == pytest.approx((-2 - reach, -2 + reach))
    found = real_interval(2.0, 0.3, 3, level, positive=True)
    assert (found.low, found.high) == pytest.approx(
        (2 * np.exp(-reach / 2), 2 * np.exp(reach / 2))
    )
    assert real_interval(0.0, 0.3, 3, level, positive=True).low == pytest.approx(-reach)
    two = real_interval(1.0, 0.3, 2, level)
    assert two.high - 1 == pytest.approx(stats.t.ppf((1 + level) / 2, 1) * 0.3)
    for error, items in ((0.3, 1), (np.nan, 9)):
        unknown = real_interval(1.0, error, items, level)
        assert unknown.value == 1
        assert np.isnan([unknown.low, unknown.high]).all()


@pytest.mark.parametrize("rho", [-3.0, -1.0, 0.4, 1.0, 3.0])
def test_the_interval_of_a_gap_of_scores_that_vary_together(rho: float) -> None:
    first, second = Interval(0.9, 0.8, 0.95), Interval(0.7, 0.66, 0.76)
    found, r = gap_interval(first, second, rho), float(np.clip(rho, -1, 1))
    low = np.sqrt(0.1**2 - 2 * r * 0.1 * 0.06 + 0.06**2)
    high = np.sqrt(0.05**2 - 2 * r * 0.05 * 0.04 + 0.04**2)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.2 - low, 0.2 + high))


def test_the_error_undoes_what_resampling_takes_away() -> None:
    drawn = np.array([1.0, 2.0, np.nan, 4.0])
    expected = np.std([1, 2, 4], ddof=1) * np.sqrt(5 / 4)
    assert standard_error(drawn, 5) == pytest.approx(expected)
    assert standard_error(drawn, 2) == pytest.approx(np.std([1, 2, 4], ddof=1) * np.sqrt(2))
    assert standard_error(np.array([1.0, 3.0]), 5) == pytest.approx(np.sqrt(2 * 5 / 4))
    assert np.isnan(standard_error(drawn, 1))
    assert np.isnan(standard_error(np.array([1.0, np.nan]), 5))
    share = resampled_share(0.3, np.array([0.2, 0.3, 0.5]), 10)
    error = np.std([0.2, 0.3, 0.5], ddof=1) * np.sqrt(10 / 9)
    assert (share.low, share.high) == pytest.approx(by_hand(0.3, error, 10, 0.95))


def test_how_many_are_held_at_once_changes_no_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = np.random.default_rng(0).integers(9, size=(7, 2, 3))
    at_once = resampled_sums(counts, OPTIONS)
    assert at_once.shape == (400, 2, 3)
    assert at_once.dtype == np.float64
    monkeypatch.setattr(bootstrap, "_CHUNK", 20)
    assert (resampled_sums(counts, OPTIONS) == at_once).all()
    monkeypatch.setattr(bootstrap, "_CHUNK", 1)
    assert (resampled_sums(counts, OPTIONS) == at_once).all()
    assert (resampled_sums(counts, OPTIONS, 0) == at_once).all()
    assert (resampled_sums(counts, OPTIONS, 1) != at_once).any()
    assert (resampled_sums(counts, BootstrapOptions(400, 4)) != at_once).any()
    with pytest.raises(LangspecError, match=r"^a bootstrap needs at least one item$"):
        resampled_sums(counts[:0], OPTIONS)


def test_a_resample_draws_as_many_items_as_there_are_each_equally_often() -> None:
    drawn = resampled_sums(np.eye(6), BootstrapOptions(20_000, 0))  # how often each was drawn
    assert (drawn.sum(axis=1) == 6).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(6), abs=0.03)
    assert drawn.var(axis=0) == pytest.approx(np.full(6, 5 / 6), abs=0.03)
    assert np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1] == pytest.approx(-1 / 5, abs=0.03)


GOLD, PREDICTED = np.array([0, 0, 1, 2, 1]), np.array([0, 1, 1, 0, 1])
ITEM = np.array([0, 0, 0, 1, 1])


def test_counts_of_items_and_their_scores() -> None:
    counts = item_counts(ITEM, GOLD, PREDICTED, 3, 4)
    assert counts.tolist() == [
        [[1, 1, 0, 0], [2, 1, 0, 0], [1, 2, 0, 0]],
        [[0, 1, 0, 0], [0, 1, 1, 0], [1, 1, 0, 0]],
        [[0] * 4] * 3,
    ]
    scores = count_scores(counts)
    assert scores["accuracy"] == pytest.approx([2 / 3, 1 / 2, np.nan], nan_ok=True)
    assert scores["macro_f1"] == pytest.approx([2 / 3, 1 / 2, np.nan], nan_ok=True)
    whole = count_scores(counts.sum(axis=0))
    assert whole["accuracy"] == pytest.approx(accuracy(GOLD, PREDICTED))
    assert whole["macro_f1"] == pytest.approx(macro_f1(GOLD, PREDICTED, 4))


def test_scores_and_ratios_take_the_errors_of_their_own_draws() -> None:
    rng = np.random.default_rng(1)
    item = rng.integers(12, size=90)
    gold, predicted = rng.integers(3, size=(2, 90))
    names = np.array([f"line {11 - one:02}" for one in range(12)])[item]
    counts = item_counts(11 - item, gold, predicted, 12, 3)
    drawn = count_scores(resampled_sums(counts, OPTIONS))
    for metric, found in score_intervals(names, gold, predicted, 3, OPTIONS).items():
        value = float(count_scores(counts.sum(axis=0))[metric])
        assert found == resampled_share(value, drawn[metric], 12)
    top, bottom = rng.random((2, 90))
    sums = [np.bincount(11 - item, weights=w, minlength=12) for w in (top, bottom)]
    drawn_sums = resampled_sums(np.stack(sums, axis=1), OPTIONS)
    error = standard_error(drawn_sums[:, 0] / drawn_sums[:, 1], 12)
    for positive in (False, True):
        found = ratio_interval(names, top, bottom, OPTIONS, positive=positive)
        expected = real_interval(
            float(top.sum() / bottom.sum()), error, 12, 0.95, positive=positive
        )
        assert (found.value, found.low, found.high) == pytest.approx(
            (expected.value, expected.low, expected.high)
        )
    assert ratio_interval(names, top, bottom, OPTIONS).low == pytest.approx(
        real_interval(float(top.sum() / bottom.sum()), error, 12, 0.95).low
    )


@pytest.mark.parametrize("shared", [True, False])
def test_languages_share_the_draws_of_what_they_share(shared: bool) -> None:
    rng = np.random.default_rng(2)
    language = np.repeat(["de", "en", "tr"], 40)
    item = np.tile(np.repeat(np.arange(20), 2), 3) + (0 if shared else 20) * np.repeat(
        np.arange(3), 40
    )
    gold = rng.integers(3, size=120)
    predicted = np.where(rng.random(120) < 0.6, gold, rng.integers(3, size=120))
    found = language_intervals(language, item, gold, predicted, 3, source="en", options=OPTIONS)
    assert list(found) == ["accuracy", "macro_f1"]
    parts = {}
    for place, code in enumerate(("de", "en", "tr")):
        rows = language == code
        counts = item_counts(item[rows] % 20, gold[rows], predicted[rows], 20, 3)
        parts[code] = counts, resampled_sums(counts, OPTIONS, 0 if shared else place)
    for metric in found:
        assert list(found[metric]) == ["de", "en", "tr", "mean", "mean_targets", "gap"]
        drawn = {code: count_scores(sums)[metric] for code, (_, sums) in parts.items()}
        value = {c: float(count_scores(n.sum(axis=0))[metric]) for c, (n, _) in parts.items()}
        for code in parts:
            assert found[metric][code] == resampled_share(value[code], drawn[code], 20)
        items = 20 if shared else 60
        mean = resampled_share(
            float(np.mean(list(value.values()))), np.mean(list(drawn.values()), axis=0), items
        )
        targets = (drawn["de"] + drawn["tr"]) / 2
        assert (found[metric]["mean"].low, found[metric]["mean"].high) == pytest.approx(
            (mean.low, mean.high)
        )
        of_targets = resampled_share((value["de"] + value["tr"]) / 2, targets, items)
        rho = np.corrcoef(drawn["en"], targets)[0, 1]
        gap = gap_interval(found[metric]["en"], of_targets, rho)
        assert (found[metric]["gap"].low, found[metric]["gap"].high) == pytest.approx(
            (gap.low, gap.high)
        )


def test_two_scores_vary_together_or_one_of_them_not_at_all() -> None:
    first = np.array([0.1, 0.5, 0.3, np.nan, 0.9])
    second = np.array([0.2, 0.4, np.nan, 0.1, 0.3])
    expected = np.corrcoef([0.1, 0.5, 0.9], [0.2, 0.4, 0.3])[0, 1]
    assert correlation(first, second) == pytest.approx(expected)
    assert correlation(first[:2], second[:2]) == pytest.approx(1)
    assert np.isnan(correlation(first[:1], second[:1]))
    assert np.isnan(correlation(first, np.full(5, 0.3)))
    assert np.isnan(correlation(np.full(5, 0.3), second))


def test_means_over_languages_element_by_element() -> None:
    samples = {"en": np.array([1.0, 0.8]), "de": np.array([0.5, 0.4]), "tr": np.array([0.3, 0.0])}
    found = means_over_languages(samples, "en")
    assert {name: values.tolist() for name, values in found.items()} == {
        "mean": pytest.approx([0.6, 0.4]),
        "mean_targets": pytest.approx([0.4, 0.2]),
        "gap": pytest.approx([0.6, 0.6]),
    }
    assert list(means_over_languages({"en": samples["en"]}, "en")) == ["mean"]
    assert list(means_over_languages(samples, "zh")) == ["mean", "mean_targets"]


def test_labels_beyond_the_last_and_no_labels() -> None:
    for gold, predicted, name in (([3], [0], "gold"), ([0], [3], "predicted")):
        with pytest.raises(LangspecError, match=rf"^{name} labels must be within 0\.\.2$"):
            confusion(np.array(gold), np.array(predicted), 3)
    assert confusion(np.array([2]), np.array([0]), 3).tolist() == [[0] * 3, [0] * 3, [1, 0, 0]]
    nothing = np.array([], dtype=int)
    assert confusion(nothing, nothing, 2).tolist() == [[0, 0], [0, 0]]
    assert np.isnan([accuracy(nothing, nothing), macro_f1(nothing, nothing, 2)]).all()
