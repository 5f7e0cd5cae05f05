"""Writing the values of a study's best trial into params.yaml, whose comments stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langspec.config import Config, parse_config, parse_yaml
from langspec.errors import LangspecError
from langspec.files import read_json, write_text
from langspec.paths import paths_of
from langspec.presets import commented_yaml, dumped
from langspec.tuning.best_trial import best
from langspec.tuning.fingerprint import identity_of, place_for, space_for, studies_folder
from langspec.tuning.outcome import records
from langspec.tuning.records import SCHEMA, TrialRecord, complete, front
from langspec.tuning.score import BOUNDED, MEASURED
from langspec.tuning.sections import Tune
from langspec.tuning.space import put
from langspec.tuning.storage import open_storage
from langspec.tuning.study import CODE, IDENTITY, UID, different, load_study

STAGE = "tune"  # the study of stage tune: its out holds it


@dataclass(frozen=True)
class StoredStudy:
    """A study, read from its storage or from the out of stage tune."""

    name: str
    uid: str
    parts: dict[str, Any]
    code: str
    trials: list[TrialRecord]


def take_over(
    config: Config,
    root: Path,
    study: str,
    *,
    storage: str | None = None,
    trial: int | None = None,
    place_on_front: int | None = None,
) -> str:
    """Write a trial's values into params.yaml, and where they are from; returns the changes.

    Args:
        config: of params.yaml.
        root: of the project.
        study: its name; ``tune``: that of the stage.
        storage: URL or file of the study; None: its journal.
        trial: the number of a complete trial; None: the best.
        place_on_front: a row of ``front.csv`` instead, counted from 0.

    Raises:
        LangspecError: no such study or trial, no trial is complete, or a front of which none was
            chosen.
    """
    stored = _stage(config, root) if study == STAGE else _from_storage(root, study, storage)
    chosen = _choose(stored, trial, place_on_front)
    warnings = _differences(config, root, stored)
    tune = stored.parts["tune"]
    origin = {
        "study": stored.name,
        "trial": chosen.number,
        "front": place_on_front,
        "values": dict(chosen.values),
    }
    noted = f"adopted.{tune['method']}.{tune['task']}"
    changes = adopt(root / "params.yaml", {**chosen.values, noted: origin})
    shown = [f"warning: {line}" for line in warnings]
    shown.append(
        f"params.yaml now holds trial {chosen.number} of study {stored.name}:"
        if changes
        else f"params.yaml already holds trial {chosen.number} of study {stored.name}"
    )
    if changes:
        _mark(config, root, stored, chosen)
    values = [line for line in changes if not line.startswith(noted)]
    shown += [f"  {line}" for line in values]
    return "\n".join([*shown, *_read_elsewhere(config, values, tune)])


def _read_elsewhere(config: Config, changes: Sequence[str], tune: Mapping[str, Any]) -> list[str]:
    """A sentence on the changes that trainings of other tasks read too; none where there are none.

    An override is of one task; what has none is written into the method's section.
    """
    section = f"train.methods.{tune['method']}."
    keys = [line.partition(":")[0] for line in changes]
    shared = [key for key in keys if not key.startswith(f"{section}overrides.")]
    others = [
        task
        for task in config.train.tasks
        if task != tune["task"] and tune["method"] in config.train.methods_of(task)
    ]
    if not shared or not others:
        return []
    return [
        f"note: {tune['method']} on {', '.join(others)} reads {', '.join(shared)} too, and is "
        "trained anew with it"
    ]


def _from_storage(root: Path, study: str, storage: str | None) -> StoredStudy:
    place = place_for(study, storage, studies_folder(root))
    if place.file is not None and not place.file.is_file():
        known = sorted(file.stem for file in place.file.parent.glob("*.log"))
        raise LangspecError(
            f"no study of that name; there are: {', '.join(known) or 'none'}", place=place.file
        )
    opened = load_study(open_storage(place, write=False), study)
    attrs = opened.user_attrs
    if IDENTITY not in attrs:
        raise LangspecError("this study was not made by langspec sweep", place=study)
    measured = [*MEASURED, *BOUNDED]
    if attrs[IDENTITY].get("measured") != measured:
        raise LangspecError(
            f"its trials were not measured by {', '.join(measured)}; run the sweep again",
            place=study,
        )
    return StoredStudy(study, attrs[UID], attrs[IDENTITY], attrs[CODE], records(opened))


def _stage(config: Config, root: Path) -> StoredStudy:
    file = paths_of(config, root).results / "tune" / "study.json"
    if not file.is_file():
        raise LangspecError("not there yet; run: langspec tune (or dvc repro tune)", place=file)
    cure = "run: langspec tune"
    stored = read_json(file, cure=cure)
    schema = stored.get("schema") if isinstance(stored, dict) else None
    if schema != SCHEMA:
        raise LangspecError(f"schema {schema}, expected {SCHEMA}; {cure}", place=file)
    if not stored.get("trials"):
        raise LangspecError(f"has no trials; set tune.trials and {cure}", place=file)
    try:
        trials = [
            TrialRecord(**{k: v for k, v in trial.items() if k != "rungs"})
            for trial in stored["trials"]
        ]
        return StoredStudy(STAGE, stored["uid"], stored["identity"], stored["code"], trials)
    except (KeyError, TypeError, AttributeError) as error:
        raise LangspecError(f"is no record of a study ({error}); {cure}", place=file) from None


def _choose(stored: StoredStudy, number: int | None, row: int | None) -> TrialRecord:
    whole = complete(stored.trials, stored.name)
    if number is not None and row is not None:
        raise LangspecError("give one of --trial and --front")
    if row is not None:
        rows = front(stored.trials, stored.name)
        if not 0 <= row < len(rows):
            raise LangspecError(f"found {row}, expected 0 to {len(rows) - 1}", place="--front")
        return rows[row]
    if number is not None:
        chosen = next((trial for trial in whole if trial.number == number), None)
        if chosen is None:
            state = next((t.state for t in stored.trials if t.number == number), "no such trial")
            raise LangspecError(
                f"trial {number} is not complete ({state}); complete are "
                f"{', '.join(str(t.number) for t in whole)}",
                place="--trial",
            )
        return chosen
    if stored.parts["tune"]["pareto"]:
        rows = front(stored.trials, stored.name)
        listed = "; ".join(
            f"{i}: trial {t.number}, dev_macro_f1 {t.dev_macro_f1:.3f}, dev_leak {t.dev_leak:.3f}"
            for i, t in enumerate(rows)
        )
        raise LangspecError(
            f"a study of two aims has no best trial; choose by --front I ({listed}) or --trial N",
            place=stored.name,
        )
    return best(stored.trials, stored.name, stored.parts["tune"])


def _differences(config: Config, root: Path, stored: StoredStudy) -> Sequence[str]:
    """What differs now from what the trials were made with."""
    tune = Tune(**{**config.tune.model_dump(), **stored.parts["tune"]})
    as_then = config.model_copy(update={"tune": tune})
    try:
        now = identity_of(as_then, root, space_for(as_then, root))
    except LangspecError as error:  # a file of compute.launch that no sweep takes, say
        return [f"what differs from the study cannot be compared: {error}"]
    lines = [
        f"the study was made with {difference}"
        for difference in different(stored.parts, now.parts)
    ]
    if stored.code != now.code:
        lines.append("the study was made by other code")
    return lines


def _mark(config: Config, root: Path, stored: StoredStudy, chosen: TrialRecord) -> None:
    from langspec.tracking.runs import Tracker
    from langspec.tracking.sweep_runs import mark_adopted

    mark_adopted(
        Tracker.open(config.tracking, root=root),
        stored.parts["tune"]["task"],
        stored.uid,
        chosen.number,
    )


def adopt(path: Path, values: Mapping[str, Any]) -> list[str]:
    """Write ``values`` (by their keys) into ``path``; returns the changes, one key a line.

    Nothing is written unless all of it is valid.

    Raises:
        LangspecError: the file, or what it would become, is not valid.
    """
    before = path.read_text(encoding="utf-8")
    old = parse_yaml(before)
    parse_config(old, place=path)
    yaml = commented_yaml()
    content = yaml.load(before)
    put(content, values)
    plain = parse_yaml(before)
    put(plain, values)
    text = dumped(yaml, content, plain)
    parse_config(parse_yaml(text), place=f"{path} with the trial's values")
    changes = [
        f"{key}: {_at(old, key)} -> {value}"
        for key, value in values.items()
        if _at(old, key) != value
    ]
    if changes:
        write_text(path, text)
    return changes


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values
