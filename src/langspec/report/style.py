"""Looks shared by the figures: who has which colour and marker, fonts, what a dark page changes.

Colour is never the only sign. A method and an eraser have one colour and one marker in every
figure: those declared here, or, for others, what their names give. So adding one changes no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import product
from typing import Any

from langspec.languages import LANGUAGES
from langspec.measurement.baselines import is_baseline
from langspec.report.colour import TEXT, standing_out
from langspec.report.run_results import language_family
from langspec.report.table import ORACLE
from langspec.results import RANDOM

Sign = tuple[str, str]
"""A colour and one of matplotlib's markers."""

GROUND, INK, MUTED, EDGE, GRID = "#ffffff", "#1d2733", "#66717b", "#9aa4ad", "#e3e7eb"
STRIPE = "#f5f7f9"  # behind every second row
_DARK_GROUND = "#171c22"  # of the page
_DARK = {
    GROUND: _DARK_GROUND,
    INK: "#e4e8ec",
    MUTED: "#a3adb6",
    EDGE: "#6a757f",
    GRID: "#2b333b",
    STRIPE: "#1d232a",
}

# After Okabe and Ito (2008) and Tol (2021): each stands out from white by 3 to 1 or more.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a87900", "#2e8bc0", "#8c6d46", "#404040")
# For families: three of Tol's muted colours behind them, grey for the families that remain.
FAMILIES = (*PALETTE[:5], "#882255", "#332288", "#999933", *PALETTE[5:7])
OTHERS = "#6b7680"
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "h", "p", "<", ">", "d")

METHODS: dict[str, Sign] = {
    "frozen": ("#0072b2", "o"),
    "finetune": ("#d55e00", "s"),
    "control": ("#009e73", "D"),
    "grl": ("#cc79a7", "^"),
    "adversary": ("#a87900", "v"),
    "grl_distil": ("#5c6f1a", "H"),
    RANDOM: ("#7b848c", "X"),
}
ERASERS: dict[str, Sign] = {
    "leace": ("#882255", "*"),
    "inlp": ("#117733", "P"),
    "rlace": ("#332288", "p"),
    "centring": ("#8c6d46", "<"),
    "relative": ("#aa4499", ">"),
    "lir": ("#2e8bc0", "d"),
    "lsar": ("#999933", "h"),
}
_GREY = "#7b848c"
BASELINES: dict[str, Sign] = {
    "majority": (_GREY, "+"),
    "lexicon": (_GREY, "x"),
    "hypothesis_only": (_GREY, "1"),
    "length_overlap": (_GREY, "2"),
}
# What is not declared takes one of these.
_SPARE = tuple(product((*PALETTE[5:], "#332288", "#117733", "#aa4499"), ("P", "h", "p", "d", "8")))
_SPARE_BASELINES = tuple((_GREY, marker) for marker in ("3", "4", "|"))

# Fixed fonts, and a fixed salt for the ids in SVG: the same numbers give the same bytes.
RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.edgecolor": EDGE,
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
    "figure.facecolor": GROUND,
    "savefig.facecolor": GROUND,
    "svg.fonttype": "path",
    "svg.hashsalt": "langspec",
}


def _given(name: str, declared: dict[str, Sign], spare: Sequence[Sign]) -> Sign:
    """What is declared for a name; else what the name alone decides."""
    number = int.from_bytes(sha256(name.encode()).digest()[:4], "big")
    return declared.get(name) or spare[number % len(spare)]


def method_style(method: str) -> Sign:
    """Colour and marker of a method or a heuristic, in every figure."""
    if is_baseline(method):
        return _given(method, BASELINES, _SPARE_BASELINES)
    return _given(method, METHODS, _SPARE)


def method_styles(methods: Sequence[str]) -> dict[str, Sign]:
    """Colour and marker of each method."""
    return {method: method_style(method) for method in methods}


def eraser_style(eraser: str) -> Sign:
    """Colour and marker of an eraser, in every figure; those of an oracle are its eraser's."""
    return _given(eraser.removesuffix(ORACLE), ERASERS, _SPARE)


def name_colour(colour: str) -> str:
    """A mark's colour for the letters of its name: dark enough to read on white."""
    return standing_out(colour, GROUND, TEXT)


def dark_colours() -> dict[str, str]:
    """What each colour of a figure becomes on a dark page."""
    signs = (*METHODS.values(), *ERASERS.values(), *BASELINES.values(), *_SPARE)
    marks = {*(colour for colour, _ in signs), *PALETTE, *FAMILIES, OTHERS}
    every = marks | {name_colour(colour) for colour in marks}
    return {colour: standing_out(colour, _DARK_GROUND, TEXT) for colour in sorted(every)} | _DARK


def language_styles(codes: Sequence[str]) -> dict[str, Sign]:
    """A colour and a marker each while the palette lasts; else colour by family, marker within it.

    No two languages share both.
    """
    ordered = sorted_codes(codes)
    if len(ordered) <= len(FAMILIES):
        return dict(zip(ordered, zip(FAMILIES, MARKERS, strict=False), strict=False))
    families = list(dict.fromkeys(language_family(code) for code in ordered))
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


def class_styles(labels: Sequence[str]) -> dict[str, Sign]:
    """Colour and marker of each label, both changing from one label to the next."""
    return {
        label: (PALETTE[i % len(PALETTE)], MARKERS[i % len(MARKERS)])
        for i, label in enumerate(sorted(set(labels)))
    }
