"""The leak along a curve: what rises, what only differs in how fast it is learnt, what differs."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from measure_options import probe_options

from bank_fixtures import bank_of
from langspec.errors import LangspecError
from langspec.features.bank import Bank, Units
from langspec.measurement.along_curve import holds_along, limit_weights
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.comparison import pair_seeds
from langspec.measurement.leak import language_leak
from langspec.measurement.leak_curve import leak_curve, nested_rows
from langspec.measurement.rows import Origin
from langspec.results import Result

ORIGIN = Origin("pos", "finetune", 1, "text", "test", "leak")
PROBE = probe_options(0.01, 1.0)
BOOTSTRAP = BootstrapOptions(200, 0)
CODES = ("de", "en", "fi")
WIDTH, SIGNAL = 300, 0.15


def planted_bank(
    root: Path, lines: int = 300, words: int = 4, short: int | None = None, easy: bool = False
) -> Bank:
    """Tokens of three languages; ``short``: training lines of the last one.

    A language differs a little in each of many dimensions, so a probe needs many vectors to learn
    all of it. ``easy``: it differs in one dimension, which few vectors teach.
    """
    rng = np.random.default_rng(0)
    line = np.repeat(np.arange(lines), words)
    language = np.tile(np.arange(3), len(line))
    line = np.repeat(line, 3)
    split = np.asarray([(0, 1, 2, 2, 2)[n % 5] for n in range(lines)])[line]
    means = 100 * np.eye(3, WIDTH) if easy else SIGNAL * rng.normal(size=(3, WIDTH))
    vectors = means[language] + rng.normal(size=(len(line), WIDTH))
    if short is not None:
        keep = (language < 2) | (split > 0) | (line < short)
        vectors, language, line, split = (x[keep] for x in (vectors, language, line, split))
    return bank_of(
        root,
        "planted",
        [vectors],
        language,
        line=line,
        split=split,
        splits=("train", "dev", "test"),
        kind="tokens",
        codes=CODES,
    )


def curve_of(bank: Bank, rising: float = 0.01) -> list[Result]:
    whole = {}

    def keep(unit: str, layer: int, gold: np.ndarray, predicted: np.ndarray) -> None:
        whole[unit, layer] = predicted

    options = (bank, ORIGIN, PROBE, BOOTSTRAP)
    full = language_leak(*options, units=("token",), keep=keep)
    return full + leak_curve(*options, whole, rising=rising, units=("token",))


def of(rows: list[Result], metric: str, measure: str = "leak_curve") -> list[Result]:
    return [r for r in rows if r.metric == metric and r.measure == measure and r.probe == "linear"]


def test_a_leak_that_rises_with_probe_size_is_said_to_rise(tmp_path: Path) -> None:
    rows = curve_of(planted_bank(tmp_path))
    (full,) = of(rows, "macro_f1", "leak")
    points = of(rows, "macro_f1")
    assert [point.train_n for point in points] == [full.train_n // 4, full.train_n // 2]
    assert points[0].value < points[1].value < full.value
    (gain,) = of(rows, "gain")
    assert gain.value == pytest.approx(full.value - points[1].value)
    assert gain.low < gain.value < gain.high
    assert gain.train_n == full.train_n
    (rising,) = of(rows, "rising")
    assert rising.value == 1
    assert of(curve_of(planted_bank(tmp_path / "same"), rising=gain.value), "rising")[0].value == 0


def test_a_leak_that_few_vectors_teach_is_not(tmp_path: Path) -> None:
    rows = curve_of(planted_bank(tmp_path, easy=True))
    assert of(rows, "macro_f1")[0].value > 0.9
    assert of(rows, "rising")[0].value == 0


def test_the_curve_of_chosen_layers_alone_is_measured(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    language = np.tile(np.arange(3), 200)
    line = np.repeat(np.arange(200), 3)
    split = np.asarray([0, 0, 1, 2])[line % 4]
    layers = [rng.normal(size=(600, 4)) + language[:, None] for _ in range(4)]
    splits = ("train", "dev", "test")
    given = {"line": line, "split": split, "splits": splits, "kind": "tokens", "codes": CODES}
    bank = bank_of(tmp_path, "planted", layers, language, **given)
    whole = {("token", n): language[split == 2] for n in range(4)}
    options = (bank, ORIGIN, PROBE, BOOTSTRAP, whole)
    rows = leak_curve(*options, rising=0.01, layers=[-1, 1], units=("token",))
    assert [row.layer for row in of(rows, "gain")] == [1, 3]
    assert {row.layer for row in rows} == {1, 3}
    with pytest.raises(LangspecError, match=r"layers \[4\] are not in this feature bank"):
        leak_curve(*options, rising=0.01, layers=[4], units=("token",))


def test_samples_are_nested_and_hold_whole_lines_of_texts() -> None:
    none = np.zeros(0, np.int32)
    line = np.tile(np.arange(40, dtype=np.int32), 2)
    language = np.repeat(np.arange(2, dtype=np.int32), 40)
    texts = Units(none, np.full(80, -1, np.int32), language, line, none, none)
    train = np.flatnonzero(line < 32)
    quarter, half = (nested_rows(texts, train, CODES[:2], share) for share in (0.25, 0.5))
    assert set(quarter) < set(half) < set(train)
    assert len(quarter) == 2 * 8
    lines = [set(line[quarter][language[quarter] == code]) for code in (0, 1)]
    assert lines[0] == lines[1]
    words = Units(none, np.arange(80, dtype=np.int32) % 5, language, line // 5, none, none)
    assert set(nested_rows(words, train, CODES[:2], 0.25)) < set(
        nested_rows(words, train, CODES[:2], 0.5)
    )


def test_a_language_with_fewer_training_vectors_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        rows = curve_of(planted_bank(tmp_path, short=101))
    (short,) = of(rows, "train_vectors")
    assert short.language == "fi"
    assert short.value == short.train_n == 4 * 21
    assert "fi 84" in caplog.text
    assert "240 of the largest" in caplog.text
    # 84 of 240 are more than a quarter and less than half: there its part of the curve ends.
    quarter, half = (point.train_n for point in of(rows, "macro_f1"))
    assert quarter == 3 * 60
    assert half == 2 * 120 + 84


def test_fewer_lines_than_points_are_one_clear_line(tmp_path: Path) -> None:
    bank = planted_bank(tmp_path, lines=5, words=8)
    two = bank.folder / "tokens_meta.npy"
    table = np.load(two)
    table[table[:, 4] == 0, 3] = np.arange((table[:, 4] == 0).sum()) % 2
    table[:, 2] = np.arange(len(table)) % 2
    np.save(two, table)
    short = Bank(bank.folder, bank.meta | {"languages": ["de", "en"]})
    with pytest.raises(LangspecError, match="found 2 training lines of token vectors; its 3") as e:
        leak_curve(short, ORIGIN, PROBE, BOOTSTRAP, {}, rising=0.01, units=("token",))
    assert "\n" not in str(e.value)


# --- a difference along the curve --------------------------------------------------------------


def seeds_of(points: tuple[float, float, float], noise: float = 0.002) -> dict[int, list[float]]:
    """Three seeds about a planted curve; the noise is that of the seed, at all points."""
    return {seed: [p + noise * (seed - 2) for p in points] for seed in (1, 2, 3)}


def learnt(size: float, end: float = 0.95, speed: float = 1.0) -> float:
    """The leak with a share of the training vectors: an error that falls by a power of it."""
    return end - 0.1 * (speed * size) ** -0.5


def curve(end: float = 0.95, speed: float = 1.0) -> tuple[float, float, float]:
    return (
        learnt(0.25, end, speed),
        learnt(0.5, end, speed),
        learnt(1.0, end, speed),
    )


@pytest.mark.parametrize("speed", [2.0, 4.0, 16.0])
def test_what_differs_only_in_sample_efficiency_does_not_hold(speed: float) -> None:
    fast, slow = seeds_of(curve(speed=speed)), seeds_of(curve(), noise=0.001)
    pairing = pair_seeds(fast, slow)
    assert not holds_along(fast, slow, pairing, 0.05)
    assert not holds_along(slow, fast, pairing, 0.05)


@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_a_difference_that_stays_holds(speed: float) -> None:
    high, low = seeds_of(curve(0.95, speed)), seeds_of(curve(0.80), noise=0.001)
    pairing = pair_seeds(high, low)
    assert holds_along(high, low, pairing, 0.05)
    assert holds_along(low, high, pairing, 0.05)


@pytest.mark.parametrize("faster", [1.5, 2.0, 4.0])
@pytest.mark.parametrize("bend", [0.25, 1.0, 4.0])
def test_a_curve_that_is_no_power_law_and_reads_faster_does_not_hold(
    faster: float, bend: float
) -> None:
    """Hyperbolas of one limit: three points tell neither the limit nor the form."""
    fast, slow = (
        tuple(speed * size / (bend + speed * size) for size in (0.25, 0.5, 1.0))
        for speed in (faster, 1.0)
    )
    sides = seeds_of(fast), seeds_of(slow, noise=0.001)
    assert not holds_along(*sides, pair_seeds(*sides), 0.05)


def test_the_measured_curve_of_an_encoder_does_not_differ_from_itself_with_more_text() -> None:
    measured = (0.910, 0.936, 0.944, 0.950, 0.956)  # e5, layer 12, each with twice as many words
    for ahead in (1, 2):
        sides = seeds_of(measured[ahead : ahead + 3]), seeds_of(measured[:3], noise=0.001)
        assert not holds_along(*sides, pair_seeds(*sides), 0.05)


def test_a_difference_that_only_all_vectors_show_does_not_hold() -> None:
    high, low = seeds_of((0.7, 0.8, 0.9)), seeds_of((0.7, 0.8, 0.8), noise=0.001)
    assert not holds_along(high, low, pair_seeds(high, low), 0.05)
    turned = seeds_of((0.6, 0.8, 0.9)), seeds_of((0.7, 0.75, 0.8), noise=0.001)
    assert not holds_along(*turned, pair_seeds(*turned), 0.05)


def test_the_limit_is_that_of_a_power_law() -> None:
    points = tuple(0.03 + 0.2 * size**-0.4 for size in (1.0, 2.0, 4.0))
    weights = limit_weights(*points)
    assert weights is not None
    assert np.dot(weights, points) == pytest.approx(0.03)
    assert limit_weights(0.3, 0.2, 0.1) is None  # it goes on falling as fast
    assert limit_weights(0.3, 0.2, 0.25) == (0.0, 0.0, 1.0)
