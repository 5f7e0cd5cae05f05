"""A sweep's runs in a real store: one child a trial, added once, deleted ones left alone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from mlflow.entities import Run

from langspec.tracking import tags as names
from langspec.tracking.runs import PARENT_VARIABLE, Tracker
from langspec.tracking.sweep_runs import (
    ADOPTED,
    STATE,
    STUDY,
    TRIAL,
    Sweep,
    SweepRuns,
    mark_adopted,
)
from langspec.tuning.records import TrialRecord

pytestmark = pytest.mark.medium

SWEEP = Sweep("u1", "s", "demo", "pos", "grl", "here", {"tune": {"penalty": 0.5}}, "d" * 64)
WHEN = datetime(2026, 1, 2, 3, 4, 5)
TRIALS = [
    TrialRecord(
        0, "COMPLETE", {"train.methods.grl.schedule": "dann"}, 0.5, 0.7, 0.4,
        rungs={1: 0.1, 3: 0.5}, origin="params.yaml", started=WHEN, ended=WHEN,
        more={"dev_en": 0.9},
    ),
    TrialRecord(1, "PRUNED", {"a": 1}, 0.1, 0.2, 0.2, rungs={1: 0.1}, reason="at rung 1 of 3"),
    TrialRecord(2, "FAIL", {"a": 2}, reason="process 7 on h ended", retried_by=4),
    TrialRecord(3, "RUNNING", {"a": 3}),
]  # fmt: skip


@pytest.fixture
def tracker(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return Tracker.open(root=tmp_path)


def children(tracker: Tracker, parent: str) -> dict[int, Run]:
    assert tracker.client is not None
    ids = [found.experiment_id for found in tracker.client.search_experiments()]
    found = tracker.client.search_runs(ids, f"tags.`mlflow.parentRunId` = '{parent}'")
    assert len({run.data.tags[TRIAL] for run in found}) == len(found)
    return {int(run.data.tags[TRIAL]): run for run in found}


def test_a_child_a_trial_with_its_end(tracker: Tracker) -> None:
    runs = SweepRuns(tracker, SWEEP)
    assert runs.update(TRIALS) == 3
    assert runs.update(TRIALS) == 0
    found = children(tracker, runs.parent)
    assert {n: run.info.status for n, run in found.items()} == {
        0: "FINISHED", 1: "KILLED", 2: "FAILED",
    }  # fmt: skip
    whole = found[0]
    assert whole.data.params == {"train.methods.grl.schedule": "dann"}
    assert whole.data.metrics["sweep/score"] == 0.5
    assert whole.data.metrics["sweep/dev_en"] == 0.9
    assert whole.info.start_time == int(WHEN.timestamp() * 1000)
    assert tracker.client is not None
    history = tracker.client.get_metric_history(whole.info.run_id, "sweep/rung_score")
    assert [(point.step, point.value) for point in history] == [(1, 0.1), (3, 0.5)]
    assert found[1].data.tags[names.FAILURE] == "at rung 1 of 3"
    assert found[2].data.tags["langspec.retried_by"] == "4"
    assert tracker.client.get_run(runs.parent).info.status == "RUNNING"
    runs.close("FINISHED", {"complete": 1.0})
    assert tracker.client.get_run(runs.parent).info.status == "FINISHED"


def test_a_resumed_sweep_adds_what_is_missing_to_its_parent(tracker: Tracker) -> None:
    first = SweepRuns(tracker, SWEEP)
    first.update(TRIALS[:1])
    first.close("KILLED", {}, "SystemExit: 143")
    again = SweepRuns(tracker, SWEEP)
    assert again.parent == first.parent
    assert tracker.client is not None
    parent = tracker.client.get_run(again.parent)
    assert parent.info.status == "RUNNING"
    assert names.FAILURE not in parent.data.tags
    ended = TrialRecord(3, "COMPLETE", {"a": 3}, 0.6, 0.8, 0.4)
    assert again.update([*TRIALS[:3], ended]) == 3
    assert set(children(tracker, again.parent)) == {0, 1, 2, 3}


def test_deleted_runs_stay_deleted_and_others_untouched(tracker: Tracker) -> None:
    other = SweepRuns(tracker, replace(SWEEP, uid="u2"))
    other.update(TRIALS)
    before = {n: run.data.tags for n, run in children(tracker, other.parent).items()}
    runs = SweepRuns(tracker, SWEEP)
    assert runs.parent != other.parent
    runs.update(TRIALS)
    assert tracker.client is not None
    tracker.client.delete_run(children(tracker, runs.parent)[1].info.run_id)
    again = SweepRuns(tracker, SWEEP)
    assert again.update(TRIALS) == 0
    assert set(children(tracker, again.parent)) == {0, 2}
    assert {n: run.data.tags for n, run in children(tracker, other.parent).items()} == before


def test_a_half_written_child_is_completed(tracker: Tracker, monkeypatch) -> None:
    runs = SweepRuns(tracker, SWEEP)
    assert tracker.client is not None

    def killed(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("langspec.tracking.runs.RunLogger.set_tags", killed)
        with pytest.raises(KeyboardInterrupt):
            runs.update(TRIALS[:1])
    assert children(tracker, runs.parent)[0].info.status == "RUNNING"
    again = SweepRuns(tracker, SWEEP)
    assert again.update(TRIALS[:1]) == 1
    (run,) = children(tracker, again.parent).values()
    assert run.info.status == "FINISHED"
    assert run.data.tags[STATE] == "COMPLETE"


def test_adoption_is_tagged_on_one_trial(tracker: Tracker) -> None:
    runs = SweepRuns(tracker, SWEEP)
    runs.update(TRIALS)
    for number in (1, 0):
        assert mark_adopted(tracker, "pos", "u1", number) == 1
        found = children(tracker, runs.parent)
        assert [n for n, run in found.items() if ADOPTED in run.data.tags] == [number]


def test_the_run_that_launched_a_sweep_names_its_study(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tracker.client is not None
    for _ in range(2):  # a study that is begun, and one that goes on
        launched = tracker.client.create_run("0").info.run_id
        monkeypatch.setenv(PARENT_VARIABLE, launched)
        runs = SweepRuns(tracker, SWEEP)
        tags = tracker.client.get_run(launched).data.tags
        assert (tags["langspec.study"], tags[STUDY]) == ("s", "u1")
        assert runs.parent != launched


def test_a_disabled_tracker_takes_it_all() -> None:
    runs = SweepRuns(Tracker.disabled(), SWEEP)
    assert runs.update(TRIALS) == 0
    runs.close("FINISHED", {"complete": 1.0})


def test_a_launched_run_of_another_store_is_no_lost_store(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`mlflow run -e sweep` with a store of its own, and tracking.uri in params.yaml."""
    monkeypatch.setenv(PARENT_VARIABLE, "0" * 32)
    runs = SweepRuns(tracker, SWEEP)
    assert runs.update(TRIALS) == 3
    assert tracker.link.whole
    assert "lost" not in caplog.text
