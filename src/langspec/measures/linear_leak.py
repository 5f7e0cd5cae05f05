"""Language leak: what a linear probe reads of the language, layer by layer."""

from __future__ import annotations

from typing import Any, ClassVar

from langspec.measures.base import (
    Cost,
    Findings,
    Measure,
    Shape,
    Subject,
    scored_probe_seconds,
)
from langspec.results import Result


class LinearLeak(Measure):
    """The linear language probe on language text, of words and of texts, at every layer."""

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
        """Rows of every unit and layer, cached by the encoder."""
        from langspec.measurement.leak import language_leak
        from langspec.measurement.rows import Origin

        bench, seed = self.bench, subject.encoder_seed

        def compute() -> list[Result]:
            bank = bench.text_bank(subject.model.encoder, subject.state, subject.title)
            origin = Origin(bench.task.name, subject.method, seed, "text", "test", self.name)
            title = f"probe: {subject.title}"
            return language_leak(bank, origin, bench.probe, bench.bootstrap, progress=title)

        key = {"state": subject.state, **bench.text_key, **bench.probe_key}
        named = {"method": subject.method, "seed": seed, "strength": subject.strength}
        findings.add(self.cached_rows("leaks", key, compute, **named))
