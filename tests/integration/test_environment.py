"""Where people run: without rights, a name, a home or git; in odd folders; twice at once."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from conftest import CHECKOUT, Make, Run
from langspec.files import sha256_folder

pytestmark = [pytest.mark.slow, pytest.mark.hostile]

TRAIN = ("train", "--task", "nli", "--method", "finetune")
OUT = Path("results/tiny/train/nli/finetune")
WORDS = "tree dog sees small house river green under old walks".split()
STRANGER = 12345  # an id that no passwd file lists
ODD = "a 'b' %20%41 #?&[x]* ü語\n"  # MLflow fails where both kinds of quotes are in a path
BINARIES = Path(sys.executable).parent


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, ready_project: Make, langspec: Run) -> Path:
    """A project with one training, in a plain folder."""
    folder = ready_project(tmp_path_factory.mktemp("plain") / "project")
    langspec(folder, *TRAIN)
    return folder


def finished_runs(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        states = connection.execute("SELECT status FROM runs").fetchall()
    assert set(states) == {("FINISHED",)}
    return len(states)


@pytest.mark.parametrize("name", [ODD, "my%20project"])
def test_any_folder_will_do(
    name: str, trained: Path, tmp_path: Path, ready_project: Make, langspec: Run
) -> None:
    (tmp_path / "my project").mkdir()
    folder = ready_project(tmp_path / name)
    langspec(folder, *TRAIN)
    assert sha256_folder(folder / OUT) == sha256_folder(trained / OUT)
    runs = finished_runs(folder)
    assert runs == 3  # the method and its two seeds
    (folder / "mlflow.db").rename(folder / "before.db")
    langspec(folder, "replay")
    assert finished_runs(folder) == runs
    assert list((tmp_path / "my project").iterdir()) == []
    out = folder / ODD
    langspec(folder, "export", "--task", "nli", "--method", "finetune", "--seed", "1",
             "--out", str(out))  # fmt: skip
    assert (out / "model.safetensors").is_file()


def test_dvc_runs_in_an_odd_folder(tmp_path: Path, ready_project: Make) -> None:
    folder = ready_project(tmp_path / ODD.strip())
    variables = {**os.environ, "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}"}
    for command in ("dvc init --no-scm -q", "dvc repro train@nli-frozen"):
        done = subprocess.run(
            command.split(), cwd=folder, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-500:] + done.stderr[-2000:]
    assert (folder / "results/tiny/train/nli/frozen/run.json").is_file()


as_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, to be someone else"
)


@pytest.fixture
def stranger(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command as a user without name, home or rights, who may read where Python lies."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    os.chown(temporary, STRANGER, STRANGER)
    for above in (tmp_path, *tmp_path.parents):
        if above.stat().st_uid == os.getuid() and "pytest" in str(above):
            above.chmod(above.stat().st_mode | 0o055)
    become = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups",
              "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]  # fmt: skip
    dropped = ("HOME", "USER", "LOGNAME", "XDG_CACHE_HOME", "MPLCONFIGDIR")

    def run(folder: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        variables = {name: value for name, value in os.environ.items() if name not in dropped}
        variables |= {"TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1", **more}
        return subprocess.run(
            [*become, sys.executable, "-m", "langspec", *command], cwd=folder, env=variables,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def give(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


@as_root
def test_nobody_without_a_home_trains_and_audits(
    trained: Path, tmp_path: Path, ready_project: Make, stranger: Callable[..., object]
) -> None:
    folder = ready_project(tmp_path / "project")
    text = folder / "text"
    text.mkdir()
    rng = random.Random(1)
    for code in ("en", "de", "fr"):
        words = [[rng.choice(WORDS) for _ in range(12)] for _ in range(2000)]
        lines = [f"{' '.join(line)} {code} {number}" for number, line in enumerate(words)]
        (text / f"{code}.txt").write_text("\n".join(lines))
    give(folder)
    for command in (TRAIN, ("audit", "data/encoders/tiny", "--text", "text", "--out", "audited")):
        done = stranger(folder, *command)
        assert done.returncode == 0, done.stderr[-2000:]
    assert sha256_folder(folder / OUT) == sha256_folder(trained / OUT)
    assert finished_runs(folder) == 3
    assert (folder / "audited/index.html").is_file()


@as_root
def test_a_home_that_cannot_be_written_is_not_needed(
    tmp_path: Path, ready_project: Make, stranger: Callable[..., object]
) -> None:
    folder, home = ready_project(tmp_path / "project"), tmp_path / "home"
    home.mkdir(mode=0o555)
    give(folder)
    done = stranger(folder, *TRAIN, HOME=str(home))
    assert done.returncode == 0, done.stderr[-2000:]
    assert list(home.iterdir()) == []


@as_root
@pytest.mark.parametrize(
    ("command", "place"),
    [
        (("corpora",), "data/corpora"),
        (("encoder",), "data/encoders"),
        (TRAIN, "results"),
        (("preset", "demo"), "params.yaml"),
        (
            ("export", "--task", "nli", "--method", "finetune", "--seed", "1", "--out", "out"),
            "out",
        ),
    ],
)
def test_a_project_of_someone_else_is_refused_in_one_line(
    trained: Path, stranger: Callable[..., object], command: tuple[str, ...], place: str
) -> None:
    before = sha256_folder(trained / "results"), sha256_folder(trained / "data")
    done = stranger(trained, *command)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert (
        "Permission denied" in last
        or "cannot be" in last
        or "read-only" in last
        or "readonly" in last
    ), last
    assert (sha256_folder(trained / "results"), sha256_folder(trained / "data")) == before


def test_an_unpacked_archive_runs_without_git(tmp_path: Path) -> None:
    """What `make demo` does there, for one stage."""
    files = subprocess.check_output(["git", "ls-files", "-z"], cwd=CHECKOUT).split(b"\0")
    for name in filter(None, map(os.fsdecode, files)):
        if (CHECKOUT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, tmp_path / name)
    recipe = (CHECKOUT / "Makefile").read_text().partition("\ndemo:")[2].splitlines()[1:2]
    (line,) = [one.strip().lstrip("@").replace("$(BIN)/", "") for one in recipe]
    variables = {**os.environ, "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}"}
    variables |= {"PYTHONPATH": str(tmp_path / "src"), "GIT_CEILING_DIRECTORIES": str(tmp_path)}
    for command in ("dvc status corpora", line, "dvc repro corpora"):
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=variables, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert (done.returncode != 0) == command.startswith("dvc status"), done.stderr[-2000:]
    assert (tmp_path / "data/corpora/demo/card.json").is_file()


def test_two_dvc_repro_at_once_end_in_one_result(
    trained: Path, tmp_path: Path, ready_project: Make
) -> None:
    """The second waits or is refused by DVC; nothing is damaged, and no run stays open."""
    folder = ready_project(tmp_path / "project")
    variables = {**os.environ, "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}"}
    dvc = [str(BINARIES / "dvc")]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=folder, check=True)
    both = [
        subprocess.Popen(
            [*dvc, "repro", "train@nli-finetune"], cwd=folder, env=variables, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [one.communicate(timeout=900)[0] for one in both]
    assert 0 in [one.returncode for one in both], said
    assert sha256_folder(folder / OUT) == sha256_folder(trained / OUT)
    finished_runs(folder)


def test_no_byte_depends_on_the_seed_of_hashes(
    trained: Path, tmp_path: Path, ready_project: Make
) -> None:
    folder = ready_project(tmp_path / "project")
    shutil.rmtree(folder / "data/corpora")
    for command in (("corpora",), TRAIN):
        done = subprocess.run(
            [sys.executable, "-m", "langspec", *command], cwd=folder, check=False,
            env={**os.environ, "PYTHONHASHSEED": "4321"}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
    assert sha256_folder(folder / "data/corpora") == sha256_folder(trained / "data/corpora")
    assert sha256_folder(folder / OUT) == sha256_folder(trained / OUT)


def test_threads_change_the_last_digits_alone(
    trained: Path, tmp_path: Path, ready_project: Make
) -> None:
    """Sums come out in another order: weights are equal to 1e-4 (docs/reliability.md)."""
    folder = ready_project(tmp_path / "project")
    variables = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-m", "langspec", *TRAIN, "--set", "compute.threads=2"], cwd=folder,
        env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    weights = sorted((trained / OUT).glob("seed-*/*.safetensors"))
    assert weights
    for file in weights:
        once, again = load_file(file), load_file(folder / OUT / file.relative_to(trained / OUT))
        assert once.keys() == again.keys()
        for name, values in once.items():
            np.testing.assert_allclose(again[name], values, atol=1e-4, err_msg=name)
