"""The data sets that langspec brings."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from corpora_files import official_folder, options
from langspec import presets
from langspec.config import load_config
from langspec.corpora import generated
from langspec.corpora.origins import generated_files
from langspec.corpora.prepare import prepare
from langspec.corpora.sources import discover
from langspec.encoders.pretraining_text import read_pretrain_data
from langspec.errors import LangspecError
from langspec.stages import corpora


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


def test_adding_a_folder_says_when_params_read_other_files(tmp_path: Path) -> None:
    folder = official_folder(tmp_path / "corpora")
    presets.write("tiny", tmp_path / "params.yaml")
    assert "for these: kind: files, files: added" in corpora.add(folder, tmp_path)
    presets.change(["corpora.files=added"], tmp_path / "params.yaml")
    assert "for these" not in corpora.add(folder, tmp_path)
    config = load_config(tmp_path / "params.yaml")
    assert "corpora: 15 files" in corpora.plan(config, tmp_path)


def test_limits_take_a_slice_of_the_demo(tmp_path: Path) -> None:
    limits = {"pos_train": 7, "pos_test": 3, "nli_train": 9, "nli_test": 5, "text": 4}
    wanted = options(targets=["tr"], limits=limits)
    card = prepare(generated_files("demo"), tmp_path / "out", **wanted)
    rows = {
        (name, row["language"], row["split"]): row["kept"]
        for name, facts in card["corpora"].items()
        for row in facts["rows"]
    }
    assert rows["pos", "en", "train"] == 7
    assert rows["pos", "tr", "test"] == 3
    assert rows["nli", "en", "train"] == 9
    assert rows["nli", "tr", "test"] == 5
    assert sum(n for (name, code, _), n in rows.items() if (name, code) == ("text", "tr")) == 4
