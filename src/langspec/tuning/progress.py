"""Watching a running sweep: progress bar, trials of killed workers, runs of MLflow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from langspec.tuning import claims
from langspec.tuning.best_trial import best_or_none
from langspec.tuning.fingerprint import Opened, data_hash
from langspec.tuning.outcome import records
from langspec.tuning.records import TrialRecord, front
from langspec.tuning.study import UID

if TYPE_CHECKING:
    from langspec.config import Config
    from langspec.tracking.sweep_runs import SweepRuns


class Progress:
    """Draws the progress bar, retries trials of killed workers, writes runs of MLflow."""

    def __init__(self, config: Config, opened: Opened, runs: SweepRuns) -> None:
        self._config, self._opened, self._runs = config, opened, runs

    def __enter__(self) -> Progress:
        self._bar = tqdm(
            total=self._config.tune.trials,
            initial=min(self.ended(), self._config.tune.trials),
            desc=self._opened.name,
            unit="trial",
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def ended(self) -> int:
        """How many slots have a trial that ended."""
        return finished(records(self._opened.study))

    def update(self) -> None:
        """Redraw the bar, log ended trials to MLflow, queue trials of killed workers again."""
        with self._opened.lock():
            claims.reap(self._opened.study)
            trials = records(self._opened.study)
            # Under the lock: on another machine another process may do the same.
            self._runs.update(trials)
        self._bar.n = min(finished(trials), self._config.tune.trials)
        if any(trial.state == "COMPLETE" for trial in trials):
            if self._config.tune.pareto:
                self._bar.set_postfix_str(f"front of {len(front(trials, ''))}", refresh=False)
            else:
                result = best_or_none(trials, self._config.tune.model_dump())
                words = f"best: trial {result.number}" if result else "no best trial yet"
                self._bar.set_postfix_str(words, refresh=False)
        self._bar.refresh()


def finished(trials: Sequence[TrialRecord]) -> int:
    """How many slots have a trial that ended."""
    return sum(trial.finished and trial.retried_by is None for trial in trials)


@contextlib.contextmanager
def open_runs(config: Config, root: Path, opened: Opened) -> Iterator[SweepRuns]:
    """The runs of MLflow; the parent run ends as FINISHED, KILLED or FAILED."""
    from langspec.tracking.runs import Tracker
    from langspec.tracking.sweep_runs import SweepRuns

    tracker = Tracker.open(config.tracking, root=root)
    with opened.lock():
        runs = SweepRuns(tracker, sweep_of(config, opened))
    try:
        yield runs
    except BaseException as error:
        signalled = isinstance(error, SystemExit | KeyboardInterrupt)
        reason = f"{type(error).__name__}: {error}"
        with opened.lock():
            runs.update(records(opened.study))
        runs.close("KILLED" if signalled else "FAILED", {}, reason)
        raise
    trials = records(opened.study)
    ended = finished(trials) >= config.tune.trials
    reason = "" if ended else "trials are still at work elsewhere"
    runs.close("FINISHED" if ended else "KILLED", summary(trials, config), reason)


def sweep_of(config: Config, opened: Opened) -> Any:
    """What all runs of a study share."""
    from langspec.tracking.sweep_runs import Sweep

    return Sweep(
        uid=opened.study.user_attrs[UID],
        study=opened.name,
        name=config.name,
        task=config.tune.task,
        method=config.tune.method,
        place=str(opened.place),
        params={"tune": config.tune.model_dump(), "space": opened.space.in_words()},
        data_hash=data_hash(opened.identity),
    )


def summary(trials: Sequence[TrialRecord], config: Config) -> dict[str, float]:
    """Numbers of a study for its parent run."""
    result = {
        state.lower(): float(sum(trial.state == state for trial in trials))
        for state in ("COMPLETE", "PRUNED", "FAIL")
    }
    if result["complete"]:
        if config.tune.pareto:
            result["front"] = float(len(front(trials, "")))
        else:
            chosen = best_or_none(trials, config.tune.model_dump())
            if chosen is not None:
                result["best_score"] = chosen.score or 0.0
                result["best_trial"] = float(chosen.number)
    return result
