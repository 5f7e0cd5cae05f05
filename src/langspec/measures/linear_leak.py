"""Language leak: how well a linear probe reads the language, layer by layer."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from langspec.measures.base import (
    AUDIT,
    EVALUATE,
    Cost,
    Findings,
    Measure,
    Shape,
    Subject,
    scored_probe_seconds,
)
from langspec.measures.spec import IN_SHORT, Column, FigureSpec, Level, Panel, TableSpec
from langspec.results import LEAK_METRIC

if TYPE_CHECKING:
    import numpy as np

_LAYER, _COUNT = Column("layer", "Layer", kind="count"), Column("n", "n", kind="count")
_METRICS = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
BY_LAYER = TableSpec(
    name="leak_{task}",
    title="{task}: language leak by layer",
    caption="Models of {task}: linear language probe by layer (0: embeddings), trained and tested "
    "on {corpora}, test split; n counts the unit named in each block. " + IN_SHORT,
    where={
        "measure": "leak",
        "probe": "linear",
        "split": "test",
        "language": "all",
        "metric": tuple(_METRICS),
    },
    floor={"measure": "leak", "probe": "majority", "split": "test", "language": "all"},
    rows=("unit", "layer"),
    columns=(
        Column("unit", shown=False),
        _LAYER,
        _COUNT,
        *(
            Column(f"{{}}_{m}", title, "{}", "score", {"metric": m}, "method", marked=True)
            for m, title in _METRICS.items()
        ),
        *(
            Column(f"majority_{m}", title, "chance (majority)", "score", {"metric": m}, floor=True)
            for m, title in _METRICS.items()
        ),
    ),
    section="unit",
)
BY_LANGUAGE = TableSpec(
    name="leak_languages_{task}",
    title="{task}: language leak by language",
    caption="Models of {task}: share of a language's tokens or sentences that the linear probe at "
    "the last layer names rightly, test split. " + IN_SHORT,
    where={"measure": "leak", "probe": "linear", "split": "test", "metric": "recall"},
    layers="head",
    rows=("unit", "language"),
    columns=(
        Column("unit", shown=False),
        Column("language", "Language"),
        Column("code", "Code"),
        Column("family", "Family"),
        _COUNT,
        Column("{}_recall", "{}", "Recall", "score", {}, "method"),
    ),
    section="unit",
)
_FITTED = ("chosen_c", "iterations", "converged")
_CHOSEN = {"metric": "chosen_c"}
PROBES = TableSpec(
    name="probes",
    title="Probe diagnostics",
    caption="The linear language probes behind the leak numbers: one probe for each seed, "
    "unit and layer; inverse regularisation C chosen on validation for each condition by itself; "
    "iterations of the solver; how many of the probes converged.",
    where={"measure": "leak", "probe": "linear", "metric": _FITTED},
    rows=("task", "method", "unit", "layer"),
    columns=(
        Column("task", text="{task_key}", shown=False),
        Column("method", text="{method_key}", shown=False),
        Column("unit", "Unit"),
        _LAYER,
        Column("probes", "Probes", "", "count", {}, part="seeds"),
        Column("c_min", "smallest", "Chosen C", "number", _CHOSEN, part="min"),
        Column("c_max", "largest", "Chosen C", "number", _CHOSEN, part="max"),
        Column(
            "iterations_max",
            "Iterations (most)",
            "",
            "count",
            {"metric": "iterations"},
            part="max",
        ),
        Column("converged", "Converged", "", "count", {"metric": "converged"}, part="count"),
        Column("section", text="{task}, {method}", shown=False),
    ),
    section="section",
)

_F1 = {"measure": "leak", "split": "test", "language": "all", "metric": LEAK_METRIC}


def _leak_panel(unit: str) -> Panel:
    return Panel(
        f"per {unit} (n = {{n:,}})",
        {"unit": unit, "probe": "linear"},
        (Level({"unit": unit, "probe": "majority"}, "majority class"),),
        limits=(0, 1.02),
    )


FIGURE = FigureSpec(
    name="leak_{task}",
    title="{task}: language leak by layer",
    caption="Models of {task}: macro-F1 over languages of a linear probe "
    "trained on the frozen representation of each layer, on corpus "
    "{corpora}, test split (lines not seen by the probe). Mean over "
    "{seeds}; dashes: single seeds; "
    "band: 95 % interval over lines, bounds averaged over the seeds. Dotted: always the "
    "largest class.",
    alt="Line plot of language probe macro-F1 by layer. Last layer, per token: {last}.",
    where=_F1,
    panels=(_leak_panel("token"), _leak_panel("sentence")),
    label="language probe, macro-F1",
    x_label="layer (0: embeddings)",
    shared=True,
    each_seed=True,
    seeds={"probe": "linear"},
    absent="language leak by layer",
    width=7.6,
    height=3.1,
)


class LinearLeak(Measure):
    """The linear language probe on language text, of words and of texts, at every layer."""

    title: ClassVar[str] = "linear probes"
    takers: ClassVar[frozenset[str]] = frozenset({EVALUATE, AUDIT})
    name: ClassVar[str] = "leak"
    order: ClassVar[int] = 20
    on_path: ClassVar[bool] = True
    tables: ClassVar[tuple[TableSpec, ...]] = (BY_LAYER, BY_LANGUAGE, PROBES)
    figures: ClassVar[tuple[FigureSpec, ...]] = (FIGURE,)

    @classmethod
    def cost(cls, config: Any, shape: Shape) -> Cost:
        """The cost of two probes for each layer and encoder."""
        count = shape.leaks * shape.layers * 2
        seconds = scored_probe_seconds(shape, count, config.features.tokens.train)
        return Cost("probe", f"{count} linear probes of words and texts", seconds)

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows of every unit and layer, and confusion tables as ``confusions``.

        They are cached by the hash of the encoder's weights.
        """
        bench = self.bench
        key = {"state": subject.state, **bench.text_key, **bench.probe_key}
        value = self.cached("leaks", key, lambda: self._probed(subject))
        named = {"method": subject.method, "seed": subject.encoder_seed}
        rows = self.named_rows(value["rows"], **named, strength=subject.strength)
        findings.add(rows)
        findings.add_table("confusions", value["confusions"])

    def _probed(self, subject: Subject) -> dict[str, Any]:
        from langspec.measurement.leak import language_leak
        from langspec.measurement.rows import Origin
        from langspec.measurement.scores import confusion

        bench, confusions = self.bench, []
        bank = bench.text_bank(subject.model.encoder, subject.state, subject.title)

        def keep(unit: str, layer: int, gold: np.ndarray, predicted: np.ndarray) -> None:
            table = confusion(gold, predicted, len(bank.languages))
            confusions.append([unit, layer, table.tolist()])

        rows = language_leak(
            bank,
            Origin(bench.task.name, "", 0, bench.corpus, "test", self.name),
            bench.probe,
            bench.bootstrap,
            progress=f"probe: {subject.title}",
            keep=keep,
        )
        return {"rows": [asdict(row) for row in rows], "confusions": confusions}
