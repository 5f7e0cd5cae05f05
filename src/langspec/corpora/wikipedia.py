"""Wikipedia: folders that WikiExtractor wrote, and dumps as Wikimedia publishes them.

A text is a paragraph, a document an article. Everything streams: one article is in memory.
"""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from langspec.corpora.lines import numbered_lines, open_bytes, unreadable
from langspec.errors import LangspecError

_DOC = re.compile(r'<doc (?:[^>]*? )?id="(?P<id>[^"]+)"(?: .*)?>')
# A title holds quotation marks as they are: it ends at the one before ">" or another attribute.
_TITLE = re.compile(r' title="(?P<title>.*?)"(?: \w+="[^"]*")*>$')
MAX_PAGE_CHARACTERS = 64 << 20
"""MediaWiki itself stops at 2 MiB; a longer page would be held in memory whole."""
_FILE, _CATEGORY = 6, 14  # namespaces of MediaWiki, whatever a language calls them
# Not running text; ref and gallery hold notes and captions, the others no language at all.
_SKIPPED_TAGS = frozenset(
    "ref gallery table math chem score timeline syntaxhighlight source code pre".split()
)


def read_extract(path: Path) -> Iterator[tuple[str, str]]:
    """Yield ``(document, paragraph)`` of a file that WikiExtractor wrote, plain or ``.bz2``.

    Both of its forms are read: ``<doc id=...>`` blocks and, with ``--json``, json lines. Empty
    lines and the article's title, which stands first, are left out.

    Raises:
        LangspecError: with file and line: neither of the forms, a document without id, one inside
            another or not ended, broken json; or as :func:`numbered_lines`.
    """
    lines = numbered_lines(path)
    document: str | None = None
    title = ""
    number = 0
    for number, line in lines:
        place = f"{path}:{number}"
        if document is None:
            if line.startswith("{"):
                yield from _json_document(line, place)
            elif line.startswith("<doc"):
                document, title = _doc_tag(line, place)
            elif line.strip():
                raise LangspecError(
                    'text outside of a document; expected <doc id="..." ...> or a json object, as '
                    "WikiExtractor writes",
                    place=place,
                )
        elif line.rstrip() == "</doc>":
            document = None
        elif line.startswith("<doc ") and _DOC.fullmatch(line.rstrip()):
            raise LangspecError(
                f"a document inside document {document}; expected </doc> before it", place=place
            )
        elif text := line.strip():
            if html.unescape(text) != title:
                yield document, text
            title = ""
    if document is not None:
        raise LangspecError(
            f"document {document} is not ended by </doc>, so the file seems cut short; extract "
            "it again",
            place=f"{path}:{number}",
        )


def _doc_tag(line: str, place: str) -> tuple[str, str]:
    match = _DOC.fullmatch(line.rstrip())
    if match is None:
        raise LangspecError(
            'a document without id; expected <doc id="..." ...> as WikiExtractor writes',
            place=place,
        )
    title = _TITLE.search(line.rstrip())
    return match["id"], html.unescape(title["title"]).strip() if title else ""


def _json_document(line: str, place: str) -> Iterator[tuple[str, str]]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LangspecError(
            f"broken json ({error}); expected one article a line, as WikiExtractor --json writes",
            place=place,
        ) from None
    for name in ("id", "text"):
        if not isinstance(row.get(name), str) or (name == "id" and not row["id"]):
            raise LangspecError(
                f"field {name!r} is {'missing' if name not in row else 'no text'}; expected the "
                "fields id, title and text, as WikiExtractor --json writes",
                place=place,
            )
    title = str(row.get("title", "")).strip()
    for position, text in enumerate(
        one for part in row["text"].split("\n") if (one := part.strip())
    ):
        if position or text != title:
            yield row["id"], text


def read_dump(path: Path) -> Iterator[tuple[str, str]]:
    """Yield ``(page id, paragraph)`` of a dump of articles (``pages-articles.xml``, ``.bz2``).

    Read by mwxml, the markup taken off by mwparserfromhell. Left out are redirects, pages that
    are no articles, templates, tables, headings, references, files and categories.

    Raises:
        LangspecError: no dump, XML that is broken or cut short, an endless page, or a file that
            cannot be read.
    """
    import mwparserfromhell
    import mwxml

    try:
        with open_bytes(path) as raw:
            bounded = _Bounded(io.TextIOWrapper(raw, encoding="utf-8"), path)
            dump = mwxml.Dump.from_file(bounded)
            hidden = _hidden_prefixes(dump.site_info)
            for page in dump:
                bounded.since = 0
                if page.namespace != 0 or page.redirect is not None:
                    continue
                for revision in page:
                    code = mwparserfromhell.parse(revision.text or "")
                    for part in _plain(code, hidden).split("\n"):
                        if text := " ".join(part.split()):
                            yield str(page.id), text
    except (OSError, EOFError) as error:
        raise LangspecError(unreadable(error), place=path) from None
    except UnicodeDecodeError as error:
        raise LangspecError(f"not UTF-8 ({error.reason}); fetch it again", place=path) from None
    except (ParseError, AssertionError, mwxml.errors.MalformedXML) as error:
        cause = str(error) or "no <mediawiki> element"
        raise LangspecError(
            f"is no whole dump ({cause}); expected LANGwiki-DATE-pages-articles.xml.bz2 as "
            "Wikimedia publishes it",
            place=path,
        ) from None


class _Bounded:
    """A text that is refused once too much of it was read since ``since`` was set to 0."""

    def __init__(self, text: io.TextIOWrapper, path: Path) -> None:
        self._text, self._path, self.since = text, path, 0

    def read(self, size: int = -1) -> str:
        part = self._text.read(size)
        self.since += len(part)
        if self.since > MAX_PAGE_CHARACTERS:
            raise LangspecError(
                f"a page longer than {MAX_PAGE_CHARACTERS >> 20} Mi characters; expected a dump "
                "of articles",
                place=self._path,
            )
        return part


def _hidden_prefixes(site: Any) -> frozenset[str]:
    """What links to files and categories begin with, in the dump's language and in English."""
    names = {"file", "image", "category"}
    for namespace in (site.namespaces if site is not None else None) or ():
        if namespace.id in (_FILE, _CATEGORY) and namespace.name:
            names.add(namespace.name.casefold())
    return frozenset(names)


def _plain(code: Any, hidden: frozenset[str]) -> str:
    from mwparserfromhell import nodes

    parts = []
    for node in code.nodes:
        if isinstance(node, nodes.Text):
            parts.append(node.value)
        elif isinstance(node, nodes.HTMLEntity):
            parts.append(node.normalize())
        elif isinstance(node, nodes.Wikilink):
            prefix, colon, _ = str(node.title).partition(":")
            if colon and prefix.strip().casefold() in hidden:
                continue
            parts.append(_plain(node.text if node.text is not None else node.title, hidden))
        elif isinstance(node, nodes.ExternalLink):
            parts.append(_plain(node.title, hidden) if node.title is not None else "")
        elif isinstance(node, nodes.Tag):
            name = str(node.tag).strip().casefold()
            if name == "br":
                parts.append("\n")
            elif name not in _SKIPPED_TAGS and node.contents is not None:
                parts.append(_plain(node.contents, hidden))
    return "".join(parts)
