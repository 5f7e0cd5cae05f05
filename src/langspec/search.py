"""What a sweep may try of a parameter, declared beside its type in a section of params.yaml.

``Annotated[Rate, Search(1e-6, 3e-3, log=True)]``: pydantic carries it as metadata of the field,
and :mod:`langspec.tuning.space` collects it. Nothing here is read by a stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ALL: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Search:
    """Where a parameter is looked for.

    Attributes:
        low: smallest value; None, with no ``choices``: only the published grid has the parameter.
        high: largest value.
        log: evenly over orders of magnitude.
        choices: a list in the place of a range; ``ALL``: whatever the type allows.
        paper: the grid of Tanti et al. 2021, or the name of the parameter whose value it shares.
        when: only where a value beside it (its name) is one of these.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] | None = None
    paper: tuple[Any, ...] | str | None = None
    when: tuple[str, tuple[Any, ...]] | None = None
