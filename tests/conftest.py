"""What every test may use."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

import langspec.garbage  # tests import what commands import
from forked import ForkServer, start_python

# On a busy machine drawing examples may take a second; that is no fault of theirs.
hypothesis.settings.register_profile(
    "busy", suppress_health_check=[hypothesis.HealthCheck.too_slow], deadline=None
)
hypothesis.settings.load_profile("busy")

# Before anything imports torch: tests share two cores with each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Ignored where the tests run under `nohup`, and inherited by what they start.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

CHECKOUT = Path(__file__).resolve().parents[1]


def contributing(heading: str) -> str:
    """The section of CONTRIBUTING.md below a heading, whose code blocks a test runs."""
    page = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return page.split(f"\n## {heading}\n")[1].split("\n## ")[0]


@pytest.fixture(scope="session")
def official_files() -> Path:
    """A folder with the official files: LANGSPEC_CORPORA, or one beside the checkout."""
    named = os.environ.get("LANGSPEC_CORPORA")
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "data"
    if not (folder / "ud").is_dir():
        pytest.skip("no folder with the official files; name one by LANGSPEC_CORPORA")
    return folder


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of MLflow's store without a run, made once: its migrations take seconds."""
    from langspec.tracking.store import open_client, tracking_store

    file = tmp_path_factory.mktemp("empty store") / "mlflow.db"
    open_client(tracking_store(f"sqlite:///{file}"))
    return file


Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.CompletedProcess[str]]
Make = Callable[[Path], Path]


def command_line(start: Start) -> Run:
    """Run the command line in a folder, in processes that ``start`` starts.

    An audit, which reads no ``compute.portable``, gets a process of its own: other kernels.
    """

    def run(
        folder: Path, *arguments: str, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        command, environment = ["-m", "langspec", *arguments], {**os.environ, **variables}
        chosen = start_python if arguments[0] == "audit" else start
        done = chosen(command, cwd=folder, env=environment)
        if check:
            assert done.returncode == 0, done.stderr[-3000:]
        return done

    return run


@pytest.fixture(scope="session")
def forked() -> Iterator[ForkServer]:
    """Runs Python scripts and modules that need not import the libraries first."""
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def langspec(forked: ForkServer) -> Run:
    """Run the command line in a folder, as a user does; output as text."""
    return command_line(forked.run)


@pytest.fixture(scope="session")
def made_up_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Result files with planted numbers of one task, for reports; not to be changed."""
    from report_files import write_predictions, write_run

    folder = tmp_path_factory.mktemp("made-up run")
    languages, seeds = ("en", "de", "tr"), (1, 2)
    write_run(folder, tasks=("pos",), seeds=seeds, points=4, languages=languages)
    accuracies = {"frozen": 0.7, "finetune": 0.8}
    write_predictions(folder / "results", "pos", accuracies, seeds=seeds, languages=languages)
    return folder


@pytest.fixture(scope="session")
def made_up_report(made_up_run: Path) -> Path:
    """The report of these files, with no sweep and no measure but the usual ones."""
    from report_files import build_made_up

    return build_made_up(made_up_run, made_up_run / "report", title="A <made-up> title")


@pytest.fixture(scope="session")
def published_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small published encoder; not to be changed."""
    from encoder_shapes import publish

    return publish(tmp_path_factory.mktemp("published") / "bert", "bert")


@pytest.fixture
def bert(published_bert: Path, tmp_path: Path) -> Path:
    """A copy of a small published encoder, which a test may damage."""
    return Path(shutil.copytree(published_bert, tmp_path / "bert"))


def copy_code(folder: Path) -> Path:
    """A copy of ``src`` that may be edited, with its compiled files: these hold while unedited."""
    return Path(shutil.copytree(CHECKOUT / "src", folder))


def make_project(folder: Path) -> Path:
    """A folder that DVC takes for a checkout: the pipeline, the code, the values of `tiny`."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(CHECKOUT / "dvc.yaml", folder)
    shutil.copytree(
        CHECKOUT / "src",
        folder / "src",
        ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
    )
    (folder / "data").mkdir()
    shutil.copy(CHECKOUT / "data" / "sources.json", folder / "data")
    for part in ("raw", "published", "sweeps"):
        shutil.copytree(CHECKOUT / "data" / part, folder / "data" / part)
    subprocess.run([sys.executable, "-m", "langspec", "preset", "tiny"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="session")
def ready_project(tmp_path_factory: pytest.TempPathFactory, langspec: Run) -> Make:
    """Makes projects at size `tiny` whose corpora and encoder are there: copies of one.

    All workers of pytest-xdist share that one; whoever needs it first prepares it.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    prepared, done = shared / "prepared project", shared / "prepared"

    def make(folder: Path) -> Path:
        with FileLock(shared / "prepared.lock"):
            if not done.exists():
                shutil.rmtree(prepared, ignore_errors=True)
                make_project(prepared)
                for stage in ("corpora", "encoder"):
                    langspec(prepared, stage)
                done.touch()
        return Path(shutil.copytree(prepared, folder))

    return make
