"""The four claims of Tanti et al. 2021 beside the numbers of a finished run, as a Markdown table.

    python benchmarks/claims.py results/demo

Reads the published numbers of ``data/published``, tables that the stage ``report`` wrote, and
compares methods as ``langspec compare`` does. A method that was not trained, or a measure that was
not run, is named. Differences are in points (hundredths), with 95 % intervals over seeds.

A claim holds or does not hold by the rule of docs/study.md: by the verdict on its contrast. An
undecided contrast leaves it open. Language identification fails where more than half is gone of
what a probe reads above chance (:func:`fails`).
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

PUBLISHED = Path(__file__).resolve().parents[1] / "data" / "published" / "tanti2021_results.csv"
HEAD = "| claim | paper (mBERT) | here | how sure |\n|---|---|---|---|"
TASKS = {"pos": "POS", "nli": "NLI"}
UNIT = {"pos": "token", "nli": "sentence"}  # what the published probe of the task reads
SCORE = {"pos": "task_micro_f1", "nli": "task_accuracy"}
BREAK = "<br>"
CLUSTERS, UNLEARNING, SHARED = (  # contrasts of docs/study.md
    "no clusters by language",
    "unlearning adds nothing",
    "shared content gains",
)


def number(value: float) -> str:
    """Two digits behind the point, without a zero before it: .96, −.04, 1.00."""
    text = f"{abs(value):.2f}".removeprefix("0")
    return f"−{text}" if value < 0 and text != ".00" else text


def change(before: float, after: float) -> str:
    """Two numbers with an arrow."""
    return f"{number(before)} → {number(after)}"


def judged(row: Any, margin: float = 0.01) -> str:
    """A difference in points with its interval and its verdict."""
    low, middle, high = (100 * value for value in (row["low"], row["difference"], row["high"]))
    verdict = {"equivalent": f"equivalent (±{100 * margin:g})"}.get(row["verdict"], row["verdict"])
    return f"{middle:+.1f} [{low:+.1f} {high:+.1f}] {verdict}".replace("-", "−")


def says(claim: str, verdict: str) -> str:
    """What a verdict on a claim's contrast says of the claim, by the rule of docs/study.md."""
    from langspec.cells.claim_contrasts import CLAIMS as CONTRASTS

    (contrast,) = (one for one in CONTRASTS if one.claim == claim)
    said = contrast.says({"worse": "lower", "better": "higher"}.get(verdict, verdict))
    return {"not decided": "open"}.get(said, said)


def fails(row: Any, chance: float) -> str:
    """Does language identification fail: is more than half gone of what a probe read?

    Args:
        row: of the leak: value before (``second``), difference with its interval, verdict.
        chance: what naming the commonest language gives; that much cannot be lost.
    """
    from langspec.report.first_answers import HALF

    whole = row["second"] - chance
    if not whole > 0:
        return "open"
    if -row["low"] / whole < HALF:  # a missing end decides nothing
        return "does not hold"
    sure = row["verdict"] == "lower" and -row["high"] / whole > HALF
    return "holds" if sure else "open"


@cache
def contrasts(run: Path, task: str) -> dict[str, Any]:
    """The four contrasts of docs/study.md, by claim.

    Raises:
        Absent: the geometry was not measured.
    """
    from langspec.cells.claim_contrasts import answers, read_contrasts
    from langspec.measurement.bootstrap import BootstrapOptions
    from langspec.measurement.difference import JudgeOptions
    from langspec.report.compared import CompareOptions

    if not (run / "evaluate" / task / "geometry.csv").is_file():
        raise Absent("not measured (evaluate.geometry.run)")
    # As langspec.compare_methods; each claim has a margin of its own.
    options = CompareOptions(JudgeOptions(margin=0.01), BootstrapOptions(resamples=1000, seed=0))
    reading = read_contrasts(run, task, options, "")
    return {one.claim.claim: one for one in answers(reading)}


def contrast(run: Path, task: str, claim: str) -> tuple[float, float, str, str]:
    """Of a claim's contrast: the values before and after, what it says, and why.

    Raises:
        Absent: a method was not trained, or the geometry was not measured.
    """
    one = contrasts(run, task)[claim]
    if one.compared is None or one.judged is None:
        raise Absent(f"`{one.claim.b}` or `{one.claim.a}` was not trained or measured")
    low, high = one.compared.difference.interval(0.05)
    row = {"low": low, "difference": one.compared.difference.value, "high": high}
    why = judged({**row, "verdict": one.verdict}, one.claim.margin)
    before, after = one.compared.b, one.compared.a
    if claim == CLUSTERS and before <= one.claim.margin:
        return before, after, "open", "no clusters before fine-tuning"
    return before, after, says(claim, one.verdict), why


def compared(run: Path, task: str, first: str, second: str) -> pd.DataFrame | None:
    """``langspec compare`` of two methods; None where one was not trained."""
    from langspec.api import compare_methods

    if not all((run / "train" / task / one).is_dir() for one in (first, second)):
        return None
    return compare_methods(run, task, first, second)


class Absent(Exception):
    """A number that the run does not have; the text says what to run."""


def leak(run: Path, task: str, frame: pd.DataFrame) -> Any:
    """The row of the leak of the task's unit at the layer that its head reads.

    Raises:
        Absent: no leak was measured there.
    """
    from langspec.results import head_layer, read_results

    layer = head_layer(read_results(run / "evaluate" / task / "results.csv"))
    rows = frame[(frame["metric"] == "leak") & (frame["unit"] == UNIT[task])]
    rows = rows[rows["layer"] == layer]
    if rows.empty:
        raise Absent("no leak at the head's layer")
    return rows.iloc[0]


def chance(run: Path, task: str) -> float:
    """The leak of always naming the commonest language, of the task's unit; 0: not measured."""
    from langspec.results import LEAK_METRIC, read_results

    rows = read_results(run / "evaluate" / task / "results.csv")
    wanted = {"measure": "leak", "probe": "majority", "metric": LEAK_METRIC, "language": "all"}
    for column, value in {**wanted, "unit": UNIT[task]}.items():
        rows = rows[rows[column] == value]
    return float(rows["value"].mean()) if len(rows) else 0.0


def report_table(run: Path, name: str, needs: str) -> pd.DataFrame:
    """A table that the stage report wrote.

    Raises:
        Absent: there is none, because ``needs`` was not asked for.
    """
    path = run / "report" / "tables" / f"{name}.csv"
    if not path.is_file():
        raise Absent(f"not measured ({needs})")
    return pd.read_csv(path)


def transfer(frame: pd.DataFrame) -> Any:
    """The row of mean accuracy over the target languages."""
    wanted = (frame["metric"] == "accuracy") & (frame["language"] == "mean_targets")
    return frame[wanted].iloc[0]


def published(task: str, method: str, metric: str) -> float:
    """A number of the paper, of all languages pooled."""
    table = pd.read_csv(PUBLISHED)
    wanted = (table["task"] == task) & (table["method"] == method) & (table["metric"] == metric)
    return float(table[wanted & table["language"].isna()]["value"].iloc[0])


def clusters(run: Path, task: str) -> tuple[str, str, str]:
    """Vectors stop clustering by language."""
    metric = "v_measure_language_task_text"
    paper = change(*(published(task, one, metric) for one in ("frozen", "finetune")))
    before, after, word, why = contrast(run, task, CLUSTERS)
    here = f"adjusted mutual information {change(before, after)}"
    return f"V-measure {paper}", here, f"**{word}**: {why}"


def reading(run: Path, task: str) -> tuple[str, str, str]:
    """A probe reads less language."""
    metric = "language_macro_f1_wikipedia"
    before, after = (published(task, one, metric) for one in ("frozen", "finetune"))
    frame = compared(run, task, "finetune", "frozen")
    if frame is None:
        raise Absent("`frozen` or `finetune` was not trained")
    row = leak(run, task, frame)
    word = fails(row, chance(run, task))
    paper = f"{UNIT[task]}s {before:.3f} → {after:.3f}".replace(" 0.", " .")
    here = f"leak of {UNIT[task]}s {change(row['second'], row['first'])}"
    return paper, here, f"**{word}**: {judged(row)}"


def unlearning(run: Path, task: str) -> tuple[str, str, str]:
    """Unlearning brings the task nothing."""
    before, after = (published(task, one, SCORE[task]) for one in ("finetune", "grl"))
    paper = f"fine-tuned {number(before)}, `grl` {number(after)}"
    for other in ("control", "finetune"):
        frame = compared(run, task, "grl", other)
        if frame is not None:
            row, language = transfer(frame), leak(run, task, frame)
            scores = f"targets {change(row['second'], row['first'])}"
            leaks = f"leak {change(language['second'], language['first'])}"
            sure = f"**{says(UNLEARNING, row['verdict'])}**: {judged(row)}"
            return paper, f"`{other}` → `grl`: {scores}, {leaks}", sure
    raise Absent("`grl` was not trained")


def capacity(run: Path, task: str) -> tuple[str, str, str]:
    """Capacity moves from languages to what they share."""
    table = report_table(run, f"moves_{task}", "evaluate.geometry.run")
    wanted = (table["place"] == "language text, per token") & (table["method"] == "finetune")
    if not wanted.any():
        raise Absent("`finetune` was not trained")
    row = table[wanted].iloc[0]
    share = (row[f"variance_share_language_{when}"] for when in ("before", "after"))
    before, after, word, why = contrast(run, task, SHARED)
    here = f"variance between languages {change(*share)} of all; retrieval of translations "
    return "not measured", here + change(before, after), f"**{word}**: retrieval {why}"


CLAIMS = {
    "After fine-tuning, vectors no longer cluster by language": clusters,
    "Fine-tuning makes language identification fail": reading,
    "Unlearning language does not help the task": unlearning,
    "Capacity moves from languages to what they share": capacity,
}


def cells_of(row: Any, run: Path, task: str) -> tuple[str, str, str]:
    """Paper, here and how sure; what the run does not have is said in the second."""
    try:
        return row(run, task)
    except Absent as absent:
        return "–", str(absent), "**open**"


def table(run: Path) -> str:
    """The four rows of a run."""
    tasks = [task for task in TASKS if (run / "evaluate" / task / "results.csv").is_file()]
    if not tasks or not (run / "report" / "tables").is_dir():
        raise SystemExit(f"error: {run}: no finished run (evaluate, report); run: dvc repro")
    lines = [HEAD]
    for claim, row in CLAIMS.items():
        found = [(TASKS[task], cells_of(row, run, task)) for task in tasks]
        cells = [BREAK.join(f"{name}: {cell[i]}" for name, cell in found) for i in range(3)]
        lines.append(f"| {' | '.join([claim, *cells])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The paper's four claims beside a run's numbers.")
    parser.add_argument("run", type=Path, help="folder of a finished run, such as results/demo")
    print(table(parser.parse_args().run))
