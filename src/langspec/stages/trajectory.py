"""The part of stage evaluate that follows the leak through a training.

The training of one seed is run once more, and looked at on the way. So training itself measures
nothing, a change of a measure never retrains, and the weights at the end can be compared with
those that were kept: looking changed nothing if they are equal.
"""

from __future__ import annotations

import logging
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file

from langspec.features.bank import BankOptions
from langspec.features.encode import build_bank
from langspec.measurement.probe import ProbeOptions
from langspec.measurement.rows import Origin
from langspec.measurement.trajectory import MomentOptions, moment
from langspec.paths import checkpoint_hash
from langspec.stages.seeds import SeedTrainer
from langspec.stages.train import SeedJob

if TYPE_CHECKING:
    from langspec.stages.measure import Evaluation

logger = logging.getLogger(__name__)


def chosen_steps(total: int, points: int) -> list[int]:
    """Steps to look at: the start, the end, and ``points - 1`` between them, evenly."""
    return sorted({round(step) for step in np.linspace(0, total, points + 1)})


class Trajectory:
    """Follows one training a call."""

    def __init__(self, evaluation: Evaluation, root: Path) -> None:
        self.evaluation, self.root = evaluation, root
        self.values = evaluation.config.evaluate.trajectory

    def rows(self, method: str, seed: int, folder: Path) -> list[dict[str, Any]]:
        """Tidy rows with a ``step``; ``same_weights`` (0/1) compares the end with what was kept.

        Args:
            method: that was trained.
            seed: of the training.
            folder: of the trained seed, for its number of steps and its weights.
        """
        evaluation = self.evaluation
        probe = evaluation.config.evaluate.probe
        key = {
            "checkpoint": checkpoint_hash(folder),
            "text": evaluation.text_hash,
            "values": self.values.model_dump(exclude={"of"}),
            "probe": probe.model_dump(),
            "bank": asdict(self._bank_options()),
        }
        found: list[dict[str, Any]] = evaluation.cached(
            "trajectories", key, lambda: self._follow(method, seed, folder)
        )
        return found

    def _follow(self, method: str, seed: int, folder: Path) -> list[dict[str, Any]]:
        evaluation = self.evaluation
        # All lines but the header: a step each.
        total = len((folder / "steps.csv").read_text(encoding="utf-8").splitlines()) - 1
        wanted = set(chosen_steps(total, self.values.points))
        trainer = SeedTrainer(evaluation.config, self.root, evaluation.task.name, method)
        origin = Origin(evaluation.task.name, method, seed, "text", "test", "trajectory")
        rows: list[dict[str, Any]] = []

        def look(step: int, metrics: dict[str, float], model: Any) -> None:
            if step in wanted:
                wanted.discard(step)  # an epoch's end logs its last step once more
                rows.extend({"step": step} | row for row in self._moment(model.encoder, origin))

        device = trainer.accelerator.device
        wanted.discard(0)
        rows += [
            {"step": 0} | row for row in self._moment(trainer.encoder.model.to(device), origin)
        ]
        result = trainer.train_seed(SeedJob(seed, None), look, None)
        kept = load_file(folder / "model.safetensors")
        same = all(
            name in kept and torch.equal(tensor.cpu(), kept[name])
            for name, tensor in result.tensors.items()
        )
        if not same:
            logger.warning(
                "%s seed %d, trained once more, ends with other weights than those kept: what is "
                "shown is another run of the same recipe",
                method,
                seed,
            )
        last = origin.row("same_weights", same, language="all", unit="token", n=len(kept))
        return [*rows, {"step": total} | asdict(last)]

    def _moment(self, encoder: Any, origin: Origin) -> list[dict[str, Any]]:
        evaluation = self.evaluation
        probe = evaluation.config.evaluate.probe
        options = MomentOptions(
            ProbeOptions(
                strengths=tuple(probe.strengths),
                max_iterations=probe.max_iterations,
                tolerance=probe.tolerance,
            )
        )
        # Dropout goes on afterwards as if nobody had looked.
        with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng():
            bank = build_bank(
                encoder,
                int(evaluation.encoder.tokenizer.pad_token_id),
                evaluation.text_inputs,
                evaluation.text_rows,
                options=self._bank_options(),
                key="moment",
                root=Path(folder),
            )
            return [asdict(row) for row in moment(bank, origin, options)]

    def _bank_options(self) -> BankOptions:
        evaluation = self.evaluation
        return BankOptions(
            max_tokens_per_language=self.values.tokens,
            max_sentences_per_language=self.values.lines,
            whole_rows=True,
            pooling=evaluation.encoder.card.pooling,  # type: ignore[arg-type]
            seed=evaluation.config.evaluate.seed,
            tokens_per_batch=evaluation.config.features.batch_tokens,
        )
