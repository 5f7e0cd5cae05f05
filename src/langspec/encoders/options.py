"""The recipe of the encoder that is pre-trained here; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PretrainOptions:
    """How a tiny multilingual BERT is pre-trained on the demo's text.

    Attributes:
        seed: of weights, batches, masks and replacements.
        steps: optimiser steps; the budget.
        batch_tokens: pieces a step, padding included.
        lr: peak learning rate of AdamW; linear warm-up, then linear to 0.
        warmup: share of the steps that warm up.
        mask: share of the pieces that are predicted (80 % masked, 10 % random, 10 % kept).
        vocabulary: WordPiece entries, special tokens included.
        hidden: width; the feed-forward layer is four times as wide.
        layers: transformer layers.
        heads: attention heads.
        tlm: share of the batches that are translation pairs (TLM, Lample & Conneau 2019).
        pairs: share that are unlabelled premise-hypothesis pairs of one language. The rest are
            single sentences.
        code_switch: probability that a word of a single sentence that is in the dictionary is
            said in another language.
        restart_positions: the second text of a pair counts its positions from 0.
        max_tokens: longest row, special tokens included; longer ones are cut.
    """

    seed: int
    steps: int
    batch_tokens: int
    lr: float
    warmup: float
    mask: float
    vocabulary: int
    hidden: int
    layers: int
    heads: int
    tlm: float
    pairs: float
    code_switch: float
    restart_positions: bool
    max_tokens: int
