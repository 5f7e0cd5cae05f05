"""Which process works on which trial: slots, claims, and retries after killed processes.

A study of N trials has N slots over all workers of all machines. A worker claims a slot under a
lock, which the system releases when the worker is killed: a lock on the file of the journal (or of
sqlite), or a row of the database that is locked during one transaction. The claimed trial gets its
values and its owner under the same lock. So a running trial without a living owner belongs to a
killed process. That trial is failed. A new trial retries the same values, twice at most: after
three killed processes the values are the likely cause.
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
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Column, MetaData, String, Table, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from langspec.processes import is_alive, start_of
from langspec.tuning.parameters import Space
from langspec.tuning.sections import Tune
from langspec.tuning.storage import Place, file_lock
from langspec.tuning.study import sampler_of

OWNER, VALUES, REASON = "owner", "values", "reason"
RETRY_OF, RETRIED_BY, ORIGIN = "retry_of", "retried_by", "origin"
_FIXED = "fixed_params"  # Optuna's own name for the values of an enqueued trial
RETRIES = 2
"""How many times the values of a trial whose process was killed are tried again."""

Lock = Callable[[], AbstractContextManager[Any]]


def lock_of(place: Place, storage: optuna.storages.BaseStorage, study: str) -> Lock:
    """A function that makes the lock of a study; every call makes a new one."""
    if place.url is None or place.url.get_backend_name() == "sqlite":
        file = place.file or Path(place.url.database or "memory").absolute()  # type: ignore[union-attr]
        return lambda: file_lock(file)
    assert isinstance(storage, RDBStorage)
    return lambda: _row_lock(storage, study)


@contextmanager
def _row_lock(storage: RDBStorage, study: str) -> Iterator[None]:
    """Lock a row of a table that only langspec uses: Optuna must be able to write its rows."""
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
    started: str  # an id is used again; with its start it is not

    @classmethod
    def this(cls) -> Owner:
        """This process."""
        return cls(socket.gethostname(), os.getpid(), start_of(os.getpid()) or "")

    def text(self) -> str:
        """The text that is stored with a trial."""
        return json.dumps([self.host, self.pid, self.started])


def owner_ended(trial: FrozenTrial, lost: Sequence[str] = ()) -> bool:
    """Has the process that worked on a running trial ended?

    Args:
        trial: a running trial, read under the lock.
        lost: hosts whose processes have all ended. Nothing is known of a host that is neither
            this one nor one of them.
    """
    text = trial.user_attrs.get(OWNER)
    if text is None:
        return True  # killed inside a claim, which nobody else could see
    host, pid, started = json.loads(text)
    if host in lost:
        return True
    if host != socket.gethostname():
        return False
    return not is_alive(pid, started)


def used(trials: Sequence[FrozenTrial]) -> int:
    """How many slots are taken: a waiting trial takes none, nor does one that is retried."""
    return sum(
        trial.state != TrialState.WAITING and RETRIED_BY not in trial.user_attrs
        for trial in trials
    )


def free(trials: Sequence[FrozenTrial], slots: int) -> int:
    """How many slots no worker has claimed."""
    return max(0, slots - used(trials))


def abandon(study: optuna.Study, trial: FrozenTrial, reason: str, *, suspect: bool = True) -> None:
    """Fail a running trial and queue a trial with its values. The caller holds the lock.

    Args:
        study: whose trial it is.
        trial: what ended early.
        reason: stored with the failed trial.
        suspect: the values may have killed the process: at most ``RETRIES`` retries.
    """
    if not suspect or _deaths_before(study, trial) < RETRIES:
        params = {**trial.system_attrs.get(_FIXED, {}), **trial.params}
        origin = {key: trial.user_attrs[key] for key in (ORIGIN,) if key in trial.user_attrs}
        if _retry(study, trial) is None:  # a process killed in this function may have queued it
            study.enqueue_trial(params, user_attrs={RETRY_OF: trial.number, **origin})
        retry = _retry(study, trial)
        # Before the end: Optuna changes nothing of a finished trial.
        _set(study, trial, RETRIED_BY, retry)
    _set(study, trial, REASON, reason)
    study.tell(trial.number, state=TrialState.FAIL)


def _deaths_before(study: optuna.Study, trial: FrozenTrial) -> int:
    """How many trials came before this one with the same values, each killed."""
    trials = study.get_trials(deepcopy=False)
    count = 0
    while RETRY_OF in trial.user_attrs:
        trial = trials[trial.user_attrs[RETRY_OF]]
        count += 1
    return count


def _retry(study: optuna.Study, trial: FrozenTrial) -> int | None:
    """The number of the trial that retries another; None: no trial does."""
    trials = study.get_trials(deepcopy=False)
    same = (other.number for other in trials if other.user_attrs.get(RETRY_OF) == trial.number)
    return next(same, None)


def _set(study: optuna.Study, trial: FrozenTrial, key: str, value: Any) -> None:
    # Of another process's trial: for that Optuna has nothing public.
    study._storage.set_trial_user_attr(trial._trial_id, key, value)


def reap(study: optuna.Study, lost: Sequence[str] = ()) -> list[int]:
    """Abandon all trials whose processes ended; their numbers. The caller holds the lock."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    ended = [trial for trial in trials if owner_ended(trial, lost)]
    for trial in ended:
        owner = json.loads(trial.user_attrs.get(OWNER, '["?", "?", 0]'))
        abandon(study, trial, f"process {owner[1]} on {owner[0]} ended without a result")
    return [trial.number for trial in ended]


def claim(
    study: optuna.Study, space: Space, tune: Tune, slots: int, lock: Lock
) -> tuple[optuna.trial.Trial, dict[str, Any]] | None:
    """Claim a trial for this process; its values by name. None: no slot is free."""
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
