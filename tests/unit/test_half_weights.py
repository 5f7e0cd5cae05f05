"""bf16 passes beside fp32 masters, and the dropout masks that go with them on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch.nn import functional

from encoder_shapes import SHAPES, publish
from langspec.encoders.published_encoder import published_encoder
from langspec.modelling import model as modelling
from langspec.modelling.model import freeze_embeddings
from langspec.modelling.quick_dropout import QuickDropout, dropout_mask
from langspec.objectives import get_objective
from langspec.training.callbacks import Look
from langspec.training.checkpoint import CheckpointStore
from langspec.training.half_weights import half_weights
from langspec.training.loop import FitResult, fit
from langspec.training.stepper import Stepper
from training_fixtures import (
    CLASSES,
    language_data,
    method_options,
    options,
    tiny_model,
    token_data,
    watch_options,
)

pytestmark = pytest.mark.medium

CPU = torch.device("cpu")


def train(
    method: str, store: Path | None = None, changes: tuple[str, ...] = (), **more: Any
) -> FitResult:
    objective = get_objective(method, method_options(method, *changes))
    return fit(
        tiny_model(), objective, token_data(24), token_data(6, seed=9),
        options(batch_tokens=30), Accelerator(cpu=True), classes=CLASSES, precision="bf16",
        language=language_data(27) if objective.reads_language else None,
        watch=watch_options(every=4),
        checkpoints=None if store is None else CheckpointStore(store), **more,
    )  # fmt: skip


# Weights.


def test_it_learns_and_gives_back_fp32_weights_of_which_bf16_ones_were_cast() -> None:
    model, seen = tiny_model(), []
    result = fit(
        model, get_objective("finetune"), token_data(60), token_data(20, seed=9),
        options(epochs=6), Accelerator(cpu=True), classes=CLASSES, precision="bf16",
        callbacks=[Look(lambda step, one: seen.append(next(one.encoder.parameters()).dtype))],
    )  # fmt: skip
    assert result.dev["accuracy"] > 0.9
    assert {tensor.dtype for tensor in result.tensors.values()} == {torch.float32}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert set(seen) == {torch.float32}
    weight = result.tensors["encoder.encoder.layer.0.output.dense.weight"]
    assert not torch.equal(weight, weight.bfloat16().float())  # nothing was rounded on the way


def test_changes_below_the_spacing_of_bf16_add_up() -> None:
    model = tiny_model(dropout=0.0)
    half = half_weights(model, CPU)
    assert half is not None
    stepper = Stepper(
        Accelerator(cpu=True), model, get_objective("finetune"), half=half, weight_decay=0.0,
        rates={"encoder": 1e-6, "head": 1e-6}, warmup=0.0, clip=None,
    )  # fmt: skip
    name = "encoder.encoder.layer.0.output.LayerNorm.weight"  # all 1, where the spacing is 1/128
    batch = token_data(4).batch(np.arange(4))
    for _ in range(3):
        stepper.set_progress(0.0)
        get_objective("finetune").update(batch, 0.5, stepper)
    changed = (stepper.weights()[name] - 1).abs()
    assert 2e-6 < float(changed.max()) < 4e-6
    parameter = dict(model.named_parameters())[name]
    assert parameter.dtype == torch.bfloat16
    assert torch.equal(parameter, torch.ones_like(parameter))


def test_a_frozen_table_gets_no_gradient_and_keeps_its_values() -> None:
    model = tiny_model()
    freeze_embeddings(model.encoder)
    table = model.encoder.get_input_embeddings().weight
    before = table.detach().clone()
    half = half_weights(model, CPU)
    assert half is not None
    model.train()(token_data(4).batch(np.arange(4)))["task"].sum().backward()
    assert table.grad is None
    half.collect()
    half.end()
    assert table.grad is None
    assert torch.equal(table, before)


class Killed(Exception):
    pass


@pytest.mark.parametrize("method", ["finetune", "grl", "adversary"])
def test_a_killed_training_goes_on_and_ends_bit_equal(tmp_path: Path, method: str) -> None:
    def log(step: int, metrics: dict[str, float]) -> None:
        if step == 5:
            raise Killed

    changes = ("retention.kind=distil",) if method == "grl" else ()
    whole = train(method, changes=changes)
    with pytest.raises(Killed):
        train(method, tmp_path, changes, log=log)
    saved = CheckpointStore(tmp_path).load()
    assert saved is not None
    weights = {k: v for k, v in saved.tensors.items() if k.startswith("model.")}
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    again = train(method, tmp_path, changes)
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, again.tensors[name]), name
    assert (whole.steps, whole.epochs) == (again.steps, again.epochs)


@pytest.mark.parametrize("name", SHAPES)
def test_every_architecture_takes_a_step(tmp_path: Path, name: str) -> None:
    encoder = published_encoder(publish(tmp_path / name, name))
    model = tiny_model()
    model.encoder = encoder.model
    model.heads["task"] = torch.nn.Linear(encoder.model.config.hidden_size, CLASSES)
    half = half_weights(model, CPU)
    stepper = Stepper(
        Accelerator(cpu=True), model.train(), get_objective("finetune"), half=half,
        rates={"encoder": 1e-3, "head": 1e-3}, weight_decay=0.0, warmup=0.0, clip=None,
    )  # fmt: skip
    before = {key: value.clone() for key, value in stepper.weights().items()}
    stepper.set_progress(0.0)
    get_objective("finetune").update(token_data(3).batch(np.arange(3)), 0.5, stepper)
    after = stepper.weights()
    moved = [key for key in after if not torch.equal(before[key], after[key])]
    assert len(moved) > len(after) / 2
    assert all(bool(torch.isfinite(value).all()) for value in after.values())


# Dropout.


def test_a_mask_drops_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(3)
    for p in (0.1, 0.25, 0.5):
        mask = dropout_mask(torch.empty(300, 1001), p)
        dropped = float((mask == 0).double().mean())
        assert abs(dropped - p) < 5 * (p * (1 - p) / mask.numel()) ** 0.5
        assert mask.unique().tolist() == pytest.approx([0, 1 / (1 - p)])
        # Neighbours, and the four lanes of a word, are independent.
        kept = (mask.flatten()[: mask.numel() // 4 * 4].view(-1, 4) > 0).double()
        assert float((torch.corrcoef(kept.T) - torch.eye(4)).abs().max()) < 0.02
    assert torch.count_nonzero(dropout_mask(torch.empty(9, 9), 1.0)) == 0


def test_masks_follow_the_seed() -> None:
    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return dropout_mask(torch.empty(7, 5), 0.5)

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


@pytest.mark.parametrize("boolean", [True, False])
def test_attention_is_pytorch_s_but_for_the_mask_of_dropout(boolean: bool) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 5, 4) for _ in range(3))
    seen = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    seen[1, :, :, 3:] = False
    mask = seen if boolean else torch.zeros(2, 1, 5, 5).masked_fill(~seen, float("-inf"))
    attend = functional.scaled_dot_product_attention
    state = torch.get_rng_state()
    with QuickDropout():
        found = attend(q, k, v, attn_mask=mask, dropout_p=0.25)
        assert torch.equal(attend(q, k, v, attn_mask=mask), attend(q, k, v, attn_mask=mask))
        assert torch.equal(functional.dropout(v, 0.5, training=False), v)
    torch.set_rng_state(state)
    drop = dropout_mask(torch.empty(2, 3, 5, 5), 0.25)
    weights = torch.softmax((q @ k.transpose(-2, -1) / 2).masked_fill(~seen, -torch.inf), -1)
    torch.testing.assert_close(found, (weights * drop) @ v)


def test_parts_calculate_their_states_again_with_the_same_masks(monkeypatch) -> None:
    """What the backward pass calculates again is what the forward pass had."""

    def gradients() -> list[torch.Tensor]:
        model = tiny_model(dropout=0.4)
        model.parts = 3
        half_weights(model, CPU)
        torch.manual_seed(5)
        model.train()(token_data(6).batch(np.arange(6)))["task"].square().sum().backward()
        return [p.grad for p in model.parameters() if p.grad is not None]

    found = gradients()
    monkeypatch.setattr(modelling, "checkpoint", lambda function, rows, **_: function(rows))
    kept = gradients()
    assert len(found) == len(kept) > 10
    for one, other in zip(found, kept, strict=True):
        torch.testing.assert_close(one, other)
