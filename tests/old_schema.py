"""Tidy rows in the schema before the columns measure, eraser, strength, low and high.

It named erased methods ``finetune+leace``, points of a path ``grl@0.1`` and heuristics
``baseline:majority``; an interval was two more rows (``accuracy_low``, ``accuracy_high``); task
scores had no layer. The files in ``reference`` are in it, written by the code of that time.
"""

from __future__ import annotations

import pandas as pd

KEYS = (
    "task", "method", "seed", "corpus", "split", "language", "layer", "probe", "unit", "metric"
)  # fmt: skip


def in_old_schema(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of today in the old schema: :data:`KEYS`, ``value`` and ``n``, sorted by the keys."""
    named = rows.assign(
        method=[_method(row) for row in rows.to_dict("records")],
        layer=rows["layer"].where(~_scores(rows), -1),
    )
    parts = [named.assign(value=named["value"])]
    for end in ("low", "high"):
        with_end = named[named[end].notna()]
        parts.append(with_end.assign(metric=with_end["metric"] + f"_{end}", value=with_end[end]))
    return sorted_rows(pd.concat(parts, ignore_index=True))


def sorted_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The old schema's columns, sorted by its keys."""
    columns = [*(key for key in ("step",) if key in rows.columns), *KEYS, "value", "n"]
    chosen = rows[columns]
    return chosen.sort_values(columns[:-2], ignore_index=True)


def _method(row: dict[str, object]) -> str:
    if row["measure"] == "baseline":
        return f"baseline:{row['method']}"
    strength = row["strength"]
    point = "" if pd.isna(strength) else f"@{strength:g}"
    return f"{row['method']}{point}" + (f"+{row['eraser']}" if row["eraser"] else "")


def _scores(rows: pd.DataFrame) -> pd.Series:
    """Scores of a task's head, which stand at the layer that the head reads."""
    return (rows["probe"] == "") & rows["measure"].isin(["task", "erasure"])
