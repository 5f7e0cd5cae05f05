"""The numbers that DVC compares between experiments."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from conftest import CHECKOUT
from langspec.config import parse_yaml
from langspec.files import read_json, sha256_folder, write_json
from langspec.report.metrics import write_metrics
from langspec.results import TRAINING_SCHEMA, Result, write_results


def row(method: str, seed: int, value: float, **more: object) -> Result:
    values = {
        "task": "pos", "method": method, "seed": seed, "corpus": "pos", "split": "test",
        "language": "mean_targets", "layer": -1, "measure": "m", "probe": "", "unit": "token",
        "metric": "accuracy", "value": value, "n": 10,
    }  # fmt: skip
    return Result(**(values | more))  # type: ignore[arg-type]


def test_metrics_are_means_over_seeds_and_plots_curves(tmp_path: Path) -> None:
    leak = {"probe": "linear", "language": "all", "metric": "macro_f1", "corpus": "text"}
    rows = [
        *(row("finetune", seed, seed / 10) for seed in (1, 2)),
        *(row("finetune", 1, layer / 10, **leak, layer=layer) for layer in (10, 9)),
        *(row("finetune", 2, layer / 5, **leak, layer=layer) for layer in (10, 9)),
        row("finetune", 1, 0.5, **leak, layer=10, unit="sentence"),
        row("finetune", 1, 0.1, **{**leak, "corpus": "pos"}, layer=10),  # on the task's own texts
        row("finetune", 1, 0.0, eraser="leace"),
        row("frozen", 1, 0.25),
    ]
    write_results(tmp_path / "evaluate" / "pos" / "results.csv", rows)
    for seed in (1, 2):
        steps = pd.DataFrame({"step": range(1, 101), "loss": 100.0 * seed, "grad_norm_task": 1.0})
        folder = tmp_path / "train" / "pos" / "finetune" / f"seed-{seed}"
        folder.mkdir(parents=True)
        steps.assign(loss=steps["loss"] - steps["step"]).to_csv(folder / "steps.csv", index=False)
    write_metrics(tmp_path, {"pos": ["frozen", "finetune"]})
    assert read_json(tmp_path / "metrics.json") == {
        "pos": {
            "finetune": {"transfer": 0.15, "leak": 1.5},
            "frozen": {"transfer": 0.25},
        }
    }
    losses = pd.read_csv(tmp_path / "plots" / "training" / "pos_finetune.csv")
    assert losses["step"].tolist() == [*range(3, 103, 3)]  # windows of three steps
    assert losses["loss"].iloc[:2].tolist() == [148, 145]  # over both seeds
    assert not (tmp_path / "plots" / "training" / "pos_frozen.csv").exists()  # nothing recorded
    curve = pd.read_csv(tmp_path / "plots" / "leak" / "pos_finetune.csv")
    assert curve["layer"].tolist() == [9, 10]
    assert curve["token_macro_f1"].tolist() == pytest.approx([1.35, 1.5])
    before = sha256_folder(tmp_path)
    write_metrics(tmp_path, {"pos": ["frozen", "finetune"]})
    assert sha256_folder(tmp_path) == before

    # A seed that the watch marked failed is in no mean.
    entries = [{"seed": 1, "status": "finished"}, {"seed": 2, "status": "failed"}]
    record = {"schema": TRAINING_SCHEMA, "seeds": entries}
    write_json(tmp_path / "train" / "pos" / "finetune" / "run.json", record)
    write_metrics(tmp_path, {"pos": ["frozen", "finetune"]})
    assert read_json(tmp_path / "metrics.json")["pos"]["finetune"] == {
        "transfer": 0.1,
        "leak": 1.0,
    }
    losses = pd.read_csv(tmp_path / "plots" / "training" / "pos_finetune.csv")
    assert losses["loss"].iloc[:2].tolist() == [98, 95]


def test_dvc_names_what_is_written() -> None:
    stage = parse_yaml((CHECKOUT / "dvc.yaml").read_text())["stages"]["report"]
    assert stage["metrics"] == [{"results/${name}/metrics.json": {"cache": False}}]
    assert stage["plots"] == [
        {"results/${name}/plots/leak": {"cache": False, "x": "layer", "y": "token_macro_f1"}},
        {"results/${name}/plots/training": {"cache": False, "x": "step", "y": "loss"}},
    ]


def test_git_takes_what_dvc_compares_and_nothing_else(tmp_path: Path) -> None:
    shutil.copy(CHECKOUT / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    files = ["metrics.json", "plots/leak/pos_grl.csv", "report/index.html", "train/run.json"]
    paths = [f"results/demo/{file}" for file in files]
    ignored = subprocess.run(
        ["git", "-C", str(tmp_path), "check-ignore", *paths], capture_output=True, text=True
    )
    assert ignored.stdout.split() == paths[2:]
