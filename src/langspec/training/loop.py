"""The training loop: one for every task and method."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from tqdm import tqdm

from langspec import interrupts
from langspec.errors import LangspecError
from langspec.objectives import Objective, Setting
from langspec.tasks import IGNORED
from langspec.training.checkpoint import (
    Checkpoint,
    CheckpointStore,
    load_optimiser,
    load_trainable,
    optimiser_tensors,
    trainable,
)
from langspec.training.language import LanguageData, LanguageStream
from langspec.training.predict import TrainingData, dev_scores
from langspec.training.sampler import epoch_batches, rank_rows
from langspec.training.selection import METRIC, Rule, get_rule, language_metric
from langspec.training.stepper import Diverged, Stepper
from langspec.training.watch import Watch, WatchOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitOptions:
    """How long, how fast, how often saved. Rates are peaks; ``batch_tokens`` is global.

    ``batch_rows`` (global) takes the place of ``batch_tokens`` where it is set; ``language`` says
    what is equal between task and language rows of a step: ``tokens`` or ``rows``; ``init`` is
    the standard deviation of a discriminator's first output weights.
    """

    epochs: int
    encoder_lr: float
    head_lr: float
    batch_tokens: int
    weight_decay: float
    warmup: float
    clip: float | None
    seed: int
    checkpoint_steps: int
    schedule: str = "linear"
    batch_rows: int | None = None
    language: str = "tokens"
    init: float = 0.02


@dataclass
class FitResult:
    """``tensors``: the trainable weights of the best epoch; histories as rows of plain values.

    ``failure`` names the symptom that makes this run count for nothing, if one did;
    ``warnings`` the others. A run that failed before its first epoch ended has the weights of
    its last good step, and ``best_epoch`` is 0.
    """

    tensors: dict[str, torch.Tensor]
    best_epoch: int
    dev: dict[str, float]
    steps: list[dict[str, float]] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)
    skipped_steps: int = 0
    failure: dict[str, Any] | None = None
    warnings: list[dict[str, Any]] = field(default_factory=list)


@interrupts.delayed()  # a signal waits for the end of the step, and for its checkpoint
def fit(
    model: nn.Module,
    objective: Objective,
    train: TrainingData,
    dev: TrainingData,
    options: FitOptions,
    accelerator: Accelerator,
    *,
    classes: int,
    language: LanguageData | None = None,
    targets: Sequence[TrainingData] = (),
    rule: Rule | None = None,
    judged: Mapping[str, TrainingData] | None = None,
    watch: WatchOptions | None = None,
    checkpoints: CheckpointStore | None = None,
    log: Callable[[int, dict[str, float]], None] = lambda step, metrics: None,
    description: str = "",
) -> FitResult:
    """Train ``model`` and return the epoch that ``rule`` finds best.

    Without a rule that is the one that scores best on ``dev`` (source language). A rule that reads
    several languages needs ``judged``: the rows of each by its code (where the source is one of
    them, its ``dev``). Of epochs with equal scores it is the last.

    ``log(step, metrics)`` is called on the main process for every step (``train/...``) and epoch
    (``val/...``). With ``checkpoints``, an interrupted run goes on from its last step and ends
    with equal weights. ``language`` is for methods that read language text; ``targets`` (dev rows
    of a target language each) are only watched. With ``watch``, a run that collapses or diverges
    is told by ``FitResult.failure``. A signal (:mod:`langspec.interrupts`) ends the run after the
    step that is being taken, with a checkpoint.

    Raises:
        LangspecError: no rows to train or select on, a checkpoint of something else, or, without
            ``watch``, a loss that is not finite.
        Terminated: a signal asked for it.
    """
    if not len(train) or not len(dev):
        which = "train" if not len(train) else "dev"
        raise LangspecError(f"the source language has no {which} rows", place="corpora")
    rule, judged = rule or get_rule("source_dev"), judged or {}
    rank, processes = accelerator.process_index, accelerator.num_processes
    torch.manual_seed(options.seed * 1000 + rank)  # dropout differs between processes
    objective.set_up(
        Setting(model, language, options.seed, rank, accelerator.device, options.init)
    )
    sizes = train.lengths if options.batch_rows is None else np.ones(len(train), np.int64)
    budget = options.batch_rows or options.batch_tokens

    def batches_of(epoch: int) -> list[np.ndarray]:
        return epoch_batches(sizes, budget, seed=options.seed, epoch=epoch)

    stream = None
    if language is not None:
        stream = LanguageStream(
            language, batches_of, train.lengths, how=options.language, seed=options.seed
        )
    watcher = None
    if watch is not None:
        count = len(language.languages) if language is not None else 0
        watcher = Watch(watch, classes=classes, languages=count)
    stepper = Stepper(
        accelerator,
        model,
        objective,
        rates={"encoder": options.encoder_lr, "head": options.head_lr},
        weight_decay=options.weight_decay,
        warmup=options.warmup,
        clip=options.clip,
        schedule=options.schedule,
        language=stream,
        watch=watcher,
    )

    # The number of batches differs a little from epoch to epoch (windows are packed apart).
    counts = [len(batches_of(epoch)) for epoch in range(1, options.epochs + 1)]
    total_steps = sum(counts)
    result = FitResult(tensors={}, best_epoch=0, dev={})
    step, first_epoch, skip = 0, 1, 0
    saved = checkpoints.load() if checkpoints else None
    if saved is not None:
        step, first_epoch, skip = _restore(saved, model, objective, stepper, result, accelerator)
        logger.info("%s: resumed at step %d of %d", description, step, total_steps)
        _log_history(result, log)
    elif checkpoints and description:
        others = checkpoints.others(description)
        if others:
            logger.info(
                "%s: starts at step 0; %d unfinished before, with other parameters, data or code, "
                "in %s", description, others, checkpoints.folder.parent,
            )  # fmt: skip

    def save(epoch: int, done: int) -> None:
        random_states = _random_states(accelerator, objective)
        watched = {} if watcher is None else watcher.tensors(accelerator)
        if checkpoints is not None and accelerator.is_main_process:
            state = {
                "description": description,
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
                "watch": None if watcher is None else watcher.state(),
            }
            tensors = {f"model.{k}": v for k, v in trainable(model).items()}
            tensors |= {f"best.{k}": v for k, v in result.tensors.items()}
            tensors |= {f"random.{k}": v for k, v in random_states.items()}
            tensors |= {f"watch.{k}": v for k, v in watched.items()}
            for name, module in objective.modules.items():
                tensors |= {f"module.{name}.{k}": v for k, v in module.state_dict().items()}
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

    def stopped() -> bool:
        return watcher is not None and watcher.stops

    def score(epoch: int) -> None:
        scores = dev_scores(model, dev, options.batch_tokens, accelerator, classes)
        scores |= {
            language_metric(code): scores[METRIC]
            if rows is dev
            else dev_scores(model, rows, options.batch_tokens, accelerator, classes)[METRIC]
            for code, rows in judged.items()
        }
        row = {"epoch": epoch, "step": step, **{f"val_{k}": v for k, v in scores.items()}}
        if watcher is not None:
            others = [
                dev_scores(model, rows, options.batch_tokens, accelerator, classes)
                for rows in targets
            ]
            if others:
                row["val_targets_macro_f1"] = float(np.mean([s[METRIC] for s in others]))
            watcher.end_of_epoch(step, scores[METRIC], row.get("val_targets_macro_f1"))
        result.epochs.append(row)
        if accelerator.is_main_process:
            log(step, {k.replace("val_", "val/", 1): v for k, v in row.items() if k[:4] == "val_"})
        found, best = rule.score(scores), rule.score(result.dev) if result.dev else -1.0
        # Of equally good epochs the last: unlearning has gone on, and the score cannot show it.
        if found >= best:
            result.dev, result.best_epoch = scores, 0 if stopped() else epoch
            result.tensors = {k: v.cpu().clone() for k, v in trainable(model).items()}

    for epoch in range(first_epoch, options.epochs + 1):
        if stopped():
            break
        model.train()
        batches = batches_of(epoch)
        for done, rows in enumerate(batches[skip:], start=skip + 1):
            stepper.place, stepper.metrics = (epoch, done - 1), {}
            batch = _rank_batch(train, rows, rank, processes, accelerator.device)
            progress = step / total_steps
            stepper.set_progress((step + 1) / (total_steps + 1))  # neither end is a rate of 0
            try:
                if done == 1:
                    objective.start_epoch(stepper)
                losses = objective.update(batch, progress, stepper)
            except Diverged as error:
                if watcher is None:
                    raise
                step += 1  # the step that was not taken
                watcher.note("diverged", step, str(error))
                break
            step += 1
            metrics = {
                name: float(accelerator.reduce(loss, reduction="mean"))
                for name, loss in losses.items()
            } | stepper.metrics
            if watcher is not None:
                metrics |= watcher.end_of_step(step, metrics, accelerator)
            if accelerator.is_main_process:
                result.steps.append({"step": step, "epoch": epoch, **metrics})
                log(step, {f"train/{name}": value for name, value in metrics.items()})
            bar.update()
            bar.set_postfix({name: f"{float(loss):.3f}" for name, loss in losses.items()})
            if stopped():
                break
            ends = _stop_asked(accelerator)
            if ends or (step % options.checkpoint_steps == 0 and done < len(batches)):
                save(epoch, done)
            if ends:
                logger.info("%s: stopped at step %d of %d", description, step, total_steps)
                raise interrupts.Terminated(ends)
        skip = 0
        # A run that is ended early is scored as it is only if there is nothing better to keep.
        if not stopped() or not result.dev:
            score(epoch)
        save(epoch + 1, 0)
    bar.close()
    result.skipped_steps = stepper.skipped_steps
    if watcher is not None:
        result.failure = asdict(watcher.failure) if watcher.failure else None
        result.warnings = [asdict(s) for s in watcher.symptoms if s != watcher.failure]
    return result


def _stop_asked(accelerator: Accelerator) -> int:
    """A signal that was sent to any process, or 0: all of them stop at the same step."""
    number = interrupts.pending() or 0
    if accelerator.num_processes > 1:
        own = torch.tensor([number], device=accelerator.device)
        number = int(accelerator.gather(own).max())
    return number


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


def _scaler_state(accelerator: Accelerator) -> dict[str, Any] | None:
    return None if accelerator.scaler is None else accelerator.scaler.state_dict()


def _restore(
    saved: Checkpoint,
    model: nn.Module,
    objective: Objective,
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

    wanted = {f"model.{name}": value for name, value in trainable(model).items()}
    for name, module in objective.modules.items():
        wanted |= {f"module.{name}.{k}": v for k, v in module.state_dict().items()}
    for name, value in wanted.items():
        found = saved.tensors.get(name)
        if found is None or found.shape != value.shape:
            shape = "is not there" if found is None else f"is {list(found.shape)}"
            raise LangspecError(
                f"{name} {shape}, expected {list(value.shape)}: the checkpoint is of another "
                "model; delete it",
                place=saved.place,
            )
    load_trainable(model, part("model"))
    for name, optimiser in stepper.optimisers.items():
        load_optimiser(optimiser, saved.tensors, f"optimiser.{name}")
    if state["scaler"] is not None and accelerator.scaler is not None:
        accelerator.scaler.load_state_dict(state["scaler"])
    for name, module in objective.modules.items():
        module.load_state_dict(part(f"module.{name}"))
    own = {k: v[accelerator.process_index].to(torch.uint8) for k, v in part("random").items()}
    torch.set_rng_state(own["cpu"])
    if "cuda" in own and accelerator.device.type == "cuda":
        torch.cuda.set_rng_state(own["cuda"], accelerator.device)
    for name, stream in objective.streams.items():
        stream.states = {kind: own[f"{name}.{kind}"] for kind in stream.states}
    if stepper.watch is not None and state.get("watch") is not None:
        stepper.watch.load(state["watch"], part("watch"), accelerator)
    result.tensors = part("best")
    result.best_epoch, result.dev = state["best_epoch"], state["dev"]
    result.steps, result.epochs = state["steps"], state["epochs"]
    stepper.skipped_steps = state["skipped_steps"]
    return state["step"], state["epoch"], state["step_in_epoch"]
