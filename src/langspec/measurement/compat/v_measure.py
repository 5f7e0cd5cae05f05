"""Clusters as published (Tanti et al. 2021): V-measure of k-means with k = 33, mean of ten seeds.

Each run starts once, from random points. V-measure rises with k whatever the clusters are, and 33
is not the number of languages of every corpus. So adjusted mutual information, at the true number
of classes, is given beside it.
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
from langspec.measurement.geometry import v_measure_by_chance

if TYPE_CHECKING:
    from langspec.measurement.compat.paper_probe import Texts

LANGUAGE_CLUSTERS = 33  # also where there were 14 languages
SEEDS = tuple(range(1, 11))
# Units a group of the sample.
TOKENS_PER_LABEL = 10  # a language and label
PAIRS_PER_LABEL = 50  # the same
TEXTS_PER_LANGUAGE = 100  # of language text; per token, one of each text


def text_sample(texts: Texts, languages: tuple[str, ...], seed: int) -> np.ndarray:
    """Positions int64 ``[N]`` of one unit from each of at most 100 texts of each language."""
    position = np.arange(len(texts.languages))
    row = np.repeat(np.arange(len(texts.lengths)), texts.lengths)
    ranks = unit_ranks(seed, languages, texts.languages, row, position)
    one = lowest_per_group(ranks, row, 1)
    return one[lowest_per_group(ranks[one], texts.languages[one], TEXTS_PER_LANGUAGE)]


def unit_sample(
    texts: Texts, group: np.ndarray, languages: tuple[str, ...], most: int, seed: int
) -> np.ndarray:
    """Positions int64 ``[N]`` of at most ``most`` units of each group.

    ``group`` int ``[units]`` is the group of each unit.
    """
    position = np.arange(len(group))
    ranks = unit_ranks(seed, languages, texts.languages, position, position)
    return lowest_per_group(ranks, group, most)


def published_v_measure(
    vectors: np.ndarray, classes: np.ndarray, clusters: int
) -> tuple[float, float]:
    """The mean V-measure of ten k-means runs on vectors ``[N, H]``, given their classes ``[N]``.

    Beside it stands what the same clusters have by chance, which is their mean over all
    permutations of the classes. Both are nan for fewer vectors than clusters, where k-means is not
    defined.
    """
    if len(vectors) < clusters:
        return float("nan"), float("nan")
    runs = [_clusters(vectors, clusters, seed, init="random", starts=1) for seed in SEEDS]
    scores = [v_measure_score(classes, assigned) for assigned in runs]
    chances = [v_measure_by_chance(classes, assigned) for assigned in runs]
    return float(np.mean(scores)), float(np.mean(chances))


def adjusted_information(vectors: np.ndarray, classes: np.ndarray) -> float:
    """Adjusted mutual information of k-means with as many clusters as classes; 0 by chance.

    It is nan for fewer than two classes, or fewer vectors than classes.
    """
    clusters = len(np.unique(classes))
    if clusters < 2 or len(vectors) < clusters:
        return float("nan")
    assigned = _clusters(vectors, clusters, SEEDS[0], init="k-means++", starts=10)
    return float(adjusted_mutual_info_score(classes, assigned))


def _clusters(
    vectors: np.ndarray, clusters: int, seed: int, *, init: str, starts: int
) -> np.ndarray:
    model = KMeans(
        clusters, init=init, n_init=starts, max_iter=100, random_state=seed, algorithm="lloyd"
    )
    # The order of sums, and so the bytes, depends on the number of threads.
    with threadpool_limits(1), warnings.catch_warnings():
        # Equal vectors give fewer clusters, as in the published measure.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit_predict(vectors)
