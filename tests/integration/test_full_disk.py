"""A disk that takes no more, under every command that writes: one line that names the place.

``ulimit -f`` stands for the disk: a file may not grow beyond some KiB. What is written behind a
limit is checked alike for a full disk, a quota and a read-only one (tests/unit/test_files.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from conftest import Make, Run
from langspec.files import sha256_file, sha256_folder
from langspec.unfinished import is_unfinished

pytestmark = [pytest.mark.slow, pytest.mark.hostile]

TASK = ("--task", "nli", "--method", "finetune")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, ready_project: Make, langspec: Run) -> Path:
    """One training that is evaluated, reported and registered; and some texts."""
    folder = ready_project(tmp_path_factory.mktemp("full") / "project")
    values = yaml.safe_load((folder / "params.yaml").read_text())
    values["train"] |= {"tasks": ["nli"], "run": ["finetune"]}
    values["evaluate"]["erasers"]["of"] = ["finetune"]
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    langspec(folder, "train", *TASK)
    langspec(folder, "evaluate", "--task", "nli")
    langspec(folder, "tune")
    langspec(folder, "report")
    langspec(folder, "register")
    (folder / "text").mkdir()
    for code in ("en", "de"):
        lines = [f"line {n} in {code} sees {n % 7} trees" for n in range(60)]
        (folder / "text" / f"{code}.txt").write_text("\n".join(lines) + "\n")
    return folder


def limited(folder: Path, kib: int, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that may write files of so many KiB."""
    script = f'ulimit -f {kib}; exec "$@"'
    return subprocess.run(
        ["bash", "-c", script, "bash", sys.executable, "-m", "langspec", *command], cwd=folder,
        env={**os.environ, "LANGSPEC_CACHE": str(folder / "cache")}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kib", "command", "place"),
    [
        (0, ("preset", "demo"), "params.yaml"),
        (4, ("corpora",), "data/corpora/tiny"),
        (4, ("encoder",), "data/encoders/tiny"),
        (64, ("train", *TASK), "results/tiny/train/nli/finetune"),
        (4, ("evaluate", "--task", "nli"), ""),
        (4, ("report", "--set", "report.margin=0.02"), ""),
        (4, ("export", *TASK, "--seed", "1", "--out", "out"), "out"),
        (4, ("audit", "data/encoders/tiny", "--text", "text", "--out", "out"), "cache/banks"),
        (64, ("sweep", *TASK[:2], "--method", "grl", "--trials", "1", "--study", "s"), "s/slices"),
    ],
)
def test_a_disk_that_takes_no_more_is_one_line(
    project: Path, kib: int, command: tuple[str, ...], place: str
) -> None:
    shutil.rmtree(project / ".langspec", ignore_errors=True)
    parts = [project / name for name in ("data", "results", "text")]
    before = [*map(sha256_folder, parts), (project / "params.yaml").read_bytes()]
    done = limited(project, kib, *command)
    assert done.returncode in (1, 2), done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert place in line
    assert str(project) in line or place or "results/" in line or ".langspec/" in line, line
    assert "unforeseen" not in line
    assert before == [*map(sha256_folder, parts), (project / "params.yaml").read_bytes()]
    assert [path for path in project.rglob(".*") if is_unfinished(path.name)] == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1M", "langspec-test", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_the_next_run_heals_it(
    small_disk: Path, project: Path
) -> None:
    shutil.copy(project / "params.yaml", small_disk)
    (small_disk / "filling").write_bytes(bytes(1_000_000))
    done = limited(small_disk, 1 << 30, "corpora")
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: data/corpora/tiny: No space left on device; make room, then")
    assert [path for path in small_disk.rglob(".*") if is_unfinished(path.name)] == []
    (small_disk / "filling").unlink()
    assert limited(small_disk, 1 << 30, "corpora").returncode == 0
    table = "data/corpora/tiny/nli.parquet"
    assert sha256_file(small_disk / table) == sha256_file(project / table)
