"""What was measured of one seed, in the few numbers that a registry shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

Interval = dict[str, float]
"""``value`` and, where there is one, its 95 % interval: ``low``, ``high``."""


def seed_numbers(rows: pd.DataFrame, method: str, seed: int, layer: int) -> dict[str, Interval]:
    """Task scores and language leak of a seed from tidy results.

    Args:
        rows: of the task.
        method: its name; ``METHOD+ERASER`` for what an eraser leaves.
        seed: of the training; the leak of a frozen encoder stands under seed 0.
        layer: that the head reads, 0 = embeddings.

    Returns:
        ``transfer`` (mean accuracy over the languages without the source), ``source`` and
        ``gap`` where they were scored, ``leak`` and ``sentence_leak`` (macro-F1 of the linear
        language probe at ``layer``) where they were measured.
    """
    mine = rows[(rows["method"] == method) & (rows["split"] == "test")]
    scores = mine[(mine["probe"] == "") & (mine["seed"] == seed)]
    found: dict[str, Interval] = {}
    for name, language in (("transfer", "mean_targets"), ("gap", "gap")):
        _put(found, name, scores[scores["language"] == language], "accuracy")
    leaks = mine[(mine["probe"] == "linear") & (mine["corpus"] == "text")]
    leaks = leaks[(leaks["language"] == "all") & (leaks["layer"] == layer)]
    own = leaks[leaks["seed"] == seed]
    leaks = own if len(own) else leaks[leaks["seed"] == 0]
    for name, unit in (("leak", "token"), ("sentence_leak", "sentence")):
        _put(found, name, leaks[leaks["unit"] == unit], "macro_f1")
    return found


def language_scores(rows: pd.DataFrame, method: str, seed: int) -> dict[str, Interval]:
    """Test accuracy by language code."""
    mine = rows[(rows["method"] == method) & (rows["seed"] == seed) & (rows["probe"] == "")]
    mine = mine[mine["split"] == "test"]
    found: dict[str, Interval] = {}
    for language in mine["language"].unique():
        if language not in ("all", "mean", "mean_targets", "gap"):
            _put(found, language, mine[mine["language"] == language], "accuracy")
    return found


def _put(found: dict[str, Interval], name: str, rows: pd.DataFrame, metric: str) -> None:
    values: dict[str, Any] = dict(zip(rows["metric"], rows["value"], strict=True))
    if metric in values:
        ends = {end: f"{metric}_{end}" for end in ("low", "high")}
        found[name] = {"value": float(values[metric])} | {
            end: float(values[key]) for end, key in ends.items() if key in values
        }


def told(interval: Interval | None) -> str:
    """``0.843 [0.837, 0.850]``; "" where nothing was measured."""
    if interval is None:
        return ""
    text = f"{interval['value']:.3f}"
    if {"low", "high"} <= set(interval):
        text += f" [{interval['low']:.3f}, {interval['high']:.3f}]"
    return text
