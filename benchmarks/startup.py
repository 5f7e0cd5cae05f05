"""What a command costs before it does anything: ``--help``, and looking for stale stages.

python benchmarks/startup.py --turns 5
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from shared import ROOT, write_csv

BINARIES = Path(sys.executable).parent
COMMANDS = {
    "langspec --help": [str(BINARIES / "langspec"), "--help"],
    "langspec train --help": [str(BINARIES / "langspec"), "train", "--help"],
    "dvc status (all stages)": [str(BINARIES / "dvc"), "status", "-q"],
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a CSV file to write, too")
    given = parser.parse_args(arguments)
    rows: list[dict[str, float | str]] = []
    for turn in range(given.turns):
        for name, command in COMMANDS.items():
            wall = time.perf_counter()
            with subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                _, _, usage = os.wait4(process.pid, 0)
                process.returncode = 0
            cpu = usage.ru_utime + usage.ru_stime
            wall = time.perf_counter() - wall
            rows.append({"command": name, "turn": turn, "wall_s": wall, "cpu_s": cpu})
    print("| command | CPU s | wall s |\n|---|---|---|")
    for name in COMMANDS:
        own = [row for row in rows if row["command"] == name]
        cpu, wall = (median(float(row[key]) for row in own) for key in ("cpu_s", "wall_s"))
        print(f"| {name} | {cpu:.2f} | {wall:.2f} |")
    if given.out is not None:
        write_csv(given.out, rows)


if __name__ == "__main__":
    main()
