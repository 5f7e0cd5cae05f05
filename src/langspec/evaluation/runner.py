"""Taking measures of subjects, one after the other, for stage evaluate and for an audit."""

from __future__ import annotations

# ruff: noqa: F401 - workers are forked from a process that has imported this module
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from langspec.compute import device_type
from langspec.encoders.load import random_encoder
from langspec.evaluation.bench import Bench
from langspec.evaluation.work import TrainedRun, Work, check_layers
from langspec.files import sha256_folder
from langspec.measurement import beyond, erased, geometry, moves, projection
from langspec.measures.base import (
    RANDOM_ENCODER,
    RUN,
    TEXTS,
    TRAINING,
    Findings,
    Measure,
    Subject,
)
from langspec.measures.discovery import measures
from langspec.modelling.saved import build_model, load_run, read_card
from langspec.results import EVERY, RANDOM
from langspec.tasks import get_task

if TYPE_CHECKING:
    from langspec.config import Config
    from langspec.paths import Paths


def walk(
    subjects: Iterable[Subject],
    taken: Iterable[Measure],
    around: Callable[[Measure], AbstractContextManager[Any]] = nullcontext,
) -> Findings:
    """Take every measure of every subject that it applies to.

    Args:
        subjects: in the order of their rows.
        taken: the measures, in the order in which they are taken of each subject.
        around: makes a context for taking a measure, such as one that times it.
    """
    findings, taken = Findings(), tuple(taken)
    for subject in subjects:
        for measure in taken:
            if measure.applies(subject):
                with around(measure):
                    measure.measure(subject, findings)
    return findings


class Runner:
    """A worker of stage evaluate: made once a process, then called for one work after the other.

    Args:
        config: the configuration.
        paths: of the run.
        task: name of the task.
        limit_gb: size that the folder of feature banks is reduced to.
        retrain: trains a run once more (:mod:`langspec.measures.leak_trajectory`).
    """

    facts = None

    def __init__(
        self, config: Config, paths: Paths, task: str, limit_gb: float, retrain: Callable[..., Any]
    ) -> None:
        torch.set_num_threads(config.compute.threads)
        self.device = torch.device(device_type())
        self.bench = Bench(config, paths, get_task(task, paths.corpora), limit_gb)
        self.bench.retrain = retrain
        check_layers(config, int(self.bench.encoder.model.config.num_hidden_layers))
        # All are made first: one that cannot be taken is refused before anything is encoded.
        self.measures = [one(self.bench) for one in measures()]

    def __call__(self, work: Work, tell: Callable[[Any], None]) -> Findings:
        """Take all measures of the work; ``tell`` is not used."""
        return walk(self._subjects(work), self.measures)

    def _subjects(self, work: Work) -> Iterator[Subject]:
        """Load the subjects one by one."""
        for run in work.runs:
            yield trained_subject(self.bench, run, self.device)
        if work.random:
            yield random_subject(self.bench, self.device)
        if work.training is not None:
            run = work.training
            yield Subject(TRAINING, run.method, run.seed, folder=run.folder)
        if work.texts:
            yield Subject(TEXTS, EVERY, 0)


def trained_subject(bench: Bench, run: TrainedRun, device: Any) -> Subject:
    """Load a trained run."""
    trained = read_card(run.folder).trains_encoder
    checkpoint = sha256_folder(run.folder)
    return Subject(
        kind=RUN,
        method=run.method,
        seed=run.seed,
        model=load_run(run.folder, bench.encoder, bench.task).to(device),
        checkpoint=checkpoint,
        # The encoder of a frozen run is the starting one whatever its seed: it is measured once.
        state=checkpoint if trained else bench.encoder.card.sha256,
        trained=trained,
        first=run.first,
        strength=run.strength,
        folder=run.folder,
    )


def random_subject(bench: Bench, device: Any) -> Subject:
    """Make the encoder with random weights, with a head that only says which layer heads read."""
    seed = bench.config.evaluate.seed
    encoder: Any = random_encoder(bench.encoder, seed).model
    state = f"random-{seed}-{bench.encoder.card.sha256}"
    if (lines := bench.config.evaluate.random_lines) is not None:
        state = f"{state}-{lines}"
        bench.lines[state] = lines
    model = build_model(
        replace(bench.encoder, model=encoder.to(device)),
        bench.task,
        feature_layer=bench.config.train.feature_layer,
        dropout=0.0,
        init=1.0,
    )
    return Subject(RANDOM_ENCODER, RANDOM, 0, model=model, checkpoint=state, state=state)
