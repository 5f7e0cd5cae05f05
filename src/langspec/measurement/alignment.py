"""Whether translations are near each other, and how much a space still looks as it did.

Retrieval: of a sentence in one language, the nearest sentence of another is its translation or
it is not (Artetxe and Schwenk 2019). Linear CKA (Kornblith et al. 2019): how alike two checkpoints
see the same rows, whatever rotation lies between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from langspec.errors import LangspecError
from langspec.features.bank import Bank, Units
from langspec.features.sample import unit_ranks
from langspec.measurement.bootstrap import BootstrapOptions, resampled_share, resampled_sums
from langspec.measurement.geometry import UNITS, rows_of_split, unit_meta, unit_vectors
from langspec.measurement.intervals import Interval
from langspec.measurement.rows import Origin
from langspec.measurement.subspaces import indicators
from langspec.results import Result

MOST_FOR_CKA = 4000  # vectors of each unit
_TIE = 1e-6  # cosines closer than this are equal: equal texts have equal vectors up to rounding


# --- retrieval ---------------------------------------------------------------------------------


def retrieval_hits(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """float64 ``[N]``: whether the nearest of ``second`` to ``first[i]`` by cosine is its row i.

    Where several are equally near, the chance that one of them drawn at random is the right one;
    a vector of zeros is equally far from all.
    """

    def unit(vectors: np.ndarray) -> np.ndarray:
        data = np.asarray(vectors, dtype=np.float64)
        return data / np.maximum(np.linalg.norm(data, axis=1, keepdims=True), 1e-12)

    cosines = unit(first) @ unit(second).T
    near = cosines >= cosines.max(axis=1, keepdims=True) - _TIE
    return np.diagonal(near) / near.sum(axis=1)


def _lines(bank: Bank, units: Units, rows: np.ndarray) -> dict[str, dict[int, int]]:
    """Position of the sentence of each line, by language; each line once."""
    found: dict[str, dict[int, int]] = {}
    for position in rows:
        code = bank.languages[units.language[position]]
        mine = found.setdefault(code, {})
        line = int(units.line[position])
        if line in mine:
            raise LangspecError(
                f"retrieval expects a line number once a language; {code} has line {line} twice"
            )
        mine[line] = int(position)
    return found


def _shared(
    places: Mapping[str, Mapping[int, int]], source: str, candidates: int | None, seed: int
) -> dict[str, list[int]]:
    """Lines that each target language shares with the source; ``candidates`` of them at most.

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
        code: sorted(set(mine) & set(places[source]))
        for code, mine in sorted(places.items())
        if code != source
    }
    if lost := [code for code, lines in shared.items() if len(lines) < 2]:
        raise LangspecError(
            f"retrieval needs text that is parallel by line; {', '.join(lost)} shares fewer than "
            f"two lines with {source}"
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
    """Mean vector of each language: of its training lines where there are any, else of ``rows``.

    So a mean is not told the lines that are looked for.
    """
    train = bank.splits.index("train") if "train" in bank.splits else -2
    means = {}
    for index, code in enumerate(bank.languages):
        own = np.flatnonzero((units.language == index) & (units.split == train))
        if not len(own):
            own = rows[units.language[rows] == index]
        if len(own):
            means[code] = vectors[own].mean(axis=0, dtype=np.float64)
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

    Sentences of a line number are translations of each other. Of each target language and layer:
    metric ``retrieval_from_source`` (a source sentence among the target's),
    ``retrieval_to_source`` (the reverse) and ``retrieval`` (their mean), by cosine; of
    ``mean_targets``, the mean over the targets. Probe ``cosine`` takes vectors as they are,
    ``centred`` after the mean of each language is subtracted: what lies between the two is lost to
    a shift that is the same for every sentence of a language. Each with an interval, lines drawn
    whole; probe ``chance`` (layer -1) is 1/n. ``n`` counts the candidates (``mean_targets``: the
    sum over the targets).

    Lines are those of ``split`` (None: all); of ``candidates`` of them at most, drawn by ``seed``,
    a translation is looked for.

    Raises:
        LangspecError: no source language, one language, lines that are not shared or come twice,
            values that are not finite.
    """
    units = unit_meta(bank, "sentence")
    rows = rows_of_split(bank, units, split, "sentence")
    places = _lines(bank, units, rows)
    shared = _shared(places, source, candidates, seed)
    sizes = {code: len(lines) for code, lines in shared.items()}
    results = _chance_rows(origin, sizes)
    total = sum(sizes.values())
    lines = {line: i for i, line in enumerate(sorted(set().union(*shared.values())))}
    for layer in bank.layers:
        vectors = unit_vectors(bank, "sentence", layer)
        means = _language_means(bank, units, vectors, rows)
        for probe in ("cosine", "centred"):
            centred = means if probe == "centred" else None
            table = _hits(vectors, places, source, shared, lines, centred)
            found = _intervals(table, list(shared), bootstrap)
            results += [
                origin.interval(
                    metric,
                    interval,
                    language=code,
                    unit="sentence",
                    n=sizes.get(code, total),
                    layer=layer,
                    probe=probe,
                )
                for (metric, code), interval in found.items()
            ]
    return results


def _chance_rows(origin: Origin, sizes: Mapping[str, int]) -> list[Result]:
    """1/n of each target language, and their mean."""
    chance = {code: 1 / n for code, n in sizes.items()}
    named: dict[str, Any] = {"unit": "sentence", "probe": "chance"}
    results = [
        origin.row("retrieval", value, language=code, n=sizes[code], **named)
        for code, value in chance.items()
    ]
    mean = float(np.mean(list(chance.values())))
    total = sum(sizes.values())
    return [*results, origin.row("retrieval", mean, language="mean_targets", n=total, **named)]


def _hits(
    vectors: np.ndarray,
    places: Mapping[str, Mapping[int, int]],
    source: str,
    shared: Mapping[str, list[int]],
    lines: Mapping[int, int],
    means: Mapping[str, np.ndarray] | None,
) -> np.ndarray:
    """float64 ``[lines, targets, 3]``: hits from and to the source, and how many there are to hit.

    ``means`` are subtracted from the vectors of their language; None: vectors as they are.
    """
    table = np.zeros((len(lines), len(shared), 3))
    for column, (code, common) in enumerate(shared.items()):
        ours = vectors[[places[source][line] for line in common]]
        theirs = vectors[[places[code][line] for line in common]]
        if means is not None:
            ours, theirs = ours - means[source], theirs - means[code]
        where = [lines[line] for line in common]
        table[where, column, 0] = retrieval_hits(ours, theirs)
        table[where, column, 1] = retrieval_hits(theirs, ours)
        table[where, column, 2] = 1.0
    return table


def _intervals(
    table: np.ndarray, codes: list[str], options: BootstrapOptions
) -> dict[tuple[str, str], Interval]:
    """Accuracies of ``table`` ``[lines, targets, (from, to, count)]`` with their intervals."""

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
    found = {}
    for metric, values in whole.items():
        columns = {code: drawn[metric][:, i] for i, code in enumerate(codes)}
        columns["mean_targets"] = np.nanmean(drawn[metric], axis=1)
        points = {**dict(zip(codes, values, strict=True)), "mean_targets": values.mean()}
        for code, samples in columns.items():
            found[metric, code] = resampled_share(
                float(points[code]), samples, options.level, lines[code]
            )
    return found


# --- similarity --------------------------------------------------------------------------------


def cka(first: np.ndarray, second: np.ndarray) -> float:
    """Linear CKA of two views of ``N`` rows, ``[N, H1]`` and ``[N, H2]``: within 0..1.

    ``|Y'X|^2 / (|X'X| |Y'Y|)`` with centred columns and Frobenius norms (Kornblith et al. 2019,
    equation 5): 1 for views that differ by rotation, shift and scale. nan where one is constant.
    """
    x, y = (np.asarray(part, dtype=np.float64) for part in (first, second))
    if len(x) != len(y):
        raise LangspecError(f"CKA compares the same rows, found {len(x)} and {len(y)}")
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    size = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return float(np.square(np.linalg.norm(y.T @ x)) / size) if size > 0 else np.nan


def _centred_by(vectors: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """``vectors`` with the mean of each class subtracted: float64 ``[N, H]``."""
    _, index, counts = np.unique(classes, return_inverse=True, return_counts=True)
    means = indicators(index).T @ vectors.astype(np.float64) / counts[:, None]
    return np.asarray(vectors - means[index], dtype=np.float64)


def require_same_rows(first: Bank, second: Bank, unit: str) -> None:
    """Refuse banks of other rows.

    Raises:
        LangspecError: their units, languages or layers differ.
    """
    one, two = unit_meta(first, unit), unit_meta(second, unit)
    same = (
        first.languages == second.languages
        and len(one) == len(two)
        and all(
            np.array_equal(getattr(one, name), getattr(two, name))
            for name in ("row", "unit", "language", "line")
        )
    )
    if not same:
        raise LangspecError(
            f"the two feature banks hold other {unit}s ({len(one)} and {len(two)}); checkpoints "
            "are compared on the same rows of one corpus"
        )
    if first.layers != second.layers:
        raise LangspecError(
            f"the two feature banks keep other layers: {list(first.layers)} and "
            f"{list(second.layers)}"
        )


def linear_cka(
    bank: Bank,
    start: Bank,
    origin: Origin,
    *,
    units: Sequence[str] = UNITS,
    split: str | None = "test",
    seed: int = 0,
) -> list[Result]:
    """CKA of ``bank`` with ``start`` on the same rows, layer by layer.

    Metric ``cka`` compares the vectors as they are, ``cka_within_language`` after the mean of each
    language is subtracted on both sides: a likeness that comes from languages lying apart in both
    is not in it. Probe ``chance`` is the same with the rows of ``start`` permuted: above 0 because
    the number of rows is finite. ``n`` counts rows.

    Raises:
        LangspecError: banks of other rows or layers, no vectors, values that are not finite.
    """
    results: list[Result] = []
    for unit in units:
        require_same_rows(bank, start, unit)
        meta = unit_meta(bank, unit)
        rows = rows_of_split(bank, meta, split, unit)
        rng = np.random.default_rng(seed)
        if len(rows) > MOST_FOR_CKA:
            rows = np.sort(rng.choice(rows, MOST_FOR_CKA, replace=False))
        order = rng.permutation(len(rows))
        language = meta.language[rows]
        for layer in bank.layers:
            now = unit_vectors(bank, unit, layer)[rows]
            before = unit_vectors(start, unit, layer)[rows]
            pairs = {
                "cka": (now, before),
                "cka_within_language": (
                    _centred_by(now, language),
                    _centred_by(before, language),
                ),
            }
            results += [
                origin.row(
                    metric, value, language="all", unit=unit, n=len(rows), layer=layer, probe=probe
                )
                for metric, (x, y) in pairs.items()
                for probe, value in (("", cka(x, y)), ("chance", cka(x, y[order])))
            ]
    return results
