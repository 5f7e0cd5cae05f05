"""What is committed is what the grammar writes."""

from __future__ import annotations

import json
import lzma
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from demo.datasets import COMMITTED, DATASETS, ROOT, generate_dataset, publish
from demo.generate import Sizes
from langspec.files import sha256_file, sha256_folder


@pytest.fixture(scope="module", params=DATASETS)
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw = tmp_path_factory.mktemp("raw") / str(request.param)
    generate_dataset(raw.name, raw)
    return raw


def test_committed_files_are_the_grammar_s(dataset: Path) -> None:
    committed = COMMITTED / dataset.name
    for path in sorted(path for path in dataset.rglob("*") if path.is_file()):
        name = path.relative_to(dataset).as_posix()
        if name == "facts.json":
            assert (committed / name).read_bytes() == path.read_bytes()
        elif name.startswith("pretrain/") and not DATASETS[dataset.name].text_committed:
            listed = json.loads((committed / "pretrain.json").read_text())
            assert listed[path.name] == sha256_file(path)
        else:
            packed = (committed / f"{name}.xz").read_bytes()
            assert lzma.decompress(packed) == path.read_bytes(), name


def test_publishing_again_changes_nothing_and_repairs_what_is_wrong(
    dataset: Path, tmp_path: Path
) -> None:
    shutil.copytree(COMMITTED / dataset.name, tmp_path / dataset.name)
    (tmp_path / dataset.name / "stray.txt").write_text("x")
    (tmp_path / dataset.name / "facts.json").write_text("x")
    text = tmp_path / dataset.name / "text" / "demo" / "de.txt.xz"
    text.write_bytes(lzma.compress(b"x"))
    publish(dataset.name, dataset, tmp_path, tmp_path / "texts")
    assert lzma.decompress(text.read_bytes()) == (dataset / "text/demo/de.txt").read_bytes()
    assert not (tmp_path / dataset.name / "stray.txt").exists()
    text.write_bytes((COMMITTED / dataset.name / "text" / "demo" / "de.txt.xz").read_bytes())
    assert sha256_folder(tmp_path / dataset.name) == sha256_folder(COMMITTED / dataset.name)
    apart = tmp_path / "texts" / dataset.name
    assert apart.exists() != DATASETS[dataset.name].text_committed


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "demo", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_another_setting_is_written_as_a_folder_to_add(tmp_path: Path) -> None:
    sizes = [f"--size={field.name}=3" for field in fields(Sizes)]
    out = tmp_path / "out"
    done = run("--out", str(out), "--languages", "de,tr", "--source", "tr", "--seed", "1", *sizes)
    assert done.returncode == 0, done.stderr
    assert f"langspec corpora add {out}" in done.stdout
    assert (out / "ud" / "UD_Turkish-Demo" / "tr_demo-ud-train.conllu").is_file()
    assert len((out / "text" / "demo" / "de.txt").read_text().splitlines()) == 3
    done = run("--out", str(out), "--size", "rows=3")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --size: expected NAME=ROWS")
    done = run("--out", str(out), "--languages", "en,zh")
    assert (done.returncode, done.stderr[:20]) == (2, "error: the demo corp")
