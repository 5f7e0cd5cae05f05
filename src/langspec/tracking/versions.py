"""Versions in MLflow's registry, from the files of stage register."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.pyfunc import save_model
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array, Map

import langspec
from langspec.errors import LangspecError
from langspec.release.version_card import summary
from langspec.tracking import tags as names
from langspec.tracking.runs import Tracker

CHAMPION = "champion"
KEY = "langspec.version_key"
REQUIREMENTS = (
    "mlflow", "numpy", "pandas", "pyarrow", "safetensors", "scipy", "threadpoolctl", "tokenizers",
    "torch", "tqdm", "transformers",
)  # fmt: skip
"""The packages that serving imports. The code of langspec is copied beside the model."""

FolderOf = Callable[[dict[str, Any]], AbstractContextManager[Path]]


@dataclass
class Registered:
    """The outcome of :func:`register_task`."""

    model: str
    added: list[str] = field(default_factory=list)
    present: int = 0
    champion: str = ""

    @property
    def summary(self) -> str:
        """A line that says what was done."""
        added = ", ".join(self.added) or "nothing new"
        return f"{self.model}: {added} ({self.present} were there); {self.champion}"


def register_task(
    tracker: Tracker, record: Mapping[str, Any], folder_of: FolderOf, *, take_over: bool
) -> Registered:
    """Bring ``langspec-<task>`` up to date with ``register.json``; idempotent.

    A version is identified by the hash of all that it is made of, so none is registered twice. Two
    aliases: ``<name>-champion`` is this run's, ``champion`` that of the run registered last.

    Args:
        tracker: the open store, with the runs of ``record`` in it.
        record: content of ``register.json``.
        folder_of: gives the folder to serve for one of its versions, and takes it away again.
        take_over: give ``champion`` to this run even where another run has it.
    """
    model = f"langspec-{record['task']}"
    done = Registered(model)
    client = tracker.client
    if client is None:
        return done
    _ensure_model(client, model, record["task"])
    name = record["name"]
    known = {one.tags.get(KEY, ""): one for one in _versions(client, model)}
    by_method: dict[str, ModelVersion] = {}
    for version in record["versions"]:
        key = _identity(name, version)
        if key in known:
            done.present += 1
        else:
            with folder_of(version) as folder:
                known[key] = _add(tracker, client, model, name, version, folder)
            done.added.append(f"version {known[key].version} ({version['method']})")
        by_method[version["method"]] = known[key]
    done.champion = _set_aliases(
        client, model, name, by_method.get(record["champion"] or ""), record["why"], take_over
    )
    return done


def _identity(name: str, version: Mapping[str, Any]) -> str:
    return f"{name}:{version['key']}"


def _ensure_model(client: MlflowClient, model: str, task: str) -> None:
    try:
        client.create_registered_model(
            model,
            tags={"langspec.task": task},
            description=f"Best seed of every method that langspec trained for {task}. The alias "
            f"`{CHAMPION}` is the best by its run's rule of selection.",
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _versions(client: MlflowClient, model: str) -> list[ModelVersion]:
    versions: list[ModelVersion] = []
    token: str | None = None
    while True:
        page = client.search_model_versions(f"name = '{model}'", page_token=token)
        versions += page
        token = page.token
        if not token:
            return versions


def _add(
    tracker: Tracker,
    client: MlflowClient,
    model: str,
    name: str,
    version: dict[str, Any],
    folder: Path,
) -> ModelVersion:
    """Log the model below its seed's run and make a version of it."""
    experiment = names.experiment_name(version["task"])
    run = tracker.find_run(version["seed_key"], experiment=experiment, name=name)
    if run is None:
        raise LangspecError(
            f"no finished run of {version['method']} seed {version['seed']} as it was registered; "
            "run: langspec register",
            place=experiment,
        )
    place = f"model-{version['key'][:12]}"
    with tempfile.TemporaryDirectory(prefix="langspec-") as temporary:
        target = Path(temporary) / "model"
        save_served(target, folder, version)
        client.log_artifacts(run.info.run_id, str(target), place)
    return client.create_model_version(
        model,
        source=f"runs:/{run.info.run_id}/{place}",
        run_id=run.info.run_id,
        tags=version_tags(name, version),
        description=summary(version),
    )


def save_served(target: Path, folder: Path, version: Mapping[str, Any]) -> None:
    """Write ``folder`` as an MLflow model from code.

    Args:
        target: must not exist.
        folder: with encoder, head and erasers.
        version: of ``register.json``: its example and what its rows are.
    """
    logging.getLogger("mlflow.pyfunc").setLevel(logging.WARNING)
    code = Path(langspec.__file__).parent
    with tempfile.TemporaryDirectory(prefix="langspec-") as temporary:
        copied = Path(temporary) / "langspec"
        shutil.copytree(code, copied, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        save_model(
            path=str(target),
            python_model=str(Path(__file__).with_name("served_model.py")),
            artifacts={"model": str(folder)},
            code_paths=[str(copied)],
            pip_requirements=requirements(),
            signature=signature(version["example"][0], token=version["unit"] == "token"),
            input_example=pd.DataFrame(version["example"]),
        )


def requirements() -> list[str]:
    """The packages that serving needs, pinned to the installed versions (without ``+cpu``)."""
    return [f"{name}=={installed(name).partition('+')[0]}" for name in REQUIREMENTS]


def signature(example: Mapping[str, Any], *, token: bool) -> ModelSignature:
    """The columns of a request and of its answer, from those of an example."""
    text = DataType.string
    if token:
        words = Array(text)
        inputs: Any = [
            ColSpec(text, "text", required=False),
            ColSpec(words, "words", required=False),
        ]
        outputs: Any = [ColSpec(words, "words"), ColSpec(Array(text), "labels"),
                   ColSpec(Array(DataType.double), "probabilities")]  # fmt: skip
    else:
        inputs = [ColSpec(text, column) for column in example]
        outputs = [ColSpec(text, "label"), ColSpec(DataType.double, "probability"),
                   ColSpec(Map(DataType.double), "probabilities")]  # fmt: skip
    params = ParamSchema([ParamSpec("eraser", text, "")])
    return ModelSignature(Schema(inputs), Schema(outputs), params)


def version_tags(name: str, version: Mapping[str, Any]) -> dict[str, str]:
    """Tags of a version, from its record in ``register.json``."""
    git = names.git_tags()
    tags: dict[str, Any] = {
        KEY: _identity(name, version),
        names.NAME: name,
        "langspec.champion_eligible": not version["refusal"],
        "langspec.git_commit": git.get("mlflow.source.git.commit", ""),
        "langspec.git_dirty": git.get("langspec.git_dirty", ""),
    }
    plain = ("task", "method", "seed", "seeds", "failed_seeds", "rule", "metric", "score",
             "refusal", "params_hash", "data_hash", "encoder_hash", "weights_hash", "run_key",
             "licence")  # fmt: skip
    tags |= {f"langspec.{key}": version[key] for key in plain}
    tags["langspec.languages"] = " ".join(version["languages"])
    tags["langspec.erasers"] = " ".join(version["erasers"])
    tables = {"": version["numbers"]} | {f"{k}.": v for k, v in version["erasers"].items()}
    for prefix, numbers in tables.items():
        for number in ("transfer", "leak"):  # the rest stands in the card
            interval = numbers.get(number, {})
            for end, value in interval.items():
                tags[f"langspec.{prefix}{number}" + f".{end}" * (end != "value")] = value
    # Trained with the values of a sweep: its study, the trial, the place on the front.
    tags |= {f"langspec.{key}": value for key, value in version.get("origin", {}).items()}
    return {key: names.param_text(value) for key, value in tags.items() if value != ""}


def _set_aliases(
    client: MlflowClient,
    model: str,
    name: str,
    best: ModelVersion | None,
    why: str,
    take_over: bool,
) -> str:
    """Set the aliases; returns a line that says which version each one names."""
    aliases = client.get_registered_model(model).aliases
    versions = {str(one.version): one for one in _versions(client, model)}
    holder = versions.get(str(aliases.get(CHAMPION, "")))
    holds_other = holder is not None and holder.tags.get(names.NAME) != name
    run_alias = f"{name}-{CHAMPION}"
    wanted = [run_alias] if holds_other and not take_over else [run_alias, CHAMPION]
    for alias in wanted:
        if best is not None:
            if str(aliases.get(alias)) != str(best.version):
                client.set_registered_model_alias(model, alias, str(best.version))
        elif alias in aliases and not (alias == CHAMPION and holds_other):
            client.delete_registered_model_alias(model, alias)
    if best is None:
        return f"no champion: {why}"
    text = f"champion is version {best.version} ({best.tags.get('langspec.method')}): {why}"
    if holds_other and holder is not None:
        other = f"version {holder.version} of {holder.tags.get(names.NAME)}"
        text += f" (was {other})" if take_over else f" of {name}; `{CHAMPION}` stays {other}"
    return text


_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[^/@]+))")


def served_folder(tracker: Tracker, uri: str) -> Path:
    """The folder that a registered version serves: where it lies, or a copy of a server's.

    Args:
        tracker: the open store.
        uri: ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``.

    Raises:
        LangspecError: another kind of URI, no such model, alias or version, or files that are
            gone.
    """
    client = tracker.client
    assert client is not None
    match = _URI.fullmatch(uri)
    if match is None:
        raise LangspecError(
            f"found {uri!r}, expected models:/NAME@ALIAS or models:/NAME/VERSION", place="--model"
        )
    name, alias, number = match.group("name", "alias", "version")
    try:
        model = client.get_registered_model(name)
    except MlflowException:
        there = ", ".join(one.name for one in client.search_registered_models()) or "none"
        raise LangspecError(
            f"no registered model {name!r} in {tracker.store}; there are: {there}; register "
            "with: langspec register",
            place="--model",
        ) from None
    versions = {str(one.version): one for one in _versions(client, name)}
    if not versions:
        raise LangspecError(
            f"{name} has no versions; register one with: langspec register", place="--model"
        )
    if alias is not None:
        number = str(model.aliases.get(alias, ""))
        if not number:
            there = ", ".join(sorted(model.aliases)) or "none"
            raise LangspecError(
                f"{name} has no alias {alias!r}; there are: {there}", place="--model"
            )
    if number not in versions:
        raise LangspecError(
            f"{name} has no version {number!r}; there are: {', '.join(versions)}", place="--model"
        )
    place = client.get_model_version_download_uri(name, number)
    try:
        return Path(download_artifacts(f"{place}/artifacts/model", tracking_uri=tracker.store.uri))
    except (MlflowException, OSError) as error:
        raise LangspecError(
            f"the files of {name} version {number} are gone ({str(error).splitlines()[0]}); "
            "delete the version and run: langspec replay",
            place="--model",
        ) from None
