"""Rebuilding runs of MLflow from the files of ``results/<name>``.

DVC restores outs without running the stage, a server may have been away, a store may be lost: the
files hold the histories, and a replay brings the store up to date. It adds only what is missing,
so a second one adds nothing; ``evaluate`` and ``report`` log by calling it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.errors import LangspecError
from langspec.files import read_object, sha256_file, sha256_json
from langspec.results import (
    EVERY,
    first_seed,
    label,
    path_folder,
    read_results,
    read_training_record,
)
from langspec.tracking import tags as names
from langspec.tracking.history import evaluation_points, read_history
from langspec.tracking.runs import Tracker
from langspec.tracking.training_runs import MethodRun, SeedRun, Training, start_method, start_seed

if TYPE_CHECKING:
    import pandas as pd

_REPLAYED = {names.REPLAYED: "true"}
_EVALUATION = "langspec.evaluation"
_FILES = "langspec.files"
_CARD = "langspec.card"


@dataclass
class Replayed:
    """What a replay added."""

    runs: int = 0
    evaluations: int = 0
    files: int = 0


class _Member:
    """A seed of a method, or a point of its lambda path: an entry of ``run.json``.

    Raises:
        KeyError: the entry lacks a key.
    """

    def __init__(self, folder: Path, method: str, entry: Mapping[str, Any], first: int) -> None:
        self.entry = entry
        self.seed, self.key = int(entry["seed"]), str(entry["run_key"])
        self.strength: float | None = entry.get("strength")
        self.method = method
        self.name = f"{label(method, strength=self.strength)} {self.seed}"
        self.folder = (
            folder / f"seed-{self.seed}"
            if self.strength is None
            else path_folder(folder, self.strength, self.seed, first)
        )

    def log(self, run: SeedRun) -> None:
        """Its history and its chosen epoch."""
        for file in ("steps.csv", "epochs.csv"):
            run.log_points(read_history(self.folder / file))
        run.finish(self.entry)


@dataclass(frozen=True, slots=True)
class _Method:
    """A method's runs in the store; ``ids`` by the members' names, ``tags`` of old runs by id."""

    training: Training
    parent: str
    members: list[_Member]
    ids: dict[str, str]
    tags: dict[str, dict[str, str]]


def replay(tracker: Tracker, results: Path, name: str, corpora: Path | None = None) -> Replayed:
    """Bring the store up to date with the files below ``results/name``.

    Args:
        tracker: the open store.
        results: the folder ``results``.
        name: the run's name in ``params.yaml``.
        corpora: the prepared corpora, whose card and tables the methods' runs name; None, or a
            folder that is not there: they do not.

    Raises:
        LangspecError: a file is of another schema or malformed; what stood before it is logged.
    """
    added = Replayed()
    if tracker.client is not None:
        tracker.link.send(
            lambda: _replay(tracker, Path(results) / name, name, corpora, added), None
        )
        tracker.link.report()
    return added


def _replay(
    tracker: Tracker, folder: Path, name: str, corpora: Path | None, added: Replayed
) -> None:
    methods = [
        _replay_training(tracker, file, name, added)
        for file in sorted(folder.glob("train/*/*/run.json"))
    ]
    for file in sorted(folder.glob("evaluate/*/results.csv")):
        task = file.parent.name
        of_task = [method for method in methods if method.training.task == task]
        _replay_evaluation(tracker, file, name, of_task, added)
    tasks = {method.training.task for method in methods}
    for method in methods:
        _attach_files(tracker, folder, method, tasks, added)
        if corpora is not None and (corpora / "card.json").is_file():
            _attach_card(tracker, corpora, name, method, added)


def read_training(file: Path, name: str) -> tuple[Training, list[_Member]]:
    """A training and its members, from ``run.json``.

    Args:
        file: that stage train wrote.
        name: that of ``results/<name>``.

    Raises:
        LangspecError: another schema, a missing key, or a value of another kind.
    """
    cure = "rerun the stage train"
    run = read_training_record(file)
    try:
        training = Training.of(run | {"name": name})
        members = [
            _Member(file.parent, training.method, entry, first_seed(run))
            for entry in (*run["seeds"], *run.get("path", ()))
        ]
    except KeyError as error:
        raise LangspecError(f"expected the key {error}; {cure}", place=file) from error
    except (TypeError, ValueError) as error:
        raise LangspecError(f"is no record of a training ({error}); {cure}", place=file) from error
    return training, members


def _replay_training(tracker: Tracker, file: Path, name: str, added: Replayed) -> _Method:
    training, members = read_training(file, name)
    known = {"experiment": training.experiment, "name": name}
    run_of_method = tracker.find_run(training.run_key, **known)
    ids: dict[str, str] = {}
    if run_of_method is None:
        with start_method(tracker, training, tags=_REPLAYED) as method:
            for member in members:
                with method.seed(
                    member.seed, member.key, strength=member.strength, tags=_REPLAYED
                ) as child:
                    member.log(child)
                ids[member.name] = child.logger.run_id
            method.finish()
        added.runs += 1 + len(members)
        return _Method(training, method.logger.run_id, members, ids, {})
    parent = run_of_method.info.run_id
    tags = {parent: run_of_method.data.tags}
    before = added.runs
    for member in members:
        old = tracker.find_run(member.key, **known)
        if old is not None:
            ids[member.name] = old.info.run_id
            tags[old.info.run_id] = old.data.tags
            continue
        with start_seed(
            tracker,
            training,
            member.seed,
            member.key,
            parent,
            strength=member.strength,
            tags=_REPLAYED,
        ) as child:
            member.log(child)
        ids[member.name] = child.logger.run_id
        added.runs += 1
    if added.runs > before:
        again = MethodRun(tracker, training, tracker.resume_run(parent))
        again.finish(member.entry for member in members if member.strength is None)
    return _Method(training, parent, members, ids, tags)


def _replay_evaluation(
    tracker: Tracker, file: Path, name: str, methods: list[_Method], added: Replayed
) -> None:
    """Scores and probes: of a seed to its run, their means to the method's.

    Methods without a training (baselines, the random encoder) get a separate run, so that
    floors stand beside the methods in the pages; what an eraser leaves of a method
    (``finetune+leace``) gets one below the method's.
    """
    frame = read_results(file)
    trained = {method.training.method: method for method in methods}
    # The report shows what is of the texts alone; points of a path are below.
    of_methods = frame[(frame["method"] != EVERY) & frame["strength"].isna()]
    for named, rows in of_methods.groupby(["method", "eraser"]):
        method, eraser = map(str, named)
        base = trained.get(method)
        if eraser or base is None:
            called = label(method, eraser)
            _replay_floor(tracker, file.parent.name, called, name, _seed_mean(rows), added, base)
        else:
            _add_evaluation(tracker, base, base.parent, _seed_mean(rows), added)
    for one in methods:
        of_method = frame[(frame["method"] == one.training.method) & (frame["eraser"] == "")]
        for member in one.members:
            strength = of_method["strength"]
            same = strength.isna() if member.strength is None else strength == member.strength
            rows = of_method[same & (of_method["seed"] == member.seed)]
            _add_evaluation(tracker, one, one.ids[member.name], rows, added)


def _replay_floor(
    tracker: Tracker,
    task: str,
    method: str,
    name: str,
    rows: pd.DataFrame,
    added: Replayed,
    base: _Method | None,
) -> None:
    """A run for what has no training: a baseline, or below its method what an eraser leaves."""
    parent = base.parent if base else None
    of = base.training.run_key if base else ""
    key = sha256_json([name, task, method, _rows_hash(rows), of])
    experiment = names.experiment_name(task)
    if tracker.find_run(key, experiment=experiment) is not None:
        return
    tags = {
        names.NAME: name,
        "langspec.task": task,
        "langspec.method": method,
        names.RUN_KEY: key,
    }
    with tracker.start_run(
        experiment=experiment,
        name=f"{name}-{method}",
        stage=f"evaluate@{task}",
        parent_run_id=parent,
        tags=tags | _REPLAYED,
        params={"lambda": base.training.strength} if base else None,
    ) as logger:
        for point in evaluation_points(rows):
            logger.log_metrics({point.name: point.value}, point.step)
    added.runs += 1


def _add_evaluation(
    tracker: Tracker, method: _Method, run_id: str, rows: pd.DataFrame, added: Replayed
) -> None:
    """Add scores and probes to the method's run, or to that of a member."""
    if rows.empty:
        return
    digest = _rows_hash(rows)
    if method.tags.get(run_id, {}).get(_EVALUATION) == digest:
        return
    logger = tracker.resume_run(run_id)
    for point in evaluation_points(rows):
        logger.log_metrics({point.name: point.value}, point.step)
    logger.flush()
    logger.set_tags({_EVALUATION: digest})
    added.evaluations += 1


def _seed_mean(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows averaged over the seeds; an interval of one seed is not one of the mean: left out."""
    keys = [key for key in rows.columns if key not in ("seed", "value", "low", "high", "n")]
    grouped = rows.groupby(keys, sort=False, as_index=False, dropna=False)
    mean: Any = grouped["value"].mean()
    return mean.assign(low=float("nan"), high=float("nan"))


def _rows_hash(rows: pd.DataFrame) -> str:
    return sha256_json([[str(cell) for cell in row] for row in rows.itertuples(index=False)])


def _attach_card(
    tracker: Tracker, corpora: Path, name: str, method: _Method, added: Replayed
) -> None:
    """Attach the data card, and name the tables that the evaluation read."""
    card = corpora / "card.json"
    digest = sha256_file(card)
    if method.tags.get(method.parent, {}).get(_CARD) == digest:
        return
    logger = tracker.resume_run(method.parent)
    outs = read_object(card, "outs", cure="run: dvc repro -f corpora")["outs"]
    for table in (method.training.task, "text"):
        if out := outs.get(f"{table}.parquet"):
            logger.log_data(f"{name}/{table}", out["sha256"], "evaluation", out["rows"])
    for file in (card, corpora / "card.md"):
        logger.log_artifact(file, "data")
        added.files += 1
    logger.set_tags({_CARD: digest})


def _attach_files(
    tracker: Tracker, folder: Path, method: _Method, tasks: set[str], added: Replayed
) -> None:
    """Attach the table of results, and the report's tables and figures, to the method's run.

    A file whose name holds another task's name is left to that task.
    """
    others = tasks - {method.training.task}
    files = [
        (file, f"report/{file.parent.name}")
        for kind in ("tables", "figures")
        for file in sorted((folder / "report" / kind).glob("*"))
        if file.is_file() and not others & set(file.stem.replace("-", "_").split("_"))
    ]
    table = folder / "evaluate" / method.training.task / "results.csv"
    if table.exists():
        files.append((table, "evaluate"))
    if not files:
        return
    digest = sha256_json([[place, file.name, sha256_file(file)] for file, place in files])
    if method.tags.get(method.parent, {}).get(_FILES) == digest:
        return
    logger = tracker.resume_run(method.parent)
    for file, place in files:
        logger.log_artifact(file, place)
    logger.set_tags({_FILES: digest})
    added.files += len(files)
