"""DVC's experiments, comparisons and remotes on the outs that this project declares.

The stage is small and quick: it writes the numbers with langspec's own writer and keeps a run with
langspec's own tracker; names of outs and axes are those of dvc.yaml.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from conftest import CHECKOUT
from langspec.config import parse_yaml
from langspec.presets import preset_text
from langspec.tracking.store import open_client, tracking_store

pytestmark = pytest.mark.slow

BINARIES = Path(sys.executable).parent
STAGE = """
from pathlib import Path
from langspec.config import load_config
from langspec.report.metrics import write_metrics
from langspec.results import Result, write_results
from langspec.tracking.runs import Tracker

strength = load_config().train.methods.grl.strength
rows = [
    Result(task="pos", method="grl", seed=1, corpus="pos", split="test", language="mean_targets",
           layer=1, measure="task", probe="", unit="token", metric="accuracy", value=0.8, n=9),
    *(
        Result(task="pos", method="grl", seed=1, corpus="text", split="test", language="all",
               layer=layer, measure="leak", probe="linear", unit="token", metric="macro_f1",
               value=1 - strength * layer, n=9)
        for layer in (0, 1)
    ),
]
results = Path("results/tiny")
write_results(results / "evaluate/pos/results.csv", rows)
history = results / "train/pos/grl/seed-1/steps.csv"
history.parent.mkdir(parents=True, exist_ok=True)
history.write_text(f"step,epoch,loss\\n1,1,{strength}\\n2,1,0.1\\n")
write_metrics(results, {"pos": ["grl"]})
with Tracker.open(root=Path.cwd()).start_run(
    experiment="langspec-pos", name=f"strength {strength}", stage="train@pos-grl"
) as run:
    run.log_metrics({"headline/leak": 1 - strength})
"""


def call(folder: Path, *command: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")}
    environment |= {
        "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed project with one finished run."""
    folder = tmp_path_factory.mktemp("experiments") / "a project"
    folder.mkdir()
    (folder / "params.yaml").write_text(preset_text("tiny"))
    (folder / "stage.py").write_text(STAGE)
    declared = parse_yaml((CHECKOUT / "dvc.yaml").read_text())["stages"]["report"]
    stage = {
        "cmd": f'"{sys.executable}" stage.py',
        "params": ["name", "train.methods.grl.strength"],
        "metrics": declared["metrics"],
        "plots": declared["plots"],
    }
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"report": stage}}))
    shutil.copy(CHECKOUT / ".gitignore", folder)
    open_client(tracking_store(f"sqlite:///{folder}/mlflow.db"))
    call(folder, "git", "init", "-q")
    for key, value in (("user.name", "a name"), ("user.email", "name@example.org")):
        call(folder, "git", "config", key, value)
    call(folder, "dvc", "init", "-q")
    call(folder, "dvc", "config", "core.autostage", "false")
    call(folder, "dvc", "repro")
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "-qm", "first")
    return folder


def run_names(folder: Path) -> list[str]:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("langspec-pos")
    return sorted(run.info.run_name for run in client.search_runs([experiment.experiment_id]))


def test_an_experiment_is_compared(project: Path) -> None:
    key = "train.methods.grl.strength"
    call(project, "dvc", "exp", "run", "-n", "half", "-S", f"{key}=0.5")
    metrics = json.loads(call(project, "dvc", "metrics", "diff", "--json"))
    change = metrics["results/tiny/metrics.json"]["pos.grl.leak"]
    assert (change["old"], change["new"], change["diff"]) == (0.7, 0.5, pytest.approx(-0.2))
    assert "pos.grl.transfer" not in metrics["results/tiny/metrics.json"]  # as it was
    call(project, "dvc", "plots", "diff", "HEAD", "workspace", "-o", "shown")
    page = (project / "shown" / "index.html").read_text()
    assert "token_macro_f1" in page
    assert "leak/pos_grl.csv" in page
    assert "training/pos_grl.csv" in page
    shown = json.loads(call(project, "dvc", "exp", "show", "--json"))
    text = json.dumps(shown)
    assert '"half"' in text
    assert '"leak": 0.5' in text
    assert "strength 0.5" in run_names(project)
    # One line of params.yaml has changed: its form is the one that DVC writes.
    before, after = preset_text("tiny"), (project / "params.yaml").read_text()
    lines = zip(before.splitlines(), after.splitlines(), strict=True)
    assert [pair for pair in lines if pair[0] != pair[1]] == [
        ("      strength: 0.3 # lambda", "      strength: 0.5 # lambda")
    ]


@pytest.mark.parametrize("how", ["--temp", "--queue"])
def test_runs_of_temporary_copies_are_kept(project: Path, how: str) -> None:
    strength = {"--temp": 0.61, "--queue": 0.62}[how]
    call(project, "dvc", "exp", "run", how, "-S", f"train.methods.grl.strength={strength}")
    if how == "--queue":
        call(project, "dvc", "exp", "run", "--run-all")
    assert f"strength {strength}" in run_names(project)


def test_a_remote_gives_a_fresh_clone_its_outs(project: Path, tmp_path: Path) -> None:
    call(project, "dvc", "remote", "add", "-f", "-d", "storage", str(tmp_path / "a remote"))
    call(project, "git", "stash", "-q")  # what the experiment left in params.yaml and dvc.lock
    call(project, "dvc", "checkout", "-q")
    call(project, "dvc", "remote", "add", "-f", "-d", "storage", str(tmp_path / "a remote"))
    call(project, "dvc", "push")
    call(project, "git", "commit", "-qam", "remote")
    call(tmp_path, "git", "clone", "-q", str(project), "clone")
    clone = tmp_path / "clone"
    call(clone, "dvc", "pull")
    metrics = json.loads((clone / "results" / "tiny" / "metrics.json").read_text())
    assert metrics["pos"]["grl"] == {"leak": 0.7, "transfer": 0.8}
    assert "up to date" in call(clone, "dvc", "repro")
