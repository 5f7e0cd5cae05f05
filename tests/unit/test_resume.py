"""However a training ends, the next one goes on and ends with the same bits."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from langspec import interrupts
from langspec.errors import LangspecError
from langspec.objectives import get_objective
from langspec.training.checkpoint import Checkpoint, CheckpointStore
from langspec.training.loop import FitResult, fit
from langspec.training.scoring import encode_features
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

METHODS = ("frozen", "finetune", "control", "grl", "adversary")


def train(
    method: str, unit: str = "token", store: Path | None = None, log: Any = lambda *_: None,
    changes: tuple[str, ...] = (), **more: Any,
) -> FitResult:  # fmt: skip
    model = tiny_model(unit=unit)
    objective = get_objective(method, method_options(method, *changes))
    data: Any = token_data(24, unit=unit)
    dev: Any = token_data(6, seed=9, unit=unit)
    if not objective.trains_encoder:
        data, dev = (encode_features(model, rows, 256, "cpu", "fp32") for rows in (data, dev))
        model.encoder = None
        model.train()
    return fit(
        model, objective, data, dev, options(**({"batch_tokens": 30} | more)),
        Accelerator(cpu=True), classes=CLASSES,
        language=language_data(27) if objective.reads_language else None,
        watch=watch_options(every=4) if objective.trains_encoder else None,
        checkpoints=None if store is None else CheckpointStore(store), log=log,
        description=f"pos {method} seed 1",
    )  # fmt: skip


@cache
def whole(method: str, unit: str = "token", changes: tuple[str, ...] = ()) -> FitResult:
    """The same training without an interruption; several tests compare with it."""
    return train(method, unit, changes=changes)


def at(step: int, do: Callable[[], None]) -> Callable[[int, dict[str, float]], None]:
    """A log that does something when a step is told."""

    def log(found: int, metrics: dict[str, float]) -> None:
        if found == step and any(name.startswith("train/") for name in metrics):
            do()

    return log


def equal(one: FitResult, other: FitResult) -> None:
    assert one.tensors.keys() == other.tensors.keys()
    for name, tensor in one.tensors.items():
        assert torch.equal(tensor, other.tensors[name]), name
    assert (one.steps, one.epochs, one.dev) == (other.steps, other.epochs, other.dev)
    assert one.best_epoch == other.best_epoch


class Killed(Exception):
    pass


def kill() -> None:
    raise Killed


@pytest.mark.parametrize("unit", ["token", "pair"])
@pytest.mark.parametrize("method", METHODS)
def test_killed_or_stopped_anywhere_it_ends_bit_equal(
    tmp_path: Path, method: str, unit: str
) -> None:
    uninterrupted = whole(method, unit)
    # kill -9: what was not saved is lost.
    with pytest.raises(Killed):
        train(method, unit, tmp_path / "killed", at(5, kill))
    saved = CheckpointStore(tmp_path / "killed").load()
    assert saved is not None
    assert saved.state["step"] == 3
    equal(uninterrupted, train(method, unit, tmp_path / "killed"))
    if unit == "token":
        ends_when_asked(uninterrupted, method, tmp_path / "stopped", signal.SIGTERM, 4)


def ends_when_asked(
    uninterrupted: FitResult, method: str, folder: Path, number: int, step: int, **more: Any
) -> None:
    """The signal's step is saved, and the run goes on from there."""

    def stop() -> None:
        os.kill(os.getpid(), number)

    with interrupts.raised(), pytest.raises(interrupts.Terminated) as ended:
        train(method, store=folder, log=at(step, stop), **more)
    assert ended.value.code == 128 + number
    saved = CheckpointStore(folder).load()
    assert saved is not None
    assert saved.state["step"] == step
    equal(uninterrupted, train(method, store=folder, **more))


def test_a_signal_at_the_end_of_an_epoch_or_of_all(tmp_path: Path) -> None:
    uninterrupted = whole("grl")
    an_epoch = sum(row["epoch"] == 1 for row in uninterrupted.steps)
    for step in (an_epoch, len(uninterrupted.steps)):
        ends_when_asked(uninterrupted, "grl", tmp_path / str(step), signal.SIGINT, step)


@pytest.mark.parametrize("method", ["grl", "adversary"])
def test_an_epoch_wise_adversary_and_retention_go_on(tmp_path: Path, method: str) -> None:
    changes = ["retention.kind=distil", "inner_steps=1"]
    changes += ["alternate=epoch"] if method == "adversary" else []
    chosen = {"changes": tuple(changes)}
    uninterrupted = whole(method, **chosen)
    for step in (1, 7):
        with pytest.raises(Killed):
            train(method, store=tmp_path / str(step), log=at(step, kill), **chosen)
        equal(uninterrupted, train(method, store=tmp_path / str(step), **chosen))


@interrupts.delayed()
def keeping(done: list[int | None], error: Exception | None = None) -> None:
    with interrupts.delayed():
        os.kill(os.getpid(), signal.SIGINT)
    done.append(interrupts.pending())
    if error is not None:
        raise error


def test_a_signal_is_raised_at_once_or_kept_until_the_end() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    done: list[int | None] = []
    with interrupts.raised():
        with pytest.raises(interrupts.Terminated, match="143"):
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(interrupts.Terminated, match="129"):
            os.kill(os.getpid(), signal.SIGHUP)
        with pytest.raises(interrupts.Terminated, match="130"):
            keeping(done)
        assert interrupts.pending() is None
        with pytest.raises(ValueError, match="other"):
            keeping(done, ValueError("other"))  # says more than the signal
    assert done == 2 * [signal.SIGINT]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_closed_terminal_stays_ignored_under_nohup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts.raised():
            os.kill(os.getpid(), signal.SIGHUP)
            assert interrupts.pending() is None
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


# Checkpoints of something else.


def stopped(folder: Path, **more: Any) -> CheckpointStore:
    with pytest.raises(Killed):
        train("grl", store=folder, log=at(5, kill), **more)
    return CheckpointStore(folder)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    store = stopped(tmp_path / "run")
    with pytest.raises(LangspecError, match=r"slot-\d: module\.discriminator.* is \[128, 16\]"):
        train("grl", store=store.folder, changes=("discriminator.hidden=64",))
    saved = store.load()
    assert saved is not None
    tensors = {k: v for k, v in saved.tensors.items() if "heads.task" not in k}
    store.save(Checkpoint(tensors, {**saved.state, "step": 4}))
    with pytest.raises(LangspecError, match=r"heads.*is not there, expected .* delete it"):
        train("grl", store=store.folder)


def test_another_schema_and_half_of_a_checkpoint_are_passed_over(tmp_path: Path, caplog) -> None:
    store = stopped(tmp_path / "run", checkpoint_steps=2)  # both slots
    assert len(list(store.folder.glob("slot-*"))) == 2
    newest, older = sorted(store.folder.glob("slot-*"), key=CheckpointStore._step, reverse=True)
    state = json.loads((newest / "state.json").read_text())
    (newest / "state.json").write_text(json.dumps({**state, "schema": 99}))
    found = store.load()
    assert found is not None
    assert found.state["step"] == 2
    assert "schema 99" in caplog.text
    (older / "tensors.safetensors").write_bytes(b"half")
    assert store.load() is None
    assert "damaged" in caplog.text
    # From the start, then: slower, and the same.
    again = train("grl", store=store.folder, checkpoint_steps=2)
    assert [row["loss"] for row in again.steps] == [row["loss"] for row in whole("grl").steps]


def test_it_says_that_an_unfinished_run_had_other_parameters(tmp_path: Path, caplog) -> None:
    stopped(tmp_path / "of-one-hash")
    caplog.set_level("INFO")
    train("grl", store=tmp_path / "of-another", changes=("strength=2.0",))
    assert "starts at step 0; 1 unfinished before, with other parameters" in caplog.text
    caplog.clear()
    train("finetune", store=tmp_path / "of-a-third")
    assert "unfinished" not in caplog.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_ends_the_run_in_one_line_and_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch
) -> None:
    """The writer fails as it does on a full disk: what it writes goes to /dev/full."""

    def full(tensors: Any, path: Path) -> None:
        if len(list(path.parent.parent.glob("slot-*"))):
            path.symlink_to("/dev/full")
            with path.open("wb", buffering=0) as handle:
                handle.write(b"0" * 4096)
        else:
            save(tensors, path)

    from langspec.training import checkpoint

    save = checkpoint.save_file
    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(LangspecError, match=r"step 6 .*No space left.* goes on from step 3"):
        train("finetune", store=tmp_path / "run")
    monkeypatch.undo()
    assert not list((tmp_path / "run").glob(".*part"))
    equal(whole("finetune"), train("finetune", store=tmp_path / "run"))
