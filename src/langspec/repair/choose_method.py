"""Choosing a method by a named rule on validation lines, and the verdict on test lines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from langspec.errors import LangspecError
from langspec.measurement.intervals import Interval
from langspec.pool_search.summary import NAMES, OVERALL, summary
from langspec.repair.fit_methods import NOTHING, title_of

MONOLINGUAL = "mono_recall_10"
"""The column that must not fall: recall@10 of search within one language."""


@dataclass(frozen=True)
class Rule:
    """Which method is best.

    Attributes:
        name: that ``--rule`` asks for it by.
        column: of the rows of queries; the method with the best mean is chosen.
        words: what the column is, for people.
        lower: is less of it better?
        loss: by how much monolingual recall@10 may fall; a method that loses more is ruled out.
    """

    name: str
    column: str
    words: str
    lower: bool = False
    loss: float = 0.01

    def gain(self, before: pd.DataFrame, after: pd.DataFrame) -> Interval:
        """What a method improves the column by, paired by query; above 0: it is better."""
        return paired(before, after, self.column, lower=self.lower)


RULES = {
    rule.name: rule
    for rule in (
        Rule("recall", "recall_10", "recall@10 in the pool of all languages"),
        Rule("first", "recall_1", "recall@1 in the pool of all languages"),
        Rule("mrr", "rr", "mean reciprocal rank in the pool of all languages"),
        Rule("ndcg", "ndcg_10", "nDCG@10 in the pool of all languages"),
        Rule("preference", "preferred", "language preference rate", lower=True),
        Rule("share", "own_share", "share of the query's language in the top 10", lower=True),
    )
}


def rule_named(name: str, loss: float) -> Rule:
    """The rule of a name.

    Raises:
        LangspecError: no such rule, a loss that is no share.
    """
    if name not in RULES:
        raise LangspecError(f"{name!r}; expected one of {', '.join(RULES)}", place="--rule")
    if not 0 <= loss <= 1:
        raise LangspecError(f"{loss}; expected a number within 0..1", place="--loss")
    return replace(RULES[name], loss=loss)


@dataclass(frozen=True)
class Choice:
    """What was chosen on validation lines.

    Attributes:
        method: the best one; :data:`NOTHING`: none is better than the vectors as they are.
        gains: of each method, by the rule's column.
        losses: of each method: the change of monolingual recall@10; nan where it is not measured.
        ruled_out: why a method was not eligible, by method.
    """

    method: str
    gains: dict[str, Interval]
    losses: dict[str, Interval]
    ruled_out: dict[str, str]


@dataclass(frozen=True)
class Verdict:
    """What the chosen method does on test lines.

    Attributes:
        repaired: is the whole interval of the gain above 0, and none shown that more is lost than
            the rule allows?
        gain: by the rule's column.
        loss: change of monolingual recall@10; nan where it is not measured.
        why: a sentence; "" where it is repaired.
    """

    repaired: bool
    gain: Interval
    loss: Interval
    why: str = ""


def paired(
    before: pd.DataFrame, after: pd.DataFrame, column: str, *, lower: bool = False
) -> Interval:
    """The difference of a column's means, each language counted once, with its 95 % interval.

    The interval is over lines (:func:`langspec.pool_search.summary.summary`); nan where the column
    is not measured.

    Args:
        before: a row a query, with ``language`` and ``line``.
        after: the same queries in the same order.
        column: whose values are compared.
        lower: less is better; the difference is then turned round.

    Raises:
        LangspecError: other queries.
    """
    columns = [*NAMES, *([column] if column in before else [])]
    frame = summary(before[columns], after[columns])
    if frame.empty:
        return Interval(np.nan, np.nan, np.nan)
    value, low, high = frame.loc[frame["group"] == OVERALL, ["difference", "low", "high"]].iloc[0]
    return Interval(-value, -high, -low) if lower else Interval(value, low, high)


def signed(interval: Interval) -> str:
    """``+0.051 [+0.040, +0.062]``."""
    return _minus(f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]")


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def choose(
    rows: Mapping[str, pd.DataFrame], rule: Rule, allowed: Collection[str] | None = None
) -> Choice:
    """Choose the method whose mean is best among those that the rule allows.

    Args:
        rows: of :func:`langspec.pool_search.pool.search_rows` by method, and of the vectors as
            they are under :data:`NOTHING`; all of the same queries.
        rule: what is best, and what may be lost.
        allowed: methods that can be used, such as those that a folder can carry; None: all.
    """
    before = rows[NOTHING]
    methods = [name for name in rows if name != NOTHING]
    gains = {name: rule.gain(before, rows[name]) for name in methods}
    losses = {name: paired(before, rows[name], MONOLINGUAL) for name in methods}
    out: dict[str, str] = {}
    for name in methods:
        if allowed is not None and name not in allowed:
            out[name] = "needs the language of each vector, which no linear layer has"
        elif losses[name].value < -rule.loss:
            out[name] = f"monolingual recall@10 {_minus(f'{losses[name].value:+.3f}')}"
    eligible = [name for name in methods if name not in out and gains[name].value > 0]
    best = max(eligible, key=lambda name: gains[name].value, default=NOTHING)
    return Choice(best, gains, losses, out)


def judge(before: pd.DataFrame, after: pd.DataFrame, method: str, rule: Rule) -> Verdict:
    """Judge the chosen method on test lines: repaired, or nothing to repair, and why."""
    gain, loss = rule.gain(before, after), paired(before, after, MONOLINGUAL)
    if method == NOTHING:
        return Verdict(
            False, gain, loss, f"no method improves {rule.words} on the validation lines"
        )
    said = f"{title_of(method)}, the best on the validation lines, changes {rule.words}"
    if not gain.low > 0:
        interval = signed(gain)
        return Verdict(
            False, gain, loss, f"{said} on the test lines by {interval}: the interval holds 0"
            if gain.high >= 0
            else f"{said} on the test lines by {interval}: for the worse",
        )  # fmt: skip
    if loss.high < -rule.loss:
        return Verdict(
            False,
            gain,
            loss,
            f"{title_of(method)} costs {-loss.value:.3f} of monolingual recall@10 on the test "
            f"lines, the whole interval more than the {rule.loss:g} that --loss allows",
        )
    return Verdict(True, gain, loss)
