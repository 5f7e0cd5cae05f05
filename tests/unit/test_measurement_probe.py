"""The linear probe: the right optimum, planted truth found, nothing found where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from measure_options import PROBE, probe_options
from sklearn.linear_model import LogisticRegression

from langspec.errors import LangspecError
from langspec.measurement import multinomial
from langspec.measurement import probe as probe_module
from langspec.measurement.probe import fit_probe


def problem(
    seed: int, rows: int, classes: int, width: int, distance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian classes ``distance`` apart in correlated, shifted features ``[N, H]``."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=rows)
    labels[:classes] = np.arange(classes)
    features = (
        rng.normal(size=(rows, width)) + distance * rng.normal(size=(classes, width))[labels]
    )
    features = features @ rng.normal(size=(width, width)) + 5 * rng.normal(size=width)
    return features.astype(np.float32), labels


@pytest.mark.parametrize("c", [1e-3, 1e-1, 10.0])
@pytest.mark.parametrize(("classes", "distance"), [(2, 1.0), (4, 0.3), (7, 1.0), (5, 4.0)])
def test_equals_scikit_learn(classes: int, distance: float, c: float) -> None:
    x, y = problem(classes, 300, classes, 24, distance)
    probe = fit_probe(x, y, x[:50], y[:50], classes, probe_options(c))
    z = (x - x.mean(axis=0, dtype=np.float64)) / x.std(axis=0, dtype=np.float64)
    # scikit-learn writes two classes with one vector of weights: half the penalty.
    other = LogisticRegression(C=2 * c if classes == 2 else c, tol=1e-8, max_iter=10_000)
    expected = other.fit(z, y).predict_proba(z)
    assert probe.converged
    assert np.abs(np.exp(probe.log_probabilities(x)) - expected).max() < 1e-3


def test_a_path_ends_where_a_single_fit_ends() -> None:
    """Warm starts save work; they do not change the optimum."""
    x, y = problem(3, 400, 5, 20, 0.7)
    path = probe_options(1e-3, 1e-2, 1e-1, 1.0)
    long = fit_probe(x, y, x, y, 5, path, patience=4)
    alone = fit_probe(x, y, x, y, 5, probe_options(1.0))
    assert long.chosen_c == 1.0
    assert (
        np.abs(np.exp(long.log_probabilities(x)) - np.exp(alone.log_probabilities(x))).max() < 1e-3
    )


def test_strength_is_chosen_on_validation_per_condition() -> None:
    options = probe_options(1e-4, 1e-2, 1.0, 100.0)
    rng = np.random.default_rng(0)
    chosen = {}
    for name, distance in (("noise", 0.0), ("signal", 6.0)):
        x, y = problem(1, 600, 4, 30, distance)
        if name == "noise":
            y = rng.permutation(y)
        probe = fit_probe(x[:300], y[:300], x[300:], y[300:], 4, options, patience=4)
        losses = [step.dev_loss for step in probe.path]
        assert probe.chosen_c == options.strengths[int(np.argmin(losses))]
        chosen[name] = probe.chosen_c
    assert chosen["noise"] < chosen["signal"]


def test_a_planted_linear_signal_is_found() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(6, size=3000)
    x = rng.normal(size=(3000, 64)).astype(np.float32)
    # Tiny beside everything else, but linear: four per mille of the variance.
    x[:, :6] = 0.01 * (6.0 * np.eye(6)[labels] + rng.normal(size=(3000, 6)))
    probe = fit_probe(x[:2000], labels[:2000], x[2000:2500], labels[2000:2500], 6, PROBE)
    assert probe.converged
    assert np.mean(probe.predict(x[2500:]) == labels[2500:]) >= 0.99


def test_shuffled_labels_stay_at_chance() -> None:
    rng = np.random.default_rng(1)
    x, y = problem(1, 3000, 5, 40, 3.0)
    y = rng.permutation(np.arange(3000) % 5)
    probe = fit_probe(x[:1500], y[:1500], x[1500:2000], y[1500:2000], 5, PROBE)
    hits = np.mean(probe.predict(x[2000:]) == y[2000:])
    assert abs(hits - 0.2) < 3.5 * np.sqrt(0.2 * 0.8 / 1000)


def test_scale_and_shift_of_features_do_not_matter() -> None:
    x, y = problem(2, 500, 4, 16, 0.8)
    rng = np.random.default_rng(0)
    factor = 10.0 ** rng.uniform(-3, 3, size=16)
    moved = (x * factor + rng.normal(size=16) * factor).astype(np.float32)
    one = fit_probe(x[:300], y[:300], x[300:], y[300:], 4, PROBE)
    two = fit_probe(moved[:300], y[:300], moved[300:], y[300:], 4, PROBE)
    assert one.chosen_c == two.chosen_c
    assert np.abs(one.log_probabilities(x) - two.log_probabilities(moved)).max() < 1e-2


def test_order_of_rows_and_names_of_labels_do_not_matter() -> None:
    x, y = problem(4, 400, 4, 12, 0.8)
    order = np.random.default_rng(0).permutation(300)
    swap = np.array([2, 0, 3, 1])
    one = fit_probe(x[:300], y[:300], x[300:], y[300:], 4, PROBE)
    two = fit_probe(x[:300][order], swap[y[:300][order]], x[300:], swap[y[300:]], 4, PROBE)
    assert np.allclose(
        np.exp(two.log_probabilities(x))[:, swap], np.exp(one.log_probabilities(x)), atol=1e-3
    )


def test_every_row_twice_is_the_same_as_half_the_penalty() -> None:
    x, y = problem(5, 300, 4, 12, 0.8)
    once = fit_probe(x, y, x, y, 4, probe_options(1.0))
    twice = fit_probe(np.tile(x, (2, 1)), np.tile(y, 2), x, y, 4, probe_options(0.5))
    assert np.allclose(
        np.exp(once.log_probabilities(x)), np.exp(twice.log_probabilities(x)), atol=1e-3
    )


def test_separable_classes_take_tens_of_iterations() -> None:
    """As texts of an encoder lie: a few rows decide, and not along the axes of all rows."""
    rng = np.random.default_rng(0)
    labels = np.arange(3000) % 17
    spread = 1 / np.arange(1, 129)
    x = rng.normal(size=(3000, 128)) * spread * rng.gamma(1, size=(3000, 1))
    x += (rng.normal(size=(17, 128)) * 128**-0.5 * rng.gamma(2, size=(17, 1)))[labels]
    x = (x + 0.05 * rng.normal(size=x.shape)).astype(np.float32)
    options = probe_options(1e-2, 1.0, 100.0)
    probe = fit_probe(x[:2000], labels[:2000], x[2000:], labels[2000:], 17, options, patience=3)
    assert probe.converged
    assert probe.chosen_c == 100.0
    assert probe.iterations <= 200  # 309 where every class is scaled by its own curvature alone


def test_many_rows_are_fitted_to_the_same_optimum_in_fewer_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A part of the rows says where the fits start; what they reach is the same."""
    x, y = problem(3, 4000, 5, 20, 0.5)
    options = probe_options(1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
    given = (x[:3000], y[:3000], x[3000:], y[3000:], 5, options)
    few = fit_probe(*given)
    monkeypatch.setattr(multinomial, "MANY", 500)
    many = fit_probe(*given)
    assert many.converged
    assert many.chosen_c == few.chosen_c
    assert many.path[many.chosen].gradient <= options.tolerance
    assert np.allclose(
        np.exp(many.log_probabilities(x)), np.exp(few.log_probabilities(x)), atol=2e-3
    )
    assert many.iterations < few.iterations


def test_all_of_many_rows_may_choose_a_weaker_penalty_than_a_part_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wide features of which most are noise: sixty rows bear no weak penalty, thousands do."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=5000)
    x = rng.normal(size=(5000, 40)).astype(np.float32)
    x[:, :3] += 1.5 * np.eye(3, dtype=np.float32)[labels]
    options = probe_options(1e-3, 1e-2, 1e-1, 1.0)
    part = fit_probe(x[:60], labels[:60], x[4000:], labels[4000:], 3, options)
    monkeypatch.setattr(multinomial, "MANY", 60)
    many = fit_probe(x[:4000], labels[:4000], x[4000:], labels[4000:], 3, options)
    monkeypatch.setattr(multinomial, "MANY", 10_000)
    few = fit_probe(x[:4000], labels[:4000], x[4000:], labels[4000:], 3, options)
    assert part.chosen_c < many.chosen_c == few.chosen_c


def test_a_worse_penalty_is_given_up_before_its_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(4, size=1200)
    x = rng.normal(size=(1200, 80)).astype(np.float32)
    x[:, :4] += np.eye(4, dtype=np.float32)[labels]
    given_up = []

    def minimised(*given: Any) -> multinomial.Fit:
        fit = minimise(*given)
        given_up.append(fit.given_up)
        return fit

    minimise = multinomial.minimise
    monkeypatch.setattr(multinomial, "MANY", 400)
    monkeypatch.setattr(probe_module, "minimise", minimised)
    options = probe_options(1e-3, 1e-2, 100.0)
    probe = fit_probe(x[:800], labels[:800], x[800:], labels[800:], 4, options)
    assert given_up[-1]
    assert probe.converged  # of the fits that were compared to the end
    assert probe.chosen_c < 100.0


def test_classes_together_have_no_weight() -> None:
    """Adding the same to all classes changes nothing: the optimum has none of it."""
    x, y = problem(9, 400, 5, 12, 4.0)
    probe = fit_probe(x[:300], y[:300], x[300:], y[300:], 5, probe_options(100.0))
    assert np.abs(probe.weights.sum(axis=0)).max() < 1e-9 * np.abs(probe.weights).max()
    assert np.linalg.matrix_rank(probe.weights) == 4


def test_not_converged_is_said() -> None:
    x, y = problem(6, 300, 4, 24, 2.0)
    probe = fit_probe(x, y, x, y, 4, probe_options(10.0, max_iterations=3))
    assert not probe.converged
    assert probe.path[0].gradient > PROBE.tolerance
    assert probe.iterations <= 6  # along the path, and at the strength chosen


def test_constant_dimensions_and_absent_classes_are_harmless() -> None:
    x, y = problem(7, 300, 4, 12, 3.0)
    x[:, 3] = 7.25
    x[:, 5] = 0.0
    train = y[:200] != 2
    probe = fit_probe(x[:200][train], y[:200][train], x[200:], y[200:], 4, PROBE)
    assert probe.converged
    assert (np.exp(probe.log_probabilities(x))[:, 2] == 0).all()
    assert np.isfinite(probe.weights).all()
    assert np.mean(probe.predict(x[200:])[y[200:] != 2] == y[200:][y[200:] != 2]) > 0.9


def test_equal_bytes_on_two_runs() -> None:
    x, y = problem(8, 400, 4, 24, 0.5)
    one = fit_probe(x[:300], y[:300], x[300:], y[300:], 4, PROBE)
    two = fit_probe(x[:300], y[:300], x[300:], y[300:], 4, PROBE)
    assert one.weights.tobytes() == two.weights.tobytes()
    assert one.path == two.path


def test_bad_input_is_refused() -> None:
    x, y = problem(9, 60, 3, 5, 1.0)
    with pytest.raises(LangspecError, match="at least two classes"):
        fit_probe(x, np.zeros(60, int), x, y, 3, PROBE)
    with pytest.raises(LangspecError, match="validation rows"):
        fit_probe(x, y, x[:0], y[:0], 3, PROBE)
    x[4, 2] = np.nan
    with pytest.raises(LangspecError, match="not finite"):
        fit_probe(x, y, x, y, 3, PROBE)
