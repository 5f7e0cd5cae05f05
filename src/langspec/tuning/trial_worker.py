"""A worker: claims a trial, trains it, reports its end, until no slot is free."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import optuna
from optuna.trial import TrialState

from langspec import interrupts
from langspec.errors import LangspecError
from langspec.tuning import claims
from langspec.tuning.parameters import Space
from langspec.tuning.score import (
    BOUNDED,
    MEASURED,
    Collapsed,
    Measured,
    NotStarted,
    Objective,
    ProcessLost,
)
from langspec.tuning.sections import Tune

logger = logging.getLogger(__name__)


def work(
    study: optuna.Study,
    space: Space,
    tune: Tune,
    objective: Objective,
    lock: claims.Lock,
    *,
    slots: int,
    after: Callable[[], None] = lambda: None,
) -> int:
    """Work on trials until the study has ``slots`` of them; returns how many this process did.

    A trial that collapses is pruned. A trial that raises is failed with the reason, and the worker
    claims the next one. A trial of which a process was killed is failed and queued again, as is a
    trial of a killed worker. A signal or Ctrl-C queues the trial again and ends the worker.
    """
    done = 0
    while True:
        trial = None
        try:
            with interrupts.delayed():  # a claimed trial is never left without its end
                claimed = claims.claim(study, space, tune, slots, lock)
                if claimed is None:
                    return done
                trial, values = claimed
            _run(study, trial, space.paths(values), tune, objective)
        except (KeyboardInterrupt, SystemExit, NotStarted) as end:
            if trial is not None:
                reason = f"ended by {getattr(end, 'signal_name', type(end).__name__)}"
                _abandon(study, trial, reason, lock, suspect=False)
            raise
        except ProcessLost as error:
            assert trial is not None, "only a training loses a process"
            logger.error("trial %d failed: %s", trial.number, error)
            _abandon(study, trial, str(error), lock, suspect=True)
        done += 1
        after()


def _abandon(
    study: optuna.Study,
    trial: optuna.trial.Trial,
    reason: str,
    lock: claims.Lock,
    *,
    suspect: bool,
) -> None:
    """Fail a trial and queue it again, unless it has ended."""
    with lock():
        frozen = study.get_trials(deepcopy=False)[trial.number]
        if frozen.state == TrialState.RUNNING:
            claims.abandon(study, frozen, reason, suspect=suspect)


def _run(
    study: optuna.Study,
    trial: optuna.trial.Trial,
    paths: dict[str, Any],
    tune: Tune,
    objective: Objective,
) -> None:
    """Train one trial and report its end to the study."""

    def report(rung: int, result: Measured) -> None:
        if tune.pareto:  # Optuna takes no intermediate values of two aims
            return
        trial.report(result.score(tune.penalty), rung)
        if trial.should_prune():
            _store(trial, result)
            raise optuna.TrialPruned(f"at rung {rung} of {tune.rungs}")

    try:
        result = objective(paths, report)
    except optuna.TrialPruned as pruned:
        trial.set_user_attr(claims.REASON, str(pruned))
        study.tell(trial, state=TrialState.PRUNED)
    except Collapsed as collapse:
        trial.set_user_attr(claims.REASON, f"collapsed: {collapse}")
        if not tune.pareto:
            # Below any score, at the next rung: the sampler turns away from such values.
            rung = study.get_trials(deepcopy=False)[trial.number].last_step or 0
            trial.report(-max(1.0, tune.penalty) - 1.0, rung + 1)
        study.tell(trial, state=TrialState.PRUNED)
    except (ProcessLost, NotStarted):
        raise
    except Exception as error:
        first = next(iter(str(error).splitlines()), "")
        kind = "" if isinstance(error, LangspecError) else f"{type(error).__name__}: "
        logger.error("trial %d failed: %s%s", trial.number, kind, first)
        logger.debug("trial %d failed", trial.number, exc_info=True)
        trial.set_user_attr(claims.REASON, f"{kind}{first}")
        study.tell(trial, state=TrialState.FAIL)
    else:
        _store(trial, result)
        if tune.pareto:
            study.tell(trial, [result.dev_macro_f1, result.dev_leak])
        else:
            score = result.score(tune.penalty)
            trial.report(score, tune.rungs)
            study.tell(trial, score)


def _store(trial: optuna.trial.Trial, result: Measured) -> None:
    measured = {name: getattr(result, name) for name in (*MEASURED, *BOUNDED)}
    for name, value in {**measured, **result.more}.items():
        trial.set_user_attr(name, value)
