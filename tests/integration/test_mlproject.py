"""`mlflow run .` as users type it: values written, child runs, environments asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from conftest import CHECKOUT
from langspec.config import load_config
from langspec.presets import preset_text

pytestmark = pytest.mark.slow

BINARIES = Path(sys.executable).parent
STAGE = """
from pathlib import Path
from langspec.tracking.runs import Tracker
with Tracker.open(root=Path.cwd()).start_run(
    experiment="langspec-pos", name="a stage", stage="train@pos-finetune"
) as run:
    run.log_metrics({"val/accuracy": 0.5})
Path("out.txt").write_text("done")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The real MLproject before a pipeline of one quick stage that keeps a run."""
    folder = tmp_path / "a project"
    folder.mkdir()
    for name in ("MLproject", "conda.yaml", "requirements.lock"):
        shutil.copy(CHECKOUT / name, folder)
    (folder / "src").symlink_to(CHECKOUT / "src")
    (folder / "params.yaml").write_text(preset_text("tiny"))
    (folder / "stage.py").write_text(STAGE)
    stage = {"cmd": f'"{sys.executable}" stage.py', "params": ["train.seeds"], "outs": ["out.txt"]}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"one": stage}}))
    subprocess.run([BINARIES / "dvc", "init", "--no-scm", "-q"], cwd=folder, check=True)
    return folder


def mlflow_run(
    folder: Path, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "CONDA"))}
    environment |= {"PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}"} | variables
    return subprocess.run(
        [str(BINARIES / "mlflow"), "run", ".", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def tool(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/bash\n{script}")
    (folder / name).chmod(0o755)


def runs(folder: Path) -> dict[str, list]:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    found = client.search_experiments()
    return {one.name: client.search_runs([one.experiment_id]) for one in found}


def test_values_are_written_and_stages_are_children(project: Path) -> None:
    done = mlflow_run(
        project, "--env-manager", "local", "-P", "seeds=4,5", "-P", "set=train.clip=0.5"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "train.seeds: [1, 2] -> [4, 5]" in done.stdout
    config = load_config(project / "params.yaml")
    assert (config.train.seeds, config.train.clip) == ([4, 5], 0.5)
    found = runs(project)
    (launched,) = found["Default"]
    (stage,) = found["langspec-pos"]
    assert stage.data.tags["mlflow.parentRunId"] == launched.info.run_id
    assert (launched.info.status, stage.info.status) == ("FINISHED", "FINISHED")
    assert launched.data.params["seeds"] == "4,5"
    assert launched.data.metrics == {}  # nothing of a stage is merged into it
    assert stage.data.metrics == {"val/accuracy": 0.5}


def test_a_bad_value_ends_the_run_as_failed_before_any_stage(project: Path) -> None:
    before = (project / "params.yaml").read_text()
    done = mlflow_run(project, "--env-manager", "local", "-P", "set=train.clpi=1")
    assert done.returncode != 0
    assert "unknown key 'train.clpi'" in done.stderr
    assert (project / "params.yaml").read_text() == before
    assert not (project / "out.txt").exists()
    (launched,) = runs(project)["Default"]
    assert launched.info.status == "FAILED"


def test_mlflow_run_asks_conda_for_the_environment_of_conda_yaml(
    project: Path, tmp_path: Path
) -> None:
    """The literal `mlflow run .`, with a stand-in that notes what conda is asked for."""
    shims, asked = tmp_path / "bin", tmp_path / "asked"
    tool(
        shims, "conda",
        f'echo "$@" >> "{asked}"\n'
        '[ "$1 $2" = "env list" ] && echo \'{"envs": []}\'\n'
        f'[ "$1 $2" = "env create" ] && cp "${{@: -1}}" "{tmp_path}/environment.yaml"\n'
        "exit 0\n",
    )  # fmt: skip
    tool(shims, "activate", f'echo "activate $1" >> "{asked}"\n')
    path = f"{shims}{os.pathsep}{BINARIES}{os.pathsep}{os.environ['PATH']}"
    done = mlflow_run(project, PATH=path)
    assert done.returncode == 0, done.stderr[-3000:]
    calls = asked.read_text().splitlines()
    (created,) = [line.split() for line in calls if line.startswith("env create")]
    environment = created[created.index("-n") + 1]
    assert environment.startswith("mlflow-")
    assert f"activate {environment}" in calls
    given = yaml.safe_load((tmp_path / "environment.yaml").read_text())
    assert given == yaml.safe_load((CHECKOUT / "conda.yaml").read_text())
    assert (project / "out.txt").read_text() == "done"


def test_env_manager_uv_installs_what_conda_yaml_names(project: Path, tmp_path: Path) -> None:
    """With a stand-in for uv: the real one would fetch gigabytes."""
    shims, asked = tmp_path / "bin", tmp_path / "asked"
    tool(
        shims, "uv",
        f'echo "$@" >> "{asked}"\n'
        'if [ "$1" = venv ]; then mkdir -p "$2/bin"; touch "$2/bin/activate"; fi\n'
        f'if [ "$1" = pip ]; then cat "${{@: -1}}" >> "{tmp_path}/installed"; fi\n'
        "exit 0\n",
    )  # fmt: skip
    path = f"{shims}{os.pathsep}{BINARIES}{os.pathsep}{os.environ['PATH']}"
    done = mlflow_run(
        project, "--env-manager", "uv", PATH=path, MLFLOW_ENV_ROOT=str(tmp_path / "envs")
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (venv,) = [line for line in asked.read_text().splitlines() if line.startswith("venv ")]
    assert "3.11" in venv
    installed = (tmp_path / "installed").read_text().splitlines()
    pins = [line for line in installed if line.startswith("mlflow==")]
    assert pins == [
        line for line in (CHECKOUT / "requirements.lock").read_text().split()
        if line.startswith("mlflow==")
    ]  # fmt: skip
    assert (project / "out.txt").read_text() == "done"
