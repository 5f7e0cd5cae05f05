"""Retrieval of planted translations, and CKA of views with a known relation."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ortho_group

from bank_fixtures import bank_of
from langspec.errors import LangspecError
from langspec.features.bank import Bank
from langspec.measurement.alignment import retrieval, retrieval_hits
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.rows import Origin
from langspec.measurement.similarity import checkpoint_similarity, debiased_cka, unbiased_hsic
from langspec.results import Result

ORIGIN = Origin("pos", "frozen", 0, "text", "test", "m")
INTERVALS = BootstrapOptions(resamples=200, seed=0)
SENTENCES = ("sentence",)
LINES, WIDTH, CLASSES = 80, 24, 3
LANGUAGE = np.repeat(np.arange(CLASSES), LINES)
LINE = np.tile(np.arange(LINES), CLASSES)


def aligned(noise: float, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    """What a line says + a shift a language + noise."""
    rng = np.random.default_rng(seed)
    meaning = rng.standard_normal((LINES, WIDTH))[LINE]
    tongue = shift * rng.standard_normal((CLASSES, WIDTH))[LANGUAGE]
    return meaning + tongue + noise * rng.standard_normal((len(LINE), WIDTH))


def table(rows: list[Result]) -> dict[tuple[str, str, int, str], Result]:
    return {(row.metric, row.probe, row.layer, row.language): row for row in rows}


def test_planted_translations(tmp_path: Path) -> None:
    noise = np.random.default_rng(5).standard_normal((8, len(LINE), WIDTH))
    bank = bank_of(tmp_path, "bank", [*noise, aligned(0.01)], LANGUAGE, line=LINE)
    rows = retrieval(bank, ORIGIN, "en", INTERVALS)
    found = table(rows)
    assert {row.language for row in rows} == {"de", "fi", "mean_targets"}
    chance = found["retrieval", "chance", 0, "de"]
    assert (chance.value, chance.n) == (1 / LINES, LINES)
    for metric in ("retrieval", "retrieval_from_source", "retrieval_to_source"):
        assert found[metric, "cosine", 8, "mean_targets"].value == 1.0
        values = [found[metric, "cosine", layer, "mean_targets"].value for layer in range(8)]
        assert np.mean(values) == pytest.approx(chance.value, abs=0.008)
    for layer in range(8):
        row = found["retrieval", "cosine", layer, "mean_targets"]
        assert row.low <= row.value <= row.high
        assert row.n == 2 * LINES


def test_a_shift_of_a_language_is_what_centring_gives_back(tmp_path: Path) -> None:
    split = LINE % 2
    bank = bank_of(
        tmp_path,
        "bank",
        [aligned(0.1), aligned(0.1, shift=20.0)],
        LANGUAGE,
        line=LINE,
        split=split,
        splits=("test", "train"),
    )
    found = table(retrieval(bank, ORIGIN, "en", INTERVALS))
    value = {key: row.value for key, row in found.items()}
    assert value["retrieval", "cosine", 0, "mean_targets"] == 1.0
    assert value["retrieval", "cosine", 1, "mean_targets"] < 0.3
    assert value["retrieval", "centred", 1, "mean_targets"] == 1.0
    assert found["retrieval", "chance", 0, "fi"].value == 2 / LINES


def test_means_are_those_of_the_training_lines(tmp_path: Path) -> None:
    """Nothing about the lines looked for is told: their own means are not subtracted."""
    split, vectors = LINE % 2, aligned(0.1)
    vectors[(split == 0) & (LANGUAGE == 0)] += 50.0  # a shift of the test lines alone
    bank = bank_of(
        tmp_path, "b", [vectors], LANGUAGE, line=LINE, split=split, splits=("test", "train")
    )
    found = table(retrieval(bank, ORIGIN, "en", INTERVALS))
    assert found["retrieval", "centred", 0, "de"].value < 0.6
    assert found["retrieval", "centred", 0, "fi"].value == 1.0


def test_order_and_rotation_change_nothing(tmp_path: Path) -> None:
    vectors, order = aligned(0.8), np.random.default_rng(2).permutation(len(LINE))
    turned = (vectors @ ortho_group.rvs(WIDTH, random_state=1))[order]
    one = bank_of(tmp_path, "a", [vectors], LANGUAGE, line=LINE)
    two = bank_of(tmp_path, "b", [turned], LANGUAGE[order], line=LINE[order])
    assert table(retrieval(one, ORIGIN, "en", INTERVALS)) == table(
        retrieval(two, ORIGIN, "en", INTERVALS)
    )


def test_equal_sentences_share_the_hit() -> None:
    first = np.eye(4, 6)
    assert retrieval_hits(first, first).tolist() == [1, 1, 1, 1]
    second = first.copy()
    second[1] = second[0]  # two lines of one text: the nearest is one of them by chance
    assert retrieval_hits(first, second).tolist() == [0.5, 0.25, 1, 1]
    assert retrieval_hits(first, np.zeros_like(first)).tolist() == [0.25] * 4
    assert retrieval_hits(first, first * np.array([[1], [7], [0.1], [3]])).tolist() == [1] * 4


def test_only_shared_lines_count(tmp_path: Path) -> None:
    line = LINE.copy()
    line[LANGUAGE == 2] += LINES // 2  # fi has the second half of the lines and more
    bank = bank_of(tmp_path, "half", [aligned(0.01)], LANGUAGE, line=line)
    found = table(retrieval(bank, ORIGIN, "en", INTERVALS))
    assert found["retrieval", "cosine", 0, "fi"].n == LINES // 2
    assert found["retrieval", "chance", 0, "fi"].value == 2 / LINES
    fewer = table(retrieval(bank, ORIGIN, "en", BootstrapOptions(1000, 0), candidates=30))
    assert fewer["retrieval", "cosine", 0, "de"].n == 30


def test_refusals(tmp_path: Path) -> None:
    def bank(name: str, line: np.ndarray, language: np.ndarray = LANGUAGE) -> Bank:
        return bank_of(tmp_path, name, [aligned(1.0)], language, line=line)

    with pytest.raises(LangspecError, match="parallel by line; de, fi shares fewer than two"):
        retrieval(bank("apart", np.arange(len(LINE))), ORIGIN, "en", INTERVALS)
    with pytest.raises(LangspecError, match="has line 3 twice"):
        retrieval(bank("twice", np.where(LINE == 5, 3, LINE)), ORIGIN, "en", INTERVALS)
    with pytest.raises(LangspecError, match="no sentence of the source language 'tr'"):
        retrieval(bank("source", LINE), ORIGIN, "tr", INTERVALS)
    with pytest.raises(LangspecError, match="at least two languages, found de"):
        retrieval(
            bank("one", np.arange(len(LINE)), np.zeros_like(LANGUAGE)), ORIGIN, "de", INTERVALS
        )


# --- CKA ---------------------------------------------------------------------------------------


def test_cka_ignores_rotation_shift_and_scale() -> None:
    x = aligned(1.0)
    turned = 3.0 * x @ ortho_group.rvs(WIDTH, random_state=1) + 7.0
    assert debiased_cka(x, turned) == pytest.approx(1.0)
    assert debiased_cka(x, turned, LANGUAGE) == pytest.approx(1.0)
    assert debiased_cka(x, x * np.linspace(0.1, 3, WIDTH)) < 0.99  # not any linear map
    assert np.isnan(debiased_cka(x, np.ones_like(x)))
    assert np.isnan(debiased_cka(x[:3], x[:3]))


def test_hsic_is_the_u_statistic_over_four_rows() -> None:
    """Song et al. 2012: the mean over all ordered draws of four distinct rows."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, 3)) + 5.0, rng.standard_normal((6, 4)) - 2.0
    k, m = x @ x.T, y @ y.T
    drawn = [
        k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in permutations(range(6), 4)
    ]
    assert unbiased_hsic(x, y) == pytest.approx(np.mean(drawn))
    order = rng.permutation(6)
    assert unbiased_hsic(x[order], y[order]) == pytest.approx(unbiased_hsic(x, y))


@pytest.mark.parametrize("classes", [None, np.arange(1037) % 17])
def test_independent_spaces_are_not_alike_and_equal_ones_are(classes: np.ndarray | None) -> None:
    """1,037 rows of 384 dimensions; what is not debiased says .27."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 1037, 384))
    means = np.zeros((17, 384)) if classes is None else 9 * rng.standard_normal((17, 384))
    x, y = (part + means[np.arange(1037) % 17] for part in (x, y))  # does not count within
    assert debiased_cka(x, y, classes) == pytest.approx(0.0, abs=0.02)
    assert debiased_cka(x, x, classes) == pytest.approx(1.0)
    assert debiased_cka(x, x + y, classes) == pytest.approx(0.5, abs=0.02)


def test_cka_of_banks(tmp_path: Path) -> None:
    """Languages far apart in both views make unlike vectors look alike; within one they do not."""
    shift = aligned(0.0, shift=30.0) - aligned(0.0)
    start = bank_of(tmp_path, "a", [aligned(0.5), aligned(0.5) + shift], LANGUAGE, line=LINE)
    other = np.random.default_rng(9).standard_normal((len(LINE), WIDTH))
    bank = bank_of(tmp_path, "b", [aligned(0.5), other + shift], LANGUAGE, line=LINE)
    value = {
        k[:3]: row.value
        for k, row in table(checkpoint_similarity(bank, start, ORIGIN, units=SENTENCES)).items()
    }
    assert {metric for metric, *_ in value} == {"debiased_cka", "debiased_cka_within_language"}
    assert value["debiased_cka", "", 0] == pytest.approx(1.0)
    assert value["debiased_cka", "", 1] > 0.95
    assert value["debiased_cka_within_language", "", 0] == pytest.approx(1.0)
    assert abs(value["debiased_cka_within_language", "", 1]) < 0.06
    for (_, probe, _), chance in value.items():
        assert probe != "chance" or abs(chance) < 0.06


def test_cka_refuses_other_rows(tmp_path: Path) -> None:
    vectors = aligned(1.0)
    one = bank_of(tmp_path, "a", [vectors], LANGUAGE, line=LINE)
    two = bank_of(tmp_path, "b", [vectors], LANGUAGE, line=LINE + 1)
    deeper = bank_of(tmp_path, "c", [vectors, vectors], LANGUAGE, line=LINE)
    with pytest.raises(LangspecError, match="hold other sentences"):
        checkpoint_similarity(one, two, ORIGIN, units=SENTENCES)
    with pytest.raises(LangspecError, match="other layers"):
        checkpoint_similarity(one, deeper, ORIGIN, units=SENTENCES)
    with pytest.raises(LangspecError, match="the same rows, found 3 and 4"):
        debiased_cka(np.ones((3, 2)), np.ones((4, 2)))
    vectors[0, 0] = np.nan
    broken = bank_of(tmp_path, "d", [vectors], LANGUAGE, line=LINE)
    for measure in (
        lambda: checkpoint_similarity(broken, one, ORIGIN, units=SENTENCES),
        lambda: retrieval(broken, ORIGIN, "en", INTERVALS),
    ):
        with pytest.raises(LangspecError, match="1 of 240 vectors"):
            measure()
