"""The table ``nli``: pairs of MultiNLI to train on, of XNLI to score on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from langspec.corpora import filters, xnli
from langspec.corpora.filters import Row
from langspec.corpora.hub.parts import HubFile
from langspec.corpora.job import Job
from langspec.corpora.labelled import Groups, Labelled, pair_texts, pair_words, write_labelled
from langspec.corpora.sources import LocatedFile
from langspec.corpora.tables import NLI


def prepare_nli(job: Job) -> None:
    """Write the table ``nli``.

    Raises:
        LangspecError: no training pairs in the source language, or a faulty file.
    """
    section = job.section
    train = [f for f in job.of_kind("multinli") if f.source.language == section.source]
    if not train:
        raise job.missing_train(
            "nli", "multinli_1.0_train.jsonl, which is English (so the source must be en)"
        )
    files = [*job.of_kind("xnli"), *train]
    corpus = job.corpus("nli")
    unused: Counter[str] = Counter()

    def groups(split: str) -> Groups:
        # XNLI keeps 15 languages in one file of at most 75,150 pairs: sorted in memory.
        # A training file has one language and streams.
        chosen = (file for file in files if file.source.split == split)
        for code, shards in groupby(chosen, key=lambda file: file.source.language):
            pairs = (pair for file in shards for pair in _pairs(file))
            if code:
                yield code, pairs
            else:
                yield from _by_language(pairs, section.languages, unused)

    part = Labelled(
        name="nli",
        schema=NLI,
        groups=groups,
        conditions=(
            filters.gold_label(xnli.NO_GOLD),
            filters.not_empty("premise", "hypothesis"),
        ),
        limits=section.limits.of("nli"),
        key=lambda row: row["group"],
        group=lambda row: row["group"],
        texts=pair_texts,
        labels=lambda row: [row["label"]],
        words=pair_words,
    )
    write_labelled(job, corpus, part, files)
    if unused:
        corpus.notes["pairs_of_languages_outside_the_run"] = dict(unused)


def _pairs(file: LocatedFile) -> Iterator[Row]:
    if isinstance(file, HubFile):
        yield from file.rows()
        return
    kind, split = file.source.kind, file.source.split
    for pair in xnli.read_pairs(file.path, language=file.source.language):
        yield {
            "id": f"{kind}-{split}/{pair.language}/{pair.pair_id}",
            "language": pair.language,
            "split": split,
            "premise": pair.premise,
            "hypothesis": pair.hypothesis,
            "label": pair.label,
            "group": f"{kind}-{split}/{pair.prompt_id}",
        }


def _by_language(
    rows: Iterable[Row], languages: Sequence[str], unused: Counter[str]
) -> list[tuple[str | None, list[Row]]]:
    groups: dict[str, list[Row]] = {code: [] for code in languages}
    for row in rows:
        if row["language"] in groups:
            groups[row["language"]].append(row)
        else:
            unused[row["language"]] += 1
    return sorted(groups.items())
