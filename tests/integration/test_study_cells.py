"""A study in cells: killed between two, continued in a fresh checkout, drawn from cells alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import Make, Run
from langspec.files import read_json, write_checksums, write_json
from langspec.results import read_results

pytestmark = [pytest.mark.slow, pytest.mark.hostile]

SETS = [
    part
    for value in (
        "name=study",
        "train.tasks=[pos]",
        "train.run=[frozen, grl]",
        "train.also.run=[]",
        "train.more_seeds={grl: [3]}",
        "train.methods.grl.path=[0.1]",
        "train.pos.epochs=1",
        "evaluate.trajectory.of=[]",
        "evaluate.compat.run=[]",
        "evaluate.conditional.run=false",
        "evaluate.beyond.run=[]",
        "evaluate.erasers.of=[frozen]",
        "evaluate.erasers.layers=head",
    )
    for part in ("--set", value)
]
CELLS = [
    "all/seed-0", "frozen/seed-1", "grl/seed-1", "random/seed-0", "frozen/seed-2", "grl/seed-2",
    "grl/seed-3", "grl@0.1/seed-1",
]  # fmt: skip


def ready(make: Make, folder: Path) -> Path:
    project = make(folder)
    shutil.move(project / "data" / "corpora" / "tiny", project / "data" / "corpora" / "study")
    return project


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory, ready_project: Make, langspec: Run) -> Path:
    """All cells in one go."""
    project = ready(ready_project, tmp_path_factory.mktemp("straight") / "project")
    langspec(project, "cells", *SETS)
    return project


def cells(project: Path) -> Path:
    return project / "results" / "study" / "cells"


def finished(project: Path) -> set[str]:
    files = cells(project).glob("pos/*/seed-*/cell.json")
    return {file.parent.relative_to(cells(project) / "pos").as_posix() for file in files}


def tables(project: Path) -> dict[str, bytes]:
    """What is drawn, but for the page, which names the project's folder nowhere."""
    report = project / "results" / "study" / "report"
    return {file.name: file.read_bytes() for file in sorted((report / "tables").glob("*"))}


def test_a_cell_holds_tables_and_a_manifest_and_neither_weights_nor_text(straight: Path) -> None:
    assert finished(straight) == set(CELLS)
    files = {file.name for file in cells(straight).rglob("*") if file.is_file()}
    assert not any(name.endswith(".safetensors") for name in files)
    cell = read_json(cells(straight) / "pos" / "grl" / "seed-2" / "cell.json")
    assert set(cell["version"]) == {
        "evaluation code", "evaluation settings", "inputs", "precision", "training code",
        "training settings",
    }  # fmt: skip
    assert set(cell["cpu_seconds"]) == {"train", "evaluate"}
    assert cell["machine"]["processor"]
    assert cell["run"]["seeds"][0]["status"] == "finished"
    from langspec.corpora.tables import read_table

    corpora = straight / "data" / "corpora" / "study"
    texts = read_table(corpora, "text", languages=["de", "en", "ru"])["text"].to_pylist()
    written = b"".join(file.read_bytes() for file in cells(straight).rglob("*") if file.is_file())
    assert not [text for text in texts if len(text) > 20 and text.encode() in written]
    assert not list((straight / ".langspec" / "checkpoints").glob("*/*"))
    assert not list((straight / ".langspec" / "cells").rglob("*.safetensors"))


def test_killed_after_two_cells_a_fresh_checkout_goes_on_to_the_same_tables(
    straight: Path, tmp_path: Path, ready_project: Make, langspec: Run
) -> None:
    stopped = ready(ready_project, tmp_path / "stopped")
    command = [sys.executable, "-m", "langspec", "cells", *SETS]
    working = subprocess.Popen(command, cwd=stopped, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while len(finished(stopped)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    working.kill()
    working.wait()
    count = len(finished(stopped))
    assert 2 <= count < len(CELLS)
    fresh = ready(ready_project, tmp_path / "fresh")
    shutil.copytree(cells(stopped), cells(fresh))
    plan = langspec(fresh, "cells", "--dry-run", *SETS).stdout
    assert f"{count} of {len(CELLS)} cells finished; left: about" in plan
    before = {file: file.stat().st_mtime_ns for file in cells(fresh).rglob("cell.json")}
    langspec(fresh, "cells", *SETS)
    assert finished(fresh) == set(CELLS)
    assert all(file.stat().st_mtime_ns == time for file, time in before.items())

    # Without corpora, encoder or weights.
    for project in (straight, fresh):
        bare = tmp_path / f"bare {project.name} {project.parent.name}"
        shutil.copytree(cells(project), cells(bare))
        for name in ("params.yaml", "data/published"):
            source = project / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            (bare / name).parent.mkdir(exist_ok=True)
            copy(source, bare / name)
        langspec(bare, "cells", "--collect", *SETS)
    one, other = sorted(tmp_path.glob("bare *"))
    assert tables(one) == tables(other)
    assert len(tables(one)) > 10
    assert (one / "results" / "study" / "report" / "index.html").is_file()


def test_the_collected_rows_are_those_of_the_stages(
    straight: Path, tmp_path: Path, ready_project: Make, langspec: Run
) -> None:
    project = ready(ready_project, tmp_path / "stages")
    for method in ("frozen", "grl"):
        langspec(project, "train", "--task", "pos", "--method", method, *SETS)
    langspec(project, "evaluate", "--task", "pos", *SETS)
    collected = tmp_path / "collected"
    shutil.copytree(straight, collected)
    langspec(collected, "cells", "--collect", *SETS)
    for name in ("results.csv", "geometry.csv"):
        places = (one / "results/study/evaluate/pos" / name for one in (project, collected))
        ours, theirs = (sorted(place.read_text().splitlines()) for place in places)
        assert ours == theirs
    runs = (one / "results/study/train/pos/grl/run.json" for one in (project, collected))
    ours, theirs = (json.loads(run.read_text()) for run in runs)
    assert ours == theirs


def test_cells_of_other_code_are_refused(straight: Path, tmp_path: Path, langspec: Run) -> None:
    project = tmp_path / "project"
    shutil.copytree(straight, project)
    file = cells(project) / "pos" / "grl" / "seed-2" / "cell.json"
    cell = read_json(file)
    cell["version"]["training code"] = "0" * 64
    write_json(file, cell)
    write_checksums(file.parent)
    done = langspec(project, "cells", "--collect", *SETS, check=False)
    assert done.returncode == 2
    assert "pos/grl/seed-2: differs from pos/grl/seed-1 in training code" in done.stderr
    done = langspec(project, "cells", *SETS, check=False)
    assert done.returncode == 2
    assert "pos/grl/seed-2: was made with other training code" in done.stderr


def test_a_seed_that_collapsed_is_listed_and_in_no_mean(
    straight: Path, tmp_path: Path, langspec: Run
) -> None:
    project = tmp_path / "project"
    shutil.copytree(straight, project)
    file = cells(project) / "pos" / "grl" / "seed-2" / "cell.json"
    cell = read_json(file)
    cell["run"]["seeds"][0] |= {"status": "failed", "reason": "constant: planted"}
    write_json(file, cell)
    write_checksums(file.parent)
    assert "failed: constant: planted" in langspec(project, "cells", "--dry-run", *SETS).stdout
    langspec(project, "cells", "--collect", *SETS)
    details = (project / "results/study/report/details.html").read_text(encoding="utf-8")
    assert "grl, seed 2 failed (constant: planted); it is in no number" in details
    rows = read_results(project / "results/study/evaluate/pos/results.csv")
    assert set(rows[rows.method == "grl"]["seed"]) == {1, 2, 3}


def test_without_corpora_the_files_and_their_publishers_are_named(
    straight: Path, tmp_path: Path, langspec: Run
) -> None:
    project = tmp_path / "project"
    shutil.copytree(straight, project)
    shutil.rmtree(project / "data" / "corpora")
    done = langspec(project, "cells", *SETS, check=False)
    assert done.returncode == 2
    assert "universaldependencies.org" in done.stderr
    assert "langspec cells --collect" in done.stderr
