"""From official files to the prepared corpora: read, filter, limit, split, write, describe."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pyarrow as pa
from tqdm import tqdm

from langspec.corpora import across, custom, filters, xnli
from langspec.corpora.card import Corpus, make_card, write_card
from langspec.corpora.conllu import join_words, read_conllu
from langspec.corpora.custom import CustomTask
from langspec.corpora.filters import Filter, Ledger, Row
from langspec.corpora.hub.parts import HubFile
from langspec.corpora.language_text import TextOptions, write_text_table
from langspec.corpora.lines import without_compression
from langspec.corpora.manifest import ADD
from langspec.corpora.near import NearSplits
from langspec.corpora.recognise import TEXT_KINDS
from langspec.corpora.sources import LocatedFile, SourceFile
from langspec.corpora.splits import Fractions, held_out, sample, stratified_splits
from langspec.corpora.tables import NLI, POS, SCHEMAS, SPLITS, described, write_table
from langspec.errors import LangspecError
from langspec.files import sha256_file

log = logging.getLogger(__name__)

LIMITS = ("pos_train", "pos_dev", "pos_test", "nli_train", "nli_dev", "nli_test", "text")


@dataclass(frozen=True)
class PrepareOptions:
    """What is taken from the files.

    Attributes:
        source: the language with labels for training.
        targets: the languages transferred to.
        tasks: names of the labelled corpora to prepare (keys of ``TASKS``).
        join: ``natural`` spaces words as the treebank says, ``space`` puts a space after each.
        min_characters: shorter lines of language text are dropped.
        max_words: longer sentences of ``pos`` are dropped; None keeps all.
        limits: at most so many rows a language (a key of ``LIMITS``); None or absent: all.
        text_splits: shares of train, dev, test (and val) of the language text.
        seed: of samples and splits.
        val: share of the source's training rows set apart as split ``val``, by document or
            prompt.
        split_rule: ``shared`` splits by line or document, the same in every language; ``paper``
            deals out rows language by language (:func:`splits.stratified_splits`).
        stripped: a treebank released without its text is refused by name, or left out (``skip``)
            and named on the card.
        parallel_text: whether the files of language text must have equal numbers of lines.
        near_duplicates: similarity from which rows count as near duplicates; None: not looked for.
        drop_near_duplicates: training rows near one of dev or test are dropped.
        drop_unknown: texts in which the encoder's tokenizer does not know a piece are dropped.
        custom: the sections of tasks that ``params.yaml`` describes, by name.
    """

    source: str
    targets: tuple[str, ...]
    tasks: tuple[str, ...]
    join: Literal["natural", "space"]
    min_characters: int
    max_words: int | None
    limits: Mapping[str, int | None]
    text_splits: Fractions
    seed: int
    val: float = 0.0
    split_rule: Literal["shared", "paper"] = "shared"
    stripped: Literal["refuse", "skip"] = "refuse"
    parallel_text: bool = False
    near_duplicates: float | None = None
    drop_near_duplicates: bool = False
    drop_unknown: bool = False
    custom: Mapping[str, CustomTask] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse names that nothing reads."""
        for name, limit in self.limits.items():
            if name not in LIMITS:
                raise ValueError(f"limit {name!r}; expected one of {LIMITS}")
            if limit is not None and limit < 1:
                raise ValueError(f"limit {name!r} is {limit}; expected at least 1, or None")
        known = (*TASKS, *self.custom)
        for name in self.tasks:
            if name not in known:
                raise ValueError(f"task {name!r}; expected one of {known}")
        if self.drop_near_duplicates and self.near_duplicates is None:
            raise ValueError("drop_near_duplicates needs a threshold, near_duplicates")

    @property
    def languages(self) -> list[str]:
        """Source and targets, sorted."""
        return sorted({self.source, *self.targets})


class _Job:
    """The files, the options and what has been written so far."""

    def __init__(
        self,
        files: Sequence[LocatedFile],
        folder: Path,
        options: PrepareOptions,
        tokenizer: Path | None,
    ) -> None:
        self.files, self.folder, self.options = files, folder, options
        self.tokenizer = tokenizer
        self.corpora: list[Corpus] = []
        self.used: list[SourceFile] = []
        self.outs: dict[str, tuple[Path, int]] = {}
        self.warnings: list[str] = []
        self.across: list[dict[str, Any]] = []

    def of_kind(self, *kinds: str) -> list[LocatedFile]:
        """In the order of their names, whatever order they came in."""
        return sorted(
            (file for file in self.files if file.source.kind in kinds),
            key=lambda file: file.source.name,
        )

    def corpus(self, name: str) -> Corpus:
        corpus = Corpus(name, self.options.languages)
        self.corpora.append(corpus)
        return corpus

    def write(
        self,
        name: str,
        rows: Iterable[Row],
        used: Iterable[LocatedFile],
        schema: pa.Schema | None = None,
    ) -> None:
        path = self.folder / f"{name}.parquet"
        with tqdm(desc=name, unit=" rows", disable=None) as bar:
            count = write_table(path, _ticking(rows, bar), schema or SCHEMAS[name])
        self.outs[path.name] = (path, count)
        self.used += [file.source for file in used]

    def warn(self, message: str) -> None:
        log.warning(message)
        self.warnings.append(message)

    def known_pieces(self, texts: Callable[[Row], Sequence[str]]) -> tuple[Filter, ...]:
        """The filter of texts that the encoder's tokenizer does not know, if it is asked for."""
        if not self.options.drop_unknown:
            return ()
        if self.tokenizer is None:
            raise ValueError("drop_unknown needs a tokenizer")
        return (filters.known_pieces(self.tokenizer, texts),)

    def missing_train(self, task: str, expected: str) -> LangspecError:
        return LangspecError(
            f"no training data in the source language {self.options.source!r} for {task}; "
            f"expected {expected}; enter a folder that holds it: {ADD}",
            place="corpora.source",
        )


def prepare(
    files: Sequence[LocatedFile],
    out_folder: Path,
    options: PrepareOptions,
    *,
    tokenizer: Path | None = None,
    generated: bool = False,
) -> dict[str, Any]:
    """Prepare the corpora of a run; the card that was written, too.

    Writes ``pos``, ``nli``, ``text`` ``.parquet`` where the files hold them, ``card.json`` and
    ``card.md`` into ``out_folder``, all or nothing; other things in that folder stay.

    Args:
        files: recognised files, from ``manifest.locate``, say.
        out_folder: made where missing.
        options: see :class:`PrepareOptions`.
        tokenizer: the encoder's ``tokenizer.json``, for ``options.drop_unknown``.
        generated: whether a grammar wrote the files: the card says so.

    Raises:
        LangspecError: a faulty file; the source without training data; a target without test data
            in any task; filters that leave nothing of a language.
    """
    out_folder = Path(out_folder)
    out_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_folder.parent, prefix=f".{out_folder.name}.") as name:
        job = _Job(files, Path(name), options, tokenizer)
        labelled = []
        for task in options.tasks:
            if task in options.custom:
                _prepare_custom(job, task, options.custom[task])
            else:
                TASKS[task](job)
            labelled.append(job.corpora[-1])
        _check_tests(labelled, options)
        _prepare_text(job)
        _compare(job)
        for corpus in job.corpora:
            _describe_gaps(job, corpus, labelled=corpus in labelled)
        facts = asdict(options) | {"custom": _custom_facts(options.custom)}
        if options.drop_unknown and tokenizer is not None:
            facts["tokenizer_sha256"] = sha256_file(tokenizer)
        card = make_card(job.corpora, job.used, job.outs, facts, job.warnings, job.across)
        card["generated"] = generated
        write_card(job.folder, card)
        _replace(job.folder, out_folder)
    return card


def _replace(new: Path, folder: Path) -> None:
    """Move the files in; take away tables that this run does not have."""
    # Tables only lie there: those of tasks that params.yaml no longer describes go, too.
    for table in folder.glob("*.parquet"):
        table.unlink()
    for file in sorted(path for path in new.rglob("*") if path.is_file()):
        place = folder / file.relative_to(new)
        place.parent.mkdir(exist_ok=True)
        shutil.move(file, place)


def _ticking(rows: Iterable[Row], bar: tqdm[Any]) -> Iterator[Row]:
    for row in rows:
        bar.update()
        yield row


# ---------------------------------------------------------------- labelled corpora

Groups = Iterator[tuple[str | None, Iterable[Row]]]


@dataclass(frozen=True)
class _Labelled:
    """What is particular about a labelled corpus; :func:`_write_labelled` does the rest.

    Attributes:
        name: of the task and its table.
        schema: of the table; what else a row holds is left behind.
        groups: the rows of a split, language by language; called anew for another pass.
        conditions: the filters, in order.
        limits: at most so many rows a language, by split; absent or None: all.
        key: what a row is sampled by.
        group: what stays in one of train and val (a document, a prompt).
        texts: of a row: what duplicates are found by, joined, and the tokenizer must know.
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


def _write_labelled(
    job: _Job, corpus: Corpus, part: _Labelled, used: Sequence[LocatedFile]
) -> None:
    options = job.options
    conditions = (*part.conditions, *job.known_pieces(part.texts))

    def filtered(split: str, rows: Iterable[Row], ledger: Ledger) -> Iterator[Row]:
        kept = ledger.apply(rows, conditions)
        return sample(kept, part.limits.get(split), seed=options.seed, key=part.key)

    def is_val() -> Callable[[int, Row], bool]:
        """Whether the n-th training row that is left goes to val."""
        if options.split_rule == "shared":
            share, seed = options.val, options.seed
            return lambda _, row: held_out(part.group(row), share, seed=seed)
        scratch = Ledger()
        count = sum(
            1 for _, rows in part.groups("train") for _ in filtered("train", rows, scratch)
        )
        shares = (("train", 1 - options.val), ("val", options.val))
        (dealt,) = stratified_splits([count], shares, seed=options.seed)
        return lambda index, _: dealt[index] == "val"

    def split_train(split: str, ledger: Ledger) -> Iterator[Row]:
        """Train without val, or val alone (a second reading, so that rows come in order)."""
        chosen, index = is_val(), 0
        for _, rows in part.groups("train"):
            for row in filtered("train", rows, ledger):
                val = chosen(index, row)
                index += 1
                if val:
                    ledger.move(row, "val")
                if val == (split == "val"):
                    yield row | {"split": split}

    def rows() -> Iterator[Row]:
        for split in SPLITS:
            if options.val and split in ("train", "val"):
                yield from split_train(split, corpus.ledger if split == "train" else Ledger())
            elif split != "val":
                for _, group in part.groups(split):
                    yield from filtered(split, group, corpus.ledger)

    # Only the source has training data, which could repeat what it is scored on.
    near = NearSplits(options.near_duplicates) if options.near_duplicates else None

    def distinct() -> Iterator[Row]:
        for row in rows():
            if near is not None and row["language"] == options.source:
                repeats = near.repeats(row["split"], "\n".join(part.texts(row)))
                if repeats and options.drop_near_duplicates:
                    corpus.ledger.drop("near_duplicate", row)
                    continue
            yield row

    def recorded() -> Iterator[Row]:
        for row in corpus.ledger.keep(distinct()):
            text = "\n".join(part.texts(row))
            corpus.record(row["language"], row["split"], text, part.words(row), part.labels(row))
            yield row

    job.write(part.name, recorded(), used, part.schema)
    if near is not None:
        corpus.near[options.source] = near.facts()


def _limits(options: PrepareOptions, task: str) -> dict[str, int | None]:
    return {split: options.limits.get(f"{task}_{split}") for split in SPLITS}


def _sentence_text(row: Row) -> tuple[str]:
    return (join_words(row["words"], row["space_after"]),)


def _pair_texts(row: Row) -> tuple[str, ...]:
    return (row["premise"], row["hypothesis"]) if row["hypothesis"] else (row["premise"],)


def _pair_words(row: Row) -> int:
    return sum(len(text.split()) for text in _pair_texts(row))


# ---------------------------------------------------------------- pos


def _prepare_pos(job: _Job) -> None:
    options = job.options
    parts: dict[tuple[str, str], list[LocatedFile]] = defaultdict(list)
    for file in job.of_kind("ud"):
        split, code = file.source.split or "", file.source.language or ""
        # Transfer is zero-shot: training data of other languages is not even read.
        if code in options.languages and (split != "train" or code == options.source):
            parts[split, code].append(file)
    if not parts["train", options.source]:
        raise job.missing_train("pos", f"a file {options.source}_*-ud-train.conllu")
    corpus = job.corpus("pos")
    stripped: set[str] = set()

    def groups(split: str) -> Groups:
        for code in options.languages:
            yield (
                code,
                (
                    row
                    for file in parts[split, code]
                    for row in _sentences(file, options, stripped)
                ),
            )

    part = _Labelled(
        name="pos",
        schema=POS,
        groups=groups,
        conditions=(filters.has_forms(), filters.max_words(options.max_words)),
        limits=_limits(options, "pos"),
        key=lambda row: row["id"].split("/", 1)[1],
        group=lambda row: str(row.get("group", row["id"])),
        texts=_sentence_text,
        labels=lambda row: row["labels"],
        words=lambda row: len(row["words"]),
    )
    _write_labelled(job, corpus, part, [file for group in parts.values() for file in group])
    treebanks: dict[str, list[str]] = defaultdict(list)
    for (_, code), group in sorted(parts.items()):
        treebanks[code] += [str(file.source.treebank) for file in group]
    corpus.notes["treebanks"] = {
        code: " ".join(sorted(set(names))) for code, names in treebanks.items() if names
    }
    if stripped:
        corpus.notes["left_out_as_released_without_text"] = sorted(stripped)
        job.warn(f"pos: released without text, left out: {', '.join(sorted(stripped))}")


def _sentences(file: LocatedFile, options: PrepareOptions, stripped: set[str]) -> Iterator[Row]:
    """Rows of a file; those of one without any text are marked so, and named in ``stripped``."""
    if isinstance(file, HubFile):
        for row in file.rows():
            if options.join == "space":
                row["space_after"] = [True] * len(row["words"])
            yield row
        return
    name = PurePosixPath(without_compression(file.source.name))
    skip = options.stripped == "skip"
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
            "space_after": spaces if options.join == "natural" else [True] * len(spaces),
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


# ---------------------------------------------------------------- nli


def _prepare_nli(job: _Job) -> None:
    options = job.options
    train = [f for f in job.of_kind("multinli") if f.source.language == options.source]
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
                yield from _by_language(pairs, options.languages, unused)

    part = _Labelled(
        name="nli",
        schema=NLI,
        groups=groups,
        conditions=(
            filters.gold_label(xnli.NO_GOLD),
            filters.not_empty("premise", "hypothesis"),
        ),
        limits=_limits(options, "nli"),
        key=lambda row: row["group"],
        group=lambda row: row["group"],
        texts=_pair_texts,
        labels=lambda row: [row["label"]],
        words=_pair_words,
    )
    _write_labelled(job, corpus, part, files)
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


TASKS: dict[str, Callable[[_Job], None]] = {"pos": _prepare_pos, "nli": _prepare_nli}
"""What prepares the corpus of each built-in task."""


# ---------------------------------------------------------------- tasks of params.yaml


def _custom_facts(tasks: Mapping[str, CustomTask]) -> list[dict[str, Any]]:
    """What the card says of them."""
    return [
        {"name": name, **task.model_dump(), "text": task.fields} for name, task in tasks.items()
    ]


def _prepare_custom(job: _Job, name: str, wanted: CustomTask) -> None:
    options = job.options
    parts = custom.parts(wanted, [file.source for file in job.files])
    paths = {file.source.name: file for file in job.files}
    if not parts:
        raise LangspecError(
            f"no file of the corpora is named as {wanted.path!r}; correct the pattern, or enter "
            f"the folder that holds them: {ADD}",
            place=f"tasks.{name}.path",
        )
    corpus = job.corpus(name)

    def groups(split: str) -> Groups:
        for code in options.languages:
            if split == "train" and code != options.source:
                continue
            read = (
                row
                for part in parts
                if part.split in (None, split) and part.language in (None, code)
                for row in custom.read_rows(paths[part.name].path, part, wanted)
            )
            yield code, (r for r in read if (r["language"], r["split"]) == (code, split))

    token = wanted.unit == "token"
    part = _Labelled(
        name=name,
        schema=described(POS if token else NLI, unit=wanted.unit, labels=list(wanted.labels)),
        groups=groups,
        conditions=(
            (filters.has_forms(), filters.max_words(options.max_words))
            if token
            else (
                filters.label_in(wanted.labels),
                filters.not_empty(*("premise", "hypothesis")[: len(wanted.fields)]),
            )
        ),
        limits=dict.fromkeys(SPLITS, wanted.limit),
        key=lambda row: row["key"],
        group=lambda row: row["group"],
        texts=_sentence_text if token else _pair_texts,
        labels=lambda row: row["labels"] if token else [row["label"]],
        words=(lambda row: len(row["words"])) if token else _pair_words,
    )
    _write_labelled(job, corpus, part, [paths[one.name] for one in parts])
    if not corpus.ledger.kept[options.source, "train"]:
        raise job.missing_train(name, f"rows of it in files named as {wanted.path!r}")


# ---------------------------------------------------------------- text


def _prepare_text(job: _Job) -> None:
    options = job.options
    files = [f for f in job.of_kind(*TEXT_KINDS) if f.source.language in options.languages]
    if not files:
        job.warn("no language text: nothing can be said about the language leak")
        return
    kinds = sorted({file.source.kind for file in files})
    places = sorted(
        {PurePosixPath(f.source.name).parent.as_posix() for f in files if f.source.kind == "text"}
    )
    if len(kinds) > 1 or len(places) > 1:
        found = ", ".join(places if len(kinds) == 1 else kinds)
        raise LangspecError(
            f"language text in {max(len(places), len(kinds))} "
            f"{'folders' if len(kinds) == 1 else 'formats'} ({found}); expected one; enter "
            f"a folder that holds one of them: {ADD}",
            place="text",
        )
    corpus = job.corpus("text")
    text_options = TextOptions(
        min_characters=options.min_characters,
        limit=options.limits.get("text"),
        splits=options.text_splits,
        split_rule=options.split_rule,
        parallel=options.parallel_text,
        near_duplicates=options.near_duplicates,
        drop_near_duplicates=options.drop_near_duplicates,
        seed=options.seed,
    )
    rows = write_text_table(
        files,
        corpus,
        text_options,
        scratch=job.folder,
        conditions=job.known_pieces(lambda row: (row["text"],)),
        warn=job.warn,
    )
    job.write("text", rows, files)


# ---------------------------------------------------------------- across corpora


def _compare(job: _Job) -> None:
    """Near duplicates of the language text in the tasks' corpora: the probe would know them."""
    threshold = job.options.near_duplicates
    text = job.folder / "text.parquet"
    if threshold is None or not text.exists():
        return
    for name in job.options.tasks:
        table = job.folder / f"{name}.parquet"
        job.across += across.compare(text, table, name, job.options.languages, threshold)


# ---------------------------------------------------------------- checks


def _check_tests(labelled: Sequence[Corpus], options: PrepareOptions) -> None:
    tested = {code for corpus in labelled for code in corpus.having("test")}
    missing = [code for code in options.targets if code not in tested]
    if labelled and missing:
        raise LangspecError(
            f"no test data for {', '.join(missing)} in {' or '.join(c.name for c in labelled)}; "
            f"enter a folder that holds it ({ADD}), or remove the languages from the targets",
            place="corpora.targets",
        )


def _describe_gaps(job: _Job, corpus: Corpus, *, labelled: bool) -> None:
    for name, code, gone, read, left in corpus.ledger.heavy():
        job.warn(
            f"{corpus.name}: {name} drops {gone} of {read} rows of {code}, over half; {left} pass "
            "all filters"
        )
    kept: Counter[str] = Counter()
    for (code, _), n in corpus.ledger.kept.items():
        kept[code] += n
    for code in sorted({code for code, _ in corpus.ledger.read}):
        if not kept[code]:
            raise LangspecError(
                f"the filters leave no row of language {code} in {corpus.name}; relax them, or "
                "remove the language",
                place="corpora",
            )
    if labelled and job.options.source in corpus.without("dev"):
        job.warn(
            f"{corpus.name}: the source language {job.options.source} has no dev data, by which "
            "an epoch could be chosen"
        )
    for split in ("dev", "test") if labelled else ():
        if missing := corpus.without(split):
            job.warn(f"{corpus.name}: no {split} data for {', '.join(missing)}")
    if not labelled and (missing := sorted(set(corpus.languages) - set(kept))):
        job.warn(f"{corpus.name}: no rows for {', '.join(missing)}")
