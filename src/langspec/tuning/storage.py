"""The storage of studies: a journal file, or a database that Optuna supports."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, ProgrammingError, SQLAlchemyError

from langspec.databases import ANSWER_SECONDS, SQLITE_HEAD, check_answer
from langspec.errors import LangspecError, without_passwords

logger = logging.getLogger(__name__)

_ATTEMPTS = 4  # to make the tables of a database
_LINE_BYTES = 1 << 20  # a line of a journal is far shorter


def file_lock(file: Path) -> FileLock:
    """The lock beside a file; Optuna's own is ``FILE.lock``, so this one is not."""
    return FileLock(f"{file}.claim")


@dataclass(frozen=True)
class Place:
    """The storage of a study: a journal ``file``, or the ``url`` of a database."""

    file: Path | None = None
    url: URL | None = None

    def __str__(self) -> str:
        """Without its password."""
        return str(self.file) if self.url is None else shown(self.url)

    @property
    def full(self) -> str:
        """What :func:`place_of` reads back, password and all: for child processes only."""
        if self.url is None:
            return str(self.file)
        return self.url.render_as_string(hide_password=False)


def shown(url: URL) -> str:
    """A URL for people: neither with its password nor with one in its query."""
    return without_passwords(url.render_as_string())


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


def open_storage(place: Place, *, write: bool = True) -> optuna.storages.BaseStorage:
    """Open a storage and check that it can be used.

    Args:
        place: where it is.
        write: whether trials will be added. Only then is a journal made that is not there, or
            repaired whose last line is half written; a reader passes over that line.

    Raises:
        LangspecError: it cannot be reached or written (refused within seconds), or its driver is
            not installed.
    """
    if place.url is None:
        return _open_journal(place, write)
    url = place.url
    kind = url.get_backend_name()
    if url.host:
        try:
            check_answer(url)
        except OSError as error:
            raise _unusable(place, error) from error
    options: dict[str, Any] = {"pool_pre_ping": True}
    if kind in ("postgresql", "mysql", "mariadb"):
        options["connect_args"] = {"connect_timeout": ANSWER_SECONDS}
    try:
        if kind == "sqlite":  # several processes at once on a new file break each other's tables
            file = Path(url.database or "memory").absolute()
            if not file.parent.is_dir():  # a lock would make it
                raise FileNotFoundError(f"no folder {file.parent}")
            if not write and not file.is_file():
                raise FileNotFoundError(f"no file {file}")
            _check_sqlite(file)
            with file_lock(file):
                return RDBStorage(url.render_as_string(), engine_kwargs=options)
        return _open_server(url.render_as_string(hide_password=False), options)
    except (ImportError, ModuleNotFoundError):
        raise LangspecError(
            "the driver of this database is not installed; for PostgreSQL, in the checkout: "
            "pip install -e '.[postgres]'",
            place=str(place),
        ) from None
    except (SQLAlchemyError, RuntimeError, OSError) as error:
        raise _unusable(place, error) from error


def _check_sqlite(file: Path) -> None:
    """Refuse a file that is no database of SQLite before anything is written beside it.

    Raises:
        OSError: the file is another one.
    """
    if file.is_dir():
        raise IsADirectoryError("a folder; expected a database of SQLite")
    if not file.exists() or not file.stat().st_size:
        return
    with file.open("rb") as handle:
        if handle.read(len(SQLITE_HEAD)) != SQLITE_HEAD:
            raise OSError("no database of SQLite")


def _open_server(url: str, options: dict[str, Any]) -> RDBStorage:
    """Several machines may make the tables of a new database at once; the later ones try again."""
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(IntegrityError, ProgrammingError):
            return RDBStorage(url, engine_kwargs=options)
    return RDBStorage(url, engine_kwargs=options)


def _unusable(place: Place, error: Exception) -> LangspecError:
    cause = getattr(error, "orig", None) or error
    first = next(iter(str(cause).strip().splitlines()), type(error).__name__)
    return LangspecError(
        f"the storage of studies cannot be used ({first}); check --storage", place=str(place)
    )


def check_place(place: Place) -> None:
    """Refuse a journal that could not be written, without making it; no database is opened.

    Raises:
        LangspecError: something else is there, or its folder cannot be written.
    """
    if place.file is None:
        return
    try:
        if place.file.exists():
            _open_journal(place, write=False)
        folder = next(one for one in place.file.parents if one.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise OSError(f"{folder} is a file, or cannot be written")
    except OSError as error:
        raise _unusable(place, error) from error


def _open_journal(place: Place, write: bool) -> JournalStorage:
    file = place.file
    assert file is not None
    try:
        if write:
            file.parent.mkdir(parents=True, exist_ok=True)
        elif not file.exists():
            raise FileNotFoundError("no such file")
        _check_journal(file)
        if write:
            _repair(file)
        return JournalStorage(JournalFileBackend(str(file)))
    except OSError as error:
        raise _unusable(place, error) from error
    except (ValueError, KeyError, TypeError, AssertionError, RecursionError) as error:
        raise LangspecError(
            f"not a journal of Optuna ({error}); name another file, or move this one away",
            place=file,
        ) from error


def _check_journal(file: Path) -> None:
    """Look at the first line, so that no file of another kind is ever written to.

    Raises:
        LangspecError: a database of SQLite, which has a URL.
        ValueError: something else that is no journal.
    """
    if not file.exists():
        return
    with file.open("rb") as handle:
        head = handle.read(len(SQLITE_HEAD))
        if head == SQLITE_HEAD:
            raise LangspecError(
                f"a database of SQLite, not a journal; did you mean sqlite:///{file}", place=file
            )
        handle.seek(0)
        first = handle.readline(_LINE_BYTES)
    if not first:
        return
    if not first.endswith(b"\n"):
        raise ValueError("it has no whole line")
    if not isinstance(entry := json.loads(first), dict) or "op_code" not in entry:
        raise ValueError("its first line is no entry of one")


def _repair(file: Path) -> None:
    """Move the half line of a writer whose machine went down to a file beside the journal.

    Nothing that is written after such a line could be read.
    """
    if not file.is_file() or not file.stat().st_size:
        return
    with file_lock(file), file.open("rb+") as handle:
        handle.seek(-1, os.SEEK_END)
        if handle.read(1) == b"\n":
            return
        size = handle.seek(0, os.SEEK_END)
        step = min(size, _LINE_BYTES)
        handle.seek(size - step)
        tail = handle.read(step)
        whole = tail.rfind(b"\n") + 1
        if not whole:
            raise ValueError("it has no whole line")
        half = Path(f"{file}.half-{size}")
        half.write_bytes(tail[whole:])
        logger.warning("%s: the last line is half written and was moved to %s", file, half)
        handle.truncate(size - step + whole)
