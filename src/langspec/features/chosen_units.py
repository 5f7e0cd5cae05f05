"""Which rows, words and texts of the inputs a bank holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from langspec.encoders.inputs import Inputs
from langspec.errors import LangspecError
from langspec.features.bank import KINDS, NO_LABEL, BankOptions, BankRows, PerLanguage
from langspec.features.sample import fewest_rows, lowest_per_group, unit_ranks


@dataclass(frozen=True)
class Selection:
    """Sampled units in row order: flat unit indices, their rows, and rows with a sentence."""

    languages: tuple[str, ...]
    splits: tuple[str, ...]
    units: np.ndarray
    unit_rows: np.ndarray
    sentences: np.ndarray
    tables: dict[str, np.ndarray]

    def rows(self, kinds: Sequence[str] = KINDS) -> np.ndarray:
        """The rows that must be encoded for vectors of these kinds, ascending."""
        units = self.unit_rows if "tokens" in kinds else self.unit_rows[:0]
        return np.union1d(units, self.sentences if "sentences" in kinds else units[:0])


def _parts(
    split: np.ndarray, splits: Sequence[str], limit: PerLanguage
) -> list[tuple[np.ndarray, int | None]]:
    """Positions ``[M]`` in ``split`` that one limit is of, and that limit, for each limit."""
    if not isinstance(limit, Mapping):
        return [(np.arange(len(split)), limit)]
    return [(np.flatnonzero(split == splits.index(n)), limit[n]) for n in limit if n in splits]


def _lowest(
    ranks: np.ndarray,
    language: np.ndarray,
    split: np.ndarray,
    splits: Sequence[str],
    limit: PerLanguage,
) -> np.ndarray:
    """Positions of the lowest ranks of each language, or of each language and split, ascending."""
    chosen = [
        rows[lowest_per_group(ranks[rows], language[rows], most)]
        for rows, most in _parts(split, splits, limit)
    ]
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, dtype=np.int64)


def select(inputs: Inputs, rows: BankRows, options: BankOptions) -> Selection:
    """Draw what ``options`` ask for; equal arguments give equal units.

    Raises:
        LangspecError: lengths that disagree.
    """
    count = len(inputs)
    for name in ("languages", "splits", "lines", "row_labels"):
        values = getattr(rows, name)
        optional = name != "languages" and (values is None or len(values) == 0)
        if not optional and len(values) != count:
            raise LangspecError(f"expected {count} {name}, one a row, found {len(values)}")
    if rows.token_labels is not None and len(rows.token_labels) != len(inputs.units):
        raise LangspecError(
            f"expected {len(inputs.units)} token_labels, one a unit, "
            f"found {len(rows.token_labels)}"
        )
    languages = tuple(sorted(set(rows.languages)))
    splits = tuple(sorted(set(rows.splits)))
    language = np.asarray([languages.index(code) for code in rows.languages], dtype=np.int64)
    split = np.asarray([splits.index(name) for name in rows.splits] or [-1] * count, np.int64)
    line = np.arange(count) if rows.lines is None else np.asarray(rows.lines, dtype=np.int64)

    unit_rows = np.repeat(np.arange(count), np.diff(inputs.unit_starts))
    ranks = unit_ranks(
        options.seed, languages, language[unit_rows], line[unit_rows], inputs.unit_words
    )
    row_ranks = unit_ranks(options.seed, languages, language, line, np.full(count, -1))
    # One language for the ranks: translations are kept together.
    one = np.zeros(count, dtype=np.int64)
    line_ranks = unit_ranks(options.seed, ("",), one, line, one - 1)
    read = lowest_per_group(line_ranks, language, options.lines)
    most = options.max_tokens_per_language
    candidates = np.flatnonzero(np.isin(unit_rows, read))
    if options.whole_rows:
        sizes = np.where(np.isin(np.arange(count), read), np.diff(inputs.unit_starts), 0)
        enough = np.ones(count, dtype=bool)
        for part, limit in _parts(split, splits, most):
            if limit is not None:
                enough[part] = fewest_rows(row_ranks[part], language[part], sizes[part], limit)
        candidates = candidates[enough[unit_rows[candidates]]]
    of = unit_rows[candidates]
    units = candidates[_lowest(ranks[candidates], language[of], split[of], splits, most)]
    sentences = _lowest(line_ranks, language, split, splits, options.max_sentences_per_language)
    sentences = np.intersect1d(sentences, read)

    def table(row: np.ndarray, column: np.ndarray, label: np.ndarray | None) -> np.ndarray:
        if label is None:
            label = np.full(len(row), NO_LABEL)
        columns = (row, column, language[row], line[row], split[row], label)
        return np.stack(columns, axis=1).astype(np.int32)

    token_labels = None if rows.token_labels is None else np.asarray(rows.token_labels)[units]
    row_labels = None if rows.row_labels is None else np.asarray(rows.row_labels)[sentences]
    tables = {
        "tokens": table(unit_rows[units], inputs.units[units], token_labels),
        "sentences": table(sentences, np.full(len(sentences), -1), row_labels),
    }
    return Selection(languages, splits, units, unit_rows[units], sentences, tables)


def fingerprint_of(inputs: Inputs, words: Inputs, selection: Selection) -> str:
    """SHA-256 of the pieces and of the selection: what the vectors are of.

    ``inputs`` are the rows of sentence vectors, ``words`` those of token vectors.
    """
    digest = hashlib.sha256("\0".join((*selection.languages, "", *selection.splits)).encode())
    pieces = [a for rows in (inputs, words) for a in (rows.ids, rows.starts, rows.segments)]
    for array in (*pieces, *selection.tables.values()):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
