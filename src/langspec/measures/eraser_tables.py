"""The tables of erasers: what linear probes and attackers read, what the task's head scores."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from langspec.attackers.known_attackers import attacker_classes
from langspec.measures.spec import IN_SHORT, Column, Kind, TableSpec
from langspec.results import ATTACK, LEAK_METRIC

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

LINEAR, STRONGEST = "linear_sample", "strongest"
"""The linear probe that attackers start from; of them the one with the least validation loss."""

GUARDED = (
    "Linearly guarded is the most that can be claimed, and only where the linear column is at "
    "chance; it does not say that the language is gone. Attackers say what is left."
)
HOW = (
    "Attackers start from the linear probe and are never below it on validation vectors; "
    "strongest: the one with the least validation log-loss. What none of them reads another may: "
    "each number is a lower bound."
)


def what_attackers_read(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """A sentence on what the strongest attacker reads behind each eraser; "" without any."""
    cells = rows[(rows["measure"] == ATTACK) & (rows["metric"] == LEAK_METRIC)]
    places = []
    for (corpus, unit), at in cells.groupby(["corpus", "unit"], sort=False):
        text = "language text" if corpus == "text" else "task text"
        read = [
            _read(eraser, of_eraser)
            for eraser, of_eraser in at.groupby("eraser", sort=False)
            if eraser
        ]
        if read:
            places.append(f"{text}, per {unit}: {', '.join(read)}")
    if not places:
        return ""
    return (
        "What the strongest non-linear attacker still reads behind each eraser (macro-F1 of "
        "the method where it is highest; in brackets which it is, and the linear probe). "
        f"{'; '.join(places)}."
    )


def _read(eraser: Any, cells: pd.DataFrame) -> str:
    """``leace 0.910 (MLP, linear 0.160)``, of the method whose language is read best."""
    by_method = cells.pivot_table(index="method", columns="probe", values="value")
    level = by_method.sort_values(STRONGEST).iloc[-1]
    names = {name: one.title for name, one in attacker_classes().items() if name in level.index}
    which = min(names, key=lambda name: abs(level[name] - level[STRONGEST]))
    return f"{eraser} {level[STRONGEST]:.3f} ({names[which]}, linear {level[LINEAR]:.3f})"


def attacked(key: str, label: str, group: str, probe: str, **where: Any) -> Column:
    """A column of what a probe reads, in the tables of erasers."""
    cell = {"measure": ATTACK, "probe": probe, "language": "all", "metric": LEAK_METRIC, **where}
    return Column(key, label, group, "score", cell, marked=True)


_READ = "Language leak (macro-F1)"
ATTACKED = TableSpec(
    name="attacked_{task}",
    title="{task}: linearly guarded, and what non-linear attackers read",
    caption="{task}: probes of the language of vectors of the layer that the head reads (words "
    "without encoder.prefix), as they are and behind erasers, which are fitted on the training "
    "lines of the language text. Probes are fitted anew on what they read: language text by line, "
    "the task's test texts split by item. Attackers: first seed. Chance: always the largest "
    "class. " + IN_SHORT,
    where={"measure": ATTACK, "split": "test"},
    layers="head",
    rows=("corpus", "unit", "method", "eraser"),
    columns=(
        Column("place", shown=False),
        Column("method", text="{variant}", shown=False),
        Column("base", "Method", text="{method}"),
        Column("eraser", "Erased by"),
        attacked("linear", "linear", _READ, LINEAR),
        *(
            attacked(name, one.title, _READ, name)
            for name, one in attacker_classes().items()
        ),
        attacked("strongest", "strongest attacker", _READ, STRONGEST),
        attacked("chance", "chance", _READ, "majority"),
        *(
            Column(f"{name}_accuracy", shown=False, kind="score", where={
                "probe": name, "metric": "accuracy", "language": "all"})
            for name in (LINEAR, *attacker_classes(), STRONGEST, "majority")
        ),
        Column("train_n", "trained on", kind="count"),
    ),
    section="place",
    notes=(GUARDED, HOW),
)  # fmt: skip


OF_ORACLES = (
    "Oracle erasers get the language of every vector, also of test vectors: what "
    "they subtract writes the label into the vectors, which attackers can read. "
    "They bound what centring could do; they are no way to unlearn."
)


def _chance(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """What naming the largest class gives for tokens."""
    largest = (rows["measure"] == "leak") & (rows["probe"] == "majority")
    largest &= (rows["language"] == "all") & (rows["unit"] == "token")
    level = dict(zip(rows[largest]["metric"], rows[largest]["value"], strict=True))
    titles = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
    chance = ", ".join(f"{t} {level[m]:.3f}" for m, t in titles.items() if m in level)
    return f"Always the largest class, per token: {chance}." if chance else ""


def _pairs(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """How a pair of texts is erased."""
    pairs = " of pairs (by the eraser that was fitted on single texts)"
    return pairs if "pair" in set(rows["unit"]) else ""


def _bound(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """How many probes did not converge."""
    fits = rows[(rows["measure"] == "erasure") & (rows["metric"] == "converged")]
    count = int(fits["seeds"].sum())
    failed = count - round((fits["seeds"] * fits["value"]).sum())
    if not failed:
        return ""
    return (
        f"{failed} of {count} probes of erased vectors did not "
        "converge; their leak is a lower bound."
    )


def _oracles(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """What oracles are, where one was measured."""
    return OF_ORACLES if rows["eraser"].str.endswith("_oracle").any() else ""


def _leak(key: str, label: str, unit: str, metric: str) -> Column:
    where = {"probe": "linear", "language": "all", "unit": unit, "metric": metric}
    where_all: dict[str, Any] = {"measure": ("leak", "erasure"), **where}
    return Column(key, label, "Linear leak", "score", where_all)


def _scored(key: str, label: str, group: str, language: str, metric: str) -> Column:
    where = {"probe": "", "language": language, "metric": metric}
    return Column(key, label, group, "score", where)


def _fitted(unit: str, label: str) -> Column:
    """How many units the probe was fitted on."""
    column = _leak(f"{unit}_leak_train_n", label, unit, LEAK_METRIC)
    return replace(column, kind="count", part="train_n")


def _removed(metric: str, label: str, group: str, kind: Kind, **where: str) -> Column:
    return Column(metric, label, group, kind, {"probe": "erasure", "metric": metric, **where})


_TARGETS, _PER_TOKEN = "Mean of target languages", "Taken out, per token"
_attacked = partial(attacked, group="Strongest attacker", probe=STRONGEST)
TABLE = TableSpec(
    name="erased_{task}",
    title="{task}: linearly guarded by erasers",
    caption="{task}: erasers on trained models, fitted on the training lines of the language "
    "text. Linear leak: a fresh linear probe on the erased vectors of the layer that the head "
    "reads (words without encoder.prefix). Strongest attacker: the non-linear probe of these "
    "vectors with the least validation log-loss, macro-F1; attackers: first seed; table attacked "
    "has each. {chance} Scores: that head, kept, on erased "
    "vectors{pairs}. Taken out: share of the variance of test vectors, and directions. "
    + IN_SHORT,
    where={"measure": ("task", "leak", "erasure", ATTACK), "split": "test"},
    having={"measure": "erasure", "split": "test"},
    layers="head",
    words={
        "chance": _chance,
        "pairs": _pairs,
        "bound": _bound,
        "oracles": _oracles,
        "attackers": what_attackers_read,
    },
    rows=("method", "eraser"),
    columns=(
        Column("base", text="{method}", shown=False),
        Column("method", text="{variant}", shown=False),
        Column("eraser", "Erased by"),
        _leak("token_leak_macro_f1", "token F1", "token", LEAK_METRIC),
        _leak("token_leak_accuracy", "token acc.", "token", "accuracy"),
        _fitted("token", "train tokens"),
        _leak("sentence_leak_macro_f1", "sentence F1", "sentence", LEAK_METRIC),
        _fitted("sentence", "train sentences"),
        _attacked("text_strongest", "language text", corpus="text"),
        _attacked("task_strongest", "task text", corpus="{task}"),
        _scored("targets_accuracy", "accuracy", _TARGETS, "mean_targets", "accuracy"),
        _scored("targets_macro_f1", "macro-F1", _TARGETS, "mean_targets", "macro_f1"),
        _scored("source_accuracy", "accuracy", "Source", "{source}", "accuracy"),
        _removed("variance_removed", "variance", _PER_TOKEN, "score", unit="token"),
        _removed("rank_removed", "directions", _PER_TOKEN, "number", unit="token"),
    ),
    section="base",
    notes=("{attackers}", GUARDED, HOW, "{bound}", "{oracles}"),
    drop_empty=True,
)
BY_LAYER = TableSpec(
    name="erased_layers_{task}",
    title="{task}: linearly guarded by erasers, by layer",
    caption="Models of {task}: linear language probe on erased vectors by layer, an eraser "
    "fitted for each layer by itself. " + IN_SHORT,
    where={
        "measure": "erasure",
        "probe": ("linear", "erasure"),
        "split": "test",
        "unit": ("token", "sentence"),
    },
    rows=("unit", "layer", "method", "eraser"),
    columns=(
        Column("unit", shown=False),
        Column("layer", "Layer", kind="count"),
        Column("method", "Method", text="{variant}"),
        Column("train_n", "trained on", kind="count"),
        Column("macro_f1", "macro-F1", "Linear leak", "score",
               {"probe": "linear", "metric": "macro_f1"}),
        Column("accuracy", "accuracy", "Linear leak", "score",
               {"probe": "linear", "metric": "accuracy"}),
        _removed("variance_removed", "variance", "Taken out", "score"),
        _removed("rank_removed", "directions", "Taken out", "number"),
    ),
    section="unit",
)  # fmt: skip
