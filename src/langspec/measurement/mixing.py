"""The languages of the texts that lie around a text.

A probe asks whether the language *can* be read from vectors. Neighbours ask whether it *orders*
the vectors, which matters to retrieval, clustering and k-NN (language bias: Roy et al. 2020,
section 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from langspec.errors import LangspecError
from langspec.features.bank import Bank
from langspec.features.sample import lowest_per_group, unit_ranks
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.intervals import (
    LEVEL,
    Interval,
    real_interval,
    share_interval,
    standard_error,
)
from langspec.measurement.neighbourhoods import (
    MOST_TEXTS,
    Shares,
    around,
    chance_shares,
    line_weights,
    samples,
)

SAMPLE, NEAREST = 50, 10
"""Texts of each language in a sample, and neighbours of a text in it. Samples of one size have
neighbourhoods of one size, whatever number of texts there is; docs/audit.md compares this with a
number and with a share of the texts."""
FEWEST = SAMPLE
"""Texts of a language below which no sample is full, and nothing is decided of it."""
_ROUNDS = 4  # in each, every text is in one sample
APART, MIXED, UNDECIDED = "kept apart", "mixed", "undecided"
"""What can be said of a language."""
THRESHOLD = 0.5
"""A language is kept apart above this apartness, and two are mixed above this index."""


@dataclass(frozen=True)
class Mixing:
    """Neighbourhoods of one layer.

    Attributes:
        languages: codes of the ``K`` languages.
        shares: float ``[K, K]``: the share of language j around texts of language i, in samples
            of :data:`SAMPLE` texts of each language. Translations of a text do not count.
        chance: float ``[K, K]``: the share of language j among all texts of other lines, each
            language weighing the same.
        n: number of vectors.
        texts: int ``[K]``: number of lines of each language.
        errors: float ``[K]``: standard error, over lines, of each language's share of its own.
        mixed_errors: float ``[K, K]``: standard error, over lines, of :attr:`mixed`.
        resampled: float ``[B]``: the mean apartness in each resample of lines. Two encoders that
            read the same texts have the same resamples.
    """

    languages: tuple[str, ...]
    shares: np.ndarray
    chance: np.ndarray
    n: int
    texts: np.ndarray
    errors: np.ndarray
    mixed_errors: np.ndarray
    resampled: np.ndarray

    @classmethod
    def from_lists(cls, values: Mapping[str, Any]) -> Mixing:
        """Neighbourhoods whose arrays were written as lists."""
        names = ("shares", "chance", "errors", "mixed_errors", "resampled")
        arrays = {name: np.asarray(values[name], float) for name in names}
        texts = np.asarray(values["texts"], int)
        return cls(languages=tuple(values["languages"]), n=int(values["n"]), texts=texts, **arrays)

    @property
    def apartness(self) -> np.ndarray:
        """How far each language lies apart from the others: float ``[K]``.

        0: its texts are as frequent among their neighbours as by chance. 1: they are all of them.
        """
        return _apartness(self.shares, self.chance)

    @property
    def same_shares(self) -> list[Interval]:
        """The share of a language's own texts in its neighbourhoods, with its interval."""
        values = zip(np.diagonal(self.shares), self.errors, self.texts, strict=True)
        return [share_interval(float(v), float(e), int(n), LEVEL) for v, e, n in values]

    @property
    def apart_intervals(self) -> list[Interval]:
        """:attr:`apartness` of each language with its interval."""
        return [
            _apart(share, float(chance))
            for share, chance in zip(self.same_shares, np.diagonal(self.chance), strict=True)
        ]

    @property
    def mean_apartness(self) -> Interval:
        """The mean of :attr:`apartness` over the languages, with its interval."""
        lines, chance = int(self.texts.max()), float(np.diagonal(self.chance).mean())
        # As a share, which lies between 0 and 1; apartness may be below 0.
        share = float(self.apartness.mean()) * (1 - chance) + chance
        error = standard_error(self.resampled, lines) * (1 - chance)
        return _apart(share_interval(share, error, lines, LEVEL), chance)

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Of each language: :data:`APART`, :data:`MIXED`, or :data:`UNDECIDED`.

        The last is said where the interval holds :data:`THRESHOLD`, and where the language has
        fewer texts than :data:`FEWEST`.
        """
        return tuple(
            verdict(interval) if texts >= FEWEST else UNDECIDED
            for interval, texts in zip(self.apart_intervals, self.texts, strict=True)
        )

    @property
    def mixed(self) -> np.ndarray:
        """How readily two languages are neighbours: float ``[K, K]``, symmetric, 0..1.

        ``sqrt(l_ij l_ji / (l_ii l_jj))``, where ``l`` is a share divided by its chance level. 1:
        texts of both languages are neighbours as readily as texts of one language; 0: never. A
        language that is the neighbour of many, whose own neighbours are others (a hub), is mixed
        with none.
        """
        return np.minimum(_mixed(self.shares, self.chance), 1.0)

    def mixed_interval(self, first: int, second: int) -> Interval:
        """:attr:`mixed` of two languages with its interval."""
        lines = int(min(self.texts[first], self.texts[second]))
        value, error = self.mixed[first, second], self.mixed_errors[first, second]
        index = real_interval(float(value), float(error), lines, LEVEL)  # it is no share
        return Interval(index.value, max(index.low, 0.0), min(index.high, 1.0))


def verdict(apartness: Interval) -> str:
    """What an interval of apartness says of a language; nan ends: :data:`UNDECIDED`."""
    if apartness.low > THRESHOLD:
        return APART
    return MIXED if apartness.high < THRESHOLD else UNDECIDED


def _apart(share: Interval, chance: float) -> Interval:
    """The interval of apartness, from that of a language's share of its own."""
    ends = (share.value, share.low, share.high)
    return Interval(*((end - chance) / max(1 - chance, 1e-12) for end in ends))


def _apartness(shares: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Apartness ``[..., K]`` of shares ``[..., K, K]``."""
    same = np.diagonal(shares, axis1=-2, axis2=-1)
    by_chance = np.diagonal(chance)
    return np.asarray((same - by_chance) / np.maximum(1 - by_chance, 1e-12))


def _mixed(shares: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """The index of mixing ``[..., K, K]`` of shares ``[..., K, K]``, not cut at 1."""
    lift = shares / np.maximum(chance, 1e-12)
    same = np.maximum(np.diagonal(lift, axis1=-2, axis2=-1), 1e-12)
    index = lift * np.swapaxes(lift, -1, -2) / (same[..., :, None] * same[..., None, :])
    index = np.sqrt(index)
    codes = np.arange(shares.shape[-1])
    index[..., codes, codes] = 1.0
    return np.asarray(index)


def mixing(
    bank: Bank,
    layer: int,
    split: str,
    *,
    bootstrap: BootstrapOptions | None = None,
    per_language: int = MOST_TEXTS,
    seed: int = 0,
) -> Mixing:
    """Neighbourhoods, by cosine, of the sentence vectors of one layer and split.

    Args:
        bank: sentence vectors with line numbers.
        layer: 0 for the embeddings.
        split: name of the split.
        bootstrap: over lines, for the intervals; None: none are measured.
        per_language: texts at most of each language.
        seed: by which they are drawn.

    Raises:
        LangspecError: fewer than two languages or four vectors, vectors that are not finite.
    """
    vectors, language, line = sampled(bank, layer, split, per_language, seed)
    count = len(bank.languages)
    parts = []
    for rows in samples(language, line, SAMPLE, _ROUNDS, seed):
        _, numbers = np.unique(line[rows], return_inverse=True)
        parts.append(_shares(vectors[rows], language[rows], numbers, count, None)[0])
    shares, chance = np.mean(parts, axis=0), chance_shares(language, line, count)
    # Their spread is that of neighbourhoods of the same share among all texts at once.
    whole, *resampled = _shares(vectors, language, line, count, bootstrap)
    drawn = np.asarray(resampled).reshape(-1, count, count)
    lines = int(line.max()) + 1
    texts = np.bincount(np.unique(language * lines + line) // lines, minlength=count)
    same = np.diagonal(drawn, axis1=1, axis2=2)
    index = _mixed(drawn, chance)
    errors = [
        [standard_error(index[:, i, j], int(min(texts[i], texts[j]))) for j in range(count)]
        for i in range(count)
    ]
    return Mixing(
        languages=bank.languages,
        shares=shares,
        chance=chance,
        n=len(language),
        texts=texts,
        errors=np.asarray(
            [
                _carried(standard_error(same[:, i], int(texts[i])), whole[i, i], shares[i, i])
                for i in range(count)
            ]
        ),
        mixed_errors=np.asarray(errors),
        resampled=_apartness(drawn, chance).mean(axis=1),
    )


def _carried(error: float, measured: float, share: float) -> float:
    """The standard error of a share, from that of another share of as many independent trials."""
    spread = measured * (1 - measured)
    return error * float(np.sqrt(share * (1 - share) / spread)) if spread > 1e-9 else error


def _shares(
    vectors: torch.Tensor,
    language: np.ndarray,
    line: np.ndarray,
    count: int,
    bootstrap: BootstrapOptions | None,
) -> np.ndarray:
    """Shares ``[1 + B, K, K]`` around texts: of all of them, and of each resample of lines."""
    weights = line_weights(language, line, bootstrap)
    sums = Shares(language, line, count, NEAREST / SAMPLE, weights)
    for block in around(vectors, torch.from_numpy(line), sums.most):
        sums.add(block)
    return sums.shares()


def sampled(
    bank: Bank, layer: int, split: str, per_language: int, seed: int
) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """The sentence vectors of a split, at most ``per_language`` of each language.

    Returns:
        The vectors ``[N, H]`` of length 1, the language int64 ``[N]`` of each, and its line int64
        ``[N]`` in ``0..L-1``.

    Raises:
        LangspecError: fewer than two languages or four vectors, vectors that are not finite.
    """
    rows = sample_rows(bank, split, per_language, seed)
    units = bank.sentence_meta
    language = units.language[rows].astype(np.int64)
    if len(np.unique(language)) < 2 or len(rows) < 4:
        raise LangspecError(
            f"neighbours need at least two languages and four texts of split {split!r}, found "
            f"{len(rows)} texts"
        )
    _, line = np.unique(units.line[rows], return_inverse=True)
    return unit_vectors(bank.sentences(layer)[rows]), language, line.astype(np.int64)


def sample_rows(bank: Bank, split: str, per_language: int, seed: int) -> np.ndarray:
    """Positions int64 ``[N]`` of sentences of a split, at most ``per_language`` of each language.

    Lines are drawn by ``seed``, the same in all languages, so translations stay together.
    """
    units = bank.sentence_meta
    index = bank.splits.index(split) if split in bank.splits else -2
    rows = np.flatnonzero(units.split == index)
    same = np.zeros(len(rows), dtype=np.int64)
    ranks = unit_ranks(seed + 2, ("",), same, units.line[rows], np.full(len(rows), -1))
    return rows[lowest_per_group(ranks, units.language[rows], per_language)]


def unit_vectors(vectors: np.ndarray) -> torch.Tensor:
    """Vectors ``[N, H]`` scaled to length 1, in float32; a vector of zeros stays as it is.

    Raises:
        LangspecError: values that are not finite.
    """
    if not np.isfinite(vectors).all():
        raise LangspecError("vectors that are not finite have no neighbours")
    return torch.nn.functional.normalize(torch.from_numpy(np.array(vectors, np.float32)), dim=1)
