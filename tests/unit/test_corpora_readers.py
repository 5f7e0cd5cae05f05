from __future__ import annotations

from pathlib import Path

from corpora_files import pairs
from langspec.corpora.lines import read_text
from langspec.corpora.xnli import read_pairs


def test_xnli_rows(tmp_path: Path) -> None:
    path = tmp_path / "xnli.dev.jsonl"
    path.write_text(pairs("de", 2) + pairs("fr", 2, gold_label="-"))
    rows = list(read_pairs(path))
    assert [row.language for row in rows] == ["de"] * 6 + ["fr"] * 6
    # translations share the prompt id and the pair id
    assert [(r.prompt_id, r.pair_id) for r in rows[:6]] == [
        (r.prompt_id, r.pair_id) for r in rows[6:]
    ]
    assert {row.label for row in rows[6:]} == {"-"}
    assert rows[7].line == 8


def test_multinli_has_no_language_field_and_takes_numbers_as_ids(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(pairs(None, 1).replace('"pairID": "0"', '"pairID": 0'))
    rows = list(read_pairs(path, language="en"))
    assert [row.language for row in rows] == ["en"] * 3
    assert rows[0].pair_id == "0"


def test_text_lines_stay_numbered_over_empty_ones_and_windows_ends(tmp_path: Path) -> None:
    path = tmp_path / "de.txt"
    path.write_bytes("\u00a0Über \r\n\r\nNacht\u2028mehr\n letzte".encode())
    assert list(read_text(path)) == [(0, "Über"), (1, ""), (2, "Nacht\u2028mehr"), (3, "letzte")]
