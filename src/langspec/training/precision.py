"""Precision, resolved once: what was asked for, what this device can do, what is used."""

from __future__ import annotations

import logging
import os

import torch

from langspec.errors import LangspecError

logger = logging.getLogger(__name__)


def cpu_has_fast_bf16() -> bool:
    """Does this processor multiply bf16 in hardware (AMX or AVX512-BF16)? Emulation is slow."""
    capabilities = torch.backends.cpu.get_cpu_capability()
    if "AVX512" not in capabilities:
        return False
    amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    avx512 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return bool(amx() or avx512())


def launched_precision(requested: str) -> str:
    """``compute.precision``, or with ``auto`` what the launcher's file says, if it says any.

    Raises:
        LangspecError: the two differ.
    """
    named = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if named == "no" or named == requested:
        return requested
    if requested != "auto":
        raise LangspecError(
            f"found {requested}, but the launcher's mixed_precision is {named}; set auto here, or "
            "no there",
            place="compute.precision",
        )
    return named


def resolve_precision(requested: str, device_type: str) -> str:
    """The precision in use: ``fp32``, ``bf16`` or ``fp16``.

    ``auto`` takes bf16 where the hardware has it and fp32 elsewhere. fp16 on a CPU would silently
    run in fp32 (Accelerate), so it is said and recorded as fp32.
    """
    if device_type == "cuda":
        bf16 = torch.cuda.is_bf16_supported()
        if requested == "auto":
            return "bf16" if bf16 else "fp16"
        if requested == "bf16" and not bf16:
            logger.warning("compute.precision: this GPU has no bf16; using fp32")
            return "fp32"
        return requested
    if requested == "auto":
        return "bf16" if cpu_has_fast_bf16() else "fp32"
    if requested == "fp16":
        logger.warning("compute.precision: fp16 needs a GPU; using fp32")
        return "fp32"
    return requested


ACCELERATE = {"fp32": "no", "bf16": "no", "fp16": "fp16"}
"""Accelerate's ``mixed_precision``: autocast for fp16; bf16 weights are :mod:`half_weights`'."""
