"""Section `evaluate.probe` of params.yaml. Imports pydantic alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from langspec.section import Count, Section


class ProbeOptions(Section):
    """The linear language probe.

    Attributes:
        strengths: candidate C in ascending order, from strong to weak L2 regularisation.
        max_iterations: limit of L-BFGS iterations of one fit.
        tolerance: the fit with the chosen C has converged where the largest entry of the gradient
            of the mean objective is within it. Where the objective is below 1, the entry is
            divided by it.
    """

    strengths: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)]
    max_iterations: Count
    tolerance: Annotated[float, Field(gt=0, lt=1)]
