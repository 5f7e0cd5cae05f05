"""The trials of a grid: every combination of the values that ``tune.grid`` lists."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from langspec.errors import LangspecError
from langspec.tuning.best_trial import REFERENCE

_PLACE = "tune.grid"


def grid_trials(
    grid: Mapping[str, Sequence[Any]],
    known: Sequence[str],
    off: Mapping[str, Any],
    now: Mapping[str, Any],
    trained: Collection[str],
) -> list[tuple[str, dict[str, Any]]]:
    """Origin and values by name of each trial: first the references, then the combinations.

    A reference is a training without unlearning. There is one for every combination of the values
    that count without it, such as the encoder's rate. A combination that switches unlearning off
    itself is left out, since a reference is that training.

    Args:
        grid: values by the name of a parameter. A key of several names, with a space between, has
            lists of as many values, which vary together.
        known: parameters that the method has.
        off: values that switch unlearning off, by name; without any there are no references.
        now: the values of these names in params.yaml, for a grid that does not vary them.
        trained: parameters that count where unlearning is off.

    Raises:
        LangspecError: an unknown or repeated name, a list of another length than its names, a
            value twice, or no combination that unlearns.
    """
    axes = [_axis(key, values, known) for key, values in grid.items()]
    names = [name for axis in axes for name in axis[0]]
    if not names:
        raise LangspecError("found {}, expected values by parameter", place=_PLACE)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LangspecError(f"names {', '.join(twice)} twice", place=_PLACE)
    cells = [
        {**now, **{name: value for part in parts for name, value in part.items()}}
        for parts in itertools.product(*axes)
    ]
    references: list[dict[str, Any]] = []
    counted: list[dict[str, Any]] = []
    for cell in cells if off else ():
        counts = {name: value for name, value in cell.items() if name in trained}
        if counts not in counted:
            counted.append(counts)
            references.append({**cell, **off})
    if off:
        cells = [cell for cell in cells if any(cell[name] != value for name, value in off.items())]
    if not cells:
        zeros = ", ".join(f"{name} is {value:g}" for name, value in off.items())
        raise LangspecError(
            f"no combination unlearns ({zeros} in each); list another value", place=_PLACE
        )
    return [*((REFERENCE, one) for one in references), *(("grid", cell) for cell in cells)]


def _axis(key: str, values: Sequence[Any], known: Sequence[str]) -> list[dict[str, Any]]:
    """The points of one key of the grid, each as values by name."""
    names = key.split()
    place = f"{_PLACE}.{key}"
    for name in names:
        if name not in known:
            raise LangspecError(
                f"unknown parameter {name!r}; expected some of {', '.join(known)}", place=place
            )
    points = [[value] for value in values] if len(names) == 1 else list(values)
    for index, point in enumerate(points):
        if not isinstance(point, list) or len(point) != len(names):
            raise LangspecError(
                f"found {point}, expected a list of {len(names)} values, of {key}", place=place
            )
        if point in points[:index]:
            raise LangspecError(f"lists {point} twice", place=place)
    return [dict(zip(names, point, strict=True)) for point in points]
