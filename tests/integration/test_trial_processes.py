"""A trial in several processes: what they say to the worker, and how all of it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest

from conftest import CHECKOUT
from experiment_fixtures import prepared, small_config
from fake_ranks import THERE_BEFORE, below, processes
from langspec.errors import LangspecError
from langspec.launch import read_launch
from langspec.paths import Paths, paths_of
from langspec.tuning.fingerprint import identity_of
from langspec.tuning.score import Collapsed, Measured, ProcessLost
from langspec.tuning.space import space_of
from langspec.tuning.study import different
from langspec.tuning.trial_processes import launch_of, trial_trainer

CPU_2 = str(CHECKOUT / "accelerate" / "cpu-2.yaml")


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process and no file outlives a test."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    THERE_BEFORE.clear()
    THERE_BEFORE.update(below())
    yield
    assert below() == []
    assert not list(tmp_path.glob("trials-*"))


def ignore(rung: int, measured: Measured) -> None:
    pass


def test_the_first_process_reports_and_all_are_used_again() -> None:
    rungs: list[Any] = []
    with processes() as train:
        assert len(below()) == 3  # the launcher and two
        first = train({}, lambda *found: rungs.append(found))
        second = train({}, ignore)
    assert rungs == [(1, Measured(0.1, 0.0)), (2, Measured(0.2, 0.0))]
    assert (first.dev_macro_f1, first.dev_leak) == (1.0, 0.0)
    assert first.more == second.more  # the same process


def test_a_pruned_trial_ends_in_all_processes_and_the_next_one_begins() -> None:
    rungs: list[int] = []

    def prune(rung: int, measured: Measured) -> None:
        rungs.append(rung)
        raise optuna.TrialPruned("bad")

    with processes() as train:
        before = below()
        with pytest.raises(optuna.TrialPruned, match="bad"):
            train({}, prune)
        assert rungs == [1]
        assert train({}, ignore).dev_macro_f1 == 1.0
        with pytest.raises(Collapsed, match="rank: gone"):
            train({"rank 0": "collapse", "rank 1": "collapse"}, ignore)
        assert below() == before


@pytest.mark.parametrize(
    ("does", "error", "words"),
    [
        (
            {"rank 0": "wait", "rank 1": "raise"},
            LangspecError,
            r"^RuntimeError: no memory at all\nin process 2 of 2:",
        ),
        ({"rank 0": "wait", "rank 1": "die"}, ProcessLost, r"^process \d+ of the 2 that train"),
        # The error that a killed process causes in another one is not the reason.
        ({"rank 0": "raise", "rank 1": "die"}, ProcessLost, r"^process \d+ of the 2 that train"),
    ],
)
def test_one_process_that_fails_ends_all(
    does: dict[str, str], error: type[Exception], words: str
) -> None:
    with processes() as train:
        with pytest.raises(error, match=words):
            train(does, ignore)
        assert below() == []
        assert train({}, ignore).dev_macro_f1 == 1.0  # by other processes


def test_a_signal_ends_all() -> None:
    def ended(rung: int, measured: Measured) -> None:
        raise SystemExit(143)

    with processes() as train, pytest.raises(SystemExit):
        train({}, ended)


def test_processes_that_cannot_begin_are_told_in_one_line(monkeypatch) -> None:
    with pytest.raises(LangspecError, match=r"^ValueError: nothing to train on in [01]\n"):
        processes("refused").__enter__()
    assert below() == []
    monkeypatch.setenv("FAKE", "none")
    with pytest.raises(
        LangspecError, match=r"^compute\.launch: two\.yaml: the launcher ended with 7"
    ):
        processes().__enter__()


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with pytest.raises(LangspecError, match=r"two\.yaml: .*too long; set a shorter TMPDIR$"):
        processes().__enter__()
    assert not list(folder.iterdir())


def test_processes_end_when_the_worker_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from fake_ranks import THERE_BEFORE, below, processes\n"
        "with processes() as train:\n"
        "    print(*below(), flush=True)\n"
        "    train({'rank 0': 'wait', 'rank 1': 'wait'}, print)\n"
    )
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    worker = subprocess.Popen(
        [sys.executable, "-c", script, *folders], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert worker.stdout is not None
    children = [psutil.Process(int(pid)) for pid in worker.stdout.readline().split()]
    assert len(children) == 3
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    _, alive = psutil.wait_procs(children, 10)
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]
    for folder in tmp_path.glob("trials-*"):  # which nobody could remove
        (folder / "s").unlink()
        folder.rmdir()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, r"x\.yaml: no such file"),
        ("{distributed_type: MULTI_CPU, num_processes: zwei}", "num_processes: found 'zwei'"),
        ("{distributed_type: MULTI_CPU, num_processes: 2, num_machines: 2}",
         "num_machines: found 2, expected 1.*run the sweep on each of them"),
    ],
)  # fmt: skip
def test_a_file_that_no_trial_can_use_is_refused(
    tmp_path: Path, text: str | None, words: str
) -> None:
    file = tmp_path / "x.yaml"
    if text:
        file.write_text(text)
    with pytest.raises(LangspecError, match=f"^compute.launch: .*{words}"):
        launch_of(small_config(f"compute.launch={file}"))


def test_a_sweep_that_a_launcher_started_is_refused(monkeypatch) -> None:
    assert launch_of(small_config()) is None
    assert launch_of(small_config(f"compute.launch={CPU_2}")) == read_launch(Path(CPU_2))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(
        LangspecError, match="a launcher started 2 processes; start the command once"
    ):
        launch_of(small_config())


def project(root: Path) -> Paths:
    """The folders of a project with prepared corpora and an encoder."""
    paths = paths_of(small_config(), root)
    corpora, encoder = prepared(root / "made")
    for made, wanted in ((corpora, paths.corpora), (encoder, paths.encoder)):
        wanted.parent.mkdir(parents=True, exist_ok=True)
        made.rename(wanted)
    return paths


def test_a_study_is_of_one_number_of_processes(tmp_path: Path) -> None:
    """The same file with another number in it makes another study: dropout differs."""
    paths = project(tmp_path)
    (paths.encoder / "langspec.json").write_text('{"sha256": "e"}')
    file = tmp_path / "cpu.yaml"
    config = small_config(f"compute.launch={file}")
    parts = []
    for count in (2, 3):
        file.write_text(f"{{distributed_type: MULTI_CPU, use_cpu: true, num_processes: {count}}}")
        parts.append(identity_of(config, tmp_path, space_of(config)).parts)
    assert different(*parts) == ["settings.compute.processes 2, now 3"]


@pytest.mark.slow
def test_two_real_processes_train_a_trial(tmp_path: Path) -> None:
    """As stage train starts them. A rung ends a trial in both; a killed one is told."""
    config = small_config(
        f"compute.launch={CPU_2}", "tune.method=grl", "tune.rungs=2", "compute.threads=1"
    )
    paths = project(tmp_path)
    rungs: list[Any] = []

    def prune(rung: int, measured: Measured) -> None:
        raise optuna.TrialPruned

    def kill(rung: int, measured: Measured) -> None:
        os.kill(below()[-1], signal.SIGKILL)
        time.sleep(1)

    with trial_trainer(config, paths) as train:
        before = below()
        assert len(before) == 3
        first = train({}, lambda *found: rungs.append(found))
        with pytest.raises(optuna.TrialPruned):
            train({}, prune)
        assert train({}, ignore) == first  # bit for bit
        assert below() == before
        with pytest.raises(ProcessLost):
            train({}, kill)
        assert below() == []
        assert train({}, ignore) == first
    assert [rung for rung, _ in rungs] == [1]
    assert 0 < first.dev_macro_f1 <= 1
    assert 0 <= first.dev_leak <= 1
    assert first.more["best_epoch"] in (1, 2)
