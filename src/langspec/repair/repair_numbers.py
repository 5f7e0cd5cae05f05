"""The numbers of a repair as text and tables shows them: intervals, changes, rows of tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from langspec.measurement.intervals import Interval
from langspec.measures.spec import Column
from langspec.pool_search.summary import OVERALL, summary
from langspec.repair.choose_method import Rule, paired, signed
from langspec.repair.fit_methods import NOTHING, title_of
from langspec.repair.protocol import CSLS, HUBNESS, Outcome
from langspec.report.run_results import by_family, language_name
from langspec.report.table import Table, frame_of

MEASURES = {
    "recall_10": "recall@10",
    "recall_1": "recall@1",
    "rr": "MRR",
    "ndcg_10": "nDCG@10",
    "preferred": "language preference",
    "own_share": "own share of top 10",
    "mono_recall_10": "monolingual recall@10",
}
"""The measures of a table, in order; :mod:`langspec.pool_search.pool` says what they are."""


def mean_of(rows: pd.DataFrame, column: str) -> float:
    """The mean of a column, each language counted once; nan where it is not measured."""
    if column not in rows:
        return float("nan")
    return float(rows.groupby("language")[column].mean().mean())


def excess(rows: pd.DataFrame) -> Interval:
    """The share of the query's language in the top 10 less its share of the pool."""
    plain = rows[["language", "line"]]
    return paired(
        plain.assign(share=rows["pool_share"]), plain.assign(share=rows["own_share"]), "share"
    )


def shown(rows: pd.DataFrame) -> list[str]:
    """The measures of :data:`MEASURES` that rows have."""
    return [name for name in MEASURES if name in rows and rows[name].notna().any()]


def method_table(outcome: Outcome) -> Table:
    """Every method and every measure on test lines, the chosen one marked."""
    before = outcome.test[NOTHING]
    records = []
    for method, rows in outcome.test.items():
        record: dict[str, Any] = {"method": method, "title": method_words(method, outcome)}
        frame = summary(before, rows)
        for _, one in frame[frame["group"] == OVERALL].iterrows():
            name = one["measure"]
            record |= {name: one["after"]}
            record |= {f"{name}_{end}": one[f"after_{end}"] for end in ("low", "high")}
            record |= {f"{name}_change{end}": one[key] for end, key in _CHANGE.items()}
        record |= {"part": part_of(method, outcome), "role": role_of(method, outcome)}
        record |= {"hubness": rows.attrs.get(HUBNESS)}
        records.append(record)
    for method, why in outcome.fitted.left_out.items():
        record = {"method": method, "title": title_of(method), "part": "left out", "role": why}
        records.append(record)
    columns = [Column("title", "Method"), Column("part", "")]
    columns += [Column(name, MEASURES[name], "", "score") for name in shown(before)]
    if HUBNESS in before.attrs:
        columns.append(Column("hubness", "Hubness", kind="number"))
    return Table(
        "methods",
        "All methods",
        "Search with the test lines; brackets: 95 % interval over lines. A method was chosen on "
        f"validation lines by {outcome.rule.words}. Hubness: skewness of how many lists of ten a "
        "text is in; less is better.",
        (*columns, Column("role", "On validation lines")),
        frame_of(records),
    )


def rule_words(outcome: Outcome) -> str:
    """By what a method was chosen, and what may be lost."""
    if np.isnan(outcome.verdict.loss.value):
        return (
            f"{outcome.rule.words}; monolingual search was not measured, so its loss has no bound"
        )
    return f"{outcome.rule.words}; at most {outcome.rule.loss:g} of monolingual recall@10"


_CHANGE = {"": "difference", "_low": "low", "_high": "high"}


def method_words(method: str, outcome: Outcome) -> str:
    """A method's title, as rows of tables show it."""
    return "CSLS, nothing erased" if method == CSLS else title_of(method)


def part_of(method: str, outcome: Outcome) -> str:
    """What part a method played, in a word or two."""
    if method in (NOTHING, CSLS):
        return "before" if method == NOTHING else "baseline"
    if method == outcome.choice.method:
        return "chosen"
    return "not eligible" if method in outcome.choice.ruled_out else "eligible"


def role_of(method: str, outcome: Outcome) -> str:
    """What was decided on validation lines, and why."""
    if method in (NOTHING, CSLS):
        return "" if method == NOTHING else "needs all vectors of the pool"
    gain = outcome.choice.gains[method]
    why = outcome.choice.ruled_out.get(method, "")
    return signed(gain) + (f"; {why}" if why else "")


def language_table(outcome: Outcome) -> Table:
    """Before and after by language and by script, with what changed."""
    before, after = outcome.test[NOTHING], outcome.test[outcome.choice.method]
    frame = summary(before, after)
    names = [*by_family(list(before["language"].unique()))]
    records = []
    for group in ("language", "script"):
        of = frame[frame["group"] == group]
        for name in names if group == "language" else sorted(of["name"].unique()):
            record: dict[str, Any] = {"group": group, "name": name}
            record["title"] = language_name(name) if group == "language" else name
            record["kind"] = "By language" if group == "language" else "By script"
            records.append(record | change_record(of[of["name"] == name]))
    columns = [Column("title", ""), *change_columns(shown(before))]
    return Table(
        "languages",
        "By language of the query, and by script",
        "Test lines; brackets: 95 % interval of the paired change over lines.",
        tuple(columns),
        frame_of(records),
        section="kind",
    )


def change_record(of: pd.DataFrame) -> dict[str, Any]:
    """The cells of :func:`change_columns`, from the rows of ``summary`` of one name."""
    record: dict[str, Any] = {}
    for _, one in of.iterrows():
        measure = one["measure"]
        record |= {f"{measure}_before": one["before"], f"{measure}_after": one["after"]}
        record |= {f"{measure}_change{end}": one[key] for end, key in _CHANGE.items()}
    return record


def change_columns(measures: list[str]) -> list[Column]:
    """Two columns for each measure: before, and the change."""
    return [
        Column(f"{name}_{what}", what, MEASURES[name], "score")
        for name in measures
        for what in ("before", "change")
    ]


def suffering(outcome: Outcome) -> list[tuple[str, float]]:
    """Languages by the value of the rule's column before, the worst first."""
    return ranked(outcome.test[NOTHING], outcome.rule)


def ranked(rows: pd.DataFrame, rule: Rule) -> list[tuple[str, float]]:
    """Languages by a rule's column, the worst first."""
    means = rows.groupby("language")[rule.column].mean().dropna()
    ordered = means.sort_values(ascending=not rule.lower)
    return [(str(code), float(value)) for code, value in ordered.items()]


def bias_of(rows: pd.DataFrame) -> tuple[float, float, Interval]:
    """Mean share of the query's language in the top 10, of the pool, and the difference."""
    near, pool = mean_of(rows, "own_share"), mean_of(rows, "pool_share")
    return near, pool, excess(rows) if np.isfinite(near) else Interval(np.nan, np.nan, np.nan)
