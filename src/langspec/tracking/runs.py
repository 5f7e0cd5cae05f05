"""Runs of MLflow: buffered metrics, and a status that says how the run ended."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunStatus, RunTag
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from langspec import interrupts
from langspec.errors import LangspecError
from langspec.interrupts import Terminated
from langspec.tracking import tags as names
from langspec.tracking.link import Link
from langspec.tracking.reap import note_launcher, reap
from langspec.tracking.store import Store, open_client, tracking_store
from langspec.tracking.tracking_section import WITHOUT_PROJECT, Tracking
from langspec.tracking.windows import Windows

PARENT_VARIABLE = "LANGSPEC_PARENT_RUN_ID"
_METRICS_A_CALL = 1000  # MLflow's limits of one log_batch
_PARAMS_A_CALL = 100
_MOST_WAITING = 100_000  # metrics of a run while the store is lost: some 30 MB
_NOT_WHOLE = "the store was lost while the run was logged; `langspec replay` makes it anew"


class RunLogger:
    """One run. Metrics wait in a buffer: a single ``log_metric`` costs 22 ms, a batch 0.2 a point.

    With ``client`` None (a process that is not the main one, or a run that the store could not
    start) every call does nothing. With a store that is lost metrics wait, as many as
    ``_MOST_WAITING``; the rest is not sent, and the run ends as KILLED, so that a replay makes it
    anew.
    """

    def __init__(
        self, client: MlflowClient | None, run_id: str, settings: Tracking, link: Link
    ) -> None:
        self.run_id = run_id
        self._client, self._settings, self._link = client, settings, link
        self._whole = True
        self._buffer: list[Metric] = []
        self._windows = Windows()
        self._flushed = time.monotonic()

    def log_metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Buffer metrics of one step, rounded to six significant digits as in the files."""
        if self._client is None:
            return
        now = time.time_ns() // 1_000_000
        for key, value in values.items():
            self._buffer.append(Metric(key, _rounded(value), now, step))
        full = len(self._buffer) >= self._settings.flush_points
        if full or time.monotonic() - self._flushed >= self._settings.flush_seconds:
            self.flush()

    def log_step(self, values: Mapping[str, float], step: int) -> None:
        """Log metrics of a training step. They become means over windows (:class:`Windows`)."""
        if self._client is None:
            return
        rounded = {key: _rounded(value) for key, value in values.items()}
        for window in self._windows.add(step, rounded):
            self.log_metrics(window.values, window.step)

    def close_window(self) -> None:
        """Buffer the means over the last steps, even if their window is not full."""
        for window in self._windows.rest():
            self.log_metrics(window.values, window.step)

    def flush(self) -> None:
        """Send the buffered metrics, and of training steps the windows that are full."""
        if self._client is None:
            return
        while self._buffer:
            # Dropped from the buffer only once the store has it.
            part = self._buffer[:_METRICS_A_CALL]
            if not self._link.send(partial(self._log_batch, part), False, waits=True):
                self._whole &= len(self._buffer) <= _MOST_WAITING
                del self._buffer[:-_MOST_WAITING]
                break
            del self._buffer[:_METRICS_A_CALL]
        self._flushed = time.monotonic()

    @property
    def whole(self) -> bool:
        """Whether the store has all that was logged and flushed."""
        return self._whole and not self._buffer

    def _log_batch(self, metrics: list[Metric]) -> bool:
        assert self._client is not None
        self._client.log_batch(self.run_id, metrics=metrics)
        return True

    def _send(self, call: Callable[[], object]) -> None:
        """Send what does not wait."""
        self._whole &= self._link.send(lambda: (call(), True)[1], False)

    def log_params(self, values: Mapping[str, Any]) -> None:
        """Log parameters. Nested sections get dotted keys; a long value is cut and says so."""
        client = self._client
        if client is None:
            return
        params = [
            Param(key, names.param_text(value)) for key, value in names.flatten(values).items()
        ]
        for start in range(0, len(params), _PARAMS_A_CALL):
            part = params[start : start + _PARAMS_A_CALL]
            self._send(partial(client.log_batch, self.run_id, params=part))

    def set_tags(self, values: Mapping[str, Any]) -> None:
        """Set tags. Their values become text."""
        if self._client is not None:
            tags = [RunTag(key, names.param_text(value)) for key, value in values.items()]
            self._send(partial(self._client.log_batch, self.run_id, tags=tags))

    def log_data(
        self, name: str, digest: str, context: str = "training", rows: int | None = None
    ) -> None:
        """Name a prepared corpus that the run read, by its SHA-256 (MLflow keeps 36).

        Args:
            name: of the corpus.
            digest: of its table.
            context: what it was read for, ``training`` or ``evaluation``.
            rows: how many it has, where that is known.
        """
        if self._client is not None:
            profile = json.dumps({"num_rows": rows}) if rows is not None else None
            data = Dataset(
                name=name, digest=digest[:36], source_type="local", source=name, profile=profile
            )
            tags = [InputTag("mlflow.data.context", context)]
            inputs = [DatasetInput(data, tags=tags)]
            self._send(partial(self._client.log_inputs, self.run_id, inputs))

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Copy a file, or the files of a folder, to the run's artifacts below ``folder``."""
        if self._client is None:
            return
        client = self._client
        log = client.log_artifacts if Path(path).is_dir() else client.log_artifact
        self._send(partial(log, self.run_id, str(path), folder))

    def end(self, status: str, reason: str | None = None) -> None:
        """Flush and set the status (FINISHED, FAILED, KILLED), with the reason as a tag.

        A run of which something did not reach the store is not FINISHED there.
        """
        if self._client is None:
            return
        self.close_window()
        self._link.retry()
        self.flush()
        if not self.whole:
            self._link.whole = False
            if status == RunStatus.to_string(RunStatus.FINISHED):
                status, reason = RunStatus.to_string(RunStatus.KILLED), _NOT_WHOLE
        if reason:
            self.set_tags({names.FAILURE: reason})
        self._send(partial(self._client.set_terminated, self.run_id, status))


def _rounded(value: float) -> float:
    """Six significant digits, as the files have them."""
    return float(f"{value:.6g}")


class Tracker:
    """An open store. Starts runs and finds runs.

    Only the main process of a distributed run opens one; the others use :meth:`disabled`.
    """

    def __init__(
        self,
        store: Store,
        settings: Tracking = WITHOUT_PROJECT,
        *,
        enabled: bool = True,
        required: bool = False,
    ) -> None:
        self.store, self._settings = store, settings
        self.link = Link(str(store), required=required)
        self.client = open_client(store) if enabled else None

    @classmethod
    def open(
        cls,
        settings: Tracking = WITHOUT_PROJECT,
        *,
        root: Path | None = None,
        required: bool = False,
    ) -> Tracker:
        """Open the store of :func:`langspec.tracking.store.tracking_store` and reap dead runs.

        Inside ``mlflow run`` the launched run becomes the parent (:func:`adopt_launched_run`).

        Args:
            settings: section ``tracking``.
            root: the project; None: the working folder.
            required: whether losing the store later ends the command (:class:`~.link.Link`).

        Raises:
            LangspecError: as :func:`~langspec.tracking.store.open_client`.
        """
        adopt_launched_run()
        tracker = cls(tracking_store(settings.uri, root=root), settings, required=required)
        tracker.link.send(lambda: reap(tracker.client), [])
        return tracker

    @classmethod
    def disabled(cls) -> Tracker:
        """A tracker whose runs log nothing: for the processes that are not the main one."""
        return cls(Store("", None), enabled=False)

    def experiment(self, name: str) -> str:
        """Id of the experiment called ``name``, created if need be.

        Raises:
            LangspecError: it keeps its artifacts in another folder (the checkout was moved), where
                new ones would go unseen; or it was deleted in the pages.
        """
        assert self.client is not None
        experiment = self.client.get_experiment_by_name(name)
        place = f"{self.store}: experiment {name}"
        location = None
        if self.store.artifacts is not None:
            location = (self.store.artifacts / name).as_uri()
        if experiment is None:
            try:
                return self.client.create_experiment(name, artifact_location=location)
            except MlflowException:  # another process was first
                experiment = self.client.get_experiment_by_name(name)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage != "active":
            raise LangspecError(
                f"it was deleted; bring it back with `mlflow experiments restore "
                f"--experiment-id {experiment.experiment_id}`",
                place=place,
            )
        if location is not None and experiment.artifact_location != location:
            raise LangspecError(
                f"its artifacts belong to {experiment.artifact_location}, expected {location}: "
                "the folder was moved; move it back, or delete mlflow.db and mlartifacts and "
                "rebuild them with `langspec replay`",
                place=place,
            )
        return experiment.experiment_id

    @contextmanager
    def start_run(
        self,
        *,
        experiment: str,
        name: str,
        stage: str,
        parent_run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Iterator[RunLogger]:
        """Start a run. At the end of the body its status is FINISHED, FAILED or KILLED (a signal).

        Without ``parent_run_id`` the run is a child of the launched ``mlflow run``, if any
        (:func:`adopt_launched_run`).
        """
        run_id = self.link.send(
            lambda: self._create_run(experiment, name, stage, parent_run_id, tags), ""
        )
        if not run_id:
            yield RunLogger(None, "", self._settings, self.link)
            return
        logger = RunLogger(self.client, run_id, self._settings, self.link)
        with interrupts.raised():
            try:
                logger.log_params(params or {})
                yield logger
            except BaseException as error:
                signalled = isinstance(error, (Terminated, KeyboardInterrupt, GeneratorExit))
                logger.end(
                    RunStatus.to_string(RunStatus.KILLED if signalled else RunStatus.FAILED),
                    f"{type(error).__name__}: {error}",
                )
                raise
            logger.end(RunStatus.to_string(RunStatus.FINISHED))
            if parent_run_id is None:
                self.link.report()

    def _create_run(
        self,
        experiment: str,
        name: str,
        stage: str,
        parent: str | None,
        tags: Mapping[str, Any] | None,
    ) -> str:
        """Create a run; its id, or nothing where this tracker is disabled."""
        if self.client is None:
            return ""
        parent = parent or self.launched_run()
        all_tags = names.process_tags(stage) | dict(tags or {})
        if parent:
            all_tags["mlflow.parentRunId"] = parent
        run = self.client.create_run(
            self.experiment(experiment),
            tags={key: names.param_text(value) for key, value in all_tags.items()},
            run_name=name,
        )
        return str(run.info.run_id)

    @contextmanager
    def watch_system(self, run_id: str) -> Iterator[None]:
        """Log the machine's load (``system/...``) to a run while the body runs.

        MLflow's sampler logs it every ``system_seconds``; a shorter body logs nothing.
        """
        seconds = self._settings.system_seconds
        if self.client is None or seconds is None or not run_id:
            yield
            return
        logging.getLogger("mlflow.system_metrics").setLevel(logging.WARNING)
        monitor = SystemMetricsMonitor(
            run_id, sampling_interval=seconds, tracking_uri=self.store.uri
        )
        monitor.start()
        try:
            yield
        finally:
            monitor.finish()

    def resume_run(self, run_id: str) -> RunLogger:
        """A logger that adds to a finished run, whose status stays. Call ``flush`` at the end.

        Without a ``run_id`` (the store was lost when it was to be made) it logs nothing.
        """
        return RunLogger(self.client if run_id else None, run_id, self._settings, self.link)

    def find_run(
        self, run_key: str, *, experiment: str | None = None, name: str | None = None
    ) -> Run | None:
        """The newest finished run with the tag ``langspec.run_key``, or None.

        ``name`` (of ``results/<name>``) tells apart equal trainings of two pipelines.
        """
        return self.link.send(lambda: self._find_run(run_key, experiment, name), None, waits=True)

    def _find_run(self, run_key: str, experiment: str | None, name: str | None) -> Run | None:
        if self.client is None:
            return None
        if experiment is None:
            ids = [one.experiment_id for one in self.client.search_experiments()]
        else:
            named = self.client.get_experiment_by_name(experiment)
            ids = [named.experiment_id] if named is not None else []
        if not ids:
            return None
        wanted = f"tags.`{names.RUN_KEY}` = '{run_key}' and attributes.status = 'FINISHED'"
        if name is not None:
            wanted += f" and tags.`{names.NAME}` = '{name}'"
        runs = self.client.search_runs(ids, wanted, max_results=1)
        return runs[0] if runs else None

    def launched_run(self) -> str | None:
        """The run of ``mlflow run`` around us, if this store has it."""
        launched = os.environ.get(PARENT_VARIABLE)
        if not launched or self.client is None:
            return None
        try:
            run = self.client.get_run(launched)
            if names.HOST not in run.data.tags:
                note_launcher(self.client, launched)
        except (MlflowException, psutil.Error):
            return None
        return str(run.info.run_id)


def adopt_launched_run(environment: MutableMapping[str, str] | None = None) -> None:
    """Move MLflow's ``MLFLOW_RUN_ID`` to another variable, before any stage is started.

    ``mlflow run`` sets it, and every stage below would log into that one run; instead they become
    its children.
    """
    environment = os.environ if environment is None else environment
    launched = environment.pop("MLFLOW_RUN_ID", None)
    if launched:
        environment.setdefault(PARENT_VARIABLE, launched)
