"""Retrieval of translations.

Retrieval asks how often the nearest sentence of another language is the translation of a sentence
(Artetxe and Schwenk 2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from langspec.errors import LangspecError
from langspec.features.bank import Bank, Units
from langspec.features.sample import unit_ranks
from langspec.measurement.bootstrap import BootstrapOptions, resampled_share, resampled_sums
from langspec.measurement.geometry import rows_of_split, unit_meta, unit_vectors
from langspec.measurement.intervals import Interval
from langspec.measurement.rows import Origin
from langspec.results import Result

_TIE = 1e-6  # cosines closer than this are equal: equal texts have equal vectors up to rounding


def retrieval_hits(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Is row i of ``second`` the nearest of its rows to row i of ``first``, by cosine?

    Args:
        first: ``[N, H]``.
        second: ``[N, H]``.

    Returns:
        float64 ``[N]``: 1 or 0. Where ``k`` rows are equally near and row i is one of them, 1 / k.
        A vector of zeros is equally near to all.
    """

    def normalised(vectors: np.ndarray) -> np.ndarray:
        data = np.asarray(vectors, dtype=np.float64)
        return data / np.maximum(np.linalg.norm(data, axis=1, keepdims=True), 1e-12)

    cosines = normalised(first) @ normalised(second).T
    near = cosines >= cosines.max(axis=1, keepdims=True) - _TIE
    return np.diagonal(near) / near.sum(axis=1)


def line_places(bank: Bank, units: Units, rows: np.ndarray) -> dict[str, dict[int, int]]:
    """By language, the position of the sentence of each line; a line occurs once a language."""
    places: dict[str, dict[int, int]] = {}
    for position in rows:
        code = bank.languages[units.language[position]]
        of_language = places.setdefault(code, {})
        line = int(units.line[position])
        if line in of_language:
            raise LangspecError(
                f"retrieval expects a line number once a language; {code} has line {line} twice"
            )
        of_language[line] = int(position)
    return places


def shared_lines(
    places: Mapping[str, Mapping[int, int]], source: str, candidates: int | None, seed: int
) -> dict[str, list[int]]:
    """The lines that each target language shares with the source, at most ``candidates`` of them.

    Raises:
        LangspecError: no source, no target, or a language that shares fewer than two lines.
    """
    if source not in places:
        raise LangspecError(
            f"retrieval found no sentence of the source language {source!r}, only of "
            + ", ".join(sorted(places))
        )
    if len(places) < 2:
        raise LangspecError(f"retrieval needs at least two languages, found {source}")
    shared = {
        code: sorted(set(of_language) & set(places[source]))
        for code, of_language in sorted(places.items())
        if code != source
    }
    if too_few := [code for code, lines in shared.items() if len(lines) < 2]:
        raise LangspecError(
            f"retrieval needs text that is parallel by line; {', '.join(too_few)} shares fewer "
            f"than two lines with {source}"
        )
    if candidates is not None:
        shared = {code: _drawn(lines, candidates, seed) for code, lines in shared.items()}
    return shared


def _drawn(lines: list[int], candidates: int, seed: int) -> list[int]:
    """At most ``candidates`` lines, by a pseudo-random rank: the same for every checkpoint."""
    none = np.zeros(len(lines), dtype=np.int64)
    ranks = unit_ranks(seed + 4, ("",), none, np.asarray(lines), none)
    return [lines[i] for i in np.argsort(ranks, kind="stable")[:candidates]]


def _language_means(
    bank: Bank, units: Units, vectors: np.ndarray, rows: np.ndarray
) -> dict[str, np.ndarray]:
    """The mean vector of each language: of its training lines, or of ``rows`` if it has none.

    Training lines keep the mean independent of the lines whose translations are looked for.
    """
    train = bank.splits.index("train") if "train" in bank.splits else -2
    means = {}
    for index, code in enumerate(bank.languages):
        chosen = np.flatnonzero((units.language == index) & (units.split == train))
        if not len(chosen):
            chosen = rows[units.language[rows] == index]
        if len(chosen):
            means[code] = vectors[chosen].mean(axis=0, dtype=np.float64)
    return means


def retrieval(
    bank: Bank,
    origin: Origin,
    source: str,
    bootstrap: BootstrapOptions,
    *,
    candidates: int | None = None,
    split: str | None = "test",
    seed: int = 0,
) -> list[Result]:
    """How often a sentence's nearest sentence in another language is its translation.

    Sentences with the same line number are translations of each other. The nearest sentence is
    that of the largest cosine. There are three metrics a layer, with an interval each (the
    bootstrap draws lines), for each target language and for ``mean_targets``, their mean:

    - ``retrieval_from_source``: the query is a source sentence, the candidates are those of the
      target language;
    - ``retrieval_to_source``: the reverse;
    - ``retrieval``: the mean of both.

    Probe ``cosine`` takes the vectors as they are; probe ``centred`` first subtracts the mean of
    each language. Their difference is what a constant shift of each language costs. Probe
    ``chance`` is 1 / n. ``n`` counts candidates (of ``mean_targets``: their sum).

    Args:
        bank: sentence vectors with line numbers.
        origin: task, method, seed, corpus, split and measure of the rows.
        source: code of the source language.
        bootstrap: of the intervals.
        candidates: lines at most that a target language is searched with; None: all.
        split: whose lines are taken; None: all lines.
        seed: by which the candidates are drawn.

    Raises:
        LangspecError: no source language, one language, lines that are not shared or come twice,
            values that are not finite.
    """
    units = unit_meta(bank, "sentence")
    rows = rows_of_split(bank, units, split, "sentence")
    places = line_places(bank, units, rows)
    shared = shared_lines(places, source, candidates, seed)
    sizes = {code: len(lines) for code, lines in shared.items()}
    results: list[Result] = []
    total = sum(sizes.values())
    lines = {line: i for i, line in enumerate(sorted(set().union(*shared.values())))}
    for layer in bank.layers:
        results += _chance_rows(origin, sizes, layer)
        vectors = unit_vectors(bank, "sentence", layer)
        means = _language_means(bank, units, vectors, rows)
        for probe in ("cosine", "centred"):
            centred = means if probe == "centred" else None
            table = hits_by_line(vectors, places, source, shared, lines, centred)
            place: Any = {"unit": "sentence", "layer": layer, "probe": probe}
            results += [
                origin.interval(metric, interval, language=code, n=sizes.get(code, total), **place)
                for (metric, code), interval in _intervals(table, list(shared), bootstrap).items()
            ]
    return results


def _chance_rows(origin: Origin, sizes: Mapping[str, int], layer: int) -> list[Result]:
    """The rows of probe ``chance``: 1 / n of each target language, and their mean."""
    chance = {code: 1 / n for code, n in sizes.items()}
    named: dict[str, Any] = {"unit": "sentence", "probe": "chance", "layer": layer}
    results = [
        origin.row("retrieval", value, language=code, n=sizes[code], **named)
        for code, value in chance.items()
    ]
    mean = float(np.mean(list(chance.values())))
    total = sum(sizes.values())
    return [*results, origin.row("retrieval", mean, language="mean_targets", n=total, **named)]


def hits_by_line(
    vectors: np.ndarray,
    places: Mapping[str, Mapping[int, int]],
    source: str,
    shared: Mapping[str, list[int]],
    lines: Mapping[int, int],
    means: Mapping[str, np.ndarray] | None,
) -> np.ndarray:
    """Hits from the source, hits to the source, and queries: float64 ``[lines, targets, 3]``.

    ``means`` are subtracted from the vectors of their language; None: vectors stay as they are.
    """
    table = np.zeros((len(lines), len(shared), 3))
    for column, (code, common) in enumerate(shared.items()):
        of_source = vectors[[places[source][line] for line in common]]
        of_target = vectors[[places[code][line] for line in common]]
        if means is not None:
            of_source, of_target = of_source - means[source], of_target - means[code]
        where = [lines[line] for line in common]
        table[where, column, 0] = retrieval_hits(of_source, of_target)
        table[where, column, 1] = retrieval_hits(of_target, of_source)
        table[where, column, 2] = 1.0
    return table


def _intervals(
    table: np.ndarray, codes: list[str], options: BootstrapOptions
) -> dict[tuple[str, str], Interval]:
    """Accuracies of the table of :func:`_hits` with their intervals, by metric and language."""

    def accuracies(sums: np.ndarray) -> dict[str, np.ndarray]:  # [..., targets, 3]
        with np.errstate(invalid="ignore", divide="ignore"):
            there, back = sums[..., 0] / sums[..., 2], sums[..., 1] / sums[..., 2]
        return {
            "retrieval": (there + back) / 2,
            "retrieval_from_source": there,
            "retrieval_to_source": back,
        }

    lines = dict(zip(codes, np.count_nonzero(table[:, :, 2], axis=0).tolist(), strict=True))
    lines["mean_targets"] = len(table)
    whole, drawn = accuracies(table.sum(axis=0)), accuracies(resampled_sums(table, options))
    intervals = {}
    for metric, values in whole.items():
        columns = {code: drawn[metric][:, i] for i, code in enumerate(codes)}
        columns["mean_targets"] = np.nanmean(drawn[metric], axis=1)
        points = {**dict(zip(codes, values, strict=True)), "mean_targets": values.mean()}
        for code, samples in columns.items():
            intervals[metric, code] = resampled_share(float(points[code]), samples, lines[code])
    return intervals
