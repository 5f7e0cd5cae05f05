"""params.yaml: every fault by its dotted path, and what is accepted."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from conftest import command_line
from forked import start_python
from langspec import presets
from langspec.config import load_config, parse_config, parse_yaml, read_values, set_values
from langspec.errors import LangspecError
from langspec.presets import load_preset
from langspec.section import Decides, deciding

pytestmark = pytest.mark.medium

VALUES = parse_yaml(presets.preset_text("demo"))


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("compute.threads=two", r"compute\.threads: found 'two', expected an integer"),
        ("compute.precision=fp8", r"compute\.precision: found 'fp8', expected one of 'auto'"),
        ("train.pos.epochs=0", r"train\.pos\.epochs: found 0, expected greater than"),
        ("train.pos.epochs=1.5", r"train\.pos\.epochs: found 1\.5, expected an integer"),
        ("train.dropout=1", r"train\.dropout: found 1, expected less than 1"),
        ("train.seeds=[]", r"train\.seeds: found \[\]"),
        ("train.seeds=[1, 1]", r"train: seeds lists 1 twice; remove one"),
        ("train.tasks=[nli]", r"train\.also\.tasks\.0: found 'pos'.* or set train\.also\.run"),
        ("train.tasks=[parsing]", r"train\.tasks\.0: found 'parsing', expected one of"),
        ("train.also.tasks=[parsing]", r"train\.also\.tasks\.0: found 'parsing', expected one"),
        ("train.also.run=[grl]", r"train: run and also\.run"),
        ("train.run=[grl2]", r"train\.run\.0: found 'grl2', expected one of"),
        ("corpora.targets=[xx]", r"corpora\.targets\.0: unknown language code 'xx'"),
        ("corpora.targets=[en, de]", r"corpora: targets holds the source language 'en'"),
        ("corpora.source=english", r"corpora\.source: unknown language code.*did you mean en"),
        (
            "corpora.text_splits.train=0.9",
            r"corpora\.text_splits: train \+ dev \+ test \+ adversary must be 1",
        ),
        ("corpora.limits.pos_test=-3", r"corpora\.limits\.pos_test: found -3"),
        (
            "corpora.kind=demo",
            r"corpora: kind demo is now kind: files .*preset demo",
        ),
        ("corpora.files=mine", r"corpora\.files: found 'mine', expected one of 'demo', 'tiny' or"),
        ("encoder.pretrain.text=x", r"encoder\.pretrain\.text: found 'x', expected one of 'demo'"),
        ("encoder.kind=folder", r"encoder: folder is set exactly when kind is folder"),
        ("encoder.kind=hub", r"encoder: repo and revision are set exactly when kind is hub"),
        ("encoder.repo=a/b", r"encoder: repo and revision are set exactly when kind is hub"),
        ("corpora.hub.xnli.repo=a/b/c", r"corpora\.hub\.xnli\.repo: found 'a/b/c'"),
        ("corpora.hub.pos.revision=''", r"corpora\.hub\.pos\.revision: found ''"),
        ("corpora.hub.pos.reader=conll", r"corpora\.hub\.pos\.reader: found 'conll'"),
        ("encoder.pretrain.heads=3", r"encoder\.pretrain: hidden \(128\) must be a multiple"),
        ("encoder.name=../x", r"encoder\.name: .*letters, digits"),
        ("encoder.name=..", r"encoder\.name: .*letters, digits"),
        ("name=.", r"name: .*letters, digits"),
        ("name=-v", r"name: .*letters, digits"),
        ("name=.git", r"name: .*letters, digits"),
        (f"name={'a' * 101}", r"name: .*at most 100 letters"),
        ("report.formats=[pdf]", r"report\.formats\.0: found 'pdf', expected one of"),
        (
            "evaluate.erasers.run=[leace, leas]",
            r"evaluate\.erasers\.run\.1: found 'leas', expected one of",
        ),
        ("evaluate.erasers.run=[lir, lir]", r"evaluate\.erasers: run lists 'lir' twice"),
        ("evaluate.erasers.inlp.rounds=0", r"evaluate\.erasers\.inlp\.rounds: found 0"),
        ("evaluate.erasers.lir.rank=null", r"evaluate\.erasers\.lir\.rank: found None"),
        ("evaluate.erasers.anchor=de", r"evaluate\.erasers\.anchor: found 'de', expected one of"),
        ("evaluate.compat.run=[mauve]", r"evaluate\.compat\.run\.0: found 'mauve'"),
        (
            "evaluate.compat.run=[seqeval, seqeval]",
            r"evaluate\.compat: run lists 'seqeval' twice",
        ),
        ("evaluate.compat.epochs=0", r"evaluate\.compat\.epochs: found 0"),
        ("evaluate.compat.settings=one", r"evaluate\.compat\.settings: found 'one'"),
        ("train.clip=yes", r"train\.clip: found 'yes'"),
        ("train.methods.grl.schedule=exp", r"grl\.schedule: found 'exp', expected one of"),
        ("train.methods.adversary.loss=mse", r"adversary\.loss: found 'mse', expected one of"),
        ("train.methods.grl.inner_steps=-1", r"train\.methods\.grl\.inner_steps: found -1"),
        ("train.methods.grl.strength=-1", r"train\.methods\.grl\.strength: found -1"),
        ("train.methods.adversary.weight=1.5", r"methods\.adversary\.weight: found 1\.5"),
        ("train.methods.grl.retention.kind=ewc", r"grl\.retention\.kind: found 'ewc'"),
        ("train.methods.grl.overrides={pos: {weight: 1}}", r"grl: overrides\.pos\.weight: this"),
        ("train.watch.fail=[slow]", r"train\.watch\.fail\.0: found 'slow', expected one of"),
    ],
)
def test_bad_values_are_refused_by_dotted_path(assignment: str, expected: str) -> None:
    with pytest.raises(LangspecError, match=expected) as caught:
        parse_config(set_values(VALUES, [assignment]))
    assert "\n" not in str(caught.value)


def test_unknown_keys_get_a_hint() -> None:
    values = set_values(VALUES, [])
    values["train"]["pos"]["epoch"] = 3
    values["trian"] = {}
    with pytest.raises(LangspecError) as caught:
        parse_config(values)
    assert "train.pos.epoch: unknown key; did you mean 'epochs'?" in str(caught.value)
    assert "trian: unknown key; did you mean 'train'?" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [("max_tokens_per_language", "tokens"), ("max_sentences_per_language", "sentences")],
)
def test_a_limit_of_all_splits_is_refused_with_its_new_name(old: str, new: str) -> None:
    values = set_values(VALUES, [])
    values["features"] = {**values["features"], old: 1000}
    with pytest.raises(LangspecError, match=f"features: {old} is now {new}, .*train") as caught:
        parse_config(values)
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_key_is_named() -> None:
    values = set_values(VALUES, [])
    del values["features"]["cache_gb"]
    with pytest.raises(LangspecError, match=r"features\.cache_gb: missing"):
        parse_config(values)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name: [unclosed", r"params\.yaml:1: not YAML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"- a\n- b\n", "expected sections of keys"),
        (b"", "expected sections of keys"),
    ],
)
def test_broken_files(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(LangspecError, match=expected):
        load_config(path)


def test_an_absent_file_tells_the_cure(tmp_path: Path) -> None:
    with pytest.raises(LangspecError, match="langspec preset demo"):
        load_config(tmp_path / "params.yaml")


def test_scientific_numbers_are_numbers() -> None:
    config = parse_config(set_values(VALUES, ["train.pos.encoder_lr=5e-4"]))
    assert config.train.pos.encoder_lr == 5e-4


def test_set_refuses_unknown_keys() -> None:
    with pytest.raises(LangspecError, match=r"--set: unknown key 'train\.posx\.epochs'"):
        set_values(VALUES, ["train.posx.epochs=3"])
    with pytest.raises(LangspecError, match="expected KEY=VALUE"):
        set_values(VALUES, ["train.clip"])
    with pytest.raises(LangspecError, match=r"--set train\.clip: '\[' is not YAML"):
        set_values(VALUES, ["train.clip=["])


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_is_valid_and_written_with_its_changes(tmp_path: Path, name: str) -> None:
    path = tmp_path / "params.yaml"
    presets.write("demo", path)
    told = presets.write(name, path)
    assert parse_config(read_values(path)).name == name
    assert ("already holds" in told) == (name == "demo")
    assert presets.write(name, path) == f"{path} already holds preset {name}"
    assert "# " in path.read_text()  # comments survive


def test_an_unknown_preset_lists_them(tmp_path: Path) -> None:
    with pytest.raises(LangspecError, match="there are demo, e5, paper, study, tiny"):
        presets.write("large", tmp_path / "params.yaml")


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_an_unknown_method_is_refused_before_anything_is_read(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    (tmp_path / "params.yaml").write_text(presets.preset_text("demo"))
    langspec = command_line(start_python)
    done = langspec(tmp_path, "train", "--task", "pos", "--method", "foo", *more, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --method: found 'foo', expected one of frozen, finetune")
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_configuration_goes_to_worker_processes() -> None:
    config = parse_config(VALUES)
    assert pickle.loads(pickle.dumps(config)) == config


def test_values_that_decide_no_result_say_so() -> None:
    config = load_preset("tiny", [])
    values = deciding(config)
    assert {"name", "adopted"} < set(values)
    assert not {"tune", "report", "tracking"} & set(values)
    assert not {"workers", "launch", "trim_vocabulary"} & set(values["compute"])
    assert {"tasks", "run", "seeds", "clip"} < set(values["train"])
    assert "checkpoint_steps" not in values["train"]
    of_a_run = deciding(config, Decides.RUNS)
    assert not {"name", "adopted"} & set(of_a_run)
    assert not {"tasks", "run", "seeds"} & set(of_a_run["train"])
    assert of_a_run["evaluate"] == values["evaluate"]
    assert json.loads(json.dumps(values)) == values
