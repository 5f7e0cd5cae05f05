"""Kill the pipeline, or a sweep, again and again; after each kill the same command must heal it.

    python benchmarks/kills.py --kills 100 --seed 0
    python benchmarks/kills.py --sweep --kills 20
    python benchmarks/kills.py --signals TERM HUP --kills 20

A kill of the pipeline: one stage (or everything) is made stale, with no cache and no checkpoint of
it; `dvc repro` starts; at a random moment of that stage a signal goes to the process group, to DVC
alone, to the stage alone, or to one worker of it; then the same command runs once more. It has to
end with code 0, with the same bytes in results, corpora, encoder and dvc.lock as the undisturbed
run, with no run RUNNING in MLflow, and with nothing half-written left. Every fourth kill begins
without a store of runs. Where processes outlive the kill, every other time the command runs beside
them.

A kill of a sweep with two workers: a grid of six trials starts; the signal goes to the group, to
the command alone, or to one worker; the same command runs once more. It has to end with code 0,
every grid point once, with the score that the undisturbed study gave it, and no trial or run
RUNNING.

`--folder` keeps the project and a table of kills, and goes on where it stopped. What a kill does
is drawn from `--seed` and its number; how far the processes come by then is not. Linux only.
"""

from __future__ import annotations

import argparse
import copy
import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import psutil
import yaml

from langspec.files import sha256_file
from langspec.unfinished import is_unfinished

ROOT = Path(__file__).resolve().parents[1]
BINARIES = Path(sys.executable).parent
EVERYTHING = "everything"
_RUNNING = re.compile(r"Running stage '([^']+)'")
_COMPARED = ("results", "data/corpora", "data/encoders")
_STUDY_VALUES = ("tune.space=grid", "tune.rungs=1", "tune.rows=40", "tune.tokens_per_language=40",
                 "tune.grid={strength: [0.1, 0.2, 0.3], inner_steps: [1, 3]}")  # fmt: skip
_TRIALS = 6


@dataclass
class Kill:
    """One kill and how it ended.

    Attributes:
        number: of the kill.
        subject: the stage, or ``sweep``.
        target: group, dvc, stage or worker; of a sweep: group, command or worker.
        signal: its name.
        after_s: seconds after the stage had started.
        survivors: processes that still ran a second later.
        waited: whether the next command started once they had ended.
        code: exit code of the same command, run again.
        same: whether its results are those of the undisturbed run.
        running: runs and trials that say RUNNING.
        left: half-written files.
        seconds: that the kill and the run after it took.
    """

    number: int
    subject: str
    target: str
    signal: str
    after_s: float
    survivors: int = 0
    waited: bool = False
    code: int = -1
    same: bool = False
    running: int = -1
    left: int = -1
    seconds: float = 0.0

    @property
    def healed(self) -> bool:
        """Whether nothing tells that there was a kill."""
        return self.same and (self.code, self.running, self.left) == (0, 0, 0)


class Command:
    """A command in a process group of its own, whose output is read while it runs."""

    def __init__(self, command: list[str], folder: Path, log: Path) -> None:
        variables = {**os.environ, "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}"}
        variables |= {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
        variables |= {"PYTHONPATH": str(folder / "src")}
        for name in ("MLFLOW_TRACKING_URI", "LANGSPEC_PARENT_RUN_ID"):
            variables.pop(name, None)
        self.process = subprocess.Popen(
            command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        self.log = log
        self.started: dict[str, float] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.log.open("a", encoding="utf-8") as log:
            for line in self.process.stdout:
                log.write(line)
                log.flush()
                if stage := _RUNNING.search(line):
                    self.started[stage[1]] = time.monotonic()

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        code = self.process.wait()
        self._reader.join(5)
        return code

    def wait_for(self, stage: str) -> bool:
        """Wait until DVC runs a stage; whether it did."""
        while stage not in self.started:
            if self.process.poll() is not None:
                return False
            time.sleep(0.02)
        return True

    def tree(self) -> list[psutil.Process]:
        """The process and all below it."""
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        return []


class Project:
    """A project of a preset in which one command was run once without a kill.

    Attributes:
        seconds: that each stage took.
        files: SHA-256 of what the pipeline made.
        lock: dvc.lock behind it.
        scores: of the sweep's trials, by their values.
    """

    def __init__(self, folder: Path, preset: str, *, sweep: bool) -> None:
        self.folder = folder / ("sweep" if sweep else "pipeline")
        self.log, facts = self.folder.with_suffix(".log"), self.folder.with_suffix(".json")
        if not facts.exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            self._make(preset)
            facts.write_text(json.dumps(self._swept() if sweep else self._piped(), indent=1))
        known = json.loads(facts.read_text())
        self.seconds: dict[str, float] = known.get("seconds", {})
        self.files: dict[str, str] = known.get("files", {})
        self.lock: dict[str, Any] = known.get("lock", {})
        self.scores: dict[str, float] = known.get("scores", {})

    def _make(self, preset: str) -> None:
        self.folder.mkdir(parents=True)
        for part in ("src", "data/raw", "data/published", "data/sweeps"):
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / part, self.folder / part, ignore=ignored)
        for part in ("dvc.yaml", ".dvcignore", "data/sources.json"):
            shutil.copy(ROOT / part, self.folder / part)
        compiled = [sys.executable, "-m", "compileall", "-q", "src"]
        subprocess.run(compiled, cwd=self.folder, check=True)
        self._must("langspec", "preset", preset)
        values = (self.folder / "params.yaml").read_text()
        # Workers to be killed, and a sweep; no result depends on the number of workers.
        values = re.sub(r"(?m)^(  workers:) \S+|(\bworkers:) \d+", r"\1\2 2", values, count=1)
        (self.folder / "params.yaml").write_text(values)
        subprocess.run([BINARIES / "dvc", "init", "--no-scm", "-q"], cwd=self.folder, check=True)

    def _piped(self) -> dict[str, Any]:
        """Run the pipeline; what is to be compared with."""
        run = self._must("dvc", "repro", "--no-run-cache")
        ends = [*list(run.started.values())[1:], time.monotonic()]
        seconds = {
            stage: end - began
            for (stage, began), end in zip(run.started.items(), ends, strict=True)
        }
        seconds[EVERYTHING] = sum(seconds.values())
        return {"seconds": seconds, "files": self.hashes(), "lock": self.read_lock()}

    def _swept(self) -> dict[str, Any]:
        """Run the sweep; what is to be compared with."""
        self._must("dvc", "repro", "--no-run-cache", "corpora", "encoder")
        self._must(*sweep_command("undisturbed"))
        return {"scores": self.study("undisturbed")[1]}

    def read_lock(self) -> dict[str, Any]:
        """What dvc.lock says; the order of its stages is that in which they ran last."""
        return dict(yaml.safe_load((self.folder / "dvc.lock").read_text()))

    def _must(self, *command: str) -> Command:
        run = self.start(*command)
        if run.wait():
            sys.exit(f"{' '.join(command)} failed without a kill; see {self.log}")
        return run

    def start(self, *command: str) -> Command:
        """Start a command in the project."""
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"\n$ {' '.join(command)}\n")
        return Command([str(BINARIES / command[0]), *command[1:]], self.folder, self.log)

    def hashes(self) -> dict[str, str]:
        """SHA-256 of every file that the pipeline makes."""
        below = [path for part in _COMPARED for path in (self.folder / part).rglob("*")]
        files = [path for path in below if path.is_file()]
        return {str(file.relative_to(self.folder)): sha256_file(file) for file in sorted(files)}

    def make_stale(self, stage: str) -> None:
        """Forget a stage: its lock, its outs, every cache and checkpoint."""
        lock = copy.deepcopy(self.lock)
        chosen = list(lock["stages"]) if stage == EVERYTHING else [stage]
        for one in chosen:
            for out in lock["stages"].pop(one).get("outs", []):
                path = self.folder / out["path"]
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        (self.folder / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
        for path in (self.folder / ".langspec").iterdir():
            if path.name not in ("studies", "sources.json"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def forget_store(self) -> None:
        """Remove the store of runs."""
        for path in self.folder.glob("mlflow.db*"):
            path.unlink()
        shutil.rmtree(self.folder / "mlartifacts", ignore_errors=True)

    def left(self) -> list[str]:
        """Names of half-written files and folders."""
        places = [path for path in self.folder.iterdir() if path.name not in ("src", ".dvc")]
        inside = [path for place in places if place.is_dir() for path in place.rglob("*")]
        return [str(path) for path in (*places, *inside) if is_unfinished(path.name)]

    def running(self) -> int:
        """Runs of MLflow that say RUNNING."""
        store = self.folder / "mlflow.db"
        if not store.exists():
            return 0
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(store, timeout=30)) as connection:
            query = "SELECT COUNT(*) FROM runs WHERE status = 'RUNNING'"
            return int(connection.execute(query).fetchone()[0])

    def study(self, name: str) -> tuple[int, dict[str, float], int]:
        """Of a study: trials that say RUNNING, score by values, and how many ended."""
        code = (
            "import json, sys, warnings; warnings.simplefilter('ignore')\n"
            "from langspec.tuning.outcome import records\n"
            "from langspec.tuning.storage import open_storage, place_of\n"
            "from langspec.tuning.study import load_study\n"
            "trials = records(load_study(open_storage(place_of(sys.argv[1])), sys.argv[2]))\n"
            "ended = [one for one in trials if one.state in ('COMPLETE', 'PRUNED')]\n"
            "scores = {json.dumps(one.values, sort_keys=True): one.score for one in ended}\n"
            "running = sum(one.state == 'RUNNING' for one in trials)\n"
            "print(json.dumps([running, scores, len(ended)]))"
        )
        place = self.folder / ".langspec" / "studies" / f"{name}.log"
        variables = {**os.environ, "PYTHONPATH": str(self.folder / "src")}
        said = subprocess.check_output(
            [sys.executable, "-c", code, str(place), name], text=True, env=variables,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        running, scores, ended = json.loads(said.strip().splitlines()[-1])
        return running, scores, ended


def sweep_command(study: str) -> list[str]:
    """A sweep of six grid points with two workers."""
    values = [part for value in _STUDY_VALUES for part in ("--set", value)]
    return ["langspec", "sweep", "--task", "pos", "--method", "grl", "--trials", str(_TRIALS),
            "--workers", "2", "--study", study, *values]  # fmt: skip


def send(
    run: Command, target: str, number: int, rng: random.Random
) -> list[psutil.Process] | None:
    """Send a signal; the processes that were there. None: there was nothing to send it to."""
    tree = run.tree()
    if not tree or run.process.poll() is not None:
        return None
    stages = [one for one in tree[1:] if _is_stage(one)]
    if target == "group":
        with suppress(ProcessLookupError):
            os.killpg(run.process.pid, number)
        return tree
    if target in ("dvc", "command"):
        chosen = tree[0]
    elif target == "stage":
        if not stages:
            return None
        chosen = stages[0]
    else:
        first = stages[0] if stages else tree[0]
        below = [one for one in tree if one.pid not in (tree[0].pid, first.pid)]
        below = [one for one in below if not _is_shell(one)]
        if not below:
            return None
        chosen = rng.choice(sorted(below, key=lambda one: one.pid))
    with suppress(psutil.NoSuchProcess):
        chosen.send_signal(number)
    return tree


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _is_stage(process: psutil.Process) -> bool:
    return any(Path(word).name == "langspec" for word in _words(process)[:2])


def _is_shell(process: psutil.Process) -> bool:
    return bool(_words(process)) and Path(_words(process)[0]).name in ("sh", "bash", "dash")


def survivors(tree: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those of the processes that still run after so many seconds."""
    _, alive = psutil.wait_procs(tree, seconds)
    return [one for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def kill_pipeline(project: Project, number: int, args: argparse.Namespace) -> Kill | None:
    """One kill of `dvc repro`; None: the stage had ended before."""
    rng = random.Random(f"{args.seed}-{number}")
    stages = sorted(set(project.seconds) & set(args.only or project.seconds))
    stage = stages[rng.randrange(len(stages))]
    target = rng.choice(["group", "group", "dvc", "stage", "worker"])
    name = rng.choice(args.signals)
    share, waited, fresh = rng.random(), rng.random() < 0.5, rng.random() < 0.25
    began = time.monotonic()
    project.make_stale(stage)
    if fresh:
        project.forget_store()
    again = ["dvc", "repro", "--no-run-cache"]
    run = project.start(*again)
    moment = share * project.seconds[stage]
    kill = Kill(number, stage, target, name, round(moment, 2), waited=waited)
    if stage == EVERYTHING or run.wait_for(stage):
        time.sleep(moment)
    tree = send(run, target, getattr(signal, f"SIG{name}"), rng)
    if tree is None:
        run.wait()
        return None
    _heal(project, kill, run, tree, again)
    kill.same = (project.hashes(), project.read_lock()) == (project.files, project.lock)
    kill.running = project.running()
    kill.seconds = round(time.monotonic() - began, 1)
    return kill


def kill_sweep(project: Project, number: int, args: argparse.Namespace) -> Kill | None:
    """One kill of a sweep with two workers; None: it had ended before."""
    rng = random.Random(f"{args.seed}-sweep-{number}")
    target, name = rng.choice(["group", "command", "worker"]), rng.choice(args.signals)
    moment, waited = rng.uniform(1, 25), rng.random() < 0.5
    began, study = time.monotonic(), f"kill-{number}"
    run = project.start(*sweep_command(study))
    kill = Kill(number, "sweep", target, name, round(moment, 2), waited=waited)
    time.sleep(moment)
    tree = send(run, target, getattr(signal, f"SIG{name}"), rng)
    if tree is None:
        run.wait()
        return None
    _heal(project, kill, run, tree, sweep_command(study))
    running, scores, ended = project.study(study)
    kill.same = scores == project.scores and ended == _TRIALS
    kill.running = running + project.running()
    kill.seconds = round(time.monotonic() - began, 1)
    return kill


def _heal(
    project: Project, kill: Kill, run: Command, tree: list[psutil.Process], again: list[str]
) -> None:
    """Run the same command again, at once or once nothing of the killed one works any more."""
    alive = survivors(tree, 1.0)
    kill.survivors = len(alive)
    if kill.waited or kill.target == "worker":
        survivors(alive, 600.0)
        kill.waited = True
    # A worker that is killed may end its stage, or be replaced; then nothing is left to do.
    kill.code = project.start(*again).wait()
    survivors(alive, 600.0)
    run.wait()
    kill.left = len(project.left())


def report(kills: list[Kill]) -> str:
    """How many kills healed, by subject and target, as a table of markdown."""
    lines = ["| killed | target | kills | equal endings |", "|---|---|---|---|"]
    count = Counter((kill.subject.partition("@")[0], kill.target) for kill in kills)
    healed = Counter(
        (kill.subject.partition("@")[0], kill.target) for kill in kills if kill.healed
    )
    lines += [f"| {' | '.join(key)} | {count[key]} | {healed[key]} |" for key in sorted(count)]
    total = sum(kill.healed for kill in kills)
    lines.append(f"| **all** | | {len(kills)} | {total} |")
    minutes = sum(kill.seconds for kill in kills) / 60
    return "\n".join([*lines, "", f"{len(kills)} kills in {minutes:.0f} minutes"])


def read_kills(file: Path) -> list[Kill]:
    """The kills of an earlier run."""
    if not file.exists():
        return []
    kinds: dict[str, Any] = {field.name: type(field.default) for field in fields(Kill)}
    kinds |= {"number": int, "after_s": float, "subject": str, "target": str, "signal": str}
    with file.open(encoding="utf-8", newline="") as handle:
        return [
            Kill(**{
                key: text == "True" if kinds[key] is bool else kinds[key](text)
                for key, text in row.items()
            })
            for row in csv.DictReader(handle)
        ]  # fmt: skip


def keep(file: Path, kill: Kill) -> None:
    """Add a row to the file."""
    new = not file.exists()
    with file.open("a", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, [field.name for field in fields(Kill)])
        if new:
            writer.writeheader()
        writer.writerow(asdict(kill))


def main() -> int:
    """Kill as often as the command line says; 1 where a kill did not heal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="how many, those before included")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--only", nargs="+", help="stages, such as evaluate@pos, or everything")
    parser.add_argument("--sweep", action="store_true", help="kill a sweep with two workers")
    parser.add_argument("--signals", nargs="+", default=["KILL"], choices=["KILL", "TERM", "HUP"])
    parser.add_argument("--folder", type=Path, help="project and rows; kept, and gone on with")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no kill later")
    args = parser.parse_args()
    began = time.monotonic()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored below, too
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        project = Project(folder, args.preset, sweep=args.sweep)
        name = "-".join((["sweep"] if args.sweep else ["kills"]) + args.signals)
        file = folder / f"{name}.csv"
        kills = read_kills(file)
        number = max((kill.number for kill in kills), default=-1)
        one = kill_sweep if args.sweep else kill_pipeline
        while len(kills) < args.kills and (time.monotonic() - began) / 60 < args.minutes:
            number += 1
            kill = one(project, number, args)
            if kill is None:
                print(f"{number}: ended before the kill", flush=True)
                continue
            kills.append(kill)
            keep(file, kill)
            print(f"{'healed' if kill.healed else 'NOT HEALED'} {kill}", flush=True)
        print("\n" + report(kills))
    return int(not all(kill.healed for kill in kills) or not kills)


if __name__ == "__main__":
    sys.exit(main())
