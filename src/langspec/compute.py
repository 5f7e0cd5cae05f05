"""Threads and instruction set, fixed before any numerical library is imported."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from typing import Annotated

from pydantic import Field

from langspec.errors import LangspecError
from langspec.precisions import Precision
from langspec.section import Count, Decides, Section

logger = logging.getLogger(__name__)

# Sums come out in another order with more threads or wider vectors, and so do the last digits
# of every weight. With these, processors that have at least AVX2 run the same kernels.
_PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2",
    "MKL_DYNAMIC": "FALSE",
}
# glibc gives the memory of a freed tensor back to the system and gets it again, page by page and
# zeroed, for the next one. Keeping it changes no number and took a third off the processor time of
# an e5-sized training step (6.8 to 4.5 s, 2,048 pieces, one core; two runs, busy machine).
_MALLOPT = {-1: 2**31 - 1, -3: 2**30}  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
MOST_THREADS = 1024
_SET_BY_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


class Compute(Section):
    """Where the arithmetic runs, and how repeatable it is.

    Attributes:
        threads: of a worker; fixed, because the order of sums depends on it.
        workers: seeds, checkpoints and figures computed side by side; no result depends on it.
        precision: of training and of every encoding pass; ``auto``: the fastest that the processor
            or GPU multiplies in hardware.
        launch: a file of ``accelerate config``: training runs in the processes that it names.
        trim_vocabulary: keep only the word embeddings that a training reads.
        portable: keep to AVX2 kernels, by which processors of one make agree bit for bit.
    """

    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)]
    workers: Annotated[Count, Decides.NOTHING]
    precision: Precision
    launch: Annotated[str | None, Decides.NOTHING]
    trim_vocabulary: Annotated[bool, Decides.NOTHING]
    portable: bool


def without_project(threads: int) -> Compute:
    """The settings of a command that reads no ``params.yaml``."""
    return Compute(
        threads=threads,
        workers=1,
        precision="auto",
        launch=None,
        trim_vocabulary=False,
        portable=False,
    )


def set_environment(compute: Compute) -> None:
    """Set thread counts and kernels of this process. Variables that the user has set stay.

    Raises:
        LangspecError: torch is imported already.
    """
    if "torch" in sys.modules:
        raise LangspecError("compute settings must be made before torch is imported")
    values = {
        "OMP_NUM_THREADS": str(compute.threads),
        "OMP_WAIT_POLICY": "PASSIVE",  # idle threads sleep: two processes share two cores better
        "TOKENIZERS_PARALLELISM": "false",
    }
    if compute.portable:
        values |= _PORTABLE
    for key, value in values.items():
        os.environ.setdefault(key, value)
    _keep_freed_memory()
    # No library may send anything: models and data are local unless the user says otherwise.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "1")


def _keep_freed_memory() -> bool:
    """Make glibc's malloc reuse freed memory, unless the user has set it; whether it was done."""
    if not sys.platform.startswith("linux") or any(name in os.environ for name in _SET_BY_USER):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and all(mallopt(key, value) for key, value in _MALLOPT.items())


def device_type() -> str:
    """``cuda`` where PyTorch sees a GPU and no launcher's file says otherwise, else ``cpu``."""
    import torch

    on_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    return "cuda" if torch.cuda.is_available() and not on_cpu else "cpu"


def cpu_has_fast_bf16() -> bool:
    """Does this processor multiply bf16 in hardware (AMX or AVX512-BF16)? Emulation is slow."""
    import torch

    if "AVX512" not in torch.backends.cpu.get_cpu_capability():  # or compute.portable hides it
        return False
    amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    avx512 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return bool(amx() or avx512())


def fast_precisions(device: str) -> tuple[str, ...]:
    """What a device (``cpu`` or ``cuda``) multiplies in hardware, the fastest first."""
    if device == "cuda":
        import torch

        return ("bf16", "fp16", "fp32") if torch.cuda.is_bf16_supported() else ("fp16", "fp32")
    return ("bf16", "fp32") if cpu_has_fast_bf16() else ("fp32",)


def resolve_precision(requested: str, device: str) -> str:
    """The precision in use: ``fp32``, ``bf16`` or ``fp16``.

    ``auto`` takes the fastest that the device multiplies in hardware. What it does not multiply
    there would be emulated, slower than fp32: fp32 is used, and a warning says so.

    Args:
        requested: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        device: ``cpu`` or ``cuda``.
    """
    fast = fast_precisions(device)
    if requested == "auto":
        return fast[0]
    if requested in fast:
        return requested
    what = "GPU" if device == "cuda" else "processor (compute.portable hides what is beyond AVX2)"
    logger.warning(
        "compute.precision: this %s does not multiply %s in hardware; using fp32", what, requested
    )
    return "fp32"


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


def precision_here(requested: str, device: str | None = None) -> str:
    """As :func:`resolve_precision`; PyTorch is imported only where there is a choice.

    ``device``: where encoders run; None: a GPU, where there is one.
    """
    if requested == "fp32":
        return requested
    return resolve_precision(requested, device or device_type())
