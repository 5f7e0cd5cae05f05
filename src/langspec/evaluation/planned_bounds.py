"""Bounds that the encoder, the languages and the texts put on options of an evaluation.

A dry run refuses what the evaluation would refuse late, and says what it would lower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langspec.config import Config
from langspec.errors import LangspecError
from langspec.evaluation.work import costs, describe, shape_of
from langspec.measurement.along_curve import SHARES
from langspec.measures.base import Shape
from langspec.paths import Paths

if TYPE_CHECKING:
    from langspec.tasks import Task


def checked_plan(config: Config, paths: Paths, task: Task) -> str:
    """What an evaluation of a task would do and cost, and which options it would lower, as text.

    Raises:
        LangspecError: an option beyond its bound.
    """
    shape = shape_of(config, paths, task)
    check_ranks(config, shape.hidden)
    check_curve(config)
    text = describe(config, paths, task, costs(config, shape), shape)
    return "\n".join([text, *lowered(config, shape)])


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


def check_curve(config: Config) -> None:
    """Refuse fewer training vectors than the curve of the leak has points."""
    points = len(SHARES) + 1
    for key, most in (
        ("features.tokens.train", config.features.tokens.train),
        ("features.sentences.train", config.features.sentences.train),
        ("corpora.limits.text", config.corpora.limits.text),
    ):
        if most is not None and most < points:
            raise LangspecError(
                f"found {most}, expected at least {points}, the points of the leak's curve",
                place=key,
            )


def lowered(config: Config, shape: Shape) -> list[str]:
    """Options above what there can be points for, and what the evaluation takes in their place."""
    notes = []
    options, classes = config.evaluate.projection, shape.languages * shape.labels
    points = min(options.max_points, options.per_class * classes)
    if options.perplexity > (most := (points - 1) / 3):
        notes.append(("projection.perplexity", options.perplexity, most, "of the map"))
    geometry = config.evaluate.geometry
    others = geometry.per_class * max(shape.languages, shape.labels) - 1
    if geometry.run and geometry.neighbours > others:
        notes.append(("geometry.neighbours", geometry.neighbours, others, "of the sample"))
    return [
        f"  evaluate.{key}: {value:g} is lowered to at most {most:g}, by the points {what}"
        for key, value, most, what in notes
    ]
