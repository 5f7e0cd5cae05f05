"""Gradient reversal at further strengths: trained, measured, tracked and drawn beside its own."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from conftest import Make, Run
from langspec.results import read_results

pytestmark = pytest.mark.slow

SETS = [
    part
    for value in (
        "train.methods.grl.path=[0.0, 2.0]",
        "train.run=[grl]",
        "train.also.run=[]",
        "train.tasks=[pos]",
        "train.seeds=[1, 2]",
        "train.pos.epochs=1",
        "evaluate.trajectory.of=[]",
    )
    for part in ("--set", value)
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, ready_project: Make, langspec: Run) -> Path:
    folder = ready_project(tmp_path_factory.mktemp("path") / "project")
    langspec(folder, "train", "--task", "pos", "--method", "grl", *SETS)
    langspec(folder, "evaluate", "--task", "pos", *SETS)
    langspec(folder, "report", *SETS)
    return folder


def lambdas(folder: Path) -> list[float]:
    with (folder / "steps.csv").open(newline="") as handle:
        return [float(row["lambda"]) for row in csv.DictReader(handle)]


def test_each_point_is_trained_at_its_own_strength(project: Path) -> None:
    grl = project / "results" / "tiny" / "train" / "pos" / "grl"
    assert {folder.name for folder in (grl / "path").iterdir()} == {"0", "2"}
    own = max(lambdas(grl / "seed-1"))
    assert max(lambdas(grl / "path" / "0")) == 0.0
    assert max(lambdas(grl / "path" / "2")) == pytest.approx(own * 2.0 / 0.3, rel=1e-4)
    run = json.loads((grl / "run.json").read_text())
    assert [(entry["seed"], entry["strength"]) for entry in run["path"]] == [(1, 0.0), (1, 2.0)]
    assert len({entry["run_key"] for entry in run["seeds"] + run["path"]}) == 4


def test_it_is_measured_and_drawn(project: Path) -> None:
    folder = project / "results" / "tiny"
    rows = read_results(folder / "evaluate" / "pos" / "results.csv")
    leaks = rows[(rows.probe == "linear") & (rows.metric == "macro_f1") & (rows.layer == 2)]
    assert set(leaks[(leaks.method == "grl") & (leaks.strength == 2)]["seed"]) == {1}
    assert {0.0, 2.0} <= set(
        rows[(rows.language == "mean_targets") & (rows.method == "grl")]["strength"]
    )
    with (folder / "report" / "tables" / "path_pos.csv").open(newline="") as handle:
        table = [(float(row["strength"]), int(row["seed"])) for row in csv.DictReader(handle)]
    assert table == [(0.0, 1), (0.3, 1), (0.3, 2), (2.0, 1)]
    page = (folder / "report" / "details.html").read_text(encoding="utf-8")
    assert "strengths of reversal" in page
    assert "grl@" not in (folder / "report" / "tables" / "headline.csv").read_text()


def test_its_runs_are_children_and_replay_adds_nothing(project: Path, langspec) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "langspec-pos"]
    runs = client.search_runs([experiment.experiment_id])
    tagged = [run for run in runs if "langspec.path" in run.data.tags]
    points = {run.data.tags["langspec.path"]: run for run in tagged}
    assert set(points) == {"0", "2"}
    parent = next(run for run in runs if run.info.run_name == "tiny-grl")
    for strength, run in points.items():
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert float(run.data.params["train.methods.grl.strength"]) == float(strength)
        assert any(name.startswith("leak/") for name in run.data.metrics)
    before = len(runs)
    langspec(project, "replay")
    assert len(client.search_runs([experiment.experiment_id])) == before


@pytest.mark.parametrize("path", ["[0.3]", "[1.0, 1.0]", "[-1.0]"])
def test_a_path_of_equal_strengths_is_refused(project: Path, langspec, path: str) -> None:
    done = langspec(
        project,
        *("train", "--task", "pos", "--method", "grl", "--dry-run"),
        *("--set", f"train.methods.grl.path={path}"),
        check=False,
    )
    assert done.returncode == 2
    assert "train.methods.grl" in done.stderr
    assert "path" in done.stderr
