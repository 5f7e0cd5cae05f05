"""Contractions: two syntactic words printed as one (Spanish *de el*: *del*).

UD keeps the two apart and gives the printed form a range line (``2-3``); running text has the
printed form alone. Elided articles (*l'*) never contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from demo.meaning import Word

_CONTRACTIONS: dict[str, dict[tuple[str, str], str]] = {
    "es": {("a", "el"): "al", ("de", "el"): "del"},
    "fr": {
        ("à", "le"): "au",
        ("à", "les"): "aux",
        ("de", "le"): "du",
        ("de", "les"): "des",
    },
}


def contraction(code: str, word: Word, following: Word) -> str | None:
    """The printed form of two neighbours, in the case of the first; None where they stay two."""
    if (word.upos, following.upos) != ("ADP", "DET"):
        return None
    form = _CONTRACTIONS.get(code, {}).get((word.form.lower(), following.form))
    if form is None or word.form[0].islower():
        return form
    return form.capitalize()


def surface(code: str, words: Sequence[Word]) -> list[Word]:
    """The words as printed: contracted ones are one word, with part of speech and concept of the
    preposition.
    """
    if code not in _CONTRACTIONS:
        return list(words)
    result: list[Word] = []
    skip = False
    for word, following in zip(words, [*words[1:], None], strict=True):
        if skip:
            skip = False
            continue
        form = contraction(code, word, following) if following is not None else None
        if form is not None and following is not None:
            word = replace(word, form=form, space_after=following.space_after)
            skip = True
        result.append(word)
    return result
