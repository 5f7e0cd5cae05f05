"""What one training does otherwise than params.yaml says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Changes:
    """What one training does otherwise than params.yaml says; None: as there.

    Attributes:
        strength: lambda of the method; a point of its path.
        epochs: number of passes.
        rows: so many of the training rows, drawn by the seed.
    """

    strength: float | None = None
    epochs: int | None = None
    rows: int | None = None


UNCHANGED = Changes()
"""Trains as params.yaml says."""
