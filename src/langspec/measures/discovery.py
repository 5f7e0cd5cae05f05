"""Every measure of this folder, and the section of params.yaml that holds their options."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, create_model

from langspec.attackers.known_attackers import Attackers
from langspec.folder_classes import folder_classes
from langspec.measurement.probe_options import ProbeOptions
from langspec.measures.base import EVALUATE, Measure
from langspec.section import Limit, Section, Seed

if TYPE_CHECKING:
    from langspec.measurement.bootstrap import BootstrapOptions
    from langspec.measures.spec import FigureSpec, TableSpec


def measures(taker: str = EVALUATE) -> tuple[type[Measure], ...]:
    """The measures of stage evaluate, or of an audit, in the order in which they are taken."""
    return tuple(one for one in _all_measures() if taker in one.takers)


@cache
def _all_measures() -> tuple[type[Measure], ...]:
    classes = folder_classes("langspec.measures", Measure)  # type: ignore[type-abstract]
    return tuple(sorted(classes, key=lambda one: (one.order, one.name)))


def declared() -> list[TableSpec | FigureSpec]:
    """The tables and figures that measures declare, in the order in which measures are taken."""
    shown: list[TableSpec | FigureSpec] = []
    for one in measures():
        shown += [*one.tables, *one.figures]
    return shown


class EvaluateBase(Section):
    """Section ``evaluate``: options that all measures share, and a section for each measure.

    Attributes:
        seed: of everything that an evaluation draws.
        bootstrap: number of resamples of an interval.
        probe: of every linear probe.
        attackers: of every non-linear one.
        random_lines: lines of language text that the encoder with random weights is measured on,
            the same in all languages; None: all.
    """

    seed: Seed
    bootstrap: Annotated[int, Field(ge=100)]
    probe: ProbeOptions
    attackers: Attackers
    random_lines: Limit

    @property
    def bootstrap_options(self) -> BootstrapOptions:
        """The options of the bootstrap of every interval: ``bootstrap`` and ``seed``."""
        from langspec.measurement.bootstrap import BootstrapOptions

        return BootstrapOptions(resamples=self.bootstrap, seed=self.seed)

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
