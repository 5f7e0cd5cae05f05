"""The texts of the highest scores, exactly, in memory that does not grow with their product."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from langspec.errors import LangspecError

_CELLS = 16_000_000  # scores held at once
_SPARE = 16  # candidates beyond the list, so that rounding of float32 can move none into it
_DIGITS = 9  # of a score: closer ones are equal


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Vectors float32 ``[n, d]`` of length 1; those of length 0 stay.

    Raises:
        LangspecError: values that are not finite.
    """
    units = np.empty(vectors.shape, dtype=np.float32)
    for part in parts(len(vectors), vectors.shape[1]):
        block = np.array(vectors[part], dtype=np.float64)  # a copy: it is changed below
        if not np.isfinite(block).all():
            row = part.start + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
            raise LangspecError(f"vector {row} holds values that are not finite")
        largest = np.abs(block).max(axis=1, keepdims=True, initial=0.0)
        block /= np.where(largest > 0, largest, 1.0)  # else very small squares are 0
        length = np.linalg.norm(block, axis=1, keepdims=True)
        units[part] = block / np.where(length > 0, length, 1.0)
    return units


def parts(rows: int, columns: int) -> Iterator[slice]:
    """Blocks of rows with at most :data:`_CELLS` cells, one row at least."""
    step = max(1, _CELLS // max(columns, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def nearest(
    queries: np.ndarray,
    texts: np.ndarray,
    most: int,
    *,
    ties: np.ndarray,
    itself: np.ndarray | None = None,
) -> np.ndarray:
    """Positions int ``[q, most]`` of the texts of the highest score, the highest first.

    The score is the inner product: the cosine of vectors of length 1, or the score of CSLS of
    those that :func:`langspec.pool_search.csls.csls_vectors` makes. Fewer than ``most`` are listed
    where there are fewer texts.

    Args:
        queries: float32 ``[q, d]``.
        texts: float32 ``[n, d]``.
        most: length of the lists.
        ties: int ``[n]``, all different: of equal scores the lowest comes first.
        itself: int ``[q]``: the position of each query among the texts, to be left out; None:
            nowhere.
    """
    most = min(most, len(texts) - (itself is not None))
    reach = min(len(texts), most + _SPARE)
    columns = torch.from_numpy(texts).T
    lists = np.empty((len(queries), most), dtype=np.int64)
    # The largest rounding error of a product in float32.
    lengths = [float(np.linalg.norm(side, axis=1).max(initial=0.0)) for side in (queries, texts)]
    error = (queries.shape[1] + 2) * 2.0**-24 * lengths[0] * lengths[1] + 10.0**-_DIGITS
    for part in parts(len(queries), len(texts)):
        rows = np.arange(part.start, part.stop)
        scores = torch.from_numpy(queries[part]) @ columns
        if itself is not None:
            scores[torch.arange(len(rows)), torch.from_numpy(itself[part])] = -torch.inf
        value, near = (one.numpy() for one in scores.topk(reach, dim=1))
        exact = _exact(queries[part], texts, near)
        exact[np.isneginf(value)] = -np.inf
        order = np.lexsort((ties[near], -exact), axis=1)[:, :most]
        lists[part] = np.take_along_axis(near, order, axis=1)
        if reach < len(texts):
            last = np.take_along_axis(exact, order[:, -1:], axis=1)[:, 0]
            for row in rows[last <= value[:, -1] + error]:
                without = None if itself is None else int(itself[row])
                lists[row] = _whole_list(queries[row], texts, most, ties, without)
    return lists


def _exact(queries: np.ndarray, texts: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Scores float64 ``[b, c]`` of queries ``[b, d]`` and their candidates, to 9 digits."""
    scores = np.empty(near.shape)
    for part in parts(len(near), near.shape[1] * texts.shape[1]):
        block = torch.from_numpy(texts[near[part]]).double()
        of_query = torch.from_numpy(queries[part]).double()
        scores[part] = torch.bmm(block, of_query[:, :, None])[:, :, 0].numpy()
    return np.round(scores, _DIGITS)


def _whole_list(
    query: np.ndarray, texts: np.ndarray, most: int, ties: np.ndarray, itself: int | None
) -> np.ndarray:
    """The list of one query whose score is formed in float64 with every text."""
    blocks = [
        texts[part].astype(np.float64) @ query.astype(np.float64)
        for part in parts(len(texts), texts.shape[1])
    ]
    scores = np.round(np.concatenate(blocks), _DIGITS)
    if itself is not None:
        scores[itself] = -np.inf
    least = np.partition(scores, len(scores) - most)[len(scores) - most]
    near = np.flatnonzero(scores >= least)
    return np.asarray(near[np.lexsort((ties[near], -scores[near]))][:most])
