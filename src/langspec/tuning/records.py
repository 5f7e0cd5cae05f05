"""Trials of a study as plain values: the best, the front, tables and files."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from langspec.errors import LangspecError
from langspec.files import atomic_file, write_json
from langspec.tuning.score import BOUNDED, MEASURED

_PROCESS = re.compile(r"process \S+ on \S+ ended")
SCHEMA = 3
"""Of ``study.json``."""
_LEFT_OUT = ("started", "ended")  # differ from run to run


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Attributes:
        number: its place in the study.
        state: COMPLETE, PRUNED, FAIL, RUNNING or WAITING.
        values: by their keys of params.yaml.
        score: of a finished trial; None with two aims.
        dev_macro_f1: of the last measurement (:class:`langspec.tuning.score.Measured`).
        dev_leak: of the last measurement.
        dev_source_accuracy: of the last measurement.
        dev_drift: of the last measurement.
        rungs: score by rung, of a trial with one aim.
        reason: why it was pruned or failed.
        origin: of values that the sampler did not draw, such as ``params.yaml``; else "".
        retry_of: the trial that it repeats.
        retried_by: the trial that repeats it.
        started: when its training began.
        ended: when it ended.
        more: further numbers, such as ``dev_en`` and ``best_epoch``.
    """

    number: int
    state: str
    values: Mapping[str, Any] = field(default_factory=dict)
    score: float | None = None
    dev_macro_f1: float | None = None
    dev_leak: float | None = None
    dev_source_accuracy: float | None = None
    dev_drift: float | None = None
    rungs: Mapping[int, float] = field(default_factory=dict)
    reason: str = ""
    origin: str = ""
    retry_of: int | None = None
    retried_by: int | None = None
    started: datetime | None = None
    ended: datetime | None = None
    more: Mapping[str, float] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Has it ended: complete, pruned or failed?"""
        return self.state in ("COMPLETE", "PRUNED", "FAIL")


def complete(trials: Sequence[TrialRecord], study: str) -> list[TrialRecord]:
    """Trials that were trained to their end.

    Raises:
        LangspecError: there is none.
    """
    whole = [trial for trial in trials if trial.state == "COMPLETE"]
    if not whole:
        counts = {state: sum(t.state == state for t in trials) for state in ("PRUNED", "FAIL")}
        reasons = [trial.reason for trial in trials if trial.reason]
        words = f", e.g. trial {_first(trials)}: {reasons[0]}" if reasons else ""
        raise LangspecError(
            f"no trial is complete, so there is no best one: {counts['PRUNED']} of "
            f"{len(trials)} pruned, {counts['FAIL']} failed{words}; run more trials",
            place=f"study {study}",
        )
    return whole


def _first(trials: Sequence[TrialRecord]) -> int:
    return next(trial.number for trial in trials if trial.reason)


def front(trials: Sequence[TrialRecord], study: str) -> list[TrialRecord]:
    """Trials that no other beats in both ``dev_macro_f1`` and ``dev_leak``, by falling macro-F1.

    Raises:
        LangspecError: no trial is complete.
    """
    whole = complete(trials, study)
    chosen: list[TrialRecord] = []
    # By falling macro-F1: each belongs to the front if it leaks less than all before it.
    for trial in sorted(whole, key=lambda t: (-_of(t.dev_macro_f1), _of(t.dev_leak), t.number)):
        if not chosen or _of(trial.dev_leak) < _of(chosen[-1].dev_leak):
            chosen.append(trial)
    return chosen


def _of(value: float | None) -> float:
    return float("nan") if value is None else value


def write_trials(path: Path, trials: Sequence[TrialRecord]) -> None:
    """One row a finished trial; no time and no host, so equal studies give equal files."""
    keys = sorted({key for trial in trials for key in trial.values})
    measured = ("score", *MEASURED, *BOUNDED)
    columns = ["trial", "state", *measured, "origin", "reason", *keys]
    with atomic_file(path) as temporary, temporary.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, columns, restval="", lineterminator="\n")
        writer.writeheader()
        for trial in trials:
            if not trial.finished:
                continue
            numbers = {key: getattr(trial, key) for key in measured}
            writer.writerow(
                {
                    "trial": trial.number,
                    "state": trial.state,
                    **{k: "" if v is None else f"{v:.6g}" for k, v in numbers.items()},
                    "origin": trial.origin,
                    "reason": trial.reason,
                    **trial.values,
                }
            )


def table(trials: Sequence[TrialRecord], prefix: str) -> str:
    """Trials as Markdown; ``prefix`` of the keys of params.yaml is left out."""
    measured = ("score", *MEASURED, *BOUNDED)
    lines = [f"| trial | {' | '.join(measured)} | values |", "|---" * (len(measured) + 2) + "|"]
    for trial in trials:
        numbers = [getattr(trial, name) for name in measured]
        words = " | ".join("-" if n is None else f"{n:.3f}" for n in numbers)
        values = " ".join(f"{k.removeprefix(prefix)}={v}" for k, v in trial.values.items())
        origin = f" ({trial.origin})" if trial.origin else ""
        lines.append(f"| {trial.number}{origin} | {words} | {values} |")
    return "\n".join(lines)


def write_study(
    folder: Path,
    trials: Sequence[TrialRecord],
    *,
    uid: str,
    parts: Mapping[str, Any],
    code: str,
) -> None:
    """Write ``study.json``, ``trials.csv`` and, for two aims, ``front.csv`` into ``folder``.

    Equal studies give equal bytes.

    Args:
        folder: to write to.
        trials: those that ended are kept.
        uid: of the study.
        parts: its fingerprint: section ``tune``, space, settings, data, encoder.
        code: hash of the code.
    """
    chosen = []
    for trial in trials:
        if trial.finished:
            values = {k: v for k, v in asdict(trial).items() if k not in _LEFT_OUT}
            chosen.append(values | {"reason": _PROCESS.sub("its process ended", trial.reason)})
    values = {"schema": SCHEMA, "uid": uid, "identity": parts, "code": code, "trials": chosen}
    write_json(folder / "study.json", values)
    plain = [TrialRecord(**values) for values in chosen]
    write_trials(folder / "trials.csv", plain)
    if parts["tune"]["pareto"] and any(trial.state == "COMPLETE" for trial in plain):
        write_trials(folder / "front.csv", front(plain, str(folder)))
