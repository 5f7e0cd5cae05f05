"""Training curves: loss by step, development score by epoch."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from langspec.report.marks import curve
from langspec.report.plotting import NARROW, Plot, legend
from langspec.report.run_results import History, Run, language_name
from langspec.report.style import method_styles
from langspec.report.table import (
    METRIC_TITLES,
    method_label,
    ordered_methods,
    task_title,
)

FAINT = 0.3  # opacity of single seeds


def training(run: Run, task: str) -> Plot | None:
    """Training loss by step and the dev score by epoch, a thin line for each seed."""
    histories = [h for h in run.histories if h.task == task]
    losses = [(h, *present) for h in histories if (present := _loss(h))]
    devs = [(h, metric) for h in histories if (metric := _dev_metric(h.epochs))]
    if not losses and not devs:
        return None
    methods = ordered_methods(run, [h.method for h in histories])
    styles = method_styles(methods)
    figure = Figure(figsize=(NARROW, 2.7), layout="constrained")
    left, right = figure.subplots(1, 2)
    for history, x, values in losses:
        left.plot(x, values, color=styles[history.method][0], lw=0.8, alpha=FAINT)
    for method in methods:
        of = [pd.Series(y.to_numpy(), x) for h, x, y in losses if h.method == method]
        _mean(left, of, *styles[method], width=1.5)
    by_step = any(not h.steps.empty for h, _, _ in losses)
    left.set_xlabel("step" if by_step else "epoch")
    left.set_ylabel("training loss")
    left.set_title("training")
    metric = devs[0][1] if devs else ""
    for history, name in devs:
        _dev_scores(right, run, history, name, *styles[history.method])
    for method in methods:
        of = [_by_epoch(h)[name] for h, name in devs if h.method == method]
        _mean(right, of, *styles[method], width=1.5)
    right.set_xlabel("epoch")
    right.set_ylabel(_metric_words(metric))
    right.set_title("development" + (f", {language_name(run.source)}" if run.source else ""))
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    left.set_ylim(bottom=0)
    legend(figure, methods, styles)
    seeds = sorted({history.seed for history in histories})
    smoothing = "; losses are running means over a fiftieth of the steps" if by_step else ""
    caption = (
        f"Training of {task_title(task)}: mean over the seeds ({', '.join(map(str, seeds))}), "
        "each seed faint. "
        f"Left: training loss{smoothing}. Right: {_metric_words(metric) or 'no development score'}"
        " by epoch; a ring: the epoch chosen for a seed."
    )
    alt = f"Training curves of {', '.join(map(method_label, methods))}, {len(seeds)} seed(s)."
    return Plot(f"training_{task}", f"{task_title(task)}: training", caption, alt, figure)


def _by_epoch(history: History) -> pd.DataFrame:
    """The history's epochs, indexed by their number."""
    epochs = history.epochs
    number = epochs["epoch"] if "epoch" in epochs else pd.Series(range(1, len(epochs) + 1))
    return epochs.set_axis(number.to_numpy(), axis=0)


def _dev_scores(
    axis: Axes, run: Run, history: History, name: str, colour: str, marker: str
) -> None:
    """Scores by epoch, faint, with a ring around the chosen epoch."""
    scores = _by_epoch(history)[name]
    axis.plot(scores.index, scores, color=colour, lw=0.8, alpha=FAINT)
    best = chosen_epoch(run, history)
    if best is not None and best in scores.index:
        axis.plot(best, scores.loc[best], "o", ms=9, mfc="none", mec=colour, mew=1, alpha=0.7)


def _mean(axis: Axes, seeds: list[pd.Series], colour: str, marker: str, *, width: float) -> None:
    """The mean over seeds at each place that every seed reached."""
    if not seeds:
        return
    mean = pd.concat(seeds, axis=1, join="inner").mean(axis=1)
    sign = marker if len(mean) <= 30 else None
    curve(axis, mean.index, mean, colour, sign, size=4, width=width, clip_on=True)


def _loss(history: History) -> tuple[pd.Series, pd.Series] | None:
    """Loss by step (smoothed), or by epoch where there is no step history."""
    for frame, key in ((history.steps, "step"), (history.epochs, "epoch")):
        names = [c for c in ("loss", "task_loss", "train_loss") if c in frame.columns]
        names += [c for c in frame.columns if "loss" in c and "val" not in c and c not in names]
        if names:
            values = frame[names[0]].astype(float)
            x = frame[key] if key in frame.columns else pd.Series(range(1, len(frame) + 1))
            if key == "step":
                values = values.rolling(max(1, len(frame) // 50), min_periods=1).mean()
            return x, values
    return None


def _dev_metric(epochs: pd.DataFrame) -> str:
    for name in ("val_macro_f1", "val_accuracy"):
        if name in epochs.columns and epochs[name].notna().any():
            return name
    return ""


def _metric_words(name: str) -> str:
    part = name.split("_", 1)[-1] if name else ""
    return f"dev {METRIC_TITLES.get(part, part)}" if part else ""


def chosen_epoch(run: Run, history: History) -> int | None:
    """The epoch that was chosen for a seed, as ``run.json`` names it."""
    document = run.runs.get((history.task, history.method), {})
    for entry in document.get("seeds", ()):
        if entry.get("seed") == history.seed:
            return entry.get("best_epoch")
    return None
