"""Writing ``register.json`` of a task, and a card and erasers for every version."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from langspec.closure import code_hash
from langspec.encoders.load import Encoder, load_encoder
from langspec.erasure.base import Eraser
from langspec.erasure.choice import ONE_MAP
from langspec.erasure.eraser_folder import save_eraser, weights_hash
from langspec.errors import LangspecError
from langspec.files import sha256_json, write_json, write_text
from langspec.measures.base import RUN, Subject
from langspec.measures.fitted_erasers import fitted_erasers
from langspec.paths import Paths, checkpoint_hash, corpora_sources, require
from langspec.release.assemble import TrainedSeed, assemble, load_seed
from langspec.release.choose import Candidate, candidate, champion
from langspec.release.model_card import ExportFacts
from langspec.release.predictor import load_predictor
from langspec.release.stored_versions import RECORD, SCHEMA, TaskRecord
from langspec.release.version_card import registered_card
from langspec.release.version_facts import language_scores, origin_of, seed_numbers
from langspec.results import read_results, read_training_record
from langspec.tasks import Task, get_task
from langspec.training.selection import METRIC

if TYPE_CHECKING:
    from langspec.config import Config
    from langspec.evaluation.bench import Bench

logger = logging.getLogger(__name__)

CARD, ERASERS = "README.md", "erasers"


@dataclass
class Versions:
    """Writes the versions of one task.

    Attributes:
        config: all of ``params.yaml``.
        paths: the run's folders.
        task: the task.
        text: holds the language text, which erasers are fitted on.
        encoder: the encoder that trainings started from, which reads it.
        make: gives an unfitted eraser by its name.
    """

    config: Config
    paths: Paths
    task: Task
    text: Bench
    encoder: Encoder = field(init=False)
    make: Callable[[str], Eraser] = field(init=False)
    rows: Any = field(init=False)

    def __post_init__(self) -> None:
        self.encoder = self.text.encoder
        self.make = self.config.evaluate.erasers.maker(self.config.corpora.source)
        self.rows = read_results(self.paths.evaluate(self.task.name) / "results.csv")

    def write(self, folder: Path) -> None:
        """Write ``register.json``, and a folder with card and erasers for every version."""
        name = self.task.name
        runs = {method: self._run_file(method) for method in self.config.train.methods_of(name)}
        candidates = [candidate(run) for run in runs.values()]
        best, why = champion(candidates)
        versions = [
            self._version(one, runs[one.method], folder / one.method)
            for one in candidates
            if one.entry is not None
        ]
        record = TaskRecord(
            name=self.config.name,
            task=name,
            champion=best.method if best else None,
            why=why,
            versions=versions,
            left_out={one.method: one.refusal for one in candidates if one.entry is None},
        )
        write_json(folder / RECORD, {"schema": SCHEMA, **asdict(record)})

    def _run_file(self, method: str) -> dict[str, Any]:
        task = self.task.name
        file = self.paths.train(task, method) / "run.json"
        return read_training_record(require(file, f"train --task {task} --method {method}"))

    def _version(self, chosen: Candidate, run: dict[str, Any], folder: Path) -> dict[str, Any]:
        """Card and erasers of a method's best seed; its record."""
        assert chosen.entry is not None
        number = int(chosen.entry["seed"])
        place = self.paths.train(self.task.name, chosen.method) / f"seed-{number}"
        seed = load_seed(place, self.encoder, self.task)
        names = self._fit_erasers(seed, folder / ERASERS)
        record = self._record(chosen, run, seed, place, names)
        facts = ExportFacts(
            self.config.corpora,
            seed.card,
            self.encoder.card,
            run=run,
            sources=corpora_sources(self.paths.corpora),
            head_unit=self.task.unit,
        )
        scores = language_scores(self.rows, chosen.method, number)
        write_text(folder / CARD, registered_card(facts, record, scores))
        record["example"] = self._try(record, folder.parent, names)
        record["key"] = sha256_json(record | {"card": (folder / CARD).read_text("utf-8")})
        return record

    def _record(
        self,
        chosen: Candidate,
        run: Mapping[str, Any],
        seed: TrainedSeed,
        place: Path,
        erasers: list[str],
    ) -> dict[str, Any]:
        """What ``register.json`` says of a version, its example and its key aside."""
        assert chosen.entry is not None
        method, number, layer = chosen.method, seed.card.seed, seed.head.layer
        record: dict[str, Any] = {
            "method": method,
            "seed": number,
            "task": self.task.name,
            "unit": self.task.unit,
            "seeds": chosen.seeds,
            "failed_seeds": chosen.failed,
            "rule": chosen.rule,
            "metric": METRIC,
            "score": chosen.score,
            "refusal": chosen.refusal,
            "numbers": seed_numbers(self.rows, method, number, layer),
            "erasers": {
                name: seed_numbers(self.rows, method, number, layer, name) for name in erasers
            },
            "layer": layer,
            "run_key": run["run_key"],
            "seed_key": chosen.entry["run_key"],
            "params_hash": sha256_json(run["params"]),
            "data_hash": run["data_hash"],
            "encoder_hash": run["encoder_hash"],
            "weights_hash": checkpoint_hash(place),
            "languages": sorted(self.config.corpora.languages),
            "source": self.config.corpora.source,
            "licence": self.encoder.card.licence,
            "code": code_hash(assemble, load_predictor, registered_card),
        }
        adopted = self.config.model_dump(include={"adopted"})["adopted"]
        if origin := origin_of(adopted, run):
            record["origin"] = origin
        elif self.task.name in adopted.get(method, {}):
            logger.warning(
                "%s %s was trained with other values than langspec adopt wrote; its version is "
                "not said to be a sweep's winner",
                self.task.name, method,
            )  # fmt: skip
        return record

    def _try(
        self, record: Mapping[str, Any], place: Path, erasers: list[str]
    ) -> list[dict[str, Any]]:
        """Open what will be served once, before anything is registered; the rows it was given."""
        with assembled_version(self.paths, record, place) as served:
            predictor = load_predictor(served)
            example = _example(predictor.head.columns)
            for eraser in ("", *erasers):
                predictor.predict(example, eraser)
        return example

    def _fit_erasers(self, seed: TrainedSeed, folder: Path) -> list[str]:
        """Write the erasers of ``params.yaml`` that are one map for all languages; their names.

        One that would need the language of every text, or would have to guess it, is left out.
        Those that stage evaluate fitted on the same vectors are read from the cache.
        """
        values = self.config.evaluate.erasers
        if seed.card.method not in values.of:
            return []
        unit = "token" if self.task.unit == "token" else "sentence"
        layer, trained = seed.head.layer, seed.card.trains_encoder
        fitted = fitted_erasers(self.text)
        model = SimpleNamespace(encoder=seed.encoder.model)
        of_seed: dict[str, Any] = {"model": model, "state": seed.state, "trained": trained}
        subject = Subject(RUN, seed.card.method, seed.card.seed, **of_seed)
        identity = weights_hash(seed.encoder.model)
        names = [name for name in values.run if name in ONE_MAP]
        for name in names:
            maps = fitted.maps(subject, name, [unit], [layer], of_head=True)
            save_eraser(
                folder / name, maps[unit, layer], encoder=identity, unit=unit, layer=layer,
                options=self.make(name).options(),
            )  # fmt: skip
        return names


def _example(columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows that any model of these columns takes."""
    text = {"text": "The dog sees a small tree."}
    pair = {"premise": "The dog sees a small tree.", "hypothesis": "The dog sees a tree."}
    return [pair if "premise" in columns else text]


@contextmanager
def assembled_version(paths: Paths, version: Mapping[str, Any], place: Path) -> Iterator[Path]:
    """A folder of :func:`assemble_version`, which is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="langspec-") as name:
        assemble_version(paths, version, place, Path(name) / "model")
        yield Path(name) / "model"


def assemble_version(paths: Paths, version: Mapping[str, Any], place: Path, folder: Path) -> None:
    """Write the folder that a version serves, from outs that DVC keeps.

    Args:
        paths: the run's folders.
        version: its record.
        place: the folder of ``register.json``.
        folder: must not exist, or be empty.

    Raises:
        LangspecError: the seed is gone, or was trained anew since.
    """
    task, method = version["task"], version["method"]
    trained = require(
        paths.train(task, method) / f"seed-{version['seed']}",
        f"train --task {task} --method {method}",
    )
    if checkpoint_hash(trained) != version["weights_hash"]:
        # Its card would state the numbers of other weights.
        raise LangspecError(
            f"{trained} was trained anew since; run: langspec register", place=place / RECORD
        )
    encoder = load_encoder(require(paths.encoder, "encoder"))
    seed = load_seed(trained, encoder, get_task(task, paths.corpora))
    card = (place / method / CARD).read_text(encoding="utf-8")
    assemble(folder, seed, card, place / method / ERASERS)
