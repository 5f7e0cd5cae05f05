"""Clusters, neighbourhoods, sizes and variances on planted vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_options import GEOMETRY, geometry_options
from scipy.linalg import orth
from scipy.stats import ortho_group
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, v_measure_score

from bank_fixtures import bank_of
from langspec.errors import LangspecError
from langspec.measurement.geometry import (
    cluster_agreement,
    label_geometry,
    language_geometry,
    v_measure_by_chance,
)
from langspec.measurement.rows import Origin
from langspec.measurement.subspaces import (
    angles,
    class_effects,
    effective_rank,
    principal_basis,
    random_angles,
    span_share,
)
from langspec.results import Result

ORIGIN = Origin("pos", "frozen", 0, "text", "test", "m")
SENTENCES = ("sentence",)
LINES, WIDTH, CLASSES = 60, 16, 4
LANGUAGE = np.repeat(np.arange(CLASSES), LINES)
LINE = np.tile(np.arange(LINES), CLASSES)


def clusters(distance: float, seed: int = 0) -> np.ndarray:
    """Noise around a mean a language, ``distance`` from the origin in orthogonal directions."""
    rng = np.random.default_rng(seed)
    means = np.zeros((CLASSES, WIDTH))
    means[:, :CLASSES] = distance * np.eye(CLASSES)
    return means[LANGUAGE] + rng.standard_normal((len(LANGUAGE), WIDTH))


def table(rows: list[Result]) -> dict[tuple[str, str, int], float]:
    return {(row.metric, row.probe, row.layer): row.value for row in rows}


def test_planted_clusters_and_noise(tmp_path: Path) -> None:
    bank = bank_of(tmp_path, "two", [clusters(0.0), clusters(30.0)], LANGUAGE, line=LINE)
    rows = language_geometry(bank, ORIGIN, GEOMETRY, units=SENTENCES)
    found = table(rows)
    assert {(row.language, row.unit) for row in rows} == {("all", "sentence")}
    for metric in ("v_measure", "ami", "ari", "knn_purity"):
        assert found[f"{metric}_language", "", 1] == pytest.approx(1.0)
        noise, chance = (found[f"{metric}_language", probe, 0] for probe in ("", "chance"))
        assert noise == pytest.approx(chance, abs=0.06)
    assert found["ami_language", "chance", 0] == found["ari_language", "chance", 0] == 0
    assert found["v_measure_language", "chance", 0] > 0.005  # V-measure is not adjusted
    assert found["knn_purity_language", "chance", 1] == pytest.approx(59 / 239)
    assert found["variance_share_language", "chance", 0] == pytest.approx(3 / 239)
    assert found["variance_share_language", "", 0] < 3 * 3 / 239
    assert found["subspace_share_language", "chance", 1] == 3 / WIDTH
    # Variance between: 4 means at right angles, 30 from the origin; within: 1 in 16 dimensions.
    between = 900 * (1 - 1 / CLASSES)
    assert found["variance_share_language", "", 1] == pytest.approx(
        between / (between + WIDTH), abs=0.005
    )
    assert found["feature_spread", "", 1] == pytest.approx(np.sqrt(between + WIDTH), rel=0.01)
    assert found["effective_rank", "", 0] > 15
    assert found["effective_rank", "", 1] < 4


def test_rotation_and_order_change_nothing(tmp_path: Path) -> None:
    vectors = clusters(3.0)
    turned = vectors @ ortho_group.rvs(WIDTH, random_state=1)
    order = np.random.default_rng(2).permutation(len(vectors))
    options = geometry_options(per_class=40)
    one = table(
        language_geometry(
            bank_of(tmp_path, "a", [vectors], LANGUAGE), ORIGIN, options, units=SENTENCES
        )
    )
    rotated = bank_of(tmp_path, "b", [turned], LANGUAGE)
    shuffled = bank_of(tmp_path, "c", [vectors[order]], LANGUAGE[order], line=order)
    for other in (rotated, shuffled):
        found = table(language_geometry(other, ORIGIN, options, units=SENTENCES))
        assert found == pytest.approx(one, rel=1e-4, abs=1e-4)


def test_doubling_every_row_changes_no_share() -> None:
    vectors, twice = clusters(3.0), np.repeat(np.arange(len(LANGUAGE)), 2)
    one, two = (class_effects(vectors[i], LANGUAGE[i]) for i in (np.arange(len(vectors)), twice))
    assert two.share == pytest.approx(one.share)
    assert effective_rank(vectors[twice]) == pytest.approx(effective_rank(vectors))
    assert angles(one.basis, two.basis) == pytest.approx(np.zeros(3), abs=1e-5)


def test_agreement_is_scikit_learns() -> None:
    vectors = clusters(2.5)
    found = cluster_agreement(vectors, LANGUAGE, starts=4, seed=3)
    clustered = KMeans(CLASSES, n_init=4, random_state=3).fit_predict(vectors)
    assert 0.1 < found["v_measure"][0] < 0.95
    assert found["v_measure"][0] == v_measure_score(LANGUAGE, clustered)
    assert found["ami"][0] == adjusted_mutual_info_score(LANGUAGE, clustered)
    assert found["ari"][0] == adjusted_rand_score(LANGUAGE, clustered)


@pytest.mark.slow
def test_v_measure_by_chance_is_its_mean_over_permutations() -> None:
    rng = np.random.default_rng(0)
    classes, found = rng.integers(5, size=90), rng.integers(4, size=90)
    drawn = [v_measure_score(rng.permutation(classes), found) for _ in range(300)]
    assert v_measure_by_chance(classes, found) == pytest.approx(np.mean(drawn), rel=0.05)
    shuffled = [adjusted_mutual_info_score(rng.permutation(classes), found) for _ in range(100)]
    assert np.mean(shuffled) == pytest.approx(0.0, abs=0.01)


def test_tokens_of_one_split(tmp_path: Path) -> None:
    vectors = np.where((LINE % 2 == 0)[:, None], clusters(30.0), clusters(0.0))
    bank = bank_of(
        tmp_path,
        "split",
        [vectors],
        LANGUAGE,
        line=LINE,
        kind="tokens",
        split=LINE % 2,
        splits=("test", "train"),
    )
    tokens = ("token",)
    rows = language_geometry(bank, ORIGIN, GEOMETRY, units=tokens)
    assert table(rows)["ami_language", "", 0] == pytest.approx(1.0)
    assert {row.n for row in rows} == {len(LANGUAGE) // 2}
    other = language_geometry(bank, ORIGIN, GEOMETRY, units=tokens, split="train")
    assert table(other)["ami_language", "", 0] < 0.1
    with pytest.raises(LangspecError, match="no token vectors in split 'dev'"):
        language_geometry(bank, ORIGIN, GEOMETRY, units=tokens, split="dev")


def test_each_factor_is_fitted_beside_the_other(tmp_path: Path) -> None:
    """A label that is frequent in a language does not make that language's mean its own."""
    rng = np.random.default_rng(0)
    label = (rng.random(len(LANGUAGE)) < np.array([0.1, 0.4, 0.6, 0.9])[LANGUAGE]).astype(int)
    vectors = 0.1 * rng.standard_normal((len(LANGUAGE), WIDTH))
    vectors[:, 0] += 5.0 * label
    vectors[:, 1] += 2.0 * (LANGUAGE == 0)
    plain, beside = class_effects(vectors, LANGUAGE), class_effects(vectors, LANGUAGE, label)
    assert abs(plain.basis[0, 0]) > 0.5  # the label's direction, without the second factor
    assert abs(beside.basis[0, 1]) == pytest.approx(1.0, abs=1e-2)
    expected = {"language": 4.0 * 0.25 * 0.75, "label": 25.0 * label.mean() * (1 - label.mean())}
    total = np.square(vectors - vectors.mean(axis=0)).sum() / len(vectors)
    bank = bank_of(tmp_path, "labelled", [vectors], LANGUAGE, label=label)
    found = table(language_geometry(bank, ORIGIN, GEOMETRY, units=SENTENCES)) | table(
        label_geometry(bank, ORIGIN, GEOMETRY, units=SENTENCES)
    )
    for factor, variance in expected.items():
        share = found[f"variance_share_{factor}", "", 0]
        assert share == pytest.approx(variance / total, rel=0.05)
    assert found["ami_label", "", 0] > 0.95
    assert ("feature_norm", "", 0) in found


def test_vectors_without_a_label_are_left_out(tmp_path: Path) -> None:
    label = np.where(LINE % 3 == 0, -100, LINE % 2)
    bank = bank_of(tmp_path, "some", [clusters(5.0)], LANGUAGE, label=label)
    for rows in (
        language_geometry(bank, ORIGIN, GEOMETRY, units=SENTENCES),
        label_geometry(bank, ORIGIN, GEOMETRY, units=SENTENCES),
    ):
        assert {row.n for row in rows} == {int((label >= 0).sum())}


def test_refusals(tmp_path: Path) -> None:
    vectors = clusters(1.0)
    alone = bank_of(tmp_path, "alone", [vectors], np.zeros(len(vectors), dtype=int))
    with pytest.raises(LangspecError, match="at least two languages, found de"):
        language_geometry(alone, ORIGIN, GEOMETRY, units=SENTENCES)
    unlabelled = bank_of(tmp_path, "unlabelled", [vectors], LANGUAGE)
    with pytest.raises(LangspecError, match="at least two labels"):
        label_geometry(unlabelled, ORIGIN, GEOMETRY, units=SENTENCES)
    broken = vectors.copy()
    broken[3, 2], broken[7, 0] = np.nan, np.inf
    bank = bank_of(tmp_path, "nan", [broken], LANGUAGE)
    with pytest.raises(LangspecError, match="2 of 240 vectors of sentences at layer 0 are not"):
        language_geometry(bank, ORIGIN, GEOMETRY, units=SENTENCES)
    with pytest.raises(LangspecError, match="at least two classes"):
        class_effects(vectors, np.zeros(len(vectors)))


# --- subspaces ---------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.integers(2, 5), st.integers(2, 6))
@settings(max_examples=20, deadline=None)
def test_effects_without_a_second_factor_are_centred_means(seed: int, k: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    classes = rng.permutation(np.concatenate([np.arange(k), rng.integers(k, size=30)]))
    vectors = rng.standard_normal((len(classes), width))
    means = np.stack([vectors[classes == i].mean(axis=0) for i in range(k)])
    effects = class_effects(vectors, classes)
    assert effects.values == pytest.approx(means - vectors.mean(axis=0), abs=1e-9)
    assert 0 <= effects.share <= 1
    assert len(effects.basis) == min(k - 1, width)
    assert effects.share <= span_share(vectors, effects.basis) + 1e-9


def test_share_of_classes_dealt_out_at_random() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((200, 8)) * np.arange(1, 9)
    found = [class_effects(vectors, rng.permutation(200) % 5) for _ in range(200)]
    assert np.mean([f.share for f in found]) == pytest.approx(found[0].share_by_chance, rel=0.05)


@pytest.mark.parametrize("degrees", [0.0, 12.5, 60.0, 90.0])
def test_known_angles(degrees: float) -> None:
    turn = np.radians(degrees)
    first = np.eye(2, 6)
    second = np.array([[1.0, 0, 0, 0, 0, 0], [0, np.cos(turn), 0, np.sin(turn), 0, 0]])
    found = angles(first, second)
    assert found == pytest.approx([0.0, degrees], abs=1e-5)
    mixed = ortho_group.rvs(2, random_state=0) @ second
    assert angles(first, mixed) == pytest.approx(found, abs=1e-5)
    assert not len(angles(first, np.zeros((0, 6))))


def test_random_subspaces() -> None:
    """The mean squared cosine between random subspaces is d2/H, whatever d1."""
    found = random_angles(3, 8, 32, draws=1)
    assert len(found) == 3
    assert (np.diff(found) >= 0).all()
    squares = [
        np.square(np.cos(np.radians(random_angles(3, 8, 32, draws=1, seed=seed)))).mean()
        for seed in range(200)
    ]
    assert np.mean(squares) == pytest.approx(8 / 32, rel=0.05)
    assert not len(random_angles(0, 3, 32))


def test_principal_basis_and_rank() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((500, 6)) * np.array([1, 9, 1, 1, 5, 1]) + 100.0
    assert np.abs(principal_basis(vectors, 2)[[0, 1], [1, 4]]) == pytest.approx(1.0, abs=0.01)
    line = np.outer(rng.standard_normal(50), orth(rng.standard_normal((4, 1)))[:, 0])
    assert effective_rank(line) == pytest.approx(1.0)
    assert np.isnan(effective_rank(np.ones((5, 3))))
