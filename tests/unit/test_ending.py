"""What stages say when they are done, and the last lines of `make demo`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from langspec.commands.done_lines import done_line, says_lines
from langspec.config import Config
from langspec.files import read_json, write_json
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.difference import JudgeOptions
from langspec.presets import load_preset
from langspec.report.compared import CompareOptions
from langspec.report.ending import best_trial_words, next_lines, verdict_lines
from langspec.report.run_results import load_run
from langspec.results import read_results
from langspec.tuning.records import TrialRecord, write_study
from report_files import write_predictions, write_run

OPTIONS = CompareOptions(JudgeOptions(margin=0.01), BootstrapOptions(resamples=200, seed=0))
LANGUAGES = ("en", "de", "tr")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of ``control`` and ``grl``, whose accuracies and leaks are planted."""
    folder = tmp_path_factory.mktemp("run")
    write_run(folder, tasks=("pos",), languages=LANGUAGES, points=4)
    evaluated = folder / "results" / "evaluate" / "pos"
    rows = read_results(evaluated / "results.csv")
    names = {"frozen": "control", "finetune": "grl"}
    rows.replace({"method": names}).to_csv(evaluated / "results.csv", index=False)
    for old, new in names.items():
        shutil.move(folder / "results/train/pos" / old, folder / "results/train/pos" / new)
    accuracies = {"control": 0.8, "grl": 0.7}
    write_predictions(folder / "results", "pos", accuracies, languages=LANGUAGES)
    return folder


@pytest.fixture
def config() -> Config:
    return load_preset(
        "tiny", ["train.run=[control,grl]", "train.also.run=[]", "evaluate.trajectory.of=[]"]
    )


def failed(card: Path) -> Any:
    """A ``run.json`` of which every seed collapsed."""
    run = read_json(card)
    seeds = [entry | {"status": "failed", "reason": "norm"} for entry in run["seeds"]]
    return run | {"seeds": seeds}


def test_unlearning_is_judged_against_its_control(root: Path) -> None:
    run = load_run(
        root / "results", root / "corpora", root / "encoder",
        name="x", tasks=("pos",), methods=("control", "grl"),
    )  # fmt: skip
    head, transfer, leak = verdict_lines(run, OPTIONS)
    assert head == "grl against control, POS tagging:"
    assert transfer.startswith("  accuracy on targets: worse, −0.1")
    assert leak.startswith("  leak of tokens: ")
    run = load_run(
        root / "results", root / "corpora", root / "encoder",
        name="x", tasks=("pos",), methods=("grl",),
    )  # fmt: skip
    card = root / "results/train/pos/grl/run.json"
    shutil.copy(card, root / "kept.json")
    write_json(card, failed(card))
    try:
        (line,) = verdict_lines(run, OPTIONS)
    finally:
        shutil.move(root / "kept.json", card)
    assert "of which 1, 2, 3 failed" in line


def test_stages_say_scores_leaks_and_seconds(root: Path, config: Config, tmp_path: Path) -> None:
    shutil.copytree(root / "results", tmp_path / "results" / "tiny")
    line = done_line("evaluate", config, tmp_path, None, 12.3, task_name="pos")
    assert line.startswith("pos, accuracy on targets / leak of tokens: control 0.")
    assert line.endswith("; 12 s -> " + str(tmp_path / "results/tiny/evaluate/pos"))
    line = done_line("train", config, tmp_path, None, 2, task_name="pos", method_name="grl")
    assert line.startswith("pos, grl: dev macro-F1 0.9")
    assert "mean of 3 seeds; 2 s" in line
    run = tmp_path / "results/tiny/train/pos/grl/run.json"
    write_json(run, failed(run))
    line = done_line("train", config, tmp_path, None, 2, task_name="pos", method_name="grl")
    assert "no score; failed: 3 (norm)" in line
    assert (
        done_line("register", config, tmp_path, "one version", 3) == "one version\nregister: 3 s"
    )


def test_one_process_of_several_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert says_lines()
    monkeypatch.setenv("RANK", "1")
    assert not says_lines()


def test_the_best_trial_is_a_line(tmp_path: Path) -> None:
    assert best_trial_words(tmp_path) == "no trials"
    place = "train.methods.grl"
    trials = [
        TrialRecord(number, "COMPLETE", {f"{place}.overrides.pos.strength": strength,
                                         f"{place}.discriminator.layers": 1},
                    score=strength, dev_macro_f1=0.9, dev_leak=0.5)
        for number, strength in enumerate((0.1, 0.3))
    ]  # fmt: skip
    tune = load_preset("tiny", ["tune.rule=score", "tune.space=default"]).tune.model_dump()
    parts = {"tune": tune, "space": {}}
    write_study(tmp_path, trials, uid="", parts=parts, code="")
    assert best_trial_words(tmp_path) == (
        "best of 2 trials of grl on pos: trial 1 (discriminator.layers=1 strength=0.3): "
        "dev macro-F1 0.900, dev leak 0.500"
    )


def test_the_next_commands_exist(tmp_path: Path) -> None:
    from langspec.cli import main

    lines = next_lines(tmp_path / "index.html")
    assert lines[:2] == [f"report: {tmp_path / 'index.html'}", "next:   source .venv/bin/activate"]
    for line in lines[2:]:
        command = line.partition("langspec ")[2].split()[0]
        assert command in main.commands


def test_warnings_are_marked_and_notes_are_not() -> None:
    code = "from langspec.logs import set_up; import logging; set_up(logging.INFO)\n"
    code += "logging.info('a note'); logging.warning('https://me:secret@example.org')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    note, warning = done.stderr.splitlines()
    assert note == "a note"
    assert warning.startswith("warning: https://")
    assert "secret" not in warning
