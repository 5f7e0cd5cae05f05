"""Control, gradient reversal, adversary trained: what they share, and what sets them apart."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from hypothesis import given, settings
from hypothesis import strategies as st

from langspec.errors import LangspecError
from langspec.modelling.model import freeze_above
from langspec.objectives import get_objective, methods
from langspec.objectives.gradient_cosine import gradient_cosine
from langspec.objectives.streams import RandomStream
from langspec.training.checkpoint import CheckpointStore
from langspec.training.language import join, language_batches
from langspec.training.loop import fit
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

LANGUAGE = language_data(45)
UNLEARNING = ("control", "grl", "adversary")


def train(method, *changes, model=None, rows=40, checkpoints=None, unit="token", **more):
    log = more.pop("log", lambda *_: None)
    watch = more.pop("watch", None)
    language = more.pop("language", LANGUAGE)
    return fit(
        model if model is not None else tiny_model(unit=unit),
        get_objective(method, method_options(method, *changes)),
        token_data(rows, unit=unit),
        token_data(12, seed=9, unit=unit),
        options(**more),
        Accelerator(cpu=True),
        classes=CLASSES,
        language=None if method == "finetune" else language,
        watch=watch,
        checkpoints=checkpoints,
        log=log,
    )


# Language rows.


def test_a_stream_leaves_the_run_s_own_numbers_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    stream = RandomStream(7, torch.device("cpu"))
    with stream:
        first = torch.rand(2)
    assert torch.equal(torch.rand(4), expected)
    with stream:
        second = torch.rand(2)
    again = RandomStream(7, torch.device("cpu"))
    with again:
        assert torch.equal(torch.rand(4), torch.cat([first, second]))


# Language rows.


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(2, 40), min_size=3, max_size=60),
    st.lists(st.integers(2, 40), min_size=3, max_size=60),
    st.integers(1, 9),
    st.sampled_from(["tokens", "rows"]),
)
def test_every_batch_gets_language_rows_and_all_take_turns(own, task, size, how) -> None:
    lengths, task_lengths = np.asarray(own), np.asarray(task)
    batches = np.array_split(np.arange(len(task)), max(1, len(task) // size))
    found = language_batches(lengths, batches, task_lengths, how=how, seed=1, epoch=1)
    assert len(found) == len(batches)
    assert all(len(rows) for rows in found)
    if how == "rows":
        assert [len(rows) for rows in found] == [len(rows) for rows in batches]
    counts = np.bincount(np.concatenate(found), minlength=len(own))
    assert counts.max() - counts.min() <= 1  # none twice before all once (one window here)


def test_language_tokens_equal_task_tokens_and_long_rows_meet_long_rows() -> None:
    rng = np.random.default_rng(0)
    lengths, task_lengths = rng.integers(5, 60, 3000), rng.integers(5, 60, 2000)
    from langspec.training.sampler import epoch_batches

    batches = epoch_batches(task_lengths, 1024, seed=0, epoch=1)
    found = language_batches(lengths, batches, task_lengths, how="tokens", seed=0, epoch=1)
    task = np.asarray([task_lengths[b].sum() for b in batches])
    own = np.asarray([lengths[b].sum() for b in found])
    assert own.sum() / task.sum() == pytest.approx(1, abs=0.01)
    assert np.abs(own - task).max() < 100
    total = own.sum()
    width = [
        max(task_lengths[b].max(), lengths[own].max())
        for b, own in zip(batches, found, strict=True)
    ]
    padded = sum(w * (len(b) + len(own)) for w, b, own in zip(width, batches, found, strict=True))
    assert padded / (total + task.sum()) < 1.2


def test_streams_of_language_rows_differ_and_repeat() -> None:
    lengths = np.full(50, 5)
    batches = np.array_split(np.arange(40), 8)

    def rows(**more):
        values = {"how": "tokens", "seed": 1, "epoch": 1} | more
        found = language_batches(lengths, batches, np.full(40, 5), **values)
        return np.concatenate(found).tolist()

    assert rows() == rows()
    assert len({tuple(rows(**m)) for m in ({}, {"epoch": 2}, {"seed": 2}, {"stream": 1})}) == 4
    with pytest.raises(LangspecError, match=r"found 'words', expected one of tokens, rows"):
        rows(how="words")


# Methods.


def test_methods_are_found_by_name() -> None:
    assert {"frozen", "finetune", *UNLEARNING} <= set(methods())
    with pytest.raises(LangspecError, match="unknown method 'gan'; expected one of frozen"):
        get_objective("gan")


@pytest.mark.parametrize("unit", ["token", "pair"])
def test_control_s_encoder_is_finetune_s(unit: str) -> None:
    changes = {"unit": unit, "epochs": 1}
    found = {
        method: train(method, model=tiny_model(unit=unit, dropout=0.0).double(), **changes)
        for method in ("finetune", "control")
    }
    one, other = (found[method].tensors for method in ("finetune", "control"))
    assert one.keys() == other.keys()
    moved = 0.0
    start = dict(tiny_model(unit=unit, dropout=0.0).double().named_parameters())
    for name, tensor in one.items():
        assert torch.allclose(tensor, other[name], atol=1e-6, rtol=0), name
        moved = max(moved, float((tensor - start[name].detach()).abs().max()))
    assert moved > 1e-3  # they did train


def test_the_three_read_the_same_rows_with_the_same_dropout(monkeypatch) -> None:
    seen: dict[str, list] = {}
    for method in UNLEARNING:
        rows: list = []
        states: list = []
        original = Stepper.language_batch

        def spy(self, stream=0, rows=rows, original=original):
            batch = original(self, stream)
            rows.append(batch["input_ids"].tolist())
            return batch

        monkeypatch.setattr(Stepper, "language_batch", spy)
        train(
            method,
            "inner_steps=2",
            epochs=1,
            log=lambda *_, states=states: states.append(torch.get_rng_state().sum().item()),
        )
        monkeypatch.setattr(Stepper, "language_batch", original)
        seen[method] = [rows, states]
    assert seen["control"] == seen["grl"] == seen["adversary"]
    assert len(set(seen["control"][1])) > 1


@pytest.mark.parametrize("method", UNLEARNING)
@pytest.mark.slow
@pytest.mark.parametrize("retention", ["none", "distil"])
def test_resumed_mid_epoch_ends_bit_equal(tmp_path: Path, method: str, retention: str) -> None:
    changes = (f"retention.kind={retention}", "inner_steps=1", "discriminator.layers=1")
    if method == "adversary" and retention == "distil":
        changes += ("alternate=epoch",)
    more = {"watch": watch_options(every=4), "rows": 80}
    whole = train(method, *changes, **more)

    class Interrupted(Exception):
        pass

    def interrupt(step, metrics):
        if step == 8 and "train/loss" in metrics:
            raise Interrupted

    store = CheckpointStore(tmp_path / "run")
    with pytest.raises(Interrupted):
        train(method, *changes, **more, checkpoints=store, log=interrupt)
    saved = store.load()
    assert saved is not None
    assert saved.state["step_in_epoch"] > 0  # inside an epoch
    resumed = train(method, *changes, **more, checkpoints=store)
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, resumed.tensors[name]), name
    assert resumed.steps == whole.steps
    assert resumed.epochs == whole.epochs


def test_what_is_logged() -> None:
    steps = train("grl", "strength=1.0", watch=watch_options(every=3)).steps
    wanted = {
        "loss", "loss_language", "adversary_accuracy", "adversary_majority",
        "adversary_entropy_min", "adversary_entropy_mean", "adversary_entropy_max",
        "adversary_cross_entropy", "discriminator_accuracy", "gradient_ratio", "lambda",
    }  # fmt: skip
    assert wanted <= steps[0].keys()
    assert {"feature_norm", "feature_spread", "effective_rank", "language_variance"} <= steps[
        2
    ].keys()
    for row in steps:
        low, mean, high = (row[f"adversary_entropy_{key}"] for key in ("min", "mean", "max"))
        assert 0 <= low <= mean <= high <= 1 + 1e-6
    assert steps[0]["lambda"] == 0  # dann
    assert steps[0]["gradient_ratio"] == 0
    assert steps[-1]["lambda"] > 0.9
    assert steps[-1]["gradient_ratio"] > 0
    assert all(row["gradient_ratio"] == 0 for row in train("control").steps)


def test_the_ratio_is_that_of_the_gradients_at_the_boundary() -> None:
    kept = ("schedule=constant", "inner_steps=0", "discriminator.dropout=0.0")
    one, ten = (
        train("grl", *kept, f"strength={value}", model=tiny_model(dropout=0.0), epochs=1).steps[0][
            "gradient_ratio"
        ]
        for value in (1.0, 10.0)
    )
    assert ten == pytest.approx(10 * one, rel=1e-4)


def test_the_cosine_of_gradients_is_logged_once_a_window() -> None:
    watch = watch_options(every=3)
    for method, changes in (("grl", ("schedule=constant",)), ("adversary", ())):
        steps = train(method, *changes, watch=watch).steps
        cosines = [row.get("gradient_cosine") for row in steps]
        assert cosines[:3][:2] == [None, None]
        assert cosines[2] is not None
        assert all(-1 <= one <= 1 for one in cosines if one is not None)
    assert not any("gradient_cosine" in row for row in train("control", watch=watch).steps)
    assert not any("gradient_cosine" in row for row in train("grl").steps)  # no watch


def test_the_cosine_changes_no_weight_and_no_ratio() -> None:
    with_it, without = (
        train("grl", "schedule=constant", watch=w) for w in (watch_options(every=2), None)
    )
    assert any("gradient_cosine" in row for row in with_it.steps)
    for name, tensor in without.tensors.items():
        assert torch.equal(tensor, with_it.tensors[name]), name
    for one, other in zip(with_it.steps, without.steps, strict=True):
        assert one["gradient_ratio"] == other["gradient_ratio"]
        assert one["grad_norm_task"] == other["grad_norm_task"]


def test_the_cosine_does_not_depend_on_lambda_but_on_the_reversal() -> None:
    kept = ("schedule=constant", "inner_steps=0", "discriminator.dropout=0.0")
    one, ten = (
        train("grl", *kept, f"strength={value}", model=tiny_model(dropout=0.0), epochs=1,
              watch=watch_options(every=1)).steps[0]["gradient_cosine"]
        for value in (1.0, 10.0)
    )  # fmt: skip
    assert ten == pytest.approx(one, abs=1e-4)
    weight, (a, b) = torch.nn.Parameter(torch.ones(2)), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    tied = torch.nn.Parameter(torch.ones(2))
    task, language = (weight * a).sum() + tied.sum() * 0, (weight * b).sum()
    assert gradient_cosine(task, language, [weight, tied]) == pytest.approx(0.5**0.5)
    assert gradient_cosine(task, -language, [weight, tied]) == pytest.approx(-(0.5**0.5))
    assert gradient_cosine(task, language * 0, [weight]) is None
    assert gradient_cosine(task, language.detach(), [weight]) is None
    assert weight.grad is None


@pytest.mark.slow
def test_reversal_hides_language_where_the_control_does_not() -> None:
    """Told by the adversary's own accuracy, which is enough to compare equal efforts."""

    def end(method):
        changes = ["discriminator.dropout=0.0", "discriminator.lr=0.03"]
        changes += ["schedule=linear"] if method == "grl" else []
        result = train(method, *changes, epochs=6, encoder_lr=1e-2, rows=60)
        assert result.dev["accuracy"] > 0.95
        return np.mean([row["discriminator_accuracy"] for row in result.steps[-10:]])

    control = end("control")
    assert end("grl") < control - 0.05
    assert end("adversary") < control - 0.05


@pytest.mark.parametrize("method", UNLEARNING)
@pytest.mark.parametrize(("unit", "level"), [("token", "sentence"), ("pair", "token")])
def test_either_level_at_any_layer(method: str, unit: str, level: str) -> None:
    model = tiny_model(unit=unit)
    model.feature_layer = 0
    result = train(method, f"discriminator.unit={level}", model=model, unit=unit, epochs=1)
    assert all(math.isfinite(row["loss_language"]) for row in result.steps)


def test_rows_of_unlike_lengths_are_encoded_apart_with_equal_results() -> None:
    model = tiny_model().eval()
    data = token_data(12)
    task = data.batch(np.argsort(data.lengths)[:4])
    language = LANGUAGE.batch(np.argsort(LANGUAGE.lengths)[-3:])
    assert task["input_ids"].shape[1] < language["input_ids"].shape[1]
    batch = join(task, [language], 0)
    widths, found = [], []
    hook = model.encoder.register_forward_hook(
        lambda module, arguments, named, output: widths.append(named["input_ids"].shape),
        with_kwargs=True,
    )
    for one in (batch, {key: value for key, value in batch.items() if key != "widths"}):
        model.zero_grad()
        out = model(one)
        (out["task"].square().sum() + out["states"][:, :2].square().sum()).backward()
        found.append((out, [p.grad for p in model.parameters() if p.grad is not None]))
    hook.remove()
    whole = tuple(batch["input_ids"].shape)
    assert [tuple(shape) for shape in widths] == [
        tuple(task["input_ids"].shape),
        tuple(language["input_ids"].shape),
        whole,
    ]
    (apart, apart_grads), (joint, joint_grads) = found
    torch.testing.assert_close(apart["task"], joint["task"])
    seen = language["attention_mask"].bool()
    assert apart["states"].shape == joint["states"].shape
    torch.testing.assert_close(apart["states"][seen], joint["states"][seen])
    torch.testing.assert_close(apart_grads, joint_grads)


def test_what_lies_above_the_feature_layer_is_not_trained() -> None:
    model = tiny_model(layers=3)
    before = torch.get_rng_state()
    freeze_above(model.encoder, 1)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.encoder.training
    trained = {n for n, p in model.encoder.named_parameters() if p.requires_grad}
    assert trained == {
        n
        for n, _ in model.encoder.named_parameters()
        if "layer.1." not in n and "layer.2." not in n
    }
    for layer in (-1, 3):
        whole = tiny_model(layers=3)
        freeze_above(whole.encoder, layer)
        assert all(p.requires_grad for p in whole.parameters())


def test_distillation_holds_the_encoder() -> None:
    start = tiny_model(dropout=0.0)

    def moved(*changes):
        model = copy.deepcopy(start)
        train("control", *changes, model=model, epochs=2)
        pairs = zip(model.encoder.parameters(), start.encoder.parameters(), strict=True)
        return sum(float((a - b).detach().square().sum()) for a, b in pairs)

    free, held = moved(), moved("retention={kind: distil, weight: 100.0}")
    assert held < 0.7 * free


def test_masked_retention_needs_a_head_and_uses_it() -> None:
    kept = "retention.kind=mlm"
    with pytest.raises(LangspecError, match=r"train\.methods\.grl\.retention\.kind: .*no masked"):
        train("grl", kept)
    from langspec.training.language import with_mlm_head

    head = torch.nn.Linear(16, 16)
    before = copy.deepcopy(head.state_dict())
    result = train("control", kept, language=with_mlm_head(LANGUAGE, head), epochs=10)
    losses = [row["loss_retention"] for row in result.steps]
    third = len(losses) // 3
    assert np.mean(losses[-third:]) < np.mean(losses[:third]) - 0.1
    assert all(torch.equal(before[name], value) for name, value in head.state_dict().items())


@pytest.mark.parametrize("method", UNLEARNING)
def test_no_language_rows_are_refused(method: str) -> None:
    for language in (None, language_data(0)):
        with pytest.raises(LangspecError, match=r"corpora: method .* found none"):
            train(method, language=language)


def test_a_skipped_half_precision_step_is_counted_and_logged() -> None:
    accelerator = Accelerator(cpu=True)
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)  # gradients overflow
    model = tiny_model()
    stepper = Stepper(
        accelerator, model, get_objective("finetune"), rates={"encoder": 1e-3, "head": 1e-3},
        weight_decay=0.0, warmup=0.0, clip=None,
    )  # fmt: skip
    before = copy.deepcopy(model.state_dict())
    logits = model(token_data(4).batch(np.arange(4)))["task"]
    stepper.minimise(logits.sum(), "task")
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert stepper.skipped_steps == 1
    assert stepper.metrics["skipped_steps"] == 1
