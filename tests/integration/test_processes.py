"""One process and two give the same result (gloo, two real processes)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

SCRIPT = Path(__file__).with_name("two_processes.py")


def launched(
    out: Path, processes: int, unit: str, method: str, layers: int = 1, feature_layer: int = -1
) -> dict[str, torch.Tensor]:
    # Not `accelerate launch --cpu --num_processes 2`: that silently runs one process.
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc_per_node={processes}"]
    command += [
        "--standalone",
        str(SCRIPT),
        str(out),
        unit,
        method,
        str(layers),
        str(feature_layer),
    ]
    variables = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=variables, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(out)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unit", "method"),
    [
        ("token", "finetune"),
        ("pair", "finetune"),
        ("token", "control"),
        ("token", "grl"),
        ("pair", "grl"),
        ("token", "adversary"),
    ],
)
def test_two_processes_equal_one(tmp_path: Path, unit: str, method: str) -> None:
    agree(tmp_path, unit, method)


@pytest.mark.slow
def test_two_processes_equal_one_at_an_inner_layer(tmp_path: Path) -> None:
    """The layer above gets no gradient, which must neither hang nor fail the averaging."""
    agree(tmp_path, "token", "grl", 2, 1)


def agree(tmp_path: Path, *arguments: Any) -> None:
    one = launched(tmp_path / "one", 1, *arguments)
    two = launched(tmp_path / "two", 2, *arguments)
    assert one.pop("processes") == 1
    assert two.pop("processes") == 2
    assert two["ranks_differ_by"] == 0
    for name, tensor in one.items():
        assert torch.allclose(tensor, two[name], atol=1e-5, rtol=1e-4), name
