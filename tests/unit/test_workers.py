"""Work side by side: the same results, one line when it fails, nobody left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from langspec.errors import LangspecError
from langspec.garbage import OLD
from langspec.workers import crew_of, launched_processes

SQUARES = "worker_fixtures:Squares"


class Notes:
    """Everything that was heard, by item."""

    def __init__(self) -> None:
        self.heard: dict[str, list[object]] = {}

    def started(self, name: str) -> None:
        self.heard[name] = ["started"]

    def message(self, name: str, value: object) -> None:
        self.heard[name].append(value)

    def done(self, name: str, result: object) -> None:
        self.heard[name].append(result)


@pytest.mark.parametrize("count", [1, 2])
def test_results_facts_and_notes_do_not_depend_on_the_number_of_workers(count: int) -> None:
    notes = Notes()
    items = {f"n{number}": number for number in range(5)}
    with crew_of(SQUARES, 100, count=count) as crew:
        assert crew.facts == {"offset": 100}
        results = crew.run(items, notes)
    assert list(results.items()) == [(f"n{n}", n**2 + 100) for n in range(5)]
    assert notes.heard == {f"n{n}": ["started", f"at {n}", n**2 + 100] for n in range(5)}


def test_imports_of_workers_are_not_searched_for_garbage() -> None:
    with crew_of(SQUARES, 0, count=1, apart=True) as crew:
        assert crew.run({"one": "collector"})["one"][2] == OLD


def test_what_a_worker_refuses_is_refused_here() -> None:
    with (
        pytest.raises(LangspecError, match="not this one") as caught,
        crew_of(SQUARES, 0, count=2) as crew,
    ):
        crew.run({"good": 1, "bad": "refuse"})
    assert str(caught.value) == "item: not this one"  # the place is said once


def test_an_unforeseen_error_keeps_its_name_and_its_place_in_the_worker() -> None:
    with (
        pytest.raises(RuntimeError, match="ZeroDivisionError: by design") as caught,
        crew_of(SQUARES, 0, count=2) as crew,
    ):
        crew.run({"bad": "fail"})
    assert any("worker_fixtures" in note for note in caught.value.__notes__)


def test_a_killed_worker_is_one_line_that_says_what_to_do() -> None:
    with (
        pytest.raises(LangspecError, match=r"signal 9 \(bad\).*lower compute\.workers"),
        crew_of(SQUARES, 0, count=2) as crew,
    ):
        crew.run({"bad": "die"})


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_workers_end_when_the_main_process_is_killed(tmp_path: Path) -> None:
    place = tmp_path / "pid"
    script = (
        "from pathlib import Path\n"
        "from langspec.workers import crew_of\n"
        f"with crew_of({SQUARES!r}, 0, count=2) as crew:\n"
        f"    crew.run({{'long': Path({str(place)!r})}})\n"
    )
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    main = subprocess.Popen([sys.executable, "-c", script], env=variables)
    try:
        assert _within(120, lambda: place.exists() and place.read_text() != "")
        worker = Path("/proc", place.read_text(), "stat")
        assert worker.exists()
    finally:
        main.kill()
        main.wait()
    assert _within(60, lambda: not worker.exists() or worker.read_text().split()[2] == "Z")


def test_processes_of_a_launcher_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert launched_processes() == 1
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert launched_processes() == 2


def _within(seconds: float, condition: object) -> bool:
    assert callable(condition)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False
