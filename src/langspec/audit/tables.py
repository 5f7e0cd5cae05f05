"""Tables of an audit: pivots of its rows, for the page and as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from langspec.audit.answers import groups
from langspec.audit.measure import ERASER, TASK, Audited
from langspec.audit.texts import Texts
from langspec.languages import LANGUAGES
from langspec.measurement.mixing import FOUND
from langspec.report.load import by_family, language_family, language_name
from langspec.report.spec import Column
from langspec.report.tables import (
    Table,
    pick,
)
from langspec.results import RANDOM, results_frame

Encoders = Sequence[Audited]


def all_tables(audits: Encoders, texts: Sequence[Texts]) -> list[Table]:
    """Every table that the audit's numbers allow."""
    frames = {found.name: _frame(found) for found in audits}
    tables: list[Table | None] = [
        _compared(audits, frames),
        _languages(audits, frames),
        _retrieval(audits, frames),
        _layers(audits, frames),
        _geometry(audits, frames),
        _erasing(audits, frames),
        _beyond(audits, frames),
        *[_texts(read, i) for i, read in enumerate(texts)],
    ]
    return [table for table in tables if table is not None]


def _frame(found: Audited, *, eraser: str = "", random: bool = False) -> pd.DataFrame:
    """Rows of the encoder, with language erased, or of an encoder with random weights."""
    return results_frame(
        row for row in found.rows if row.eraser == eraser and (row.measure == RANDOM) == random
    )


def _value(frame: pd.DataFrame, **equal: Any) -> float | None:
    rows = pick(frame, **equal)
    return float(rows["value"].iloc[0]) if len(rows) else None


def _score(record: dict[str, Any], key: str, frame: pd.DataFrame, **equal: Any) -> None:
    """A value and, where there is one, its interval."""
    rows = pick(frame, **equal)
    record[key] = float(rows["value"].iloc[0]) if len(rows) else None
    for end in ("low", "high"):
        if len(rows) and not np.isnan(rows[end].iloc[0]):
            record[f"{key}_{end}"] = float(rows[end].iloc[0])


def _group(audits: Encoders, found: Audited) -> str:
    return found.name if len(audits) > 1 else ""


# --- the first screen ------------------------------------------------------------------------


def _compared(audits: Encoders, frames: dict[str, pd.DataFrame]) -> Table | None:
    if len(audits) < 2:
        return None
    records: list[dict[str, Any]] = []

    def add(what: str, values: list[float | None]) -> None:
        if all(value is not None for value in values):
            first, second = (float(value) for value in values if value is not None)
            records.append(
                {"what": what, "first": first, "second": second, "difference": second - first}
            )

    lasts = [(found, frames[found.name], found.layers[-1]) for found in audits]
    add(
        "share of languages kept apart",
        [len(groups(f.mixings[last]).apart) / len(f.languages) for f, _, last in lasts],
    )
    for what, equal in (
        ("own-language share of nearest texts", ("neighbours", "own_share", "mean", "sentence")),
        ("language of a text, linear probe, macro-F1", ("linear", "macro_f1", "all", "sentence")),
        ("language of a word, linear probe, macro-F1", ("linear", "macro_f1", "all", "token")),
        ("first hit is a translation", ("search", f"first_is_{FOUND[0]}", "mean", "sentence")),
        (
            "first hit is of the own language",
            ("search", f"first_is_{FOUND[1]}", "mean", "sentence"),
        ),
        ("retrieval in one other language", ("cosine", "retrieval", "mean_targets", "sentence")),
    ):
        keys = dict(zip(("probe", "metric", "language", "unit"), equal, strict=True))
        add(what, [_value(fr, method=f.name, layer=last, **keys) for f, fr, last in lasts])
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


def _languages(audits: Encoders, frames: dict[str, pd.DataFrame]) -> Table:
    codes = by_family(audits[0].languages)
    records: list[dict[str, Any]] = [
        {"code": c, "language": language_name(c), "family": language_family(c)} for c in codes
    ]
    columns = [Column("language", "Language"), Column("family", "Family")]
    for i, found in enumerate(audits):
        frame, last = pick(frames[found.name], method=found.name), found.layers[-1]
        mixed = found.mixings[last]
        index = mixed.mixed.copy()
        np.fill_diagonal(index, -1)
        for record in records:
            code = record["code"]
            place = {"language": code, "layer": last}
            own = {"unit": "sentence", "probe": "neighbours", **place}
            record[f"own_{i}"] = _value(frame, metric="own_share", **own)
            record[f"apart_{i}"] = _value(frame, metric="apartness", **own)
            row = mixed.languages.index(code)
            near = int(index[row].argmax())
            other = language_name(mixed.languages[near])
            record[f"near_{i}"] = f"{other} ({index[row, near]:.2f})" if index[row, near] else "–"
            for unit in ("sentence", "token"):
                record[f"{unit}_{i}"] = _value(
                    frame, metric="recall", probe="linear", unit=unit, **place
                )
        group = _group(audits, found)
        columns += [
            Column(f"apart_{i}", "apartness", group, "score"),
            Column(f"own_{i}", "own share", group, "score"),
            Column(f"near_{i}", "nearest language", group),
            Column(f"sentence_{i}", "text named", group, "score"),
            Column(f"token_{i}", "word named", group, "score"),
        ]
    k = len(codes)
    caption = (
        "Every language at the last layer measured. Own share: of the 10 texts nearest to a text "
        "(cosine; the same line in other languages left out), those in its language. Apartness: "
        "the same, 0 at chance, 1 where all are. Nearest language: the one it is most mixed with "
        "(0 never neighbours, 1 as readily as texts of one language). Named: the share of its "
        f"texts, and of its single words, that a linear probe tells from the other {k - 1} "
        "languages."
    )
    return Table("languages", "By language", caption, tuple(columns), pd.DataFrame(records))


def _retrieval(audits: Encoders, frames: dict[str, pd.DataFrame]) -> Table | None:
    searched = [found for found in audits if found.searches]
    if not searched:
        return None
    codes = by_family(searched[0].searches["plain", searched[0].layers[-1]].languages)
    records: list[dict[str, Any]] = [
        {"code": code, "language": "mean" if code == "mean" else language_name(code)}
        for code in [*codes, "mean"]
    ]
    columns = [Column("language", "Language")]
    n = 0
    for i, found in enumerate(searched):
        frame, last = frames[found.name], found.layers[-1]
        n = found.searches["plain", last].n
        for record in records:
            place = {"language": record["code"], "layer": last, "unit": "sentence"}
            for kind in FOUND:
                record[f"{kind}_{i}"] = _value(
                    frame, method=found.name, probe="search", metric=f"first_is_{kind}", **place
                )
            record[f"erased_{i}"] = _value(
                _frame(found, eraser=ERASER),
                probe="search",
                metric=f"first_is_{FOUND[0]}",
                **place,
            )
            if record["code"] == "mean":
                place["language"] = "mean_targets"
            pivot = {"method": found.name, "probe": "cosine", "metric": "retrieval"}
            _score(record, f"pivot_{i}", frame, **pivot, **place)
        group = _group(audits, found)
        columns += [
            Column(f"{FOUND[0]}_{i}", "translation", group, "score"),
            Column(f"{FOUND[1]}_{i}", "own language", group, "score"),
            Column(f"{FOUND[2]}_{i}", "other", group, "score"),
            Column(f"erased_{i}", "translation, erased", group, "score"),
            Column(f"pivot_{i}", f"with {language_name(found.pivot)}", group, "score"),
        ]
    caption = (
        "What a search finds first at the last layer measured, by cosine. The first columns "
        f"search all {n:,} texts of all languages at once: the first hit is a translation of the "
        "query, another text in the query's own language, or another text in another language. "
        "Erased: the share of translations after LEACE, fitted on the training lines alone. The "
        "last column searches the texts of one language only, from "
        f"{language_name(searched[0].pivot)} and back; in brackets, 95 % interval over lines."
    )
    return Table("retrieval", "Retrieval", caption, tuple(columns), pd.DataFrame(records))


# --- details ---------------------------------------------------------------------------------


def _layers(audits: Encoders, frames: dict[str, pd.DataFrame]) -> Table:
    records = []
    for found in audits:
        frame = frames[found.name]
        mine = pick(frame, method=found.name)
        for layer in found.layers:
            record: dict[str, Any] = {"encoder": found.name, "layer": layer}
            near = pick(mine, probe="neighbours", language="mean", layer=layer)
            record["apartness"] = _value(near, metric="apartness")
            record["own_share"] = _value(near, metric="own_share")
            for unit in ("sentence", "token"):
                linear = pick(mine, probe="linear", language="all", unit=unit, layer=layer)
                _score(record, f"{unit}_f1", linear, metric="macro_f1")
                _score(record, f"{unit}_accuracy", linear, metric="accuracy")
                record[f"{unit}_c"] = _value(linear, metric="chosen_c")
                record[f"{unit}_converged"] = "yes" if _value(linear, metric="converged") else "no"
            record["translation"] = _value(
                mine, probe="search", metric=f"first_is_{FOUND[0]}", language="mean", layer=layer
            )
            record["erased"] = _value(
                _frame(found, eraser=ERASER),
                probe="search",
                metric=f"first_is_{FOUND[0]}",
                language="mean",
                layer=layer,
            )
            pivot = pick(mine, probe="cosine", language="mean_targets", layer=layer)
            _score(record, "pivot", pivot, metric="retrieval")
            records.append(record)
    columns = [
        Column("layer", "Layer", kind="count"),
        Column("apartness", "apartness", "Neighbours", "score"),
        Column("own_share", "own share", "Neighbours", "score"),
        Column("sentence_f1", "macro-F1", "Probe, texts", "score"),
        Column("sentence_converged", "converged", "Probe, texts"),
        Column("token_f1", "macro-F1", "Probe, words", "score"),
        Column("token_converged", "converged", "Probe, words"),
    ]
    if any(found.searches for found in audits):
        columns += [
            Column("translation", "translation", "Search", "score"),
            Column("erased", "erased", "Search", "score"),
            Column("pivot", "in one language", "Search", "score"),
        ]
    majority = _value(
        frames[audits[0].name],
        probe="majority",
        metric="macro_f1",
        language="all",
        unit="sentence",
    )
    caption = (
        "Means over the languages, by layer (0: embeddings). Columns as in the tables above; in "
        "brackets, 95 % interval over lines. Always naming the commonest language has a macro-F1 "
        f"of {majority:.3f}."
    )
    section = "encoder" if len(audits) > 1 else ""
    return Table("layers", "By layer", caption, tuple(columns), pd.DataFrame(records), section)


GEOMETRY = (
    ("v_measure_language", "V-measure"),
    ("variance_share_language", "variance between"),
    ("subspace_share_language", "in their span"),
    ("feature_norm", "norm"),
    ("effective_rank", "effective rank"),
)


def _geometry(audits: Encoders, frames: dict[str, pd.DataFrame]) -> Table:
    records = []
    for found in audits:
        mine = pick(frames[found.name], method=found.name, probe="", unit="sentence")
        for layer in found.layers:
            record: dict[str, Any] = {"encoder": found.name, "layer": layer}
            for metric, _ in GEOMETRY:
                record[metric] = _value(mine, metric=metric, layer=layer, language="all")
            records.append(record)
    columns = [
        Column("layer", "Layer", kind="count"),
        *[Column(metric, label, kind="score") for metric, label in GEOMETRY],
    ]
    caption = (
        "Text vectors by layer. V-measure: how well k-means clusters, as many as languages, agree "
        "with the languages. Variance between: the share of all variance that lies between the "
        "languages' means; in their span: the share in the directions that the means span."
    )
    section = "encoder" if len(audits) > 1 else ""
    return Table("geometry", "Geometry", caption, tuple(columns), pd.DataFrame(records), section)


def _erasing(audits: Encoders, frames: dict[str, pd.DataFrame]) -> Table:
    records = []
    for found in audits:
        frame, last = frames[found.name], found.layers[-1]
        for unit in ("sentence", "token"):
            erased = pick(_frame(found, eraser=ERASER), unit=unit, layer=last)
            record: dict[str, Any] = {
                "encoder": found.name,
                "unit": {"sentence": "texts", "token": "words"}[unit],
                "rank": _value(erased, metric="rank_removed"),
                "variance": _value(erased, metric="variance_removed"),
            }
            plain = pick(frame, method=found.name, probe="linear", language="all", unit=unit)
            _score(record, "before", pick(plain, layer=last), metric="macro_f1")
            linear = pick(erased, probe="linear", language="all")
            _score(record, "after", linear, metric="macro_f1")
            records.append(record)
    columns = (
        Column("encoder", "Encoder"),
        Column("unit", "Of"),
        Column("rank", "directions removed", kind="count"),
        Column("variance", "variance removed", kind="score"),
        Column("before", "probe before", kind="score"),
        Column("after", "probe after", kind="score"),
    )
    caption = (
        "LEACE (Belrose et al. 2023), fitted on the training lines, at the last layer measured: "
        "the smallest linear change after which no linear probe reads the language of those "
        "lines. Probe: macro-F1 of a fresh linear probe on test lines. What a non-linear reader "
        "still finds is another matter (--full measures it before erasing)."
    )
    return Table("erasing", "What LEACE removes", caption, columns, pd.DataFrame(records))


_BEYOND = {
    "linear_sample": "linear probe",
    "mlp": "MLP probe",
    "shuffled": "linear probe, shuffled languages",
    "char_ngrams": "character n-grams of the text",
}


def _beyond(audits: Encoders, frames: dict[str, pd.DataFrame]) -> Table | None:
    records: list[dict[str, Any]] = []
    for found in audits:
        frame = frames[found.name]
        mine = pick(frame, method=found.name)
        drawn = _frame(found, random=True)
        for unit, words in (("sentence", "texts"), ("token", "words")):
            here = pick(mine, unit=unit, language="all")
            entries = [(name, here, probe) for probe, name in _BEYOND.items()]
            random = pick(drawn, unit=unit, language="all")
            entries.append(("linear probe, random encoder", random, "linear"))
            for name, rows, probe in entries:
                scored = rows[rows["metric"].isin(["macro_f1"]) & (rows["probe"] == probe)]
                for layer in sorted(set(scored["layer"])):
                    record = {"encoder": found.name, "unit": words, "reader": name, "layer": layer}
                    at = pick(rows, probe=probe, layer=layer)
                    _score(record, "f1", at, metric="macro_f1")
                    record["bits"] = None
                    record["converged"] = "yes" if _value(at, metric="converged") else "no"
                    if probe == "linear_sample":
                        code = pick(rows, probe="mdl", layer=layer)
                        record["bits"] = _value(code, metric="bits")
                    records.append(record)
    if not records:
        return None
    frame = pd.DataFrame(records)
    frame["place"] = [
        f"{r.encoder}: {r.unit}" if len(audits) > 1 else str(r.unit) for r in frame.itertuples()
    ]
    frame["at"] = ["text" if layer < 0 else str(layer) for layer in frame["layer"]]
    columns = (
        Column("reader", "Reader"),
        Column("at", "Layer"),
        Column("f1", "macro-F1", kind="score"),
        Column("bits", "bits a vector", kind="score"),
        Column("converged", "converged"),
    )
    caption = (
        "What a linear probe cannot see, and what its score is to be compared with. MLP probe: "
        "one hidden layer. Shuffled languages: what a probe reads out of nothing. Random encoder: "
        "the same shape with weights that were never trained. Character n-grams: what the text "
        "itself gives away. Bits: online codelength of the language of a training vector (Voita "
        "and Titov 2020); fewer: easier to read."
    )
    return Table("beyond", "Beyond the linear probe", caption, columns, frame, "place")


def _texts(read: Texts, number: int) -> Table:
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


def mixing_frame(audits: Encoders) -> pd.DataFrame:
    """Neighbour shares, one row an encoder, layer and pair of languages."""
    return pd.DataFrame(
        [
            {
                "task": TASK,
                "encoder": found.name,
                "layer": layer,
                "language": one,
                "neighbour": other,
                "share": mixed.shares[i, j],
                "chance": mixed.chance[i, j],
                "mixed": mixed.mixed[i, j],
            }
            for found in audits
            for layer, mixed in found.mixings.items()
            for i, one in enumerate(mixed.languages)
            for j, other in enumerate(mixed.languages)
        ]
    )


def confusion_frame(audits: Encoders) -> pd.DataFrame:
    """What the linear probe took for what, one row an encoder, unit, layer and pair."""
    return pd.DataFrame(
        [
            {
                "task": TASK,
                "encoder": found.name,
                "unit": unit,
                "layer": layer,
                "language": one,
                "predicted": other,
                "n": int(table[i, j]),
            }
            for found in audits
            for (unit, layer), table in found.confusions.items()
            for i, one in enumerate(found.languages)
            for j, other in enumerate(found.languages)
        ]
    )
