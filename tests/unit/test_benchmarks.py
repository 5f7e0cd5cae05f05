"""The arithmetic of the benchmarks, and that their tables say what was measured."""

from __future__ import annotations

import sys

import pytest

from conftest import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "benchmarks"))

import contest
import cost


def test_a_table_compares_turn_by_turn() -> None:
    rows = [
        {"contestant": name, "turn": turn, "cpu_s": cpu * slow, "wall_s": 1.0, "tokens": 100}
        for turn, slow in enumerate((1, 10, 2))  # the machine was busy in the second turn
        for name, cpu in (("ours", 0.5), ("theirs", 1.5))
    ]
    lines = contest.table(rows, "ours", {"theirs": 2}).splitlines()
    assert lines[2].split("|")[1:5] == [" ours ", " 10.00 ", " 10.00 ", " 1.00 "]
    assert lines[3].split("|")[4:6] == [" 3.00 ", " ≥ 2 "]


def test_what_a_step_costs_by_hand() -> None:
    assert cost.BODY == 84_934_656  # 12 layers of 12 x 768^2
    assert cost.flops(1, 0) == 2 * cost.BODY
    step = cost.step_of("nli", 64, language=False)
    by_hand = 3 * 64 * 40 * (2 * 84_934_656 + 4 * 12 * 40 * 768) / (989e12 * 0.35)
    assert step.arithmetic == pytest.approx(by_hand)
    assert cost.step_of("nli", 64, language=True).arithmetic > 2 * step.arithmetic
    # Where launches dominate, more GPUs only add the averaging.
    assert step.seconds(8) > step.seconds(1)
    large = cost.step_of("nli", 4096, language=False)
    assert 5 < large.seconds(1) / large.seconds(8) < 8
