"""What a registry shows of one seed: its few numbers, and the sweep that its values are from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from langspec.results import Interval, headline, interval_of, leak_rows


def seed_numbers(
    rows: pd.DataFrame, method: str, seed: int, layer: int, eraser: str = ""
) -> dict[str, Interval]:
    """The headline (:func:`langspec.results.headline`) of one seed.

    Args:
        rows: tidy results of the task.
        method: its name.
        seed: of the training; the leak of a frozen encoder has seed 0.
        layer: that the head reads, 0 = embeddings.
        eraser: that the vectors went through; "": none.
    """
    of_method = _of(rows, method, eraser)
    of_seed = of_method[of_method["seed"] == seed]
    if leak_rows(of_seed, layer).empty:
        of_encoder = leak_rows(of_method[of_method["seed"] == 0], layer)
        of_seed = pd.concat([of_seed, of_encoder])
    return headline(of_seed, layer)


def _of(rows: pd.DataFrame, method: str, eraser: str = "") -> pd.DataFrame:
    same = (rows["method"] == method) & (rows["eraser"] == eraser)
    return rows[same & rows["strength"].isna()]


def language_scores(rows: pd.DataFrame, method: str, seed: int) -> dict[str, Interval]:
    """Test accuracy by language code."""
    scores = _of(rows, method)
    scores = scores[(scores["seed"] == seed) & (scores["probe"] == "")]
    scores = scores[(scores["split"] == "test") & (scores["metric"] == "accuracy")]
    scores = scores[~scores["language"].isin(["all", "mean", "mean_targets", "gap"])]
    return {str(code): interval_of(row) for code, row in scores.groupby("language", sort=False)}


def interval_text(interval: Interval | None) -> str:
    """``0.843 [0.837, 0.850]``, of a probe with its training units; "" where not measured."""
    if interval is None:
        return ""
    text = f"{interval['value']:.3f}"
    if {"low", "high"} <= set(interval):
        text += f" [{interval['low']:.3f}, {interval['high']:.3f}]"
    if "train_n" in interval:
        text += f" (fitted on {interval['train_n']:,.0f})"
    return text


_ORIGIN = ("study", "trial", "front")


def origin_of(
    adopted: Mapping[str, Mapping[str, Any]], run: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The trial whose values a training had; None where it had none, or not all of one's.

    Args:
        adopted: section ``adopted`` of params.yaml as plain values, by method and task.
        run: content of ``run.json``: what was trained decides, not what params.yaml says now.

    Returns:
        ``study``, ``trial`` and, if it was chosen from a front, its place there as ``front``.
    """
    adopted_trial = adopted.get(run["method"], {}).get(run["task"])
    if adopted_trial is None or any(
        run["params"].get(key, ...) != value for key, value in adopted_trial["values"].items()
    ):
        return None
    return {key: adopted_trial[key] for key in _ORIGIN if adopted_trial[key] is not None}


def origin_text(origin: Mapping[str, Any]) -> str:
    """An origin in words."""
    place = f", place {origin['front']} on its front" if "front" in origin else ""
    return f"trial {origin['trial']} of study {origin['study']}{place}"
