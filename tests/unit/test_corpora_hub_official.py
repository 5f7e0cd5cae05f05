"""Real treebanks, put into the two forms that the Hub has them in, read as they are from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hub_files as made
from langspec.corpora.conllu import read_conllu
from langspec.corpora.hub.parts import locate
from langspec.corpora.hub.treebanks import HubTreebanks, UdSource

pytestmark = pytest.mark.corpora
TREEBANKS = ("es_pud", "fr_pud", "de_pud", "tr_pud", "ar_pud", "ja_pud")


def sentences(path: Path) -> list[tuple[str, list[list[str]]]]:
    """The text and the lines of each sentence, split into columns; no reader of ours."""
    found = []
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        lines = block.split("\n")
        text = next(line for line in lines if line.startswith("# text = "))
        found.append(
            (text.removeprefix("# text = "), [x.split("\t") for x in lines if x[0] != "#"])
        )
    return found


@pytest.mark.parametrize("treebank", TREEBANKS)
def test_both_forms_give_the_words_and_spaces_of_the_release(
    official_files: Path, tmp_path: Path, treebank: str
) -> None:
    files = sorted(official_files.glob(f"ud/*/{treebank}-ud-test.conllu"))
    if not files:
        pytest.skip(f"no {treebank} in the folder")
    expected = [(s.words, s.labels, s.space_after) for s in read_conllu(files[0])]
    words: list[list[made.Word]] = []
    ranges: dict[int, list[dict[str, Any]]] = {}
    mixed: list[dict[str, Any]] = []
    for number, (text, lines) in enumerate(sentences(files[0])):
        misc = [None if line[9] == "_" else line[9] for line in lines]
        words.append([(x[1], x[3], m) for x, m in zip(lines, misc, strict=True) if x[0].isdigit()])
        ranges[number] = [
            {"id": x[0], "form": x[1], "feats": None, "misc": m}
            for x, m in zip(lines, misc, strict=True)
            if "-" in x[0]
        ]
        pieces = [dict(one.split("=", 1) for one in (m or "").split("|") if "=" in one) or None
                  for m in misc]  # fmt: skip
        items = [
            (x[1], x[3] if x[3] in made.UPOS_ORDER else "_", x[6] if x[6] != "_" else None, piece)
            for x, piece in zip(lines, pieces, strict=True)
        ]
        mixed.append({"text": text, "items": items})
    made.ud_table(tmp_path / "one" / treebank / "test.parquet", words, ranges=ranges)
    made.converted_table(tmp_path / "two" / treebank / "test" / "0000.parquet", mixed)
    got = {}
    for form in ("one", "two"):
        section = HubTreebanks(
            repo="owner/name",
            revision="main",
            folder=str(tmp_path / form),
            reader="ud",
            treebanks=[],
        )
        (file,) = locate([UdSource(section, (treebank[:2],), "en")])
        got[form] = [(r["words"], r["labels"], r["space_after"]) for r in file.rows()]  # type: ignore[attr-defined]
    assert got["one"] == expected
    assert [row[:2] for row in got["two"]] == [row[:2] for row in expected]
    # How many words a range covers is guessed there from the text.
    wrong = sum(one != other for (*_, one), (*_, other) in zip(got["two"], expected, strict=True))
    assert wrong <= 0.005 * len(expected), wrong
