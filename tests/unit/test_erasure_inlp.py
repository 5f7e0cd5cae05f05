"""INLP beside nullspace projection with scikit-learn's classifiers on the vectors as they are."""

from __future__ import annotations

import logging
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from measure_options import ERASERS
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

import langspec
from langspec.erasure.choice import make_eraser
from langspec.erasure.inlp import INLP
from langspec.erasure.removal_path import PathPoint, clustered_interval

pytestmark = pytest.mark.medium

ROOT = Path(__file__).parents[2]
VALUES = ERASERS.inlp.model_dump() | {"rounds": 20}


@dataclass(frozen=True)
class Data:
    """Vectors ``[N, H]`` with language (index) and line, in three parts by line."""

    x: np.ndarray
    y: np.ndarray
    line: np.ndarray

    def part(self, name: str) -> Data:
        rows = np.isin(
            self.line % 10, {"train": (0, 1, 2, 3, 4), "dev": (5, 6)}.get(name, (7, 8, 9))
        )
        return Data(self.x[rows], self.y[rows], self.line[rows])

    @property
    def codes(self) -> np.ndarray:
        return np.asarray([f"l{i}" for i in self.y])


def drawn() -> Data:
    """Five languages whose means differ along directions of little and of much variance."""
    rng = np.random.default_rng(3)
    lines, languages, width = 400, 5, 48
    scale = np.exp(np.linspace(1.0, -2.0, width))
    means = rng.normal(size=(languages, width)) * scale * 0.6
    y = np.tile(np.arange(languages), lines)
    topic = np.repeat(rng.normal(size=(lines, width)), languages, axis=0) * scale
    x = means[y] + 0.7 * topic + 0.7 * rng.normal(size=topic.shape) * scale
    return Data(x + 2.0, y, np.repeat(np.arange(lines), languages))


def demo(layer: int = -1) -> Data:
    """Sentences of the demo's text, as its encoder reads them in a layer; -1: the last."""
    encoder = langspec.load_encoder(ROOT / "data" / "encoders" / "demo")
    folder = ROOT / "src" / "langspec" / "corpora" / "generated" / "demo" / "text" / "demo"
    texts: list[str] = []
    codes = sorted(path.name[:2] for path in folder.glob("*.txt.xz"))
    for code in codes:
        with lzma.open(folder / f"{code}.txt.xz", "rt", encoding="utf-8") as file:
            texts += file.read().split("\n")[:300]
    vectors = langspec.encode(encoder, texts, layers=[layer])[0].astype(np.float64)
    return Data(
        vectors, np.repeat(np.arange(len(codes)), 300), np.tile(np.arange(300), len(codes))
    )


@pytest.fixture(scope="module", params=[drawn, demo])
def data(request: pytest.FixtureRequest) -> Data:
    make: Callable[[], Data] = request.param
    return make()


def fitted(data: Data, **changes: object):
    train, dev = data.part("train"), data.part("dev")
    eraser = (
        INLP(**(VALUES | changes))
        .judge_by(ERASERS.judge)
        .partial_fit(train.x, train.codes, train.line)
    )
    return eraser.choose_on(dev.x, dev.codes, dev.line).map


def left(data: Data, basis: np.ndarray, on: str = "test") -> float:
    """Accuracy of a new standardised probe on vectors without the span of ``basis [H, R]``."""
    train, dev, test = (data.part(name) for name in ("train", "dev", on))
    mean, scale = train.x.mean(axis=0), train.x.std(axis=0)

    def erased(part: Data) -> np.ndarray:
        centred = part.x - mean
        return (centred - centred @ basis @ basis.T) / scale

    probes = (
        LogisticRegression(C=c, max_iter=1000).fit(erased(train), train.y)
        for c in (0.001, 0.01, 0.1, 1.0)
    )
    losses = [
        (-probe.predict_log_proba(erased(dev))[np.arange(len(dev.y)), dev.y].mean(), i, probe)
        for i, probe in enumerate(probes)
    ]
    return float(min(losses)[2].score(erased(test), test.y))


def reference(data: Data, rank: int, classifier) -> np.ndarray:
    """Nullspace projection of a classifier's weights, round by round: ``[H, rank]``."""
    train = data.part("train")
    x = train.x - train.x.mean(axis=0)
    removed = np.zeros((x.shape[1], x.shape[1]))
    while np.linalg.matrix_rank(removed, tol=1e-6) < rank:
        weights = classifier.fit(x - x @ removed, train.y).coef_
        rows = np.linalg.svd(weights, full_matrices=False)
        span = rows[2][rows[1] > 1e-6 * rows[1].max()]
        # The span of all rounds: eigenvectors of the sum of their projections.
        values, axes = np.linalg.eigh(removed + span.T @ span)
        basis = axes[:, values > 1e-6][:, ::-1][:, :rank]
        removed = basis @ basis.T
    return basis


def published(data: Data, rank: int) -> np.ndarray:
    """The reference by logistic regression, its C that after which a probe reads least on dev."""
    first = len(np.unique(data.y)) - 1

    def classifier(c: float) -> LogisticRegression:
        return LogisticRegression(C=c, max_iter=5000, tol=1e-8)

    read = {
        c: left(data, reference(data, first, classifier(c)), "dev") for c in VALUES["strengths"]
    }
    return reference(data, rank, classifier(min(read, key=read.get)))


def test_it_leaves_what_the_raw_space_reference_leaves(data: Data) -> None:
    path = fitted(data)
    step = len(np.unique(data.y)) - 1
    ranks = [point.rank for point in path.path]
    assert ranks[:2] == [0, step]
    for rank in sorted({step, ranks[-1]}):
        ours = left(data, path.first(rank).left[0])
        assert ours == pytest.approx(left(data, published(data, rank)), abs=0.02)
        # A support vector machine, the other published classifier, leaves more.
        svm = LinearSVC(dual=False, tol=1e-3, max_iter=2000)
        assert ours <= left(data, reference(data, rank, svm)) + 0.02


def test_nothing_is_left_at_the_end_and_the_path_says_so(data: Data) -> None:
    path = fitted(data)
    last, test = path.path[-1], data.part("test")
    assert last.at_majority
    assert not any(point.at_majority for point in path.path[:-1])
    assert last.rank == path.rank
    majority = np.bincount(test.y).max() / len(test.y)
    assert left(data, path.left[0]) <= majority + 0.04
    accuracies = [point.accuracy for point in path.path]
    assert accuracies[0] > 0.9
    assert accuracies[1] < accuracies[0] - 0.2


def test_whitened_space_takes_fewer_directions_and_changes_less() -> None:
    data = drawn()
    raw, whitened = fitted(data), fitted(data, space="whitened")
    assert whitened.path[-1].at_majority
    assert whitened.rank <= raw.rank
    train = data.part("train")
    changed = [np.square(one.apply(train.x) - train.x).sum() for one in (raw, whitened)]
    assert changed[1] < changed[0]
    again = whitened.apply(whitened.apply(train.x))
    np.testing.assert_allclose(again, whitened.apply(train.x), atol=1e-9)


def test_an_earlier_step_is_the_map_of_fewer_rounds(data: Data) -> None:
    whole, one = fitted(data), fitted(data, rounds=1)
    x = data.part("test").x
    np.testing.assert_allclose(whole.first(one.rank).apply(x), one.apply(x), atol=1e-8)


def test_rounds_that_end_above_majority_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        path = fitted(drawn(), rounds=1)
    assert not path.path[-1].at_majority
    assert "raise evaluate.erasers.inlp.rounds above 1" in caplog.text


def test_rounds_end_before_every_dimension_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    data = drawn()
    narrow = Data(data.x[:, :6] * [3, 1, 1, 1, 1, 1], data.y, data.line)
    with caplog.at_level(logging.WARNING):
        path = fitted(narrow, strengths=[100.0])
    assert 0 < path.rank < 6
    assert path.path[-1].at_majority or "would remove every dimension" in caplog.text


def test_the_interval_of_a_share_draws_whole_lines() -> None:
    rng = np.random.default_rng(0)
    lines = np.repeat(np.arange(200), 5)
    alone = (rng.random(1000) < 0.3).astype(float)
    together = np.repeat((rng.random(200) < 0.3).astype(float), 5)

    def width(hits: np.ndarray, of: np.ndarray) -> float:
        low, high = clustered_interval(hits, of)
        return high - low

    assert width(together, lines) == pytest.approx(
        np.sqrt(5) * width(together, np.arange(1000)), rel=0.1
    )
    assert width(alone, lines) == pytest.approx(width(alone, np.arange(1000)), rel=0.2)


def test_a_point_is_at_majority_within_its_interval() -> None:
    assert PathPoint(3, 0.22, 0.19, 0.25, 0.20, 99).at_majority
    assert not PathPoint(3, 0.24, 0.21, 0.27, 0.20, 99).at_majority
    assert not PathPoint(0, 1.00, 0.65, 1.00, 0.71, 7).at_majority  # few vectors say little


def test_few_held_out_lines_end_no_round_of_a_probe_that_reads_all() -> None:
    rng = np.random.default_rng(0)
    codes = np.asarray(["de", "en"])[np.arange(200) % 2]
    x = rng.normal(size=(200, 8)) + 20.0 * (codes == "en")[:, None] * np.eye(8)[0]
    few = np.r_[0:10:2, 1, 3]  # five of one language, two of the other
    path = (
        INLP(**VALUES).judge_by(ERASERS.judge).fit(x, codes).choose_on(x[few], codes[few]).map.path
    )
    assert path[0].accuracy == 1
    assert path[0].low <= path[0].majority
    assert path[-1].rank > 0


def test_dimensions_that_do_not_vary_are_not_left_over(caplog: pytest.LogCaptureFixture) -> None:
    """Six dimensions that vary, turned among ten."""
    data = drawn()
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10)))[0][:6]
    flat = Data(data.x[:, :6] * [3, 1, 1, 1, 1, 1] @ turn, data.y, data.line)
    with caplog.at_level(logging.WARNING):
        path = fitted(flat, strengths=[100.0])
    assert 0 < path.rank < 6
    centred = flat.x - flat.x.mean(axis=0)
    variances = np.square(centred @ path.left[0]).mean(axis=0)
    assert variances.min() > 1e-10 * np.square(centred).sum(axis=1).mean()


def test_the_probe_that_ends_the_rounds_is_an_option() -> None:
    data = drawn()
    once = ERASERS.model_copy(update={"inlp": ERASERS.inlp.model_copy(update={"rounds": 1})})
    weak = ERASERS.judge.model_copy(update={"strengths": [1e-6]})
    judged = [
        make_eraser("inlp", values).fit(data.x, data.codes, data.line).map.path[-1].accuracy
        for values in (once, once.model_copy(update={"judge": weak}))
    ]
    assert judged[0] > judged[1]


def test_rounds_on_a_part_of_the_training_vectors_guard_nearly_as_well() -> None:
    """At most 100 of 200 vectors of a language: they are what is read, and what rounds leave is
    the same within the interval."""
    data = drawn()
    whole, part = (fitted(data, train=train) for train in (None, 100))
    assert not np.array_equal(whole.left, part.left)
    np.testing.assert_array_equal(fitted(data, train=1000).left, whole.left)
    last, first = part.path[-1], whole.path[-1]
    assert last.at_majority == first.at_majority
    assert last.low <= first.high
