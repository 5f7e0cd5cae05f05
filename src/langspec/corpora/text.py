"""Folders of ``<language>.txt``, one text a line (NTREX-128, extracts of Wikipedia)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from langspec.corpora.lines import numbered_lines


def read_text(path: Path) -> Iterator[tuple[int, str]]:
    """Yield ``(line, text)``, lines from 0, white space around the text removed.

    Empty lines are yielded too, so that the line numbers of parallel files stay aligned.
    Windows line ends are accepted, as NTREX-128 is published with them.

    Raises:
        LangspecError: as :func:`langspec.corpora.lines.numbered_lines`.
    """
    for number, text in numbered_lines(path, carriage_returns="strip"):
        yield number - 1, text.strip()
