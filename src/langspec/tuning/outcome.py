"""The trials of a study as plain records, and Optuna's figures of them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from langspec.files import atomic_file
from langspec.tuning import claims
from langspec.tuning.records import TrialRecord
from langspec.tuning.score import BOUNDED, MEASURED

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

logger = logging.getLogger(__name__)

_NOT_MORE = {claims.OWNER, claims.VALUES, claims.REASON, claims.ORIGIN, claims.RETRY_OF,
        claims.RETRIED_BY, *MEASURED, *BOUNDED}  # fmt: skip


def records(study: optuna.Study) -> list[TrialRecord]:
    """All trials in order."""
    return [_record(trial) for trial in study.get_trials(deepcopy=False)]


def _record(trial: FrozenTrial) -> TrialRecord:
    attributes = trial.user_attrs
    single = trial.values is not None and len(trial.values) == 1
    more = {key: value for key, value in attributes.items() if key not in _NOT_MORE}
    return TrialRecord(
        number=trial.number,
        state=trial.state.name,
        values=attributes.get(claims.VALUES, {}),
        score=trial.values[0] if single else None,
        **{name: attributes.get(name) for name in (*MEASURED, *BOUNDED)},
        rungs=trial.intermediate_values,
        reason=attributes.get(claims.REASON, ""),
        origin=attributes.get(claims.ORIGIN, ""),
        retry_of=attributes.get(claims.RETRY_OF),
        retried_by=attributes.get(claims.RETRIED_BY),
        started=trial.datetime_start,
        ended=trial.datetime_complete,
        more=more,
    )


def draw(study: optuna.Study, folder: Path) -> list[Path]:
    """Write Optuna's figures of a study as PNG; a figure that fails is logged and left out."""
    import matplotlib

    matplotlib.use("Agg")
    from optuna.visualization import matplotlib as figures

    importance = optuna.importance.FanovaImportanceEvaluator(seed=0)
    drawings: dict[str, Callable[[], Any]]
    if len(study.directions) == 2:
        drawings = {
            "pareto_front": lambda: figures.plot_pareto_front(study, target_names=list(MEASURED)),
        }
        for index, name in enumerate(MEASURED):
            drawings[f"importances_{name}"] = partial(
                figures.plot_param_importances,
                study,
                evaluator=importance,
                target=partial(_value, index),
                target_name=name,
            )
    else:
        drawings = {
            "history": lambda: figures.plot_optimization_history(study, target_name="score"),
            "importances": lambda: figures.plot_param_importances(
                study, evaluator=importance, target_name="score"
            ),
            "rungs": lambda: figures.plot_intermediate_values(study),
            "slices": lambda: figures.plot_slice(study, target_name="score"),
        }
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, draw_one in drawings.items():
        path = folder / f"{name}.png"
        if _save(draw_one, path):
            drawn.append(path)
    return drawn


def _value(index: int, trial: FrozenTrial) -> float:
    return float(trial.values[index])


def _save(draw_one: Callable[[], Any], path: Path) -> bool:
    import numpy as np
    from matplotlib import pyplot

    pyplot.close("all")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            axes = draw_one()
            figure = np.ravel(np.asarray(axes, dtype=object))[0].figure
            with atomic_file(path) as temporary:
                figure.savefig(temporary, format="png", dpi=110, bbox_inches="tight")
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        # Importances need two complete trials that differ, for one.
        logger.info("%s not drawn: %s", path.stem, error)
        return False
    finally:
        pyplot.close("all")
    return True
