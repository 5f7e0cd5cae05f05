"""Figures of the report, each with a caption of what was measured on what, and an alt text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from langspec.report.drawing import Drawing
from langspec.report.erased import ORACLE, eraser_label, tradeoff_points
from langspec.report.geometry_figures import alignment, geometry, moves
from langspec.report.load import (
    History,
    Run,
    by_family,
    is_baseline,
    language_name,
)
from langspec.report.maps import projection
from langspec.report.plotting import (
    WIDTH,
    Plot,
    in_order,
    join,
    laid_out,
    legend,
    seed_words,
    span,
)
from langspec.report.published import is_token, quantities
from langspec.report.style import (
    MARKERS,
    MUTED,
    PALETTE,
    method_styles,
)
from langspec.report.tables import (
    METRIC_TITLES,
    UNIT_PLURALS,
    decimal,
    last_layers,
    leak_scores,
    method_label,
    ordered_methods,
    pick,
    scored_languages,
    task_scores,
    task_title,
)
from langspec.report.trajectories import trajectory
from langspec.results import RANDOM
from langspec.workers import Tell

SHARES = sns.light_palette(PALETTE[0], as_cmap=True)


class Drawer:
    """Draws the figures of one task a call; a worker."""

    facts = None

    def __init__(self, formats: Sequence[str]) -> None:
        self.formats = formats

    def __call__(self, item: tuple[Run, str], tell: Tell) -> tuple[list[Drawing], list[str]]:
        """Figures of a run's task, and a sentence for each that the run's files do not allow."""
        plots, absent = plots_of(*item)
        return [plot.drawn(self.formats) for plot in plots], absent


def plots_of(run: Run, task: str) -> tuple[list[Plot], list[str]]:
    """Every figure of a task that the run's files allow, and a sentence for each other."""
    makers: tuple[tuple[Callable[[Run, str], Plot | None], str], ...] = (
        (transfer, "scores by language"),
        (leak_layers, "language leak by layer"),
        (leak_heatmap, "language leak by language and layer"),
        (tradeoff, "transfer against leak"),
        (geometry, "geometry by layer"),
        (alignment, "alignment by layer"),
        (moves, "principal angles before and after"),
        (trajectory, "language by layer and training step (evaluate.trajectory)"),
        (projection, "t-SNE before and after"),
        (training, "training curves"),
        (label_distribution, "label distribution"),
    )
    if quantities(run, task):
        from langspec.report.published_figures import seqeval_curve, three_columns  # reads Plot

        makers = (*makers, (three_columns, "published numbers"))
        if is_token(pick(run.summary, task=task)):
            makers = (*makers, (seqeval_curve, "seqeval's score against token accuracy"))
    plots, absent = [], []
    for make, what in makers:
        plot = laid_out(lambda make=make: make(run, task))  # type: ignore[misc]
        if plot is None:
            absent.append(f"{task_title(task)}: no figure of {what}; its numbers are absent.")
        else:
            plots.append(plot)
    return plots, absent


# --- transfer --------------------------------------------------------------------------------


def transfer(run: Run, task: str) -> Plot | None:
    """Accuracy and macro-F1 by language: a dot a method, bootstrap interval, seeds as ticks."""
    scores = task_scores(run, task)
    languages = scored_languages(run, task)
    if scores.empty or not languages:
        return None
    methods = ordered_methods(run, scores["method"])
    trained = [m for m in methods if not is_baseline(m)]
    rows = _sorted_by_score(scores, languages, trained or methods, run.source)
    metrics = [m for m in METRIC_TITLES if m in set(scores["metric"])]
    seeds = pick(run.results, task=task, probe="", split="test")

    figure = Figure(figsize=(WIDTH, 1.1 + 0.3 * len(rows)), layout="constrained")
    axes = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    styles = method_styles(methods)
    step = min(0.56 / max(len(trained) - 1, 1), 0.24)
    positions = _positions(rows)
    for axis, metric in zip(axes, metrics, strict=True):
        for place in positions[::2]:
            axis.axhspan(place - 0.5, place + 0.5, color="#f5f7f9", lw=0, zorder=0)
        for method in methods:
            colour, marker = styles[method]
            mine = pick(scores, method=method, metric=metric).set_index("language")
            baseline = is_baseline(method)
            # Methods side by side in their row; baselines on its middle line.
            offset = 0 if baseline else (trained.index(method) - (len(trained) - 1) / 2) * step
            for code, place in zip(rows, positions, strict=True):
                if code not in mine.index:
                    continue
                row, y = mine.loc[code], place + offset
                if baseline:
                    axis.plot(row["value"], y, marker, color=colour, ms=5, mew=1.3, zorder=3)
                    continue
                if np.isfinite(row["low"]):
                    axis.plot(
                        [row["low"], row["high"]],
                        [y, y],
                        color=colour,
                        lw=1.5,
                        alpha=0.55,
                        solid_capstyle="round",
                        zorder=2,
                    )
                if row["seeds"] > 1:
                    each = pick(seeds, method=method, metric=metric, language=code)["value"]
                    axis.plot(each, [y] * len(each), "|", color=colour, ms=5.5, mew=0.9, zorder=3)
                axis.plot(
                    row["value"], y, marker, color=colour, ms=5, mew=0.6, mec="white", zorder=4
                )
        axis.set_xlabel(METRIC_TITLES[metric])
        axis.grid(axis="y", visible=False)
        axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        if "mean_targets" in rows:
            axis.axhline((positions[-2] + positions[-1]) / 2, color="#9aa4ad", lw=0.8, zorder=1)
    names = {"mean_targets": "mean of targets"}
    axes[0].set_yticks(
        positions,
        [
            names.get(code) or language_name(code) + (" (source)" if code == run.source else "")
            for code in rows
        ],
    )
    for label, code in zip(axes[0].get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if code in names or code == run.source else "normal")
    axes[0].set_ylim(max(positions) + 0.5, min(positions) - 0.5)
    legend(figure, methods, styles)
    n = scores[scores["language"].isin(languages)]["n"]
    unit = str(scores["unit"].iloc[0])
    caption = (
        f"{task_title(task)}, corpus {join(scores['corpus'])}, test split, "
        f"{span(n)} {UNIT_PLURALS.get(unit, unit)} a language. Marker: mean over "
        f"{seed_words(scores, trained)}; vertical ticks: single seeds; line: 95 % interval over "
        "test items, bounds averaged over the seeds. Targets sorted by "
        f"{method_label((trained or methods)[-1])}."
    )
    means = pick(scores, language="mean_targets", metric="accuracy")
    alt = "Dot plot of test scores by language. Mean accuracy over target languages: " + "; ".join(
        f"{method_label(row.method)} {decimal(row.value)}" for row in in_order(means, methods)
    )
    title = f"{task_title(task)}: scores by language"
    return Plot(f"transfer_{task}", title, caption, alt + ".", figure)


def _sorted_by_score(
    scores: pd.DataFrame, languages: Sequence[str], methods: Sequence[str], source: str
) -> list[str]:
    reference = pick(scores, method=methods[-1], metric="accuracy").set_index("language")["value"]
    targets = [code for code in languages if code != source]
    targets.sort(key=lambda code: (-reference.get(code, -1.0), code))
    head = [source] if source in languages else []
    tail = ["mean_targets"] if "mean_targets" in set(scores["language"]) else []
    return head + targets + tail


def _positions(rows: Sequence[str]) -> list[float]:
    """Row positions, the means a little apart from the languages."""
    return [i + (0.3 if code == "mean_targets" else 0.0) for i, code in enumerate(rows)]


# --- leak ------------------------------------------------------------------------------------


def leak_layers(run: Run, task: str) -> Plot | None:
    """Macro-F1 of the linear language probe by layer, per token and per sentence."""
    rows = pick(leak_scores(run, task), language="all", metric="macro_f1")
    if rows.empty:
        return None
    chance = pick(leak_scores(run, task, "majority"), language="all", metric="macro_f1")
    units = [unit for unit in ("token", "sentence") if unit in set(rows["unit"])]
    methods = ordered_methods(run, rows["method"])
    seeds = pick(
        run.results,
        task=task,
        probe="linear",
        split="test",
        language="all",
        metric="macro_f1",
    )
    styles = method_styles(methods)
    figure = Figure(figsize=(WIDTH, 3.1), layout="constrained")
    axes = figure.subplots(1, len(units), sharey=True, squeeze=False)[0]
    for axis, unit in zip(axes, units, strict=True):
        for method in methods:
            mine = pick(rows, unit=unit, method=method).sort_values("layer")
            if mine.empty:
                continue
            colour, marker = styles[method]
            is_floor = method == RANDOM
            if mine["low"].notna().all():
                axis.fill_between(
                    mine["layer"], mine["low"], mine["high"], color=colour, alpha=0.16, lw=0
                )
            each = pick(seeds, unit=unit, method=method)
            if each["seed"].nunique() > 1:
                axis.plot(each["layer"], each["value"], "_", color=colour, ms=6, mew=0.9, zorder=4)
            axis.plot(
                mine["layer"],
                mine["value"],
                marker=marker,
                color=colour,
                ms=5,
                lw=1.3 if is_floor else 1.8,
                ls=(0, (4, 2)) if is_floor else "-",
                mec="white",
                mew=0.6,
                clip_on=False,
                zorder=3,
            )
        floor = pick(chance, unit=unit)
        if len(floor):
            level = float(floor["value"].mean())
            axis.axhline(level, color=MUTED, lw=1, ls=":", zorder=1)
            axis.annotate(
                "majority class",
                (1, level),
                xycoords=("axes fraction", "data"),
                xytext=(0, 3),
                textcoords="offset points",
                ha="right",
                fontsize=7.5,
                color=MUTED,
            )
        n = pick(rows, unit=unit)["n"]
        axis.set_title(f"per {unit} (n = {n.max():,})")
        axis.set_xlabel("layer (0: embeddings)")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_ylim(0, 1.02)
    axes[0].set_ylabel("language probe, macro-F1")
    legend(figure, methods, styles)
    caption = (
        f"Models of {task_title(task)}: macro-F1 over languages of a linear probe "
        "trained on the frozen representation of each layer, on corpus "
        f"{join(rows['corpus'])}, test split (lines not seen by the probe). Mean over "
        f"{seed_words(rows, [m for m in methods if m != RANDOM])}; dashes: single seeds; "
        "band: 95 % interval over lines, bounds averaged over the seeds. Dotted: always the "
        "largest class."
    )
    last = last_layers(pick(rows, unit=units[0]))
    alt = (
        f"Line plot of language probe macro-F1 by layer. Last layer, per {units[0]}: "
        + "; ".join(
            f"{method_label(row.method)} {decimal(row.value)}" for row in in_order(last, methods)
        )
    )
    title = f"{task_title(task)}: language leak by layer"
    return Plot(f"leak_{task}", title, caption, alt + ".", figure)


def leak_heatmap(run: Run, task: str) -> Plot | None:
    """Recall of the token probe by language and layer, one panel a method."""
    rows = pick(leak_scores(run, task), metric="recall", unit="token")
    if rows.empty or rows["layer"].nunique() < 2:
        return None
    methods = ordered_methods(run, rows["method"])
    codes = by_family(list(rows["language"]), run.source)
    layers = sorted(set(rows["layer"]))
    annotate = len(layers) * len(methods) <= 24
    figure = Figure(figsize=(WIDTH, 1.3 + 0.22 * len(codes)), layout="constrained")
    axes = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
    low = min(0.9, float(np.floor(rows["value"].min() * 10) / 10))
    for axis, method in zip(axes, methods, strict=True):
        grid = (
            pick(rows, method=method)
            .pivot(index="language", columns="layer", values="value")
            .reindex(index=codes, columns=layers)
        )
        sns.heatmap(
            grid,
            ax=axis,
            cmap="cividis",
            vmin=low,
            vmax=1,
            cbar=False,
            annot=annotate,
            fmt=".2f",
            annot_kws={"fontsize": 7},
            linewidths=0.5,
            linecolor="white",
        )
        axis.set_title(method_label(method))
        axis.set_xlabel("layer")
        axis.set_ylabel("")
        axis.tick_params(length=0, labelrotation=0)
        axis.set_yticks(np.arange(len(codes)) + 0.5, [language_name(c) for c in codes])
        every = 1 if len(layers) * len(methods) <= 30 else 2
        axis.set_xticks(np.arange(0, len(layers), every) + 0.5, layers[::every])
    bar = figure.colorbar(axes[0].collections[0], ax=list(axes), shrink=0.8, aspect=30, pad=0.01)
    bar.set_label("recall")
    bar.outline.set_visible(False)
    caption = (
        f"Models of {task_title(task)}: share of each language's tokens that the linear probe "
        f"names rightly, by layer, corpus {join(rows['corpus'])}, test split, "
        f"{span(rows['n'])} tokens a language, mean over {seed_words(rows, methods)}. "
        "Languages by family."
    )
    weakest = last_layers(rows).sort_values(["value", "language"]).iloc[0]
    alt = (
        "Heat map of language probe recall by language and layer. Lowest at the last layer: "
        f"{language_name(weakest['language'])} with {method_label(weakest['method'])}, "
        f"{decimal(weakest['value'])}."
    )
    title = f"{task_title(task)}: language leak by language and layer"
    return Plot(f"leak_languages_{task}", title, caption, alt, figure)


# --- trade-off -------------------------------------------------------------------------------


def tradeoff(run: Run, task: str) -> Plot | None:
    """Transfer against leak: one point a method and seed, trained or erased, with intervals."""
    points = tradeoff_points(run, task)
    if points.empty:
        return None
    bases = list(dict.fromkeys(points["method"]))
    erasers = sorted({eraser for eraser in points["eraser"] if eraser})
    colours = method_styles(bases)
    spare = [m for m in MARKERS if m not in {colours[base][1] for base in bases}]
    markers = {eraser: spare[i % len(spare)] for i, eraser in enumerate(erasers)}
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    axis = figure.subplots()
    for point in points.to_dict("records"):
        colour, marker = colours[point["method"]]
        eraser = point["eraser"]
        axis.errorbar(
            point["leak"],
            point["score"],
            xerr=_ends(point, "leak"),
            yerr=_ends(point, "score"),
            fmt=markers[eraser] if eraser else marker,
            color=colour,
            # Hollow: told the language, so no way to unlearn it.
            mfc="white" if eraser.endswith(ORACLE) else colour,
            mec=colour if eraser.endswith(ORACLE) else "white",
            mew=1.1 if eraser.endswith(ORACLE) else 0.6,
            ms=6 if eraser else 8,
            elinewidth=0.7,
            alpha=0.85,
            zorder=3 if eraser else 4,
        )
    for base, path in _paths(points):
        axis.plot(path["leak"], path["score"], color=colours[base][0], lw=1.1, alpha=0.7, zorder=2)
        for point in path.to_dict("records"):
            axis.annotate(
                f"λ {point['strength']:g}",
                (point["leak"], point["score"]),
                textcoords="offset points",
                xytext=(5, 6),
                fontsize=7.5,
                color=colours[base][0],
            )
    floor = pick(leak_scores(run, task, "majority"), language="all", unit="token")
    floor = pick(floor, metric="macro_f1")
    if len(floor):
        axis.axvline(float(floor["value"].iloc[0]), color=MUTED, lw=1, ls=":", zorder=1)
    axis.set_xlabel("language leak: token macro-F1 of a fresh linear probe, last layer")
    axis.set_ylabel("accuracy, mean of targets")
    axis.set_xlim(0, 1.02)
    handles = [
        Line2D([], [], color=colours[b][0], marker=colours[b][1], lw=0, ms=8, mec="white",
               label=method_label(b))
        for b in bases
    ]  # fmt: skip
    handles += [
        Line2D([], [], color=MUTED, marker=markers[e], lw=0, ms=6, label=f"+ {eraser_label(e)}",
               mfc="white" if e.endswith(ORACLE) else MUTED)
        for e in erasers
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), 5))
    seeds = points.groupby("label")["seed"].nunique()
    told = span(seeds)
    joined = (
        " Joined by a line: one seed at several strengths of reversal."
        if any(True for _ in _paths(points))
        else ""
    )
    caption = (
        f"{task_title(task)}: mean accuracy over the target languages against the token-level "
        "language leak, test splits; one point a method and seed "
        f"({told} seed{'s' * (told != '1')} a method). Colour: the trained method; "
        "small marker: what was erased from it in closed form, its head kept (hollow: an oracle "
        f"that is told the language).{joined} Bars: 95 % interval over test items. Dotted: "
        "always the largest class. Up and left is better."
    )
    means = points.groupby("label", sort=False)[["leak", "score"]].mean()
    alt = "Scatter plot of transfer against language leak. " + "; ".join(
        f"{method}: leak {decimal(row['leak'])}, accuracy {decimal(row['score'])}"
        for method, row in means.iterrows()
    )
    title = f"{task_title(task)}: transfer against leak"
    return Plot(f"tradeoff_{task}", title, caption, alt + ".", figure)


def _paths(points: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each method trained at several strengths, and its points of one seed by strength."""
    for method, trained in points[points["eraser"] == ""].groupby("method", sort=False):
        further = trained[trained["of_path"]]
        if len(further):
            seeds = trained[trained["seed"].isin(further["seed"])]
            yield str(method), seeds.sort_values("strength")


def _ends(point: dict[Any, Any], key: str) -> list[list[float]]:
    """How far the interval of a point reaches below and above it."""
    return [
        [max(point[key] - point[f"{key}_low"], 0.0)],
        [max(point[f"{key}_high"] - point[key], 0.0)],
    ]


# --- training --------------------------------------------------------------------------------


def training(run: Run, task: str) -> Plot | None:
    """Training loss by step and the dev score by epoch, a thin line a seed."""
    histories = [h for h in run.histories if h.task == task]
    losses = [(h, *found) for h in histories if (found := _loss(h))]
    devs = [(h, metric) for h in histories if (metric := _dev_metric(h.epochs))]
    if not losses and not devs:
        return None
    methods = ordered_methods(run, [h.method for h in histories])
    styles = method_styles(methods)
    figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for history, x, values in losses:
        colour, marker = styles[history.method]
        points = len(x) <= 30
        left.plot(
            x,
            values,
            color=colour,
            lw=1.1,
            alpha=0.85,
            marker=marker if points else None,
            ms=3.5,
            mec="white",
            mew=0.4,
        )
    by_step = any(not h.steps.empty for h, _, _ in losses)
    left.set_xlabel("step" if by_step else "epoch")
    left.set_ylabel("training loss")
    left.set_title("training")
    metric = devs[0][1] if devs else ""
    for history, name in devs:
        colour, marker = styles[history.method]
        epochs = history.epochs
        x = epochs["epoch"] if "epoch" in epochs else pd.Series(range(1, len(epochs) + 1))
        right.plot(
            x, epochs[name], marker=marker, color=colour, ms=4, lw=1.1, mec="white", mew=0.5
        )
        best = chosen_epoch(run, history)
        if best is not None and (x == best).any():
            value = epochs[name][(x == best).to_numpy()].iloc[0]
            right.plot(best, value, "o", ms=10, mfc="none", mec=colour, mew=1.2)
    right.set_xlabel("epoch")
    right.set_ylabel(_metric_words(metric))
    right.set_title("development" + (f", {language_name(run.source)}" if run.source else ""))
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    left.set_ylim(bottom=0)
    legend(figure, methods, styles)
    seeds = sorted({h.seed for h in histories})
    smoothing = "; losses are running means over a fiftieth of the steps" if by_step else ""
    caption = (
        f"Training of {task_title(task)}: a line a seed (seeds {', '.join(map(str, seeds))}). "
        f"Left: training loss{smoothing}. Right: {_metric_words(metric) or 'no development score'}"
        " by epoch; a ring marks the epoch kept, where the files name it."
    )
    alt = f"Training curves of {', '.join(map(method_label, methods))}, {len(seeds)} seed(s)."
    return Plot(f"training_{task}", f"{task_title(task)}: training", caption, alt, figure)


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
    """The epoch kept for a seed, as ``run.json`` names it."""
    document = run.runs.get((history.task, history.method), {})
    for entry in document.get("seeds", ()):
        if entry.get("seed") == history.seed:
            return entry.get("best_epoch")
    return None


# --- labels ----------------------------------------------------------------------------------


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
        figsize=(WIDTH if wide else 4.8, 1.15 + 0.25 * len(codes)), layout="constrained"
    )
    axis = figure.subplots()
    sns.heatmap(
        100 * shares,
        ax=axis,
        cmap=SHARES,
        annot=True,
        fmt=".0f",
        annot_kws={"fontsize": 7},
        linewidths=0.5,
        linecolor="white",
        cbar_kws={"label": "% of the language", "aspect": 25, "pad": 0.01},
        vmin=0,
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
