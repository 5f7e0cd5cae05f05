"""Sweeps on the page: the best beside the default, the front, the figures; nothing without one."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from langspec.errors import LangspecError
from langspec.files import write_json
from langspec.report.sweeps import load_studies, sweep_figures, sweep_tables
from langspec.tuning.records import TrialRecord, write_study
from report_files import build_made_up

pytestmark = pytest.mark.medium

TUNE = {
    "task": "pos", "method": "grl", "space": "default", "penalty": 0.5, "epochs": 1, "rows": None,
    "train_seed": 1, "selection": "mean_dev", "pareto": False, "rule": "score",
}  # fmt: skip
KEY = "train.methods.grl.overrides.pos.strength"
SPACE = {KEY: "0.01 to 10, logarithmic"}


def chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 220, 110, 8, 0, 0, 0, 0))


def trial(number: int, transfer: float, leak: float, **more: Any) -> TrialRecord:
    values = {KEY: number / 10}
    told = {"state": "COMPLETE", "score": transfer - 0.5 * leak} | more
    return TrialRecord(number=number, values=values, dev_macro_f1=transfer, dev_leak=leak, **told)


def write(folder: Path, *, pareto: bool = False) -> Path:
    score = {"score": None} if pareto else {}
    trials = [
        trial(0, 0.6, 0.5, origin="params.yaml", **score),
        trial(1, 0.7, 0.4, **score),
        trial(2, 0.5, 0.3, **score),
        trial(3, 0.2, 0.9, state="PRUNED", reason="at rung 1 of 3", **score),
        trial(4, 0.0, 0.0, state="FAIL", score=None,
              reason="process 77 on a-machine ended without a result"),
        trial(5, 0.9, 0.1, state="RUNNING", score=None),
    ]  # fmt: skip
    parts = {"tune": TUNE | {"pareto": pareto}, "space": SPACE}
    write_study(folder, trials, uid="u", parts=parts, code="c")
    (folder / "figures").mkdir()
    stem = "pareto_front" if pareto else "history"
    (folder / "figures" / f"{stem}.png").write_bytes(PNG)
    return folder


def test_the_best_stands_beside_the_values_of_params_yaml(tmp_path: Path) -> None:
    (study,) = load_studies([write(tmp_path / "one"), tmp_path / "absent"])
    summary, trials = sweep_tables([study])
    row = summary.frame.iloc[0]
    assert (row["best_trial"], row["best_score"]) == (1, pytest.approx(0.5))
    assert (row["default_trial"], row["default_score"]) == (0, pytest.approx(0.35))
    assert (row["complete"], row["pruned"], row["failed"]) == (3, 1, 1)
    assert trials.frame["trial"].tolist() == [0, 1, 2, 3, 4]  # what runs is not told
    assert trials.frame["values"][1] == "overrides.pos.strength=0.1"
    told = " ".join(study.words()["reading"])
    assert "3 complete, 1 pruned, 1 failed" in told
    assert "Best by the score: trial 1, score 0.500" in told
    assert "params.yaml: trial 0, score 0.350" in told
    text = "".join(file.read_text() for file in (tmp_path / "one").glob("*.*"))
    assert "a-machine" not in text
    assert "its process ended without a result" in text


def test_two_aims_have_a_front(tmp_path: Path) -> None:
    (study,) = load_studies([write(tmp_path / "two", pareto=True)])
    _, trials = sweep_tables([study])
    assert trials.frame.loc[trials.frame["front"] == "yes", "trial"].tolist() == [1, 2]
    assert (tmp_path / "two" / "front.csv").read_text().count("\n") == 3
    assert "The front has 2 of 3 complete trials." in study.words()["reading"]
    (figure,) = sweep_figures([study])
    assert figure.name == "sweep-two-pareto_front"
    assert (figure.width, figure.height) == (192, 96)


def test_what_is_no_study_is_refused_and_an_empty_one_is_left_out(tmp_path: Path) -> None:
    write_json(tmp_path / "empty" / "study.json", {"schema": 3, "trials": []})
    assert load_studies([tmp_path / "empty"]) == []
    assert sweep_tables([]) == []
    for schema, told in ((3, "expected the key 'identity'"), (2, "schema 2, expected 3")):
        write_json(tmp_path / "other" / "study.json", {"schema": schema, "trials": [{}]})
        with pytest.raises(LangspecError, match=told):
            load_studies([tmp_path / "other"])


def test_the_page_has_a_section_only_where_there_is_a_study(
    made_up_run: Path, made_up_report: Path, tmp_path: Path
) -> None:
    page = (made_up_report / "details.html").read_text(encoding="utf-8")
    assert 'id="sweeps"' not in page
    assert not list(made_up_report.rglob("sweep*"))
    build_made_up(made_up_run, tmp_path / "with", studies=[write(tmp_path / "one")])
    page = (tmp_path / "with" / "details.html").read_text(encoding="utf-8")
    for text in ('<a href="#sweeps">', 'id="sweep-one"', 'id="sweep-one-history"', SPACE[KEY]):
        assert text in page
    assert (tmp_path / "with" / "figures" / "sweep-one-history.png").read_bytes() == PNG
    assert (tmp_path / "with" / "tables" / "sweep-one_trials.csv").is_file()
    assert (tmp_path / "with" / "tables" / "sweeps.csv").is_file()


def test_why_a_study_has_no_best_trial_is_said(tmp_path: Path) -> None:
    tune = TUNE | {"rule": "least_leak", "bounds": {"source_loss": 0.01, "drift": 1.5}}
    bounded = {"dev_source_accuracy": 0.9, "dev_drift": 1.0}
    reference = trial(0, 0.6, 0.5, origin="without unlearning", **bounded)
    outside = trial(1, 0.6, 0.2, origin="grid", **bounded | {"dev_drift": 2.0})
    cases = (
        ([reference], "no training with unlearning is complete"),
        ([outside], "no training without unlearning is complete"),
        ([reference, outside], "none of 1 complete trials is within the bounds"),
    )
    said = []
    for index, (trials, says) in enumerate(cases):
        folder = tmp_path / str(index)
        write_study(folder, trials, uid="u", parts={"tune": tune, "space": SPACE}, code="c")
        (study,) = load_studies([folder])
        said.append(" ".join(study.words()["reading"]))
        assert f"No best trial by the least dev leak within bounds: {says}" in said[-1]
    assert "dev accuracy, source 0.900 (at least 0.890), dev drift 2.000" in said[-1]
    assert not any(re.search(r"(?:dev|mean|least|source)_", sentence) for sentence in said)
