"""Tables of an audit filled from specs of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from langspec.audit.measure import Audited
from langspec.measures.spec import Column, TableSpec
from langspec.report.pivot import fill
from langspec.report.table import Table

Encoders = Sequence[Audited]


@dataclass(frozen=True)
class Order:
    """Languages by family, none of them first."""

    tasks: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    source: str = ""


def filled(spec: TableSpec, audits: Encoders, rows: pd.DataFrame, **words: str) -> Table | None:
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


def cell(key: str, label: str, group: str = "", *, kind: Any = "score", **where: Any) -> Column:
    """A number of the encoder as it is, unless ``where`` names an eraser."""
    return Column(key, label, group, kind, {"eraser": "", **where}, shown=bool(label))
