"""A made-up run's result files with planted numbers, for the report's tests."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.difference import JudgeOptions
from langspec.measures.discovery import declared
from langspec.report.compared import CompareOptions
from langspec.report.declared import declared_tables
from langspec.report.make_report import Sources, build_report
from langspec.report.report_section import Report
from langspec.report.run_results import Run
from langspec.report.table import Table
from langspec.results import TRAINING_SCHEMA, Result, write_results

LAYERS = 4
LABELS = {
    "pos": ["ADJ", "ADP", "DET", "NOUN", "PRON", "PUNCT", "VERB"],
    "nli": ["contradiction", "entailment", "neutral"],
}
METHODS = ("frozen", "finetune")
BASELINES = {
    "pos": {"majority": 0.25, "lexicon": 0.452},
    "nli": {"hypothesis_only": 0.353, "length_overlap": 0.432},
}
ACCURACY = {
    ("pos", "frozen"): 0.781,
    ("pos", "finetune"): 0.842,
    ("nli", "frozen"): 0.431,
    ("nli", "finetune"): 0.561,
}
# Language probe macro-F1 per token at the last layer.
LEAK = {"frozen": 0.991, "finetune": 0.973, "random": 0.561}
UNLEARNT = {"control": 0.972, "grl": 0.9, "adversary": 0.8}
"""The same of methods that :func:`write_run` writes on demand; their accuracy is finetune's."""


TRAIN_N = 6000
"""Training vectors of a probe."""


def _add(
    rows: list[Result],
    task: str,
    unit: str,
    method: str,
    seed: int,
    language: str,
    metric: str,
    value: float,
    n: int,
    width: float = 0.0,
    *,
    layer: int = -1,
    probe: str = "",
    leak_unit: str = "",
    split: str = "test",
    corpus: str = "",
    measure: str = "",
    train_n: int = 0,
) -> None:
    """One measurement; with its interval where a half-width is given."""
    rows.append(
        Result(
            task=task,
            method=method,
            seed=seed,
            corpus=corpus or ("text" if probe else task),
            split=split,
            language=language,
            layer=layer,
            measure=measure
            or ("task" if not probe else "leak" if corpus in ("", "text") else "task_text"),
            probe=probe,
            unit=leak_unit or unit,
            metric=metric,
            value=value,
            low=value - width if width else None,
            high=value + width if width else None,
            n=n,
            train_n=train_n,
        )
    )


def write_run(
    root: Path,
    *,
    languages: tuple[str, ...] = ("en", "de", "es", "fr", "ru", "tr"),
    seeds: tuple[int, ...] = (1, 2, 3),
    tasks: tuple[str, ...] = ("pos", "nli"),
    unconverged: bool = False,
    layers: int = LAYERS,
    points: int = 12,
    task_text: bool = False,
    unlearnt: tuple[str, ...] = (),
) -> None:
    """Write ``root/results`` (train, evaluate), ``root/corpora`` and ``root/encoder``."""
    source, targets = languages[0], languages[1:]
    for task in tasks:
        rows: list[Result] = []
        add = partial(_add, rows, task, "token" if task == "pos" else "pair")
        for method in (*METHODS, *unlearnt):
            base = ACCURACY.get((task, method), ACCURACY[task, "finetune"])
            for index, seed in enumerate(seeds):
                # Symmetric about the planted value: the mean over seeds is the value itself.
                shift = 0.004 * (index - (len(seeds) - 1) / 2)
                spread = np.linspace(0.08, -0.08, len(targets)) if len(targets) > 1 else [0.0]
                for metric, less in (("accuracy", 0.0), ("macro_f1", 0.05)):
                    for code, bend in zip(targets, spread, strict=True):
                        add(method, seed, code, metric, base + bend + shift - less, 1200, 0.012)
                    add(method, seed, source, metric, 0.961 - less, 1200, 0.008)
                    add(method, seed, source, metric, 0.97 - less, 600, 0.008, split="dev")
                    add(
                        method,
                        seed,
                        "mean_targets",
                        metric,
                        base + shift - less,
                        1200 * len(targets),
                        0.006,
                    )
                    add(
                        method,
                        seed,
                        "gap",
                        metric,
                        0.961 - base - shift,
                        1200 * len(languages),
                        0.009,
                    )
        for name, value in BASELINES[task].items():
            for code in (*targets, source, "mean_targets"):
                add(name, 0, code, "accuracy", value, 1200, 0.01)
        leaks = LEAK | {method: UNLEARNT[method] for method in unlearnt}
        for method, last in leaks.items():
            for seed in (0,) if method in ("frozen", "random") else seeds:
                for leak_unit in ("token", "sentence"):
                    for layer in range(layers + 1):
                        share = layer / layers
                        value = 0.998 * (1 - share) + last * share
                        value = value if leak_unit == "token" else 0.995
                        for metric in ("macro_f1", "accuracy"):
                            add(
                                method,
                                seed,
                                "all",
                                metric,
                                value,
                                3000,
                                0.004,
                                layer=layer,
                                probe="linear",
                                leak_unit=leak_unit,
                                train_n=TRAIN_N,
                            )
                        for metric, number, train_n in (
                            ("macro_f1", value - 0.006, TRAIN_N // 4),
                            ("macro_f1", value - 0.003, TRAIN_N // 2),
                            ("gain", 0.003, TRAIN_N),
                            ("rising", 1.0, TRAIN_N),
                        ):
                            add(
                                method,
                                seed,
                                "all",
                                metric,
                                number,
                                3000,
                                0.004 if metric != "rising" else 0.0,
                                layer=layer,
                                probe="linear",
                                leak_unit=leak_unit,
                                measure="leak_curve",
                                train_n=train_n,
                            )
                        for i, code in enumerate(languages):
                            add(
                                method,
                                seed,
                                code,
                                "recall",
                                value - 0.002 * (i % 5),
                                500,
                                layer=layer,
                                probe="linear",
                                leak_unit=leak_unit,
                                train_n=TRAIN_N,
                            )
                        converged = not (unconverged and method == "finetune" and layer == 1)
                        for metric, number in (
                            ("chosen_c", 0.1),
                            ("iterations", 87),
                            ("converged", float(converged)),
                        ):
                            add(
                                method,
                                seed,
                                "all",
                                metric,
                                number,
                                TRAIN_N,
                                layer=layer,
                                probe="linear",
                                leak_unit=leak_unit,
                                train_n=TRAIN_N,
                            )
                    # The same probe on the task's own texts: another number, for other tables.
                    for metric in ("macro_f1", "accuracy") if task_text else ():
                        add(
                            method,
                            seed,
                            "all",
                            metric,
                            0.111,
                            900,
                            layer=layers,
                            probe="linear",
                            leak_unit=leak_unit,
                            corpus=task,
                        )
                    for metric, number in (("macro_f1", 0.048), ("accuracy", 0.167)):
                        add(
                            method,
                            seed,
                            "all",
                            metric,
                            number,
                            3000,
                            layer=-1,
                            probe="majority",
                            leak_unit=leak_unit,
                        )
        add("all", 0, "all", "unscored", 11.0, 7211)
        folder = root / "results" / "evaluate" / task
        folder.mkdir(parents=True)
        write_results(folder / "results.csv", rows)
        _write_projection(folder, task, languages, points)
        methods = (*METHODS, *unlearnt)
        _write_training(root / "results" / "train" / task, seeds, source, methods)
    _write_cards(root, languages)


def _write_projection(folder: Path, task: str, languages: tuple[str, ...], points: int) -> None:
    """Before: clusters by language; after: nearer together, clusters by label."""
    rng = np.random.default_rng(7)
    rows = []
    for m, method in enumerate(METHODS):
        for i, code in enumerate(languages):
            angle = 2 * np.pi * i / len(languages)
            for j, label in enumerate(LABELS[task]):
                centre = 25 * np.array([np.cos(angle), np.sin(angle)]) * (1 - 0.7 * m)
                centre = centre + 12 * m * np.array([np.cos(j), np.sin(j)])
                places = centre + rng.normal(scale=3, size=(points, 2))
                rows += [(method, 1, task, code, label, x, y) for x, y in places]
    columns = ["method", "seed", "corpus", "language", "label", "x", "y"]
    frame = pd.DataFrame(rows, columns=columns)
    frame.astype({"language": "category"}).to_parquet(folder / "projection.parquet")


def _write_training(
    folder: Path, seeds: tuple[int, ...], source: str, methods: tuple[str, ...]
) -> None:
    rng = np.random.default_rng(3)
    for method in methods:
        entries = []
        for seed in seeds:
            place = folder / method / f"seed-{seed}"
            place.mkdir(parents=True)
            steps = np.arange(1, 301)
            loss = 0.15 + 1.8 * np.exp(-steps / 60) * rng.uniform(0.7, 1.3, len(steps))
            pd.DataFrame({"step": steps, "epoch": 1 + steps // 101, "loss": loss}).to_csv(
                place / "steps.csv", index=False
            )
            epochs = np.arange(1, 4)
            scores = [0.85, 0.93, 0.92 + 0.01 * seed / 10]
            pd.DataFrame(
                {
                    "epoch": epochs,
                    "step": epochs * 100,
                    "val_accuracy": scores,
                    "val_macro_f1": scores,
                }
            ).to_csv(place / "epochs.csv", index=False)
            entries.append({"seed": seed, "best_epoch": 2, "dev": {"macro_f1": 0.93}})
        document = {
            "schema": TRAINING_SCHEMA,
            "task": folder.name,
            "method": method,
            "selection": "source_dev",
            "params": {"corpora.source": source},
            "train_rows": 4000,
            "truncated_rows": 3,
            "seeds": entries,
        }
        (folder / method / "run.json").write_text(json.dumps(document), encoding="utf-8")


def _write_cards(root: Path, languages: tuple[str, ...]) -> None:
    (root / "corpora").mkdir()
    (root / "encoder").mkdir()
    corpora = {}
    for name, labels in {**LABELS, "text": []}.items():
        rows = []
        for code in languages:
            for split in ("train", "dev", "test"):
                if split == "train" and code != languages[0] and name != "text":
                    continue
                rows.append(
                    {
                        "language": code,
                        "split": split,
                        "read": 310,
                        "kept": 300,
                        "dropped": {"too long": 7},
                        "over_limit": 3,
                        "words": {"mean": 8.25, "median": 8.0, "max": 21, "total": 2475},
                        "characters": {"mean": 40.0, "median": 39.0, "max": 99, "total": 12000},
                        "labels": {label: 40 + 11 * i for i, label in enumerate(labels)},
                    }
                )
        corpora[name] = {
            "rows": rows,
            "without_dev": ["tr"] if name == "pos" else [],
            "without_test": [],
            "duplicates": [{"language": code, "test_rows_in_train": 4} for code in languages],
            "notes": {"parallel": "yes, by equal numbers of lines"} if name == "text" else {},
        }
    sources = [
        {
            "name": f"text/demo/{code}.txt",
            "kind": "text",
            "language": code,
            "licence": None,
            "licence_name": None,
            "bytes": 120_000,
            "sha256": "cd" * 32,
        }
        for code in languages
    ]
    sources.append(
        {
            "name": "ud/en_x-ud-train.conllu",
            "kind": "ud",
            "language": "en",
            "licence": "LICENSE.txt",
            "licence_name": "CC BY 4.0",
            "bytes": 1,
            "sha256": "ef" * 32,
        }
    )
    card = {
        "schema": 1,
        "generated": True,
        "warnings": ["a warning from the card"],
        "corpora": corpora,
        "options": {
            "source": languages[0],
            "targets": list(languages[1:]),
            "join": "natural",
            "min_characters": 0,
            "limits": {"text": 500, "pos_dev": None},
            "text_splits": [0.6, 0.2, 0.2],
        },
        "outs": {},
        "sources": sources,
    }
    (root / "corpora" / "card.json").write_text(json.dumps(card), encoding="utf-8")
    encoder = {
        "name": "demo",
        "kind": "demo",
        "pooling": "mean",
        "max_tokens": 64,
        "prefix": "",
        "source": "pre-trained here",
        "licence": "MIT",
        "sha256": "ab" * 32,
    }
    (root / "encoder" / "langspec.json").write_text(json.dumps(encoder), encoding="utf-8")


def write_predictions(
    results: Path,
    task: str,
    accuracies: dict[str, float],
    *,
    languages: tuple[str, ...] = ("en", "de", "es", "fr", "ru", "tr"),
    seeds: tuple[int, ...] = (1, 2, 3),
    items: int = 200,
    noise: float = 0.002,
    corpus: int = 0,
) -> None:
    """Write ``predictions.parquet`` of a task; each method errs on its own share of the units.

    ``results`` is the run's folder; equal ``corpus`` gives equal gold labels.
    """
    kinds, per_item = len(LABELS[task]), 4 if task == "pos" else 1
    count = items * per_item
    gold = {
        code: np.random.default_rng([corpus, i]).integers(0, kinds, count)
        for i, code in enumerate(languages)
    }
    rng = np.random.default_rng(11)
    frames = []
    for method, accuracy in accuracies.items():
        for seed in seeds:
            share = accuracy + rng.normal(0, noise)
            for i, code in enumerate(languages):
                # Seeds and methods meet the same hard units.
                hard = np.random.default_rng([corpus, i, 1]).permutation(count) / count
                wrong = (gold[code] + 1) % kinds
                first = 0 if task == "nli" else i * items
                frames.append(
                    pd.DataFrame(
                        {
                            "task": task,
                            "method": method,
                            "seed": np.int32(seed),
                            "strength": float("nan"),
                            "language": code,
                            "item": np.repeat(np.arange(first, first + items), per_item),
                            "unit": np.arange(i * count, (i + 1) * count),
                            "gold": gold[code],
                            "predicted": np.where(hard < share, gold[code], wrong),
                        }
                    )
                )
    frame = pd.concat(frames, ignore_index=True)
    frame.astype({"method": "category", "language": "category"}).to_parquet(
        results / "evaluate" / task / "predictions.parquet"
    )


def tables_of_measures(run: Run) -> dict[str, Table]:
    """The tables that measures declare, by name."""
    return {table.name: table for table in declared_tables(replace(run, declared=declared()))}


def build_made_up(root: Path, out: Path, **options: Any) -> Path:
    """The report of what :func:`write_run` wrote to ``root``."""
    parts = {
        name: options.pop(name) for name in ("published", "studies", "declared") if name in options
    }
    parts.setdefault("declared", declared())
    methods = options.pop("methods", ("frozen", "finetune"))
    sources = Sources(
        root / "results",
        root / "corpora",
        root / "encoder",
        options.pop("name", "made-up"),
        options.pop("tasks", ("pos",)),
        methods,
        **parts,
    )
    comparing = CompareOptions(JudgeOptions(margin=0.01), BootstrapOptions(1000, 0))
    values = {"title": "", "formats": ["svg"], "margin": 0.01}
    values |= {name: options.pop(name) for name in ("title", "formats") if name in options}
    # Not checked: the report itself refuses a format that it does not know.
    section = Report.model_construct(**values)
    build_report(sources, out, section, **{"comparing": comparing, **options})
    return out
