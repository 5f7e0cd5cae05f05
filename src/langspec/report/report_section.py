"""The section ``report`` of ``params.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from langspec.section import Section


class Report(Section):
    """What is drawn, and which differences matter.

    Attributes:
        title: the page's heading.
        formats: of the figures' files; the page embeds the SVG where there is one.
        margin: of comparisons: a difference of this size would not matter, in units of the score.
    """

    title: str
    formats: Annotated[list[Literal["png", "svg"]], Field(min_length=1)]
    margin: Annotated[float, Field(gt=0, lt=1)]
