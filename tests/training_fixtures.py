"""A task that a one-layer encoder can learn: the label of a token is its piece."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from transformers import BertConfig, BertModel

from langspec import presets
from langspec.config import parse_config, parse_yaml, set_values
from langspec.encoders.inputs import Inputs
from langspec.modelling.model import EncoderWithHeads, LinearHead
from langspec.tasks.task import TaskData
from langspec.training.language import LanguageData
from langspec.training.train_section import Recipe
from langspec.training.watch import WatchOptions

CLASSES = 3


def token_data(rows: int, seed: int = 0, unit: str = "token") -> TaskData:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 9, rows)
    starts = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    ids = rng.integers(4, 4 + CLASSES, starts[-1]).astype(np.int32)
    columns = (np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)).astype(np.int32)
    inputs = Inputs(ids, starts, np.zeros(len(ids), np.int8), columns, starts, columns)
    labels = (ids - 4).astype(np.int64)
    return TaskData(
        inputs=inputs,
        labels=labels if unit == "token" else labels[starts[:-1]],
        items=np.arange(rows, dtype=np.int32),
        languages=np.asarray(["en"] * rows),
        unit=unit,
        pad_id=0,
    )


def tiny_model(
    seed: int = 0, unit: str = "token", dropout: float = 0.1, layers: int = 1
) -> EncoderWithHeads:
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=16,
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    encoder = BertModel(config, add_pooling_layer=False)
    head = LinearHead(16, CLASSES, dropout=dropout, init=0.1)
    return EncoderWithHeads(encoder, {"task": head}, unit=unit, pooling="mean")


def options(**changes) -> Recipe:
    values = {
        "epochs": 2,
        "encoder_lr": 3e-3,
        "head_lr": 1e-2,
        "batch_tokens": 48,
        "weight_decay": 0.01,
        "warmup": 0.1,
        "clip": 1.0,
        "seed": 1,
        "checkpoint_steps": 3,
        "schedule": "linear",
        "batch_rows": None,
        "language": "tokens",
        "head_init": 0.02,
    }
    return Recipe(**(values | changes))


def language_data(rows: int, languages: int = 3, seed: int = 5, special: int = 3) -> LanguageData:
    """Rows of made-up languages: each prefers a piece of its own."""
    data = token_data(rows, seed)
    inputs = data.inputs
    labels = np.arange(rows) % languages
    own = np.repeat(labels, inputs.lengths)
    rng = np.random.default_rng(seed + 1)
    ids = np.where(rng.random(len(own)) < 0.5, 8 + own, inputs.ids).astype(np.int32)
    return LanguageData(
        inputs=replace(inputs, ids=ids),
        labels=labels.astype(np.int64),
        languages=tuple(f"l{i}" for i in range(languages)),
        pad_id=0,
        mask_id=special,
        special_ids=(0, special),
    )


_DEMO = parse_yaml(presets.preset_text("demo"))


def method_options(method: str, *changes: str):
    """The demo's section of a method, with ``key=value`` changes."""
    assignments = [f"train.methods.{method}.{change}" for change in changes]
    return getattr(parse_config(set_values(_DEMO, assignments)).train.methods, method)


def watch_options(**changes) -> WatchOptions:
    """The section train.watch of the demo, with changes."""
    return parse_config(_DEMO).train.watch.model_copy(update=changes)
