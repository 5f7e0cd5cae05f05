"""The report as it was made last: equal files, options and code need no drawing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from langspec.closure import cache_key
from langspec.files import atomic_folder, cached_folder, sha256_file, sha256_folder
from langspec.report.compared import CompareOptions
from langspec.report.make_report import Sources, build_report
from langspec.report.report_section import Report

_WEIGHTS = ".safetensors"  # no page reads them


def report_key(
    sources: Sources, options: Report, comparing: CompareOptions, specs: Iterable[Any]
) -> str:
    """The name of the cache entry of a report.

    Args:
        sources: what the report is made of.
        options: its heading and formats.
        comparing: how methods are compared.
        specs: the classes that declare tables and figures.
    """
    trained = [sources.results / "train" / task for task in sources.tasks]
    files = [file for folder in trained for file in sorted(folder.rglob("*")) if file.is_file()]
    return cache_key(
        "report",
        code=(build_report, *specs),
        names=[sources.name, list(sources.tasks), list(sources.methods)],
        options=options.model_dump(mode="json"),
        comparing=asdict(comparing),
        results={
            task: sha256_folder(sources.results / "evaluate" / task) for task in sources.tasks
        },
        trained={
            file.relative_to(sources.results).as_posix(): sha256_file(file)
            for file in files
            if file.suffix != _WEIGHTS
        },
        cards=[
            sha256_file(file) if file.is_file() else ""
            for file in (sources.corpora / "card.json", sources.encoder)
        ],
        published=sources.published and sha256_folder(sources.published),
        studies={folder.name: sha256_folder(folder) for folder in sources.studies},
    )


def stored_report(place: Path, out: Path, write: Callable[[Path], None]) -> None:
    """Copy a report from the cache to ``out``, whole or not at all.

    Args:
        place: folder of the cache entry, named by its key; the run's older entry is removed.
        out: the folder to write; an older one is replaced.
        write: writes the report where the cache lacks it.
    """
    cached_folder(place, write)
    for other in place.parent.iterdir():
        if other.name not in (place.name, f"{place.name}.sha256"):
            shutil.rmtree(other) if other.is_dir() else other.unlink()
    with atomic_folder(out) as folder:
        shutil.copytree(place, folder, dirs_exist_ok=True)
