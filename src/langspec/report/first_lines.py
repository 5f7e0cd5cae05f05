"""The lines around the cards of the first screen: what the numbers are of, how sure they are."""

from __future__ import annotations

from collections.abc import Mapping

from langspec.measurement.difference import JudgeOptions
from langspec.report.compare_text import probability
from langspec.report.contrasts import Contrasts
from langspec.report.first_answers import OPEN, decided, shown_lines
from langspec.report.run_results import Run
from langspec.report.table import measured


def banner(run: Run) -> str:
    """What disqualifies the numbers before they are read; "" for corpora that people wrote."""
    if not run.card.get("generated"):
        return ""
    return "Generated sentences: this shows how the measures behave, not what languages do."


def sure_line(run: Run, compared: Mapping[str, Contrasts], options: JudgeOptions) -> str:
    """On how much the verdicts rest: seeds, failed ones, level of the intervals, largest p.

    The p is that of the least sure interval that decides something.
    """
    scores = measured(run.results, "task")
    seeds = scores[scores["method"].isin(run.methods)].groupby(["task", "method"])["seed"]
    counts = seeds.nunique()
    if counts.empty:
        return ""
    few, most = int(counts.min()), int(counts.max())
    if most == 1:
        return "One seed: the noise of training is unknown, so nothing is found."
    many = f"{few}" if few == most else f"{few} to {most}"
    failed = f", {len(run.failed)} failed" if run.failed else ""
    start = f"{many} seeds{failed}, {100 * (1 - options.alpha):g}% intervals"
    p = probability(_largest_p(compared))
    if p == "–":
        return f"{start}, no verdict."
    largest = f"p{'' if p[0] == '<' else '≤'}{p}"
    if all(map(decided, shown_lines(compared))):
        return f"{start}, {largest} for each."
    return f"{start}; {OPEN}: undecided, others {largest}."


def _largest_p(compared: Mapping[str, Contrasts]) -> float:
    """Of the verdicts that the cards rest on, the one that is least sure; nan: there is none."""
    present = [
        line.judged.p_equivalent_adjusted
        if line.verdict == "equivalent"
        else line.judged.p_adjusted
        for line in shown_lines(compared)
        if decided(line)
    ]
    return max(present, default=float("nan"))
