"""Shrinking a covariance towards a multiple of the identity, by as much as its noise asks for."""

from __future__ import annotations

import numpy as np


def shrunk_covariance(covariance: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """The optimal linear shrinkage of a covariance (Bodnar, Gupta and Parolya 2014, eq. 4.3).

    ``alpha S + (1 - alpha) (tr S / H) I``, where the target of their formula is the identity. The
    weight ``alpha`` grows with the number of vectors, and with the spread of the eigenvalues.

    Args:
        covariance: ``S``, float64 ``[H, H]``.
        count: of the vectors that it was estimated from.

    Returns:
        The shrunk covariance, and ``alpha`` within 0..1.
    """
    width = len(covariance)
    trace, square = float(np.trace(covariance)), float(np.square(covariance).sum())
    spread = square - trace**2 / width  # of the eigenvalues around their mean
    if spread <= 1e-12 * max(square, 1e-300):
        return covariance, 1.0
    alpha = float(np.clip(1.0 - trace**2 / (count * spread), 0.0, 1.0))
    return alpha * covariance + (1 - alpha) * trace / width * np.eye(width), alpha
