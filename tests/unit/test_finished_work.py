"""What an evaluation keeps of its works, and when it does not count any more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from conftest import copy_code
from langspec.attackers.mlp import MlpAttack
from langspec.closure import PACKAGE, SourceTree, installed
from langspec.erasure.leace import LEACE
from langspec.evaluation.finished_work import RUNNER, FinishedWork
from langspec.evaluation.work import TrainedRun, Work, first_seed
from langspec.files import write_json
from langspec.measures.base import Findings
from langspec.measures.task_test import TaskTest
from langspec.objectives import get_method
from langspec.paths import Paths, paths_of
from langspec.presets import load_preset
from langspec.results import Result

pytestmark = pytest.mark.medium

ROW = {"task": "pos", "method": "frozen", "seed": 1, "corpus": "pos", "split": "test", "n": 3}
ROW |= {"language": "de", "layer": -1, "measure": "task", "probe": "", "unit": "token"}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A project with as little in its files as the hashes need."""
    found = paths_of(load_preset("tiny", []), tmp_path)
    for folder in (found.corpora, found.encoder, tmp_path / "data" / "published", seed(found)):
        folder.mkdir(parents=True)
        for name in ("pos.parquet", "text.parquet", "card.json"):
            (folder / name).write_text(folder.name)
    return found


def seed(paths: Paths) -> Path:
    return paths.train("pos", "frozen") / "seed-1"


def work(paths: Paths) -> Work:
    return Work(runs=(TrainedRun("frozen", 1, seed(paths)),))


def findings() -> Findings:
    found = Findings()
    found.add([Result(**ROW, metric="accuracy", value=np.float64(1) / 3, low=None, high=0.5)])
    found.add([Result(**ROW, metric="norm", value=np.float32(0.1))], file="geometry")
    found.add_table("predictions", pa.table({"item": ["a", "b"], "predicted": pa.array([1, 2])}))
    found.add_table("trajectory", {"step": 3, "value": float("nan")})
    return found


def test_findings_come_back_as_they_were(paths: Paths) -> None:
    kept = FinishedWork(load_preset("tiny", []), paths, "pos")
    assert kept.read(work(paths)) is None
    kept.write(work(paths), findings())
    found = FinishedWork(load_preset("tiny", []), paths, "pos").read(work(paths))
    assert found is not None
    assert found.rows == findings().rows
    assert found.tables["predictions"] == findings().tables["predictions"]
    assert str(found.tables["trajectory"]) == str(findings().tables["trajectory"])


@pytest.mark.parametrize(
    "change", ["train.run=[finetune, frozen]", "train.seeds=[1, 7]", "tune.trials=3"]
)
def test_other_runs_and_stages_change_nothing(paths: Paths, change: str) -> None:
    FinishedWork(load_preset("tiny", []), paths, "pos").write(work(paths), findings())
    assert FinishedWork(load_preset("tiny", [change]), paths, "pos").read(work(paths)) is not None


@pytest.mark.parametrize("change", ["evaluate.seed=5", "features.batch_tokens=7"])
def test_values_that_are_measured_with_count(paths: Paths, change: str) -> None:
    FinishedWork(load_preset("tiny", []), paths, "pos").write(work(paths), findings())
    assert FinishedWork(load_preset("tiny", [change]), paths, "pos").read(work(paths)) is None


@pytest.mark.parametrize("where", ["weights", "text", "encoder", "published"])
def test_files_that_are_measured_count(paths: Paths, where: str) -> None:
    FinishedWork(load_preset("tiny", []), paths, "pos").write(work(paths), findings())
    places = {
        "weights": seed(paths) / "pos.parquet",
        "text": paths.corpora / "text.parquet",
        "encoder": paths.encoder / "card.json",
        "published": paths.root / "data" / "published" / "card.json",
    }
    places[where].write_text("another")
    assert FinishedWork(load_preset("tiny", []), paths, "pos").read(work(paths)) is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("findings.json", "{"),
        ("findings.json", '{"rows": 3}'),
        ("findings.json", None),
        ("predictions-0.arrow", "cut"),
        ("predictions-0.arrow", None),
    ],
)
def test_a_damaged_entry_is_measured_again(
    paths: Paths, caplog: pytest.LogCaptureFixture, name: str, content: str | None
) -> None:
    finished = FinishedWork(load_preset("tiny", []), paths, "pos")
    finished.write(work(paths), findings())
    (file,) = (paths.cache / "works").glob(f"*/{name}")
    file.unlink() if content is None else file.write_text(content)
    assert finished.read(work(paths)) is None
    assert "measured again" in caplog.text
    finished.write(work(paths), findings())
    assert finished.read(work(paths)) is not None


def test_every_folder_that_is_searched_is_in_the_code_that_findings_are_keyed_by(
    paths: Paths,
) -> None:
    code = FinishedWork(load_preset("tiny", []), paths, "pos").code
    modules = set(installed().closure(*code))
    for one in (MlpAttack, LEACE, TaskTest, get_method("grl")):
        assert one.__module__ in modules


def test_a_further_folder_of_classes_counts_by_itself(tmp_path: Path) -> None:
    """A measure that searches a folder of its own makes every module of it part of the code."""
    package = copy_code(tmp_path / "src") / PACKAGE
    runner = RUNNER.partition(":")[0]
    (package / "surveys").mkdir()
    (package / "surveys" / "__init__.py").write_text('"""Surveys."""')
    (package / "surveys" / "first.py").write_text('"""One."""')
    assert "langspec.surveys.first" not in SourceTree(package).offered(runner)
    (package / "measures" / "surveyed.py").write_text(
        "from langspec.folder_classes import folder_classes\n"
        'FOUND = list(folder_classes("langspec.surveys", object))\n'
    )
    assert "langspec.surveys.first" in SourceTree(package).offered(runner)


def test_another_first_seed_counts(paths: Paths) -> None:
    finished = FinishedWork(load_preset("tiny", []), paths, "pos")
    finished.write(work(paths), findings())
    later = Work(runs=(TrainedRun("frozen", 1, seed(paths), first=False),))
    assert finished.read(later) is None


def test_the_first_seed_is_one_that_did_not_fail(tmp_path: Path) -> None:
    assert first_seed([3, 1], tmp_path) == 3
    for failed, first in (({3}, 1), ({1}, 3), ({1, 3}, 3)):
        entries = [
            {"seed": one, "status": "failed" if one in failed else "finished"} for one in (1, 3)
        ]
        write_json(tmp_path / "run.json", {"schema": 1, "seeds": entries})
        assert first_seed([3, 1], tmp_path) == first
