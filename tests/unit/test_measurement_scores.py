"""Scores and intervals: equal to scikit-learn's, and intervals that hold what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics

from langspec.errors import LangspecError
from langspec.measurement.bootstrap import (
    BootstrapOptions,
    language_intervals,
    resampled_sums,
    score_intervals,
)
from langspec.measurement.rows import Origin
from langspec.measurement.scores import accuracy, confusion, language_means, macro_f1, recalls
from langspec.measurement.task_scores import task_scores
from langspec.results import Result

CLASSES = 5
labelled = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*[hnp.arrays(np.int64, n, elements=st.integers(0, CLASSES - 1))] * 2)
)
BOOTSTRAP = BootstrapOptions(1000, 0)
ORIGIN = Origin("pos", "finetune", 1, "ud", "test", "m")


@settings(deadline=None, max_examples=60)
@given(labelled)
def test_scores_equal_scikit_learn(pair: tuple[np.ndarray, np.ndarray]) -> None:
    gold, predicted = pair
    present = sorted(set(gold))
    table = confusion(gold, predicted, CLASSES)
    assert (table == metrics.confusion_matrix(gold, predicted, labels=range(CLASSES))).all()
    assert accuracy(gold, predicted) == pytest.approx(metrics.accuracy_score(gold, predicted))
    assert macro_f1(gold, predicted, CLASSES) == pytest.approx(
        metrics.f1_score(gold, predicted, labels=present, average="macro", zero_division=0)
    )
    expected = metrics.recall_score(gold, predicted, labels=present, average=None)
    assert recalls(table)[present] == pytest.approx(expected)
    assert np.isnan(np.delete(recalls(table), present)).all()


@settings(deadline=None, max_examples=40)
@given(labelled, st.permutations(range(CLASSES)), st.randoms(use_true_random=False))
def test_order_names_and_duplication_do_not_matter(pair, names, random) -> None:
    gold, predicted = pair
    order = np.array(random.sample(range(len(gold)), len(gold)))
    rename = np.array(names)
    value = macro_f1(gold, predicted, CLASSES)
    assert macro_f1(gold[order], predicted[order], CLASSES) == pytest.approx(value)
    assert macro_f1(rename[gold], rename[predicted], CLASSES) == pytest.approx(value)
    assert macro_f1(np.tile(gold, 3), np.tile(predicted, 3), CLASSES) == pytest.approx(value)


def test_labels_out_of_range_are_refused() -> None:
    with pytest.raises(LangspecError, match=r"gold labels must be within 0\.\.4"):
        confusion(np.array([0, -100]), np.array([0, 0]), CLASSES)
    with pytest.raises(LangspecError, match="2 gold labels but 1 predictions"):
        confusion(np.array([0, 1]), np.array([0]), CLASSES)


def test_language_means_leave_out_what_cannot_be_formed() -> None:
    assert language_means({"en": 0.9, "de": 0.7, "zh": 0.5}, "en") == pytest.approx(
        {"mean": 0.7, "mean_targets": 0.6, "gap": 0.3}
    )
    assert language_means({"en": 0.9}, "en") == {"mean": 0.9}
    assert language_means({"de": 0.7}, "en") == {"mean": 0.7, "mean_targets": 0.7}


def sampled(rng: np.random.Generator, items: int, *, size: int = 4) -> tuple[np.ndarray, ...]:
    """Items of 1..size units whose chance of a hit is the item's own (mean .7)."""
    length = rng.integers(1, size + 1, size=items)
    item = np.repeat(np.arange(items), length)
    chance = rng.beta(2.1, 0.9, size=items)[item]
    gold = rng.integers(3, size=len(item))
    wrong = (gold + rng.integers(1, 3, size=len(item))) % 3
    return item, gold, np.where(rng.random(len(item)) < chance, gold, wrong)


@pytest.mark.slow
def test_intervals_cover_the_truth() -> None:
    """95 % intervals of simulated test sets hold the score of an unbounded one."""
    rng = np.random.default_rng(0)
    _, gold, predicted = sampled(rng, 400_000)
    truth = {"accuracy": accuracy(gold, predicted), "macro_f1": macro_f1(gold, predicted, 3)}
    runs, covered = 1500, {"accuracy": 0, "macro_f1": 0}
    for run in range(runs):
        found = score_intervals(*sampled(rng, 150), 3, BootstrapOptions(400, seed=run))
        for metric, value in truth.items():
            covered[metric] += found[metric].low <= value <= found[metric].high
    for metric, count in covered.items():
        assert 0.93 <= count / runs <= 0.97, (metric, count / runs)


def test_clustering_widens_an_interval_by_what_items_share() -> None:
    rng = np.random.default_rng(1)
    hit = rng.random(300) < 0.7
    gold = np.zeros(3000, int)
    predicted = np.repeat(~hit, 10).astype(int)  # ten units an item, all alike
    clustered = score_intervals(np.repeat(np.arange(300), 10), gold, predicted, 2, BOOTSTRAP)[
        "accuracy"
    ]
    single = score_intervals(np.arange(3000), gold, predicted, 2, BOOTSTRAP)["accuracy"]
    ratio = (clustered.high - clustered.low) / (single.high - single.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.15)
    assert clustered.value == single.value == np.mean(predicted == 0)


def test_resampled_sums_are_of_whole_draws() -> None:
    sums = resampled_sums(np.ones((50, 2, 1)), BootstrapOptions(30, 0))
    assert sums.shape == (30, 2, 1)
    assert (sums == 50).all()
    counts = np.random.default_rng(0).integers(9, size=(7, 3)).astype(float)
    sums = resampled_sums(counts, BootstrapOptions(20_000, 0))
    assert sums.mean(axis=0) == pytest.approx(counts.sum(axis=0), rel=0.02)


def parallel(rng: np.random.Generator, items: int) -> tuple[np.ndarray, ...]:
    """Two languages with the very same hits on the same items."""
    hit = rng.random(items) < 0.6
    language = np.repeat(["de", "en"], items)
    gold = np.zeros(2 * items, int)
    return language, np.tile(np.arange(items), 2), gold, np.tile(~hit, 2).astype(int)


def test_translations_are_drawn_together() -> None:
    language, item, gold, predicted = parallel(np.random.default_rng(0), 500)
    shared = language_intervals(
        language, item, gold, predicted, 2, source="en", options=BOOTSTRAP
    )["accuracy"]
    # Equal on every item: the gap is nothing, and two languages tell no more than one.
    width = shared["en"].high - shared["en"].low
    assert max(-shared["gap"].low, shared["gap"].high) < width / 50
    assert shared["mean"].low == pytest.approx(shared["en"].low)
    own = item + 500 * (language == "en")
    apart = language_intervals(language, own, gold, predicted, 2, source="en", options=BOOTSTRAP)[
        "accuracy"
    ]
    assert apart["gap"].low < 0 < apart["gap"].high
    width = (apart["mean"].high - apart["mean"].low) / (shared["mean"].high - shared["mean"].low)
    assert width == pytest.approx(np.sqrt(0.5), rel=0.15)


def by_key(rows: list[Result]) -> dict[tuple[str, str], Result]:
    return {(row.language, row.metric): row for row in rows}


def test_task_scores_name_every_row() -> None:
    rng = np.random.default_rng(0)
    language = np.array(["en"] * 40 + ["de"] * 60 + ["zh"] * 50)
    item = np.array([f"s{i // 5}" for i in range(150)])
    gold = rng.integers(4, size=150)
    predicted = np.where(rng.random(150) < 0.7, gold, rng.integers(4, size=150))
    rows = task_scores(
        ORIGIN,
        language,
        item,
        gold,
        predicted,
        classes=4,
        unit="token",
        source="en",
        options=BOOTSTRAP,
    )
    found = by_key(rows)
    languages = {"en", "de", "zh", "mean", "mean_targets", "gap"}
    metrics = ("accuracy", "macro_f1")
    assert set(found) == {(code, metric) for code in languages for metric in metrics}
    assert len(rows) == len(found)
    for code in ("en", "de", "zh"):
        mine = language == code
        assert found[code, "accuracy"].value == accuracy(gold[mine], predicted[mine])
        assert found[code, "macro_f1"].value == macro_f1(gold[mine], predicted[mine], 4)
        assert found[code, "accuracy"].n == mine.sum()
    for metric in ("accuracy", "macro_f1"):
        targets = np.mean([found[code, metric].value for code in ("de", "zh")])
        assert found["mean_targets", metric].value == pytest.approx(targets)
        assert found["gap", metric].value == pytest.approx(found["en", metric].value - targets)
        for code in languages:
            row = found[code, metric]
            assert row.low <= row.value <= row.high
    assert {(r.task, r.method, r.seed, r.corpus, r.split, r.layer, r.probe) for r in rows} == {
        ("pos", "finetune", 1, "ud", "test", -1, "")
    }
    order = rng.permutation(150)
    again = task_scores(
        ORIGIN,
        language[order],
        item[order],
        gold[order],
        predicted[order],
        classes=4,
        unit="token",
        source="en",
        options=BOOTSTRAP,
    )
    assert again == rows


def test_task_scores_refuse_what_cannot_be_scored() -> None:
    one = np.zeros(1, int)
    with pytest.raises(LangspecError, match="no predictions"):
        task_scores(
            ORIGIN,
            [],
            [],
            one[:0],
            one[:0],
            classes=2,
            unit="token",
            source="en",
            options=BOOTSTRAP,
        )
    with pytest.raises(LangspecError, match="gold labels must be within"):
        task_scores(
            ORIGIN,
            ["en"],
            ["a"],
            one - 100,
            one,
            classes=2,
            unit="token",
            source="en",
            options=BOOTSTRAP,
        )
