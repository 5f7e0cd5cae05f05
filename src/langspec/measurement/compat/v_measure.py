"""Clusters as published: k-means with k = 33 from random points, one start, mean of ten seeds.

V-measure rises with k whatever the clusters are worth, and 33 is not the number of languages of
every corpus; beside it stands adjusted mutual information at the true number of classes.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_mutual_info_score, v_measure_score
from threadpoolctl import threadpool_limits

from langspec.features.sample import lowest_per_group, unit_ranks

if TYPE_CHECKING:
    from langspec.measurement.compat.paper_probe import Texts

LANGUAGE_CLUSTERS = 33  # also where there were 14 languages
SEEDS = tuple(range(1, 11))
# Units a group of the sample.
TOKENS_PER_LABEL = 10  # a language and label
PAIRS_PER_LABEL = 50  # the same
TEXTS_PER_LANGUAGE = 100  # of language text; per token, one of each text


def text_sample(texts: Texts, languages: tuple[str, ...], seed: int) -> np.ndarray:
    """int64 ``[N]``: a unit of each of at most 100 texts a language."""
    position = np.arange(len(texts.languages))
    row = np.repeat(np.arange(len(texts.lengths)), texts.lengths)
    ranks = unit_ranks(seed, languages, texts.languages, row, position)
    one = lowest_per_group(ranks, row, 1)
    return one[lowest_per_group(ranks[one], texts.languages[one], TEXTS_PER_LANGUAGE)]


def unit_sample(
    texts: Texts, group: np.ndarray, languages: tuple[str, ...], most: int, seed: int
) -> np.ndarray:
    """int64 ``[N]``: at most ``most`` units of each ``group`` (int ``[units]``)."""
    position = np.arange(len(group))
    ranks = unit_ranks(seed, languages, texts.languages, position, position)
    return lowest_per_group(ranks, group, most)


def published_v_measure(vectors: np.ndarray, classes: np.ndarray, clusters: int) -> float:
    """Mean V-measure over ten k-means runs of vectors ``[N, H]`` against classes ``[N]``.

    nan where there are fewer vectors than clusters: k-means is not defined there.
    """
    if len(vectors) < clusters:
        return float("nan")
    found = [
        v_measure_score(classes, _clusters(vectors, clusters, seed, init="random", starts=1))
        for seed in SEEDS
    ]
    return float(np.mean(found))


def adjusted_information(vectors: np.ndarray, classes: np.ndarray) -> float:
    """Adjusted mutual information of k-means with as many clusters as classes; chance is 0."""
    clusters = len(np.unique(classes))
    if clusters < 2 or len(vectors) < clusters:
        return float("nan")
    found = _clusters(vectors, clusters, SEEDS[0], init="k-means++", starts=10)
    return float(adjusted_mutual_info_score(classes, found))


def _clusters(
    vectors: np.ndarray, clusters: int, seed: int, *, init: str, starts: int
) -> np.ndarray:
    model = KMeans(
        clusters, init=init, n_init=starts, max_iter=100, random_state=seed, algorithm="lloyd"
    )
    # The order of sums, and so the bytes, depends on the number of threads.
    with threadpool_limits(1), warnings.catch_warnings():
        # Vectors that are equal make fewer clusters: what the published measure does with them.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit_predict(vectors)
