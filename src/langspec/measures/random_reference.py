"""What a probe reads from an encoder with random weights, to compare an audited encoder with."""

from __future__ import annotations

from typing import Any, ClassVar

from langspec.measures.base import AUDIT, Findings, Measure, Subject
from langspec.results import RANDOM, Result


class RandomReference(Measure):
    """The linear probe on an encoder of the same shape with random weights.

    It reads the first and the last layer.
    """

    name: ClassVar[str] = "audit.random"
    order: ClassVar[int] = 95
    title: ClassVar[str] = "random encoder"
    takers: ClassVar[frozenset[str]] = frozenset({AUDIT})
    bench: Any  # langspec.audit.text_bench.TextBench

    @classmethod
    def enabled(cls, evaluate: Any) -> bool:
        """Is the whole audit asked for?"""
        return bool(evaluate.full)

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add rows with the measure ``random``, cached by the hash of the audited encoder."""
        from langspec.measurement.leak import language_leak
        from langspec.measurement.rows import Origin

        bench = self.bench
        origin = Origin(bench.task.name, "", 0, bench.corpus, "test", RANDOM)

        def compute() -> list[Result]:
            bank = bench.random_bank()
            title = f"{subject.method}-random: probes"
            rows = language_leak(bank, origin, bench.probe, bench.bootstrap, progress=title)
            return [row for row in rows if row.probe != "majority"]

        key = {"of": subject.state, **bench.text_key, **bench.probe_key}
        named = {"method": subject.method, "seed": subject.encoder_seed}
        findings.add(self.cached_rows("audit_random", key, compute, **named))
