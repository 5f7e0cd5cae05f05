"""Tables of an audit that no spec pivots: two encoders, what was read, pairs of languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from langspec.audit.answers import groups
from langspec.audit.measure import TASK, Audited
from langspec.audit.text_folder import Texts
from langspec.languages import LANGUAGES
from langspec.measurement.first_hits import KINDS
from langspec.measurement.mixing import APART, MIXED, UNDECIDED
from langspec.measures.spec import Column, Where
from langspec.report.run_results import language_name
from langspec.report.table import (
    Table,
    pick,
)
from langspec.results import LEAK_METRIC, LEAK_PROBE, RANDOM

Encoders = Sequence[Audited]


_COMPARED: dict[str, Where] = {
    "mean apartness": {
        "probe": "neighbours", "metric": "apartness", "language": "mean", "unit": "sentence",
    },
    "language of a text, linear probe, macro-F1": {
        "probe": LEAK_PROBE, "metric": LEAK_METRIC, "language": "all", "unit": "sentence",
    },
    "language of a word, linear probe, macro-F1": {
        "probe": LEAK_PROBE, "metric": LEAK_METRIC, "language": "all", "unit": "token",
    },
    "first hit is a translation": {
        "probe": "search", "metric": f"first_is_{KINDS[0]}", "language": "mean",
    },
    "first hit is of the own language": {
        "probe": "search", "metric": f"first_is_{KINDS[1]}", "language": "mean",
    },
    "retrieval in one other language": {
        "probe": "cosine", "metric": "retrieval", "language": "mean_targets",
    },
}  # fmt: skip


def compared_table(audits: Encoders, last: pd.DataFrame) -> Table | None:
    """The headline of two encoders and their differences."""
    if len(audits) < 2:
        return None
    plain = pick(last[last["measure"] != RANDOM], eraser="")
    sorted_out = [groups(audited.mixings[audited.layers[-1]]) for audited in audits]
    values: dict[str, list[float]] = {
        f"share of languages {said}": [
            len(getattr(one, name)) / len(audits[0].languages) for one in sorted_out
        ]
        for said, name in ((APART, "apart"), (MIXED, "mixed"), (UNDECIDED, "undecided"))
    }
    for what, where in _COMPARED.items():
        audited = pick(plain, **where).set_index("encoder")["value"]
        if len(audited) == len(audits):
            values[what] = [float(audited["0"]), float(audited["1"])]
    records = [
        {"what": what, "first": one, "second": other, "difference": other - one}
        for what, (one, other) in values.items()
    ]
    first, second = audits
    columns = (
        Column("what", "At the last layer measured"),
        Column("first", first.name, kind="score"),
        Column("second", second.name, kind="score"),
        Column("difference", "Difference", kind="score"),
    )
    caption = (
        f"{first.name} (layer {first.layers[-1]}) beside {second.name} "
        f"(layer {second.layers[-1]}), the same texts and splits. Difference: second less first."
    )
    return Table("compared", "Side by side", caption, columns, pd.DataFrame(records))


def texts_table(read: Texts, number: int) -> Table:
    """What became of each language's file."""
    frame = pd.DataFrame([asdict(row) for row in read.counts])
    frame["name"] = [language_name(code) for code in frame["language"]]
    frame["known"] = ["yes" if code in LANGUAGES else "no" for code in frame["language"]]
    columns = (
        Column("name", "Language"),
        Column("lines", "lines", kind="count"),
        Column("empty", "empty", kind="count"),
        Column("unused", "not drawn", kind="count"),
        Column("texts", "texts used", kind="count"),
        Column("repeated", "repeated", kind="count"),
        Column("near", "near duplicates", kind="count"),
    )
    caption = (
        f"{'Parallel' if read.parallel else 'Language'} text in {read.folder.resolve().name}. "
        "Not drawn: beyond --max-texts, or empty in another language of parallel text. Near "
        "duplicates: texts that resemble one of another part (training, validation, test)."
    )
    name = "texts" if number == 0 else "parallel_texts"
    return Table(name, "Texts", caption, columns, frame)


def verdict_facts(audited: Audited) -> dict[str, dict[str, Any]]:
    """By language, at the last layer measured: apartness, its interval and the verdict."""
    frame = apartness_frame([audited])
    last = frame[frame["layer"] == audited.layers[-1]].set_index("language")
    columns = ["texts", "apartness", "low", "high", "verdict"]
    return {str(code): dict(row) for code, row in last[columns].iterrows()}


def apartness_frame(audits: Encoders) -> pd.DataFrame:
    """Apartness with its interval and verdict, one row an encoder, layer and language."""
    return pd.DataFrame(
        [
            {
                "task": TASK,
                "encoder": audited.name,
                "layer": layer,
                "language": code,
                "texts": int(texts),
                "apartness": interval.value,
                "low": interval.low,
                "high": interval.high,
                "verdict": said,
            }
            for audited in audits
            for layer, mixed in audited.mixings.items()
            for code, texts, interval, said in zip(
                mixed.languages, mixed.texts, mixed.apart_intervals, mixed.verdicts, strict=True
            )
        ]
    )


def mixing_frame(audits: Encoders) -> pd.DataFrame:
    """Shares of neighbourhoods, one row an encoder, layer and pair of languages."""
    records = []
    for audited in audits:
        for layer, mixed in audited.mixings.items():
            for i, one in enumerate(mixed.languages):
                for j, other in enumerate(mixed.languages):
                    index = mixed.mixed_interval(i, j)
                    records.append(
                        {
                            "task": TASK,
                            "encoder": audited.name,
                            "layer": layer,
                            "language": one,
                            "neighbour": other,
                            "share": mixed.shares[i, j],
                            "chance": mixed.chance[i, j],
                            "mixed": index.value,
                            "mixed_low": index.low if i != j else None,
                            "mixed_high": index.high if i != j else None,
                        }
                    )
    return pd.DataFrame(records)


def confusion_frame(audits: Encoders) -> pd.DataFrame:
    """What the linear probe took for what, one row an encoder, unit, layer and pair."""
    return pd.DataFrame(
        [
            {
                "task": TASK,
                "encoder": audited.name,
                "unit": unit,
                "layer": layer,
                "language": one,
                "predicted": other,
                "n": int(table[i, j]),
            }
            for audited in audits
            for (unit, layer), table in audited.confusions.items()
            for i, one in enumerate(audited.languages)
            for j, other in enumerate(audited.languages)
        ]
    )
