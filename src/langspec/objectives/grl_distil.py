"""Gradient reversal with retention: a method of its own, so that it stands beside ``grl``."""

from __future__ import annotations

from typing import ClassVar

from langspec.objectives.grl import GradientReversal


class GrlDistil(GradientReversal):
    """``grl`` whose section has a retention: language rows stay near the starting encoder."""

    name: ClassVar[str] = "grl_distil"
