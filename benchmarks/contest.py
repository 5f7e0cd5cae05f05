"""Ways of doing one thing, side by side: a process each, taking turns, CPU seconds of each turn.

A contestant is a generator function of this program's options; each ``next`` does a turn and
yields what it did (numbers by name). Turns alternate, so that a busy machine slows all alike.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from shared import ROOT

Contestant = Callable[[Namespace], Iterator[dict[str, float]]]


def parser_of(description: str | None) -> ArgumentParser:
    """Options that the benchmarks share: what is measured on."""
    parser = ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--preset", help="a preset instead of params.yaml, e.g. e5")
    parser.add_argument("--root", type=Path, default=ROOT, help="a project with prepared data/")
    parser.add_argument("--task", choices=("pos", "nli"), default="pos")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a CSV file to write, too")
    return parser


def configuration(given: Namespace) -> Any:
    """The configuration, with this process's kernels and threads set as a stage sets them."""
    from langspec.compute import set_environment
    from langspec.config import load_config
    from langspec.presets import load_preset

    config = load_preset(given.preset, []) if given.preset else load_config(ROOT / "params.yaml")
    os.environ["OMP_NUM_THREADS"] = "1"
    set_environment(config.compute)
    return config


def _take_turns(pipe: Any, contestant: Contestant, given: Namespace) -> None:
    turns = contestant(given)
    next(turns)  # what is prepared once is not measured
    pipe.send(None)
    for _ in iter(pipe.recv, None):
        wall, cpu = time.perf_counter(), time.process_time()
        done = next(turns)
        took = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        pipe.send({**took, "peak_mb": peak, **done})


def contest(contestants: dict[str, Contestant], given: Namespace) -> list[dict[str, Any]]:
    """A row a turn and contestant."""
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for name, contestant in contestants.items():
        ours, theirs = context.Pipe()
        context.Process(target=_take_turns, args=(theirs, contestant, given), daemon=True).start()
        theirs.close()
        pipes[name] = ours
        ours.recv()  # one prepares after the other
    rows = []
    for turn in range(given.turns):
        for name, pipe in pipes.items():
            pipe.send(turn)
            rows.append({"contestant": name, "turn": turn, **pipe.recv()})
    for pipe in pipes.values():
        pipe.send(None)
    return rows


def table(
    rows: Sequence[dict[str, Any]], base: str, asked: dict[str, float], unit: str = "tokens"
) -> str:
    """Markdown: medians over the turns, a ``unit`` at a time, and how many times ``base``."""
    per = {}
    idle = {row["turn"] for row in rows if not row[unit]}  # a step longer than a turn
    for row in rows:
        if row["turn"] in idle:
            continue
        own = per.setdefault(row["contestant"], {"cpu": [], "wall": []})
        own["cpu"].append(1e3 * row["cpu_s"] / row[unit])
        own["wall"].append(1e3 * row["wall_s"] / row[unit])
    first = rows[0].keys()
    more = [key for key in ("score", "peak_mb") if key in first]
    lines = [
        f"| | CPU ms a {unit[:-1]} | wall ms | ratio (CPU) | asked |"
        + "".join(f" {key} |" for key in more),
        "|---" * (5 + len(more)) + "|",
    ]
    for name, own in per.items():
        pairs = zip(own["cpu"], per[base]["cpu"], strict=True)
        ratio = median(mine / theirs for mine, theirs in pairs)
        last = [row for row in rows if row["contestant"] == name][-1]
        wanted = f"≥ {asked[name]:g}" if name in asked else ""
        lines.append(
            f"| {name} | {median(own['cpu']):.2f} | {median(own['wall']):.2f} | {ratio:.2f} | "
            f"{wanted} |" + "".join(f" {last[key]:.3g} |" for key in more)
        )
    return "\n".join(lines)
