"""Writing whole or not at all, and hashing."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from langspec.errors import DamagedFile, LangspecError
from langspec.unfinished import prefix_of

logger = logging.getLogger(__name__)

T = TypeVar("T")

CHECKSUMS = "checksums.json"
"""The file beside those that a stage wrote, with the hash of each."""


def _linked(path: Path) -> Path:
    """What a link names, at the end of a chain of them; any other path as it is.

    A link into DVC's cache (``cache.type symlink``) is replaced: what it names is an object that
    other commits share.
    """
    if not path.is_symlink():
        return path
    target = path.resolve()
    return path if "/files/md5/" in target.as_posix() else target


_TAKES_NO_MORE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.ENAMETOOLONG)
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP)  # as Path.exists has it


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Give an error of a disk that takes no more the path that was being written."""
    try:
        yield
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if number is None:  # safetensors and pyarrow raise their own kinds
            said = str(error)
            number = next((one for one in _TAKES_NO_MORE if os.strerror(one) in said), None)
        if number in _TAKES_NO_MORE:
            raise OSError(number, os.strerror(number), str(path)) from error
        raise


def file_above(path: Path) -> Path | None:
    """What of the folders above ``path`` is a file, so that nothing can be written there."""
    modes = ((one, _mode(one)) for one in Path(path).parents)
    return next((one for one, mode in modes if mode is not None and not stat.S_ISDIR(mode)), None)


def _mode(path: Path) -> int | None:
    """What a path is, links followed; None: not there.

    It is looked at once: another process may replace it between two looks.
    """
    try:
        return path.stat().st_mode
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
    except ValueError:  # a name that no file can have
        pass
    return None


def _refuse_devices(path: Path) -> None:
    """Refuse to replace what is neither a file nor a folder, such as ``/dev/null`` or a pipe."""
    mode = _mode(path)
    if mode is not None and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise LangspecError("is a device or a pipe; name a file", place=path)


def _make_parent(path: Path) -> None:
    if (file := file_above(path)) is not None:
        reason = "is a file; expected a folder; move it away, or name another place"
        raise LangspecError(reason, place=file)
    path.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; it becomes ``path`` only if the body succeeds.

    A link stays a link: the file that it names is replaced. A file that is replaced leaves its
    mode to the new one; a file that was not there gets the mode that the umask allows.
    """
    path = _linked(Path(path))
    with _naming(path):
        _refuse_devices(path)
        _make_parent(path)
        # mkstemp for the free name only; its 0600 mode would travel with the rename.
        handle, name = tempfile.mkstemp(
            prefix=prefix_of(path.name), suffix=".part", dir=path.parent
        )
    os.close(handle)
    temporary = Path(name)
    temporary.unlink()
    try:
        with _naming(path):
            yield temporary
        if path.exists():
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``path`` that replaces it if the body succeeds.

    Links and modes are treated as by :func:`atomic_file`.
    """
    path = _linked(Path(path))
    with _naming(path):
        _refuse_devices(path)
        _make_parent(path)
        name = tempfile.mkdtemp(prefix=prefix_of(path.name), suffix=".part", dir=path.parent)
    temporary = Path(name)
    temporary.rmdir()  # mkdtemp for the free name only: its mode is 0700, whatever the umask
    temporary.mkdir()
    try:
        with _naming(path):
            yield temporary
        _replace_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace_folder(temporary: Path, path: Path) -> None:
    """Put a complete folder into the place of another.

    Two renames: the old folder is gone only once the new one is complete. Of two processes that
    replace it at once, both succeed, and the folder of the later one stays.
    """
    replaced = []
    while True:
        with suppress(FileNotFoundError):  # another process replaces it
            if path.is_dir():
                temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        try:
            temporary.rename(path)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        old = Path(tempfile.mkdtemp(prefix=prefix_of(path.name), suffix=".old", dir=path.parent))
        replaced.append(old)
        with suppress(FileNotFoundError):  # another process was first
            path.rename(old / path.name)
    for old in replaced:
        shutil.rmtree(old)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to ``path`` atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as readable, key-sorted JSON to ``path`` atomically."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path, *, cure: str = "write the file anew") -> Any:
    """Read a JSON file written by :func:`write_json`.

    Args:
        path: of the file.
        cure: what to do about a file that is damaged.

    Raises:
        DamagedFile: not UTF-8, or not JSON.
        OSError: no such file, or it cannot be read.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"not JSON ({error}); {cure}", place=path) from None


def read_object(path: Path, *keys: str, cure: str) -> dict[str, Any]:
    """Read a JSON object that has some keys.

    Args:
        path: of the file.
        keys: that it must have.
        cure: what to do about a file that is damaged.

    Raises:
        DamagedFile: no JSON object, or a key is missing.
        OSError: as :func:`read_json`.
    """
    value = read_json(path, cure=cure)
    if not isinstance(value, dict):
        raise DamagedFile(f"a JSON {type(value).__name__}, no object; {cure}", place=path)
    if missing := [key for key in keys if key not in value]:
        raise DamagedFile(f"expected the key {missing[0]!r}; {cure}", place=path)
    return value


def read_record(path: Path, kind: type[T], *, cure: str, schema: int | None = None) -> T:
    """Read a JSON object into a dataclass.

    Args:
        path: of the file.
        kind: the dataclass; every key of the object must be a field of it and have its type.
        cure: what to do about a file that is damaged.
        schema: what the object says under ``schema``; None: it does not say it.

    Raises:
        DamagedFile: no JSON object, another schema, an unknown or missing key, another type.
        OSError: as :func:`read_json`.
    """
    from pydantic import TypeAdapter, ValidationError

    values = read_json(path, cure=cure)
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(values, dict):
        raise DamagedFile(f"a JSON {type(values).__name__}, no object; {cure}", place=path)
    if schema is not None and (actual := values.pop("schema", None)) != schema:
        raise DamagedFile(f"expected schema {schema}, found {actual!r}; {cure}", place=path)
    if unknown := sorted(set(values) - names):
        expected = ", ".join(sorted(names))
        raise DamagedFile(f"unknown key {unknown[0]!r}; expected {expected}; {cure}", place=path)
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        raise DamagedFile(f"{key}: {fault['msg'].lower()}; {cure}", place=path) from None


def cached_json(place: Path, compute: Callable[[], Any]) -> Any:
    """The JSON-able value of a cache entry: read, or computed and written where it is missing.

    A damaged entry is reported, computed anew and replaced.

    Args:
        place: file of the entry.
        compute: gives the value.
    """
    if place.exists():
        try:
            return read_json(place)
        except ValueError:
            logger.warning("%s: unreadable; computed again", place)
    value = compute()
    write_json(place, value)
    return value


def cached_folder(place: Path, write: Callable[[Path], None]) -> Path:
    """The folder of a cache entry; written where it is missing or damaged.

    A file beside it holds the hash of its content. A damaged entry is reported.

    Args:
        place: the folder.
        write: writes its files into an empty folder.

    Returns:
        ``place``.
    """
    hash_file = place.with_name(f"{place.name}.sha256")
    if place.is_dir() and hash_file.is_file():
        if hash_file.read_text(encoding="utf-8").strip() == sha256_folder(place):
            return place
        logger.warning("%s: damaged (hash differs); written again", place)
    with atomic_folder(place) as folder:
        write(folder)
    write_text(hash_file, sha256_folder(place))
    return place


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@cache
def _checksum(path: Path, size: int, modified: int) -> str:
    """SHA-256 of a file, computed once a process as long as its size and time stay the same."""
    return sha256_file(path)


def file_checksum(path: Path) -> str:
    """SHA-256 of a file's bytes, computed once a process."""
    stat = path.stat()
    return _checksum(path.resolve(), stat.st_size, stat.st_mtime_ns)


def write_checksums(folder: Path) -> None:
    """Write the hash of each file of a folder, not of those below, into :data:`CHECKSUMS`."""
    files = sorted(one for one in folder.iterdir() if one.is_file() and one.name != CHECKSUMS)
    hashes = {file.name: sha256_file(file) for file in files}
    write_json(folder / CHECKSUMS, {"schema": 1, "files": hashes})


def checked(path: Path, *, cure: str) -> Path:
    """``path``, whose bytes are those that :func:`write_checksums` noted.

    A file that no checksum names passes: readers check what they can besides.

    Args:
        path: of a file that a command wrote.
        cure: what to do about one that is damaged.

    Raises:
        DamagedFile: other bytes, or no record of checksums.
        OSError: no such file, or it cannot be read.
    """
    record = path.parent / CHECKSUMS
    if not record.is_file():
        return path
    values = read_json(record, cure=cure)
    hashes = values.get("files") if isinstance(values, dict) else None
    if not isinstance(hashes, dict) or values.get("schema") != 1:
        raise DamagedFile(f"no record of checksums of schema 1; {cure}", place=record)
    if path.name in hashes and file_checksum(path) != hashes[path.name]:
        reason = f"damaged: its bytes are not those that were written (another SHA-256); {cure}"
        raise DamagedFile(reason, place=path)
    return path


def sha256_folder(path: Path) -> str:
    """One SHA-256 over the relative names and contents of every file below ``path``."""
    digest = hashlib.sha256()
    for file in sorted(p for p in Path(path).rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{sha256_file(file)}\n".encode())
    return digest.hexdigest()


def sha256_json(value: Any) -> str:
    """SHA-256 of a JSON-able value, independent of key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
