"""The similarity of two checkpoints: debiased linear CKA.

Linear CKA says how similar the vectors of two checkpoints are on the same rows, whatever rotation
lies between them (Kornblith et al. 2019). As it was published it is biased: two spaces of
independent Gaussian vectors look alike, the more so the fewer the rows and the more the
dimensions. Here it is formed of the unbiased estimates of Song et al. (2012), as Nguyen, Raghu and
Kornblith (2021) and Murphy, Zylberberg and Fyshe (2024) do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from langspec.errors import LangspecError
from langspec.features.bank import Bank
from langspec.measurement.geometry import UNITS, rows_of_split, unit_meta, unit_vectors
from langspec.measurement.rows import Origin
from langspec.results import Result

MOST_FOR_CKA = 4000  # vectors at most; more are sampled


def unbiased_hsic(first: np.ndarray, second: np.ndarray) -> float:
    """The unbiased estimate of HSIC with linear kernels; nan for fewer than four rows.

    HSIC is the squared Frobenius norm of the covariance of both matrices. Its estimate is
    equation 4 of Song, Smola, Gretton, Bedo and Borgwardt (2012), "Feature selection via
    dependence maximization" (JMLR 13): products of a row with itself are left out, so its
    expectation is 0 where both are independent. It can be below 0.

    Args:
        first: ``[N, H1]``.
        second: ``[N, H2]``.
    """
    n = len(first)
    if n < 4:
        return float("nan")
    # A shift changes nothing. After it every row of the Gram matrix without its diagonal sums to
    # minus the diagonal's entry.
    x, y = first - first.mean(axis=0), second - second.mean(axis=0)
    of_x, of_y = np.square(x).sum(axis=1), np.square(y).sum(axis=1)
    both = float(of_x @ of_y)
    trace = float(np.square(x.T @ y).sum()) - both
    sums = float(of_x.sum()) * float(of_y.sum()) / ((n - 1) * (n - 2))
    return (trace + sums - 2 * both / (n - 2)) / (n * (n - 3))


def _mean_hsic(first: np.ndarray, second: np.ndarray, groups: Sequence[np.ndarray]) -> float:
    """The mean HSIC of groups of rows (positions int ``[n]`` each), weighted by their sizes.

    Groups of fewer than four rows are left out; without any other it is nan.
    """
    parts = [(len(rows), unbiased_hsic(first[rows], second[rows])) for rows in groups]
    known = [(size, value) for size, value in parts if not np.isnan(value)]
    total = sum(size for size, _ in known)
    return sum(size * value for size, value in known) / total if total else float("nan")


def debiased_cka(
    first: np.ndarray, second: np.ndarray, classes: np.ndarray | None = None
) -> float:
    """Debiased linear CKA of two matrices of vectors of the same ``N`` rows, at most about 1.

    ``HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y))`` (Kornblith et al. 2019, equation 2) of the
    estimates of :func:`unbiased_hsic`. It is 1 for matrices that differ by rotation, shift and
    scale, and 0 in expectation for independent ones, whatever the number of rows.

    Args:
        first: ``[N, H1]``.
        second: ``[N, H2]``.
        classes: int ``[N]``; each HSIC is then the mean over the classes of that within a class,
            so that what lies between the classes does not count.

    Returns:
        The similarity; nan where one matrix has equal rows, or no class has four rows.

    Raises:
        LangspecError: different numbers of rows.
    """
    if len(first) != len(second):
        raise LangspecError(f"CKA compares the same rows, found {len(first)} and {len(second)}")
    groups = _groups(np.zeros(len(first), np.int64) if classes is None else classes)
    return _similarities(first, second, groups, ())[0]


def _groups(classes: np.ndarray) -> list[np.ndarray]:
    """The positions int ``[n]`` of the rows of each class."""
    return [np.flatnonzero(classes == one) for one in np.unique(classes)]


def _similarities(
    first: np.ndarray,
    second: np.ndarray,
    groups: Sequence[np.ndarray],
    orders: Sequence[np.ndarray],
) -> list[float]:
    """Debiased CKA within groups: of the rows as they are, and with ``second`` in each order.

    An order int ``[N]`` exchanges rows of one group only.
    """
    x, y = (np.asarray(part, dtype=np.float64) for part in (first, second))
    size = _mean_hsic(x, x, groups) * _mean_hsic(y, y, groups)
    # Of equal rows only rounding is left.
    least = 1e-24 * (np.square(x).sum() * np.square(y).sum()) ** 2 / max(len(x), 1) ** 4
    if not size > least:  # nan too
        return [float("nan")] * (1 + len(orders))
    every = (y, *(y[order] for order in orders))
    return [_mean_hsic(x, one, groups) / float(np.sqrt(size)) for one in every]


def require_same_rows(first: Bank, second: Bank, unit: str) -> None:
    """Refuse two banks that do not hold the same rows and layers.

    Raises:
        LangspecError: their units, languages, lines or layers differ.
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


def checkpoint_similarity(
    bank: Bank,
    start: Bank,
    origin: Origin,
    *,
    units: Sequence[str] = UNITS,
    split: str | None = "test",
    seed: int = 0,
) -> list[Result]:
    """Debiased CKA of two checkpoints on the same rows, layer by layer.

    Metric ``debiased_cka`` compares the vectors as they are. ``debiased_cka_within_language`` is
    formed within each language: a similarity that rests on languages lying apart in both
    checkpoints is not in it. Probe ``chance`` permutes the rows of ``start`` (within each language
    for the second); it is near 0. ``n`` counts rows.

    Args:
        bank: vectors of one checkpoint.
        start: vectors of the other, such as the encoder before training.
        origin: task, method, seed, corpus, split and measure of the rows.
        units: ``token``, ``sentence`` or both.
        split: whose rows are taken; None: all.
        seed: of the sample of at most :data:`MOST_FOR_CKA` rows, and of the permutation.

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
        all_rows, of_languages = [np.arange(len(rows))], _groups(meta.language[rows])
        within = np.arange(len(rows))
        for places in of_languages:
            within[places] = rng.permutation(places)
        kinds = {
            "debiased_cka": (all_rows, rng.permutation(len(rows))),
            "debiased_cka_within_language": (of_languages, within),
        }
        for layer in bank.layers:
            now = unit_vectors(bank, unit, layer)[rows]
            before = unit_vectors(start, unit, layer)[rows]
            place: Any = {"language": "all", "unit": unit, "layer": layer, "n": len(rows)}
            results += [
                origin.row(metric, value, probe=probe, **place)
                for metric, (groups, order) in kinds.items()
                for probe, value in zip(
                    ("", "chance"), _similarities(now, before, groups, [order]), strict=True
                )
            ]
    return results
