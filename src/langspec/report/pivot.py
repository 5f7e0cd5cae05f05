"""Tables made from their specs: tidy rows over seeds, pivoted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from langspec.report.run_results import by_family, language_family, language_name
from langspec.report.spec import Column, TableSpec, Where
from langspec.report.table import (
    Order,
    Table,
    eraser_label,
    frame_of,
    mark_unconverged,
    method_label,
    ordered_methods,
    pick,
    put_score,
    task_title,
    unconverged_note,
)
from langspec.results import label

UNITS = ("token", "sentence", "pair")
TEXTS = "all"  # the method under which rows of the texts themselves stand


def select(frame: pd.DataFrame, where: Where) -> pd.DataFrame:
    """The rows that ``where`` names; a tuple of values: any of them."""
    mask = np.ones(len(frame), dtype=bool)
    for key, value in where.items():
        wanted = list(value) if isinstance(value, tuple) else [value]
        mask &= frame[key].isin(wanted).to_numpy(dtype=bool)
    return frame[mask]


def fill(
    spec: TableSpec,
    rows: pd.DataFrame,
    run: Order,
    *,
    task: str = "",
    fits: pd.DataFrame | None = None,
    floor: pd.DataFrame | None = None,
    words: Mapping[str, str] | None = None,
) -> Table | None:
    """The table of some rows; None where there are none.

    Args:
        spec: what it shows.
        rows: over seeds (see :func:`langspec.report.run_results.over_seeds`).
        run: for the order of methods and languages.
        task: its key, for the name; its title, for title and caption.
        fits: tidy rows that say which fits converged, for cells that are marked.
        floor: rows of chance, over seeds, for the columns of the floor.
        words: what further names of the caption stand for.
    """
    rows = select(rows, spec.where)
    if rows.empty:
        return None
    columns = expanded(spec, rows, run)
    records = [
        _record(spec, columns, values, at, fits, floor)
        for values, at in _walk(spec, spec.rows, rows, run)
    ]
    frame = frame_of(records)
    wording = {"task": task_title(task), **(words or {})}
    return Table(
        spec.name.format(task=task),
        spec.title.format(**wording),
        spec.caption.format(**wording),
        tuple(_shown(spec, columns, frame)),
        frame,
        section=spec.section,
        notes=(*spec.notes, *unconverged_note(frame)),
    )


def expanded(spec: TableSpec, rows: pd.DataFrame, run: Order) -> list[Column]:
    """The columns, those for each value of a tidy column repeated, neighbours together."""
    present: list[Column] = []
    for each, same in groupby(spec.columns, key=lambda column: column.each):
        columns = list(same)
        if not each:
            present += columns
            continue
        for value in order_of(spec, each, rows[each], run):
            heading = method_label(value) if each == "method" else _named(spec, each, value)
            present += [
                replace(
                    column,
                    key=column.key.format(value),
                    group=column.group.format(heading),
                    label=column.label.format(heading),
                    where={**(column.where or {}), each: value},
                )
                for column in columns
            ]
    return present


def _named(spec: TableSpec, key: str, value: Any) -> str:
    return spec.names.get(key, {}).get(value, str(value))


def order_of(spec: TableSpec, key: str, values: Iterable[Any], run: Order) -> list[Any]:
    """The distinct values of a tidy column in the order of the page."""
    present = set(values)
    named = [value for value in spec.names.get(key, ()) if value in present]
    others = present - set(named)
    if key == "method":
        order = ordered_methods(run, others - {TEXTS}) + [TEXTS] * (TEXTS in others)
    elif key == "language":
        order = by_family(sorted(others), run.source)
    elif key == "unit":
        order = [unit for unit in UNITS if unit in others]
    elif key == "corpus":
        order = sorted(others, key=lambda corpus: (corpus != "text", corpus))
    else:
        order = sorted(others)
    return [*order, *named]


def _walk(
    spec: TableSpec, keys: Sequence[str], rows: pd.DataFrame, run: Order
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """What makes each row of the table, and the tidy rows that it is made of."""
    if not keys:
        yield {}, rows
        return
    for value in order_of(spec, keys[0], rows[keys[0]], run):
        for values, at in _walk(spec, keys[1:], pick(rows, **{keys[0]: value}), run):
            yield {keys[0]: value, **values}, at


def _record(
    spec: TableSpec,
    columns: Sequence[Column],
    values: Mapping[str, Any],
    at: pd.DataFrame,
    fits: pd.DataFrame | None,
    floor: pd.DataFrame | None,
) -> dict[str, Any]:
    names = _names(spec, values, at)
    record: dict[str, Any] = {}
    for column in columns:
        if column.where is None:
            wording = column.text.format(**names) if column.text else names[column.key]
            record[column.key] = wording
        elif column.floor:
            put_score(record, column.key, _level(floor, column.where, values))
        elif not column.spread:
            present = pick(at, **column.where)["value"]
            value = float(present.iloc[0]) if len(present) else None
            record[column.key] = ("yes" if value else "no") if column.flag else value
        else:
            put_score(record, column.key, pick(at, **column.where))
            if column.marked and fits is not None:
                keys = {k: v for k, v in column.where.items() if k in ("probe", "method")}
                mark_unconverged(fits, record, column.key, **{**values, **keys})
    return record


def _names(spec: TableSpec, values: Mapping[str, Any], at: pd.DataFrame) -> dict[str, Any]:
    """What a row of the table is called, by the keys of its text columns."""
    names: dict[str, Any] = dict(values)
    if "language" in values:
        code = values["language"]
        names |= {"language": language_name(code), "code": code, "family": language_family(code)}
    if "method" in values:
        names |= {"method": method_label(values["method"]), "method_key": values["method"]}
    if "eraser" in values:
        eraser = values["eraser"]
        names |= {"eraser": eraser_label(eraser), "variant": label(values["method"], eraser)}
    if "layer" in values:
        names["layer"] = int(values["layer"]) if values["layer"] >= 0 else None
    if "corpus" in values and "unit" in values:
        text = "language text" if values["corpus"] == "text" else "task text"
        names["place"] = f"{text}, per {values['unit']}"
    names |= {key: of[values[key]] for key, of in spec.names.items() if values.get(key) in of}
    return names | {"n": int(at["n"].max())}


def _level(floor: pd.DataFrame | None, where: Where, values: Mapping[str, Any]) -> pd.DataFrame:
    """The row of chance at this layer; where chance has no layer, that of any."""
    assert floor is not None, "a column of the floor needs its rows"
    rows = pick(floor, unit=values["unit"], **where)
    here = pick(rows, layer=values["layer"])
    return (here if len(here) else rows).head(1)


def _shown(spec: TableSpec, columns: Sequence[Column], frame: pd.DataFrame) -> list[Column]:
    by_key = {column.key: column for column in columns}
    order = [by_key[key] for key in spec.page] if spec.page else list(columns)
    return [
        column
        for column in order
        if column.shown
        and not (spec.drop_empty and column.kind == "score" and frame[column.key].isna().all())
    ]
