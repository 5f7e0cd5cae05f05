"""The methods of training: a file for each, with its options and what one step minimises."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, create_model

from langspec.errors import LangspecError
from langspec.folder_classes import folder_classes
from langspec.objectives.base import (
    ExtraOptimiser,
    LanguageCost,
    MethodOptions,
    Objective,
    Override,
    Setting,
)
from langspec.section import Section


def methods() -> dict[str, type[Objective]]:
    """Every method by its name, simple ones first: the named classes of this folder's modules."""
    classes = folder_classes("langspec.objectives", Objective)
    named = [method for method in classes if "name" in vars(method)]
    named.sort(key=lambda method: (method.reads_language, method.trains_encoder, method.name))
    return {method.name: method for method in named}


def get_method(name: str) -> type[Objective]:
    """The class of a method.

    Raises:
        LangspecError: there is none of that name.
    """
    known = methods()
    if name not in known:
        raise LangspecError(f"unknown method {name!r}; expected one of {', '.join(known)}")
    return known[name]


def get_objective(name: str, options: Any = None) -> Objective:
    """Make a new objective of a method; ``options`` is its section of params.yaml.

    Raises:
        LangspecError: there is no such method.
    """
    return get_method(name)(options)


@cache
def sections() -> type[Section]:
    """The class of the section ``train.methods`` of params.yaml: an entry for each method."""
    fields: dict[str, Any] = {name: (one.Options, ...) for name, one in methods().items()}
    return create_model(
        "Methods",
        __base__=Section,
        __doc__="One entry a method.",
        __module__="langspec.training.train_section",  # where workers look it up: it is pickled
        **fields,
    )


def _known(name: str) -> str:
    known = sections().model_fields
    if name not in known:
        raise ValueError(f"found {name!r}, expected one of {', '.join(known)}")
    return name


MethodName = Annotated[str, AfterValidator(_known)]
"""The name of a method, as a type of sections."""

__all__ = [
    "ExtraOptimiser",
    "LanguageCost",
    "MethodName",
    "MethodOptions",
    "Objective",
    "Override",
    "Setting",
    "get_method",
    "get_objective",
    "methods",
    "sections",
]
