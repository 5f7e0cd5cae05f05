"""The files of an evaluation: tidy rows as CSV, predictions and maps as Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langspec.files import atomic_folder, write_checksums
from langspec.measures.base import Findings
from langspec.measures.discovery import measures
from langspec.results import Result, results_frame, write_results

PARQUET = ("predictions", "projection")


def write_findings(out: Path, findings: Sequence[Findings]) -> None:
    """Write the folder of an evaluation, whole or not at all.

    Args:
        out: is replaced if it exists.
        findings: of the works, in the order of their rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with atomic_folder(out) as temporary:
        for file in sorted({measure.file for measure in measures()}):
            rows = [row for one in findings for row in one.rows.get(file, [])]
            write_results(temporary / f"{file}.csv", rows)
        moments = [row for one in findings for row in one.tables.get("trajectory", [])]
        _write_moments(temporary / "trajectory.csv", moments)
        for name in PARQUET:
            tables = [table for one in findings for table in one.tables.get(name, [])]
            if tables:
                place = temporary / f"{name}.parquet"
                pq.write_table(pa.concat_tables(tables), place, compression="zstd")
        write_checksums(temporary)


def _write_moments(place: Path, moments: list[dict[str, Any]]) -> None:
    """Write tidy rows with the column ``step`` before the others."""
    rows = [
        Result(**{key: value for key, value in moment.items() if key != "step"})
        for moment in moments
    ]
    frame = results_frame(rows)
    frame.insert(0, "step", [moment["step"] for moment in moments])
    frame.to_csv(place, index=False, float_format="%.6g")
