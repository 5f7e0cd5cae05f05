"""The runs of a sweep: a parent for the study, a child for every trial that ended.

The study is the record; MLflow is brought up to date with it as often as one likes. What is there
already is left as it is, a run that was deleted in the pages stays deleted, and one that was
begun and not finished (a crash between two calls) is completed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Run, ViewType

from langspec.tracking import tags as names
from langspec.tracking.runs import RunLogger, Tracker
from langspec.tuning.records import TrialRecord
from langspec.tuning.score import BOUNDED, MEASURED

STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
STUDY, TRIAL, STATE, ADOPTED = (
    "langspec.study_uid",
    "langspec.trial",
    "langspec.trial_state",  # set last: a child without it is not whole
    "langspec.adopted",
)
_PAGE = 1000


@dataclass(frozen=True)
class Sweep:
    """The facts that all runs of one study share.

    Attributes:
        uid: of the study, so that another one of the same name is not taken for it.
        study: its name.
        name: that of ``results/<name>``.
        task: the task.
        method: the method.
        place: where the study is stored, without a password.
        params: what its trials have in common.
        data_hash: SHA-256 of the tables read.
    """

    uid: str
    study: str
    name: str
    task: str
    method: str
    place: str
    params: Mapping[str, Any]
    data_hash: str

    @property
    def tags(self) -> dict[str, Any]:
        """Tags of the parent run and of every trial's run."""
        return {
            names.NAME: self.name,
            "langspec.task": self.task,
            "langspec.method": self.method,
            "langspec.data_hash": self.data_hash,
            "langspec.study": self.study,
            STUDY: self.uid,
        }


class SweepRuns:
    """Writes the runs of one study to a store."""

    def __init__(self, tracker: Tracker, sweep: Sweep) -> None:
        self._tracker, self._sweep = tracker, sweep
        self._known: set[int] = set()  # trials whose runs are whole, or deleted by someone
        self.parent: str = tracker.link.send(self._open, "")

    def _search(self, condition: str, view: int) -> list[Run]:
        client = self._tracker.client
        assert client is not None
        wanted = f"tags.`{STUDY}` = '{self._sweep.uid}' and {condition}"
        runs: list[Run] = []
        token: str | None = None
        while True:
            page = client.search_runs(
                [self._experiment], wanted, view, max_results=_PAGE, page_token=token
            )
            runs += page
            token = page.token
            if not token:
                return runs

    def _open(self) -> str:
        """The parent run, with this process as its writer; created if it is not there."""
        client, sweep = self._tracker.client, self._sweep
        if client is None:
            return ""
        self._experiment = self._tracker.experiment(names.experiment_name(sweep.task))
        # The run of `mlflow run -e sweep`, where it is in this store.
        if launched := self._tracker.launched_run():
            client.set_tag(launched, "langspec.study", sweep.study)
            client.set_tag(launched, STUDY, sweep.uid)
        writer = names.process_tags("sweep")
        parents = self._search("tags.`langspec.sweep` = 'parent'", ViewType.ACTIVE_ONLY)
        if parents:
            run_id: str = parents[0].info.run_id
            logger = self._tracker.resume_run(run_id)
            logger.set_tags(writer)
            client.update_run(run_id, status="RUNNING")
            if names.FAILURE in parents[0].data.tags:
                client.delete_tag(run_id, names.FAILURE)
            return run_id
        tags = {
            **writer,
            **sweep.tags,
            "langspec.sweep": "parent",
            "langspec.storage": sweep.place,
        }
        run = client.create_run(
            self._experiment,
            tags={key: names.param_text(value) for key, value in tags.items()},
            run_name=f"{sweep.name}-sweep-{sweep.study}",
        )
        logger = self._tracker.resume_run(run.info.run_id)
        logger.log_params(sweep.params)
        logger.log_data(f"{sweep.name}/{sweep.task}", sweep.data_hash, "tuning")
        return str(run.info.run_id)

    def update(self, trials: Sequence[TrialRecord]) -> int:
        """Add runs of the trials that ended and have none yet; returns how many were added."""
        return self._tracker.link.send(lambda: self._update(trials), 0)

    def _update(self, trials: Sequence[TrialRecord]) -> int:
        if not self.parent:
            return 0
        ended = [t for t in trials if t.finished and t.number not in self._known]
        if not ended:
            return 0
        children = self._children()
        added = 0
        for trial in ended:
            run = children.get(trial.number)
            whole = run is not None and (
                STATE in run.data.tags or run.info.lifecycle_stage == "deleted"
            )
            if not whole:
                self._log(trial, run.info.run_id if run is not None else None)
                added += 1
            self._known.add(trial.number)
        return added

    def _children(self) -> dict[int, Run]:
        """Runs of trials by number; of several of one trial a whole one."""
        runs = self._search("tags.`langspec.sweep` = 'trial'", ViewType.ALL)
        runs.sort(key=lambda run: STATE in run.data.tags)
        return {int(run.data.tags[TRIAL]): run for run in runs}

    def _log(self, trial: TrialRecord, run_id: str | None) -> None:
        client, sweep = self._tracker.client, self._sweep
        assert client is not None
        if run_id is None:
            tags = {
                **names.process_tags("sweep"),
                **sweep.tags,
                "mlflow.parentRunId": self.parent,
                "langspec.sweep": "trial",
                TRIAL: trial.number,
            }
            run = client.create_run(
                self._experiment,
                start_time=_milliseconds(trial.started),
                tags={key: names.param_text(value) for key, value in tags.items()},
                run_name=f"{sweep.study}-trial-{trial.number}",
            )
            run_id = str(run.info.run_id)
        logger = self._tracker.resume_run(run_id)
        logger.log_params(trial.values)
        for rung, score in sorted(trial.rungs.items()):
            logger.log_metrics({"sweep/rung_score": score}, rung)
        logger.log_metrics(
            {
                f"sweep/{key}": value
                for key, value in (
                    *((name, getattr(trial, name)) for name in ("score", *MEASURED, *BOUNDED)),
                    *trial.more.items(),
                )
                if value is not None
            }
        )  # fmt: skip
        links = {
            "langspec.origin": trial.origin,
            "langspec.retry_of": trial.retry_of,
            "langspec.retried_by": trial.retried_by,
        }
        tags = {key: value for key, value in links.items() if value not in ("", None)}
        if trial.reason:
            tags[names.FAILURE] = trial.reason
        logger.flush()
        if not logger.whole:
            raise ConnectionError(f"trial {trial.number} is not whole in the store")
        logger.set_tags({**tags, STATE: trial.state})
        client.set_terminated(run_id, STATUS[trial.state], end_time=_milliseconds(trial.ended))

    def files(self, paths: Sequence[Path]) -> None:
        """Log tables and figures of the study to the parent run."""
        logger = self._parent()
        for path in paths:
            logger.log_artifact(path, "sweep")

    def close(self, status: str, summary: Mapping[str, float], reason: str = "") -> None:
        """Log the study's numbers to the parent run and end it."""
        logger = self._parent()
        logger.log_metrics({f"sweep/{key}": value for key, value in summary.items()})
        logger.end(status, reason or None)
        self._tracker.link.report()

    def _parent(self) -> RunLogger:
        return self._tracker.resume_run(self.parent)


def mark_adopted(tracker: Tracker, task: str, uid: str, trial: int) -> int:
    """Tag the run of the adopted trial and untag its study's others; returns how many have it."""
    if tracker.client is None:
        return 0
    experiment = tracker.client.get_experiment_by_name(names.experiment_name(task))
    if experiment is None:
        return 0
    wanted = f"tags.`{STUDY}` = '{uid}' and tags.`langspec.sweep` = 'trial'"
    marked = 0
    for run in tracker.client.search_runs([experiment.experiment_id], wanted, max_results=_PAGE):
        chosen = run.data.tags[TRIAL] == str(trial)
        if chosen:
            tracker.client.set_tag(run.info.run_id, ADOPTED, "true")
        elif ADOPTED in run.data.tags:
            tracker.client.delete_tag(run.info.run_id, ADOPTED)
        marked += chosen
    return marked


def _milliseconds(moment: Any) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
