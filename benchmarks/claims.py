"""The four claims of Tanti et al. 2021 beside the numbers of a finished run, as a Markdown table.

    python benchmarks/claims.py results/demo

Reads the published numbers of ``data/published``, tables that the stage ``report`` wrote, and
compares methods as ``langspec compare`` does. A method that was not trained, or a measure that was
not run, is named. Differences are in points (hundredths), with 95 % intervals over seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

PUBLISHED = Path(__file__).resolve().parents[1] / "data" / "published" / "tanti2021_results.csv"
HEAD = "| claim | paper (mBERT) | here | how sure |\n|---|---|---|---|"
TASKS = {"pos": "POS", "nli": "NLI"}
UNIT = {"pos": "token", "nli": "sentence"}  # what the published probe of the task reads
SCORE = {"pos": "task_micro_f1", "nli": "task_accuracy"}
BREAK = "<br>"


def number(value: float) -> str:
    """Two digits behind the point, without a zero before it: .96, −.04, 1.00."""
    text = f"{abs(value):.2f}".removeprefix("0")
    return f"−{text}" if value < 0 and text != ".00" else text


def change(before: float, after: float) -> str:
    """Two numbers with an arrow."""
    return f"{number(before)} → {number(after)}"


def judged(row: Any) -> str:
    """A difference in points with its interval and its verdict."""
    low, middle, high = (100 * value for value in (row["low"], row["difference"], row["high"]))
    verdict = {"equivalent": "equivalent (±1)"}.get(row["verdict"], row["verdict"])
    return f"{middle:+.1f} [{low:+.1f} {high:+.1f}] {verdict}".replace("-", "−")


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
    table = report_table(run, f"published_{task}", "evaluate.compat.run")
    rows = table[table["quantity"].str.startswith("Clusters against language, the task")]
    here = rows.set_index("method")["sound"]
    if not {"frozen", "finetune"} <= set(here.index):
        raise Absent("not measured (`frozen` and `finetune`, v_measure in evaluate.compat.run)")
    seeds = len(list((run / "train" / task / "finetune").glob("seed-*")))
    return (
        f"V-measure {paper}",
        f"adjusted mutual information {change(here['frozen'], here['finetune'])}",
        f"{seeds} seeds, no interval; chance is 0",
    )


def reading(run: Path, task: str) -> tuple[str, str, str]:
    """A probe reads less language."""
    metric = "language_macro_f1_wikipedia"
    before, after = (published(task, one, metric) for one in ("frozen", "finetune"))
    frame = compared(run, task, "finetune", "frozen")
    if frame is None:
        raise Absent("`frozen` or `finetune` was not trained")
    row = leak(run, task, frame)
    paper = f"{UNIT[task]}s {before:.3f} → {after:.3f}".replace(" 0.", " .")
    return paper, f"leak of {UNIT[task]}s {change(row['second'], row['first'])}", judged(row)


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
            return paper, f"`{other}` → `grl`: {scores}, {leaks}", judged(row)
    raise Absent("`grl` was not trained")


def capacity(run: Path, task: str) -> tuple[str, str, str]:
    """Capacity moves from languages to what they share."""
    table = report_table(run, f"moves_{task}", "evaluate.geometry.run")
    wanted = (table["place"] == "language text, per token") & (table["method"] == "finetune")
    if not wanted.any():
        raise Absent("`finetune` was not trained")
    row = table[wanted].iloc[0]
    share = (row[f"variance_share_language_{when}"] for when in ("before", "after"))
    return "not measured", f"variance between languages {change(*share)} of all", "no cause shown"


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
        return "–", str(absent), "open"


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
