"""Which process is meant, long after it has ended, and whatever the clock says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from langspec.processes import is_alive, process_exists, start_of


def test_a_living_process_is_known_by_its_start() -> None:
    started = start_of(os.getpid())
    assert started is not None
    assert is_alive(os.getpid(), started)
    assert not is_alive(os.getpid(), f"{started}0")  # the id is used again
    assert not is_alive(os.getppid(), started)


def test_a_process_that_has_ended_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        started = start_of(child.pid)
        assert started is not None
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process_exists(child.pid)
        assert not is_alive(child.pid, started)  # a zombie
    assert start_of(child.pid) is None
    assert not process_exists(child.pid)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the clock is all")
@pytest.mark.parametrize("step", [-86400.0, -2.0, 2.0, 86400.0])
def test_a_clock_that_is_set_ends_no_process(monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    """The time at which the machine started is counted back from the clock, and moves with it."""
    started = start_of(os.getpid())
    assert started is not None
    by_clock = psutil.Process().create_time()
    read = psutil._pslinux.boot_time
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: read() + step)
    assert psutil.Process().create_time() == pytest.approx(by_clock + step)  # what moves
    assert is_alive(os.getpid(), started)


def test_a_name_with_brackets_and_spaces_hides_nothing(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 (b"
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert start_of(child.pid) is not None
        child.kill()
