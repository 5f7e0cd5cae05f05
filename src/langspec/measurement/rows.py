"""Making result rows: the columns that all rows of one measurement share are given once."""

from __future__ import annotations

from dataclasses import dataclass

from langspec.measurement.intervals import Interval
from langspec.results import Result


@dataclass(frozen=True)
class Origin:
    """What was measured, and by which measure: the columns that rows of one measurement share.

    Attributes:
        task: for which the encoder was trained.
        method: that trained it.
        seed: of the training.
        corpus: that was read.
        split: of the corpus.
        measure: that writes the rows.
        eraser: that was applied to the vectors; "" where none was.
        strength: the lambda of the training, where it is one of the method's lambda path (the
            further lambdas that a method is trained at); None for the method's own lambda.
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
        train_n: int = 0,
    ) -> Result:
        """The row of one number.

        ``n`` counts what it was measured on, ``train_n`` what its probe was fitted on.
        """
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
            train_n=int(train_n),
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
        train_n: int = 0,
    ) -> Result:
        """The row of one number with the ends of its 95 % interval."""
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
            train_n=train_n,
        )
