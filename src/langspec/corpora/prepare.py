"""From official files to the prepared corpora: read, filter, limit, split, write, describe."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from langspec.corpora import across
from langspec.corpora.card import make_card, write_card
from langspec.corpora.corpora_section import Corpora
from langspec.corpora.custom import CustomTask
from langspec.corpora.custom_table import prepare_custom
from langspec.corpora.job import Job
from langspec.corpora.language_text import write_text_table
from langspec.corpora.manifest import ADD
from langspec.corpora.nli_table import prepare_nli
from langspec.corpora.pos_table import prepare_pos
from langspec.corpora.recognise import TEXT_KINDS
from langspec.corpora.sources import LocatedFile
from langspec.corpora.tally import Corpus
from langspec.errors import LangspecError
from langspec.files import sha256_file

TASKS: dict[str, Callable[[Job], None]] = {"pos": prepare_pos, "nli": prepare_nli}
"""What prepares the corpus of each built-in task."""


def prepare(
    files: Sequence[LocatedFile],
    out_folder: Path,
    section: Corpora,
    *,
    tasks: Sequence[str],
    custom: Mapping[str, CustomTask],
    tokenizer: Path | None = None,
) -> dict[str, Any]:
    """Prepare the corpora of a run; the card that was written, too.

    Writes ``pos``, ``nli``, ``text`` ``.parquet`` where the files hold them, ``card.json`` and
    ``card.md`` into ``out_folder``, all or nothing; other things in that folder stay.

    Args:
        files: recognised files, from ``manifest.locate``, say.
        out_folder: made where missing.
        section: what is taken of the files.
        tasks: names of the labelled corpora to prepare: of :data:`TASKS`, or of ``custom``.
        custom: the sections of tasks that ``params.yaml`` describes, by name.
        tokenizer: the encoder's ``tokenizer.json``, for ``section.drop_unknown``.

    Raises:
        LangspecError: a faulty file; the source without training data; a target without test data
            in any task; filters that leave nothing of a language.
    """
    for task in tasks:
        if task not in TASKS and task not in custom:
            raise ValueError(f"task {task!r}; expected one of {(*TASKS, *custom)}")
    out_folder = Path(out_folder)
    out_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_folder.parent, prefix=f".{out_folder.name}.") as name:
        job = Job(files, Path(name), section, tokenizer)
        for task in tasks:
            if task in custom:
                prepare_custom(job, task, custom[task])
            else:
                TASKS[task](job)
        labelled = list(job.corpora)
        _check_tests(labelled, section)
        _prepare_text(job)
        _compare(job, tasks)
        for corpus in job.corpora:
            _describe_gaps(job, corpus, labelled=corpus in labelled)
        facts = _facts(section, tasks, custom)
        if section.drop_unknown and tokenizer is not None:
            facts["tokenizer_sha256"] = sha256_file(tokenizer)
        card = make_card(job, facts)
        write_card(job.folder, card)
        _replace(job.folder, out_folder)
    return card


def _facts(
    section: Corpora, tasks: Sequence[str], custom: Mapping[str, CustomTask]
) -> dict[str, Any]:
    """What the card says of the section, and of the tasks that ``params.yaml`` describes."""
    near = section.near_duplicates
    return {
        **section.model_dump(exclude={"kind", "files", "hub"}),
        "tasks": list(tasks),
        "text_splits": list(section.text_splits.shares),
        "near_duplicates": near.threshold,
        "drop_near_duplicates": near.drop,
        "custom": [
            {"name": name, **task.model_dump(), "text": task.fields}
            for name, task in custom.items()
        ],
    }


def _replace(new: Path, folder: Path) -> None:
    """Move the files in; take away tables that this run does not have."""
    # Only tables end so: those of tasks that params.yaml no longer describes are removed, too.
    for table in folder.glob("*.parquet"):
        table.unlink()
    for file in sorted(path for path in new.rglob("*") if path.is_file()):
        place = folder / file.relative_to(new)
        place.parent.mkdir(exist_ok=True)
        shutil.move(file, place)


def _prepare_text(job: Job) -> None:
    section = job.section
    files = [f for f in job.of_kind(*TEXT_KINDS) if f.source.language in section.languages]
    if not files:
        job.warn("no language text: nothing can be said about the language leak")
        return
    kinds = sorted({file.source.kind for file in files})
    places = sorted(
        {PurePosixPath(f.source.name).parent.as_posix() for f in files if f.source.kind == "text"}
    )
    if len(kinds) > 1 or len(places) > 1:
        names = ", ".join(places if len(kinds) == 1 else kinds)
        raise LangspecError(
            f"language text in {max(len(places), len(kinds))} "
            f"{'folders' if len(kinds) == 1 else 'formats'} ({names}); expected one; enter "
            f"a folder that holds one of them: {ADD}",
            place="text",
        )
    corpus = job.corpus("text")
    rows = write_text_table(
        files,
        corpus,
        section,
        scratch=job.folder,
        conditions=job.known_tokens(lambda row: (row["text"],)),
        warn=job.warn,
    )
    job.write("text", rows, files)


def _compare(job: Job, tasks: Sequence[str]) -> None:
    """Near duplicates of the language text in the tasks' corpora: the probe would know them."""
    threshold = job.section.near_duplicates.threshold
    text = job.folder / "text.parquet"
    if threshold is None or not text.exists():
        return
    for name in tasks:
        table = job.folder / f"{name}.parquet"
        job.across += across.compare(text, table, name, job.section.languages, threshold)


def _check_tests(labelled: Sequence[Corpus], section: Corpora) -> None:
    tested = {code for corpus in labelled for code in corpus.having("test")}
    missing = [code for code in section.targets if code not in tested]
    if labelled and missing:
        raise LangspecError(
            f"no test data for {', '.join(missing)} in {' or '.join(c.name for c in labelled)}; "
            f"enter a folder that holds it ({ADD}), or remove the languages from the targets",
            place="corpora.targets",
        )


def _describe_gaps(job: Job, corpus: Corpus, *, labelled: bool) -> None:
    for name, code, gone, read, left in corpus.ledger.mostly_dropped():
        job.warn(
            f"{corpus.name}: {name} drops {gone} of {read} rows of {code}, over half; {left} pass "
            "all filters"
        )
    rows_left: Counter[str] = Counter()
    for (code, _), n in corpus.ledger.written.items():
        rows_left[code] += n
    for code in sorted({code for code, _ in corpus.ledger.read}):
        if not rows_left[code]:
            raise LangspecError(
                f"the filters leave no row of language {code} in {corpus.name}; relax them, or "
                "remove the language",
                place="corpora",
            )
    if labelled and job.section.source in corpus.without("dev"):
        job.warn(
            f"{corpus.name}: the source language {job.section.source} has no dev data, by which "
            "an epoch could be chosen"
        )
    for split in ("dev", "test") if labelled else ():
        if missing := corpus.without(split):
            job.warn(f"{corpus.name}: no {split} data for {', '.join(missing)}")
    if not labelled and (missing := sorted(set(corpus.languages) - set(rows_left))):
        job.warn(f"{corpus.name}: no rows for {', '.join(missing)}")
