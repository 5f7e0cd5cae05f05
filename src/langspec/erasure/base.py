"""What erasers share: the moments that they are fitted on, and the linear map that results."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from langspec.erasure.moments import Moments
from langspec.erasure.removal_path import PathPoint
from langspec.errors import LangspecError
from langspec.measurement.probe_options import ProbeOptions
from langspec.section import Section

# Directions whose variance is below this share of the largest count as constant: in float32
# features such a variance is rounding.
FLAT = 1e-10


@dataclass(frozen=True)
class ErasureMap:
    """A fitted eraser: the map ``x - left @ (right @ x) + shift``, or one such map a language.

    Attributes:
        name: of the eraser.
        languages: the ``K`` codes that it was fitted on, sorted.
        left: float64 ``[M, H, R]``; ``M`` is 1 or ``K``.
        right: float64 ``[M, R, H]``.
        shift: float64 ``[M, H]``.
        gold: with a map a language: is the language of each vector given (an oracle)? If not, it
            is predicted.
        weights: float64 ``[K, H]`` of the classifier that predicts the language; empty where it
            is not predicted.
        intercepts: float64 ``[K]`` of the same classifier.
        ranks: number of directions that each map removes, ``[M]``.
        path: what a new probe read after each step of an eraser that works step by step; empty for
            others.
    """

    name: str
    languages: tuple[str, ...]
    left: np.ndarray
    right: np.ndarray
    shift: np.ndarray
    gold: bool
    weights: np.ndarray
    intercepts: np.ndarray
    ranks: tuple[int, ...]
    path: tuple[PathPoint, ...] = ()

    def __post_init__(self) -> None:
        """Store the matrices by rows: another memory layout changes the last digit of products."""
        for name in ("left", "right", "shift", "weights", "intercepts"):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name)))

    @property
    def width(self) -> int:
        """Dimensions of the features."""
        return int(self.shift.shape[1])

    @property
    def by_language(self) -> bool:
        """Does it treat each language differently, so that it has to know or predict them?"""
        return len(self.shift) > 1

    @property
    def rank(self) -> int:
        """The number of directions that it removes, of the language of which it removes most."""
        return max(self.ranks)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict the language of features ``[N, H]``: int64 ``[N]``, index into ``languages``."""
        return (features @ self.weights.T + self.intercepts).argmax(axis=1)

    def apply(
        self, features: np.ndarray, languages: np.ndarray | list[str] | None = None
    ) -> np.ndarray:
        """Erase features.

        Args:
            features: ``[N, H]``.
            languages: code of each vector ``[N]``; only oracle erasers read it.

        Returns:
            Erased features ``[N, H]``: float64 for float64, float32 for any other type.

        Raises:
            LangspecError: another width; an oracle without languages, or with unknown ones.
        """
        vectors = np.asarray(features)
        if vectors.ndim != 2 or vectors.shape[1] != self.width:
            raise LangspecError(
                f"{self.name} was fitted on features of {self.width} dimensions, found shape "
                f"{list(vectors.shape)}"
            )
        dtype = np.float64 if vectors.dtype == np.float64 else np.float32
        vectors = vectors.astype(np.float64)
        if not self.by_language:
            return self._mapped(vectors, 0).astype(dtype)
        which = self._indices(languages, len(vectors)) if self.gold else self.predict(vectors)
        out = np.empty_like(vectors)
        for index in np.unique(which):
            rows = which == index
            out[rows] = self._mapped(vectors[rows], int(index))
        return out.astype(dtype)

    def _mapped(self, vectors: np.ndarray, index: int) -> np.ndarray:
        removed = (vectors @ self.right[index].T) @ self.left[index].T
        return vectors - removed + self.shift[index]

    def _indices(self, languages: np.ndarray | list[str] | None, count: int) -> np.ndarray:
        codes = np.asarray([] if languages is None else languages)
        if len(codes) != count:
            raise LangspecError(
                f"{self.name} is an oracle: it needs the language of each of {count} vectors, "
                f"found {len(codes)}"
            )
        unknown = sorted(set(codes) - set(self.languages))
        if unknown:
            raise LangspecError(
                f"{self.name} was not fitted on {', '.join(unknown)}; it knows "
                f"{', '.join(self.languages)}"
            )
        return np.searchsorted(np.asarray(self.languages), codes)

    def first(self, rank: int) -> ErasureMap:
        """The map that removes only the first ``rank`` directions, as an earlier step did.

        It holds for one map that is a projection, oblique or not, as all with a path are.
        """
        left, right = self.left[:, :, :rank], self.right[:, :rank]
        shift = np.einsum("mhr,mrk,mk->mh", left, right, self.shift)
        return replace(self, left=left, right=right, shift=shift, ranks=(rank,), path=())

    def affine(self) -> tuple[np.ndarray, np.ndarray]:
        """The same map as one matrix ``[H, H]`` and bias ``[H]``: ``x @ matrix.T + bias``.

        Raises:
            LangspecError: it has a map for each language.
        """
        if self.by_language:
            raise LangspecError(
                f"{self.name} treats each language differently: it is no single affine map; "
                "expected an eraser with one map for all languages"
            )
        return np.eye(self.width) - self.left[0] @ self.right[0], self.shift[0]


class Eraser(ABC):
    """Takes what is specific to a language out of feature vectors.

    An eraser is fitted on training features of all languages; :meth:`apply` then erases any
    features. Features may come in chunks (:meth:`partial_fit`): most erasers are functions of the
    mean and the covariance of each language. All arithmetic is float64.

    An eraser is a file in this folder: its class and, where it has options, the class of its
    section under ``evaluate.erasers``.

    Attributes:
        name: that ``evaluate.erasers.run`` calls it by.
        section: class of its section; None: it has no options.
        by_language: does it treat each language differently?
        parallel: is it fitted on translations, which share a line number?
        by_steps: has its map a path, of what each of its steps left?
        anchor: code of the anchor, the language whose mean vector the fitted map leaves where it
            is; None: the mean of all vectors stays. Another anchor shifts all erased vectors by
            one constant vector. A new probe fits its intercept to the shift. The task's trained
            head cannot: it was trained on vectors around the source language's mean.
        moments: counts, means and scatters of what was fitted so far.
    """

    name: ClassVar[str]
    section: ClassVar[type[Section] | None] = None
    by_language: ClassVar[bool] = False
    parallel: ClassVar[bool] = False
    by_steps: ClassVar[bool] = False

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names by which ``evaluate.erasers.run`` asks for it."""
        return (cls.name,)

    @classmethod
    def make(cls, name: str, values: Any, anchor: str | None) -> Self:
        """Make an unfitted eraser.

        Args:
            name: one of :meth:`names`.
            values: its section; None where it has none.
            anchor: code of the anchor; None: the mean of all vectors stays where it is.
        """
        return cls(anchor=anchor)

    def __init__(self, *, anchor: str | None = None) -> None:
        self.anchor = anchor
        self.moments = Moments()
        self._map: ErasureMap | None = None

    def options(self) -> dict[str, Any]:
        """The options that it was made with, as they are written beside a fitted eraser."""
        return {"anchor": self.anchor}

    def partial_fit(
        self,
        features: np.ndarray,
        languages: np.ndarray | list[str],
        lines: np.ndarray | None = None,
    ) -> Self:
        """Add a chunk to what is fitted.

        Args:
            features: ``[N, H]``.
            languages: code of each vector ``[N]``.
            lines: number of the line of text that each vector is of, int ``[N]``; translations
                share it. None: every vector is a line of its own.

        Raises:
            LangspecError: values that are not finite, shapes that disagree.
        """
        self._map = None
        self.moments.update(features, languages)
        return self

    def choose_on(
        self,
        features: np.ndarray,
        languages: np.ndarray | list[str],
        lines: np.ndarray | None = None,
    ) -> Self:
        """Add a chunk of held-out vectors, on which an eraser that has to choose chooses.

        The arguments are those of :meth:`partial_fit`. A closed form chooses nothing.
        """
        return self

    def judge_by(self, probe: ProbeOptions) -> Self:
        """Set the probe by which an eraser that works step by step judges what a step left.

        A closed form has no steps and needs none.
        """
        return self

    def fit(
        self,
        features: np.ndarray,
        languages: np.ndarray | list[str],
        lines: np.ndarray | None = None,
    ) -> Self:
        """Fit on features ``[N, H]`` as one chunk; forget earlier chunks.

        Raises:
            LangspecError: fewer than two languages, values that are not finite.
        """
        self._forget()
        self.partial_fit(features, languages, lines)
        self.moments.require_two()
        return self

    def _forget(self) -> None:
        """Forget what was fitted; not what :meth:`choose_on` was given."""
        self.moments = Moments()

    @property
    def map(self) -> ErasureMap:
        """The map that is fitted on all chunks so far.

        Raises:
            LangspecError: the chunks have fewer than two languages, or lack the anchor; the map
                would remove every dimension in which the vectors vary.
        """
        if self._map is None:
            self.moments.require_two()
            fitted = self._solve()
            removed, varying = fitted.left.shape[-1], self.varying or fitted.width
            if removed >= varying:
                raise LangspecError(
                    f"{self.name} would remove {removed} directions of vectors that vary in "
                    f"{varying} dimensions, and nothing would be left; lower its rank, or leave "
                    "it out",
                    place="evaluate.erasers.run",
                )
            self._map = fitted
        return self._map

    @property
    def varying(self) -> int:
        """The number of dimensions in which the vectors that it is fitted on vary."""
        variances = np.linalg.eigvalsh(self.moments.covariance)
        return int((variances > FLAT * max(variances[-1], 0.0)).sum())

    def apply(
        self, features: np.ndarray, languages: np.ndarray | list[str] | None = None
    ) -> np.ndarray:
        """Erase features ``[N, H]`` by the fitted map, as :meth:`ErasureMap.apply` does."""
        return self.map.apply(features, languages)

    @abstractmethod
    def _solve(self) -> ErasureMap:
        """Compute the map from the moments."""

    def _anchor_mean(self) -> np.ndarray:
        """The point that the map leaves where it is."""
        moments = self.moments
        if self.anchor is None:
            return moments.mean
        if self.anchor not in moments.languages:
            raise LangspecError(
                f"the anchor {self.anchor!r} is not among the languages fitted on: "
                f"{', '.join(moments.languages)}"
            )
        return moments.means[moments.languages.index(self.anchor)]

    def _one_map(
        self, left: np.ndarray, right: np.ndarray, path: tuple[PathPoint, ...] = ()
    ) -> ErasureMap:
        """``x - left @ right @ (x - anchor)`` with left ``[H, R]`` and right ``[R, H]``."""
        return ErasureMap(
            name=self.name,
            languages=self.moments.languages,
            left=left[None],
            right=right[None],
            shift=(left @ (right @ self._anchor_mean()))[None],
            gold=False,
            weights=np.zeros((0, self.moments.width)),
            intercepts=np.zeros(0),
            ranks=(len(right),),
            path=path,
        )


def discriminant(moments: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Weights ``[K, H]`` and intercepts ``[K]`` of linear discriminant analysis, in closed form.

    A millionth of the mean variance is added to the diagonal of the covariance, so constant or
    linearly dependent dimensions do no harm.
    """
    within, means = moments.within, moments.means
    scale = np.trace(moments.covariance) / moments.width
    ridge = np.eye(moments.width) * (1e-6 * scale or 1.0)
    weights = np.linalg.solve(within + ridge, means.T).T
    shares = moments.counts / moments.counts.sum()
    return weights, np.log(shares) - 0.5 * (weights * means).sum(axis=1)
