"""Files that one command writes and another reads: a flipped byte is told where it is read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from langspec.errors import DamagedFile, LangspecError
from langspec.files import CHECKSUMS, checked, read_object, write_checksums
from langspec.modelling.saved import RunCard, read_tensors, save_run
from langspec.report.compared import evaluated_methods
from langspec.report.run_results import load_run
from langspec.report.sweeps import load_studies
from langspec.report.terminal import table_text
from langspec.results import read_results, read_training_record

CARD = RunCard("pos", "grl", 1, ("A", "B"), "mean", -1, 0.0, True, "tiny", "0", 1)


def flip(path: Path, place: int | None = None) -> None:
    """Change one byte; the size stays, and the time as well."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if place is None else place] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))


@pytest.fixture
def run(made_up_run: Path, tmp_path: Path) -> Path:
    """The results of a run, with the checksums that stages write."""
    folder = Path(shutil.copytree(made_up_run / "results", tmp_path / "results"))
    for parent in {file.parent for file in folder.rglob("*") if file.is_file()}:
        write_checksums(parent)
    return folder


def load(run: Path) -> Any:
    return load_run(
        run, run / "corpora", run / "encoder", name="x", tasks=["pos"],
        methods=["frozen", "finetune"],
    )  # fmt: skip


RESULTS = "evaluate/pos/results.csv"
READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "results": (
        "evaluate/pos/results.csv",
        lambda run: read_results(run / "evaluate/pos/results.csv"),
    ),
    "results, report": (RESULTS, load),
    "projection": ("evaluate/pos/projection.parquet", load),
    "predictions": ("evaluate/pos/predictions.parquet", lambda run: evaluated_methods(run, "pos")),
    "steps": ("train/pos/finetune/seed-1/steps.csv", load),
    "epochs": ("train/pos/finetune/seed-1/epochs.csv", load),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("damage", ["flipped", "half", "empty", "zeroed tail"])
def test_other_bytes_are_refused(name: str, damage: str, run: Path) -> None:
    file, read = READERS[name]
    read(run)
    path = run / file
    size = path.stat().st_size
    if damage == "flipped":
        flip(path)
    elif damage == "half":
        os.truncate(path, size // 2)
    elif damage == "empty":
        os.truncate(path, 0)
    else:
        os.truncate(path, size - 20)
        os.truncate(path, size)
    with pytest.raises(LangspecError) as error:
        read(run)
    assert str(error.value).startswith(f"{path}: ")
    assert "rerun the stage" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_number_that_was_changed_by_hand_is_refused(run: Path) -> None:
    path = run / RESULTS
    frame = pd.read_csv(path)
    frame.loc[0, "value"] = float("nan")
    frame.to_csv(path, index=False)
    with pytest.raises(DamagedFile, match=r"results\.csv: damaged: .*rerun the stage"):
        read_results(path)


def test_trained_weights_are_those_that_were_written(tmp_path: Path) -> None:
    save_run(tmp_path, {"a": torch.zeros(4, 5)}, CARD)
    write_checksums(tmp_path)
    assert read_tensors(tmp_path)["a"].shape == (4, 5)
    flip(tmp_path / "model.safetensors", -3)
    with pytest.raises(DamagedFile, match=r"model\.safetensors: damaged: .*run langspec train"):
        read_tensors(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(LangspecError, match=r"model\.safetensors: cannot be read"):
        read_tensors(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"schema": 2, "files": {}}', b'{"schema": 1}', b"\xff\x00"]
)
def test_a_record_of_checksums_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_text("1\n")
    assert checked(tmp_path / "a.csv", cure="write it") == tmp_path / "a.csv"
    (tmp_path / CHECKSUMS).write_bytes(content)
    with pytest.raises(DamagedFile, match=r"checksums\.json: .*write it"):
        checked(tmp_path / "a.csv", cure="write it")


@pytest.mark.parametrize(
    "value",
    [
        [], {"schema": 99, "seeds": []}, {"seeds": []}, {"schema": 1, "seeds": {}},
        {"schema": 1, "seeds": [3]}, {"schema": 1, "seeds": [{"seed": "1"}]},
        {"schema": 1, "seeds": [], "path": 3}, {"schema": 1, "params": []},
    ],
)  # fmt: skip
def test_a_record_of_trainings_has_one_schema(tmp_path: Path, value: Any) -> None:
    (tmp_path / "run.json").write_text(json.dumps(value))
    with pytest.raises(DamagedFile, match=r"run\.json: .*; rerun the stage train"):
        read_training_record(tmp_path / "run.json")


NO_OBJECTS = [b"", b"[]", b"3", b'"x"', b"null", b"{", b"\xff\xfe", b"[" * 100_000]


@pytest.mark.parametrize("content", NO_OBJECTS)
def test_a_file_of_values_holds_an_object(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "card.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"card\.json: .*; write it anew") as error:
        read_object(path, cure="write it anew")
    assert "\n" not in str(error.value)
    path.write_text('{"a": 1}')
    assert read_object(path, "a", cure="write it anew") == {"a": 1}
    with pytest.raises(DamagedFile, match="expected the key 'b'; write it anew"):
        read_object(path, "a", "b", cure="write it anew")


@pytest.mark.parametrize("content", NO_OBJECTS)
def test_a_damaged_study_is_refused_by_the_report(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "study.json").write_bytes(content)
    with pytest.raises(LangspecError, match=r"study\.json: .*run the sweep again"):
        load_studies([tmp_path])


@pytest.mark.parametrize("content", NO_OBJECTS)
def test_a_damaged_card_is_refused_by_the_report(run: Path, content: bytes) -> None:
    place = run / "corpora"
    place.mkdir()
    (place / "card.json").write_bytes(content)
    with pytest.raises(DamagedFile, match=r"card\.json: .*rerun the stage"):
        load(run)


@pytest.mark.parametrize("content", [b"", b"a\n1\n2,3,4\n", b"\xff\xfe\x00"])
def test_a_damaged_table_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "leak_pos.csv").write_bytes(content)
    with pytest.raises(DamagedFile, match=r"leak_pos\.csv: cannot be read .*langspec report"):
        table_text(tmp_path, "leak_pos", [])
