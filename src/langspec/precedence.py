"""Which value of a parameter a training uses.

A parameter may be set for one method on one task (``overrides``), for a method, for a task or for
all trainings. :func:`effective` alone decides which of them counts: for the configuration, the
trainer, sweeps, the report, the runs in MLflow and the card of a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RENAMED = {"discriminator.lr": "discriminator_lr"}
"""Keys of an override that the method's section has under another name."""
EVERYWHERE = ("epochs", "encoder_lr", "head_lr", "head_init", "batch_rows")
"""Keys of an override that every training has, whatever its method."""


def override_key(name: str) -> str:
    """The key in ``overrides`` of a parameter of a method: ``discriminator_lr``."""
    return RENAMED.get(name, name)


def at(section: Any, name: str) -> Any:
    """What a section, or its plain values, holds under a dotted name; None: no such key."""
    for part in name.split("."):
        plain = isinstance(section, Mapping)
        section = section.get(part) if plain else getattr(section, part, None)
    return section


def of_method(section: Any, task: str, name: str) -> Any:
    """A parameter of a method on a task: its override, else as the section says; None: in neither.

    Args:
        section: of the method, or its plain values.
        task: the task.
        name: below the section, such as ``discriminator.lr``.
    """
    value = at(at(at(section, "overrides"), task), override_key(name))
    return at(section, name) if value is None else value


def effective(train: Any, task: str, method: str, name: str) -> Any:
    """What a training uses for a parameter: the override's value, else the method's, the task's,
    that of ``train``; None: none of them has one.

    Args:
        train: the section, or its plain values.
        task: the task.
        method: the method.
        name: such as ``encoder_lr`` or ``discriminator.lr``.
    """
    value = of_method(at(at(train, "methods"), method), task, name)
    for holder in (at(train, task), train):
        value = at(holder, name) if value is None else value
    return value


def trained_value(params: Mapping[str, Any], task: str, method: str, name: str) -> Any:
    """What a finished training used for a parameter.

    Args:
        params: of ``run.json``: values by their dotted keys of params.yaml.
        task: the task.
        method: the method.
        name: as in :func:`effective`.
    """
    return effective(_nested(params).get("train"), task, method, name)


def trained_values(params: Mapping[str, Any], task: str, method: str) -> dict[str, Any]:
    """All parameters of a finished training, each once, with the value that counted.

    Args:
        params: of ``run.json``.
        task: the task.
        method: the method.

    Returns:
        By name: ``train.NAME`` of what every training has, ``METHOD.NAME`` of what the method
        alone has, any other by its key.
    """
    train = _nested(params).get("train")
    prefix, of_task = f"train.methods.{method}.", f"train.{task}."
    shared = {key.removeprefix(of_task) for key in params if key.startswith(of_task)}
    shared |= {*EVERYWHERE, "batch_tokens"}
    values: dict[str, Any] = {}
    for key, value in params.items():
        of_the_method = key.startswith(prefix)
        name = key.removeprefix(prefix if of_the_method else of_task).removeprefix("train.")
        overrides = name.startswith("overrides.")
        name = name.removeprefix(f"overrides.{task}.")
        if overrides and name not in shared:
            continue
        if name in shared:
            values[f"train.{name}"] = effective(train, task, method, name)
        elif of_the_method:
            values[f"{method}.{name}"] = effective(train, task, method, name)
        else:
            values[key] = value
    return values


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted keys, as nested mappings."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, last = key.split(".")
        place = nested
        for part in parents:
            place = place.setdefault(part, {})
        place[last] = value
    return nested
