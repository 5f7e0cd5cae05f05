"""A head on the encoder as it came: features are encoded once."""

from __future__ import annotations

from typing import Annotated, ClassVar

from langspec.objectives.base import MethodOptions
from langspec.objectives.finetune import Finetune
from langspec.search import Search
from langspec.section import Count, Rate


class FrozenOptions(MethodOptions):
    """``frozen``: a head on the encoder as it came; features encoded once."""

    not_searched: ClassVar[tuple[str, ...]] = ("encoder_lr",)

    epochs: Count
    head_lr: Annotated[Rate, Search(1e-4, 1e-1, log=True, paper=(1e-1, 1e-2, 1e-3, 1e-4))]
    batch_tokens: Count  # a head alone is cheap: larger batches waste less of its time


class Frozen(Finetune):
    """The same loss with a head alone: the encoder never runs backward."""

    name: ClassVar[str] = "frozen"
    Options: ClassVar[type[MethodOptions]] = FrozenOptions
    trains_encoder: ClassVar[bool] = False
