"""What a training depends on, and the keys that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.files import sha256_json
from langspec.objectives import get_method
from langspec.precedence import of_method
from langspec.section import flatten

if TYPE_CHECKING:
    from langspec.config import Config

_TRAIN = ("selection", "feature_layer", "dropout", "head_init", "weight_decay", "warmup",
          "schedule", "clip")  # fmt: skip
_ENCODER = ("kind", "name", "prefix", "pooling", "max_tokens")


def run_settings(
    config: Config, task: str, method: str, *, exclude_unset: bool = False
) -> dict[str, Any]:
    """Everything in params.yaml that every training of a method depends on, by dotted path.

    A value of the task that the method replaces by one of its own is left out, and so is what a
    method does not read: a head on a frozen encoder, say, knows no rate of the encoder.

    Args:
        config: the configuration.
        task: the task.
        method: the method.
        exclude_unset: leave out the keys of ``overrides`` that nobody wrote.
    """
    train, chosen = config.train, get_method(method)
    # Not the other points of its path: they are other runs.
    section = getattr(train.methods, method)
    values = section.model_dump(exclude={"path", "path_seeds"}, exclude_unset=exclude_unset)
    of_task = getattr(train, task).model_dump()
    unread = {key for key in section.not_searched if key in of_task}
    overrides = values["overrides"].get(task, {})
    values["overrides"] = {task: {k: v for k, v in overrides.items() if k not in unread}}
    of_task = {
        key: value
        for key, value in of_task.items()
        if key not in unread and of_method(section, task, key) is None
    }
    read: dict[str, Any] = {}
    if chosen.trains_encoder:
        read |= {"accumulate": train.accumulate, "watch": train.watch.model_dump()}
    if chosen.reads_language:
        read |= {"batch": train.batch.model_dump(), "language_split": train.language_split}
    return flatten(
        {
            "corpora": {"source": config.corpora.source},
            # Not how many seeds are trained side by side, or with how much memory: they are the
            # same seeds. How many processes share a step is told apart from these.
            "compute": config.compute.model_dump(exclude={"workers", "launch", "trim_vocabulary"}),
            "encoder": {key: getattr(config.encoder, key) for key in _ENCODER},
            "train": {
                **{key: getattr(train, key) for key in _TRAIN},
                **read,
                task: of_task,
                "methods": {method: values},
            },
        }
    )


@dataclass(frozen=True)
class SeedJob:
    """One training of stage train: ``seed``, written to ``folder``; None: nothing is written.

    ``strength`` is another lambda than the method's: a point of its path.
    """

    seed: int
    folder: Path | None
    strength: float | None = None

    @property
    def name(self) -> str:
        """What it is called in progress bars, errors and runs."""
        point = "" if self.strength is None else f"lambda {self.strength:g} "
        return f"{point}seed {self.seed}"


@dataclass(frozen=True)
class TrainingFacts:
    """What the trainings of a method have in common: equal in all workers.

    Attributes:
        identity: JSON-able: settings, task, method, hashes of data and encoder, precision,
            processes.
        run_key: the hash of the identity and of the code; trainings of one key and seed end with
            equal weights.
        main_process: is this the one, of processes started by a launcher, that writes?
        rows: training rows.
        truncated: how many of them were cut to the encoder's length.
        selection_languages: whose rows choose the epoch.
    """

    identity: Mapping[str, Any]
    run_key: str
    main_process: bool
    rows: int
    truncated: int
    selection_languages: tuple[str, ...] = ()

    def key(self, job: SeedJob) -> str:
        """SHA-256 of what one job depends on."""
        return seed_key(self.run_key, job.seed, job.strength)

    def checkpoints(self, cache: Path, job: SeedJob) -> Path:
        """The folder of a job's checkpoints while it is trained."""
        return cache / "checkpoints" / self.key(job)[:24]


def seed_key(run_key: str, seed: int, strength: float | None = None) -> str:
    """SHA-256 of what one seed of a run depends on."""
    point = {} if strength is None else {"strength": strength}
    return sha256_json({"run": run_key, "seed": seed, **point})
