"""Neighbourhoods of planted vectors: apartness, its interval, and verdicts at several sizes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from bank_fixtures import bank_of
from langspec.features.bank import Bank
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.intervals import Interval, gap_interval
from langspec.measurement.mixing import (
    APART,
    MIXED,
    UNDECIDED,
    Mixing,
    mixing,
    unit_vectors,
    verdict,
)

pytestmark = pytest.mark.medium

CODES = ("de", "en", "fi", "fr", "ru", "tr")
STRENGTHS = (0.1, 0.3, 0.5, 0.8, 1.2, 2.0)  # how far each language lies from the content
WIDTH = 12
BOOTSTRAP = BootstrapOptions(resamples=100, seed=0)


def planted(root: Path, lines: int, *, seed: int = 0, shared: bool = True) -> Bank:
    """Content of a line in three dimensions, each language's own dimension, and noise.

    Languages lie close together beside the spread of the content. So texts of one language are
    the nearest only where many texts are there.

    Args:
        root: of the bank.
        lines: test texts of each language.
        seed: of the vectors.
        shared: are the texts translations of each other, line by line?
    """
    rng = np.random.default_rng(seed)
    language = np.repeat(np.arange(len(CODES)), lines)
    line = np.tile(np.arange(lines), len(CODES)) if shared else np.arange(len(language))
    vectors = 0.15 * rng.standard_normal((len(language), WIDTH))
    vectors[:, :3] += rng.standard_normal((line.max() + 1, 3))[line]  # the content
    vectors[np.arange(len(language)), 3 + language] += np.asarray(STRENGTHS)[language]
    vectors[:, -1] += 10  # angles are as distances then
    split = np.zeros(len(language), dtype=int)
    return bank_of(
        root, f"{lines}-{seed}", [vectors], language, line=line, split=split, splits=("test",),
        codes=CODES,
    )  # fmt: skip


def measured(root: Path, lines: int, seed: int = 0, *, shared: bool = True) -> Mixing:
    bank = planted(root, lines, seed=seed, shared=shared)
    return mixing(bank, 0, "test", bootstrap=BOOTSTRAP, per_language=1000)


def ten_nearest(bank: Bank) -> np.ndarray:
    """The apartness of ten neighbours, whatever the number of texts: what was measured before."""
    units, vectors = bank.sentence_meta, unit_vectors(bank.sentences(0))
    similar = vectors @ vectors.T
    line = torch.from_numpy(units.line)
    similar[line[:, None] == line[None]] = -torch.inf
    near = similar.topk(10, dim=1)[1].numpy()
    same = (units.language[near] == units.language[:, None]).mean(axis=1)
    own = np.bincount(units.language, weights=same) / np.bincount(units.language)
    return np.asarray((own - 1 / len(CODES)) / (1 - 1 / len(CODES)))


@pytest.mark.parametrize("shared", [True, False])
def test_five_hundred_and_two_thousand_texts_give_equal_answers(
    tmp_path: Path, shared: bool
) -> None:
    # 30 % of the texts are tested on.
    many = measured(tmp_path, 600, shared=shared)
    draws = [measured(tmp_path, 150, seed, shared=shared) for seed in range(1, 7)]
    assert draws[0].texts.tolist() == [150] * len(CODES)
    assert np.mean([few.apartness for few in draws], axis=0) == pytest.approx(
        many.apartness, abs=0.04
    )
    held = []
    for few in draws:
        for one, other in zip(few.apart_intervals, many.apart_intervals, strict=True):
            apart = gap_interval(one, other, 0.0)
            held.append(apart.low <= 0 <= apart.high)
            assert other.high - other.low < one.high - one.low
        # More texts decide what fewer leave open, and turn no verdict round.
        assert all(
            one in (two, UNDECIDED) for one, two in zip(few.verdicts, many.verdicts, strict=True)
        )
        assert {APART, MIXED} <= set(few.verdicts)
    assert np.mean(held) >= 0.9


def test_ten_neighbours_make_languages_look_further_apart_with_more_texts(tmp_path: Path) -> None:
    few, many = (ten_nearest(planted(tmp_path, lines)) for lines in (150, 600))
    intervals = mixing(planted(tmp_path, 150, seed=1), 0, "test", bootstrap=BOOTSTRAP)
    widths = [one.high - one.low for one in intervals.apart_intervals]
    assert np.mean(many - few) > np.mean(widths) / 2
    assert (many >= 0.5).sum() > (few >= 0.5).sum()


def test_a_language_with_few_texts_is_undecided_and_does_not_move_the_others(
    tmp_path: Path,
) -> None:
    bank = planted(tmp_path, 200, shared=False)
    whole = mixing(bank, 0, "test", bootstrap=BOOTSTRAP)
    path = bank.folder / "sentences_meta.npy"
    table = np.load(path)
    of_last = np.flatnonzero(bank.sentence_meta.language == len(CODES) - 1)
    table[of_last[30:], 4] = -1  # of no split
    np.save(path, table)
    fewer = mixing(Bank(bank.folder, bank.meta), 0, "test", bootstrap=BOOTSTRAP)
    assert fewer.texts.tolist() == [200] * 5 + [30]
    assert whole.verdicts[-1] == APART
    assert fewer.verdicts[-1] == UNDECIDED
    assert fewer.apartness[:-1] == pytest.approx(whole.apartness[:-1], abs=0.06)
    assert np.allclose(fewer.chance.sum(axis=1), 1)
    assert fewer.chance[0] == pytest.approx(1 / len(CODES), abs=0.01)


def test_intervals_hold_the_value_of_many_lines(tmp_path: Path) -> None:
    truth = measured(tmp_path, 900, seed=99).apartness
    held = []
    for seed in range(12):
        found = measured(tmp_path, 80, seed=seed)
        held += [
            one.low <= value <= one.high
            for one, value in zip(found.apart_intervals, truth, strict=True)
        ]
    assert np.mean(held) > 0.85


def test_two_that_lie_in_one_place_are_mixed_and_say_how_surely(tmp_path: Path) -> None:
    bank = planted(tmp_path, 100)
    table = np.load(bank.folder / "sentences_meta.npy")
    language = table[:, 2].copy()
    first, second = np.flatnonzero(language == 4), np.flatnonzero(language == 5)
    vectors = np.load(bank.folder / "sentences.npy")
    vectors[0, first] = vectors[0, second] + 1e-3
    np.save(bank.folder / "sentences.npy", vectors)
    found = mixing(bank, 0, "test", bootstrap=BOOTSTRAP)
    pair = found.mixed_interval(4, 5)
    assert pair.value > 0.95
    assert pair.low > 0.5
    assert found.mixed_interval(0, 5).high < 0.5
    assert APART not in found.verdicts[4:]


def test_verdicts_and_what_is_written_read_back(tmp_path: Path) -> None:
    assert verdict(Interval(0.6, 0.51, 0.7)) == APART
    assert verdict(Interval(0.5, 0.45, 0.55)) == UNDECIDED
    assert verdict(Interval(0.4, 0.3, 0.49)) == MIXED
    assert verdict(Interval(0.9, np.nan, np.nan)) == UNDECIDED
    found = measured(tmp_path, 40)
    written = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in asdict(found).items()
    }
    again = Mixing.from_lists(written)
    assert again.verdicts == found.verdicts
    assert again.mean_apartness == found.mean_apartness


def test_values_at_the_ends_have_intervals_there(tmp_path: Path) -> None:
    lines = 100
    language = np.repeat(np.arange(4), lines)
    line = np.tile(np.arange(lines), 4)
    rng = np.random.default_rng(0)
    content = 0.3 * rng.standard_normal((lines, 8))[line]
    far = content + 0.1 * rng.standard_normal((len(language), 8))
    far[np.arange(len(language)), language] += 10
    near = content + 0.1 * rng.standard_normal((len(language), 8)) + 1
    split = np.zeros(len(language), dtype=int)
    bank = bank_of(
        tmp_path, "ends", [near, far], language, line=line, split=split, splits=("test",),
        codes=CODES,
    )  # fmt: skip
    mixed, apart = (mixing(bank, layer, "test", bootstrap=BOOTSTRAP) for layer in (0, 1))
    assert apart.verdicts == (APART,) * 4
    assert all(one.value == 1 and one.low > 0.9 for one in apart.apart_intervals)
    pair = apart.mixed_interval(0, 1)
    assert (pair.value, pair.low, pair.high) == (0, 0, 0)
    mean = mixed.mean_apartness
    assert mean.low <= mean.value <= mean.high  # below 0 too
    assert mixed.verdicts == (MIXED,) * 4
