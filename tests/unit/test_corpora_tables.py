from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from langspec.corpora import tables
from langspec.corpora.tables import SCHEMAS, read_table, write_table
from langspec.errors import LangspecError
from langspec.files import sha256_file


def rows(count: int) -> Iterator[dict[str, Any]]:
    for n in range(count):
        split, code = ("dev", "test")[n % 2], ("de", "en")[n // 2 % 2]
        yield {"language": code, "line": n, "split": split, "text": f"text {n}"}


def test_reads_back_what_was_written_in_order(tmp_path: Path) -> None:
    assert write_table(tmp_path / "text.parquet", rows(20_000), SCHEMAS["text"]) == 20_000
    table = read_table(tmp_path, "text", split="dev", languages=["en"], columns=["line"])
    assert table.column_names == ["line"]
    assert table["line"].to_pylist() == list(range(2, 20_000, 4))
    assert read_table(tmp_path, "text").num_rows == 20_000
    assert read_table(tmp_path, "text", languages=["fr"]).num_rows == 0


def test_bytes_do_not_depend_on_the_run_and_hold_no_pandas(tmp_path: Path) -> None:
    for name in "ab":
        write_table(tmp_path / name, rows(9000), SCHEMAS["text"])
    assert sha256_file(tmp_path / "a") == sha256_file(tmp_path / "b")
    file = pq.ParquetFile(tmp_path / "a")
    assert file.metadata.num_row_groups == 2
    assert b"pandas" not in (file.metadata.metadata or {})


class CountedRow(dict[str, Any]):
    """A row that can be watched: plain dictionaries take no finalizer."""


def test_memory_holds_one_row_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_GROUP", 100)
    alive, most = 0, 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal alive, most
        for values in rows(1000):
            row = CountedRow(values)
            weakref.finalize(row, gone)
            alive += 1
            most = max(most, alive)
            yield row

    write_table(tmp_path / "t.parquet", counted(), SCHEMAS["text"])
    assert pq.ParquetFile(tmp_path / "t.parquet").metadata.num_row_groups == 10
    assert most <= 202  # the group before is let go when the next is complete


def test_failing_rows_leave_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[dict[str, Any]]:
        yield from rows(3)
        raise LangspecError("broken")

    with pytest.raises(LangspecError, match="broken"):
        write_table(tmp_path / "text.parquet", failing(), SCHEMAS["text"])
    assert list(tmp_path.iterdir()) == []


def test_missing_faulty_or_other_tables_are_told(tmp_path: Path) -> None:
    with pytest.raises(LangspecError, match=r"pos\.parquet: no such table"):
        read_table(tmp_path, "pos")
    (tmp_path / "pos.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(LangspecError, match="cannot be read as parquet"):
        read_table(tmp_path, "pos")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "nli.parquet")
    with pytest.raises(LangspecError, match="other columns"):
        read_table(tmp_path, "nli")
    with pytest.raises(ValueError, match="split 'valid'"):
        read_table(tmp_path, "pos", split="valid")


@pytest.mark.parametrize("name", SCHEMAS)
def test_null_is_refused_where_the_schema_has_none(name: str, tmp_path: Path) -> None:
    row = dict.fromkeys(SCHEMAS[name].names)
    with pytest.raises(pa.ArrowInvalid):
        write_table(tmp_path / "x.parquet", [row], SCHEMAS[name])
