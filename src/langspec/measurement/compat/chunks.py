"""The score that ``seqeval.metrics.f1_score`` gives to raw labels: tags or languages.

seqeval expects labels with IOB prefixes. It reads the first character of a label as the prefix and
the rest as the type. It merges neighbours of one type into a span, which counts only as a whole.
So labels that differ in their first character alone count as one (CCONJ and SCONJ, "de" and "he"),
and a sentence in one language is one span: right as a whole, or wrong.

The functions of seqeval itself say where a span begins and ends; they are called once for every
pair of labels. Only the walk along the sequence is vectorised here. A test compares the scores
with those of ``f1_score``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from langspec.errors import LangspecError

BOUNDARY = "O"  # seqeval puts it after every sentence


def chunk_type(label: str) -> str:
    """The type that seqeval reads from a label."""
    return label[1:].split("-", maxsplit=1)[-1] or "_"


def fused(labels: Sequence[str]) -> list[tuple[str, ...]]:
    """The groups of two or more labels that seqeval cannot tell apart, sorted."""
    groups: dict[str, list[str]] = {}
    for label in sorted(set(labels)):
        groups.setdefault(chunk_type(label), []).append(label)
    return sorted(tuple(group) for group in groups.values() if len(group) > 1)


@dataclass(frozen=True)
class ChunkScores:
    """F1 of spans.

    Attributes:
        macro_f1: the mean over the types that gold or predicted spans have; nan without a span.
        micro_f1: of all spans together.
        by_type: of each type.
    """

    macro_f1: float
    micro_f1: float
    by_type: dict[str, float]


@dataclass(frozen=True)
class _Spans:
    """The spans of a sequence of ``P`` positions.

    Attributes:
        ends: bool ``[P]``, does a span end at the position?
        types: int ``[P]``, the type of that span.
        begins: int ``[P]``, its first position.
    """

    ends: np.ndarray
    types: np.ndarray
    begins: np.ndarray


class ChunkScorer:
    """Scores as ``f1_score`` of seqeval 1.2.2 (no scheme, no mode) gives them, for one label set.

    Args:
        labels: the labels that class indices stand for.

    Raises:
        LangspecError: an empty label, which has no first character.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        # Here: figures import this file, and seqeval imports scikit-learn.
        from seqeval.metrics.sequence_labeling import end_of_chunk, start_of_chunk

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
        """Score sequences that are given one after the other.

        Args:
            gold: int ``[N]``, index into the labels of each unit.
            predicted: int ``[N]``.
            lengths: int ``[S]``, number of units of each sequence; their sum is N.

        Raises:
            LangspecError: lengths whose sum is not N, or nothing to score.
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
        of_gold, of_predicted = self._spans(gold, after), self._spans(predicted, after)
        hit = (
            of_gold.ends
            & of_predicted.ends
            & (of_gold.types == of_predicted.types)
            & (of_gold.begins == of_predicted.begins)
        )
        kinds = len(self.names)
        hits = np.bincount(of_gold.types[hit], minlength=kinds)
        gold_spans = np.bincount(of_gold.types[of_gold.ends], minlength=kinds)
        predicted_spans = np.bincount(of_predicted.types[of_predicted.ends], minlength=kinds)
        spans = gold_spans + predicted_spans
        present = np.flatnonzero(spans)
        f1 = 2 * hits[present] / spans[present]
        total = spans.sum()
        return ChunkScores(
            # Labels that are all "O" have no spans, so there is no mean over types.
            macro_f1=float(f1.mean()) if len(f1) else np.nan,
            micro_f1=float(2 * hits.sum() / total) if total else 0.0,
            by_type={self.names[i]: float(f) for i, f in zip(present, f1, strict=True)},
        )

    def _spans(self, codes: np.ndarray, after: np.ndarray) -> _Spans:
        states = np.append(np.insert(codes, after, self.boundary), self.boundary)
        before = np.insert(states[:-1], 0, self.beginning)
        ends, starts = self.ends[before, states], self.starts[before, states]
        last = np.maximum.accumulate(np.where(starts, np.arange(len(states)), 0))
        # seqeval gives a span without a beginning that of the span before it.
        begins = np.insert(last[:-1], 0, 0)
        return _Spans(ends, self.type_of[before], begins)
