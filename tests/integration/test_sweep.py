"""Sweeps as a user runs them: workers, kill -9, resume, refusals, adoption, the stage."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import CHECKOUT, Make
from langspec.config import load_config
from langspec.files import sha256_folder

pytestmark = pytest.mark.slow

SHORT = ("--rows", "40", "--set", "tune.rungs=1", "--set", "tune.tokens_per_language=40")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, ready_project: Make) -> Path:
    return ready_project(tmp_path_factory.mktemp("sweep") / "a project")


def trials_of(folder: Path, study: str) -> Any:
    from langspec.tuning.outcome import records
    from langspec.tuning.storage import open_storage, place_of
    from langspec.tuning.study import load_study

    place = place_of(str(folder / ".langspec" / "studies" / f"{study}.log"))
    return records(load_study(open_storage(place), study))


def owners(folder: Path, study: str) -> set[int]:
    """Processes that work on a trial."""
    from langspec.tuning.claims import OWNER
    from langspec.tuning.storage import open_storage, place_of
    from langspec.tuning.study import load_study

    place = place_of(str(folder / ".langspec" / "studies" / f"{study}.log"))
    trials = load_study(open_storage(place), study).get_trials(deepcopy=False)
    running = [trial for trial in trials if trial.state.name == "RUNNING"]
    return {json.loads(t.user_attrs[OWNER])[1] for t in running if OWNER in t.user_attrs}


def children_of(folder: Path, study: str) -> dict[int, Any]:
    from langspec.tracking.runs import Tracker

    tracker = Tracker.open(root=folder)
    assert tracker.client is not None
    ids = [found.experiment_id for found in tracker.client.search_experiments()]
    wanted = f"tags.`langspec.study` = '{study}' and tags.`langspec.sweep` = 'trial'"
    found = tracker.client.search_runs(ids, wanted)
    assert len({run.data.tags["langspec.trial"] for run in found}) == len(found)
    return {int(run.data.tags["langspec.trial"]): run for run in found}


def test_two_of_four_workers_are_killed(project: Path) -> None:
    command = [sys.executable, "-m", "langspec", "sweep", "--task", "pos", "--method", "grl"]
    command += ["--trials", "40", "--workers", "4", "--study", "killed", *SHORT]
    sweep = subprocess.Popen(
        command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    rng, killed = random.Random(1), set()
    log = project / ".langspec" / "studies" / "killed.log"
    try:
        while len(killed) < 2 and sweep.poll() is None:
            time.sleep(0.5 + rng.random())
            # At work, not still importing: or there would be no trial to lose.
            if log.is_file() and '"owner"' in log.read_text():
                at_work = owners(project, "killed") - killed
                for pid in rng.sample(sorted(at_work), min(1, len(at_work))):
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
        told, _ = sweep.communicate(timeout=900)
    finally:
        sweep.kill()
    assert sweep.returncode == 0, told[-3000:]
    assert len(killed) == 2
    trials = trials_of(project, "killed")
    ended = [trial for trial in trials if trial.state in ("COMPLETE", "PRUNED")]
    failed = [trial for trial in trials if trial.state == "FAIL"]
    assert len(ended) == 40
    assert len(trials) == 40 + len(failed)
    assert len(failed) <= 2  # a worker may be killed between two trials
    for trial in failed:
        assert "ended without a result" in trial.reason
        assert trials[trial.retried_by].retry_of == trial.number
        assert trials[trial.retried_by].values == trial.values
    runs = children_of(project, "killed")
    status = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
    assert {n: run.info.status for n, run in runs.items()} == {
        trial.number: status[trial.state] for trial in trials
    }
    for trial in ended:
        assert runs[trial.number].data.metrics["sweep/score"] == pytest.approx(
            trial.score, rel=1e-4
        )
    for trial in failed:
        assert runs[trial.number].data.tags["langspec.failure"] == trial.reason
    assert {trial.origin for trial in trials} == {"params.yaml", "Tanti et al. 2021", ""}


def test_resume_refuse_adopt(project: Path, langspec) -> None:
    sweep = ("sweep", "--method", "finetune", "--study", "short", *SHORT)
    langspec(project, *sweep, "--trials", "2")
    done = langspec(project, *sweep, "--trials", "4")
    assert "4 complete" in done.stdout or "pruned" in done.stdout
    assert len(trials_of(project, "short")) == 4
    assert set(children_of(project, "short")) == {0, 1, 2, 3}
    for change, told in [
        (("--task", "nli"), "task pos, now nli"),
        (("--method", "grl"), "method finetune, now grl"),
        (("--space", "paper"), "space default, now paper"),
        (("--set", "tune.penalty=0.1"), "penalty 0.5, now 0.1"),
        (("--set", "train.dropout=0.2"), "train.dropout 0.1, now 0.2"),
    ]:
        refused = langspec(project, *sweep, "--trials", "5", *change, check=False)
        assert refused.returncode == 2
        assert told in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1

    params = project / "params.yaml"
    before = params.read_text()
    best = max(
        (t for t in trials_of(project, "short") if t.state == "COMPLETE"), key=lambda t: t.score
    )
    told = langspec(project, "adopt", "short").stdout
    assert f"trial {best.number} of study short" in told
    after = params.read_text()
    config = load_config(params)
    override = config.train.methods.finetune.overrides["pos"]
    for path, value in best.values.items():
        assert getattr(override, path.rpartition(".")[2]) == value
        assert path in told
    gone = set(before.splitlines()) - set(after.splitlines())
    (method, noted) = sorted(gone)
    assert method == "    finetune: {freeze_embeddings: true, overrides: {}}"
    assert noted.startswith("adopted: {} #")
    origin = config.adopted["finetune"]["pos"]
    assert (origin.study, origin.trial, origin.front) == ("short", best.number, None)
    assert origin.values == best.values
    again = langspec(project, "adopt", "short").stdout
    assert "already holds" in again
    assert "langspec.adopted" in children_of(project, "short")[best.number].data.tags
    # What was adopted is no other study: its values are what is searched.
    langspec(project, *sweep, "--trials", "4")
    params.write_text(before)
    wrong = langspec(project, "adopt", "short", "--trial", "77", check=False)
    assert (wrong.returncode, "no such trial" in wrong.stderr) == (2, True)
    missing = langspec(project, "adopt", "none", check=False)
    assert "there are: " in missing.stderr
    assert "short" in missing.stderr


def test_trials_in_several_processes_end_with_the_sweep_and_go_on(project: Path, langspec) -> None:
    """Two workers, each with two processes: SIGTERM ends all; the same command completes."""
    import psutil

    shutil.copytree(CHECKOUT / "accelerate", project / "accelerate", dirs_exist_ok=True)
    sweep = ("sweep", "--method", "finetune", "--study", "launched", "--trials", "2", *SHORT)
    sweep += ("--workers", "2", "--set", "compute.launch=accelerate/cpu-2.yaml")
    told = langspec(project, *sweep, "--dry-run").stdout
    assert "on 40 rows in 2 processes (accelerate/cpu-2.yaml)" in told
    command = [sys.executable, "-m", "langspec", *sweep]
    child = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    log = project / ".langspec" / "studies" / "launched.log"
    while not (log.is_file() and '"owner"' in log.read_text()):
        assert child.poll() is None
        time.sleep(0.2)
    below = psutil.Process(child.pid).children(recursive=True)
    commands = [" ".join(one.cmdline()) for one in below]
    assert sum(text.endswith("-m langspec.tuning.trial_rank") for text in commands) >= 2
    child.send_signal(signal.SIGTERM)
    _, told = child.communicate(timeout=60)
    assert child.returncode == 143
    assert "stopped by SIGTERM; the same command goes on" in told.decode()
    _, alive = psutil.wait_procs(below, 20)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]
    langspec(project, *sweep)
    trials = trials_of(project, "launched")
    assert sum(trial.state == "COMPLETE" for trial in trials) == 2
    assert {trial.reason for trial in trials if trial.state == "FAIL"} <= {"ended by SIGTERM"}


def test_a_front(project: Path, langspec) -> None:
    sweep = ("sweep", "--method", "finetune", "--study", "front", "--pareto", *SHORT)
    langspec(project, *sweep, "--trials", "3")
    folder = project / ".langspec" / "studies" / "front"
    rows = (folder / "front.csv").read_text().splitlines()
    assert (folder / "pareto_front.png").is_file()
    refused = langspec(project, "adopt", "front", check=False)
    assert "choose by --front I (0: trial" in refused.stderr
    before = (project / "params.yaml").read_text()
    told = langspec(project, "adopt", "front", "--front", str(len(rows) - 2)).stdout
    assert f"trial {rows[-1].split(',')[0]} of study front" in told
    assert load_config(project / "params.yaml").adopted["finetune"]["pos"].front == len(rows) - 2
    (project / "params.yaml").write_text(before)


def test_the_stage_is_repeatable_bit_for_bit(project: Path, langspec) -> None:
    before = (project / "params.yaml").read_text()
    out = project / "results" / "tiny" / "tune"
    langspec(project, "tune", "--set=tune.trials=0")
    assert (out / "trials.csv").read_text().count("\n") == 1  # none: the header alone
    short = ("trials=5", "rows=40", "rungs=3", "tokens_per_language=40", "startup=2")
    values = [f"--set=tune.{pair}" for pair in short]
    hashes = set()
    for _ in range(2):
        langspec(project, "tune", *values)
        hashes.add(sha256_folder(out))
    assert len(hashes) == 1
    assert (out / "trials.csv").read_text().count("\n") == 6
    assert (out / "figures" / "history.png").is_file()
    assert set(children_of(project, "tune")) == {0, 1, 2, 3, 4}
    told = langspec(project, "adopt", "tune").stdout
    assert "of study tune" in told
    (project / "params.yaml").write_text(before)


def test_an_unreachable_storage_is_told_at_once(project: Path, langspec) -> None:
    done = langspec(
        project, "sweep", "--trials", "2", "--storage", "postgresql://me:pw@127.0.0.1:1/x",
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert "cannot be used" in line
    assert "pw" not in line
