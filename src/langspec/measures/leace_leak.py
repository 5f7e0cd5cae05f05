"""What a linear probe reads from an audited encoder's last layer after LEACE."""

from __future__ import annotations

from typing import ClassVar

from langspec.measures.base import AUDIT, Findings, Measure, Subject
from langspec.results import Result

ERASER = "leace"


class LeaceLeak(Measure):
    """The linear probe on vectors of the last layer that LEACE erased."""

    name: ClassVar[str] = "audit.erasure"
    order: ClassVar[int] = 22
    title: ClassVar[str] = "LEACE and what a probe reads after it"
    takers: ClassVar[frozenset[str]] = frozenset({AUDIT})

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows of texts and of words, cached by the hash of the encoder's weights."""
        from langspec.erasure.leace import LEACE
        from langspec.measurement.erased import erased_leak, fit_maps
        from langspec.measurement.rows import Origin

        bench = self.bench
        origin = Origin(bench.task.name, "", 0, bench.corpus, "test", "erasure", eraser=ERASER)

        def compute() -> list[Result]:
            bank = bench.text_bank(subject.model.encoder, subject.state, subject.title)
            maps = fit_maps(bank, LEACE, ("sentence", "token"), bank.layers[-1:])
            return erased_leak(bank, maps, origin, bench.probe, bench.bootstrap)

        key = {"state": subject.state, **bench.text_key, **bench.probe_key}
        named = {"method": subject.method, "seed": subject.encoder_seed}
        findings.add(self.cached_rows("audit_erasure", key, compute, **named))
