"""Making result rows: the columns that all rows of one measurement share, said once."""

from __future__ import annotations

from dataclasses import dataclass

from langspec.measurement.intervals import Interval
from langspec.results import Result


@dataclass(frozen=True)
class Origin:
    """What was measured, and by which measure.

    Attributes:
        task: of the checkpoint.
        method: of the checkpoint.
        seed: of the checkpoint.
        corpus: that was read.
        split: of the corpus.
        measure: that writes the rows.
        eraser: that the vectors went through; "" where nothing was erased.
        strength: lambda of a point of the method's path; None for the method itself.
    """

    task: str
    method: str
    seed: int
    corpus: str
    split: str
    measure: str
    eraser: str = ""
    strength: float | None = None

    def row(
        self,
        metric: str,
        value: float,
        *,
        language: str,
        unit: str,
        n: int,
        layer: int = -1,
        probe: str = "",
        low: float | None = None,
        high: float | None = None,
    ) -> Result:
        """One measured number."""
        return Result(
            task=self.task,
            method=self.method,
            seed=self.seed,
            strength=self.strength,
            eraser=self.eraser,
            corpus=self.corpus,
            split=self.split,
            language=language,
            layer=layer,
            measure=self.measure,
            probe=probe,
            unit=unit,
            metric=metric,
            value=float(value),
            low=None if low is None else float(low),
            high=None if high is None else float(high),
            n=int(n),
        )

    def interval(
        self,
        metric: str,
        interval: Interval,
        *,
        language: str,
        unit: str,
        n: int,
        layer: int = -1,
        probe: str = "",
    ) -> Result:
        """One measured number with the ends of its 95 % interval."""
        return self.row(
            metric,
            interval.value,
            language=language,
            unit=unit,
            n=n,
            layer=layer,
            probe=probe,
            low=interval.low,
            high=interval.high,
        )
