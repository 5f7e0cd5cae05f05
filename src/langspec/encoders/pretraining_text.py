"""The text that the demo's encoder is pre-trained on: sentences, pairs and a dictionary."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langspec.corpora.lines import json_objects, numbered_lines
from langspec.errors import LangspecError
from langspec.languages import LANGUAGES

Row = dict[str, Any]
_HEADER = ["concept", "language", "form", "rank"]


@dataclass(frozen=True)
class Sentence:
    """A sentence as words; ``concepts`` are the dictionary's names of them, or None."""

    language: str
    words: tuple[str, ...]
    concepts: tuple[str | None, ...]
    spaces: tuple[bool, ...]


@dataclass(frozen=True)
class PretrainData:
    """The text that an encoder is pre-trained on.

    ``lines`` holds groups of translations, ``pairs`` premise and hypothesis of one language,
    ``dictionary[concept][language]`` the forms of a concept.
    """

    lines: list[list[Sentence]]
    pairs: list[tuple[str, str]]
    dictionary: dict[str, dict[str, list[str]]]

    def texts(self) -> Iterator[str]:
        """Every text, for the vocabulary; the dictionary's forms once each."""
        for line in self.lines:
            for sentence in line:
                yield join(sentence.words, sentence.spaces)
        for pair in self.pairs:
            yield from pair
        for languages in self.dictionary.values():
            for forms in languages.values():
                yield from forms


def join(words: tuple[str, ...] | list[str], spaces: tuple[bool, ...]) -> str:
    """Words as running text."""
    return "".join(word + " " * space for word, space in zip(words, spaces, strict=True)).rstrip()


def read_pretrain_data(folder: Path) -> PretrainData:
    """Read ``sentences.jsonl``, ``pairs.jsonl`` and ``dictionary.tsv``, or their ``.xz``.

    Raises:
        LangspecError: a file is absent, empty or faulty.
    """
    lines: dict[int, list[Sentence]] = {}
    for row in _by_language(folder, "sentences.jsonl", read_sentences):
        sentence = Sentence(
            row["language"],
            tuple(row["words"]),
            tuple(row["concepts"]),
            tuple(row["space_after"]),
        )
        lines.setdefault(row["line"], []).append(sentence)
    dictionary: dict[str, dict[str, list[str]]] = {}
    for row in _by_language(folder, "dictionary.tsv", read_dictionary):
        forms = dictionary.setdefault(row["concept"], {}).setdefault(row["language"], [])
        forms.append(row["form"])
    pairs = _by_language(folder, "pairs.jsonl", read_unlabelled_pairs)
    return PretrainData(
        lines=[lines[number] for number in sorted(lines)],
        pairs=[(row["premise"], row["hypothesis"]) for row in pairs],
        dictionary=dictionary,
    )


def _by_language(folder: Path, name: str, read: Callable[[Path], Iterator[Row]]) -> list[Row]:
    """The rows of a file, language by language."""
    packed = Path(folder) / f"{name}.xz"
    rows = read(packed if packed.is_file() else Path(folder) / name)
    return sorted(rows, key=lambda row: row["language"])


def code_switched(
    sentence: Sentence,
    dictionary: dict[str, dict[str, list[str]]],
    probability: float,
    rng: random.Random,
) -> list[str]:
    """The words of a sentence; each word of the dictionary is replaced with ``probability``.

    The replacement is any form of the same concept in any other language; at the head of the
    sentence it starts with a capital.
    """
    words = list(sentence.words)
    for i, concept in enumerate(sentence.concepts):
        if concept is None or rng.random() >= probability:
            continue
        languages = dictionary.get(concept, {})
        others = [code for code in languages if code != sentence.language]
        if others:
            form = rng.choice(languages[rng.choice(others)])
            words[i] = form[:1].upper() + form[1:] if i == 0 else form
    return words


def read_sentences(path: Path) -> Iterator[Row]:
    """Yield rows of ``sentences.jsonl``: line, language, words, concepts, space_after.

    Raises:
        LangspecError: with file and line; the three lists must have one length.
    """
    for number, row in json_objects(path, open_end=False):
        place = f"{path}:{number}"
        lists = {
            "words": _list(row, "words", (str,), place),
            "concepts": _list(row, "concepts", (str, type(None)), place),
            "space_after": _list(row, "space_after", (bool,), place),
        }
        lengths = {name: len(value) for name, value in lists.items()}
        if len(set(lengths.values())) != 1 or not lists["words"]:
            raise LangspecError(
                f"lists of lengths {lengths}; expected one length > 0", place=place
            )
        yield {**_line_and_language(row, place), **lists}


def read_unlabelled_pairs(path: Path) -> Iterator[Row]:
    """Yield rows of ``pairs.jsonl``: line, language, premise, hypothesis.

    Raises:
        LangspecError: with file and line.
    """
    for number, row in json_objects(path, open_end=False):
        place = f"{path}:{number}"
        texts = {name: _typed(row, name, str, place) for name in ("premise", "hypothesis")}
        yield {**_line_and_language(row, place), **texts}


def read_dictionary(path: Path) -> Iterator[Row]:
    """Yield rows of ``dictionary.tsv``, tab-separated: concept, language, form, rank.

    Raises:
        LangspecError: with file and line.
    """
    for number, text in numbered_lines(path, open_end=False):
        place = f"{path}:{number}"
        columns = text.split("\t")
        if number == 1:
            if columns != _HEADER:
                raise LangspecError(f"header {columns}; expected {_HEADER}", place=place)
            continue
        if len(columns) != len(_HEADER) or not all(columns):
            raise LangspecError(
                f"{len(columns)} columns; expected {len(_HEADER)}, none empty", place=place
            )
        concept, code, form, rank = columns
        if not (rank.isascii() and rank.isdigit() and int(rank) < 1 << 15):
            raise LangspecError(f"rank {rank!r}; expected 0, 1, 2, ...", place=place)
        yield {
            "concept": concept,
            "language": _language(code, place),
            "form": form,
            "rank": int(rank),
        }


def _line_and_language(row: dict[str, Any], place: str) -> Row:
    line = _typed(row, "line", int, place)
    if not 0 <= line < 1 << 31:
        raise LangspecError(f"line {line}; expected a line number from 0", place=place)
    return {"line": line, "language": _language(_typed(row, "language", str, place), place)}


def _typed(row: dict[str, Any], name: str, kind: type, place: str) -> Any:
    value = row.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise LangspecError(f"field {name!r}: expected a {kind.__name__}", place=place)
    return value


def _list(row: dict[str, Any], name: str, kinds: tuple[type, ...], place: str) -> list[Any]:
    value = _typed(row, name, list, place)
    if not all(isinstance(item, kinds) for item in value):
        names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
        raise LangspecError(f"field {name!r}: expected a list of {names}", place=place)
    return value


def _language(code: str, place: str) -> str:
    if code not in LANGUAGES:
        raise LangspecError(f"language {code!r} is unknown; expected an ISO 639 code", place=place)
    return code
