"""Planted moves: subspaces turned by a known angle, variances scaled by a known factor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bank_fixtures import bank_of
from langspec.errors import LangspecError
from langspec.features.bank import Bank
from langspec.measurement.moves import halves, moves
from langspec.measurement.rows import Origin
from langspec.results import Result

ORIGIN = Origin("pos", "finetune", 1, "pos", "test", "m")
SENTENCES = ("sentence",)
LINES, WIDTH, CLASSES = 40, 20, 3
LANGUAGE = np.repeat(np.arange(CLASSES), LINES)
LINE = np.tile(np.arange(LINES), CLASSES)
LABEL = LINE % 2
MEANS = np.array([[3.0, 0.0], [-1.5, 2.0], [-1.5, -2.0]])  # of the languages, sum 0


def planted(
    turn: float = 0.0,
    tongue: float = 1.0,
    other: float = 0.0,
    overlap: float = 90.0,
    noise: float = 0.0,
    seed: int = 0,
) -> np.ndarray:
    """Languages in dimensions 0 and 1, turned into 2 and 3 by ``turn`` degrees.

    ``tongue`` scales the languages, ``other`` two free dimensions (8, 9); labels lie at
    ``overlap`` degrees to the languages' first dimension.
    """
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    vectors = np.zeros((len(LINE), WIDTH))
    vectors[:, 0:2] = tongue * cos * MEANS[LANGUAGE]
    vectors[:, 2:4] = tongue * sin * MEANS[LANGUAGE]
    sign = 2.0 * LABEL - 1.0
    vectors[:, 0] += np.cos(np.radians(overlap)) * sign
    vectors[:, 6] += np.sin(np.radians(overlap)) * sign
    free = np.random.default_rng(1).standard_normal((LINES, 2))
    vectors[:, 8:10] += other * (free - free.mean(axis=0))[LINE]
    return vectors + noise * np.random.default_rng(seed).standard_normal(vectors.shape)


def measured(root: Path, before: np.ndarray, after: np.ndarray) -> dict[tuple[str, str], float]:
    name = f"{len(list(root.iterdir()))}"
    banks = [
        bank_of(root, name + side, [vectors], LANGUAGE, line=LINE, label=LABEL)
        for side, vectors in (("start", before), ("now", after))
    ]
    rows: list[Result] = moves(banks[1], banks[0], ORIGIN, units=SENTENCES)
    assert {row.n for row in rows} == {len(LINE)}
    return {(row.metric, row.probe): row.value for row in rows}


@pytest.mark.parametrize("turn", [0.0, 30.0, 90.0])
def test_a_subspace_turned_by_a_known_angle(tmp_path: Path, turn: float) -> None:
    found = measured(tmp_path, planted(), planted(turn=turn))
    for metric in ("angle_language", "angle_language_01", "angle_language_02"):
        assert found[metric, ""] == pytest.approx(turn, abs=1e-3)
    assert ("angle_language_03", "") not in found
    assert found["angle_language", "halves"] == pytest.approx(0.0, abs=1e-3)
    assert found["angle_label", ""] == pytest.approx(0.0, abs=1e-3)
    cosine = np.cos(np.radians(turn)) ** 2
    assert found["in_place_language", ""] == pytest.approx(cosine, abs=1e-6)
    assert found["in_place_language", "chance"] == 2 / WIDTH
    assert found["in_place_label", ""] == pytest.approx(1.0)
    assert 60 < found["angle_language", "chance"] < 90


def test_shrinking_and_growth_of_the_rest_are_told_apart(tmp_path: Path) -> None:
    """Both lower the share between languages; only one lowers the variance itself."""
    start = planted()
    shrunk, grown = planted(tongue=0.5), planted(other=3.0)
    one, two = measured(tmp_path, start, shrunk), measured(tmp_path, start, grown)
    variance = np.square(MEANS).sum(axis=1).mean()
    for found in (one, two):
        assert found["variance_language", "before"] == pytest.approx(variance)
        assert (
            found["variance_share_language", "after"]
            < (found["variance_share_language", "before"])
        )
        assert found["angle_language", ""] == pytest.approx(0.0, abs=1e-3)
    assert one["variance_label", "after"] == pytest.approx(1.0)
    assert one["variance_language", "after"] == pytest.approx(variance / 4)
    assert two["variance_language", "after"] == pytest.approx(variance)
    total = start.var(axis=0).sum()
    assert one["variance_share_language", "before"] == pytest.approx(variance / total)
    assert one["feature_spread", "before"] == pytest.approx(np.sqrt(total))


@pytest.mark.parametrize("overlap", [0.0, 40.0, 90.0])
def test_language_beside_label(tmp_path: Path, overlap: float) -> None:
    found = measured(tmp_path, planted(), planted(overlap=overlap))
    assert found["angle_language_label", "before"] == pytest.approx(90.0, abs=1e-3)
    assert found["angle_language_label", "after"] == pytest.approx(overlap, abs=1e-3)
    expected = np.cos(np.radians(overlap)) ** 2
    assert found["label_in_language", "after"] == pytest.approx(expected, abs=1e-6)
    assert found["label_in_language", "chance"] == 2 / WIDTH


def test_noise_alone_turns_a_subspace_and_halves_say_how_far(tmp_path: Path) -> None:
    found = measured(tmp_path, planted(noise=4.0, seed=1), planted(noise=4.0, seed=2))
    assert found["angle_language", "halves"] > 20
    assert found["angle_language", ""] == pytest.approx(found["angle_language", "halves"], abs=12)


def test_pure_noise_is_as_far_as_random_subspaces(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    angles, chance = [], 0.0
    for _ in range(8):
        before, after = rng.standard_normal((2, len(LINE), WIDTH))
        found = measured(tmp_path, before, after)
        angles.append(found["angle_language", ""])
        chance = found["angle_language", "chance"]
    assert np.mean(angles) == pytest.approx(chance, abs=4)


def test_a_turn_of_the_whole_space_shows_in_the_principal_directions(tmp_path: Path) -> None:
    # Dimensions are dealt out anew: languages lie in 10 and 11, and so does everything else.
    found = measured(tmp_path, planted(), np.roll(planted(), 10, axis=1))
    assert found["angle_language", ""] == pytest.approx(90.0, abs=1e-3)
    assert found["angle_principal", ""] == pytest.approx(90.0, abs=1e-3)
    assert measured(tmp_path, planted(), planted())["angle_principal", ""] < 1.0


def test_without_labels_there_is_a_language_subspace_only(tmp_path: Path) -> None:
    banks = [
        bank_of(tmp_path, side, [planted(), planted()], LANGUAGE, line=LINE, kind="tokens")
        for side in ("a", "b")
    ]
    rows = moves(banks[0], banks[1], ORIGIN, units=("token",))
    assert {row.layer for row in rows} == {0, 1}
    assert not [row for row in rows if "label" in row.metric]


def test_halves_keep_translations_together() -> None:
    part = halves(LINE, seed=0)
    assert all(len(set(part[line == LINE])) == 1 for line in range(LINES))
    assert part.sum() == len(LINE) // 2
    order = np.random.default_rng(0).permutation(len(LINE))
    assert (halves(LINE[order], seed=0) == part[order]).all()


def test_refusals(tmp_path: Path) -> None:
    def bank(name: str, language: np.ndarray, line: np.ndarray) -> Bank:
        return bank_of(tmp_path, name, [planted()], language, line=line)

    whole, one = bank("a", LANGUAGE, LINE), bank("b", np.zeros_like(LANGUAGE), LINE)
    with pytest.raises(LangspecError, match="hold other sentences"):
        moves(whole, one, ORIGIN, units=SENTENCES)
    with pytest.raises(LangspecError, match="at least two languages, found de"):
        moves(one, one, ORIGIN, units=SENTENCES)
    single = bank("c", LANGUAGE, np.zeros_like(LINE))
    with pytest.raises(LangspecError, match="a single line"):
        moves(single, single, ORIGIN, units=SENTENCES)
    broken = bank_of(tmp_path, "d", [np.full((len(LINE), WIDTH), np.nan)], LANGUAGE, line=LINE)
    with pytest.raises(LangspecError, match="not finite"):
        moves(broken, whole, ORIGIN, units=SENTENCES)
