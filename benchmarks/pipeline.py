"""What the pipeline costs, stage by stage: CPU seconds of all processes, beside another commit's.

    python benchmarks/pipeline.py --preset tiny --turns 3 --against 20d272e

Every side is a copy of a checkout in a temporary folder. There, `dvc repro` runs all stages
from nothing, but an encoder that git holds (the demo's) is taken as it is. Then every command
runs once more with everything cached, and a `dvc repro` finds nothing stale. Result tables of
the sides are compared, too: they must not differ.

`--project DIR` measures a project in which `dvc repro` has run, where it lies: its commands with
everything cached, and `evaluate` once more with an empty cache, which is put back afterwards.

How CPU is counted: a process that measures becomes the *subreaper* of what it starts (Linux:
PR_SET_CHILD_SUBREAPER). Orphans (the fork server and workers whose parent has ended) become its
children, it waits for all of them, and RUSAGE_CHILDREN then holds user and system seconds of
every process. In `dvc repro` the command `langspec` is a script that measures the real one in this
way; the rest of what `dvc repro` used is DVC's own. Python's compiled files are there beforehand.
"""

from __future__ import annotations

import argparse
import ctypes
import filecmp
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import yaml

BINARIES = Path(sys.executable).parent
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h
ALL, DVC = "dvc repro, everything", "DVC itself"
NOTHING = "dvc repro, nothing stale"
TASKS = ("pos", "nli")


def measured(command: Sequence[str], folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Run a command and wait for every process that it left; exit code, CPU and wall seconds."""
    if ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0):
        sys.exit("orphans cannot be counted here: Linux alone has subreapers")
    before, began = _children(), time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment)
    code, left = 0, True
    while left:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            left = False
            continue
        if pid == process.pid:
            code = process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "code": code,
        "cpu_s": _children() - before,
        "wall_s": time.perf_counter() - began,
    }


def _children() -> float:
    """CPU seconds of all children that were waited for, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def stand_in(arguments: list[str]) -> None:
    """What `langspec` is inside `dvc repro`: the real one, measured; a line of JSON a command."""
    log, given = Path(arguments[0]), arguments[1:]
    found = measured([str(BINARIES / "langspec"), *given], Path(), dict(os.environ))
    with log.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps({"command": " ".join(["langspec", *given]), **found}) + "\n")
    sys.exit(found["code"])


def _pack(source: Path, commit: str, pack: Path) -> None:
    """Write a tar file of a commit, or of what lies in the checkout and git does not ignore."""
    git = ["git", "-C", str(source)]
    if commit:
        subprocess.run([*git, "archive", "-o", str(pack), commit], check=True)
        return
    files = [*git, "ls-files", "-coz", "--exclude-standard"]
    listed = subprocess.run(files, check=True, capture_output=True).stdout
    names = [each for each in listed.split(b"\0") if each]
    there = b"\0".join(name for name in names if (source / os.fsdecode(name)).exists())
    pick = ["tar", "-C", str(source), "--null", "-T", "-", "-cf", str(pack)]
    subprocess.run(pick, input=there, check=True)


class Side:
    """A checkout's code in a project of its own.

    Args:
        name: of its rows.
        source: a checkout; what git does not ignore in it is copied as it lies there.
        commit: of that repository, whose files are taken instead; "" for the files that lie there.
        folder: to be made.
    """

    def __init__(self, name: str, source: Path, commit: str, folder: Path) -> None:
        self.name, self.project, self.commands = name, folder / "project", folder / "bin"
        self.log = folder / "stages.jsonl"
        for made in (self.project, self.commands):
            made.mkdir(parents=True)
        pack = folder / "files.tar"
        _pack(source, commit, pack)
        subprocess.run(["tar", "-C", str(self.project), "-xf", str(pack)], check=True)
        pack.unlink()
        (self.project / "dvc.lock").unlink()
        subprocess.run(["git", "init", "-q", str(self.project)], check=True)
        script = self.commands / "langspec"
        script.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
            f"import pipeline\npipeline.stand_in([{str(self.log)!r}, *sys.argv[1:]])\n"
        )
        script.chmod(0o755)
        compiled = [sys.executable, "-m", "compileall", "-q", str(self.project / "src")]
        subprocess.run(compiled, check=True)

    @classmethod
    def finished(cls, name: str, project: Path) -> Side:
        """A project in which `dvc repro` has run, measured where it lies."""
        side = cls.__new__(cls)
        side.name, side.project = name, project.absolute()
        side.commands = side.log = side.project
        return side

    def run(self, *command: str, stand_in: bool = False) -> dict[str, Any]:
        """A command in the project, measured; ends the benchmark where it fails."""
        first = [str(self.commands)] if stand_in else []
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([*first, str(BINARIES), os.environ["PATH"]]),
            "PYTHONPATH": str(self.project / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with tempfile.TemporaryFile() as told:
            sys.stdout.flush()
            kept = os.dup(1), os.dup(2)
            os.dup2(told.fileno(), 1)
            os.dup2(told.fileno(), 2)
            try:
                found = measured(
                    [str(BINARIES / command[0]), *command[1:]], self.project, environment
                )
            finally:
                for number, one in enumerate(kept, 1):
                    os.dup2(one, number)
                    os.close(one)
            if found["code"]:
                told.seek(0)
                sys.exit(f"{' '.join(command)} ({self.name}):\n{told.read().decode()[-4000:]}")
        return found

    def cold(self) -> list[dict[str, Any]]:
        """`dvc repro` from nothing: every stage, DVC itself and the whole."""
        whole = self.run("dvc", "repro", stand_in=True)
        stages = [json.loads(line) for line in self.log.read_text().splitlines()]
        rest = {key: whole[key] - sum(one[key] for one in stages) for key in ("cpu_s", "wall_s")}
        return [*stages, {"command": DVC, **rest}, {"command": ALL, **whole}]

    def take_encoder(self) -> bool:
        """Make an encoder that is in git an input: DVC records it as it lies, and trains none.

        Pre-training the demo's encoder takes half an hour, and each commit would train its own.
        Returns whether there is such an encoder.
        """
        values = yaml.safe_load((self.project / "params.yaml").read_text(encoding="utf-8"))
        folder = self.project / "data" / "encoders" / values["encoder"]["name"]
        if not folder.is_dir():
            return False
        self.run("dvc", "commit", "--force", "encoder")
        return True

    def cached(self, tasks: Sequence[str], *, encoder: bool) -> list[dict[str, Any]]:
        """Every command once more, when all that it computes is in the cache.

        Args:
            tasks: to evaluate.
            encoder: whether this project trained its encoder, so that its command is one of them.
        """
        commands = [["corpora"], *([["encoder"]] if encoder else []),
                    *(["evaluate", "--task", task] for task in tasks),
                    ["tune"], ["report"], ["register"]]  # fmt: skip
        rows = [
            {"command": " ".join(["langspec", *one]), **self.run("langspec", *one)}
            for one in commands
        ]
        return [*rows, {"command": NOTHING, **self.run("dvc", "repro")}]


def turn(side: Side, number: int, preset: str, rows: Any) -> bool:
    """The pipeline of a side from nothing, and again; whether its encoder came from git."""
    side.run("langspec", "preset", preset)
    taken = side.take_encoder()
    cold = side.cold()
    for state, found in (("cold", cold), ("cached", side.cached(TASKS, encoder=not taken))):
        for one in found:
            cells = {"side": side.name, "turn": number, "state": state}
            kept = {key: one[key] for key in ("command", "cpu_s", "wall_s")}
            rows.add({**cells, **kept})
    return taken


def evaluated_anew(side: Side, rows: Any) -> None:
    """`evaluate` with an empty cache, in a project where the rest is finished."""
    cache, aside = side.project / ".langspec", side.project / ".langspec-aside"
    cache.rename(aside)
    try:
        for task in TASKS:
            found = side.run("langspec", "evaluate", "--task", task)
            rows.add({"side": side.name, "turn": 0, "state": "cold",
                      "command": f"langspec evaluate --task {task}",
                      "cpu_s": found["cpu_s"], "wall_s": found["wall_s"]})  # fmt: skip
    finally:
        shutil.rmtree(cache, ignore_errors=True)
        aside.rename(cache)


def differing(one: Path, other: Path) -> list[str]:
    """Tables below results/ that two projects do not have in common, byte for byte."""
    files = {path.relative_to(side) for side in (one, other) for path in side.rglob("*.csv")}
    return [
        str(name)
        for name in sorted(files)
        if not ((one / name).is_file() and (other / name).is_file()
                and filecmp.cmp(one / name, other / name, shallow=False))
    ]  # fmt: skip


def table(rows: Sequence[dict[str, Any]], sides: Sequence[str]) -> str:
    """Medians over the turns as Markdown; with two sides also their ratio."""
    kinds = dict.fromkeys((row["state"], row["command"]) for row in rows)
    heads = ["state", "command", *(f"{side}, CPU s" for side in sides)]
    heads += ["share"] if len(sides) > 1 else []
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for state, command in kinds:
        values = [
            median(
                [row["cpu_s"] for row in rows
                 if (row["side"], row["state"], row["command"]) == (side, state, command)]
                or [float("nan")]
            )
            for side in sides
        ]  # fmt: skip
        cells = [state, f"`{command}`", *(f"{value:.1f}" for value in values)]
        cells += [f"{values[-1] / values[0]:.0%}"] if len(sides) > 1 else []
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    from machine import said
    from shared import ROOT
    from told import Rows

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--source", type=Path, default=ROOT, help="a checkout to measure")
    parser.add_argument("--against", help="a commit of this repository to measure before it")
    parser.add_argument("--out", type=Path, help="a CSV file to write, too, row by row")
    parser.add_argument("--project", type=Path, help="measure only a finished project, as it is")
    given = parser.parse_args(arguments)
    if given.project:
        side, rows = Side.finished("now", given.project), Rows(given.out)
        for found in side.cached(TASKS, encoder=False):
            cells = {"side": side.name, "turn": 0, "state": "cached"}
            rows.add({**cells, **{key: found[key] for key in ("command", "cpu_s", "wall_s")}})
        evaluated_anew(side, rows)
        print(table(rows.all, [side.name]) + "\n\n" + said())
        return
    checkouts = {f"commit {given.against}": (ROOT, given.against)} if given.against else {}
    checkouts["now"] = (given.source, "")
    rows, taken = Rows(given.out), [False]
    for number in range(given.turns):
        with tempfile.TemporaryDirectory(prefix="pipeline-") as name:
            folder = Path(name)
            sides = [
                Side(side, source, commit, folder / str(place))
                for place, (side, (source, commit)) in enumerate(checkouts.items())
            ]
            taken = [turn(side, number, given.preset, rows) for side in sides]
            if len(sides) > 1:
                places = [side.project / "results" / given.preset for side in sides]
                for changed in differing(*places):
                    print(f"differs: {changed}", file=sys.stderr)
    print(table(rows.all, list(checkouts)))
    encoder = "Its encoder is the one in git: not trained. " if all(taken) else ""
    print(f"\nPreset {given.preset}, {given.turns} turns. {encoder}{said()}")


if __name__ == "__main__":
    main()
