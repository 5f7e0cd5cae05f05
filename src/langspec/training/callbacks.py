"""What the training loop calls after steps and epochs. Each callback holds its own state.

The loop calls them in the order of its list. A callback with a ``name`` is part of checkpoints:
what :meth:`Callback.state` and :meth:`Callback.tensors` give, :meth:`Callback.load` gets back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from accelerate import Accelerator
from tqdm import tqdm

from langspec import interrupts
from langspec.objectives import Objective
from langspec.training.scoring import TrainingData, dev_scores
from langspec.training.selection import METRIC, Rule, language_metric
from langspec.training.stepper import Diverged, Stepper
from langspec.training.train_section import Recipe
from langspec.training.watch import Watch

Log = Callable[[int, dict[str, float]], None]


@dataclass
class FitResult:
    """What a training ended with.

    Attributes:
        tensors: the trained weights of the best epoch.
        best_epoch: number of the best epoch, from 1; 0: the run failed before its first epoch
            ended, and the weights are those of its last good step.
        dev: scores of the best epoch.
        steps: a row of plain values for every step.
        epochs: a row of plain values for every epoch.
        skipped_steps: number of steps that were not taken because a half-precision gradient
            overflowed.
        failure: the symptom that made the run fail; None: it did not fail.
        warnings: the other symptoms.
    """

    tensors: dict[str, torch.Tensor]
    best_epoch: int
    dev: dict[str, float]
    steps: list[dict[str, float]] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)
    skipped_steps: int = 0
    failure: dict[str, Any] | None = None
    warnings: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Run:
    """Where a training stands; the loop moves it on, and callbacks read it.

    Attributes:
        model: that is trained.
        objective: the method.
        stepper: the optimisers.
        accelerator: of this process.
        recipe: how long and how fast.
        classes: of the task.
        total_steps: of all epochs.
        description: in progress bars and logs.
        callbacks: in their order.
        step: steps done.
        epoch: in which the run is.
        done: steps done in it.
        steps_in_epoch: how many it has.
        resumed: did the run go on from a checkpoint?
        stopped: has the run failed, so that no further step is taken?
        signal: the number of a signal that asks the run to end, or 0.
    """

    model: Any
    objective: Objective
    stepper: Stepper
    accelerator: Accelerator
    recipe: Recipe
    classes: int
    total_steps: int
    description: str
    callbacks: Sequence[Callback]
    step: int = 0
    epoch: int = 1
    done: int = 0
    steps_in_epoch: int = 0
    resumed: bool = False
    stopped: bool = False
    signal: int = 0

    def full_precision(self) -> AbstractContextManager[None]:
        """A context in which the model holds its fp32 weights."""
        half = self.stepper.half
        return nullcontext() if half is None else half.full_precision()

    def scores(self, data: TrainingData) -> dict[str, float]:
        """Loss, accuracy and macro-F1 on rows."""
        return dev_scores(
            self.model, data, self.recipe.batch_tokens, self.accelerator, self.classes
        )


class Callback:
    """Does nothing; subclasses do what they need to."""

    name: ClassVar[str] = ""

    def start(self, run: Run) -> None:
        """Called before the first step of this process."""

    def diverged(self, run: Run, error: Diverged) -> bool:
        """Called when a step was not taken; returns whether the error is dealt with.

        True: the run ends as usual. False: the error is raised.
        """
        return False

    def step_ended(self, run: Run, metrics: dict[str, float]) -> None:
        """Called after a step; may add to its metrics."""

    def epoch_ended(self, run: Run, scores: dict[str, float]) -> None:
        """Called after an epoch; may add to its scores."""

    def end(self, run: Run, result: FitResult) -> None:
        """Called after the last step; writes its part of the result."""

    def state(self) -> Any:
        """The JSON-able values that a checkpoint holds."""
        return None

    def tensors(self, accelerator: Accelerator) -> dict[str, torch.Tensor]:
        """The tensors that a checkpoint holds; called in every process."""
        return {}

    def load(self, state: Any, tensors: dict[str, torch.Tensor], accelerator: Accelerator) -> None:
        """Restore what :meth:`state` and :meth:`tensors` returned."""


class Scores(Callback):
    """Scores the model after every epoch, on dev rows of the source and on the rule's rows."""

    def __init__(self, dev: TrainingData, judged: Mapping[str, TrainingData]) -> None:
        self._dev, self._judged = dev, judged

    def epoch_ended(self, run: Run, scores: dict[str, float]) -> None:
        """Add ``macro_f1`` and the others, and ``macro_f1_CODE`` of each language of the rule."""
        scores |= run.scores(self._dev)
        for code, rows in self._judged.items():
            of_language = scores if rows is self._dev else run.scores(rows)
            scores[language_metric(code)] = of_language[METRIC]


class Watching(Callback):
    """Watches for collapse and divergence; scores targets, which do not select the epoch."""

    name: ClassVar[str] = "watch"

    def __init__(self, watch: Watch, targets: Sequence[TrainingData]) -> None:
        self.watch, self._targets = watch, targets

    def start(self, run: Run) -> None:
        """Stop a resumed run that had failed before its checkpoint."""
        run.stopped = self.watch.stops

    def diverged(self, run: Run, error: Diverged) -> bool:
        """Note the divergence as a symptom of the step that was not taken."""
        self.watch.note("diverged", run.step + 1, str(error))
        run.stopped = self.watch.stops
        return True

    def step_ended(self, run: Run, metrics: dict[str, float]) -> None:
        """Add the metrics of the window of steps, if the step ends one."""
        metrics |= self.watch.end_of_step(run.step, metrics, run.accelerator)
        run.stopped = self.watch.stops

    def epoch_ended(self, run: Run, scores: dict[str, float]) -> None:
        """Add ``targets_macro_f1``, the mean of the targets, where there are rows of them."""
        of_targets = [run.scores(rows)[METRIC] for rows in self._targets]
        mean = float(np.mean(of_targets)) if of_targets else None
        self.watch.end_of_epoch(run.step, scores[METRIC], mean)
        if mean is not None:
            scores["targets_macro_f1"] = mean
        run.stopped = self.watch.stops

    def end(self, run: Run, result: FitResult) -> None:
        """Write the failure and the warnings."""
        failure = self.watch.failure
        result.failure = asdict(failure) if failure else None
        result.warnings = [asdict(s) for s in self.watch.symptoms if s != failure]

    def state(self) -> Any:
        """The symptoms so far, and where the window stands."""
        return self.watch.state()

    def tensors(self, accelerator: Accelerator) -> dict[str, torch.Tensor]:
        """The sums of the unfinished window."""
        return self.watch.tensors(accelerator)

    def load(self, state: Any, tensors: dict[str, torch.Tensor], accelerator: Accelerator) -> None:
        """Restore the symptoms and the unfinished window."""
        self.watch.load(state, tensors, accelerator)


class History(Callback):
    """Keeps a row of every step and epoch, and logs them in the main process.

    ``log(step, metrics)`` gets the metrics ``train/...`` of a step and ``val/...`` of an epoch.
    After a resume it first gets those of the steps before, so the log of the run is complete.
    """

    name: ClassVar[str] = "history"

    def __init__(self, log: Log) -> None:
        self._log = log
        self.steps: list[dict[str, float]] = []
        self.epochs: list[dict[str, float]] = []

    def start(self, run: Run) -> None:
        """Log the rows before the checkpoint, after a resume."""
        for row in self.steps if run.resumed else ():
            self._log_row(row, "train/", ("step", "epoch"))
        for row in self.epochs if run.resumed else ():
            self._log_row(row, "val/", ("step", "epoch"))

    def step_ended(self, run: Run, metrics: dict[str, float]) -> None:
        """Add a row and log it."""
        if run.accelerator.is_main_process:
            self.steps.append({"step": run.step, "epoch": run.epoch, **metrics})
            self._log_row(self.steps[-1], "train/", ("step", "epoch"))

    def epoch_ended(self, run: Run, scores: dict[str, float]) -> None:
        """Add a row and log it."""
        row = {"epoch": run.epoch, "step": run.step, **{f"val_{k}": v for k, v in scores.items()}}
        self.epochs.append(row)
        if run.accelerator.is_main_process:
            self._log_row(row, "val/", ("step", "epoch"))

    def end(self, run: Run, result: FitResult) -> None:
        """Write all rows."""
        result.steps, result.epochs = self.steps, self.epochs

    def state(self) -> Any:
        """All rows so far."""
        return {"steps": self.steps, "epochs": self.epochs}

    def load(self, state: Any, tensors: dict[str, torch.Tensor], accelerator: Accelerator) -> None:
        """Restore the rows before the checkpoint."""
        self.steps, self.epochs = state["steps"], state["epochs"]

    def _log_row(self, row: dict[str, float], prefix: str, without: Sequence[str]) -> None:
        metrics = {k.removeprefix("val_"): v for k, v in row.items() if k not in without}
        self._log(int(row["step"]), {f"{prefix}{name}": v for name, v in metrics.items()})


class Look(Callback):
    """Calls ``look(step, model)`` after every step, with the fp32 weights in the model."""

    def __init__(self, look: Callable[[int, Any], None]) -> None:
        self._look = look

    def step_ended(self, run: Run, metrics: dict[str, float]) -> None:
        """Call ``look``."""
        with run.full_precision():
            self._look(run.step, run.model)


class ProgressBar(Callback):
    """A progress bar in the terminal, with the losses of the last step."""

    def start(self, run: Run) -> None:
        """Open the bar; a resumed run starts at its step."""
        self._bar = tqdm(
            total=run.total_steps,
            initial=run.step,
            desc=run.description,
            unit="step",
            disable=None if run.accelerator.is_main_process else True,
        )

    def step_ended(self, run: Run, metrics: dict[str, float]) -> None:
        """Advance the bar by one step and show the losses."""
        self._bar.update()
        losses = {name: value for name, value in metrics.items() if name.startswith("loss")}
        self._bar.set_postfix({name: f"{value:.3f}" for name, value in losses.items()})

    def end(self, run: Run, result: FitResult) -> None:
        """Close the bar."""
        self._bar.close()


class Selection(Callback):
    """Keeps the weights of the epoch that the rule scores highest.

    Of equally good epochs it keeps the last: unlearning has gone on, which the score cannot show.
    """

    name: ClassVar[str] = "best"

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._best: dict[str, torch.Tensor] = {}
        self.scores: dict[str, float] = {}
        self._epoch = 0

    def epoch_ended(self, run: Run, scores: dict[str, float]) -> None:
        """Keep the weights of the epoch if no earlier one is better."""
        score = self._rule.score(scores)
        if not self.scores or score >= self._rule.score(self.scores):
            self.scores = {k: v for k, v in scores.items() if k != "targets_macro_f1"}
            self._epoch = 0 if run.stopped else run.epoch
            self._best = {k: v.cpu().clone() for k, v in run.stepper.weights().items()}

    def end(self, run: Run, result: FitResult) -> None:
        """Write the best epoch, its weights and its scores."""
        result.tensors, result.best_epoch, result.dev = self._best, self._epoch, self.scores

    def state(self) -> Any:
        """The number of the best epoch so far, and its scores."""
        return {"epoch": self._epoch, "dev": self.scores}

    def tensors(self, accelerator: Accelerator) -> dict[str, torch.Tensor]:
        """The weights of the best epoch so far."""
        return self._best

    def load(self, state: Any, tensors: dict[str, torch.Tensor], accelerator: Accelerator) -> None:
        """Restore the best epoch before the checkpoint."""
        self._epoch, self.scores, self._best = state["epoch"], state["dev"], tensors


class Signals(Callback):
    """Checks after every step whether any process of the run got a signal to end."""

    def step_ended(self, run: Run, metrics: dict[str, float]) -> None:
        """Set ``run.signal`` in all processes at the same step."""
        if run.stopped:
            return
        number = interrupts.pending() or 0
        if run.accelerator.num_processes > 1:
            asked = torch.tensor([number], device=run.accelerator.device)
            number = int(run.accelerator.gather(asked).max())
        run.signal = number
