"""Figures of task scores by language, and of the gold labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from langspec.measurement.baselines import is_baseline
from langspec.report.marks import SHARES, heat
from langspec.report.plotting import NARROW, Plot, legend, seed_words, span, values_in_words
from langspec.report.run_results import Run, by_family, language_name
from langspec.report.style import EDGE, GROUND, STRIPE, method_style, method_styles
from langspec.report.table import (
    METRIC_TITLES,
    UNIT_PLURALS,
    measured,
    method_label,
    ordered_methods,
    pick,
    scored_languages,
    task_scores,
    task_title,
)
from langspec.results import OVER_LANGUAGES

WHOLE = "whole scale"
BY = "finetune"  # its scores sort the languages


def transfer(run: Run, task: str) -> Plot | None:
    """Accuracy and macro-F1 by language: a dot for each method, its interval, ticks for seeds.

    Heuristics far below would press the methods together: they have a panel of the whole scale.
    """
    scores = task_scores(run, task)
    languages = scored_languages(run, task)
    if scores.empty or not languages:
        return None
    methods = ordered_methods(run, scores["method"])
    trained = [m for m in methods if not is_baseline(m)]
    by = BY if BY in trained else (trained or methods)[-1]
    rows = _sorted_by_score(scores, languages, by, run.source)
    metrics = [m for m in METRIC_TITLES if m in set(scores["metric"])]
    panels = [("accuracy", methods, f"accuracy, {WHOLE}")] if trained < methods else []
    panels += [(m, trained or methods, f"{METRIC_TITLES[m]}, zoomed") for m in metrics]

    height = 1.1 + max(0.3, 0.07 * len(trained) + 0.06) * len(rows)
    figure = Figure(figsize=(NARROW, height), layout="constrained")
    widths = [1 if words.endswith(WHOLE) else 2 for _, _, words in panels]
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False, width_ratios=widths)[0]
    positions = _positions(rows)
    for axis, (metric, shown, words) in zip(axes, panels, strict=True):
        for place in positions[::2]:
            axis.axhspan(place - 0.5, place + 0.5, color=STRIPE, lw=0, zorder=0)
        _dots(axis, run, task, metric, shown, rows)
        axis.set_xlabel(words)
        axis.grid(axis="y", visible=False)
        if words.endswith(WHOLE):
            axis.set_xlim(0, 1)
            axis.set_xticks([0, 0.5, 1])
        else:
            axis.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        if "mean_targets" in rows:
            axis.axhline((positions[-2] + positions[-1]) / 2, color=EDGE, lw=0.8, zorder=1)
    _name_rows(axes[0], rows, positions, run.source)
    legend(figure, methods, method_styles(methods))
    n = scores[scores["language"].isin(languages)]["n"]
    unit = str(scores["unit"].iloc[0])
    caption = (
        f"{task_title(task)}, test split, "
        f"{span(n)} {UNIT_PLURALS.get(unit, unit)} a language. Marker: mean over "
        f"{seed_words(scores, trained)}; vertical ticks: single seeds; line: 95 % interval over "
        "test items, bounds averaged over the seeds. Targets sorted by "
        f"{method_label(by)}."
    )
    means = pick(scores, language="mean_targets", metric="accuracy")
    alt = (
        "Dot plot of test scores by language. Mean accuracy over target languages: "
        + values_in_words(means, methods)
    )
    title = f"{task_title(task)}: scores by language"
    return Plot(f"transfer_{task}", title, caption, alt + ".", figure)


def _dots(
    axis: Axes, run: Run, task: str, metric: str, methods: Sequence[str], rows: Sequence[str]
) -> None:
    """Methods side by side in each language's row; baselines on its middle line."""
    scores = pick(task_scores(run, task), metric=metric)
    seeds = measured(run.results, "task", task=task, split="test", metric=metric)
    trained = [m for m in methods if not is_baseline(m)]
    step = min(0.56 / max(len(trained) - 1, 1), 0.24)
    for method in methods:
        of_method, each = (pick(of, method=method) for of in (scores, seeds))
        by_language = of_method.set_index("language")
        baseline = is_baseline(method)
        offset = 0 if baseline else (trained.index(method) - (len(trained) - 1) / 2) * step
        for code, place in zip(rows, _positions(rows), strict=True):
            if code in by_language.index:
                of_seeds = pick(each, language=code)["value"]
                signs = method_style(method)
                _dot(axis, by_language.loc[code], of_seeds, place + offset, signs, floor=baseline)


def _dot(
    axis: Axes, row: Any, seeds: pd.Series, y: float, signs: tuple[str, str], *, floor: bool
) -> None:
    """One score: interval, seeds as ticks, mean; of a floor the mean alone."""
    colour, marker = signs
    if floor:
        axis.plot(row["value"], y, marker, color=colour, ms=5, mew=1.3, zorder=3)
        return
    if np.isfinite(row["low"]):
        ends = [row["low"], row["high"]]
        looks: dict[str, Any] = {"lw": 1.5, "alpha": 0.55, "solid_capstyle": "round"}
        axis.plot(ends, [y, y], color=colour, zorder=2, **looks)
    if row["seeds"] > 1:
        axis.plot(seeds, [y] * len(seeds), "|", color=colour, ms=5.5, mew=0.9, alpha=0.6, zorder=3)
    axis.plot(row["value"], y, marker, color=colour, ms=5, mew=0.6, mec=GROUND, zorder=4)


def _name_rows(axis: Axes, rows: Sequence[str], positions: Sequence[float], source: str) -> None:
    """Languages beside their rows, the source and the means in bold, from top to bottom."""
    names = OVER_LANGUAGES
    axis.set_yticks(
        positions,
        [
            names.get(code) or language_name(code) + (" (source)" if code == source else "")
            for code in rows
        ],
    )
    for label, code in zip(axis.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if code in names or code == source else "normal")
    axis.set_ylim(max(positions) + 0.5, min(positions) - 0.5)


def _sorted_by_score(
    scores: pd.DataFrame, languages: Sequence[str], method: str, source: str
) -> list[str]:
    reference = pick(scores, method=method, metric="accuracy").set_index("language")["value"]
    targets = [code for code in languages if code != source]
    targets.sort(key=lambda code: (-reference.get(code, -1.0), code))
    head = [source] if source in languages else []
    tail = ["mean_targets"] if "mean_targets" in set(scores["language"]) else []
    return head + targets + tail


def _positions(rows: Sequence[str]) -> list[float]:
    """Row positions, the means a little apart from the languages."""
    return [i + (0.3 if code == "mean_targets" else 0.0) for i, code in enumerate(rows)]


def label_distribution(run: Run, task: str) -> Plot | None:
    """Share of each gold label by language on the test split, from the corpora's card."""
    rows = run.card.get("corpora", {}).get(task, {}).get("rows", ())
    counts = pd.DataFrame(
        {row["language"]: row["labels"] for row in rows if row["split"] == "test"}
    ).T.fillna(0)
    if counts.empty or not counts.to_numpy().sum():
        return None
    codes = by_family(list(counts.index), run.source)
    counts = counts.loc[codes, sorted(counts.columns)]
    shares = counts.div(counts.sum(axis=1), axis=0)
    wide = shares.shape[1] > 6
    figure = Figure(
        figsize=(NARROW if wide else 4.8, 1.15 + 0.25 * len(codes)), layout="constrained"
    )
    axis = figure.subplots()
    bar = {"label": "% of the language", "aspect": 25, "pad": 0.01}
    heat(
        axis,
        100 * shares,
        colours=SHARES,
        digits=7,
        form=".0f",
        bar=True,
        vmin=0,
        cbar_kws=bar,
    )
    axis.set(xlabel="", ylabel="")
    axis.tick_params(length=0)
    axis.set_yticks(np.arange(len(codes)) + 0.5, [language_name(c) for c in codes], rotation=0)
    axis.set_xticks(
        np.arange(shares.shape[1]) + 0.5,
        list(shares.columns),
        rotation=45 if wide else 0,
        ha="right" if wide else "center",
    )
    total = counts.sum(axis=1)
    caption = (
        f"{task_title(task)}: share of each gold label in the prepared test split, per cent of a "
        f"language; {span(total)} labels a language. Languages by family."
    )
    top = counts.sum().sort_values(ascending=False, kind="stable")
    alt = (
        "Heat map of gold label shares by language. Most frequent label: "
        f"{top.index[0]}, {100 * top.iloc[0] / top.sum():.0f} % of all labels."
    )
    title = f"{task_title(task)}: labels of the test split"
    return Plot(f"labels_{task}", title, caption, alt, figure)
