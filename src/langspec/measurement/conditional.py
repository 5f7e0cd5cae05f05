"""What a layer says of the language that the embeddings do not: conditional V-information.

Hewitt, Ethayarajh, Liang and Manning (2021), "Conditional probing: measuring usable information
beyond a baseline" (EMNLP, section 3). Layer 0 holds a vector for each piece, whatever stands
around it. A probe reads the vectors of a layer together with those of layer 0, another probe reads
those of layer 0 alone (the places of the layer hold zeros, which a linear probe cannot use). The
layer adds the difference of their log-losses on test units, in bits a unit. A layer that hands on
the embeddings adds nothing, however well the language can be read from it.

The family of predictors is linear: multinomial logistic regression whose C is chosen on validation
units (:mod:`langspec.measurement.probe`). A family must be able to ignore what it is given (Xu et
al. 2020, "A theory of usable information under computational constraints", definition 1): where
the layer does not lower the validation log-loss, the probe of layer 0 is kept and the layer adds
exactly 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from langspec.errors import LangspecError
from langspec.features.bank import Bank
from langspec.features.sample import fewer_rows
from langspec.measurement.bootstrap import (
    BootstrapOptions,
    count_scores,
    item_counts,
    ratio_interval,
    resampled_sums,
    score_intervals,
)
from langspec.measurement.intervals import LEVEL, Interval, real_interval, standard_error
from langspec.measurement.leak import UNITS, fit_rows, split_rows
from langspec.measurement.probe import Probe, fit_probe
from langspec.measurement.probe_options import ProbeOptions
from langspec.measurement.rows import Origin
from langspec.results import Result
from langspec.threads import side_by_side

EMBEDDINGS, ADDED = "embeddings", "added"
"""The probe of layer 0 alone, and what the probe of a layer and layer 0 has more."""


@dataclass(frozen=True)
class _Split:
    """The vectors of one unit in one split.

    Attributes:
        rows: their positions in the bank, int64 ``[N]``.
        label: int64 ``[N]``, their languages.
        line: ``[N]``, their lines.
    """

    rows: np.ndarray
    label: np.ndarray
    line: np.ndarray


@dataclass(frozen=True)
class _Reading:
    """What a probe says of test vectors.

    Attributes:
        probe: the fitted probe.
        bits: float64 ``[N]``, code length of each vector's language.
        predicted: int64 ``[N]``.
    """

    probe: Probe
    bits: np.ndarray
    predicted: np.ndarray

    @property
    def dev_loss(self) -> float:
        """Its log-loss on validation vectors, nats a vector."""
        return self.probe.path[self.probe.chosen].dev_loss


def conditional_information(
    bank: Bank,
    origin: Origin,
    layers: Sequence[int] | None,
    options: ProbeOptions,
    bootstrap: BootstrapOptions,
    *,
    most: int | None = None,
    seed: int = 0,
    units: Sequence[str] = UNITS,
    progress: str = "beyond the embeddings",
) -> list[Result]:
    """Rows by unit and layer, language ``all``, with intervals over lines.

    Probe ``embeddings`` (layer 0) has ``bits`` a unit that layer 0 alone gives, which is the
    entropy of the languages at the shares of the training units minus the log-loss, and its
    ``accuracy`` and ``macro_f1``. Probe ``added`` (layers above 0) has the ``bits``, ``accuracy``
    and ``macro_f1`` that the layer adds to these; ``read`` is 1 where the validation units kept
    the layer, else 0. Both have the facts of their fit (:func:`~langspec.measurement.leak
    .fit_rows`); ``converged`` of ``added`` says so of both fits.

    Args:
        bank: vectors with the splits train, dev and test, and with layer 0.
        origin: task, method, seed, corpus, split and measure of the rows.
        layers: that are measured, -1 the last; None: every layer of the bank.
        options: of the probes.
        bootstrap: of the intervals.
        most: training vectors at most of each language; None: all.
        seed: draws them.
        units: ``token``, ``sentence`` or both.
        progress: title of the progress bar.

    Raises:
        LangspecError: fewer than two languages, a split without vectors of a language, a layer
            that the bank lacks, vectors that are not finite.
    """
    above = _layers(bank, layers)
    results: list[Result] = []
    total = len(units) * (1 + len(above))
    with tqdm(total=total, desc=progress, unit="probe", leave=False, disable=None) as bar:
        for unit in units:
            measured = _Unit(bank, origin, options, bootstrap, unit, most, seed + 1)
            base = measured.read(bank.layers[0], None)
            results += measured.base_rows(base)
            bar.update()
            for rows in side_by_side(partial(measured.added, base), above):
                results += rows
                bar.update()
    return results


def _layers(bank: Bank, wanted: Sequence[int] | None) -> tuple[int, ...]:
    """The layers above 0 that are measured, ascending.

    Raises:
        LangspecError: the bank lacks one of them, or layer 0.
    """
    layers = bank.some_layers(None if wanted is None else [0, *wanted])
    return tuple(layer for layer in layers if layer > 0)


class _Unit:
    """The vectors of one unit, read from layer 0 and from others beside it."""

    def __init__(
        self,
        bank: Bank,
        origin: Origin,
        options: ProbeOptions,
        bootstrap: BootstrapOptions,
        unit: str,
        most: int | None,
        seed: int,
    ) -> None:
        self.bank, self.origin, self.unit = bank, origin, unit
        self.options, self.bootstrap = options, bootstrap
        self.classes = len(bank.languages)
        meta = bank.token_meta if unit == "token" else bank.sentence_meta
        self.splits: dict[str, _Split] = {}
        parts = split_rows(bank, meta, unit)
        parts["train"] = fewer_rows(meta, parts["train"], bank.languages, most, seed)
        for name, rows in parts.items():
            label = meta.language[rows].astype(np.int64)
            self.splits[name] = _Split(rows, label, meta.line[rows])
            present = set(label.tolist())
            if missing := [c for i, c in enumerate(bank.languages) if i not in present]:
                raise LangspecError(
                    f"split {name!r} has no {unit} vectors of {', '.join(missing)}"
                )

    def _vectors(self, layer: int, split: str) -> np.ndarray:
        of_layer = self.bank.tokens if self.unit == "token" else self.bank.sentences
        vectors: np.ndarray = of_layer(layer)[self.splits[split].rows]
        return vectors

    def read(self, first: int, layer: int | None) -> _Reading:
        """A probe of layer ``first`` and, beside it, of ``layer``, fitted and tested."""
        part = {
            split: self._vectors(first, split)
            if layer is None
            else np.hstack([self._vectors(layer, split), self._vectors(first, split)])
            for split in self.splits
        }
        train, dev, test = (self.splits[name] for name in ("train", "dev", "test"))
        probe = fit_probe(
            part["train"], train.label, part["dev"], dev.label, self.classes, self.options
        )
        log_p = probe.log_probabilities(part["test"])
        bits = -log_p[np.arange(len(test.label)), test.label] / np.log(2)
        return _Reading(probe, bits, log_p.argmax(axis=1))

    def base_rows(self, base: _Reading) -> list[Result]:
        """The rows of layer 0 alone."""
        test = self.splits["test"]
        shares = np.bincount(self.splits["train"].label, minlength=self.classes)
        without = -np.log2(shares / shares.sum())[test.label]  # of the best constant prediction
        intervals = {"bits": self._mean(without - base.bits)}
        intervals |= score_intervals(
            test.line, test.label, base.predicted, self.classes, self.bootstrap
        )
        return self._rows(EMBEDDINGS, 0, intervals, base.probe, {})

    def added(self, base: _Reading, layer: int) -> list[Result]:
        """The rows of what a layer adds to layer 0."""
        both = self.read(0, layer)
        read = both.dev_loss < base.dev_loss
        now = both if read else base
        intervals = {"bits": self._mean(base.bits - now.bits), **self._gains(base, now)}
        facts = {"read": float(read), "converged": both.probe.converged and base.probe.converged}
        return self._rows(ADDED, layer, intervals, both.probe, facts)

    def _mean(self, values: np.ndarray) -> Interval:
        return ratio_interval(
            self.splits["test"].line, values, np.ones_like(values), self.bootstrap
        )

    def _gains(self, base: _Reading, now: _Reading) -> dict[str, Interval]:
        """Accuracy and macro-F1 of ``now`` less those of ``base``, on the same resamples."""
        test = self.splits["test"]
        names, index = np.unique(test.line, return_inverse=True)
        counts = np.stack(
            [
                item_counts(index, test.label, reading.predicted, len(names), self.classes)
                for reading in (now, base)
            ],
            axis=1,
        )
        whole, drawn = count_scores(counts.sum(0)), resampled_sums(counts, self.bootstrap)
        gains = {}
        for metric, values in count_scores(drawn).items():
            error = standard_error(values[:, 0] - values[:, 1], len(names))
            gain = float(whole[metric][0] - whole[metric][1])
            gains[metric] = real_interval(gain, error, len(names), LEVEL)
        return gains

    def _rows(
        self,
        name: str,
        layer: int,
        intervals: dict[str, Interval],
        probe: Probe,
        facts: dict[str, Any],
    ) -> list[Result]:
        trained = len(self.splits["train"].rows)
        place: Any = {"layer": layer, "probe": name, "unit": self.unit}
        of_test = {**place, "language": "all", "n": len(self.splits["test"].rows)}
        return [
            *(
                self.origin.interval(metric, interval, train_n=trained, **of_test)
                for metric, interval in intervals.items()
            ),
            *fit_rows(self.origin, probe.facts | facts, n=trained, **place),
        ]
