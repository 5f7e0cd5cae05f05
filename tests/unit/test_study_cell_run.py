"""Cells made in this process, with trainings of a second: their files, and what goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from experiment_fixtures import ready_to_train, small_config
from langspec.cells.cell import cells_of
from langspec.cells.cell_files import read_cells
from langspec.cells.collect import collect
from langspec.config import Config
from langspec.errors import LangspecError
from langspec.files import read_json, write_json
from langspec.paths import paths_of
from langspec.results import read_results
from langspec.stages import cells

pytestmark = pytest.mark.medium

CHOSEN = {"tasks": ["pos"], "methods": ["frozen", "all"], "seeds": []}
SMALL = (
    "train.tasks=[pos]", "train.run=[frozen]", "train.pos.epochs=1", "compute.workers=1",
    "evaluate.trajectory.of=[]", "evaluate.compat.run=[]", "evaluate.beyond.run=[]",
    "evaluate.beyond.task_text=0", "evaluate.erasers.run=[]", "evaluate.geometry.run=false",
    "evaluate.bootstrap=100", "train.methods.frozen.epochs=1", "tune.method=finetune",
    "features.tokens={train: 20, dev: 10, test: 10}",
)  # fmt: skip


def chosen(*changes: str) -> Config:
    return small_config(*SMALL, *changes)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cells")
    config = ready_to_train(root, *SMALL)
    card = {"outs": {}, "sources": [], "corpora": {"text": {"parallel": "no"}}}
    write_json(paths_of(config, root).corpora / "card.json", card)
    return root


@pytest.fixture(scope="module")
def made(template: Path) -> str:
    """What the command says of the cells."""
    return cells.run(chosen(), template, **CHOSEN)


@pytest.fixture
def copied(made: str, template: Path, tmp_path: Path) -> Path:
    """The project with the finished cells."""
    return Path(shutil.copytree(template, tmp_path / "project"))


def files(folder: Path) -> dict[str, int]:
    """When each file was written, by name."""
    return {
        file.relative_to(folder).as_posix(): file.stat().st_mtime_ns
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_a_cell_holds_tables_and_a_manifest_and_no_weights(made: str, template: Path) -> None:
    config = chosen()
    assert made.splitlines()[-1] == "all 2 cells finished"
    folder = paths_of(config, template).cells
    finished = read_cells(folder, cells_of(config))
    assert [cell.name for cell in finished] == ["pos/all/seed-0", "pos/frozen/seed-1"]
    texts, frozen = finished.values()
    assert (texts.run, texts.first, set(texts.cpu_seconds)) == ({}, False, {"evaluate"})
    assert (frozen.first, set(frozen.cpu_seconds)) == (True, {"train", "evaluate"})
    assert frozen.entry["status"] == "finished"
    assert set(frozen.version) > {"training code", "evaluation code", "inputs"}
    rows = read_results(folder / "pos" / "frozen" / "seed-1" / "evaluate" / "results.csv")
    assert set(rows["method"]) == {"frozen"}
    assert {"card.json", "langspec.json"} < set(files(folder))
    for place in (folder, template / ".langspec" / "cells", template / ".langspec/checkpoints"):
        assert not list(place.rglob("*.safetensors"))


def test_finished_cells_stay_and_a_plan_counts_what_is_left(copied: Path) -> None:
    config = chosen()
    folder = paths_of(config, copied).cells
    before = files(folder / "pos")
    assert cells.run(config, copied, **CHOSEN).endswith("all 2 cells finished")
    assert files(folder / "pos") == before
    plan = cells.plan(config, copied, tasks=[], methods=[], seeds=[])
    assert "2 of 3 cells finished; left: about" in plan.splitlines()[-1]
    assert plan.splitlines()[2].startswith("pos/random/seed-0")
    assert plan.splitlines()[2].endswith("to do")


def test_cells_of_other_settings_are_not_gone_on_with(copied: Path) -> None:
    with pytest.raises(LangspecError, match="pos/all/seed-0: was made with other evaluation sett"):
        cells.run(chosen("evaluate.bootstrap=101"), copied, **CHOSEN)


@pytest.mark.parametrize("gone", ["corpora", "encoder"])
def test_without_inputs_the_message_says_where_they_are_published(copied: Path, gone: str) -> None:
    config = chosen()
    shutil.rmtree(getattr(paths_of(config, copied), gone))
    with pytest.raises(LangspecError, match=r"needed: Universal Dependencies .*cells --collect"):
        cells.run(config, copied, **CHOSEN)


def test_cells_are_collected_into_the_files_of_the_stages(copied: Path) -> None:
    paths = paths_of(chosen(), copied)
    shutil.rmtree(paths.corpora)  # neither is needed
    shutil.rmtree(paths.encoder)
    taken = collect(paths.cells, paths.results, ["frozen"])
    assert [cell.name for cell in taken] == ["pos/frozen/seed-1", "pos/all/seed-0"]
    parts = [read_results(paths.cells / cell.name / "evaluate" / "results.csv") for cell in taken]
    whole = read_results(paths.evaluate("pos") / "results.csv")
    pd.testing.assert_frame_equal(whole, pd.concat(parts, ignore_index=True))
    run = read_json(paths.train("pos", "frozen") / "run.json")
    assert [entry["seed"] for entry in run["seeds"]] == [1]
    assert (paths.train("pos", "frozen") / "seed-1" / "epochs.csv").is_file()


def test_weights_of_a_stage_are_not_replaced_by_cells(copied: Path) -> None:
    paths = paths_of(chosen(), copied)
    weights = paths.train("pos", "frozen") / "seed-1" / "model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"trained")
    with pytest.raises(LangspecError, match="weights that stage train wrote"):
        collect(paths.cells, paths.results, ["frozen"])
    assert weights.read_bytes() == b"trained"


def test_no_cells_are_one_line(template: Path, tmp_path: Path) -> None:
    with pytest.raises(LangspecError, match="no finished cell; run: langspec cells"):
        collect(tmp_path / "cells", tmp_path / "results", ["frozen"])
