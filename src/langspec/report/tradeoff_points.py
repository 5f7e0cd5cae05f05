"""What transfer and leak each training has, trained, erased or at another strength."""

from __future__ import annotations

from typing import Any

import pandas as pd

from langspec.measures.spec import Column, TableSpec
from langspec.precedence import trained_value
from langspec.report.pivot import listed
from langspec.report.run_results import Run
from langspec.report.table import Table, head_rows, leak_unit, pick
from langspec.results import RANDOM, label, leak_rows


def _variants(run: Run, rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Method and eraser of some rows, in the run's order, what is not erased first."""
    present = dict.fromkeys(zip(rows["method"], rows["eraser"], strict=True))
    methods = dict.fromkeys([*run.methods, *(method for method, _ in present)])
    return [
        (method, eraser)
        for method in methods
        for of, eraser in sorted(present, key=lambda pair: pair[1] != "")
        if of == method
    ]


def tradeoff_points(run: Run, task: str) -> pd.DataFrame:
    """One row for each method, eraser, strength and seed that has a leak and a transfer score.

    Columns: ``label`` (what people read), ``method``, ``eraser``, ``seed``, ``of_path`` (is it a
    point of the method's path?), ``strength`` (lambda; NaN for a method without one), then
    ``leak`` (macro-F1 of tokens, or of texts where the task labels
    texts; last layer measured) and ``score`` (accuracy, mean of the targets),
    each with ``_low`` and ``_high``. The leak of an encoder that all seeds share (``frozen``)
    stands at each of them.
    """
    rows = pick(run.results, task=task, split="test")
    rows = rows.sort_values("strength", kind="stable", na_position="first")
    leaks = pick(leak_rows(rows, None), unit=leak_unit(run, task))
    leaks = leaks[leaks["method"] != RANDOM]
    scores = pick(rows, probe="", language="mean_targets", metric="accuracy")
    records = []
    for method, eraser in _variants(run, scores):
        of_leak = pick(leaks, method=method, eraser=eraser)
        of_score = pick(scores, method=method, eraser=eraser)
        for strength, selected in of_score.groupby("strength", dropna=False, sort=False):
            of_path = not pd.isna(strength)
            same = of_leak["strength"] == strength if of_path else of_leak["strength"].isna()
            leak = head_rows(run, task, of_leak[same])
            shared = leak["seed"].nunique() == 1
            for _, score in selected.sort_values("seed").iterrows():
                read = leak if shared else pick(leak, seed=score["seed"])
                if len(read):
                    point: Any = strength if of_path else None
                    place = {
                        "label": label(method, eraser, point),
                        "method": method,
                        "eraser": eraser,
                        "seed": int(score["seed"]),
                        "of_path": of_path,
                        "strength": strength if of_path else _strength(run, task, method),
                    }
                    ends = _with_ends(read.iloc[0], "leak") | _with_ends(score, "score")
                    records.append(place | ends)
    return pd.DataFrame(records)


def _strength(run: Run, task: str, method: str) -> float:
    """Lambda that a method was trained with; NaN where it has none."""
    params = run.runs.get((task, method), {}).get("params", {})
    strength = trained_value(params, task, method, "strength")
    return float("nan") if strength is None else float(strength)


PATH = TableSpec(
    name="path_{task}",
    title="{task}: strengths of reversal",
    caption="{task}: leak (a fresh linear probe, last layer) and transfer at each "
    "strength of gradient reversal; one row for each training, [95 % interval over test items].",
    columns=(
        *(Column(key, shown=False) for key in ("label", "method", "eraser")),
        Column("seed", "Seed", kind="count"),
        Column("of_path", shown=False),
        Column("strength", "lambda", kind="number"),
        Column("leak", "macro-F1", "Language leak", "score"),
        Column("score", "accuracy", "Mean of target languages", "score"),
    ),
    section="method",
    page=("strength", "seed", "leak", "score"),
)


def path_table(run: Run, task: str) -> Table | None:
    """Leak and transfer at each lambda of a path, and at the lambda of the method itself."""
    with_path = set(run.results[run.results["strength"].notna()]["method"])
    points = tradeoff_points(run, task) if with_path else pd.DataFrame()
    if points.empty:
        return None
    selected = points[points["method"].isin(with_path) & (points["eraser"] == "")]
    selected = selected.sort_values(["method", "strength", "seed"])
    records: list[dict[Any, Any]] = selected.to_dict("records")
    return listed(PATH, records, task=task)


def _with_ends(row: pd.Series, key: str) -> dict[str, float]:
    """A value and the ends of its interval; the value itself where it has none."""
    value = float(row["value"])
    ends = {end: float(row[end]) if pd.notna(row[end]) else value for end in ("low", "high")}
    return {key: value} | {f"{key}_{end}": bound for end, bound in ends.items()}
