"""The data sets that langspec brings."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from langspec.corpora import generated
from langspec.corpora.origins import generated_files
from langspec.corpora.sources import discover
from langspec.encoders.pretraining_text import read_pretrain_data
from langspec.errors import LangspecError


@pytest.mark.parametrize("name", ["demo", "tiny"])
def test_every_file_is_in_the_manifest(name: str) -> None:
    files = generated_files(name)
    assert [file.source for file in files] == discover(generated.FOLDER / name).files
    kinds = Counter(file.source.kind for file in files)
    languages = {"demo": 6, "tiny": 3}[name]
    assert kinds == {"ud": 2 * languages + 1, "xnli": 2, "multinli": 1, "text": languages}
    assert {file.source.licence_name for file in files} == {"MIT"}


def test_a_changed_or_missing_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(generated.FOLDER / "tiny", tmp_path / "tiny")
    monkeypatch.setattr(generated, "FOLDER", tmp_path)
    monkeypatch.setattr("langspec.corpora.origins.FOLDER", tmp_path)
    path = tmp_path / "tiny" / "text" / "demo" / "de.txt.xz"
    path.write_bytes(b"x")
    with pytest.raises(LangspecError, match=r"de.txt.xz: is not the file.*install langspec again"):
        generated_files("tiny")
    path.unlink()
    with pytest.raises(LangspecError, match=r"de.txt.xz: no such file; install langspec again"):
        generated_files("tiny")
    (tmp_path / "tiny" / "pretrain" / "pairs.jsonl.xz").write_bytes(b"x")
    with pytest.raises(LangspecError, match=r"pairs.jsonl.xz: is not the file"):
        generated.pretraining_text("tiny", tmp_path)


def test_text_for_pretraining_that_is_not_there_is_told_with_the_command(tmp_path: Path) -> None:
    cure = r"data/pretrain/demo/\w+\.\w+: no such file; write it.*: python -m demo --pretrain"
    with pytest.raises(LangspecError, match=cure):
        generated.pretraining_text("demo", tmp_path)
    folder = tmp_path / "data" / "pretrain" / "demo"
    folder.mkdir(parents=True)
    for name in ("dictionary.tsv", "pairs.jsonl", "sentences.jsonl"):
        (folder / name).write_text("x")
    with pytest.raises(LangspecError, match="is not the file that was generated; write it"):
        generated.pretraining_text("demo", tmp_path)


def test_tiny_brings_its_text(tmp_path: Path) -> None:
    data = read_pretrain_data(generated.pretraining_text("tiny", tmp_path))
    assert len(data.lines) == 800
    assert {len(line) for line in data.lines} == {3}
    assert {code for forms in data.dictionary.values() for code in forms} == {"de", "en", "ru"}
