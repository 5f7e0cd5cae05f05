"""What one step minimises: a method is one small class in a module of this folder."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from langspec.errors import LangspecError
from langspec.objectives.base import Objective, OwnOptimiser, Setting


def methods() -> dict[str, type[Objective]]:
    """Every method by its name: the named subclasses of :class:`Objective`."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    found: list[type[Objective]] = []
    todo: list[type[Objective]] = [Objective]
    while todo:
        below = todo.pop().__subclasses__()
        found += below
        todo += below
    named = [method for method in found if "name" in vars(method)]
    return {method.name: method for method in sorted(named, key=lambda method: method.name)}


def get_objective(name: str, options: Any = None) -> Objective:
    """A fresh objective of a method; ``options``: its section of params.yaml."""
    known = methods()
    if name not in known:
        raise LangspecError(f"unknown method {name!r}; expected one of {', '.join(known)}")
    return known[name](options)


__all__ = ["Objective", "OwnOptimiser", "Setting", "get_objective", "methods"]
