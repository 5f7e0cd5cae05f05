"""The machine that a benchmark runs on, and what it can multiply in hardware.

Every benchmark prints :func:`said` after its table: a reader sees which rows of it can be set
beside those of another machine.
"""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

# Names of flags in /proc/cpuinfo (x86: flags; Arm: Features), the widest last.
_ABILITIES = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_bf16": "AVX512-BF16",
    "amx_bf16": "AMX",
    "asimd": "NEON",
    "bf16": "Arm BF16",
}
_BF16 = ("AVX512-BF16", "AMX", "Arm BF16")


@cache
def abilities() -> tuple[str, ...]:
    """Instruction sets of this processor that matter here, the widest last; () where unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
    flags = {
        flag
        for line in lines
        if line.partition(":")[0].strip() in ("flags", "Features")
        for flag in line.partition(":")[2].split()
    }
    return tuple(name for flag, name in _ABILITIES.items() if flag in flags)


def multiplies_bf16() -> bool:
    """Whether this processor multiplies bf16 numbers in hardware."""
    return any(name in _BF16 for name in abilities())


@cache
def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    names = [
        line.partition(":")[2].strip()
        for line in text.splitlines()
        if line.partition(":")[0].strip() == "model name"
    ]
    return names[0] if names else platform.processor() or platform.machine()


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def said(rows: str = "") -> str:
    """The machine in words, below a table.

    Args:
        rows: what of the table must not be compared with another machine's, as a sentence without
            its full stop; "" for the rule that holds for every benchmark.
    """
    able = ", ".join(abilities()) or "no instruction set that is known here"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    rule = rows or "Compare the ratios with other machines, not the seconds"
    bf16 = "" if multiplies_bf16() else " Rows of bf16 are emulated here: they say nothing of it."
    return f"Machine: {processor()}, {cores()} cores, {able}; load {load:.1f}. {rule}.{bf16}"
