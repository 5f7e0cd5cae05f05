"""Tables of an audit: what it measured, pivoted by the report's specs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from langspec.audit.measure import ERASER, Audited
from langspec.audit.plain_tables import compared_table, texts_table
from langspec.audit.text_folder import Texts
from langspec.measurement.mixing import NEAREST_KINDS, Mixing
from langspec.measures.spec import Column, TableSpec
from langspec.report.pivot import fill
from langspec.report.run_results import language_name
from langspec.report.table import (
    Table,
    pick,
)
from langspec.results import RANDOM, results_frame

Encoders = Sequence[Audited]


@dataclass(frozen=True)
class Order:
    """Languages by family, none of them first."""

    tasks: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    source: str = ""


def all_tables(audits: Encoders, texts: Sequence[Texts]) -> list[Table]:
    """Every table that the audit's numbers allow."""
    rows = rows_of(audits)
    last = rows[rows["layer"] == rows["encoder"].map(_last_layers(audits))]
    tables: list[Table | None] = [
        compared_table(audits, last),
        _languages(audits, last),
        _retrieval(audits, last),
        _layers(audits, rows),
        _filled(GEOMETRY, audits, rows),
        _filled(ERASING, audits, last),
        _beyond(audits, rows),
        *[texts_table(read, i) for i, read in enumerate(texts)],
    ]
    return [table for table in tables if table is not None]


def rows_of(audits: Encoders) -> pd.DataFrame:
    """The tidy rows of all encoders; ``encoder`` is the number of each."""
    frames = [results_frame(f.rows).assign(encoder=str(i)) for i, f in enumerate(audits)]
    rows = pd.concat(frames, ignore_index=True)
    return rows.assign(min=rows["value"], max=rows["value"])  # one seed


def _last_layers(audits: Encoders) -> dict[str, int]:
    return {str(i): audited.layers[-1] for i, audited in enumerate(audits)}


def _filled(spec: TableSpec, audits: Encoders, rows: pd.DataFrame, **words: str) -> Table | None:
    """The table of a spec, without a range over seeds: there is one."""
    together = "encoder" not in spec.rows
    names = {str(i): audited.name for i, audited in enumerate(audits)}
    if together and len(audits) == 1:
        names = {"0": ""}  # no heading above the columns of the only one
    spec = replace(spec, names={"encoder": names, **spec.names})
    if spec.section == "encoder" and len(audits) == 1:
        spec = replace(spec, section="")
    table = fill(spec, rows, Order(), words=words)
    if table is None:
        return None
    frame = table.frame
    empty = [c for c in frame if str(c).endswith(("_low", "_high")) and frame[c].isna().all()]
    ranges = [c for c in frame if str(c).endswith(("_min", "_max"))]
    return replace(table, frame=frame.drop(columns=[*empty, *ranges]))


def _cell(key: str, label: str, group: str = "", *, kind: Any = "score", **where: Any) -> Column:
    """A number of the encoder as it is, unless ``where`` names an eraser."""
    return Column(key, label, group, kind, {"eraser": "", **where}, shown=bool(label))


LANGUAGES_TABLE = TableSpec(
    name="languages",
    title="By language",
    caption="Every language at the last layer measured. Own share: of the 10 texts nearest to a "
    "text (cosine; the same line in other languages left out), those in its language. Apartness: "
    "the same, 0 at chance, 1 where all are. Nearest language: the one it is most mixed with "
    "(0 never neighbours, 1 as readily as texts of one language). Named: the share of its "
    "texts, and of its single words, that a linear probe tells from the other {others} "
    "languages.",
    where={"measure": ("neighbours", "leak")},
    rows=("language",),
    columns=(
        Column("code", shown=False),
        Column("language", "Language"),
        Column("family", "Family"),
        *(
            replace(_cell(key, label, "{}", **where), each="encoder")
            for key, label, where in (
                ("own_{}", "own share", {"probe": "neighbours", "metric": "own_share"}),
                ("apart_{}", "apartness", {"probe": "neighbours", "metric": "apartness"}),
                ("sentence_{}", "text named", {"unit": "sentence", "metric": "recall"}),
                ("token_{}", "word named", {"unit": "token", "metric": "recall"}),
            )
        ),
    ),
)


def _languages(audits: Encoders, last: pd.DataFrame) -> Table:
    """Every language: how far it is kept apart, what it is mixed with, how well it is named."""
    rows = last[last["language"].isin(audits[0].languages)]
    rows = rows[rows["probe"].isin(["neighbours", "linear"])]
    table = _filled(LANGUAGES_TABLE, audits, rows, others=str(len(audits[0].languages) - 1))
    assert table is not None, "an audit has neighbours"
    frame, columns = table.frame, {column.key: column for column in table.columns}
    order = ["language", "family"]
    for i, audited in enumerate(audits):
        near = _nearest(audited.mixings[audited.layers[-1]])
        place = int(frame.columns.get_indexer(pd.Index([f"apart_{i}"]))[0]) + 1
        frame.insert(place, f"near_{i}", [near[code] for code in frame["code"]])
        group = columns[f"apart_{i}"].group
        columns[f"near_{i}"] = Column(f"near_{i}", "nearest language", group)
        order += [f"{key}_{i}" for key in ("apart", "own", "near", "sentence", "token")]
    return replace(table, columns=tuple(columns[key] for key in order))


def _nearest(mixed: Mixing) -> dict[str, str]:
    """The language that each is most mixed with, and how much."""
    index = mixed.mixed.copy()
    np.fill_diagonal(index, -1)
    nearest = {}
    for row, code in enumerate(mixed.languages):
        near = int(index[row].argmax())
        name, value = language_name(mixed.languages[near]), index[row, near]
        nearest[code] = f"{name} ({value:.2f})" if value else "–"
    return nearest


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
        "metric": ("retrieval", *(f"first_is_{k}" for k in NEAREST_KINDS)),
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
                        NEAREST_KINDS, ("translation", "own language", "other"), strict=True
                    )
                ),
                (
                    "erased",
                    "translation, erased",
                    {"eraser": ERASER, "metric": f"first_is_{NEAREST_KINDS[0]}"},
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
    return _filled(spec, audits, rows, n=n, pivot=pivot)


# --- details ---------------------------------------------------------------------------------

_NEAR = {"probe": "neighbours", "language": "mean"}


def _probe_cells(unit: str, words: str) -> tuple[Column, ...]:
    """Macro-F1 of the linear probe and what its fit came to."""
    group, where = f"Probe, {words}", {"probe": "linear", "language": "all", "unit": unit}
    strength = _cell(f"{unit}_c", "", metric="chosen_c", **where)
    fitted = _cell(
        f"{unit}_converged", "converged", group, kind="text", metric="converged", **where
    )
    return (
        _cell(f"{unit}_f1", "macro-F1", group, metric="macro_f1", **where),
        _cell(f"{unit}_accuracy", "", metric="accuracy", **where),
        replace(strength, part="value"),
        replace(fitted, part="flag"),
    )


LAYERS = TableSpec(
    name="layers",
    title="By layer",
    caption="Means over the languages, by layer (0: embeddings). Columns as in the tables above; "
    "in brackets, 95 % interval over lines. Always naming the commonest language has a macro-F1 "
        "of {majority}.",
    rows=("encoder", "layer"),
    columns=(
        Column("encoder", shown=False),
        Column("layer", "Layer", kind="count"),
        _cell("apartness", "apartness", "Neighbours", metric="apartness", **_NEAR),
        _cell("own_share", "own share", "Neighbours", metric="own_share", **_NEAR),
        *_probe_cells("sentence", "texts"),
        *_probe_cells("token", "words"),
        *(
            _cell(
                key, label, "Search", eraser=eraser, probe="search", language="mean",
                metric=f"first_is_{NEAREST_KINDS[0]}",
            )
            for key, label, eraser in (
                ("translation", "translation", ""),
                ("erased", "erased", ERASER),
            )
        ),
        _cell(
            "pivot", "in one language", "Search", probe="cosine", language="mean_targets",
            metric="retrieval",
        ),
    ),
    section="encoder",
)  # fmt: skip


def _layers(audits: Encoders, rows: pd.DataFrame) -> Table | None:
    """Means over the languages at every layer."""
    plain = rows[(rows["measure"] != RANDOM) & (rows["layer"] >= 0)]
    majority = pick(rows, encoder="0", probe="majority", metric="macro_f1", language="all")
    level = pick(majority, unit="sentence")["value"].iloc[0]
    searched = any(audited.searches for audited in audits)
    shown = tuple(
        replace(column, shown=column.shown and (searched or column.group != "Search"))
        for column in LAYERS.columns
    )
    where = {"layer": tuple({layer for audited in audits for layer in audited.layers})}
    spec = replace(LAYERS, columns=shown, where=where)
    return _filled(spec, audits, plain, majority=f"{level:.3f}")


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
            _cell(f"{metric}{end}", label if not end else "by chance", metric=metric, probe=probe)
            for metric, label in (
                ("v_measure_language", "V-measure"),
                ("variance_share_language", "variance between"),
                ("subspace_share_language", "in their span"),
            )
            for end, probe in (("", ""), ("_chance", "chance"))
        ),
        _cell("feature_norm", "norm", metric="feature_norm"),
        _cell("effective_rank", "effective rank", metric="effective_rank"),
    ),
    section="encoder",
)
_UNITS = {"unit": {"sentence": "texts", "token": "words"}}
_READ = {"probe": "linear", "language": "all", "metric": "macro_f1"}
ERASING = TableSpec(
    name="erasing",
    title="What LEACE removes",
    caption="LEACE (Belrose et al. 2023), fitted on the training lines, at the last layer "
    "measured: the smallest linear change after which no linear probe reads the language of those "
    "lines. Probe: macro-F1 of a fresh linear probe on test lines. What a non-linear reader "
    "still finds is another matter (--full measures it before erasing).",
    where={"measure": ("leak", "erasure"), "unit": ("sentence", "token")},
    rows=("encoder", "unit"),
    columns=(
        Column("encoder", "Encoder"),
        Column("unit", "Of"),
        _cell("rank", "directions removed", kind="count", eraser=ERASER, metric="rank_removed"),
        _cell("variance", "variance removed", eraser=ERASER, metric="variance_removed"),
        _cell("before", "probe before", **_READ),
        _cell("after", "probe after", eraser=ERASER, **_READ),
    ),
    names=_UNITS,
)
_READERS = {
    "linear_sample": "linear probe",
    "mlp": "MLP probe",
    "shuffled": "linear probe, shuffled languages",
    "char_ngrams": "character n-grams of the text",
    RANDOM: "linear probe, random encoder",
}
BEYOND = TableSpec(
    name="beyond",
    title="Beyond the linear probe",
    caption="What a linear probe cannot see, and what its score is to be compared with. MLP "
    "probe: one hidden layer. Shuffled languages: what a probe reads out of nothing. Random "
    "encoder: the same shape with weights that were never trained. Character n-grams: what the "
    "text itself gives away. Bits: online codelength of the language of a training vector (Voita "
    "and Titov 2020); fewer: easier to read.",
    where={"language": "all", "unit": ("sentence", "token"), "reader": tuple(_READERS.values())},
    rows=("encoder", "unit", "reader", "layer"),
    columns=(
        Column("encoder", shown=False),
        Column("unit", shown=False),
        Column("reader", "Reader"),
        Column("layer", shown=False),
        _cell("f1", "macro-F1", metric="macro_f1"),
        replace(_cell("bits", "bits a vector", metric="bits"), part="value"),
        replace(
            _cell("converged", "converged", kind="text", metric="converged"),
            part="flag",
        ),
        Column("place", text="{encoder}: {unit}", shown=False),
    ),
    section="place",
    names={**_UNITS, "reader": {name: name for name in _READERS.values()}},
)


def _beyond(audits: Encoders, rows: pd.DataFrame) -> Table | None:
    """Every reader but the linear probe on all vectors, by layer."""
    drawn = (rows["measure"] == RANDOM) & (rows["probe"] == "linear")
    reader = rows["probe"].where(~drawn, RANDOM).map(_READERS)
    bits = (rows["probe"] == "mdl") & (rows["metric"] == "bits")
    reader = reader.where(~bits, _READERS["linear_sample"])
    table = _filled(BEYOND, audits, rows.assign(reader=reader))
    if table is None:
        return None
    frame = table.frame.assign(layer=table.frame["layer"].fillna(-1).astype(int))
    frame["place"] = frame["place"] if len(audits) > 1 else frame["unit"]
    frame["at"] = ["text" if layer < 0 else str(layer) for layer in frame["layer"]]
    reader_column, *others = table.columns
    return replace(table, frame=frame, columns=(reader_column, Column("at", "Layer"), *others))
