"""How geometry, alignment and what fine-tuning moved are shown: tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langspec.measures.spec import IN_SHORT, SHORTER, Column, TableSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

WHERE = {"measure": "geometry", "split": "test"}
_ROW = (
    Column("place", shown=False),
    Column("layer", "Layer", kind="count"),
    Column("method", "Method"),
    Column("n", shown=False),
)
_ROWS = ("corpus", "unit", "layer", "method")
_FACTORS = ("language", "label")


def _cell(key: str, label: str, group: str, metric: str, probe: str = "") -> Column:
    return Column(key, label, group, "score", {"metric": metric, "probe": probe})


def _in_csv(key: str, metric: str, probe: str = "") -> Column:
    return replace(_cell(key, "", "", metric, probe), shown=False)


# Geometry.

_BY_FACTOR = ("ami", "ari", "v_measure", "knn_purity", "variance_share", "subspace_share")
_WITH_CHANCE = _BY_FACTOR
_SIZES = {"feature_norm": "norm", "effective_rank": "eff. rank"}
_HEADINGS = {"ami": "AMI", "ari": "ARI", "v_measure": "V", "knn_purity": "10-NN"}
_HEADINGS |= {"variance_share": "variance"}
_CHANCES = {"ami": "chance", "ari": "chance", "v_measure": "chance", "knn_purity": "chance"}
_CHANCES |= {"variance_share": "chance"}
_ON_PAGE = ("ami", "ari", "v_measure", "knn_purity", "variance_share")
_PAGE = tuple(f"{m}_{{}}{end}" for m in _ON_PAGE for end in ("", "_chance"))
CAN_TELL = (
    "k-means finds classes only where they are the largest groups of the space: agreement at "
    "chance means that language is not what the space is mainly sorted by, not that it is gone "
    "(the probe says how much can be read). AMI and ARI are 0 by chance; V-measure is not, so its "
    "chance stands beside it.",
    "Variance share: of the variance of all vectors, what lies between the means of the classes. "
    "It sees shifts of the mean only, and falls also where everything else grows.",
)
GEOMETRY = TableSpec(
    name="geometry_{task}",
    title="{task}: geometry",
    caption="Models of {task}, {which}, test split: "
    "agreement of k-means (k: number of languages or labels) with the classes, share of "
    "nearest neighbours of the same class, share of the variance between the classes; mean "
    "norm and effective rank of the vectors. " + SHORTER,
    where={
        **WHERE,
        "metric": (*(f"{m}_{factor}" for factor in _FACTORS for m in _BY_FACTOR), *_SIZES),
        "probe": ("", "chance"),
        "language": "all",
    },
    layers="last",
    by_layer=True,
    rows=_ROWS,
    columns=(
        *_ROW,
        *(
            _cell(f"{m}_{f}", _HEADINGS.get(m, ""), f"By {f}", f"{m}_{f}")
            for f in _FACTORS
            for m in _BY_FACTOR
        ),
        *(_cell(metric, label, "Vectors", metric) for metric, label in _SIZES.items()),
        *(
            _cell(f"{m}_{f}_chance", _CHANCES.get(m, ""), f"By {f}", f"{m}_{f}", "chance")
            for f in _FACTORS
            for m in _WITH_CHANCE
        ),
    ),
    section="place",
    notes=CAN_TELL,
    page=("method", *(key.format(factor) for factor in _FACTORS for key in _PAGE), *_SIZES),
    drop_empty=True,
)

# Alignment.

RETRIEVALS = ("retrieval", "retrieval_from_source", "retrieval_to_source")
LIKENESSES = ("debiased_cka", "debiased_cka_within_language")
NOT_PARALLEL = (
    "The language text is not parallel by line, so no translations can be looked for: no "
    "retrieval."
)
_FOUND, _LIKE = "Retrieval of translations", "Likeness to the starting encoder"


def chance_of_retrieval(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of retrieval by chance; none where nothing was retrieved."""
    chance = (rows["metric"] == "retrieval") & (rows["probe"] == "chance")
    return rows[chance & (rows["measure"] == "geometry") & (rows["language"] == "mean_targets")]


def _retrieval_note(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """What retrieval by chance is, or why there is no retrieval."""
    chance = chance_of_retrieval(rows)
    if chance.empty:
        return NOT_PARALLEL
    return (
        "Retrieval by chance is one over the candidates. It asks for the very nearest: texts that "
        "are alike in one language compete. What centring adds was lost to a shift that is the "
        "same for every sentence of a language."
    )


def _parallel_note(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """How the text is known to be parallel, as the card says."""
    if chance_of_retrieval(rows).empty:
        return ""
    notes = card.get("corpora", {}).get("text", {}).get("notes", {})
    reason = str(notes.get("parallel", "")).removeprefix("yes").strip(", ")
    return (
        f"The text is taken to be parallel {reason}."
        if reason
        else "The text is parallel by line."
    )


ALIGNMENT = TableSpec(
    name="alignment_{task}",
    title="{task}: alignment",
    caption="Models of {task}, {which}, test split. "
    "Retrieval: share of sentences whose nearest sentence in the other language, by cosine, "
    "is their translation; mean over the target languages; centred: after the mean of each "
    "language, of training lines, is subtracted. CKA: linear and debiased, on the same rows; by "
    "chance: rows permuted. " + IN_SHORT,
    where={
        **WHERE,
        "metric": (*RETRIEVALS, *LIKENESSES),
        "language": ("all", "mean_targets"),  # of CKA, of retrieval
    },
    layers="last",
    by_layer=True,
    words={"retrieval": _retrieval_note, "parallel": _parallel_note},
    rows=_ROWS,
    columns=(
        *_ROW,
        _cell("retrieval", "both ways", _FOUND, "retrieval", "cosine"),
        _cell("retrieval_from_source", "from source", _FOUND, "retrieval_from_source", "cosine"),
        _cell("retrieval_to_source", "to source", _FOUND, "retrieval_to_source", "cosine"),
        _cell("retrieval_centred", "centred", _FOUND, "retrieval", "centred"),
        _cell("retrieval_chance", "by chance", _FOUND, "retrieval", "chance"),
        *(
            cell
            for metric, label in zip(LIKENESSES, ("debiased CKA", "within lang."), strict=True)
            for cell in (
                _cell(metric, label, _LIKE, metric),
                _cell(f"{metric}_chance", "by chance", _LIKE, metric, "chance"),
            )
        ),
    ),
    section="place",
    notes=(
        "{retrieval}",
        "{parallel}",
        "CKA does not see rotations, and large directions rule it: two spaces that both keep "
        "languages far apart look alike whatever else differs; within a language they do not.",
    ),
    page=(
        "method",
        *RETRIEVALS,
        "retrieval_centred",
        "retrieval_chance",
        *(f"{metric}{end}" for metric in LIKENESSES for end in ("", "_chance")),
    ),
    drop_empty=True,
)
BY_LANGUAGE = TableSpec(
    name="retrieval_languages_{task}",
    title="{task}: retrieval by language",
    caption="Models of {task}, last layer: retrieval of translations between the source and each "
    "language, mean of both directions. " + IN_SHORT,
    where={**WHERE, "metric": "retrieval"},
    layers="last",
    by_language=True,
    rows=("language",),
    columns=(
        Column("language", "Language"),
        Column("code", shown=False),
        Column("n", "lines", kind="count"),
        Column("{}_cosine", "cosine", "{}", "score", {"probe": "cosine"}, "method"),
        Column("{}_centred", "centred", "{}", "score", {"probe": "centred"}, "method"),
        Column("{}_chance", "chance", "{}", "score", {"probe": "chance"}, "method"),
    ),
)

# What moved.

MOVES_TELL = (
    "Three things lower a share of variance and only look alike to a probe: languages draw "
    "together (the variance itself falls), everything else grows (it does not), languages lie "
    "along other directions (the angle rises above its noise). None of them says what for: "
    "that room was made for the task is an interpretation.",
    "An angle is read between its noise (two halves of the lines, one checkpoint) and chance "
    "(random subspaces). The principal directions turn with everything: a language subspace that "
    "turned no further than they did was carried along.",
)
_TURNED = ("angle_language", "angle_label", "angle_principal")
_IN_PLACE = ("in_place_language", "in_place_label")
_BETWEEN = ("angle_language_label", "label_in_language")
_VARIANCES = tuple(f"{m}_{f}" for f in _FACTORS for m in ("variance_share", "variance"))
_ENDS = ("before", "after")
_SHARES = tuple(f"variance_share_{factor}" for factor in _FACTORS)
_LEVELS = {"": "degrees", "halves": "noise", "chance": "chance"}


def _variance_cell(metric: str, probe: str) -> Column:
    what, _, factor = metric.rpartition("_")
    before = "share before" if what == "variance_share" else "variance before"
    label = before if probe == "before" else "after"
    return _cell(f"{metric}_{probe}", label, f"Variance between {factor}s", metric, probe)


def _level_key(metric: str, probe: str) -> str:
    return f"{metric}_{probe}" if probe else metric


def _angle_cell(metric: str, probe: str) -> Column:
    factor = metric.removeprefix("angle_")
    of = "principal directions" if factor == "principal" else f"the {factor} subspace"
    return _cell(_level_key(metric, probe), _LEVELS[probe], f"Angle of {of}", metric, probe)


MOVES = TableSpec(
    name="moves_{task}",
    title="{task}: what fine-tuning moved",
    caption="{task}, {which}, test split: each "
    "method beside the starting encoder on the same vectors. Mean principal angle, in "
    "degrees, between the span of the class means before and after, taken across two halves "
    "of the lines. " + SHORTER,
    where={
        **WHERE,
        "metric": (*_SIZES, *_VARIANCES, *_TURNED, *_IN_PLACE, *_BETWEEN),
        "language": "all",
    },
    having={**WHERE, "probe": "after"},
    layers="last",
    by_layer=True,
    rows=_ROWS,
    columns=(
        *_ROW,
        *(_in_csv(f"{m}_{probe}", m, probe) for m in _SIZES for probe in _ENDS),
        *(_variance_cell(m, probe) for m in _VARIANCES for probe in _ENDS),
        *(
            _cell(f"{m}_chance", "share by chance", f"Variance between {f}s", m, "chance")
            for m, f in zip(_SHARES, _FACTORS, strict=True)
        ),
        *(
            _cell(f"{m}_{probe}", probe, "Angle language to label", m, probe)
            for m in _BETWEEN
            for probe in (*_ENDS, "chance")
        ),
        *(_angle_cell(m, probe) for m in _TURNED for probe in _LEVELS),
        *(_in_csv(_level_key(m, probe), m, probe) for m in _IN_PLACE for probe in _LEVELS),
    ),
    section="place",
    notes=MOVES_TELL,
    page=(
        "method",
        *(
            f"{m}_{probe}"
            for m in _VARIANCES
            for probe in (*_ENDS, *(["chance"] if m in _SHARES else []))
        ),
        *(_level_key(m, probe) for m in _TURNED for probe in _LEVELS),
        *(f"angle_language_label_{probe}" for probe in (*_ENDS, "chance")),
    ),
    drop_empty=True,
)
