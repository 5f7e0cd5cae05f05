"""The rules of the study beside its four contrasts, on planted results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from langspec.cells.claim_contrasts import UNSTABLE, answers, read_contrasts
from langspec.cells.study_rules import (
    GATES,
    Passed,
    Rules,
    apply_rules,
    gate_of,
    study_text,
)
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.difference import JudgeOptions
from langspec.report.compared import CompareOptions
from langspec.results import write_results
from report_files import write_predictions, write_run

pytestmark = pytest.mark.medium

OPTIONS = CompareOptions(JudgeOptions(margin=0.5), BootstrapOptions(50, 0))
SEEDS = (1, 2, 3, 4, 5)
LANGUAGES = ("en", "de", "tr")
UNLEARNT = ("control", "grl", "adversary")


def results(tmp_path: Path, task: str, **accuracies: float) -> Path:
    """A run of five seeds; leaks are .972 (control), .9 (grl) and .8 (adversary)."""
    small = {"layers": 1, "points": 2}
    write_run(
        tmp_path, tasks=(task,), seeds=SEEDS, languages=LANGUAGES, unlearnt=UNLEARNT, **small
    )
    folder = tmp_path / "results"
    planted = {"frozen": 0.7, "finetune": 0.8, "control": 0.8, "grl": 0.8, "adversary": 0.8}
    write_predictions(folder, task, planted | accuracies, seeds=SEEDS, languages=LANGUAGES)
    write_results(folder / "evaluate" / task / "geometry.csv", [])
    return folder


def change(folder: Path, task: str, method: str, **of_seed: Any) -> None:
    """Change what ``run.json`` says of seeds: ``change(..., seed_2={"status": "failed"})``."""
    card = folder / "train" / task / method / "run.json"
    run = json.loads(card.read_text(encoding="utf-8"))
    for entry in run["seeds"]:
        entry |= of_seed.get(f"seed_{entry['seed']}", {})
    card.write_text(json.dumps(run), encoding="utf-8")


def rules(folder: Path, task: str = "pos") -> Rules:
    return apply_rules(folder, task, read_contrasts(folder, task, OPTIONS, "en"))


def test_the_best_point_has_the_least_leak_within_a_point_of_control(tmp_path: Path) -> None:
    present = rules(results(tmp_path, "pos", adversary=0.8))
    assert [one.name for one in present.points] == ["adversary", "grl"]
    assert present.best is not None
    assert present.best.name == "adversary"
    text = study_text("pos", [], present, 0.05)
    assert "best point (least leak within a point of control's transfer): adversary" in text
    assert "leak 0.800 of 0.972: -0.172" in text


def test_a_lower_leak_that_costs_more_than_a_point_is_not_best(tmp_path: Path) -> None:
    present = rules(results(tmp_path, "pos", adversary=0.7))
    assert present.best is not None
    assert present.best.name == "grl"


def test_where_every_condition_costs_more_there_is_no_best_point(tmp_path: Path) -> None:
    present = rules(results(tmp_path, "pos", adversary=0.7, grl=0.7))
    assert present.best is None
    assert "transfer): none" in study_text("pos", [], present, 0.05)


@pytest.mark.parametrize(
    ("grl", "said"), [(0.9, ": grl"), (0.8, ": no condition of adversary, grl")]
)
def test_it_says_whether_unlearning_improves_the_transfer(
    tmp_path: Path, grl: float, said: str
) -> None:
    text = study_text("pos", [], rules(results(tmp_path, "pos", grl=grl)), 0.05)
    assert text.endswith(f"transfer better than control's (Holm){said}")


def test_secondary_contrasts_stand_by_themselves_and_open_ones_are_named(tmp_path: Path) -> None:
    present = rules(results(tmp_path, "pos"))
    judged = [one.judged for one in present.secondary if one.judged is not None]
    assert judged
    assert {one.comparisons for one in judged} == {1}
    text = study_text("pos", [], present, 0.05)
    assert "adversary - control, leak: -0.172" in text
    assert "open, for want of a finished seed of both: grl_distil - control, transfer" in text


def test_a_condition_that_lost_many_seeds_decides_nothing(tmp_path: Path) -> None:
    folder = results(tmp_path, "pos")
    failed = {"status": "failed", "reason": "constant"}
    change(folder, "pos", "adversary", seed_1=failed, seed_4=failed)
    present = rules(folder)
    assert dict(present.lost) == {"adversary": (2, 5)}
    of_adversary = [one for one in present.secondary if one.claim.a == "adversary"]
    assert {one.verdict for one in of_adversary} == {UNSTABLE}
    assert present.best is not None
    assert present.best.name == "grl"
    text = study_text("pos", [], present, 0.05)
    assert "collapsed seeds, in no mean: adversary 2 of 5" in text


def test_one_lost_seed_of_five_is_counted_and_the_condition_is_read(tmp_path: Path) -> None:
    folder = results(tmp_path, "pos")
    change(folder, "pos", "grl", seed_3={"status": "failed", "reason": "constant"})
    claim = next(
        one
        for one in answers(read_contrasts(folder, "pos", OPTIONS, "en"))
        if one.claim.a == "grl"
    )
    assert claim.verdict != UNSTABLE
    assert claim.compared is not None
    assert claim.compared.pairing.a == (1, 2, 4, 5)
    assert dict(rules(folder).lost) == {"grl": (1, 5)}


@pytest.mark.parametrize(
    ("dev", "test", "passed"),
    [(0.66, 0.62, True), (0.64, 0.62, False), (0.66, 0.54, False), (None, 0.9, False)],
)
def test_a_gate_asks_for_both_halves(dev: float | None, test: float, passed: bool) -> None:
    assert Passed(GATES["nli"], dev, test, 0.4).passed is passed


@pytest.mark.parametrize(("dev", "reported"), [(0.7, True), (0.6, False)])
def test_a_task_behind_a_closed_gate_is_not_reported(
    tmp_path: Path, dev: float, reported: bool
) -> None:
    folder = results(tmp_path, "nli")
    change(
        folder, "nli", "finetune", **{f"seed_{one}": {"dev": {"accuracy": dev}} for one in SEEDS}
    )
    gate = gate_of(folder, "nli", "en")
    assert gate is not None
    assert gate.dev == pytest.approx(dev)
    assert (gate.test, gate.baseline) == (pytest.approx(0.961), 0.432)
    assert gate.curve == pytest.approx((0.85, 0.93, 0.926 - 0.003))
    text = study_text(
        "nli", answers(read_contrasts(folder, "nli", OPTIONS, "en")), rules(folder, "nli"), 0.05
    )
    assert ("four contrasts" in text, "secondary" in text) == (reported, reported)
    assert "best baseline 0.432" in text


def test_a_task_without_a_gate_has_none(tmp_path: Path) -> None:
    assert gate_of(tmp_path, "pos", "en") is None


def test_a_gate_is_open_until_finetune_is_finished(tmp_path: Path) -> None:
    gate = gate_of(tmp_path, "nli", "en")
    assert gate is not None
    assert gate.dev is None
    assert not gate.passed
