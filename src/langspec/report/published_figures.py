"""Figures beside published numbers: what each measure makes of training, and the curve."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from langspec.measurement.compat.curve import Curve, CurveOptions
from langspec.report.marks import DASHES, key
from langspec.report.names import name_beside
from langspec.report.plotting import NARROW, Plot
from langspec.report.published_tables import (
    COLUMNS,
    CONVERGED,
    PAPER,
    PROBE,
    SEQEVAL,
    SETTINGS,
    Quantity,
    published_rows,
    published_value,
    quantities,
)
from langspec.report.run_results import Run
from langspec.report.style import GROUND, MUTED, method_style, method_styles
from langspec.report.table import (
    decimal,
    leak_scores,
    method_label,
    ordered_methods,
    pick,
    task_title,
)

SHOWN = {
    "language_text": "language, text",
    "language_task": "language, task's text",
    "label_macro": "task label",
}
ACCURACIES = (*np.linspace(0, 0.9, 19), *np.linspace(0.91, 1, 19))


def three_columns(run: Run, task: str) -> Plot | None:
    """One panel for each quantity, a row a method: what each measure gives, joined by a line."""
    shown = [quantity for quantity in quantities(run, task) if quantity.key in SHOWN]
    if not shown:
        return None
    methods = ordered_methods(run, [m for q in shown for m in q.compat["method"]])
    figure = Figure(figsize=(NARROW, 1.35 + 0.26 * len(methods)), layout="constrained")
    axes = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    wording = []
    for axis, quantity in zip(axes, shown, strict=True):
        columns = {name: _column(run, task, methods, quantity, name) for name in COLUMNS}
        for row, method in enumerate(methods):
            _dumbbell(axis, row, method, {name: of[row] for name, of in columns.items()})
        for name, of in columns.items():
            known = [(m, cell[0]) for m, cell in zip(methods, of, strict=True) if cell[0] > -1]
            listed = ", ".join(f"{method} {decimal(value)}" for method, value in known)
            wording += [f"{SHOWN[quantity.key]}, {COLUMNS[name]}: {listed}"] if known else []
        axis.set_title(SHOWN[quantity.key], fontsize=8.5)
        axis.set_xlim(-0.04, 1.04)
        axis.set_xticks([0, 0.5, 1])
        axis.grid(axis="y", visible=False)
    axes[0].set_yticks(range(len(methods)), [method_label(method) for method in methods])
    axes[0].set_ylim(len(methods) - 0.5, -0.5)
    axes[0].set_xlabel("score", loc="left")
    handles = [
        key(
            f"{label} ({PAPER})" if name == "published" else label,
            **{"color": MUTED, "marker": "D" if name == "published" else "o", "lw": 0},
            **{"mfc": GROUND if name == "compat" else MUTED, "mec": MUTED},
        )
        for name, label in COLUMNS.items()
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=3, handletextpad=0.2)
    caption = (
        f"{task_title(task)}: grey as published ({PAPER}; another encoder, other corpora); "
        "hollow their measure on this run's checkpoints, filled the sound one (bars: seeds). "
        "Compare rows, not measures: they share no scale."
    )
    title = f"{task_title(task)}: what each measure makes of training"
    alt = "Dot plots, a row a method. " + "; ".join(wording) + "."
    return Plot(f"published_{task}", title, caption, alt, figure)


Cell = tuple[float, float, float]
"""A value, and the smallest and largest seed; NaN where there is none."""


def _dumbbell(axis: Axes, row: int, method: str, cells: Mapping[str, Cell]) -> None:
    """The row of a method: hollow their measure, filled the sound one, grey what was published."""
    colour, marker = method_style(method)
    ends = [cells[name][0] for name in ("compat", "sound")]
    axis.plot(ends, [row, row], color=colour, lw=1.4, alpha=0.5, zorder=2)
    for name, (value, low, high) in cells.items():
        signs = (MUTED, "D") if name == "published" else (colour, marker)
        hollow = name == "compat"
        axis.plot([low, high], [row, row], color=colour, lw=3.5, alpha=0.35, zorder=2)
        axis.plot(
            value, row, signs[1], color=signs[0], ms=4.5 if name == "published" else 6.5,
            mfc=GROUND if hollow else signs[0], mec=signs[0] if hollow else GROUND,
            mew=1.3 if hollow else 0.6, zorder=3 + (name == "sound"), clip_on=False,
        )  # fmt: skip


def _column(run: Run, task: str, methods: list[str], quantity: Quantity, name: str) -> list[Cell]:
    """Of each method the value and the range over seeds in one column of the table."""
    nothing = (np.nan, np.nan, np.nan)
    if name == "published":
        present = [published_value(run, task, method, quantity) for method in methods]
        return [nothing if value is None else (value, np.nan, np.nan) for value in present]
    rows = [pick(getattr(quantity, name), method=method).head(1) for method in methods]
    return [tuple(row[["value", "min", "max"]].iloc[0]) if len(row) else nothing for row in rows]


def seqeval_curve(run: Run, task: str) -> Plot | None:
    """The score of raw labels against token accuracy: simulated curves, and our probes on them."""
    rows = published_rows(run, task)
    probes = [*(f"{PROBE}/{name}" for name in SETTINGS), CONVERGED]
    points = rows[rows["probe"].isin(probes)]
    lengths = rows[(rows["probe"] == SEQEVAL) & rows["metric"].str.startswith("length_")]
    if points.empty or lengths.empty:
        return None
    codes = tuple(sorted(set(pick(leak_scores(run, task), metric="recall")["language"])))
    methods = ordered_methods(run, points["method"])
    styles = method_styles(methods)
    corpora = [corpus for corpus in ("text", task) if corpus in set(points["corpus"])]
    figure = Figure(figsize=(NARROW, 3.3), layout="constrained")
    axes = figure.subplots(1, len(corpora), sharey=True, squeeze=False)[0]
    wording = []
    for axis, corpus in zip(axes, corpora, strict=True):
        here = pick(points, corpus=corpus)
        correlation = _correlation(here)
        sizes = tuple(pick(lengths, corpus=corpus)["value"].astype(int))
        _curves(axis, codes, sizes, correlation)
        for method in methods:
            for probe in probes:
                selected = pick(here, method=method, probe=probe)
                wording += _point(axis, selected, styles[method], sound=probe == CONVERGED)
        spread = f"{min(sizes)} to {max(sizes)}" if min(sizes) < max(sizes) else f"{min(sizes)}"
        name = "text" if corpus == "text" else "the task's text"
        axis.set_title(f"{name}, {spread} tokens a sentence", fontsize=8.5)
        axis.set_xlabel("token accuracy")
        axis.set_xlim(0, 1.01)
        axis.set_ylim(-0.01, 1.01)
    axes[0].set_ylabel("seqeval macro-F1 of raw codes")
    hollow = {"marker": "o", "mfc": GROUND, "lw": 0, "ms": 6}
    handles = [
        key("errors anywhere", color=MUTED, lw=1.4),
        key("errors as correlated as ours", color=MUTED, lw=1.4, ls=DASHES),
        key("converged probe", color=MUTED, marker="o", lw=0, ms=7, mec=GROUND),
        key("published probe", color=MUTED, **hollow),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=4, columnspacing=1.0)
    caption = (
        f"{task_title(task)}: seqeval's score of language codes against the share of tokens named "
        "rightly. Curves: simulated errors. Points: probes on this run's checkpoints, the "
        "published one at each of its four settings; means over seeds."
    )
    alt = "Curves with points. Converged probes: " + "; ".join(wording) + "."
    title = f"{task_title(task)}: seqeval's score against token accuracy"
    return Plot(f"seqeval_{task}", title, caption, alt, figure)


def _point(axis: Axes, rows: pd.DataFrame, signs: tuple[str, str], *, sound: bool) -> list[str]:
    """Draw one probe on one method's vectors; a sentence where it is the converged one."""
    x = pick(rows, metric="accuracy")["value"]
    y = pick(rows, metric="published_macro_f1")["value"]
    if not (len(x) and len(y)):
        return []
    colour, marker = signs
    axis.plot(
        x, y, marker, color=colour, ms=8 if sound else 6, alpha=0.95,
        mfc=colour if sound else GROUND, mec=GROUND if sound else colour,
        mew=0.6 if sound else 1.3, zorder=5 if sound else 4, clip_on=False,
    )  # fmt: skip
    if not sound:
        return []
    corpus, method = (str(rows[name].iloc[0]) for name in ("corpus", "method"))
    name_beside(axis, method_label(method), (x.iloc[0], y.iloc[0]), colour, fontsize=7.5)
    return [
        f"{corpus}, {method_label(method)}: accuracy {decimal(x.iloc[0])}, score "
        f"{decimal(y.iloc[0])}"
    ]


def _correlation(rows: pd.DataFrame) -> float:
    """Mean intraclass correlation of these probes' errors, within what a Beta can have."""
    present = pick(rows, metric="error_correlation")["value"]
    return float(np.clip(present.mean() if len(present) else 0.0, 0.001, 0.999))


def _curves(
    axis: Axes, codes: tuple[str, ...], lengths: tuple[int, ...], correlation: float
) -> None:
    curve = Curve(CurveOptions(languages=codes, lengths=lengths, correlation=correlation))
    for errors, line in (("iid", "-"), ("clustered", DASHES)):
        present = [curve.point(float(accuracy), errors) for accuracy in ACCURACIES]
        axis.plot(
            [point.accuracy for point in present],
            [point.macro_f1 for point in present],
            color=MUTED,
            lw=1.4,
            ls=line,
            zorder=2,
        )
    always = curve.constant()
    axis.plot(always.accuracy, always.macro_f1, "*", color=MUTED, ms=11, mec=GROUND, zorder=3)
    place = (always.accuracy, always.macro_f1)
    name_beside(axis, "one language\nalways", place, MUTED, fontsize=7)
