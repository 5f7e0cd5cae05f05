"""How geometry, alignment and what fine-tuning moved are shown by layer: figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langspec.measures.geometry_tables import LIKENESSES, NOT_PARALLEL, WHERE, chance_of_retrieval
from langspec.measures.spec import FigureSpec, Level, Panel

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

_PLACES = (
    ("text", "token"),
    ("text", "sentence"),
    ("{task}", "token"),
    ("{task}", "sentence"),
    ("{task}", "pair"),
)
"""Corpus and unit."""
_FACTORS = ("language", "label")


def _place(corpus: str, unit: str) -> dict[str, Any]:
    return {"corpus": corpus, "unit": unit}


def _title(what: str, corpus: str, unit: str) -> str:
    """Two lines that fit a narrow panel."""
    return f"{what}s\n{'text' if corpus == 'text' else 'task'}, per {unit}"


def _class_panels(measure: str) -> tuple[Panel, ...]:
    """A measure of languages, then of labels, at each place."""
    return tuple(
        Panel(
            _title(factor, *place),
            {"metric": f"{measure}_{factor}", "probe": "", **_place(*place)},
            (
                Level(
                    {"metric": f"{measure}_{factor}", "probe": "chance", **_place(*place)},
                    "chance",
                ),
            ),
            scale=measure,
        )
        for factor in _FACTORS
        for place in _PLACES
    )


GEOMETRY = FigureSpec(
    name="geometry_{task}",
    title="{task}: geometry by layer",
    caption="Models of {task}, test split. Top: how far k-means clusters agree with languages or "
    "labels (adjusted mutual information). Bottom: share of the variance between class means. "
    "Mean over {seeds}; band: smallest to largest seed.",
    alt="Line plots by layer of cluster agreement and variance share. Cluster agreement with "
    "languages at the last layer, per sentence of language text: {last}.",
    where={
        **WHERE,
        "metric": tuple(f"{m}_{f}" for m in ("ami", "variance_share") for f in _FACTORS),
        "probe": ("", "chance"),
    },
    panels=_class_panels("ami"),
    below=_class_panels("variance_share"),
    label="k-means, AMI",
    label_below="variance between classes",
    shared=True,
    last={"metric": "ami_language", "probe": "", "corpus": "text", "unit": "sentence"},
    absent="geometry by layer",
    height=4.9,
)


def _nearest(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """What the panels of retrieval show, or why there are none."""
    if chance_of_retrieval(rows).empty:
        return f"{NOT_PARALLEL} "
    return (
        "Left: share of sentences whose nearest in another language is their translation, without "
        "and with language means subtracted (band: 95 % interval over lines). "
    )


_RETRIEVED = {"metric": "retrieval", "language": "mean_targets"}
_SENTENCES = {"language": "all", "corpus": "text", "unit": "sentence"}


def _retrieval_panel(title: str, probe: str, label: str = "") -> Panel:
    chance = Level({**_RETRIEVED, "probe": "chance"}, "chance")
    where = {**_RETRIEVED, "probe": probe}
    return Panel(title, where, (chance,), scale="retrieval", label=label)


def _likeness_panel(title: str, metric: str, label: str = "") -> Panel:
    where = {**_SENTENCES, "metric": metric}
    chance = Level({**where, "probe": "chance"}, "chance")
    return Panel(title, {**where, "probe": ""}, (chance,), limits=(-0.05, 1.03), label=label)


ALIGNMENT = FigureSpec(
    name="alignment_{task}",
    title="{task}: alignment by layer",
    caption="Models of {task}, test sentences. {nearest}Right: debiased linear CKA with the "
    "starting encoder, and within each language. Mean over {seeds}.",
    alt="Line plots by layer of retrieval and CKA. Retrieval at the last layer: {last}.",
    where={**WHERE, "metric": ("retrieval", *LIKENESSES), "language": ("all", "mean_targets")},
    panels=(
        _retrieval_panel("as they are", "cosine", "retrieval of translations"),
        _retrieval_panel("centred by language", "centred"),
        _likeness_panel("all sentences", LIKENESSES[0], "debiased CKA with the start"),
        _likeness_panel("within a language", LIKENESSES[1]),
    ),
    last={**_RETRIEVED, "probe": "cosine"},
    seeds={**_SENTENCES, "metric": LIKENESSES},
    words={"nearest": _nearest},
    absent="alignment by layer",
    height=2.9,
)

_TURNED = (
    *(("language", place) for place in _PLACES),
    *(("label", place) for place in _PLACES),
    ("principal", _PLACES[0]),  # of the text that the others are compared on first
)


def _angle_panel(factor: str, place: tuple[str, str], *, each: bool) -> Panel:
    """The mean angle by layer between its noise and chance, or each angle at the last layer."""
    where = {"metric": f"angle_{factor}", **_place(*place)}
    levels = (
        Level({**where, "probe": "halves"}, "noise"),
        Level({**where, "probe": "chance"}, "chance"),
    )
    title = _title("principal direction" if factor == "principal" else factor, *place)
    where["probe"] = ""
    return Panel(title, where, levels[each:], limits=(0, 93), numbered=each)


MOVES = FigureSpec(
    name="moves_{task}",
    title="{task}: principal angles before and after",
    caption="{task}: angles between what class means span before and after training. Top: their "
    "mean by layer; bottom: each at the last layer. Noise: two halves of the lines; chance: "
    "random subspaces. Mean over {seeds}; band: smallest to largest seed.",
    alt="Line plots of principal angles before and after. Mean angle of the language subspace at "
    "the last layer, in degrees: {last}.",
    where={**WHERE, "language": "all"},
    panels=tuple(_angle_panel(*turned, each=False) for turned in _TURNED),
    below=tuple(_angle_panel(*turned, each=True) for turned in _TURNED),
    label="mean angle, degrees",
    label_below="each angle, degrees",
    x_label_below="angle, from the smallest",
    shared=True,
    last_form=".0f",
    seeds={"metric": ("angle_language", "angle_label", "angle_principal")},
    absent="principal angles before and after",
    width=8.4,
    height=4.9,
)

GEOMETRY_FIGURES = (GEOMETRY, ALIGNMENT, MOVES)
