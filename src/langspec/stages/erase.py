"""The part of stage evaluate that measures erasers; one call a checkpoint."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from langspec.erasure import EraserOptions
from langspec.measurement.erased import (
    Maps,
    erased_leak,
    fit_maps,
    head_predictions,
    require_languages,
)
from langspec.measurement.rows import Origin
from langspec.measurement.task_scores import task_scores
from langspec.results import Result, label
from langspec.stages.common import code_hash

if TYPE_CHECKING:
    from langspec.config import Config
    from langspec.stages.measure import Evaluation

logger = logging.getLogger(__name__)
PLACE = "evaluate.erasers.run"


def eraser_options(config: Config) -> EraserOptions:
    """The options of all erasers from ``evaluate.erasers``."""
    values = config.evaluate.erasers
    return EraserOptions(
        lir_rank=values.lir.rank,
        lsar_rank=values.lsar.rank,
        inlp_rounds=values.inlp.rounds,
        anchor=config.corpora.source if values.anchor == "source" else None,
    )


class Erasing:
    """Erasers of one evaluation; refuses at once what it could not fit them on.

    Raises:
        LangspecError: language text without training lines, in one language, or without a
            language of the task.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.values = evaluation.config.evaluate.erasers
        self.options = eraser_options(evaluation.config)
        self._maps: dict[tuple[str, str], Maps] = {}
        self.code = code_hash("erasure")
        if self.values.run:
            rows = evaluation.text_rows
            require_languages(
                rows.languages, rows.splits, evaluation.config.corpora.languages, place=PLACE
            )
        if any(name.endswith("_oracle") for name in self.values.run):
            logger.warning(
                "oracle erasers are told the language of every text they are tested on: they "
                "write the label into the features, and a linear probe at chance proves nothing"
            )

    def rows(
        self, method: str, seed: int, model: Any, checkpoint: str, state: str, *, leak: bool
    ) -> list[Result]:
        """Rows of every eraser on one checkpoint, column ``eraser``.

        Args:
            method: of the checkpoint.
            seed: of the checkpoint.
            model: the trained encoder with its head.
            checkpoint: hash of the checkpoint, head included.
            state: hash of the encoder alone, equal for all seeds of a frozen one.
            leak: measure the leak too (once for all seeds of a frozen encoder, as seed 0).
        """
        if method not in self.values.of:
            return []
        rows: list[Result] = []
        self._maps = {key: maps for key, maps in self._maps.items() if key[0] == state}
        for name in self.values.run:
            if leak:
                of_encoder = 0 if state != checkpoint else seed
                rows += self._leak(method, of_encoder, name, model, state)
        if self.values.run:
            rows += self._scores(method, seed, model, checkpoint, state)
        return rows

    # --- leak --------------------------------------------------------------------------------

    def _leak(self, method: str, seed: int, name: str, model: Any, state: str) -> list[Result]:
        evaluation = self.evaluation
        options = evaluation.leak_options
        layers = self._layers(model)

        def measure() -> list[dict[str, Any]]:
            bank = evaluation.text_bank(model.encoder, state, f"{method} {seed}")
            maps = fit_maps(bank, name, self.options, options.units, layers)
            self._maps[state, name] = maps
            origin = Origin(
                evaluation.task.name, method, seed, "text", "test", "erasure", eraser=name
            )
            rows = erased_leak(
                bank, maps, origin, options, progress=f"probe: {label(method, name)} {seed}"
            )
            return [asdict(row) for row in rows]

        key = {
            **self._key(name),
            "state": state,
            "layers": layers,
            "leak": asdict(options),
        }
        found = [Result(**row) for row in evaluation.cached("erased_leaks", key, measure)]
        return [replace(r, task=evaluation.task.name, method=method, seed=seed) for r in found]

    def _layers(self, model: Any) -> list[int]:
        """Layers to erase: all, or the one that the head reads."""
        total = int(model.encoder.config.num_hidden_layers)
        if self.values.layers == "all":
            return list(range(total + 1))
        return [model.head_layer]

    # --- task --------------------------------------------------------------------------------

    def _scores(
        self, method: str, seed: int, model: Any, checkpoint: str, state: str
    ) -> list[Result]:
        """The task's head, kept, on erased vectors of the layer that it reads."""
        evaluation = self.evaluation
        names = self.values.run

        def measure() -> dict[str, list[int]]:
            vectors = evaluation.test_vectors(state, model)
            language, _ = evaluation.unit_columns(evaluation.test)
            # A pair is erased by what was fitted on single texts: the nearest that there is.
            unit = "token" if evaluation.task.unit == "token" else "sentence"
            layer = model.head_layer
            predicted: dict[str, list[int]] = {}
            for name in names:
                maps = self._maps.get((state, name))
                if maps is None or (unit, layer) not in maps:
                    bank = evaluation.text_bank(model.encoder, state, f"{method} {seed}")
                    maps = fit_maps(bank, name, self.options, [unit], [layer])
                    self._maps[state, name] = maps
                found = head_predictions(model.heads["task"], vectors, maps[unit, layer], language)
                predicted[name] = found.tolist()
            return predicted

        key = {**self._key(*names), "checkpoint": checkpoint, "corpus": evaluation.task_hash}
        predicted = evaluation.cached("erased_predictions", key, measure)
        language, item = evaluation.unit_columns(evaluation.test)
        rows = []
        for name in names:
            origin = Origin(
                evaluation.task.name,
                method,
                seed,
                evaluation.task.name,
                "test",
                "erasure",
                eraser=name,
            )
            rows += task_scores(
                origin,
                language,
                item,
                evaluation.test.labels,
                np.asarray(predicted[name], dtype=np.int64),
                classes=len(evaluation.task.labels),
                unit=evaluation.task.unit,
                source=evaluation.config.corpora.source,
                options=evaluation.bootstrap,
                layer=model.head_layer,
            )
        return rows

    def _key(self, *names: str) -> dict[str, Any]:
        """What every cached value depends on besides the checkpoint."""
        evaluation = self.evaluation
        return {
            "erasers": names,
            "options": asdict(self.options),
            "erasure": self.code,
            "text": evaluation.text_hash,
            "languages": evaluation.config.corpora.languages,
            "card": [evaluation.encoder.card.prefix, evaluation.encoder.card.max_tokens],
            "bank": asdict(evaluation.text_bank_options),
        }
