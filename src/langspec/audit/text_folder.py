"""A folder of one-text-a-line files: ``en.txt``, ``de.txt.gz``, or ``fr/*.txt``.

The name of a file, or of the folder it is in, is the code of its language.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from langspec.audit.options import SPLITS
from langspec.corpora.lines import read_text
from langspec.corpora.near import NearSplits
from langspec.corpora.splits import key_split, line_splits, rank
from langspec.errors import LangspecError
from langspec.files import sha256_json
from langspec.languages import LANGUAGES, TAG

logger = logging.getLogger(__name__)

ENDINGS = (".txt", ".txt.gz", ".txt.bz2", ".txt.xz")
FEWEST = 30
"""Texts a language that an audit needs: with fewer, a split may have none."""

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_TAG = re.compile(TAG, re.IGNORECASE)
_NAMES = ("train", "dev", "test")


@dataclass(frozen=True)
class Counts:
    """What became of a language's file: lines read, and texts left out or noticed."""

    language: str
    lines: int
    empty: int
    unused: int
    texts: int
    repeated: int
    near: int = 0


@dataclass(frozen=True)
class Texts:
    """Texts of several languages.

    Attributes:
        folder: where they come from.
        languages: code of each text.
        lines: int ``[N]``; translations share it where ``parallel``, else each text has its own.
        splits: train, dev or test of each text.
        texts: the texts.
        parallel: is line n of one file a translation of line n of another?
        counts: a language each.
        warnings: what a reader of the numbers should know of them, in sentences.
    """

    folder: Path
    languages: list[str]
    lines: np.ndarray
    splits: list[str]
    texts: list[str]
    parallel: bool
    counts: list[Counts]
    equal_lines: bool
    warnings: list[str] = field(default_factory=list)

    @property
    def codes(self) -> list[str]:
        """The languages, sorted."""
        return sorted(set(self.languages))

    @property
    def sha256(self) -> str:
        """Hash of every text, its language, line and split."""
        rows = [self.languages, self.lines.tolist(), self.splits, self.texts]
        return sha256_json(rows)


def files_of(folder: Path, *, place: str) -> dict[str, list[Path]]:
    """The files of each language below a folder.

    Raises:
        LangspecError: no folder, no text files, a name that is no code, one language twice, or
            fewer than two languages.
    """
    expected = "expected files such as en.txt, de.txt.gz or fr/news.txt, one text a line"
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "no such folder"
        raise LangspecError(f"{folder}: {what}; {expected}", place=place)
    by_language: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.name.endswith(ENDINGS):
            if _is_word(path.name):
                continue
            inside = [file for file in sorted(path.iterdir()) if _is_text(file)]
            if inside and not _CODE.fullmatch(path.name):
                raise LangspecError(
                    f"{path}: the folder's name is no language code; {expected}", place=place
                )
            if inside:
                by_language.setdefault(path.name, []).extend(inside)
        elif _is_text(path) and not _is_word(path.name.partition(".txt")[0]):
            code = path.name[: path.name.index(".txt")]
            if not _CODE.fullmatch(code):
                raise LangspecError(
                    f"{path}: {code!r} is no language code; {expected}", place=place
                )
            by_language.setdefault(code, []).append(path)
    by_name: dict[str, str] = {}
    for code, files in by_language.items():
        other = by_name.setdefault(code.casefold(), code)
        if other != code:
            raise LangspecError(
                f"{folder}: {other} and {code} differ in capitals alone; keep one", place=place
            )
        if len({file.parent for file in files}) > 1 or (
            len(files) > 1 and files[0].parent == folder
        ):
            named = ", ".join(str(file.relative_to(folder)) for file in files)
            raise LangspecError(
                f"{folder}: language {code} stands in several places ({named}); keep one",
                place=place,
            )
    if len(by_language) < 2 and (names := left_out(folder)):
        expected += f" (not read, as no code names them: {', '.join(names[:8])})"
    if not by_language:
        raise LangspecError(f"{folder}: holds no text files; {expected}", place=place)
    if len(by_language) < 2:
        raise LangspecError(
            f"{folder}: text of one language only ({next(iter(by_language))}); an audit compares "
            f"languages and needs at least two files; {expected}",
            place=place,
        )
    return by_language


def left_out(folder: Path) -> list[str]:
    """Names, relative to the folder, of what is in it and is not read; hidden ones are not listed.

    That is a file whose name does not end as a text's does or has a word in the place of a code
    (``LICENSE.txt``), a folder without texts, a pipe, and a link to nothing.
    """
    names = []
    for path in sorted(folder.iterdir()):
        word = _is_word(path.name.partition(".txt")[0])
        if path.name.startswith(".") or (not word and _is_text(path)):
            continue
        if not path.is_dir() or word:
            names.append(path.name + "/" * path.is_dir())
            continue
        inside = [one for one in sorted(path.iterdir()) if not one.name.startswith(".")]
        texts = [one for one in inside if not one.is_dir() and _is_text(one)]
        names += [f"{path.name}/{one.name}" for one in inside if one not in texts and texts]
        if not texts:
            names.append(f"{path.name}/")
    return names


def _is_word(name: str) -> bool:
    """Is a name a word, such as README, rather than a code, if perhaps an unknown one?"""
    return bool(_CODE.fullmatch(name)) and name not in LANGUAGES and not _TAG.fullmatch(name)


def _is_text(path: Path) -> bool:
    """Is it a file of text, by its name?

    Raises:
        LangspecError: its name says so, but it is a folder, a link to nothing, or a pipe.
    """
    if path.name.startswith(".") or not path.name.endswith(ENDINGS):
        return False
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no regular file"
        if path.is_symlink() and not path.exists():
            what = "a link to nothing"
        raise LangspecError(f"is {what}; expected a file of text; remove it", place=path)
    return True


def read_texts(
    folder: Path, *, parallel: bool, max_texts: int, seed: int, near: float, place: str
) -> Texts:
    """Read a folder; empty lines are left out and counted.

    Parallel files share their splits, and which lines are taken, by line number; other texts are
    split by a hash of the text, so that a repeated one never stands on both sides.

    Args:
        folder: see :func:`files_of`.
        parallel: the files are translations of each other, line by line.
        max_texts: texts a language at most, drawn by ``seed``.
        seed: of sample and splits.
        near: Jaccard similarity from which texts of two splits count as near duplicates.
        place: what the folder was named by, for messages.

    Raises:
        LangspecError: as :func:`files_of`; no UTF-8; unequal parallel files; too few texts.
    """
    read = {
        code: [text for file in files for _, text in read_text(file)]
        for code, files in sorted(files_of(folder, place=place).items())
    }
    sizes = {code: len(lines) for code, lines in read.items()}
    splits: Sequence[str] = ()
    chosen: set[int] = set()
    if parallel:
        _check_equal(sizes, folder, place)
        splits = line_splits(max(sizes.values()), SPLITS, seed=seed)
        chosen = _common_lines(read, len(splits), max_texts, seed)
    rows: list[tuple[str, int, str, str]] = []
    counts = []
    for code, lines in read.items():
        filled = [number for number, text in enumerate(lines) if text]
        if parallel:
            taken = [number for number in filled if number in chosen]
        else:
            by_rank = sorted(filled, key=lambda n: (rank(seed, lines[n]), n))
            taken = sorted(by_rank[:max_texts])
        texts_of_code = [
            (
                code,
                number if parallel else len(rows) + i,
                splits[number] if parallel else key_split(lines[number], SPLITS, seed=seed),
                lines[number],
            )
            for i, number in enumerate(taken)
        ]
        _check_enough(code, [split for _, _, split, _ in texts_of_code], folder, place)
        rows += texts_of_code
        counts.append(_counts(code, lines, filled, taken, _near(texts_of_code, near)))
    languages, numbers, row_splits, texts = (list(column) for column in zip(*rows, strict=True))
    lines_of = np.asarray(numbers, dtype=np.int64)
    equal = len(set(sizes.values())) == 1
    result = Texts(folder, languages, lines_of, row_splits, texts, parallel, counts, equal)
    result.warnings.extend([*_names_left_out(folder), *_remarks(result)])
    for warning in result.warnings:
        logger.warning("%s: %s", folder, warning)
    return result


def _common_lines(read: dict[str, list[str]], count: int, max_texts: int, seed: int) -> set[int]:
    """Line numbers, drawn by the seed, of lines that are empty in no language."""
    common = [number for number in range(count) if all(lines[number] for lines in read.values())]
    common.sort(key=lambda number: rank(seed, str(number)))
    return set(common[:max_texts])


def _counts(code: str, lines: list[str], filled: list[int], taken: list[int], near: int) -> Counts:
    """What became of the lines of a language."""
    return Counts(
        language=code,
        lines=len(lines),
        empty=len(lines) - len(filled),
        unused=len(filled) - len(taken),
        texts=len(taken),
        repeated=len(taken) - len({lines[number] for number in taken}),
        near=near,
    )


def _check_equal(sizes: dict[str, int], folder: Path, place: str) -> None:
    if len(set(sizes.values())) > 1:
        counted = ", ".join(f"{code} {count:,}" for code, count in sorted(sizes.items()))
        raise LangspecError(
            f"{folder}: parallel files must have equal numbers of lines, found {counted}; put the "
            "missing lines back (an empty line will do), or leave --parallel out",
            place=place,
        )


def _check_enough(code: str, splits: list[str], folder: Path, place: str) -> None:
    counts = Counter(splits)
    each = ", ".join(f"{name} {counts[name]}" for name in _NAMES)
    if len(splits) < FEWEST:
        raise LangspecError(
            f"{folder}: {code} has {len(splits)} texts; expected at least {FEWEST} a language",
            place=place,
        )
    if any(not counts[name] for name in _NAMES):
        raise LangspecError(
            f"{folder}: {code} has {len(splits)} texts, dealt out by a hash of each ({each}), and "
            "a part has none; expected some in each: add other texts, or try another --seed",
            place=place,
        )


def _near(rows: list[tuple[str, int, str, str]], threshold: float) -> int:
    """Texts of train that are near one of dev or test, and texts of test near one of dev."""
    near = NearSplits(threshold)
    for parts in (("dev", "test"), ("train",)):
        for _, _, split, text in rows:
            if split in parts:
                near.repeats(split, text)
    facts = near.facts()
    return facts["train_rows_near_dev_or_test"] + facts["test_rows_near_dev"]


def _names_left_out(folder: Path) -> list[str]:
    """A sentence on what the folder holds beside texts; none where it holds nothing else."""
    names = left_out(folder)
    if not names:
        return []
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return [f"Not read, as their names are not those of texts: {', '.join(names[:8])}{more}."]


def _remarks(texts: Texts) -> list[str]:
    """Sentences on what a reader of the numbers should know."""
    remarks = []
    unknown = [code for code in texts.codes if code not in LANGUAGES]
    if unknown:
        remarks.append(
            f"Not in the table of languages: {', '.join(unknown)}. They are measured like all "
            "others; only their names and families are not known."
        )
    empty = {row.language: row.empty for row in texts.counts if row.empty}
    if empty:
        listed = ", ".join(f"{code} {count:,}" for code, count in empty.items())
        remarks.append(f"Empty lines were left out: {listed}.")
    seen: dict[str, set[str]] = {}
    for code, text in zip(texts.languages, texts.texts, strict=True):
        seen.setdefault(text, set()).add(code)
    shared = sum(len(codes) > 1 for codes in seen.values())
    if shared:
        words = "1 text stands" if shared == 1 else f"{shared:,} texts stand"
        remarks.append(
            f"{words} in more than one language word for word; no encoder can tell which "
            "language is meant."
        )
    near = sum(row.near for row in texts.counts)
    if near:
        words = (
            "1 text is a near duplicate" if near == 1 else f"{near:,} texts are near duplicates"
        )
        remarks.append(
            f"{words} of a text in another part (training, validation, test): the probe looks a "
            "little better than it is."
        )
    sizes = Counter(texts.languages)
    if max(sizes.values()) > 2 * min(sizes.values()):
        least, most = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
        remarks.append(
            f"Languages differ in size (from {sizes[least]:,} texts, {least}, to "
            f"{sizes[most]:,}, {most}); compare with chance, which knows it."
        )
    return remarks
