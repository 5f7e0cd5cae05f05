"""Fitting a method on all training rows of a file, of which a block at a time is in memory."""

from __future__ import annotations

import numpy as np

from langspec.erasure.base import Eraser
from langspec.erasure.choice import eraser_classes, make_eraser
from langspec.repair.fit_methods import eraser_options
from langspec.repair.unit_eraser import UnitEraser, unit
from langspec.vectors.vector_file import VectorFile
from langspec.vectors.vector_sample import train_blocks


def is_streamed(method: str) -> bool:
    """Is a method fitted on moments alone, so that it needs no vectors in memory?"""
    classes = [eraser_classes()[name] for name in method.split("+")]
    return not any(one.parallel or one.by_steps for one in classes)


def fit_streamed(
    file: VectorFile, method: str, seed: int, languages: tuple[str, ...]
) -> UnitEraser:
    """Fit a method on the training rows of a file, with a pass for each of its steps.

    Args:
        file: of vectors with languages.
        method: names of erasers joined by ``+``, see :func:`is_streamed`.
        seed: of the splits.
        languages: to fit on.
    """
    values, done = eraser_options(), UnitEraser(method, ())
    for name in method.split("+"):
        eraser: Eraser = make_eraser(name, values)
        for vectors, codes in train_blocks(file, seed, languages):
            if len(vectors):
                eraser.partial_fit(_before(done, vectors, codes), codes)
        done = UnitEraser(method, (*done.steps, eraser.map))
    return done


def _before(done: UnitEraser, vectors: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """What the steps so far leave of vectors ``[N, H]``, at length 1."""
    if not done.steps:
        return unit(vectors.astype(np.float64))
    return done.apply(vectors, codes)
