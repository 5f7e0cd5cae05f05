"""Tables of geometry, alignment and what fine-tuning moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from langspec.report.load import RANDOM, Run, by_family, language_name
from langspec.report.tables import (
    IN_SHORT,
    Column,
    Table,
    _put,
    decimal,
    method_label,
    ordered_methods,
    pick,
    task_title,
)

Where = tuple[str, str]  # corpus and unit


def places(rows: pd.DataFrame) -> list[Where]:
    """Corpus and unit of some rows: the language text first, words before texts."""
    found = set(zip(rows["corpus"], rows["unit"], strict=True))
    return sorted(found, key=lambda pair: (pair[0] != "text", pair[1] != "token", pair))


def place_name(where: Where) -> str:
    """``language text, per token``."""
    corpus, unit = where
    return f"{'language text' if corpus == 'text' else 'task text'}, per {unit}"


def of_task(run: Run, task: str, metrics: Sequence[str]) -> pd.DataFrame:
    """Rows of a task's models with one of the metrics."""
    rows = pick(run.geometry, task=task, split="test")
    return rows[rows["metric"].isin(list(metrics))]


def _shown_layers(rows: pd.DataFrame, layers: bool) -> list[int]:
    found = sorted(set(rows["layer"]) - {-1})
    return found if layers else found[-1:]


def _records(
    run: Run,
    rows: pd.DataFrame,
    cells: dict[str, tuple[str, str]],
    *,
    layers: bool,
    language: str = "all",
) -> list[dict[str, Any]]:
    """One record a place, layer and method; ``cells`` are (metric, probe) by column."""
    records = []
    for where in places(rows):
        here = pick(rows, corpus=where[0], unit=where[1])
        for layer in _shown_layers(here, layers):
            at = pick(here, layer=layer)
            for method in ordered_methods(run, at["method"]):
                mine = pick(at, method=method)
                mine = mine[mine["language"] == language]
                record: dict[str, Any] = {
                    "place": place_name(where),
                    "layer": int(layer),
                    "method": method_label(method),
                    "n": int(mine["n"].max()),
                }
                for key, (metric, probe) in cells.items():
                    _put(record, key, pick(mine, metric=metric, probe=probe))
                records.append(record)
    return records


def _table(
    name: str,
    task: str,
    title: str,
    caption: str,
    columns: Sequence[Column],
    records: list[dict[str, Any]],
    *,
    layers: bool,
    notes: Sequence[str] = (),
) -> Table:
    """The table of the last layer, which has the notes, or the one of every layer."""
    name = f"{name}{'_layers' if layers else ''}_{task}"
    title = f"{task_title(task)}: {title}" + (" by layer" if layers else "")
    if layers:
        columns, notes = [Column("layer", "Layer", kind="count"), *columns], ()
    frame = pd.DataFrame(records)
    # A measure that this run does not have (labels, retrieval) is no column of dashes.
    shown = [c for c in columns if c.kind != "score" or frame[c.key].notna().any()]
    return Table(name, title, caption, tuple(shown), frame, section="place", notes=tuple(notes))


# --- geometry --------------------------------------------------------------------------------

_FACTORS = ("language", "label")
_BY_FACTOR = ("ami", "ari", "v_measure", "knn_purity", "variance_share", "subspace_share")
_SIZES = ("feature_norm", "effective_rank")
CAN_TELL = (
    "k-means finds classes only where they are the largest groups of the space: agreement at "
    "chance means that language is not what the space is mainly sorted by, not that it is gone "
    "(the probe says how much can be read). AMI and ARI are 0 by chance; V-measure is not, so its "
    "chance stands beside it.",
    "Variance share: of the variance of all vectors, what lies between the means of the classes. "
    "It sees shifts of the mean only, and falls also where everything else grows.",
)


def geometry_table(run: Run, task: str, *, layers: bool) -> Table | None:
    """Method x (clusters, neighbours, variance by language and label; sizes)."""
    metrics = [f"{m}_{factor}" for factor in _FACTORS for m in _BY_FACTOR]
    rows = of_task(run, task, [*metrics, *_SIZES])
    rows = rows[rows["probe"].isin(["", "chance"])]
    if rows.empty:
        return None
    cells = {metric: (metric, "") for metric in [*metrics, *_SIZES]}
    for factor in _FACTORS:
        for metric in ("v_measure", "knn_purity", "variance_share", "subspace_share"):
            cells[f"{metric}_{factor}_chance"] = (f"{metric}_{factor}", "chance")
    columns = [Column("method", "Method")]
    for factor in _FACTORS:
        group = "By " + factor
        columns += [
            Column(f"ami_{factor}", "AMI", group, "score"),
            Column(f"ari_{factor}", "ARI", group, "score"),
            Column(f"v_measure_{factor}", "V", group, "score"),
            Column(f"v_measure_{factor}_chance", "V chance", group, "score"),
            Column(f"knn_purity_{factor}", "10-NN", group, "score"),
            Column(f"knn_purity_{factor}_chance", "10-NN ch.", group, "score"),
            Column(f"variance_share_{factor}", "variance", group, "score"),
        ]
    columns += [
        Column("feature_norm", "norm", "Vectors", "score"),
        Column("effective_rank", "eff. rank", "Vectors", "score"),
    ]
    caption = (
        f"Models of {task_title(task)}, {'every layer' if layers else 'last layer'}, test split: "
        "agreement of k-means (k: number of languages or labels) with the classes, share of "
        "nearest neighbours of the same class, share of the variance between the classes; mean "
        "norm and effective rank of the vectors. Mean over seeds; smallest to largest seed."
    )
    records = _records(run, rows, cells, layers=layers)
    return _table(
        "geometry", task, "geometry", caption, columns, records, layers=layers, notes=CAN_TELL
    )


# --- alignment -------------------------------------------------------------------------------

_RETRIEVAL = ("retrieval", "retrieval_from_source", "retrieval_to_source")
NOT_PARALLEL = (
    "The language text is not parallel by line, so no translations can be looked for: no "
    "retrieval."
)


def alignment_table(run: Run, task: str, *, layers: bool) -> Table | None:
    """Method x (retrieval of translations, CKA with the starting encoder)."""
    cka = of_task(run, task, ["cka", "cka_within_language"])
    found = pick(of_task(run, task, _RETRIEVAL), language="mean_targets")
    rows = pd.concat([found.assign(language="all"), cka], ignore_index=True)
    if rows.empty:
        return None
    cells = {
        "retrieval": ("retrieval", "cosine"),
        "retrieval_from_source": ("retrieval_from_source", "cosine"),
        "retrieval_to_source": ("retrieval_to_source", "cosine"),
        "retrieval_centred": ("retrieval", "centred"),
        "cka": ("cka", ""),
        "cka_chance": ("cka", "chance"),
        "cka_within": ("cka_within_language", ""),
        "cka_within_chance": ("cka_within_language", "chance"),
    }
    columns = [
        Column("method", "Method"),
        Column("retrieval", "both ways", "Retrieval of translations", "score"),
        Column("retrieval_from_source", "from source", "Retrieval of translations", "score"),
        Column("retrieval_to_source", "to source", "Retrieval of translations", "score"),
        Column("retrieval_centred", "centred", "Retrieval of translations", "score"),
        Column("cka", "CKA", "Likeness to the starting encoder", "score"),
        Column("cka_chance", "by chance", "Likeness to the starting encoder", "score"),
        Column("cka_within", "within lang.", "Likeness to the starting encoder", "score"),
    ]
    caption = (
        f"Models of {task_title(task)}, {'every layer' if layers else 'last layer'}, test split. "
        "Retrieval: share of sentences whose nearest sentence in the other language, by cosine, "
        "is their translation; mean over the target languages; centred: after the mean of each "
        "language, of training lines, is subtracted. CKA: linear, on the same rows; by chance: "
        f"rows permuted. {IN_SHORT}"
    )
    notes = _alignment_notes(run, task)
    records = _records(run, rows, cells, layers=layers)
    return _table(
        "alignment", task, "alignment", caption, columns, records, layers=layers, notes=notes
    )


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
    told = str(notes.get("parallel", "")).removeprefix("yes").strip(", ")
    return f"The text is taken to be parallel {told}." if told else "The text is parallel by line."


def retrieval_languages(run: Run, task: str) -> Table | None:
    """Language x method: retrieval at the last layer, both ways."""
    rows = pick(of_task(run, task, ["retrieval"]))
    rows = rows[rows["language"] != "mean_targets"]
    if rows.empty:
        return None
    last = pick(rows, layer=int(rows["layer"].max()))
    methods = ordered_methods(run, last["method"])
    records = []
    for code in by_family(list(last["language"]), run.source):
        mine = pick(last, language=code)
        record: dict[str, Any] = {"language": language_name(code), "code": code}
        record["n"] = int(mine["n"].max())
        for method in methods:
            for probe in ("cosine", "centred"):
                _put(record, f"{method}_{probe}", pick(mine, method=method, probe=probe))
        records.append(record)
    columns = [Column("language", "Language"), Column("n", "lines", kind="count")]
    for method in methods:
        group = method_label(method)
        columns.append(Column(f"{method}_cosine", "cosine", group, "score"))
        columns.append(Column(f"{method}_centred", "centred", group, "score"))
    caption = (
        f"Models of {task_title(task)}, last layer: retrieval of translations between the source "
        f"and each language, mean of both directions. {IN_SHORT}"
    )
    name, title = f"retrieval_languages_{task}", f"{task_title(task)}: retrieval by language"
    return Table(name, title, caption, tuple(columns), pd.DataFrame(records))


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


def moves_table(run: Run, task: str, *, layers: bool) -> Table | None:
    """Method x (variance before and after, angles), one body a place."""
    sized = ("feature_norm", "effective_rank")
    by_factor = [f"{m}_{f}" for f in _FACTORS for m in ("variance_share", "variance")]
    turned = ["angle_language", "angle_label", "angle_principal"]
    turned += ["in_place_language", "in_place_label", "angle_language_label", "label_in_language"]
    rows = of_task(run, task, [*sized, *by_factor, *turned])
    moved = set(pick(rows, probe="after")["method"])
    rows = rows[rows["method"].isin(moved - {RANDOM}) & (rows["language"] == "all")]
    if rows.empty:
        return None
    cells: dict[str, tuple[str, str]] = {}
    for metric in (*sized, *by_factor, "angle_language_label", "label_in_language"):
        for probe in ("before", "after"):
            cells[f"{metric}_{probe}"] = (metric, probe)
    for metric in turned[:5]:
        for probe in ("", "halves", "chance"):
            cells[f"{metric}_{probe}" if probe else metric] = (metric, probe)
    columns = [Column("method", "Method")]
    for factor in _FACTORS:
        group = f"Variance between {factor}s"
        columns += [
            Column(f"variance_share_{factor}_before", "share before", group, "score"),
            Column(f"variance_share_{factor}_after", "after", group, "score"),
            Column(f"variance_{factor}_before", "variance before", group, "score"),
            Column(f"variance_{factor}_after", "after", group, "score"),
        ]
    for factor in (*_FACTORS, "principal"):
        group = f"Angle of the {factor} subspace"
        group = "Angle of principal directions" if factor == "principal" else group
        columns += [
            Column(f"angle_{factor}", "degrees", group, "score"),
            Column(f"angle_{factor}_halves", "noise", group, "score"),
            Column(f"angle_{factor}_chance", "chance", group, "score"),
        ]
    columns += [
        Column("angle_language_label_before", "before", "Angle language to label", "score"),
        Column("angle_language_label_after", "after", "Angle language to label", "score"),
    ]
    caption = (
        f"{task_title(task)}, {'every layer' if layers else 'last layer'}, test split: each "
        "method beside the starting encoder on the same vectors. Mean principal angle, in "
        "degrees, between the span of the class means before and after, taken across two halves "
        "of the lines. Mean over seeds; smallest to largest seed."
    )
    records = _records(run, rows, cells, layers=layers)
    return _table(
        "moves",
        task,
        "what fine-tuning moved",
        caption,
        columns,
        records,
        layers=layers,
        notes=MOVES_TELL,
    )


def geometry_tables(run: Run) -> list[Table]:
    """Every table of geometry, alignment and moves that the run's files allow."""
    found: list[Table | None] = []
    for task in run.tasks:
        for layers in (False, True):
            found += [
                make(run, task, layers=layers)
                for make in (geometry_table, alignment_table, moves_table)
            ]
        found.append(retrieval_languages(run, task))
    return [table for table in found if table is not None]
