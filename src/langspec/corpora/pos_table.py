"""The table ``pos``: words and tags of Universal Dependencies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

from langspec.corpora import filters
from langspec.corpora.conllu import read_conllu
from langspec.corpora.corpora_section import Corpora
from langspec.corpora.filters import Row
from langspec.corpora.hub.parts import HubFile
from langspec.corpora.job import Job
from langspec.corpora.labelled import Groups, Labelled, sentence_text, write_labelled
from langspec.corpora.lines import without_compression
from langspec.corpora.sources import LocatedFile
from langspec.corpora.tables import POS


def prepare_pos(job: Job) -> None:
    """Write the table ``pos``.

    Raises:
        LangspecError: no training sentences in the source language, or a faulty file.
    """
    section = job.section
    parts: dict[tuple[str, str], list[LocatedFile]] = defaultdict(list)
    for file in job.of_kind("ud"):
        split, code = file.source.split or "", file.source.language or ""
        # Transfer is zero-shot: training data of other languages is not even read.
        if code in section.languages and (split != "train" or code == section.source):
            parts[split, code].append(file)
    if not parts["train", section.source]:
        raise job.missing_train("pos", f"a file {section.source}_*-ud-train.conllu")
    corpus = job.corpus("pos")
    stripped: set[str] = set()

    def groups(split: str) -> Groups:
        for code in section.languages:
            yield (
                code,
                (
                    row
                    for file in parts[split, code]
                    for row in _sentences(file, section, stripped)
                ),
            )

    part = Labelled(
        name="pos",
        schema=POS,
        groups=groups,
        conditions=(filters.has_forms(), filters.max_words(section.max_words)),
        limits=section.limits.of("pos"),
        key=lambda row: row["id"].split("/", 1)[1],
        group=lambda row: str(row.get("group", row["id"])),
        texts=sentence_text,
        labels=lambda row: row["labels"],
        words=lambda row: len(row["words"]),
    )
    write_labelled(job, corpus, part, [file for group in parts.values() for file in group])
    treebanks: dict[str, list[str]] = defaultdict(list)
    for (_, code), group in sorted(parts.items()):
        treebanks[code] += [str(file.source.treebank) for file in group]
    corpus.notes["treebanks"] = {
        code: " ".join(sorted(set(names))) for code, names in treebanks.items() if names
    }
    if stripped:
        corpus.notes["left_out_as_released_without_text"] = sorted(stripped)
        job.warn(f"pos: released without text, left out: {', '.join(sorted(stripped))}")


def _sentences(file: LocatedFile, section: Corpora, stripped: set[str]) -> Iterator[Row]:
    """Rows of a file; those of one without any text are marked so, and named in ``stripped``."""
    if isinstance(file, HubFile):
        for row in file.rows():
            if section.join == "space":
                row["space_after"] = [True] * len(row["words"])
            yield row
        return
    name = PurePosixPath(without_compression(file.source.name))
    skip = section.stripped == "skip"
    waiting: list[Row] = []
    with_text = not skip
    for sentence in read_conllu(file.path, stripped="yield" if skip else "refuse"):
        spaces = sentence.space_after
        # sent_id is unique in a file, the file's name in the manifest.
        ident = f"{name.stem}/{sentence.sent_id or f'line-{sentence.line}'}"
        row = {
            "id": ident,
            "language": file.source.language,
            "treebank": file.source.treebank,
            "split": file.source.split,
            "words": sentence.words,
            "labels": sentence.labels,
            "space_after": spaces if section.join == "natural" else [True] * len(spaces),
            "group": f"{name.stem}/{sentence.document}" if sentence.document else ident,
        }
        if with_text:
            yield row
        elif any(word != "_" for word in sentence.words):
            with_text = True
            yield from waiting
            waiting.clear()
            yield row
        elif len(sentence.words) > 1:
            yield row  # the filter drops and counts it, whatever follows
        else:
            waiting.append(row)  # a single "_" may be a word, if the file has text
    if waiting or not with_text:
        stripped.add(name.name)
        for row in waiting:
            yield row | {"words": ["_", "_"]}  # so that the filter counts it with the others
