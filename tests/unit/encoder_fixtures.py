"""A small made-up bilingual corpus in the tables that pre-training reads."""

from __future__ import annotations

import random
from pathlib import Path

from langspec.corpora.tables import DICTIONARY, PRETRAIN, PRETRAIN_PAIRS, write_table
from langspec.encoders.options import PretrainOptions

CONCEPTS = {  # concept -> forms in xa, xb, xc (made up; no two languages share a form)
    "dog.n": (["dogo", "dogos"], ["kane", "kani"], ["itti", "ittiler"]),
    "cat.n": (["kato", "katos"], ["gatt", "gatti"], ["keddi", "keddiler"]),
    "tree.n": (["trea", "treas"], ["albr", "albri"], ["agach", "agachlar"]),
    "see.v": (["sees"], ["vide"], ["goryor"]),
    "eat.v": (["eats"], ["manja"], ["yiyor"]),
    "big.a": (["bigo"], ["grando"], ["buyuk"]),
}
LANGUAGES = ("xa", "xb", "xc")
GRAMMAR = {"xa": "the", "xb": "il", "xc": "bir"}


def options(**changes: object) -> PretrainOptions:
    values: dict = {
        "seed": 1,
        "steps": 30,
        "batch_tokens": 256,
        "lr": 3e-3,
        "warmup": 0.1,
        "mask": 0.2,
        "vocabulary": 120,
        "hidden": 32,
        "layers": 2,
        "heads": 2,
        "tlm": 0.4,
        "pairs": 0.3,
        "code_switch": 0.4,
        "restart_positions": True,
        "max_tokens": 40,
    }
    return PretrainOptions(**(values | changes))


def write_corpora(folder: Path, lines: int = 60) -> Path:
    rng = random.Random(0)
    nouns = [name for name in CONCEPTS if name.endswith(".n")]
    verbs = [name for name in CONCEPTS if name.endswith(".v")]
    rows, pairs = [], []
    for line in range(lines):
        meaning = [None, rng.choice(nouns), rng.choice(verbs), None, "big.a", rng.choice(nouns)]
        for i, code in enumerate(LANGUAGES):
            words = [
                GRAMMAR[code] if concept is None else rng.choice(CONCEPTS[concept][i])
                for concept in meaning
            ]
            words[0] = words[0].capitalize()
            rows.append(
                {
                    "line": line,
                    "language": code,
                    "words": [*words, "."],
                    "concepts": [*meaning, None],
                    "space_after": [True] * (len(words) - 1) + [False, False],
                }
            )
            text = " ".join(words) + "."
            pairs.append({"line": line, "language": code, "premise": text, "hypothesis": text})
    key = lambda row: (row["language"], row["line"])  # noqa: E731
    write_table(folder / "pretrain.parquet", sorted(rows, key=key), PRETRAIN)
    write_table(folder / "pretrain_pairs.parquet", sorted(pairs, key=key), PRETRAIN_PAIRS)
    write_table(
        folder / "dictionary.parquet",
        [
            {"concept": concept, "language": code, "form": form, "rank": rank}
            for concept, forms in sorted(CONCEPTS.items())
            for code, words in zip(LANGUAGES, forms, strict=True)
            for rank, form in enumerate(words)
        ],
        DICTIONARY,
    )
    return folder
