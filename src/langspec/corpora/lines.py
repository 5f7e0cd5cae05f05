"""Numbered lines of a UTF-8 file, one at a time; every fault is refused by file and line."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import shlex
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Literal, cast

from langspec.errors import LangspecError

SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a surrogate pair, which JSON can write and no encoding of characters can hold."""

MAX_LINE_BYTES = 8 << 20
"""A longer line is no text but a file without line ends; reading it whole would fill memory."""

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}


_OPENERS: dict[str, Callable[[Path, str], object]] = {
    ".bz2": bz2.open,
    ".gz": gzip.open,
    ".xz": lzma.open,
}


def without_compression(name: str) -> str:
    """A file's name without the ending ``.bz2``, ``.gz`` or ``.xz``, which readers take."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending}" in _OPENERS else name


def open_bytes(path: Path) -> IO[bytes]:
    """A file's bytes; those of ``.bz2``, ``.gz`` and ``.xz`` are decompressed while read."""
    opener = _OPENERS.get(Path(path).suffix)
    return Path(path).open("rb") if opener is None else cast("IO[bytes]", opener(path, "rb"))


def unreadable(error: Exception) -> str:
    """Why a file, perhaps a compressed one, cannot be read, and what to do."""
    if isinstance(error, EOFError):
        return "the compressed file is cut short; fetch it again"
    # What the system refuses has a number; the modules for gzip and bzip2 give theirs none.
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read ({error.strerror}); check that the file is still there"
    return f"the compressed file is damaged ({error}); fetch it again"


def numbered_lines(
    path: Path,
    *,
    carriage_returns: Literal["refuse", "strip"] = "refuse",
    open_end: bool = True,
) -> Iterator[tuple[int, str]]:
    """Yield ``(number, text)`` for each line, numbers from 1, without the line end.

    Lines end with a line feed only: other Unicode separators (U+2028, U+0085) stay inside.

    Args:
        path: a file of UTF-8 text.
        carriage_returns: ``strip`` takes CR LF as a line end (text files are published so).
        open_end: whether the last line may lack its line feed.

    Raises:
        LangspecError: empty, compressed, not UTF-8, byte order mark, carriage returns, NUL
            characters, an overlong or unfinished line, or the file cannot be read.
    """
    number = 0
    try:
        with open_bytes(path) as handle:
            while raw := handle.readline(MAX_LINE_BYTES + 1):
                number += 1
                if number == 1:
                    _check_start(raw, path)
                yield number, _text(raw, path, number, carriage_returns, open_end)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise LangspecError(unreadable(error), place=path) from None
    if number == 0:
        raise LangspecError("the file is empty; fetch it again or remove it", place=path)


def read_text(path: Path) -> Iterator[tuple[int, str]]:
    """Yield ``(line, text)``, lines from 0, white space around the text removed.

    Empty lines are yielded too, so that the line numbers of parallel files stay aligned.
    Windows line ends are accepted, as NTREX-128 is published with them.

    Raises:
        LangspecError: as :func:`numbered_lines`.
    """
    for number, text in numbered_lines(path, carriage_returns="strip"):
        yield number - 1, text.strip()


def json_objects(path: Path, *, open_end: bool = True) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield ``(number, object)`` for each line of a file of json lines, numbers from 1.

    Raises:
        LangspecError: as :func:`numbered_lines`; a line that is no json object.
    """
    for number, text in numbered_lines(path, open_end=open_end):
        place = f"{path}:{number}"
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise LangspecError(
                f"broken json ({error}); expected one json object a line", place=place
            ) from None
        if not isinstance(value, dict):
            raise LangspecError(
                f"a json {type(value).__name__}; expected one json object a line", place=place
            )
        yield number, value


def _text(raw: bytes, path: Path, number: int, carriage_returns: str, open_end: bool) -> str:
    """One line without its end; see :func:`numbered_lines`."""
    if len(raw) > MAX_LINE_BYTES:
        raise LangspecError(
            f"a line longer than {MAX_LINE_BYTES >> 20} MiB; expected one item a line",
            place=f"{path}:{number}",
        )
    if raw.endswith(b"\n"):
        raw = raw[:-1]
    elif not open_end:
        raise LangspecError(
            "the last line has no line end, so the file seems cut short; fetch it "
            f"again, or, if it is whole, run: echo >> {_quoted(path)}",
            place=f"{path}:{number}",
        )
    if b"\r" in raw:
        raw = _without_return(raw, f"{path}:{number}", carriage_returns)
    if b"\0" in raw:
        raise LangspecError(
            "a NUL character; expected UTF-8 text (a UTF-16 file is converted by: "
            f"iconv -f UTF-16 -t UTF-8 {_quoted(path)})",
            place=f"{path}:{number}",
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LangspecError(
            f"byte 0x{raw[error.start]:02x} at byte {error.start + 1} of the line is "
            "not UTF-8; convert the file, for example: "
            f"iconv -f ISO-8859-1 -t UTF-8 {_quoted(path)}",
            place=f"{path}:{number}",
        ) from None


def _quoted(path: Path | str) -> str:
    """The path as a shell takes it."""
    return shlex.quote(str(path))


def _check_start(raw: bytes, path: Path) -> None:
    if raw.startswith(_BOM):
        raise LangspecError(
            r"starts with a byte order mark; remove it: sed -i '1s/^\xEF\xBB\xBF//' "
            + _quoted(path),
            place=f"{path}:1",
        )
    if raw.startswith(_UTF16):
        raise LangspecError(
            f"is UTF-16; convert it: iconv -f UTF-16 -t UTF-8 {_quoted(path)}", place=f"{path}:1"
        )
    for magic, name in _PACKED.items():
        if raw.startswith(magic):
            raise LangspecError(f"is a {name} archive; unpack it first", place=path)


def _without_return(raw: bytes, place: str, rule: str) -> bytes:
    path, _, number = place.rpartition(":")
    stripped = raw.removesuffix(b"\r")
    if inside := stripped.count(b"\r"):
        every = r"s/\r/\n/g" if inside > 2 else rf"{number}s/\r/ /g"
        cure = "lines that end with it get a line feed" if inside > 2 else "a space in its place"
        raise LangspecError(
            f"a carriage return inside a line, at byte {stripped.index(13) + 1}; {cure}: "
            f"sed -i '{every}' {_quoted(path)}",
            place=place,
        )
    if rule == "refuse":
        raise LangspecError(
            rf"Windows line ends (CR LF); make them LF: sed -i 's/\r$//' {_quoted(path)}",
            place=place,
        )
    return stripped
