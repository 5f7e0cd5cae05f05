"""A head on the encoder without training it: features are encoded once."""

from __future__ import annotations

from typing import Annotated, ClassVar

from langspec.objectives.base import MethodOptions
from langspec.objectives.finetune import Finetune
from langspec.search import Search
from langspec.section import Count, Rate


class FrozenOptions(MethodOptions):
    """Section ``train.methods.frozen``.

    Attributes:
        epochs: number of epochs.
        head_lr: learning rate.
        batch_tokens: tokens a step.
    """

    not_searched: ClassVar[tuple[str, ...]] = ("encoder_lr",)

    epochs: Count
    head_lr: Annotated[Rate, Search(1e-4, 1e-1, log=True, paper=(1e-1, 1e-2, 1e-3, 1e-4))]
    batch_tokens: Count  # a head alone is cheap: larger batches waste less of its time


class Frozen(Finetune):
    """Training of a head alone on the task loss; no gradient flows back to the encoder."""

    name: ClassVar[str] = "frozen"
    Options: ClassVar[type[MethodOptions]] = FrozenOptions
    trains_encoder: ClassVar[bool] = False
