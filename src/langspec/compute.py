"""Threads and instruction set, fixed before any numerical library is imported."""

from __future__ import annotations

import os
import sys

from langspec.config import Compute
from langspec.errors import LangspecError

# Sums come out in another order with more threads or wider vectors, and so do the last digits
# of every weight. With these, processors that have at least AVX2 run the same kernels.
_PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2",
    "MKL_DYNAMIC": "FALSE",
}


def set_environment(compute: Compute) -> None:
    """Set thread counts and kernels for this process. Values that the user set stay."""
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
    # Nothing here may reach out: models and data are local unless a user says otherwise.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "1")
