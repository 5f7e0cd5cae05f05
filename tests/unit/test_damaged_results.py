"""Files of results/ that hold something else now: one line with the place and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from langspec.errors import DamagedFile, LangspecError
from langspec.files import read_record
from langspec.release.write_versions import TaskRecord
from langspec.report.compared import evaluated_methods
from langspec.results import COLUMNS, Result, read_results, write_results
from langspec.tracking.history import read_history
from langspec.tracking.replay_runs import read_training

HEADER = ",".join(COLUMNS)
ROW = "pos,grl,1,,,text,test,all,2,leak,linear,token,macro_f1,{value},,,{n},{n}"


def test_results_that_are_whole_are_read_back(tmp_path: Path) -> None:
    row = Result(
        task="pos", method="grl", seed=1, corpus="text", split="test", language="all", layer=2,
        measure="leak", probe="linear", unit="token", metric="macro_f1", value=0.5, n=3, train_n=7,
    )  # fmt: skip
    write_results(tmp_path / "results.csv", [row])
    frame = read_results(tmp_path / "results.csv")
    assert frame["value"].tolist() == [0.5]
    assert frame["n"].tolist() == [3]
    assert frame["train_n"].tolist() == [7]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as results"),
        (b"\xff\xfe\x00", "cannot be read as results"),
        (f"{HEADER}\n{ROW.format(value=1, n=1)},more\n".encode(), "a number is none|cannot"),
        (b"a,b\n1,2\n", "expected the columns task, method"),
        (f"{HEADER}\n{ROW.format(value='x', n=1)}\n".encode(), "a number is none"),
        (f"{HEADER}\n{ROW.format(value=1, n='many')}\n".encode(), "a number is none"),
        (f"{HEADER}\npos,grl\n".encode(), "a number is none"),
    ],
)
def test_damaged_results_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "results.csv"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=rf"\.csv: ({message}).*rerun the stage") as told:
        read_results(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"steps\.csv: cannot be read"),
        (b"\xff\x00", r"steps\.csv: cannot be read"),
        (b"loss\n1\n", r"steps\.csv:2: expected a column 'step'"),
        (b"step,loss\n1,x\n", r"steps\.csv:2: expected a column 'step' and numbers"),
        (b"step,loss\n1,2,3\n", r"steps\.csv:2: expected a column 'step' and numbers"),
    ],
)
def test_damaged_histories_are_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "steps.csv").write_bytes(content)
    with pytest.raises(LangspecError, match=f"{message}.*rerun the stage train"):
        list(read_history(tmp_path / "steps.csv"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected an object with 'params'"),
        ({"schema": 1, "params": []}, "expected an object with 'params'"),
        ({"schema": 9}, "expected schema 1, found 9"),
        ({"schema": 1}, "expected the key"),
        ("seeds", "is no record of a training"),
    ],
)
def test_damaged_records_of_trainings_are_refused(
    tmp_path: Path, value: Any, message: str
) -> None:
    keys = ("task", "method", "selection", "data_hash", "encoder_hash", "effective_precision",
            "processes", "run_key")  # fmt: skip
    if value == "seeds":
        value = dict.fromkeys(keys, "x") | {"schema": 1, "params": {}, "seeds": [3]}
    (tmp_path / "run.json").write_text(json.dumps(value))
    with pytest.raises(LangspecError, match=rf"run\.json: {message}.*; rerun the stage train"):
        read_training(tmp_path / "run.json", "demo")


def test_damaged_predictions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "evaluate" / "pos" / "predictions.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1")
    with pytest.raises(LangspecError, match=r"\.parquet: cannot be read.*rerun the stage"):
        evaluated_methods(tmp_path, "pos")
    pd.DataFrame({"method": ["a"]}).to_parquet(path)
    with pytest.raises(LangspecError, match=r"\.parquet: cannot be read.*rerun the stage"):
        evaluated_methods(tmp_path, "pos")


def test_a_damaged_record_of_versions_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "register.json"
    path.write_text('{"schema": 1, "name": "demo", "task": "pos"}')
    with pytest.raises(DamagedFile, match="champion: field required; run: langspec register"):
        read_record(path, TaskRecord, cure="run: langspec register", schema=1)
