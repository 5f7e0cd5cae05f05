"""What fine-tuning moves: sizes, variances and subspaces of a checkpoint before and after it.

A smaller share of variance between languages can mean that the language directions shrank, that
everything else grew, or that the languages now lie along other directions. A probe reads all three
alike. Sizes tell the first two apart; principal angles show the third. Means of few vectors are
noisy, and noise alone turns a subspace. So an angle is always taken between two halves of the
lines. Its lower reference is the angle between two halves of *one* checkpoint, its upper reference
that between random subspaces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from langspec.errors import LangspecError
from langspec.features.bank import Bank, Units
from langspec.features.sample import unit_ranks
from langspec.measurement.geometry import UNITS, measured_rows, sizes, unit_meta, unit_vectors
from langspec.measurement.rows import Origin
from langspec.measurement.similarity import require_same_rows
from langspec.measurement.subspaces import (
    Effects,
    angles,
    class_effects,
    principal_basis,
    random_angles,
)
from langspec.results import Result

Values = Iterator[tuple[str, str, float]]  # metric, probe, value


@dataclass(frozen=True)
class _Half:
    """One half of the lines of one checkpoint.

    A factor is ``language`` or ``label``.
    """

    effects: dict[str, Effects]  # by factor
    bases: dict[str, np.ndarray]  # by factor, and ``principal``: the largest variance


def drift(before: np.ndarray, after: np.ndarray) -> float:
    """How far vectors moved, in units of how far they lay apart.

    The root mean squared distance that a vector moved, over the root mean squared distance of the
    vectors before from their mean. 0: no vector moved.

    Args:
        before: ``[N, H]``.
        after: ``[N, H]``, the same vectors in the same order.
    """
    old = before.astype(np.float64)
    moved = ((after.astype(np.float64) - old) ** 2).sum(axis=1).mean()
    apart = ((old - old.mean(axis=0)) ** 2).sum(axis=1).mean()
    return float(np.sqrt(moved / apart))


def halves(line: np.ndarray, seed: int) -> np.ndarray:
    """Split the lines into two random halves.

    Args:
        line: int ``[N]``, the line of each vector, which translations share.
        seed: of the split.

    Returns:
        bool ``[N]``: is the vector's line in the first half?

    Raises:
        LangspecError: there is one line only.
    """
    names = np.unique(line)
    if len(names) < 2:
        raise LangspecError("found a single line of text, which has no two halves to compare")
    none = np.zeros(len(names), dtype=np.int64)
    ranks = unit_ranks(seed + 3, ("",), none, names, none)
    # The lower half of the ranks, so that both halves have equally many lines.
    return np.isin(line, names[np.argsort(ranks, kind="stable")[: len(names) // 2]])


def _factors(bank: Bank, units: Units, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Classes of the rows by factor: ``language``, and ``label`` where the rows have labels."""
    factors = {"language": units.language[rows].astype(np.int64)}
    label = units.label[rows]
    if len(np.unique(label)) > 1:
        factors["label"] = label.astype(np.int64)
    if len(np.unique(factors["language"])) < 2:
        codes = ", ".join(bank.languages[i] for i in np.unique(factors["language"]))
        raise LangspecError(f"what moved needs vectors of at least two languages, found {codes}")
    return factors


def _effects(vectors: np.ndarray, factors: Mapping[str, np.ndarray]) -> dict[str, Effects]:
    """The effects of each factor, fitted beside the other where there are two."""
    effects = {}
    for name, classes in factors.items():
        others = [values for other, values in factors.items() if other != name]
        effects[name] = class_effects(vectors, classes, others[0] if others else None)
    return effects


def _half(vectors: np.ndarray, factors: Mapping[str, np.ndarray], part: np.ndarray) -> _Half:
    half = vectors[part]
    effects = _effects(half, {name: classes[part] for name, classes in factors.items()})
    bases = {name: of_factor.basis for name, of_factor in effects.items()}
    bases["principal"] = principal_basis(half, max(1, len(bases["language"])))
    return _Half(effects, bases)


def inside(effects: Effects, basis: np.ndarray) -> float:
    """The share of the variance between the classes that lies in the span of a basis.

    ``basis`` ``[d, H]`` is orthonormal. The share is nan where the classes do not differ.
    """
    weighted = effects.weighted
    total = float(np.square(weighted).sum())
    return float(np.square(weighted @ basis.T).sum()) / total if total > 0 else np.nan


def _mean_angles(pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Principal angles in degrees, averaged over pairs of subspaces.

    There are as many angles as the pair with the fewest has.
    """
    of_pairs = [angles(first, second) for first, second in pairs]
    fewest = min(len(values) for values in of_pairs)
    return np.mean([values[:fewest] for values in of_pairs], axis=0)


def _turned(
    name: str, before: tuple[_Half, _Half], after: tuple[_Half, _Half], width: int, seed: int
) -> Values:
    """The angles of one subspace, and the share of its variance in the subspace of before."""
    (a, b), (x, y) = ([half.bases[name] for half in pair] for pair in (before, after))
    across = _mean_angles([(a, y), (b, x)])
    yield f"angle_{name}", "", _mean(across)
    yield f"angle_{name}", "halves", _mean(_mean_angles([(a, b), (x, y)]))
    random = random_angles(len(a), len(y), width, seed=seed)
    yield f"angle_{name}", "chance", _mean(random)
    for probe, each in (("", across), ("chance", random)):
        for i, value in enumerate(each, start=1):
            yield f"angle_{name}_{i:02d}", probe, float(value)
    if name == "principal":
        return
    stayed = [inside(x_.effects[name], b_) for x_, b_ in zip(after, (b, a), strict=True)]
    within = [
        inside(before[0].effects[name], b),
        inside(before[1].effects[name], a),
        inside(after[0].effects[name], y),
        inside(after[1].effects[name], x),
    ]
    yield f"in_place_{name}", "", float(np.mean(stayed))
    yield f"in_place_{name}", "halves", float(np.mean(within))
    yield f"in_place_{name}", "chance", (len(a) + len(b)) / 2 / width


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _between(pair: tuple[_Half, _Half], probe: str) -> Values:
    """How one checkpoint's language subspace lies to its label subspace."""
    first, second = pair
    crossed = [
        (first.bases["language"], second.bases["label"]),
        (second.bases["language"], first.bases["label"]),
    ]
    yield "angle_language_label", probe, _mean(_mean_angles(crossed))
    shares = [
        inside(second.effects["label"], first.bases["language"]),
        inside(first.effects["label"], second.bases["language"]),
    ]
    yield "label_in_language", probe, float(np.mean(shares))


def _compared(
    before: np.ndarray,
    after: np.ndarray,
    factors: Mapping[str, np.ndarray],
    part: np.ndarray,
    seed: int,
) -> Values:
    """Every number of one unit and layer: metric, probe, value."""
    for probe, vectors in (("before", before), ("after", after)):
        of_vectors = sizes(vectors)
        for metric, value in of_vectors.items():
            yield metric, probe, value
        for name, effects in _effects(vectors, factors).items():
            yield f"variance_share_{name}", probe, effects.share
            yield f"variance_{name}", probe, effects.share * of_vectors["feature_spread"] ** 2
    width = before.shape[1]
    start = _half(before, factors, part), _half(before, factors, ~part)
    now = _half(after, factors, part), _half(after, factors, ~part)
    for name in (*factors, "principal"):
        yield from _turned(name, start, now, width, seed)
    if "label" in factors:
        yield from _between(start, "before")
        yield from _between(now, "after")
        dimensions = [len(start[0].bases[name]) for name in ("language", "label")]
        chance = random_angles(dimensions[0], dimensions[1], width, seed=seed)
        yield "angle_language_label", "chance", _mean(chance)
        yield "label_in_language", "chance", dimensions[0] / width


def moves(
    bank: Bank,
    start: Bank,
    origin: Origin,
    *,
    units: Sequence[str] = UNITS,
    split: str | None = "test",
    seed: int = 0,
) -> list[Result]:
    """What changed between two checkpoints, on the same rows.

    Rows of each unit and layer, language ``all``. F is ``language`` and, in a bank with labels,
    also ``label``. The subspace of F is the span of the class means.

    - ``feature_norm``, ``feature_spread``, ``effective_rank``, ``variance_share_F`` and
      ``variance_F`` (the variance itself, in squared units of the features), with the probes
      ``before`` and ``after``.
    - ``angle_F``: the mean principal angle, in degrees, between the subspaces before and after;
      ``angle_F_01`` and on are the single angles. ``angle_principal`` is that of the directions of
      largest variance, as many as the language subspace has: how far everything turned.
    - ``in_place_F``: the share of the variance between classes after training that lies in the
      subspace of before. Unlike a mean of angles it weights a direction by its variance.
    - ``angle_language_label``, and ``label_in_language``, the share of the variance between labels
      that lies in the language subspace; with the probes ``before`` and ``after``.

    Angles and shares are taken between two halves of the lines. Probe ``halves`` takes them within
    one checkpoint, which shows noise alone; probe ``chance`` takes random subspaces.

    Args:
        bank: vectors after training.
        start: vectors before it.
        origin: task, method, seed, corpus, split and measure of the rows.
        units: ``token``, ``sentence`` or both.
        split: whose lines are compared; None, or a bank without splits: all.
        seed: of the halves and of the random subspaces.

    Raises:
        LangspecError: banks of other rows or layers, fewer than two languages, no vectors, values
            that are not finite.
    """
    results: list[Result] = []
    for unit in units:
        require_same_rows(bank, start, unit)
        meta = unit_meta(bank, unit)
        rows = measured_rows(bank, meta, split, unit)
        factors = _factors(bank, meta, rows)
        part = halves(meta.line[rows], seed)
        for layer in bank.layers:
            before = unit_vectors(start, unit, layer)[rows]
            after = unit_vectors(bank, unit, layer)[rows]
            if before.shape != after.shape:
                widths = f"{before.shape[1]} and {after.shape[1]} dimensions"
                raise LangspecError(f"the two checkpoints have {widths}")
            place: Any = {"language": "all", "unit": unit, "layer": layer, "n": len(rows)}
            results += [
                origin.row(metric, value, probe=probe, **place)
                for metric, probe, value in _compared(before, after, factors, part, seed)
            ]
    return results
