"""The training loop: one for every task and method."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from langspec import interrupts
from langspec.encoders.inference import in_memory
from langspec.errors import LangspecError
from langspec.objectives import Objective, Setting
from langspec.tasks import IGNORED
from langspec.training.callbacks import (
    Callback,
    FitResult,
    History,
    Log,
    ProgressBar,
    Run,
    Scores,
    Selection,
    Signals,
    Watching,
)
from langspec.training.checkpoint import CheckpointStore
from langspec.training.half_weights import HalfWeights, half_weights
from langspec.training.language import LanguageData, LanguageStream
from langspec.training.resume import Checkpoints
from langspec.training.sampler import epoch_batches, rank_rows
from langspec.training.scoring import TrainingData
from langspec.training.selection import Rule, get_rule
from langspec.training.stepper import Diverged, Stepper
from langspec.training.train_section import Recipe
from langspec.training.watch import Watch, WatchOptions

logger = logging.getLogger(__name__)


@interrupts.delayed()  # a signal waits for the end of the step, and for its checkpoint
def fit(
    model: nn.Module,
    objective: Objective,
    train: TrainingData,
    dev: TrainingData,
    recipe: Recipe,
    accelerator: Accelerator,
    *,
    classes: int,
    precision: str = "fp32",
    language: LanguageData | None = None,
    targets: Sequence[TrainingData] = (),
    rule: Rule | None = None,
    judged: Mapping[str, TrainingData] | None = None,
    watch: WatchOptions | None = None,
    checkpoints: CheckpointStore | None = None,
    log: Log = lambda step, metrics: None,
    callbacks: Sequence[Callback] = (),
    description: str = "",
) -> FitResult:
    """Train ``model`` and return the epoch that ``rule`` scores highest.

    Args:
        model: encoder and heads.
        objective: the method.
        train: rows that are learned.
        dev: rows of the source language that are scored after every epoch.
        recipe: how long and how fast.
        accelerator: of this process.
        classes: of the task.
        precision: of the encoder's passes, as resolved: ``bf16`` puts bf16 weights into the
            encoder until the run has ended; ``fp16`` is the accelerator's to do.
        language: rows of language text, for methods that read it.
        targets: dev rows of a target language each; they are watched and choose nothing.
        rule: what chooses the epoch; None: the best score on ``dev``.
        judged: rows by language, for a rule that reads several (the source's are its ``dev``).
        watch: when the run has failed; such a run ends with ``FitResult.failure``.
        checkpoints: an interrupted run goes on from its last step and ends with equal weights.
        log: called in the main process for every step (``train/...``) and epoch (``val/...``).
        callbacks: called after every step and epoch, behind the log.
        description: in progress bars and logs.

    Raises:
        LangspecError: no rows to train or select on, a checkpoint of something else, or, without
            ``watch``, a loss that is not finite.
        Terminated: a signal asked for it; the run ends after the step that is being taken, with
            a checkpoint.
    """
    if not len(train) or not len(dev):
        which = "train" if not len(train) else "dev"
        raise LangspecError(f"the source language has no {which} rows", place="corpora")
    rank, device = accelerator.process_index, accelerator.device
    torch.manual_seed(recipe.seed * 1000 + rank)  # dropout differs between processes
    half = half_weights(model, device) if precision == "bf16" else None
    objective.set_up(Setting(model, language, recipe.seed, rank, device, recipe.head_init))
    batches = Batches(train, recipe)
    stream, watching = None, []
    if language is not None:
        stream = LanguageStream(
            language, batches.of_epoch, train.lengths, how=recipe.language, seed=recipe.seed
        )
    if watch is not None:
        count = len(language.languages) if language is not None else 0
        watching = [Watching(Watch(watch, classes=classes, languages=count), targets)]
    stepper = _stepper(accelerator, model, objective, recipe, stream, watching, half)
    selection, saving = Selection(rule or get_rule("source_dev")), []
    if checkpoints is not None:
        saving = [Checkpoints(checkpoints)]
    called: list[Callback] = [Scores(dev, judged or {}), *watching, History(log), ProgressBar()]
    called += [*callbacks, selection, Signals(), *saving]
    run = Run(model, objective, stepper, accelerator, recipe, classes,
              batches.total, description, called)  # fmt: skip
    for one in saving:
        one.resume(run)
    for callback in called:
        callback.start(run)

    first = run.epoch
    for epoch in range(first, recipe.epochs + 1):
        if run.stopped:
            break
        model.train()
        run.epoch = epoch
        _epoch(run, train, batches.of_epoch(epoch))
        run.done = 0
        # A run that is ended early is scored as it is only if there is nothing better to keep.
        if not run.stopped or not selection.scores:
            scores: dict[str, float] = {}
            for callback in called:
                callback.epoch_ended(run, scores)
        for one in saving:
            one.save(run, epoch + 1, 0)
    if half is not None:
        half.end()
    result = FitResult(tensors={}, best_epoch=0, dev={}, skipped_steps=stepper.skipped_steps)
    for callback in called:
        callback.end(run, result)
    return result


class Batches:
    """The global batches of a run, by epoch.

    Args:
        train: rows that are learned.
        recipe: says how large a batch is, and its seed.
    """

    def __init__(self, train: TrainingData, recipe: Recipe) -> None:
        rows = recipe.batch_rows
        self._sizes = train.lengths if rows is None else np.ones(len(train), np.int64)
        self._budget, self._recipe = rows or recipe.batch_tokens, recipe

    def of_epoch(self, epoch: int) -> list[np.ndarray]:
        """Rows of each batch of an epoch, counted from 1."""
        return epoch_batches(self._sizes, self._budget, seed=self._recipe.seed, epoch=epoch)

    @property
    def total(self) -> int:
        """Steps of all epochs: their number differs a little from epoch to epoch.

        (Windows are packed each for itself.)
        """
        return sum(len(self.of_epoch(epoch)) for epoch in range(1, self._recipe.epochs + 1))


def _epoch(run: Run, train: TrainingData, batches: list[np.ndarray]) -> None:
    """The steps of an epoch that are left to do; ends early if the run failed.

    Raises:
        Terminated: a signal asked for it.
    """
    run.steps_in_epoch = len(batches)
    for done, rows in enumerate(batches[run.done :], start=run.done + 1):
        try:
            losses = _step(run, train, rows, done)
        except Diverged as error:
            handled = [callback.diverged(run, error) for callback in run.callbacks]
            if not any(handled):
                raise
            run.step += 1  # the step that was not taken
            return
        run.step, run.done = run.step + 1, done
        metrics = {
            name: float(run.accelerator.reduce(loss, reduction="mean"))
            for name, loss in losses.items()
        } | run.stepper.metrics
        for callback in run.callbacks:
            callback.step_ended(run, metrics)
        if run.stopped:
            return
        if run.signal:
            logger.info("%s: stopped at step %d of %d", run.description, run.step, run.total_steps)
            raise interrupts.Terminated(run.signal)


def _step(run: Run, train: TrainingData, rows: np.ndarray, done: int) -> dict[str, torch.Tensor]:
    """One step on a global batch; ``done`` counts the steps of the epoch from 1."""
    stepper = run.stepper
    stepper.place, stepper.metrics = (run.epoch, done - 1), {}
    batch = _rank_batch(train, rows, run.accelerator)
    # Neither end of the training has a rate of 0.
    stepper.set_progress((run.step + 1) / (run.total_steps + 1))
    if done == 1:
        run.objective.start_epoch(stepper)
    ids = batch.get("input_ids", batch["labels"].unsqueeze(1))  # features have no ids
    with in_memory(ids, "train.TASK.batch_tokens", ", or raise train.accumulate"):
        return run.objective.update(batch, run.step / run.total_steps, stepper)


def _stepper(
    accelerator: Accelerator,
    model: nn.Module,
    objective: Objective,
    recipe: Recipe,
    stream: LanguageStream | None,
    watching: Sequence[Watching],
    half: HalfWeights | None,
) -> Stepper:
    return Stepper(
        accelerator,
        model,
        objective,
        rates={"encoder": recipe.encoder_lr, "head": recipe.head_lr},
        weight_decay=recipe.weight_decay,
        warmup=recipe.warmup,
        clip=recipe.clip,
        schedule=recipe.schedule,
        language=stream,
        watch=watching[0].watch if watching else None,
        half=half,
    )


def _rank_batch(data: TrainingData, rows: np.ndarray, accelerator: Accelerator) -> dict[str, Any]:
    """This process's part of a global batch; without a row, one whose labels do not count."""
    part = rank_rows(rows, accelerator.process_index, accelerator.num_processes)
    batch = data.batch(part if len(part) else rows[:1])
    if not len(part):
        batch["labels"] = torch.full_like(batch["labels"], IGNORED)
    return {key: value.to(accelerator.device) for key, value in batch.items()}
