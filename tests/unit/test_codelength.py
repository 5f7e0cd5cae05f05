"""Online codelength against hand-made readers: who was sent what, and what it cost."""

from __future__ import annotations

import numpy as np
import pytest
from measure_options import probe_options

from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.mdl import online_codelength
from langspec.measurement.probe import fit_probe

PROBE = probe_options(0.001, 0.1, 10.0, tolerance=1e-4)
LINES, EACH = 60, 6
LANGUAGE = np.repeat(np.arange(4), LINES * EACH)
LINE = np.tile(np.repeat(np.arange(LINES), EACH), 4)
COUNT = len(LANGUAGE)


def test_a_class_never_seen_can_be_sent() -> None:
    """The first lines lack a class; its rows cost many bits, not infinitely many."""
    rng = np.random.default_rng(0)
    line = np.arange(400)
    place = np.random.default_rng(0).permutation(400)  # the order that seed 0 draws
    labels = np.where(place > 300, 2, line % 2)
    x = rng.normal(size=(400, 5)) + 6 * np.eye(5)[labels]

    def fit(features: np.ndarray, told: np.ndarray):
        return fit_probe(features, told, x, labels, 3, PROBE)

    code = online_codelength(x, labels, line, 3, fit, seed=0)
    assert np.isfinite(code.bits).all()
    # After 200 rows the share of a class never seen is 1 / (200 + 3).
    assert code.bits[labels == 2].max() == pytest.approx(np.log2(203), abs=0.01)
    assert code.per_row(BootstrapOptions(100, 0)).value == pytest.approx(code.bits.mean())


def test_the_uniform_code_where_a_probe_knows_nothing() -> None:
    """A reader that says "uniform" leaves every row at log2 K, whatever the portions."""

    class Uniform:
        converged = True

        def log_probabilities(self, features: np.ndarray) -> np.ndarray:
            return np.full((len(features), 4), -np.log(4.0))

    code = online_codelength(np.zeros((COUNT, 1)), LANGUAGE, LINE, 4, lambda x, y: Uniform())
    assert code.bits == pytest.approx(np.full(COUNT, 2.0))
    assert code.compression(BootstrapOptions(100, 0)).value == pytest.approx(1.0)
    assert code.fits == code.converged > 3


class Half:
    """A reader of two classes that gives class 1 a probability, and says whether it converged."""

    def __init__(self, share: float, converged: bool) -> None:
        self.share, self.converged = share, converged

    def log_probabilities(self, features: np.ndarray) -> np.ndarray:
        return np.tile(np.log([1 - self.share, self.share]), (len(features), 1))


@pytest.mark.parametrize("lines", [128, 100])
def test_every_portion_doubles_what_was_sent_and_lines_are_sent_whole(lines: int) -> None:
    line = np.repeat(np.arange(lines), 2)
    labels = np.tile([0, 1], lines)
    features = np.arange(2 * lines, dtype=float)[:, None]
    fitted: list[np.ndarray] = []

    def fit(x: np.ndarray, y: np.ndarray) -> Half:
        assert (y == labels[x[:, 0].astype(int)]).all()
        fitted.append(x[:, 0].astype(int))
        return Half(0.8, converged=len(fitted) % 2 == 0)

    code = online_codelength(features, labels, line, 2, fit)
    ends = sorted({int(np.ceil(lines / 2**k)) for k in range(8)})
    assert [len(rows) for rows in fitted] == [2 * end for end in ends[:-1]]
    place = np.random.default_rng(0).permutation(lines)  # the order that seed 0 draws
    for rows, begin, end in zip(fitted, ends[:-1], ends[1:], strict=True):
        assert set(rows) == set(np.flatnonzero(place[line] < begin))
        now = (place[line] >= begin) & (place[line] < end)
        sent = 2 * begin
        expected = [-np.log2((sent * p + 1) / (sent + 2)) for p in (0.2, 0.8)]
        assert code.bits[now] == pytest.approx(np.take(expected, labels[now]))
    assert code.bits[place[line] == 0].tolist() == [1, 1]  # the first portion: the uniform code
    assert (code.classes, code.fits, code.converged) == (2, len(fitted), len(fitted) // 2)
    other = online_codelength(features, labels, line, 2, lambda x, y: Half(0.8, True), seed=1)
    assert other.bits.tolist() != code.bits.tolist()


def test_before_a_second_class_was_seen_labels_cost_the_uniform_code() -> None:
    lines = np.arange(64)
    place = np.random.default_rng(0).permutation(64)
    labels = (place >= 16).astype(int)
    code = online_codelength(
        np.zeros((64, 1)), labels, lines, 2, lambda x, y: Half(0.99, True), seed=0
    )
    assert code.bits[place < 32] == pytest.approx(1)  # the second class came in this portion
    assert code.bits[place >= 32] == pytest.approx(-np.log2((32 * 0.99 + 1) / 34))
    assert code.fits == 1


def test_bits_and_compression_have_intervals_above_zero() -> None:
    lines = np.repeat(np.arange(40), 3)
    labels = np.random.default_rng(0).integers(2, size=120)
    code = online_codelength(np.zeros((120, 1)), labels, lines, 2, lambda x, y: Half(0.9, True))
    options = BootstrapOptions(300, 0)
    bits, factor = code.per_row(options), code.compression(options)
    assert bits.value == pytest.approx(code.bits.mean())
    assert factor.value == pytest.approx(1 / code.bits.mean())
    assert 0 < bits.low < bits.value < bits.high
    # A ratio and its inverse: inverse intervals, on the scale of the logarithm.
    assert bits.low * bits.high == pytest.approx(bits.value**2)
    assert factor.low * factor.high == pytest.approx(factor.value**2)
    assert factor.low == pytest.approx(1 / bits.high, rel=0.02)
