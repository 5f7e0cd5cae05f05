"""The nearest texts of queries, exactly, in memory that does not grow with their product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from langspec.errors import LangspecError

_CELLS = 16_000_000  # scores held at once
_SPARE = 16  # candidates beyond the list, so that rounding of float32 can move none into it
_DIGITS = 9  # of a cosine: closer ones are equal


@dataclass(frozen=True, eq=False)
class Radii:
    """What CSLS subtracts from twice the cosine of a query and a text.

    Attributes:
        of_queries: float64 ``[q, K]``: by the text's language, see :func:`radii`.
        query_language: int ``[q]`` in ``0..K-1``.
        of_texts: float64 ``[n, K]``: by the query's language.
        text_language: int ``[n]``.
    """

    of_queries: np.ndarray
    query_language: np.ndarray
    of_texts: np.ndarray
    text_language: np.ndarray

    def penalty(self, rows: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """float64: of queries ``rows`` and ``texts``, positions that broadcast together."""
        return np.asarray(
            self.of_queries[rows, self.text_language[texts]]
            + self.of_texts[texts, self.query_language[rows]]
        )


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Vectors float32 ``[n, d]`` of length 1; those of length 0 stay.

    Raises:
        LangspecError: values that are not finite.
    """
    units = np.empty(vectors.shape, dtype=np.float32)
    for part in _parts(len(vectors), vectors.shape[1]):
        block = np.asarray(vectors[part], dtype=np.float64)
        if not np.isfinite(block).all():
            row = part.start + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
            raise LangspecError(f"vector {row} holds values that are not finite")
        largest = np.abs(block).max(axis=1, keepdims=True, initial=0.0)
        block /= np.where(largest > 0, largest, 1.0)  # else very small squares are 0
        length = np.linalg.norm(block, axis=1, keepdims=True)
        units[part] = block / np.where(length > 0, length, 1.0)
    return units


def _parts(rows: int, columns: int) -> Iterator[slice]:
    """Blocks of rows with at most :data:`_CELLS` cells, one row at least."""
    step = max(1, _CELLS // max(columns, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def radii(
    vectors: np.ndarray,
    itself: np.ndarray | None,
    others: np.ndarray,
    language: np.ndarray,
    languages: int,
    k: int,
) -> np.ndarray:
    """The mean cosine of each vector to its k nearest others of each language: ``[n, K]``.

    Args:
        vectors: float32 ``[n, d]`` of length 1.
        itself: int ``[n]``: where each vector stands among the others, to be left out; None:
            nowhere.
        others: float32 ``[m, d]`` of length 1.
        language: int ``[m]`` in ``0..K-1``.
        languages: their number K.
        k: neighbours; all of a language that has fewer. Without any it is 0.
    """
    order = np.argsort(language, kind="stable")
    place = np.argsort(order)
    columns = torch.from_numpy(others[order]).T
    ends = np.cumsum(np.bincount(language, minlength=languages))
    means = np.zeros((len(vectors), languages))
    for part in _parts(len(vectors), len(others)):
        cosines = torch.from_numpy(vectors[part]) @ columns
        if itself is not None:
            at = torch.from_numpy(place[itself[part]])
            cosines[torch.arange(len(cosines)), at] = -torch.inf
        for one, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            top = cosines[:, start:end].topk(min(k, end - start), dim=1).values.double()
            counted = torch.isfinite(top)
            total = torch.where(counted, top, 0.0).sum(dim=1)
            means[part, one] = (total / counted.sum(dim=1).clamp_(min=1)).numpy()
    return means


def nearest(
    queries: np.ndarray,
    texts: np.ndarray,
    most: int,
    *,
    ties: np.ndarray,
    itself: np.ndarray | None = None,
    penalties: Radii | None = None,
) -> np.ndarray:
    """Positions int ``[q, most]`` of the texts of the highest score, the highest first.

    The score is the cosine; with ``penalties`` it is that of CSLS. Fewer than ``most`` are listed
    where there are fewer texts.

    Args:
        queries: float32 ``[q, d]`` of length 1 (or 0).
        texts: float32 ``[n, d]`` likewise.
        most: length of the lists.
        ties: int ``[n]``, all different: of equal scores the lowest comes first.
        itself: int ``[q]``: the position of each query among the texts, to be left out; None:
            nowhere.
        penalties: of CSLS.
    """
    most = min(most, len(texts) - (itself is not None))
    reach = min(len(texts), most + _SPARE)
    columns = torch.from_numpy(texts).T
    lists = np.empty((len(queries), most), dtype=np.int64)
    # The largest rounding error of a product in float32, for vectors of length 1.
    error = queries.shape[1] * 2.0**-24 * (1 if penalties is None else 2) + 2.0**-22
    for part in _parts(len(queries), len(texts)):
        rows = np.arange(part.start, part.stop)
        scores = torch.from_numpy(queries[part]) @ columns
        if penalties is not None:
            scores = _less_penalties(scores, penalties, part)
        if itself is not None:
            scores[torch.arange(len(rows)), torch.from_numpy(itself[part])] = -torch.inf
        value, near = (one.numpy() for one in scores.topk(reach, dim=1))
        exact = _exact(queries, texts, rows, near, penalties)
        exact[np.isneginf(value)] = -np.inf
        order = np.lexsort((ties[near], -exact), axis=1)[:, :most]
        lists[part] = np.take_along_axis(near, order, axis=1)
        if reach < len(texts):
            last = np.take_along_axis(exact, order[:, -1:], axis=1)[:, 0]
            unsure = np.flatnonzero(last <= value[:, -1] + error)
            for row in rows[unsure]:
                lists[row] = _whole_list(queries, texts, row, most, ties, itself, penalties)
    return lists


def _less_penalties(scores: torch.Tensor, penalties: Radii, part: slice) -> torch.Tensor:
    """Cosines ``[b, n]`` of a block of queries, as scores of CSLS in float32."""
    of_queries = torch.from_numpy(penalties.of_queries[part].astype(np.float32))
    of_texts = torch.from_numpy(penalties.of_texts.astype(np.float32))
    scores *= 2
    scores -= of_queries[:, torch.from_numpy(penalties.text_language)]
    scores -= of_texts[:, torch.from_numpy(penalties.query_language[part])].T
    return scores


def _exact(
    queries: np.ndarray,
    texts: np.ndarray,
    rows: np.ndarray,
    near: np.ndarray,
    penalties: Radii | None,
) -> np.ndarray:
    """Scores float64 ``[b, c]`` of queries ``rows`` and their candidates, to 9 digits."""
    scores = np.empty(near.shape)
    for part in _parts(len(rows), near.shape[1] * texts.shape[1]):
        block = torch.from_numpy(texts[near[part]]).double()
        of_query = torch.from_numpy(queries[rows[part]]).double()
        scores[part] = torch.bmm(block, of_query[:, :, None])[:, :, 0].numpy()
    if penalties is not None:
        scores = 2 * scores - penalties.penalty(rows[:, None], near)
    return np.round(scores, _DIGITS)


def _whole_list(
    queries: np.ndarray,
    texts: np.ndarray,
    row: int,
    most: int,
    ties: np.ndarray,
    itself: np.ndarray | None,
    penalties: Radii | None,
) -> np.ndarray:
    """The list of one query whose score is formed in float64 with every text."""
    every, one = np.arange(len(texts))[None], np.asarray([row])
    parts = [
        _exact(queries, texts, one, every[:, part], penalties)[0]
        for part in _parts(len(texts), texts.shape[1])
    ]
    scores = np.concatenate(parts)
    if itself is not None:
        scores[itself[row]] = -np.inf
    least = np.partition(scores, len(scores) - most)[len(scores) - most]
    near = np.flatnonzero(scores >= least)
    return np.asarray(near[np.lexsort((ties[near], -scores[near]))][:most])
