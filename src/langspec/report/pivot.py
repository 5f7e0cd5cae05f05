"""Tables made from their specs: pivots of tidy rows over seeds, or lists of records."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from langspec.measurement.baselines import is_baseline
from langspec.measures.spec import Column, TableSpec, Where
from langspec.report.run_results import KEYS, POOLED, by_family, language_family, language_name
from langspec.report.table import (
    SPREAD,
    Order,
    Table,
    eraser_label,
    frame_of,
    method_label,
    ordered_methods,
    pick,
    put_row,
    put_score,
    task_title,
    unconverged_note,
)
from langspec.results import EVERY, RANDOM, label

UNITS = ("token", "sentence", "pair", "")
_FIT = tuple(key for key in KEYS if key not in ("language", "metric"))
"""What the rows of one fit share."""


def select(frame: pd.DataFrame, where: Where) -> pd.DataFrame:
    """The rows that ``where`` names; a tuple of values: any of them."""
    mask = np.ones(len(frame), dtype=bool)
    for key, value in where.items():
        wanted = list(value) if isinstance(value, tuple) else [value]
        mask &= frame[key].isin(wanted).to_numpy(dtype=bool)
    return frame[mask]


def meant(where: Where, task: str, source: str) -> Where:
    """``where`` with ``{task}`` and ``{source}`` replaced by what they stand for."""
    names = {"{task}": task, "{source}": source}
    return {
        key: tuple(names.get(one, one) for one in value)
        if isinstance(value, tuple)
        else names.get(value, value)
        for key, value in where.items()
    }


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
        run: for the order of tasks, methods and languages.
        task: its key, for the name; its title, for title and caption.
        fits: tidy rows of the fits that did not converge, for cells that are marked.
        floor: rows of chance, over seeds, for the columns of the floor.
        words: what further names in caption, notes and labels stand for.
    """
    spec = replace(
        spec,
        where=meant(spec.where, task, run.source),
        columns=tuple(
            replace(c, where=None if c.where is None else meant(c.where, task, run.source))
            for c in spec.columns
        ),
    )
    rows = select(rows, spec.where)
    if rows.empty:
        return None
    wording = {"task": task_title(task), **(words or {})}
    columns = _expanded(spec, rows, run, wording)
    records = [
        _record(spec, columns, _names(spec, values, at, run.source), values, at, fits, floor)
        for values, at in _walk(spec, spec.rows, rows, run)
    ]
    frame = frame_of(records)
    notes = (note.format(**wording) for note in spec.notes)
    return Table(
        spec.name.format(task=task),
        spec.title.format(**wording),
        spec.caption.format(**wording),
        tuple(_shown(spec, columns, frame, floor)),
        frame,
        section=spec.section,
        notes=(*filter(None, notes), *unconverged_note(frame)),
    )


def listed(
    spec: TableSpec,
    records: Sequence[Mapping[str, Any]],
    *,
    task: str = "",
    each: Sequence[str] = (),
    without: Collection[str] = (),
    words: Mapping[str, str] | None = None,
    notes: Iterable[str] = (),
) -> Table | None:
    """The table whose rows are there already; None where there are none.

    Args:
        spec: what it shows; its columns are keys of the records.
        records: a row each; a column that a record lacks is empty, a repeated one 0.
        task: its key, for the name; its title, for title and caption.
        each: what the columns with ``each`` are repeated for.
        without: keys of columns that it does not have.
        words: what further names in title and caption stand for.
        notes: sentences below the table, after those of the spec.
    """
    if not records:
        return None
    wording = {"task": task_title(task), **(words or {})}
    columns: list[Column] = []
    for column in spec.columns:
        if column.each:
            columns += [
                replace(column, key=column.key.format(one), label=one.replace("_", " "))
                for one in each
            ]
        elif column.key not in without:
            columns.append(column)
    # In the CSV, the range and the interval of a score stand behind it, where records have them.
    keys = {
        key: 0 if column.each else None
        for column in columns
        for key in (column.key, *(f"{column.key}_{part}" for part in SPREAD[1:]))
        if key == column.key or key in records[0]
    }
    frame = frame_of([{key: r.get(key, absent) for key, absent in keys.items()} for r in records])
    return Table(
        spec.name.format(**{**wording, "task": task}),
        spec.title.format(**wording),
        spec.caption.format(**wording),
        tuple(_shown(spec, columns, frame, None)),
        frame,
        section=spec.section,
        notes=(*spec.notes, *notes),
    )


def _expanded(
    spec: TableSpec, rows: pd.DataFrame, run: Order, words: Mapping[str, str]
) -> list[Column]:
    """The columns, those for each value of a tidy column repeated, neighbours together."""
    present: list[Column] = []
    for each, same in groupby(spec.columns, key=lambda column: column.each):
        columns = list(same)
        if not each:
            present += [
                replace(c, group=c.group.format(**words), label=c.label.format(**words))
                for c in columns
            ]
            continue
        for value in order_of(spec, each, rows[each], run):
            heading = method_label(value) if each == "method" else _named(spec, each, value)
            present += [
                replace(
                    column,
                    key=column.key.format(value),
                    group=column.group.format(heading, **words),
                    label=column.label.format(heading, **words),
                    where={**(column.where or {}), each: value},
                    shown=column.shown and not (column.trained and is_baseline(value)),
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
        order = ordered_methods(run, others - {EVERY}) + [EVERY] * (EVERY in others)
    elif key == "language":
        order = by_family(sorted(others), run.source)
    elif key in ("unit", "task"):
        order = [value for value in (UNITS if key == "unit" else run.tasks) if value in others]
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
    names: Mapping[str, Any],
    values: Mapping[str, Any],
    at: pd.DataFrame,
    fits: pd.DataFrame | None,
    floor: pd.DataFrame | None,
) -> dict[str, Any]:
    # Plain rows: a data frame takes a millisecond to find the one row of a cell.
    rows = at.to_dict("records")
    record: dict[str, Any] = {}
    for column in columns:
        key = column.key
        if column.where is None:
            record[key] = column.text.format(**names) if column.text else names[key]
        elif column.floor:
            put_score(record, key, _level(floor, column.where, values))
        else:
            cell = _first(rows, column.where)
            if column.part != "score":
                record[key] = _part(column, cell)
                continue
            put_row(record, key, cell)
            if column.marked and fits is not None and len(fits) and cell is not None:
                put_unconverged(record, key, fits, cell)
    return record


Row = Mapping[Any, Any]


def _first(rows: Iterable[Row], where: Where) -> Row | None:
    """The first of some rows that ``where`` names; a tuple of values: any of them."""
    wanted = [(key, v if isinstance(v, tuple) else (v,)) for key, v in where.items()]
    return next((row for row in rows if all(row[key] in any_of for key, any_of in wanted)), None)


def _part(column: Column, row: Row | None) -> Any:
    """A cell that is one number without its range, or yes or no."""
    if row is None:
        return "no" if column.part == "flag" else None
    if column.part == "train_n":
        return int(row["train_n"]) or None
    if column.part == "flag":
        return "yes" if row["value"] else "no"
    if column.part == "stated":  # of most seeds
        return "yes" if row["value"] > 0.5 else "no"
    if column.part == "count":
        return round(row["value"] * row["seeds"])
    return float(row[column.part])


def put_unconverged(record: dict[str, Any], key: str, fits: pd.DataFrame, cell: Row) -> None:
    """Put the number of ``fits`` behind a cell that did not converge, if any, into ``record``."""
    equal = {name: cell[name] for name in _FIT if not pd.isna(cell[name])}
    if "strength" not in equal:  # a point of a path is no part of the method's own row
        fits = fits[fits["strength"].isna()]
    if failed := len(pick(fits, **equal)):
        record[f"{key}_unconverged"] = failed


def _names(
    spec: TableSpec, values: Mapping[str, Any], at: pd.DataFrame, source: str
) -> dict[str, Any]:
    """What a row of the table is called, by the keys of its text columns."""
    seeds = at["seeds"].max() if "seeds" in at else float("nan")
    names: dict[str, Any] = {
        **values,
        "n": int(at["n"].max()),
        "train_n": int(at["train_n"].max()) or None,
        "seeds": None if pd.isna(seeds) else int(seeds),
    }
    if "language" in values:
        code = values["language"]
        role = "source" if code == source else "target"
        names |= {"language": language_name(code), "code": code, "family": language_family(code)}
        names |= {"role": role, "pooled": ""}
        if spec.pooled and code in POOLED:
            names |= {"code": "", "family": "", "role": "", "pooled": spec.pooled, "n": None}
    if "task" in values:
        names |= {"task": task_title(values["task"]), "task_key": values["task"]}
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
    return names | {
        key: of[values[key]] for key, of in spec.names.items() if values.get(key) in of
    }


def _level(floor: pd.DataFrame | None, where: Where, values: Mapping[str, Any]) -> pd.DataFrame:
    """The row of chance at this layer; where chance has no layer, that of any.

    The random encoder, which may be measured on fewer lines, gives it only where no other does.
    """
    assert floor is not None, "a column of the floor needs its rows"
    rows = pick(floor, unit=values["unit"], **where)
    rows = rows.iloc[np.argsort(rows["method"] == RANDOM, kind="stable")]
    here = pick(rows, layer=values["layer"])
    return (here if len(here) else rows).head(1)


def _shown(
    spec: TableSpec, columns: Sequence[Column], frame: pd.DataFrame, floor: pd.DataFrame | None
) -> list[Column]:
    by_key = {column.key: column for column in columns}
    repeated = [column for column in columns if column.each]
    order = [c for key in spec.page for c in (repeated if key == "{}" else [by_key[key]])]
    return [
        column
        for column in order or columns
        if column.shown
        and not (column.floor and (floor is None or floor.empty))
        and not (spec.drop_empty and column.kind == "score" and frame[column.key].isna().all())
    ]
