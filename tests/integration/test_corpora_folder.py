"""A folder of official releases, prepared whole."""

from __future__ import annotations

import csv
import time
from collections import Counter
from pathlib import Path

import pytest

from corpora_files import options
from langspec.corpora.manifest import add_folder, locate
from langspec.corpora.prepare import prepare
from langspec.corpora.tables import read_table
from langspec.files import sha256_folder

pytestmark = [pytest.mark.corpora, pytest.mark.slow]


def test_everything_is_prepared_twice_to_the_same_bytes(
    official_files: Path, tmp_path: Path
) -> None:
    manifest, local = tmp_path / "sources.json", tmp_path / "local.json"
    found = add_folder(official_files, manifest, local)
    files = locate(manifest, local, {})
    codes = {file.language for file in found.files if file.kind == "text"} - {None, "en"}
    wanted = options(
        targets=sorted(code for code in codes if code),
        tasks=("pos", "nli"),
        min_characters=0,
        text_splits=(0.7, 0.1, 0.2),
    )
    start = time.process_time()
    prepare(files, tmp_path / "a", **wanted)
    assert time.process_time() - start < 60
    prepare(files, tmp_path / "b", **wanted)
    assert sha256_folder(tmp_path / "a") == sha256_folder(tmp_path / "b")

    stated = official_files / "SOURCES.tsv"
    if stated.is_file():
        with stated.open(newline="") as handle:
            sentences = {
                r["sha256"]: r["sentences"] for r in csv.DictReader(handle, delimiter="\t")
            }
        expected: Counter[tuple[str, str]] = Counter()
        for file in found.files:
            if file.kind == "ud" and (file.split != "train" or file.language == "en"):
                expected[str(file.treebank), str(file.split)] += int(sentences[file.sha256])
        table = read_table(tmp_path / "a", "pos", columns=["treebank", "split"])
        pairs = zip(table["treebank"].to_pylist(), table["split"].to_pylist(), strict=True)
        assert Counter(pairs) == expected


def test_filter_of_the_paper_is_warned_about(official_files: Path, tmp_path: Path) -> None:
    """100 characters leave next to nothing of a script written without spaces."""
    manifest, local = tmp_path / "sources.json", tmp_path / "local.json"
    found = add_folder(official_files, manifest, local)
    if not any(file.name == "text/ntrex/zh.txt" for file in found.files):
        pytest.skip("no NTREX-128 in the folder")
    files = [f for f in locate(manifest, local, {}) if f.source.kind == "text"]
    wanted = options(
        targets=["zh"],
        tasks=(),
        min_characters=100,
        text_splits=(0.7, 0.1, 0.2),
    )
    card = prepare(files, tmp_path / "a", **wanted)
    assert any(
        "drops 1963 of 1997 rows of zh, over half; 34 pass" in one for one in card["warnings"]
    )
