"""``langspec fetch`` against a server on loopback, then a run without any."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import hub_files as made
from conftest import CHECKOUT, Run
from hub_server import FakeHub, serving
from langspec.corpora.tables import read_table

ENCODER = CHECKOUT / "data" / "encoders" / "demo"
MODEL = "owner/tiny"
BIG = "model.safetensors"
CHUNK = 10 << 20
REPOSITORIES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "pos": ("commul/universal_dependencies", made.ud_folder),
    "xnli": ("facebook/xnli", made.xnli_folder),
    "multinli": ("nyu-mll/multi_nli", made.multinli_folder),
    "text": ("wikimedia/wikipedia", made.wikipedia_folder),
}
REVISIONS = {
    "pos": "2.17",
    "xnli": "b8dd5d7af51114dbda02c0e3f6133f332186418e",
    "multinli": "main",
    "text": "refs/convert/parquet",
}
XNLI = f"facebook/xnli@{REVISIONS['xnli']}"
SETTINGS = {
    "name": "hub",
    "corpora.kind": "hub",
    "corpora.targets": "[de, fr]",
    "corpora.min_characters": "20",
    "corpora.limits.text": "40",
    **{f"corpora.hub.{key}.revision": f'"{value}"' for key, value in REVISIONS.items()},
    "corpora.hub.text.files": "null",
    "encoder.kind": "hub",
    "encoder.name": "tiny-hub",
    "encoder.repo": MODEL,
    "encoder.revision": "main",
}


def model_folder(folder: Path) -> Path:
    """The demo's encoder as a repository, with a pickle and a script that are not wanted."""
    folder.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((ENCODER / name).read_bytes())
    # Large enough to break: the client keeps what it has by pieces of 10 MiB.
    padding = {"unused": torch.zeros(3 * CHUNK, dtype=torch.uint8)}
    save_file(load_file(ENCODER / BIG) | padding, folder / BIG, metadata={"format": "pt"})
    (folder / "pytorch_model.bin").write_bytes(b"no pickle")
    (folder / "modeling_own.py").write_text("raise SystemExit\n")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    if not (ENCODER / BIG).is_file():
        pytest.skip("no encoder of the demo in this checkout")
    root = tmp_path_factory.mktemp("repositories")
    found = {key: make(root / key) for key, (_, make) in REPOSITORIES.items()}
    return found | {"model": model_folder(root / "model")}


@pytest.fixture
def hub(folders: dict[str, Path]) -> Iterator[FakeHub]:
    served = FakeHub()
    for key, (name, _) in REPOSITORIES.items():
        served.add("datasets", name, REVISIONS[key], folders[key])
    served.add("models", MODEL, "main", folders["model"])
    with serving(served):
        yield served


@pytest.fixture
def project(tmp_path: Path, langspec: Run) -> Path:
    langspec(tmp_path, "preset", "tiny")
    return tmp_path


def sets(**changes: str) -> list[str]:
    """``--set`` of the settings; a name's two underscores are a dot."""
    values = SETTINGS | {key.replace("__", "."): value for key, value in changes.items()}
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def environment(project: Path, endpoint: str) -> dict[str, str]:
    return {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(project / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "HF_HUB_OFFLINE": "0",
    }


def test_fetch_resumes_then_everything_runs_offline(
    hub: FakeHub, project: Path, langspec: Run
) -> None:
    online = environment(project, hub.endpoint)
    planned = langspec(project, "fetch", "--dry-run", *sets(), **online).stdout
    assert "owner/tiny@main: 4 files" in planned
    assert "wikimedia/wikipedia@refs/convert/parquet: 6 files" in planned
    assert hub.downloads(BIG) == []
    assert hub.downloads("train.parquet") == []

    hub.breaks = {BIG: 2 * CHUNK + 12345}
    told = langspec(project, "fetch", *sets(), **online)
    assert "in the cache" in told.stdout
    # The second request starts where the first broke off, at the last whole piece.
    assert hub.downloads(BIG) == [None, f"bytes={2 * CHUNK}-"]
    assert hub.downloads("pytorch_model.bin") == hub.downloads("modeling_own.py") == []
    # Neither languages nor training data that the run does not read.
    fetched = {path.split("/resolve/")[1] for method, path, _ in hub.requests
               if method == "GET" and "/resolve/" in path}  # fmt: skip
    assert not any("/sw/" in name or "de_toy/train" in name for name in fetched)

    before = len(hub.requests)
    again = langspec(project, "fetch", "--dry-run", *sets(), **online).stdout
    assert again.startswith("fetch: 0.0 MB to download")
    langspec(project, "fetch", *sets(), **online)
    repeated = [path for method, path, _ in hub.requests[before:] if method == "GET"]
    assert not any("/resolve/" in path for path in repeated)

    # Offline: the address is one that nobody listens at, and the server hears nothing.
    before = len(hub.requests)
    offline = environment(project, "http://127.0.0.1:9") | {"HF_HUB_OFFLINE": "1"}
    for stage in (["corpora", "--dry-run"], ["corpora"], ["encoder", "--dry-run"], ["encoder"]):
        langspec(project, *stage, *sets(), **offline)
    training = ["train", "--task", "pos", "--method", "frozen"]
    store = f"sqlite:///{project}/mlflow.db"
    langspec(project, *training, *sets(train__seeds="[1]", tracking__uri=store), **offline)
    assert len(hub.requests) == before
    prepared = project / "data" / "corpora" / "hub"
    assert read_table(prepared, "pos").num_rows == 12 + 3 * (4 + 6)
    assert read_table(prepared, "nli").num_rows == 21 + 3 * (6 + 15)
    assert read_table(prepared, "text").num_rows == 3 * 40
    card = json.loads((prepared / "card.json").read_text())
    named = {source["name"].rpartition("@")[0] for source in card["sources"]}
    assert named == {name for name, _ in REPOSITORIES.values()}
    encoder = json.loads((project / "data/encoders/tiny-hub/langspec.json").read_text())
    assert (encoder["kind"], encoder["source"]) == ("hub", "owner/tiny@main")
    assert list((project / "results").rglob("*.safetensors"))


def test_a_moved_branch_is_taken_up_by_fetch_alone(
    hub: FakeHub, project: Path, langspec: Run, tmp_path: Path
) -> None:
    online = environment(project, hub.endpoint)
    only = sets(train__tasks="[nli]", train__also__run="[]", corpora__hub__text="null",
                encoder__kind="demo", encoder__repo="null", encoder__revision="null")  # fmt: skip
    name = REPOSITORIES["multinli"][0]
    old = made.multinli_folder(tmp_path / "old", prompts=7)
    new = made.multinli_folder(tmp_path / "new", prompts=11)
    for folder in (old, new):
        (folder / "README.md").unlink()  # as refs/convert/parquet has none
    hub.add("datasets", name, "main", old)
    langspec(project, "fetch", *only, **online)
    hub.add("datasets", name, "main", new)
    table = project / "data" / "corpora" / "hub"
    langspec(project, "corpora", *only, **online)
    assert read_table(table, "nli", split="train").num_rows == 21
    langspec(project, "fetch", *only, **online)
    langspec(project, "corpora", *only, **online)
    assert read_table(table, "nli", split="train").num_rows == 33


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    return lines[0]


def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def gate(hub: FakeHub, folders: dict[str, Path], tmp_path: Path) -> None:
    hub.gated = {"facebook/xnli"}


def private(hub: FakeHub, folders: dict[str, Path], tmp_path: Path) -> None:
    del hub.repositories["datasets", "facebook/xnli"]


def other_revision(hub: FakeHub, folders: dict[str, Path], tmp_path: Path) -> None:
    hub.repositories["datasets", "facebook/xnli"] = {"v2": folders["xnli"]}


def script(hub: FakeHub, folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "xnli.py").write_text("raise SystemExit\n")
    hub.add("datasets", "facebook/xnli", REVISIONS["xnli"], tmp_path / "script")


def pickled(hub: FakeHub, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "pickled")
    (folder / BIG).unlink()
    hub.add("models", MODEL, "main", folder)


def without_tokenizer(hub: FakeHub, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "without")
    (folder / "tokenizer.json").unlink()
    hub.add("models", MODEL, "main", folder)


def overloaded(hub: FakeHub, folders: dict[str, Path], tmp_path: Path) -> None:
    hub.down = True


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (gate, f"{XNLI}: access is restricted: accept its terms at http://127"),
        (private, f"{XNLI}: no such dataset at http://127.0.0.1"),
        (other_revision, f"{XNLI}: the repository has no revision 'b8dd"),
        (script, "holds only a loading script (xnli.py), which is never run; set its revision "
         "to refs/convert/parquet"),
        (pickled, "owner/tiny@main: no safetensors weights, only pytorch_model.bin, a pickle"),
        (without_tokenizer, "owner/tiny@main: no tokenizer.json; convert it once"),
        (overloaded, "owner/tiny@main: http://127.0.0.1"),
    ],
)  # fmt: skip
def test_what_the_hub_refuses_is_told_in_one_line(
    hub: FakeHub,
    project: Path,
    langspec: Run,
    folders: dict[str, Path],
    tmp_path: Path,
    change: Any,
    message: str,
) -> None:
    change(hub, folders, tmp_path)
    online = environment(project, hub.endpoint)
    only = sets(train__tasks="[nli]", train__also__run="[]")
    done = langspec(project, "fetch", *only, check=False, **online)
    assert message in refused(done)


@pytest.mark.parametrize("stage", [["fetch"], ["corpora"]])
def test_no_server_is_told_in_seconds(project: Path, langspec: Run, stage: list[str]) -> None:
    variables = environment(project, closed_port())
    began = time.monotonic()
    done = langspec(project, *stage, *sets(), check=False, **variables)
    assert "cannot be reached" in refused(done)
    assert "run langspec fetch again" in done.stderr
    assert time.monotonic() - began < 60  # importing on a busy machine is most of it


def test_offline_without_a_fetch_says_what_to_run(project: Path, langspec: Run) -> None:
    variables = environment(project, "http://127.0.0.1:9") | {"HF_HUB_OFFLINE": "1"}
    done = langspec(project, "corpora", *sets(), check=False, **variables)
    assert "is not in the cache and HF_HUB_OFFLINE forbids the network; run langspec fetch" in (
        refused(done)
    )
    done = langspec(project, "fetch", *sets(), check=False, **variables)
    assert "HF_HUB_OFFLINE is set; unset it to fetch" in refused(done)
    done = langspec(project, "fetch", check=False, **variables)
    assert "nothing to fetch: corpora.kind is files" in refused(done)
