"""The geometry of vectors: clusters, neighbours, size, rank, variance between classes.

The vectors come from a feature bank. Clusters and neighbourhoods are measured on a bounded sample,
the same units for every checkpoint of a corpus; size, rank and variance on all vectors.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.stats import entropy
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    v_measure_score,
)
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information
from threadpoolctl import threadpool_limits

from langspec.errors import LangspecError
from langspec.features.bank import Bank, Units
from langspec.features.sample import lowest_per_group, unit_ranks
from langspec.measurement.projection import neighbour_purity
from langspec.measurement.rows import Origin
from langspec.measurement.subspaces import (
    class_effects,
    effective_rank,
    require_finite,
    span_share,
)
from langspec.results import Result

if TYPE_CHECKING:
    from langspec.measures.space_geometry import GeometryOptions

Factor = Literal["language", "label"]
UNITS = ("token", "sentence")


def unit_meta(bank: Bank, unit: str) -> Units:
    """What each vector stands for: of tokens where ``unit`` is ``token``, else of whole texts."""
    return bank.token_meta if unit == "token" else bank.sentence_meta


def unit_vectors(bank: Bank, unit: str, layer: int) -> np.ndarray:
    """The vectors float32 ``[N, H]`` of a layer: of tokens or, for another unit, of whole texts.

    Raises:
        LangspecError: no such layer, or values that are not finite.
    """
    vectors = bank.tokens(layer) if unit == "token" else bank.sentences(layer)
    require_finite(vectors, f"{unit}s at layer {layer}")
    return vectors


def rows_of_split(bank: Bank, units: Units, split: str | None, unit: str) -> np.ndarray:
    """Positions int64 ``[M]`` of the vectors of a split.

    ``split`` None, or a bank without splits, means all vectors. ``unit`` names the vectors in the
    message.

    Raises:
        LangspecError: there are no vectors.
    """
    if split is None or not bank.splits:
        rows = np.arange(len(units))
    else:
        index = bank.splits.index(split) if split in bank.splits else -2
        rows = np.flatnonzero(units.split == index)
    if not len(rows):
        where = f"split {split!r}" if split is not None and bank.splits else "the feature bank"
        raise LangspecError(f"found no {unit} vectors in {where} to take the geometry of")
    return rows


def measured_rows(bank: Bank, units: Units, split: str | None, unit: str) -> np.ndarray:
    """The positions of :func:`rows_of_split`, without unlabelled vectors if any has a label."""
    rows = rows_of_split(bank, units, split, unit)
    labelled = units.label[rows] >= 0
    return rows[labelled] if labelled.any() else rows


def _classes(bank: Bank, units: Units, rows: np.ndarray, factor: Factor) -> np.ndarray:
    """The class of each row, int64 ``[M]``.

    Raises:
        LangspecError: fewer than two classes, or no class with two vectors.
    """
    classes = (units.language if factor == "language" else units.label)[rows].astype(np.int64)
    names, counts = np.unique(classes, return_counts=True)
    if len(names) < 2:
        present = (
            ", ".join(bank.languages[i] for i in names)
            if factor == "language"
            else f"{len(names)} label" + ("" if len(names) == 1 else "s")
        )
        raise LangspecError(f"geometry needs vectors of at least two {factor}s, found {present}")
    if len(rows) <= len(names) or counts.max() < 2:
        raise LangspecError(f"geometry needs more vectors than {factor}s, found {len(rows)}")
    return classes


def _sample(
    bank: Bank, units: Units, rows: np.ndarray, classes: np.ndarray, most: int, seed: int
) -> np.ndarray:
    """Which of ``rows`` are sampled, ``most`` of each class at most: positions within ``rows``.

    Their order does not depend on the order of the bank.
    """
    ranks = unit_ranks(
        seed + 2, bank.languages, units.language[rows], units.line[rows], units.unit[rows]
    )
    chosen = lowest_per_group(ranks, classes, most)
    return chosen[np.argsort(ranks[chosen], kind="stable")]


def cluster_agreement(
    vectors: np.ndarray, classes: np.ndarray, starts: int, seed: int
) -> dict[str, tuple[float, float]]:
    """How far the clusters of k-means agree with the classes, and how far they would by chance.

    k is the number of classes. V-measure (Rosenberg and Hirschberg 2007) rises with k whatever the
    clusters are. Its chance level is its mean over all permutations of the classes, which the
    expected mutual information gives (Vinh et al. 2010). The adjusted mutual information (also
    Vinh et al.) and the adjusted Rand index (Hubert and Arabie 1985) are 0 by chance.

    Args:
        vectors: ``[N, H]``.
        classes: int ``[N]``.
        starts: runs of k-means from other starting points; the best is taken.
        seed: of k-means.

    Returns:
        For each of ``v_measure``, ``ami`` and ``ari`` the agreement and its chance level.
    """
    k = len(np.unique(classes))
    model = KMeans(k, n_init=starts, random_state=seed)
    with threadpool_limits(1), warnings.catch_warnings():
        # Equal vectors (the embeddings of the first token, pooling cls) give fewer clusters than k
        # and an agreement of 0; this is not an error.
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusters = model.fit_predict(np.ascontiguousarray(vectors, dtype=np.float64))
    v_measure = float(v_measure_score(classes, clusters))
    return {
        "v_measure": (v_measure, v_measure_by_chance(classes, clusters)),
        "ami": (float(adjusted_mutual_info_score(classes, clusters)), 0.0),
        "ari": (float(adjusted_rand_score(classes, clusters)), 0.0),
    }


def v_measure_by_chance(classes: np.ndarray, clusters: np.ndarray) -> float:
    """The mean V-measure of ``clusters`` over all permutations of ``classes``, both int ``[N]``.

    V-measure is the mutual information divided by the mean of both entropies; a permutation does
    not change the entropies.
    """
    table = contingency_matrix(classes, clusters, sparse=True)
    mean = sum(entropy(np.unique(part, return_counts=True)[1]) for part in (classes, clusters)) / 2
    expected = expected_mutual_information(table, len(classes))
    return float(expected / mean) if mean > 0 else 1.0


def class_geometry(
    bank: Bank,
    origin: Origin,
    factor: Factor,
    options: GeometryOptions,
    *,
    units: Sequence[str] = UNITS,
    split: str | None = "test",
    seed: int = 0,
) -> list[Result]:
    """Rows of every layer and unit, language ``all``, of one factor F: languages or labels.

    On the sample: ``v_measure_F``, ``ami_F``, ``ari_F`` (:func:`cluster_agreement`) and
    ``knn_purity_F``. On all vectors: ``variance_share_F``, the share of the variance that lies
    between the classes, and ``subspace_share_F``, the share that lies in the span of their means.
    Probe ``chance`` is the level of each without any structure. For ``language`` also
    ``feature_norm``, ``feature_spread`` and ``effective_rank`` (:func:`sizes`). In a bank with
    labels, unlabelled vectors are left out, and the effects of languages and labels are fitted
    together. No number depends on a rotation of the vectors or on their order.

    Args:
        bank: the vectors.
        origin: task, method, seed, corpus, split and measure of the rows.
        factor: ``language`` or ``label``.
        options: sizes of the sample, of neighbourhoods and of k-means.
        units: ``token``, ``sentence`` or both.
        split: whose vectors are measured; None, or a bank without splits: all.
        seed: of the sample and of k-means.

    Raises:
        LangspecError: fewer than two classes, no vectors, values that are not finite.
    """
    results: list[Result] = []
    for unit in units:
        meta = unit_meta(bank, unit)
        rows = measured_rows(bank, meta, split, unit)
        classes = _classes(bank, meta, rows, factor)
        others = (meta.label if factor == "language" else meta.language)[rows]
        sample = _sample(bank, meta, rows, classes, options.per_class, seed)
        for layer in bank.layers:
            vectors = unit_vectors(bank, unit, layer)[rows]
            place: Any = {"language": "all", "unit": unit, "layer": layer}
            agreements = cluster_agreement(vectors[sample], classes[sample], options.starts, seed)
            agreements["knn_purity"] = neighbour_purity(
                vectors[sample], classes[sample], meta.row[rows[sample]], options.neighbours
            )
            shares = _variance_shares(vectors, classes, others)
            for of_metrics, n in ((agreements, len(sample)), (shares, len(rows))):
                results += [
                    origin.row(f"{metric}_{factor}", value, n=n, probe=probe, **place)
                    for metric, values in of_metrics.items()
                    for probe, value in zip(("", "chance"), values, strict=True)
                ]
            if factor == "language":
                results += [
                    origin.row(metric, value, n=len(rows), **place)
                    for metric, value in sizes(vectors).items()
                ]
    return results


def _variance_shares(
    vectors: np.ndarray, classes: np.ndarray, others: np.ndarray
) -> dict[str, tuple[float, float]]:
    """Shares of the variance of vectors ``[N, H]``, and their chance levels."""
    effects = class_effects(vectors, classes, others)
    basis = effects.basis
    return {
        "variance_share": (effects.share, effects.share_by_chance),
        "subspace_share": (span_share(vectors, basis), len(basis) / vectors.shape[1]),
    }


def sizes(vectors: np.ndarray) -> dict[str, float]:
    """How large vectors ``[N, H]`` are, and how many dimensions they fill.

    ``feature_norm`` is their mean length, ``feature_spread`` the root mean squared distance to
    their mean, ``effective_rank`` that of :func:`langspec.measurement.subspaces.effective_rank`.
    """
    data = np.asarray(vectors, dtype=np.float64)
    spread = np.square(data - data.mean(axis=0)).sum(axis=1).mean()
    return {
        "feature_norm": float(np.linalg.norm(data, axis=1).mean()),
        "feature_spread": float(np.sqrt(spread)),
        "effective_rank": effective_rank(data),
    }


def language_geometry(
    bank: Bank, origin: Origin, options: GeometryOptions, **which: Any
) -> list[Result]:
    """The rows of :func:`class_geometry` for the languages."""
    return class_geometry(bank, origin, "language", options, **which)


def label_geometry(
    bank: Bank, origin: Origin, options: GeometryOptions, **which: Any
) -> list[Result]:
    """The rows of :func:`class_geometry` for the task's labels."""
    return class_geometry(bank, origin, "label", options, **which)
