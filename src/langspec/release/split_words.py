"""Splitting running text into words."""

from __future__ import annotations

import unicodedata

# One character a word in scripts without spaces: no dictionary is here to do better.
from langspec.encoders.inputs import _TEXT_WORD


def split_words(text: str) -> tuple[list[str], list[bool]]:
    """Split a text into words; says for each word whether a space follows it.

    White space separates words, and punctuation at a word's ends is a word of its own;
    contractions stay whole. Treebanks split more finely: give words where they are known.
    """
    words: list[str] = []
    spaces: list[bool] = []
    for match in _TEXT_WORD.finditer(text):
        parts = _without_ends(match.group())
        words += parts
        spaces += [False] * len(parts)
        spaces[-1] = text[match.end() : match.end() + 1].isspace()
    return words, spaces


def _without_ends(chunk: str) -> list[str]:
    begin, end = 0, len(chunk)
    while begin < end and _is_mark(chunk[begin]):
        begin += 1
    while end > begin and _is_mark(chunk[end - 1]):
        end -= 1
    middle = [chunk[begin:end]] if begin < end else []
    return [*chunk[:begin], *middle, *chunk[end:]]


def _is_mark(character: str) -> bool:
    """Punctuation or a symbol."""
    return unicodedata.category(character)[0] in "PS"
