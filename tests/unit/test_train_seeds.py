"""Which seeds a method has, and a lambda path with several of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from langspec.errors import LangspecError
from langspec.files import write_json
from langspec.presets import load_preset
from langspec.results import TRAINING_SCHEMA
from langspec.tracking.replay_runs import read_training
from langspec.training.jobs import jobs_of


def test_a_method_may_have_more_seeds_than_the_others() -> None:
    config = load_preset("tiny", ["train.more_seeds={control: [7, 9]}"])
    assert list(jobs_of(config, "control", None)) == ["seed 1", "seed 2", "seed 7", "seed 9"]
    assert list(jobs_of(config, "grl", None)) == ["seed 1", "seed 2"]


def test_a_seed_of_a_method_counts_once() -> None:
    with pytest.raises(LangspecError, match=r"more_seeds.grl after seeds lists 2 twice"):
        load_preset("tiny", ["train.more_seeds={grl: [2]}"])
    with pytest.raises(LangspecError, match=r"train.more_seeds.*'gril'"):
        load_preset("tiny", ["train.more_seeds={gril: [3]}"])


def test_a_path_has_so_many_seeds_each_in_a_folder(tmp_path: Path) -> None:
    grl = {"train.methods.grl.path=[0.1, 1.0]", "train.methods.grl.path_seeds=2"}
    jobs = jobs_of(load_preset("tiny", sorted(grl)), "grl", tmp_path)
    points = {name: job for name, job in jobs.items() if job.strength is not None}
    assert list(points) == [
        "lambda 0.1 seed 1", "lambda 0.1 seed 2", "lambda 1 seed 1", "lambda 1 seed 2"
    ]  # fmt: skip
    names = [job.folder.name for job in points.values() if job.folder is not None]
    assert names == ["0.1", "0.1-seed-2", "1", "1-seed-2"]


def test_a_replay_reads_each_seed_of_a_path_in_its_own_folder(tmp_path: Path) -> None:
    grl = {"train.methods.grl.path=[0.1]", "train.methods.grl.path_seeds=2"}
    jobs = jobs_of(load_preset("tiny", sorted(grl)), "grl", tmp_path)
    facts = dict.fromkeys(("selection", "data_hash", "encoder_hash", "run_key"), "x")
    entries = [
        {"seed": job.seed, "run_key": "k"} | ({"strength": s} if (s := job.strength) else {})
        for job in jobs.values()
    ]
    record: dict[str, Any] = {
        **facts, "schema": TRAINING_SCHEMA, "task": "pos", "method": "grl", "params": {},
        "effective_precision": "fp32", "processes": 1,
        "seeds": [entry for entry in entries if "strength" not in entry],
        "path": [entry for entry in entries if "strength" in entry],
    }  # fmt: skip
    write_json(tmp_path / "run.json", record)
    _, members = read_training(tmp_path / "run.json", "tiny")
    assert [one.folder for one in members] == [job.folder for job in jobs.values()]


def test_retention_stands_beside_plain_reversal() -> None:
    methods = load_preset("study", []).train.methods
    assert methods.grl_distil.retention.kind == "distil"
    same = methods.grl_distil.model_dump(exclude={"retention", "path", "path_seeds"})
    assert same == methods.grl.model_dump(exclude={"retention", "path", "path_seeds"})
