"""Language leak: what a linear probe reads of the language, layer by layer."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from langspec.measures.base import (
    AUDIT,
    EVALUATE,
    Cost,
    Findings,
    Measure,
    Shape,
    Subject,
    scored_probe_seconds,
)

if TYPE_CHECKING:
    import numpy as np


class LinearLeak(Measure):
    """The linear language probe on language text, of words and of texts, at every layer."""

    title: ClassVar[str] = "linear probes"
    takers: ClassVar[frozenset[str]] = frozenset({EVALUATE, AUDIT})
    name: ClassVar[str] = "leak"
    order: ClassVar[int] = 20
    on_path: ClassVar[bool] = True

    @classmethod
    def cost(cls, config: Any, shape: Shape) -> Cost:
        """Two probes a layer and encoder."""
        count = shape.leaks * shape.layers * 2
        seconds = scored_probe_seconds(shape, count, config.features.max_tokens_per_language)
        return Cost("probe", f"{count} linear probes of words and texts", seconds)

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Rows of every unit and layer, and what is taken for what; cached by the encoder."""
        bench = self.bench
        key = {"state": subject.state, **bench.text_key, **bench.probe_key}
        value = self.cached("leaks", key, lambda: self._probed(subject))
        named = {"method": subject.method, "seed": subject.encoder_seed}
        rows = self.named_rows(value["rows"], **named, strength=subject.strength)
        findings.add(rows)
        findings.add_table("confusions", value["confusions"])

    def _probed(self, subject: Subject) -> dict[str, Any]:
        from langspec.measurement.leak import language_leak
        from langspec.measurement.rows import Origin
        from langspec.measurement.scores import confusion

        bench, confusions = self.bench, []
        bank = bench.text_bank(subject.model.encoder, subject.state, subject.title)

        def keep(unit: str, layer: int, gold: np.ndarray, predicted: np.ndarray) -> None:
            table = confusion(gold, predicted, len(bank.languages))
            confusions.append([unit, layer, table.tolist()])

        rows = language_leak(
            bank,
            Origin(bench.task.name, "", 0, bench.corpus, "test", self.name),
            bench.probe,
            bench.bootstrap,
            progress=f"probe: {subject.title}",
            keep=keep,
        )
        return {"rows": [asdict(row) for row in rows], "confusions": confusions}
