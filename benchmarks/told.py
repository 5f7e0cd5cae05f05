"""Rows of a benchmark, kept as they come: a run that is cut off has not been for nothing."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Rows:
    """Tidy rows: collected, told to stderr and appended to a CSV file (columns of the first)."""

    def __init__(self, out: Path | None = None) -> None:
        self.all: list[dict[str, Any]] = []
        self._out = out

    def add(self, row: Mapping[str, Any]) -> None:
        """One more."""
        self.all.append(dict(row))
        plain = {k: f"{v:.6g}" if isinstance(v, float) else str(v) for k, v in row.items()}
        print("  " + "  ".join(f"{k} {v}" for k, v in plain.items()), file=sys.stderr, flush=True)
        if self._out is None:
            return
        first = len(self.all) == 1
        self._out.parent.mkdir(parents=True, exist_ok=True)
        with self._out.open("w" if first else "a", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, list(self.all[0]), lineterminator="\n")
            if first:
                writer.writeheader()
            writer.writerow(plain)
