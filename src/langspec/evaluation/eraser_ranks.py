"""Ranks of erasers that the width of the encoder does not allow, before anything is encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langspec.config import Config
from langspec.errors import LangspecError
from langspec.evaluation.work import shape_of
from langspec.measures.base import Shape
from langspec.paths import Paths

if TYPE_CHECKING:
    from langspec.tasks import Task


def checked_shape(config: Config, paths: Paths, task: Task) -> Shape:
    """How much an evaluation of a task measures, of an encoder that leaves its erasers room."""
    shape = shape_of(config, paths, task)
    check_ranks(config, shape.hidden)
    return shape


def check_ranks(config: Config, width: int) -> None:
    """Refuse an eraser that would leave nothing, which the evaluation itself finds out late."""
    for name in config.evaluate.erasers.run:
        kind = name.removesuffix("_oracle")
        rank = getattr(getattr(config.evaluate.erasers, kind, None), "rank", None)
        # LSAR removes at most one direction less than there are languages.
        most = len(config.corpora.languages) - 1 if kind == "lsar" else rank
        if rank is not None and min(rank, most) >= width:
            raise LangspecError(
                f"found {rank}, expected less than the encoder's {width} dimensions",
                place=f"evaluate.erasers.{kind}.rank",
            )
