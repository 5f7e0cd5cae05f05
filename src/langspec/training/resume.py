"""Checkpoints of the loop: what a run needs to go on bit for bit, saved and put back."""

from __future__ import annotations

import logging
from typing import Any

import torch
from accelerate import Accelerator

from langspec.errors import LangspecError
from langspec.objectives import Objective
from langspec.training.callbacks import Callback, Run
from langspec.training.checkpoint import (
    Checkpoint,
    CheckpointStore,
    load_optimiser,
    optimiser_tensors,
)

logger = logging.getLogger(__name__)


class Checkpoints(Callback):
    """Saves every ``checkpoint_steps`` steps, after every epoch, and when a signal asks for it."""

    def __init__(self, store: CheckpointStore) -> None:
        self._store = store

    def step_ended(self, run: Run, metrics: dict[str, float]) -> None:
        """Save where it is time to; the last step of an epoch is saved with the epoch."""
        due = run.step % run.recipe.checkpoint_steps == 0 and run.done < run.steps_in_epoch
        if not run.stopped and (run.signal or due):
            self.save(run, run.epoch, run.done)

    def save(self, run: Run, epoch: int, done: int) -> None:
        """Save in the main process what every process gives.

        Args:
            run: the run.
            epoch: in which it is to go on.
            done: steps of that epoch that are done.
        """
        accelerator, stepper = run.accelerator, run.stepper
        random_states = _random_states(accelerator, run.objective)
        named = [callback for callback in run.callbacks if callback.name]
        parts = {callback.name: callback.tensors(accelerator) for callback in named}
        if not accelerator.is_main_process:
            return
        state = {
            "description": run.description,
            "step": run.step,
            "epoch": epoch,
            "step_in_epoch": done,
            "skipped_steps": stepper.skipped_steps,
            "processes": accelerator.num_processes,
            "scaler": None if accelerator.scaler is None else accelerator.scaler.state_dict(),
            "callbacks": {callback.name: callback.state() for callback in named},
        }
        parts |= {"model": stepper.weights(), "random": random_states}
        for name, module in run.objective.modules.items():
            parts[f"module.{name}"] = module.state_dict()
        tensors = {f"{part}.{k}": v for part, of_part in parts.items() for k, v in of_part.items()}
        for name, optimiser in stepper.optimisers.items():
            tensors |= optimiser_tensors(optimiser, f"optimiser.{name}")
        self._store.save(Checkpoint(tensors, state))

    def resume(self, run: Run) -> None:
        """Go on from the newest checkpoint, if there is one.

        Raises:
            LangspecError: it is of something else.
        """
        saved = self._store.load()
        if saved is not None:
            _restore(saved, run)
            logger.info("%s: resumed at step %d of %d", run.description, run.step, run.total_steps)
        elif run.description and (others := self._store.others(run.description)):
            logger.info(
                "%s: starts at step 0; %d unfinished before, with other parameters, data or code, "
                "in %s", run.description, others, self._store.folder.parent,
            )  # fmt: skip


def _random_states(accelerator: Accelerator, objective: Objective) -> dict[str, torch.Tensor]:
    """Torch's generator states of every process, ``[processes, bytes]`` each; and of streams."""
    states = {"cpu": torch.get_rng_state()}
    if accelerator.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(accelerator.device)
    for name, stream in objective.streams.items():
        states |= {f"{name}.{kind}": state for kind, state in stream.states.items()}
    # Gathered as int32: not every backend moves bytes.
    return {
        name: accelerator.gather(state.to(accelerator.device, torch.int32)[None]).cpu()
        for name, state in states.items()
    }


def _restore(saved: Checkpoint, run: Run) -> None:
    """Put a checkpoint back into the run.

    Raises:
        LangspecError: it was written by another number of processes, or of another model.
    """
    state, accelerator, objective = saved.state, run.accelerator, run.objective
    if state["processes"] != accelerator.num_processes:
        raise LangspecError(
            f"the checkpoint was written by {state['processes']} processes, this run has "
            f"{accelerator.num_processes}; use as many, or delete .langspec/checkpoints",
            place="train",
        )

    def part(prefix: str) -> dict[str, torch.Tensor]:
        size = len(prefix) + 1
        return {k[size:]: v for k, v in saved.tensors.items() if k.startswith(f"{prefix}.")}

    _check_shapes(saved, run)
    run.stepper.load_weights(part("model"))
    for name, optimiser in run.stepper.optimisers.items():
        load_optimiser(optimiser, saved.tensors, f"optimiser.{name}")
    if state["scaler"] is not None and accelerator.scaler is not None:
        accelerator.scaler.load_state_dict(state["scaler"])
    for name, module in objective.modules.items():
        module.load_state_dict(part(f"module.{name}"))
    rank = accelerator.process_index
    states = {k: v[rank].to(torch.uint8) for k, v in part("random").items()}
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and accelerator.device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], accelerator.device)
    for name, stream in objective.streams.items():
        stream.states = {kind: states[f"{name}.{kind}"] for kind in stream.states}
    for callback in run.callbacks:
        if state["callbacks"].get(callback.name) is not None:
            callback.load(state["callbacks"][callback.name], part(callback.name), accelerator)
    run.stepper.skipped_steps = state["skipped_steps"]
    run.step, run.epoch, run.done = state["step"], state["epoch"], state["step_in_epoch"]
    run.resumed = True


def _check_shapes(saved: Checkpoint, run: Run) -> None:
    wanted: dict[str, Any] = {f"model.{k}": v for k, v in run.stepper.weights().items()}
    for name, module in run.objective.modules.items():
        wanted |= {f"module.{name}.{k}": v for k, v in module.state_dict().items()}
    for name, value in wanted.items():
        tensor = saved.tensors.get(name)
        if tensor is None or tensor.shape != value.shape:
            shape = "is not there" if tensor is None else f"is {list(tensor.shape)}"
            raise LangspecError(
                f"{name} {shape}, expected {list(value.shape)}: the checkpoint is of another "
                "model; delete it",
                place=saved.place,
            )
