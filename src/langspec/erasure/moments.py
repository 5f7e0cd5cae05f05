"""Counts, means and scatters of each language, gathered chunk by chunk in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from langspec.errors import LangspecError


@dataclass
class _Part:
    """What is kept of one language: how many vectors, their mean, their scatter about it."""

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    def merge(self, other: _Part) -> None:
        """Take another part in (Chan, Golub and LeVeque 1983): stable for any chunking."""
        total = self.count + other.count
        step = other.mean - self.mean
        self.scatter += other.scatter + np.outer(step, step) * (self.count * other.count / total)
        self.mean = self.mean + step * (other.count / total)
        self.count = total


def checked(
    features: np.ndarray, languages: np.ndarray | list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Features as float64 ``[N, H]`` and their language codes ``[N]``.

    Raises:
        LangspecError: another shape, another number of codes, values that are not finite.
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

    Memory: ``K H^2`` float64 for ``K`` languages (150 MB for 33 languages of 768 dimensions).
    """

    def __init__(self) -> None:
        self._parts: dict[str, _Part] = {}
        self.width = 0

    def update(self, features: np.ndarray, languages: np.ndarray | list[str]) -> None:
        """Take in features ``[N, H]`` and their language codes ``[N]``.

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
        """Codes, sorted: the order of every ``[K, ...]`` below."""
        return tuple(sorted(self._parts))

    def require_two(self) -> None:
        """Refuse to go on with fewer than two languages.

        Raises:
            LangspecError: there is nothing to erase.
        """
        if len(self._parts) < 2:
            found = ", ".join(self.languages) or "none"
            raise LangspecError(f"erasing language needs at least two languages, found {found}")

    @property
    def counts(self) -> np.ndarray:
        """int64 ``[K]``."""
        return np.asarray([self._parts[code].count for code in self.languages], dtype=np.int64)

    @property
    def means(self) -> np.ndarray:
        """float64 ``[K, H]``."""
        return np.stack([self._parts[code].mean for code in self.languages])

    def scatter(self, code: str) -> np.ndarray:
        """float64 ``[H, H]``: sum of the products of a language's vectors about its mean."""
        return self._parts[code].scatter

    @property
    def mean(self) -> np.ndarray:
        """float64 ``[H]``: of all vectors."""
        return self.counts @ self.means / self.counts.sum()

    @property
    def within(self) -> np.ndarray:
        """float64 ``[H, H]``: pooled covariance about the languages' own means."""
        total = sum(part.scatter for part in self._parts.values())
        return np.asarray(total) / self.counts.sum()

    @property
    def between(self) -> np.ndarray:
        """float64 ``[K, H]``: ``sqrt(share) (mean - overall mean)``, so that ``B.T @ B`` is the
        covariance between languages."""
        shares = self.counts / self.counts.sum()
        return np.sqrt(shares)[:, None] * (self.means - self.mean)

    @property
    def covariance(self) -> np.ndarray:
        """float64 ``[H, H]``: of all vectors (divided by their number)."""
        between = self.between
        return self.within + between.T @ between
