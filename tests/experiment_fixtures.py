"""Prepared corpora and an encoder, small enough to train on in a second."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from encoder_shapes import publish
from langspec import presets
from langspec.config import Config, parse_config, parse_yaml, set_values
from langspec.corpora.tables import SCHEMAS, write_table
from langspec.paths import paths_of

WORDS = {"en": ["the", "cats", "cat", "sleep"], "de": ["cat", "cats"], "ru": ["猫", "睡", "了"]}
TAGS = {"the": "DET", "cats": "NOUN", "cat": "NOUN", "猫": "NOUN"}
SPLITS = {"train": 24, "dev": 8, "test": 6, "adversary": 12}


def prepared(folder: Path) -> tuple[Path, Path]:
    """Write corpora (pos and text in three languages) and an encoder; their two folders."""
    rng = np.random.default_rng(0)
    pos, text = [], []
    for language, words in WORDS.items():
        for split, count in SPLITS.items():
            for row in range(count):
                chosen = [str(word) for word in rng.choice(words, 4)]
                line = row + 100 * list(SPLITS).index(split)
                text.append({"language": language, "line": line, "split": split,
                             "text": " ".join([*chosen, "."])})  # fmt: skip
                if split != "adversary" and (split != "train" or language == "en"):
                    pos.append({"id": f"{language}-{split}-{row}", "language": language,
                                "treebank": "made up", "split": split, "words": chosen,
                                "labels": [TAGS.get(word, "VERB") for word in chosen],
                                "space_after": [True] * 4})  # fmt: skip
    corpora = folder / "corpora"
    corpora.mkdir(parents=True)
    for name, rows in (("pos", pos), ("text", text)):
        rows.sort(key=lambda row: (row["language"], row["split"]))
        write_table(corpora / f"{name}.parquet", rows, SCHEMAS[name])
    return corpora, publish(folder / "encoder", "bert")


def small_config(*changes: str) -> Config:
    """The demo on these corpora, with ``key=value`` changes."""
    base = ["corpora.targets=[de, ru]", "encoder.max_tokens=28", "train.seeds=[1]",
            "train.run=[frozen, finetune]", "train.also.run=[]",
            "train.pos.epochs=2", "train.pos.batch_tokens=48", "train.watch.target_rows=4",
            "tune.trials=1", "tune.method=finetune", "tune.train_seed=1", "tune.epochs=null",
            "tune.rows=null", "tune.selection=mean_dev", "tune.rungs=1",
            "tune.tokens_per_language=40"]  # fmt: skip
    values = set_values(parse_yaml(presets.preset_text("demo")), base)
    return parse_config(set_values(values, list(changes)))


def ready_to_train(root: Path, *changes: str) -> Config:
    """Write corpora and an encoder where a project in ``root`` has them; its configuration."""
    from langspec.stages import encoder

    corpora, published = prepared(root / "made")
    config = small_config(*changes, "encoder.kind=folder", f"encoder.folder={published}")
    shutil.copytree(corpora, paths_of(config, root).corpora)
    encoder.run(config, root)
    return config
