"""Figures of an audit: by layer, who lies beside whom, by language and layer, what is confused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from langspec.audit.answers import confused, ends, groups, percent, probe_f1
from langspec.audit.measure import ERASER, Audited
from langspec.languages import LANGUAGES
from langspec.measurement.mixing import NEAREST, SAMPLE, THRESHOLD, UNDECIDED
from langspec.report.drawing import Drawing
from langspec.report.marks import SHARES, colour_bar, curve, heat, name_cells
from langspec.report.names import name_along
from langspec.report.plotting import WIDTH, Plot, laid_out
from langspec.report.run_results import by_family, language_name
from langspec.report.style import GROUND, MUTED, PALETTE

Encoders = Sequence[Audited]
FORMATS = ("png", "svg")
_MARKERS = ("o", "s")
_DASHES = (0, (3, 2))
_ANNOTATED = 8  # languages up to which every cell of a matrix carries its number
_WIDE = 10  # languages from which two matrices stand below each other


def draw(audits: Encoders) -> list[Drawing]:
    """Every figure that the audit's numbers allow, as files."""
    makers: tuple[Callable[[Encoders], Plot | None], ...] = (
        by_layer,
        neighbours,
        by_language_and_layer,
        confusions,
    )
    plots = (laid_out(lambda make=make: make(audits)) for make in makers)  # type: ignore[misc]
    return [plot.drawn(FORMATS) for plot in plots if plot is not None]


# --- by layer --------------------------------------------------------------------------------


def by_layer(audits: Encoders) -> Plot | None:
    """Apartness, what the probe reads, and what a search finds, by layer."""
    searched = any(audited.searches for audited in audits)
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    axes = figure.subplots(1, 3 if searched else 2, sharey=True)
    for audited, colour, marker in zip(audits, PALETTE, _MARKERS, strict=False):
        name = audited.name if len(audits) > 1 else ""
        _lines(axes, audited, colour, marker, name=name, keyed=audited is audits[0])
    layers = audits[0].layers
    axes[0].axhline(THRESHOLD, color=MUTED, lw=1, ls=":")
    across = [(layer, THRESHOLD) for layer in np.linspace(layers[0], layers[-1], 25)]
    name_along(axes[0], "above: kept apart", across, MUTED, level=True, fontsize=7)
    titles = ["mean apartness", "language read by probe", "translation found first"]
    for axis, title in zip(axes, titles, strict=False):
        axis.set_title(title)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
        axis.set_ylim(0, 1.02)
    axes[0].set_xlabel("layer (0: embeddings)", loc="left")
    alt = "Three line plots by layer. " if searched else "Two line plots by layer. "
    alt += " ".join(map(_ends_in_words, audits))
    return Plot("by_layer", "By layer", _by_layer_caption(searched=searched), alt, figure)


def _lines(
    axes: Sequence[Axes], audited: Audited, colour: str, marker: str, *, name: str, keyed: bool
) -> None:
    """An encoder's line in every panel.

    Args:
        axes: the panels.
        audited: the encoder.
        colour: of its lines, as is ``marker``.
        name: the encoder's, in the first panel; "" where there is one encoder.
        keyed: do its lines say what solid and dashed are?
    """
    layers = list(audited.layers)

    def line(axis: Axes, values: Sequence[float], words: str, *, dashed: bool = False) -> None:
        looks: dict[str, Any] = {}
        if dashed:
            looks = {"dashes": _DASHES, "width": 1.3, "mfc": GROUND, "mec": colour}
        curve(axis, layers, values, colour, marker, size=4.5, **looks)
        if words:
            x = np.linspace(layers[0], layers[-1], 40)
            along = np.stack([x, np.interp(x, layers, values)], axis=1)
            name_along(axis, words, along[::-1], colour if words == name else MUTED, fontsize=7.5)

    apart = [audited.mixings[layer].mean_apartness for layer in layers]
    line(axes[0], [one.value for one in apart], name)
    axes[0].fill_between(
        layers, [one.low for one in apart], [one.high for one in apart], color=colour, alpha=0.2
    )
    for unit, words in (("sentence", "texts"), ("token", "words")):
        read = [probe_f1(audited, unit, layer) for layer in layers]
        line(axes[1], read, words if keyed else "", dashed=unit == "token")
    for eraser, words in (("plain", "as it is"), (ERASER, "language erased")):
        if (eraser, layers[0]) in audited.searches:
            firsts = [audited.searches[eraser, layer].of("translation") for layer in layers]
            values = [one.value for one in firsts]
            line(axes[2], values, words if keyed else "", dashed=eraser == ERASER)


def _ends_in_words(audited: Audited) -> str:
    shown = sorted({audited.layers[0], audited.layers[-1]})
    apart = (f"{ends(audited.mixings[layer].mean_apartness)} at layer {layer}" for layer in shown)
    return f"{audited.name}: mean apartness {', '.join(apart)}."


def _by_layer_caption(*, searched: bool) -> str:
    caption = (
        "Left: how far the languages are kept apart, mean over them: 0 where the texts nearest "
        "to a text are in its language as often as by chance, 1 where all are (translations left "
        "out); "
        f"shaded: 95 % interval over lines; dotted: {THRESHOLD:g}, above which a language is "
        "called kept apart. "
        f"{'Middle' if searched else 'Right'}: macro-F1 of a linear probe that names the language "
        "of a text, and of a single word in its text. "
    )
    if searched:
        caption += (
            "Right: how often the first hit of a search in all languages is a translation, "
            "as it is and after LEACE has erased language linearly."
        )
    return caption


# --- matrices --------------------------------------------------------------------------------


def neighbours(audits: Encoders) -> Plot | None:
    """Language by language: whose texts lie nearest, at the last layer measured."""
    tables = []
    for audited in audits:
        mixed = audited.mixings[audited.layers[-1]]
        tables.append(
            (f"{audited.name}, layer {audited.layers[-1]}", mixed.languages, mixed.shares)
        )
    figure = _matrices(
        tables, "language of the neighbours", f"share of the {NEAREST} nearest texts"
    )
    caption = (
        f"Each row: the languages of the {NEAREST} texts nearest to a text of the row's language, "
        f"in samples of {SAMPLE} texts of each language (cosine, "
        "last layer measured, the same line in other languages left out). A model that "
        "keeps languages apart has a dark diagonal and nothing else; languages that it mixes "
        "share a dark block; where language does not order the space, every cell is at chance "
        f"({percent(1 / len(audits[0].languages))}). Languages by family."
    )
    alt = "Matrix of languages by the languages of their nearest texts. " + " ".join(
        f"{audited.name}: " + _mixed_words(audited) for audited in audits
    )
    return Plot("neighbours", "Which languages are mixed up", caption, alt, figure)


def _mixed_words(audited: Audited) -> str:
    pairs = groups(audited.mixings[audited.layers[-1]]).pairs[:6]
    if not pairs:
        return "no two languages are mixed."
    return (
        "mixed are "
        + ", ".join(f"{language_name(a)} and {language_name(b)}" for a, b, _ in pairs)
        + "."
    )


def confusions(audits: Encoders) -> Plot | None:
    """What the linear probe takes single words for, at the last layer measured."""
    tables = []
    for audited in audits:
        table = audited.confusions["token", audited.layers[-1]].astype(float)
        shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        tables.append((f"{audited.name}, layer {audited.layers[-1]}", audited.languages, shares))
    figure = _matrices(tables, "named as", "share of the words")
    caption = (
        "Each row: what a linear probe names the single words of the row's language, read from "
        "their vectors in context at the last layer measured (test lines)."
    )
    taken = []
    for audited in audits:
        wrong = confused(audited, "token", audited.layers[-1])[:3]
        listed = ", ".join(
            f"{language_name(a)} for {language_name(b)} {percent(v)}" for a, b, v in wrong
        )
        taken.append(f"{audited.name}: {listed or 'nothing above 5 %'}.")
    alt = "Confusion matrix of the word probe. Most taken for another: " + " ".join(taken)
    return Plot("confusions", "What the probe confuses", caption, alt, figure)


def _matrices(
    tables: Sequence[tuple[str, tuple[str, ...], np.ndarray]], across: str, what: str
) -> Figure:
    """Square heat maps, languages by family on both sides."""
    codes = by_family(tables[0][1])
    count = len(codes)
    below = len(tables) > 1 and count >= _WIDE
    rows, columns = (len(tables), 1) if below or len(tables) == 1 else (1, len(tables))
    cell = 0.30 if count >= _WIDE else 0.42
    each = 1.3 + cell * count
    width = WIDTH if columns > 1 else min(WIDTH, each + 1.7)
    height = each if columns == 1 else 1.2 + (WIDTH - 1.6) / columns * 0.85
    figure = Figure(figsize=(width, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    annotate = count <= _ANNOTATED
    for i, (axis, (title, languages, shares)) in enumerate(zip(axes, tables, strict=True)):
        order = [languages.index(code) for code in codes]
        heat(
            axis,
            shares[np.ix_(order, order)],
            colours=SHARES,
            digits=7.5 if annotate else None,
            vmin=0,
            vmax=1,
            square=True,
        )
        if len(tables) > 1:
            axis.set_title(title)
        axis.set_xlabel(across)
        axis.tick_params(length=0)
        axis.set_xticks(np.arange(count) + 0.5, codes, rotation=0 if count < 12 else 90)
        shown = i == 0 or below
        axis.set_yticks(
            np.arange(count) + 0.5,
            [_labelled(code) for code in codes] if shown else [],
            rotation=0,
        )
    colour_bar(figure, axes, what, shrink=0.7, aspect=28, pad=0.02, format="%.1f")
    return figure


def _labelled(code: str) -> str:
    return f"{language_name(code)} ({code})" if code in LANGUAGES else code


def by_language_and_layer(audits: Encoders) -> Plot | None:
    """Apartness of every language at every layer."""
    if all(len(audited.layers) < 2 for audited in audits):
        return None
    codes = by_family(audits[0].languages)
    figure = Figure(figsize=(WIDTH, 1.2 + 0.24 * len(codes)), layout="constrained")
    axes = figure.subplots(1, len(audits), sharey=True, squeeze=False)[0]
    weakest = []
    for axis, audited in zip(axes, audits, strict=True):
        order = [audited.languages.index(code) for code in codes]
        grid = np.stack(
            [audited.mixings[layer].apartness[order] for layer in audited.layers], axis=1
        )
        weakest.append((audited.name, codes[int(grid[:, -1].argmin())], float(grid[:, -1].min())))
        few = len(audited.layers) * len(audits) <= 14
        digits = 7 if few else None
        heat(axis, np.maximum(grid, 0), colours=SHARES, digits=digits, vmin=0, vmax=1)
        _mark_undecided(axis, audited, order)
        if len(audits) > 1:
            axis.set_title(audited.name)
        axis.set_xlabel("layer (0: embeddings)")
        name_cells(axis, [language_name(code) for code in codes], audited.layers)
    colour_bar(figure, axes, "apartness", shrink=0.8, aspect=28, pad=0.01)
    caption = (
        "How far each language is kept apart, by layer: 0 where its texts have as many neighbours "
        "of their own language as by chance, 1 where all neighbours are. A dot: undecided. "
        "Languages by family."
    )
    alt = (
        "Heat map of apartness by language and layer. Least apart at the last layer: "
        + "; ".join(f"{name}, {language_name(code)} {value:.2f}" for name, code, value in weakest)
    )
    return Plot("apartness", "By language and layer", caption, alt + ".", figure)


def _mark_undecided(axis: Axes, audited: Audited, order: Sequence[int]) -> None:
    """A dot in the corner of every cell whose language is undecided at the cell's layer."""
    verdicts = [audited.mixings[layer].verdicts for layer in audited.layers]
    places = [
        (column + 0.85, row + 0.2)
        for column, of_layer in enumerate(verdicts)
        for row, language in enumerate(order)
        if of_layer[language] == UNDECIDED
    ]
    if places:
        across, down = zip(*places, strict=True)
        axis.scatter(across, down, s=6, color=MUTED)
