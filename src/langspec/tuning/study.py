"""A study: how it samples and prunes, and the fingerprint that its trials share.

The fingerprint holds all that makes trials comparable. A sweep with another one is refused.
"""

from __future__ import annotations

import logging
import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.study import StudyDirection

from langspec.errors import LangspecError
from langspec.tuning.sections import Tune

logger = logging.getLogger(__name__)

IDENTITY, CODE, UID = "langspec.identity", "langspec.code", "langspec.uid"
Study = optuna.Study  # for signatures of those who do not import Optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)
optuna.logging.disable_default_handler()
optuna.logging.enable_propagation()
# Grouped sampling is what conditional parameters need; we test what we use of it.
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


@dataclass(frozen=True)
class Identity:
    """What makes trials comparable: ``parts`` must be equal; other ``code`` is warned of."""

    parts: Mapping[str, Any]
    code: str


def open_study(
    storage: optuna.storages.BaseStorage, name: str, tune: Tune, identity: Identity
) -> optuna.Study:
    """The study, made if there is none; the caller holds the lock.

    Raises:
        LangspecError: the study of that name has another fingerprint.
    """
    if name not in optuna.study.get_all_study_names(storage):
        study = optuna.create_study(study_name=name, storage=storage, directions=_directions(tune))
        study.set_user_attr(IDENTITY, dict(identity.parts))
        study.set_user_attr(CODE, identity.code)
        study.set_user_attr(UID, uuid.uuid4().hex)
    study = load_study(storage, name)
    check_identity(study, identity)
    study.pruner = pruner_of(tune)
    return study


def memory_study(name: str, tune: Tune) -> optuna.Study:
    """A study in memory. Hyperband hashes the name, so equal names prune equally."""
    return optuna.create_study(
        study_name=name, directions=_directions(tune), pruner=pruner_of(tune)
    )


def _directions(tune: Tune) -> list[StudyDirection]:
    """Transfer is maximised and leak minimised, or the score is maximised."""
    score, leak = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE
    return [score, leak] if tune.pareto else [score]


def load_study(storage: optuna.storages.BaseStorage, name: str) -> optuna.Study:
    """A study by name.

    Raises:
        LangspecError: there is no study of that name.
    """
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        known = ", ".join(sorted(optuna.study.get_all_study_names(storage))) or "none"
        raise LangspecError(f"no study of that name; there are: {known}", place=name) from None


def check_identity(study: optuna.Study, identity: Identity) -> None:
    """Refuse a study with another fingerprint; warn of one that other code made."""
    result = study.user_attrs.get(IDENTITY)
    if result is None:
        raise LangspecError(
            "this study was not made by langspec sweep; choose another --study",
            place=study.study_name,
        )
    differences = different(result, identity.parts)
    if differences:
        raise LangspecError(
            f"this study is of something else: {'; '.join(differences)}; give the new one "
            "another --study NAME",
            place=study.study_name,
        )
    if study.user_attrs.get(CODE) != identity.code:
        logger.warning(
            "%s: its earlier trials were made by other code; their scores may differ from what "
            "the code gives now",
            study.study_name,
        )


def different(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Every key at which two nested mappings differ, with both values."""
    result = []
    for key in sorted({*old, *new}):
        before, now = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            result += different(before, now, f"{prefix}{key}.")
        elif before != now and before != _listed(now):
            result.append(f"{prefix}{key} {_short(before)}, now {_short(now)}")
    return result


def _listed(value: Any) -> Any:
    """The value after a way through JSON."""
    return list(value) if isinstance(value, tuple) else value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def pruner_of(tune: Tune) -> optuna.pruners.BasePruner:
    """Hyperband over the rungs, each rung three times the one before, of scores.

    None for two aims, of which Optuna refuses intermediate values, for a grid, whose trials are
    all wanted, and where another rule than the score chooses.
    """
    if tune.pareto or tune.rungs == 1 or tune.space == "grid" or tune.rule != "score":
        return optuna.pruners.NopPruner()
    return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=tune.rungs)


def sampler_of(tune: Tune, claimed: int) -> optuna.samplers.TPESampler:
    """The sampler of one trial, the ``claimed``-th of its study.

    A sampler a trial: workers with one seed would repeat each other's random draws, and with a
    seed each what is drawn would depend on who comes first. So a resumed study draws what an
    uninterrupted one would. Trials at work count as bad ones (the constant liar): workers do not
    all try the same place.
    """
    return optuna.samplers.TPESampler(
        seed=(tune.seed * 1_000_003 + claimed) % 2**32,
        n_startup_trials=tune.startup,
        multivariate=True,
        group=True,
        constant_liar=True,
    )
