"""The order of cells, and what may be in one mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from langspec.cells.cell import Cell, cells_of, selected
from langspec.cells.cell_files import Manifest, cells_there, read_cells
from langspec.cells.cell_version import check_one_version
from langspec.cells.plan import describe
from langspec.errors import DamagedFile, LangspecError
from langspec.presets import load_preset

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
