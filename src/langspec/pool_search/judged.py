"""A team's own judged search set, in the layout of BEIR and MTEB.

Three files. Texts and queries are JSON lines with ``_id`` and ``text``; a ``title`` is put before
the text with a space, as mteb does, and ``language`` (or ``lang``) is the code of the language.
Judgements are a table with tabs or spaces: ``query-id corpus-id score`` below a header, or TREC's
four columns ``query 0 text score`` without one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from langspec.errors import LangspecError
from langspec.pool_search.csls import Side, csls_vectors
from langspec.pool_search.nearest import nearest, unit_rows
from langspec.pool_search.ranked import ranked_measures
from langspec.pool_search.ties import tie_order

if TYPE_CHECKING:
    import pandas as pd

HEADER = ("query-id", "corpus-id", "score")


@dataclass(frozen=True)
class Texts:
    """Queries, or the texts that are searched.

    Attributes:
        ids: all different.
        texts: as the encoder reads them; none is empty.
        languages: code of each, "" where the file gives none.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    languages: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Judged:
    """A judged search set.

    Attributes:
        queries: those with a relevant text; queries without any are left out.
        corpus: the texts that are searched.
        query: int ``[j]``: index of the query of each judgement above 0.
        text: int ``[j]``: index of its text.
        grade: float ``[j]``: how relevant the text is, above 0.
        unjudged: how many queries were left out.
    """

    queries: Texts
    corpus: Texts
    query: np.ndarray
    text: np.ndarray
    grade: np.ndarray
    unjudged: int

    @cached_property
    def _pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Judged pairs as sorted numbers, and their grades."""
        pairs = self.query * len(self.corpus.ids) + self.text
        order = np.argsort(pairs)
        return pairs[order], self.grade[order]

    def grades(self, query: np.ndarray, text: np.ndarray) -> np.ndarray:
        """Grades float of pairs of indices, of two arrays that broadcast; 0: not relevant."""
        pairs, grades = self._pairs
        wanted = query * len(self.corpus.ids) + text
        at = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
        return np.where(pairs[at] == wanted, grades[at], 0.0)

    def ideal(self, k: int, searched: np.ndarray | None = None) -> np.ndarray:
        """The k highest grades float ``[q, k]`` of each query, the highest first, then 0.

        ``searched`` bool ``[n]`` are the texts that count; None: all.
        """
        counts = np.ones(len(self.text), bool) if searched is None else searched[self.text]
        query, grade = self.query[counts], self.grade[counts]
        order = np.lexsort((-grade, query))
        query, grade = query[order], grade[order]
        rank = np.arange(len(query)) - np.searchsorted(query, query)
        best = np.zeros((len(self.queries.ids), k))
        best[query[rank < k], rank[rank < k]] = grade[rank < k]
        return best


def read_judged(queries: Path, qrels: Path, corpus: Path) -> Judged:
    """Read the three files.

    Raises:
        LangspecError: a file that cannot be read, is empty or has other columns; an id twice; an
            empty text; a judgement of a query or a text that is not there; no relevant text.
    """
    asked, searched = _read_texts(queries), _read_texts(corpus)
    rows: dict[tuple[str, str], float] = {}
    known = {"query": (set(asked.ids), queries), "text": (set(searched.ids), corpus)}
    for place, query, text, grade in _judgements(qrels):
        for kind, name in (("query", query), ("text", text)):
            ids, path = known[kind]
            if name not in ids:
                raise LangspecError(f"judges {kind} {name!r}, which {path} lacks", place=place)
        if rows.setdefault((query, text), grade) != grade:
            raise LangspecError(
                f"judges text {text!r} for query {query!r} again, with another score", place=place
            )
    relevant = {pair: grade for pair, grade in rows.items() if grade > 0}
    if not relevant:
        raise LangspecError("no text is relevant to a query (a score above 0)", place=qrels)
    answered = {query for query, _ in relevant}
    chosen = [i for i, name in enumerate(asked.ids) if name in answered]
    columns = (asked.ids, asked.texts, asked.languages)
    of_query = Texts(*(tuple(values[i] for i in chosen) for values in columns))
    query_at = {name: i for i, name in enumerate(of_query.ids)}
    text_at = {name: i for i, name in enumerate(searched.ids)}
    return Judged(
        queries=of_query,
        corpus=searched,
        query=np.asarray([query_at[query] for query, _ in relevant]),
        text=np.asarray([text_at[text] for _, text in relevant]),
        grade=np.asarray(list(relevant.values())),
        unjudged=len(asked.ids) - len(chosen),
    )


def judged_rows(
    judged: Judged,
    queries: np.ndarray,
    texts: np.ndarray,
    *,
    k: int = 10,
    csls: int | None = None,
) -> pd.DataFrame:
    """A row a query, as :func:`langspec.pool_search.pool.search_rows` gives them.

    Recall, ``rr`` and ``ndcg_k`` are of the judged texts; grades count in nDCG as they are, as in
    trec_eval. ``preferred`` is MLAIRE's
    language preference rate: of queries that have relevant texts in their own language and in
    another, is the first relevant text of the list in their own? nan elsewhere, and where none is
    among the first k. ``preferred_chance`` is the share of the relevant texts that are in the
    query's language. ``own_share`` is the share of the query's language among the first k texts, a
    relevant one or not, ``pool_share`` that among all texts. ``mono_recall_k`` is recall among the
    texts of the query's language; nan where none is relevant. What needs a language is nan for
    queries without one. ``line`` is the position of the query.

    Args:
        judged: the set.
        queries: ``[q, d]``, the vectors of ``judged.queries``.
        texts: ``[n, d]``, the vectors of ``judged.corpus``.
        k: length of the list.
        csls: neighbours of CSLS; None: the list is ordered by cosine.

    Raises:
        LangspecError: other numbers or widths of vectors; vectors that are not finite.
    """
    import pandas as pd

    _check(judged, queries, texts)
    given = (*judged.queries.languages, *judged.corpus.languages)
    codes, index = np.unique(given, return_inverse=True)
    language, of_text = np.split(index, [len(queries)])
    sides = Side(unit_rows(queries), language), Side(unit_rows(texts), of_text)
    if csls is not None:
        asking, listed = csls_vectors(*sides, len(codes), csls)
        sides = Side(asking, language), Side(listed, of_text)
    ties = tie_order(np.arange(len(of_text)), of_text)
    near = nearest(sides[0].vectors, sides[1].vectors, k, ties=ties)
    gains = judged.grades(np.arange(len(language))[:, None], near)
    same = of_text[near] == language[:, None]
    shares = {
        "own_share": same.mean(axis=1),
        "pool_share": np.bincount(of_text, minlength=len(codes))[language] / len(of_text),
        **_preference(judged, gains > 0, same, of_text[judged.text] == language[judged.query]),
        f"mono_recall_{k}": _monolingual(judged, *sides, k, ties),
    }
    known = np.asarray(judged.queries.languages) != ""
    return pd.DataFrame(
        {
            "language": np.asarray(judged.queries.languages, dtype=object),
            "line": np.arange(len(language)),
            **ranked_measures(gains, judged.ideal(k)),
            **{name: np.where(known, values, np.nan) for name, values in shares.items()},
        }
    )


def _monolingual(
    judged: Judged, queries: Side, texts: Side, k: int, ties: np.ndarray
) -> np.ndarray:
    """Recall float ``[q]`` where the texts of the query's language are all that is searched."""
    recall = np.full(len(queries.language), np.nan)
    for one in np.unique(queries.language):
        rows, pool = np.flatnonzero(queries.language == one), np.flatnonzero(texts.language == one)
        if len(pool):
            near = nearest(queries.vectors[rows], texts.vectors[pool], k, ties=ties[pool])
            ideal = judged.ideal(k, texts.language == one)[rows]
            measures = ranked_measures(judged.grades(rows[:, None], pool[near]), ideal)
            recall[rows] = measures[f"recall_{k}"]
    return recall


def _preference(
    judged: Judged, relevant: np.ndarray, same: np.ndarray, of_language: np.ndarray
) -> dict[str, np.ndarray]:
    """``preferred`` and ``preferred_chance`` float ``[q]``.

    Args:
        judged: the set.
        relevant: bool ``[q, k]``: which texts of the lists are relevant.
        same: bool ``[q, k]``: which are of the query's language.
        of_language: bool ``[j]``: which judged texts are of their query's language.
    """
    count = len(judged.queries.ids)
    total = np.bincount(judged.query, minlength=count)
    in_language = np.bincount(judged.query, weights=of_language, minlength=count)
    counts = (in_language > 0) & (in_language < total) & relevant.any(axis=1)
    first = np.take_along_axis(same, relevant.argmax(axis=1)[:, None], axis=1)[:, 0]
    return {
        "preferred": np.where(counts, first, np.nan),
        "preferred_chance": np.where(counts, in_language / total, np.nan),
    }


def _check(judged: Judged, queries: np.ndarray, texts: np.ndarray) -> None:
    """Refuse vectors that are not those of the set.

    Raises:
        LangspecError: other numbers of vectors, or two widths.
    """
    counts = len(judged.queries.ids), len(judged.corpus.ids)
    if (len(queries), len(texts)) != counts or queries.shape[1:] != texts.shape[1:]:
        raise LangspecError(
            f"expected vectors of one width for {counts[0]} queries and {counts[1]} texts, got "
            f"{queries.shape} and {texts.shape}"
        )


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Lines that are not empty, with their places.

    Raises:
        LangspecError: the file is absent, no UTF-8, or holds no line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise LangspecError(f"is not UTF-8 text (byte {error.start})", place=path) from None
    except OSError as error:
        raise LangspecError(f"cannot be read: {error.strerror}", place=path) from None
    if not text.strip():
        raise LangspecError("holds no line", place=path)
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"{path}:{number}", line.rstrip("\r")


def _read_texts(path: Path) -> Texts:
    """Queries, or the texts that are searched, from JSON lines."""
    rows: dict[str, tuple[str, str]] = {}
    for place, line in _lines(path):
        name, text, language = _text(line, place)
        if name in rows:
            raise LangspecError(f"has _id {name!r} a second time", place=place)
        rows[name] = text, language
    texts, languages = zip(*rows.values(), strict=True)
    return Texts(tuple(rows), texts, languages)


def _text(line: str, place: str) -> tuple[str, str, str]:
    """Id, text and language of one line of JSON."""
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise LangspecError('is no JSON object such as {"_id": "1", "text": "..."}', place=place)
    name = row.get("_id", row.get("id"))
    if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
        raise LangspecError(f"expected _id, a text or a whole number, got {name!r}", place=place)
    given = {key: row.get(key) or "" for key in ("title", "text", "language", "lang")}
    for key, value in given.items():
        if not isinstance(value, str):
            raise LangspecError(f"expected text under {key}, got {value!r}", place=place)
    text = f"{given['title']} {given['text']}".strip()
    if not text:
        raise LangspecError(f"_id {name!r} has no text", place=place)
    try:
        f"{text}{name}{given['language']}{given['lang']}".encode()
    except UnicodeEncodeError as error:
        half = str(error.object)[error.start]
        raise LangspecError(
            f"_id {name!r} holds half a pair of code units ({half!a}), which is no character",
            place=place,
        ) from None
    return str(name), text, given["language"] or given["lang"]


def _judgements(path: Path) -> Iterator[tuple[str, str, str, float]]:
    """Place, query, text and score of each judgement."""
    trec = None
    for place, line in _lines(path):
        cells = line.split("\t") if "\t" in line else line.split()
        cells = [cell.strip() for cell in cells]
        if trec is None:
            trec = len(cells) == 4
            if tuple(cell.replace("_", "-") for cell in cells) == HEADER:
                continue
        if len(cells) != (4 if trec else 3):
            raise LangspecError(
                f"has {len(cells)} columns; expected query-id, corpus-id and score with tabs "
                "between them, or TREC's four (query, 0, text, score)",
                place=place,
            )
        try:
            grade = float(cells[-1])
        except ValueError:
            grade = float("nan")
        if not np.isfinite(grade):
            raise LangspecError(f"expected a number as score, got {cells[-1]!r}", place=place)
        yield place, cells[0], cells[-2], grade
