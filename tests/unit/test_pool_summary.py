"""Means and paired differences of searches, with intervals over lines."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from langspec.errors import LangspecError
from langspec.pool_search.summary import summary

pytestmark = pytest.mark.medium


def rows(values: list[float], languages: str = "en de", lines: int = 2) -> pd.DataFrame:
    codes = languages.split()
    return pd.DataFrame(
        {
            "language": codes * lines,
            "line": np.repeat(np.arange(lines), len(codes)),
            "recall_1": values,
        }
    )


def of(table: pd.DataFrame, group: str, name: str) -> pd.Series:
    (one,) = (row for _, row in table.iterrows() if (row["group"], row["name"]) == (group, name))
    return one


def test_a_difference_by_hand() -> None:
    table = summary(rows([0.0, 0.0, 1.0, 0.0]), rows([1.0, 1.0, 1.0, 0.0]))
    english, overall = of(table, "language", "en"), of(table, "overall", "overall")
    assert (english["before"], english["after"], english["difference"]) == (0.5, 1.0, 0.5)
    # Differences 1 and 0 of two lines: standard error sqrt(2) * (1/2) / ... = 1/2, t with 1 df.
    assert english["high"] - english["difference"] == pytest.approx(0.5 * t.ppf(0.975, 1))
    assert overall["difference"] == 0.5  # line 0: both languages gain 1; line 1: nothing
    assert overall["high"] - 0.5 == pytest.approx(0.5 * t.ppf(0.975, 1))
    assert (overall["queries"], overall["lines"]) == (4, 2)
    assert list(table["group"].unique()) == ["overall", "script", "language"]


def test_a_mean_counts_every_language_once() -> None:
    one = rows([1.0, 0.0, 1.0, 0.0, 1.0, 0.0], lines=3).iloc[:-2]  # of German two lines
    one = pd.concat([one, one[one["language"] == "en"].assign(line=9)], ignore_index=True)
    assert of(summary(one, one), "overall", "overall")["before"] == 0.5


def test_scripts_are_means_of_their_languages_and_unknown_codes_have_none() -> None:
    one = rows([1.0, 0.0, 0.5, 0.2] * 2, "en de ru ours")
    table = summary(one, one)
    assert of(table, "script", "Latin")["before"] == 0.5
    assert of(table, "script", "Cyrillic")["before"] == 0.5
    assert of(table, "script", "unknown")["before"] == 0.2


def test_queries_without_a_value_on_one_side_are_left_out() -> None:
    table = summary(rows([np.nan, 0.0, 1.0, 0.0]), rows([1.0, 1.0, 0.0, np.nan]))
    assert of(table, "language", "en")["difference"] == -1
    assert of(table, "language", "de")["difference"] == 1
    assert np.isnan(of(table, "language", "en")["low"])  # one line: no interval
    assert not len(summary(rows([np.nan] * 4), rows([1.0] * 4)))


def test_equal_searches_differ_by_zero() -> None:
    one = rows([1.0, 0.0, 0.5, 0.2])
    row = of(summary(one, one), "overall", "overall")
    assert (row["difference"], row["low"], row["high"]) == (0.0, 0.0, 0.0)


def test_other_queries_are_refused() -> None:
    one = rows([1.0, 0.0, 0.5, 0.2])
    with pytest.raises(LangspecError, match="not the same queries"):
        summary(one, one.iloc[::-1])
    with pytest.raises(LangspecError, match="not the same queries"):
        summary(one.iloc[:0], one.iloc[:0])


def test_intervals_hold_the_truth_where_lines_vary_as_a_whole() -> None:
    """95 of 100 intervals hold a difference of 0.1; with queries as items far fewer would."""
    rng, held, runs = np.random.default_rng(0), 0, 400
    for _ in range(runs):
        of_line = np.repeat(rng.normal(size=60), 4)
        before = rows(list(rng.normal(size=240)), "en de ru zh", 60)
        after = before.assign(recall_1=before["recall_1"] + 0.1 + 0.3 * of_line)
        row = of(summary(before, after), "overall", "overall")
        held += row["low"] <= 0.1 <= row["high"]
    assert 0.92 < held / runs < 0.98
