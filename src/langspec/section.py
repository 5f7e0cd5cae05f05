"""What a section of ``params.yaml`` is built from.

A section is declared beside the code that it steers. Importing this module imports pydantic alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Text = Annotated[str, Field(min_length=1)]
Limit = Count | None


class Section(BaseModel):
    """A part of ``params.yaml``: frozen, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


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
