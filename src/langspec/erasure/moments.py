"""Counts, means and scatters of the vectors of each language, summed chunk by chunk in float64.

The scatter of some vectors is the sum of the outer products of their differences to their mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from langspec.errors import LangspecError


@dataclass
class _Part:
    """The moments of one language.

    Attributes:
        count: number of vectors.
        mean: float64 ``[H]``.
        scatter: float64 ``[H, H]``.
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    def merge(self, other: _Part) -> None:
        """Add the moments of further vectors (Chan, Golub and LeVeque 1983).

        This is numerically stable for chunks of any size.
        """
        total = self.count + other.count
        step = other.mean - self.mean
        self.scatter += other.scatter + np.outer(step, step) * (self.count * other.count / total)
        self.mean = self.mean + step * (other.count / total)
        self.count = total


def checked(
    features: np.ndarray, languages: np.ndarray | list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Check features; returns them as float64 ``[N, H]``, and their language codes ``[N]``.

    Raises:
        LangspecError: features without two axes, another number of codes, or values that are not
            finite.
    """
    vectors, codes = np.asarray(features, dtype=np.float64), np.asarray(languages)
    if vectors.ndim != 2:
        raise LangspecError(f"expected features [N, H], found {vectors.ndim} axes")
    if codes.shape != vectors.shape[:1]:
        raise LangspecError(
            f"expected a language for each of {len(vectors)} vectors, found {codes.size}"
        )
    if not np.isfinite(vectors).all():
        raise LangspecError("the features given to an eraser are not finite")
    return vectors, codes


class Moments:
    """First and second moments by language; the order and size of the chunks do not matter.

    They take ``K H^2`` float64 values for ``K`` languages: 150 MB for 33 languages and 768
    dimensions.

    Attributes:
        width: dimensions of the vectors, H; 0 before the first chunk.
    """

    def __init__(self) -> None:
        self._parts: dict[str, _Part] = {}
        self.width = 0

    def update(self, features: np.ndarray, languages: np.ndarray | list[str]) -> None:
        """Add a chunk: features ``[N, H]`` and their language codes ``[N]``.

        Raises:
            LangspecError: what :func:`checked` refuses; another width than before.
        """
        vectors, codes = checked(features, languages)
        if self.width and vectors.shape[1] != self.width:
            raise LangspecError(
                f"expected features of {self.width} dimensions, found {vectors.shape[1]}"
            )
        self.width = vectors.shape[1]
        for code in np.unique(codes):
            of_code = vectors[codes == code]
            mean = of_code.mean(axis=0)
            centred = of_code - mean
            part = _Part(len(of_code), mean, centred.T @ centred)
            if str(code) in self._parts:
                self._parts[str(code)].merge(part)
            else:
                self._parts[str(code)] = part

    @property
    def languages(self) -> tuple[str, ...]:
        """The language codes, sorted; arrays ``[K, ...]`` are in this order."""
        return tuple(sorted(self._parts))

    def require_two(self) -> None:
        """Refuse fewer than two languages.

        Raises:
            LangspecError: there are fewer.
        """
        if len(self._parts) < 2:
            codes = ", ".join(self.languages) or "none"
            raise LangspecError(f"erasing language needs at least two languages, found {codes}")

    @property
    def counts(self) -> np.ndarray:
        """The number of vectors of each language, int64 ``[K]``."""
        return np.asarray([self._parts[code].count for code in self.languages], dtype=np.int64)

    @property
    def means(self) -> np.ndarray:
        """The mean of each language, float64 ``[K, H]``."""
        return np.stack([self._parts[code].mean for code in self.languages])

    def scatter(self, code: str) -> np.ndarray:
        """The scatter of one language, float64 ``[H, H]``."""
        return self._parts[code].scatter

    @property
    def mean(self) -> np.ndarray:
        """The mean of all vectors, float64 ``[H]``."""
        return self.counts @ self.means / self.counts.sum()

    @property
    def within(self) -> np.ndarray:
        """The covariance within languages, pooled over them: float64 ``[H, H]``."""
        total = sum(part.scatter for part in self._parts.values())
        return np.asarray(total) / self.counts.sum()

    @property
    def between(self) -> np.ndarray:
        """A root ``B`` of the covariance between languages, float64 ``[K, H]``: it is ``B.T @ B``.

        Row k is ``sqrt(share) * (mean - overall mean)`` of language k; ``share`` is its share of
        the vectors.
        """
        shares = self.counts / self.counts.sum()
        return np.sqrt(shares)[:, None] * (self.means - self.mean)

    @property
    def covariance(self) -> np.ndarray:
        """The covariance of all vectors (divided by their number), float64 ``[H, H]``."""
        between = self.between
        return self.within + between.T @ between
