"""Looks shared by the figures: palette, markers, fonts; colour is never the only sign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langspec.languages import LANGUAGES
from langspec.measurement.baselines import is_baseline
from langspec.report.run_results import language_family
from langspec.results import RANDOM

INK, MUTED, GRID = "#1d2733", "#6b7680", "#e3e7eb"

# Okabe and Ito (2008), without the yellow that white paper swallows.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D46", "#404040")
# For families: three of Tol's muted colours behind them, grey for the families that remain.
FAMILIES = (*PALETTE[:7], "#882255", "#332288", "#999933")
OTHERS = "#6b7680"
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "h", "p", "<", ">", "d")

METHOD_STYLES = {
    "frozen": ("#0072B2", "o"),
    "finetune": ("#D55E00", "s"),
    "control": ("#009E73", "D"),
    "grl": ("#CC79A7", "^"),
    "adversary": ("#E69F00", "v"),
    RANDOM: ("#7b848c", "X"),
}

# Fixed fonts, and a fixed salt for the ids in SVG: the same numbers give the same bytes.
RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#9aa4ad",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "langspec",
}


def method_styles(methods: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each method: fixed for the known ones, from the palette for others."""
    styles = {}
    spare = [
        pair
        for pair in zip(PALETTE * 2, MARKERS[5:] + MARKERS[:5], strict=False)
        if pair[0] not in {METHOD_STYLES[m][0] for m in methods if m in METHOD_STYLES}
    ]
    greys = ("#8d969e", "#5c666f", "#b0b7bd")
    baselines = 0
    for method in methods:
        if method in METHOD_STYLES:
            styles[method] = METHOD_STYLES[method]
        elif is_baseline(method):
            styles[method] = (greys[baselines % 3], "x+1"[baselines % 3])
            baselines += 1
        else:
            styles[method] = spare.pop(0) if spare else ("#404040", "*")
    return styles


def language_styles(codes: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour by family, marker within it: no two languages share both."""
    families = list(dict.fromkeys(language_family(code) for code in sorted_codes(codes)))
    sizes = {f: sum(language_family(c) == f for c in codes) for f in families}
    # Families of several languages choose first; those beyond the palette share one grey.
    order = sorted(families, key=lambda f: (-sizes[f], f))
    used: dict[str, int] = {}
    styles = {}
    colours = {f: FAMILIES[i] if i < len(FAMILIES) else OTHERS for i, f in enumerate(order)}
    for family in order:
        for code in sorted_codes([c for c in codes if language_family(c) == family]):
            colour = colours[family]
            index = used.get(colour, 0)
            used[colour] = index + 1
            styles[code] = (colour, MARKERS[index % len(MARKERS)])
    return styles


def sorted_codes(codes: Sequence[str]) -> list[str]:
    """Codes by family, then by English name."""
    return sorted(
        set(codes),
        key=lambda c: (language_family(c), LANGUAGES[c].name if c in LANGUAGES else c),
    )


def class_styles(labels: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each label, both changing from one label to the next."""
    return {
        label: (PALETTE[i % len(PALETTE)], MARKERS[i % len(MARKERS)])
        for i, label in enumerate(sorted(set(labels)))
    }
