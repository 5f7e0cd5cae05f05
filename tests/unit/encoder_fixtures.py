"""A small made-up corpus in the files that pre-training reads."""

from __future__ import annotations

import json
import random
from pathlib import Path

from langspec.encoders.recipe import EncoderSection, Pretrain

CONCEPTS = {  # concept -> forms in es, it, tr (made up; no two languages share a form)
    "dog.n": (["dogo", "dogos"], ["kane", "kani"], ["itti", "ittiler"]),
    "cat.n": (["kato", "katos"], ["gatt", "gatti"], ["keddi", "keddiler"]),
    "tree.n": (["trea", "treas"], ["albr", "albri"], ["agach", "agachlar"]),
    "see.v": (["sees"], ["vide"], ["goryor"]),
    "eat.v": (["eats"], ["manja"], ["yiyor"]),
    "big.a": (["bigo"], ["grando"], ["buyuk"]),
}
LANGUAGES = ("es", "it", "tr")
GRAMMAR = {"es": "the", "it": "il", "tr": "bir"}


RECIPE = Pretrain(
    text="tiny",
    seed=1,
    steps=30,
    batch_tokens=256,
    lr=3e-3,
    warmup=0.1,
    mask=0.2,
    vocabulary=200,
    hidden=32,
    layers=2,
    heads=2,
    tlm=0.4,
    pairs=0.3,
    code_switch=0.4,
    restart_positions=True,
)


def options(*, max_tokens: int = 40, **recipe: object) -> EncoderSection:
    """A section of kind ``demo`` with another recipe (unchecked: its vocabulary is tiny)."""
    return EncoderSection(
        kind="demo",
        name="tiny",
        folder=None,
        repo=None,
        revision=None,
        prefix="",
        pooling="mean",
        max_tokens=max_tokens,
        pretrain=RECIPE.model_copy(update={"vocabulary": 120} | recipe),
    )


def write_pretraining_text(folder: Path, lines: int = 60) -> Path:
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
    folder.mkdir(parents=True, exist_ok=True)
    for name, items in (("sentences", rows), ("pairs", pairs)):
        lines = "".join(json.dumps(item) + "\n" for item in items)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    forms = "".join(
        f"{concept}\t{code}\t{form}\t{rank}\n"
        for concept, forms in sorted(CONCEPTS.items())
        for code, words in zip(LANGUAGES, forms, strict=True)
        for rank, form in enumerate(words)
    )
    header = "concept\tlanguage\tform\trank\n"
    (folder / "dictionary.tsv").write_text(header + forms, encoding="utf-8")
    return folder
