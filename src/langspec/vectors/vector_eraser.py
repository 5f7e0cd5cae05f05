"""A fitted eraser of vectors on disk, and what binds it to the vectors that it was fitted on.

Vectors in a database do not say which encoder made them. So the eraser keeps three things that
vectors of another encoder, or otherwise pooled or scaled, do not share: their width, their
lengths, and how much they vary along some directions in which those that it was fitted on hardly
do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from langspec.erasure.base import ErasureMap
from langspec.errors import LangspecError
from langspec.files import read_object, sha256_file, write_json
from langspec.repair.unit_eraser import UnitEraser, unit

SCHEMA = 1
TENSORS, CARD = "eraser.safetensors", "eraser.json"
NAMES = ("left", "right", "shift", "weights", "intercepts")
_GUARD_AXES = 16
_GUARD_LEAST = 1e-5  # of the mean variance: below it a variance may be the rounding of fp16
UNLIKE = 10.0
"""How many times more than on held-out vectors others may vary along the quiet directions."""
ONE = 0.01
"""Vectors whose lengths differ from 1 by less are said to be of length 1."""
_KEYS = (
    "schema", "method", "languages", "steps", "tensors", "width", "lengths", "quiet", "sha256"
)  # fmt: skip
_CURE = "fit it again: langspec repair --vectors"


@dataclass(frozen=True)
class Guard:
    """What vectors have to look like.

    Attributes:
        lengths: the shortest and the longest that it was fitted on.
        mean: float64 ``[H]``, of vectors at length 1.
        axes: float64 ``[A, H]``: directions in which those vary least, divided by their standard
            deviations.
        quiet: mean square of held-out vectors along ``axes``; 1 where they vary as the others do.
    """

    lengths: tuple[float, float]
    mean: np.ndarray
    axes: np.ndarray
    quiet: float

    @property
    def unit(self) -> bool:
        """Were all vectors of length 1?"""
        return abs(self.lengths[0] - 1) < ONE and abs(self.lengths[1] - 1) < ONE

    def other_length(self, lengths: np.ndarray) -> int | None:
        """The first of the lengths ``[N]`` that is not 1, where all have to be; None: none is."""
        others = np.flatnonzero(np.abs(lengths - 1) >= ONE)
        return int(others[0]) if self.unit and len(others) else None

    def spread(self, vectors: np.ndarray) -> float:
        """Mean square of vectors ``[N, H]`` along the quiet directions."""
        inside = (unit(vectors.astype(np.float64)) - self.mean) @ self.axes.T
        return float(np.square(inside).mean()) if inside.size else 0.0

    def refusal(self, vectors: np.ndarray) -> str:
        """Why an eraser is not for these vectors ``[N, H]``; "" where it is."""
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
        low, high = float(lengths.min()), float(lengths.max())
        all_one = high - 1 < ONE and 1 - low < ONE
        seen = f"{self.lengths[0]:.3g} to {self.lengths[1]:.3g}"
        if self.other_length(lengths) is not None:
            return (
                f"their lengths are {low:.3g} to {high:.3g}, it was fitted on vectors of length 1"
            )
        if not self.unit and (all_one or not self._between(float(np.median(lengths)))):
            return f"their lengths are {low:.3g} to {high:.3g}, it was fitted on {seen}"
        times = self.spread(vectors) / max(self.quiet, 1e-12)
        if times > UNLIKE:
            return (
                f"they vary {times:.3g} times as much as those that it was fitted on where these "
                "hardly do"
            )
        return ""

    def _between(self, length: float) -> bool:
        return self.lengths[0] / 2 <= length <= self.lengths[1] * 2


def make_guard(
    lengths: tuple[float, float], mean: np.ndarray, covariance: np.ndarray, held_out: np.ndarray
) -> Guard:
    """The guard of vectors with these moments.

    Args:
        lengths: the shortest and the longest.
        mean: ``[H]`` of the vectors at length 1.
        covariance: ``[H, H]`` of the same.
        held_out: ``[N, H]``: others of the same kind.
    """
    values, axes = np.linalg.eigh(covariance)
    varying = np.flatnonzero(values > _GUARD_LEAST * values.mean())[:_GUARD_AXES]
    scaled = (axes[:, varying] / np.sqrt(values[varying])).T
    guard = Guard(lengths, mean, np.ascontiguousarray(scaled), 1.0)
    return Guard(lengths, mean, guard.axes, guard.spread(held_out))


@dataclass(frozen=True)
class VectorEraser:
    """A fitted eraser with what binds it.

    Attributes:
        eraser: one map or several, between which vectors get length 1.
        guard: what vectors have to look like.
        facts: further entries of the JSON, such as numbers before and after.
    """

    eraser: UnitEraser
    guard: Guard
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Dimensions of the vectors."""
        return self.eraser.steps[0].width

    def check(self, vectors: np.ndarray, *, place: object, force: bool) -> None:
        """Refuse vectors of another width, or that look like another encoder's.

        Args:
            vectors: the first ones of a file ``[N, H]``.
            place: of the file.
            force: another width alone is refused.

        Raises:
            LangspecError: they are others.
        """
        if vectors.shape[1] != self.width:
            raise LangspecError(
                f"vectors of {vectors.shape[1]} dimensions; the eraser was fitted on {self.width}",
                place=place,
            )
        reason = "" if force else self.guard.refusal(vectors)
        if reason:
            raise LangspecError(
                f"not like the vectors of this eraser: {reason}; fit one on vectors of the same "
                "encoder, or say --force",
                place=place,
            )


def save_vector_eraser(folder: Path, fitted: VectorEraser) -> None:
    """Write a fitted eraser.

    Args:
        folder: that the caller writes as a whole (:func:`langspec.files.atomic_folder`).
        fitted: the eraser.
    """
    from safetensors.numpy import save_file

    steps = fitted.eraser.steps
    tensors = {
        f"{number}.{name}": np.ascontiguousarray(getattr(step, name))
        for number, step in enumerate(steps)
        for name in NAMES
    }
    tensors |= {"guard.mean": fitted.guard.mean, "guard.axes": fitted.guard.axes}
    save_file(tensors, folder / TENSORS)
    card = {
        "schema": SCHEMA,
        "method": fitted.eraser.name,
        "languages": list(fitted.eraser.languages),
        "steps": [
            {"name": step.name, "gold": step.gold, "ranks": list(step.ranks)} for step in steps
        ],
        "tensors": list(NAMES),
        "width": fitted.width,
        "lengths": list(fitted.guard.lengths),
        "quiet": fitted.guard.quiet,
        "sha256": sha256_file(folder / TENSORS),
    }
    write_json(folder / CARD, card | fitted.facts)


def load_vector_eraser(folder: Path) -> VectorEraser:
    """Read a fitted eraser.

    Raises:
        LangspecError: no eraser of vectors there, another schema, damaged tensors.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(folder)
    path = folder / CARD
    if not path.is_file():
        inside = folder / "eraser"  # of a repaired encoder
        cure = (
            f"the eraser of this encoder is {inside}"
            if (inside / CARD).is_file()
            else "expected a folder that langspec repair --vectors wrote"
        )
        raise LangspecError(f"no {CARD}; {cure}", place=folder)
    card = read_object(path, cure=_CURE)
    if "encoder" in card:
        raise LangspecError(
            f"an eraser of the encoder {str(card['encoder'])[:12]}, which nothing says of vectors "
            f"in a file; {_CURE}",
            place=path,
        )
    if card.get("schema") != SCHEMA or not set(_KEYS) <= set(card):
        raise LangspecError(f"no eraser of vectors of schema {SCHEMA}; {_CURE}", place=path)
    try:
        if sha256_file(folder / TENSORS) != card["sha256"]:
            raise LangspecError(
                f"not the tensors that {CARD} names (another SHA-256); {_CURE}",
                place=folder / TENSORS,
            )
        tensors = load_file(folder / TENSORS)
        steps = tuple(_step(card, tensors, number) for number in range(len(card["steps"])))
        low, high = map(float, card["lengths"])
        quiet = float(card["quiet"])
        guard = Guard((low, high), tensors["guard.mean"], tensors["guard.axes"], quiet)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise LangspecError(f"cannot be read ({error}); {_CURE}", place=folder) from None
    facts = {key: value for key, value in card.items() if key not in _KEYS}
    return VectorEraser(UnitEraser(card["method"], steps), guard, facts)


def _step(card: dict[str, Any], tensors: dict[str, np.ndarray], number: int) -> ErasureMap:
    left, right, shift, weights, intercepts = (tensors[f"{number}.{name}"] for name in NAMES)
    step = card["steps"][number]
    return ErasureMap(
        name=step["name"],
        languages=tuple(card["languages"]),
        left=left,
        right=right,
        shift=shift,
        gold=step["gold"],
        weights=weights,
        intercepts=intercepts,
        ranks=tuple(step["ranks"]),
    )
