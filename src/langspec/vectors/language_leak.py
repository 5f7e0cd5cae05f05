"""How well a linear probe names the language of vectors in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from langspec.audit.options import PROBE
from langspec.repair.fit_methods import Labelled
from langspec.repair.protocol import Parts
from langspec.repair.unit_eraser import UnitEraser

_TRAIN = 500  # training vectors of a language that the probe reads, at most


@dataclass(frozen=True)
class Leak:
    """What a probe reads of test vectors.

    Attributes:
        accuracy: share of the test vectors whose language it names, each language counted once.
        chance: 1 / the number of languages.
    """

    accuracy: float
    chance: float


def language_leak(parts: Parts, eraser: UnitEraser | None) -> Leak:
    """Fit a linear probe on training vectors and read test vectors.

    Multinomial logistic regression, its regularisation chosen on validation vectors, as in an
    audit; with an eraser it is fitted anew on erased vectors.

    Args:
        parts: the vectors.
        eraser: None: the vectors as they are.
    """
    from langspec.measurement.probe import fit_probe  # imports PyTorch

    codes = np.unique(parts.train.languages)
    train = parts.train.at(_first(parts.train.languages, _TRAIN))
    (x, y), (dev_x, dev_y), (test_x, test_y) = (
        _read(part, codes, eraser) for part in (train, parts.dev, parts.test)
    )
    probe = fit_probe(x, y, dev_x, dev_y, len(codes), PROBE)
    hits = probe.predict(test_x) == test_y
    by_language = [hits[test_y == code].mean() for code in np.unique(test_y)]
    return Leak(float(np.mean(by_language)), 1 / len(codes))


def _read(
    part: Labelled, codes: np.ndarray, eraser: UnitEraser | None
) -> tuple[np.ndarray, np.ndarray]:
    vectors = part.vectors if eraser is None else eraser.apply(part.vectors, part.languages)
    return vectors.astype(np.float64), np.searchsorted(codes, part.languages).astype(np.int64)


def _first(languages: np.ndarray, most: int) -> np.ndarray:
    """Rows int ``[M]`` of the first ``most`` vectors of each language."""
    rows = [np.flatnonzero(languages == code)[:most] for code in np.unique(languages)]
    return np.sort(np.concatenate(rows))
