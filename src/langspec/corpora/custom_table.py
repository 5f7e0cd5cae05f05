"""The table of a task that ``params.yaml`` describes."""

from __future__ import annotations

from langspec.corpora import custom, filters
from langspec.corpora.custom import CustomTask
from langspec.corpora.job import Job
from langspec.corpora.labelled import (
    Groups,
    Labelled,
    pair_texts,
    pair_words,
    sentence_text,
    write_labelled,
)
from langspec.corpora.manifest import ADD
from langspec.corpora.tables import NLI, POS, SPLITS, described
from langspec.errors import LangspecError


def prepare_custom(job: Job, name: str, task: CustomTask) -> None:
    """Write the table of the task ``name``.

    Raises:
        LangspecError: no file of the corpora matches the pattern, or none has training rows.
    """
    section = job.section
    parts = custom.parts(task, [file.source for file in job.files])
    paths = {file.source.name: file for file in job.files}
    if not parts:
        raise LangspecError(
            f"no file of the corpora is named as {task.path!r}; correct the pattern, or enter "
            f"the folder that holds them: {ADD}",
            place=f"tasks.{name}.path",
        )
    corpus = job.corpus(name)

    def groups(split: str) -> Groups:
        for code in section.languages:
            if split == "train" and code != section.source:
                continue
            read = (
                row
                for part in parts
                if part.split in (None, split) and part.language in (None, code)
                for row in custom.read_rows(paths[part.name].path, part, task)
            )
            yield code, (r for r in read if (r["language"], r["split"]) == (code, split))

    token = task.unit == "token"
    part = Labelled(
        name=name,
        schema=described(POS if token else NLI, unit=task.unit, labels=list(task.labels)),
        groups=groups,
        conditions=(
            (filters.has_forms(), filters.max_words(section.max_words))
            if token
            else (
                filters.label_in(task.labels),
                filters.not_empty(*("premise", "hypothesis")[: len(task.fields)]),
            )
        ),
        limits=dict.fromkeys(SPLITS, task.limit),
        key=lambda row: row["key"],
        group=lambda row: row["group"],
        texts=sentence_text if token else pair_texts,
        labels=lambda row: row["labels"] if token else [row["label"]],
        words=(lambda row: len(row["words"])) if token else pair_words,
    )
    write_labelled(job, corpus, part, [paths[one.name] for one in parts])
    if not corpus.ledger.written[section.source, "train"]:
        raise job.missing_train(name, f"rows of it in files named as {task.path!r}")
