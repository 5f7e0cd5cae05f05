"""The trial of a sweep that a training has its values from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEYS = ("study", "trial", "front")


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
    return {key: adopted_trial[key] for key in KEYS if adopted_trial[key] is not None}


def origin_text(origin: Mapping[str, Any]) -> str:
    """An origin in words."""
    place = f", place {origin['front']} on its front" if "front" in origin else ""
    return f"trial {origin['trial']} of study {origin['study']}{place}"
