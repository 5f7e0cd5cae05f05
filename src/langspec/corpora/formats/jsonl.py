"""Json lines: one object an item, its fields named by the section."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from langspec.corpora.formats.fields import FieldFormat, Fields
from langspec.corpora.lines import numbered_lines
from langspec.errors import LangspecError


class JsonLines(FieldFormat):
    """``jsonl``."""

    name = "jsonl"

    def items(self, path: Path) -> Iterator[tuple[int, Fields]]:
        """Yield the objects of a file; their lines are refused if they hold anything else."""
        for number, line in numbered_lines(path):
            place = f"{path}:{number}"
            try:
                values = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise LangspecError(
                    f"broken json ({error}); expected one json object a line", place=place
                ) from None
            if not isinstance(values, dict):
                raise LangspecError(
                    f"a json {type(values).__name__}; expected one json object a line",
                    place=place,
                )
            yield number, Fields(values, place)
