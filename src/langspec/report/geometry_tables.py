"""Tables of geometry, alignment and what fine-tuning moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from langspec.report.pivot import fill, select
from langspec.report.run_results import Run
from langspec.report.spec import IN_SHORT, Column, TableSpec, Where
from langspec.report.table import (
    Table,
    decimal,
    pick,
)
from langspec.results import RANDOM

Place = tuple[str, str]  # corpus and unit


def places(rows: pd.DataFrame) -> list[Place]:
    """Corpus and unit of some rows: the language text first, words before texts."""
    present = set(zip(rows["corpus"], rows["unit"], strict=True))
    return sorted(present, key=lambda pair: (pair[0] != "text", pair[1] != "token", pair))


def of_task(run: Run, task: str, metrics: Sequence[str]) -> pd.DataFrame:
    """Rows of a task's models with one of the metrics."""
    rows = pick(run.geometry, task=task, split="test")
    return rows[rows["metric"].isin(list(metrics))]


def _cell(key: str, label: str, group: str, metric: str, probe: str = "") -> Column:
    return Column(key, label, group, "score", {"metric": metric, "probe": probe})


def _in_csv(key: str, metric: str, probe: str = "") -> Column:
    return replace(_cell(key, "", "", metric, probe), shown=False)


_ROW = (
    Column("place", shown=False),
    Column("layer", "Layer", kind="count"),
    Column("method", "Method"),
    Column("n", shown=False),
)
_ROWS = ("corpus", "unit", "layer", "method")


def _last(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the last layer of each corpus and unit."""
    return rows[rows["layer"] == rows.groupby(["corpus", "unit"])["layer"].transform("max")]


def _filled(
    spec: TableSpec, rows: pd.DataFrame, run: Run, task: str, *, layers: bool
) -> Table | None:
    """The table of the last layer, which has the notes, or the one of every layer."""
    rows = rows[rows["layer"] >= 0]
    if layers:
        spec = replace(
            spec,
            name=spec.name.replace("_{task}", "_layers_{task}"),
            title=spec.title + " by layer",
            page=("layer", *spec.page),
            notes=(),
        )
    else:
        rows = _last(rows) if len(rows) else rows
    words = {"which": "every layer" if layers else "last layer"}
    return fill(spec, rows, run, task=task, words=words)


# --- geometry --------------------------------------------------------------------------------

_FACTORS = ("language", "label")
_BY_FACTOR = ("ami", "ari", "v_measure", "knn_purity", "variance_share", "subspace_share")
_WITH_CHANCE = ("v_measure", "knn_purity", "variance_share", "subspace_share")
_SIZES = {"feature_norm": "norm", "effective_rank": "eff. rank"}
_HEADINGS = {"ami": "AMI", "ari": "ARI", "v_measure": "V", "knn_purity": "10-NN"}
_HEADINGS |= {"variance_share": "variance"}
_CHANCES = {"v_measure": "V chance", "knn_purity": "10-NN ch."}
_PAGE = (
    "ami_{}",
    "ari_{}",
    "v_measure_{}",
    "v_measure_{}_chance",
    "knn_purity_{}",
    "knn_purity_{}_chance",
    "variance_share_{}",
)
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
    "norm and effective rank of the vectors. Mean over seeds; smallest to largest seed.",
    where={"probe": ("", "chance"), "language": "all"},
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
    page=(
        "method",
        *(key.format(factor) for factor in _FACTORS for key in _PAGE),
        *_SIZES,
    ),
    drop_empty=True,
)  # fmt: skip


def geometry_table(run: Run, task: str, *, layers: bool) -> Table | None:
    """Method x (clusters, neighbours, variance by language and label; sizes)."""
    metrics = [f"{m}_{factor}" for factor in _FACTORS for m in _BY_FACTOR]
    rows = of_task(run, task, [*metrics, *_SIZES])
    return _filled(GEOMETRY, rows, run, task, layers=layers)


# --- alignment -------------------------------------------------------------------------------

_RETRIEVAL = ("retrieval", "retrieval_from_source", "retrieval_to_source")
NOT_PARALLEL = (
    "The language text is not parallel by line, so no translations can be looked for: no "
    "retrieval."
)
_FOUND, _LIKE = "Retrieval of translations", "Likeness to the starting encoder"
ALIGNMENT = TableSpec(
    name="alignment_{task}",
    title="{task}: alignment",
    caption="Models of {task}, {which}, test split. "
    "Retrieval: share of sentences whose nearest sentence in the other language, by cosine, "
    "is their translation; mean over the target languages; centred: after the mean of each "
    "language, of training lines, is subtracted. CKA: linear, on the same rows; by chance: "
    "rows permuted. " + IN_SHORT,
    rows=_ROWS,
    columns=(
        *_ROW,
        _cell("retrieval", "both ways", _FOUND, "retrieval", "cosine"),
        _cell("retrieval_from_source", "from source", _FOUND, "retrieval_from_source", "cosine"),
        _cell("retrieval_to_source", "to source", _FOUND, "retrieval_to_source", "cosine"),
        _cell("retrieval_centred", "centred", _FOUND, "retrieval", "centred"),
        _cell("cka", "CKA", _LIKE, "cka"),
        _cell("cka_chance", "by chance", _LIKE, "cka", "chance"),
        _cell("cka_within", "within lang.", _LIKE, "cka_within_language"),
        _in_csv("cka_within_chance", "cka_within_language", "chance"),
    ),
    section="place",
    page=(
        "method",
        *_RETRIEVAL,
        "retrieval_centred",
        "cka",
        "cka_chance",
        "cka_within",
    ),
    drop_empty=True,
)


def alignment_table(run: Run, task: str, *, layers: bool) -> Table | None:
    """Method x (retrieval of translations, CKA with the starting encoder)."""
    cka = of_task(run, task, ["cka", "cka_within_language"])
    present = pick(of_task(run, task, _RETRIEVAL), language="mean_targets")
    rows = pick(
        pd.concat([present.assign(language="all"), cka], ignore_index=True), language="all"
    )
    spec = replace(ALIGNMENT, notes=tuple(_alignment_notes(run, task)))
    return _filled(spec, rows, run, task, layers=layers)


def _alignment_notes(run: Run, task: str) -> list[str]:
    """What retrieval and CKA can tell."""
    notes = []
    chance = pick(of_task(run, task, ["retrieval"]), probe="chance", language="mean_targets")
    if len(chance):
        notes.append(
            f"Retrieval by chance: {decimal(float(chance['value'].iloc[0]))} (one over the "
            "candidates). It asks for the very nearest: texts that are alike in one language "
            "compete. What centring adds was lost to a shift that is the same for every "
            "sentence of a language."
        )
        notes.append(_parallel(run))
    else:
        notes.append(NOT_PARALLEL)
    notes.append(
        "CKA does not see rotations, and large directions rule it: two spaces that both keep "
        "languages far apart look alike whatever else differs; within a language they do not."
    )
    return notes


def _parallel(run: Run) -> str:
    """How the text is known to be parallel, as the card says."""
    notes = run.card.get("corpora", {}).get("text", {}).get("notes", {})
    reason = str(notes.get("parallel", "")).removeprefix("yes").strip(", ")
    return (
        f"The text is taken to be parallel {reason}."
        if reason
        else "The text is parallel by line."
    )


RETRIEVAL_LANGUAGES = TableSpec(
    name="retrieval_languages_{task}",
    title="{task}: retrieval by language",
    caption="Models of {task}, last layer: retrieval of translations between the source and each "
    "language, mean of both directions. " + IN_SHORT,
    rows=("language",),
    columns=(
        Column("language", "Language"),
        Column("code", shown=False),
        Column("n", "lines", kind="count"),
        Column("{}_cosine", "cosine", "{}", "score", {"probe": "cosine"}, "method"),
        Column("{}_centred", "centred", "{}", "score", {"probe": "centred"}, "method"),
    ),
)


def retrieval_languages(run: Run, task: str) -> Table | None:
    """Language x method: retrieval at the last layer, both ways."""
    rows = of_task(run, task, ["retrieval"])
    rows = rows[rows["language"] != "mean_targets"]
    rows = rows[rows["layer"] == rows["layer"].max()]
    return fill(RETRIEVAL_LANGUAGES, rows, run, task=task)


# --- what moved ------------------------------------------------------------------------------

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


def _variance_cell(metric: str, probe: str) -> Column:
    what, _, factor = metric.rpartition("_")
    before = "share before" if what == "variance_share" else "variance before"
    label = before if probe == "before" else "after"
    return _cell(f"{metric}_{probe}", label, f"Variance between {factor}s", metric, probe)


def _angle_cell(metric: str, probe: str) -> Column:
    factor = metric.removeprefix("angle_")
    group = (
        "Angle of principal directions"
        if factor == "principal"
        else f"Angle of the {factor} subspace"
    )
    label = {"": "degrees", "halves": "noise", "chance": "chance"}[probe]
    return _cell(f"{metric}_{probe}" if probe else metric, label, group, metric, probe)


_ENDS = ("before", "after")
_LEVELS = ("", "halves", "chance")
MOVES = TableSpec(
    name="moves_{task}",
    title="{task}: what fine-tuning moved",
    caption="{task}, {which}, test split: each "
    "method beside the starting encoder on the same vectors. Mean principal angle, in "
    "degrees, between the span of the class means before and after, taken across two halves "
    "of the lines. Mean over seeds; smallest to largest seed.",
    where={"language": "all"},
    rows=_ROWS,
    columns=(
        *_ROW,
        *(_in_csv(f"{m}_{probe}", m, probe) for m in _SIZES for probe in _ENDS),
        *(_variance_cell(m, probe) for m in _VARIANCES for probe in _ENDS),
        *(
            _cell(f"{m}_{probe}", probe, "Angle language to label", m, probe)
            for m in _BETWEEN
            for probe in _ENDS
        ),
        *(_angle_cell(m, probe) for m in _TURNED for probe in _LEVELS),
        *(
            _in_csv(f"{m}_{probe}" if probe else m, m, probe)
            for m in _IN_PLACE
            for probe in _LEVELS
        ),
    ),
    section="place",
    notes=MOVES_TELL,
    page=(
        "method",
        *(f"{m}_{probe}" for m in _VARIANCES for probe in _ENDS),
        *(f"{m}_{probe}" if probe else m for m in _TURNED for probe in _LEVELS),
        *(f"angle_language_label_{probe}" for probe in _ENDS),
    ),
    drop_empty=True,
)


def moves_table(run: Run, task: str, *, layers: bool) -> Table | None:
    """Method x (variance before and after, angles), one body a place."""
    rows = of_task(run, task, [*_SIZES, *_VARIANCES, *_TURNED, *_IN_PLACE, *_BETWEEN])
    moved: Where = {"method": tuple(set(pick(rows, probe="after")["method"]) - {RANDOM})}
    return _filled(MOVES, select(rows, moved), run, task, layers=layers)


def geometry_tables(run: Run) -> list[Table]:
    """Every table of geometry, alignment and moves that the run's files allow."""
    present: list[Table | None] = []
    for task in run.tasks:
        for layers in (False, True):
            present += [
                make(run, task, layers=layers)
                for make in (geometry_table, alignment_table, moves_table)
            ]
        present.append(retrieval_languages(run, task))
    return [table for table in present if table is not None]
