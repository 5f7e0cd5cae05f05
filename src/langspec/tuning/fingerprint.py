"""The study of a configuration: its search space, its fingerprint and its storage."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langspec.closure import code_hash
from langspec.config import Config
from langspec.errors import LangspecError
from langspec.files import read_object, sha256_json
from langspec.objectives import get_method
from langspec.paths import corpora_hash, paths_of, require
from langspec.section import flatten
from langspec.training.identity import run_settings
from langspec.tuning import claims
from langspec.tuning.parameters import Space
from langspec.tuning.score import BOUNDED, MEASURED
from langspec.tuning.sections import Tune
from langspec.tuning.space import space_of, starting_points
from langspec.tuning.storage import Place, open_storage, place_of
from langspec.tuning.study import Identity, Study, open_study
from langspec.tuning.trial_processes import launch_of

STORAGE_VARIABLE = "LANGSPEC_STUDIES"
MASKED_HEAD = "mlm_head.safetensors"  # encoders.mlm.MLM_HEAD, whose module takes seconds to import
_NOT_OF_A_TRIAL = ("trials", "seed", "startup")  # what a study may be continued with otherwise


@dataclass(frozen=True)
class Opened:
    """An opened study with what workers need."""

    name: str
    place: Place
    study: Study
    space: Space
    identity: Identity
    lock: claims.Lock
    untried: str  # starting points that lie outside the space, in words


def default_name(config: Config) -> str:
    """``NAME-TASK-METHOD``; ``-paper`` and ``-pareto`` follow where the study is of that kind."""
    tune = config.tune
    more = [tune.space] * (tune.space != "default") + ["pareto"] * tune.pareto
    return "-".join([config.name, tune.task, tune.method, *more])


def studies_folder(root: Path) -> Path:
    """The folder of journals and figures: in the main checkout, also for a copy that DVC made."""
    from langspec.tracking.store import checkout_root

    return checkout_root(root) / ".langspec" / "studies"


def place_for(name: str, storage: str | None, folder: Path) -> Place:
    """The storage that was given; without one, the study's journal.

    Raises:
        LangspecError: the name cannot be a file name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise LangspecError(
            f"found {name!r}, expected at most 100 letters, digits, '.', '_' and '-'",
            place="--study",
        )
    return place_of(storage or str(folder / f"{name}.log"))


def space_for(config: Config, root: Path) -> Space:
    """The search space; without values that the starting encoder does not support.

    Raises:
        LangspecError: the prepared corpora have no table of the task, since no training reads it.
    """
    paths, task = paths_of(config, root), config.tune.task
    missing = paths.corpora.is_dir() and not (paths.corpora / f"{task}.parquet").is_file()
    if missing and task not in config.train.tasks:
        raise LangspecError(
            f"found {task!r}, whose corpora are not prepared; expected one of train.tasks: "
            f"{', '.join(config.train.tasks)}; or set tune.trials: 0, for no sweep in dvc repro",
            place="tune.task",
        )
    encoder = require(paths.encoder, "encoder")
    return space_of(config, masked_head=(encoder / MASKED_HEAD).is_file())


def identity_of(config: Config, root: Path, space: Space) -> Identity:
    """The fingerprint of a study: all that a trial's score depends on beside its values."""
    paths, tune = paths_of(config, root), config.tune
    launch = launch_of(config)
    processes = launch.processes if launch else 1
    searched = {parameter.path for parameter in space.parameters}
    unset = _without_overrides(config, searched)
    settings = run_settings(unset, tune.task, tune.method, exclude_unset=True) | flatten(
        {
            "corpora": {"targets": config.corpora.targets},
            "compute": {"launch": config.compute.launch, "processes": processes},
            "evaluate": {
                "seed": config.evaluate.seed,
                "probe": config.evaluate.probe.model_dump(),
            },
            "features": {"prefix_tokens": config.features.prefix_tokens},
        }
    )
    require(paths.corpora, "corpora")
    place = require(paths.encoder, "encoder") / "langspec.json"
    card = read_object(place, "sha256", cure="build the encoder again")
    return Identity(
        parts={
            "tune": tune.model_dump(exclude=_without_effect(tune)),
            "measured": [*MEASURED, *BOUNDED],
            "space": space.in_words(),
            "settings": {key: value for key, value in settings.items() if key not in searched},
            "data": {table: corpora_hash(paths.corpora, table) for table in (tune.task, "text")},
            "encoder": card["sha256"],
        },
        code=code_hash(*trial_code(tune.method)),
    )


def _without_overrides(config: Config, searched: Collection[str]) -> Config:
    """The configuration without the overrides that every trial replaces.

    ``langspec adopt`` writes them, and what was adopted makes no other study.
    """
    tune, methods = config.tune, config.train.methods
    section = getattr(methods, tune.method)
    override = section.overrides.get(tune.task)
    if override is None:
        return config
    place = f"train.methods.{tune.method}.overrides.{tune.task}."
    values = override.model_dump(exclude_unset=True)
    others = {key: value for key, value in values.items() if place + key not in searched}
    overrides = section.overrides | {tune.task: type(override)(**others)}
    section = section.model_copy(update={"overrides": overrides})
    methods = methods.model_copy(update={tune.method: section})
    train = config.train.model_copy(update={"methods": methods})
    return config.model_copy(update={"train": train})


def _without_effect(tune: Tune) -> set[str]:
    """Keys of the section that neither a trial nor the choice among trials depends on."""
    unread = {"grid"} if tune.space != "grid" else set()
    return {*_NOT_OF_A_TRIAL, *unread, *({"bounds"} if tune.rule == "score" else ())}


def trial_code(method: str) -> tuple[str, str]:
    """The modules that compute a trial of a method: a study warns when their code has changed."""
    return ("langspec.tuning.trial", get_method(method).__module__)


def data_hash(identity: Identity) -> str:
    """One hash of the tables that trials read."""
    return sha256_json(identity.parts["data"])


def open_for(config: Config, root: Path, name: str, place: Place) -> Opened:
    """Open the study of a configuration, or make it with its starting points.

    Raises:
        LangspecError: the storage cannot be reached, or the study is of something else.
    """
    space = space_for(config, root)
    identity = identity_of(config, root, space)
    storage = open_storage(place)
    lock = claims.lock_of(place, storage, name)
    with lock():
        study = open_study(storage, name, config.tune, identity)
        untried = enqueue(study, config, space)
    return Opened(name, place, study, space, identity, lock, untried)


def enqueue(study: Study, config: Config, space: Space) -> str:
    """Queue the starting points of a new study; returns a text on those outside the space."""
    points, untried = starting_points(config, space)
    if not study.get_trials(deepcopy=False):
        for origin, values in points:
            names = {p.name for p in space.parameters if p.same_as is None}
            params: dict[str, Any] = {k: v for k, v in values.items() if k in names}
            study.enqueue_trial(params, user_attrs={claims.ORIGIN: origin}, skip_if_exists=True)
    return untried
