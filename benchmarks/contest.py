"""Ways of doing one thing, side by side: a process each, taking turns, CPU seconds of each turn.

A contestant is a generator function of this program's options; each ``next`` does a turn and
yields what it did (numbers by name; its own ``cpu_s`` and ``wall_s`` where not all of the turn
counts). Turns alternate, so that a busy machine slows all alike.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from shared import ROOT
from told import Rows

Contestant = Callable[[Namespace], Iterator[dict[str, float]]]
_SET: list[bool] = []


def parser_of(description: str | None) -> ArgumentParser:
    """Options that the benchmarks share: what is measured on."""
    parser = ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--preset", help="a preset instead of params.yaml, e.g. e5")
    parser.add_argument("--root", type=Path, default=ROOT, help="a project with prepared data/")
    parser.add_argument("--task", choices=("pos", "nli"), default="pos")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a CSV file to write, too, row by row")
    return parser


def configuration(given: Namespace, assignments: Sequence[str] = ()) -> Any:
    """The configuration, with this process's kernels and threads set as a stage sets them.

    ``assignments`` (``a.b=c``) are put over it.
    """
    from langspec.compute import set_environment
    from langspec.config import load_config
    from langspec.presets import load_preset

    changes = list(assignments)
    if given.preset:
        config = load_preset(given.preset, changes)
    else:
        config = load_config(ROOT / "params.yaml", changes)
    if not _SET:  # once in a process, before torch is imported
        _SET.append(True)
        os.environ["OMP_NUM_THREADS"] = "1"
        set_environment(config.compute)
    return config


def chosen(
    contestants: Mapping[str, Contestant], only: Sequence[str] | None
) -> dict[str, Contestant]:
    """Those whose names begin with one of ``only``; ends the program where a word fits none."""
    for word in only or ():
        if not any(name.startswith(word) for name in contestants):
            sys.exit(f"--only {word}: expected the beginning of one of {', '.join(contestants)}")
    return {
        name: contestant
        for name, contestant in contestants.items()
        if not only or name.startswith(tuple(only))
    }


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


def contest(contestants: Mapping[str, Contestant], given: Namespace) -> list[dict[str, Any]]:
    """A row a turn and contestant, each kept as it comes."""
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for name, contestant in contestants.items():
        ours, theirs = context.Pipe()
        context.Process(target=_take_turns, args=(theirs, contestant, given), daemon=True).start()
        theirs.close()
        pipes[name] = ours
        ours.recv()  # one prepares after the other
        print(f"  {name} is ready", file=sys.stderr, flush=True)
    rows = Rows(given.out)
    for turn in range(given.turns):
        for name, pipe in pipes.items():
            pipe.send(turn)
            try:
                found = pipe.recv()
            except EOFError:
                sys.exit(f"{name} ended in turn {turn}; its reason is above")
            rows.add({"contestant": name, "turn": turn, **found})
    for pipe in pipes.values():
        pipe.send(None)
    return rows.all


def table(
    rows: Sequence[dict[str, Any]], base: str, asked: Mapping[str, float], unit: str = "tokens"
) -> str:
    """Markdown: medians over the turns, a ``unit`` at a time, and how many times ``base``.

    A contestant with several scores (one a seed) has their mean and range. Where ``base`` was left
    out, the ratio is to the first that was not.
    """
    per: dict[str, dict[str, list[float]]] = {}
    idle = {row["turn"] for row in rows if not row[unit]}  # a step longer than a turn
    for row in rows:
        if row["turn"] in idle:
            continue
        own = per.setdefault(row["contestant"], {"cpu": [], "wall": []})
        own["cpu"].append(1e3 * row["cpu_s"] / row[unit])
        own["wall"].append(1e3 * row["wall_s"] / row[unit])
    base = base if base in per else next(iter(per))
    more = [key for key in ("score", "peak_mb") if key in rows[0]]
    lines = [
        f"| | CPU ms a {unit[:-1]} | wall ms | ratio (CPU) | asked |"
        + "".join(f" {key.replace('_', ' ')} |" for key in more),
        "|---" * (5 + len(more)) + "|",
    ]
    for name, took in per.items():
        pairs = zip(took["cpu"], per[base]["cpu"], strict=True)
        ratio = median(mine / theirs for mine, theirs in pairs)
        wanted = f"≥ {asked[name]:g}" if name in asked else ""
        own_rows = [row for row in rows if row["contestant"] == name]
        lines.append(
            f"| {name} | {median(took['cpu']):.3f} | {median(took['wall']):.3f} | {ratio:.2f} | "
            f"{wanted} |" + "".join(f" {_shown(own_rows, key)} |" for key in more)
        )
    return "\n".join(lines)


def _shown(rows: Sequence[dict[str, Any]], key: str) -> str:
    if key == "peak_mb":
        return f"{max(row[key] for row in rows):.0f}"
    found = [row[key] for row in rows if row[key] == row[key]]  # others are not a number
    if not found:
        return ""
    spread = f" ({min(found):.3f} to {max(found):.3f})" if len(found) > 1 else ""
    return f"{mean(found):.3f}{spread}"
