"""What a repair of vectors will cost: a fit and a search are timed on a part of the sample."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from langspec.audit.audit_cost import Estimate
from langspec.repair.fit_methods import Labelled, fit_all
from langspec.repair.protocol import Parts, searcher
from langspec.vectors.streamed_fit import is_streamed
from langspec.vectors.vector_file import VectorFile
from langspec.vectors.vector_sample import Sample

_TIMED = 1500  # vectors that are searched for the estimate, about
_FITTED = 4000  # vectors that are fitted for it, about
# Of docs/vectors.md: a million vectors, 142 MB of them in memory, took 3.7 GB.
_BASE, _COPIES = 0.9e9, 20
_FIXED = 15.0  # imports, probes, page


def vector_cost(
    file: VectorFile, sample: Sample, parts: Parts, methods: Sequence[str], reading: float
) -> tuple[Estimate, int]:
    """Seconds and memory, and how many times the file is read.

    Args:
        file: that is repaired.
        sample: of it.
        parts: of the sample.
        methods: that are tried.
        reading: seconds that a pass took.
    """
    steps = max((len(name.split("+")) for name in methods if is_streamed(name)), default=0)
    passes = 1 + (0 if sample.complete else steps)
    train = _some(parts.train, _FITTED)
    began = time.perf_counter()
    fit_all(replace(train, parallel=False), ["leace"])
    a_vector = (time.perf_counter() - began) / len(train.vectors)
    timed = _some(parts.dev, _TIMED)
    began = time.perf_counter()
    searcher(timed)(timed.vectors, None)
    a_pair = (time.perf_counter() - began) / len(timed.vectors) ** 2
    pairs = (len(methods) + 3) * sum(len(one.vectors) ** 2 for one in (parts.dev, parts.test))
    count = sum(len(name.split("+")) for name in methods)
    seconds = _FIXED + passes * reading + pairs * a_pair
    seconds += a_vector * (count * len(parts.train.vectors) + (passes - 1) * sample.train_rows)
    held = sum(one.vectors.nbytes for one in (parts.train, parts.dev, parts.test))
    return Estimate(seconds, _BASE + _COPIES * held, 0.0, stored=True), passes


def _some(part: Labelled, most: int) -> Labelled:
    """The vectors of some lines, in all languages."""
    lines = np.unique(part.lines)
    share = max(1, round(len(part.vectors) / most))
    return part.at(np.isin(part.lines, lines[::share]))
