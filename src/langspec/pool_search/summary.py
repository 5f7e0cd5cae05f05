"""Searches before and after a change: means and paired differences, with intervals over lines.

The translations of a line are not independent queries, so a line with all its languages is what
varies. The standard error of a mean is that of a sum over lines (the linearised ratio of sums;
Cameron, Gelbach and Miller 2008, section II). A mean over languages counts each language once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from langspec.errors import LangspecError
from langspec.languages import LANGUAGES
from langspec.measurement.intervals import LEVEL, Interval, real_interval, share_interval

if TYPE_CHECKING:
    import pandas as pd

OVERALL = "overall"
NAMES = ("language", "line")
"""Columns that name a query; all others are measures."""


def summary(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Means before and after and their difference: overall, by script, and by language.

    Queries without a value (nan) in one of both are left out of a measure.

    Args:
        before: rows of :func:`langspec.pool_search.pool.search_rows`.
        after: rows of the same queries in the same order.

    Returns:
        A row for each ``group`` (overall, script, language), its ``name`` and each ``measure``:
        numbers of ``queries`` and ``lines``, ``before`` and ``after`` with ``_low`` and ``_high``,
        ``difference`` with ``low`` and ``high``. Intervals are of 95 %.

    Raises:
        LangspecError: other queries, or none.
    """
    import pandas as pd

    if not len(before) or not all(np.array_equal(before[c], after[c]) for c in NAMES):
        raise LangspecError(
            f"{len(before)} queries before and {len(after)} after are not the same queries"
        )
    rows: list[dict[str, Any]] = []
    for measure in before.columns.drop(list(NAMES)):
        first, second = (rows[measure].to_numpy(dtype=float) for rows in (before, after))
        known = ~(np.isnan(first) | np.isnan(second))
        if not known.any():
            continue
        clusters = _Clusters(before[known])
        sides = [clusters.by_language(values[known]) for values in (first, second)]
        change = clusters.by_language((second - first)[known])
        for group, name, chosen in clusters.groups():
            spread = [clusters.mean(one, chosen) for one in (*sides, change)]
            rows.append({"group": group, "name": name, "measure": measure} | _row(*spread))
    return pd.DataFrame(rows)


def _row(
    before: tuple[float, float, int, int], after: tuple[float, float, int, int], change: Any
) -> dict[str, Any]:
    """The numbers of one row, from mean, standard error, lines and queries of each side."""
    value, error, lines, queries = change
    row: dict[str, Any] = {"queries": queries, "lines": lines}
    for name, (mean, noise, *_) in (("before", before), ("after", after)):
        level = share_interval(mean, noise, lines, LEVEL)
        row |= {name: level.value, f"{name}_low": level.low, f"{name}_high": level.high}
    interval: Interval = real_interval(value, error, lines, LEVEL)
    return row | {"difference": value, "low": interval.low, "high": interval.high}


class _Clusters:
    """Lines and languages of the queries of one measure."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.codes, self.language = np.unique(
            rows["language"].to_numpy(dtype=str), return_inverse=True
        )
        lines, self.line = np.unique(rows["line"].to_numpy(), return_inverse=True)
        self.shape = (len(lines), len(self.codes))
        self.counts = self._sums(np.ones(len(self.line)))

    def _sums(self, values: np.ndarray) -> np.ndarray:
        """Sums ``[L, K]`` of values ``[q]``."""
        at = self.line * self.shape[1] + self.language
        sums = np.bincount(at, weights=values, minlength=self.shape[0] * self.shape[1])
        return sums.reshape(self.shape)

    def groups(self) -> list[tuple[str, str, np.ndarray]]:
        """The kind and the name of each group, and the indices of its languages."""
        scripts = np.asarray(
            [LANGUAGES[code].script if code in LANGUAGES else "unknown" for code in self.codes]
        )
        return [
            (OVERALL, OVERALL, np.arange(len(self.codes))),
            *(("script", str(s), np.flatnonzero(scripts == s)) for s in np.unique(scripts)),
            *(("language", str(code), np.asarray([i])) for i, code in enumerate(self.codes)),
        ]

    def by_language(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean ``[K]`` of each language, and how each line moves it: ``[L, K]``."""
        sums, totals = self._sums(values), self.counts.sum(axis=0)
        means = sums.sum(axis=0) / totals
        return means, (sums - means * self.counts) / totals

    def mean(
        self, of: tuple[np.ndarray, np.ndarray], chosen: np.ndarray
    ) -> tuple[float, float, int, int]:
        """The mean over languages, its standard error over lines, lines and queries."""
        means, moves = of
        counts = self.counts[:, chosen]
        lines = int((counts.sum(axis=1) > 0).sum())
        square = float(np.square(moves[:, chosen].mean(axis=1)).sum())
        error = np.sqrt(square * lines / (lines - 1)) if lines > 1 else np.nan
        return float(means[chosen].mean()), float(error), lines, int(counts.sum())
