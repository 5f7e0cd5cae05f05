"""Sentences of the page, made from the numbers and the files' facts alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from langspec.measurement.baselines import is_baseline
from langspec.measures.eraser_tables import STRONGEST
from langspec.report.run_results import Run, language_name
from langspec.report.table import (
    decimal,
    leak_place,
    leak_scores,
    leaks,
    measured,
    method_label,
    ordered_methods,
    pick,
    scored_languages,
    selection_rules,
    task_scores,
    task_title,
    unconverged,
)
from langspec.results import ATTACK, LEAK_METRIC, RANDOM, label
from langspec.training.selection import RULES

FEW_SEEDS = 5
CEILING = 0.9


def reading(run: Run, task: str) -> list[str]:
    """Two sentences on one task: transfer beside its baselines, leak beside its floors."""
    return [text for text in (_transfer_sentence(run, task), _leak_sentence(run, task)) if text]


def _transfer_sentence(run: Run, task: str) -> str:
    scores = task_scores(run, task)
    means = pick(scores, language="mean_targets", metric="accuracy")
    means = means.sort_values(["value", "method"], ascending=[False, True])
    baseline = means["method"].map(is_baseline)
    trained, floors = means[~baseline], means[baseline]
    if trained.empty:
        return ""
    best = trained.iloc[0]
    targets = [code for code in scored_languages(run, task) if code != run.source]
    text = (
        f"Over {len(targets)} target language{'s' * (len(targets) != 1)}, "
        f"{method_label(best['method'])} has the highest mean accuracy, {decimal(best['value'])}"
    )
    source = pick(scores, language=run.source, metric="accuracy", method=best["method"])
    if len(source):
        at_source = source["value"].iloc[0]
        text += f" ({language_name(run.source)}, the training language, {decimal(at_source)}"
        gap = pick(scores, language="gap", metric="accuracy", method=best["method"])
        text += f"; gap {decimal(gap['value'].iloc[0])})" if len(gap) else ")"
    for _, row in trained.iloc[1:].iterrows():
        text += f"; {method_label(row['method'])} {decimal(row['value'])}{_overlap(best, row)}"
    if len(floors):
        top = floors.iloc[0]
        text += f"; the best baseline ({_bare(top['method'])}) {decimal(top['value'])}"
        text += ", above it" if top["value"] > best["value"] else ""
    return text + "."


def _bare(method: str) -> str:
    return method.replace("_", " ")


def _overlap(one: pd.Series, other: pd.Series) -> str:
    """Which of the two kinds of ranges overlap, where both methods have them."""
    wording = []
    if min(one["seeds"], other["seeds"]) > 1 and _meet(one, other, "min", "max"):
        wording.append("seed ranges overlap")
    if _meet(one, other, "low", "high"):
        wording.append("item intervals overlap")
    return f" ({', '.join(wording)})" if wording else ""


def _meet(one: pd.Series, other: pd.Series, low: str, high: str) -> bool:
    # False where a bound is NaN.
    return bool(max(one[low], other[low]) <= min(one[high], other[high])) and not (
        pd.isna([one[low], other[low], one[high], other[high]]).any()
    )


def _leak_sentence(run: Run, task: str) -> str:
    rows = leaks(run, task)
    chance = pick(leak_scores(run, task, "majority"), language="all", metric=LEAK_METRIC)
    parts = []
    for unit in ("token", "sentence"):
        selected = pick(rows, unit=unit).set_index("method")["value"]
        methods = [m for m in ordered_methods(run, selected.index) if m != RANDOM]
        if not methods:
            continue
        text = f"of a {unit} with macro-F1 " + ", ".join(
            f"{decimal(selected[m])} for {method_label(m)}" for m in methods
        )
        floors = (
            [f"{decimal(selected[RANDOM])} from a random encoder"]
            if RANDOM in selected.index
            else []
        )
        floor = pick(chance, unit=unit)["value"]
        floors += [f"{decimal(floor.mean())} by the majority class"] if len(floor) else []
        parts.append(text + (f" (against {' and '.join(floors)})" if floors else ""))
    if not parts:
        return ""
    return (
        f"A fresh linear probe on the {leak_place(run)} names the language {', and '.join(parts)}."
    )


def limits(run: Run, absent: list[str]) -> list[str]:
    """What the numbers cannot carry, each sentence from a fact in the files."""
    texts = []
    if run.card.get("generated"):
        texts.append(
            "The corpora are artificial: a small grammar with a closed lexicon wrote every "
            "sentence. The numbers show that the measurements work; they say nothing about "
            "these languages as people write them."
        )
    if run.encoder.get("kind") == "demo":
        texts.append(
            "The encoder was pre-trained on text of the same grammar, so pre-training and "
            "testing share their vocabulary and constructions."
        )
    texts += [
        f"{task_title(task)}: {label(method, strength=strength)}, seed {seed} failed ({reason}); "
        "it is in no number and no figure but the training curves."
        for (task, method, strength, seed), reason in run.failed.items()
    ]
    texts += _seed_limits(run)
    texts += _dev_limits(run)
    texts += _unscored_limits(run)
    texts += _ceiling_limits(run)
    texts += _baseline_limits(run)
    texts += _convergence_limits(run)
    texts.append(
        "A linear probe sees only what is linearly readable: a low value says that the language "
        "is linearly guarded, not that it is gone. Non-linear attackers say what is left; each of "
        "their numbers is a lower bound."
    )
    for warning in card_warnings(run.card):
        texts.append(f"Corpora: {warning}")
    texts += absent
    if run.missing:
        texts.append(f"Not found, so not shown: {', '.join(run.missing)}.")
    return texts


def _convergence_limits(run: Run) -> list[str]:
    """Which probes and attackers did not converge, and that all did."""
    texts = []
    probes = measured(run.results, "leak", metric="converged")
    failed = unconverged(probes)
    if len(failed):
        where = sorted(
            {f"{r.task}/{r.method}, {r.unit}, layer {r.layer}" for r in failed.itertuples()}
        )
        texts.append(
            f"{len(failed)} of {len(probes)} linear probes did not converge; their leak is a "
            f"lower bound: {'; '.join(where)}."
        )
    elif len(probes):
        texts.append(f"All {len(probes)} linear probes converged.")
    fits = measured(run.results, "beyond", "task_text", metric="converged")
    if failed_fits := len(unconverged(fits)):
        texts.append(
            f"{failed_fits} of {len(fits)} fits beyond the linear probe did not converge; the "
            "tables mark what rests on them."
        )
    attacks = run.results[run.results["measure"] == ATTACK]
    attacks = pick(attacks[attacks["probe"] != STRONGEST], metric="converged")
    if failed_attacks := len(unconverged(attacks)):
        texts.append(
            f"{failed_attacks} of {len(attacks)} probes and attackers behind erasers did not "
            "converge; the tables mark what rests on them, which is a lower bound."
        )
    return texts


def _seed_limits(run: Run) -> list[str]:
    counts = {
        (task, method): measured(run.results, "task", task=task, method=method)["seed"].nunique()
        for task in run.tasks
        for method in run.methods
    }
    counts = {key: count for key, count in counts.items() if count}
    if not counts or min(counts.values()) >= FEW_SEEDS:
        return []
    few = min(counts.values())
    if few == 1:
        return [
            "One seed: a difference between methods cannot be told from the noise of training; "
            "the intervals hold the sampling of test items only."
        ]
    return [
        f"{few} seeds: the range from the smallest to the largest seed is no confidence "
        "interval, and small differences between methods may be noise of training."
    ]


def _dev_limits(run: Run) -> list[str]:
    texts = []
    for task in run.tasks:
        codes = run.card.get("corpora", {}).get(task, {}).get("without_dev", ())
        if codes:
            names = ", ".join(sorted(map(language_name, codes)))
            texts.append(f"{task_title(task)}: no development rows for {names}.")
    return texts


def _unscored_limits(run: Run) -> list[str]:
    """Words that truncation cut off, rows cut short in training."""
    texts = []
    for task in run.tasks:
        rows = pick(run.results, task=task, metric="unscored")
        for row in rows[rows["value"] > 0].to_dict("records"):
            texts.append(
                f"{task_title(task)}: {int(row['value']):,} of {row['n']:,} gold labels of the "
                f"{row['split']} split were scored for no method (cut off or without a piece)."
            )
        cut = [
            (
                run.runs[task, method].get("truncated_rows", 0),
                run.runs[task, method].get("train_rows", 0),
            )
            for method in run.methods
            if (task, method) in run.runs
        ]
        if cut and max(cut)[0]:
            texts.append(
                f"{task_title(task)}: {max(cut)[0]:,} of {max(cut)[1]:,} training rows were cut "
                "to the encoder's length."
            )
    return texts


def _ceiling_limits(run: Run) -> list[str]:
    texts = []
    for task in run.tasks:
        rows = leaks(run, task)
        for unit in ("token", "sentence"):
            floor = pick(rows, unit=unit, method=RANDOM)["value"]
            if len(floor) and floor.iloc[0] >= CEILING:
                texts.append(
                    f"{task_title(task)}: from a random encoder the probe already reads the "
                    f"language of a {unit} with {decimal(floor.iloc[0])}; that level is near its "
                    "ceiling and hardly separates methods."
                )
    return texts


def _baseline_limits(run: Run) -> list[str]:
    texts = []
    for task in run.tasks:
        means = pick(task_scores(run, task), language="mean_targets", metric="accuracy")
        floors = means[means["method"].map(is_baseline)]
        if floors.empty:
            continue
        best = floors.sort_values("value").iloc[-1]
        for method in run.methods:
            selected = pick(means, method=method)["value"]
            if len(selected) and selected.iloc[0] <= best["value"]:
                texts.append(
                    f"{task_title(task)}: {method_label(method)} ({decimal(selected.iloc[0])}) "
                    f"does not reach the baseline {_bare(best['method'])} "
                    f"({decimal(best['value'])})."
                )
    return texts


def card_warnings(card: Mapping[str, Any]) -> list[str]:
    """The warnings that the corpora's card lists."""
    return [str(entry) for entry in card.get("warnings", ())]


def facts(run: Run) -> list[tuple[str, str]]:
    """What was run, as name and value pairs for the head of the page."""
    rows = [("Run", run.name)]
    encoder = run.encoder
    if encoder:
        words = [str(encoder.get("name", ""))]
        if encoder.get("source"):
            words.append(str(encoder["source"]))
        if encoder.get("sha256"):
            words.append(f"weights {str(encoder['sha256'])[:12]}")
        if encoder.get("licence"):
            words.append(f"licence {encoder['licence']}")
        rows.append(("Encoder", "; ".join(word for word in words if word)))
        shape = [
            f"{label} {encoder[key]!r}" if key == "prefix" else f"{label} {encoder[key]}"
            for key, label in (
                ("pooling", "pooling"),
                ("max_tokens", "at most"),
                ("prefix", "prefix"),
            )
            if encoder.get(key)
        ]
        shape = [part + " pieces" if part.startswith("at most") else part for part in shape]
        if shape:
            rows.append(("Input", ", ".join(shape)))
    codes = sorted({code for task in run.tasks for code in scored_languages(run, task)})
    if run.source:
        rows.append(("Source", f"{language_name(run.source)} ({run.source})"))
    targets = [f"{language_name(code)} ({code})" for code in codes if code != run.source]
    rows.append((f"Targets ({len(targets)})", ", ".join(targets)))
    rows.append(("Tasks", ", ".join(task_title(task) for task in run.tasks)))
    rows.append(("Methods", ", ".join(method_label(method) for method in run.methods)))
    scores = measured(run.results, "task")
    seeds = sorted(set(scores[scores["method"].isin(run.methods)]["seed"]))
    rows.append(("Seeds", ", ".join(map(str, seeds))))
    rows.append(("Selection", selection_words(run)))
    return rows


def selection_words(run: Run) -> str:
    """The rule that chose the epoch, in words, where ``run.json`` names it."""
    wording = []
    for rule in selection_rules(run):
        text = RULES[rule].words if rule in RULES else rule
        languages = {
            code
            for document in run.runs.values()
            if document.get("selection") == rule
            for code in document.get("selection_languages", ())
        }
        wording.append(f"{text} ({', '.join(sorted(languages))})" if len(languages) > 1 else text)
    return "; ".join(wording) or "not named in the files"
