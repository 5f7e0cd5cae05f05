"""Batches of similar length under a token budget, seeded, the same for any number of processes."""

from __future__ import annotations

import numpy as np

from langspec.encoders.inputs import pack

# Rows are shuffled, cut into windows of so many batches' worth, and sorted by length inside a
# window: nearly no padding, and still a fresh mixture every epoch.
WINDOW_BATCHES = 32


def epoch_batches(
    lengths: np.ndarray, batch_tokens: int, *, seed: int, epoch: int
) -> list[np.ndarray]:
    """The global batches of an epoch: each row once, padded size <= ``batch_tokens``.

    A function of ``seed`` and ``epoch`` alone, so a resumed run skips to its step and every
    process cuts the same batches.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    rows_a_batch = max(1, int(batch_tokens / max(1.0, float(np.mean(lengths)))))
    window = rows_a_batch * WINDOW_BATCHES
    batches: list[np.ndarray] = []
    for start in range(0, len(order), window):
        part = order[start : start + window]
        part = part[np.argsort(lengths[part], kind="stable")]
        batches.extend(pack(part, lengths, batch_tokens))
    return [batches[i] for i in rng.permutation(len(batches))]


def rank_rows(batch: np.ndarray, rank: int, processes: int) -> np.ndarray:
    """This process's rows of a global batch: every ``processes``-th, so lengths stay similar.

    May be empty when the batch has fewer rows than there are processes.
    """
    return batch[rank::processes]
