"""Finding the files below ``results/`` that a run of MLflow was logged from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from langspec.errors import LangspecError
from langspec.results import read_training_record
from langspec.tracking import tags as names
from langspec.tracking.runs import Tracker


@dataclass(frozen=True)
class FoundTraining:
    """A training, from the tags of its run; ``seed`` is None where the run is a method's."""

    name: str
    task: str
    method: str
    run_key: str
    seed: int | None

    def is_of(self, folder: Path) -> bool:
        """Whether ``folder`` (``results/NAME``) still holds this training, not a later one."""
        file = folder / "train" / self.task / self.method / "run.json"
        if not file.is_file():
            return False
        run = read_training_record(file)
        keys = {entry["seed"]: entry["run_key"] for entry in run.get("seeds", ())}
        return self.run_key == (run.get("run_key") if self.seed is None else keys.get(self.seed))


def find_training(tracker: Tracker, text: str, task: str | None = None) -> FoundTraining:
    """The training whose run has this id or, the newest finished one (of a task), this name.

    Raises:
        LangspecError: there is no such run, or it is not one of a training.
    """
    assert tracker.client is not None
    place = f"mlflow:{text}"
    run: Run | None = None
    if re.fullmatch(r"[0-9a-f]{32}", text):
        try:
            run = tracker.client.get_run(text)
        except MlflowException:
            run = None
    elif re.fullmatch(r"[\w.+:-]+", text):
        ids = [one.experiment_id for one in tracker.client.search_experiments()]
        wanted = f"attributes.run_name = '{text}' and attributes.status = 'FINISHED'"
        if task is not None:
            wanted += f" and tags.`langspec.task` = '{task}'"
        runs = list(tracker.client.search_runs(ids, wanted)) if ids else []
        tasks = {one.data.tags.get("langspec.task") for one in runs}
        if len(tasks) > 1:
            raise LangspecError(
                f"runs of several tasks have this name ({', '.join(sorted(map(str, tasks)))}); "
                "say which by --task",
                place=place,
            )
        run = runs[0] if runs else None
    if run is None:
        raise LangspecError(f"no such run in {tracker.store}", place=place)
    tags = run.data.tags
    try:
        seed = tags.get("langspec.seed")
        return FoundTraining(
            name=tags[names.NAME],
            task=tags["langspec.task"],
            method=tags["langspec.method"],
            run_key=tags[names.RUN_KEY],
            seed=None if seed is None else int(seed),
        )
    except KeyError as error:
        raise LangspecError(
            f"the run is not one of a training (no tag {error})", place=place
        ) from None
