"""The order of cells, and what may be in one mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from langspec.cells.cell import Cell, cells_of, selected
from langspec.cells.cell_files import (
    MANIFEST,
    Manifest,
    cells_there,
    read_cells,
    to_measure_again,
    write_cell,
)
from langspec.cells.cell_version import check_one_version
from langspec.cells.collect import collect
from langspec.cells.plan import describe
from langspec.errors import DamagedFile, LangspecError
from langspec.measures.base import Findings
from langspec.presets import load_preset
from langspec.stages import cells as stage

VERSION = {"evaluation code": "a", "training code": "b", "precision": "fp32"}


def manifest(**version: str) -> Manifest:
    seconds = {"train": 60.0, "evaluate": 30.0}
    run = {"seeds": [{"seed": 1, "status": "finished", "dev": {"accuracy": 0.7}}]}
    return Manifest(VERSION | version, "c" * 40, True, {}, seconds, run)


def test_whole_comparisons_come_first() -> None:
    config = load_preset("study", [])
    names = [cell.name for cell in cells_of(config)]
    assert names[:9] == [
        "pos/all/seed-0", "pos/frozen/seed-1", "pos/finetune/seed-1", "pos/control/seed-1",
        "pos/grl/seed-1", "pos/adversary/seed-1", "pos/grl_distil/seed-1", "pos/random/seed-0",
        "pos/frozen/seed-2",
    ]  # fmt: skip
    assert len(names) == len(set(names)) == 2 * (2 + 6 * 5 + 2 * 3 + 2 * 3)
    assert names[43] == "pos/grl@0.1/seed-3"
    assert names[44] == "nli/all/seed-0"
    chosen = selected(cells_of(config), ["nli"], ["finetune"], [1])
    assert [cell.name for cell in chosen] == ["nli/finetune/seed-1"]


def test_methods_of_some_tasks_alone_have_cells_there() -> None:
    names = [cell.name for cell in cells_of(load_preset("demo", []))]
    assert "pos/control/seed-1" in names
    assert "nli/control/seed-1" not in names


def test_refused_selections() -> None:
    with pytest.raises(LangspecError, match="no such cell"):
        selected(cells_of(load_preset("study", [])), [], ["gril"], [])
    with pytest.raises(LangspecError, match=r"evaluate.trajectory.of: .* by step"):
        cells_of(load_preset("tiny", []))


@pytest.mark.parametrize(
    ("changed", "other", "message"),
    [
        ({"evaluation code": "x"}, Cell("pos", "frozen", 1), "evaluation code"),
        ({"precision": "bf16"}, Cell("pos", "frozen", 1), "precision"),
        ({"training code": "x"}, Cell("pos", "grl", 2, 0.1), "training code"),
        ({"training code": "x"}, Cell("pos", "frozen", 1), ""),
        ({"evaluation code": "x"}, Cell("nli", "grl", 1), ""),
    ],
)
def test_one_version_a_mean(changed: dict[str, str], other: Cell, message: str) -> None:
    cells = {Cell("pos", "grl", 1): manifest(), other: manifest(**changed)}
    if not message:
        check_one_version(cells)
        return
    with pytest.raises(LangspecError, match=f"differs from pos/grl/seed-1 in {message} "):
        check_one_version(cells)


def test_what_is_left_costs_what_the_finished_ones_did() -> None:
    cells = [Cell("pos", "grl", seed) for seed in (1, 2)] + [Cell("pos", "frozen", 1)]
    said = describe(cells, {cells[0]: manifest()})
    assert "finished at cccccccccccc: train 60 s, evaluate 30 s; dev accuracy 0.700" in said
    assert "1 of 3 cells finished; left: about 0.1 processor hours" in said  # 2 x 90 s


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pos" / "grl@0.1" / "seed-2" / "cell.json"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    assert cells_there(tmp_path) == [Cell("pos", "grl", 2, 0.1)]
    with pytest.raises(DamagedFile, match="not JSON"):
        read_cells(tmp_path, cells_there(tmp_path))


def written(folder: Path, cell: Cell) -> Path:
    """A cell with histories; the folder of the training."""
    trained = folder / "trained"
    trained.mkdir(exist_ok=True)
    for name in ("steps.csv", "epochs.csv", "model.json"):
        (trained / name).write_text(f"{name}\n", encoding="utf-8")
    write_cell(folder / "cells" / cell.name, manifest(), Findings(), trained)
    return folder / "cells" / cell.name


@pytest.mark.parametrize("name", ["steps.csv", "epochs.csv", "model.json", MANIFEST])
def test_a_damaged_history_of_a_cell_is_named(tmp_path: Path, name: str) -> None:
    """Its hash is written with it, not when cells are collected."""
    place = written(tmp_path, Cell("pos", "grl", 1))
    cells = tmp_path / "cells"
    assert len(collect(cells, tmp_path / "results", ["grl"])) == 1
    file = place / name
    file.write_bytes(file.read_bytes().replace(b"s", b"z", 1))
    with pytest.raises(DamagedFile, match=rf"{name}: damaged.*remove the cell's folder"):
        collect(cells, tmp_path / "results", ["grl"])


def test_a_seed_that_turns_out_to_be_the_first_is_measured_again() -> None:
    """Of several workers one may measure seed 2 before seed 1, still being trained, fails."""
    config = load_preset("study", [])
    one, two = Cell("pos", "grl", 1), Cell("pos", "grl", 2)
    good = replace(manifest(), first=False)
    failed = replace(good, run={"seeds": [{"seed": 1, "status": "failed"}]})
    assert to_measure_again(config, {one: failed, two: good}) == [two]
    assert to_measure_again(config, {one: good, two: good}) == [one]
    assert not to_measure_again(config, {two: good})  # nothing is known of seed 1
    assert not to_measure_again(config, {one: failed, two: replace(good, first=True)})
    assert not to_measure_again(config, {one: failed, two: replace(good, first=None)})
    assert not to_measure_again(config, {one: failed, two: failed})


def test_cells_refuse_a_launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes would all make the same cells."""
    launch = load_preset("study", ["compute.launch=accelerate/cpu-2.yaml"])
    with pytest.raises(LangspecError, match=r"compute.launch: langspec cells trains each"):
        stage.run(launch, tmp_path, tasks=[], methods=[], seeds=[])
    monkeypatch.setenv("WORLD_SIZE", "2")
    for command in (stage.run, stage.plan):
        with pytest.raises(LangspecError, match="start it without a launcher"):
            command(load_preset("study", []), tmp_path, tasks=[], methods=[], seeds=[])


def test_a_cell_of_changed_code_says_so() -> None:
    cell = Cell("pos", "grl", 1)
    said = describe([cell], {cell: replace(manifest(), clean=False)})
    assert "finished at cccccccccccc with other code than there: train" in said
