"""Two evaluated methods side by side: read from files, checked to be comparable, compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from langspec import results as files
from langspec.errors import LangspecError
from langspec.measurement.along_curve import SHARES, holds_along
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.comparison import (
    Compared,
    Units,
    compare_predictions,
    compare_values,
    pair_seeds,
)
from langspec.measurement.difference import Judged, JudgeOptions, judge
from langspec.results import LEAK, OVER_LANGUAGES, head_layer, leak_rows
from langspec.results import label as label_of

_WORDS = {"higher": "better", "lower": "worse"}
SIZE = "depends on probe size"
"""The verdict on leaks that differ with all training vectors, and not along the curve."""


@dataclass(frozen=True)
class CompareOptions:
    """How methods are compared: verdicts, and the bootstrap of the items."""

    judge: JudgeOptions
    bootstrap: BootstrapOptions


@dataclass(frozen=True)
class Side:
    """A method of a run, as it was evaluated on a task.

    Attributes:
        label: what it is called in what is printed.
        task: the task.
        source: code of the source language, "" where no file names it.
        selection: the rule that chose its epochs, "" where no file names it.
        keys: language, item, unit and gold label of every unit, sorted.
        predictions: classes ``[N]`` in the order of ``keys``, by seed; without failed seeds.
        leaks: macro-F1 of the linear language probe by (unit, layer), then seed.
        curves: the same leak with a quarter, with half and with all of the probe's training
            vectors, by (unit, layer), then seed; without what was not measured.
        fixed: did training leave the encoder as it was, so that its leak is one number?
        failed: seeds that collapsed or diverged: in no comparison.
        head_layer: the layer that the task's head reads; -1: not known.
    """

    label: str
    task: str
    source: str
    selection: str
    keys: pd.DataFrame
    predictions: Mapping[int, np.ndarray]
    leaks: Mapping[tuple[str, int], Mapping[int, float]]
    fixed: bool
    failed: tuple[int, ...]
    head_layer: int = -1
    curves: Mapping[tuple[str, int], Mapping[int, tuple[float, ...]]] = field(default_factory=dict)
    probe_sizes: Mapping[tuple[str, int], tuple[int, ...]] = field(default_factory=dict)


_KEYS = ["language", "item", "unit", "gold"]


def evaluated_methods(folder: Path, task: str) -> list[str]:
    """The methods whose predictions stage evaluate wrote, in its order.

    Args:
        folder: of the run, below ``results/``.
        task: the task.

    Raises:
        LangspecError: the task was not evaluated.
    """
    path = folder / "evaluate" / task / "predictions.parquet"
    if not path.is_file():
        raise LangspecError(
            f"not there; compare needs the evaluation: langspec evaluate --task {task} (or dvc "
            "repro, or dvc checkout for a finished run)",
            place=path,
        )
    return list(_variants(path))


def _variants(path: Path) -> dict[str, tuple[str, float | None]]:
    """Method and strength of the predictions by what people call them, in their order."""
    present = files.read_parquet(path, columns=["method", "strength"]).drop_duplicates()
    strengths = present["strength"].astype(object).where(present["strength"].notna(), None)
    pairs = zip(present["method"].astype(str), strengths, strict=True)
    return {label_of(method, strength=strength): (method, strength) for method, strength in pairs}


class NoSeeds(LangspecError):
    """A method has no seed that did not fail."""


def load_side(
    folder: Path, task: str, method: str, *, label: str = "", seed: int | None = None
) -> Side:
    """Read a method's evaluation.

    Args:
        folder: of the run, below ``results/``.
        task: the task.
        method: one that was trained and evaluated; ``grl@0.1`` for a point of its path.
        label: what to call it; "" for its name.
        seed: only this one; None: all that did not fail.

    Raises:
        LangspecError: no evaluation, or no such method.
        NoSeeds: no such seed, or every seed failed.
    """
    known = evaluated_methods(folder, task)
    place = folder / "evaluate" / task
    if method not in known:
        erased = " (what is erased has no predictions by item)" if "+" in method else ""
        raise LangspecError(
            f"found the method {method!r}{erased}, expected one of {', '.join(known)}", place=place
        )
    path = place / "predictions.parquet"
    name, strength = _variants(path)[method]
    frame = files.read_parquet(path, filters=[("method", "==", name)])
    frame = frame[frame["strength"].isna() if strength is None else frame["strength"] == strength]
    card = folder / "train" / task / name / "run.json"
    run = files.read_training_record(card) if card.is_file() else {}
    failed = files.failed_seeds(run, strength)
    present = sorted(int(one) for one in frame["seed"].unique())
    wanted = [one for one in present if one not in failed and seed in (None, one)]
    if not wanted:
        wording = f", of which {', '.join(map(str, sorted(failed)))} failed" if failed else ""
        asked = "a seed that did not fail" if seed is None else f"seed {seed}"
        raise NoSeeds(
            f"found the seeds {', '.join(map(str, present))} of {method}{wording}, "
            f"expected {asked}",
            place=place,
        )
    keys, predictions = _predictions(frame, wanted, method, task, place)
    results = _rows(place / "results.csv", name, strength)
    leaks, fixed = _leaks(results, present, wanted)
    return Side(
        label=label or method,
        task=task,
        source=str(run.get("params", {}).get("corpora.source", "")),
        selection=str(run.get("selection", "")),
        keys=keys,
        predictions=predictions,
        leaks=leaks,
        fixed=fixed,
        failed=tuple(sorted(failed)),
        head_layer=-1 if results is None else head_layer(results),
        curves={} if results is None else _curves(results, leaks),
        probe_sizes={} if results is None else _probe_sizes(results),
    )


def _predictions(
    frame: pd.DataFrame, seeds: Sequence[int], method: str, task: str, place: Path
) -> tuple[pd.DataFrame, dict[int, np.ndarray]]:
    """The units that all seeds were scored on, and what each seed predicted of them."""
    keys: pd.DataFrame | None = None
    predictions: dict[int, np.ndarray] = {}
    for one in seeds:
        rows = frame[frame["seed"] == one].astype({"language": str})
        rows = rows.sort_values(_KEYS[:-1], kind="stable", ignore_index=True)
        if keys is None:
            keys = rows[_KEYS]
        elif not keys.equals(rows[_KEYS]):
            raise LangspecError(
                f"seeds of {method} were scored on other units; rerun langspec evaluate --task "
                f"{task}",
                place=place,
            )
        predictions[one] = rows["predicted"].to_numpy(np.int64)
    assert keys is not None, "no seeds"
    return keys, predictions


def _rows(path: Path, method: str, strength: float | None) -> pd.DataFrame | None:
    """Tidy results of a method, or of a point of its path; None where there is no file."""
    if not path.is_file():
        return None
    rows = files.read_results(path)
    same = rows["strength"].isna() if strength is None else rows["strength"] == strength
    return rows[(rows["method"] == method) & (rows["eraser"] == "") & same]


def _leaks(
    rows: pd.DataFrame | None, seeds: Sequence[int], wanted: Sequence[int]
) -> tuple[dict[tuple[str, int], dict[int, float]], bool]:
    """Leaks of the wanted seeds; an encoder that was not trained was probed once, as seed 0."""
    if rows is None:
        return {}, False
    rows = leak_rows(rows, None)
    probed = set(rows["seed"])
    fixed = len(probed) == 1 and probed != set(seeds)
    leaks: dict[tuple[str, int], dict[int, float]] = {}
    for row in rows.to_dict("records"):
        if fixed or row["seed"] in wanted:
            of_layer = leaks.setdefault((row["unit"], int(row["layer"])), {})
            of_layer[int(row["seed"])] = float(row["value"])
    return leaks, fixed


def _curves(
    rows: pd.DataFrame, leaks: Mapping[tuple[str, int], Mapping[int, float]]
) -> dict[tuple[str, int], dict[int, tuple[float, ...]]]:
    """The points of each leak's curve, from the fewest training vectors to all of them."""
    smaller = leak_rows(rows, None, curve=True).sort_values("train_n", kind="stable")
    points: dict[tuple[str, int, int], tuple[float, ...]] = {}
    for row in smaller.to_dict("records"):
        key = row["unit"], int(row["layer"]), int(row["seed"])
        points[key] = (*points.get(key, ()), float(row["value"]))
    curves: dict[tuple[str, int], dict[int, tuple[float, ...]]] = {}
    for (unit, layer), seeds in leaks.items():
        of_seeds = {seed: (*points.get((unit, layer, seed), ()), seeds[seed]) for seed in seeds}
        if all(len(values) == len(SHARES) + 1 for values in of_seeds.values()):
            curves[unit, layer] = of_seeds
    return curves


def _probe_sizes(rows: pd.DataFrame) -> dict[tuple[str, int], tuple[int, ...]]:
    """How many vectors the probes of a leak's curve were fitted on, by unit and layer."""
    probed: Any = pd.concat([leak_rows(rows, None, curve=True), leak_rows(rows, None)])
    return {
        (str(unit), int(layer)): tuple(sorted({int(size) for size in of_layer["train_n"]}))
        for (unit, layer), of_layer in probed.groupby(["unit", "layer"])
    }


def check_comparable(a: Side, b: Side) -> None:
    """Refuse two sides that were not scored on the same units.

    Raises:
        LangspecError: saying what differs first.
    """
    place = f"compare {a.label} {b.label}"
    if a.source and b.source and a.source != b.source:
        raise LangspecError(
            f"one was trained on {a.source}, the other on {b.source}: their targets differ",
            place=place,
        )
    reason = _other_units(a.keys, b.keys)
    if reason:
        raise LangspecError(
            f"not the same test items of {a.task}: {reason}; evaluate both on the same corpora",
            place=place,
        )


def _other_units(a: pd.DataFrame, b: pd.DataFrame) -> str:
    if a.equals(b):
        return ""
    selected, theirs = set(a["language"]), set(b["language"])
    if selected != theirs:
        return f"languages {', '.join(sorted(selected))} and {', '.join(sorted(theirs))}"
    for name, columns in (("items", ["language", "item"]), ("units", ["language"])):
        counts = [len(x.drop_duplicates(columns)) if name == "items" else len(x) for x in (a, b)]
        if counts[0] != counts[1]:
            return f"{counts[0]:,} {name} and {counts[1]:,}"
    differing = int((a["gold"].to_numpy() != b["gold"].to_numpy()).sum())
    return f"{differing:,} of {len(a):,} gold labels differ" if differing else "other item numbers"


@dataclass(frozen=True)
class Line:
    """One comparison with its verdict.

    ``metric`` is ``accuracy``, ``macro_f1`` or ``leak``; ``language`` a code or a mean (``all``
    for a leak); ``layer`` and ``unit`` those of a leak; ``of_head``: it is the leak of the layer
    that the head reads; ``along``: does the difference of a leak hold along the curve
    (:mod:`langspec.measurement.along_curve`)? None: the sides have no common curve.
    """

    metric: str
    language: str
    compared: Compared
    judged: Judged
    layer: int = -1
    unit: str = ""
    of_head: bool = False
    along: bool | None = None

    @property
    def verdict(self) -> str:
        """Of the first method: better or worse at a task; a leak or a gap is higher or lower.

        A leak is so only where the difference holds along the curve.
        """
        present = self.judged.verdict
        if self.metric == LEAK and present in _WORDS and not self.along:
            return "undecided" if self.along is None else SIZE
        plain = self.metric == LEAK or self.language == "gap"
        return present if plain else _WORDS.get(present, present)

    def verdict_words(self, options: JudgeOptions) -> str:
        """The verdict, and what limits it."""
        if self.verdict == "equivalent":
            return f"equivalent (±{options.margin:g})"
        if self.verdict != "undecided":
            return self.verdict
        if self.judged.verdict in _WORDS:
            return "undecided (no common curve of the leak)"
        if not self.compared.difference.trained:
            return "undecided (one seed)"
        return f"undecided (detects {self.compared.difference.detectable(options):.3f})"


def compare_sides(a: Side, b: Side, options: CompareOptions, source: str = "") -> list[Line]:
    """All comparisons of two sides; p adjusted over the languages, each mean by itself.

    Args:
        a: the method that verdicts are about.
        b: the method it is held against.
        options: margin, level, bootstrap.
        source: the source language, where the files of the sides do not name it.

    Raises:
        LangspecError: they were not scored on the same units.
    """
    check_comparable(a, b)
    units = Units(*(a.keys[name].to_numpy() for name in ("language", "item", "gold")))
    source = a.source or b.source or source
    present = compare_predictions(
        units, a.predictions, b.predictions, source=source, options=options.bootstrap
    )
    lines = []
    for metric in ("accuracy", "macro_f1"):
        selected = [one for one in present if one.metric == metric]
        families = [[one] for one in selected if one.language in OVER_LANGUAGES]
        families.insert(0, [one for one in selected if one.language not in OVER_LANGUAGES])
        for family in families:
            judged = judge([one.difference for one in family], options.judge)
            lines += [
                Line(metric, one.language, one, said)
                for one, said in zip(family, judged, strict=True)
            ]
    return lines + compare_leaks(a, b, options)


def compare_leaks(a: Side, b: Side, options: CompareOptions) -> list[Line]:
    """Leaks by unit and layer, seeds alone; p adjusted over a unit's layers but for the head's."""
    both = sorted(set(a.leaks) & set(b.leaks), key=lambda key: (key[0] != "token", *key))
    layers_read = [layer for _, layer in both]
    head = a.head_layer if a.head_layer in layers_read else max(layers_read, default=-1)
    lines = []
    for unit in dict.fromkeys(unit for unit, _ in both):
        layers = [layer for of, layer in both if of == unit]
        for family in ([one for one in layers if one != head], [head]):
            compared = []
            for layer in family:
                selected, theirs = a.leaks[unit, layer], b.leaks[unit, layer]
                pairing = pair_seeds(selected, theirs, a_fixed=a.fixed, b_fixed=b.fixed)
                compared.append(compare_values(LEAK, selected, theirs, pairing))
            judged = judge([one.difference for one in compared], options.judge)
            lines += [
                Line(
                    LEAK,
                    "all",
                    one,
                    said,
                    layer,
                    unit,
                    layer == head,
                    _along(a, b, (unit, layer), one, options.judge.alpha),
                )
                for layer, one, said in zip(family, compared, judged, strict=True)
            ]
    return lines


def _along(a: Side, b: Side, key: tuple[str, int], one: Compared, alpha: float) -> bool | None:
    """Does a difference of leaks hold along the curve? None where the sides have no common one."""
    if key not in a.curves or key not in b.curves or a.probe_sizes[key] != b.probe_sizes[key]:
        return None
    return holds_along(a.curves[key], b.curves[key], one.pairing, alpha)


def seeds_words(one: Compared) -> str:
    """Which seeds were compared, and how."""
    selected, theirs = (", ".join(map(str, seeds)) for seeds in (one.pairing.a, one.pairing.b))
    return {
        "paired": f"{len(one.pairing.a)} seeds, paired ({selected})",
        "apart": f"seeds {selected} against {theirs}, as two samples",
        "fixed": "an encoder that no training changed, against seeds of the other",
        "single": "one seed: the noise of training is unknown, so nothing is decided",
    }[one.pairing.kind]
