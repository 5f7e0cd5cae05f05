"""What a command costs before it does anything, and the demo from nothing.

python benchmarks/startup.py --turns 5   # --help; a repro that finds nothing stale
python benchmarks/startup.py --cold      # make demo in a fresh clone, installation included, once
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from machine import said
from pipeline import measured
from shared import ROOT
from told import Rows

BINARIES = Path(sys.executable).parent
DVC, LANGSPEC = str(BINARIES / "dvc"), str(BINARIES / "langspec")
NOTHING = "dvc repro, nothing stale"
COMMANDS = {
    "langspec --help": [LANGSPEC, "--help"],
    "langspec train --help": [LANGSPEC, "train", "--help"],
    "dvc status (all stages)": [DVC, "status", "-q"],
    NOTHING: [DVC, "repro"],
}


def took(command: Sequence[str], folder: Path) -> tuple[int, dict[str, float]]:
    """Exit code of a command; wall and CPU seconds of it and all that it started."""
    path = os.pathsep.join([str(BINARIES), os.environ["PATH"]])  # stages find langspec there
    began = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, env={**os.environ, "PATH": path},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    return process.returncode, {"wall_s": time.perf_counter() - began, "cpu_s": cpu}


def cold(rows: Rows) -> None:
    """`make demo` in a clone of what is committed: no environment, no data, no cache, no runs.

    CPU seconds are those of all processes; what the clone holds afterwards is printed too.
    """
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        found = measured(["make", "demo"], clone, dict(os.environ))
        files = [path for path in clone.rglob("*") if path.is_file() and not path.is_symlink()]
        size = sum({path.stat().st_ino: path.stat().st_size for path in files}.values())
        environment = sum(p.stat().st_size for p in files if (clone / ".venv") in p.parents)
    if found.pop("code"):
        sys.exit("make demo in a fresh clone failed")
    rows.add({"command": "make demo, installation included", "turn": 0, **found})
    print(f"the clone holds {size / 1e9:.2f} GB afterwards, its .venv {environment / 1e9:.2f}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--cold", action="store_true", help="the demo from nothing, once")
    parser.add_argument("--out", type=Path, help="a CSV file to write, too, row by row")
    given = parser.parse_args(arguments)
    rows = Rows(given.out)
    if given.cold:
        cold(rows)
    else:
        commands = dict(COMMANDS)
        if took(COMMANDS["dvc status (all stages)"], ROOT)[0]:
            del commands[NOTHING]
            print(f"left out: {NOTHING} (something is stale; run dvc repro)", file=sys.stderr)
        for turn in range(given.turns):
            for name, command in commands.items():
                rows.add({"command": name, "turn": turn, **took(command, ROOT)[1]})
    print("| command | CPU s | wall s |\n|---|---|---|")
    for name in dict.fromkeys(row["command"] for row in rows.all):
        own = [row for row in rows.all if row["command"] == name]
        cpu, wall = (median(row[key] for row in own) for key in ("cpu_s", "wall_s"))
        print(f"| {name} | {cpu:.2f} | {wall:.2f} |")
    print("\n" + said())


if __name__ == "__main__":
    main()
