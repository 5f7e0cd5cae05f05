"""Command seqeval-curve: token accuracy against the published score, as a table."""

from __future__ import annotations

from langspec.measurement.compat.curve_table import curve_table, curve_text


def run(
    *,
    languages: str | None,
    length: str,
    sentences: int,
    accuracy: str,
    errors: str,
    correlation: float,
    seed: int,
    form: str,
) -> str:
    """The table for each length, as Markdown or CSV.

    Args:
        languages: codes with commas, a number (of codes that seqeval tells apart), or None for
            the published 33.
        length: tokens a sentence: ``25``; several with commas, a table part each; ``25-90`` for
            sentences of all these lengths.
        sentences: of each language.
        accuracy: shares of tokens named rightly, with commas.
        errors: ``iid``, ``clustered`` or ``both``.
        correlation: within a sentence, where errors are clustered.
        seed: of everything drawn.
        form: ``markdown`` or ``csv``.

    Raises:
        LangspecError: a value that is none of these, or more tokens than can be simulated at once.
    """
    frame, codes = curve_table(
        languages,
        length,
        accuracy,
        errors,
        sentences=sentences,
        correlation=correlation,
        seed=seed,
    )
    if form == "csv":
        return frame.to_csv(index=False, float_format="%.6g", lineterminator="\n").rstrip("\n")
    return curve_text(frame, codes)
