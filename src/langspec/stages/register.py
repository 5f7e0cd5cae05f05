"""Stage register: the best seed of every method, its card and erasers, and the champion."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.config import Config
from langspec.errors import LangspecError
from langspec.files import atomic_folder, read_json, sha256_json, write_json, write_text
from langspec.paths import Paths, checkpoint_hash, paths_of, require
from langspec.release.choose import Candidate, candidate, champion
from langspec.stages.common import code_hash
from langspec.training.selection import METRIC

if TYPE_CHECKING:
    from langspec.stages.measure import Evaluation

logger = logging.getLogger(__name__)

SCHEMA = 1
RECORD, CARD, ERASERS = "register.json", "README.md", "erasers"


def register_folder(paths: Paths) -> Path:
    """Which seeds are registered and why, their cards and erasers."""
    return paths.results / "register"


def plan(config: Config, root: Path) -> str:
    """What :func:`run` would do."""
    paths = paths_of(config, root)
    versions = len(config.train.tasks) * len(config.train.run)
    weights = paths.encoder / "model.safetensors"
    size = weights.stat().st_size / 1e6 if weights.is_file() else 0
    return (
        f"register: the best seed of {', '.join(config.train.run)} on "
        f"{', '.join(config.train.tasks)} -> {register_folder(paths)}, and langspec-TASK in "
        "MLflow's registry\n"
        f"  about {10 + 4 * versions} s, {versions * (size + 4):.0f} MB in MLflow's artifacts, "
        f"{800 + 3 * size:.0f} MB of memory"
    )


def run(config: Config, root: Path) -> str:
    """Choose, write the cards and fit the erasers, register; returns what was done."""
    paths = paths_of(config, root)
    require(paths.corpora, "corpora")
    require(paths.encoder, "encoder")
    for task in config.train.tasks:
        require(paths.evaluate(task), f"evaluate --task {task}")
    with atomic_folder(register_folder(paths)) as temporary:
        for task in config.train.tasks:
            _write_task(config, root, task, temporary / task)
    from langspec.stages.replay import run as replay

    replay(config, root)  # the runs that versions belong to
    return restore(config, root, take_over=True)


def restore(config: Config, root: Path, *, take_over: bool = False) -> str:
    """Register what the files tell and the registry lacks; nothing the second time.

    ``take_over``: give the alias ``champion`` to this run where another run has it.
    """
    from langspec.stages.tracker import open_tracker
    from langspec.tracking.versions import register_task

    paths = paths_of(config, root)
    told = []
    for file in sorted(register_folder(paths).glob(f"*/{RECORD}")):
        record = read_json(file)

        @contextmanager
        def folder(version: dict[str, Any], place: Path = file.parent) -> Iterator[Path]:
            with tempfile.TemporaryDirectory(prefix="langspec-") as name:
                _assemble(paths, version, place, Path(name) / "model")
                yield Path(name) / "model"

        done = register_task(open_tracker(config, root), record, folder, take_over=take_over)
        told.append(done.told)
    return "\n".join(told)


def _write_task(config: Config, root: Path, task_name: str, folder: Path) -> None:
    """``register.json``, and a folder with card and erasers for every version."""
    from langspec.results import read_results

    paths = paths_of(config, root)
    runs = {
        method: read_json(
            require(
                paths.train(task_name, method) / "run.json",
                f"train --task {task_name} --method {method}",
            )
        )
        for method in config.train.run
    }
    candidates = [candidate(run) for run in runs.values()]
    best, why = champion(candidates)
    rows = read_results(paths.evaluate(task_name) / "results.csv")
    work = _Versions(config, root, task_name, rows)
    versions = [
        work.write(one, runs[one.method], folder / one.method)
        for one in candidates
        if one.entry is not None
    ]
    for one in candidates:
        if one.entry is None:
            logger.warning("%s %s is not registered: %s", task_name, one.method, one.refusal)
    if best is None:
        logger.warning("%s has no champion: %s", task_name, why)
    values = {
        "schema": SCHEMA,
        "name": config.name,
        "task": task_name,
        "champion": best.method if best else None,
        "why": why,
        "versions": versions,
        "left_out": {one.method: one.refusal for one in candidates if one.entry is None},
    }
    write_json(folder / RECORD, values)


class _Versions:
    """Writes the versions of one task; loads what that takes once."""

    def __init__(self, config: Config, root: Path, task: str, rows: Any) -> None:
        from langspec.stages.measure import Evaluation
        from langspec.tasks import get_task

        self.config, self.rows = config, rows
        self.paths = paths_of(config, root)
        self.task = get_task(task, self.paths.corpora)
        self.evaluation: Evaluation = Evaluation(config, root, self.task, config.features.cache_gb)

    def write(self, chosen: Candidate, run: dict[str, Any], folder: Path) -> dict[str, Any]:
        """Card and erasers of a method's best seed; its record."""
        from langspec.modelling.saved import load_run, read_card
        from langspec.release.assemble import head_layer
        from langspec.release.model_card import ExportFacts
        from langspec.release.numbers import language_scores, seed_numbers
        from langspec.release.origin import origin_of
        from langspec.release.predictor import load_predictor
        from langspec.release.version_card import registered_card

        assert chosen.entry is not None
        config, encoder = self.config, self.evaluation.encoder
        seed = int(chosen.entry["seed"])
        trained = self.paths.train(self.task.name, chosen.method) / f"seed-{seed}"
        model = load_run(trained, encoder, self.task)
        layer = head_layer(model)
        names = self._fit_erasers(chosen.method, seed, model, trained, layer, folder / ERASERS)
        of = {"method": chosen.method, "seed": seed}
        record: dict[str, Any] = {
            **of,
            "task": self.task.name,
            "unit": self.task.unit,
            "seeds": chosen.seeds,
            "failed_seeds": chosen.failed,
            "rule": chosen.rule,
            "metric": METRIC,
            "score": chosen.score,
            "refusal": chosen.refusal,
            "numbers": seed_numbers(self.rows, chosen.method, seed, layer),
            "erasers": {
                name: seed_numbers(self.rows, f"{chosen.method}+{name}", seed, layer)
                for name in names
            },
            "layer": layer,
            "run_key": run["run_key"],
            "seed_key": chosen.entry["run_key"],
            "params_hash": sha256_json(run["params"]),
            "data_hash": run["data_hash"],
            "encoder_hash": run["encoder_hash"],
            "weights_hash": checkpoint_hash(trained),
            "languages": sorted(config.corpora.languages),
            "source": config.corpora.source,
            "licence": encoder.card.licence,
            "code": code_hash("release"),
        }
        adopted = config.model_dump(include={"adopted"})["adopted"]
        if origin := origin_of(adopted, run):
            record["origin"] = origin
        elif self.task.name in adopted.get(chosen.method, {}):
            logger.warning(
                "%s %s was trained with other values than langspec adopt wrote; its version is "
                "not said to be a sweep's winner",
                self.task.name, chosen.method,
            )  # fmt: skip
        facts = ExportFacts(
            task=self.task.name,
            method=chosen.method,
            seed=seed,
            starting=encoder.card,
            run=run,
            source=config.corpora.source,
            languages=config.corpora.languages,
            sources=read_json(self.paths.corpora / "card.json")["sources"],
            head_unit=self.task.unit,
            trained=read_card(trained).trains_encoder,
            generated=config.corpora.kind == "demo",
        )
        scores = language_scores(self.rows, chosen.method, seed)
        write_text(folder / CARD, registered_card(facts, record, scores))
        # What will be served is opened once, before anything is registered.
        with tempfile.TemporaryDirectory(prefix="langspec-") as name:
            served = Path(name) / "model"
            _assemble(self.paths, record, folder.parent, served)
            predictor = load_predictor(served)
            example = _example(predictor.head.columns)
            record["example"] = example
            for eraser in ("", *names):
                predictor.predict(example, eraser)
        record["key"] = sha256_json(record | {"card": (folder / CARD).read_text("utf-8")})
        return record

    def _fit_erasers(
        self, method: str, seed: int, model: Any, trained: Path, layer: int, folder: Path
    ) -> list[str]:
        """Fit the erasers of ``params.yaml`` that are one map for all languages; their names."""
        from langspec.erasure import make_eraser
        from langspec.erasure.saved import save_eraser, weights_hash
        from langspec.measurement.erased import fit_maps
        from langspec.modelling.saved import read_card
        from langspec.stages.erase import eraser_options

        values = self.config.evaluate.erasers
        if method not in values.of:
            return []
        unit = "token" if self.task.unit == "token" else "sentence"
        options = eraser_options(self.config)
        trains = read_card(trained).trains_encoder
        state = checkpoint_hash(trained) if trains else self.evaluation.encoder.card.sha256
        bank = self.evaluation.text_bank(model.encoder, state, f"{method} {seed}")
        identity = weights_hash(model.encoder)
        kept: list[str] = []
        for name in values.run:
            fitted = fit_maps(bank, name, options, [unit], [layer])[unit, layer]
            if fitted.by_language:
                continue  # it would have to be told, or guess, the language of every text
            save_eraser(
                folder / name, fitted, encoder=identity, unit=unit, layer=layer,
                options=make_eraser(name, options).options(),
            )  # fmt: skip
            kept.append(name)
        return kept


def _example(columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows that any model of these columns takes."""
    text = {"text": "The dog sees a small tree."}
    pair = {"premise": "The dog sees a small tree.", "hypothesis": "The dog sees a tree."}
    return [pair if "premise" in columns else text]


def _assemble(paths: Paths, version: dict[str, Any], place: Path, folder: Path) -> None:
    """The served folder of a version from outs that DVC keeps."""
    from langspec.encoders.load import load_encoder
    from langspec.release.assemble import assemble
    from langspec.tasks import get_task

    own = place / version["method"]
    trained = require(
        paths.train(version["task"], version["method"]) / f"seed-{version['seed']}",
        f"train --task {version['task']} --method {version['method']}",
    )
    if checkpoint_hash(trained) != version["weights_hash"]:
        # Its card would tell the numbers of other weights.
        raise LangspecError(
            f"{trained} was trained anew since; run: langspec register", place=place / RECORD
        )
    assemble(
        folder,
        trained,
        load_encoder(require(paths.encoder, "encoder")),
        get_task(version["task"], paths.corpora),
        (own / CARD).read_text(encoding="utf-8"),
        own / ERASERS,
    )
