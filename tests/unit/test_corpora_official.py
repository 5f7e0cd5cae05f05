"""The readers on a folder of official releases, against the counts their publishers state."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from corpora_files import files_in
from langspec.corpora.conllu import read_conllu
from langspec.corpora.lines import read_text
from langspec.corpora.sources import LocatedFile
from langspec.corpora.xnli import read_pairs

pytestmark = pytest.mark.corpora


@pytest.fixture(scope="module")
def located(official_files: Path) -> list[LocatedFile]:
    return files_in(official_files)


@pytest.fixture(scope="module")
def stated(official_files: Path) -> dict[str, dict[str, str]]:
    """SOURCES.tsv, where the folder has one, by SHA-256."""
    path = official_files / "SOURCES.tsv"
    if not path.is_file():
        pytest.skip(f"{path} is not there: no stated counts to compare with")
    with path.open(newline="") as handle:
        return {row["sha256"]: row for row in csv.DictReader(handle, delimiter="\t")}


def test_treebanks_have_the_stated_numbers_of_sentences(
    located: list[LocatedFile], stated: dict[str, dict[str, str]]
) -> None:
    # Small ones; the preparation of the whole folder reads all of them.
    files = [f for f in located if f.source.kind == "ud" and f.source.bytes < 1_000_000]
    compared = 0
    for file in files:
        if file.source.sha256 in stated:
            row = stated[file.source.sha256]
            assert (file.source.language, str(sum(1 for _ in read_conllu(file.path)))) == (
                row["lang"],
                row["sentences"],
            )
            compared += 1
    assert compared


def test_texts_are_parallel(located: list[LocatedFile], stated: dict[str, dict[str, str]]) -> None:
    counts = {}
    for file in located:
        if file.source.kind == "text" and file.source.sha256 in stated:
            row = stated[file.source.sha256]
            counts[file.source.language] = sum(1 for _ in read_text(file.path))
            assert (file.source.language, str(counts[file.source.language])) == (
                row["lang"],
                row["sentences"],
            )
    assert len(set(counts.values())) == 1


def test_xnli_items_are_translated_into_every_language(located: list[LocatedFile]) -> None:
    files = [file for file in located if file.source.kind == "xnli"]
    if not files:
        pytest.skip("no XNLI in the folder")
    for file in files:
        pairs = list(read_pairs(file.path))
        items = Counter((pair.pair_id, pair.label) for pair in pairs)
        languages = {pair.language for pair in pairs}
        assert set(items.values()) == {len(languages)}
