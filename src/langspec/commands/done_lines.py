"""The line that a stage says when it is done: what came of it, how long it took, where it is.

Everything is read from the files that the stage wrote, so a stage that found its work finished
says the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.files import read_json
from langspec.paths import paths_of

if TYPE_CHECKING:
    from langspec.config import Config

_RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")


def says_lines() -> bool:
    """Is this the first of the processes that a launcher started, or the only one?"""
    return all(os.environ.get(name, "0") in ("", "0") for name in _RANKS)


def corpora(config: Config, root: Path) -> tuple[str, Path]:
    """How many rows each table has."""
    from pyarrow.parquet import read_metadata

    out = paths_of(config, root).corpora
    rows = [
        f"{file.stem} {read_metadata(file).num_rows:,}" for file in sorted(out.glob("*.parquet"))
    ]
    return f"corpora: {len(config.corpora.languages)} languages; rows: {', '.join(rows)}", out


def encoder(config: Config, root: Path) -> tuple[str, Path]:
    """Its name and size."""
    out = paths_of(config, root).encoder
    values = read_json(out / "config.json")
    size = {"layers": ("num_hidden_layers", "num_layers", "n_layers"),
            "dimensions": ("hidden_size", "d_model", "dim")}  # fmt: skip
    words = [
        f"{values[key]} {name}" for name, keys in size.items() for key in keys if key in values
    ]
    return f"encoder {config.encoder.name}: {' of '.join(words)}", out


def train(config: Config, root: Path, *, task_name: str, method_name: str) -> tuple[str, Path]:
    """The development score that chose the epochs, and seeds that failed."""
    out = paths_of(config, root).train(task_name, method_name)
    run = read_json(out / "run.json")
    seeds = [entry for entry in run["seeds"] if "strength" not in entry]
    scores = [entry["dev"]["macro_f1"] for entry in seeds if entry.get("status") != "failed"]
    of = f"{len(scores)} seed{'s' * (len(scores) != 1)}"
    mean = f"dev macro-F1 {sum(scores) / len(scores):.3f}, mean of {of}" if scores else "no score"
    failed = {entry["reason"] for entry in seeds if entry.get("status") == "failed"}
    lost = f"; failed: {len(seeds) - len(scores)} ({', '.join(sorted(failed))})" if failed else ""
    return f"{task_name}, {method_name}: {mean}{lost}", out


def evaluate(config: Config, root: Path, *, task_name: str) -> tuple[str, Path]:
    """Accuracy on the target languages and the leak of every method, means over good seeds."""
    from langspec.results import (
        LEAK,
        TRANSFER,
        failed_seeds,
        headline,
        read_results,
        read_training_record,
    )

    paths = paths_of(config, root)
    out = paths.evaluate(task_name)
    rows = read_results(out / "results.csv")
    rows = rows[(rows["eraser"] == "") & rows["strength"].isna()]
    words = []
    for method in config.train.methods_of(task_name):
        run = read_training_record(paths.train(task_name, method) / "run.json")
        good = (rows["method"] == method) & ~rows["seed"].isin(failed_seeds(run))
        numbers = headline(rows[good])
        pair = [f"{numbers[name]['value']:.3f}" for name in (TRANSFER, LEAK) if name in numbers]
        words.append(f"{method} {' / '.join(pair) or 'no score'}")
    return f"{task_name}, accuracy on targets / leak of tokens: {', '.join(words)}", out


def tune(config: Config, root: Path) -> tuple[str, Path]:
    """The best trial, or why there is none."""
    from langspec.report.ending import best_trial_words

    out = paths_of(config, root).results / "tune"
    return f"tune: {best_trial_words(out)}", out


def report(config: Config, root: Path) -> tuple[str, Path]:
    """How many tables and figures the page has."""
    out = paths_of(config, root).report
    tables = len(list((out / "tables").glob("*.csv")))
    figures = len({file.stem for file in (out / "figures").glob("*")})
    return f"report: {tables} tables, {figures} figures", out / "index.html"


LINES: dict[str, Callable[..., tuple[str, Path]]] = {
    "corpora": corpora,
    "encoder": encoder,
    "train": train,
    "evaluate": evaluate,
    "tune": tune,
    "report": report,
}


def done_line(
    stage: str, config: Config, root: Path, result: object, seconds: float, **values: Any
) -> str:
    """What is said when a stage is done.

    Args:
        stage: its name.
        config: the configuration.
        root: of the project.
        result: of the stage; said as it is where the stage says itself what it did.
        seconds: that it took.
        values: further arguments of the stage, such as ``task_name``.
    """
    if isinstance(result, str):
        return f"{result}\n{stage}: {seconds:.0f} s"
    words, place = LINES[stage](config, root, **values)
    return f"{words}; {seconds:.0f} s -> {place}"
