"""One process and two give the same result (gloo, two real processes)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from two_processes import BF16, CASES

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("two_processes.py")
Tensors = dict[str, torch.Tensor]


def launched(out: Path, processes: int) -> Tensors:
    # Not `accelerate launch --cpu --num_processes 2`: that silently runs one process.
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc_per_node={processes}"]
    command += ["--standalone", str(SCRIPT), str(out)]
    variables = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=variables, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(out)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tensors, Tensors]:
    """All cases by one process, and by two."""
    folder = tmp_path_factory.mktemp("processes")
    one, two = launched(folder / "one", 1), launched(folder / "two", 2)
    assert one["processes"] == 1
    assert two["processes"] == 2
    return one, two


@pytest.mark.parametrize("case", sorted(CASES))
def test_two_processes_equal_one(both: tuple[Tensors, Tensors], case: str) -> None:
    one, two = both
    assert two[f"{case}/ranks_differ_by"] == 0
    few = case == "fewer rows than processes"
    assert few or one[f"{case}/count"] >= 20
    compared = [name for name in one if name.startswith((f"{case}/weights", f"{case}/steps"))]
    compared = [name for name in compared if not name.endswith(".gradient_cosine")]  # one alone
    assert len(compared) > 5
    if case == BF16:  # sums of bf16 gradients round otherwise: the losses are near, no more
        losses = one[f"{case}/steps.loss"], two[f"{case}/steps.loss"]
        assert torch.allclose(*losses, atol=0.02, rtol=0.02)
        return
    for name in [*compared, f"{case}/dev"]:
        assert torch.allclose(one[name], two[name], atol=1e-5, rtol=1e-4), name


def test_a_signal_to_one_process_stops_all_and_they_go_on_bit_equal(
    both: tuple[Tensors, Tensors],
) -> None:
    for processes, found in enumerate(both, start=1):
        assert found["resumed/codes"].tolist() == [143] * processes
        assert found["resumed/saved_step"] == 7
        assert found["resumed/gap"] == 0
        assert found["resumed/equal_histories"]
