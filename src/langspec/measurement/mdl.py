"""Online (prequential) codelength of labels given features, in bits.

A sender transmits the labels of the training rows, one portion at a time; each portion doubles
what was sent. The receiver knows the features, and both fit the same probe on what was sent so far
(Voita and Titov 2020, "Information-theoretic probing with minimum description length", section
3.2). The code is short if labels are easy to read *and* few rows suffice to learn how; accuracy
does not show the latter. Rows of one line are sent together, so a probe that codes a portion has
seen none of its lines.
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
        """Log-probabilities float64 ``[N, K]`` (nats) of features ``[N, H]``."""
        ...


Fit = Callable[[np.ndarray, np.ndarray], Reader]
"""Fits a probe on features ``[N, H]`` and labels ``[N]``."""


@dataclass(frozen=True)
class Codelength:
    """What it costs to send the labels of ``N`` rows.

    Attributes:
        bits: float64 ``[N]``, bits of each label.
        line: ``[N]``, line of each row.
        classes: number of labels K.
        fits: number of probes fitted.
        converged: number of probes whose fit ended by its criterion.
    """

    bits: np.ndarray
    line: np.ndarray
    classes: int
    fits: int
    converged: int

    def per_row(self, options: BootstrapOptions) -> Interval:
        """Bits a row with an interval; the bootstrap draws lines and fits no probe again."""
        ones = np.ones_like(self.bits)
        return ratio_interval(self.line, self.bits, ones, options, positive=True)

    def compression(self, options: BootstrapOptions) -> Interval:
        """The length of the uniform code divided by this one; 1: the features were of no use."""
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
    """The codelength of labels, with probes fitted portion by portion.

    Lines are sent in a random order; the order of the rows does not matter. The first portion is
    sent by the uniform code, and so is any portion before which a single class was seen. After
    ``t`` rows the probabilities of a probe are mixed with the uniform ones, with weight ``K / (t +
    K)`` for the uniform ones, so classes that were never seen can be sent.

    Args:
        features: ``[N, H]``.
        labels: int ``[N]`` in ``0..classes-1``.
        line: int ``[N]``; rows of one line are sent in one portion.
        classes: number of labels K.
        fit: fits a probe on the rows that were sent.
        seed: of the order of lines.
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
        log_p = reader.log_probabilities(features[now])[np.arange(now.sum()), labels[now]]
        count = sent.sum()
        bits[now] = -np.log2((count * np.exp(log_p) + 1) / (count + classes))
    return Codelength(bits, line, classes, fits, converged)
