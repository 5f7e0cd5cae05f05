"""Sweeps: what each study searched, and its best trial beside the values of params.yaml."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from langspec.errors import LangspecError
from langspec.files import read_object
from langspec.measures.spec import Column, TableSpec
from langspec.report.drawing import Drawing
from langspec.report.pivot import listed
from langspec.report.table import (
    Table,
    decimal,
    task_title,
)
from langspec.tuning.best_trial import best
from langspec.tuning.records import SCHEMA, TrialRecord
from langspec.tuning.score import BOUNDED, MEASURED

DEFAULT = "params.yaml"
"""Origin of the trial with the values that params.yaml held."""

WORDS = {
    "score": "score",
    "dev_macro_f1": "dev macro-F1",
    "dev_leak": "dev leak",
    "dev_source_accuracy": "dev accuracy, source",
    "dev_drift": "dev drift",
}
"""What people read for the numbers of a trial."""
_OF_DEV = {
    "source_dev": "of the source language",
    "mean_dev": "a mean over the languages that have dev rows",
}
_BY_RULE = {"score": "the score", "least_leak": "the least dev leak within bounds"}
_FIGURES = {
    "pareto_front": (
        "Front",
        "Every trial by dev macro-F1 (up) and dev leak (down); in red the trials that no other "
        "beats in both.",
    ),
    "history": (
        "History",
        "Score of every complete trial in the order of trials, with the best one so far.",
    ),
    "importances": (
        "Importances",
        "Share of the variance of the score over trials that each parameter explains (fANOVA).",
    ),
    **{
        f"importances_{name}": (
            f"Importances for {WORDS[name]}",
            f"Share of the variance of {WORDS[name]} over the trials that each parameter explains "
            "(fANOVA).",
        )
        for name in MEASURED
    },
    "rungs": (
        "Rungs",
        "Score at every measurement of a trial on its way; lines that end early were pruned.",
    ),
    "slices": (
        "Slices",
        "Score of every complete trial by the value of each parameter, darker for later trials.",
    ),
}
_DOTS = 110 / 96  # of a figure's file, by a CSS pixel


@dataclass(frozen=True)
class Study:
    """One study from its files: ``tune`` as it was set, ``trials`` in order; ``id`` of anchors.

    ``front`` are the numbers of the trials that no other trial beats in both
    aims; empty where it had one aim, or no complete trial.
    """

    name: str
    folder: Path
    tune: Mapping[str, Any]
    space: Mapping[str, str]
    trials: Sequence[Mapping[str, Any]]
    front: frozenset[int]

    @property
    def id(self) -> str:
        """Names its table, figures and place on the page."""
        return f"sweep-{self.name}"

    @property
    def complete(self) -> list[Mapping[str, Any]]:
        """Trials that were trained to their end."""
        return [trial for trial in self.trials if trial["state"] == "COMPLETE"]

    @property
    def best(self) -> Mapping[str, Any] | None:
        """As a sweep chooses it; None for two aims, and where the rule chooses none."""
        number = None if self.tune["pareto"] else self._chosen()
        return next((trial for trial in self.complete if trial["number"] == number), None)

    @property
    def refusal(self) -> str:
        """Why the rule chooses no trial, in words; nothing where it chooses one."""
        chosen = self._chosen()
        if not isinstance(chosen, str):
            return ""
        for key, words in (WORDS | {"tune.bounds": "the bounds"}).items():
            chosen = chosen.replace(key, words)
        return chosen

    def _chosen(self) -> int | str:
        """The number of the best trial, or why there is none."""
        trials = [TrialRecord(**trial) for trial in self.complete]
        try:
            return best(trials, self.name, self.tune).number
        except LangspecError as error:
            return str(error).removeprefix(f"study {self.name}: ")

    @property
    def default(self) -> Mapping[str, Any] | None:
        """The trial with the values of params.yaml, if it came to its end."""
        return next((trial for trial in self.complete if trial["origin"] == DEFAULT), None)

    def count(self, state: str) -> int:
        """Trials that ended so."""
        return sum(trial["state"] == state for trial in self.trials)

    def words(self) -> dict[str, Any]:
        """What the page says of it."""
        title = f"{self.name}: {task_title(self.tune['task'])}, {self.tune['method']}"
        space = [(key.rpartition("methods.")[2], wording) for key, wording in self.space.items()]
        return {"id": self.id, "title": title, "reading": _reading(self), "space": space}


_AGAIN = "delete the folder, or run the sweep again"


def load_studies(folders: Sequence[Path]) -> list[Study]:
    """Studies with at least one trial that ended.

    Raises:
        LangspecError: a file that is not one of a study.
    """
    present = []
    for folder in folders:
        file = folder / "study.json"
        if not file.is_file():
            continue
        document = read_object(file, cure=_AGAIN)
        if not document.get("trials"):
            continue
        if document.get("schema") != SCHEMA:
            raise LangspecError(
                f"schema {document.get('schema')}, expected {SCHEMA}; {_AGAIN}",
                place=file,
            )
        try:
            parts = document["identity"]
            tune, space = parts["tune"], parts["space"]
            front = folder / "front.csv"
            numbers = frozenset(pd.read_csv(front)["trial"]) if front.is_file() else frozenset()
            present.append(Study(folder.name, folder, tune, space, document["trials"], numbers))
        except (KeyError, TypeError) as error:
            raise LangspecError(
                f"expected the key {error} of a study; {_AGAIN}",
                place=file,
            ) from error
    return present


def _reading(study: Study) -> list[str]:
    tune, lines = study.tune, []
    counts = {word: study.count(state) for word, state in
              (("complete", "COMPLETE"), ("pruned", "PRUNED"), ("failed", "FAIL"))}  # fmt: skip
    wording = ", ".join(f"{count} {word}" for word, count in counts.items())
    aim = "dev macro-F1 and dev leak, each for itself" if tune["pareto"] else (
        f"the score is dev macro-F1 less {tune['penalty']:g} times the dev leak")  # fmt: skip
    of_dev = _OF_DEV.get(tune["selection"], f"by {tune['selection']}")
    by_rule = _BY_RULE.get(tune["rule"], tune["rule"])
    epochs = tune["epochs"] or "the usual number of"
    lines.append(
        f"{len(study.trials)} trials ({wording}) of {epochs} epoch{'s' * (epochs != 1)} on "
        f"{tune['rows'] or 'all'} rows, training seed {tune['train_seed']}; {aim}. "
        f"Dev macro-F1: {of_dev}."
    )
    chosen, default = study.best, study.default
    if not study.complete:
        lines.append("No trial came to its end, so nothing is said of their values.")
    elif chosen is not None:
        lines.append(f"Best by {by_rule}: trial {chosen['number']}, {_scored(chosen)}.")
    elif not tune["pareto"]:
        lines.append(f"No best trial by {by_rule}: {study.refusal}.")
    else:
        lines.append(f"The front has {len(study.front)} of {len(study.complete)} complete trials.")
    if default is not None and default is not chosen:
        lines.append(f"Values of params.yaml: trial {default['number']}, {_scored(default)}.")
    elif default is not None:
        lines.append("No trial was better than the values of params.yaml.")
    lines.append(
        "Dev rows, one seed, and the best is chosen among many: the choice alone makes it look "
        "better than it is. Only training it with several seeds and measuring on test rows tells."
    )
    return lines


def _scored(trial: Mapping[str, Any]) -> str:
    numbers = ((key, trial[key]) for key in ("score", *MEASURED, *BOUNDED))
    return ", ".join(
        f"{WORDS[key]} {decimal(value)}" for key, value in numbers if value is not None
    )


def _best_cells(name: str, group: str) -> tuple[Column, ...]:
    """The score of a trial, and what it is made of."""
    keys = ("score", *MEASURED)
    return tuple(Column(f"{name}_{key}", WORDS[key], group, "number") for key in keys)


STUDIES = TableSpec(
    name="sweeps",
    title="Sweeps",
    caption="The best trial of every study beside the trial with the values of params.yaml. "
    "Dev macro-F1: of the task on dev rows; dev leak: macro-F1 of a fresh linear probe on the "
    "tokens of dev lines. Neither is the transfer or the leak of the other tables: those are "
    "of test rows. "
    "A study of two aims has a front and no best trial.",
    columns=(
        *(Column(key, key) for key in ("study", "task", "method", "space")),
        *(Column(key, key, "trials", "count") for key in ("complete", "pruned", "failed")),
        Column("best_trial", "trial", "best", "count"),
        *_best_cells("best", "best"),
        Column("default_trial", shown=False),
        *_best_cells("default", "params.yaml"),
    ),
)
TRIALS = TableSpec(
    name="{id}_trials",
    title="Trials of {study}",
    caption="Every trial that ended, in order; the origin of values that were not drawn by the "
    "sampler, and why a trial was pruned or failed.",
    columns=(
        Column("trial", "trial", kind="count"),
        Column("state", "ended"),
        Column("front", "front"),
        *(Column(key, words, kind="number") for key, words in WORDS.items()),
        *(Column(key, key) for key in ("origin", "values", "reason")),
    ),
)


def sweep_tables(studies: Sequence[Study]) -> list[Table]:
    """One table over all studies and one of each one's trials; none without a study."""
    tables = [listed(STUDIES, [_row(study) for study in studies])]
    for study in studies:
        unused = "score" if study.tune["pareto"] else "front"  # of one aim, of two aims
        page = tuple(column.key for column in TRIALS.columns if column.key != unused)
        records = [_trial(study, trial) for trial in study.trials]
        words = {"id": study.id, "study": study.name}
        tables.append(listed(replace(TRIALS, page=page), records, words=words))
    return [table for table in tables if table is not None]


def _row(study: Study) -> dict[str, Any]:
    tune = study.tune
    row: dict[str, Any] = {"study": study.name, "task": task_title(tune["task"])}
    row |= {"method": tune["method"], "space": tune["space"]}
    row |= {"complete": study.count("COMPLETE"), "pruned": study.count("PRUNED")}
    row["failed"] = study.count("FAIL")
    for name, trial in (("best", study.best), ("default", study.default)):
        row[f"{name}_trial"] = None if trial is None else trial["number"]
        for key in ("score", *MEASURED):
            row[f"{name}_{key}"] = None if trial is None else trial[key]
    return row


def _trial(study: Study, trial: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "trial": trial["number"],
        "state": trial["state"].lower(),
        "front": "yes" if trial["number"] in study.front else "",
        **{key: trial[key] for key in ("score", *MEASURED, *BOUNDED)},
        "origin": trial["origin"],
        "values": " ".join(
            f"{key.rpartition('methods.')[2].partition('.')[2]}={value}"
            for key, value in trial["values"].items()
        ),
        "reason": trial["reason"],
    }


def sweep_figures(studies: Sequence[Study]) -> list[Drawing]:
    """Optuna's figures as the sweeps drew them."""
    drawn = []
    for study in studies:
        for stem, (title, caption) in _FIGURES.items():
            file = study.folder / "figures" / f"{stem}.png"
            if file.is_file():
                data = file.read_bytes()
                width, height = (round(size / _DOTS) for size in struct.unpack(">II", data[16:24]))
                name = f"{study.id}-{stem}"
                wording = f"{title} of the study {study.name}"
                alt = f"{wording}, {len(study.trials)} trials. {caption}"
                drawn.append(Drawing(name, wording, caption, alt, width, height, {"png": data}))
    return drawn
