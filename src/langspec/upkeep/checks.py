"""What `langspec doctor` looks at: a function a subject, each of which says what it saw."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil

from langspec.compute import device_type, fast_precisions, resolve_precision, set_environment
from langspec.config import Config, load_config
from langspec.corpora.enter import status
from langspec.errors import LangspecError, without_passwords
from langspec.paths import paths_of
from langspec.upkeep.leftovers import (
    DVC_LOCK,
    KINDS,
    is_damaged_lock,
    leftovers,
    working_processes,
)

Level = Literal["ok", "note", "fault"]
_PACKAGES = (
    "langspec", "torch", "transformers", "accelerate", "datasets", "mlflow", "optuna", "dvc",
    "scikit-learn", "seaborn",
)  # fmt: skip
_LEAST_GB = 2.0  # free, below which a run may not end


@dataclass(frozen=True)
class Finding:
    """What a check saw.

    Attributes:
        subject: what was looked at.
        level: ``fault`` where a run will fail, ``note`` where someone may want to act.
        text: what was seen, and what to do.
    """

    subject: str
    level: Level
    text: str


def versions(root: Path) -> Finding:
    """Of Python and the packages that numbers depend on."""
    parts = [f"Python {platform.python_version()}"]
    for name in _PACKAGES:
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            return Finding("versions", "fault", f"{name} is not installed; run: make install")
    return Finding("versions", "ok", ", ".join(parts))


def machine(config: Config, root: Path) -> Finding:
    """Processor, cores, memory, and how many of the cores a run asks for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory()
    text = (
        f"{platform.machine()}, {cores} cores, {memory.available / 2**30:.0f} of "
        f"{memory.total / 2**30:.0f} GiB of memory free"
    )
    asked = config.compute.threads * config.compute.workers
    if cores and asked > 2 * cores:
        return Finding("machine", "note", f"{text}; workers x threads is {asked}: slower, no gain")
    return Finding("machine", "ok", text)


def precision(config: Config, root: Path) -> Finding:
    """Where encoders run, and the precision that ``compute.precision`` becomes there."""
    import torch

    device, asked = device_type(), config.compute.precision
    where = torch.cuda.get_device_name(0) if device == "cuda" else "processor"
    kernels = torch.backends.cpu.get_cpu_capability()
    used = resolve_precision(asked, device)
    text = (
        f"{where} ({kernels}) multiplies {', '.join(fast_precisions(device))}; "
        f"compute.precision {asked} is {used}"
    )
    hidden = ", compute.portable keeps to AVX2" if config.compute.portable else ""
    return Finding("precision", "ok" if asked in ("auto", used) else "note", text + hidden)


def store(config: Config, root: Path) -> Finding:
    """Whether the store of runs opens, and runs whose process is gone.

    No run is changed and no store is made. A store of an older version of MLflow is upgraded, as
    by every command that opens it.
    """
    from langspec.tracking.reap import dead_runs
    from langspec.tracking.store import open_client, tracking_store

    place = tracking_store(config.tracking.uri, root=root)
    uri, file = str(place), place.file
    if file is not None:
        if not file.exists():
            return Finding("store", "ok", f"{uri}: made by the first run")
        with closing(sqlite3.connect(file, timeout=5)) as connection:
            if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
                return Finding(
                    "store", "fault", f"{uri} is damaged; move it away, then: langspec replay"
                )
    dead = dead_runs(open_client(place))
    if dead:
        return Finding(
            "store", "note", f"{uri}: {len(dead)} runs of dead processes; langspec reap"
        )
    return Finding("store", "ok", uri)


def disk(root: Path) -> Finding:
    """Free space, and whether the project can be written."""
    free = shutil.disk_usage(root).free / 1e9
    if not os.access(root, os.W_OK):
        return Finding("disk", "fault", f"{root.resolve()} cannot be written")
    if free < _LEAST_GB:
        return Finding("disk", "fault", f"{free:.1f} GB free; langspec clean frees caches")
    return Finding("disk", "ok", f"{free:.0f} GB free")


def encoder(config: Config, root: Path) -> Finding:
    """Whether the starting encoder is there and loads."""
    folder = paths_of(config, root).encoder
    if not folder.exists():
        return Finding("encoder", "note", f"{folder}: not there yet; run: dvc repro encoder")
    from langspec.encoders.load import load_encoder

    loaded = load_encoder(folder)
    size = sum(weights.numel() for weights in loaded.model.parameters())
    layers = loaded.model.config.num_hidden_layers
    return Finding("encoder", "ok", f"{folder}: {layers} layers, {size / 1e6:.1f} M weights")


def corpora(config: Config, root: Path) -> Finding:
    """Whether the prepared corpora are whole, and outside files are as they were recorded."""
    from langspec.corpora.tables import read_table

    paths = paths_of(config, root)
    if paths.manifest.exists() and config.corpora.files == "added":
        text, same = status(root)
        if not same:
            return Finding("corpora", "fault", text.replace("\n", "; "))
    if not paths.corpora.exists():
        return Finding(
            "corpora", "note", f"{paths.corpora}: not there yet; run: dvc repro corpora"
        )
    tables = sorted(paths.corpora.glob("*.parquet"))
    rows = [f"{table.stem} {read_table(paths.corpora, table.stem).num_rows:,}" for table in tables]
    return Finding("corpora", "ok", f"{paths.corpora}: rows of {', '.join(rows)}")


def pipeline(root: Path) -> Finding:
    """Whether `dvc repro` can start: DVC asks for git, or to be told that there is none."""
    file, settings = root / "dvc.yaml", root / ".dvc" / "config"
    if not file.exists():
        return Finding("pipeline", "note", f"{file}: not there; dvc repro runs in a checkout")
    files = [one for one in (settings, settings.with_name("config.local")) if one.exists()]
    without_git = any(re.search(r"(?i)no_scm\s*=\s*true", one.read_text()) for one in files)
    if not (root / ".git").exists() and not without_git:
        cure = "dvc config --local core.no_scm true" if files else "dvc init --no-scm"
        return Finding("pipeline", "fault", f"this is no checkout of git, as DVC expects; {cure}")
    if is_damaged_lock(root / DVC_LOCK):
        what = f"{root / DVC_LOCK}: a killed dvc left it damaged, and dvc repro refuses to start"
        return Finding("pipeline", "fault", f"{what}; langspec clean")
    return Finding("pipeline", "ok", "dvc repro can start")


def remains(root: Path) -> Finding:
    """What killed processes left, how large the caches are, and who works here now."""
    sizes = dict.fromkeys(KINDS, 0)
    for one in leftovers(root):
        sizes[one.kind] += one.size
    text = ", ".join(f"{kind} {size / 1e6:.0f} MB" for kind, size in sizes.items())
    if pids := working_processes(root):
        text += f"; at work here: processes {', '.join(map(str, pids))}"
    left = any(one.kind != "caches" for one in leftovers(root))
    return Finding(
        "remains", "note" if left else "ok", text + ("; langspec clean" if left else "")
    )


ANYWHERE = (versions, disk, pipeline, remains)
"""Checks that need no ``params.yaml``."""
OF_PROJECT = (machine, precision, store, encoder, corpora)


def examine(root: Path) -> Iterator[Finding]:
    """Run every check on a project; one that fails is a fault, and the others still run."""
    for check in ANYWHERE:
        yield _checked(check.__name__, partial(check, root))
    try:
        config = load_config(root / "params.yaml")
    except LangspecError as error:
        yield Finding("params", "fault", str(error))
        return
    set_environment(config.compute)
    for of_project in OF_PROJECT:
        yield _checked(of_project.__name__, partial(of_project, config, root))


def _checked(subject: str, check: Callable[[], Finding]) -> Finding:
    """What a check saw; any error of it as a fault, so that the other checks still run."""
    try:
        return check()
    except (LangspecError, OSError, sqlite3.Error) as error:
        return Finding(subject, "fault", without_passwords(str(error)) or type(error).__name__)
    except Exception as error:  # of a library, such as MLflow; its text alone may say nothing
        text = without_passwords(f"{type(error).__name__}: {error}")
        return Finding(subject, "fault", " ".join(text.split()))
