"""Rules of selection through a whole `dvc repro`: the history, the choice, what is said of it."""

from __future__ import annotations

import csv
import html
from pathlib import Path

import pytest
from test_pipeline import dvc

from conftest import make_project
from langspec import presets
from langspec.files import read_json
from langspec.training.selection import RULES

pytestmark = pytest.mark.slow

SMALL = ["train.tasks=[pos]", "train.run=[finetune]", "train.also.run=[]",
         "train.seeds=[1]", "train.pos.epochs=3",
         "evaluate.erasers.run=[]", "evaluate.compat.run=[]", "evaluate.trajectory.of=[]",
         "evaluate.beyond.run=[]", "evaluate.geometry.run=false"]  # fmt: skip
READ = {"mean_dev": ["de", "en", "ru"], "oracle": ["de", "ru"]}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_project(tmp_path_factory.mktemp("rules") / "a project")
    dvc(folder, "init", "--no-scm", "-q")
    presets.change(SMALL, folder / "params.yaml")
    return folder


@pytest.mark.parametrize("rule", READ)
def test_a_rule_chooses_by_its_history_and_is_named(project: Path, rule: str) -> None:
    presets.change([f"train.selection={rule}"], project / "params.yaml")
    dvc(project, "repro")
    results = project / "results" / "tiny"
    folder = results / "train" / "pos" / "finetune"
    run = read_json(folder / "run.json")
    assert (run["selection"], run["selection_languages"]) == (rule, READ[rule])

    (entry,) = run["seeds"]
    with (folder / "seed-1" / "epochs.csv").open(newline="") as handle:
        epochs = {int(row["epoch"]): row for row in csv.DictReader(handle)}
    assert len(epochs) == 3
    scores = {}
    for epoch, row in epochs.items():
        read = [name for name in row if name.startswith("val_macro_f1_")]
        assert sorted(name.rpartition("_")[2] for name in read) == READ[rule]
        scores[epoch] = sum(float(row[name]) for name in read) / len(read)
    assert scores[entry["best_epoch"]] == pytest.approx(max(scores.values()), abs=1e-6)
    chosen = epochs[entry["best_epoch"]]
    for name, value in entry["dev"].items():
        assert float(chosen[f"val_{name}"]) == pytest.approx(value, rel=1e-5)

    page = (results / "report" / "index.html").read_text(encoding="utf-8")
    table = page[page.index('id="table-headline"') :]
    caption = table[: table.index("</caption>")]
    assert f"Epochs chosen by the {RULES[rule].words}." in html.unescape(caption)
    registered = read_json(results / "register" / "pos" / "register.json")
    assert registered["versions"][0]["rule"] == rule
    assert registered["champion"] == (None if rule == "oracle" else "finetune")
    assert ("target-language labels" in registered["why"]) == (rule == "oracle")
