"""A pool of texts in several languages, and what a search with each of its texts lists.

Every text that has a translation in the pool is a query once, and all other texts are what is
searched. The query itself is never listed, so parallel text holds no answer in the query's
language: every answer is a translation. What is measured of one query, with the first ``k`` texts
of its list:

``recall_1``, ``recall_k``
    Translations among the first 1 or k, divided by as many as could be there: BEIR's capped
    recall, R_cap@k (Thakur et al. 2021, appendix). It asks for what LAReQA calls strong alignment:
    a translation lies nearer than any other text of the query's language (Roy et al. 2020,
    section 1).
``rr``
    1 / the rank of the first translation among the first k, else 0 (its mean is MRR@k).
``ndcg_k``
    Of the first k, with gain 1 for a translation (Järvelin and Kekäläinen 2002).
``own_share`` beside ``pool_share``
    The share of the query's language among the first k texts of *other* lines, beside its share of
    all texts of other lines. Translations are left out of both: none of them can be of the query's
    language, so an ideal list of translations would look biased against it. Without a preference
    both are equal in expectation, because other lines are there in every language alike.
``preferred`` beside ``preferred_chance``
    Language preference rate: of equivalent texts, how often the query's language comes first
    (MLAIRE, arXiv 2605.07249, which asks it of the answers). Equivalent are the texts of one line.
    Counted are the lines of those first k texts of other lines, where a line has a text of the
    query's language and one of another; the query's own line counts too where it has another text
    of its language. By chance a line's first text is of the query's language in proportion to
    its number of texts. nan where no line counts.
``mono_recall_k``
    What monolingual search must not lose: see :mod:`langspec.pool_search.monolingual`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from langspec.errors import LangspecError
from langspec.pool_search.csls import Side, csls_vectors
from langspec.pool_search.hubness import Hubness, hubness
from langspec.pool_search.monolingual import monolingual_recall
from langspec.pool_search.nearest import nearest, unit_rows
from langspec.pool_search.ranked import ranked_measures
from langspec.pool_search.ties import tie_order

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Pool:
    """Texts of several languages.

    Attributes:
        vectors: float ``[n, d]``, of any length; a search compares cosines. A vector of zeros is
            equally near to all.
        language: int ``[n]``, indices into ``languages``.
        languages: codes.
        line: int ``[n]``; texts with one line number are translations of each other, -1: a text
            without translation (a distractor).

    Raises:
        LangspecError: lengths that differ, values that are not finite, no such language.
    """

    vectors: np.ndarray
    language: np.ndarray
    languages: tuple[str, ...]
    line: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.vectors)
        if self.vectors.ndim != 2 or not (n == len(self.language) == len(self.line)):
            raise LangspecError(
                "a pool expects vectors [n, d] with a language and a line number each, got "
                f"{self.vectors.shape}, {len(self.language)} languages, {len(self.line)} lines"
            )
        if n and not (self.language.min() >= 0 and self.language.max() < len(self.languages)):
            raise LangspecError(
                f"languages of a pool are numbers 0..{len(self.languages) - 1}, got "
                f"{self.language.min()}..{self.language.max()}"
            )
        if n and self.line.min() < -1:
            raise LangspecError(f"line numbers start at 0 (-1: none), got {self.line.min()}")

    def take(self, rows: np.ndarray) -> Pool:
        """The pool of some texts: positions int, or bool ``[n]``."""
        return Pool(self.vectors[rows], self.language[rows], self.languages, self.line[rows])

    @cached_property
    def units(self) -> np.ndarray:
        """The vectors float32 ``[n, d]`` with length 1."""
        return unit_rows(self.vectors)

    @cached_property
    def sizes(self) -> np.ndarray:
        """int ``[n]``: how many texts the line of each text has; 1 for distractors."""
        _, index, counts = np.unique(self.line, return_inverse=True, return_counts=True)
        return np.where(self.line < 0, 1, counts[index])

    @cached_property
    def queries(self) -> np.ndarray:
        """Positions int ``[q]`` of the texts that have a translation in the pool."""
        return np.flatnonzero(self.sizes > 1)

    def texts_of(self, line: np.ndarray, language: np.ndarray) -> np.ndarray:
        """How many texts a line has in a language: int, of two arrays of one shape."""
        names, counts = self._cells
        wanted = line.astype(np.int64) * len(self.languages) + language
        at = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
        return np.where((line >= 0) & (names[at] == wanted), counts[at], 0)

    @cached_property
    def _cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Which pairs of line and language there are, and the number of texts of each."""
        pairs = self.line.astype(np.int64) * len(self.languages) + self.language
        return np.unique(pairs, return_counts=True)


@dataclass(frozen=True, eq=False)
class PoolSearch:
    """What a search with every query of a pool lists.

    Attributes:
        pool: that was searched.
        k: length of the list that is measured.
        near: int ``[q, m]``: positions of the texts listed for each of ``pool.queries``, the
            nearest first; long enough to hold ``k`` texts of other lines.
        sides: vectors of every text as a query and as a text, whose inner product is the score;
            twice the units of the pool where the score is the cosine.
    """

    pool: Pool
    k: int
    near: np.ndarray
    sides: tuple[np.ndarray, np.ndarray]

    @property
    def hubness(self) -> Hubness:
        """How unequally often the texts are listed among the first ``k``."""
        return hubness(self.near[:, : self.k], len(self.pool.vectors))

    def rows(self, reference: Pool | None = None) -> pd.DataFrame:
        """A row a query with the measures of this module, by ``language`` and ``line``.

        Args:
            reference: the same texts with the vectors that judge monolingual search (those before
                a repair); None: this pool's.
        """
        import pandas as pd

        pool, query = self.pool, self.pool.queries
        same = pool.line[self.near] == pool.line[query][:, None]
        others = ~same & (np.cumsum(~same, axis=1) <= self.k)
        mono = monolingual_recall(pool, reference or pool, self.k, self.sides)
        return pd.DataFrame(
            {
                "language": np.asarray(pool.languages, dtype=object)[pool.language[query]],
                "line": pool.line[query],
                **ranked_measures(same.astype(float), _ideal(pool.sizes[query] - 1, self.k)),
                **_shares(self, others),
                **_preference(self, same, others),
                f"mono_recall_{self.k}": mono[query],
            }
        )


def search_pool(pool: Pool, *, k: int = 10, csls: int | None = None) -> PoolSearch:
    """Search a pool with each of its texts that has a translation.

    Lists are exact: candidates come from float32 products and are ordered by their cosines in
    float64. Equal cosines (to 9 digits) are ordered by a fixed pseudo-random number of line and
    language, so the order of the pool plays no part; texts that agree in both by position.

    Args:
        pool: of at least two texts.
        k: length of the list.
        csls: neighbours that CSLS takes means over (10 as published), see
            :mod:`langspec.pool_search.csls`; None: the score is the cosine.

    Raises:
        LangspecError: no text has a translation, or k below 1.
    """
    if k < 1 or (csls is not None and csls < 1):
        raise LangspecError(f"a search lists at least one text, got k={k}, csls={csls}")
    query = pool.queries
    if not len(query):
        raise LangspecError(
            "no text of the pool has a translation there; give texts that share line numbers"
        )
    sides = pool.units, pool.units
    if csls is not None:
        every, texts = np.arange(len(pool.units)), Side(pool.units, pool.language)
        sides = csls_vectors(texts, texts, len(pool.languages), csls, every)
    near = nearest(
        sides[0][query],
        sides[1],
        k + int(pool.sizes.max()) - 1,
        ties=tie_order(pool.line, pool.language),
        itself=query,
    )
    return PoolSearch(pool, k, near, sides)


def search_rows(
    pool: Pool, *, k: int = 10, csls: int | None = None, reference: Pool | None = None
) -> pd.DataFrame:
    """:func:`search_pool`, and its rows: one a query, with the measures of this module."""
    return search_pool(pool, k=k, csls=csls).rows(reference)


def _ideal(translations: np.ndarray, k: int) -> np.ndarray:
    """Gains float ``[q, k]`` of the best list, for the number of translations ``[q]``."""
    return (np.arange(k)[None] < translations[:, None]).astype(float)


def _shares(search: PoolSearch, others: np.ndarray) -> dict[str, np.ndarray]:
    """``own_share`` and ``pool_share``; ``others`` bool ``[q, m]``: the texts that count."""
    pool, query = search.pool, search.pool.queries
    language, line = pool.language[query], pool.line[query]
    hits = (pool.language[search.near] == language[:, None]) & others
    of_language = np.bincount(pool.language, minlength=len(pool.languages))[language]
    rest = len(pool.line) - pool.sizes[query]
    with np.errstate(invalid="ignore"):
        return {
            "own_share": hits.sum(axis=1) / others.sum(axis=1),
            "pool_share": (of_language - pool.texts_of(line, language)) / rest,
        }


def _preference(search: PoolSearch, same: np.ndarray, others: np.ndarray) -> dict[str, np.ndarray]:
    """``preferred`` and ``preferred_chance``.

    Args:
        search: whose lists are read.
        same: bool ``[q, m]``: listed texts of the query's own line.
        others: bool ``[q, m]``: the first k of other lines.
    """
    pool, query = search.pool, search.pool.queries
    language = np.broadcast_to(pool.language[query][:, None], search.near.shape)
    line = pool.line[search.near]
    of_language = pool.texts_of(line, language) - same
    texts = pool.sizes[search.near] - same
    counts = (same | others) & (line >= 0) & (of_language > 0) & (of_language < texts)
    for at in range(1, line.shape[1]):  # only the first text of each line
        counts[:, at] &= ~(line[:, :at] == line[:, at : at + 1]).any(axis=1)
    hits = pool.language[search.near] == language
    chance = of_language / np.maximum(texts, 1)
    lines = counts.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return {
            "preferred": (hits & counts).sum(axis=1) / lines,
            "preferred_chance": (chance * counts).sum(axis=1) / lines,
        }
