"""Every trained method against ``frozen``, ``finetune`` and ``control``: a table and a sentence.

Each pair is compared once, in the direction in which a reader asks: what fine-tuning changes of
the encoder as it came, and what reversal changes of the same training without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from langspec.measurement.difference import JudgeOptions, judge
from langspec.measures.spec import Column, TableSpec
from langspec.report.compare_text import probability, signed
from langspec.report.compared import (
    LEAK,
    CompareOptions,
    Line,
    Side,
    compare_sides,
    evaluated_methods,
    load_side,
    seeds_words,
)
from langspec.report.pivot import listed
from langspec.report.run_results import Run, language_name
from langspec.report.table import (
    METRIC_TITLES,
    Table,
    leak_unit,
    method_label,
)
from langspec.results import OVER_LANGUAGES

BASELINES = ("frozen", "finetune", "control")
MAIN_QUESTIONS = (("finetune", "frozen"), ("grl", "control"))
"""Method and baseline of what a run is made to find out: judged by itself, not with others."""
LEAK_KEY = ("all", LEAK)
TRANSFER_KEY = ("mean_targets", "accuracy")


@dataclass(frozen=True)
class Contrast:
    """One method against a baseline in one quantity."""

    method: str
    baseline: str
    line: Line


@dataclass(frozen=True)
class Contrasts:
    """All of a task; ``left_out``: methods of which every seed failed."""

    pairs: tuple[Contrast, ...] = ()
    left_out: tuple[str, ...] = ()

    def line(self, method: str, baseline: str, key: tuple[str, str]) -> Line | None:
        """The comparison of two methods in a quantity (language, metric); None: not compared."""
        for one in self.pairs:
            compared = one.method, one.baseline, (one.line.language, one.line.metric)
            if compared == (method, baseline, key):
                return one.line
        return None


def contrasts(run: Run, task: str, options: CompareOptions) -> Contrasts:
    """Compare every trained method with the baselines that the run has.

    p-values are adjusted over the methods that are held against one baseline in one quantity
    (Holm); each of :data:`MAIN_QUESTIONS` stands by itself.
    """
    folder = run.folder
    if folder is None or f"evaluate/{task}/predictions.parquet" in run.missing:
        return Contrasts()
    evaluated = evaluated_methods(folder, task)
    methods = [method for method in run.methods if method in evaluated]
    lost = tuple(method for method in methods if _all_failed(run, task, method))
    sides = {m: load_side(folder, task, m) for m in methods if m not in lost}
    present: list[Contrast] = []
    for baseline in BASELINES:
        if baseline not in sides:
            continue
        mirrored = {c.baseline for c in present if c.method == baseline}
        others = [method for method in sides if method not in {baseline, *mirrored}]
        lines = {m: _lines(run, sides[m], sides[baseline], options) for m in others}
        keys = dict.fromkeys(key for of_method in lines.values() for key in of_method)
        for key in keys:
            having = [method for method in others if key in lines[method]]
            for family in _families(having, baseline):
                differences = [lines[method][key].compared.difference for method in family]
                judged = judge(differences, options.judge)
                present += [
                    Contrast(method, baseline, replace(lines[method][key], judged=said))
                    for method, said in zip(family, judged, strict=True)
                ]
    return Contrasts(tuple(present), lost)


def _families(methods: list[str], baseline: str) -> list[list[str]]:
    """Methods whose p-values against a baseline are adjusted together."""
    asked = [method for method in methods if (method, baseline) in MAIN_QUESTIONS]
    others = [method for method in methods if method not in asked]
    return [family for family in (asked, others) if family]


def _all_failed(run: Run, task: str, method: str) -> bool:
    entries = run.runs.get((task, method), {}).get("seeds", ())
    return bool(entries) and all(entry.get("status") == "failed" for entry in entries)


def _lines(run: Run, a: Side, b: Side, options: CompareOptions) -> dict[tuple[str, str], Line]:
    """By language and metric: the mean of targets, the source, the leak."""
    lines = compare_sides(a, b, options, run.source)
    unit = leak_unit(run, a.task)
    wanted = (TRANSFER_KEY, ("mean_targets", "macro_f1"), (run.source, "accuracy"))
    present = {(line.language, line.metric): line for line in lines if line.metric != LEAK}
    out = {key: present[key] for key in wanted if key in present}
    leak = next((line for line in lines if line.of_head and line.unit == unit), None)
    return out if leak is None else out | {LEAK_KEY: leak}


def _quantity(line: Line) -> str:
    if line.metric == LEAK:
        return f"language leak ({line.unit}, layer {line.layer})"
    return OVER_LANGUAGES.get(line.language) or f"source ({language_name(line.language)})"


TABLE = TableSpec(
    name="compare_{task}",
    title="{task}: comparisons",
    caption="{task}, test split: methods against a baseline on the same test items, with "
    "{level} intervals: the wider of Student's t over seeds and of seeds and "
    "items together (paired bootstrap of whole items); of the leak, seeds alone. p adjusted "
    "over the methods of a block (Holm), but for what the run is made to find out: finetune "
    "against frozen, grl against control. Verdicts are about the method: better, worse (a "
    "leak: higher, lower, and only where the difference holds along the curve of the "
    "probe's training vectors, else it depends on probe size); equivalent: surely within "
    "±{margin}; else undecided. "
    "Detectable: the difference that would be found with {power} power.",
    columns=(
        Column("section", shown=False),
        Column("method", "Method"),
        Column("quantity", "Quantity"),
        Column("metric", "Metric"),
        Column("value", "method", "Mean over seeds", "score"),
        Column("baseline_value", "baseline", "Mean over seeds", "score"),
        Column("difference", "Difference", kind="score"),
        Column("p", shown=False),
        Column("p_holm", "p (Holm)", kind="number"),
        Column("p_equivalent_holm", shown=False),
        Column("detectable", "Detectable", kind="number"),
        Column("seeds", shown=False),
        Column("items", shown=False),
        Column("verdict", shown=False),
        Column("words", "Verdict"),
    ),
    section="section",
)


def contrast_table(
    run: Run, task: str, present: Contrasts, options: CompareOptions
) -> Table | None:
    """Baseline, method and quantity x (both values, difference, p, what is said of it)."""
    judging = options.judge
    words = {
        "level": f"{100 * (1 - judging.alpha):g} %",
        "margin": f"{judging.margin:g}",
        "power": f"{100 * judging.power:g} %",
    }
    pairs = sorted(present.pairs, key=lambda one: _order(run, one))
    left_out = (
        f"{method_label(method)}: every seed failed, so it is not compared."
        for method in present.left_out
    )
    records = [_record(one, judging) for one in pairs]
    return listed(TABLE, records, task=task, words=words, notes=left_out)


def _record(one: Contrast, judging: JudgeOptions) -> dict[str, Any]:
    line, difference = one.line, one.line.compared.difference
    low, high = difference.interval(judging.alpha)
    return {
        "section": f"against {one.baseline}",
        "method": method_label(one.method),
        "quantity": _quantity(line),
        "metric": METRIC_TITLES.get(line.metric, METRIC_TITLES["macro_f1"]),
        "value": line.compared.a,
        "baseline_value": line.compared.b,
        "difference": difference.value,
        "difference_low": low,
        "difference_high": high,
        "p": difference.p,
        "p_holm": line.judged.p_adjusted,
        "p_equivalent_holm": line.judged.p_equivalent_adjusted,
        "detectable": difference.detectable(judging) if difference.trained else None,
        "seeds": seeds_words(line.compared),
        "items": line.compared.items or None,
        "verdict": line.verdict,
        "words": line.verdict_words(judging),
    }


def _order(run: Run, one: Contrast) -> tuple[int, int]:
    return BASELINES.index(one.baseline), run.methods.index(one.method)


def contrast_sentences(present: Contrasts, options: JudgeOptions) -> list[str]:
    """A sentence a baseline: what was decided about transfer and leak, and what was not."""
    sentences = []
    for baseline in BASELINES:
        selected = [one for one in present.pairs if one.baseline == baseline]
        parts = []
        for method in dict.fromkeys(one.method for one in selected):
            by_key = {
                (c.line.language, c.line.metric): c.line for c in selected if c.method == method
            }
            if TRANSFER_KEY in by_key:
                wording = judged_words(by_key[TRANSFER_KEY], options)
                leak = by_key.get(LEAK_KEY)
                wording += f"; its {leak.unit} leak: {judged_words(leak, options)}" if leak else ""
                parts.append(f"{method_label(method)}: {wording}")
        if parts:
            sentences.append(
                f"Against {baseline}, in mean accuracy over the targets (margin "
                f"{options.margin:g}): {'. '.join(parts)}."
            )
    return sentences


def judged_words(line: Line, options: JudgeOptions) -> str:
    """The verdict, the difference, its interval and its p-value."""
    low, high = line.compared.difference.interval(options.alpha)
    difference = signed(line.compared.difference.value)
    known = "" if pd.isna(low) else f" [{signed(low)}, {signed(high)}]"
    p = f", p {_equals(probability(line.judged.p_adjusted))}" if known else ""
    return f"{line.verdict_words(options)}, {difference}{known}{p}"


def _equals(p: str) -> str:
    return p if p[0] == "<" else f"= {p}"
