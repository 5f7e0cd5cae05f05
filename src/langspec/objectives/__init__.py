"""What one step minimises: a method is one small class."""

from __future__ import annotations

from langspec.errors import LangspecError
from langspec.objectives.base import Objective
from langspec.objectives.supervised import Finetune, Frozen

METHODS: dict[str, type[Objective]] = {method.name: method for method in (Frozen, Finetune)}


def get_objective(name: str) -> Objective:
    """A fresh objective of a method."""
    if name not in METHODS:
        raise LangspecError(f"unknown method {name!r}; expected one of {', '.join(METHODS)}")
    return METHODS[name]()


__all__ = ["METHODS", "Objective", "get_objective"]
