"""Tables of an audit: what it measured, pivoted by the report's specs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from langspec.attackers.known_attackers import attacker_classes
from langspec.audit.filled_tables import Encoders, cell, filled
from langspec.audit.language_table import languages_table, with_verdicts
from langspec.audit.measure import ERASER
from langspec.audit.plain_tables import compared_table, texts_table
from langspec.audit.text_folder import Texts
from langspec.measurement.first_hits import KINDS
from langspec.measures.spec import Column, TableSpec
from langspec.report.run_results import language_name
from langspec.report.table import (
    Table,
    pick,
)
from langspec.results import LEAK_CURVE, LEAK_METRIC, LEAK_PROBE, RANDOM, results_frame


def all_tables(audits: Encoders, texts: Sequence[Texts]) -> list[Table]:
    """Every table that the audit's numbers allow."""
    rows = rows_of(audits)
    last = rows[rows["layer"] == rows["encoder"].map(_last_layers(audits))]
    tables: list[Table | None] = [
        compared_table(audits, last),
        languages_table(audits, last),
        _retrieval(audits, last),
        _layers(audits, rows),
        filled(GEOMETRY, audits, rows),
        filled(ERASING, audits, last),
        _beyond(audits, rows),
        *[texts_table(read, i) for i, read in enumerate(texts)],
    ]
    return [table for table in tables if table is not None]


def rows_of(audits: Encoders) -> pd.DataFrame:
    """The tidy rows of all encoders; ``encoder`` is the number of each."""
    frames = [results_frame(f.rows).assign(encoder=str(i)) for i, f in enumerate(audits)]
    rows = pd.concat(frames, ignore_index=True)
    rows = rows[(rows["measure"] != LEAK_CURVE) | (rows["metric"] == "rising")]
    return rows.assign(min=rows["value"], max=rows["value"])  # one seed


def _last_layers(audits: Encoders) -> dict[str, int]:
    return {str(i): audited.layers[-1] for i, audited in enumerate(audits)}


RETRIEVAL = TableSpec(
    name="retrieval",
    title="Retrieval",
    caption="What a search finds first at the last layer measured, by cosine. The first columns "
    "search all {n} texts of all languages at once: the first hit is a translation of the "
    "query, another text in the query's own language, or another text in another language. "
    "Erased: the share of translations after LEACE, fitted on the training lines alone. The "
    "last column searches the texts of one language only, from "
    "{pivot} and back; in brackets, 95 % interval over lines.",
    where={
        "probe": ("search", "cosine"),
        "metric": ("retrieval", *(f"first_is_{k}" for k in KINDS)),
    },
    rows=("language",),
    columns=(
        Column("code", shown=False),
        Column("language", "Language"),
        *(
            Column(f"{key}_{{}}", label, "{}", "score", where, "encoder")
            for key, label, where in (
                *(
                    (kind, label, {"eraser": "", "metric": f"first_is_{kind}"})
                    for kind, label in zip(
                        KINDS, ("translation", "own language", "other"), strict=True
                    )
                ),
                (
                    "erased",
                    "translation, erased",
                    {"eraser": ERASER, "metric": f"first_is_{KINDS[0]}"},
                ),
                ("pivot", "with {pivot}", {"eraser": "", "metric": "retrieval"}),
            )
        ),
    ),
    names={"language": {"mean": "mean"}},
)


def _retrieval(audits: Encoders, last: pd.DataFrame) -> Table | None:
    """What a search finds first, language by language."""
    searched = next((audited for audited in audits if audited.searches), None)
    if searched is None:
        return None
    pivot = language_name(searched.pivot)
    columns = tuple(
        replace(column, label=column.label.replace("{pivot}", pivot))
        for column in RETRIEVAL.columns
    )
    codes = {*searched.searches["plain", searched.layers[-1]].languages, "mean"}
    rows = last.assign(language=last["language"].replace({"mean_targets": "mean"}))
    n = f"{searched.searches['plain', searched.layers[-1]].n:,}"
    spec, rows = replace(RETRIEVAL, columns=columns), rows[rows["language"].isin(codes)]
    return filled(spec, audits, rows, n=n, pivot=pivot)


# --- details ---------------------------------------------------------------------------------

_NEAR = {"probe": "neighbours", "language": "mean"}


def _probe_cells(unit: str, words: str) -> tuple[Column, ...]:
    """Macro-F1 of the linear probe and what its fit came to."""
    group, where = f"Probe, {words}", {"probe": LEAK_PROBE, "language": "all", "unit": unit}
    strength = cell(f"{unit}_c", "", metric="chosen_c", **where)
    fitted = cell(
        f"{unit}_converged", "converged", group, kind="text", metric="converged", **where
    )
    rising = cell(f"{unit}_rising", "still rising", group, kind="text", metric="rising", **where)
    fitted_on = cell(
        f"{unit}_train_n", "trained on", group, kind="count", metric=LEAK_METRIC, **where
    )
    return (
        cell(f"{unit}_f1", "macro-F1", group, metric=LEAK_METRIC, **where),
        cell(f"{unit}_accuracy", "", metric="accuracy", **where),
        replace(fitted_on, part="train_n"),
        replace(rising, part="stated"),
        replace(strength, part="value"),
        replace(fitted, part="flag"),
    )


LAYERS = TableSpec(
    name="layers",
    title="By layer",
    caption="Means over the languages, by layer (0: embeddings). Columns as in the tables above; "
    "in brackets, 95 % interval over lines. Always naming the commonest language has a macro-F1 "
    "of {majority}. Still rising: the last half of the probe's training vectors added more than "
    "a point of macro-F1, beyond its interval; the leak is then a bound from below.",
    rows=("encoder", "layer"),
    columns=(
        Column("encoder", shown=False),
        Column("layer", "Layer", kind="count"),
        cell("apartness", "apartness", "Neighbours", metric="apartness", **_NEAR),
        cell("own_share", "own share", "Neighbours", metric="own_share", **_NEAR),
        *_probe_cells("sentence", "texts"),
        *_probe_cells("token", "words"),
        *(
            cell(
                key, label, "Search", eraser=eraser, probe="search", language="mean",
                metric=f"first_is_{KINDS[0]}",
            )
            for key, label, eraser in (
                ("translation", "translation", ""),
                ("erased", "erased", ERASER),
            )
        ),
        cell(
            "pivot", "in one language", "Search", probe="cosine", language="mean_targets",
            metric="retrieval",
        ),
    ),
    section="encoder",
)  # fmt: skip


def _layers(audits: Encoders, rows: pd.DataFrame) -> Table:
    """Means over the languages at every layer."""
    plain = rows[(rows["measure"] != RANDOM) & (rows["layer"] >= 0)]
    majority = pick(rows, encoder="0", probe="majority", metric=LEAK_METRIC, language="all")
    level = pick(majority, unit="sentence")["value"].iloc[0]
    searched = any(audited.searches for audited in audits)
    shown = tuple(
        replace(column, shown=column.shown and (searched or column.group != "Search"))
        for column in LAYERS.columns
    )
    where = {"layer": tuple({layer for audited in audits for layer in audited.layers})}
    spec = replace(LAYERS, columns=shown, where=where)
    table = filled(spec, audits, plain, majority=f"{level:.3f}")
    assert table is not None, "an audit has layers"
    return with_verdicts(table, audits)


GEOMETRY = TableSpec(
    name="geometry",
    title="Geometry",
    caption="Text vectors by layer. V-measure: how well k-means clusters, as many as languages, "
    "agree with the languages. Variance between: the share of all variance that lies between the "
    "languages' means; in their span: the share in the directions that the means span. By chance: "
    "what languages assigned at random would give.",
    where={
        "measure": "geometry",
        "probe": ("", "chance"),
        "unit": "sentence",
        "language": "all",
    },
    rows=("encoder", "layer"),
    columns=(
        Column("encoder", shown=False),
        Column("layer", "Layer", kind="count"),
        *(
            cell(f"{metric}{end}", label if not end else "by chance", metric=metric, probe=probe)
            for metric, label in (
                ("v_measure_language", "V-measure"),
                ("variance_share_language", "variance between"),
                ("subspace_share_language", "in their span"),
            )
            for end, probe in (("", ""), ("_chance", "chance"))
        ),
        cell("feature_norm", "norm", metric="feature_norm"),
        cell("effective_rank", "effective rank", metric="effective_rank"),
    ),
    section="encoder",
)
_UNITS = {"unit": {"sentence": "texts", "token": "words"}}
_READ = {"probe": LEAK_PROBE, "language": "all", "metric": LEAK_METRIC}
ERASING = TableSpec(
    name="erasing",
    title="Linearly guarded by LEACE",
    caption="LEACE (Belrose et al. 2023), fitted on the training lines, at the last layer "
    "measured: the smallest linear change after which no linear probe reads the language of those "
    "lines. Probe: macro-F1 of a fresh linear probe on test lines. Linearly guarded "
    "is all that this says: non-linear attackers may read the language (--full measures them "
    "on the vectors as they are).",
    where={"measure": ("leak", "erasure"), "unit": ("sentence", "token")},
    rows=("encoder", "unit"),
    columns=(
        Column("encoder", "Encoder"),
        Column("unit", "Of"),
        cell("rank", "directions taken out", kind="count", eraser=ERASER, metric="rank_removed"),
        cell("variance", "variance taken out", eraser=ERASER, metric="variance_removed"),
        cell("before", "probe before", **_READ),
        cell("after", "probe after", eraser=ERASER, **_READ),
        replace(
            cell("train_n", "trained on", kind="count", eraser=ERASER, **_READ), part="train_n"
        ),
    ),
    names=_UNITS,
)
_READERS = {
    "linear_sample": "linear probe",
    **{name: f"{one.title} attacker" for name, one in attacker_classes().items()},
    "shuffled": "linear probe, shuffled languages",
    "char_ngrams": "character n-grams of the text",
    RANDOM: "linear probe, random encoder",
}
BEYOND = TableSpec(
    name="beyond",
    title="Beyond the linear probe",
    caption="What a linear probe cannot see, and what its score is to be compared with. "
    "Attackers start from the linear probe (MLP: one hidden layer; RBF: features of a kernel). "
    "Shuffled languages: what a probe reads out of nothing. Random encoder: the same shape with "
    "weights that were never trained. Character n-grams: what the text itself gives away. Bits: "
    "online codelength of the language of a training vector (Voita and Titov 2020); fewer: easier "
    "to read.",
    where={"language": "all", "unit": ("sentence", "token"), "reader": tuple(_READERS.values())},
    rows=("encoder", "unit", "reader", "layer"),
    columns=(
        Column("encoder", shown=False),
        Column("unit", shown=False),
        Column("reader", "Reader"),
        Column("layer", shown=False),
        cell("f1", "macro-F1", metric=LEAK_METRIC),
        replace(cell("bits", "bits a vector", metric="bits"), part="value"),
        replace(
            cell("converged", "converged", kind="text", metric="converged"),
            part="flag",
        ),
        Column("place", text="{encoder}: {unit}", shown=False),
    ),
    section="place",
    names={**_UNITS, "reader": {name: name for name in _READERS.values()}},
)


def _beyond(audits: Encoders, rows: pd.DataFrame) -> Table | None:
    """Every reader but the linear probe on all vectors, by layer."""
    drawn = (rows["measure"] == RANDOM) & (rows["probe"] == LEAK_PROBE)
    reader = rows["probe"].where(~drawn, RANDOM).map(_READERS)
    bits = (rows["probe"] == "mdl") & (rows["metric"] == "bits")
    reader = reader.where(~bits, _READERS["linear_sample"])
    table = filled(BEYOND, audits, rows.assign(reader=reader))
    if table is None:
        return None
    frame = table.frame.assign(layer=table.frame["layer"].fillna(-1).astype(int))
    frame["place"] = frame["place"] if len(audits) > 1 else frame["unit"]
    frame["at"] = ["text" if layer < 0 else str(layer) for layer in frame["layer"]]
    reader_column, *others = table.columns
    return replace(table, frame=frame, columns=(reader_column, Column("at", "Layer"), *others))
