"""The MLflow store of runs: where it is, that it is up to date, and that it answers."""

from __future__ import annotations

import glob
import logging
import os
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlparse, urlsplit, urlunsplit

# Read by MLflow when it is imported or first used; a value that the user set wins.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# A server that went away is reported in seconds; the default retries for about four minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
# The default is two minutes, in which a server that hangs would hold a training up.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
# A bar for every model that is saved, on a terminal or not.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# At the end of each run MLflow prints the server's address, password and all; whatever is set.
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from langspec.databases import check_answer
from langspec.errors import LangspecError, without_passwords
from langspec.files import atomic_file

ANSWER_SECONDS = 3.0
"""How long a tracking server may take to answer its first request."""

_SQLITE = "sqlite:///"
_NEW_STORE = 1 << 20  # bytes that an empty store takes, or a little less
_OUTDATED = "out-of-date database schema"


@dataclass(frozen=True, slots=True)
class Store:
    """An MLflow store: its URI, and the folder of artifacts if this program chooses it."""

    uri: str
    artifacts: Path | None

    @property
    def file(self) -> Path | None:
        """The file of a sqlite store; None: a server or another database."""
        sqlite = self.uri.startswith(_SQLITE)
        return Path(unquote(self.uri.removeprefix(_SQLITE))) if sqlite else None

    def __str__(self) -> str:
        """What people read: the place without a password."""
        return shown(self.uri)


def sqlite_uri(file: Path) -> str:
    """The URI of a file. Both SQLAlchemy and MLflow unquote it, and "?" ends its path."""
    path = str(file)
    for character in "%?":  # the percent sign first: the others are written with it
        path = path.replace(character, quote(character))
    return f"{_SQLITE}{path}"


def shown(uri: str) -> str:
    """A URI for people: the path of a sqlite file as it is, any other without its secrets."""
    if uri.startswith(_SQLITE):
        return f"{_SQLITE}{unquote(uri.removeprefix(_SQLITE))}"
    return without_passwords(uri)


def checkout_root(start: Path | None = None) -> Path:
    """The main checkout that ``start`` (default: the working folder) belongs to.

    ``dvc exp run --temp`` and ``--queue`` work in a copy below ``.dvc/tmp/exps`` that is deleted
    afterwards, and a git worktree may be: runs are stored where they stay. ``LANGSPEC_ROOT``
    overrules.
    """
    named = os.environ.get("LANGSPEC_ROOT")
    if named:
        return Path(named).resolve()
    here = Path(start or Path.cwd()).resolve()
    above = (here, *here.parents)
    for folder in above:
        if folder.parts[-3:] == (".dvc", "tmp", "exps"):
            return folder.parents[2]
    for folder in above:
        git = folder / ".git"
        if git.is_file():
            target = Path(git.read_text(encoding="utf-8").partition("gitdir:")[2].strip())
            return target.parents[2] if target.parent.name == "worktrees" else folder
        if git.is_dir() or (folder / "dvc.yaml").is_file():
            return folder
    return here


def tracking_store(uri: str | None = None, *, root: Path | None = None) -> Store:
    """The store to use: ``uri``, else ``MLFLOW_TRACKING_URI``, else sqlite in the main checkout.

    Args:
        uri: ``sqlite:///FILE`` (a relative FILE is taken from ``root``), ``http(s)://HOST:PORT``
            of an MLflow server, or a database URL that MLflow knows; None for the default.
        root: where the program works (default: the working folder); its
            :func:`checkout_root` holds the default store.

    Raises:
        LangspecError: a folder of files was given, which MLflow no longer writes.
    """
    root = checkout_root(root)
    place = "tracking.uri" if uri else "MLFLOW_TRACKING_URI"
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or sqlite_uri(root / "mlflow.db")
    try:
        urlsplit(uri)
    except ValueError as error:
        raise LangspecError(f"{uri!r} is no address ({error})", place=place) from None
    if uri.startswith(_SQLITE):
        # A URI, as `mlflow run` too passes it on, has %20 for a space; a path never is unquoted.
        file = (root / unquote(uri.removeprefix(_SQLITE))).resolve()
        return Store(sqlite_uri(file), file.parent / "mlartifacts")
    if urlparse(uri).scheme in ("", "file"):
        raise LangspecError(
            f"{uri!r} names a folder of files, which MLflow no longer writes; expected "
            "sqlite:///FILE, the http(s):// address of a server, or null",
            place=place,
        )
    return Store(uri, None)


def open_client(store: Store) -> MlflowClient:
    """A client of a store that is ready: created or upgraded once, or a server that answers.

    Raises:
        LangspecError: the server or database cannot be reached (said within five seconds for
            servers), or the file is not an MLflow store.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It logs a traceback for each failure, which is raised all the same, and said in one line.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    if store.file is not None:
        _create_once(store.file)
    elif store.uri.startswith(("http://", "https://")):
        _check_server(store.uri)
    else:
        _check_database(store.uri)
    try:
        try:
            return _connect(store.uri)
        except MlflowException as error:
            if store.file is None or _OUTDATED not in str(error):
                raise
        _upgrade(store.uri, store.file)
        return _connect(store.uri)
    except (MlflowException, SQLAlchemyError) as error:
        first_line = str(error).splitlines()[0]
        raise LangspecError(
            f"the tracking store cannot be used ({first_line}); check tracking.uri, or move the "
            "file away and rebuild it from the results with `langspec replay`",
            place=store,
        ) from error


def _connect(uri: str) -> MlflowClient:
    # MLflow makes the folder of the file anew, by a path that it does not unquote.
    quoted = uri.startswith(_SQLITE) and "%" in uri
    stray = Path(uri.removeprefix(_SQLITE)).parents if quoted else ()
    made = [folder for folder in stray if not folder.exists()]
    try:
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)  # the first request is what may fail
        return client
    finally:
        with suppress(OSError):
            for folder in made:
                folder.rmdir()


def _check_server(uri: str) -> None:
    """One short request: the client's own time-outs are minutes long."""
    try:
        # S310: open_client hands on nothing but http:// and https:// addresses.
        urllib.request.urlopen(_health(uri), timeout=ANSWER_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError:
        return  # something answers; an error of it shows at the first real request
    except (OSError, ValueError) as error:
        raise LangspecError(
            f"the tracking server does not answer ({getattr(error, 'reason', error)}); start it, "
            "or go on without it: unset MLFLOW_TRACKING_URI, set tracking.uri to null, and "
            "bring the runs over later with `langspec replay`",
            place=shown(uri),
        ) from error


def _health(uri: str) -> urllib.request.Request:
    """The request; a name and a password go into a header, as MLflow's client sends them.

    Raises:
        ValueError: no address of a server.
    """
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    request = urllib.request.Request(  # noqa: S310 - as above
        urlunsplit((parts.scheme, host, f"{parts.path.rstrip('/')}/health", "", ""))
    )
    name = parts.username or os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = parts.password or os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if name is not None:
        pair = f"{unquote(name)}:{unquote(password or '')}".encode()
        request.add_header("Authorization", f"Basic {b64encode(pair).decode()}")
    return request


def _check_database(uri: str) -> None:
    """One connection: MLflow tries again and again for over a minute."""
    try:
        url = make_url(uri)
        place = url.render_as_string()
        check_answer(url)
    except (ArgumentError, ValueError):
        return  # not a database: MLflow knows what it is, or says so
    except OSError as error:
        raise LangspecError(
            f"the database does not answer ({error}); start it, or go on without it: unset "
            "MLFLOW_TRACKING_URI, set tracking.uri to null, and bring the runs over later with "
            "`langspec replay`",
            place=place,
        ) from error


def _create_once(file: Path) -> None:
    """Create a sqlite store if there is none, in one process.

    Two processes that touch a fresh file crash each other in its migrations, and a killed one
    would leave half a schema: the file is made under another name and renamed when complete.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and not file.is_file() and not file.is_dir():
        raise LangspecError("is a device or a pipe; set tracking.uri to a file", place=file)
    if _has_content(file):
        _check_file(file)
        return
    with FileLock(f"{file}.lock"):
        if _has_content(file):
            return  # another process was first
        for left in file.parent.glob(f".{glob.escape(file.name)}.*.part*"):
            left.unlink(missing_ok=True)  # of a killed process: who makes a store holds the lock
        with atomic_file(file) as fresh:
            fresh.write_bytes(bytes(_NEW_STORE))  # a full disk: MLflow tries for over a minute
            fresh.unlink()
            _connect(sqlite_uri(fresh))
        with closing(sqlite3.connect(file, timeout=30)) as connection:
            # Stays with the file. Readers and a writer no longer block each other, and a write
            # costs a third.
            connection.execute("PRAGMA journal_mode=WAL")


def _check_file(file: Path) -> None:
    """Refuse at once what is no database of SQLite: MLflow tries again for over a minute.

    SQLite reads it. Were this process to open and close the file itself, it would lose the locks
    of its other connections to it (POSIX), and two writers would damage the store.
    """
    place = f"file:{quote(str(file))}?mode=rw"  # it is not created
    try:
        with closing(sqlite3.connect(place, uri=True, timeout=1)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        if "locked" in str(error):
            return
        raise LangspecError(
            f"expected a file that MLflow wrote with SQLite ({error}); move it away and rebuild "
            "the store from the results with `langspec replay`, or set tracking.uri",
            place=file,
        ) from None


def _has_content(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def _upgrade(uri: str, file: Path) -> None:
    """MLflow's own command (the function behind it is private); it may find nothing left to do."""
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", uri]
    with FileLock(f"{file}.lock"):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last_line = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise LangspecError(
            f"the store of another MLflow could not be upgraded ({last_line}); move the file away "
            "and rebuild it with `langspec replay`",
            place=file,
        )
