"""Section ``train`` of params.yaml, and the recipe of one training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from langspec.objectives import MethodName, sections
from langspec.precedence import effective
from langspec.search import Search
from langspec.section import (
    Count,
    Decides,
    Limit,
    Rate,
    Section,
    Seed,
    Share,
    Text,
    unique,
)
from langspec.training.selection import RuleName
from langspec.training.watch import WatchOptions

if TYPE_CHECKING:
    Methods = Any
else:
    Methods = sections()


class TaskTraining(Section):
    """Per task: how long, how fast."""

    epochs: Count
    encoder_lr: Annotated[Rate, Search(1e-6, 3e-3, log=True, paper=(1e-3, 1e-4, 1e-5, 1e-6))]
    head_lr: Annotated[Rate, Search(1e-4, 1e-1, log=True, paper=(1e-1, 1e-2, 1e-3, 1e-4))]
    batch_tokens: Count  # pieces a step over all processes, padding included
    # rows a step instead, drawn whatever their length
    batch_rows: Annotated[Limit, Search(paper=(16, 32, 64))]


class BatchOptions(Section):
    """What is equal between the task rows and the language rows of a step."""

    language: Literal["tokens", "rows"]


class AlsoTrained(Section):
    """Methods that are trained on some tasks alone."""

    tasks: list[Text]
    run: list[MethodName]


class Train(Section):
    """Fine-tuning. A task of one's own has a section too; ``null`` there: as ``default``."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    __pydantic_extra__: dict[str, TaskTraining]

    tasks: Annotated[list[Text], Field(min_length=1), Decides.RUNS]
    run: Annotated[list[MethodName], Field(min_length=1), Decides.RUNS]
    also: Annotated[AlsoTrained, Decides.RUNS]
    seeds: Annotated[list[Seed], Field(min_length=1), Decides.RUNS]
    more_seeds: Annotated[dict[MethodName, list[Seed]], Decides.RUNS]  # by method, after seeds
    selection: RuleName
    feature_layer: int
    dropout: Annotated[float, Field(ge=0, lt=1)]
    head_init: Annotated[float, Field(gt=0, le=1), Search(paper=(1e-1, 1e-2, 1e-3))]
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    warmup: Share
    schedule: Literal["linear", "constant"]
    accumulate: Count  # parts of a step's rows whose activations are kept one at a time
    clip: Annotated[float, Field(gt=0)] | None
    checkpoint_steps: Annotated[Count, Decides.NOTHING]
    default: TaskTraining
    batch: BatchOptions
    language_split: Literal["adversary", "train"]  # split of the language text that methods read
    watch: WatchOptions
    pos: TaskTraining
    nli: TaskTraining
    methods: Methods

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        default = values.get("default")
        return {
            key: default if value is None and key not in cls.model_fields else value
            for key, value in values.items()
        }

    @model_validator(mode="after")
    def _unique(self) -> Train:
        for key in ("tasks", "run", "seeds"):
            unique(key, getattr(self, key))
        unique("run and also.run", self.all_methods)
        for method in self.more_seeds:
            unique(f"more_seeds.{method} after seeds", self.seeds_of(method))
        return self

    def methods_of(self, task: str) -> list[str]:
        """The methods that are trained on a task."""
        return [*self.run, *(self.also.run if task in self.also.tasks else [])]

    @property
    def all_methods(self) -> list[str]:
        """The methods that are trained on any task."""
        return [*self.run, *self.also.run]

    def seeds_of(self, method: str) -> list[int]:
        """The seeds that a method is trained with."""
        return [*self.seeds, *self.more_seeds.get(method, [])]


@dataclass(frozen=True)
class Recipe:
    """How long and how fast one training goes, and how often it is saved.

    Attributes:
        epochs: number of passes over the task's rows.
        encoder_lr: peak learning rate of the encoder.
        head_lr: peak learning rate of the task's head.
        batch_tokens: tokens of a step over all processes, padding included.
        batch_rows: rows of a step over all processes instead; None: ``batch_tokens`` counts.
        weight_decay: of AdamW.
        warmup: share of the steps in which learning rates rise.
        schedule: of the learning rates after it: ``linear`` or ``constant``.
        clip: largest gradient norm; None: none.
        checkpoint_steps: steps between two checkpoints.
        language: what a step has as many of in language rows as in task rows: ``tokens`` or
            ``rows``.
        head_init: standard deviation of a head's first weights.
        seed: of the training.
    """

    epochs: int
    encoder_lr: float
    head_lr: float
    batch_tokens: int
    batch_rows: int | None
    weight_decay: float
    warmup: float
    schedule: str
    clip: float | None
    checkpoint_steps: int
    language: str
    head_init: float
    seed: int


def recipe_of(train: Train, task: str, method: str, seed: int) -> Recipe:
    """The recipe of a method on a task."""
    chosen = ("epochs", "encoder_lr", "head_lr", "batch_tokens", "batch_rows", "head_init")
    return Recipe(
        **{name: effective(train, task, method, name) for name in chosen},
        weight_decay=train.weight_decay,
        warmup=train.warmup,
        schedule=train.schedule,
        clip=train.clip,
        checkpoint_steps=train.checkpoint_steps,
        language=train.batch.language,
        seed=seed,
    )
