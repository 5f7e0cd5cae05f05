"""Measures of ranked lists with judged texts."""

from __future__ import annotations

import numpy as np


def ranked_measures(gains: np.ndarray, ideal: np.ndarray) -> dict[str, np.ndarray]:
    """Recall, reciprocal rank and nDCG of lists, each float ``[q]``.

    ``recall_1`` and ``recall_k`` are capped: relevant texts among the first, divided by as many as
    could be there (Thakur et al. 2021, BEIR). ``rr`` is 0 where none is among the first k.
    ``ndcg_k`` takes gains as they are and divides by log2(rank + 1), as trec_eval and mteb do.

    Args:
        gains: float ``[q, m]`` of the listed texts, the first first; 0: not relevant.
        ideal: float ``[q, k]``: the highest gains of the judged texts, the highest first, then 0.
    """
    k = ideal.shape[1]
    first = np.zeros(ideal.shape)
    first[:, : min(k, gains.shape[1])] = gains[:, :k]
    hits = first > 0
    weights = 1 / np.log2(np.arange(k) + 2)
    ranks = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, np.inf)
    relevant = (ideal > 0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        recalls = {
            f"recall_{at}": hits[:, :at].sum(axis=1) / np.minimum(relevant, at)
            for at in sorted({1, k})
        }
        ndcg = (first * weights).sum(axis=1) / (ideal * weights).sum(axis=1)
    return {**recalls, "rr": 1 / ranks, f"ndcg_{k}": ndcg}
