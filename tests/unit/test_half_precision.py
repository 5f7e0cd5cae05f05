"""fp16's skipped steps with a real scaler (it also runs on CPUs), and what a GPU would show."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from langspec.compute import launched_precision
from langspec.errors import LangspecError
from langspec.objectives import get_objective
from langspec.training.loop import fit
from langspec.training.stepper import Stepper
from training_fixtures import CLASSES, options, tiny_model, token_data


def test_an_overflow_skips_the_step_halves_the_scale_and_is_counted() -> None:
    accelerator = Accelerator(cpu=True)
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    model = tiny_model(dropout=0.0)
    stepper = Stepper(
        accelerator, model, get_objective("finetune"), rates={"encoder": 1e-2, "head": 1e-2},
        weight_decay=0.0, warmup=0.0, clip=None,
    )  # fmt: skip
    head = model.heads["task"].linear.weight
    overflow = {"now": True}
    head.register_hook(lambda g: g * float("inf") if overflow["now"] else g)
    batch = token_data(4).batch(np.arange(4))

    def step() -> None:
        stepper.metrics = {}
        logits = stepper.model(batch)["task"]
        loss = torch.nn.functional.cross_entropy(logits, batch["labels"])
        stepper.minimise(loss, "task")

    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    step()  # not an error: the scaler has to find its scale
    assert stepper.skipped_steps == 1
    assert stepper.metrics["skipped_steps"] == 1
    assert accelerator.scaler.get_scale() == 512
    assert all(torch.equal(before[name], p) for name, p in model.named_parameters())
    overflow["now"] = False
    step()
    assert stepper.skipped_steps == 1
    assert "skipped_steps" not in stepper.metrics
    assert not torch.equal(before["heads.task.linear.weight"], head)
    assert bool(torch.isfinite(head).all())


def test_the_launcher_s_precision_is_taken_or_refused(monkeypatch) -> None:
    monkeypatch.setitem(os.environ, "ACCELERATE_MIXED_PRECISION", "bf16")
    assert launched_precision("auto") == launched_precision("bf16") == "bf16"
    with pytest.raises(LangspecError, match=r"compute\.precision: found fp32, but .* is bf16"):
        launched_precision("fp32")
    monkeypatch.setitem(os.environ, "ACCELERATE_MIXED_PRECISION", "no")
    assert launched_precision("fp32") == "fp32"
    assert launched_precision("auto") == "auto"


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_learns_on_a_gpu(precision: str) -> None:
    accelerator = Accelerator(mixed_precision="fp16" if precision == "fp16" else "no")
    result = fit(
        tiny_model().to(accelerator.device), get_objective("finetune"), token_data(60),
        token_data(20, seed=9), options(epochs=6), accelerator, classes=CLASSES,
        precision=precision,
    )  # fmt: skip
    assert result.dev["accuracy"] > 0.9
    assert all(tensor.dtype == torch.float32 for tensor in result.tensors.values())
    assert (accelerator.scaler is not None) == (precision == "fp16")


@pytest.mark.gpu
@needs_gpu
def test_parts_take_less_memory_on_a_gpu() -> None:
    def peak(parts: int) -> int:
        model = tiny_model(layers=8).train().cuda()
        model.parts = parts
        torch.cuda.reset_peak_memory_stats()
        batch = {k: v.cuda() for k, v in token_data(4096).batch(np.arange(4096)).items()}
        model(batch)["task"].sum().backward()
        return torch.cuda.max_memory_allocated()

    assert peak(8) < peak(1) / 2
