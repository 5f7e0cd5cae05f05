"""Sections ``tune`` and ``adopted`` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from langspec.objectives import MethodName
from langspec.section import Count, Limit, Natural, Section, Seed, Share, Text


class Bounds(Section):
    """What rule ``least_leak`` asks of a trial beside its leak; no bound reads target labels."""

    source_loss: Share  # accuracy on dev rows of the source language, below the reference's
    drift: Annotated[float, Field(gt=0)]  # times the reference's dev_drift, at most


class Tune(Section):
    """What one trial of a sweep is, and how it is scored; stage tune runs this sweep."""

    trials: Natural  # 0: the stage does nothing
    task: Text
    method: MethodName
    space: Literal["default", "paper", "grid"]
    # of space grid: values by parameter; several names, with a space between, vary together
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]]
    seed: Seed  # of the sampler
    startup: Natural  # trials drawn at random before the sampler looks at scores
    train_seed: Seed  # of every trial's training
    epochs: Limit  # null: as the method
    rows: Limit  # of the source's train set, drawn by train_seed; null: all
    rungs: Count  # times that a trial is measured, evenly over its steps; it may be pruned at each
    selection: Literal["source_dev", "mean_dev"]  # languages of dev_macro_f1
    penalty: Annotated[float, Field(ge=0)]  # score = dev_macro_f1 - penalty x dev_leak
    rule: Literal["score", "least_leak"]  # what the best trial is
    bounds: Bounds
    pareto: bool  # two aims, no score; no trial is pruned then
    tokens_per_language: Annotated[int, Field(ge=20)]  # of text, that a trial's probe reads


class Adopted(Section):
    """The trial that ``langspec adopt`` took a method's values on a task from."""

    study: Text
    trial: Natural
    front: Natural | None  # its row in front.csv, where it was chosen by that
    values: dict[str, Any]  # by their keys; void as soon as a training had another value
