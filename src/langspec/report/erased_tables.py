"""Erased encoders beside the methods they came from: a table, and the points of the trade-off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from langspec.report.pivot import fill
from langspec.report.run_results import Run, over_seeds
from langspec.report.spec import IN_SHORT, Column, Kind, TableSpec
from langspec.report.table import (
    METRIC_TITLES,
    ORACLE,
    Table,
    decimal,
    head_rows,
    pick,
    task_title,
)
from langspec.results import LEAK_METRIC, RANDOM, label

NO_PROOF = (
    "A linear probe at chance shows that nothing is linearly readable, not that the language "
    "is gone."
)
OF_ORACLES = (
    "Oracle erasers are told the language of every vector, also of test vectors: what "
    "they subtract writes the label into the features, which non-linear probes can read. "
    "They bound what centring could do; they are no way to unlearn."
)


def _leak(key: str, label: str, unit: str, metric: str) -> Column:
    where = {"probe": "linear", "language": "all", "unit": unit, "metric": metric}
    return Column(key, label, "Language leak", "score", where)


def _scored(key: str, label: str, group: str, language: str, metric: str) -> Column:
    where = {"probe": "", "language": language, "metric": metric}
    return Column(key, label, group, "score", where)


def _removed(metric: str, label: str, group: str, kind: Kind, **where: str) -> Column:
    return Column(metric, label, group, kind, {"probe": "erasure", "metric": metric, **where})


_TARGETS, _PER_TOKEN = "Mean of target languages", "Removed, per token"
ERASED = TableSpec(
    name="erased_{task}",
    title="{task}: erased in closed form",
    caption="{task}: closed-form erasers on trained models, fitted on the training lines "
    "of the language text. Leak: a fresh linear probe on the erased vectors of the layer that "
    "the task's head reads. {chance} Scores: that head, kept, on erased vectors{pairs}. Removed: "
    "share of the variance of test vectors, and directions. " + IN_SHORT,
    rows=("method", "eraser"),
    columns=(
        Column("base", text="{method}", shown=False),
        Column("method", text="{variant}", shown=False),
        Column("eraser", "Erased by"),
        _leak("token_leak_macro_f1", "token F1", "token", LEAK_METRIC),
        _leak("token_leak_accuracy", "token acc.", "token", "accuracy"),
        _leak("sentence_leak_macro_f1", "sentence F1", "sentence", LEAK_METRIC),
        _scored("targets_accuracy", "accuracy", _TARGETS, "mean_targets", "accuracy"),
        _scored("targets_macro_f1", "macro-F1", _TARGETS, "mean_targets", "macro_f1"),
        _scored("source_accuracy", "accuracy", "Source", "source", "accuracy"),
        _removed("variance_removed", "variance", _PER_TOKEN, "score", unit="token"),
        _removed("rank_removed", "directions", _PER_TOKEN, "number", unit="token"),
    ),
    section="base",
)
BY_LAYER = TableSpec(
    name="erased_layers_{task}",
    title="{task}: erased, by layer",
    caption="Models of {task}: linear language probe on erased vectors by layer, an eraser "
    "fitted for each layer by itself. " + IN_SHORT,
    where={"probe": ("linear", "erasure"), "unit": ("token", "sentence")},
    rows=("unit", "layer", "method", "eraser"),
    columns=(
        Column("unit", shown=False),
        Column("layer", "Layer", kind="count"),
        Column("method", "Method", text="{variant}"),
        Column("macro_f1", "macro-F1", "Language leak", "score",
               {"probe": "linear", "metric": "macro_f1"}),
        Column("accuracy", "accuracy", "Language leak", "score",
               {"probe": "linear", "metric": "accuracy"}),
        _removed("variance_removed", "variance", "Removed", "score"),
        _removed("rank_removed", "directions", "Removed", "number"),
    ),
    section="unit",
)  # fmt: skip


def _variants(run: Run, rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Method and eraser of some rows, in the run's order, what is not erased first."""
    present = dict.fromkeys(zip(rows["method"], rows["eraser"], strict=True))
    methods = dict.fromkeys([*run.methods, *(method for method, _ in present)])
    return [
        (method, eraser)
        for method in methods
        for of, eraser in sorted(present, key=lambda pair: pair[1] != "")
        if of == method
    ]


def erased_table(run: Run, task: str) -> Table | None:
    """Method and eraser x (leak, transfer, what was removed), the method itself first."""
    erased = pick(run.erased, task=task, split="test")
    if erased.empty:
        return None
    plain = pick(run.summary, task=task, split="test")
    plain = plain[plain["method"].isin(set(erased["method"]))]
    rows = pd.concat([plain, over_seeds(erased)], ignore_index=True)
    rows = rows.assign(language=rows["language"].replace({run.source: "source"}))
    probed = rows["probe"].isin(["linear", "erasure"])
    rows = pd.concat([rows[~probed], head_rows(run, task, rows[probed])])
    floor = pick(run.summary, task=task, probe="majority", language="all", unit="token")
    level = dict(zip(floor["metric"], floor["value"], strict=True))
    chance = ", ".join(
        f"{title} {decimal(level[metric])}"
        for metric, title in METRIC_TITLES.items()
        if metric in level
    )
    pairs = " of pairs (by the eraser that was fitted on single texts)"
    words = {
        "chance": f"Always the largest class, per token: {chance}." if chance else "",
        "pairs": pairs if "pair" in set(rows["unit"]) else "",
    }
    return fill(replace(ERASED, notes=_notes(erased)), rows, run, task=task, words=words)


def _notes(erased: pd.DataFrame) -> tuple[str, ...]:
    """What the numbers do not show."""
    notes = [NO_PROOF]
    fits = pick(erased, probe="linear", metric="converged")["value"]
    if (fits <= 0).any():
        notes.append(
            f"{int((fits <= 0).sum())} of {len(fits)} probes of erased vectors did not "
            "converge; their leak is a lower bound."
        )
    if erased["eraser"].str.endswith(ORACLE).any():
        notes.append(OF_ORACLES)
    return tuple(notes)


def erased_layers(run: Run, task: str) -> Table | None:
    """Unit, layer and method x (leak, variance removed): every layer that was erased."""
    rows = pick(run.erased, task=task, split="test")
    return fill(BY_LAYER, over_seeds(rows), run, task=task) if len(rows) else None


def erased_tables(run: Run) -> list[Table]:
    """Every table of erased encoders that the run's files allow."""
    makers = (erased_table, erased_layers, path_table)
    present = [make(run, task) for task in run.tasks for make in makers]
    return [table for table in present if table is not None]


def tradeoff_points(run: Run, task: str) -> pd.DataFrame:
    """One row a method, eraser, strength and seed that has both a leak and a transfer score.

    Columns: ``label`` (what people read), ``method``, ``eraser``, ``seed``, ``of_path`` (is it a
    point of the method's path?), ``strength`` (lambda; NaN for a method without one), then
    ``leak`` (token macro-F1, last layer measured) and ``score`` (accuracy, mean of the targets),
    each with ``_low`` and ``_high``. The leak of an encoder that all seeds share (``frozen``)
    stands at each of them.
    """
    rows = pd.concat([run.results, run.erased, run.path], ignore_index=True)
    rows = pick(rows, task=task, split="test")
    leaks = pick(rows, probe="linear", unit="token", language="all", metric=LEAK_METRIC)
    leaks = leaks[leaks["method"] != RANDOM]
    scores = pick(rows, probe="", language="mean_targets", metric="accuracy")
    records = []
    for method, eraser in _variants(run, scores):
        of_leak = pick(leaks, method=method, eraser=eraser)
        of_score = pick(scores, method=method, eraser=eraser)
        for strength, selected in of_score.groupby("strength", dropna=False, sort=False):
            of_path = not pd.isna(strength)
            same = of_leak["strength"] == strength if of_path else of_leak["strength"].isna()
            leak = head_rows(run, task, of_leak[same])
            shared = leak["seed"].nunique() == 1
            for _, score in selected.sort_values("seed").iterrows():
                read = leak if shared else pick(leak, seed=score["seed"])
                if len(read):
                    point: Any = strength if of_path else None
                    place = {
                        "label": label(method, eraser, point),
                        "method": method,
                        "eraser": eraser,
                        "seed": int(score["seed"]),
                        "of_path": of_path,
                        "strength": strength if of_path else _strength(run, task, method),
                    }
                    ends = _with_ends(read.iloc[0], "leak") | _with_ends(score, "score")
                    records.append(place | ends)
    return pd.DataFrame(records)


def _strength(run: Run, task: str, method: str) -> float:
    """Lambda that a method was trained with; NaN where it has none."""
    params = run.runs.get((task, method), {}).get("params", {})
    own = params.get(f"train.methods.{method}.strength")
    on_task = params.get(f"train.methods.{method}.overrides.{task}.strength")
    present = own if on_task is None else on_task
    return float("nan") if present is None else float(present)


def path_table(run: Run, task: str) -> Table | None:
    """Lambda x (leak, transfer): the points of every path, with the method's own strength."""
    if run.path.empty:
        return None
    points = tradeoff_points(run, task)
    of_path = points["method"].isin(set(run.path["method"]))
    selected = points[of_path & (points["eraser"] == "")].copy()
    if selected.empty:
        return None
    for key in ("leak", "score"):  # of one seed: there is no range over seeds
        selected[f"{key}_min"] = selected[f"{key}_max"] = selected[key]
    selected = selected.sort_values(["method", "strength", "seed"]).reset_index(drop=True)
    columns = (
        Column("strength", "lambda", kind="number"),
        Column("seed", "Seed", kind="count"),
        Column("leak", "token F1", "Language leak", "score"),
        Column("score", "accuracy", "Mean of target languages", "score"),
    )
    caption = (
        f"{task_title(task)}: leak (a fresh linear probe, last layer) and transfer at each "
        "strength of gradient reversal; a row a training, [95 % interval over test items]."
    )
    name, title = f"path_{task}", f"{task_title(task)}: strengths of reversal"
    return Table(name, title, caption, columns, selected, section="method")


def _with_ends(row: pd.Series, key: str) -> dict[str, float]:
    """A value and the ends of its interval; the value itself where it has none."""
    value = float(row["value"])
    ends = {end: float(row[end]) if pd.notna(row[end]) else value for end in ("low", "high")}
    return {key: value} | {f"{key}_{end}": bound for end, bound in ends.items()}
