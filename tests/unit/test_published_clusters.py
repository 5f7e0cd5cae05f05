"""Clusters as published: what k-means finds in planted groups, in noise, in a sample of units."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, v_measure_score

from langspec.measurement.compat.v_measure import (
    SEEDS,
    adjusted_information,
    published_v_measure,
    text_sample,
    unit_sample,
)

pytestmark = pytest.mark.medium


def test_k_of_33_splits_what_true_k_finds() -> None:
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(4), 20)
    vectors = (20 * np.eye(4)[classes] + rng.normal(size=(80, 4))).astype(np.float32)

    def k_means(vectors: np.ndarray, clusters: int) -> float:
        return published_v_measure(vectors, classes, clusters)[0]

    assert adjusted_information(vectors, classes) == pytest.approx(1)
    assert k_means(vectors, 4) > k_means(vectors, 33)
    noise = rng.normal(size=(80, 4)).astype(np.float32)
    # Where nothing is to be found, V-measure still grows with k; adjusted information does not.
    assert k_means(noise, 33) > 3 * k_means(noise, 4)
    value, chance = published_v_measure(noise, classes, 33)
    assert value == pytest.approx(chance, abs=0.05)  # and so does what chance gives
    assert k_means(vectors, 4) > 0.9 > 0.1 > published_v_measure(vectors, classes, 4)[1]
    assert abs(adjusted_information(noise, classes)) < 0.1
    assert np.isnan(published_v_measure(vectors[:20], classes[:20], 33)).all()
    assert np.isnan(adjusted_information(vectors[:20], classes[:20]))  # one class


def test_ten_runs_of_one_start_each_are_averaged() -> None:
    rng = np.random.default_rng(1)
    classes = np.repeat(np.arange(4), 15)
    vectors = (2 * np.eye(4)[classes] + rng.normal(size=(60, 4))).astype(np.float32)

    def clusters(count: int, seed: int, **more: object) -> np.ndarray:
        model = KMeans(count, max_iter=100, algorithm="lloyd", random_state=seed, **more)
        return model.fit_predict(vectors)

    runs = [clusters(6, seed, init="random", n_init=1) for seed in range(1, 11)]
    scores = [v_measure_score(classes, run) for run in runs]
    assert np.std(scores) > 0.01  # one run is not another
    value, chance = published_v_measure(vectors, classes, 6)
    assert value == pytest.approx(np.mean(scores))
    rng = np.random.default_rng(2)
    shuffled = [v_measure_score(rng.permutation(classes), run) for run in runs for _ in range(100)]
    assert chance == pytest.approx(np.mean(shuffled), abs=0.01)
    found = clusters(4, SEEDS[0], init="k-means++", n_init=10)
    expected = adjusted_mutual_info_score(classes, found)
    assert adjusted_information(vectors, classes) == pytest.approx(expected)


def test_as_many_vectors_as_clusters_are_enough() -> None:
    vectors = np.eye(4, dtype=np.float32)
    assert published_v_measure(vectors, np.arange(4), 4)[0] == pytest.approx(1)
    assert np.isnan(published_v_measure(vectors[:3], np.arange(3), 4)).all()
    assert adjusted_information(np.repeat(vectors[:2], 3, axis=0), np.repeat([0, 1], 3)) == 1


def test_equal_vectors_are_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    vectors = np.repeat(np.eye(2, 4, dtype=np.float32), 5, axis=0)
    value, _ = published_v_measure(vectors, np.repeat([0, 1], 5), 4)
    assert value == pytest.approx(1)
    assert not recwarn.list


def planted_texts(languages: int, texts: int, units: int) -> SimpleNamespace:
    """So many texts of each language, each of so many units."""
    lengths = np.full(languages * texts, units)
    return SimpleNamespace(
        languages=np.repeat(np.arange(languages), texts * units), lengths=lengths
    )


def test_a_sample_takes_one_unit_of_at_most_100_texts_a_language() -> None:
    many = planted_texts(2, 130, 4)
    chosen = text_sample(many, ("de", "en"), 0)
    assert len(set(chosen // 4)) == len(chosen) == 200  # no text twice
    assert np.bincount(many.languages[chosen]).tolist() == [100, 100]
    assert len(set(chosen % 4)) == 4  # not always the first unit
    assert text_sample(many, ("de", "en"), 0).tolist() == chosen.tolist()
    assert text_sample(many, ("de", "en"), 1).tolist() != chosen.tolist()
    assert sorted(text_sample(planted_texts(2, 3, 4), ("de", "en"), 0) // 4) == list(range(6))


def test_a_sample_takes_so_many_units_of_every_group() -> None:
    texts = planted_texts(2, 30, 2)
    group = np.arange(120) % 3
    chosen = unit_sample(texts, group, ("de", "en"), 7, 0)
    assert np.bincount(group[chosen]).tolist() == [7, 7, 7]
    assert len(set(chosen)) == 21
    assert set(texts.languages[chosen]) == {0, 1}
    assert unit_sample(texts, group, ("de", "en"), 7, 1).tolist() != chosen.tolist()
    assert len(unit_sample(texts, group, ("de", "en"), 100, 0)) == 120
