"""A cache of the findings of each work of an evaluation, which then needs no encoder again."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.closure import cache_key, installed
from langspec.compute import precision_here
from langspec.evaluation.work import Work
from langspec.files import atomic_folder, read_json, sha256_file, sha256_folder
from langspec.measures.base import Findings
from langspec.results import Result
from langspec.section import Decides, deciding

if TYPE_CHECKING:
    from langspec.config import Config
    from langspec.paths import Paths

logger = logging.getLogger(__name__)

RUNNER = "langspec.evaluation.runner:Runner"
_VALUES = "findings.json"


class FinishedWork:
    """The findings of works of one task by hashes of all that they depend on.

    A measure keeps its numbers too; those spare the measuring, this the imports, the encoder and
    the texts. An entry is a folder: rows and plain tables as JSON, the others as Arrow files.

    Args:
        config: the configuration.
        paths: of the run; its corpora and its encoder exist.
        task: name of the task.

    Attributes:
        code: modules and classes that compute findings.
        inputs: hashes of the files that they are computed from, by name.
    """

    def __init__(self, config: Config, paths: Paths, task: str) -> None:
        self._folder = paths.cache / "works"
        self._hashes: dict[Path, str] = {}
        corpora = (f"{task}.parquet", "text.parquet", "card.json")
        runner = RUNNER.partition(":")[0]
        self.code = (runner, *installed().offered(runner))
        self.inputs = {
            "corpora": [sha256_file(paths.corpora / name) for name in corpora],
            "encoder": sha256_folder(paths.encoder),
            "published": sha256_folder(paths.root / "data" / "published"),
        }
        self._parts = {
            "task": task,
            "precision": precision_here(config.compute.precision),
            "config": deciding(config, Decides.RUNS),
            **self.inputs,
        }

    def read(self, work: Work) -> Findings | None:
        """The findings of a work; None where the cache lacks them, or its entry is damaged."""
        place = self._place(work)
        if not place.exists():
            return None
        try:
            return _read(place)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning("%s: damaged (%s); measured again", place, type(error).__name__)
            return None

    def write(self, work: Work, findings: Findings) -> None:
        """Write the findings of a work to the cache."""
        import pyarrow as pa

        with atomic_folder(self._place(work)) as folder:
            tables: dict[str, list[Any]] = {}
            for name, parts in findings.tables.items():
                tables[name] = [None if isinstance(part, pa.Table) else part for part in parts]
                for number, part in enumerate(parts):
                    if isinstance(part, pa.Table):
                        _write_arrow(part, folder / f"{name}-{number}.arrow")
            rows = {file: [asdict(row) for row in part] for file, part in findings.rows.items()}
            text = json.dumps({"rows": rows, "tables": tables}, default=_plain)
            (folder / _VALUES).write_text(text, encoding="utf-8")

    def _place(self, work: Work) -> Path:
        values = asdict(work)
        runs = [*work.runs, *([work.training] if work.training is not None else [])]
        values |= {"runs": None, "training": work.training is not None}
        named = [
            [run.method, run.seed, run.strength, run.first, self._hash(run.folder)] for run in runs
        ]
        trains = () if work.training is None else ("langspec.stages.retrain",)
        code = (*self.code, *trains)
        key = cache_key("work", code=code, work=values, trained=named, **self._parts)
        return self._folder / key

    def _hash(self, folder: Path) -> str:
        if folder not in self._hashes:
            self._hashes[folder] = sha256_folder(folder)
        return self._hashes[folder]


def _read(place: Path) -> Findings:
    import pyarrow as pa

    values = read_json(place / _VALUES)
    rows = {file: [Result(**row) for row in part] for file, part in values["rows"].items()}
    tables: dict[str, list[Any]] = {}
    for name, parts in values["tables"].items():
        tables[name] = list(parts)
        for number, part in enumerate(parts):
            if part is None:
                with pa.OSFile(str(place / f"{name}-{number}.arrow")) as file:
                    tables[name][number] = pa.ipc.open_file(file).read_all()
    return Findings(rows, tables)


def _write_arrow(table: Any, place: Path) -> None:
    """Write a table of Arrow with exactly its schema and its chunks."""
    import pyarrow as pa

    with pa.OSFile(str(place), "wb") as file, pa.ipc.new_file(file, table.schema) as out:
        out.write_table(table)


def _plain(value: Any) -> Any:
    """Numbers and arrays of NumPy as JSON has them."""
    return value.tolist()
