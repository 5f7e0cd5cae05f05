"""From a sweep to the registry: the adopted trial is named, and a value changed by hand is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from conftest import Make, Run
from langspec import presets
from langspec.config import load_config
from langspec.files import read_json

pytestmark = pytest.mark.slow

SMALL = ["train.tasks=[pos]", "train.run=[finetune]", "train.also.run=[]",
         "train.seeds=[1]",
         "evaluate.erasers.run=[]", "evaluate.compat.run=[]", "evaluate.trajectory.of=[]",
         "evaluate.beyond.run=[]", "evaluate.geometry.run=false", "tune.rows=40",
         "tune.method=finetune", "tune.tokens_per_language=40"]  # fmt: skip


def register(folder: Path, langspec: Run) -> tuple[str, dict[str, str], str]:
    """Train, evaluate, register: what was warned of, the newest version's tags, its card."""
    langspec(folder, "train", "--task", "pos", "--method", "finetune")
    langspec(folder, "evaluate", "--task", "pos")
    done = langspec(folder, "register")
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    versions = client.search_model_versions("name = 'langspec-pos'")
    newest = max(versions, key=lambda version: int(version.version))
    card = folder / "results" / "tiny" / "register" / "pos" / "finetune" / "README.md"
    return done.stderr, newest.tags, card.read_text(encoding="utf-8")


def test_a_winner_is_named_in_the_registry(
    tmp_path: Path, ready_project: Make, langspec: Run
) -> None:
    folder = ready_project(tmp_path / "a project")
    params = folder / "params.yaml"
    presets.change(SMALL, params)
    langspec(folder, "sweep", "--trials", "3", "--study", "two-aims", "--pareto")
    rows = (folder / ".langspec/studies/two-aims/front.csv").read_text().splitlines()[1:]
    langspec(folder, "adopt", "two-aims", "--front", "0")
    _, tags, card = register(folder, langspec)
    trial = rows[0].partition(",")[0]
    named = {key: tags[f"langspec.{key}"] for key in ("study", "trial", "front")}
    assert named == {"study": "two-aims", "trial": trial, "front": "0"}
    told = f"Values from a sweep: trial {trial} of study two-aims, place 0 on its front."
    assert told in card

    head_lr = load_config(params).train.methods.finetune.overrides["pos"].head_lr
    assert head_lr is not None
    key = "train.methods.finetune.overrides.pos.head_lr"
    presets.change([f"{key}={head_lr / 2}"], params)
    warned, tags, card = register(folder, langspec)
    assert "other values than langspec adopt wrote" in warned
    assert not {"langspec.study", "langspec.trial", "langspec.front"} & set(tags)
    assert "Values from a sweep" not in card
    run = read_json(folder / "results" / "tiny" / "train" / "pos" / "finetune" / "run.json")
    assert run["params"][key] == head_lr / 2
