"""A picture of the vectors: t-SNE of a balanced sample, and the purity of neighbourhoods.

A t-SNE map is for looking at; the numbers beside it are taken from the vectors themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from langspec.errors import LangspecError
from langspec.features.bank import Units
from langspec.features.sample import lowest_per_group, unit_ranks
from langspec.measurement.rows import Origin
from langspec.results import Result

if TYPE_CHECKING:
    import pandas as pd

    from langspec.measures.tsne_map import ProjectionOptions


ITERATIONS = 1000  # of t-SNE's gradient descent
NEIGHBOURS = 10  # k of the purity of neighbourhoods


def balanced_sample(
    units: Units, languages: tuple[str, ...], options: ProjectionOptions, seed: int = 0
) -> np.ndarray:
    """Draw labelled units, at most ``per_class`` of each pair of language and label.

    The draw depends on the seed and on what a unit is, not on its vector: every checkpoint of one
    corpus gets the same sample.

    Args:
        units: what each vector of a bank stands for.
        languages: codes that ``units.language`` indexes.
        options: ``per_class``, and ``max_points`` in all; fewer of each class are drawn to stay
            within it.
        seed: of the draw.

    Returns:
        Positions, int64 ``[M]``.
    """
    labelled = np.flatnonzero(units.label >= 0)
    if not len(labelled):
        return labelled
    language, label = units.language[labelled].astype(np.int64), units.label[labelled]
    group = language * (int(label.max()) + 1) + label
    ranks = unit_ranks(seed + 1, languages, language, units.row[labelled], units.unit[labelled])
    counts = np.unique(group, return_counts=True)[1]
    most = options.per_class
    while most > 1 and np.minimum(counts, most).sum() > options.max_points:
        most -= 1
    return labelled[lowest_per_group(ranks, group, most)]


def tsne(vectors: np.ndarray, perplexity: float, seed: int = 0) -> np.ndarray:
    """t-SNE coordinates float32 ``[N, 2]`` of vectors ``[N, H]`` (van der Maaten 2014).

    The map starts from the PCA. It is computed in one thread, so equal vectors give equal bytes.
    ``perplexity`` is lowered to a third of ``N - 1`` where it is larger.

    Raises:
        LangspecError: fewer than 4 vectors.
    """
    if len(vectors) < 4:
        raise LangspecError(f"a t-SNE map needs at least 4 vectors, found {len(vectors)}")
    model = TSNE(
        init="pca",
        perplexity=min(perplexity, (len(vectors) - 1) / 3),
        max_iter=ITERATIONS,
        random_state=seed,
        n_jobs=1,
    )
    with threadpool_limits(1):
        return model.fit_transform(np.ascontiguousarray(vectors, dtype=np.float32))


def neighbour_purity(
    vectors: np.ndarray, classes: np.ndarray, rows: np.ndarray, neighbours: int
) -> tuple[float, float]:
    """How many of the nearest neighbours of a vector are of its class, and how many by chance.

    Neighbours are the nearest by Euclidean distance among vectors of other rows: words of one
    sentence are near each other whatever else they share. Chance is the share of the class among
    all vectors of other rows.

    Args:
        vectors: ``[N, H]``.
        classes: int ``[N]``.
        rows: int ``[N]``, the sentence of each vector.
        neighbours: number of neighbours, k; fewer where there are not so many.

    Returns:
        The mean share over all vectors, and its chance level; nan where no vector has a neighbour.
    """
    _, row_index, row_size = np.unique(rows, return_inverse=True, return_counts=True)
    k = min(neighbours + int(row_size.max()), len(vectors))
    with threadpool_limits(1):
        search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(vectors)
        nearest = search.kneighbors(vectors, return_distance=False)
    allowed = row_index[nearest] != row_index[:, None]
    allowed &= np.cumsum(allowed, axis=1) <= neighbours
    has = allowed.any(axis=1)
    if not has.any():
        return np.nan, np.nan
    same = (classes[nearest] == classes[:, None]) & allowed
    purity = same.sum(axis=1)[has] / allowed.sum(axis=1)[has]

    _, class_index = np.unique(classes, return_inverse=True)
    table = np.zeros((len(row_size), int(class_index.max()) + 1))
    np.add.at(table, (row_index, class_index), 1.0)
    alike = table.sum(axis=0)[class_index] - table[row_index, class_index]
    others = len(vectors) - row_size[row_index]
    return float(purity.mean()), float((alike[has] / others[has]).mean())


def projection(
    vectors: np.ndarray,
    units: Units,
    languages: tuple[str, ...],
    labels: tuple[str, ...],
    origin: Origin,
    *,
    layer: int,
    unit: str,
    options: ProjectionOptions,
    seed: int = 0,
) -> tuple[pd.DataFrame, list[Result]]:
    """A t-SNE map of a :func:`balanced_sample`, and the purity of neighbourhoods in it.

    Args:
        vectors: ``[N, H]`` of one layer of a bank.
        units: what each vector stands for.
        languages: codes that ``units.language`` indexes.
        labels: names that ``units.label`` indexes.
        origin: task, method, seed, corpus, split and measure of the rows.
        layer: of the vectors.
        unit: ``token``, ``sentence`` or ``pair``.
        options: of the sample and the map.
        seed: of the sample and of t-SNE.

    Returns:
        A table with the columns ``row, unit, language, label, x, y``, and rows of language ``all``
        with the metrics ``knn_purity_language`` and ``knn_purity_label``; probe ``chance`` is
        their chance level.

    Raises:
        LangspecError: no labelled units, or fewer than 4.
    """
    import pandas as pd

    chosen = balanced_sample(units, languages, options, seed)
    if not len(chosen):
        raise LangspecError("no labelled vectors to project")
    sample = vectors[chosen]
    places = tsne(sample, options.perplexity, seed)
    table = pd.DataFrame(
        {
            "row": units.row[chosen],
            "unit": units.unit[chosen],
            "language": [languages[i] for i in units.language[chosen]],
            "label": [labels[i] for i in units.label[chosen]],
            "x": places[:, 0].astype(np.float32),
            "y": places[:, 1].astype(np.float32),
        }
    )
    place: Any = {"language": "all", "unit": unit, "layer": layer, "n": len(chosen)}
    results = []
    for name, classes in (("language", units.language[chosen]), ("label", units.label[chosen])):
        purity = neighbour_purity(sample, classes, units.row[chosen], NEIGHBOURS)
        for probe, value in zip(("", "chance"), purity, strict=True):
            results.append(origin.row(f"knn_purity_{name}", value, probe=probe, **place))
    return table, results
