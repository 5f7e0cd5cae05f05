"""Token accuracy against the published score, as a table for reading."""

from __future__ import annotations

import re

import pandas as pd

from langspec.errors import LangspecError
from langspec.measurement.compat.chunks import fused
from langspec.measurement.compat.curve import (
    ERRORS,
    PUBLISHED_LANGUAGES,
    CurveOptions,
    curve_rows,
)

_LONGEST = 100_000  # tokens of a sentence
_MOST = 20_000_000  # tokens simulated in all: half a minute


def curve_table(
    languages: str | None,
    length: str,
    accuracy: str,
    errors: str,
    *,
    sentences: int,
    correlation: float,
    seed: int,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Simulate the published score from options of the command line.

    Args:
        languages: codes with commas, a number (of codes that seqeval tells apart), or None for
            the published 33.
        length: tokens a sentence: ``25``; several with commas; ``25-90`` for all these lengths.
        accuracy: shares of tokens that are right, with commas.
        errors: ``iid``, ``clustered`` or ``both``.
        sentences: number of sentences of each language.
        correlation: intraclass correlation within a sentence, for clustered errors.
        seed: of everything drawn.

    Returns:
        A row for each length and accuracy, and the codes of the languages.

    Raises:
        LangspecError: a value that is none of these, or more tokens than can be simulated at once.
    """
    codes = _codes(languages)
    kinds = ERRORS if errors == "both" else (errors,)
    accuracies = [_share(part) for part in accuracy.split(",")]
    parts = [(part.strip(), _lengths(part)) for part in length.split(",")]
    tokens = sum(len(codes) * sentences * sum(sizes) / len(sizes) for _, sizes in parts)
    if tokens * len(accuracies) * len(kinds) > _MOST:
        raise LangspecError(
            f"{tokens * len(accuracies) * len(kinds):,.0f} tokens to simulate, expected at most "
            f"{_MOST:,}; ask for fewer sentences",
            place="--sentences",
        )
    rows = []
    for name, sizes in parts:
        options = CurveOptions(codes, sizes, sentences, correlation, seed)
        rows += [{"length": name, **row} for row in curve_rows(options, accuracies, kinds)]
    return pd.DataFrame(rows), codes


def curve_text(frame: pd.DataFrame, codes: tuple[str, ...]) -> str:
    """The table as Markdown, and which languages seqeval cannot tell apart."""
    words = frame.rename(columns=lambda name: name.replace("_", " ").replace("macro f1", "F1"))
    table = words.map(lambda value: f"{value:.4f}" if isinstance(value, float) else value)
    text = str(table.to_markdown(index=False, disable_numparse=True))
    groups = fused(codes)
    together = "; ".join(" ".join(group) for group in groups)
    return text + (f"\n\nTaken for one language by seqeval: {together}." if groups else "")


def _codes(languages: str | None) -> tuple[str, ...]:
    if languages is None:
        return PUBLISHED_LANGUAGES
    if languages.strip().isdigit():
        return tuple(f"l{number}" for number in range(1, int(languages) + 1))
    return tuple(part.strip() for part in languages.split(",") if part.strip())


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise LangspecError(
            f"found {text!r}, expected numbers from 0 to 1 with commas", place="--accuracy"
        ) from None


def _lengths(text: str) -> tuple[int, ...]:
    match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", text)
    if not match or not 0 < int(match[1]) <= int(match[2] or match[1]) <= _LONGEST:
        raise LangspecError(
            f"found {text!r}, expected tokens such as 25, or a range such as 25-90, at most "
            f"{_LONGEST:,}",
            place="--length",
        )
    return tuple(range(int(match[1]), int(match[2] or match[1]) + 1))
