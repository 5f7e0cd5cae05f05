"""A difference of two means by hand: its noises, its intervals, what a family of them says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from langspec.measurement.difference import (
    Difference,
    JudgeOptions,
    SeedNoise,
    Spread,
    add_spreads,
    difference_of,
    holm,
    judge,
    no_training_noise,
    seed_noise,
)
from langspec.measurement.power import detectable_with

NOTHING = Spread(0.0, 3.0)


def test_without_noise_a_difference_is_there_or_is_not() -> None:
    assert [NOTHING.tail(value) for value in (-2.0, 0.0, 2.0)] == [1.0, 0.5, 0.0]
    assert NOTHING.half_width(0.05) == 0
    assert NOTHING.detectable(0.05, 0.8) == 0
    sure = Difference(0.3, (NOTHING,))
    assert sure.interval() == (0.3, 0.3)
    assert sure.p == 0
    assert (sure.p_equivalent(0.2), sure.p_equivalent(0.4)) == (1, 0)
    assert Difference(0.0, (NOTHING,)).p == 1


def test_an_unknown_noise_has_neither_ends_nor_p() -> None:
    unknown = Difference(0.3, ())
    numbers = (*unknown.interval(), unknown.p, unknown.p_equivalent(1.0))
    assert np.isnan([*numbers, unknown.detectable(JudgeOptions(0.1))]).all()


def test_two_independent_noises_add_as_welch_and_satterthwaite_say() -> None:
    found = add_spreads(Spread(3.0, 4.0), Spread(4.0, 9.0))
    assert found.error == pytest.approx(5.0)
    assert found.freedom == pytest.approx(25**2 / (3**4 / 4 + 4**4 / 9))
    assert add_spreads(NOTHING, Spread(0.0, 8.0)) == NOTHING
    assert add_spreads(NOTHING, Spread(2.0, 8.0)) == Spread(2.0, 8.0)


def test_the_widest_interval_and_the_largest_p_count() -> None:
    narrow, wide = Spread(0.1, 50.0), Spread(0.2, 2.0)
    both = Difference(0.3, (narrow, wide))
    alone = Difference(0.3, (wide,))
    for alpha in (0.05, 0.2):
        half = stats.t.ppf(1 - alpha / 2, 2) * 0.2
        assert both.interval(alpha) == pytest.approx((0.3 - half, 0.3 + half))
    assert both.interval() == both.interval(0.05)
    assert both.p == alone.p == pytest.approx(2 * stats.t.sf(0.3 / 0.2, 2))
    assert Difference(-0.3, (wide,)).p == both.p
    one_sided = stats.t.sf((0.5 - 0.3) / 0.2, 2)
    assert both.p_equivalent(0.5) == pytest.approx(one_sided)
    assert Difference(-0.3, (wide,)).p_equivalent(0.5) == pytest.approx(one_sided)
    options = JudgeOptions(0.01)
    assert both.detectable(options) == wide.detectable(0.05, 0.8)


@pytest.mark.parametrize(("alpha", "power"), [(0.05, 0.8), (0.01, 0.9), (0.5, 0.5)])
@pytest.mark.parametrize("freedom", [1.0, 4.0, 1e4, 1e7])
def test_what_is_detectable_is_found_with_the_power(
    freedom: float, alpha: float, power: float
) -> None:
    shift = Spread(2.0, freedom).detectable(alpha, power) / 2.0
    freedom = min(freedom, 1e4)
    edge = stats.t.ppf(1 - alpha / 2, freedom)
    assert stats.nct.sf(edge, freedom, shift) == pytest.approx(power, abs=1e-6)


def test_the_noise_of_seeds_whatever_their_number() -> None:
    one = np.array([0.1, 0.4, 0.2])
    assert seed_noise(one).deviation == pytest.approx(np.std(one, ddof=1))
    assert seed_noise(one).samples == 1
    assert SeedNoise(0.6).spread(9) == Spread(pytest.approx(0.2), pytest.approx(8.0))
    other = np.array([0.0, 0.3, 0.9])
    both = seed_noise(one, other)
    first, second = np.var(one, ddof=1), np.var(other, ddof=1)
    assert both.deviation == pytest.approx(np.sqrt(first + second))
    assert both.samples == pytest.approx((first + second) ** 2 / (first**2 + second**2))
    assert seed_noise(np.ones(3), np.ones(3)) == SeedNoise(0.0, 1.0)


def test_the_noise_of_seeds_counts_alone_and_with_that_of_the_items() -> None:
    seeds, items, training = Spread(0.1, 2.0), Spread(0.3, 40.0), SeedNoise(0.2)
    found = difference_of(0.5, seeds, items, training)
    assert found.spreads == (seeds, add_spreads(seeds, items))
    assert (found.value, found.trained, found.training, found.items) == (
        0.5, True, training, items,
    )  # fmt: skip
    assert difference_of(0.5, seeds, None).spreads == (seeds,)
    single = no_training_noise(0.5, items)
    assert (single.value, single.spreads, single.trained) == (0.5, (items,), False)
    assert no_training_noise(0.5, None).spreads == ()
    expected = difference_of(0.0, training.spread(4), items).detectable(JudgeOptions(0.01))
    assert detectable_with(training, items, 4, JudgeOptions(0.01)) == expected > 0


def test_holm_never_falls_and_never_exceeds_one() -> None:
    assert holm([0.5, 0.01, 0.02]).tolist() == pytest.approx([0.5, 0.03, 0.04])
    assert holm([0.02, 0.021, 0.9]).tolist() == pytest.approx([0.06, 0.06, 0.9])
    assert holm([0.6, 0.7]).tolist() == [1, 1]
    assert holm([0.3, 0.3]).tolist() == pytest.approx([0.6, 0.6])


def test_a_family_is_judged_together() -> None:
    sure, small = Spread(0.001, 60.0), Spread(0.0005, 60.0)
    single = Difference(0.5, (sure,), trained=False)
    unknown = Difference(0.5, (), trained=False)
    family = [
        Difference(0.5, (sure,)), Difference(-0.5, (sure,)), Difference(0.004, (small,)),
        Difference(0.01, (Spread(0.05, 3.0),)), single, unknown,
    ]  # fmt: skip
    found = judge(family, JudgeOptions(0.01))
    assert [one.verdict for one in found] == [
        "higher", "lower", "equivalent", "undecided", "undecided", "undecided",
    ]  # fmt: skip
    assert {one.comparisons for one in found} == {5}
    assert [one.difference for one in found] == family
    assert [one.p_adjusted for one in found] == pytest.approx(
        holm([one.p for one in family]), nan_ok=True
    )
    assert [one.p_equivalent_adjusted for one in found] == pytest.approx(
        holm([one.p_equivalent(0.01) for one in family]), nan_ok=True
    )
    assert judge([unknown], JudgeOptions(0.01))[0].comparisons == 1
    assert judge([], JudgeOptions(0.01)) == []


def test_a_p_of_exactly_alpha_decides() -> None:
    spread = Spread(1.0, 5.0)
    apart = Difference(stats.t.ppf(0.9, 5), (spread,))
    options = JudgeOptions(1e-9, alpha=apart.p)
    assert judge([apart], options)[0].verdict == "higher"
    near = Difference(0.0, (spread,))
    options = JudgeOptions(2.0, alpha=near.p_equivalent(2.0))
    assert judge([near], options)[0].verdict == "equivalent"
    assert Difference(0.0, (spread,)).p == 1
