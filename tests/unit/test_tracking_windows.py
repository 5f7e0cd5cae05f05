"""Step metrics as means over windows: nothing is lost, and only the step's number decides."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langspec.tracking.windows import SHARE, Window, Windows


def windows_of(steps: list[int]) -> list[Window]:
    """The windows of a run whose metric at a step is the step."""
    gathered = Windows()
    found = [window for step in steps for window in gathered.add(step, {"x": float(step)})]
    return found + gathered.rest()


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 3000))
def test_every_step_is_in_one_window(last: int) -> None:
    before, steps = 0, list(range(1, last + 1))
    for window in windows_of(steps):
        assert window.values["x"] == pytest.approx((before + 1 + window.step) / 2)
        assert window.step - before <= max(1, before // SHARE)
        before = window.step
    assert before == last


def test_the_first_steps_stand_alone_and_long_runs_have_few_points() -> None:
    found = windows_of(list(range(1, 100_001)))
    assert [window.step for window in found[:50]] == list(range(1, 51))
    assert len(windows_of(list(range(1, 1001)))) == 133
    assert len(found) == 251


@settings(deadline=None, max_examples=25)
@given(st.sets(st.integers(1, 500), min_size=1), st.integers(1, 500))
def test_windows_end_at_the_same_steps_wherever_a_run_begins(
    left_out: set[int], first: int
) -> None:
    whole = {window.step for window in windows_of(list(range(1, 501)))}
    ends = sorted(whole)
    kept = [step for step in range(first, 501) if step not in left_out]
    for window in windows_of(kept):
        start = max((end for end in ends if end < window.step), default=0)
        inside = [step for step in kept if start < step <= window.step]
        assert window.values["x"] == pytest.approx(sum(inside) / len(inside))


def test_a_metric_that_some_steps_lack_is_averaged_over_the_others() -> None:
    gathered = Windows()
    assert gathered.add(49, {"a": 1.0}) == [Window(49, {"a": 1.0})]
    gathered = Windows()
    gathered.add(50, {})
    assert gathered.add(51, {"a": 2.0, "b": 5.0}) == []
    assert gathered.add(52, {"a": 4.0}) == [Window(52, {"a": 3.0, "b": 5.0})]
    assert gathered.rest() == []


def test_a_diverged_run_is_no_fault() -> None:
    gathered = Windows()
    gathered.add(50, {})
    gathered.add(51, {"loss": math.inf})
    (window,) = gathered.add(52, {"loss": -math.inf})
    assert math.isnan(window.values["loss"])
