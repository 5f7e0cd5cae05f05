"""A study: where it is kept, what it may be continued with, how it samples and prunes.

By default a journal file; any database that Optuna knows by its URL. A study keeps a fingerprint
of all that makes its trials comparable, and is continued with nothing else.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, ProgrammingError, SQLAlchemyError

from langspec.errors import LangspecError
from langspec.tuning.sections import Tune

logger = logging.getLogger(__name__)

IDENTITY, CODE, UID = "langspec.identity", "langspec.code", "langspec.uid"
ANSWER_SECONDS = 3
_MEETINGS = 4  # times that a database may be found half made
Study = optuna.Study  # for signatures of those who do not import Optuna
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433, "oracle": 1521}

optuna.logging.set_verbosity(optuna.logging.WARNING)
optuna.logging.disable_default_handler()
optuna.logging.enable_propagation()
# Grouped sampling is what conditional parameters need; we test what we use of it.
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


@dataclass(frozen=True)
class Identity:
    """What makes trials comparable: ``parts`` must be equal, other ``code`` is only told."""

    parts: Mapping[str, Any]
    code: str


@dataclass(frozen=True)
class Place:
    """Where studies are kept: a journal ``file``, or the ``url`` of a database."""

    file: Path | None = None
    url: URL | None = None

    def __str__(self) -> str:
        """Without its password."""
        return str(self.file) if self.url is None else self.url.render_as_string()

    @property
    def full(self) -> str:
        """What :func:`place_of` reads back, password and all: for child processes only."""
        if self.url is None:
            return str(self.file)
        return self.url.render_as_string(hide_password=False)


def place_of(storage: str) -> Place:
    """A database URL, or the path of a journal.

    Raises:
        LangspecError: neither.
    """
    if "://" not in storage:
        return Place(file=Path(storage).absolute())
    try:
        url = make_url(storage)
    except ArgumentError:
        raise LangspecError(
            "expected a URL such as postgresql+psycopg://USER@HOST/DATABASE, or the path of a "
            "journal file",
            place="--storage",
        ) from None
    if url.drivername == "postgresql":  # the driver of the extra `postgres`
        url = url.set(drivername="postgresql+psycopg")
    return Place(url=url)


def open_storage(place: Place) -> optuna.storages.BaseStorage:
    """The storage, reached and ready.

    Raises:
        LangspecError: it cannot be reached or written (told within seconds), or its driver is
            not installed.
    """
    if place.url is None:
        return _open_journal(place)
    url = place.url
    kind = url.get_backend_name()
    if url.host:
        _knock(place, url.host, url.port or _PORTS.get(kind, 0))
    options: dict[str, Any] = {"pool_pre_ping": True}
    if kind in ("postgresql", "mysql", "mariadb"):
        options["connect_args"] = {"connect_timeout": ANSWER_SECONDS}
    try:
        if kind == "sqlite":  # several processes at once on a new file break each other's tables
            from langspec.tuning.claims import file_lock

            file = Path(url.database or "memory").absolute()
            if not file.parent.is_dir():  # a lock would make it
                raise FileNotFoundError(f"no folder {file.parent}")
            with file_lock(file):
                return RDBStorage(url.render_as_string(), engine_kwargs=options)
        return _open_server(url.render_as_string(hide_password=False), options)
    except (ImportError, ModuleNotFoundError):
        raise LangspecError(
            "the driver of this database is not installed; for PostgreSQL: pip install "
            "'langspec[postgres]'",
            place=str(place),
        ) from None
    except (SQLAlchemyError, RuntimeError, OSError) as error:
        raise _unusable(place, error) from error


def _open_server(url: str, options: dict[str, Any]) -> RDBStorage:
    """Machines that meet on a new database all make its tables: who was second looks again."""
    for _ in range(_MEETINGS):
        with contextlib.suppress(IntegrityError, ProgrammingError):
            return RDBStorage(url, engine_kwargs=options)
    return RDBStorage(url, engine_kwargs=options)


def _unusable(place: Place, error: Exception) -> LangspecError:
    cause = getattr(error, "orig", None) or error
    first = next(iter(str(cause).strip().splitlines()), type(error).__name__)
    return LangspecError(
        f"the storage of studies cannot be used ({first}); check --storage", place=str(place)
    )


def _knock(place: Place, host: str, port: int) -> None:
    """One connection: drivers' own time-outs may be minutes long."""
    try:
        socket.create_connection((host, port), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _unusable(place, error) from error


def _open_journal(place: Place) -> JournalStorage:
    file = place.file
    assert file is not None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _mend(file)
        return JournalStorage(JournalFileBackend(str(file)))
    except OSError as error:
        raise _unusable(place, error) from error
    except (ValueError, KeyError, TypeError) as error:
        raise LangspecError(
            f"not a journal of Optuna ({error}); name another file, or move this one away",
            place=file,
        ) from error


def _mend(file: Path) -> None:
    """Cut off the half line of a writer whose machine went down: after it none could be read."""
    if not file.is_file() or not file.stat().st_size:
        return
    from langspec.tuning.claims import file_lock

    with file_lock(file), file.open("rb+") as handle:
        handle.seek(-1, os.SEEK_END)
        if handle.read(1) == b"\n":
            return
        size = handle.seek(0, os.SEEK_END)
        step = min(size, 1 << 20)  # a line is far shorter
        handle.seek(size - step)
        whole = handle.read(step).rfind(b"\n") + 1
        if not whole:
            raise ValueError("it has no whole line")
        logger.warning("%s: the last line is half written and was cut off", file)
        handle.truncate(size - step + whole)


def open_study(
    storage: optuna.storages.BaseStorage, name: str, tune: Tune, identity: Identity
) -> optuna.Study:
    """The study, made if there is none; the caller holds the lock.

    Raises:
        LangspecError: there is one of that name with another fingerprint.
    """
    if name not in optuna.study.get_all_study_names(storage):
        study = optuna.create_study(study_name=name, storage=storage, directions=_directions(tune))
        study.set_user_attr(IDENTITY, dict(identity.parts))
        study.set_user_attr(CODE, identity.code)
        study.set_user_attr(UID, uuid.uuid4().hex)
    study = load_study(storage, name)
    check_identity(study, identity)
    study.pruner = pruner_of(tune)
    return study


def memory_study(name: str, tune: Tune) -> optuna.Study:
    """A study of this process alone (Hyperband hashes the name, so equal names prune alike)."""
    return optuna.create_study(
        study_name=name, directions=_directions(tune), pruner=pruner_of(tune)
    )


def _directions(tune: Tune) -> list[StudyDirection]:
    """Transfer is maximised and leak minimised, or the score is maximised."""
    score, leak = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE
    return [score, leak] if tune.pareto else [score]


def load_study(storage: optuna.storages.BaseStorage, name: str) -> optuna.Study:
    """A study by name.

    Raises:
        LangspecError: there is none of that name.
    """
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        known = ", ".join(sorted(optuna.study.get_all_study_names(storage))) or "none"
        raise LangspecError(f"no study of that name; there are: {known}", place=name) from None


def check_identity(study: optuna.Study, identity: Identity) -> None:
    """Refuse a study of something else; warn of one by other code."""
    found = study.user_attrs.get(IDENTITY)
    if found is None:
        raise LangspecError(
            "this study was not made by langspec sweep; choose another --study",
            place=study.study_name,
        )
    differences = different(found, identity.parts)
    if differences:
        raise LangspecError(
            f"this study is of something else: {'; '.join(differences)}; give the new one "
            "another --study NAME",
            place=study.study_name,
        )
    if study.user_attrs.get(CODE) != identity.code:
        logger.warning(
            "%s: its earlier trials were made by other code; their scores may differ from what "
            "the code gives now",
            study.study_name,
        )


def different(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Every key at which two nested mappings differ, with both values."""
    found = []
    for key in sorted({*old, *new}):
        before, now = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            found += different(before, now, f"{prefix}{key}.")
        elif before != now and before != _listed(now):
            found.append(f"{prefix}{key} {_short(before)}, now {_short(now)}")
    return found


def _listed(value: Any) -> Any:
    """As JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def pruner_of(tune: Tune) -> optuna.pruners.BasePruner:
    """Hyperband over the rungs, each rung three times the one before; none for two aims.

    (Optuna refuses intermediate values of more than one aim.)
    """
    if tune.pareto or tune.rungs == 1:
        return optuna.pruners.NopPruner()
    return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=tune.rungs)


def sampler_of(tune: Tune, claimed: int) -> optuna.samplers.TPESampler:
    """The sampler of one trial, the ``claimed``-th of its study.

    A sampler a trial: workers with one seed would repeat each other's random draws, and with a
    seed each what is drawn would depend on who comes first. So a resumed study draws what an
    uninterrupted one would. Trials at work count as bad ones (the constant liar): workers do not
    all try the same place.
    """
    return optuna.samplers.TPESampler(
        seed=(tune.seed * 1_000_003 + claimed) % 2**32,
        n_startup_trials=tune.startup,
        multivariate=True,
        group=True,
        constant_liar=True,
    )
