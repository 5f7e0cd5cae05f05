"""What each ingredient of the demo encoder's pre-training is worth.

Pre-trains every variant with every seed, fine-tunes it on the source language and measures it on
the others; writes one row a (variant, seed) as CSV and a table of means and ranges as Markdown:

    python benchmarks/ablate_encoder.py --workers 2

Needs the prepared demo corpora (``dvc repro corpora``) and the text for pre-training (``python -m
demo --pretrain``). Finished (variant, seed) pairs are kept
under ``.langspec/ablation`` and not run again while recipe, data and code stay the same.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared import ROOT, accuracies, code_hashes, token_leak, write_csv

from langspec.config import Config, load_config
from langspec.corpora.generated import pretraining_text
from langspec.encoders.build import parameters
from langspec.encoders.recipe import EncoderSection
from langspec.files import read_json, sha256_file, sha256_json, write_json, write_text

if TYPE_CHECKING:
    from langspec.encoders.load import Encoder
    from langspec.tasks import TaskData

RANDOM, FULL = "random", "full"
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    FULL: ("shares and sizes of `params.yaml`", {}),
    "no_tlm": ("no translation pairs; their batches are single sentences", {"tlm": 0.0}),
    "no_code_switch": ("single sentences as they are", {"code_switch": 0.0}),
    "no_restart": ("positions count through both texts of a pair", {"restart_positions": False}),
    RANDOM: ("not pre-trained: random weights, the tokenizer of `full`", {"steps": 1}),
}
METRICS = {
    "pos_targets": "POS, targets",
    "pos_source": "POS, source",
    "nli_targets": "NLI, targets",
    "nli_source": "NLI, source",
    "retrieval": "retrieval to source, top 1",
    "language_token": "language from a token",
}


def measure(encoder: Encoder, corpora: Path, config: Config, seed: int) -> dict[str, float]:
    """Everything that is asked of one encoder.

    Returns accuracies: of POS and NLI fine-tuned on the source language (test sets; mean over the
    targets, and the source itself), of finding a text line's source-language translation by the
    cosine of pooled last-layer vectors (mean over the targets), and of a linear probe that reads
    the language off last-layer token vectors. Targets also one by one, as ``pos_de``, ...
    """
    scores: dict[str, float] = {}
    for name in ("pos", "nli"):
        found = task_accuracies(encoder, corpora, config, name, seed)
        source = found.pop(config.corpora.source)
        scores |= {f"{name}_{language}": value for language, value in found.items()}
        scores[f"{name}_source"] = source
        scores[f"{name}_targets"] = sum(found.values()) / len(found)
    scores["retrieval"] = retrieval(encoder, corpora, config)
    scores["language_token"], _ = token_leak(encoder, corpora, config)
    return scores


def task_accuracies(
    encoder: Encoder, corpora: Path, config: Config, name: str, seed: int
) -> dict[str, float]:
    """Test accuracy by language after fine-tuning a copy of ``encoder`` on the source."""
    import copy

    import torch
    from accelerate import Accelerator

    from langspec.modelling.model import freeze_embeddings
    from langspec.modelling.saved import build_model
    from langspec.objectives import get_objective
    from langspec.tasks import get_task
    from langspec.training.loop import fit
    from langspec.training.scoring import predict
    from langspec.training.train_section import recipe_of

    task, train = get_task(name), config.train
    source = config.corpora.source

    def rows(split: str, languages: list[str]) -> TaskData:
        return task.data(task.rows(corpora, split, languages), encoder)

    accelerator = Accelerator(cpu=True)
    torch.manual_seed(seed)
    model = build_model(
        replace(encoder, model=copy.deepcopy(encoder.model)),
        task,
        feature_layer=train.feature_layer,
        dropout=train.dropout,
        init=train.head_init,
    )
    if train.methods.finetune.freeze_embeddings:
        freeze_embeddings(model.encoder)
    result = fit(
        model,
        get_objective("finetune"),
        rows("train", [source]),
        rows("dev", [source]),
        recipe_of(train, name, "finetune", seed),
        accelerator,
        classes=len(task.labels),
        description=f"{name} seed {seed}",
    )
    accelerator.free_memory()
    model.load_state_dict(result.tensors, strict=False)
    test = rows("test", config.corpora.languages)
    predicted = predict(model, test, config.features.batch_tokens, accelerator.device, "fp32")
    return accuracies(test, predicted)


def retrieval(encoder: Encoder, corpora: Path, config: Config) -> float:
    """Share of test lines whose nearest source-language line is their translation."""
    import numpy as np
    import torch

    from langspec.corpora.tables import read_table
    from langspec.encoders.forward import hidden_states
    from langspec.encoders.inputs import collate, length_batches, text_inputs
    from langspec.modelling.pooling import pool

    table = read_table(corpora, "text", split="test", languages=config.corpora.languages)
    inputs = text_inputs(
        encoder.tokenizer,
        table["text"].to_pylist(),
        max_tokens=encoder.card.max_tokens,
        prefix=encoder.card.prefix,
    )
    vectors = np.zeros((len(inputs), encoder.model.config.hidden_size), np.float32)
    pad = int(encoder.tokenizer.pad_token_id)
    with torch.inference_mode():
        for rows in length_batches(inputs.lengths, config.features.batch_tokens):
            batch = collate(inputs, rows, pad_id=pad)
            (hidden,) = hidden_states(encoder.model, batch, -1)
            vectors[rows] = pool(hidden, batch["attention_mask"], encoder.card.pooling).numpy()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    languages, lines = np.asarray(table["language"].to_pylist()), table["line"].to_numpy()
    source = languages == config.corpora.source
    shares = []
    for code in config.corpora.targets:
        own = languages == code
        nearest = (vectors[own] @ vectors[source].T).argmax(axis=1)
        shares.append(float((lines[source][nearest] == lines[own]).mean()))
    return sum(shares) / len(shares)


def baselines(corpora: Path, config: Config) -> dict[str, float]:
    """Mean target accuracy of each heuristic that sees no meaning, as ``task:name``."""
    import numpy as np

    from langspec.tasks import get_task
    from langspec.tasks.heuristics import heuristic_predictions

    found = {}
    for name in ("pos", "nli"):
        task = get_task(name)
        train = task.rows(corpora, "train", [config.corpora.source])
        test = task.rows(corpora, "test", config.corpora.languages)
        gold, rows = task.gold(test)
        languages = np.asarray(test["language"].to_pylist())[rows]
        for heuristic, predicted in heuristic_predictions(task, train, test).items():
            right = predicted == gold
            shares = [right[languages == code].mean() for code in config.corpora.targets]
            found[f"{name}:{heuristic}"] = float(np.mean(shares))
    return found


def run_one(variant: str, seed: int, corpora: Path, config: Config, cache: Path) -> dict[str, Any]:
    """One row: from the cache, or pre-trained and measured on one thread."""
    import torch

    torch.set_num_threads(1)
    section = variant_section(config, variant, seed)
    place = cache / f"{variant}-{seed}-{_identity(section, corpora, config)[:16]}.json"
    if place.is_file():
        row: dict[str, Any] = read_json(place)
        return row
    from langspec.encoders.load import random_encoder
    from langspec.encoders.pretrain import pretrain

    began = time.process_time()
    encoder = pretrain(pretraining_text(section.pretrain.text, ROOT), section)
    seconds = time.process_time() - began
    if variant == RANDOM:
        encoder = random_encoder(encoder, seed)
        seconds = 0.0
    scores = measure(encoder, corpora, config, seed)
    row = {"variant": variant, "seed": seed, "pretrain_cpu_seconds": round(seconds), **scores}
    write_json(place, row)
    return row


def variant_section(config: Config, variant: str, seed: int) -> EncoderSection:
    """The encoder of ``params.yaml`` with the variant's changes of its recipe."""
    _, changes = VARIANTS[variant]
    recipe = config.encoder.pretrain.model_copy(update={"seed": seed} | changes)
    return config.encoder.model_copy(update={"pretrain": recipe})


def _identity(section: EncoderSection, corpora: Path, config: Config) -> str:
    """A hash of all that a row depends on."""
    return sha256_json(
        {
            "encoder": section.model_dump(),
            "train": config.train.model_dump(),
            "evaluate": config.evaluate.model_dump(),
            "features": config.features.model_dump(),
            "data": {
                path.relative_to(corpora).as_posix(): sha256_file(path)
                for path in sorted(corpora.rglob("*.parquet"))
            },
            "code": code_hashes(),
            "this": sha256_file(Path(__file__)),
        }
    )


def table(
    rows: Sequence[dict[str, Any]],
    heuristics: dict[str, float],
    config: Config,
    made_by: str,
    params: Path = ROOT / "params.yaml",
) -> str:
    """The Markdown page: means over seeds, ranges in brackets; ``params`` has the whole recipe."""
    recipe, whole = config.encoder.pretrain, load_config(params).encoder.pretrain.steps
    cut = "" if recipe.steps == whole else f", cut to {recipe.steps:,} of its {whole:,} steps"
    seeds = sorted({row["seed"] for row in rows})
    said = (
        f"**After {recipe.steps:,} of the {whole:,} steps that the demo's encoder was trained "
        "for.** It says nothing of the whole training."
    )
    lines = [
        "# What each ingredient of the demo encoder is worth",
        "",
        *([said, ""] if cut else []),
        f"Seeds {', '.join(map(str, seeds))} of pre-training and of fine-tuning; mean "
        "[lowest-highest]. Accuracy on the demo's test sets after fine-tuning on "
        f"{config.corpora.source} alone; targets: the mean over "
        f"{', '.join(config.corpora.targets)}. Retrieval and language are read off the last layer "
        "of the encoder as pre-trained.",
        "",
        "| variant | " + " | ".join(METRICS.values()) + " |",
        "|---|" + "---|" * len(METRICS),
    ]
    for variant in VARIANTS:
        own = [row for row in rows if row["variant"] == variant]
        if own:
            cells = [_cell([row[metric] for row in own]) for metric in METRICS]
            lines.append(f"| `{variant}` | " + " | ".join(cells) + " |")
    lines += ["", "Variants:", ""]
    lines += [
        f"- `{name}`: {text}{cut if name == FULL else ''}." for name, (text, _) in VARIANTS.items()
    ]
    lines += [
        "",
        "Heuristics that see no meaning, mean over the targets: "
        + ", ".join(f"{name} {value:.3f}" for name, value in heuristics.items())
        + ".",
        "",
        f"Recipe of `full`: {parameters(config.encoder) / 1e6:.2f} M weights, "
        f"{recipe.steps} steps of {recipe.batch_tokens} pieces at {recipe.lr:g}; shares "
        f"{recipe.tlm:g} translation pairs, {recipe.pairs:g} unlabelled pairs, "
        f"{1 - recipe.tlm - recipe.pairs:g} single sentences, in which "
        f"{recipe.code_switch:g} of the dictionary's words are said in another language. "
        "Processor seconds of one pre-training (one thread): "
        + _range([r["pretrain_cpu_seconds"] for r in rows if r["variant"] != RANDOM])
        + ".",
        "",
        f"Made by `{made_by}`; every run is a row of `encoder-ablation.csv`.",
    ]
    return "\n".join(lines) + "\n"


def _cell(values: Sequence[float]) -> str:
    mean = sum(values) / len(values)
    return f"{mean:.3f} [{min(values):.3f}-{max(values):.3f}]"


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.0f}-{max(values):.0f}" if values else "none"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is not done yet and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml")
    parser.add_argument("--corpora", type=Path, help="prepared demo corpora (data/corpora/NAME)")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--steps", type=int, help="pre-training steps, instead of params.yaml's")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of the table")
    chosen = parser.parse_args(arguments)
    steps = [f"encoder.pretrain.steps={chosen.steps}"] if chosen.steps else None
    config = load_config(chosen.params, steps)
    corpora = chosen.corpora or ROOT / "data" / "corpora" / config.name
    cache = ROOT / ".langspec" / "ablation"
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the workers, which start afresh

    jobs = [(variant, seed) for variant in chosen.variants for seed in chosen.seeds]
    done: dict[tuple[str, int], dict[str, Any]] = {}
    with ProcessPoolExecutor(
        chosen.workers, mp_context=multiprocessing.get_context("spawn")
    ) as pool:
        futures = {pool.submit(run_one, *job, corpora, config, cache): job for job in jobs}
        for future in as_completed(futures):
            done[futures[future]] = row = future.result()
            numbers = " ".join(f"{name} {row[name]:.3f}" for name in METRICS)
            print(f"{row['variant']} seed {row['seed']}: {numbers}", flush=True)
    rows = [done[job] for job in jobs]
    write_csv(chosen.out / "encoder-ablation.csv", rows)
    made_by = "python benchmarks/ablate_encoder.py"
    if chosen.steps:
        made_by += f" --steps {chosen.steps}"
    page = table(rows, baselines(corpora, config), config, made_by, chosen.params)
    write_text(chosen.out / "encoder-ablation.md", page)


if __name__ == "__main__":
    main()
