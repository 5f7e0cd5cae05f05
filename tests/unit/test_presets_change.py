"""Values written into params.yaml: shown, checked, comments kept, or nothing written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides

from conftest import CHECKOUT
from langspec import presets
from langspec.config import load_config
from langspec.errors import LangspecError
from langspec.stages.pipeline import assignments, write_values

pytestmark = pytest.mark.medium


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text((CHECKOUT / "params.yaml").read_text())
    return tmp_path


def test_options_become_values() -> None:
    found = assignments(name="x", seeds="4,5", methods="frozen", values="train.clip=0.5 a.b=c")
    assert found == [
        "name=x",
        "train.seeds=[4,5]",
        "train.run=[frozen]",
        "train.also.run=[]",
        "train.clip=0.5",
        "a.b=c",
    ]
    assert assignments(name="", seeds="", methods="", values="") == []


def test_changes_are_written_and_shown(project: Path) -> None:
    file = project / "params.yaml"
    before = file.read_text()
    told = presets.change(["train.seeds=[4, 5]", "train.clip=0.5"], file)
    assert "train.seeds: [1, 2, 3] -> [4, 5]" in told
    assert "train.clip: 1.0 -> 0.5" in told
    config = load_config(file)
    assert (config.train.seeds, config.train.clip) == ([4, 5], 0.5)
    after = file.read_text()
    assert after.count("#") == before.count("#")
    assert presets.change(["train.clip=0.5"], file) == f"{file} already holds these values"
    assert file.read_text() == after


@pytest.mark.parametrize(
    "bad", ["train.clpi=1", "train.clip=-1", "train.clip", "train.run=[nope]"]
)
def test_a_bad_value_writes_nothing(project: Path, bad: str) -> None:
    before = (project / "params.yaml").read_text()
    with pytest.raises(LangspecError, match=re.escape(bad.partition("=")[0])):
        list(write_values("", [bad], project))
    assert (project / "params.yaml").read_text() == before


def test_values_are_written_over_the_preset(project: Path) -> None:
    preset, change = write_values("tiny", ["train.seeds=[9]"], project)
    assert "now holds preset tiny" in preset
    assert "train.seeds: [1, 2] -> [9]" in change
    assert load_config(project / "params.yaml").name == "tiny"


@pytest.mark.parametrize("name", presets.names())
def test_an_experiment_of_dvc_changes_a_line_for_each_value(tmp_path: Path, name: str) -> None:
    """What ``dvc exp run -S`` does to params.yaml: it also writes every list anew."""
    changes = {
        "train.pos.encoder_lr": "0.0002",
        "corpora.max_words": "40",
        "compute.launch": "accelerate/cpu-3.yaml",
        "train.methods.grl.discriminator.layers": "4",
        "evaluate.compat.epochs": "7",
        "evaluate.beyond.max_train_per_language": "null",
    }
    file = tmp_path / "params.yaml"
    file.write_text(presets.preset_text(name), encoding="utf-8")
    apply_overrides(file, [f"{key}={value}" for key, value in changes.items()])
    before, after = presets.preset_text(name).splitlines(), file.read_text().splitlines()
    lines = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    was_null = presets.load_preset(name, []).evaluate.beyond.max_train_per_language is None
    assert len(lines) == len(changes) - was_null
    for old, new in lines:
        assert old.partition(":")[0] == new.partition(":")[0]
        assert old.partition("#")[2] == new.partition("#")[2]
    assert load_config(file).model_dump()["name"] == name


LISTS = [
    "evaluate.compat.run", "evaluate.beyond.run", "evaluate.erasers.run", "evaluate.erasers.of",
    "evaluate.trajectory.of", "evaluate.attackers.rbf.widths", "train.also.run",
    "train.methods.grl.path", "report.formats", "corpora.targets",
]  # fmt: skip


@pytest.mark.parametrize("name", presets.names())
@pytest.mark.parametrize("key", LISTS)
def test_a_list_that_becomes_empty_leaves_the_other_lines(
    name: str, key: str, tmp_path: Path
) -> None:
    """The YAML library joined two later lines into one where a comment stood at the list."""
    file = tmp_path / "params.yaml"
    presets.write(name, file)
    yaml, plain = presets.commented_yaml(), presets.read_values(file)
    values = yaml.load(file.read_text())
    for changed in (values, plain):
        *parents, last = key.split(".")
        section = changed
        for parent in parents:
            section = section[parent]
        section[last] = []
    text = presets.dumped(yaml, values, plain)
    assert presets.parse_yaml(text) == plain


def test_text_that_says_something_else_is_not_written() -> None:
    yaml = presets.commented_yaml()
    with pytest.raises(LangspecError, match="write them by hand"):
        presets.dumped(yaml, yaml.load("a: 1 # one"), {"a": 2})
