"""The best trial of a study, by the rule that ``tune.rule`` names.

``score``: the highest score, ``dev_macro_f1 - penalty x dev_leak``.

``least_leak``: the least ``dev_leak`` of the trials within two bounds (``tune.bounds``), which
read no label of a target language. ``dev_source_accuracy`` is at most ``source_loss`` below that
of the reference, and ``dev_drift`` at most ``drift`` times that of the reference. The reference is
the training without unlearning (:data:`REFERENCE`), which a grid begins with; of several, the one
with the best ``dev_source_accuracy``. With this rule ``train.selection``, which chooses the epoch
of each trial, must be ``source_dev`` or ``source_val``, which read no such label either.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from langspec.errors import LangspecError
from langspec.tuning.records import TrialRecord, complete

REFERENCE = "without unlearning"
"""The origin of a trial whose language term is switched off; it is never the best."""


def best(trials: Sequence[TrialRecord], study: str, tune: Mapping[str, Any]) -> TrialRecord:
    """The best complete trial; of equal ones the first.

    Args:
        trials: of the study.
        study: its name, for errors.
        tune: the section ``tune`` as plain values.

    Raises:
        LangspecError: no trial is complete, or none is within the bounds of the rule.
    """
    whole = complete(trials, study)
    if tune["rule"] == "score":
        return max(whole, key=lambda t: (t.score or 0.0, -t.number))
    references = [trial for trial in whole if trial.origin == REFERENCE]
    tried = [trial for trial in whole if trial.origin != REFERENCE]
    if not references or not tried:
        kind = "with" if references else "without"
        raise LangspecError(
            f"no training {kind} unlearning is complete, so there is no best trial; run more",
            place=f"study {study}",
        )
    reference = max(references, key=lambda t: (_number(t.dev_source_accuracy), -t.number))
    least = _number(reference.dev_source_accuracy) - tune["bounds"]["source_loss"]
    most = _number(reference.dev_drift) * tune["bounds"]["drift"]
    within = [trial for trial in tried if _excess(trial, least, most) == 0]
    if within:
        return min(within, key=lambda t: (_number(t.dev_leak), t.number))
    nearest = min(tried, key=lambda t: (_excess(t, least, most), t.number))
    raise LangspecError(
        f"none of {len(tried)} complete trials is within tune.bounds, so there is no best one; "
        f"the nearest is trial {nearest.number}: dev_leak {_number(nearest.dev_leak):.3f}, "
        f"dev_source_accuracy {_number(nearest.dev_source_accuracy):.3f} (at least {least:.3f}), "
        f"dev_drift {_number(nearest.dev_drift):.3f} (at most {most:.3f})",
        place=f"study {study}",
    )


def best_or_none(trials: Sequence[TrialRecord], tune: Mapping[str, Any]) -> TrialRecord | None:
    """The best complete trial; None where :func:`best` would refuse."""
    try:
        return best(trials, "", tune)
    except LangspecError:
        return None


def _excess(trial: TrialRecord, least: float, most: float) -> float:
    """How far a trial is outside the bounds, each as a share of the bound; 0: it is within."""
    source, drift = _number(trial.dev_source_accuracy), _number(trial.dev_drift)
    if math.isnan(source + drift):
        return math.inf
    loss = max(0.0, least - source) / max(least, 1e-9)
    return loss + max(0.0, drift - most) / max(most, 1e-9)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
