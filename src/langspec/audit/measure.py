"""Everything that is measured of one encoder, from its banks."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from langspec.audit.audited_encoder import Subject
from langspec.audit.options import AuditOptions, Measures
from langspec.audit.text_bench import TASK, TextBench
from langspec.audit.text_folder import Texts
from langspec.evaluation.runner import walk
from langspec.measurement.first_hits import FirstHits
from langspec.measurement.mixing import Mixing
from langspec.measures.base import AUDIT, RUN
from langspec.measures.base import Subject as MeasuredSubject
from langspec.measures.discovery import measures as measures_of
from langspec.measures.neighbours import ERASER
from langspec.progress_bar import going
from langspec.results import Result

logger = logging.getLogger(__name__)

__all__ = ["ERASER", "TASK", "Audited", "measure", "unconverged"]


@dataclass
class Audited:
    """The results of an audit of one encoder.

    Attributes:
        subject: the encoder.
        languages: codes, sorted.
        rows: tidy results; those of the random encoder have the measure ``random``.
        confusions: int ``[K, K]`` (gold, predicted) of the linear probe by unit and layer.
        mixings: neighbourhoods by layer, in the text that languages are read from.
        searches: by ``plain`` or ``leace`` and layer: first hits in the parallel text.
        pivot: the language whose translations are looked for in each other and back.
        cut: texts that were cut at the encoder's length.
        seconds: by the clock, of each part of the work.
    """

    subject: Subject
    languages: tuple[str, ...]
    rows: list[Result] = field(default_factory=list)
    confusions: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)
    mixings: dict[int, Mixing] = field(default_factory=dict)
    searches: dict[tuple[str, int], FirstHits] = field(default_factory=dict)
    pivot: str = ""
    cut: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """Time a part of the work, and say how long it took once it is done."""
        start = time.monotonic()
        with going(f"{self.name}: {what}"):
            yield
        self.seconds[what] = round(time.monotonic() - start, 1)
        logger.info("%s: %s took %.0f s", self.name, what, self.seconds[what])

    @property
    def name(self) -> str:
        """The encoder's name in this audit."""
        return self.subject.name

    @property
    def top(self) -> int:
        """Number of the encoder's last layer."""
        return int(self.subject.encoder.model.config.num_hidden_layers)

    @property
    def words_first(self) -> bool:
        """Was the encoder trained to label words, so that answers on words come first?"""
        return self.subject.labels_words

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that were measured."""
        return self.subject.layers


def measure(
    subject: Subject,
    text: Texts,
    parallel: Texts | None,
    options: AuditOptions,
    measures: Measures,
    *,
    banks: Path,
) -> Audited:
    """Encode once and take every measure of an audit.

    Args:
        subject: the encoder.
        text: language text, split.
        parallel: translations for retrieval; may be ``text``; None: no retrieval.
        options: of the audit.
        measures: how to measure.
        banks: folder of all banks.

    Raises:
        LangspecError: vectors that are not finite, splits without vectors.
    """
    audited = Audited(subject, tuple(text.codes))
    with audited.part("encoding"):
        bench = TextBench(subject, text, parallel, options, measures, banks)
    one = MeasuredSubject(
        RUN,
        subject.name,
        options.seed,
        model=SimpleNamespace(encoder=subject.encoder.model),
        state=subject.sha256,
        trained=True,
    )
    taken = [measure(cast("Any", bench)) for measure in measures_of(AUDIT)]
    findings = walk([one], taken, around=lambda measure: audited.part(measure.title))
    audited.rows = findings.rows["results"]
    audited.confusions = {
        (unit, layer): np.asarray(table)
        for tables in findings.tables["confusions"]
        for unit, layer, table in tables
    }
    (audited.mixings,) = findings.tables["mixings"]
    for searches in findings.tables.get("searches", []):
        audited.searches, audited.pivot = searches, bench.pivot
    audited.cut = bench.cut
    return audited


def unconverged(rows: Sequence[Result]) -> list[Result]:
    """The fits that did not reach their tolerance."""
    return [row for row in rows if row.metric == "converged" and row.value == 0]
