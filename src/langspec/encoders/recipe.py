"""The section ``encoder`` of ``params.yaml``: which encoder a run starts from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from langspec.errors import LangspecError
from langspec.section import Count, Name, Rate, Section, Seed, Share


class Pretrain(Section):
    """How the demo's multilingual BERT is pre-trained.

    Attributes:
        text: the data set that langspec brings, whose text is read.
        seed: of weights, batches, masks and replacements.
        steps: optimiser steps; the budget.
        batch_tokens: tokens a step, padding included.
        lr: peak learning rate of AdamW; linear warm-up, then linear to 0.
        warmup: share of the steps that warm up.
        mask: share of the tokens that are predicted (80 % masked, 10 % random, 10 % unchanged).
        vocabulary: WordPiece entries, special tokens included.
        hidden: width; the feed-forward layer is four times as wide.
        layers: transformer layers.
        heads: attention heads.
        tlm: share of the batches that are translation pairs (TLM, Lample & Conneau 2019).
        pairs: share that are unlabelled premise-hypothesis pairs of one language. The rest are
            single sentences.
        code_switch: probability that a word of a single sentence that is in the dictionary is
            replaced by its translation.
        restart_positions: the second text of a pair counts its positions from 0.
    """

    text: Literal["demo", "tiny"]
    seed: Seed
    steps: Count
    batch_tokens: Count
    lr: Rate
    warmup: Share
    mask: Annotated[float, Field(gt=0, lt=1)]
    vocabulary: Annotated[int, Field(ge=200, le=20000)]
    hidden: Count
    layers: Count
    heads: Count
    tlm: Share
    pairs: Share
    code_switch: Share
    restart_positions: bool

    @model_validator(mode="after")
    def _shapes(self) -> Pretrain:
        if self.hidden % self.heads:
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of heads ({self.heads})")
        if self.tlm + self.pairs > 1:
            raise ValueError("tlm + pairs must be at most 1; the rest is code-switched sentences")
        return self


class EncoderSection(Section):
    """The starting encoder."""

    kind: Literal["demo", "e5", "folder", "hub"]
    name: Name
    folder: str | None
    repo: str | None
    revision: str | None
    prefix: str | None  # null: that of the folder
    pooling: Literal["mean", "cls", "compat"] | None
    max_tokens: Annotated[int, Field(ge=8, le=8192)]
    pretrain: Pretrain

    @model_validator(mode="after")
    def _folder(self) -> EncoderSection:
        if (self.kind == "folder") != (self.folder is not None):
            raise ValueError("folder is set exactly when kind is folder; set both or neither")
        if {self.kind == "hub"} != {self.repo is not None, self.revision is not None}:
            raise ValueError("repo and revision are set exactly when kind is hub; set all or none")
        if self.kind not in ("folder", "hub") and self.pooling == "compat":
            raise ValueError(
                f"pooling compat reads a checkpoint's own pooler, and kind {self.kind} has none; "
                "use mean or cls, or a folder"
            )
        return self

    def recipe(self) -> dict[str, Any]:
        """What the card of an encoder that was pre-trained here says of how it was made."""
        return self.pretrain.model_dump(exclude={"text"}) | {"max_tokens": self.max_tokens}


def check_feature_layer(layer: int, layers: int) -> None:
    """Refuse a layer that the encoder does not have.

    Args:
        layer: that the task's head reads, 0 the embeddings; negative ones count from the last.
        layers: of the encoder, over its embeddings.

    Raises:
        LangspecError: no such layer.
    """
    if not -(layers + 1) <= layer <= layers:
        raise LangspecError(
            f"found {layer}, expected -{layers + 1} to {layers}: the encoder has {layers} layers "
            "over its embeddings",
            place="train.feature_layer",
        )
