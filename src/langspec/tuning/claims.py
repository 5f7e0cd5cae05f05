"""Who works on which trial: slots, claims, and the trials of processes that are gone.

A study of N trials has N slots over all workers of all machines. A slot is claimed under a lock
that the system takes back from a killed process: a lock on the journal's (or sqlite's) file, or a
row of the database, locked for the length of a transaction. Under the same lock the claimed trial
gets its values and its owner, so a trial that runs without a living owner was left by a killed
process. It is failed, and tried again as a new trial with the same values, twice at most: a third
process that dies on them has hardly met an accident.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Column, MetaData, String, Table, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from langspec.tuning.sections import Tune
from langspec.tuning.space import Space
from langspec.tuning.storage import Place, file_lock
from langspec.tuning.study import sampler_of

OWNER, VALUES, REASON = "owner", "values", "reason"
RETRY_OF, RETRIED_BY, ORIGIN = "retry_of", "retried_by", "origin"
_FIXED = "fixed_params"  # Optuna's own name for the values of an enqueued trial
RETRIES = 2
"""How often the values of a trial whose process died are put up again."""

Lock = Callable[[], AbstractContextManager[Any]]


def lock_of(place: Place, storage: optuna.storages.BaseStorage, study: str) -> Lock:
    """What gives the lock of a study, each time anew."""
    if place.url is None or place.url.get_backend_name() == "sqlite":
        file = place.file or Path(place.url.database or "memory").absolute()  # type: ignore[union-attr]
        return lambda: file_lock(file)
    assert isinstance(storage, RDBStorage)
    return lambda: _row_lock(storage, study)


@contextmanager
def _row_lock(storage: RDBStorage, study: str) -> Iterator[None]:
    """A row of a table of ours, locked; Optuna's own rows stay free for its transactions."""
    table = Table("langspec_claims", MetaData(), Column("study", String(512), primary_key=True))
    for attempt in (0, 1):
        try:
            with storage.engine.begin() as connection:
                known = connection.execute(select(table).where(table.c.study == study)).first()
                if known is None:
                    connection.execute(insert(table).values(study=study))
            break
        except IntegrityError:  # another worker was first
            break
        except (OperationalError, ProgrammingError):  # no such table yet
            if attempt:
                raise
            try:
                table.create(storage.engine, checkfirst=True)
            except (IntegrityError, OperationalError, ProgrammingError):
                continue  # another worker was first
    with storage.engine.begin() as connection:
        connection.execute(select(table).where(table.c.study == study).with_for_update())
        yield


@dataclass(frozen=True)
class Owner:
    """The process that works on a trial."""

    host: str
    pid: int
    started: float  # an id is used again; with its start time it is not

    @classmethod
    def this(cls) -> Owner:
        """This process."""
        return cls(socket.gethostname(), os.getpid(), psutil.Process().create_time())

    def text(self) -> str:
        """As kept with a trial."""
        return json.dumps([self.host, self.pid, round(self.started, 2)])


def is_gone(trial: FrozenTrial, lost: Sequence[str] = ()) -> bool:
    """Was a running trial left by a process that ended?

    Args:
        trial: a running trial, read under the lock.
        lost: hosts that are gone for good; of other hosts than this one nothing else is known.
    """
    text = trial.user_attrs.get(OWNER)
    if text is None:
        return True  # killed inside a claim, which nobody else could see
    host, pid, started = json.loads(text)
    if host in lost:
        return True
    if host != socket.gethostname():
        return False
    try:
        process = psutil.Process(pid)
        alive = abs(process.create_time() - started) < 1 and process.status() != "zombie"
    except psutil.NoSuchProcess:
        alive = False
    return not alive


def used(trials: Sequence[FrozenTrial]) -> int:
    """Slots that are taken: all trials but those waiting and those whose retry stands for them."""
    return sum(
        trial.state != TrialState.WAITING and RETRIED_BY not in trial.user_attrs
        for trial in trials
    )


def free(trials: Sequence[FrozenTrial], slots: int) -> int:
    """Slots that nobody has taken."""
    return max(0, slots - used(trials))


def abandon(study: optuna.Study, trial: FrozenTrial, reason: str, *, suspect: bool = True) -> None:
    """Fail a running trial and put its values up again. The caller holds the lock.

    Args:
        study: whose trial it is.
        trial: what ended early.
        reason: why, as the trial keeps it.
        suspect: the values may be the reason, so there are ``RETRIES`` at most.
    """
    if not suspect or _deaths_before(study, trial) < RETRIES:
        params = {**trial.system_attrs.get(_FIXED, {}), **trial.params}
        origin = {key: trial.user_attrs[key] for key in (ORIGIN,) if key in trial.user_attrs}
        if _retry(study, trial) is None:  # else who began this was killed, too
            study.enqueue_trial(params, user_attrs={RETRY_OF: trial.number, **origin})
        retry = _retry(study, trial)
        # Before the end: Optuna changes nothing of a finished trial.
        _set(study, trial, RETRIED_BY, retry)
    _set(study, trial, REASON, reason)
    study.tell(trial.number, state=TrialState.FAIL)


def _deaths_before(study: optuna.Study, trial: FrozenTrial) -> int:
    """How many trials this one repeats: the one that it retries, and what that one retried."""
    trials = study.get_trials(deepcopy=False)
    count = 0
    while RETRY_OF in trial.user_attrs:
        trial = trials[trial.user_attrs[RETRY_OF]]
        count += 1
    return count


def _retry(study: optuna.Study, trial: FrozenTrial) -> int | None:
    """The number of the trial that repeats another."""
    trials = study.get_trials(deepcopy=False)
    same = (other.number for other in trials if other.user_attrs.get(RETRY_OF) == trial.number)
    return next(same, None)


def _set(study: optuna.Study, trial: FrozenTrial, key: str, value: Any) -> None:
    # Of another process's trial: for that Optuna has nothing public.
    study._storage.set_trial_user_attr(trial._trial_id, key, value)


def reap(study: optuna.Study, lost: Sequence[str] = ()) -> list[int]:
    """Abandon the trials of processes that are gone; their numbers. The caller holds the lock."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    gone = [trial for trial in trials if is_gone(trial, lost)]
    for trial in gone:
        owner = json.loads(trial.user_attrs.get(OWNER, '["?", "?", 0]'))
        abandon(study, trial, f"process {owner[1]} on {owner[0]} ended without a result")
    return [trial.number for trial in gone]


def claim(
    study: optuna.Study, space: Space, tune: Tune, slots: int, lock: Lock
) -> tuple[optuna.trial.Trial, dict[str, Any]] | None:
    """A trial of this process's own and its values by name; None where no slot is free."""
    with lock():
        reap(study)
        trials = study.get_trials(deepcopy=False)
        if used(trials) >= slots:
            return None
        claimed = sum(trial.state != TrialState.WAITING for trial in trials)
        study.sampler = sampler_of(tune, claimed)
        trial = study.ask()
        values = space.suggest(trial)
        trial.set_user_attr(VALUES, space.paths(values))
        trial.set_user_attr(OWNER, Owner.this().text())
        return trial, values
