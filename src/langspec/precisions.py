"""The names of precisions. Imports nothing: the command line reads them."""

from typing import Literal, get_args

Precision = Literal["auto", "fp32", "bf16", "fp16"]
"""Of a pass; ``auto``: the fastest that the device multiplies in hardware."""
PRECISIONS: tuple[str, ...] = get_args(Precision)
