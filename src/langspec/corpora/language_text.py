"""The corpus of language text: lines of text files or paragraphs of Wikipedia, split and limited.

What passes the filters and the limit waits on disk, a file a language, until the splits are
decided. So a dump is read once, and only one row group is in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from langspec.corpora import filters
from langspec.corpora.corpora_section import Corpora
from langspec.corpora.filters import Filter, Ledger, Row
from langspec.corpora.hub.parts import HubFile
from langspec.corpora.lines import read_text
from langspec.corpora.near import NearSplits
from langspec.corpora.sources import LocatedFile
from langspec.corpora.splits import key_split, line_splits, sample, stratified_splits
from langspec.corpora.tables import TEXT_SPLITS, write_table
from langspec.corpora.tally import Corpus
from langspec.corpora.wikipedia import read_dump, read_extract
from langspec.errors import LangspecError

_STORED = pa.schema([("split", pa.string()), ("line", pa.int32()), ("text", pa.string())])


def write_text_table(
    files: Sequence[LocatedFile],
    corpus: Corpus,
    section: Corpora,
    *,
    scratch: Path,
    conditions: Sequence[Filter],
    warn: Callable[[str], None],
) -> Iterator[Row]:
    """Yield the rows of the table ``text``, and count them in ``corpus``.

    Args:
        files: of one kind, each with its language.
        corpus: takes counts and notes.
        section: limits and splits.
        scratch: a folder for what waits for its split; nothing stays in it.
        conditions: filters beside those of the section.
        warn: takes each warning about the files.

    Raises:
        LangspecError: a faulty file, or unequal numbers of lines where equal ones are wanted.
    """
    languages = sorted({str(file.source.language) for file in files})
    by_language = {code: [f for f in files if f.source.language == code] for code in languages}
    split_of = _split_rule(by_language, corpus, section, warn)
    conditions = (
        filters.not_empty("text"),
        filters.min_characters(section.min_characters),
        *conditions,
    )
    stores = {code: scratch / f".text-{code}.parquet" for code in languages}
    try:
        counts = {
            code: _store(store, by_language[code], code, split_of, corpus, conditions, section)
            for code, store in stores.items()
        }
        by_rule = section.split_rule == "paper"
        dealt = _deal(corpus.ledger, counts, section) if by_rule else {}
        near = {
            code: _near_rows(corpus, store, dealt.get(code), code, section)
            for code, store in stores.items()
        }
        for split in TEXT_SPLITS:
            for code, store in stores.items():
                for index, row in _stored(store, dealt.get(code)):
                    if row["split"] != split:
                        continue
                    out = {"language": code, "line": row["line"], "split": split}
                    if index in near[code]:
                        corpus.ledger.drop("near_duplicate", out)
                        continue
                    text = row["text"]
                    corpus.ledger.written[code, split] += 1
                    corpus.record(code, split, text, len(text.split()))
                    yield out | {"text": text}
    finally:
        for store in stores.values():
            store.unlink(missing_ok=True)


def _split_rule(
    by_language: Mapping[str, Sequence[LocatedFile]],
    corpus: Corpus,
    section: Corpora,
    warn: Callable[[str], None],
) -> Callable[[int, str], str]:
    """The function from (line, document) to a split: by line in text files, else by article."""
    by_line = all(file.source.kind == "text" for files in by_language.values() for file in files)
    lines: Sequence[str] = ()
    if by_line:
        counts = {code: _count(files) for code, files in by_language.items()}
        _note_lines(corpus, counts, section, warn)
        lines = line_splits(max(counts.values()), section.text_splits.shares, seed=section.seed)

    def split_of(line: int, document: str) -> str:
        if section.split_rule == "paper":
            return "train"  # for now: the rule deals out what is left of all languages
        if by_line:
            return lines[line]
        return key_split(document, section.text_splits.shares, seed=section.seed)

    return split_of


def _store(
    store: Path,
    files: Sequence[LocatedFile],
    code: str,
    split_of: Callable[[int, str], str],
    corpus: Corpus,
    conditions: Sequence[Filter],
    section: Corpora,
) -> int:
    """Write what passes the filters and the limit of one language; the number of rows."""
    rows = (
        {"language": code, "split": split_of(line, document)}
        | {"line": line, "document": document, "text": text}
        for line, document, text in _read(files)
    )
    passed = corpus.ledger.apply(rows, conditions)
    chosen = sample(
        passed, section.limits.text, seed=section.seed, key=lambda row: str(row["line"])
    )
    counted = tqdm(chosen, desc=f"read {code}", unit=" texts", leave=False, disable=None)
    return write_table(store, counted, _STORED)


def _read(files: Sequence[LocatedFile]) -> Iterator[tuple[int, str, str]]:
    """(line, document, text) of one language; lines run on from file to file."""
    line = 0
    for file in files:
        if file.source.kind == "text":
            for number, text in read_text(file.path):
                yield number, str(number), text
            continue
        if isinstance(file, HubFile):
            for row in file.rows():
                yield line, row["document"], row["text"]
                line += 1
            continue
        read = read_dump if file.source.kind == "wiki_dump" else read_extract
        for document, text in read(file.path):
            yield line, document, text
            line += 1


def _count(files: Sequence[LocatedFile]) -> int:
    return sum(1 for file in files for _ in read_text(file.path))


def _note_lines(
    corpus: Corpus, counts: dict[str, int], section: Corpora, warn: Callable[[str], None]
) -> None:
    parallel = len(set(counts.values())) == 1
    corpus.notes["lines"] = counts
    corpus.notes["parallel"] = "yes, by equal numbers of lines" if parallel else "no"
    if parallel:
        return
    each = ", ".join(f"{code} {n}" for code, n in sorted(counts.items()))
    if section.parallel_text:
        raise LangspecError(
            f"the files have different numbers of lines ({each}), but are to be parallel; put the "
            "missing lines back, or set corpora.parallel_text: false",
            place="text",
        )
    warn(
        f"text: the files have different numbers of lines ({each}), so they are not parallel; the "
        "split is by line number all the same"
    )


def _deal(ledger: Ledger, counts: dict[str, int], section: Corpora) -> dict[str, list[str]]:
    """The split of each row that is left, by the paper's rule; the ledger counts it there."""
    names = ("train", "dev", "test", "adversary")
    # The paper's order: train, its validation (our dev), the part it did not use, test.
    order = ("train", "dev", "adversary", "test")
    shares = dict(zip(names, section.text_splits.shares, strict=False))
    parts = [(name, shares[name]) for name in order if name in shares]
    dealt = stratified_splits(list(counts.values()), parts, seed=section.seed)
    for code, splits in zip(counts, dealt, strict=True):
        for split, count in Counter(splits).items():
            ledger.read[code, "train"] -= count
            ledger.read[code, split] += count
    return dict(zip(counts, dealt, strict=True))


def _stored(store: Path, dealt: list[str] | None) -> Iterator[tuple[int, Row]]:
    index = 0
    with pq.ParquetFile(store) as file:
        for group in range(file.num_row_groups):
            for row in file.read_row_group(group).to_pylist():
                if dealt is not None:
                    row["split"] = dealt[index]
                yield index, row
                index += 1


def _near_rows(
    corpus: Corpus, store: Path, dealt: list[str] | None, code: str, section: Corpora
) -> frozenset[int]:
    """Numbers of the training rows to drop as near one of dev or test; all near ones counted."""
    if section.near_duplicates.threshold is None:
        return frozenset()
    near, repeats = NearSplits(section.near_duplicates.threshold), set()
    for splits in (("dev", "test"), ("train", "adversary")):
        for index, row in _stored(store, dealt):
            if row["split"] in splits and near.repeats(row["split"], row["text"]):
                repeats.add(index)
    corpus.near[code] = near.facts()
    return frozenset(repeats) if section.near_duplicates.drop else frozenset()
