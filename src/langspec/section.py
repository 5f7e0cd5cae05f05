"""What a section of ``params.yaml`` is built from.

A section is declared beside the code that it steers. Importing this module imports pydantic alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=1 << 32)]
"""NumPy and scikit-learn take no larger one."""
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Text = Annotated[str, Field(min_length=1)]


def _folder_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", value):
        raise ValueError(
            "expected at most 100 letters, digits, '.', '_' and '-', of which the first is a "
            "letter, a digit or '_'"
        )
    return value


Name = Annotated[str, AfterValidator(_folder_name)]
"""The name of a folder: never '.', '..' or a hidden one, so only the run's own is replaced."""
Limit = Count | None


class Section(BaseModel):
    """A part of ``params.yaml``: frozen, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Decides(Enum):
    """What a value decides that is not part of every result; marks its field as ``Annotated``."""

    NOTHING = "where and when it is computed, or another stage's results"
    RUNS = "which runs there are and what they are called, not what one of them gives"


def deciding(section: Section, *others: Decides) -> dict[str, Any]:
    """JSON-able values that a result depends on.

    Args:
        section: of ``params.yaml``, or all of it.
        others: marks of fields that are left out beside :attr:`Decides.NOTHING`.
    """
    left_out = {Decides.NOTHING, *others}
    return section.model_dump(mode="json", exclude=_marked(section, left_out))


def _marked(section: Section, marks: set[Decides]) -> Any:
    """The fields that carry one of the marks, as pydantic's ``exclude`` has them."""
    marked: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if marks.intersection(mark for mark in field.metadata if isinstance(mark, Decides)):
            marked[name] = True
        elif isinstance(value, Section) and (below := _marked(value, marks)):
            marked[name] = below
    return marked


def unique(key: str, values: Sequence[Any]) -> None:
    """Refuse a list that says a value twice.

    Raises:
        ValueError: it does; the message names the first such value.
    """
    twice = [value for index, value in enumerate(values) if value in values[:index]]
    if twice:
        raise ValueError(f"{key} lists {twice[0]!r} twice; remove one")


def flatten(section: Section | Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys and plain values, lists kept whole."""
    values = section.model_dump() if isinstance(section, Section) else section
    flat: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, dict):
            flat.update(flatten(value, path))
        else:
            flat[path] = value
    return flat
