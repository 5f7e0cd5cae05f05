"""What a step of each method costs beside a fine-tuning step, at equal task and language tokens.

One training of each, interleaved a step at a time, CPU seconds, medians:

    python benchmarks/steps.py --steps 40
    python benchmarks/steps.py --parts grl     # where a step of grl goes, beside finetune's

Ratios are step by step: a step of each method reads the same task rows. Half of what ``control``,
``grl`` and ``adversary`` encode is language text, so twice a fine-tuning step is where they start.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from machine import said
from shared import ROOT
from told import Rows
from unlearning_runs import configuration


@dataclass(frozen=True)
class Case:
    """A method with changes to its options, and the largest ratio allowed."""

    method: str
    changes: tuple[str, ...] = ()
    allowed: float | None = None
    watched: bool = True


CASES = {
    "finetune": Case("finetune", allowed=1.0),
    "finetune, no watch": Case("finetune", watched=False),
    "control": Case("control"),
    "grl": Case("grl", allowed=2.1),
    "grl, no watch": Case("grl", watched=False),
    "grl k=1": Case("grl", ("grl.inner_steps=1",), 2.05),
    "grl k=0": Case("grl", ("grl.inner_steps=0",)),
    "grl + distil": Case("grl", ("grl.retention.kind=distil",), 2.6),
    "adversary k=1": Case("adversary", ("adversary.inner_steps=1",), 2.6),
    "adversary k=5": Case("adversary", ("adversary.inner_steps=5",)),
}
MOST_INNER = 5
NOT_COMPARABLE = (
    "Compare the ratios with other machines, not the milliseconds; ratios of bf16 steps "
    "(compute.precision auto) with those of machines that multiply bf16 alone"
)


def settings(given: argparse.Namespace, changes: Sequence[str] = ()) -> Any:
    """The configuration that is measured, with changes of it."""
    from langspec.presets import load_preset

    if given.preset:
        return load_preset(given.preset, list(changes))
    return configuration(given.params, changes)


class Training:
    """One training, a step at a time."""

    def __init__(self, case: Case, given: argparse.Namespace) -> None:
        from langspec.objectives import Setting
        from langspec.paths import paths_of
        from langspec.training.experiment import Workbench
        from langspec.training.half_weights import half_weights
        from langspec.training.language import LanguageStream
        from langspec.training.loop import Batches
        from langspec.training.stepper import Stepper
        from langspec.training.watch import Watch

        config = settings(given, [f"train.methods.{change}" for change in case.changes])
        paths = paths_of(config, given.root)
        bench = Workbench(config, given.task, paths.corpora, paths.encoder)
        experiment = bench.experiment(config, case.method, 1)
        self.data, self.objective = experiment.train, experiment.objective
        recipe, language = experiment.recipe, experiment.language
        accelerator, classes = bench.accelerator, len(bench.task.labels)
        model = experiment.model().train()
        half = None
        if bench.precision == "bf16":
            half = half_weights(model, accelerator.device)
        setting = Setting(model, language, 1, 0, accelerator.device, recipe.head_init)
        self.objective.set_up(setting)
        self.batches = Batches(experiment.train, recipe).of_epoch(1)
        stream = language and LanguageStream(
            language, lambda epoch: self.batches, self.data.lengths, how="tokens", seed=1
        )
        count = len(language.languages) if language else 0
        watch = Watch(config.train.watch, classes=classes, languages=count)
        self.stepper = Stepper(
            accelerator, model, self.objective,
            rates={"encoder": recipe.encoder_lr, "head": recipe.head_lr}, weight_decay=0.01,
            warmup=0.1, clip=1.0, language=stream, watch=watch if case.watched else None,
            half=half,
        )  # fmt: skip
        for k in range((MOST_INNER + 1) * self.objective.reads_language):
            self.stepper.language.plan(1, k)  # once an epoch, not once a step

    def step(self, number: int) -> float:
        """Take one; its CPU seconds."""
        stepper, index = self.stepper, number % len(self.batches)
        stepper.place, stepper.metrics = (1, index), {}
        began = time.process_time()
        stepper.set_progress(0.5)
        batch = self.data.batch(self.batches[index])
        losses = self.objective.update(batch, 0.5, stepper)
        metrics = {name: float(loss) for name, loss in losses.items()} | stepper.metrics
        if stepper.watch is not None:
            stepper.watch.end_of_step(number, metrics, stepper.accelerator)
        return time.process_time() - began


class Parts:
    """CPU seconds of the parts of a step, each without what it calls of the others."""

    def __init__(self, training: Training) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside: list[float] = []
        stepper, objective = training.stepper, training.objective
        self._time(training.data, "batch", "rows to tensors")
        self._time(stepper, "model", "encoder and head, forward")
        self._time(stepper.accelerator, "backward", "backward")
        self._time(stepper.accelerator, "clip_grad_norm_", "clipping")
        for name, optimiser in stepper.optimisers.items():
            self._time(optimiser, "step", f"optimiser: {name}")
            self._time(optimiser, "zero_grad", f"optimiser: {name}")
        for name in ("predictions", "features", "end_of_step") if stepper.watch else ():
            self._time(stepper.watch, name, "watch")
        for name, part in (
            ("language_rows", "rows to tensors"),
            ("minimise", "checks of losses"),
        ):
            self._time(stepper, name, part)
        for name, part in (
            ("discriminator_step", "discriminator's own steps, forward"),
            ("_fresh_step", "encoder forward for the discriminator's rows"),
            ("_log", "adversary's numbers"),
        ):
            if hasattr(objective, name):
                self._time(objective, name, part)

    def _time(self, owner: Any, name: str, part: str) -> None:
        inner: Callable[..., Any] = getattr(owner, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            self._inside.append(0.0)
            began = time.process_time()
            try:
                return inner(*arguments, **named)
            finally:
                took = time.process_time() - began
                self.seconds[part] += took - self._inside.pop()
                if self._inside:
                    self._inside[-1] += took

        object.__setattr__(owner, name, timed)


def parts_of(given: argparse.Namespace) -> None:
    """A table of where a step goes."""
    for name in given.parts:
        training = Training(CASES[name], given)
        training.step(0)  # moments of the optimisers
        parts = Parts(training)
        whole = sum(training.step(number) for number in range(1, given.steps + 1))
        parts.seconds["the rest (losses, vectors)"] = whole - sum(parts.seconds.values())
        print(f"\n| {name}, part of a step | CPU ms | share |\n|---|---|---|")
        for part, took in sorted(parts.seconds.items(), key=lambda item: -item[1]):
            print(f"| {part} | {1000 * took / given.steps:.2f} | {took / whole:.1%} |")
        print(f"| all | {1000 * whole / given.steps:.2f} | |", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    from langspec.compute import set_environment

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml")
    parser.add_argument("--preset", help="a preset instead of --params, e.g. e5")
    parser.add_argument("--root", type=Path, default=ROOT, help="project with data/")
    parser.add_argument("--task", choices=("pos", "nli"), default="pos")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--only", nargs="+", choices=CASES, help="beside finetune")
    parser.add_argument("--parts", nargs="+", choices=CASES, help="where their steps go instead")
    parser.add_argument("--out", type=Path, help="a CSV file to write, too, row by row")
    given = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = "1"
    set_environment(settings(given).compute)  # as a stage does, before torch is imported
    import torch

    torch.set_num_threads(1)
    if given.parts:
        parts_of(given)
        return
    names = [name for name in CASES if not given.only or name in {"finetune", *given.only}]
    runs = {name: Training(CASES[name], given) for name in names}
    rows = Rows(given.out)
    for step in range(given.steps):
        for name, run in runs.items():
            rows.add({"case": name, "step": step, "cpu_s": run.step(step)})
    seconds = {name: [row["cpu_s"] for row in rows.all if row["case"] == name] for name in names}
    print("| step | CPU ms | ratio | allowed |\n|---|---|---|---|")
    for name in names:
        pairs = zip(seconds[name], seconds["finetune"], strict=True)
        ratio = median(own / other for own, other in pairs)
        print(f"| {name} | {1000 * median(seconds[name]):.1f} | {ratio:.2f} | "
              f"{CASES[name].allowed or ''} |")  # fmt: skip
    print(f"\n{given.steps} steps each, interleaved, one thread.\n" + said(NOT_COMPARABLE))


if __name__ == "__main__":
    main()
