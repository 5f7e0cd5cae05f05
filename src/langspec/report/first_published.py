"""The paper's measure of language before and after fine-tuning, beside the first answers."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from langspec.report.first_answers import AFTER, shorts
from langspec.report.published_tables import (
    BEFORE,
    LEAST_UPDATES,
    Quantity,
    is_token,
    language_quantity,
    published_rows,
    published_value,
)
from langspec.report.run_results import Run
from langspec.report.table import pick, task_name


@dataclass(frozen=True)
class Beside:
    """The paper's measure before and after fine-tuning: on these vectors, and as published.

    Attributes:
        task: its name.
        here: the values on this run's vectors.
        published: the paper's.
    """

    task: str
    here: tuple[str, ...]
    published: tuple[str, ...]


def beside_paper(run: Run) -> Beside | None:
    """The paper's measure of the first task that has it; None: it was measured on none."""
    for task in run.tasks:
        if quantity := language_quantity(run, task):
            here = [_value(pick(quantity.compat, method=m)) for m in (BEFORE, AFTER)]
            stated = [published_value(run, task, m, quantity) for m in (BEFORE, AFTER)]
            if None not in here:
                known = () if None in stated else shorts(stated)
                return Beside(task_name(task), shorts(here), known)
    return None


def differences(run: Run, task: str, quantity: Quantity) -> list[str]:
    """Why the paper's measure is another one: its score, and updates that the run saved."""
    words = is_token(published_rows(run, task))
    parts = ["one wrong word fails a sentence"] if words else []
    made = None if quantity.updates is None else _value(pick(quantity.updates, method=AFTER))
    if made is not None and made < LEAST_UPDATES:
        parts.append(f"{made:,.0f} updates, theirs {LEAST_UPDATES:,}")
    return parts


def _value(rows: pd.DataFrame) -> float | None:
    return float(rows["value"].iloc[0]) if len(rows) else None
