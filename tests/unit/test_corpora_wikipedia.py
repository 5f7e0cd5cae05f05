from __future__ import annotations

import bz2
import json
from pathlib import Path

import pytest

from langspec.corpora import wikipedia
from langspec.corpora.wikipedia import read_dump, read_extract
from langspec.errors import LangspecError

DOCS = (
    '<doc id="12" url="https://en.wikipedia.org/wiki?curid=12" title="Ship">\n'
    "Ship\n\nA ship is large.\nIt floats.\n\n</doc>\n"
    '<doc id="13" url="x" title="Boat">\nBoat\n\nBoat\n</doc>\n'
)
ROWS = [("12", "A ship is large."), ("12", "It floats."), ("13", "Boat")]

PAGE = """
  <page>
    <title>{title}</title><ns>{ns}</ns><id>{ident}</id>{redirect}
    <revision><id>{ident}0</id><timestamp>2021-04-20T00:00:00Z</timestamp>
      <text bytes="1" xml:space="preserve">{text}</text></revision>
  </page>"""


def page(text: str, ident: int = 1, ns: int = 0, redirect: str = "") -> str:
    return PAGE.format(title=f"T{ident}", ns=ns, ident=ident, redirect=redirect, text=text)


def dump(*pages: str) -> bytes:
    return (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10">\n'
        "  <siteinfo><sitename>Wikipedia</sitename><dbname>dewiki</dbname><namespaces>"
        '<namespace key="0" case="first-letter" /><namespace key="6" case="first-letter">Datei'
        '</namespace><namespace key="14" case="first-letter">Kategorie</namespace>'
        f"</namespaces></siteinfo>{''.join(pages)}\n</mediawiki>\n"
    ).encode()


def test_both_forms_of_an_extract_give_the_same(tmp_path: Path) -> None:
    rows = [
        {"id": "12", "url": "x", "title": "Ship", "text": "Ship\n\nA ship is large.\nIt floats."},
        {"id": "13", "url": "x", "title": "Boat", "text": "Boat\n\nBoat"},
    ]
    forms = {
        "wiki_00": DOCS.encode(),
        "wiki_01": "".join(json.dumps(row) + "\n" for row in rows).encode(),
        "wiki_02.bz2": bz2.compress(DOCS.encode()),
    }
    for name, data in forms.items():
        (tmp_path / name).write_bytes(data)
        assert list(read_extract(tmp_path / name)) == ROWS, name


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("'''Das Boot''' ist ''gut''.", ["Das Boot ist gut."]),
        ("Ein [[Schiff|großes Schiff]] und [[Meer]].", ["Ein großes Schiff und Meer."]),
        ("A.&lt;ref&gt;B&lt;/ref&gt; C.&lt;ref name=x /&gt;", ["A. C."]),
        ("{{Infobox|a=b|c={{d}}}}Text.", ["Text."]),
        ("== Titel ==\nAbsatz.\n\nZweiter.", ["Absatz.", "Zweiter."]),
        ("[[Datei:x.jpg|mini|Ein Bild]]Text [[Kategorie:Y]]", ["Text"]),
        ("[[File:x.jpg|thumb]]Text", ["Text"]),
        ("{|\n| a || b\n|}\nText", ["Text"]),
        ("* eins\n* zwei", ["eins", "zwei"]),
        ("a &amp;amp; b&lt;br /&gt;c", ["a & b", "c"]),
        ("[https://x.org die Seite] hier", ["die Seite hier"]),
        ("&lt;!-- weg --&gt;da", ["da"]),
        ("", []),
    ],
)
def test_markup_is_taken_off(tmp_path: Path, markup: str, expected: list[str]) -> None:
    path = tmp_path / "dewiki-latest-pages-articles.xml"
    path.write_bytes(dump(page(markup, ident=7)))
    assert list(read_dump(path)) == [("7", text) for text in expected]


def test_only_articles_are_read_from_a_dump(tmp_path: Path) -> None:
    path = tmp_path / "dewiki-20210420-pages-articles.xml.bz2"
    redirect = '<redirect title="T1" />'
    pages = (
        page("eins", 1),
        page("#WEITERLEITUNG [[T1]]", 2, redirect=redirect),
        page("Diskussion", 3, ns=1),
        page("vier", 4),
    )
    # Several streams, as "multistream" dumps have them.
    data = dump(*pages)
    path.write_bytes(bz2.compress(data[:300]) + bz2.compress(data[300:]))
    assert list(read_dump(path)) == [("1", "eins"), ("4", "vier")]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("cut.xml", dump(page("a"))[:-30], "no whole dump"),
        ("html.xml", b"<html></html>", "no whole dump"),
        ("text.xml", b"hello", "no whole dump"),
        ("empty.xml", b"", "no whole dump"),
        ("cut.xml.bz2", bz2.compress(dump(page("a") * 99))[:-9], "cut short"),
        ("plain.xml.bz2", dump(page("a")), "the compressed file is damaged"),
        ("latin.xml", dump(page("é")).decode().encode("latin-1"), "not UTF-8"),
        ("gone.xml", None, "cannot be read"),
    ],
)
def test_broken_dumps_are_one_line(
    tmp_path: Path, name: str, data: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(LangspecError, match=message) as error:
        list(read_dump(path))
    assert str(error.value).startswith(f"{path}: ")


def test_an_endless_page_is_not_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wikipedia, "MAX_PAGE_CHARACTERS", 1 << 20)
    path = tmp_path / "dewiki-20210420-pages-articles.xml.bz2"
    path.write_bytes(bz2.compress(dump(page("kurz", 1), page("x" * (2 << 20), 2))))
    rows = read_dump(path)
    assert next(rows) == ("1", "kurz")
    with pytest.raises(LangspecError, match="a page longer than 1 Mi characters"):
        next(rows)
    # Many pages that are long together are no fault.
    path.write_bytes(bz2.compress(dump(*(page("x " * 200_000, n) for n in range(1, 5)))))
    assert sum(1 for _ in read_dump(path)) == 4
