"""Which language texts the published measure reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from langspec.encoders.inputs import Inputs
from langspec.features.bank import BankRows
from langspec.features.sample import lowest_per_group, unit_ranks

if TYPE_CHECKING:
    from langspec.tasks import TaskData


def first_texts(
    inputs: Inputs,
    rows: BankRows,
    languages: Sequence[str],
    splits: Sequence[str],
    most: int | None,
    *,
    seed: int,
) -> tuple[Inputs, BankRows]:
    """Draw texts, the same lines in all languages.

    Args:
        inputs: tokenised texts.
        rows: language, split and line of each text.
        languages: the codes that ``rows.languages`` has.
        splits: the names that ``rows.splits`` has.
        most: texts at most of each language and split; None: all.
        seed: of the draw.

    Returns:
        The drawn texts, and their language, split and line.
    """
    if most is None:
        return inputs, rows
    lines = rows.lines if rows.lines is not None else np.arange(len(inputs))
    language = np.asarray([languages.index(code) for code in rows.languages])
    split = np.asarray([splits.index(name) for name in rows.splits])
    same = np.zeros(len(inputs), np.int64)
    # One language for the ranks: lines that are translations are drawn together.
    ranks = unit_ranks(seed, ("",), same, lines, same)
    chosen = lowest_per_group(ranks, language * len(splits) + split, most)
    if len(chosen) == len(inputs):
        return inputs, rows
    return subset(inputs, chosen), BankRows(
        languages=[rows.languages[i] for i in chosen],
        splits=[rows.splits[i] for i in chosen],
        lines=np.asarray(lines)[chosen],
    )


def subset(inputs: Inputs, rows: np.ndarray) -> Inputs:
    """The chosen rows (int ``[N]``) of tokenised inputs, in the order given."""

    def part(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
        return np.concatenate([values[starts[r] : starts[r + 1]] for r in rows])

    def starts(of: np.ndarray) -> np.ndarray:
        return np.cumsum([0, *np.diff(of)[rows]], dtype=np.int64)

    return Inputs(
        part(inputs.ids, inputs.starts),
        starts(inputs.starts),
        part(inputs.segments, inputs.starts),
        part(inputs.units, inputs.unit_starts),
        starts(inputs.unit_starts),
        part(inputs.unit_words, inputs.unit_starts),
    )


def task_lengths(test: TaskData) -> np.ndarray:
    """The number of scored units of each test row that has any, int64; 1 for a pair or text."""
    if test.unit != "token":
        return np.ones(len(test), np.int64)
    lengths = np.diff(test.inputs.unit_starts)
    return lengths[lengths > 0]
