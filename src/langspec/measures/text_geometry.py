"""The geometry of the language text in an audited encoder."""

from __future__ import annotations

from dataclasses import asdict
from typing import ClassVar

from langspec.measures.base import AUDIT, Findings, Measure, Subject
from langspec.results import Result


class TextGeometry(Measure):
    """Clusters, neighbours, sizes and subspaces of the languages at every layer."""

    name: ClassVar[str] = "audit.geometry"
    order: ClassVar[int] = 24
    title: ClassVar[str] = "geometry"
    takers: ClassVar[frozenset[str]] = frozenset({AUDIT})
    key: ClassVar[str] = "geometry"

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows of one encoder, cached by the hash of its weights."""
        from langspec.measurement.geometry import language_geometry
        from langspec.measurement.rows import Origin

        bench = self.bench
        origin = Origin(bench.task.name, "", 0, bench.corpus, "test", "geometry")

        def compute() -> list[Result]:
            bank = bench.text_bank(subject.model.encoder, subject.state, subject.title)
            return language_geometry(bank, origin, self.values)

        key = {"state": subject.state, "options": self.values.model_dump(), **bench.text_key}
        key["bootstrap"] = asdict(bench.bootstrap)
        named = {"method": subject.method, "seed": subject.encoder_seed}
        findings.add(self.cached_rows("audit_geometry", key, compute, **named))
