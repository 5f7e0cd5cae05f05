"""Monolingual search where only parallel text is at hand.

Parallel text holds no second text of a line in the query's language, so nobody says which texts of
that language answer a query. The other languages do: a search within each of them, with the
translation of the query, needs no vector of the query's language and crosses no language. Relevant
to a query are the k lines whose cosine to its line, averaged over searches within each of the
other languages, is highest. ``mono_recall_k`` is the share of them among the first k lines of the
search within the query's language. Judging a search by what other searches agree on is pooling
without judges (Soboroff, Nicholas and Cahan 2001); it is a stand-in for a judged set, for which
see :mod:`langspec.pool_search.judged`.

Two searches are compared fairly where the same vectors judge both, so those before a repair judge
the search after it. They know nothing of what the repair adds, so a loss is rather over- than
understated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from langspec.errors import LangspecError
from langspec.pool_search.ties import mixed_bits

if TYPE_CHECKING:
    from langspec.pool_search.pool import Pool

MOST_LINES = 2_000  # that are searched; of more a fixed pseudo-random sample
_CELLS = 16_000_000  # cosines held at once


def monolingual_recall(
    pool: Pool, reference: Pool, k: int, sides: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """``mono_recall_k`` float ``[n]`` of each text; nan where no other language can judge.

    Where a line has several texts in a language, the first one is searched with.

    Args:
        pool: that is searched.
        reference: the same texts with the vectors that judge.
        k: length of the lists.
        sides: vectors ``[n, d]`` of every text as a query and as a text of the search; their
            inner product is the score.

    Raises:
        LangspecError: the reference holds other texts.
    """
    if not (
        np.array_equal(pool.line, reference.line)
        and np.array_equal(pool.language, reference.language)
    ):
        raise LangspecError("the vectors that judge are not of the same texts as the pool")
    recall = np.full(len(pool.line), np.nan)
    places = _places(pool)  # [L, K]
    lines = len(places)
    present = torch.from_numpy(places >= 0)
    judged_by = [_by_line(reference.units, of) for of in places.T]
    asking, listed = ([_by_line(side, of) for of in places.T] for side in sides)
    step = max(1, _CELLS // max(lines * (places.shape[1] + 3), 1))
    for start in range(0, lines, step):
        rows = np.arange(start, min(start + step, lines))
        judges = [one[rows] @ one.T for one in judged_by]  # 0 where the line lacks the language
        total = torch.stack(judges).sum(dim=0)
        voters = present[rows].float() @ present.float().T
        for language, of in enumerate(places.T):
            # Only texts of the language can be listed, and never the query.
            barred = ~(present[rows, language][:, None] & present[:, language][None])
            barred[torch.arange(len(rows)), torch.from_numpy(rows)] = True
            agreed = (total - judges[language]) / (voters - 1)
            agreed[barred | (voters < 2)] = -torch.inf
            scores = asking[language][rows] @ listed[language].T
            scores[barred | (voters < 2)] = -torch.inf
            at = of[rows]
            recall[at[at >= 0]] = _agreement(scores, agreed, k)[at >= 0]
    return recall


def _agreement(scores: torch.Tensor, agreed: torch.Tensor, k: int) -> np.ndarray:
    """The share of the first k by ``agreed`` that is among the first k by ``scores``."""
    k = min(k, scores.shape[1])
    wanted, listed = agreed.topk(k, dim=1), scores.topk(k, dim=1)
    counts = torch.isfinite(wanted.values)
    same = wanted.indices[:, :, None] == listed.indices[:, None]
    hits = (same.any(dim=2) & counts).sum(dim=1)
    return np.asarray((hits / counts.sum(dim=1)).numpy())


def _by_line(vectors: np.ndarray, of: np.ndarray) -> torch.Tensor:
    """Those of the vectors ``[n, d]`` at ``of`` int ``[L]``; 0 where it is -1."""
    rows = vectors[of]
    rows[of < 0] = 0
    return torch.from_numpy(rows)


def _places(pool: Pool) -> np.ndarray:
    """The position int ``[L, K]`` of the text of each line in each language; -1: none."""
    lines, index = np.unique(pool.line, return_inverse=True)
    wanted = lines >= 0
    if wanted.sum() > MOST_LINES:
        numbers = np.where(wanted, mixed_bits(lines), np.uint64(2**64 - 1))
        wanted &= numbers <= np.partition(numbers, MOST_LINES - 1)[MOST_LINES - 1]
    row = np.where(wanted, np.cumsum(wanted) - 1, -1)[index]
    places = np.full((int(wanted.sum()), len(pool.languages)), -1)
    for at in np.flatnonzero(row >= 0)[::-1]:
        places[row[at], pool.language[at]] = at
    return places
