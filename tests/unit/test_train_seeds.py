"""Which seeds a method has, and a lambda path with several of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from experiment_fixtures import prepared, small_config
from langspec.errors import LangspecError
from langspec.files import write_json
from langspec.presets import load_preset
from langspec.results import TRAINING_SCHEMA
from langspec.stages import train as stage
from langspec.tracking.replay_runs import read_training
from langspec.training import experiment
from langspec.training.identity import run_settings
from langspec.training.jobs import jobs_of

pytestmark = pytest.mark.medium


def test_a_method_may_have_more_seeds_than_the_others() -> None:
    config = load_preset("tiny", ["train.more_seeds={control: [7, 9]}"])
    assert list(jobs_of(config, "control", None)) == ["seed 1", "seed 2", "seed 7", "seed 9"]
    assert list(jobs_of(config, "grl", None)) == ["seed 1", "seed 2"]


def test_a_seed_of_a_method_counts_once() -> None:
    with pytest.raises(LangspecError, match=r"more_seeds.grl after seeds lists 2 twice"):
        load_preset("tiny", ["train.more_seeds={grl: [2]}"])
    with pytest.raises(LangspecError, match=r"train.more_seeds.adversary: this method is not tr"):
        load_preset("tiny", ["train.more_seeds={adversary: [3]}", "train.also.run=[control]"])
    with pytest.raises(LangspecError, match=r"path_seeds: found 3, expected at most 2, as many"):
        load_preset("tiny", ["train.methods.grl.path=[0.1]", "train.methods.grl.path_seeds=3"])
    assert load_preset("tiny", ["train.methods.grl.path_seeds=3"])  # of no path
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


def test_a_training_names_what_it_reads_and_no_more() -> None:
    """Its key holds these: another value of what it does not read is the same training."""
    before = load_preset("tiny", [])

    def changed(method: str, assignment: str) -> bool:
        after = load_preset("tiny", [assignment])
        return run_settings(after, "pos", method) != run_settings(before, "pos", method)

    for unread in ("pos.epochs=9", "pos.encoder_lr=0.5", "pos.head_lr=0.5", "pos.batch_tokens=77",
                   "watch.every=9", "accumulate=2"):  # fmt: skip
        assert not changed("frozen", f"train.{unread}"), unread
        assert changed("finetune", f"train.{unread}"), unread
    for read in ("pos.batch_rows=7", "dropout=0.5", "warmup=0.5", "methods.frozen.epochs=9",
                 "methods.frozen.overrides={pos: {epochs: 9}}"):  # fmt: skip
        assert changed("frozen", f"train.{read}"), read
    assert changed("grl", "train.batch.language=rows")
    for method in ("frozen", "finetune"):
        assert not changed(method, "train.batch.language=rows")
    for method in ("frozen", "finetune", "grl"):
        assert not changed(method, f"train.methods.{method}.overrides={{nli: {{epochs: 9}}}}")


def test_a_head_that_was_trained_before_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC starts the stage for every value of the task; a head reads few of them."""
    corpora, encoder = prepared(tmp_path / "made")
    (tmp_path / "data" / "corpora").mkdir(parents=True)
    (tmp_path / "data" / "encoders").mkdir()
    corpora.rename(tmp_path / "data" / "corpora" / "demo")
    encoder.rename(tmp_path / "data" / "encoders" / "demo")
    monkeypatch.setenv("LANGSPEC_ROOT", str(tmp_path))
    encoded: list[int] = []
    encode = experiment.encode_features

    def counted(*arguments: Any) -> Any:
        encoded.append(1)
        return encode(*arguments)

    monkeypatch.setattr(experiment, "encode_features", counted)

    def trained(*changes: str) -> dict[str, bytes]:
        encoded.clear()
        place = {"task_name": "pos", "method_name": "frozen"}
        out = stage.run(small_config("compute.workers=1", *changes), tmp_path, **place)
        return {
            str(file.relative_to(out)): file.read_bytes()
            for file in out.rglob("*")
            if file.is_file()
        }

    first = trained()
    assert encoded
    shutil.rmtree(tmp_path / "results")  # as DVC does before it starts the stage again
    assert trained("train.pos.epochs=9") == first
    assert not encoded
    trained("train.methods.frozen.epochs=1")
    assert encoded
    weights = next((tmp_path / ".langspec" / "heads").glob("*/files/model.safetensors"))
    for kept in weights.parents[2].glob("*/files/model.safetensors"):
        kept.write_bytes(b"damaged")
    assert trained() == first
    assert encoded
