"""Every eraser of this folder, and the section of params.yaml that holds their options."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import create_model, field_validator, model_validator

from langspec.attackers.known_attackers import ATTACKERS
from langspec.erasure.base import Eraser
from langspec.errors import LangspecError
from langspec.folder_classes import folder_classes
from langspec.measurement.probe_options import ProbeOptions
from langspec.section import Limit, Natural, Section, unique


@cache
def eraser_classes() -> dict[str, type[Eraser]]:
    """The classes of all erasers, by the names by which ``evaluate.erasers.run`` asks for them."""
    classes = folder_classes("langspec.erasure", Eraser)  # type: ignore[type-abstract]
    return {name: one for one in classes for name in one.names()}


ERASERS = tuple(eraser_classes())
"""The names of all erasers."""
ONE_MAP = tuple(name for name, one in eraser_classes().items() if not one.by_language)
"""The names of those that treat every language alike."""


class ErasureControls(Section):
    """Section ``controls``: random subspaces that are removed beside each eraser's.

    Attributes:
        draws: number of random subspaces of each size; 0: none are removed.
    """

    draws: Natural

    @field_validator("draws")
    @classmethod
    def _spread(cls, draws: int) -> int:
        if draws == 1:
            raise ValueError("1 random subspace has no spread; expected 0 or at least 2")
        return draws


class ErasersBase(Section):
    """Section ``evaluate.erasers``: which erasers are measured, and on what.

    Attributes:
        attackers: non-linear attackers that read vectors of the layer that the task's head reads,
            as they are and behind each eraser, of the first seed of each method; their options:
            ``evaluate.attackers``.
        attack_train: training vectors at most of each language that they read; None: all.
        run: names of the erasers.
        of: methods whose trained encoders they are fitted on.
        layers: ``all``, or ``head``: the one layer that the task's head reads.
        anchor: ``source``: erasing leaves the mean of the source language where it is; ``all``:
            the mean of all vectors.
        controls: removal of as much of anything.
        judge: the evaluation probe of erasers that work step by step: after each step it is fitted
            anew, and where it reads no more than the most frequent language the steps end.
    """

    attackers: list[str]
    attack_train: Limit
    run: list[str]
    of: list[Literal["frozen", "finetune"]]
    layers: Literal["all", "head"]
    anchor: Literal["source", "all"]
    controls: ErasureControls
    judge: ProbeOptions

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    @model_validator(mode="after")
    def _unique(self) -> ErasersBase:
        for key in ("attackers", "run", "of"):
            unique(key, getattr(self, key))
        return self

    def maker(self, source: str) -> Callable[[str], Eraser]:
        """A function that makes an unfitted eraser by its name.

        ``source`` is the code of the source language.
        """

        def make(name: str) -> Eraser:
            return make_eraser(name, self, anchor=source if self.anchor == "source" else None)

        return make


def erasers_section() -> type[ErasersBase]:
    """The class of section ``evaluate.erasers``: a section of each eraser that has options."""
    fields: dict[str, Any] = {
        one.name: (one.section, ...) for one in eraser_classes().values() if one.section
    }
    fields["attackers"] = (list[Literal[ATTACKERS]], ...)  # type: ignore[valid-type]
    fields["run"] = (list[Literal[ERASERS]], ...)  # type: ignore[valid-type]
    return create_model("Erasers", __base__=ErasersBase, __doc__=ErasersBase.__doc__, **fields)


if TYPE_CHECKING:
    Erasers = ErasersBase
else:
    Erasers = erasers_section()


def check_eraser(name: str, *, place: str) -> None:
    """Refuse a name that no eraser has.

    Raises:
        LangspecError: no such eraser.
    """
    if name not in ERASERS:
        raise LangspecError(
            f"unknown eraser {name!r}; expected one of {', '.join(ERASERS)}", place=place
        )


def make_eraser(name: str, values: ErasersBase, *, anchor: str | None = None) -> Eraser:
    """Make an unfitted eraser.

    Args:
        name: of :data:`ERASERS`.
        values: section ``evaluate.erasers``.
        anchor: code of the language whose mean stays where it is; None: the mean of all vectors.

    Raises:
        LangspecError: no such eraser.
    """
    check_eraser(name, place="evaluate.erasers.run")
    one = eraser_classes()[name]
    made = one.make(name, getattr(values, one.name) if one.section else None, anchor)
    return made.judge_by(values.judge)
