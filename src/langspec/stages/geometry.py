"""The part of stage evaluate that measures geometry and alignment; one call a checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from langspec.features.bank import Bank, BankOptions, BankRows
from langspec.files import read_json
from langspec.measurement.alignment import AlignmentOptions, linear_cka, retrieval
from langspec.measurement.geometry import GeometryOptions, label_geometry, language_geometry
from langspec.measurement.moves import MovesOptions, moves
from langspec.measurement.rows import Origin
from langspec.paths import require
from langspec.results import Result

if TYPE_CHECKING:
    from langspec.stages.measure import Evaluation

logger = logging.getLogger(__name__)


class Geometry:
    """Geometry of one evaluation: of every checkpoint by itself, and beside its start."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.values = evaluation.config.evaluate.geometry
        card = read_json(require(evaluation.paths.corpora / "card.json", "corpora"))
        notes = card["corpora"]["text"].get("notes", {})
        # Wikipedia's paragraphs are numbered, but no translations: only files of lines say so.
        self.parallel = str(notes.get("parallel", "no")).startswith("yes")
        if self.values.run and not self.parallel:
            logger.info("the language text is not parallel by line: no retrieval is measured")

    def rows(
        self, method: str, seed: int, encoder: Any, state: str, *, trained: bool
    ) -> list[Result]:
        """Rows of one encoder.

        Args:
            method: of the checkpoint, or ``random``.
            seed: of the checkpoint.
            encoder: its encoder.
            state: hash of the encoder.
            trained: it was trained from the starting encoder, so that what moved can be measured.
        """
        if not self.values.run:
            return []
        task = self.evaluation.task.name
        start = self.evaluation.encoder.card.sha256
        found = self._text(method, seed, encoder, state)
        found += self._task(method, seed, encoder, state)
        if state != start:
            found += self._beside_start(method, seed, encoder, state, trained)
        return [replace(row, task=task, method=method, seed=seed) for row in found]

    # --- a checkpoint by itself ---------------------------------------------------------------

    def _text(self, method: str, seed: int, encoder: Any, state: str) -> list[Result]:
        """Geometry and retrieval on the language text; the same for every task."""
        origin, source = self._origin("text"), self.evaluation.config.corpora.source

        def measure() -> list[Result]:
            bank = self.evaluation.text_bank(encoder, state, f"{method} {seed}")
            rows = language_geometry(bank, origin, self._options("token", "sentence"))
            if self.parallel:
                rows += retrieval(bank, origin, source, self._alignment("sentence"))
            return rows

        key = {"state": state, "source": source, "parallel": self.parallel}
        return self._cached("geometry_text", key | self._text_key(), measure)

    def _task(self, method: str, seed: int, encoder: Any, state: str) -> list[Result]:
        """Geometry of languages and labels on the task's test text."""
        origin = self._origin(self.evaluation.task.name)

        def measure() -> list[Result]:
            bank = self._task_bank(encoder, state, f"{method} {seed}")
            options = self._options(self._unit)
            return [
                replace(row, unit=self.evaluation.task.unit)
                for factor in (language_geometry, label_geometry)
                for row in factor(bank, origin, options)
            ]

        return self._cached("geometry_task", {"state": state} | self._task_key(), measure)

    # --- beside the start ---------------------------------------------------------------------

    def _beside_start(
        self, method: str, seed: int, encoder: Any, state: str, trained: bool
    ) -> list[Result]:
        """CKA with the starting encoder, and what moved, on the language text and the task's."""
        evaluation, start = self.evaluation, self.evaluation.encoder.card.sha256
        own = evaluation.task.name

        def compared(text: bool) -> list[Result]:
            banks = evaluation.text_bank if text else self._task_bank
            bank = banks(encoder, state, f"{method} {seed}")
            # On the device of the trained one; the bank is nearly always there already.
            model = evaluation.encoder.model.to(next(encoder.parameters()).device)
            before = banks(model, start, "the starting encoder")
            units = ("token", "sentence") if text else (self._unit,)
            origin = self._origin("text" if text else own)
            rows = linear_cka(bank, before, origin, self._alignment(*units))
            if trained:
                split = "test" if text else None
                options = MovesOptions(
                    units=units, split=split, seed=evaluation.config.evaluate.seed
                )
                rows += moves(bank, before, origin, options)
            return rows if text else [replace(row, unit=evaluation.task.unit) for row in rows]

        key = {"state": state, "start": start, "moves": trained}
        return [
            *self._cached("moves_text", key | self._text_key(), lambda: compared(True)),
            *self._cached("moves_task", key | self._task_key(), lambda: compared(False)),
        ]

    # --- banks --------------------------------------------------------------------------------

    @property
    def _unit(self) -> str:
        """What a bank of the task's text holds; a pair is kept as one text."""
        return "token" if self.evaluation.task.unit == "token" else "sentence"

    def _task_bank(self, encoder: Any, state: str, title: str) -> Bank:
        """Labelled vectors of the task's test text, every layer; lines are items."""
        evaluation, token = self.evaluation, self._unit == "token"
        rows = BankRows(
            languages=evaluation.test.languages.tolist(),
            lines=evaluation.test.items,
            token_labels=evaluation.test.labels if token else None,
            row_labels=None if token else evaluation.test.labels,
        )
        return evaluation.bank(
            encoder,
            state,
            f"{evaluation.task_hash}, lines are items",
            evaluation.test.inputs,
            rows,
            self._bank_options(),
            f"encode task text: {title}",
        )

    def _bank_options(self) -> BankOptions:
        evaluation, most = self.evaluation, self.values.vectors
        token = self._unit == "token"
        return BankOptions(
            max_tokens_per_language=most if token else 0,
            max_sentences_per_language=0 if token else most,
            whole_rows=True,
            pooling=evaluation.encoder.card.pooling,  # type: ignore[arg-type]
            seed=evaluation.config.evaluate.seed,
            tokens_per_batch=evaluation.config.features.batch_tokens,
        )

    # --- options and keys ---------------------------------------------------------------------

    def _origin(self, corpus: str) -> Origin:
        return Origin(self.evaluation.task.name, "", 0, corpus, "test", "geometry")

    def _options(self, *units: str) -> GeometryOptions:
        return GeometryOptions(
            units=units,
            per_class=self.values.per_class,
            starts=self.values.starts,
            neighbours=self.values.neighbours,
            seed=self.evaluation.config.evaluate.seed,
        )

    def _alignment(self, *units: str) -> AlignmentOptions:
        return AlignmentOptions(
            candidates=self.values.candidates,
            units=units,
            bootstrap=self.evaluation.bootstrap,
            seed=self.evaluation.config.evaluate.seed,
        )

    def _key(self) -> dict[str, Any]:
        evaluation = self.evaluation
        card = evaluation.encoder.card
        return {
            "options": self.values.model_dump(),
            "bootstrap": asdict(evaluation.bootstrap),
            "languages": evaluation.config.corpora.languages,
            "card": [card.prefix, card.max_tokens, card.pooling],
        }

    def _text_key(self) -> dict[str, Any]:
        evaluation = self.evaluation
        bank = asdict(evaluation.text_bank_options)
        return self._key() | {"text": evaluation.text_hash, "bank": bank}

    def _task_key(self) -> dict[str, Any]:
        evaluation = self.evaluation
        return self._key() | {"corpus": evaluation.task_hash, "bank": asdict(self._bank_options())}

    def _cached(
        self, kind: str, key: dict[str, Any], measure: Callable[[], list[Result]]
    ) -> list[Result]:
        found = self.evaluation.cached(kind, key, lambda: [asdict(row) for row in measure()])
        return [Result(**row) for row in found]
