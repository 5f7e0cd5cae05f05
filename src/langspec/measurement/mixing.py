"""The languages of a text's nearest neighbours, and what kind of text is the nearest.

A probe asks whether the language *can* be read from vectors. Neighbours ask whether it *orders*
the vectors, which matters to retrieval, clustering and k-NN (language bias: Roy et al. 2020,
section 4).
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

NEAREST_KINDS = ("translation", "own_language", "other_language")
"""What the nearest other text can be: a translation (a text of the same line), another text of the
same language, or another text of another language."""
_BLOCK = 512  # vectors compared with all others at once


@dataclass(frozen=True)
class Mixing:
    """Neighbourhoods of one layer.

    Attributes:
        languages: codes of the ``K`` languages.
        shares: float ``[K, K]``: the share of language j among the neighbours of texts of
            language i. Translations of a text do not count as its neighbours.
        chance: float ``[K, K]``: the share of language j among all texts of other lines.
        nearest: float ``[K, 3]``: how often the nearest other text is of each of
            :data:`NEAREST_KINDS`; nan where no line has translations.
        n: number of vectors.
    """

    languages: tuple[str, ...]
    shares: np.ndarray
    chance: np.ndarray
    nearest: np.ndarray
    n: int

    @classmethod
    def from_lists(cls, values: Mapping[str, Any]) -> Mixing:
        """Neighbourhoods whose arrays were written as lists."""
        names = ("shares", "chance", "nearest")
        arrays = {name: np.asarray(values[name], float) for name in names}
        return cls(languages=tuple(values["languages"]), n=int(values["n"]), **arrays)

    @property
    def apartness(self) -> np.ndarray:
        """How far each language lies apart from the others: float ``[K]``.

        0: its texts are as frequent among their neighbours as by chance. 1: they are all of them.
        """
        same, chance = np.diagonal(self.shares), np.diagonal(self.chance)
        return (same - chance) / np.maximum(1 - chance, 1e-12)

    @property
    def mixed(self) -> np.ndarray:
        """How readily two languages are neighbours: float ``[K, K]``, symmetric, 0..1.

        ``sqrt(l_ij l_ji / (l_ii l_jj))``, where ``l`` is a share divided by its chance level. 1:
        texts of both languages are neighbours as readily as texts of one language; 0: never. A
        language that is the neighbour of many, whose own neighbours are others (a hub), is mixed
        with none.
        """
        lift = self.shares / np.maximum(self.chance, 1e-12)
        same = np.maximum(np.diagonal(lift), 1e-12)
        index = np.sqrt(lift * lift.T / np.outer(same, same))
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

    Args:
        bank: sentence vectors with line numbers.
        layer: 0 for the embeddings.
        split: name of the split.
        neighbours: number of neighbours of a text, k.
        per_language: texts at most of each language.
        seed: by which they are drawn.

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
    nearest = np.zeros((count, len(NEAREST_KINDS)))
    for part, similar in _similarities(vectors):
        itself = torch.arange(part.start, part.start + len(similar))
        similar[torch.arange(len(similar)), itself] = -torch.inf
        first = similar.argmax(dim=1)
        same_line, same_language = lines[first] == lines[part], languages[first] == languages[part]
        kind = torch.where(same_line, 0, torch.where(same_language, 1, 2)).numpy()
        np.add.at(nearest, (language[part], kind), 1.0)
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
        nearest / totals[:, None] if translated else np.full_like(nearest, np.nan),
        len(rows),
    )


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


def _similarities(vectors: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
    for start in range(0, len(vectors), _BLOCK):
        part = slice(start, min(start + _BLOCK, len(vectors)))
        yield part, vectors[part] @ vectors.T


def _chance(language: np.ndarray, line: np.ndarray, count: int) -> np.ndarray:
    """Shares by chance ``[K, K]``: of language j among the texts of other lines.

    Row i is the mean over the texts of language i.
    """
    _, line_index = np.unique(line, return_inverse=True)
    table = np.zeros((int(line_index.max()) + 1, count))
    np.add.at(table, (line_index, language), 1.0)
    others = table.sum(axis=0)[None] - table  # [lines, K]
    share = others / np.maximum(others.sum(axis=1, keepdims=True), 1.0)
    out = np.zeros((count, count))
    np.add.at(out, language, share[line_index])
    return out / np.maximum(np.bincount(language, minlength=count)[:, None], 1)
