"""How strong the reversed gradient is at a share p of the training: lambda(p) / lambda."""

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
    """Lambda at ``progress`` in [0, 1]: 0 through the first ``warmup``, then the schedule.

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
