"""The section ``tracking`` of ``params.yaml``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from langspec.section import Count, Section

Seconds = Annotated[float, Field(gt=0)]


class Tracking(Section):
    """Where MLflow's runs are stored, and how often they are written to.

    Attributes:
        uri: the tracking store; null: a sqlite file in the main checkout.
        flush_points: metrics that wait in a buffer before they are sent.
        flush_seconds: how long they wait at most.
        system_seconds: how often the machine's load is sampled; null: never.
    """

    uri: str | None
    flush_points: Count
    flush_seconds: Seconds
    system_seconds: Seconds | None


WITHOUT_PROJECT = Tracking(uri=None, flush_points=500, flush_seconds=10.0, system_seconds=None)
"""The settings of commands and programs that read no ``params.yaml``."""
