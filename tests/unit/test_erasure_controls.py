"""Random subspaces beside erasers: planted effects of language, and none."""

from __future__ import annotations

import numpy as np
import pytest
from measure_options import make_eraser

from langspec.config import parse_config
from langspec.errors import LangspecError
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.random_removal import (
    KINDS,
    RandomRemovals,
    Scored,
    against_random,
    group_sums,
    of_equal_rank,
    of_equal_variance,
    random_axes,
    verdict,
)
from langspec.presets import load_preset

OPTIONS = BootstrapOptions(resamples=300, seed=0)
WIDTH, EACH = 16, 700
CODES = np.asarray(["de", "en", "fr"])


def planted(reads: np.ndarray, language: np.ndarray, seed: int = 0) -> tuple[Scored, np.ndarray]:
    """Isotropic noise; languages differ along ``language``, the task's head reads ``reads``.

    Both are ``[H]``. The label is the sign of what the head reads, so that without an eraser
    every label is right.
    """
    rng = np.random.default_rng(seed)
    which = np.tile(np.arange(3), EACH)
    # Languages shift what the head reads alike often up and down: the label is no language.
    x = rng.normal(size=(len(which), WIDTH)) + np.outer(which - 1, language) * 3.0
    gold = x @ reads > 0
    item = np.repeat(np.arange(EACH), 3)

    def right(vectors: np.ndarray) -> np.ndarray:
        return group_sums((((vectors @ reads) > 0) == gold).astype(float), item, which)

    counts = group_sums(np.ones(len(which)), item, which)
    return Scored(x, CODES[which], right, counts), x


def costs(scored: Scored, name: str = "leace") -> dict[str, str]:
    """The verdict on an eraser by kind of size."""
    fitted = make_eraser(name).fit(scored.vectors, scored.languages).map
    erased = fitted.apply(scored.vectors, scored.languages)
    random = RandomRemovals(scored, anchor=None, draws=20, seed=0)
    sizes = (fitted.rank, random.variance_removed(erased))
    found = {}
    for kind, size in zip(KINDS, sizes, strict=True):
        result = against_random(
            scored.right(erased), random.right(kind, size), scored.counts, OPTIONS
        )
        found[kind] = verdict(result.difference.low, result.difference.high)
    return found


def unit(*directions: int) -> np.ndarray:
    vector = np.zeros(WIDTH)
    vector[list(directions)] = 1.0
    return vector / np.linalg.norm(vector)


def test_a_direction_like_any_other_has_no_specific_effect() -> None:
    """The head reads all directions alike: what language's removal costs, any removal costs."""
    everything = unit(*range(WIDTH))
    mixed = random_axes(WIDTH, (5,))[:, 0]
    mixed = mixed / np.linalg.norm(mixed)
    # A direction with the overlap that a random one has with what the head reads.
    other = mixed - (mixed @ everything) * everything
    other /= np.linalg.norm(other)
    language = np.sqrt(1 / WIDTH) * everything + np.sqrt(1 - 1 / WIDTH) * other
    scored, x = planted(everything, language)
    erased = make_eraser("leace").fit(x, scored.languages).apply(x)
    kept = scored.right(erased).sum() / scored.counts.sum()
    assert kept < 0.97  # it does cost
    assert set(costs(scored).values()) <= {"as much", "undecided"}


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.05, -0.001, "more"),
        (0.001, 0.05, "less"),
        (-0.009, 0.008, "as much"),
        (-0.02, 0.008, "undecided"),
        (-0.009, 0.02, "undecided"),
    ],
)
def test_an_interval_that_holds_nothing_and_much_decides_nothing(low, high, said: str) -> None:
    assert verdict(low, high) == said


def test_a_language_direction_that_the_task_needs_has_a_specific_cost() -> None:
    direction = unit(3)
    scored, _ = planted(direction, direction)
    assert costs(scored) == {"equal_rank": "more", "equal_variance": "more"}


def test_a_language_direction_that_the_task_ignores_costs_less_than_as_much_of_anything() -> None:
    """Language takes much of the variance: as much of other directions is most of the vector."""
    scored, _ = planted(unit(0), unit(1) * 4.0)
    assert costs(scored)["equal_variance"] == "less"


def test_a_random_eraser_is_hardly_ever_called_specific() -> None:
    """The rule's error: the eraser is one more random subspace."""
    reads = unit(*range(WIDTH))
    called = 0
    for seed in range(60):
        scored, x = planted(reads, unit(0) * 0, seed)
        axes = random_axes(WIDTH, (99, seed))
        erased = of_equal_rank(axes, 2, x.mean(axis=0)).apply(x)
        random = RandomRemovals(scored, anchor=None, draws=8, seed=seed)
        found = against_random(
            scored.right(erased), random.right("equal_rank", 2), scored.counts, OPTIONS
        )
        called += verdict(found.difference.low, found.difference.high) in ("more", "less")
    assert called <= 7


def test_the_share_of_variance_is_met_exactly() -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(500, WIDTH)) * np.linspace(0.1, 3, WIDTH)).astype(np.float32)
    covariance = np.cov(x, rowvar=False, bias=True)
    for share in (0.0, 0.03, 0.4, 1.0):
        removal = of_equal_variance(random_axes(WIDTH, (1,)), covariance, share, x.mean(axis=0))
        erased = removal.apply(x)
        assert 1 - erased.var(axis=0).sum() / np.trace(covariance) == pytest.approx(
            share, abs=1e-4
        )
        np.testing.assert_allclose(erased.mean(axis=0), x.mean(axis=0), atol=1e-4)
    whole = of_equal_rank(random_axes(WIDTH, (1,)), 5, x.mean(axis=0))
    assert np.linalg.matrix_rank(whole.apply(x) - x.mean(axis=0), tol=1e-2) == WIDTH - 5


def test_axes_are_uniform_and_seeded() -> None:
    axes = random_axes(WIDTH, (0, 1))
    np.testing.assert_allclose(axes.T @ axes, np.eye(WIDTH), atol=1e-12)
    np.testing.assert_array_equal(axes, random_axes(WIDTH, (0, 1)))
    firsts = np.stack([random_axes(WIDTH, (0, i))[:, 0] for i in range(400)])
    np.testing.assert_allclose(firsts.T @ firsts / 400, np.eye(WIDTH) / WIDTH, atol=0.02)


def test_one_subspace_has_no_spread() -> None:
    values = load_preset("demo", []).model_dump()
    values["evaluate"]["erasers"]["controls"]["draws"] = 1
    with pytest.raises(
        LangspecError, match=r"erasers\.controls\.draws: .*expected 0 or at least 2"
    ):
        parse_config(values)
