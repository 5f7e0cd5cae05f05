"""Who lies beside whom: the languages of a text's nearest neighbours, and what a search finds.

A probe asks whether language *can* be read; neighbours ask whether it *orders* the space, which
is what retrieval, clustering and k-NN see (language bias: Roy et al. 2020, section 4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from langspec.errors import LangspecError
from langspec.features.bank import Bank
from langspec.features.sample import lowest_per_group, unit_ranks

FOUND = ("translation", "own_language", "other_language")
_BLOCK = 512  # vectors compared with all others at once


@dataclass(frozen=True)
class Mixing:
    """Neighbourhoods of one layer.

    Attributes:
        languages: codes of the K languages.
        shares: float ``[K, K]``: of the neighbours of texts of language i, those of language j.
            Texts of the same line (translations) are no neighbours.
        chance: float ``[K, K]``: the same share among all texts of other lines.
        found: float ``[K, 3]``: how often the nearest other text, translations included, is a
            translation, another text of the same language, another of another language
            (:data:`FOUND`); nan where no line has translations.
        n: vectors compared.
    """

    languages: tuple[str, ...]
    shares: np.ndarray
    chance: np.ndarray
    found: np.ndarray
    n: int

    @classmethod
    def from_lists(cls, values: Mapping[str, Any]) -> Mixing:
        """Neighbourhoods whose arrays were written as lists."""
        arrays = {name: np.asarray(values[name], float) for name in ("shares", "chance", "found")}
        return cls(languages=tuple(values["languages"]), n=int(values["n"]), **arrays)

    @property
    def apartness(self) -> np.ndarray:
        """float ``[K]``: 0 where a language's own share is chance, 1 where it is everything."""
        own, chance = np.diagonal(self.shares), np.diagonal(self.chance)
        return (own - chance) / np.maximum(1 - chance, 1e-12)

    @property
    def mixed(self) -> np.ndarray:
        """float ``[K, K]``, symmetric, 0..1: how readily two languages are neighbours.

        ``sqrt(l_ij l_ji / (l_ii l_jj))`` of the shares' lifts over chance. 1: as readily as texts
        of one language are; 0: never. A language that is everyone's neighbour (a hub) without
        having them for neighbours is mixed with none.
        """
        lift = self.shares / np.maximum(self.chance, 1e-12)
        own = np.maximum(np.diagonal(lift), 1e-12)
        index = np.sqrt(lift * lift.T / np.outer(own, own))
        np.fill_diagonal(index, 1.0)
        return np.minimum(index, 1.0)


def mixing(
    bank: Bank,
    layer: int,
    split: str,
    *,
    neighbours: int = 10,
    per_language: int = 500,
    seed: int = 0,
) -> Mixing:
    """Neighbourhoods, by cosine, of the sentence vectors of one layer and split.

    ``neighbours`` is k; of each language at most ``per_language`` texts are taken, drawn by
    ``seed``.

    Raises:
        LangspecError: fewer than two languages or four vectors, vectors that are not finite.
    """
    rows = sample_rows(bank, split, per_language, seed)
    units = bank.sentence_meta
    language, line = units.language[rows].astype(np.int64), units.line[rows].astype(np.int64)
    count = len(bank.languages)
    if len(np.unique(language)) < 2 or len(rows) < 4:
        raise LangspecError(
            f"neighbours need at least two languages and four texts of split {split!r}, found "
            f"{len(rows)} texts"
        )
    vectors = unit_vectors(bank.sentences(layer)[rows])
    languages = torch.from_numpy(language)
    lines = torch.from_numpy(line)
    shares = np.zeros((count, count))
    found = np.zeros((count, len(FOUND)))
    for part, similar in _similarities(vectors):
        mine = torch.arange(part.start, part.start + len(similar))
        similar[torch.arange(len(similar)), mine] = -torch.inf
        first = similar.argmax(dim=1)
        same_line, same_language = lines[first] == lines[part], languages[first] == languages[part]
        kind = torch.where(same_line, 0, torch.where(same_language, 1, 2)).numpy()
        np.add.at(found, (language[part], kind), 1.0)
        similar[lines[part][:, None] == lines[None]] = -torch.inf
        k = min(neighbours, len(rows) - 1)
        value, near = similar.topk(k, dim=1)
        real = torch.isfinite(value).numpy()
        owner = np.broadcast_to(language[part][:, None], real.shape)
        np.add.at(shares, (owner[real], language[near.numpy()][real]), 1.0)
    totals = np.bincount(language, minlength=count).astype(np.float64)
    translated = len(np.unique(line)) < len(line)
    return Mixing(
        bank.languages,
        shares / np.maximum(shares.sum(axis=1, keepdims=True), 1.0),
        _chance(language, line, count),
        found / totals[:, None] if translated else np.full_like(found, np.nan),
        len(rows),
    )


def sample_rows(bank: Bank, split: str, per_language: int, seed: int) -> np.ndarray:
    """int64 ``[N]``: sentences of a split, at most so many a language, the same lines in all.

    The rank of a line does not depend on its language, so that translations stay together.
    """
    units = bank.sentence_meta
    index = bank.splits.index(split) if split in bank.splits else -2
    rows = np.flatnonzero(units.split == index)
    same = np.zeros(len(rows), dtype=np.int64)
    ranks = unit_ranks(seed + 2, ("",), same, units.line[rows], np.full(len(rows), -1))
    return rows[lowest_per_group(ranks, units.language[rows], per_language)]


def unit_vectors(vectors: np.ndarray) -> torch.Tensor:
    """float32 ``[N, H]`` of length 1; a zero vector stays zero.

    Raises:
        LangspecError: values that are not finite.
    """
    if not np.isfinite(vectors).all():
        raise LangspecError("vectors that are not finite have no neighbours")
    return torch.nn.functional.normalize(torch.from_numpy(np.array(vectors, np.float32)), dim=1)


def _similarities(vectors: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
    for start in range(0, len(vectors), _BLOCK):
        part = slice(start, min(start + _BLOCK, len(vectors)))
        yield part, vectors[part] @ vectors.T


def _chance(language: np.ndarray, line: np.ndarray, count: int) -> np.ndarray:
    """Share of each language among the texts of other lines, mean over the texts of a language."""
    _, line_index = np.unique(line, return_inverse=True)
    table = np.zeros((int(line_index.max()) + 1, count))
    np.add.at(table, (line_index, language), 1.0)
    others = table.sum(axis=0)[None] - table  # [lines, K]
    share = others / np.maximum(others.sum(axis=1, keepdims=True), 1.0)
    out = np.zeros((count, count))
    np.add.at(out, language, share[line_index])
    return out / np.maximum(np.bincount(language, minlength=count)[:, None], 1)
