"""Tidy rows as they were written before measure, eraser, strength and interval had columns."""

from __future__ import annotations

import pandas as pd

OLD = ["task", "method", "seed", "corpus", "split", "language", "layer", "probe", "unit",
       "metric", "value", "n"]  # fmt: skip
SAME = ["task", "method", "strength", "eraser", "seed", "corpus", "split", "language", "layer",
        "probe", "unit", "metric"]  # fmt: skip
"""What makes two rows the same number in both schemas; ``measure`` is new."""


def tidy(old: pd.DataFrame) -> pd.DataFrame:
    """Rows of the old schema in the columns of the new, without ``measure``.

    A bound (``METRIC_low``, ``METRIC_high``) goes beside its value; ``METHOD+ERASER``,
    ``METHOD@STRENGTH`` and ``baseline:NAME`` are taken apart. A task score stands at the layer
    that the head reads, the last one here: it had no layer.
    """
    frame = old.copy()
    parts = (
        frame["method"]
        .str.removeprefix("baseline:")
        .str.extract(r"^(?P<method>[^+@]+)(?:@(?P<strength>[^+]+))?(?:\+(?P<eraser>.+))?$")
    )
    frame["method"] = parts["method"]
    frame["strength"] = parts["strength"].astype(float)
    frame["eraser"] = parts["eraser"].fillna("")
    frame["bound"] = frame["metric"].str.extract(r"_(low|high)$", expand=False).fillna("value")
    frame["metric"] = frame["metric"].str.replace(r"_(low|high)$", "", regex=True)
    wide = frame.pivot(index=[*SAME, "n"], columns="bound", values="value").reset_index()
    return wide.reindex(columns=[*SAME, "value", "low", "high", "n"]).rename_axis(columns=None)
