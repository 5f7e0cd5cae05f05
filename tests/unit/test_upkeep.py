"""`langspec doctor` and `langspec clean` on projects in a planted state."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from conftest import CHECKOUT
from langspec.cli import main
from langspec.errors import LangspecError
from langspec.files import atomic_folder
from langspec.unfinished import is_unfinished
from langspec.upkeep import leftovers as engine
from langspec.upkeep.checks import Finding, examine, pipeline
from langspec.upkeep.leftovers import leftovers, remove

OLD = time.time() - 3600


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a cache, a checkpoint, facts that stay, and half-written files."""
    shutil.copy(CHECKOUT / "params.yaml", tmp_path)
    for name in (
        ".langspec/banks/key/tokens.npy", ".langspec/checkpoints/key/slot-0", "results/demo/a.csv",
        ".langspec/studies/grl.jsonl", ".langspec/sources.json", "results/.demo.x1.part/half",
        "data/corpora/.demo.x2.old/half", ".mlflow.db.x3.part", "results/.young.x4.part",
        "notes.part",
    ):  # fmt: skip
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"1234")
    for name in ("results/.demo.x1.part", "data/corpora/.demo.x2.old", ".mlflow.db.x3.part"):
        os.utime(tmp_path / name, (OLD, OLD))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def files(root: Path) -> set[str]:
    return {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()}


def test_what_can_go_is_listed_by_kind(project: Path) -> None:
    listed = [
        (one.kind, str(one.path.relative_to(project)), one.size) for one in leftovers(project)
    ]
    assert listed == [
        ("caches", ".langspec/banks", 4),
        ("checkpoints", ".langspec/checkpoints/key", 4),
        ("unfinished", ".mlflow.db.x3.part", 4),
        ("unfinished", "data/corpora/.demo.x2.old", 4),
        ("unfinished", "results/.demo.x1.part", 4),
    ]


def test_clean_asks_first_and_leaves_what_cannot_be_made_again(project: Path) -> None:
    before = files(project)
    run = CliRunner().invoke
    assert run(main, ["clean", "--dry-run"]).exit_code == 0
    assert "Remove all" in run(main, ["clean"], input="n\n").output
    assert files(project) == before
    assert "removed" in run(main, ["clean", "--only", "checkpoints", "--yes"]).output
    assert before - files(project) == {".langspec/checkpoints/key/slot-0"}
    run(main, ["clean"], input="y\n")
    assert files(project) == {
        "params.yaml", "results/demo/a.csv", ".langspec/studies/grl.jsonl",
        ".langspec/sources.json", "results/.young.x4.part", "notes.part",
    }  # fmt: skip
    assert "nothing to remove" in run(main, ["clean"]).output


@pytest.fixture
def of_killed(project: Path) -> str:
    """How the names begin of what a process wrote that has ended, in place of NAME."""
    script = "from langspec.unfinished import prefix_of; print(prefix_of('NAME'))"
    return subprocess.check_output([sys.executable, "-c", script], text=True).strip()


def test_a_start_sweeps_what_killed_processes_left(project: Path, of_killed: str) -> None:
    def written(place: str, name: str, ending: str, inside: str = "") -> Path:
        path = project / place / (of_killed.replace("NAME", name) + ending) / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1234")
        return path

    before = files(project)
    written("results/demo/train/pos", "grl", "x1.part", "seed-1")
    written(".", "mlflow.db", "x1.part-journal")
    written(".langspec/banks", "key", "x1.part", "tokens.npy")
    written("results", "demo", "x1.old", "demo/a.csv")  # replaced by the one that is there
    gone = project / "results/demo/report/report.html"
    written("results/demo", "report", "x1.old", "report/report.html")  # nothing is in its place
    with atomic_folder(project / "results/demo/plots"):
        engine.sweep(project)
        assert any(is_unfinished(path.name) for path in (project / "results/demo").iterdir())
    assert files(project) == before | {str(gone.relative_to(project))}


def test_a_plan_sweeps_nothing(
    project: Path, of_killed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It fixes this process's kernels, and refuses after a test that imported PyTorch.
    monkeypatch.setattr("langspec.compute.set_environment", lambda compute: None)
    left = project / (of_killed.replace("NAME", "report") + "x1.part")
    left.touch()
    CliRunner().invoke(main, ["corpora", "--dry-run"])
    assert left.exists()
    CliRunner().invoke(main, ["report"])  # refused, for there are no results
    assert not left.exists()


def test_nothing_goes_while_a_run_works_there(project: Path) -> None:
    script = project / "langspec"
    script.write_text("import time\nprint('at work', flush=True)\ntime.sleep(60)\n")
    with subprocess.Popen(
        [sys.executable, script], cwd=project, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            assert engine.working_processes(project) == [process.pid]
            with pytest.raises(LangspecError, match=str(process.pid)):
                remove(project, leftovers(project))
        finally:
            process.kill()
    assert (project / ".langspec/banks/key/tokens.npy").exists()


@pytest.mark.parametrize(
    ("line", "works"),
    [
        ("/bin/python3.11 /venv/bin/langspec sweep", True),
        ("/bin/python3.11 -m langspec sweep --worker", True),
        ("/bin/python -m torch.distributed.run -m langspec train", True),
        ("/bin/python /venv/bin/dvc repro", True),
        ("/venv/bin/dvc repro", True),
        ("tail -f src/langspec", False),
        ("/bin/python /venv/bin/mypy src/langspec", False),
        ("/bin/python -m mypy src/langspec", False),
        ("", False),
    ],
)
def test_a_process_works_here_by_what_it_runs(
    project: Path, monkeypatch: pytest.MonkeyPatch, line: str, works: bool
) -> None:
    info = {"pid": -7, "cmdline": line.split(), "cwd": str(project)}
    monkeypatch.setattr(engine.psutil, "process_iter", lambda names: [SimpleNamespace(info=info)])
    assert engine.working_processes(project) == [-7] * works


def seen(root: Path) -> dict[str, Finding]:
    return {one.subject: one for one in examine(root)}


def test_a_new_project_has_no_fault(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langspec.upkeep.checks.set_environment", lambda compute: None)
    found = seen(project)
    assert {one.subject for one in found.values() if one.level == "fault"} == set()
    assert found["encoder"].level == found["corpora"].level == "note"
    assert "dvc repro encoder" in found["encoder"].text
    assert "torch" in found["versions"].text
    assert found["remains"].level == "note"  # leftovers
    assert not (project / "mlflow.db").exists()  # looking makes nothing


@pytest.mark.parametrize(
    ("damage", "subject", "says"),
    [
        ({"mlflow.db": b"no database at all, but some text" * 90}, "store", "not a database"),
        ({"params.yaml": b"name: [1"}, "params", "params.yaml"),
        ({"data/encoders/demo/config.json": b"{"}, "encoder", "config.json: not JSON"),
        ({"data/encoders/demo/config.json": b'{"model_type": "bert"}'}, "encoder", "no weights"),
        ({"data/corpora/demo/pos.parquet": b"PAR1"}, "corpora", "pos.parquet"),
    ],
)
def test_what_will_make_a_run_fail_is_a_fault(
    project: Path, monkeypatch: pytest.MonkeyPatch,
    damage: dict[str, bytes], subject: str, says: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("langspec.upkeep.checks.set_environment", lambda compute: None)
    for name, content in damage.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(content)
    one = seen(project)[subject]
    assert (one.level, says in one.text) == ("fault", True), one
    assert CliRunner().invoke(main, ["doctor"]).exit_code == 1


@pytest.mark.parametrize(
    ("made", "level", "cure"),
    [
        ((), "fault", "dvc init --no-scm"),
        ((".dvc/config",), "fault", "dvc config --local core.no_scm true"),
        ((".dvc/config", ".git/HEAD"), "ok", ""),
        ((".dvc/config", ".dvc/config.local"), "ok", ""),
    ],
)
def test_a_folder_without_git_is_a_fault_that_has_a_cure(
    tmp_path: Path, made: tuple[str, ...], level: str, cure: str
) -> None:
    """Such as an unpacked archive of a release."""
    for name in ("dvc.yaml", *made):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("[core]\n    no_scm = True\n" * name.endswith("local"))
    one = pipeline(tmp_path)
    assert (one.level, one.text.endswith(cure)) == (level, True), one


def test_an_error_of_a_library_ends_one_check_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(client: object) -> dict[str, int]:
        raise KeyError("langspec.pid")

    shutil.rmtree(project / ".langspec")
    (project / "mlflow.db").touch()
    monkeypatch.setattr("langspec.upkeep.checks.set_environment", lambda compute: None)
    monkeypatch.setattr("langspec.tracking.store.open_client", lambda place: None)
    monkeypatch.setattr("langspec.tracking.reap.dead_runs", failing)
    checks = seen(project)
    assert (checks["store"].level, checks["store"].text) == ("fault", "KeyError: 'langspec.pid'")
    assert {"encoder", "corpora"} <= set(checks)


@pytest.mark.parametrize(("text", "damaged"), [("", True), ('{"a": ', True), ("{}", False)])
def test_locks_that_dvc_cannot_read_are_named_and_removed(
    project: Path, text: str, damaged: bool
) -> None:
    (project / "dvc.yaml").touch()
    (project / ".git").mkdir()
    lock = project / engine.DVC_LOCK
    lock.parent.mkdir(parents=True)
    lock.write_text(text, encoding="utf-8")
    found = pipeline(project)
    assert (found.level == "fault", "langspec clean" in found.text) == (damaged, damaged)
    removable = [one for one in leftovers(project) if one.path == lock]
    assert len(removable) == damaged
    remove(project, removable)
    assert lock.exists() is not damaged
    assert pipeline(project).level == "ok"
