"""Section `evaluate.probe` of params.yaml. Imports pydantic alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from langspec.section import Count, Section


class ProbeOptions(Section):
    """The linear language probe.

    Attributes:
        strengths: candidate C, ascending (from strong to weak regularisation).
        max_iterations: of L-BFGS for one C and tolerance.
        tolerance: largest entry of the gradient of the mean objective (relative to the objective
            where that is below 1) that counts as converged at the C that is chosen.
    """

    strengths: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)]
    max_iterations: Count
    tolerance: Annotated[float, Field(gt=0, lt=1)]
