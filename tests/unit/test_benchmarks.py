"""The arithmetic of the benchmarks, and that their tables say what was measured."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "benchmarks"))

import claims
import contest
import cost
import gpu_check
import half_quality
import pipeline
import told

from langspec.objectives import methods


def test_a_table_compares_turn_by_turn() -> None:
    rows = [
        {"contestant": name, "turn": turn, "cpu_s": cpu * slow, "wall_s": 1.0, "tokens": 100}
        for turn, slow in enumerate((1, 10, 2))  # the machine was busy in the second turn
        for name, cpu in (("ours", 0.5), ("theirs", 1.5))
    ]
    lines = contest.table(rows, "ours", {"theirs": 2}).splitlines()
    assert lines[2].split("|")[1:5] == [" ours ", " 10.000 ", " 10.000 ", " 1.00 "]
    assert lines[3].split("|")[4:6] == [" 3.00 ", " ≥ 2 "]


def test_scores_of_several_seeds_have_their_range() -> None:
    rows = [
        {"contestant": "ours", "cpu_s": 1.0, "wall_s": 1.0, "tokens": 100, "score": score}
        | {"turn": turn, "peak_mb": peak}
        for turn, (score, peak) in enumerate([(0.5, 100.0), (0.9, 120.0), (0.7, 110.0)])
    ]
    line = contest.table(rows, "one that was left out", {}).splitlines()[2]
    assert line.split("|")[4:8] == [" 1.00 ", "  ", " 0.700 (0.500 to 0.900) ", " 120 "]


def test_contestants_are_chosen_by_the_beginning_of_their_names() -> None:
    known = {name: lambda given: iter(()) for name in ("langspec (fp32)", "langspec, 8", "plain")}
    assert list(contest.chosen(known, None)) == list(known)
    assert list(contest.chosen(known, ["langspec"])) == ["langspec (fp32)", "langspec, 8"]
    with pytest.raises(SystemExit, match="Trainer"):
        contest.chosen(known, ["plain", "Trainer"])


def test_rows_are_there_before_the_last_one(tmp_path: Path, capsys) -> None:
    out = tmp_path / "new folder" / "rows.csv"
    rows = told.Rows(out)
    for turn in range(3):
        rows.add({"contestant": "ours, small", "turn": turn, "cpu_s": turn / 3})
        with out.open(newline="") as handle:
            written = list(csv.DictReader(handle))
        assert [row["turn"] for row in written] == [str(i) for i in range(turn + 1)]
    assert written[1] == {"contestant": "ours, small", "turn": "1", "cpu_s": "0.333333"}
    assert rows.all[1]["cpu_s"] == 1 / 3
    assert capsys.readouterr().err.count("\n") == 3


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


def test_processes_that_a_command_leaves_behind_are_counted(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.4: pass"
    leaves = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {busy!r}])"
    counts = (
        "import json, os, sys, pathlib, pipeline;"
        f"print(json.dumps(pipeline.measured([sys.executable, '-c', {leaves!r}],"
        " pathlib.Path(), dict(os.environ))))"
    )
    # In a process of its own: it stays the one that orphans come to.
    told = subprocess.run(
        [sys.executable, "-c", counts],
        cwd=CHECKOUT / "benchmarks",
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(told.stdout)
    assert found["code"] == 0
    assert found["cpu_s"] >= 0.4


def test_costs_of_two_sides_have_their_share() -> None:
    rows = [
        {"side": side, "turn": turn, "state": "cold", "command": "langspec report", "cpu_s": cpu}
        for side, costs in (("old", (9.0, 10.0, 99.0)), ("now", (4.0, 3.0, 2.0)))
        for turn, cpu in enumerate(costs)
    ]
    line = pipeline.table(rows, ["old", "now"]).splitlines()[2]
    assert line == "| cold | `langspec report` | 10.0 | 3.0 | 30% |"


@pytest.mark.slow
def test_the_check_of_a_gpu_runs_without_one_and_writes_its_tables(tmp_path: Path, capsys) -> None:
    options = ["--device", "cpu", "--shapes", "tiny", "--steps", "1", "--out", str(tmp_path)]
    gpu_check.main(options)
    with (tmp_path / "gpu-check.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["part"] for row in rows} == {"matmul", "processes", "encode", "train", "launches"}
    trained = [row for row in rows if row["part"] == "train"]
    assert {row["what"] for row in trained} == set(methods())
    for row in rows:
        assert row["part"] == "processes" or float(row["ms"]) > 0, row["note"]
    assert all("0 steps skipped" in row["note"] for row in trained)
    table = (tmp_path / "gpu-check.md").read_text()
    assert table.count("\n| ") == len(rows) + 1
    assert table.strip() == capsys.readouterr().out.strip()


def test_the_check_of_a_gpu_says_what_failed_and_what_it_had_no_time_for(tmp_path: Path) -> None:
    from argparse import Namespace

    check = gpu_check.Check(Namespace(device="cpu", seconds=60))

    def fails() -> dict[str, str]:
        raise RuntimeError("CUDA error: invalid device\nmore")

    check.row(fails, part="train")
    check.ends = 0
    check.row(fails, part="encode")
    assert [row["note"] for row in check.rows] == [
        "RuntimeError: CUDA error: invalid device",
        "left out: 60 s were over",
    ]


def test_two_precisions_are_compared_seed_by_seed() -> None:
    rows = [
        {"task": "pos", "precision": precision, "source": 0.1 * seed + more, "cpu_s": 1.0}
        | {"targets": 0.5}
        for seed, more in ((1, 0.02), (2, 0.03), (3, 0.01))
        for precision, more in (("fp32", 0.0), ("bf16", more))
    ]
    line = half_quality.summary(rows).splitlines()[2]
    # A mean of .02, a standard deviation of .01, and 4.303 of Student's t over the root of 3.
    assert line.split("|")[5].strip() == "+0.0200 [-0.0048 +0.0448]"


def test_claims_name_what_a_run_lacks(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no finished run .*; run: dvc repro"):
        claims.table(tmp_path)
    for folder in ("evaluate/pos", "report/tables"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "evaluate" / "pos" / "results.csv").write_text("")
    assert claims.table(tmp_path).splitlines()[2:] == [
        "| After fine-tuning, vectors no longer cluster by language | POS: – | "
        "POS: not measured (evaluate.geometry.run) | POS: **open** |",
        "| Fine-tuning makes language identification fail | POS: – | "
        "POS: `frozen` or `finetune` was not trained | POS: **open** |",
        "| Unlearning language does not help the task | POS: – | "
        "POS: `grl` was not trained | POS: **open** |",
        "| Capacity moves from languages to what they share | POS: – | "
        "POS: not measured (evaluate.geometry.run) | POS: **open** |",
    ]


@pytest.mark.parametrize(
    ("claim", "verdict", "said"),
    [
        (claims.CLUSTERS, "lower", "holds"),
        (claims.CLUSTERS, "equivalent", "does not hold"),
        (claims.UNLEARNING, "worse", "holds"),
        (claims.UNLEARNING, "equivalent", "holds"),
        (claims.UNLEARNING, "better", "does not hold"),
        (claims.UNLEARNING, "undecided", "open"),
        (claims.SHARED, "lower", "does not hold"),
        (claims.SHARED, "depends on probe size", "open"),
    ],
)
def test_a_claim_holds_by_the_rule_of_the_study(claim: str, verdict: str, said: str) -> None:
    assert claims.says(claim, verdict) == said


@pytest.mark.parametrize(
    ("before", "low", "high", "verdict", "said"),
    [
        (0.95, -0.07, -0.01, "lower", "does not hold"),
        (0.95, -0.40, 0.30, "undecided", "does not hold"),
        (0.95, -0.80, -0.60, "lower", "holds"),
        (0.95, -0.80, -0.60, "depends on probe size", "open"),
        (0.95, -0.80, -0.20, "lower", "open"),
        (0.95, float("nan"), float("nan"), "undecided", "open"),
        (0.05, -0.01, 0.01, "equivalent", "open"),
    ],
)
def test_identification_fails_where_more_than_half_is_gone(
    before: float, low: float, high: float, verdict: str, said: str
) -> None:
    row = {"second": before, "low": low, "high": high, "verdict": verdict}
    assert claims.fails(row, chance=0.05) == said
