"""How lambda changes during a training: lambda(p) / lambda at the share p of the steps."""

from __future__ import annotations

import math
from collections.abc import Callable

from langspec.errors import LangspecError

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda p: 1.0,
    "linear": lambda p: p,
    "dann": lambda p: 2.0 / (1.0 + math.exp(-10.0 * p)) - 1.0,  # Ganin et al. 2016, section 5.2.2
    "cosine": lambda p: (1.0 - math.cos(math.pi * p)) / 2.0,
}


def strength_at(progress: float, *, strength: float, schedule: str, warmup: float) -> float:
    """The lambda of a step.

    Args:
        progress: share of all steps that are done, in [0, 1].
        strength: the lambda of the method.
        schedule: a key of :data:`SCHEDULES`.
        warmup: share of the steps with lambda 0; the schedule runs over the steps after them.

    Raises:
        LangspecError: no such schedule.
    """
    if schedule not in SCHEDULES:
        raise LangspecError(
            f"found {schedule!r}, expected one of {', '.join(SCHEDULES)}",
            place="train.methods.grl.schedule",
        )
    if progress < warmup:
        return 0.0
    return strength * SCHEDULES[schedule]((progress - warmup) / max(1e-12, 1.0 - warmup))
