"""CSLS: the baseline that evens out languages and hubs without erasing.

The score of a query and a text is twice their cosine, less the mean cosine of the query to its
nearest texts in the text's language, less that of the text to its nearest queries in the query's
language (Conneau et al. 2018, "Word translation without parallel data", section 2.3). So it needs
the language of both, and the pool at search time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from langspec.pool_search.nearest import parts


@dataclass(frozen=True, eq=False)
class Side:
    """The queries, or the texts, of a search.

    Attributes:
        vectors: float32 ``[n, d]``.
        language: int ``[n]`` in ``0..K-1``.
    """

    vectors: np.ndarray
    language: np.ndarray


def csls_vectors(
    queries: Side, texts: Side, languages: int, k: int, itself: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors float32 ``[q, d + 2 K]`` and ``[n, d + 2 K]`` whose inner product is CSLS.

    Args:
        queries: those that are searched with, of length 1.
        texts: those that are searched, of length 1.
        languages: number of languages K.
        k: neighbours that a mean is taken over.
        itself: int ``[q]``: the position of each query among the texts, where both are the same
            texts: it is no neighbour of itself; None: queries are no texts.
    """
    of_queries = radii(queries.vectors, itself, texts, languages, k)
    of_texts = (
        of_queries if itself is not None else radii(texts.vectors, None, queries, languages, k)
    )
    one_hot = np.eye(languages, dtype=np.float32)
    return (
        np.hstack([2 * queries.vectors, -of_queries, -one_hot[queries.language]]),
        np.hstack([texts.vectors, one_hot[texts.language], of_texts]),
    )


def radii(
    vectors: np.ndarray, itself: np.ndarray | None, others: Side, languages: int, k: int
) -> np.ndarray:
    """The mean cosine of each vector to its k nearest others of each language.

    Args:
        vectors: float32 ``[n, d]`` of length 1.
        itself: int ``[n]``: where each vector stands among the others, to be left out; None:
            nowhere.
        others: ``[m, d]`` of length 1.
        languages: their number K.
        k: neighbours; all of a language that has fewer.

    Returns:
        float32 ``[n, K]``; 0 for a language without any other.
    """
    order = np.argsort(others.language, kind="stable")
    place = np.argsort(order)
    columns = torch.from_numpy(others.vectors[order]).T
    ends = np.cumsum(np.bincount(others.language, minlength=languages))
    means = np.zeros((len(vectors), languages), dtype=np.float32)
    for part in parts(len(vectors), len(others.vectors)):
        cosines = torch.from_numpy(vectors[part]) @ columns
        if itself is not None:
            at = torch.from_numpy(place[itself[part]])
            cosines[torch.arange(len(cosines)), at] = -torch.inf
        for one, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            top = cosines[:, start:end].topk(min(k, int(end - start)), dim=1).values.double()
            counted = torch.isfinite(top)
            total = torch.where(counted, top, 0.0).sum(dim=1)
            means[part, one] = (total / counted.sum(dim=1).clamp_(min=1)).numpy()
    return means
