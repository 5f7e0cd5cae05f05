"""Pictures of the space: t-SNE of a balanced sample, and how pure neighbourhoods are.

A t-SNE map is for looking; the numbers beside it are taken in the original space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    """int64 ``[M]``: positions of at most ``per_class`` labelled units of each (language, label).

    The choice depends on the seed and on what a unit is, not on its vector: it is the same for
    every checkpoint of one corpus.
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
    """float32 ``[N, 2]``: t-SNE coordinates (van der Maaten 2014), started from the PCA.

    One thread, so that equal vectors give equal bytes.
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
    """Share of each vector's nearest neighbours that are of its class, and that by chance.

    Neighbours are Euclidean and never of the vector's own row: words of one sentence are near each
    other whatever else they share. Chance is the same share among all vectors of other rows.

    Args:
        vectors: ``[N, H]``.
        classes: int ``[N]``.
        rows: int ``[N]``, the sentence of each vector.
        neighbours: k (fewer where there are not so many).

    Returns:
        Purity and its chance level; nan where no vector has a neighbour.
    """
    _, row_index, row_size = np.unique(rows, return_inverse=True, return_counts=True)
    k = min(neighbours + int(row_size.max()), len(vectors))
    with threadpool_limits(1):
        near = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(vectors)
        found = near.kneighbors(vectors, return_distance=False)
    allowed = row_index[found] != row_index[:, None]
    allowed &= np.cumsum(allowed, axis=1) <= neighbours
    has = allowed.any(axis=1)
    if not has.any():
        return np.nan, np.nan
    same = (classes[found] == classes[:, None]) & allowed
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
    """A t-SNE map of a sample balanced over language x label, and the purity of neighbourhoods.

    Args:
        vectors: ``[N, H]`` of one layer of a bank.
        units: what each vector stands for.
        languages: codes that ``units.language`` indexes.
        labels: names that ``units.label`` indexes.
        origin: what was measured.
        layer: of the vectors.
        unit: ``token``, ``sentence`` or ``pair``.
        options: of sample and map.
        seed: of the sample and of t-SNE.

    Returns:
        A table with ``row, unit, language, label, x, y`` and rows with the metrics
        ``knn_purity_language``, ``knn_purity_label`` (language ``all``), and the same with probe
        ``chance``.
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
    results = []
    for name, classes in (("language", units.language[chosen]), ("label", units.label[chosen])):
        purity = neighbour_purity(sample, classes, units.row[chosen], NEIGHBOURS)
        for probe, value in zip(("", "chance"), purity, strict=True):
            results.append(
                origin.row(
                    f"knn_purity_{name}",
                    value,
                    language="all",
                    unit=unit,
                    n=len(chosen),
                    layer=layer,
                    probe=probe,
                )
            )
    return table, results
