"""One figure: search before and after the repair, a row a language."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from langspec.repair.fit_methods import NOTHING, title_of
from langspec.repair.protocol import Outcome
from langspec.report.drawing import Drawing
from langspec.report.plotting import WIDTH, Plot, laid_out
from langspec.report.run_results import by_family, language_name
from langspec.report.style import GROUND, MUTED, PALETTE

FORMATS = ("png", "svg")
_TITLES = {
    "recall_10": "translations in top 10",
    "own_share": "own language in top 10",
    "mono_recall_10": "monolingual recall@10",
}


def draw(outcome: Outcome) -> list[Drawing]:
    """The figure as files."""
    plot = laid_out(lambda: before_after(outcome))
    return [plot.drawn(FORMATS)] if plot is not None else []


def before_after(outcome: Outcome) -> Plot:
    """A dumbbell a language: hollow as it is, filled behind the chosen method."""
    before = outcome.test[NOTHING].groupby("language").mean(numeric_only=True)
    after = outcome.test[outcome.choice.method].groupby("language").mean(numeric_only=True)
    codes = by_family(list(before.index))
    shown = [name for name in _TITLES if name in before and before[name].notna().any()]
    figure = Figure(figsize=(WIDTH, 0.75 + 0.16 * max(len(codes), 4)), layout="constrained")
    axes = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axis, name in zip(axes, shown, strict=True):
        _panel(axis, before[name], after[name], codes)
        axis.set_title(_TITLES[name], fontsize=8.5)
        if name == "own_share":
            axis.scatter(
                before.loc[codes, "pool_share"], range(len(codes)), marker="|", color=MUTED, s=40
            )
    axes[0].set_yticks(range(len(codes)), [language_name(code) for code in codes], fontsize=8)
    axes[0].invert_yaxis()
    what = title_of(outcome.choice.method)
    parts = ", ".join(f"{_TITLES[name]} {before[name].mean():.3f}" for name in shown)
    then = ", ".join(f"{after[name].mean():.3f}" for name in shown)
    words = {
        "recall_10": "Left: capped recall@10 in the pool of all languages.",
        "own_share": "Own language: share among the ten nearest texts of other lines; the stroke "
        "is its share of the pool, which a search without bias reads.",
        "mono_recall_10": "Right: what search within the language must not lose.",
    }
    caption = f"Hollow: as it is; filled: {what}. Test lines. "
    caption += " ".join(words[name] for name in shown)
    return Plot(
        "before_after",
        "Before and after, by language of the query",
        caption,
        f"Dumbbells by language. Means before: {parts}. Means behind {what}: {then}.",
        figure,
    )


def _panel(axis: Axes, before: pd.Series, after: pd.Series, codes: list[str]) -> None:
    rows = range(len(codes))
    axis.hlines(rows, before[codes], after[codes], color=PALETTE[0], lw=1.5, zorder=1)
    axis.scatter(before[codes], rows, s=20, facecolors=GROUND, edgecolors=PALETTE[0], zorder=2)
    axis.scatter(after[codes], rows, s=20, color=PALETTE[0], zorder=3)
    axis.set_xlim(-0.03, 1.03)
    axis.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
    axis.grid(axis="y", visible=False)
