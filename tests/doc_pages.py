"""The documents of the checkout as tests read them: blocks, marks, links, anchors, samples.

A fenced block may have a mark, an HTML comment on the line before it:

- ``<!-- not run: REASON -->``: no test runs it.
- ``<!-- run by: TEST -->``: that test file runs it. At the top of a page
  ``<!-- every block is run by: TEST -->`` says it of all its blocks.
- ``<!-- output of: COMMAND -->`` ... ``<!-- end of output -->``: what lies between is written by
  ``doc_samples.py`` and never by hand; ``<!-- copy of: FILE -->`` stands above a picture.

A block of commands (``sh``) without a mark is run by ``integration/test_doc_commands.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from conftest import CHECKOUT

MARK = re.compile(r"<!-- (not run|run by): (.+?) -->")
WHOLE = re.compile(r"<!-- every block is run by: (.+?) -->")
SAMPLE = re.compile(
    r"(?P<head><!-- output of: (?P<command>.+?) -->\n)(?P<body>.*?)"
    r"(?P<tail><!-- end of output -->)",
    re.DOTALL,
)
COPY = re.compile(r"<!-- copy of: (.+?) -->\n!\[.*?\]\((.+?)\)", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, its text, and the mark before it."""

    page: str
    line: int
    language: str
    text: str
    mark: str = ""
    reason: str = ""

    @property
    def place(self) -> str:
        """Page and line, for a message."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """README and the documents, without the files of other folders."""
    return [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]


def name_of(page: Path) -> str:
    """Path of a page from the root of the checkout."""
    return page.relative_to(CHECKOUT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    found: list[Block] = []
    opened: tuple[int, str, str, str] | None = None
    body: list[str] = []
    before = ""
    text = page.read_text(encoding="utf-8")
    whole = WHOLE.search(text)
    default = ("run by", whole[1]) if whole else ("", "")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("```") and opened is None:
            mark = MARK.fullmatch(before.strip())
            opened = (number, line[3:].strip(), *(mark.groups() if mark else default))
            body = []
        elif line.startswith("```"):
            assert opened is not None
            at, language, mark_, reason = opened
            found.append(Block(name_of(page), at, language, "\n".join(body), mark_, reason))
            opened = None
        elif opened is not None:
            body.append(line)
        before = line
    assert opened is None, f"{name_of(page)}: a block is not closed"
    return found


def prose(page: Path) -> str:
    """The text of a page without its fenced blocks and comments."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Anchors of the headings, as GitHub makes them."""
    titles = re.findall(r"^#+ +(.+?)\s*$", prose(page), flags=re.M)
    found: set[str] = set()
    for title in titles:
        plain = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", title).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        name, number = slug, 0
        while name in found:
            number += 1
            name = f"{slug}-{number}"
        found.add(name)
    return found


def links(page: Path) -> list[str]:
    """Targets of links and pictures that lead into the checkout."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]
