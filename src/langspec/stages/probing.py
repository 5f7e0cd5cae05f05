"""The part of stage evaluate that looks beyond the linear probe; one call a checkpoint."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from langspec.errors import LangspecError
from langspec.features.bank import Bank, BankOptions, BankRows
from langspec.features.words import unit_texts
from langspec.measurement.beyond import BeyondOptions, beyond_linear
from langspec.measurement.leak import LeakOptions, language_leak
from langspec.measurement.mlp import MlpOptions
from langspec.measurement.ngrams import NgramOptions
from langspec.measurement.probe import ProbeOptions
from langspec.measurement.rows import Origin
from langspec.measurement.task_text import item_splits
from langspec.results import EVERY, Result

if TYPE_CHECKING:
    from langspec.config import Config
    from langspec.stages.measure import Evaluation

PLACE = "evaluate.beyond"
NGRAMS = "char_ngrams"


def beyond_options(config: Config) -> BeyondOptions:
    """The options from ``evaluate.beyond`` and what all probes share."""
    values, probe = config.evaluate.beyond, config.evaluate.probe
    return BeyondOptions(
        run=tuple(values.run),
        layers=None if values.layers is None else tuple(values.layers),
        max_train_per_language=values.max_train_per_language,
        probe=ProbeOptions(
            strengths=tuple(probe.strengths),
            max_iterations=probe.max_iterations,
            tolerance=probe.tolerance,
        ),
        mlp=MlpOptions(
            hidden=values.mlp.hidden,
            decays=tuple(values.mlp.decays),
            max_epochs=values.mlp.max_epochs,
        ),
        ngrams=NgramOptions(
            orders=(1, values.char_ngrams.longest), strengths=tuple(values.char_ngrams.strengths)
        ),
        seed=config.evaluate.seed,
    )


class Probing:
    """Everything of ``evaluate.beyond`` for one evaluation."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.options = replace(beyond_options(evaluation.config), bootstrap=evaluation.bootstrap)
        self.task_text = evaluation.config.evaluate.beyond.task_text

    def rows(self, method: str, seed: int, encoder: Any, state: str) -> list[Result]:
        """Rows of one encoder, known by the hash ``state``: language text, then task text."""
        run = tuple(name for name in self.options.run if name != NGRAMS)
        rows = self._beyond(method, seed, encoder, state, run) if run else []
        return rows + (self._task_text(method, seed, encoder, state) if self.task_text else [])

    def text_rows(self, encoder: Any, state: str) -> list[Result]:
        """Rows of the texts themselves, under method ``all``; any encoder's bank says which."""
        return (
            self._beyond(EVERY, 0, encoder, state, (NGRAMS,)) if NGRAMS in self.options.run else []
        )

    # --- language text -----------------------------------------------------------------------

    def _beyond(
        self, method: str, seed: int, encoder: Any, state: str, run: tuple[str, ...]
    ) -> list[Result]:
        evaluation, options = self.evaluation, replace(self.options, run=run)

        def measure() -> list[dict[str, Any]]:
            bank = evaluation.text_bank(encoder, state, f"{method} {seed}")
            tokens, sentences = self._texts(bank)
            rows = beyond_linear(
                bank,
                Origin(evaluation.task.name, method, seed, "text", "test", "beyond"),
                options,
                token_texts=tokens,
                sentence_texts=sentences,
                progress=f"beyond: {method} {seed}",
            )
            return [asdict(row) for row in rows]

        key = {
            **self._key(),
            # Which units are probed does not depend on the encoder.
            "state": None if run == (NGRAMS,) else state,
            "corpus": evaluation.text_hash,
            "bank": asdict(evaluation.text_bank_options),
            "options": asdict(options),
        }
        return self._named(evaluation.cached("beyond", key, measure), method, seed)

    def _texts(self, bank: Bank) -> tuple[list[str], list[str]]:
        """The word of each token vector, the line of each sentence vector."""
        evaluation, card = self.evaluation, self.evaluation.encoder.card
        words = unit_texts(
            evaluation.encoder.tokenizer,
            evaluation.texts,
            bank.token_meta,
            max_tokens=card.max_tokens,
            prefix=card.prefix,
        )
        return words, [evaluation.texts[row] for row in bank.sentence_meta.row]

    # --- task text ---------------------------------------------------------------------------

    def _task_text(self, method: str, seed: int, encoder: Any, state: str) -> list[Result]:
        """The linear probe at every layer on the task's test texts, under the task's corpus."""
        evaluation, config = self.evaluation, self.evaluation.config
        test, token = evaluation.test, evaluation.task.unit == "token"
        options = LeakOptions(
            probe=self.options.probe,
            bootstrap=self.options.bootstrap,
            units=("token", "sentence") if token else ("pair",),
        )
        bank_options = BankOptions(
            max_tokens_per_language=self.task_text if token else 0,
            max_sentences_per_language=self.task_text,
            pooling=evaluation.encoder.card.pooling,  # type: ignore[arg-type]
            seed=config.evaluate.seed,
            tokens_per_batch=config.features.batch_tokens,
        )

        def measure() -> list[dict[str, Any]]:
            items = self._items()
            rows = BankRows(
                languages=test.languages.tolist(),
                splits=item_splits(items, seed=config.evaluate.seed),
                lines=items,
            )
            title = f"encode task text: {method} {seed}"
            bank = evaluation.bank(
                encoder, state, evaluation.task_hash, test.inputs, rows, bank_options, title
            )
            origin = Origin(
                evaluation.task.name, method, seed, evaluation.task.name, "test", "task_text"
            )
            try:
                found = language_leak(bank, origin, options, progress=f"probe: {method} {seed}")
            except LangspecError as error:
                raise LangspecError(
                    f"{error}; these are test rows of {evaluation.task.name}: 0 leaves them out",
                    place=f"{PLACE}.task_text",
                ) from None
            return [asdict(row) for row in found if row.language == "all"]

        key = {
            **self._key(),
            "state": state,
            "corpus": evaluation.task_hash,
            "bank": asdict(bank_options),
            "leak": asdict(options),
        }
        return self._named(evaluation.cached("task_text", key, measure), method, seed)

    def _items(self) -> np.ndarray:
        """int ``[R]``: rows of the test set that may be translations of each other share one.

        Sentences of parallel treebanks share their id (after FILE/); sentence pairs their item.
        """
        evaluation = self.evaluation
        if evaluation.task.unit == "pair":
            return evaluation.test.items
        ids = [name.rpartition("/")[2] for name in evaluation.test_table["id"].to_pylist()]
        return np.unique(np.asarray(ids), return_inverse=True)[1]

    # --- both --------------------------------------------------------------------------------

    def _key(self) -> dict[str, Any]:
        evaluation, card = self.evaluation, self.evaluation.encoder.card
        return {
            "languages": evaluation.config.corpora.languages,
            "card": [card.prefix, card.max_tokens, card.pooling, card.sha256],
            "batch_tokens": evaluation.config.features.batch_tokens,
            "seed": evaluation.config.evaluate.seed,
        }

    def _named(self, found: list[dict[str, Any]], method: str, seed: int) -> list[Result]:
        """Rows from the cache, perhaps of another task's evaluation, under this one's name."""
        task = self.evaluation.task.name
        return [replace(Result(**row), task=task, method=method, seed=seed) for row in found]
