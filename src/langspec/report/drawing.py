"""A figure once it is drawn; apart from what draws it, which takes seconds to import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langspec.report.table import (
        Table,
    )


@dataclass(frozen=True)
class Drawing:
    """A figure with its words: its size in CSS pixels, its bytes by format."""

    name: str
    title: str
    caption: str
    alt: str
    width: int
    height: int
    files: Mapping[str, bytes]


def write_parts(folder: Path, tables: Sequence[Table], figures: Sequence[Drawing]) -> None:
    """Write ``tables/*.csv`` and the files of ``figures/``."""
    for sub in ("tables", "figures"):
        (folder / sub).mkdir()
    for table in tables:
        table.write(folder / "tables" / f"{table.name}.csv")
    for figure in figures:
        for kind, data in figure.files.items():
            (folder / "figures" / f"{figure.name}.{kind}").write_bytes(data)
