"""The rows of a ``tiny`` pipeline that a test holds to those of the code before.

They are in ``reference/``, in the schema of results. Where a change moves numbers on purpose, the
files are written anew from a finished pipeline of that preset::

    python tests/reference_rows.py PROJECT
"""

from __future__ import annotations

import lzma
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from langspec.results import COLUMNS, read_results

FOLDER = Path(__file__).parent / "reference"
TASKS, NAMES = ("pos", "nli"), ("results", "geometry", "trajectory")
_VALUES = ("value", "low", "high")


def sorted_rows(path: Path, name: str) -> pd.DataFrame:
    """The rows of a file of an evaluation, sorted by all columns but its numbers."""
    before = ("step",) if name == "trajectory" else ()
    rows = read_results(path, before=before)
    keys = [column for column in (*before, *COLUMNS) if column not in _VALUES]
    return rows.sort_values([*keys, "value"], ignore_index=True)


def reference(task: str, name: str) -> pd.DataFrame:
    """The rows of the code before."""
    return sorted_rows(FOLDER / f"tiny_{task}_{name}.csv.xz", name)


def written(project: Path) -> Iterator[tuple[Path, str]]:
    """The files of ``reference/``, and their text from a finished pipeline."""
    for task in TASKS:
        for name in NAMES:
            rows = sorted_rows(project / "results/tiny/evaluate" / task / f"{name}.csv", name)
            text = rows.to_csv(index=False, float_format="%.6g", lineterminator="\n")
            yield FOLDER / f"tiny_{task}_{name}.csv.xz", text


if __name__ == "__main__":
    for place, text in written(Path(sys.argv[1])):
        place.write_bytes(lzma.compress(text.encode()))
        print(place)
