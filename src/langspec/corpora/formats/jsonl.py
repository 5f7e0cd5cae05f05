"""Json lines: one object an item, its fields named by the section."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from langspec.corpora.formats.fields import FieldFormat, Fields
from langspec.corpora.lines import json_objects


class JsonLines(FieldFormat):
    """``jsonl``."""

    name = "jsonl"

    def items(self, path: Path) -> Iterator[tuple[int, Fields]]:
        """Yield the objects of a file; their lines are refused if they hold anything else."""
        for number, values in json_objects(path):
            yield number, Fields(values, f"{path}:{number}")
