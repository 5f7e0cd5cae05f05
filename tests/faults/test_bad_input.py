"""The table of bad input: what commands and readers are given, and how each of them ends.

A row is a command (or a reader) and a fault. Each ends in one line with a place and a cure and a
code that is not 0, within a few seconds, and leaves the folder as it was. Rows that have a file of
their own (corpora, encoders, damaged files, inputs from the field) are counted here too.
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import test_corpora_faults as corpora
import test_damaged_files as damaged
import test_encoder_faults as encoders
import torch
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langspec import compute
from langspec.cli import main
from langspec.config import load_config, parse_config, parse_yaml
from langspec.errors import LangspecError
from langspec.files import read_json, read_record
from langspec.modelling.saved import RunCard, read_card, read_tensors, save_run
from langspec.presets import preset_text
from langspec.release.predicted_rows import read_rows
from langspec.results import read_results, read_training_record
from langspec.section import flatten
from langspec.tracking.history import read_history
from langspec.tracking.store import tracking_store
from langspec.training.checkpoint import Checkpoint, CheckpointStore
from langspec.tuning.storage import open_storage, place_of
from langspec.workers import launched_processes

SECONDS = 20.0
"""How long a command may take to refuse; most need a few hundredths."""

Files = dict[str, bytes | str | None]
TINY = preset_text("tiny")
VALUES: Any = parse_yaml(TINY)
LEAVES = [key for key in sorted(flatten(VALUES)) if not key.startswith("tune.grid.")]


@dataclass(frozen=True)
class Row:
    """A command, what is wrong, and what its line says.

    ``files`` lie in the project; ``environment`` is set.
    """

    kind: str
    command: tuple[str, ...]
    said: str
    files: Files | None = None
    environment: dict[str, str] | None = None

    @property
    def name(self) -> str:
        shown = " ".join(self.command) if self.command else str(self.environment)
        given = "" if not self.files else " " + repr(sorted(self.files.items()))
        return f"{self.kind}: {shown}{given}"[:200]


def put(command: str, assignment: str, said: str, kind: str = "params") -> Row:
    return Row(kind, (*command.split(), "--set", assignment), said)


def params(text: bytes | str, said: str) -> Row:
    return Row("params", ("headline",), said, {"params.yaml": text})


def manifest(text: bytes | str, said: str) -> Row:
    return Row("manifest", ("corpora", "status"), said, {"data/sources.json": text})


def launch(text: bytes | str, said: str) -> Row:
    return Row(
        "launch", (*TRAIN, "--set", "compute.launch=two.yaml"), said, {"two.yaml": text},
    )  # fmt: skip


def study(text: bytes | str, said: str) -> Row:
    return Row("storages", ("adopt", "x", "--storage", "s.log"), said, {"s.log": text})


def stage(text: bytes | str, said: str) -> Row:
    return Row("studies", ("adopt", "tune"), said, {"results/tiny/tune/study.json": text})


TRAIN = ("train", "--task", "pos", "--method", "finetune")
EXPORT = ("export", *TRAIN[1:], "--seed", "1", "--out")
SPLITS = "corpora.text_splits={train: %s, dev: %s, test: %s, adversary: %s}"
ROWS = [
    # ---- params.yaml
    params(b"", "expected sections of keys; run: langspec preset demo"),
    params("a", "expected sections of keys"),
    params("[1, 2]", "expected sections of keys"),
    params("3", "expected sections of keys"),
    params("name: [", "not YAML"),
    params("name: {a", "not YAML"),
    params("\tname: x", "not YAML"),
    params("a: b: c", "not YAML"),
    params("name: 'x", "not YAML"),
    params("name: x\nname: y\n", "not YAML"),
    params("&a [*a]", "expected sections of keys"),
    params("name: *nobody", "not YAML"),
    params("%YAML 9.9\n---\nname: x", "params.yaml"),
    params("!!python/object/apply:os.system [id]", "not YAML"),
    params("name: !!binary x", "params.yaml"),
    params("name: 2026-13-45", "params.yaml"),
    params(b"\xff\xfe\x00", "not UTF-8 at byte 0"),
    params("name: \u00e9".encode("latin-1"), "not UTF-8 at byte 6"),
    params(b"name: a\x00b", "not YAML"),
    params("[" * 3000, "not YAML"),
    params("{a: " * 3000, "not YAML"),
    params(TINY + "extra: 1\n", "extra: unknown key"),
    params(TINY.replace("\ntrain:", "\ntrian:"), "did you mean"),
    params(TINY.replace("name:", "nam:", 1), "missing; add it"),
    Row("params", ("headline",), "cannot be read (Is a directory)", {"params.yaml/x": ""}),
    Row("params", TRAIN, "expected sections of keys", {"params.yaml": "x"}),
    # ---- --set
    put("corpora", "x", "expected KEY=VALUE"),
    put("corpora", "=1", "expected KEY=VALUE"),
    put("corpora", "", "expected KEY=VALUE"),
    put("corpora", "nope=1", "unknown key 'nope'"),
    put("corpora", "train.nope=1", "unknown key"),
    put("corpora", "train.clip.x=1", "unknown key"),
    put("corpora", "train..clip=1", "unknown key"),
    put("corpora", "train=1", "train"),
    put("corpora", "train.clip=[1", "is not YAML"),
    put("corpora", "train.clip=" + "[" * 3000, "--set train.clip"),
    put("corpora", "train.clip=&a [*a]", "train.clip"),
    put("corpora", "train.clip=2026-13-45", "train.clip"),
    put("corpora", "train.clip=!!python/name:os.system ''", "is not YAML"),
    put("corpora", "name=.", "expected at most 100 letters"),
    put("corpora", "name=..", "expected at most 100 letters"),
    put("corpora", "name=a/b", "expected at most 100 letters"),
    put("corpora", "name=-x", "expected at most 100 letters"),
    put("corpora", "name=" + "x" * 101, "expected at most 100 letters"),
    put("corpora", "name=ü", "expected at most 100 letters"),
    put("corpora", "name=null", "name"),
    put("corpora", "name=1", "name"),
    put("corpora", "encoder.name=..", "expected at most 100 letters"),
    put("corpora", "train.seeds=[]", "train.seeds"),
    put("corpora", "train.seeds=[-1]", "greater than or equal to 0"),
    put("corpora", "train.seeds=[18446744073709551616]", "less than 4294967296"),
    put("corpora", "train.seeds=[4294967296]", "less than 4294967296"),
    put("corpora", "train.seeds=[1, 1]", "lists 1 twice"),
    put("corpora", "train.seeds=[1.5]", "train.seeds.0"),
    put("corpora", "train.seeds=[true]", "train.seeds.0"),
    put("corpora", "train.seeds=['1']", "train.seeds.0"),
    put("corpora", "train.seeds=1", "train.seeds"),
    put("corpora", "corpora.seed=-1", "greater than or equal to 0"),
    put("corpora", "corpora.seed=1e30", "corpora.seed"),
    put("corpora", "train.clip=0", "greater than 0"),
    put("corpora", "train.clip=.nan", "train.clip"),
    put("corpora", "train.clip=-.inf", "train.clip"),
    put("corpora", "train.warmup=1.5", "train.warmup"),
    put("corpora", "train.dropout=1", "train.dropout"),
    put("corpora", "train.schedule=cosine", "expected one of"),
    put("corpora", "train.selection=best", "train.selection"),
    put("corpora", "train.run=[]", "train.run"),
    put("corpora", "train.run=[nobody]", "train.run.0"),
    put("corpora", "train.run=[grl, grl]", "twice"),
    put("corpora", "train.tasks=[nobody]", "train.tasks.0: found 'nobody'"),
    put("corpora", "corpora.source=english", "did you mean en"),
    put("corpora", "corpora.source=xx", "unknown language code"),
    put("corpora", "corpora.targets=[]", "corpora.targets"),
    put("corpora", "corpora.targets=[en]", "holds the source language"),
    put("corpora", "corpora.targets=[de, de]", "twice"),
    put("corpora", "corpora.kind=web", "corpora.kind"),
    put("corpora", SPLITS % (0, 0.5, 0.3, 0.2), "train: found 0"),
    put("corpora", SPLITS % (0.5, 0, 0.3, 0.2), "dev: found 0"),
    put("corpora", SPLITS % (0.5, 0.5, 0, 0), "test: found 0"),
    put("corpora", SPLITS % (0.5, 0.5, 0.5, 0.5), "must be 1, found 2"),
    put("corpora", SPLITS % (-1, 1, 0.5, 0.5), "text_splits.train"),
    put("corpora", "tracking.uri=3", "tracking.uri"),
    put("corpora", 'tracking.uri="sqlite:///a\\0b"', "tracking.uri: found a NUL character"),
    put("corpora", 'encoder.folder="a\\0b"', "encoder.folder: found a NUL character"),
    put("corpora", 'encoder.prefix="\\ud800"', "half a surrogate pair"),
    put("corpora", "compute.threads=99999999999999999999", "less than or equal to 1024"),
    put("corpora", "evaluate.probe.strengths=[.inf]", "evaluate.probe.strengths.0"),
    put("corpora", "train.clip=.inf", "train.clip"),
    put("train --task pos --method finetune", "train.accumulate=0", "train.accumulate"),
    put("evaluate --task pos", "report.margin=0", "report.margin"),
    # ---- names on the command line
    Row("arguments", ("train", "--task", "pos", "--method", "nobody"), "--method: found 'nobody'"),
    Row("arguments", ("preset", "nobody"), "nobody"),
    Row("arguments", ("table", "nobody"), "not there yet; run: langspec report"),
    Row("arguments", ("headline",), "not there yet"),
    Row("arguments", ("compare", "a", "b"), "a"),
    Row("arguments", ("compare", "../x/a", "b"), "x"),
    Row("arguments", ("compare", "", ""), "nothing evaluated there"),
    Row("arguments", ("compare", "a", "b", "--margin", "nan"), "--margin: found nan"),
    Row("arguments", ("seqeval-curve", "--length", "1-9999999999"), "at most 100,000"),
    Row("arguments", ("cells", "--set", "compute.launch=x.yaml"), "langspec cells trains"),
    put("corpora", "train.more_seeds={grl_distil: [9]}", "train.more_seeds.grl_distil: this met"),
    Row("arguments", TRAIN, "run: langspec corpora"),
    Row("arguments", ("train", "--task", "x", "--method", "grl"), "run: langspec corpora"),
    Row("arguments", ("evaluate", "--task", "pos"), "run: langspec"),
    Row("arguments", ("evaluate", "--task", "../pos"), "run: langspec"),
    Row("arguments", ("report",), "run: langspec"),
    Row("arguments", ("register",), "run: langspec"),
    Row("arguments", ("adopt", "tune"), "not there yet; run: langspec tune"),
    Row("arguments", ("adopt", "nobody"), "no study of that name"),
    Row("arguments", ("adopt", "../nobody"), "nobody"),
    Row("arguments", ("predict", "--model", "nowhere", "--format", "xml"), "--format"),
    Row("arguments", ("predict", "--model", "nowhere", "--output", "xml"), "--output"),
    Row("arguments", ("predict", "--model", "nowhere"), "nowhere"),
    Row("arguments", ("predict", "--model", ""), "no model with a head here"),
    Row("arguments", (*EXPORT, "x"), "run: langspec encoder"),
    Row("arguments", (*EXPORT, "."), "is not an empty folder"),
    Row("arguments", ("corpora", "add", "nowhere"), "no such folder"),
    Row("arguments", ("corpora", "add", "params.yaml"), "is a file"),
    Row("arguments", ("corpora", "add", "."), "no file with an official name"),
    Row("arguments", ("audit", "nowhere/x", "--text", "nowhere"), "nowhere"),
    Row("arguments", ("audit", "", "--text", "."), "--text"),
    # ---- the manifest of corpora
    manifest("", "not JSON"),
    manifest("{", "not JSON"),
    manifest("[]", "a JSON list, no object"),
    manifest("null", "no object"),
    manifest("[" * 100_000, "not JSON"),
    manifest(b"\xff\xfe", "not JSON"),
    manifest('{"schema": 1}', "files"),
    manifest('{"schema": 2, "files": []}', "expected schema 1, found 2"),
    manifest('{"schema": "1", "files": []}', "expected schema 1"),
    manifest('{"schema": 1, "files": {}}', "files"),
    manifest('{"schema": 1, "files": [{}]}', "field required"),
    manifest('{"schema": 1, "files": [], "more": 1}', "unknown key 'more'"),
    manifest('{"schema": 1, "files": [1]}', "files.0"),
    # ---- a file of accelerate
    launch("", "two.yaml"),
    launch("[", "two.yaml"),
    launch("[" * 3000, "two.yaml"),
    launch("num_processes: many", "two.yaml"),
    launch("num_processes: -1", "two.yaml"),
    launch(b"\xff", "two.yaml"),
    # ---- storages of studies
    study("", "no study of that name"),
    study("x", "not a journal of Optuna"),
    study("{}\n", "not a journal of Optuna"),
    study("[]\n", "not a journal of Optuna"),
    study('{"op_code": 0}', "not a journal of Optuna"),
    study("[" * 100_000 + "\n", "not a journal of Optuna"),
    study(b"\xff\xfe\x00\n", "not a journal of Optuna"),
    study(b"SQLite format 3\x00" + b"\0" * 100, "did you mean sqlite:///"),
    study('{"op_code": 99}\n', "s.log"),
    study('{"op_code": 0, "worker_id": "x"}\n', "s.log"),
    Row("storages", ("adopt", "x", "--storage", "nowhere.log"), "no study of that name"),
    Row("storages", ("adopt", "x", "--storage", "."), "no study of that name"),
    Row("storages", ("sweep", "--dry-run", "--study", "x" * 300), "expected at most 100 letters"),
    Row("storages", ("sweep", "--dry-run", "--study", ""), "expected at most 100 letters"),
    Row("storages", ("sweep", "--dry-run", "--storage", "params.yaml"), "not a journal of Optuna"),
    Row("storages", ("sweep", "--dry-run", "--storage", "params.yaml/s.log"), "cannot be used"),
    Row("storages", ("sweep", "--dry-run", "--storage", "x" * 300), "File name too long"),
    Row("storages", ("adopt", "x", "--storage", "://"), "expected a URL"),
    Row("storages", ("adopt", "x", "--storage", "nothing://x"), "nothing://x"),
    Row("storages", ("adopt", "x", "--storage", "sqlite:////nowhere/x.db"), "cannot be used"),
    Row("storages", ("adopt", "x", "--storage", "sqlite:///nowhere.db"), "cannot be used"),
    Row("storages", ("adopt", "x", "--storage", "sqlite:///params.yaml"), "cannot be used"),
    Row("storages", ("adopt", "x", "--storage", "postgresql://u:pa55@127.0.0.1:9/x"), "u:***@"),
    Row("storages", ("adopt", "x", "--storage", "postgresql://127.0.0.1:99999/x"), "127.0.0.1"),
    Row("storages", ("adopt", "x", "--storage", "mysql://127.0.0.1:9/x"), "127.0.0.1"),
    # ---- a study of stage tune
    stage("", "not JSON"),
    stage("[]", "study.json"),
    stage("{}", "study.json"),
    stage('{"schema": 99}', "schema 99"),
    stage('{"schema": 1}', "study.json"),
    stage('{"schema": 1, "trials": 3}', "study.json"),
    stage("[" * 100_000, "not JSON"),
    # ---- the environment
    Row("environment", ("corpora", "status"), "no such manifest", {"params.yaml": None}),
    Row("environment", ("headline",), "no such file", {"params.yaml": None}),
    Row("environment", ("corpora", "--set", "train.clip=1"), "--set", {}, {"DVC_STAGE": "x"}),
]  # fmt: skip


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def place(folder: Path, files: Files | None) -> None:
    (folder / "params.yaml").write_text(TINY, encoding="utf-8")
    for name, content in (files or {}).items():
        path = folder / name
        if content is None:
            path.unlink()
            continue
        if name.startswith("params.yaml/"):
            (folder / "params.yaml").unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def refused(folder: Path, command: tuple[str, ...]) -> str:
    """The one line that a command ends in."""
    before, began = snapshot(folder), time.monotonic()
    done = CliRunner().invoke(main, list(command))
    took = time.monotonic() - began
    assert done.exit_code == 2, done.output
    assert isinstance(done.exception, SystemExit)
    (line,) = [one for one in done.output.splitlines() if one.strip()]
    assert line.startswith("error: ")
    assert "unforeseen" not in line
    assert "Traceback" not in line
    assert took < SECONDS
    after = snapshot(folder)
    assert {k: v for k, v in after.items() if not k.endswith(".lock")} == before
    return line


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    # Threads and kernels are fixed before anything numerical is imported; here it is already.
    monkeypatch.setattr(compute, "set_environment", lambda _: None)
    return tmp_path


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_ends_in_one_line(row: Row, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(project, row.files)
    for name, value in (row.environment or {}).items():
        monkeypatch.setenv(name, value)
    line = refused(project, row.command)
    assert row.said in line
    assert "pa55" not in line


@pytest.mark.parametrize("key", LEAVES)
def test_every_value_has_a_type(key: str) -> None:
    """A table in the place of a value is refused by the value's name."""
    values: Any = copy.deepcopy(VALUES)
    *parents, last = key.split(".")
    section = values
    for parent in parents:
        section = section[parent]
    section[last] = {"no such": ["value"]}
    with pytest.raises(LangspecError) as error:
        parse_config(values)
    assert key.rpartition(".")[2] in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", ["abc", "-1", "0", "1.5", "²", " 2"])
@pytest.mark.parametrize("name", ["WORLD_SIZE", "PMI_SIZE"])
def test_a_launcher_says_how_many_processes_it_started(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "2")
    assert launched_processes() == 2
    monkeypatch.setenv(name, value)
    with pytest.raises(LangspecError, match=f"environment variable {name}: found .*unset it"):
        launched_processes()


# ---------------------------------------------------------------- rows to predict


BODIES: list[tuple[str, str, str]] = [
    ("txt", "", "empty text"),
    ("txt", "\n\n", "empty text"),
    ("txt", "a\n\nb\n", "empty text; remove the line"),
    ("txt", "a\0b\n", "a NUL character"),
    ("jsonl", "", "empty text"),
    ("jsonl", "{", "not JSON"),
    ("jsonl", "[" * 100_000, "not JSON"),
    ("jsonl", '{"a":' * 50_000, "not JSON"),
    ("jsonl", "[]", "expected an object"),
    ("jsonl", "3", "expected an object"),
    ("jsonl", "null", "expected an object"),
    ("jsonl", '"text"', "expected an object"),
    ("jsonl", '{"txt": "a"}', "unknown columns 'txt'"),
    ("jsonl", '{"text": "a"}\n{"text"', "not JSON"),
    ("jsonl", '{"text": "a"}{"text": "b"}', "not JSON"),
    ("jsonl", '{"text": "a"}\n\n', "not JSON"),
    ("jsonl", "NaN", "expected an object"),
    ("jsonl", "1" * 5000, "not JSON"),
    ("tsv", "", "empty text"),
    ("tsv", "text\n", "a header alone"),
    ("tsv", "txt\na\n", "unknown columns 'txt'"),
    ("tsv", "text\ttext\na\tb\n", "names a column twice"),
    ("tsv", "text\na\tb\n", "found 2 columns, expected 1"),
    ("tsv", "text\twords\na\n", "found 1 columns, expected 2"),
]


@pytest.mark.parametrize(("kind", "text", "said"), BODIES)
def test_rows_to_predict_are_refused_by_line(kind: str, text: str, said: str) -> None:
    with pytest.raises(LangspecError) as error:
        read_rows(text, kind, ("text", "words"), place="rows")
    assert str(error.value).startswith("rows")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


# ---------------------------------------------------------------- the store of runs


STORES = [
    ("mlruns", "no longer writes"),
    ("file:///x", "no longer writes"),
    ("/tmp/x", "no longer writes"),
    ("x:y", "x:y"),
    ("nothing://host", "cannot be used"),
    ("http://127.0.0.1:9", "does not answer"),
    ("http://u:pa55@127.0.0.1:9", "u:***@127.0.0.1:9"),
    ("http://127.0.0.1:99999", "does not answer"),
    ("http://", "does not answer"),
    ("postgresql://u:pa55@127.0.0.1:9/x", "does not answer"),
    ("mysql://127.0.0.1:9/x", "does not answer"),
]


@pytest.mark.parametrize(("uri", "said"), STORES)
def test_a_store_that_cannot_be_used_is_told_at_once(uri: str, said: str, project: Path) -> None:
    from langspec.tracking.store import open_client

    began = time.monotonic()
    with pytest.raises(LangspecError) as error:
        open_client(tracking_store(uri, root=project))
    assert time.monotonic() - began < SECONDS
    assert said in str(error.value)
    assert "pa55" not in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(project.iterdir())


# ---------------------------------------------------------------- checkpoints and trained seeds


def spoil(path: Path, how: str) -> None:
    size = path.stat().st_size
    if how == "flipped":
        damaged.flip(path, -3)
    elif how == "half":
        os.truncate(path, size // 2)
    elif how == "empty":
        os.truncate(path, 0)
    elif how == "zeroed tail":
        os.truncate(path, size - 8)
        os.truncate(path, size)
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "gone":
        path.unlink()


HOW = ("flipped", "half", "empty", "zeroed tail", "folder", "gone")


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("file", ["tensors.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_passed_over(file: str, how: str, project: Path) -> None:
    store = CheckpointStore(project / "checkpoints" / "run")
    for step in (1, 2):
        tensors = {"w": torch.full((3, 4), float(step))}
        store.save(Checkpoint(tensors, {"step": step, "description": "d"}))
    newest = store.load()
    assert newest is not None
    assert newest.state["step"] == 2
    if file == "state.json" and how == "flipped":
        pytest.skip("a flipped bit in its description changes nothing that is read")
    slots = sorted(store.folder.iterdir(), key=lambda slot: read_json(slot / "state.json")["step"])
    spoil(slots[-1] / file, how)
    older = store.load()
    assert older is not None
    assert older.state["step"] == 1


CARD = RunCard("pos", "grl", 1, ("A", "B"), "mean", -1, 0.0, True, "tiny", "0", 1)
CARDS: list[tuple[bytes, str]] = [
    (b"", "not JSON"),
    (b"[]", "no object"),
    (b"{}", "expected schema 1"),
    (b'{"schema": 99}', "expected schema 1, found 99"),
    (b"\xff", "not JSON"),
    (b"[" * 100_000, "not JSON"),
    (json.dumps({"schema": 1, "task": "pos"}).encode(), "field required"),
    (json.dumps({"schema": 1, "more": 1}).encode(), "unknown key"),
]


@pytest.mark.parametrize(("content", "said"), CARDS)
def test_a_damaged_card_of_a_seed_is_refused(content: bytes, said: str, project: Path) -> None:
    (project / "model.json").write_bytes(content)
    with pytest.raises(LangspecError, match=said) as error:
        read_card(project)
    assert "run langspec train again" in str(error.value)


@pytest.mark.parametrize("how", HOW[1:])
def test_damaged_tensors_of_a_seed_are_refused(how: str, project: Path) -> None:
    save_run(project, {"a": torch.ones(4, 5)}, CARD)
    spoil(project / "model.safetensors", how)
    if how == "zeroed tail":
        pytest.skip("without checksums these are other numbers; see test_damaged_files")
    with pytest.raises(LangspecError, match=r"model\.safetensors: .*run langspec train again"):
        read_tensors(project)


# ---------------------------------------------------------------- any bytes at all


FEW = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def spoilt(draw: st.DrawFn, data: bytes) -> bytes:
    """A whole file of which a part was cut, changed, repeated or put in."""
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, min(len(data), start + 40)))
    put_in = draw(
        st.one_of(
            st.binary(max_size=12),
            st.sampled_from([b"\0", b"\r", b"\n\n", b"\xff", b"\xed\xa0\x80", b'"', b"{", b"\t"]),
            st.just(data[start:end] * 2),
        )
    )
    return data[:start] + put_in + data[end:]


def told_in_a_line(read: Callable[[], Any]) -> None:
    try:
        read()
    except LangspecError as error:
        if "\n" in str(error) or len(str(error)) < 10:
            raise AssertionError(f"no line: {error!r}") from error


@pytest.mark.parametrize("name", corpora.READERS)
@FEW
@given(data=st.data())
def test_a_reader_of_corpora_reads_or_refuses_any_bytes(
    name: str, data: st.DataObject, project: Path
) -> None:
    read, whole = corpora.READERS[name]
    path = project / "file"
    path.write_bytes(data.draw(spoilt(whole)))
    told_in_a_line(lambda: list(read(path)))


RESULTS = (
    b"task,method,seed,strength,eraser,corpus,split,language,layer,measure,probe,unit,metric,value,"
    b"low,high,n,train_n\npos,grl,1,,,text,test,all,2,leak,linear,token,macro_f1,0.5,,,3,7\n"
)
RUN = json.dumps({"schema": 1, "params": {}, "seeds": [{"seed": 1, "status": "x"}]}).encode()
OTHERS: dict[str, tuple[Callable[[Path], Any], bytes]] = {
    "params.yaml": (load_config, TINY[:3000].encode()),
    "json": (lambda path: read_json(path), b'{"a": [1, "x"]}'),
    "results.csv": (read_results, RESULTS),
    "run.json": (read_training_record, RUN),
    "steps.csv": (lambda path: list(read_history(path)), b"step,loss\n1,0.5\n2,0.25\n"),
    "model.json": (
        lambda path: read_record(path, RunCard, cure="train again", schema=1),
        b'{"schema": 1, "task": "pos", "seed": 1}',
    ),
    "rows.jsonl": (
        lambda path: read_rows(
            path.read_bytes().decode(errors="surrogateescape"), "jsonl", ("text",), place=path
        ),
        b'{"text": "a"}\n{"text": "b"}\n',
    ),
    "rows.tsv": (
        lambda path: read_rows(
            path.read_bytes().decode(errors="replace"), "tsv", ("text", "words"), place=path
        ),
        b"text\tspace_after\na\tb\n",
    ),
    "journal": (
        lambda path: open_storage(place_of(str(path)), write=False),
        b'{"op_code": 0, "worker_id": "x", "study_name": "s", "directions": [2]}\n',
    ),
}


@pytest.mark.parametrize("name", OTHERS)
@FEW
@given(data=st.data())
def test_other_readers_read_or_refuse_any_bytes(
    name: str, data: st.DataObject, project: Path
) -> None:
    read, whole = OTHERS[name]
    path = project / "file"
    path.write_bytes(data.draw(spoilt(whole)))
    told_in_a_line(lambda: read(path))


@FEW
@given(text=st.text(max_size=60))
def test_an_assignment_is_taken_or_refused(text: str, project: Path) -> None:
    (project / "params.yaml").write_text(TINY, encoding="utf-8")
    path = project / "params.yaml"
    for assignment in (text, f"train.clip={text}", f"{text}=1", f"name={text}"):
        told_in_a_line(lambda one=assignment: load_config(path, [one]))  # type: ignore[misc]


# ---------------------------------------------------------------- the count


def test_the_table_has_three_hundred_rows_of_every_kind() -> None:
    counted = {
        "corpora": len(corpora.FAULTS),
        "encoders": len(encoders.FAULTS),
        "damaged files": len(damaged.READERS) * 4,
        "rows to predict": len(BODIES),
        "stores": len(STORES),
        "checkpoints and seeds": 2 * len(HOW) + len(CARDS) + len(HOW) - 1,
    }
    for row in ROWS:
        counted[row.kind] = counted.get(row.kind, 0) + 1
    assert sum(counted.values()) >= 300  # the values of params.yaml by type are not counted
    assert min(counted.values()) >= 3
    assert len({(row.command, repr(row.files), repr(row.environment)) for row in ROWS}) == len(
        ROWS
    )
