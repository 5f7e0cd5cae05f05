"""Whose texts lie around a text, in neighbourhoods whose size does not depend on the sample's.

Neighbours are looked for in samples of a fixed number of texts of each language. Among all texts
ten neighbours lie the closer the more texts there are: languages then look further apart, and a
verdict depends on how many texts were read. Each language has the same mass in a sample, whatever
number of texts it has there, so that a language with few texts counts as much as the others.

The interval comes from a bootstrap over lines. A resample gives every line a weight, as a text and
as a neighbour. Other texts of a text's own line never count as its neighbours, so the copies of a
line that is drawn twice are no neighbours of each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from langspec.measurement.bootstrap import BootstrapOptions

MOST_TEXTS = 500  # of a language that are compared with each other; more are sampled
BLOCK = 512  # texts that are compared with all others at once
_REACH = 2  # neighbours kept, in sizes of a neighbourhood: resamples change their mass


@dataclass(frozen=True)
class Around:
    """What stands around a block of texts.

    Attributes:
        rows: of the block.
        first: int ``[b]``: the text nearest to each, translations included.
        near: int ``[b, M]``: texts of other lines, the nearest first.
        known: bool ``[b, M]``: false where fewer than ``M`` texts are of other lines.
    """

    rows: slice
    first: torch.Tensor
    near: torch.Tensor
    known: torch.Tensor


def around(vectors: torch.Tensor, line: torch.Tensor, most: int) -> Iterator[Around]:
    """The nearest texts of each text, block by block.

    Args:
        vectors: float32 ``[N, H]`` of length 1; nearness is their cosine.
        line: int64 ``[N]``; translations share it.
        most: neighbours of a text that are listed, M.
    """
    most = min(most, len(vectors) - 1)
    for start in range(0, len(vectors), BLOCK):
        part = slice(start, min(start + BLOCK, len(vectors)))
        similar = vectors[part] @ vectors.T
        itself = torch.arange(part.start, part.stop)
        similar[torch.arange(len(similar)), itself] = -torch.inf
        first = similar.argmax(dim=1)
        similar[line[part][:, None] == line[None]] = -torch.inf
        value, near = similar.topk(most, dim=1)
        yield Around(part, first, near, torch.isfinite(value))


class Shares:
    """Sums, text by text, whose languages the texts around them have.

    Args:
        language: int64 ``[N]`` in ``0..K-1``.
        line: int64 ``[N]`` in ``0..L-1``.
        count: number of languages K.
        share: of the mass of one language, that a neighbourhood has.
        weights: float32 ``[B, L]``: how often each resample draws a line; the first row is the
            sample itself, all ones.
    """

    def __init__(
        self,
        language: np.ndarray,
        line: np.ndarray,
        count: int,
        share: float,
        weights: np.ndarray,
    ) -> None:
        sizes = np.bincount(language, minlength=count)
        self.count, self.share = count, share
        self.language, self.line = torch.from_numpy(language), torch.from_numpy(line)
        self.mass = torch.from_numpy((1 / np.maximum(sizes, 1))[language].astype(np.float32))
        self.weights = torch.from_numpy(weights)
        self.most = int(np.ceil(_REACH * share * sizes.max())) + 5
        self._sums = torch.zeros(len(weights), self.count * self.count)

    def add(self, block: Around) -> None:
        """Add the texts of a block, in every resample."""
        of, lines = self.language[block.rows], self.line[block.rows]
        pairs = (of[:, None] * self.count + self.language[block.near]).ravel()
        mass = self.mass[block.near] * block.known
        near = self.line[block.near]
        for sums, weights in zip(self._sums, self.weights, strict=True):
            drawn = mass * weights[near]
            within = drawn.cumsum(dim=1)
            # The text at the edge counts with the part of its mass that lies inside.
            inside = torch.minimum(drawn, (self.share - within + drawn).clamp_(min=0))
            total = inside.sum(dim=1, keepdim=True)
            inside *= weights[lines][:, None] / total.clamp_(min=1e-12)
            sums.index_add_(0, pairs, inside.ravel())

    def shares(self) -> np.ndarray:
        """float64 ``[B, K, K]``: the share of language j around texts of language i."""
        sums = self._sums.double().reshape(-1, self.count, self.count)
        # Each text adds its weight in all: the sum of a row is that of its texts, and a share of
        # 0 or 1 comes out as just that.
        return (sums / sums.sum(dim=2, keepdim=True).clamp(min=1e-12)).numpy()


def samples(
    language: np.ndarray, line: np.ndarray, size: int, rounds: int, seed: int
) -> Iterator[np.ndarray]:
    """Rows int64 ``[n]`` of samples that hold ``size`` lines of each language.

    In each round the lines are shuffled and cut into samples, so that every line but a rest is in
    one. Languages with fewer lines are in every sample with all of them. Translations stay
    together.

    Args:
        language: int64 ``[N]``.
        line: int64 ``[N]``; translations share it.
        size: lines of a language in a sample.
        rounds: how often all lines are drawn.
        seed: of the shuffling.
    """
    rng = np.random.default_rng([seed, 1])
    groups = _line_groups(language, line)
    most = max(max(1, len(group) // size) for group in groups)
    for _ in range(rounds):
        shuffled = [rng.permutation(group) for group in groups]
        for number in range(most):
            taken = [_piece(group, number, size) for group in shuffled]
            yield np.flatnonzero(np.isin(line, np.concatenate(taken)))


def _piece(group: np.ndarray, number: int, size: int) -> np.ndarray:
    """The piece of a group of lines that is in a sample; a small group starts anew."""
    start = number % max(1, len(group) // size) * size
    return group[start : start + size]


def _line_groups(language: np.ndarray, line: np.ndarray) -> list[np.ndarray]:
    """Lines that are drawn together: all, or each language's own where languages share none."""
    if len(np.unique(np.stack([language, line]), axis=1).T) > len(np.unique(line)):
        return [np.unique(line)]
    return [np.unique(line[language == code]) for code in np.unique(language)]


def line_weights(
    language: np.ndarray, line: np.ndarray, bootstrap: BootstrapOptions | None
) -> np.ndarray:
    """How often each resample draws each line: float32 ``[1 + B, L]``; the first row is ones.

    Where languages share lines (translations), one draw serves all of them. Where they share none,
    the lines of each language are drawn by themselves.

    Args:
        language: int64 ``[N]``.
        line: int64 ``[N]`` in ``0..L-1``.
        bootstrap: number of resamples and seed; None: no resample.
    """
    lines = int(line.max()) + 1
    resamples = bootstrap.resamples if bootstrap is not None else 0
    weights = np.ones((1 + resamples, lines), dtype=np.float32)
    if bootstrap is None:
        return weights
    rng = np.random.default_rng([bootstrap.seed, 0])
    for group in _line_groups(language, line):
        weights[1:, group] = rng.multinomial(len(group), [1 / len(group)] * len(group), resamples)
    return weights


def chance_shares(language: np.ndarray, line: np.ndarray, count: int) -> np.ndarray:
    """Shares by chance ``[K, K]``: of the mass of the texts of other lines, that of language j.

    Row i is the mean over the texts of language i.

    Args:
        language: int64 ``[N]`` in ``0..K-1``.
        line: int64 ``[N]`` in ``0..L-1``.
        count: number of languages K.
    """
    sizes = np.bincount(language, minlength=count)
    table = np.zeros((int(line.max()) + 1, count))
    np.add.at(table, (line, language), 1.0)
    others = 1 - table / np.maximum(sizes, 1)  # [lines, K], in masses of a language
    others[:, sizes == 0] = 0
    share = others / np.maximum(others.sum(axis=1, keepdims=True), 1e-12)
    out = np.zeros((count, count))
    np.add.at(out, language, share[line])
    return out / np.maximum(sizes[:, None], 1)
