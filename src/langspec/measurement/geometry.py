"""How a bank's vectors lie together: clusters, neighbours, size, rank, variance of classes.

All of it is read off a feature bank. Clusters and neighbourhoods are taken on a bounded sample,
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
    """What each vector of ``unit`` (``token``, else whole texts) stands for."""
    return bank.token_meta if unit == "token" else bank.sentence_meta


def unit_vectors(bank: Bank, unit: str, layer: int) -> np.ndarray:
    """float32 ``[N, H]``: the vectors of ``unit`` at a layer, all finite.

    Raises:
        LangspecError: no such layer, or values that are not finite.
    """
    vectors = bank.tokens(layer) if unit == "token" else bank.sentences(layer)
    require_finite(vectors, f"{unit}s at layer {layer}")
    return vectors


def rows_of_split(bank: Bank, units: Units, split: str | None, unit: str) -> np.ndarray:
    """int64 ``[M]``: positions of the vectors of a split, or of all where there are no splits.

    Raises:
        LangspecError: there are none.
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
    """:func:`rows_of_split`; in a bank with labels, only the vectors that have one."""
    rows = rows_of_split(bank, units, split, unit)
    labelled = units.label[rows] >= 0
    return rows[labelled] if labelled.any() else rows


def _classes(bank: Bank, units: Units, rows: np.ndarray, factor: Factor) -> np.ndarray:
    """int64 ``[M]``: the class of each row; at least two classes of at least two vectors."""
    found = (units.language if factor == "language" else units.label)[rows].astype(np.int64)
    names, counts = np.unique(found, return_counts=True)
    if len(names) < 2:
        classes = (
            ", ".join(bank.languages[i] for i in names)
            if factor == "language"
            else f"{len(names)} label" + ("" if len(names) == 1 else "s")
        )
        raise LangspecError(f"geometry needs vectors of at least two {factor}s, found {classes}")
    if len(rows) <= len(names) or counts.max() < 2:
        raise LangspecError(f"geometry needs more vectors than {factor}s, found {len(rows)}")
    return found


def _sample(
    bank: Bank, units: Units, rows: np.ndarray, classes: np.ndarray, most: int, seed: int
) -> np.ndarray:
    """Positions within ``rows`` of the sample, in an order that the bank's order cannot change."""
    ranks = unit_ranks(
        seed + 2, bank.languages, units.language[rows], units.line[rows], units.unit[rows]
    )
    chosen = lowest_per_group(ranks, classes, most)
    return chosen[np.argsort(ranks[chosen], kind="stable")]


def cluster_agreement(
    vectors: np.ndarray, classes: np.ndarray, starts: int, seed: int
) -> dict[str, tuple[float, float]]:
    """How well k-means finds the classes, and how well it would by chance.

    k is the number of classes. V-measure (Rosenberg and Hirschberg 2007) rises with k whatever
    the clusters are, so its chance level belongs beside it: its mean over all permutations of the
    classes, from the expected mutual information (Vinh et al. 2010). The adjusted mutual
    information (the same) and the adjusted Rand index (Hubert and Arabie 1985) are 0 there by
    construction.

    Args:
        vectors: ``[N, H]``.
        classes: int ``[N]``.
        starts: of k-means.
        seed: of k-means.

    Returns:
        Of ``v_measure``, ``ami`` and ``ari``: the agreement, and what it is by chance.
    """
    k = len(np.unique(classes))
    model = KMeans(k, n_init=starts, random_state=seed)
    with threadpool_limits(1), warnings.catch_warnings():
        # Equal vectors (the first piece's embeddings, pooling cls) make fewer clusters: an
        # agreement of 0, and no fault.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = model.fit_predict(np.ascontiguousarray(vectors, dtype=np.float64))
    return {
        "v_measure": (float(v_measure_score(classes, found)), v_measure_by_chance(classes, found)),
        "ami": (float(adjusted_mutual_info_score(classes, found)), 0.0),
        "ari": (float(adjusted_rand_score(classes, found)), 0.0),
    }


def v_measure_by_chance(classes: np.ndarray, clusters: np.ndarray) -> float:
    """Mean V-measure of ``clusters`` over all permutations of ``classes``, both int ``[N]``.

    V-measure is the mutual information over the mean of both entropies, which a permutation
    leaves as they are.
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
    """Rows of every layer and unit of ``bank``, of its languages or of its labels.

    ``v_measure_F``, ``ami_F``, ``ari_F`` (k-means, k = number of classes) and ``knn_purity_F`` on
    the sample; ``variance_share_F``, the share of the variance that lies between the classes, and
    ``subspace_share_F``, the share that lies in the directions their means span, on all vectors
    (F is ``language`` or ``label``). The same with probe ``chance``: what no structure gives. In a
    bank with labels, vectors without one are left out, and each factor is fitted beside the other.
    For ``language`` also
    ``feature_norm``, ``feature_spread`` (root mean squared distance to the mean) and
    ``effective_rank``. Invariant under rotation and the order of the rows.

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
            found = {
                f"{name}_{factor}": (values, len(sample))
                for name, values in cluster_agreement(
                    vectors[sample], classes[sample], options.starts, seed
                ).items()
            }
            purity = neighbour_purity(
                vectors[sample], classes[sample], meta.row[rows[sample]], options.neighbours
            )
            found[f"knn_purity_{factor}"] = (purity, len(sample))
            effects = class_effects(vectors, classes, others)
            found[f"variance_share_{factor}"] = (
                (effects.share, effects.share_by_chance),
                len(rows),
            )
            basis = effects.basis
            inside = span_share(vectors, basis), len(basis) / vectors.shape[1]
            found[f"subspace_share_{factor}"] = (inside, len(rows))
            place = {"language": "all", "unit": unit, "layer": layer}
            for metric, (values, n) in found.items():
                for probe, value in zip(("", "chance"), values, strict=True):
                    results.append(origin.row(metric, value, n=n, probe=probe, **place))  # type: ignore[arg-type]
            if factor == "language":
                results += [
                    origin.row(metric, value, n=len(rows), **place)  # type: ignore[arg-type]
                    for metric, value in sizes(vectors).items()
                ]
    return results


def sizes(vectors: np.ndarray) -> dict[str, float]:
    """``feature_norm``, ``feature_spread`` and ``effective_rank`` of vectors ``[N, H]``."""
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
    """:func:`class_geometry` of the languages."""
    return class_geometry(bank, origin, "language", options, **which)


def label_geometry(
    bank: Bank, origin: Origin, options: GeometryOptions, **which: Any
) -> list[Result]:
    """:func:`class_geometry` of the task's labels, of the vectors that have one."""
    return class_geometry(bank, origin, "label", options, **which)
