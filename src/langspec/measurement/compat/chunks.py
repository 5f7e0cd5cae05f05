"""What ``seqeval.metrics.f1_score`` makes of raw labels: tags or languages, no IOB prefixes.

seqeval reads the first character of a label as its IOB prefix and the rest as its type, and merges
neighbours of one type into a span that counts only as a whole. So labels fuse that differ in their
first character alone (CCONJ and SCONJ, "de" and "he"), and a sentence whose reference is one
language throughout is one span: right as a whole, or wrong.

The rules for where a span begins and ends are seqeval's own functions, asked once for every pair
of labels; only the walk along the sequence is done for all positions at once. A test compares it
with ``f1_score`` itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from seqeval.metrics.sequence_labeling import end_of_chunk, start_of_chunk

from langspec.errors import LangspecError

BOUNDARY = "O"  # seqeval puts it after every sentence


def chunk_type(label: str) -> str:
    """What seqeval takes for the type of an entity labelled ``label``."""
    return label[1:].split("-", maxsplit=1)[-1] or "_"


def fused(labels: Sequence[str]) -> list[tuple[str, ...]]:
    """Groups of labels that seqeval cannot tell apart, those of two or more, sorted."""
    groups: dict[str, list[str]] = {}
    for label in sorted(set(labels)):
        groups.setdefault(chunk_type(label), []).append(label)
    return sorted(tuple(group) for group in groups.values() if len(group) > 1)


@dataclass(frozen=True)
class ChunkScores:
    """F1 of spans: mean over types (of gold or predicted spans), of all spans, by type."""

    macro_f1: float
    micro_f1: float
    by_type: dict[str, float]


@dataclass(frozen=True)
class _Spans:
    """A span for each position it ends at: bool, type and first position, ``[P]`` each."""

    ends: np.ndarray
    types: np.ndarray
    begins: np.ndarray


class ChunkScorer:
    """``f1_score`` of seqeval 1.2.2 (no scheme, no mode) for one set of labels.

    Args:
        labels: the labels that class indices stand for.

    Raises:
        LangspecError: an empty label, which has no first character.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        if not all(labels):
            raise LangspecError("seqeval cannot read an empty label", place="labels")
        # Two more states: the boundary after a sentence, and the beginning of everything.
        tags = [*(label[0] for label in labels), BOUNDARY, BOUNDARY]
        names = [*(chunk_type(label) for label in labels), chunk_type(BOUNDARY), ""]
        self.boundary, self.beginning = len(labels), len(labels) + 1
        self.names = sorted(set(names))
        self.type_of = np.asarray([self.names.index(name) for name in names])
        pairs = [
            [(before, tag, name, kind) for tag, kind in zip(tags, names, strict=True)]
            for before, name in zip(tags, names, strict=True)
        ]
        self.ends = np.asarray([[end_of_chunk(*pair) for pair in row] for row in pairs])
        self.starts = np.asarray([[start_of_chunk(*pair) for pair in row] for row in pairs])

    def __call__(
        self, gold: np.ndarray, predicted: np.ndarray, lengths: np.ndarray
    ) -> ChunkScores:
        """Scores of sequences laid end to end.

        Args:
            gold: int ``[N]``, class of each unit.
            predicted: int ``[N]``.
            lengths: int ``[S]``, units of each sequence, of sum N.

        Raises:
            LangspecError: lengths that do not add up, or nothing to score.
        """
        gold, predicted = np.asarray(gold, np.int64), np.asarray(predicted, np.int64)
        lengths = np.asarray(lengths, np.int64)
        if not len(gold) == len(predicted) == lengths.sum():
            raise LangspecError(
                f"{len(gold)} gold labels, {len(predicted)} predictions, but sequences of "
                f"{lengths.sum()} units"
            )
        if not len(gold):
            raise LangspecError("seqeval has nothing to score: no units")
        after = np.cumsum(lengths)
        right, told = self._spans(gold, after), self._spans(predicted, after)
        hit = right.ends & told.ends & (right.types == told.types) & (right.begins == told.begins)
        kinds = len(self.names)
        hits = np.bincount(right.types[hit], minlength=kinds)
        wanted = np.bincount(right.types[right.ends], minlength=kinds)
        found = np.bincount(told.types[told.ends], minlength=kinds)
        present = np.flatnonzero(wanted + found)
        f1 = 2 * hits[present] / (wanted[present] + found[present])
        total = wanted.sum() + found.sum()
        return ChunkScores(
            # Labels that are all "O" have no spans, and seqeval no mean over their types.
            macro_f1=float(f1.mean()) if len(f1) else np.nan,
            micro_f1=float(2 * hits.sum() / total) if total else 0.0,
            by_type={self.names[i]: float(f) for i, f in zip(present, f1, strict=True)},
        )

    def _spans(self, codes: np.ndarray, after: np.ndarray) -> _Spans:
        states = np.append(np.insert(codes, after, self.boundary), self.boundary)
        before = np.insert(states[:-1], 0, self.beginning)
        ends, starts = self.ends[before, states], self.starts[before, states]
        last = np.maximum.accumulate(np.where(starts, np.arange(len(states)), 0))
        # A span that never began gets the beginning of the one before it, as seqeval gives it.
        begins = np.insert(last[:-1], 0, 0)
        return _Spans(ends, self.type_of[before], begins)
