"""Every measure of this folder, and the section of params.yaml that their options make."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, create_model

from langspec.measurement.probe_options import ProbeOptions
from langspec.measures.base import EVALUATE, Measure
from langspec.section import Natural, Section

_OTHERS = ("base", "bench", "discovery", "runner", "work", "write")


def measures(taker: str = EVALUATE) -> tuple[type[Measure], ...]:
    """The measures of stage evaluate, or of an audit, in the order in which they are taken."""
    return tuple(one for one in _all_measures() if taker in one.takers)


@cache
def _all_measures() -> tuple[type[Measure], ...]:
    found: list[type[Measure]] = []
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name not in _OTHERS:
            code = importlib.import_module(f"langspec.measures.{module.name}")
            found += [
                one
                for _, one in inspect.getmembers(code, inspect.isclass)
                if issubclass(one, Measure)
                and one.__module__ == code.__name__
                and not inspect.isabstract(one)
            ]
    return tuple(sorted(found, key=lambda one: (one.order, one.name)))


class EvaluateBase(Section):
    """Section ``evaluate``: what all measures share, and a section of each that has options."""

    seed: Natural
    bootstrap: Annotated[int, Field(ge=100)]
    probe: ProbeOptions

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def evaluate_section() -> type[EvaluateBase]:
    """The class of section ``evaluate``."""
    fields: dict[str, Any] = {one.key: (one.options, ...) for one in measures() if one.options}
    return create_model("Evaluate", __base__=EvaluateBase, __doc__=EvaluateBase.__doc__, **fields)


if TYPE_CHECKING:
    Evaluate = EvaluateBase
else:
    Evaluate = evaluate_section()
