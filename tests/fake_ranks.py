"""Processes that train nothing: two of them, started by this file, do what a trial's values say.

``python fake_ranks.py`` is the launcher; each of its children is one process of the training.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from langspec.tuning.score import Collapsed, Measured
from langspec.tuning.trial_rank import serve


def prepare(how: str) -> Any:
    """What trains a trial; ``how`` may be a refusal."""
    rank = int(os.environ["RANK"])
    if how == "refused":
        raise ValueError(f"nothing to train on in {rank}")
    return lambda paths, report: train(rank, paths, report)


def train(rank: int, paths: dict[str, Any], report: Any) -> Measured:
    """Report two rungs, or do in this process what ``paths`` says of it."""
    action = paths.get(f"rank {rank}", "")
    if action == "raise":
        raise RuntimeError("no memory\nat all")
    if action == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "wait":  # as in a sum over processes to which one does not come
        time.sleep(600)
    for rung in (1, 2):
        report(rung, Measured(rung / 10, float(rank)))
    if action == "collapse":
        raise Collapsed("rank: gone")
    return Measured(1.0, float(rank), {"pid": float(os.getpid())})


def processes(how: str = "") -> Any:
    """Two of them, as a worker of a sweep has them; ``how``: what :func:`prepare` gets."""
    from langspec.launch import Launch
    from langspec.tuning.trial_processes import TrialProcesses

    class Fake(Launch):
        """Starts this file."""

        def command(self, arguments: list[str]) -> list[str]:
            """The launcher."""
            return [sys.executable, __file__]

    return TrialProcesses(Fake(Path("two.yaml"), 2, 1, 0, "", 0, True, "no"), (how,))


THERE_BEFORE: set[int] = set()
"""Processes of other tests: a server that commands are forked from, say."""


def below() -> list[int]:
    """Processes that this one started, and those that they did, but for ``THERE_BEFORE``."""
    import psutil

    started = [child.pid for child in psutil.Process().children(recursive=True)]
    return [pid for pid in started if pid not in THERE_BEFORE]


def main() -> None:
    """Start two processes, or be one of them."""
    if "RANK" in os.environ:
        serve(prepare)
    if os.environ.get("FAKE") == "none":
        sys.exit(7)
    command = [sys.executable, __file__]
    children = [
        subprocess.Popen(command, env={**os.environ, "RANK": str(rank)}) for rank in range(2)
    ]
    sys.exit(max(abs(child.wait()) for child in children))


if __name__ == "__main__":
    main()
