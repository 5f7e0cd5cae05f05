"""A comparison as text for the terminal, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from langspec.measurement.difference import JudgeOptions
from langspec.measurement.power import MOST_SEEDS, seeds_for_equivalence
from langspec.report.compared import LEAK, Line, Side, seeds_words
from langspec.report.run_results import by_family, language_name
from langspec.report.table import METRIC_TITLES, decimal, task_title
from langspec.results import OVER_LANGUAGES

FORMATS = ("text", "md", "csv", "json")
_NOTE_WIDTH = 125  # characters of a line below a table
ALONG = (
    "a leak is higher or lower only where that holds along the probe's learning curve "
    "(docs/comparing.md)"
)


def chosen_lines(lines: Sequence[Line], metric: str, source: str) -> list[Line]:
    """The lines to show for a metric, in order: the mean, the languages, the leak."""
    if metric == LEAK:
        return [line for line in lines if line.metric == LEAK]
    selected = {line.language: line for line in lines if line.metric == metric}
    codes = by_family([code for code in selected if code not in OVER_LANGUAGES], source)
    leaks = [line for line in lines if line.metric == LEAK and line.of_head]
    order = ["mean_targets", *codes, "gap"]
    return [selected[code] for code in order if code in selected] + leaks


def name_of(line: Line, source: str = "") -> str:
    """A line's name for its first column."""
    if line.metric == LEAK:
        return f"leak, {line.unit}, layer {line.layer}"
    if line.language in OVER_LANGUAGES:
        return OVER_LANGUAGES[line.language]
    role = ", source" if line.language == source else ""
    return f"{language_name(line.language)} ({line.language}{role})"


def _number(value: float) -> str:
    return "–" if np.isnan(value) else decimal(value)


def signed(value: float) -> str:
    """A difference with its sign, to three places."""
    if np.isnan(value):
        return "–"
    text = decimal(value)
    return text if text[0] == "−" or float(text) == 0 else f"+{text}"


def probability(value: float) -> str:
    """A p-value to three places."""
    if np.isnan(value):
        return "–"
    return "<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def _cells(line: Line, options: JudgeOptions, source: str) -> tuple[str, ...]:
    one = line.compared
    low, high = one.difference.interval(options.alpha)
    return (
        name_of(line, source),
        _number(one.a),
        _number(one.b),
        signed(one.difference.value),
        "–" if np.isnan(low) else f"[{signed(low)} {signed(high)}]",
        probability(line.judged.p_adjusted),
        _seeds_cell(line, options),
        line.verdict_words(options),
    )


def _seeds_cell(line: Line, options: JudgeOptions) -> str:
    """The seeds that an equivalence needs, of an undecided line whose noise is known."""
    judged = line.judged
    if judged.verdict != "undecided" or judged.difference.training is None:
        return ""
    needed = seeds_for_equivalence(judged.difference, options, judged.comparisons)
    return f">{MOST_SEEDS}" if needed is None else str(needed)


def rendered(
    a: Side, b: Side, lines: Sequence[Line], metric: str, options: JudgeOptions, form: str
) -> str:
    """One task's comparison as ``text``, ``md`` or ``csv``; ``json`` is :func:`as_json`."""
    source = a.source or b.source
    shown = chosen_lines(lines, metric, source)
    if form == "csv":
        return _csv(a, b, shown, options)
    title = METRIC_TITLES.get(metric, "language leak, macro-F1 of a fresh linear probe")
    heads = ("", a.label, b.label, "difference", f"{1 - options.alpha:.0%}", "p",
             f"seeds ±{options.margin:g}", "verdict")  # fmt: skip
    table = [heads, *(_cells(line, options, source) for line in shown)]
    head = f"{task_title(a.task)}, {title}, test: {a.label} − {b.label}"
    notes = _notes(a, b, shown, metric, options)
    if form == "md":
        text = [
            f"**{head}**",
            "",
            *(f"| {' | '.join(row)} |" for row in table[:1]),
            "|" + "---|" * len(heads),
            *(f"| {' | '.join(row)} |" for row in table[1:]),
        ]
        return "\n".join([*text, "", *(f"- {note}" for note in notes)])
    widths = [max(len(row[i]) for row in table) for i in range(len(heads))]
    left = (0, len(heads) - 1)
    text = [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    wrapped = [part for note in notes for part in textwrap.wrap(note, _NOTE_WIDTH)]
    return "\n".join([head, text[0], "-" * max(map(len, text)), *text[1:], *wrapped])


def _notes(
    a: Side, b: Side, shown: Sequence[Line], metric: str, options: JudgeOptions
) -> list[str]:
    if not shown:
        return ["nothing that both have"]
    first = shown[0].compared
    items = f"; items of the mean: {first.items:,}" if first.items else ""
    notes = [f"{seeds_words(first)}{items}; margin {options.margin:g}"]
    if metric == LEAK:
        notes.append("interval, p: t over seeds, Holm over the other layers; no item noise")
    else:
        notes.append(
            "interval, p: the wider of t over seeds and of seeds with items (paired bootstrap); "
            "p of languages by Holm; leak: seeds only"
        )
    cells = {_seeds_cell(line, options) for line in shown}
    if cells - {""}:
        too_few = "; >: test items are too few" if f">{MOST_SEEDS}" in cells else ""
        notes.append(
            f"seeds ±{options.margin:g}: so many find equivalence with {options.power:.0%} power "
            f"if there is no difference (first by Holm){too_few}"
        )
    if any(line.metric == LEAK for line in shown):
        notes.append(ALONG)
    rules = dict.fromkeys(side.selection for side in (a, b) if side.selection)
    notes.append(f"epochs chosen by {' and '.join(rules) or 'a rule that no file names'}")
    for side in (a, b):
        if side.failed:
            notes.append(
                f"{side.label}: failed seeds left out: {', '.join(map(str, side.failed))}"
            )
    return notes


def records(
    a: Side, b: Side, lines: Sequence[Line], options: JudgeOptions
) -> list[dict[str, Any]]:
    """Comparisons as plain values: what CSV and JSON hold."""
    out = []
    for line in lines:
        one, difference = line.compared, line.compared.difference
        low, high = difference.interval(options.alpha)
        values: dict[str, Any] = {
            "task": a.task,
            "a": a.label,
            "b": b.label,
            "metric": line.metric,
            "language": line.language,
            "unit": line.unit,
            "layer": line.layer,
            "value_a": one.a,
            "value_b": one.b,
            "difference": difference.value,
            "low": low,
            "high": high,
            "p": difference.p,
            "p_adjusted": line.judged.p_adjusted,
            "p_equivalent": difference.p_equivalent(options.margin),
            "p_equivalent_adjusted": line.judged.p_equivalent_adjusted,
            "detectable": difference.detectable(options) if difference.trained else np.nan,
            "seeds_for_equivalence": seeds_for_equivalence(difference, options),
            "seeds_for_equivalence_adjusted": seeds_for_equivalence(
                difference, options, line.judged.comparisons
            ),
            "margin": options.margin,
            "alpha": options.alpha,
            "seeds": one.pairing.kind,
            "seeds_a": len(one.pairing.a),
            "seeds_b": len(one.pairing.b),
            "items": one.items,
            "selection_a": a.selection,
            "selection_b": b.selection,
            "verdict": line.verdict,
        }
        out.append({key: _rounded(value) for key, value in values.items()})
    return out


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return None if np.isnan(value) else float(f"{value:.6g}")


def _csv(a: Side, b: Side, lines: Sequence[Line], options: JudgeOptions) -> str:
    rows = records(a, b, lines, options)
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue().rstrip("\n")


def as_json(values: list[dict[str, Any]]) -> str:
    """Records of all tasks as one document."""
    return json.dumps(values, indent=1, ensure_ascii=False)
