"""The loop, its batches, its checkpoints."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from hypothesis import given, settings
from hypothesis import strategies as st

from langspec.errors import LangspecError
from langspec.objectives import get_method, get_objective
from langspec.training import loop
from langspec.training.checkpoint import Checkpoint, CheckpointStore
from langspec.training.loop import FitResult, fit
from langspec.training.sampler import epoch_batches, rank_rows
from langspec.training.scoring import encode_features, predict
from langspec.training.stepper import warmup_linear
from training_fixtures import (
    CLASSES,
    language_data,
    method_options,
    options,
    tiny_model,
    token_data,
)


def train(checkpoints=None, *, model=None, data=None, log=lambda *_: None, **changes):
    data = data if data is not None else token_data(60)
    return fit(
        model if model is not None else tiny_model(),
        get_objective("finetune"),
        data,
        token_data(20, seed=9),
        options(**changes),
        Accelerator(cpu=True),
        classes=CLASSES,
        checkpoints=checkpoints,
        log=log,
    )


def test_a_step_that_does_not_fit_into_memory_names_its_batch(monkeypatch) -> None:
    monkeypatch.setattr(get_method("finetune"), "update", lambda *_: {"loss": torch.empty(2**60)})
    expected = r"a batch of \d+ rows of \d+ tokens does not fit .* or raise train\.accumulate"
    with pytest.raises(LangspecError, match=expected):
        train()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(2, 40), min_size=1, max_size=120),
    st.integers(40, 300),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_every_row_once_an_epoch_on_any_number_of_processes(lengths, budget, epoch, processes):
    batches = epoch_batches(np.asarray(lengths), budget, seed=5, epoch=epoch)
    rows = [
        row
        for batch in batches
        for rank in range(processes)
        for row in rank_rows(batch, rank, processes).tolist()
    ]
    assert sorted(rows) == list(range(len(lengths)))


def test_epochs_differ_and_seeds_repeat() -> None:
    lengths = np.full(50, 5)
    first = [b.tolist() for b in epoch_batches(lengths, 50, seed=1, epoch=1)]
    assert first == [b.tolist() for b in epoch_batches(lengths, 50, seed=1, epoch=1)]
    assert first != [b.tolist() for b in epoch_batches(lengths, 50, seed=1, epoch=2)]
    assert first != [b.tolist() for b in epoch_batches(lengths, 50, seed=2, epoch=1)]


def test_batches_waste_little_padding() -> None:
    lengths = np.random.default_rng(0).integers(5, 60, 4000)
    batches = epoch_batches(lengths, 1024, seed=0, epoch=1)
    padded = sum(len(b) * lengths[b].max() for b in batches)
    assert padded / lengths.sum() < 1.1


def test_warmup_rises_then_falls_to_zero() -> None:
    factors = [warmup_linear(p, 0.25) for p in (0.0, 0.125, 0.25, 0.625, 1.0)]
    assert factors == pytest.approx([0, 0.5, 1, 0.5, 0])


def test_it_learns_and_keeps_the_best_epoch() -> None:
    model = tiny_model()
    result = train(model=model, epochs=6)
    assert result.dev["accuracy"] > 0.95
    assert result.dev == {
        key.removeprefix("val_"): value
        for key, value in result.epochs[result.best_epoch - 1].items()
        if key.startswith("val_")
    }
    best = max(row["val_macro_f1"] for row in result.epochs)
    equally_good = [row["epoch"] for row in result.epochs if row["val_macro_f1"] == best]
    assert len(equally_good) > 1  # or the next line would prove nothing
    assert result.best_epoch == equally_good[-1]


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("stop_at", [4, 11])  # in the first epoch, in the second
def test_resumed_mid_epoch_ends_bit_equal(tmp_path: Path, stop_at: int) -> None:
    whole = train()

    def interrupt(step, metrics):
        if step == stop_at and "train/loss" in metrics:
            raise Interrupted

    store = CheckpointStore(tmp_path / "run")
    with pytest.raises(Interrupted):
        train(store, log=interrupt)
    assert store.load() is not None
    logged = {}
    resumed = train(
        CheckpointStore(tmp_path / "run"), log=lambda step, m: logged.setdefault(step, m)
    )
    assert resumed.tensors.keys() == whole.tensors.keys()
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, resumed.tensors[name]), name
    assert resumed.steps == whole.steps
    assert resumed.epochs == whole.epochs
    # The log of the resumed run is whole: it has the steps from before the interruption.
    assert sorted(logged) == [row["step"] for row in whole.steps]


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "run")
    first = train(store)

    def never(step, metrics):
        assert step <= first.steps[-1]["step"]

    model = tiny_model()
    again = train(store, model=model, log=never)
    assert all(torch.equal(first.tensors[k], again.tensors[k]) for k in first.tensors)
    assert again.steps == first.steps


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    for step in (1, 2):
        store.save(Checkpoint({"a": torch.full((3,), float(step))}, {"step": step}))
    newest = max(store.folder.glob("slot-*"), key=CheckpointStore._step)
    damaged = newest / "tensors.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-2] + b"xx")
    found = CheckpointStore(tmp_path).load()
    assert found is not None
    assert found.state["step"] == 1
    assert found.tensors["a"].tolist() == [1, 1, 1]


def test_a_failing_save_leaves_the_previous_checkpoint(tmp_path: Path, monkeypatch) -> None:
    store = CheckpointStore(tmp_path)
    store.save(Checkpoint({"a": torch.ones(2)}, {"step": 1}))
    store.save(Checkpoint({"a": torch.ones(2)}, {"step": 2}))

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("langspec.training.checkpoint.save_file", full)
    with pytest.raises(LangspecError, match=r"step 3 .* No space left .* goes on from step 2"):
        store.save(Checkpoint({"a": torch.ones(2)}, {"step": 3}))
    found = store.load()
    assert found is not None
    assert found.state["step"] == 2
    assert not list(tmp_path.glob(".*part"))


def test_diverged_loss_is_named() -> None:
    model = tiny_model()
    with torch.no_grad():
        model.heads["task"].linear.weight.fill_(float("nan"))
    with pytest.raises(LangspecError, match="loss became nan"):
        train(model=model)


def test_frozen_learns_on_features_encoded_once() -> None:
    # A random encoder keeps enough of a token's identity for a linear head to read it.
    model = tiny_model(dropout=0.0)
    before = {k: v.clone() for k, v in model.encoder.state_dict().items()}
    train_features = encode_features(model, token_data(60), 256, "cpu", "fp32")
    dev_features = encode_features(model, token_data(20, seed=9), 256, "cpu", "fp32")
    model.encoder, encoder = None, model.encoder
    result = fit(
        model,
        get_objective("frozen"),
        train_features,
        dev_features,
        options(epochs=10),
        Accelerator(cpu=True),
        classes=CLASSES,
    )
    assert set(result.tensors) == {"heads.task.linear.weight", "heads.task.linear.bias"}
    assert result.dev["accuracy"] > 0.9
    assert all(torch.equal(before[k], v) for k, v in encoder.state_dict().items())


def test_features_give_the_head_what_the_encoder_would() -> None:
    model = tiny_model().eval()
    data = token_data(12)
    features = encode_features(model, data, 64, "cpu", "fp32")
    rows = np.asarray([3, 0, 7])
    with torch.inference_mode():
        direct = model(data.batch(rows))["task"]
        cached = model(features.batch(rows))["task"]
    assert torch.allclose(direct, cached, atol=1e-5)
    assert torch.equal(data.batch(rows)["labels"], features.batch(rows)["labels"])


@pytest.mark.parametrize("unit", ["token", "pair"])
def test_predictions_stay_aligned_with_labels(unit: str) -> None:
    model = tiny_model(unit=unit).eval()
    data = token_data(15, unit=unit)
    found = predict(model, data, 40, "cpu", "fp32")
    with torch.inference_mode():
        one_by_one = [model(data.batch(np.asarray([row])))["task"].argmax(-1) for row in range(15)]
    assert found.tolist() == torch.cat(one_by_one).tolist()


def test_no_rows_are_refused() -> None:
    with pytest.raises(LangspecError, match="no train rows"):
        train(data=token_data(0))


def test_the_loop_never_asks_which_method_or_task_runs() -> None:
    source = Path(loop.__file__).read_text()
    assert not re.search(r"\b(if|elif|match)\b.*\b(method|task|objective\.name)\b", source)


@pytest.mark.parametrize("unit", ["token", "pair"])
@pytest.mark.parametrize("method", ["finetune", "control", "grl", "adversary"])
def test_rows_in_parts_make_the_same_step(method: str, unit: str) -> None:
    """Equal to one large batch without dropout, whatever a method does between its passes."""

    def train_in(parts: int) -> FitResult:
        changes = ["discriminator.dropout=0.0", "retention.kind=distil", "inner_steps=2"]
        model = tiny_model(unit=unit, dropout=0.0, layers=2)
        model.parts = parts
        objective = get_objective(
            method, method_options(method, *([] if method == "finetune" else changes))
        )
        return fit(
            model, objective, token_data(40, unit=unit), token_data(12, seed=9, unit=unit),
            options(epochs=1, batch_tokens=100), Accelerator(cpu=True), classes=CLASSES,
            language=language_data(27) if objective.reads_language else None,
        )  # fmt: skip

    one, parts = train_in(1), train_in(3)
    assert len(one.steps) == len(parts.steps) > 1
    for name, tensor in one.tensors.items():
        assert torch.allclose(tensor, parts.tensors[name], atol=1e-5, rtol=0), name
    for ours, theirs in zip(one.steps, parts.steps, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)


def test_parts_keep_the_activations_of_one_alone() -> None:
    """Counted where autograd keeps them: what is saved for the backward pass, in numbers."""

    def kept(parts: int) -> int:
        model = tiny_model(layers=4).train()
        model.parts = parts
        sizes = []

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model(token_data(64).batch(np.arange(64)))
        return sum(sizes)

    assert kept(4) < kept(1) / 5


def test_a_frozen_encoder_never_runs_backward(monkeypatch) -> None:
    """Its features are made without a graph, and the head's training never meets it."""
    model = tiny_model()
    seen = []
    model.encoder.register_forward_hook(
        lambda module, inputs, output: seen.append(output.last_hidden_state.requires_grad)
    )
    data, dev = token_data(40), token_data(12, seed=9)
    train_features, dev_features = (
        encode_features(model, rows, 64, "cpu", "fp32") for rows in (data, dev)
    )
    encoded = len(seen)
    assert encoded
    encoder, model.encoder = model.encoder, None
    fit(
        model, get_objective("frozen", method_options("frozen")), train_features, dev_features,
        options(), Accelerator(cpu=True), classes=CLASSES,
    )  # fmt: skip
    assert len(seen) == encoded
    assert not any(seen)
    assert all(parameter.grad is None for parameter in encoder.parameters())
