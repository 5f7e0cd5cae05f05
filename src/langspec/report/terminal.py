"""The report on the terminal: the headline, and any of its tables as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from langspec.errors import DamagedFile, LangspecError
from langspec.report.headline_table import FITTED, LEAKS, headline
from langspec.report.run_results import Run
from langspec.report.table import (
    MARK,
    UNIT_PLURALS,
    decimal,
    leak_place,
    pick,
    unconverged_note,
)


def headline_text(run: Run) -> str:
    """The headline table as plain text, about 110 columns wide."""
    frame = headline(run).frame
    heads = (
        "method",
        "seeds",
        "targets acc",
        "[95 %]",
        "macro-F1",
        "source",
        "gap",
        "tok F1",
        "tok acc",
        "sent F1",
    )
    keys = (
        "targets_macro_f1",
        "source_accuracy",
        "gap_accuracy",
        *(column.key for column in LEAKS),
    )
    blocks = []
    for task in dict.fromkeys(frame["task"]):
        lines = [heads]
        for record in pick(frame, task=task).to_dict("records"):
            low, high = record["targets_accuracy_low"], record["targets_accuracy_high"]
            interval = "" if pd.isna(low) else f"[{_plain(low)} {_plain(high)}]"
            seeds = "" if pd.isna(record["seeds"]) else f"{int(record['seeds'])}"
            lines.append(
                (
                    record["method"],
                    seeds,
                    _plain(record["targets_accuracy"]),
                    interval,
                    *(_plain(record[key]) + _mark(record, key) for key in keys),
                )
            )
        widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
        text = [
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        blocks.append("\n".join([f"{run.name}: {task}", text[0], "-" * len(text[0]), *text[1:]]))
    foot = (
        "acc, macro-F1: test, mean of the target languages, mean over seeds; [95 %]: interval "
        f"over items;\ntok/sent: language read by a linear probe from the {leak_place(run)} "
        f"(F1: macro-F1),\n{_fitted(frame)}.\nIn metrics.json, MLflow and a model's card: "
        "transfer = targets acc, leak = tok F1."
    )
    return "\n\n".join([*blocks, foot, *unconverged_note(frame)]) + "\n"


def _fitted(frame: pd.DataFrame) -> str:
    """How many training units the probes had, of methods that differ by name."""
    methods: dict[str, list[str]] = {}
    for record in frame.to_dict("records"):
        counts = {unit: record[key] for unit, key in FITTED.items() if not pd.isna(record[key])}
        if counts:
            words = " and ".join(f"{int(n):,} {UNIT_PLURALS[unit]}" for unit, n in counts.items())
            methods.setdefault(words, []).append(str(record["method"]))
    if len(methods) == 1:
        return f"fitted on {next(iter(methods))}"
    return "fitted on " + "; ".join(
        f"{words} ({', '.join(dict.fromkeys(names))})" for words, names in methods.items()
    )


def _mark(record: dict[Any, Any], key: str) -> str:
    return "" if pd.isna(record.get(f"{key}_unconverged")) else MARK


def _plain(value: Any) -> str:
    return "–" if value is None or pd.isna(value) else decimal(value)


def table_text(folder: Path, name: str | None, columns: list[str]) -> str:
    """One of the report's CSV tables as Markdown, numbers to three places; or their names.

    Args:
        folder: the report's ``tables``.
        name: of the table; None: the names of all.
        columns: of it; none: all.

    Raises:
        LangspecError: no such table or column.
    """
    names = sorted(file.stem for file in folder.glob("*.csv"))
    if name is None:
        return "\n".join(names)
    if name not in names:
        raise LangspecError(f"no table {name!r}; there are {', '.join(names)}", place="table")
    try:
        frame = pd.read_csv(folder / f"{name}.csv")
    except ValueError as error:
        reason = f"cannot be read ({error}); run: langspec report"
        raise DamagedFile(reason, place=folder / f"{name}.csv") from None
    unknown = [column for column in columns if column not in frame.columns]
    if unknown:
        raise LangspecError(
            f"no column {', '.join(unknown)}; there are {', '.join(frame.columns)}", place=name
        )
    frame = (frame[columns] if columns else frame).convert_dtypes()
    cells = frame.astype(object).map(_cell)
    return str(cells.to_markdown(index=False, disable_numparse=True))


def _cell(value: Any) -> str:
    """Numbers to three places, counts whole, nothing where nothing was measured."""
    if pd.isna(value):
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
