"""A whole sweep in this process, with a training of a second: what it leaves, and how it ends."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from experiment_fixtures import ready_to_train, small_config
from langspec.config import Config
from langspec.errors import LangspecError
from langspec.stages import tune
from langspec.tracking import tags as names
from langspec.tuning import sweeping
from langspec.tuning.score import Measured

pytestmark = pytest.mark.medium

TRIALS = ("tune.method=grl", "tune.trials=2", "tune.startup=2", "tune.epochs=1")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """A project with corpora, an encoder and an empty store of runs."""
    root = tmp_path_factory.mktemp("sweep")
    ready_to_train(root)
    shutil.copy(empty_store, root / "mlflow.db")
    return root


@pytest.fixture
def project(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Path(shutil.copytree(template, tmp_path / "project"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial trains nothing, and nothing is drawn of the study."""

    def train(self: Any, values: Any, report: Any) -> Measured:
        return Measured(0.75, 0.25, {"dev_en": 0.9}, dev_source_accuracy=0.5, dev_drift=1.0)

    monkeypatch.setattr("langspec.tuning.trial.TrialTrainer.__call__", train)
    for module in ("sweeping", "repeatable"):
        monkeypatch.setattr(f"langspec.tuning.{module}.draw", lambda study, folder: [])


def runs_of(project: Path) -> tuple[Run, list[Run]]:
    """The parent run of the only sweep, and the runs of its trials by number."""
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    ids = [one.experiment_id for one in client.search_experiments()]
    (parent,) = client.search_runs(ids, "tags.`langspec.sweep` = 'parent'")
    trials = client.search_runs(ids, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    return parent, sorted(trials, key=lambda run: int(run.data.tags["langspec.trial"]))


def swept(project: Path, *changes: str, **chosen: Any) -> str:
    return sweeping.run(small_config(*TRIALS, *changes), project, study="s", **chosen)


def test_a_sweep_leaves_its_trials_in_every_place(project: Path) -> None:
    said = swept(project)
    assert said.startswith("study s: 2 complete, 0 pruned, 0 failed")
    assert said.endswith("take it over: langspec adopt s")
    parent, trials = runs_of(project)
    assert (parent.info.status, parent.data.metrics["sweep/complete"]) == ("FINISHED", 2.0)
    assert [run.info.status for run in trials] == ["FINISHED", "FINISHED"]
    kept = project / "data" / "sweeps" / "demo" / "s"
    study = json.loads((kept / "study.json").read_text(encoding="utf-8"))
    with (kept / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for run, trial, row in zip(trials, study["trials"], rows, strict=True):
        assert run.data.metrics["sweep/score"] == pytest.approx(trial["score"], rel=1e-5)
        assert float(row["score"]) == pytest.approx(trial["score"], rel=1e-5)
        assert trial["score"] == pytest.approx(trial["dev_macro_f1"] - trial["dev_leak"] / 2)
        assert run.data.params == {k: names.param_text(v) for k, v in trial["values"].items()}
    best = max(study["trials"], key=lambda trial: trial["score"])["number"]
    assert parent.data.metrics["sweep/best_trial"] == best
    assert f"| {best}" in said


@pytest.mark.usefixtures("quick")
def test_a_sweep_goes_on_to_more_trials_and_then_has_nothing_to_do(project: Path) -> None:
    swept(project)
    assert swept(project, "tune.trials=3").startswith("study s: 3 complete")
    assert swept(project, "tune.trials=3").startswith("study s: 3 complete")
    parent, trials = runs_of(project)
    assert [run.data.tags["langspec.trial"] for run in trials] == ["0", "1", "2"]
    assert parent.info.status == "FINISHED"


@pytest.mark.usefixtures("quick")
def test_a_sweep_of_two_aims_ends_with_a_front(project: Path) -> None:
    said = swept(project, "tune.pareto=true")
    assert said.endswith("langspec adopt s --front I (its rows, counted from 0), or --trial N")
    kept = project / "data" / "sweeps" / "demo" / "s" / "front.csv"
    assert len(kept.read_text(encoding="utf-8").splitlines()) == 2  # equal trials: one stands
    assert runs_of(project)[0].data.metrics["sweep/front"] == 1.0


def test_an_error_of_a_sweep_ends_its_run_with_the_reason(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*arguments: Any, **named: Any) -> None:
        raise LangspecError("the disk is full", place="here")

    monkeypatch.setattr("langspec.tuning.sweeping.work_in_process", lost)
    with pytest.raises(LangspecError, match="the disk is full"):
        swept(project)
    parent, trials = runs_of(project)
    assert (parent.info.status, trials) == ("FAILED", [])
    assert parent.data.tags[names.FAILURE] == "LangspecError: here: the disk is full"
    assert not (project / "data" / "sweeps").exists()


def worker_that(project: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """Let every worker run a line of the shell in place of langspec."""
    program = project / "worker"
    program.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr("langspec.tuning.sweep_workers.sys.executable", str(program))
    monkeypatch.setattr("langspec.tuning.sweep_workers._POLL_SECONDS", 0.02)


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("echo; echo cannot begin; exit 3", r"workers ended \(3\) and 2 trials are left; the last"
         r" line of worker-0.log: cannot begin"),
        ("exit 4", r"workers ended \(4\) and 2 trials are left; their logs are empty"),
        ("kill -9 $$", r"workers ended \(-9\) and 2 trials are left"),
    ],
)  # fmt: skip
def test_workers_that_end_at_once_end_the_sweep_with_what_they_said(
    project: Path, monkeypatch: pytest.MonkeyPatch, does: str, said: str
) -> None:
    worker_that(project, monkeypatch, does)
    with pytest.raises(LangspecError, match=said):
        swept(project, workers=2)
    parent, trials = runs_of(project)
    assert (parent.info.status, trials) == ("FAILED", [])


def test_a_worker_gets_the_password_of_a_storage_by_its_environment_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker_that(project, monkeypatch, f'echo "$@ / ${sweeping.STORAGE_VARIABLE}"; exit 3')
    storage = f"sqlite:///{project}/studies.db"
    with pytest.raises(LangspecError, match="workers ended") as caught:
        swept(project, workers=2, storage=storage, assignments=["tune.trials=2"])
    arguments, _, given = str(caught.value).rpartition(" / ")
    assert arguments.endswith("-m langspec sweep --worker --study s --set tune.trials=2")
    assert given == storage


def test_a_sweep_of_no_trials_is_refused(project: Path) -> None:
    with pytest.raises(LangspecError, match=r"--trials: found 0, expected the number"):
        swept(project, "tune.trials=0")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ((), "score = dev_macro_f1 (mean_dev) - 0.5 x dev_leak\n  the best: the highest score"),
        (("tune.pareto=true",), "each for itself\n  the best: none; the front"),
    ],
)
def test_a_plan_says_what_a_trial_is_and_writes_nothing(
    project: Path, changes: tuple[str, ...], said: str
) -> None:
    before = sorted(project.rglob("*"))
    config = small_config(*TRIALS, *changes)
    text = sweeping.plan(config, project, study=None, storage=None, workers=2)
    assert text.startswith("sweep pos grl: 2 trials, 2 workers -> study ")
    assert said in text
    assert "first: params.yaml" in text
    assert sorted(project.rglob("*")) == before


def stage(project: Path, config: Config) -> dict[str, bytes]:
    """The files of stage tune, by name."""
    out = tune.run(config, project)
    return {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*.*")}


@pytest.mark.usefixtures("quick")
def test_stage_tune_gives_equal_bytes_and_one_run_a_trial(project: Path) -> None:
    config = small_config(*TRIALS)
    first = stage(project, config)
    assert set(first) == {"study.json", "trials.csv"}
    assert stage(project, config) == first
    parent, trials = runs_of(project)
    assert (parent.info.status, len(trials)) == ("FINISHED", 2)


def test_stage_tune_without_trials_writes_an_empty_study(project: Path) -> None:
    config = small_config("tune.trials=0")
    assert tune.plan(config, project).startswith("tune: no trials")
    files = stage(project, config)
    assert json.loads(files["study.json"])["trials"] == []
    assert files["trials.csv"].count(b"\n") == 1
