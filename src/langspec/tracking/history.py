"""Names of metrics in MLflow, from the rows and files that stages keep.

The part before the first ``/`` is the group of the pages' charts: ``train`` (steps), ``val``
(every epoch), ``best`` (the chosen epoch), ``test`` (task scores), ``leak`` (language probes),
``headline`` (the few to compare methods by).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from langspec.errors import LangspecError
from langspec.results import ATTACK, LEAK_CURVE, headline

if TYPE_CHECKING:
    import pandas as pd


STEP_GROUP = "train/"
"""Before metrics that are logged every step."""


class Point(NamedTuple):
    """One value of a metric; ``step`` is its place on the charts' axis."""

    name: str
    value: float
    step: int


def read_history(file: Path) -> Iterator[Point]:
    """Points of ``steps.csv`` or ``epochs.csv``; the column ``step`` is the charts' axis.

    ``epoch`` only counts and is no metric; a column ``val_x`` is ``val/x``, any other ``x`` is
    ``train/x``; an empty cell is no point.

    Raises:
        LangspecError: no such file, no UTF-8, no column ``step``, or a cell that is no number.
    """
    cure = "rerun the stage train"
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LangspecError(f"cannot be read ({error}); {cure}", place=file) from None
    reader = csv.DictReader(lines)
    for row in reader:
        try:
            step = int(row.pop("step"))
            row.pop("epoch", None)
            for column, cell in row.items():
                if cell:
                    yield Point(_history_name(column), float(cell), step)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LangspecError(
                f"expected a column 'step' and numbers in every cell, found {error}; {cure}",
                place=f"{file}:{reader.line_num}",
            ) from error


def _history_name(column: str) -> str:
    if "/" in column:
        return column
    group, _, name = column.partition("_")
    return f"val/{name}" if group == "val" else f"train/{column}"


def seed_points(entry: Mapping[str, Any]) -> list[Point]:
    """What ``run.json`` says of a seed: the chosen epoch and its dev scores, under ``best``."""
    scores = {"epoch": entry["best_epoch"], **entry["dev"]}
    return [
        Point(f"best/{key}", float(value), 0)
        for key, value in scores.items()
        if isinstance(value, int | float)
    ]


def evaluation_points(rows: pd.DataFrame) -> list[Point]:
    """Points of tidy results of one method and seed (or of rows averaged over seeds).

    Task scores become ``test/<language>/<metric>``; language probes
    ``leak/<probe>/layer_<NN>/<unit>_<metric>`` (``leak_task_text/...`` on the
    task's own texts) and, to see all layers in one chart,
    ``leak/<probe>/by_layer/<unit>_<metric>`` with the layer as the axis; what attackers
    read behind erasers is under ``attack/`` and ``attack_task_text/``. Probe rows of single
    languages and points of a leak's curve stay in the table: a chart for each would bury the
    others. What the last half of the training vectors adds is ``leak/linear/.../<unit>_gain``.

    Raises:
        LangspecError: two rows have one name even after their corpus is added to it.
    """
    point = (rows["measure"] == LEAK_CURVE) & ~rows["metric"].isin(("gain", "rising"))
    logged = rows[((rows["probe"] == "") | (rows["language"] == "all")) & ~point].copy()
    logged["name"] = [_metric_name(row) for row in logged.to_dict("records")]
    shared = logged["name"].duplicated(keep=False)
    logged.loc[shared, "name"] += ":" + logged.loc[shared, "corpus"]
    again = logged["name"][logged["name"].duplicated()]
    if len(again):
        raise LangspecError(f"two rows of the results would both be logged as {again.iloc[0]!r}")
    points = [point for row in logged.to_dict("records") for point in _with_ends(row, row["name"])]
    points += [
        Point(f"headline/{name}", number["value"], 0) for name, number in headline(rows).items()
    ]
    layers = logged[(logged["probe"] != "") & (logged["layer"] >= 0)]
    for row in layers.sort_values("layer").to_dict("records"):
        series = row["name"].replace(f"/layer_{row['layer']:02d}/", "/by_layer/")
        points += _with_ends(row, series, int(row["layer"]))
    return points


def _with_ends(row: Mapping[Any, Any], name: str, step: int = 0) -> Iterator[Point]:
    """A row's value and, where it has an interval, the interval's ends."""
    for end in ("value", "low", "high"):
        if not math.isnan(row[end]):
            yield Point(name if end == "value" else f"{name}_{end}", float(row[end]), step)


def _metric_name(row: Mapping[Any, Any]) -> str:
    if not row["probe"]:
        return f"{row['split']}/{row['language']}/{row['metric']}"
    group = "leak" if row["split"] == "test" else f"leak_{row['split']}"
    attacked = row["measure"] == ATTACK
    if attacked:  # measure beyond has probes of the same names
        group = ATTACK
    if (attacked or row["probe"] in ("linear", "majority")) and row["corpus"] == row["task"]:
        group += "_task_text"  # beside the leak on language text, under which name it is known
    layer = f"layer_{row['layer']:02d}/" if row["layer"] >= 0 else ""
    return f"{group}/{row['probe']}/{layer}{row['unit']}_{row['metric']}"
