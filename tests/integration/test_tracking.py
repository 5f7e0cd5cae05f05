"""Runs in a real sqlite store: what is logged, how runs end, replay, dead runs."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest
from mlflow.entities import Run

from langspec.errors import LangspecError
from langspec.files import write_json
from langspec.results import Result, write_results
from langspec.tracking import tags as names
from langspec.tracking.find import find_training
from langspec.tracking.reap import reap
from langspec.tracking.replay_runs import Replayed, replay
from langspec.tracking.runs import Tracker, adopt_launched_run
from langspec.tracking.store import open_client, tracking_store
from langspec.tracking.tracking_section import WITHOUT_PROJECT
from langspec.tracking.training_runs import Training, start_method

TRAINING = Training(
    name="demo",
    task="pos",
    method="finetune",
    selection="source_dev",
    params={"train.lr": 1e-3, "train.seeds": [1, 2]},
    data_hash="d" * 64,
    encoder_hash="e" * 64,
    effective_precision="fp32",
    processes=1,
    run_key="a" * 64,
)
SEEDS = (1, 2)
# Five seconds where nothing else runs; MLflow's own requests would wait for 30.
AT_ONCE = 15


@pytest.fixture
def tracker(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("LANGSPEC_PARENT_RUN_ID", raising=False)
    root = tmp_path / "a path with spaces"
    root.mkdir()
    shutil.copy(empty_store, root / "mlflow.db")
    return Tracker.open(root=root)


def runs_of(tracker: Tracker, experiment: str = "langspec-pos") -> list[Run]:
    assert tracker.client is not None
    found = tracker.client.get_experiment_by_name(experiment)
    assert found is not None
    return list(tracker.client.search_runs([found.experiment_id]))


def get(tracker: Tracker, run_id: str) -> Run:
    assert tracker.client is not None
    return tracker.client.get_run(run_id)


def test_the_store_is_in_wal_mode(empty_store: Path) -> None:
    import sqlite3

    with sqlite3.connect(empty_store) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_run_holds_what_it_was_given(tracker: Tracker, tmp_path: Path) -> None:
    table = tmp_path / "scores.csv"
    table.write_text("a,b\n")
    with tracker.start_run(
        experiment="langspec-pos",
        name="finetune",
        stage="train@pos-finetune",
        tags={names.RUN_KEY: "k1", "langspec.seed": 3},
        params={"train": {"lr": 0.1, "layers": [1, 2]}, "long": "x" * 9000},
    ) as run:
        for step in range(2500):  # more than MLflow takes in one call
            run.log_metrics({"train/loss": 1 / (step + 1)}, step)
        run.log_metrics({"test/de/accuracy": 0.123456789, "val/nan": float("nan")})
        run.log_data("demo/pos", "ab" * 32)
        run.log_artifact(table, "report/tables")
        assert tracker.find_run("k1") is None  # only finished runs are found
    found = tracker.find_run("k1", experiment="langspec-pos")
    assert found is not None
    assert found.info.run_id == run.run_id
    assert found.info.status == "FINISHED"
    assert found.data.params["train.lr"] == "0.1"
    assert found.data.params["train.layers"] == "[1, 2]"
    assert "9000 characters" in found.data.params["long"]
    assert found.data.metrics["test/de/accuracy"] == 0.123457
    assert found.data.metrics["val/nan"] != found.data.metrics["val/nan"]
    assert found.data.tags["langspec.seed"] == "3"
    assert found.data.tags[names.HOST] == socket.gethostname()
    assert found.inputs.dataset_inputs[0].dataset.name == "demo/pos"
    assert tracker.client is not None
    history = tracker.client.get_metric_history(run.run_id, "train/loss")
    assert [point.step for point in history] == list(range(2500))
    assert tracker.store.artifacts is not None
    (copied,) = tracker.store.artifacts.rglob("report/tables/scores.csv")
    assert copied.read_text() == "a,b\n"
    assert [file.path for file in tracker.client.list_artifacts(run.run_id, "report/tables")] == [
        "report/tables/scores.csv"
    ]


def test_metrics_are_sent_in_batches(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracker.client is not None
    sent: list[int] = []
    real = tracker.client.log_batch
    monkeypatch.setattr(
        tracker.client,
        "log_batch",
        lambda run_id, metrics=(), params=(), tags=(): (
            sent.append(len(metrics)) if metrics else None,
            real(run_id, metrics=metrics, params=params, tags=tags),
        ),
    )
    with tracker.start_run(experiment="langspec-pos", name="r", stage="train") as run:
        for step in range(1200):
            run.log_metrics({"train/loss": 1.0}, step)
    assert sent == [500, 500, 200]


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("bad input"), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_a_run_that_fails_says_so(tracker: Tracker, error: BaseException, status: str) -> None:
    def fail() -> None:
        with tracker.start_run(experiment="langspec-pos", name="r", stage="train") as run:
            run.log_metrics({"val/loss": 1.0}, 7)
            for step in range(1, 1003):  # the last of them in a window that is not full
                run.log_step({"train/loss": float(step)}, step)
            raise error

    with pytest.raises(type(error)):
        fail()
    (found,) = runs_of(tracker)
    assert found.info.status == status
    assert type(error).__name__ in found.data.tags[names.FAILURE]
    assert found.data.metrics["val/loss"] == 1.0  # nothing buffered is lost
    assert tracker.client is not None
    history = tracker.client.get_metric_history(found.info.run_id, "train/loss")
    assert history[-1].step == 1002
    steps = [0, *(point.step for point in history)]
    total = sum(
        (end - start) * point.value
        for start, end, point in zip(steps[:-1], steps[1:], history, strict=True)
    )
    assert total == pytest.approx(1002 * 1003 / 2)


CHILD = """
import sys, time
from pathlib import Path
from langspec.tracking.runs import Tracker
tracker = Tracker.open(root=Path(sys.argv[1]))
with tracker.start_run(experiment="langspec-pos", name="child", stage="train") as run:
    run.log_metrics({"train/loss": 1.0}, 1)
    run.flush()
    print(run.run_id, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def child(tracker: Tracker) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of a run."""
    assert tracker.store.artifacts is not None
    root = tracker.store.artifacts.parent
    command = [sys.executable, "-c", CHILD, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        if process.poll() is None:
            process.kill()


def test_sigterm_ends_the_run_as_killed(tracker: Tracker, child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    run_id = child.stdout.readline().strip()
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=30) == 143
    found = get(tracker, run_id)
    assert found.info.status == "KILLED"
    assert "Terminated" in found.data.tags[names.FAILURE]


def test_a_run_is_reaped_once_its_process_is_dead(
    tracker: Tracker, child: subprocess.Popen[str]
) -> None:
    assert child.stdout is not None
    run_id = child.stdout.readline().strip()
    assert reap(tracker.client) == []  # alive
    child.kill()
    child.wait(timeout=30)
    assert get(tracker, run_id).info.status == "RUNNING"
    assert reap(tracker.client) == [run_id]
    found = get(tracker, run_id)
    assert found.info.status == "KILLED"
    assert "without closing" in found.data.tags[names.FAILURE]
    assert reap(tracker.client) == []


def test_a_reused_process_id_does_not_keep_a_dead_run_alive(tracker: Tracker) -> None:
    assert tracker.client is not None
    experiment = tracker.experiment("langspec-pos")
    tags = {names.HOST: socket.gethostname(), names.PID: str(os.getpid())}
    dead = tracker.client.create_run(experiment, tags=tags | {names.PID_STARTED: "12345.0"})
    elsewhere = tracker.client.create_run(
        experiment, tags=tags | {names.PID_STARTED: "12345.0", names.HOST: "another-host"}
    )
    assert reap(tracker.client) == [dead.info.run_id]
    assert get(tracker, elsewhere.info.run_id).info.status == "RUNNING"


def test_a_clock_that_is_set_reaps_no_living_run(
    tracker: Tracker, child: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    assert child.stdout is not None
    run_id = child.stdout.readline().strip()
    read = psutil._pslinux.boot_time
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: read() + 3600)
    assert reap(tracker.client) == []
    assert get(tracker, run_id).info.status == "RUNNING"


def test_stages_under_a_launched_run_are_its_children(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tracker.client is not None
    launched = tracker.client.create_run(tracker.experiment("Launched")).info.run_id
    monkeypatch.setattr(os, "environ", os.environ | {"MLFLOW_RUN_ID": launched})
    assert tracker.store.artifacts is not None
    inside = Tracker.open(root=tracker.store.artifacts.parent)
    assert "MLFLOW_RUN_ID" not in os.environ
    with inside.start_run(experiment="langspec-pos", name="r", stage="train") as run:
        pass
    assert run.run_id != launched
    assert get(tracker, run.run_id).data.tags["mlflow.parentRunId"] == launched
    assert get(tracker, launched).data.tags["langspec.host"] == socket.gethostname()
    assert reap(tracker.client) == []  # what launched it is alive


def test_a_launched_run_whose_command_never_began_is_marked(
    tracker: Tracker, tmp_path: Path
) -> None:
    """`mlflow run` without conda leaves one, which no process is noted on."""
    client, now = tracker.client, time.time()
    assert client is not None
    tags = {"mlflow.source.type": "PROJECT", "mlflow.project.entryPoint": "main"}

    def launched(age: float, **more: str) -> str:
        started = int((now - age) * 1000)
        run = client.create_run(tracker.experiment("Launched"), started, tags | more)
        return str(run.info.run_id)

    recent, old = launched(30), launched(3600)
    other = launched(3600, **{"langspec.host": "another", "langspec.pid": "1"})
    by_hand = client.create_run(tracker.experiment("Launched"), int((now - 3600) * 1000))
    (tmp_path / "mlflow").write_text("#!/bin/sh\nread wait\n")
    (tmp_path / "mlflow").chmod(0o755)
    command = [tmp_path / "mlflow", "run", "."]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as building:
        assert reap(client) == [old]
        building.communicate()
    assert get(tracker, old).info.status == "KILLED"
    assert "before the run's command began" in get(tracker, old).data.tags["langspec.failure"]
    for run_id in (recent, other, by_hand.info.run_id):
        assert get(tracker, run_id).info.status == "RUNNING"


def test_a_launched_run_waits_for_a_living_launcher(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, now = tracker.client, time.time()
    assert client is not None
    tags = {"mlflow.source.type": "PROJECT"}
    started = int((now - 3600) * 1000)
    old = client.create_run(tracker.experiment("Launched"), started, tags).info.run_id
    monkeypatch.setattr("langspec.tracking.reap._launchers", lambda: [now - 3601])
    assert reap(client) == []
    monkeypatch.setattr("langspec.tracking.reap._launchers", lambda: [now - 3000])
    assert reap(client) == [old]


def test_the_variable_of_a_launched_run_is_renamed_for_stages() -> None:
    environment = {"MLFLOW_RUN_ID": "r1", "OTHER": "x"}
    adopt_launched_run(environment)
    assert environment == {"LANGSPEC_PARENT_RUN_ID": "r1", "OTHER": "x"}
    adopt_launched_run(environment)
    assert environment["LANGSPEC_PARENT_RUN_ID"] == "r1"


def test_a_launched_run_of_another_store_is_no_parent(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGSPEC_PARENT_RUN_ID", "0" * 32)
    with tracker.start_run(experiment="langspec-pos", name="r", stage="train") as run:
        pass
    assert "mlflow.parentRunId" not in get(tracker, run.run_id).data.tags


def test_a_moved_checkout_is_refused(tracker: Tracker, tmp_path: Path) -> None:
    with tracker.start_run(experiment="langspec-pos", name="r", stage="train"):
        pass
    moved = tmp_path / "moved"
    (tmp_path / "a path with spaces").rename(moved)
    with (
        pytest.raises(LangspecError, match="the folder was moved"),
        Tracker.open(root=moved).start_run(experiment="langspec-pos", name="r", stage="train"),
    ):
        pass


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database, only text " * 100)
    with pytest.raises(LangspecError, match=r"mlflow\.db: expected a file that MLflow wrote"):
        open_client(tracking_store(f"sqlite:///{tmp_path}/mlflow.db"))
    assert (tmp_path / "mlflow.db").read_text().startswith("this is no database")


def test_opening_a_store_again_leaves_the_locks_of_this_process(
    empty_store: Path, tmp_path: Path
) -> None:
    """Without its lock another process takes our log away, and both damage the file."""
    store = tmp_path / "mlflow.db"
    shutil.copy(empty_store, store)
    ours = sqlite3.connect(store, isolation_level=None)
    ours.execute("PRAGMA journal_mode=WAL")
    ours.execute("SELECT count(*) FROM experiments").fetchall()
    log = Path(f"{store}-wal")
    other = "import sqlite3, sys\nsqlite3.connect(sys.argv[1]).execute('PRAGMA user_version=1')"
    try:
        open_client(tracking_store(f"sqlite:///{store}"))
        assert log.exists()
        subprocess.run([sys.executable, "-c", other, str(store)], check=True)
        assert log.exists()
    finally:
        ours.close()


def test_a_store_that_cannot_be_opened_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").mkdir()
    began = time.monotonic()
    for uri in (f"sqlite:///{tmp_path}/mlflow.db", "postgresql://me:pa55@127.0.0.1:9/runs"):
        with pytest.raises(LangspecError, match=r"expected a file|does not answer") as told:
            open_client(tracking_store(uri))
        assert "pa55" not in str(told.value)
    assert time.monotonic() - began < AT_ONCE


def test_a_store_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    """A device such as ``/dev/null`` was replaced by a file, where root did it."""
    os.mkfifo(tmp_path / "mlflow.db")
    with pytest.raises(LangspecError, match="is a device or a pipe; set"):
        open_client(tracking_store(f"sqlite:///{tmp_path}/mlflow.db"))
    assert [one.name for one in tmp_path.iterdir()] == ["mlflow.db"]
    assert (tmp_path / "mlflow.db").is_fifo()
    with pytest.raises(LangspecError, match=r"tracking\.uri: 'http://\[::1' is no address"):
        tracking_store("http://[::1")


@pytest.mark.slow
def test_a_store_of_another_version_is_not_half_used(empty_store: Path, tmp_path: Path) -> None:
    import sqlite3

    shutil.copy(empty_store, tmp_path / "mlflow.db")
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'unheard'")
    with pytest.raises(LangspecError, match=r"could not be upgraded \(.*unheard.*\); move the"):
        open_client(tracking_store(f"sqlite:///{tmp_path}/mlflow.db"))


def test_a_disabled_tracker_does_nothing() -> None:
    tracker = Tracker.disabled()
    with start_method(tracker, TRAINING) as method, method.seed(1, "k") as seed:
        seed.log(1, {"train/loss": 1.0})
    assert tracker.find_run("k") is None


def test_what_a_killed_process_left_of_a_store_goes(tmp_path: Path) -> None:
    for ending in (".part", ".part-journal"):
        (tmp_path / f".mlflow.db.0a1b2c3d-1.x{ending}").write_bytes(b"half a store")
    Tracker.open(root=tmp_path)
    assert [path.name for path in tmp_path.glob(".mlflow.db.*")] == []


def test_a_store_that_a_full_disk_cannot_hold_is_one_line(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from langspec.tracking.runs import Tracker\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: Tracker.open(root=Path(sys.argv[1]))\n"
        "except OSError as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    (line,) = subprocess.check_output(command, text=True, timeout=60).splitlines()
    assert line == f"[Errno 27] File too large: '{tmp_path}/mlflow.db'"
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db.lock"]


def test_a_disk_that_fills_up_in_a_run_is_one_warning(empty_store: Path, tmp_path: Path) -> None:
    shutil.copy(empty_store, tmp_path)
    code = (
        "import resource, sys; from pathlib import Path; from langspec import logs\n"
        "logs.set_up(20); from langspec.tracking.runs import Tracker\n"
        "tracker = Tracker.open(root=Path(sys.argv[1]))\n"
        "with tracker.start_run(experiment='e', name='r', stage='train') as run:\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "    for step in range(9): run.log_metrics({'loss': 1.0}, step); run.flush()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert "Traceback" not in done.stderr
    assert done.stderr.count("was lost") == 1
    assert "langspec replay" in done.stderr.strip().splitlines()[-1]


@pytest.mark.slow
def test_two_processes_may_meet_at_a_fresh_store(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from langspec.tracking.runs import Tracker\n"
        "with Tracker.open(root=Path(sys.argv[1])).start_run("
        "experiment='langspec-pos', name='r', stage='train'): pass"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0, 0]
    assert len(runs_of(Tracker.open(root=tmp_path))) == 3
    assert sorted(p.name for p in tmp_path.glob("*.part*")) == []


# Replay


def entry(seed: int) -> dict[str, object]:
    return {
        "seed": seed,
        "run_key": f"{seed:064d}",
        "best_epoch": seed,
        "dev": {"accuracy": 0.5 + seed / 10, "macro_f1": 0.25},
    }


def steps(seed: int) -> list[dict[str, float]]:
    return [{"step": s, "epoch": 1, "loss": seed / s, "lr": 1e-3 / 3} for s in range(1, 201)]


def epochs(seed: int) -> list[dict[str, float]]:
    return [{"epoch": e, "step": 5 * e, "val_accuracy": e / 3 + seed} for e in (1, 2)]


def write_training(results: Path, seeds: tuple[int, ...] = SEEDS) -> Path:
    """The files of a training, as the stage train writes them."""
    folder = results / "demo" / "train" / "pos" / "finetune"
    for seed in seeds:
        (folder / f"seed-{seed}").mkdir(parents=True, exist_ok=True)
        for name, rows in (("steps", steps(seed)), ("epochs", epochs(seed))):
            with (folder / f"seed-{seed}" / f"{name}.csv").open("w", newline="") as handle:
                writer = csv.DictWriter(handle, list(rows[0]))
                writer.writeheader()
                writer.writerows(
                    {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
                    for row in rows
                )
    fields = Training.__dataclass_fields__
    common = {name: getattr(TRAINING, name) for name in fields}
    write_json(
        folder / "run.json", {"schema": 1, **common, "seeds": [entry(seed) for seed in seeds]}
    )
    return folder


def test_the_data_card_goes_with_a_methods_run(tracker: Tracker, tmp_path: Path) -> None:
    write_training(tmp_path / "results")
    corpora = tmp_path / "corpora"
    outs = {"pos.parquet": {"sha256": "a" * 64, "rows": 7}}
    outs["text.parquet"] = {"sha256": "b" * 64, "rows": 9}
    write_json(corpora / "card.json", {"outs": outs})
    (corpora / "card.md").write_text("# Data card")
    results = tmp_path / "results"
    assert replay(tracker, results, "demo", corpora).files == 2
    assert replay(tracker, results, "demo", corpora) == Replayed()
    (parent,) = [run for run in runs_of(tracker) if "mlflow.parentRunId" not in run.data.tags]
    found = {
        (one.dataset.name, one.dataset.digest, one.tags[0].value, one.dataset.profile)
        for one in parent.inputs.dataset_inputs
    }
    assert ("demo/text", "b" * 36, "evaluation", '{"num_rows": 9}') in found
    assert any(name == "demo/pos" and context == "training" for name, _, context, _ in found)
    assert tracker.client is not None
    names_ = {file.path for file in tracker.client.list_artifacts(parent.info.run_id, "data")}
    assert names_ == {"data/card.json", "data/card.md"}


def row(method: str, seed: int, value: float, **more: object) -> Result:
    values = {
        "task": "pos", "method": method, "seed": seed, "corpus": "pos", "split": "test",
        "language": "de", "layer": -1, "measure": "m", "probe": "", "unit": "token",
        "metric": "accuracy",
        "value": value, "n": 10,
    }  # fmt: skip
    return Result(**(values | more))  # type: ignore[arg-type]


def write_evaluation(results: Path, shift: float = 0.0) -> None:
    leak = {"probe": "linear", "language": "all", "corpus": "text", "metric": "macro_f1"}
    rows = [
        *(row("finetune", seed, seed / 10 + shift, low=0.0, high=1.0) for seed in SEEDS),
        *(
            row("finetune", seed, layer / 10, **leak, layer=layer)
            for seed in SEEDS
            for layer in (0, 1)
        ),
        row("majority", 0, 0.05),
    ]
    write_results(results / "demo" / "evaluate" / "pos" / "results.csv", rows)


def train_live(tracker: Tracker) -> None:
    """What the stage train logs while it runs."""
    with start_method(tracker, TRAINING) as method:
        for seed in SEEDS:
            with method.seed(seed, f"{seed:064d}") as run:
                for record in steps(seed):
                    metrics = {k: v for k, v in record.items() if k not in ("step", "epoch")}
                    run.log(int(record["step"]), {f"train/{k}": v for k, v in metrics.items()})
                for record in epochs(seed):
                    run.log(int(record["step"]), {"val/accuracy": record["val_accuracy"]})
                run.finish(entry(seed))
        method.finish()


def picture(tracker: Tracker) -> dict[str, object]:
    """All runs by name: status, parameters, whole histories, tags that are not of a process."""
    assert tracker.client is not None
    runs = runs_of(tracker)
    parents = {run.info.run_id: run.info.run_name for run in runs}
    ignored = {names.PID, names.PID_STARTED, "langspec.replayed", "mlflow.parentRunId"}
    return {
        run.info.run_name: {
            "status": run.info.status,
            "params": run.data.params,
            "tags": {k: v for k, v in run.data.tags.items() if k not in ignored},
            "parent": parents.get(run.data.tags.get("mlflow.parentRunId", "")),
            "data": [d.dataset.digest for d in run.inputs.dataset_inputs],
            "metrics": {
                key: sorted(
                    (point.step, point.value)
                    for point in tracker.client.get_metric_history(run.info.run_id, key)
                )
                for key in run.data.metrics
            },
        }
        for run in runs
    }


def test_a_replayed_training_equals_a_live_one(
    tracker: Tracker, empty_store: Path, tmp_path: Path
) -> None:
    train_live(tracker)
    live = picture(tracker)
    write_training(tmp_path / "results")
    assert replay(tracker, tmp_path / "results", "demo") == Replayed()  # all is there

    other = tmp_path / "another store"
    other.mkdir()
    shutil.copy(empty_store, other / "mlflow.db")
    empty = Tracker.open(root=other)
    assert replay(empty, tmp_path / "results", "demo") == Replayed(runs=3)
    assert picture(empty) == live
    assert set(live) == {"demo-finetune", "demo-finetune-seed-1", "demo-finetune-seed-2"}
    seed = live["demo-finetune-seed-2"]
    assert isinstance(seed, dict)
    assert seed["parent"] == "demo-finetune"
    assert seed["metrics"]["train/loss"][0] == (1, 2.0)
    assert seed["metrics"]["val/accuracy"] == [(5, 2.33333), (10, 2.66667)]
    parent = live["demo-finetune"]
    assert isinstance(parent, dict)
    assert parent["metrics"]["best/accuracy"] == [(0, 0.65)]


def test_evaluation_is_added_to_seeds_and_method_once(tracker: Tracker, tmp_path: Path) -> None:
    results = tmp_path / "results"
    write_training(results)
    write_evaluation(results)
    # 2 seeds + the method; the baseline is a run of its own; the table is a file.
    added = replay(tracker, results, "demo")
    assert added == Replayed(runs=4, evaluations=3, files=1)
    assert replay(tracker, results, "demo") == Replayed()
    runs = {run.info.run_name: run for run in runs_of(tracker)}
    assert runs["demo-finetune-seed-2"].data.metrics["test/de/accuracy"] == 0.2
    assert runs["demo-finetune-seed-2"].data.metrics["test/de/accuracy_low"] == 0.0
    assert runs["demo-finetune"].data.metrics["test/de/accuracy"] == pytest.approx(0.15)
    assert "test/de/accuracy_low" not in runs["demo-finetune"].data.metrics
    assert runs["demo-finetune"].data.metrics["leak/linear/layer_01/token_macro_f1"] == 0.1
    assert runs["demo-majority"].data.metrics == {"test/de/accuracy": 0.05}
    # A new evaluation of the same training: the same runs, new values.
    write_evaluation(results, shift=0.5)
    assert replay(tracker, results, "demo") == Replayed(evaluations=3, files=1)
    runs = {run.info.run_name: run for run in runs_of(tracker)}
    assert len(runs) == 4
    assert runs["demo-finetune-seed-2"].data.metrics["test/de/accuracy"] == 0.7


def test_what_an_eraser_leaves_stands_below_its_method(tracker: Tracker, tmp_path: Path) -> None:
    results = tmp_path / "results"
    write_training(results)
    rows = [row("finetune", 1, 0.3, eraser=name) for name in ("leace", "lsar")]
    rows += [row("majority", 0, 0.05)]
    write_results(results / "demo" / "evaluate" / "pos" / "results.csv", rows)
    assert replay(tracker, results, "demo").runs == 6
    assert replay(tracker, results, "demo") == Replayed()
    runs = {run.info.run_name: run for run in runs_of(tracker)}
    parent = runs["demo-finetune"].info.run_id
    for name in ("leace", "lsar"):
        run = runs[f"demo-finetune+{name}"]
        assert run.data.tags["mlflow.parentRunId"] == parent
        assert run.data.metrics["test/de/accuracy"] == 0.3
    top = [name for name, run in runs.items() if "mlflow.parentRunId" not in run.data.tags]
    assert sorted(top) == ["demo-finetune", "demo-majority"]


def test_methods_are_compared_by_equal_names(tracker: Tracker, tmp_path: Path) -> None:
    """Transfer, leak and lambda of every method under one name each; leak by layer a curve."""
    leak = {"probe": "linear", "language": "all", "corpus": "text", "metric": "macro_f1"}
    strengths = {"finetune": 0.0, "grl": 0.3, "adversary": 0.1}
    keys = {"finetune": "lr", "grl": "strength", "adversary": "weight"}
    rows = []
    for method, strength in strengths.items():
        params = {f"train.methods.{method}.{keys[method]}": strength}
        training = replace(TRAINING, method=method, run_key=method, params=params)
        assert training.strength == strength
        folder = tmp_path / "demo" / "train" / "pos" / method
        for name in ("steps", "epochs"):
            (folder / "seed-1").mkdir(parents=True, exist_ok=True)
            (folder / "seed-1" / f"{name}.csv").write_text("step,loss\n1,0.5\n")
        values = {one.name: getattr(training, one.name) for one in fields(training)}
        seeds = [entry(1) | {"run_key": f"{method} 1"}]
        write_json(folder / "run.json", {"schema": 1, **values, "seeds": seeds})
        rows.append(row(method, 1, 0.8 - strength, language="mean_targets"))
        rows += [row(method, 1, layer / 10 + strength, **leak, layer=layer) for layer in (0, 1, 2)]
    write_results(tmp_path / "demo" / "evaluate" / "pos" / "results.csv", rows)
    assert replay(tracker, tmp_path, "demo").evaluations == 6
    runs = {run.info.run_name: run for run in runs_of(tracker)}
    assert tracker.client is not None
    for method, strength in strengths.items():
        run = runs[f"demo-{method}"]
        assert float(run.data.params["lambda"]) == strength
        assert run.data.metrics["headline/transfer"] == pytest.approx(0.8 - strength)
        assert run.data.metrics["headline/leak"] == pytest.approx(0.2 + strength)
        curve = tracker.client.get_metric_history(
            run.info.run_id, "leak/linear/by_layer/token_macro_f1"
        )
        assert [(point.step, point.value) for point in curve] == [
            (layer, pytest.approx(layer / 10 + strength)) for layer in (0, 1, 2)
        ]


def test_a_training_logs_the_machines_load(empty_store: Path, tmp_path: Path) -> None:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    tracker = Tracker.open(
        WITHOUT_PROJECT.model_copy(update={"system_seconds": 0.1}), root=tmp_path
    )
    with start_method(tracker, TRAINING) as method:
        time.sleep(1.5)
    found = get(tracker, method.logger.run_id)
    assert found.info.status == "FINISHED"
    assert 0 <= found.data.metrics["system/cpu_utilization_percentage"] <= 100
    assert found.data.metrics["system/system_memory_usage_megabytes"] > 0


def test_report_files_go_to_their_task(tracker: Tracker, tmp_path: Path) -> None:
    results = tmp_path / "results"
    write_training(results)
    other = results / "demo" / "train" / "nli" / "finetune"
    shutil.copytree(results / "demo" / "train" / "pos" / "finetune", other)
    text = (other / "run.json").read_text().replace('"pos"', '"nli"').replace("a" * 64, "b" * 64)
    (other / "run.json").write_text(text)
    report = results / "demo" / "report"
    for place in ("figures/tsne-pos.png", "figures/tsne-nli.png", "tables/headline.csv"):
        (report / place).parent.mkdir(parents=True, exist_ok=True)
        (report / place).write_text(place)
    assert replay(tracker, results, "demo").files == 4
    found = tracker.find_run("a" * 64)
    assert found is not None
    assert tracker.client is not None
    listed = tracker.client.list_artifacts(found.info.run_id, "report/figures")
    assert [file.path for file in listed] == ["report/figures/tsne-pos.png"]
    (report / "tables" / "headline.csv").write_text("changed")
    assert replay(tracker, results, "demo").files == 4


def test_a_seed_that_the_store_lacks_is_added_below_its_method(
    tracker: Tracker, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    write_training(results, seeds=(1,))
    assert replay(tracker, results, "demo").runs == 2
    write_training(results, seeds=SEEDS)
    assert replay(tracker, results, "demo").runs == 1
    parent, seed = tracker.find_run("a" * 64), tracker.find_run(f"{2:064d}")
    assert parent is not None
    assert seed is not None
    assert seed.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert parent.data.metrics["best/accuracy"] == 0.65


def test_equal_trainings_of_two_pipelines_are_two_runs(tracker: Tracker, tmp_path: Path) -> None:
    write_training(tmp_path)
    shutil.copytree(tmp_path / "demo", tmp_path / "other")
    assert replay(tracker, tmp_path, "demo").runs == 3
    assert replay(tracker, tmp_path, "other").runs == 3
    found = tracker.find_run("a" * 64, name="other")
    assert found is not None
    assert found.info.run_name == "other-finetune"


def test_a_broken_history_leaves_no_finished_run(tracker: Tracker, tmp_path: Path) -> None:
    results = tmp_path / "results"
    folder = write_training(results)
    good = (folder / "seed-2" / "steps.csv").read_text()
    (folder / "seed-2" / "steps.csv").write_text(good.replace("0.000333333", "oops", 1))
    with pytest.raises(LangspecError, match=r"seed-2/steps\.csv:2: "):
        replay(tracker, results, "demo")
    assert tracker.find_run("a" * 64) is None
    (folder / "seed-2" / "steps.csv").write_text(good)
    replay(tracker, results, "demo")
    assert tracker.find_run("a" * 64) is not None


def test_run_json_of_another_schema_is_refused(tracker: Tracker, tmp_path: Path) -> None:
    folder = write_training(tmp_path)
    (folder / "run.json").write_text('{"schema": 99}')
    with pytest.raises(LangspecError, match=r"run\.json: expected schema 1, found 99"):
        replay(tracker, tmp_path, "demo")
    (folder / "run.json").write_text('{"schema": 1}')
    with pytest.raises(LangspecError, match=r"run\.json: expected the key 'task'"):
        replay(tracker, tmp_path, "demo")


def test_a_server_that_hangs_is_told_within_five_seconds(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # accepts, and never says a word
        began = time.monotonic()
        with pytest.raises(LangspecError, match="does not answer"):
            open_client(tracking_store(f"http://127.0.0.1:{silent.getsockname()[1]}"))
        assert time.monotonic() - began < AT_ONCE


def test_a_run_leads_back_to_its_files_while_they_are_its_own(
    tracker: Tracker, tmp_path: Path
) -> None:
    with start_method(tracker, TRAINING) as method, method.seed(2, "s2") as seed:
        seed.finish({"best_epoch": 1, "dev": {"macro_f1": 0.5}})
    parent = find_training(tracker, "demo-finetune")
    child = find_training(tracker, seed.logger.run_id)
    assert (parent.name, parent.task, parent.method, parent.seed) == (
        "demo", "pos", "finetune", None,
    )  # fmt: skip
    assert child.seed == 2
    file = tmp_path / "demo" / "train" / "pos" / "finetune" / "run.json"
    assert not parent.is_of(tmp_path / "demo")
    file.parent.mkdir(parents=True)
    run = {"schema": 1, "run_key": TRAINING.run_key, "seeds": [{"seed": 2, "run_key": "s2"}]}
    write_json(file, run)
    assert parent.is_of(tmp_path / "demo")
    assert child.is_of(tmp_path / "demo")
    # Trained anew since: the numbers would be another training's.
    write_json(file, {**run, "run_key": "other", "seeds": [{"seed": 2, "run_key": "other"}]})
    assert not parent.is_of(tmp_path / "demo")
    assert not child.is_of(tmp_path / "demo")


@pytest.mark.parametrize("name", ["nobody", "0" * 32, "a'b"])
def test_a_run_that_is_not_there_is_refused(tracker: Tracker, name: str) -> None:
    with pytest.raises(LangspecError, match="no such run"):
        find_training(tracker, name)


def test_a_name_of_several_tasks_needs_one(tracker: Tracker) -> None:
    for task in ("pos", "nli"):
        with start_method(tracker, replace(TRAINING, task=task, run_key=task)) as method:
            method.finish()
    with pytest.raises(LangspecError, match=r"several tasks .*nli, pos.* --task"):
        find_training(tracker, "demo-finetune")
    assert find_training(tracker, "demo-finetune", "nli").run_key == "nli"
