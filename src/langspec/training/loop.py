"""The training loop: one for every task and method."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from tqdm import tqdm

from langspec.errors import LangspecError
from langspec.objectives import Objective
from langspec.tasks import IGNORED
from langspec.training.checkpoint import (
    Checkpoint,
    CheckpointStore,
    load_optimiser,
    load_trainable,
    optimiser_tensors,
    trainable,
)
from langspec.training.predict import TrainingData, dev_scores
from langspec.training.sampler import epoch_batches, rank_rows
from langspec.training.stepper import Stepper

logger = logging.getLogger(__name__)

SELECTION_METRIC = "macro_f1"  # on the source language's dev set, as in the paper (section 3.5)


@dataclass(frozen=True)
class FitOptions:
    """How long, how fast, how often saved. Rates are peaks; ``batch_tokens`` is global."""

    epochs: int
    encoder_lr: float
    head_lr: float
    batch_tokens: int
    weight_decay: float
    warmup: float
    clip: float
    seed: int
    checkpoint_steps: int


@dataclass
class FitResult:
    """``tensors``: the trainable weights of the best epoch; histories as rows of plain values."""

    tensors: dict[str, torch.Tensor]
    best_epoch: int
    dev: dict[str, float]
    steps: list[dict[str, float]] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)
    skipped_steps: int = 0


def fit(
    model: nn.Module,
    objective: Objective,
    train: TrainingData,
    dev: TrainingData,
    options: FitOptions,
    accelerator: Accelerator,
    *,
    classes: int,
    checkpoints: CheckpointStore | None = None,
    log: Callable[[int, dict[str, float]], None] = lambda step, metrics: None,
    description: str = "",
) -> FitResult:
    """Train ``model`` and return the epoch that scores best on ``dev`` (source language).

    ``log(step, metrics)`` is called on the main process for every step (``train/...``) and epoch
    (``val/...``). With ``checkpoints``, an interrupted run goes on from its last step and ends
    with equal weights.

    Raises:
        LangspecError: no rows to train or select on, or a loss that is not finite.
    """
    if not len(train) or not len(dev):
        which = "train" if not len(train) else "dev"
        raise LangspecError(f"the source language has no {which} rows", place="corpora")
    rank, processes = accelerator.process_index, accelerator.num_processes
    torch.manual_seed(options.seed * 1000 + rank)  # dropout differs between processes
    stepper = Stepper(
        accelerator,
        model,
        objective,
        rates={"encoder": options.encoder_lr, "head": options.head_lr},
        weight_decay=options.weight_decay,
        warmup=options.warmup,
        clip=options.clip,
    )

    def batches_of(epoch: int) -> list[np.ndarray]:
        return epoch_batches(train.lengths, options.batch_tokens, seed=options.seed, epoch=epoch)

    # The number of batches differs a little from epoch to epoch (windows are packed apart).
    counts = [len(batches_of(epoch)) for epoch in range(1, options.epochs + 1)]
    total_steps = sum(counts)
    result = FitResult(tensors={}, best_epoch=0, dev={})
    step, first_epoch, skip = 0, 1, 0
    saved = checkpoints.load() if checkpoints else None
    if saved is not None:
        step, first_epoch, skip = _restore(saved, model, stepper, result, accelerator)
        logger.info("%s: resumed at step %d of %d", description, step, total_steps)
        _log_history(result, log)

    def save(epoch: int, done: int) -> None:
        random_states = _random_states(accelerator)
        if checkpoints is not None and accelerator.is_main_process:
            state = {
                "step": step,
                "epoch": epoch,
                "step_in_epoch": done,
                "best_epoch": result.best_epoch,
                "dev": result.dev,
                "steps": result.steps,
                "epochs": result.epochs,
                "skipped_steps": stepper.skipped_steps,
                "processes": processes,
                "scaler": _scaler_state(accelerator),
            }
            tensors = {f"model.{k}": v for k, v in trainable(model).items()}
            tensors |= {f"best.{k}": v for k, v in result.tensors.items()}
            tensors |= {f"random.{k}": v for k, v in random_states.items()}
            for name, optimiser in stepper.optimisers.items():
                tensors |= optimiser_tensors(optimiser, f"optimiser.{name}")
            checkpoints.save(Checkpoint(tensors, state))

    bar = tqdm(
        total=total_steps,
        initial=step,
        desc=description,
        unit="step",
        disable=None if accelerator.is_main_process else True,
    )
    for epoch in range(first_epoch, options.epochs + 1):
        model.train()
        batches = batches_of(epoch)
        for done, rows in enumerate(batches[skip:], start=skip + 1):
            batch = _rank_batch(train, rows, rank, processes, accelerator.device)
            progress = step / total_steps
            stepper.set_progress((step + 1) / (total_steps + 1))  # neither end is a rate of 0
            losses = objective.update(batch, progress, stepper)
            step += 1
            metrics = {
                name: float(accelerator.reduce(loss, reduction="mean"))
                for name, loss in losses.items()
            } | stepper.metrics
            if accelerator.is_main_process:
                result.steps.append({"step": step, "epoch": epoch, **metrics})
                log(step, {f"train/{name}": value for name, value in metrics.items()})
            bar.update()
            bar.set_postfix({name: f"{float(loss):.3f}" for name, loss in losses.items()})
            if step % options.checkpoint_steps == 0 and done < len(batches):
                save(epoch, done)
        skip = 0
        scores = dev_scores(model, dev, options.batch_tokens, accelerator, classes)
        row = {"epoch": epoch, "step": step, **{f"val_{k}": v for k, v in scores.items()}}
        result.epochs.append(row)
        if accelerator.is_main_process:
            log(step, {f"val/{name}": value for name, value in scores.items()})
        if not result.dev or scores[SELECTION_METRIC] > result.dev[SELECTION_METRIC]:
            result.dev, result.best_epoch = scores, epoch
            result.tensors = {k: v.cpu().clone() for k, v in trainable(model).items()}
        save(epoch + 1, 0)
    bar.close()
    result.skipped_steps = stepper.skipped_steps
    return result


def _log_history(result: FitResult, log: Callable[[int, dict[str, float]], None]) -> None:
    """Tell a resumed run's log what happened before it: its own record is then whole."""
    for row in result.steps:
        metrics = {f"train/{k}": v for k, v in row.items() if k not in ("step", "epoch")}
        log(int(row["step"]), metrics)
    for row in result.epochs:
        metrics = {k.replace("val_", "val/", 1): v for k, v in row.items() if k[:4] == "val_"}
        log(int(row["step"]), metrics)


def _rank_batch(
    data: TrainingData, rows: np.ndarray, rank: int, processes: int, device: torch.device
) -> dict[str, torch.Tensor]:
    """This process's part of a global batch; without a row, one whose labels do not count."""
    own = rank_rows(rows, rank, processes)
    batch = data.batch(own if len(own) else rows[:1])
    if not len(own):
        batch["labels"] = torch.full_like(batch["labels"], IGNORED)
    return {key: value.to(device) for key, value in batch.items()}


def _random_states(accelerator: Accelerator) -> dict[str, torch.Tensor]:
    """Torch's generator states of every process, ``[processes, bytes]`` each."""
    states = {"cpu": torch.get_rng_state()}
    if accelerator.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(accelerator.device)
    # Gathered as int32: not every backend moves bytes.
    return {
        name: accelerator.gather(state.to(accelerator.device, torch.int32)[None]).cpu()
        for name, state in states.items()
    }


def _scaler_state(accelerator: Accelerator) -> dict[str, Any] | None:
    return None if accelerator.scaler is None else accelerator.scaler.state_dict()


def _restore(
    saved: Checkpoint,
    model: nn.Module,
    stepper: Stepper,
    result: FitResult,
    accelerator: Accelerator,
) -> tuple[int, int, int]:
    """Put a checkpoint back; returns step, epoch and the steps of that epoch already done."""
    state = saved.state
    if state["processes"] != accelerator.num_processes:
        raise LangspecError(
            f"the checkpoint was written by {state['processes']} processes, this run has "
            f"{accelerator.num_processes}; use as many, or delete .langspec/checkpoints",
            place="train",
        )

    def part(prefix: str) -> dict[str, torch.Tensor]:
        size = len(prefix) + 1
        return {k[size:]: v for k, v in saved.tensors.items() if k.startswith(f"{prefix}.")}

    load_trainable(model, part("model"))
    for name, optimiser in stepper.optimisers.items():
        load_optimiser(optimiser, saved.tensors, f"optimiser.{name}")
    if state["scaler"] is not None and accelerator.scaler is not None:
        accelerator.scaler.load_state_dict(state["scaler"])
    random_states = part("random")
    torch.set_rng_state(random_states["cpu"][accelerator.process_index].to(torch.uint8))
    if "cuda" in random_states and accelerator.device.type == "cuda":
        own = random_states["cuda"][accelerator.process_index].to(torch.uint8)
        torch.cuda.set_rng_state(own, accelerator.device)
    result.tensors = part("best")
    result.best_epoch, result.dev = state["best_epoch"], state["dev"]
    result.steps, result.epochs = state["steps"], state["epochs"]
    stepper.skipped_steps = state["skipped_steps"]
    return state["step"], state["epoch"], state["step_in_epoch"]
