"""The report as it was made last: equal files, options and code need no drawing."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from langspec.closure import cache_key
from langspec.files import atomic_folder, cached_folder, sha256_file, sha256_folder
from langspec.report.compared import CompareOptions
from langspec.report.make_report import Sources, build_report, drawing_crew
from langspec.report.report_page import page_templates
from langspec.report.report_section import Report
from langspec.workers import available_cores

_WEIGHTS = ".safetensors"  # no page reads them
_DRAWN_BY = ("matplotlib", "seaborn", "jinja2")  # packages


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
        template=page_templates(),
        versions={name: version(name) for name in _DRAWN_BY},
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
        studies=[[folder.name, sha256_folder(folder)] for folder in sources.studies],
    )


def stored_report(
    sources: Sources,
    out: Path,
    cache: Path,
    options: Report,
    *,
    comparing: CompareOptions,
    specs: Iterable[Any],
    workers: int,
) -> None:
    """Copy the report of these sources from the cache to ``out``; it is made where it is missing.

    Args:
        sources: what the report is made of.
        out: the folder to write, whole or not at all; an older one is replaced.
        cache: holds one entry; that of other sources, options or code is removed.
        options: as of :func:`report_key`, as are ``comparing`` and ``specs``.
        workers: most processes that draw; with one, this process draws.

    Raises:
        LangspecError: as :func:`~langspec.report.make_report.build_report`.
    """

    def write(folder: Path) -> None:
        count = min(workers, len(sources.tasks), available_cores())
        with drawing_crew(options.formats, count) as crew:
            build_report(sources, folder, options, comparing=comparing, crew=crew)

    place = cached_folder(cache / report_key(sources, options, comparing, specs), write)
    for other in cache.iterdir():
        if other.name not in (place.name, f"{place.name}.sha256"):
            shutil.rmtree(other) if other.is_dir() else other.unlink()
    with atomic_folder(out) as folder:
        shutil.copytree(place, folder, dirs_exist_ok=True)
