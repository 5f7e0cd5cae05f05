"""Making result rows: the columns that all rows of one measurement share, said once."""

from __future__ import annotations

from dataclasses import dataclass

from langspec.measurement.intervals import Interval
from langspec.results import Result


@dataclass(frozen=True)
class Origin:
    """What was measured: task, method and seed of the checkpoint, corpus and split."""

    task: str
    method: str
    seed: int
    corpus: str
    split: str

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
    ) -> Result:
        """One measured number."""
        return Result(
            task=self.task,
            method=self.method,
            seed=self.seed,
            corpus=self.corpus,
            split=self.split,
            language=language,
            layer=layer,
            probe=probe,
            unit=unit,
            metric=metric,
            value=float(value),
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
    ) -> list[Result]:
        """Three rows: the value and the ends of its interval (``_low``, ``_high``)."""
        parts = (("", interval.value), ("_low", interval.low), ("_high", interval.high))
        return [
            self.row(
                metric + suffix,
                value,
                language=language,
                unit=unit,
                n=n,
                layer=layer,
                probe=probe,
            )
            for suffix, value in parts
        ]
