"""Source files that DVC keeps: copied, noticed when they change, and what then runs again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from conftest import make_project
from corpora_files import official_folder, write

pytestmark = pytest.mark.slow


def dvc(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_copied_files_are_kept_by_dvc_and_noticed(tmp_path: Path, langspec: Any) -> None:
    outside = official_folder(tmp_path / "corpora")
    write(outside / "ud-treebanks-v2.7.tgz", "x")
    root = make_project(tmp_path / "project")
    values = YAML().load(root / "params.yaml")
    values["corpora"].update(files="added", targets=["de", "fr"])
    YAML().dump(values, root / "params.yaml")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    dvc(root, "init", "-q")
    told = langspec(root, "corpora", "add", str(outside), "--copy").stdout
    assert "kept by DVC; commit data/raw/corpora.dvc" in told
    assert "archives, left out until they are unpacked: ud-treebanks-v2.7.tgz" in told
    raw = root / "data" / "raw" / "corpora"
    assert (raw / "ud" / "UD_X-de" / "LICENSE.txt").is_file()
    assert not (raw / "ud-treebanks-v2.7.tgz").exists()

    # A folder of that name is not replaced by another one that happens to have it.
    other = official_folder(tmp_path / "elsewhere" / "corpora")
    before = sorted(raw.rglob("*"))
    refused = langspec(root, "corpora", "add", str(other), "--copy", check=False)
    assert refused.returncode == 2
    assert "data/raw/corpora: is there already and is not replaced" in refused.stderr
    assert sorted(raw.rglob("*")) == before

    # The files outside may go: the copies are what is read.
    (tmp_path / "corpora").rename(tmp_path / "away")
    dvc(root, "repro", "corpora")
    assert "corpora:" not in dvc(root, "status", "corpora")
    tables = {p.name: p.read_bytes() for p in (root / "data" / "corpora").rglob("*.parquet")}
    assert set(tables) == {"pos.parquet", "nli.parquet", "text.parquet"}

    changed = raw / "xnli" / "xnli.test.jsonl"
    text = changed.read_text()
    changed.unlink()  # DVC may have linked it to its cache
    write(changed, text.replace("premise", "satz"))
    status = dvc(root, "status")
    assert "data/raw" in status
    assert "corpora:" in status
    done = langspec(root, "corpora", "status", check=False)
    assert done.returncode == 1
    assert "xnli.test.jsonl: has changed since it was entered" in done.stdout
    done = langspec(root, "corpora", check=False)
    assert done.returncode == 2
    assert "enter the new one: langspec corpora add" in done.stderr

    assert "changed since they were entered" in langspec(root, "corpora", "add").stdout
    dvc(root, "repro", "corpora")
    after = {p.name: p.read_bytes() for p in (root / "data" / "corpora").rglob("*.parquet")}
    # Only what was read from the changed file is another: no other stage has to run.
    assert {name for name in after if after[name] != tables[name]} == {"nli.parquet"}
    assert langspec(root, "corpora", "status").returncode == 0
