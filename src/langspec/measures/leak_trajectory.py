"""The leak in the course of a training, from its start to its end.

The training of one seed is run once more and measured at a few steps. So the stage train measures
nothing, and a change of a measure retrains nothing. The weights at the end are compared with those
of the trained run: if they are equal, measuring changed nothing.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from langspec.measures.base import TRAINING, Cost, Findings, Measure, Shape, Subject, probe_seconds
from langspec.section import Count, Section, Text

if TYPE_CHECKING:
    from langspec.features.bank import BankOptions
    from langspec.measurement.rows import Origin

logger = logging.getLogger(__name__)


class TrajectoryOptions(Section):
    """Section ``evaluate.trajectory``: leak by layer and training step.

    Attributes:
        of: methods whose first seed is trained once more.
        points: number of moments after the start, evenly spread over the steps.
        tokens: word vectors at most of each language, of the language text.
        lines: texts at most of each language.
    """

    of: list[Text]
    points: Count
    tokens: Count
    lines: Annotated[int, Field(ge=10)]


def chosen_steps(total: int, points: int) -> list[int]:
    """The steps to measure at: the start, the end, and ``points - 1`` evenly between them."""
    import numpy as np

    return sorted({round(step) for step in np.linspace(0, total, points + 1)})


class LeakTrajectory(Measure):
    """Measures one training at its start, at its end and between them."""

    name: ClassVar[str] = "trajectory"
    order: ClassVar[int] = 90
    key: ClassVar[str] = "trajectory"
    options: ClassVar[type[Section] | None] = TrajectoryOptions
    subjects: ClassVar[frozenset[str]] = frozenset({TRAINING})

    @classmethod
    def enabled(cls, evaluate: Any) -> bool:
        """Is the training of any method to be measured?"""
        return bool(evaluate.trajectory.of)

    @classmethod
    def cost(cls, config: Any, shape: Shape) -> Cost:
        """The cost of the trainings and of the probes at every moment."""
        values = config.evaluate.trajectory
        moments = len(values.of) * (values.points + 1)
        count = moments * shape.layers * 2
        work = (
            f"{len(values.of)} trainings once more (their time: train --dry-run), {count} probes "
            f"at {moments} moments"
        )
        seconds = probe_seconds(shape, count, values.tokens // 2)
        return Cost("trajectory", work, seconds, moments * shape.passes)

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add tidy rows with a ``step``.

        ``same_weights`` (0 or 1) says whether the training ended with the weights of the run.
        """
        from langspec.files import sha256_folder

        assert subject.folder is not None
        key = {
            "checkpoint": sha256_folder(subject.folder),
            "values": self.values.model_dump(exclude={"of"}),
            "moment_bank": asdict(self._bank_options()),
            **self.bench.text_key,
            **self.bench.probe_key,
        }
        retrain = self.bench.retrain
        moments = self.cached("trajectories", key, lambda: self._follow(subject), retrain)
        for moment in moments:
            findings.add_table("trajectory", moment)

    def _follow(self, subject: Subject) -> list[dict[str, Any]]:
        import torch

        from langspec.measurement.rows import Origin
        from langspec.modelling.saved import read_tensors

        bench, folder = self.bench, subject.folder
        assert folder is not None
        assert bench.retrain is not None
        # A line a step, without the header.
        total = len((folder / "steps.csv").read_text(encoding="utf-8").splitlines()) - 1
        wanted = set(chosen_steps(total, self.values.points))
        origin = Origin(bench.task.name, subject.method, subject.seed, "text", "test", self.name)
        rows: list[dict[str, Any]] = []

        def look(step: int, model: Any) -> None:
            if step in wanted:
                wanted.discard(step)  # an epoch's end logs its last step once more
                rows.extend({"step": step} | row for row in self._moment(model.encoder, origin))

        tensors = bench.retrain(
            bench.config, bench.paths.root, bench.task.name, subject.method, subject.seed, look
        )
        saved = read_tensors(folder)
        same = all(
            name in saved and torch.equal(tensor.cpu(), saved[name])
            for name, tensor in tensors.items()
        )
        if not same:
            logger.warning(
                "%s seed %d, trained once more, ends with other weights than those of the trained "
                "run: what is shown is another run of the same recipe",
                subject.method,
                subject.seed,
            )
        last = origin.row("same_weights", same, language="all", unit="token", n=len(saved))
        return [*rows, {"step": total} | asdict(last)]

    def _moment(self, encoder: Any, origin: Origin) -> list[dict[str, Any]]:
        import tempfile
        from pathlib import Path

        import torch

        from langspec.features.encode import build_bank
        from langspec.measurement.trajectory import moment

        bench = self.bench
        # Measuring must not change the random numbers of the training's dropout.
        with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng():
            bank = build_bank(
                encoder,
                int(bench.encoder.tokenizer.pad_token_id),
                bench.text_inputs,
                bench.text_rows,
                options=self._bank_options(),
                key="moment",
                root=Path(folder),
                words=bench.word_inputs,
            )
            return [asdict(row) for row in moment(bank, origin, bench.probe)]

    def _bank_options(self) -> BankOptions:
        return self.bench.bank_options(
            max_tokens_per_language=self.values.tokens,
            max_sentences_per_language=self.values.lines,
            whole_rows=True,
        )
