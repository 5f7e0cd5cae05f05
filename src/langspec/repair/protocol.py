"""The protocol: fit on training lines, choose on validation lines, report on test lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from langspec.errors import LangspecError
from langspec.pool_search.pool import Pool, search_pool
from langspec.progress_bar import Progress
from langspec.repair.choose_method import Choice, Rule, Verdict, choose, judge
from langspec.repair.crowding import crowding_rows
from langspec.repair.fit_methods import METHODS, NOTHING, Fitted, Labelled, fit_all, title_of
from langspec.repair.unit_eraser import UnitEraser

CSLS = "csls"
"""The baseline that erases nothing: cross-domain similarity local scaling, with 10 neighbours."""
HUBNESS = "hubness"
"""The attribute of rows that holds the skewness of how many lists of ten a text is in."""
_NEIGHBOURS = 10


@dataclass(frozen=True)
class Parts:
    """Vectors of the three splits, which share no line.

    Attributes:
        train: what methods are fitted on.
        dev: what one of them is chosen on.
        test: what is reported.
        translations: training vectors that are translations, where ``train`` holds none.
    """

    train: Labelled
    dev: Labelled
    test: Labelled
    translations: Labelled | None = None


@dataclass(frozen=True)
class Protocol:
    """How a method is chosen.

    Attributes:
        rule: what is best, and what may be lost.
        methods: that are tried.
        one_map: only methods with one map for all languages may be chosen, as linear layers carry.
        fit_languages: languages that methods are fitted and chosen on; empty: all.
    """

    rule: Rule
    methods: Sequence[str] = METHODS
    one_map: bool = False
    fit_languages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unseen:
    """What the chosen method does for languages that it was not fitted on.

    Attributes:
        languages: their codes.
        before: rows of their queries.
        after: the same queries behind the eraser.
        halves: was the method fitted on one half of the languages for the other and the other way
            round (else on ``fit_languages``)?
    """

    languages: tuple[str, ...]
    before: pd.DataFrame
    after: pd.DataFrame
    halves: bool


@dataclass(frozen=True)
class Outcome:
    """All that a repair measures.

    Attributes:
        fitted: the methods.
        choice: on validation lines.
        verdict: of the chosen method on test lines.
        dev: rows of queries by method, of validation lines.
        test: the same of test lines, and of :data:`CSLS`.
        unseen: None where it is not measured.
        eraser: the chosen method; None: none is better than nothing.
        rule: by which it was chosen.
    """

    fitted: Fitted
    choice: Choice
    verdict: Verdict
    dev: dict[str, pd.DataFrame]
    test: dict[str, pd.DataFrame]
    unseen: Unseen | None = None
    eraser: UnitEraser | None = None
    rule: Rule = field(kw_only=True)

    @property
    def translations(self) -> bool:
        """Was search across languages measured?"""
        return "recall_10" in self.test[NOTHING]


def run_protocol(parts: Parts, protocol: Protocol) -> Outcome:
    """Fit every method, choose one and judge it.

    Args:
        parts: the vectors.
        protocol: how.

    Raises:
        LangspecError: fewer than two languages to fit on, a method without a name.
    """
    rule, chosen_on = protocol.rule, protocol.fit_languages
    seen = np.unique(parts.train.languages)
    if chosen_on:
        seen = np.intersect1d(seen, chosen_on)
        if len(seen) < 2:
            raise LangspecError(
                f"names {len(seen)} of the languages; expected two or more",
                place="--fit-languages",
            )
    fitted = _fit(parts, protocol.methods, seen)
    within = np.isin(parts.dev.languages, seen)
    several = len(np.unique(parts.dev.languages[within])) > 1
    dev = parts.dev.at(within) if several else parts.dev
    rows = measured(dev, fitted.maps, "choose")
    allowed = [name for name, one in fitted.maps.items() if one.one_map or not protocol.one_map]
    choice = choose(rows, rule, allowed)
    tested = measured(parts.test, fitted.maps, "test", csls=parts.test.parallel)
    method = choice.method
    verdict = judge(tested[NOTHING], tested[method], method, rule)
    better = [name for name in choice.ruled_out if choice.gains[name].value > 0]
    if method == NOTHING and better:
        best = max(better, key=lambda name: choice.gains[name].value)
        why = f"{title_of(best)} improves {rule.words} on the validation lines, but may not be "
        verdict = replace(verdict, why=f"{why}chosen: {choice.ruled_out[best]}")
    unseen = None
    if method != NOTHING:
        unseen = _unseen(parts, method, tested, seen)
    eraser = fitted.maps.get(method)
    return Outcome(fitted, choice, verdict, rows, tested, unseen, eraser, rule=rule)


def measured(
    part: Labelled, maps: dict[str, UnitEraser], what: str, *, csls: bool = False
) -> dict[str, pd.DataFrame]:
    """Rows of queries of every method, and of the vectors as they are.

    Args:
        part: vectors of one split.
        maps: the fitted methods.
        what: is done, for the progress bar.
        csls: measure the baseline too.
    """
    search = searcher(part)
    rows = {}
    with Progress(1 + len(maps) + csls, what, "method") as progress:
        rows[NOTHING] = search(part.vectors, None)
        progress.update()
        for name, eraser in maps.items():
            rows[name] = search(eraser.apply(part.vectors, part.languages), None)
            progress.update()
        if csls:
            rows[CSLS] = search(part.vectors, _NEIGHBOURS)
            progress.update()
    return rows


def searcher(part: Labelled) -> Callable[[np.ndarray, int | None], pd.DataFrame]:
    """A function that measures search with other vectors of the same texts.

    Monolingual search is judged by the vectors of ``part`` itself, before and after alike.
    """
    if not part.parallel:
        return lambda vectors, csls: crowding_rows(vectors, part.languages, part.lines)
    codes, language = np.unique(part.languages, return_inverse=True)
    names = tuple(map(str, codes))
    plain = Pool(part.vectors, language, names, part.lines)

    def search(vectors: np.ndarray, csls: int | None) -> pd.DataFrame:
        pool = plain if vectors is part.vectors else Pool(vectors, language, names, part.lines)
        searched = search_pool(pool, csls=csls)
        rows = searched.rows(plain)
        rows.attrs[HUBNESS] = searched.hubness.skewness
        return rows

    return search


def _fit(parts: Parts, methods: Sequence[str], seen: np.ndarray) -> Fitted:
    """Fit on the languages seen; methods that compare translations on those, where apart."""
    train = parts.train.at(np.isin(parts.train.languages, seen))
    if parts.translations is None:
        return fit_all(train, methods)
    other = parts.translations.at(np.isin(parts.translations.languages, seen))
    compare = [name for name in methods if "relative" in name]
    rest = [name for name in methods if name not in compare]
    both = Fitted()
    if len(np.unique(other.languages)) < 2:
        why = "compares translations, and the fitted languages have none in two or more languages"
        both.left_out.update({name: f"{name} {why}" for name in compare})
        compare = []
    for of, names in ((train, rest), (other, compare)):
        if names:
            one = fit_all(of, names)
            both.maps.update(one.maps)
            both.left_out.update(one.left_out)
    return both


def _unseen(
    parts: Parts, method: str, tested: dict[str, pd.DataFrame], seen: np.ndarray
) -> Unseen | None:
    """Languages of the test text that were not fitted on; where there are none, two halves."""
    test = parts.test
    codes = np.unique(test.languages)
    before, after = tested[NOTHING], tested[method]
    others = np.setdiff1d(codes, seen)
    if len(others):
        of = before["language"].isin(others)
        return Unseen(tuple(map(str, others)), before[of], after[of], halves=False)
    if len(codes) < 4:
        return None
    search = searcher(test)
    frames: list[pd.DataFrame] = []
    for half in (codes[::2], codes[1::2]):
        fitted = _fit(parts, [method], half).maps.get(method)
        if fitted is None:
            return None
        rows = search(fitted.apply(test.vectors, test.languages), None)
        frames.append(rows[~rows["language"].isin(half)])
    joined = pd.concat(frames).sort_index()
    return Unseen(tuple(map(str, codes)), before, joined, halves=True)
