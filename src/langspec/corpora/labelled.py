"""Writing the table of a labelled corpus: filters, limits, splits and near duplicates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from langspec.corpora.conllu import join_words
from langspec.corpora.filters import Filter, Ledger, Row
from langspec.corpora.job import Job
from langspec.corpora.near import NearSplits
from langspec.corpora.sources import LocatedFile
from langspec.corpora.splits import held_out, sample, stratified_splits
from langspec.corpora.tables import SPLITS
from langspec.corpora.tally import Corpus

Groups = Iterator[tuple[str | None, Iterable[Row]]]


@dataclass(frozen=True)
class Labelled:
    """What is particular about a labelled corpus; :func:`write_labelled` does the rest.

    Attributes:
        name: of the task and its table.
        schema: of the table; other fields of a row are not written.
        groups: the rows of a split, language by language; called anew for another pass.
        conditions: the filters, in order.
        limits: at most so many rows a language, by split; absent or None: all.
        key: what a row is sampled by.
        group: what stays in one of train and val (a document, a prompt).
        texts: of a row; joined, they are compared for duplicates.
        labels: of a row.
        words: how many a row has.
    """

    name: str
    schema: pa.Schema
    groups: Callable[[str], Groups]
    conditions: tuple[Filter, ...]
    limits: Mapping[str, int | None]
    key: Callable[[Row], str]
    group: Callable[[Row], str]
    texts: Callable[[Row], Sequence[str]]
    labels: Callable[[Row], Iterable[str]]
    words: Callable[[Row], int]


def write_labelled(job: Job, corpus: Corpus, part: Labelled, used: Sequence[LocatedFile]) -> None:
    """Write the table of a labelled corpus, and count its rows in ``corpus``."""
    rows = _LabelledRows(job, corpus, part)
    job.write(part.name, rows.recorded(), used, part.schema)
    if rows.near is not None:
        corpus.near[job.section.source] = rows.near.facts()


class _LabelledRows:
    """The rows of a labelled corpus: filtered, sampled, split, without near duplicates."""

    def __init__(self, job: Job, corpus: Corpus, part: Labelled) -> None:
        self.section, self.corpus, self.part = job.section, corpus, part
        self.conditions = (*part.conditions, *job.known_tokens(part.texts))
        threshold = job.section.near_duplicates.threshold
        # Only the source has training data, which could repeat what it is scored on.
        self.near = NearSplits(threshold) if threshold else None

    def recorded(self) -> Iterator[Row]:
        """Every row of the table, in order, counted."""
        part, corpus = self.part, self.corpus
        for row in corpus.ledger.count_written(self._distinct()):
            text = "\n".join(part.texts(row))
            corpus.record(row["language"], row["split"], text, part.words(row), part.labels(row))
            yield row

    def _distinct(self) -> Iterator[Row]:
        for row in self._split():
            if self.near is not None and row["language"] == self.section.source:
                repeats = self.near.repeats(row["split"], "\n".join(self.part.texts(row)))
                if repeats and self.section.near_duplicates.drop:
                    self.corpus.ledger.drop("near_duplicate", row)
                    continue
            yield row

    def _split(self) -> Iterator[Row]:
        ledger = self.corpus.ledger
        for split in SPLITS:
            if self.section.val and split in ("train", "val"):
                yield from self._split_train(split, ledger if split == "train" else Ledger())
            elif split != "val":
                for _, group in self.part.groups(split):
                    yield from self._filtered(split, group, ledger)

    def _split_train(self, split: str, ledger: Ledger) -> Iterator[Row]:
        """Train without val, or val alone (a second reading, so that rows come in order)."""
        chosen, index = self._is_val(), 0
        for _, rows in self.part.groups("train"):
            for row in self._filtered("train", rows, ledger):
                val = chosen(index, row)
                index += 1
                if val:
                    ledger.move(row, "val")
                if val == (split == "val"):
                    yield row | {"split": split}

    def _is_val(self) -> Callable[[int, Row], bool]:
        """Whether the n-th training row that is left goes to val."""
        share, seed, group = self.section.val, self.section.seed, self.part.group
        if self.section.split_rule == "shared":
            return lambda _, row: held_out(group(row), share, seed=seed)
        scratch = Ledger()
        count = sum(
            1
            for _, rows in self.part.groups("train")
            for _ in self._filtered("train", rows, scratch)
        )
        (dealt,) = stratified_splits([count], (("train", 1 - share), ("val", share)), seed=seed)
        return lambda index, _: dealt[index] == "val"

    def _filtered(self, split: str, rows: Iterable[Row], ledger: Ledger) -> Iterator[Row]:
        passed = ledger.apply(rows, self.conditions)
        limit = self.part.limits.get(split)
        return sample(passed, limit, seed=self.section.seed, key=self.part.key)


def sentence_text(row: Row) -> tuple[str]:
    """The text of a row of words."""
    return (join_words(row["words"], row["space_after"]),)


def pair_texts(row: Row) -> tuple[str, ...]:
    """The two texts of a pair; one where there is one alone."""
    return (row["premise"], row["hypothesis"]) if row["hypothesis"] else (row["premise"],)


def pair_words(row: Row) -> int:
    """Words of both texts of a pair, between white space."""
    return sum(len(text.split()) for text in pair_texts(row))
