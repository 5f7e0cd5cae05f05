"""Languages in the tables of an audit: how far each is kept apart, and the verdict on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from langspec.audit.answers import groups
from langspec.audit.filled_tables import Encoders, cell, filled
from langspec.measurement.mixing import (
    APART,
    FEWEST,
    MIXED,
    NEAREST,
    SAMPLE,
    THRESHOLD,
    UNDECIDED,
    Mixing,
)
from langspec.measures.spec import Column, TableSpec
from langspec.report.run_results import language_name
from langspec.report.table import Table
from langspec.results import LEAK_PROBE

LANGUAGES = TableSpec(
    name="languages",
    title="By language",
    caption="Every language at the last layer measured. Own share: of the {nearest} texts nearest "
    "to a text, in samples of {sample} test texts of each language (cosine; the same line in "
    "other languages left out), those in its language. Apartness: the "
    "same, 0 at chance, 1 where all are; in brackets, 95 % interval over lines. Kept apart: the "
    "interval lies above {threshold}; mixed: below; undecided: it holds {threshold}, or there are "
    "fewer than {fewest} texts. Nearest language: the one it is most mixed with "
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
            replace(cell(key, label, "{}", **where), each="encoder")
            for key, label, where in (
                ("own_{}", "own share", {"probe": "neighbours", "metric": "own_share"}),
                ("apart_{}", "apartness", {"probe": "neighbours", "metric": "apartness"}),
                ("sentence_{}", "text named", {"unit": "sentence", "metric": "recall"}),
                ("token_{}", "word named", {"unit": "token", "metric": "recall"}),
            )
        ),
    ),
)


def languages_table(audits: Encoders, last: pd.DataFrame) -> Table:
    """Every language: how far it is kept apart, what it is mixed with, how well it is named."""
    rows = last[last["language"].isin(audits[0].languages)]
    rows = rows[rows["probe"].isin(["neighbours", LEAK_PROBE])]
    words = {
        "others": str(len(audits[0].languages) - 1),
        "nearest": str(NEAREST),
        "sample": str(SAMPLE),
        "threshold": f"{THRESHOLD:g}",
        "fewest": str(FEWEST),
    }
    table = filled(LANGUAGES, audits, rows, **words)
    assert table is not None, "an audit has neighbours"
    frame, columns = table.frame, {column.key: column for column in table.columns}
    order = ["language", "family"]
    for i, audited in enumerate(audits):
        mixed = audited.mixings[audited.layers[-1]]
        verdicts = dict(zip(mixed.languages, mixed.verdicts, strict=True))
        group = columns[f"apart_{i}"].group
        for key, label, of in (
            ("near", "nearest language", _nearest(mixed)),
            ("verdict", "verdict", verdicts),
        ):
            place = int(frame.columns.get_indexer(pd.Index([f"apart_{i}"]))[0])
            frame.insert(place, f"{key}_{i}", [of[code] for code in frame["code"]])
            columns[f"{key}_{i}"] = Column(f"{key}_{i}", label, group)
        order += [f"{key}_{i}" for key in ("verdict", "apart", "own", "near", "sentence", "token")]
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


def with_verdicts(table: Table, audits: Encoders) -> Table:
    """The table by layer with how many languages are kept apart, mixed and undecided."""
    named = {audited.name: audited for audited in audits}
    counts = [
        groups(named[row["encoder"]].mixings[int(row["layer"])])
        for row in table.frame[["encoder", "layer"]].to_dict("records")
    ]
    frame, columns = table.frame, list(table.columns)
    labels = {"apart": APART, "mixed": MIXED, "undecided": UNDECIDED}
    for place, (key, label) in enumerate(labels.items()):
        column = Column(f"{key}_languages", label, "Languages", "count")
        frame.insert(2 + place, column.key, [len(getattr(one, key)) for one in counts])
        columns.insert(1 + place, column)
    return replace(table, frame=frame, columns=tuple(columns))
