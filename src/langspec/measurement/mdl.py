"""Online (prequential) codelength of labels given features, in bits.

A sender transmits the labels of the training rows, a portion at a time, each portion twice as
large as all before it; the receiver knows the features, and both fit the same probe on what was
sent so far (Voita and Titov 2020, "Information-theoretic probing with minimum description
length", section 3.2). A short code needs labels that are easy to read *and* found from few rows:
effort, which accuracy does not show. Rows of one line are sent together, so that no portion is
coded by a probe that has seen its lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from langspec.measurement.bootstrap import BootstrapOptions, ratio_interval
from langspec.measurement.intervals import Interval

_PORTIONS = 8  # the first is 1/128 of the lines


class Reader(Protocol):
    """A fitted probe."""

    @property
    def converged(self) -> bool:
        """Did the fit end by its criterion?"""
        ...

    def log_probabilities(self, features: np.ndarray) -> np.ndarray:
        """float64 ``[N, K]``, nats."""
        ...


Fit = Callable[[np.ndarray, np.ndarray], Reader]


@dataclass(frozen=True)
class Codelength:
    """What it costs to send the labels.

    Attributes:
        bits: float64 ``[N]`` of each row.
        line: ``[N]`` of each row.
        classes: number of labels K.
        fits: probes fitted.
        converged: how many of them ended by their criterion.
    """

    bits: np.ndarray
    line: np.ndarray
    classes: int
    fits: int
    converged: int

    def per_row(self, options: BootstrapOptions) -> Interval:
        """Bits a row, lines drawn whole (the probes stay as they were fitted)."""
        ones = np.ones_like(self.bits)
        return ratio_interval(self.line, self.bits, ones, options, positive=True)

    def compression(self, options: BootstrapOptions) -> Interval:
        """Uniform code over this one: 1 says that the features were of no use."""
        uniform = np.full_like(self.bits, np.log2(self.classes))
        return ratio_interval(self.line, uniform, self.bits, options, positive=True)


def online_codelength(
    features: np.ndarray,
    labels: np.ndarray,
    line: np.ndarray,
    classes: int,
    fit: Fit,
    *,
    seed: int = 0,
) -> Codelength:
    """Code ``labels`` with probes that ``fit(features, labels)`` gives.

    The lines' order is drawn by ``seed``; the order of the rows does not matter. The first portion
    is sent by the uniform code, and so is a portion before which one class alone was seen. After
    ``t`` rows a probe's probabilities are mixed with the uniform ones by ``K / (t + K)``: classes
    that were never seen can be sent.

    Args:
        features: ``[N, H]``.
        labels: int ``[N]`` in ``0..classes-1``.
        line: int ``[N]``; rows of one line are sent in one portion.
        classes: number of labels K.
        fit: from rows to a probe.
        seed: of the order.
    """
    lines, index = np.unique(line, return_inverse=True)
    place = np.random.default_rng(seed).permutation(len(lines))[index]
    ends = sorted({int(np.ceil(len(lines) / 2**k)) for k in range(_PORTIONS)})
    bits = np.full(len(labels), np.log2(classes))
    fits = converged = 0
    for begin, end in pairwise(ends):
        sent, now = place < begin, (place >= begin) & (place < end)
        if len(np.unique(labels[sent])) < 2:
            continue
        reader = fit(features[sent], labels[sent])
        fits += 1
        converged += reader.converged
        told = reader.log_probabilities(features[now])[np.arange(now.sum()), labels[now]]
        count = sent.sum()
        bits[now] = -np.log2((count * np.exp(told) + 1) / (count + classes))
    return Codelength(bits, line, classes, fits, converged)
