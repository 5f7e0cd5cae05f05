"""The leak along a curve: the linear probe fitted on a part of its training vectors.

A leak is what a probe reads with as many training vectors as it was given. More vectors may read
more, and two encoders may differ in how fast a probe learns to read them and not in what there is
to read. So each probe is fitted again on a quarter and on half of its training vectors, with a C
path of its own on the same dev vectors, and tested on the same test vectors.

The samples are nested: the quarter lies within the half. Of texts, whole lines are drawn, the same
in all languages.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from langspec.errors import LangspecError
from langspec.features.bank import Bank, Units
from langspec.features.sample import lowest_per_group, unit_ranks
from langspec.measurement.along_curve import SHARES
from langspec.measurement.bootstrap import (
    BootstrapOptions,
    count_scores,
    item_counts,
    resampled_sums,
)
from langspec.measurement.intervals import LEVEL, Interval, real_interval, standard_error
from langspec.measurement.leak import UNITS, probed_layer, split_rows
from langspec.measurement.probe_options import ProbeOptions
from langspec.measurement.rows import Origin
from langspec.results import LEAK_CURVE, LEAK_METRIC, LEAK_PROBE, Result
from langspec.threads import side_by_side

logger = logging.getLogger(__name__)

Predictions = Mapping[tuple[str, int], np.ndarray]
"""Languages int ``[N]`` that the probe of all training vectors names, by unit and layer."""


def nested_rows(
    units: Units, train: np.ndarray, languages: Sequence[str], share: float
) -> np.ndarray:
    """Positions of a part of the training vectors, ascending.

    A language gives ``share`` times as many vectors as the largest one has, and all that it has
    where these are fewer: its curve ends there.

    Args:
        units: what each vector of the bank stands for.
        train: int ``[N]``, positions in ``units`` of the training vectors.
        languages: codes that ``units.language`` indexes.
        share: of the largest language, above 0 and at most 1.
    """
    language = units.language[train].astype(np.int64)
    unit, line = units.unit[train], units.line[train]
    if (unit < 0).all():  # texts: the rank of a line is the same in all languages
        ranks = unit_ranks(0, ("",), np.zeros(len(train), dtype=np.int64), line, unit)
    else:
        ranks = unit_ranks(0, languages, language, line, unit)
    most = max(1, round(share * np.bincount(language).max()))
    return train[lowest_per_group(ranks, language, most)]


def leak_curve(
    bank: Bank,
    origin: Origin,
    options: ProbeOptions,
    bootstrap: BootstrapOptions,
    whole: Predictions,
    *,
    rising: float,
    layers: Sequence[int] | None = None,
    units: Sequence[str] = UNITS,
) -> list[Result]:
    """Rows of the leak on each part of the training vectors, and of what the last half adds.

    All have the measure ``leak_curve``, the probe ``linear`` and in ``train_n`` the vectors that
    the probe was fitted on. Of each share of :data:`SHARES`, unit and layer, language ``all``:
    ``accuracy`` and ``macro_f1`` with intervals, and the facts of the fit. Of each unit and
    layer: ``gain``, the macro-F1 with all training vectors minus that with half of them, with its
    interval (the bootstrap draws test lines, the same for both), and ``rising``: 1 where the
    lower end of that interval is above the bound ``rising``, else 0. Of each language with fewer
    training vectors than the largest: ``train_vectors``, how many.

    Nothing is extrapolated: three points do not tell where a curve ends.

    Args:
        bank: vectors with the splits train, dev and test.
        origin: task, method, seed, corpus and split of the rows.
        options: of the probe.
        bootstrap: of the intervals.
        whole: what the probe of all training vectors predicts.
        rising: the gain above which a leak counts as still rising, in units of the score.
        layers: of the bank that are measured, -1 the last; None: every one.
        units: ``token``, ``sentence`` or both.

    Raises:
        LangspecError: a split without vectors, fewer training lines than points, or a layer that
            the bank lacks.
    """
    measured = bank.some_layers(layers)
    origin = replace(origin, measure=LEAK_CURVE)
    results: list[Result] = []
    for unit in units:
        meta = bank.token_meta if unit == "token" else bank.sentence_meta
        rows = split_rows(bank, meta, unit)
        _check_size(meta, rows["train"], unit)
        parts = _parts(bank, meta, rows)

        def points(layer: int, unit: str = unit, meta: Units = meta, parts: Any = parts) -> Any:
            given = (bank, origin, options, bootstrap, unit, meta)
            return [probed_layer(*given, part, layer) for part in parts]

        test = rows["test"]
        for layer, fits in zip(measured, side_by_side(points, measured), strict=True):
            for _, of_part in fits:
                results += [row for row in of_part if row.language == "all"]
            predicted = fits[-1][0], whole[unit, layer]
            gain = _gain(bank, meta, test, predicted, bootstrap)
            results += _gain_rows(origin, gain, rising, unit, layer, len(test), len(rows["train"]))
        results += _short_languages(bank, origin, meta, rows["train"], unit)
    return results


def _parts(bank: Bank, meta: Units, rows: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """The rows of the splits, with each share of the training rows."""
    nested = (nested_rows(meta, rows["train"], bank.languages, share) for share in SHARES)
    return [{**rows, "train": part} for part in nested]


def _gain(
    bank: Bank,
    meta: Units,
    test: np.ndarray,
    predicted: tuple[np.ndarray, np.ndarray],
    bootstrap: BootstrapOptions,
) -> Interval:
    """What the second prediction of the test vectors has more than the first."""
    line, gold = meta.line[test], meta.language[test].astype(np.int64)
    return gain_interval(line, gold, *predicted, len(bank.languages), bootstrap)


def _gain_rows(
    origin: Origin, gain: Interval, rising: float, unit: str, layer: int, n: int, train_n: int
) -> list[Result]:
    """The rows ``gain`` and ``rising`` of a unit and layer."""
    place: Any = {"language": "all", "unit": unit, "layer": layer, "probe": LEAK_PROBE}
    place |= {"n": n, "train_n": train_n}
    return [
        origin.interval("gain", gain, **place),
        origin.row("rising", gain.low > rising, **place),
    ]


def gain_interval(
    line: np.ndarray,
    gold: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    classes: int,
    options: BootstrapOptions,
) -> Interval:
    """The macro-F1 of ``after`` minus that of ``before`` on the same test vectors.

    Args:
        line: ``[N]``, the line of each vector; the bootstrap draws lines, the same for both.
        gold: int ``[N]``, the language of each vector.
        before: int ``[N]``, predicted by one probe.
        after: int ``[N]``, predicted by the other.
        classes: number of languages.
        options: of the bootstrap.
    """
    names, index = np.unique(line, return_inverse=True)
    both = [item_counts(index, gold, p, len(names), classes) for p in (before, after)]
    counts = np.stack(both, axis=1)
    whole = count_scores(counts.sum(axis=0))[LEAK_METRIC]
    drawn = count_scores(resampled_sums(counts, options))[LEAK_METRIC]
    error = standard_error(drawn[:, 1] - drawn[:, 0], len(names))
    return real_interval(float(whole[1] - whole[0]), error, len(names), LEVEL)


def _check_size(meta: Units, train: np.ndarray, unit: str) -> None:
    lines, points = len(np.unique(meta.line[train])), len(SHARES) + 1
    if (most := int(np.bincount(meta.language[train]).max())) < points:
        raise LangspecError(
            f"the curve of the leak found {most} training {unit} vectors of the largest "
            f"language, expected at least its {points} points; raise features.{unit}s.train, or "
            "add text"
        )
    if lines < points:
        raise LangspecError(
            f"the curve of the leak found {lines} training lines of {unit} vectors; its {points} "
            f"points need at least {points} lines: add text, or a larger share of train lines"
        )


def _short_languages(
    bank: Bank, origin: Origin, meta: Units, train: np.ndarray, unit: str
) -> list[Result]:
    """Rows of the languages whose curve ends before that of the others, which the log names."""
    counts = np.bincount(meta.language[train], minlength=len(bank.languages))
    most = int(counts.max())
    short = {
        code: int(count)
        for code, count in zip(bank.languages, counts, strict=True)
        if count < most
    }
    if short:
        _say(unit, most, ", ".join(f"{code} {count:,}" for code, count in short.items()))
    place: Any = {"unit": unit, "probe": LEAK_PROBE}
    return [
        origin.row("train_vectors", count, language=code, n=count, train_n=count, **place)
        for code, count in short.items()
    ]


@cache
def _say(unit: str, most: int, short: str) -> None:
    """Once a process: every encoder has the same texts."""
    logger.warning(
        "%s vectors to train on: some languages have fewer than the %s of the largest, and their "
        "curve ends there: %s",
        unit,
        f"{most:,}",
        short,
    )
