"""Licences of corpora: the file that says one, and the name that it gives."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

_FILE = re.compile(r"(licen[cs]e|copying)(\.(txt|md))?", re.IGNORECASE)
_CREATIVE_COMMONS = re.compile(
    r"\bCC[ -](?P<short>BY(?:-NC)?(?:-SA|-ND)?)[ -](?P<version>\d\.\d)"
    r"|creativecommons\.org/licenses/(?P<link>by[a-z-]*)/(?P<link_version>\d\.\d)",
)
_ATTRIBUTION = re.compile(
    r"Attribution(?P<nc>[ -]NonCommercial)?(?P<sa>[ -]ShareAlike)? (?P<version>\d\.\d)"
)


def licence_files(names: Iterable[str]) -> set[str]:
    """Those of ``names`` that are licences."""
    return {name for name in names if _FILE.fullmatch(PurePosixPath(name).name)}


def licence_beside(name: str, licences: set[str]) -> str | None:
    """The licence file in the file's folder or the nearest folder above it."""
    for parent in PurePosixPath(name).parents:
        beside = sorted(one for one in licences if PurePosixPath(one).parent == parent)
        if beside:
            return beside[0]
    return None


def licence_name(path: Path) -> str | None:
    """The licence that a file names: MIT or one of Creative Commons; None: another, or unread."""
    try:
        with path.open("rb") as handle:
            text = handle.read(1 << 16).decode("utf-8", errors="replace")
    except OSError:
        return None
    if match := _CREATIVE_COMMONS.search(text):
        kind = match["short"] or match["link"].upper()
        return f"CC {kind} {match['version'] or match['link_version']}"
    if match := _ATTRIBUTION.search(text):
        kind = "BY" + ("-NC" if match["nc"] else "") + ("-SA" if match["sa"] else "")
        return f"CC {kind} {match['version']}"
    if "MIT License" in text:
        return "MIT"
    return None
