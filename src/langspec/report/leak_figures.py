"""The figure of the language leak by language and layer."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from langspec.report.marks import colour_bar, heat
from langspec.report.plotting import WIDTH, Plot, seed_words, span
from langspec.report.run_results import Run, by_family, language_name
from langspec.report.table import (
    corpus_words,
    decimal,
    leak_scores,
    method_label,
    ordered_methods,
    pick,
    task_title,
)
from langspec.results import RANDOM, at_layer


def leak_heatmap(run: Run, task: str) -> Plot | None:
    """Recall of the token probe by language and layer, one panel for each method."""
    rows = pick(leak_scores(run, task), metric="recall", unit="token")
    if rows.empty or rows["layer"].nunique() < 2:
        return None
    methods = ordered_methods(run, rows["method"])
    codes = by_family(list(rows["language"]), run.source)
    layers = sorted(set(rows["layer"]))
    annotate = len(layers) * len(methods) <= 24
    figure = Figure(figsize=(WIDTH, 1.3 + 0.22 * len(codes)), layout="constrained")
    axes = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
    trained = rows[rows["method"] != RANDOM]["value"]
    low = min(0.95, float(np.floor(trained.min() * 20) / 20)) if len(trained) else 0.0
    for axis, method in zip(axes, methods, strict=True):
        grid = (
            pick(rows, method=method)
            .pivot(index="language", columns="layer", values="value")
            .reindex(index=codes, columns=layers)
        )
        digits = 7 if annotate else None
        heat(axis, grid, digits=digits, vmin=low, vmax=1)
        axis.set_title(method_label(method))
        axis.set_xlabel("layer")
        axis.set_ylabel("")
        axis.tick_params(length=0, labelrotation=0)
        axis.set_yticks(np.arange(len(codes)) + 0.5, [language_name(c) for c in codes])
        every = 1 if len(layers) * len(methods) <= 30 else 2
        axis.set_xticks(np.arange(0, len(layers), every) + 0.5, layers[::every])
    beyond = "min" if float(rows["value"].min()) < low else "neither"
    words = f"recall (zoomed: {low:.2f} to 1)"
    colour_bar(figure, axes, words, shrink=0.8, aspect=30, pad=0.01, extend=beyond)
    caption = (
        f"Models of {task_title(task)}: share of each language's tokens that the linear probe "
        f"names rightly, by layer, on {corpus_words(rows['corpus'])}, test split, "
        f"{span(rows['n'])} tokens a language, mean over {seed_words(rows, methods)}. "
        "Languages by family."
    )
    weakest = at_layer(rows).sort_values(["value", "language"]).iloc[0]
    alt = (
        "Heat map of language probe recall by language and layer. Lowest at the last layer: "
        f"{language_name(weakest['language'])} with {method_label(weakest['method'])}, "
        f"{decimal(weakest['value'])}."
    )
    title = f"{task_title(task)}: language leak by language and layer"
    return Plot(f"leak_languages_{task}", title, caption, alt, figure)
