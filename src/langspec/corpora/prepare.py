"""From official files to the prepared corpora: read, filter, limit, split, write, describe."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from tqdm import tqdm

from langspec.corpora import filters, xnli
from langspec.corpora.card import Corpus, make_card, write_card
from langspec.corpora.conllu import join_words, read_conllu
from langspec.corpora.filters import Row
from langspec.corpora.hub import wikipedia
from langspec.corpora.hub.parts import HubFile
from langspec.corpora.pretrain import read_dictionary, read_sentences, read_unlabelled_pairs
from langspec.corpora.sources import ADD, LocatedFile, SourceFile
from langspec.corpora.splits import line_splits, sample, share_split
from langspec.corpora.tables import SCHEMAS, SPLITS, write_table
from langspec.corpora.text import read_text
from langspec.errors import LangspecError
from langspec.files import write_json

log = logging.getLogger(__name__)

LIMITS = ("pos_train", "pos_dev", "pos_test", "nli_train", "nli_dev", "nli_test", "text")


# Text for pre-training lies apart: more test sentences must not pre-train the encoder anew.
PRETRAIN = "pretrain"
PLACES = dict.fromkeys(("pretrain", "pretrain_pairs", "dictionary"), PRETRAIN)


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
        text_splits: shares of train, dev, test of the language text.
        seed: of samples and splits.
    """

    source: str
    targets: tuple[str, ...]
    tasks: tuple[str, ...]
    join: Literal["natural", "space"]
    min_characters: int
    max_words: int | None
    limits: Mapping[str, int | None]
    text_splits: tuple[float, float, float]
    seed: int

    def __post_init__(self) -> None:
        """Refuse names that nothing reads."""
        for name, limit in self.limits.items():
            if name not in LIMITS:
                raise ValueError(f"limit {name!r}; expected one of {LIMITS}")
            if limit is not None and limit < 1:
                raise ValueError(f"limit {name!r} is {limit}; expected at least 1, or None")
        for name in self.tasks:
            if name not in TASKS:
                raise ValueError(f"task {name!r}; expected one of {tuple(TASKS)}")

    @property
    def languages(self) -> list[str]:
        """Source and targets, sorted."""
        return sorted({self.source, *self.targets})


class _Job:
    """The files, the options and what has been written so far."""

    def __init__(
        self, files: Sequence[LocatedFile], folder: Path, options: PrepareOptions
    ) -> None:
        self.files, self.folder, self.options = files, folder, options
        self.corpora: list[Corpus] = []
        self.used: list[SourceFile] = []
        self.outs: dict[str, tuple[Path, int]] = {}
        self.warnings: list[str] = []

    def of_kind(self, kind: str) -> list[LocatedFile]:
        """In the order of their names, whatever order they came in."""
        return sorted(
            (file for file in self.files if file.source.kind == kind),
            key=lambda file: file.source.name,
        )

    def corpus(self, name: str) -> Corpus:
        corpus = Corpus(name, self.options.languages)
        self.corpora.append(corpus)
        return corpus

    def write(self, name: str, rows: Iterable[Row], used: Iterable[LocatedFile]) -> None:
        path = self.folder / PLACES.get(name, "") / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        with tqdm(desc=name, unit=" rows", disable=None) as bar:
            count = write_table(path, _ticking(rows, bar), SCHEMAS[name])
        self.outs[path.relative_to(self.folder).as_posix()] = (path, count)
        self.used += [file.source for file in used]

    def warn(self, message: str) -> None:
        log.warning(message)
        self.warnings.append(message)

    def sampled(self, rows: Iterable[Row], limit: str, key: Callable[[Row], str]) -> Iterator[Row]:
        return sample(rows, self.options.limits.get(limit), seed=self.options.seed, key=key)

    def missing_train(self, task: str, expected: str) -> LangspecError:
        return LangspecError(
            f"no training data in the source language {self.options.source!r} for {task}; "
            f"expected {expected}; enter a folder that holds it: {ADD}",
            place="corpora.source",
        )


def prepare(
    files: Sequence[LocatedFile], out_folder: Path, options: PrepareOptions
) -> dict[str, Any]:
    """Prepare the corpora of a run; the card that was written, too.

    Writes ``pos``, ``nli``, ``text`` ``.parquet`` (and below ``pretrain/`` the demo's
    ``pretrain``, ``pretrain_pairs``, ``dictionary``) where the files hold them, ``card.json`` and
    ``card.md`` into ``out_folder``, all or nothing; other things in that folder stay.

    Args:
        files: recognised files, from ``sources.locate`` or ``sources.files_in``.
        out_folder: made where missing.
        options: see :class:`PrepareOptions`.

    Raises:
        LangspecError: a faulty file; the source without training data; a target without test data
            in any task; filters that leave nothing of a language.
    """
    out_folder = Path(out_folder)
    out_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_folder.parent, prefix=f".{out_folder.name}.") as name:
        job = _Job(files, Path(name), options)
        labelled = []
        for task in options.tasks:
            TASKS[task](job)
            labelled.append(job.corpora[-1])
        _check_tests(labelled, options)
        _prepare_text(job)
        _prepare_pretraining(job)
        for corpus in job.corpora:
            _describe_gaps(job, corpus, labelled=corpus in labelled)
        card = make_card(job.corpora, job.used, job.outs, asdict(options), job.warnings)
        write_card(job.folder, card)
        _replace(job.folder, out_folder)
    return card


def _replace(new: Path, folder: Path) -> None:
    """Move the files in; take away tables that this run does not have."""
    for table in SCHEMAS:
        (folder / PLACES.get(table, "") / f"{table}.parquet").unlink(missing_ok=True)
    for file in sorted(path for path in new.rglob("*") if path.is_file()):
        place = folder / file.relative_to(new)
        place.parent.mkdir(exist_ok=True)
        shutil.move(file, place)


def _ticking(rows: Iterable[Row], bar: tqdm[Any]) -> Iterator[Row]:
    for row in rows:
        bar.update()
        yield row


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
    conditions = (filters.has_forms(), filters.max_words(options.max_words))

    def rows() -> Iterator[Row]:
        for split in SPLITS:
            for code in options.languages:
                read = (row for file in parts[split, code] for row in _sentences(file, options))
                kept = corpus.ledger.apply(read, conditions)
                yield from job.sampled(
                    kept, f"pos_{split}", lambda row: row["id"].split("/", 1)[1]
                )

    def recorded() -> Iterator[Row]:
        for row in corpus.ledger.keep(rows()):
            text = join_words(row["words"], row["space_after"])
            corpus.record(row["language"], row["split"], text, len(row["words"]), row["labels"])
            yield row

    used = [file for group in parts.values() for file in group]
    job.write("pos", recorded(), used)
    treebanks: dict[str, list[str]] = defaultdict(list)
    for (_, code), group in sorted(parts.items()):
        treebanks[code] += [str(file.source.treebank) for file in group]
    corpus.notes["treebanks"] = {
        code: " ".join(sorted(set(names))) for code, names in treebanks.items() if names
    }


def _sentences(file: LocatedFile, options: PrepareOptions) -> Iterator[Row]:
    if isinstance(file, HubFile):
        for row in file.rows():
            if options.join == "space":
                row["space_after"] = [True] * len(row["words"])
            yield row
        return
    stem = PurePosixPath(file.source.name).stem
    for sentence in read_conllu(file.path):
        spaces = sentence.space_after
        yield {
            # sent_id is unique in a file, the file's name in the manifest.
            "id": f"{stem}/{sentence.sent_id or f'line-{sentence.line}'}",
            "language": file.source.language,
            "treebank": file.source.treebank,
            "split": file.source.split,
            "words": sentence.words,
            "labels": sentence.labels,
            "space_after": spaces if options.join == "natural" else [True] * len(spaces),
        }


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
    conditions = (
        filters.gold_label(xnli.NO_GOLD),
        filters.not_empty("premise", "hypothesis"),
    )
    unused: Counter[str] = Counter()

    def rows() -> Iterator[Row]:
        for split in SPLITS:
            # XNLI keeps 15 languages in one file of at most 75,150 pairs: sorted in memory.
            # A training file has one language and streams.
            chosen = (file for file in files if file.source.split == split)
            # Several files of one language are shards of one corpus.
            for code, shards in groupby(chosen, key=lambda file: file.source.language):
                pairs = (pair for file in shards for pair in _pairs(file))
                groups = (
                    [(code, pairs)] if code else _by_language(pairs, options.languages, unused)
                )
                for _, group in groups:
                    kept = corpus.ledger.apply(group, conditions)
                    yield from job.sampled(kept, f"nli_{split}", lambda row: row["group"])

    def recorded() -> Iterator[Row]:
        for row in corpus.ledger.keep(rows()):
            text = f"{row['premise']}\n{row['hypothesis']}"
            corpus.record(row["language"], row["split"], text, len(text.split()), [row["label"]])
            yield row

    job.write("nli", recorded(), files)
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


# ---------------------------------------------------------------- text


def _prepare_text(job: _Job) -> None:
    options = job.options
    if articles := job.of_kind(wikipedia.KIND):
        _prepare_articles(job, articles)
        return
    files = {
        str(file.source.language): file
        for file in job.of_kind("text")
        if file.source.language in options.languages
    }
    if not files:
        job.warn("no language text: nothing can be said about the language leak")
        return
    folders = sorted(
        {
            PurePosixPath(file.source.name).parent.as_posix()
            for file in job.of_kind("text")
            if file.source.language in options.languages
        }
    )
    if len(folders) > 1:
        raise LangspecError(
            f"language text in {len(folders)} folders ({', '.join(folders)}); expected one; enter "
            f"a folder that holds one of them: {ADD}",
            place="text",
        )
    corpus = job.corpus("text")
    counts = {code: sum(1 for _ in read_text(file.path)) for code, file in files.items()}
    parallel = len(set(counts.values())) == 1
    corpus.notes["lines"] = counts
    corpus.notes["parallel"] = "yes, by equal numbers of lines" if parallel else "no"
    if not parallel:
        job.warn(
            "text: the files have different numbers of lines "
            f"({', '.join(f'{code} {n}' for code, n in sorted(counts.items()))}), so they are not "
            "parallel; the split is by line number all the same"
        )
    splits = line_splits(max(counts.values()), options.text_splits, seed=options.seed)
    conditions = (filters.not_empty("text"), filters.min_characters(options.min_characters))

    def read(code: str) -> Iterator[Row]:
        for line, text in read_text(files[code].path):
            yield {"language": code, "line": line, "split": splits[line], "text": text}

    # First which lines stay, then, split by split, the lines: only numbers are held in memory.
    stays: dict[str, bytearray] = {}
    for code in sorted(files):
        numbers = (row["line"] for row in corpus.ledger.apply(read(code), conditions))
        stays[code] = bytearray(counts[code])
        for line in sample(numbers, options.limits.get("text"), seed=options.seed, key=str):
            stays[code][line] = 1

    def rows() -> Iterator[Row]:
        for split in SPLITS:
            for code in sorted(files):
                for row in read(code):
                    if row["split"] == split and stays[code][row["line"]]:
                        yield row

    def recorded() -> Iterator[Row]:
        for row in corpus.ledger.keep(rows()):
            text = row["text"]
            corpus.record(row["language"], row["split"], text, len(text.split()))
            yield row

    job.write("text", recorded(), files.values())


def _prepare_articles(job: _Job, found: Sequence[LocatedFile]) -> None:
    """Paragraphs of articles: one pass over all of them, the sample alone in memory."""
    options = job.options
    if options.limits.get("text") is None:
        raise LangspecError(
            "is null; expected how many paragraphs a language to draw from Wikipedia",
            place="corpora.limits.text",
        )
    files: dict[str, list[HubFile]] = defaultdict(list)
    for file in found:
        if isinstance(file, HubFile) and file.source.language in options.languages:
            files[str(file.source.language)].append(file)
    corpus = job.corpus("text")
    corpus.notes["parallel"] = "no"
    corpus.notes["split"] = "by article"
    conditions = (filters.min_characters(options.min_characters),)

    def read(code: str) -> Iterator[Row]:
        article, split, line = None, "", 0
        for file in files[code]:
            for row in file.rows():
                if row["article"] != article:
                    article = row["article"]
                    split = share_split(f"{code}/{article}", options.text_splits, options.seed)
                yield {"language": code, "line": line, "split": split, "text": row["text"]}
                line += 1

    # Sorted by split and language in the end, so every language's sample is held until then.
    drawn: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for code in sorted(files):
        kept = corpus.ledger.apply(read(code), conditions)
        ticking = tqdm(kept, desc=f"articles {code}", unit=" texts", disable=None)
        for row in job.sampled(ticking, "text", lambda row: str(row["line"])):
            drawn[row["split"], code].append((row["line"], row["text"]))

    def rows() -> Iterator[Row]:
        for split, code in sorted(drawn):
            for line, text in drawn[split, code]:
                corpus.record(code, split, text, len(text.split()))
                yield {"language": code, "line": line, "split": split, "text": text}

    job.write("text", corpus.ledger.keep(rows()), found)


# ---------------------------------------------------------------- the demo's pre-training data


def _prepare_pretraining(job: _Job) -> None:
    readers: dict[str, tuple[str, Callable[[Path], Iterator[Row]]]] = {
        "pretrain_sentences": ("pretrain", read_sentences),
        "pretrain_pairs": ("pretrain_pairs", read_unlabelled_pairs),
        "dictionary": ("dictionary", read_dictionary),
    }
    languages = set(job.options.languages)
    for kind, (table, read) in readers.items():
        for file in job.of_kind(kind):
            rows = (row for row in read(file.path) if row["language"] in languages)
            # Small by construction (the demo generates it): sorted in memory.
            job.write(table, sorted(rows, key=lambda row: row["language"]), [file])
    # Always there: the encoder depends on this folder alone, whatever the corpora are.
    tables = [Path(name).name for name in job.outs if name.startswith(f"{PRETRAIN}/")]
    write_json(job.folder / PRETRAIN / "tables.json", sorted(tables))


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
