"""Folders of text: what is read, how it is split, and what is refused."""

from __future__ import annotations

import bz2
import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from audit_fixtures import write_texts
from langspec.audit.text_folder import FEWEST, Texts, read_texts
from langspec.errors import LangspecError


def read(folder: Path, **changes: Any) -> Texts:
    values: dict[str, Any] = {"parallel": False, "max_texts": 1000, "seed": 0, "near": 0.8}
    return read_texts(folder, **values | changes, place="--text")


def lines(count: int, word: str = "text") -> list[str]:
    return [f"{word} number {i} {i * i * 7919}" for i in range(count)]


def write(path: Path, texts: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")


def test_files_folders_and_packed_files_are_languages(tmp_path: Path) -> None:
    write(tmp_path / "en.txt", lines(60))
    packed = "\n".join(lines(60, "Satz")).encode()
    (tmp_path / "de.txt.gz").write_bytes(gzip.compress(packed))
    (tmp_path / "ru.txt.bz2").write_bytes(bz2.compress(packed))
    write(tmp_path / "fr" / "a.txt", lines(30, "un"))
    write(tmp_path / "fr" / "b.txt", lines(30, "deux"))
    write(tmp_path / "README.md", ["not a text"])
    (tmp_path / "empty").mkdir()
    found = read(tmp_path)
    assert found.codes == ["de", "en", "fr", "ru"]
    assert [row.texts for row in found.counts] == [60] * 4
    assert set(found.splits) == {"train", "dev", "test"}
    assert len(set(found.lines.tolist())) == len(found.texts)  # no line is shared


def test_parallel_lines_share_split_and_sample(tmp_path: Path) -> None:
    write_texts(tmp_path, ["de", "en", "fr"], 100)
    found = read(tmp_path, parallel=True, max_texts=60)
    by_line: dict[int, set[str]] = {}
    for line, split in zip(found.lines.tolist(), found.splits, strict=True):
        by_line.setdefault(line, set()).add(split)
    assert len(by_line) == 60
    assert all(len(splits) == 1 for splits in by_line.values())
    assert [row.unused for row in found.counts] == [40] * 3
    more = read(tmp_path, parallel=True, max_texts=80)
    assert set(by_line) <= set(more.lines.tolist())


def test_equal_texts_never_stand_in_two_splits(tmp_path: Path) -> None:
    write(tmp_path / "en.txt", lines(50) * 2)
    write(tmp_path / "de.txt", lines(50, "Satz"))
    found = read(tmp_path)
    splits: dict[str, set[str]] = {}
    for text, split in zip(found.texts, found.splits, strict=True):
        splits.setdefault(text, set()).add(split)
    assert all(len(found) == 1 for found in splits.values())
    assert [row.repeated for row in found.counts] == [0, 50]


def test_empty_lines_are_left_out_and_counted(tmp_path: Path) -> None:
    for code in ("en", "de"):
        write(tmp_path / f"{code}.txt", lines(60, code))
    write(tmp_path / "de.txt", ["", "  ", *lines(58, "de")])
    found = read(tmp_path)
    assert [row.empty for row in found.counts] == [2, 0]
    assert "Empty lines were left out: de 2." in found.warnings
    together = read(tmp_path, parallel=True)  # the line is missing in both languages then
    assert {row.texts for row in together.counts} == {58}


def test_near_duplicates_across_splits_are_counted(tmp_path: Path) -> None:
    for code in ("en", "de"):
        # One long text again and again, but for its last word.
        write(
            tmp_path / f"{code}.txt", [f"{code} {'the same words ' * 20} {i}" for i in range(60)]
        )
    found = read(tmp_path)
    assert all(row.near > 10 for row in found.counts)
    assert any("near duplicates" in warning for warning in found.warnings)


def test_an_unknown_code_is_measured_and_told(tmp_path: Path) -> None:
    write_texts(tmp_path, ["en", "qqz"], 60)
    found = read(tmp_path)
    assert found.codes == ["en", "qqz"]
    assert any("qqz" in warning for warning in found.warnings)


def test_faults_are_one_line_with_the_place(tmp_path: Path) -> None:
    good = lines(60)

    def refused(name: str, files: dict[str, bytes], told: str, **changes: Any) -> None:
        folder = tmp_path / name
        folder.mkdir()
        for file, data in files.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_bytes(data)
        with pytest.raises(LangspecError) as error:
            read(folder, **changes)
        assert told in str(error.value), str(error.value)
        assert "\n" not in str(error.value)

    plain = "\n".join(good).encode()
    refused("none", {"notes.md": b"x"}, "holds no text files")
    refused("one", {"en.txt": plain}, "one language only (en)")
    refused("binary", {"en.txt": plain, "de.txt": b"\x00\x01\xff"}, "de.txt:1: a NUL character")
    refused("latin", {"en.txt": plain, "de.txt": "Füße\n".encode("latin-1")}, "is not UTF-8")
    for ending in ("gz", "bz2", "xz"):
        damaged = {"en.txt": plain, f"de.txt.{ending}": b"not an archive"}
        refused(ending, damaged, f"de.txt.{ending}: the compressed file is damaged (")
    packed = gzip.compress(plain)
    refused("cut", {"en.txt": plain, "de.txt.gz": packed[:-20]}, "de.txt.gz: the compressed file")
    latin = gzip.compress("Füße\n".encode("latin-1"))
    refused("packed", {"en.txt": plain, "de.txt.gz": latin}, "de.txt.gz:1: byte")
    refused("few", {"en.txt": plain, "de.txt": b"one\ntwo\n"}, f"expected at least {FEWEST}")
    uneven = {"en.txt": plain, "de.txt": ("\n".join([good[0]] * FEWEST)).encode()}
    refused("uneven", uneven, f"de has {FEWEST} texts, dealt out by a hash of each (")
    refused("capitals", {"en.txt": plain, "EN.txt": plain}, "EN and en differ in capitals alone")
    refused("folder", {"en.txt": plain, "de.txt/a": plain}, "de.txt: is a folder; expected a file")
    refused("twice", {"en.txt": plain, "de.txt": plain, "de/a.txt": plain}, "several places")
    refused("name", {"en.txt": plain, "my text.txt": plain}, "'my text' is no language code")
    short = "\n".join(good[:-1]).encode()
    refused("unequal", {"en.txt": plain, "de.txt": short}, "de 59, en 60", parallel=True)
    with pytest.raises(LangspecError, match="no such folder"):
        read(tmp_path / "absent")
    with pytest.raises(LangspecError, match="is a file"):
        read(tmp_path / "one" / "en.txt")


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    for code in ("en", "de"):
        write(tmp_path / f"{code}.txt", lines(60, code))
    write(tmp_path / "en.txt.bak", lines(60))
    write(tmp_path / "fr" / "a.txt", lines(60, "un"))
    write(tmp_path / "fr" / "notes.md", ["x"])
    (tmp_path / "other").mkdir()
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    found = read(tmp_path)
    (sentence,) = (one for one in found.warnings if one.startswith("Not read"))
    assert sentence.endswith(": en.txt.bak, fr/notes.md, gone, other/, pipe.")
    os.mkfifo(tmp_path / "ru.txt")  # is not opened: that would wait for a writer
    with pytest.raises(LangspecError, match=r"ru\.txt: is no regular file; expected a file"):
        read(tmp_path)
    (tmp_path / "ru.txt").unlink()
    (tmp_path / "ru.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(LangspecError, match=r"ru\.txt: is a link to nothing"):
        read(tmp_path)
