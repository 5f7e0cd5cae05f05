"""Reading what the report shows: tidy results, histories, projections, cards.

Only files are read. The tidy results of every task are required; everything else is optional,
and what is absent is named in :attr:`Run.missing`, so that the page can say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from langspec.errors import DamagedFile, LangspecError
from langspec.files import checked, read_object
from langspec.languages import LANGUAGES
from langspec.measures.spec import FigureSpec, TableSpec
from langspec.results import (
    COLUMNS,
    OVER_LANGUAGES,
    read_parquet,
    read_results,
    read_training_record,
)

POOLED = ("all", *OVER_LANGUAGES)

PUBLISHED = ["task", "method", "metric", "language", "value"]
_PUBLISHED_FILE = "tanti2021_results.csv"
# Their names of methods, and the ones here.
_PUBLISHED_METHODS = {"entmax": "adversary"}

# Everything that makes two rows the same measurement, apart from the seed.
KEYS = (
    "task",
    "method",
    "strength",
    "eraser",
    "corpus",
    "split",
    "language",
    "layer",
    "measure",
    "probe",
    "unit",
    "metric",
    "train_n",
)


Declared = Sequence[TableSpec | FigureSpec]
Failed = Mapping[tuple[str, str, float | None, int], str]
"""Why a training failed, by task, method, strength (of a point of a path, else None) and seed."""


@dataclass(frozen=True)
class History:
    """The training of one seed: tables with a row for each step and each epoch, or empty ones."""

    task: str
    method: str
    seed: int
    steps: pd.DataFrame
    epochs: pd.DataFrame


@dataclass(frozen=True)
class Run:
    """Everything known about one run called ``name``.

    ``results`` holds the tidy rows of all tasks, ``summary`` the same rows over seeds (see
    :func:`over_seeds`); ``trajectory`` those with a ``step``. ``runs`` holds ``run.json`` by
    (task, method); ``failed`` why a training collapsed or diverged: its scores are in no frame.
    ``source`` is the source language's code, or "" where no file names it.
    ``folder`` is where the run's files lie. ``published`` holds the published numbers
    (:data:`PUBLISHED`). ``declared`` are the tables and figures that measures declare.
    """

    name: str
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    results: pd.DataFrame
    summary: pd.DataFrame
    histories: tuple[History, ...] = ()
    runs: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    projections: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    encoder: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    missing: tuple[str, ...] = ()
    folder: Path | None = None
    trajectory: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["step", *COLUMNS])
    )
    failed: Failed = field(default_factory=dict)
    published: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=PUBLISHED))
    declared: Declared = ()


def over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a measurement, its seeds and its bootstrap interval folded in.

    Columns: :data:`KEYS`, then ``value`` (mean over seeds), ``min`` and ``max`` (over seeds),
    ``low`` and ``high`` (95 % bootstrap bounds within a seed, averaged over the seeds; NaN where
    none were written), ``seeds`` (how many) and ``n`` (items, the largest over seeds).
    """
    repeated = frame.duplicated([*KEYS, "seed"])
    if repeated.any():
        row = frame[repeated].iloc[0]
        raise LangspecError(
            "two rows for one measurement: "
            + ", ".join(f"{key}={row[key]!r}" for key in (*KEYS, "seed"))
            + "; rerun the evaluate stage",
            place="results",
        )
    rows = frame.sort_values("seed", kind="stable")
    grouped = rows.groupby(list(KEYS), sort=True, dropna=False)
    return grouped.agg(
        value=("value", "mean"),
        min=("value", "min"),
        max=("value", "max"),
        low=("low", "mean"),
        high=("high", "mean"),
        seeds=("seed", "nunique"),
        n=("n", "max"),
    ).reset_index()


def language_name(code: str) -> str:
    """English name of a language code; the code itself where it is not a known one."""
    return LANGUAGES[code].name if code in LANGUAGES else code


def language_family(code: str) -> str:
    """Family of a language code; "other" where it is not a known one."""
    return LANGUAGES[code].family if code in LANGUAGES else "other"


def by_family(codes: Sequence[str], source: str = "") -> list[str]:
    """Codes with the source first, then by family and name."""
    return sorted(
        set(codes), key=lambda code: (code != source, language_family(code), language_name(code))
    )


def load_run(
    results_root: Path,
    corpora: Path,
    encoder_card: Path,
    *,
    name: str,
    tasks: Sequence[str],
    methods: Sequence[str],
    published: Path | None = None,
    declared: Declared = (),
) -> Run:
    """Read a run's files.

    Args:
        results_root: the run's folder, holding ``train/`` and ``evaluate/``.
        corpora: the prepared corpora's folder, holding ``card.json``.
        encoder_card: the starting encoder's ``langspec.json``, or the folder that holds it.
        name: the run's name, for titles.
        tasks: tasks to report, in order.
        methods: trained methods to report, in order; others found in the results follow.
        published: the folder of published numbers.
        declared: tables and figures that measures declare.

    Raises:
        LangspecError: a task has no tidy results.
    """
    root = Path(results_root)
    missing: list[str] = []
    rows = _results(root, tasks)
    histories, runs = _trainings(root, _trained_pairs(root, rows, tasks, methods), missing)
    projections = _projections(root, tasks, missing)
    failed = _failed(runs)
    results = _without(pd.concat([rows, *_geometry(root, tasks, missing)]), failed)
    # Columns of Python strings: those of Arrow cost twice as much where few rows are selected.
    results = results.astype(dict.fromkeys(results.select_dtypes("str").columns, object))
    predictions = [f"evaluate/{task}/predictions.parquet" for task in tasks]
    missing += [file for file in predictions if not (root / file).is_file()]
    card = _json(Path(corpora) / "card.json", "the corpora's card.json", missing)
    return Run(
        name=name,
        tasks=tuple(tasks),
        methods=tuple(methods),
        results=results,
        summary=over_seeds(results),
        histories=tuple(histories),
        runs=runs,
        projections=projections,
        card=card,
        encoder=_encoder_card(Path(encoder_card), missing),
        source=_source(runs, card),
        folder=root,
        trajectory=_trajectory(root, tasks),
        failed=failed,
        published=_published(published, missing),
        declared=tuple(declared),
        missing=tuple(missing),  # after all that is read
    )


def _encoder_card(place: Path, missing: list[str]) -> Mapping[str, Any]:
    """The starting encoder's card; ``place`` is it, or the folder that holds it."""
    file = place / "langspec.json" if place.is_dir() else place
    return _json(file, "the encoder's langspec.json", missing)


def _results(root: Path, tasks: Sequence[str]) -> pd.DataFrame:
    """The tidy rows of all tasks; refused where a task has none."""
    frames = []
    for task in tasks:
        path = root / "evaluate" / task / "results.csv"
        if not path.is_file():
            raise LangspecError(
                "expected the tidy results of this task; run the evaluate stage first", place=path
            )
        frames.append(read_results(path))
    if not frames:
        raise LangspecError("expected at least one task", place="report.tasks")
    results = pd.concat(frames, ignore_index=True)
    if results.empty:
        raise LangspecError("the tidy results hold no rows; rerun the evaluate stage", place=root)
    return results


def _trained_pairs(
    root: Path, rows: pd.DataFrame, tasks: Sequence[str], methods: Sequence[str]
) -> list[tuple[str, str]]:
    """Task and method of every training: it has tidy results, or a folder of its own."""
    evaluated = set(zip(rows["task"], rows["method"], strict=True))
    pairs = [(task, method) for task in tasks for method in methods]
    return [one for one in pairs if one in evaluated or (root / "train" / "/".join(one)).is_dir()]


def _trainings(
    root: Path, pairs: Sequence[tuple[str, str]], missing: list[str]
) -> tuple[list[History], dict[tuple[str, str], Mapping[str, Any]]]:
    """Histories and ``run.json`` of every training; what is not there is named in ``missing``."""
    histories: list[History] = []
    runs: dict[tuple[str, str], Mapping[str, Any]] = {}
    for task, method in pairs:
        folder = root / "train" / task / method
        if (folder / "run.json").is_file():
            runs[task, method] = read_training_record(folder / "run.json")
        else:
            missing.append(f"train/{task}/{method}/run.json")
        of_method = _histories(folder, task, method)
        histories += of_method
        if not of_method:
            missing.append(f"train/{task}/{method}/seed-*/epochs.csv")
    return histories, runs


def _json(path: Path, what: str, missing: list[str]) -> Mapping[str, Any]:
    if path.is_file():
        return read_object(path, cure="rerun the stage that writes it")
    missing.append(what)
    return {}


def _published(folder: Path | None, missing: list[str]) -> pd.DataFrame:
    if folder is None:
        return pd.DataFrame(columns=PUBLISHED)
    path = Path(folder) / _PUBLISHED_FILE
    if not path.is_file():
        missing.append(f"data/published/{_PUBLISHED_FILE}")
        return pd.DataFrame(columns=PUBLISHED)
    frame = pd.read_csv(path, keep_default_na=False)
    if list(frame.columns) != PUBLISHED:
        raise LangspecError(
            f"expected the columns {', '.join(PUBLISHED)}, found {', '.join(frame.columns)}",
            place=path,
        )
    return frame.assign(method=frame["method"].replace(_PUBLISHED_METHODS))


def _projections(root: Path, tasks: Sequence[str], missing: list[str]) -> dict[str, pd.DataFrame]:
    present = {}
    for task in tasks:
        path = root / "evaluate" / task / "projection.parquet"
        if path.is_file():
            frame = read_parquet(path)
            # Categories would keep empty groups alive in every groupby.
            words = ["method", "corpus", "language", "label"]
            present[task] = frame.astype(dict.fromkeys(words, object))
        else:
            missing.append(f"evaluate/{task}/projection.parquet")
    return present


def _failed(runs: Mapping[tuple[str, str], Mapping[str, Any]]) -> Failed:
    """Trainings that the watch marked."""
    present: dict[tuple[str, str, float | None, int], str] = {}
    for (task, method), run in runs.items():
        for entry in (*run.get("seeds", ()), *run.get("path", ())):
            if entry.get("status") == "failed":
                key = task, method, entry.get("strength"), int(entry["seed"])
                present[key] = str(entry.get("reason"))
    return present


def _without(rows: pd.DataFrame, failed: Failed) -> pd.DataFrame:
    """The rows of trainings that did not fail, and of what was erased from those."""
    strengths = rows["strength"].astype(object).where(rows["strength"].notna(), None)
    places = zip(rows["task"], rows["method"], strengths, rows["seed"], strict=True)
    return rows[[place not in failed for place in places]].reset_index(drop=True)


def _geometry(root: Path, tasks: Sequence[str], missing: list[str]) -> list[pd.DataFrame]:
    """The rows of every task's ``geometry.csv``."""
    frames = []
    for task in tasks:
        path = root / "evaluate" / task / "geometry.csv"
        if path.is_file():
            frames.append(read_results(path))
        else:
            missing.append(f"evaluate/{task}/geometry.csv")
    return frames


def _trajectory(root: Path, tasks: Sequence[str]) -> pd.DataFrame:
    """Moments of trainings, where any were looked at (``evaluate.trajectory``)."""
    files = [root / "evaluate" / task / "trajectory.csv" for task in tasks]
    frames = [read_results(file, before=("step",)) for file in files if file.is_file()]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return pd.DataFrame(columns=["step", *COLUMNS])
    return pd.concat(frames, ignore_index=True)


def _seed(folder: Path) -> int:
    text = folder.name.removeprefix("seed-")
    return int(text) if text.isdigit() else 0


def _history(path: Path) -> pd.DataFrame:
    cure = "rerun the stage train"
    try:
        return pd.read_csv(checked(path, cure=cure))
    except DamagedFile:
        raise
    except ValueError as error:
        raise DamagedFile(f"cannot be read ({error}); {cure}", place=path) from None


def _histories(folder: Path, task: str, method: str) -> list[History]:
    histories = []
    for seed in sorted(folder.glob("seed-*"), key=_seed):
        tables = {}
        for kind in ("steps", "epochs"):
            path = seed / f"{kind}.csv"
            tables[kind] = _history(path) if path.is_file() else pd.DataFrame()
        if not (tables["steps"].empty and tables["epochs"].empty):
            histories.append(History(task, method, _seed(seed), **tables))
    return histories


def _source(runs: Mapping[tuple[str, str], Mapping[str, Any]], card: Mapping[str, Any]) -> str:
    codes = [run.get("params", {}).get("corpora.source") for run in runs.values()]
    return next(
        (str(code) for code in [*codes, card.get("options", {}).get("source")] if code), ""
    )
