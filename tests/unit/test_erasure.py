"""Erasers on features with planted language cues: what they take, what they leave."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_options import ERASERS as VALUES
from measure_options import make_eraser, probe_options
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

from langspec.erasure.centring import Centring
from langspec.erasure.choice import ERASERS, ONE_MAP
from langspec.erasure.choice import make_eraser as make
from langspec.erasure.eraser_folder import load_eraser, save_eraser, weights_hash
from langspec.erasure.inlp import INLP
from langspec.erasure.leace import LEACE
from langspec.erasure.lir import LIR
from langspec.erasure.lsar import LSAR
from langspec.erasure.moments import Moments
from langspec.errors import LangspecError
from langspec.measurement.probe import fit_probe

pytestmark = pytest.mark.medium

CODES = np.asarray(["de", "en", "fr", "ru"])
WIDTH = 16
PROBE = probe_options(0.01, 1.0, tolerance=1e-3)


def planted(
    seed: int = 0, each: int = 400, width: int = WIDTH, cue: float = 3.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlated noise, a task direction (labels 0/1), a mean a language of length ``cue``.

    Geometry is fixed; ``seed`` draws the sample. Returns features, codes, task labels.
    """
    shape = np.random.default_rng(7)
    mixing = shape.normal(size=(width, width)) / np.sqrt(width) + 0.5 * np.eye(width)
    means = shape.normal(size=(len(CODES), width))
    means *= cue / np.linalg.norm(means, axis=1, keepdims=True)
    task = shape.normal(size=width)
    task /= np.linalg.norm(task)
    rng = np.random.default_rng(seed)
    which = np.repeat(np.arange(len(CODES)), each)
    labels = rng.integers(0, 2, len(which))
    noise = rng.normal(size=(len(which), width)) @ mixing
    features = noise + means[which] + 3.0 * np.where(labels, 1, -1)[:, None] * task
    return features + 5.0, CODES[which], labels


def numbered(codes: np.ndarray) -> np.ndarray:
    """Line numbers: the n-th vector of each language is of line n."""
    lines = np.zeros(len(codes), dtype=np.int64)
    for code in np.unique(codes):
        lines[codes == code] = np.arange((codes == code).sum())
    return lines


def read(fit: np.ndarray, labels: np.ndarray, test: np.ndarray, gold: np.ndarray) -> float:
    """Test accuracy of a fresh linear probe; every fifth training row chooses its strength."""
    _, y = np.unique(labels, return_inverse=True)
    held = np.arange(len(fit)) % 5 == 0
    probe = fit_probe(fit[~held], y[~held], fit[held], y[held], y.max() + 1, PROBE)
    return float((np.unique(labels)[probe.predict(test)] == gold).mean())


def inlp(**changes) -> INLP:
    """INLP with the values of the presets, some of them changed."""
    return INLP(**(VALUES.inlp.model_dump() | changes)).judge_by(VALUES.judge)


@pytest.fixture(scope="module")
def train():
    return planted(0)


@pytest.fixture(scope="module")
def test():
    return planted(1)


# --- what erasing must do --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["leace", "inlp"])
def test_a_linear_cue_is_gone_and_the_task_is_kept(name: str) -> None:
    """64 dimensions: INLP takes ten times the directions of LEACE, and has to afford them."""
    x, codes, labels = planted(0, 500, 64)
    x_test, codes_test, labels_test = planted(1, 500, 64)
    assert read(x, codes, x_test, codes_test) > 0.85  # the cue is there
    eraser = make_eraser(name).fit(x, codes)
    erased, erased_test = eraser.apply(x), eraser.apply(x_test)
    majority = 1 / len(CODES)
    # The rounds of INLP end within the interval of 100 held-out vectors a language.
    near = 0.04 if name == "inlp" else 0.02
    assert read(erased, codes, erased_test, codes_test) <= majority + near
    before, after = (
        read(x, labels, x_test, labels_test),
        read(erased, labels, erased_test, labels_test),
    )
    assert before > 0.97
    assert after >= before - 0.02


def test_a_non_linear_cue_survives_leace() -> None:
    """Two languages told apart by a mean and by an XOR of two other directions."""

    def plant(seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(2000, 6))
        which = rng.integers(0, 2, len(x))
        sign = np.where(rng.random(len(x)) < 0.5, 1.0, -1.0)
        x[:, 0] += np.where(which, 2.0, -2.0)
        x[:, 1] += 2.5 * sign
        x[:, 2] += 2.5 * sign * np.where(which, 1, -1)
        return x, CODES[which]

    (x, codes), (x_test, codes_test) = plant(0), plant(1)
    eraser = LEACE().fit(x, codes)
    erased, erased_test = eraser.apply(x), eraser.apply(x_test)
    assert read(x, codes, x_test, codes_test) > 0.93
    majority = max(np.unique(codes_test, return_counts=True)[1]) / len(codes_test)
    assert read(erased, codes, erased_test, codes_test) <= majority + 0.02
    mlp = MLPClassifier((32,), max_iter=40, random_state=0, learning_rate_init=0.01, tol=1e-2)
    assert mlp.fit(erased, codes).score(erased_test, codes_test) > 0.9


def test_oracle_centring_writes_the_label_into_the_features() -> None:
    """Vectors on a grid: once centred, the fractional part tells whose mean was taken.

    The languages overlap, so nobody can tell them apart before; a tree can after, a linear probe
    cannot.
    """
    rng = np.random.default_rng(0)

    def plant(count: int) -> tuple[np.ndarray, np.ndarray]:
        which = rng.integers(0, 2, count)
        x = rng.integers(-2, 3, size=(count, 1)).astype(float)
        return x, CODES[which]

    def shifted(x: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """The largest of ``en`` are one larger: another mean, mostly the same vectors."""
        return x + np.where((codes == "en") & (x[:, 0] == 2), 1.0, 0.0)[:, None]

    (x, codes), (y, codes_y) = plant(2000), plant(2000)
    x, y = shifted(x, codes), shifted(y, codes_y)
    tree = DecisionTreeClassifier
    plain = tree().fit(x, codes).score(y, codes_y)
    eraser = Centring(gold=True).fit(x, codes)
    oracle = tree().fit(eraser.apply(x, codes), codes).score(eraser.apply(y, codes_y), codes_y)
    assert plain < 0.65
    assert oracle > 0.99
    assert read(eraser.apply(x, codes), codes, eraser.apply(y, codes_y), codes_y) < 0.6


@pytest.mark.parametrize("name", ERASERS)
def test_every_eraser_lowers_what_a_linear_probe_reads(name: str, train, test) -> None:
    (x, codes, _), (x_test, codes_test, _) = train, test
    fitted = make_eraser(name, anchor="en").fit(x, codes, numbered(codes)).map
    after = read(fitted.apply(x, codes), codes, fitted.apply(x_test, codes_test), codes_test)
    # A guessed language moves the vectors that are guessed wrongly the wrong way.
    assert after < read(x, codes, x_test, codes_test) - 0.04
    assert fitted.languages == tuple(CODES)
    assert fitted.gold == name.endswith("_oracle")


# --- LEACE -----------------------------------------------------------------------------------


def test_leace_makes_the_means_equal_and_is_idempotent(train) -> None:
    x, codes, _ = train
    eraser = LEACE().fit(x, codes)
    erased = eraser.apply(x)
    means = np.stack([erased[codes == code].mean(axis=0) for code in CODES])
    np.testing.assert_allclose(means, np.broadcast_to(x.mean(axis=0), means.shape), atol=1e-10)
    np.testing.assert_allclose(eraser.apply(erased), erased, atol=1e-9)
    assert eraser.map.rank == len(CODES) - 1
    assert LEACE().fit(erased, codes).map.rank == 0


def test_leace_agrees_with_concept_erasure(train) -> None:
    concept_erasure = pytest.importorskip("concept_erasure")
    x, codes, _ = train
    onehot = (codes[:, None] == CODES).astype(float)
    theirs = concept_erasure.LeaceFitter.fit(
        torch.from_numpy(x),
        torch.from_numpy(onehot),
        shrinkage=False,
        constrain_cov_trace=False,
        svd_tol=1e-8,
    )
    ours = LEACE().fit(x, codes)
    moments = ours.moments
    scale = len(x) / (len(x) - 1)
    np.testing.assert_allclose(moments.mean, theirs.mean_x.numpy(), atol=1e-10)
    np.testing.assert_allclose(moments.covariance * scale, theirs.sigma_xx.numpy(), atol=1e-9)
    cross = moments.between.T * np.sqrt(moments.counts / len(x)) * scale
    np.testing.assert_allclose(cross, theirs.sigma_xz.numpy(), atol=1e-9)
    expected = theirs.eraser(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours.apply(x), expected, atol=1e-8)


def test_no_affine_erasing_map_changes_less(train) -> None:
    """Against projecting the means' span away, and random maps of the same kernel."""
    x, codes, _ = train
    eraser = LEACE().fit(x, codes)
    least = np.square(eraser.apply(x) - x).sum()
    differences = eraser.moments.between
    basis = np.linalg.svd(differences.T, full_matrices=False)[0][:, : len(CODES) - 1]
    centred = x - x.mean(axis=0)
    assert np.square(centred @ basis @ basis.T).sum() > 1.05 * least
    rng = np.random.default_rng(0)
    for size in (1e-3, 0.1):
        for _ in range(10):
            # I - A with A fixing the differences: every mean goes to the overall mean.
            free = rng.normal(size=(WIDTH, WIDTH)) * size
            matrix = eraser.map.left[0] @ eraser.map.right[0]
            other = matrix + free @ (np.eye(WIDTH) - basis @ basis.T)
            np.testing.assert_allclose(other @ basis, basis, atol=1e-10)
            assert np.square(centred @ other.T).sum() > least


def test_rank_deficient_and_constant_features(train) -> None:
    x, codes, _ = train
    wide = np.concatenate([x, x[:, :3] @ np.ones((3, 2)), np.full((len(x), 2), 4.0)], axis=1)
    erased = LEACE().fit(wide, codes).apply(wide)
    np.testing.assert_allclose(erased[:, :WIDTH], LEACE().fit(x, codes).apply(x), atol=1e-7)
    np.testing.assert_allclose(erased[:, -2:], 4.0, atol=1e-9)
    np.testing.assert_allclose(erased[:, -4], x[:, :3].sum(axis=1) - (x - erased[:, :WIDTH])[:, :3]
                               .sum(axis=1), atol=1e-7)  # fmt: skip
    few = slice(None, None, 200)  # fewer vectors than dimensions
    small = LEACE().fit(wide[few], codes[few]).apply(wide[few])
    means = [small[codes[few] == code].mean(axis=0) for code in CODES]
    np.testing.assert_allclose(np.ptp(means, axis=0), 0, atol=1e-9)
    for name in ERASERS:
        constant = np.full((40, 3), 2.5)
        eraser = make_eraser(name).fit(constant, np.repeat(CODES, 10), np.tile(np.arange(10), 4))
        assert np.isfinite(eraser.apply(constant, np.repeat(CODES, 10))).all()
        if name not in ("lir", "lir_oracle"):
            np.testing.assert_allclose(eraser.apply(constant, np.repeat(CODES, 10)), constant)


# --- the others ------------------------------------------------------------------------------


def test_centring_moves_means_and_nothing_else(train) -> None:
    x, codes, _ = train
    erased = Centring(gold=True, anchor="en").fit(x, codes).apply(x, codes)
    english = x[codes == "en"]
    np.testing.assert_allclose(erased[codes == "en"], english, atol=1e-12)
    for code in CODES:
        mine, was = erased[codes == code], x[codes == code]
        np.testing.assert_allclose(mine.mean(axis=0), english.mean(axis=0), atol=1e-10)
        np.testing.assert_allclose(np.cov(mine.T), np.cov(was.T), atol=1e-9)
    guessed = Centring(anchor="en").fit(x, codes)
    which = np.asarray(guessed.map.languages)[guessed.map.predict(x)]
    assert (which == codes).mean() > 0.9
    np.testing.assert_allclose(guessed.apply(x)[which == codes], erased[which == codes])


def test_lir_removes_each_languages_top_singular_vector(train) -> None:
    x, codes, _ = train
    for rank in (1, 2):
        erased = LIR(rank=rank, gold=True).fit(x, codes).apply(x, codes)
        for code in CODES:
            mine = x[codes == code]
            _, s, vt = np.linalg.svd(mine, full_matrices=False)
            expected = mine - mine @ vt[:rank].T @ vt[:rank]
            np.testing.assert_allclose(erased[codes == code], expected, atol=1e-7)
            largest = np.linalg.svd(erased[codes == code], compute_uv=False)[0]
            assert largest == pytest.approx(s[rank])


def test_lsar_makes_projected_means_equal_and_is_an_orthogonal_projection(train) -> None:
    x, codes, _ = train
    eraser = LSAR(rank=None).fit(x, codes)
    matrix, _ = eraser.map.affine()
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    np.testing.assert_allclose(matrix @ matrix, matrix, atol=1e-10)
    means = [eraser.apply(x)[codes == code].mean(axis=0) for code in CODES]
    np.testing.assert_allclose(np.ptp(means, axis=0), 0, atol=1e-9)
    assert eraser.map.rank == len(CODES) - 1
    lower = LSAR(rank=1).fit(x, codes)
    assert lower.map.rank == 1
    # The common vector lies outside the subspace: the decomposition's condition.
    basis = eraser.map.left[0]
    common = np.linalg.pinv(eraser.moments.means).sum(axis=1)
    np.testing.assert_allclose(basis.T @ common / np.linalg.norm(common), 0, atol=1e-9)


def test_inlp_rounds_take_more_and_stop_by_themselves(train) -> None:
    x, codes, _ = train
    ranks = [inlp(rounds=rounds).fit(x, codes).map.rank for rounds in (1, 2, 50)]
    assert ranks[0] == len(CODES) - 1
    assert ranks[0] <= ranks[1] <= ranks[2] < WIDTH
    eraser = inlp(rounds=2).fit(x, codes)
    erased = eraser.apply(x)
    np.testing.assert_allclose(eraser.apply(erased), erased, atol=1e-9)
    np.testing.assert_allclose(erased.mean(axis=0), x.mean(axis=0), atol=1e-9)


@pytest.mark.parametrize("name", ["leace", "lsar", "inlp", "centring"])
def test_the_anchor_stays_where_it_is(name: str, train) -> None:
    x, codes, _ = train
    plain = make_eraser(name).fit(x, codes).map
    moved = make_eraser(name, anchor="fr").fit(x, codes).map
    difference = moved.apply(x) - plain.apply(x)
    np.testing.assert_allclose(difference, difference[:1] + np.zeros_like(x), atol=1e-8)
    if name != "centring":  # which moves vectors by the language it guesses
        mean = moved.apply(x)[codes == "fr"].mean(axis=0)
        np.testing.assert_allclose(mean, x[codes == "fr"].mean(axis=0), atol=1e-9)
    with pytest.raises(LangspecError, match="anchor 'xx' is not among"):
        make_eraser(name, anchor="xx").fit(x, codes).apply(x)


def test_rlace_finds_the_directions_that_linear_classifiers_need() -> None:
    """Means that differ in two directions of little variance, among louder ones of none."""
    rng = np.random.default_rng(0)
    width, each = 12, 600
    scale = np.concatenate([np.full(2, 0.5), np.full(width - 2, 1.0)])
    turn = np.linalg.qr(rng.normal(size=(width, width)))[0]
    means = np.zeros((3, width))
    means[1, 0], means[2, 1] = 1.2, 1.2
    which = np.repeat(np.arange(3), each)
    x = (means[which] + rng.normal(size=(len(which), width)) * scale) @ turn
    codes = CODES[which]
    eraser = make_eraser("rlace").fit(x, codes, numbered(codes))
    assert eraser.map.rank == 2
    basis = eraser.map.left[0]
    np.testing.assert_allclose(basis.T @ basis, np.eye(2), atol=1e-9)
    planted_directions = turn[:2].T
    assert np.linalg.svd(planted_directions.T @ basis, compute_uv=False).min() > 0.97
    first, last = eraser.map.path
    assert first.accuracy > 0.6
    assert last.at_majority


def test_rlace_in_batches_finds_the_directions_that_all_vectors_have() -> None:
    """Batches of a tenth of the vectors: the same directions to within their own noise."""
    rng = np.random.default_rng(0)
    which = np.repeat(np.arange(3), 2000)
    means = np.zeros((3, 12))
    means[1, 0], means[2, 1] = 1.2, 1.2
    x = means[which] + rng.normal(size=(len(which), 12)) * np.r_[0.5, 0.5, np.ones(10)]
    bases = []
    for batch in (600, len(x)):
        values = VALUES.model_copy(
            update={"rlace": VALUES.rlace.model_copy(update={"batch": batch})}
        )
        fitted = make(name="rlace", values=values).fit(x, CODES[which], numbered(CODES[which])).map
        assert fitted.path[-1].at_majority
        bases.append(fitted.left[0])
    assert not np.array_equal(*bases)
    assert np.linalg.svd(bases[0].T @ bases[1], compute_uv=False).min() > 0.98


def test_rlace_of_one_direction_leaves_less_than_any_single_classifier(train, test) -> None:
    """Two languages: one direction suffices, and it is not that of a classifier's weights."""
    (x, codes, _), (x_test, codes_test, _) = train, test
    two, two_test = np.isin(codes, ["de", "en"]), np.isin(codes_test, ["de", "en"])
    x, codes, x_test, codes_test = x[two], codes[two], x_test[two_test], codes_test[two_test]
    left = {}
    for name, eraser in (
        ("rlace", make_eraser("rlace")),
        ("inlp", inlp(strengths=[1.0], rounds=1)),
    ):
        fitted = eraser.fit(x, codes, numbered(codes)).map
        assert fitted.rank == 1
        left[name] = read(fitted.apply(x), codes, fitted.apply(x_test), codes_test)
    assert left["rlace"] < 0.55 < left["inlp"]


def test_relative_vectors_are_the_mean_differences_of_translations() -> None:
    """A language that has text about one topic only: centring takes the topic for language."""
    rng = np.random.default_rng(0)
    lines, width = 300, 8
    topic = 4.0 * rng.normal(size=width)
    about = np.arange(lines) % 2  # every other line is about the topic
    text = rng.normal(size=(lines, width)) + about[:, None] * topic
    shift = {"de": rng.normal(size=width), "en": np.zeros(width), "fr": rng.normal(size=width)}
    parts = []
    for code in shift:
        chosen = np.flatnonzero(about) if code == "fr" else np.arange(lines)
        noise = 0.1 * rng.normal(size=(len(chosen), width))
        parts.append((text[chosen] + shift[code] + noise, np.full(len(chosen), code), chosen))
    x, codes, of = (np.concatenate(part) for part in zip(*parts, strict=True))
    eraser = make_eraser("relative_oracle", anchor="en")
    for rows in np.array_split(np.random.default_rng(1).permutation(len(x)), 3):
        eraser.partial_fit(x[rows], codes[rows], of[rows])
    for index, code in enumerate(("de", "en", "fr")):
        np.testing.assert_allclose(eraser.map.shift[index], -shift[code], atol=0.05)
    np.testing.assert_allclose(eraser.apply(x, codes)[codes == "en"], x[codes == "en"])
    centred = make_eraser("centring_oracle", anchor="en").fit(x, codes).map.shift[2]
    assert np.linalg.norm(centred + shift["fr"]) > 1.0
    # Of two languages: the mean difference over the lines that both have.
    two = codes != "de"
    pair = make_eraser("relative_oracle", anchor="en").fit(x[two], codes[two], of[two]).map
    french = x[codes == "fr"] - x[codes == "en"][of[codes == "fr"]]
    np.testing.assert_allclose(pair.shift[1], -french.mean(axis=0), atol=1e-9)


def test_relative_vectors_need_lines_that_languages_share(train) -> None:
    x, codes, _ = train
    with pytest.raises(LangspecError, match="give the line number of each vector"):
        make_eraser("relative").fit(x, codes)
    apart = numbered(codes) + 10_000 * (codes == "fr")
    with pytest.raises(LangspecError, match="fr share no line with other languages"):
        _ = make_eraser("relative").fit(x, codes, apart).map


def test_leace_agrees_with_its_closed_form(train) -> None:
    """From Theorem 4.3, with matrix roots of another algorithm, and shrunk or not."""
    x, codes, _ = train
    x, codes = x[::25], codes[::25]  # few vectors: there is something to shrink
    onehot = (codes[:, None] == CODES).astype(float)
    centred, count, width = x - x.mean(axis=0), len(x), x.shape[1]
    sample = centred.T @ centred / count
    # Bodnar et al. 2014 with the target I: alpha, beta of their equations 4.3 and 4.4.
    norm = np.linalg.norm(sample, "fro") ** 2
    spread = norm * width - np.trace(sample) ** 2
    alpha = 1 - np.trace(sample) ** 2 * width / count / spread
    beta = np.trace(sample) / width * (1 - alpha)
    assert 0.05 < alpha < 0.98
    cross = centred.T @ (onehot - onehot.mean(axis=0)) / count
    for name, covariance in (
        ("none", sample),
        ("linear", alpha * sample + beta * np.eye(width)),
    ):
        whiten = np.real(scipy.linalg.inv(scipy.linalg.sqrtm(covariance)))
        projection = (whiten @ cross) @ np.linalg.pinv(whiten @ cross, rcond=1e-9)
        expected = x - centred @ (np.linalg.inv(whiten) @ projection @ whiten).T
        erased = LEACE(shrinkage=name).fit(x, codes).apply(x)
        np.testing.assert_allclose(erased, expected, atol=1e-7)
        means = np.stack([erased[codes == code].mean(axis=0) for code in CODES])
        np.testing.assert_allclose(np.ptp(means, axis=0), 0, atol=1e-9)


def test_shrinkage_helps_where_vectors_are_few() -> None:
    """Thirty vectors in 24 dimensions: unseen ones change less by the shrunk map."""
    x, codes, _ = planted(0, each=8, width=24)
    unseen, _, _ = planted(1, each=200, width=24)
    changed = {}
    for name in ("none", "linear"):
        erased = LEACE(shrinkage=name).fit(x, codes).apply(unseen)
        changed[name] = np.square(erased - unseen).mean()
    assert changed["linear"] < 0.9 * changed["none"]


@pytest.mark.parametrize(
    ("name", "values"), [("lir", {"rank": 4}), ("lir_oracle", {"rank": 9}), ("leace", {})]
)
def test_an_eraser_that_would_remove_everything_is_refused(name: str, values, train) -> None:
    x, codes, _ = train
    narrow = x[:, : 3 if name == "leace" else 4]
    eraser = LIR(gold=name != "lir", **values) if values else LEACE()
    message = (
        r"evaluate\.erasers\.run: .* would remove \d directions of vectors that vary in "
        rf"{narrow.shape[1]} dimensions, and nothing would"
    )
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(9, 9)))[0]
    for vectors in (narrow, narrow @ turn[: narrow.shape[1]]):  # the latter is wide, and flat
        with pytest.raises(LangspecError, match=message):
            _ = eraser.fit(vectors, codes).map


# --- streaming, types, refusals --------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 160), max_size=5), seed=st.integers(0, 99))
def test_chunks_change_nothing(cuts: list[int], seed: int) -> None:
    x, codes, _ = planted(2, each=40, width=6)
    order = np.random.default_rng(seed).permutation(len(x))
    x, codes = x[order] * 1e3 + 1e5, codes[order]  # far from the origin: where sums cancel
    bounds = [0, *sorted(cuts), len(x)]
    for name in ("centring_oracle", "lir_oracle", "lsar", "leace"):
        whole, parts = make_eraser(name).fit(x, codes), make_eraser(name)
        for low, high in itertools.pairwise(bounds):
            parts.partial_fit(x[low:high], codes[low:high])
        scale = np.abs(x).max()
        expected = whole.apply(x, codes) / scale
        np.testing.assert_allclose(parts.apply(x, codes) / scale, expected, atol=1e-10)


def test_chunks_change_nothing_for_inlp(train) -> None:
    x, codes, _ = train
    parts = inlp(rounds=2)
    for low in range(0, len(x), 300):
        parts.partial_fit(x[low : low + 300], codes[low : low + 300])
    np.testing.assert_allclose(parts.apply(x), inlp(rounds=2).fit(x, codes).apply(x), atol=1e-10)


def test_fit_forgets_and_partial_fit_remembers(train) -> None:
    x, codes, _ = train
    eraser = LEACE().fit(x[::2], codes[::2])
    first = eraser.apply(x)
    assert not np.allclose(eraser.partial_fit(x[1::2] + 1, codes[1::2]).apply(x), first)
    np.testing.assert_array_equal(eraser.fit(x[::2], codes[::2]).apply(x), first)


def test_float32_in_float32_out(train) -> None:
    x, codes, _ = train
    single = x.astype(np.float32)
    eraser = LEACE().fit(single, codes)
    assert eraser.apply(single).dtype == np.float32
    assert eraser.apply(single.astype(np.float16)).dtype == np.float32
    np.testing.assert_allclose(eraser.apply(single), eraser.apply(single.astype(float)), rtol=1e-5)


@pytest.mark.parametrize("name", ERASERS)
def test_bad_features_are_refused(name: str, train) -> None:
    x, codes, _ = train
    broken = x.copy()
    broken[3, 2] = np.nan
    with pytest.raises(LangspecError, match="not finite"):
        make_eraser(name).fit(broken, codes)
    with pytest.raises(LangspecError, match="at least two languages, found en"):
        make_eraser(name).fit(x, np.full(len(x), "en"), np.arange(len(x)))
    with pytest.raises(LangspecError, match="at least two languages, found none"):
        _ = make_eraser(name).map
    with pytest.raises(LangspecError, match="a language for each of 1600 vectors, found 3"):
        make_eraser(name).fit(x, codes[:3])
    with pytest.raises(LangspecError, match=r"\[N, H\]"):
        make_eraser(name).fit(x[0], codes)
    eraser = make_eraser(name).fit(x, codes, numbered(codes))
    with pytest.raises(LangspecError, match="16 dimensions"):
        eraser.apply(x[:, :5], codes)
    with pytest.raises(LangspecError, match="expected features of 16 dimensions, found 5"):
        eraser.partial_fit(x[:, :5], codes)


def test_an_oracle_needs_languages_that_it_knows(train) -> None:
    x, codes, _ = train
    eraser = Centring(gold=True).fit(x, codes)
    with pytest.raises(LangspecError, match="oracle: it needs the language"):
        eraser.apply(x)
    with pytest.raises(LangspecError, match="not fitted on xx"):
        eraser.apply(x[:1], ["xx"])


def test_an_unknown_eraser_is_refused_by_its_path() -> None:
    with pytest.raises(LangspecError, match=r"evaluate\.erasers\.run: unknown eraser 'leas'"):
        make_eraser("leas")


def test_moments_equal_numpy(train) -> None:
    x, codes, _ = train
    moments = Moments()
    for low in range(0, len(x), 111):
        moments.update(x[low : low + 111], codes[low : low + 111])
    np.testing.assert_allclose(moments.covariance, np.cov(x.T, bias=True), atol=1e-10)
    np.testing.assert_allclose(moments.means[1], x[codes == "en"].mean(axis=0), atol=1e-12)


# --- on disk ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ERASERS)
def test_saved_and_read_back(tmp_path: Path, name: str, train) -> None:
    x, codes, _ = train
    eraser = make_eraser(name).fit(x, codes, numbered(codes))
    save_eraser(
        tmp_path / "e", eraser.map, encoder="a" * 64, unit="token", layer=4,
        options=eraser.options(),
    )  # fmt: skip
    assert {file.suffix for file in (tmp_path / "e").iterdir()} == {".json", ".safetensors"}
    back = load_eraser(tmp_path / "e", encoder="a" * 64, unit="token", layer=4)
    np.testing.assert_array_equal(back.apply(x, codes), eraser.apply(x, codes))
    assert (back.name, back.rank, back.gold) == (name, eraser.map.rank, eraser.map.gold)
    assert back.path == eraser.map.path
    assert bool(back.path) == eraser.by_steps


def test_an_eraser_of_another_encoder_unit_or_schema_is_refused(tmp_path: Path, train) -> None:
    x, codes, _ = train
    fitted = LEACE().fit(x, codes).map
    place = tmp_path / "e"
    save_eraser(place, fitted, encoder="a" * 64, unit="token", layer=4)
    with pytest.raises(LangspecError, match="fitted on the encoder aaaaaaaaaaaa, given bbbb"):
        load_eraser(place, encoder="b" * 64, unit="token", layer=4)
    with pytest.raises(LangspecError, match="token vectors of layer 4, given sentence"):
        load_eraser(place, encoder="a" * 64, unit="sentence", layer=4)
    with pytest.raises(LangspecError, match="layer 4, given token vectors of layer 3"):
        load_eraser(place, encoder="a" * 64, unit="token", layer=3)
    with pytest.raises(LangspecError, match="no readable"):
        load_eraser(tmp_path, encoder="a" * 64, unit="token", layer=4)
    card = json.loads((place / "eraser.json").read_text())
    for path in (3, [3], [{"rank": 1}], [{"steps": 2}]):
        (place / "eraser.json").write_text(json.dumps(card | {"path": path}))
        with pytest.raises(LangspecError, match="path is malformed") as error:
            load_eraser(place, encoder="a" * 64, unit="token", layer=4)
        assert "\n" not in str(error.value)
    (place / "eraser.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(LangspecError, match="another SHA-256"):
        load_eraser(place, encoder="a" * 64, unit="token", layer=4)
    card = json.loads((place / "eraser.json").read_text()) | {"schema": 99}
    (place / "eraser.json").write_text(json.dumps(card))
    with pytest.raises(LangspecError, match="schema 1"):
        load_eraser(place, encoder="a" * 64, unit="token", layer=4)


def test_the_encoders_hash_is_of_its_weights() -> None:
    one, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    other.load_state_dict(one.state_dict())
    assert weights_hash(one) == weights_hash(other)
    with torch.no_grad():
        other.weight[0, 0] += 1e-6
    assert weights_hash(one) != weights_hash(other)


def test_erasers_with_one_map_are_known_by_their_classes(train) -> None:
    x, codes, _ = train
    for name in ERASERS:
        fitted = make_eraser(name).fit(x, codes, numbered(codes)).map
        assert fitted.by_language == (name not in ONE_MAP)


def test_the_affine_form_is_the_same_map(train) -> None:
    x, codes, _ = train
    for name in ONE_MAP:
        fitted = make_eraser(name, anchor="de").fit(x, codes).map
        matrix, bias = fitted.affine()
        np.testing.assert_allclose(x @ matrix.T + bias, fitted.apply(x), atol=1e-9)
    with pytest.raises(LangspecError, match="no single affine map"):
        Centring().fit(x, codes).map.affine()
