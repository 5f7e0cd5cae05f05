"""What a search in the texts of all languages at once finds first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from langspec.features.bank import Bank
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.intervals import LEVEL, Interval, share_interval, standard_error
from langspec.measurement.mixing import sampled
from langspec.measurement.neighbourhoods import MOST_TEXTS, around, line_weights

KINDS = ("translation", "own_language", "other_language")
"""What the nearest other text can be: a translation (a text of the same line), another text of the
same language, or another text of another language."""


@dataclass(frozen=True)
class FirstHits:
    """First hits at one layer, of every text among all others.

    Attributes:
        languages: codes of the ``K`` languages.
        shares: float ``[K, 3]``: how often the nearest other text is of each of :data:`KINDS`.
        errors: float ``[K, 3]``: their standard errors over lines.
        mean_errors: float ``[3]``: those of the mean over the languages.
        texts: int ``[K]``: texts of each language.
        n: number of texts that are searched.
    """

    languages: tuple[str, ...]
    shares: np.ndarray
    errors: np.ndarray
    mean_errors: np.ndarray
    texts: np.ndarray
    n: int

    @classmethod
    def from_lists(cls, values: Mapping[str, Any]) -> FirstHits:
        """First hits whose arrays were written as lists."""
        arrays = {
            name: np.asarray(values[name], float) for name in ("shares", "errors", "mean_errors")
        }
        texts = np.asarray(values["texts"], int)
        return cls(tuple(values["languages"]), texts=texts, n=int(values["n"]), **arrays)

    def of(self, kind: str, language: int | None = None) -> Interval:
        """The share of a kind with its interval: of a language, or the mean over all."""
        at = KINDS.index(kind)
        if language is None:
            value, error = self.shares[:, at].mean(), self.mean_errors[at]
            return share_interval(float(value), float(error), int(self.texts.max()), LEVEL)
        value, error = self.shares[language, at], self.errors[language, at]
        return share_interval(float(value), float(error), int(self.texts[language]), LEVEL)


def first_hits(
    bank: Bank,
    layer: int,
    split: str,
    *,
    bootstrap: BootstrapOptions,
    per_language: int = MOST_TEXTS,
    seed: int = 0,
) -> FirstHits:
    """What is nearest, by cosine, to each sentence vector of one layer and split.

    Args:
        bank: sentence vectors with line numbers.
        layer: 0 for the embeddings.
        split: name of the split.
        bootstrap: over lines, for the intervals.
        per_language: texts at most of each language.
        seed: by which they are drawn.

    Raises:
        LangspecError: as :func:`langspec.measurement.mixing.mixing`.
    """
    vectors, language, line = sampled(bank, layer, split, per_language, seed)
    languages, lines = torch.from_numpy(language), torch.from_numpy(line)
    count = len(bank.languages)
    kinds = np.zeros((int(line.max()) + 1, count, len(KINDS)))
    for block in around(vectors, lines, 1):
        first, part = block.first, block.rows
        same_line, same_language = lines[first] == lines[part], languages[first] == languages[part]
        kind = torch.where(same_line, 0, torch.where(same_language, 1, 2)).numpy()
        np.add.at(kinds, (line[part], language[part], kind), 1.0)
    sums = np.tensordot(line_weights(language, line, bootstrap).astype(float), kinds, axes=1)
    shares = sums / np.maximum(sums.sum(axis=2, keepdims=True), 1e-12)  # [1 + B, K, 3]
    texts, drawn = np.bincount(language, minlength=count), shares[1:]
    errors = [
        [standard_error(drawn[:, i, at], int(texts[i])) for at in range(len(KINDS))]
        for i in range(count)
    ]
    means = drawn.mean(axis=1)
    return FirstHits(
        languages=bank.languages,
        shares=shares[0],
        errors=np.asarray(errors),
        mean_errors=np.asarray(
            [standard_error(means[:, at], int(texts.max())) for at in range(len(KINDS))]
        ),
        texts=texts,
        n=len(language),
    )
