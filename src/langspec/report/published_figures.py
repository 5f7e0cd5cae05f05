"""Figures beside published numbers: what each measure makes of training, and the curve."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from langspec.measurement.compat.curve import Curve, CurveOptions
from langspec.report.marks import DASHES, curve, key
from langspec.report.plotting import WIDTH, Plot
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
from langspec.report.style import GROUND, MUTED, PALETTE, method_styles
from langspec.report.table import (
    decimal,
    leak_scores,
    method_label,
    ordered_methods,
    pick,
    task_title,
)

SHOWN = {
    "language_text": "language, on text",
    "language_task": "language, on the task's text",
    "label_macro": "task label",
}
STYLES = {"published": (MUTED, "D"), "compat": (PALETTE[1], "s"), "sound": (PALETTE[0], "o")}
FITTING = 24  # letters below a panel that stand in one line
ACCURACIES = (*np.linspace(0, 0.9, 19), *np.linspace(0.91, 1, 19))


def three_columns(run: Run, task: str) -> Plot | None:
    """One panel for each quantity: its methods from left to right, a line for each column."""
    shown = [quantity for quantity in quantities(run, task) if quantity.key in SHOWN]
    if not shown:
        return None
    methods = ordered_methods(run, [m for q in shown for m in q.compat["method"]])
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    axes = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    places = range(len(methods))
    wording = []
    for axis, quantity in zip(axes, shown, strict=True):
        for name in COLUMNS:
            values, spread = _column(run, task, methods, quantity, name)
            known = [i for i in places if np.isfinite(values[i])]
            if not known:
                continue
            colour, marker = STYLES[name]
            dashes = DASHES if name == "published" else "-"
            read = [values[i] for i in known]
            axis.vlines(places, *zip(*spread, strict=True), color=colour, lw=3, alpha=0.35)
            curve(axis, known, read, colour, marker, dashes=dashes, size=6, width=1.6)
            wording.append(
                f"{SHOWN[quantity.key]}, {COLUMNS[name]}: "
                + ", ".join(f"{methods[i]} {decimal(values[i])}" for i in known)
            )
        axis.set_title(SHOWN[quantity.key])
        names = [method_label(method) for method in methods]
        axis.set_xticks(places, names)
        if len("".join(names)) > FITTING:
            axis.set_xticks(places, names, rotation=30, ha="right", rotation_mode="anchor")
        axis.set_xlim(-0.3, len(methods) - 0.7)
        axis.set_ylim(0, 1.02)
        axis.grid(axis="x", visible=False)
    axes[0].set_ylabel("score")
    handles = [
        key(
            f"{label} ({PAPER})" if name == "published" else label,
            color=STYLES[name][0],
            marker=STYLES[name][1],
            mec=GROUND,
            mew=0.6,
            lw=1.6,
            ls=DASHES if name == "published" else "-",
        )
        for name, label in COLUMNS.items()
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=3, handlelength=2.4)
    caption = (
        f"{task_title(task)}: the same quantity by three columns of the table below. Grey: as "
        f"published ({PAPER}), on another encoder and other corpora; orange: their measure on "
        "this run's checkpoints; blue: the sound measure on the same checkpoints (bars: smallest "
        "to largest seed). Compare the shape of the lines, not their heights: the columns share "
        "no scale."
    )
    title = f"{task_title(task)}: what each measure makes of training"
    return Plot(
        f"published_{task}", title, caption, "Line plots. " + "; ".join(wording) + ".", figure
    )


def _column(
    run: Run, task: str, methods: list[str], quantity: Quantity, name: str
) -> tuple[list[float], list[tuple[float, float]]]:
    """Of each method the value and the range over seeds in one column of the table."""
    if name == "published":
        present = [published_value(run, task, method, quantity) for method in methods]
        values = [np.nan if value is None else value for value in present]
        return values, [(np.nan, np.nan)] * len(methods)
    rows = [pick(getattr(quantity, name), method=method).head(1) for method in methods]
    return (
        [float(row["value"].iloc[0]) if len(row) else np.nan for row in rows],
        [tuple(row[["min", "max"]].iloc[0]) if len(row) else (np.nan, np.nan) for row in rows],
    )


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
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
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
        axis.set_title(f"{name} ({spread} tokens a sentence)")
        axis.set_xlabel("token accuracy")
        axis.set_xlim(0, 1.01)
        axis.set_ylim(-0.01, 1.01)
    axes[0].set_ylabel("seqeval macro-F1 of raw language codes")
    star = {"marker": "*", "lw": 0, "ms": 11, "mec": GROUND}
    hollow = {"marker": "o", "mfc": GROUND, "lw": 0, "ms": 6}
    handles = [
        key("errors anywhere", color=MUTED, lw=1.4),
        key("errors as correlated as ours", color=MUTED, lw=1.4, ls=DASHES),
        key("one language always", color=MUTED, **star),
        *(
            key(method_label(m), color=styles[m][0], marker=styles[m][1], lw=0, ms=7, mec=GROUND)
            for m in methods
        ),
        key("hollow: published probe", color=MUTED, **hollow),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=4, columnspacing=1.2)
    caption = (
        f"{task_title(task)}: what seqeval says of language codes against the share of tokens "
        f"named rightly, {len(codes)} languages. Curves: simulated errors in sentences as long as "
        "the ones here, falling anywhere or correlated within sentences as much as those of this "
        "run's probes; star: one language for every token. Points: probes on this run's "
        "checkpoints, the converged one filled, the published one at each of its four settings "
        "hollow; means over seeds. Below the curves: errors spread more evenly over the sentences "
        "than chance would."
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
