"""The rules of docs/study.md beside its four contrasts.

The gate of a task, unstable conditions, the secondary contrasts, the best point of the trade-off,
and whether unlearning improves the transfer. Each was written down before the first cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from langspec.cells.claim_contrasts import (
    POINT,
    POINTS_3,
    TRANSFER,
    Answer,
    Claim,
    Reading,
    answer_words,
    claims_text,
)
from langspec.measurement.baselines import is_baseline
from langspec.report.compared import LEAK
from langspec.results import failed_seeds, label, read_results, read_training_record

CONTROL = "control"
UNLEARNING = ("grl", "adversary", "grl_distil")
"""Methods that unlearn; points of their paths count too."""
SECONDARY = (
    *(
        Claim(f"{a} against {b}", a, b, quantity, margin)
        for a in ("adversary", "grl_distil")
        for b in (CONTROL, "finetune")
        for quantity, margin in ((TRANSFER, POINT), (LEAK, POINTS_3))
    ),
    Claim("grl against control", "grl", CONTROL, LEAK, POINTS_3),
)
"""Contrasts outside of the family: each stands by itself, at the level of one test."""


@dataclass(frozen=True)
class Gate:
    """What fine-tuning has to reach in the source language before a task is reported.

    Attributes:
        dev: accuracy on the source language's dev items.
        above: how much more than the best baseline, on the source language's test items: that
            is where baselines are scored.
    """

    dev: float
    above: float


GATES: Mapping[str, Gate] = {"nli": Gate(dev=0.65, above=0.15)}


@dataclass(frozen=True)
class Passed:
    """A gate and what was measured: means over the seeds of ``finetune`` that did not collapse.

    ``curve``: dev accuracy after each epoch. ``dev`` None: no such seed is finished.
    """

    gate: Gate
    dev: float | None = None
    test: float = float("nan")
    baseline: float = float("nan")
    curve: tuple[float, ...] = ()

    @property
    def passed(self) -> bool:
        """May the task be reported?"""
        known = self.dev is not None and self.dev >= self.gate.dev
        return known and self.test - self.baseline >= self.gate.above


def gate_of(folder: Path, task: str, source: str) -> Passed | None:
    """What the gate of a task says; None: the task has none.

    Args:
        folder: of the run, with ``evaluate`` and ``train``.
        task: the task.
        source: the source language.
    """
    if task not in GATES:
        return None
    gate, card = GATES[task], folder / "train" / task / "finetune" / "run.json"
    if not card.is_file():
        return Passed(gate)
    run = read_training_record(card)
    failed = failed_seeds(run)
    entries = [entry for entry in run["seeds"] if int(entry["seed"]) not in failed]
    rows = read_results(folder / "evaluate" / task / "results.csv")
    rows = rows[(rows["language"] == source) & (rows["metric"] == "accuracy")]
    rows = rows[(rows["probe"] == "") & (rows["eraser"] == "") & (rows["split"] == "test")]
    tuned = rows[(rows["method"] == "finetune") & ~rows["seed"].isin(failed)]
    baselines = rows[rows["method"].map(is_baseline)]
    if not entries or tuned.empty or baselines.empty:
        return Passed(gate)
    curves = [
        pd.read_csv(card.parent / f"seed-{entry['seed']}" / "epochs.csv")["val_accuracy"]
        for entry in entries
    ]
    return Passed(
        gate,
        dev=sum(float(entry["dev"]["accuracy"]) for entry in entries) / len(entries),
        test=float(tuned["value"].mean()),
        baseline=float(baselines["value"].max()),
        curve=tuple(float(value) for value in pd.concat(curves, axis=1).mean(axis=1)),
    )


def collapsed(folder: Path, task: str) -> dict[str, tuple[int, int]]:
    """Collapsed and all seeds of each condition that lost one, points of a path apart."""
    out = {}
    for card in sorted((folder / "train" / task).glob("*/run.json")):
        run = read_training_record(card)
        entries = [*run["seeds"], *run.get("path", ())]
        for strength in dict.fromkeys(entry.get("strength") for entry in entries):
            lost = len(failed_seeds(run, strength))
            count = sum(entry.get("strength") == strength for entry in entries)
            if lost:
                out[label(card.parent.name, strength=strength)] = lost, count
    return out


@dataclass(frozen=True)
class Point:
    """A condition that unlearns, against ``control``: in transfer and in leak."""

    name: str
    transfer: Answer
    leak: Answer

    @property
    def within(self) -> bool:
        """Is its mean transfer at most a point below that of ``control``?"""
        compared = self.transfer.compared
        return compared is not None and compared.difference.value >= -POINT


@dataclass(frozen=True)
class Rules:
    """What the rules say of a task.

    ``points``: every unlearning condition that is stable, by its leak; p of their transfers are
    adjusted over them (Holm). ``best``: the first of them that is within a point of ``control``.
    """

    gate: Passed | None
    lost: Mapping[str, tuple[int, int]]
    secondary: Sequence[Answer]
    points: Sequence[Point]

    @property
    def best(self) -> Point | None:
        """The least leak within a point of the control's transfer; None: there is none."""
        return next((one for one in self.points if one.within), None)


def apply_rules(folder: Path, task: str, reading: Reading) -> Rules:
    """Read the secondary contrasts and the rules off a run's files.

    Args:
        folder: of the run, with ``evaluate`` and ``train``.
        task: the task.
        reading: what its contrasts are read from.
    """
    secondary = [answer for claim in SECONDARY for answer in reading.judged([claim])]
    gate = gate_of(folder, task, reading.source)
    return Rules(gate, collapsed(folder, task), secondary, _points(reading))


def _points(reading: Reading) -> list[Point]:
    names = [name for name in reading.sides if name.partition("@")[0] in UNLEARNING]
    if CONTROL not in reading.sides:
        return []
    transfers = reading.judged([Claim(name, name, CONTROL, TRANSFER, POINT) for name in names])
    leaks = [reading.judged([Claim(name, name, CONTROL, LEAK, POINTS_3)])[0] for name in names]
    points = [Point(*both) for both in zip(names, transfers, leaks, strict=True)]
    known = [
        (one.leak.compared.a, one)
        for one in points
        if one.leak.compared is not None and not one.leak.unstable
    ]
    return [one for _, one in sorted(known, key=lambda pair: pair[0])]


def study_text(task: str, answers: Sequence[Answer], rules: Rules, alpha: float) -> str:
    """What the study says of a task, as lines.

    A task whose gate is not passed has the gate's numbers, and nothing else.
    """
    lines = [*_gate_lines(task, rules.gate), _lost_line(task, rules.lost)]
    if rules.gate is not None and not rules.gate.passed:
        return "\n".join(lines)
    lines += [claims_text(task, answers, alpha), f"{task}: secondary contrasts, each by itself"]
    lines += [
        f"  {one.claim.contrast}: {answer_words(one, alpha)}"
        for one in rules.secondary
        if one.compared is not None
    ]
    still = [one.claim.contrast for one in rules.secondary if one.compared is None]
    if still:
        lines.append(f"  open, for want of a finished seed of both: {'; '.join(still)}")
    return "\n".join([*lines, *_best_lines(task, rules, alpha)])


def _gate_lines(task: str, gate: Passed | None) -> list[str]:
    if gate is None:
        return []
    asked = (
        f"dev accuracy of finetune in the source language >= {gate.gate.dev:g}, and "
        f"{gate.gate.above:g} above the best baseline on test"
    )
    if gate.dev is None:
        return [f"{task}: gate ({asked}): open, no finished seed of finetune"]
    said = "passed" if gate.passed else "not passed: nothing of this task is reported"
    curve = " ".join(f"{value:.3f}" for value in gate.curve)
    return [
        f"{task}: gate ({asked}): {said}",
        f"  dev {gate.dev:.3f} (after each epoch: {curve}); test {gate.test:.3f}, "
        f"best baseline {gate.baseline:.3f}",
    ]


def _lost_line(task: str, lost: Mapping[str, tuple[int, int]]) -> str:
    counts = ", ".join(f"{name} {failed} of {count}" for name, (failed, count) in lost.items())
    return f"{task}: collapsed seeds, in no mean: {counts or 'none'}"


def _best_lines(task: str, rules: Rules, alpha: float) -> list[str]:
    if not rules.points:
        return [f"{task}: best point: open, no finished seed of {CONTROL} and of unlearning"]
    best = rules.best
    lines = [f"{task}: best point (least leak within a point of {CONTROL}'s transfer): none"]
    if best is not None and best.leak.compared is not None and best.transfer.compared is not None:
        leaks, transfers = best.leak.compared, best.transfer.compared
        lines = [
            f"{task}: best point (least leak within a point of {CONTROL}'s transfer): {best.name}",
            f"  leak {leaks.a:.3f} of {leaks.b:.3f}: {answer_words(best.leak, alpha)}",
            f"  transfer {transfers.a:.3f} of {transfers.b:.3f}: "
            f"{answer_words(best.transfer, alpha)}",
        ]
    better = [one.name for one in rules.points if one.transfer.verdict == "higher"]
    said = (
        ", ".join(better)
        if better
        else "no condition of " + ", ".join(one.name for one in rules.points)
    )
    return [*lines, f"{task}: transfer better than {CONTROL}'s (Holm): {said}"]
