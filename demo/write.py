"""Writers of the official formats: CoNLL-U, MultiNLI and XNLI json lines, plain text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from demo.contractions import contraction, surface
from demo.meaning import Realiser, Word
from langspec.files import write_text


def text_of(words: Sequence[Word]) -> str:
    """The sentence of these words, spaced; for print, of :func:`surface` words."""
    return "".join(word.form + " " * word.space_after for word in words).rstrip()


def conllu(
    path: Path, sentences: Iterable[Sequence[Word]], *, prefix: str, realiser: Realiser
) -> None:
    """Write one sentence a block; the columns of syntax, which the demo has not, hold ``_``.

    Two words that are printed as one have the range line of the printed form before them.

    Args:
        path: the ``.conllu`` file.
        sentences: their syntactic words.
        prefix: of every ``sent_id``, which goes on with a number from 1.
        realiser: gives the lemma, that is the citation form of a word's concept.
    """
    blocks = []
    for number, words in enumerate(sentences, start=1):
        text = text_of(surface(realiser.code, words))
        lines = [f"# sent_id = {prefix}-{number}", f"# text = {text}"]
        for index, word in enumerate(words, start=1):
            if index < len(words):
                printed = contraction(realiser.code, word, words[index])
                if printed is not None:
                    lines.append("\t".join((f"{index}-{index + 1}", printed, *"________")))
            lemma = realiser.forms(word.concept)[0] if word.concept else word.form.lower()
            space = "_" if word.space_after or index == len(words) else "SpaceAfter=No"
            columns = (str(index), word.form, lemma, word.upos, *"_____", space)
            lines.append("\t".join(columns))
        blocks.append("\n".join(lines) + "\n\n")
    write_text(path, "".join(blocks))


def json_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def nli_row(
    item: str, premise: str, hypothesis: str, label: str, *, language: str | None = None
) -> dict[str, str]:
    """A row with the official names of fields; ``language`` for XNLI only.

    ``item`` becomes ``promptID`` and ``pairID``, equal in the translations of an item.
    """
    row = {} if language is None else {"language": language}
    return row | {
        "gold_label": label,
        "sentence1": premise,
        "sentence2": hypothesis,
        "promptID": item,
        "pairID": item,
        "genre": "demo",
    }


def dictionary(path: Path, concepts: Iterable[str], realisers: Iterable[Realiser]) -> None:
    """Write ``concept, language, form, rank`` (0: citation form), tab-separated with a header."""
    entries = list(concepts)
    lines = ["concept\tlanguage\tform\trank\n"]
    for realiser in realisers:
        for concept in entries:
            for rank, form in enumerate(realiser.forms(concept)):
                lines.append(f"{concept}\t{realiser.code}\t{form}\t{rank}\n")
    write_text(path, "".join(lines))
