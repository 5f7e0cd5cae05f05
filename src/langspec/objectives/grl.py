"""Gradient reversal between the encoder and a language discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from langspec.objectives.base import MethodOptions
from langspec.objectives.matched_control import Control
from langspec.objectives.schedules import strength_at
from langspec.objectives.unlearning import UnlearningOptions
from langspec.search import ALL, Search
from langspec.section import Count, Decides

if TYPE_CHECKING:
    import torch


class GrlOptions(UnlearningOptions):
    """Section ``train.methods.grl``; its lambda path holds further lambdas that are trained."""

    # lambda
    strength: Annotated[
        float, Field(ge=0), Search(0.01, 10.0, log=True, paper=(0.1, 0.3, 0.5, 0.7))
    ]
    path: list[Annotated[float, Field(ge=0)]]  # further lambdas that are trained
    path_seeds: Annotated[Count, Decides.RUNS]  # how many of train.seeds each of them has
    schedule: Annotated[Literal["constant", "linear", "dann", "cosine"], Search(choices=ALL)]
    warmup: Annotated[float, Field(ge=0, lt=1), Search(0.0, 0.5)]  # share of the steps at lambda 0

    @model_validator(mode="after")
    def _path(self) -> Self:
        if len({*self.path, self.strength}) <= len(self.path):
            raise ValueError(
                f"path: found {self.path}, expected strengths that differ, and none "
                f"that is {self.strength:g}, which is trained anyway"
            )
        for task, override in self.overrides.items():
            if override.strength in self.path:
                raise ValueError(
                    f"path: found {self.path}, but {override.strength:g} is trained on {task} "
                    f"anyway (overrides.{task}.strength); take it out of the path"
                )
        return self


class GradientReversal(Control):
    """Gradient reversal (``lang_grad_rev`` of Tanti et al. 2021; Ganin and Lempitsky 2015).

    The encoder gets the gradient ``g_task - lambda g_language``. The discriminator gets its whole
    gradient, without lambda.
    """

    name: ClassVar[str] = "grl"
    off: ClassVar[Mapping[str, Any]] = {"strength": 0.0}
    Options: ClassVar[type[MethodOptions]] = GrlOptions

    def seen_by_adversary(self, vectors: torch.Tensor, progress: float) -> torch.Tensor:
        """The vectors; the gradient that flows back through them is reversed.

        It is multiplied by ``-lambda``, the lambda of the schedule at ``progress``.
        """
        from langspec.modelling.reversal import reverse_gradient

        chosen = self.options
        self.strength = strength_at(
            progress, strength=chosen.strength, schedule=chosen.schedule, warmup=chosen.warmup
        )
        return reverse_gradient(vectors, self.strength)

    def combine(self, task: torch.Tensor, language: torch.Tensor) -> torch.Tensor:
        """The sum of both terms; lambda acts in the backward pass alone."""
        return task + language

    def _log(self, *arguments: Any) -> None:
        super()._log(*arguments)
        arguments[-1].metrics["lambda"] = self.strength
