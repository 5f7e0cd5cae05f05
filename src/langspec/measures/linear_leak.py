"""Language leak: how well a linear probe reads the language, layer by layer."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, field_validator

from langspec.measures.base import (
    AUDIT,
    EVALUATE,
    Cost,
    Findings,
    Measure,
    Shape,
    Subject,
    scored_probe_seconds,
    texts_to_train,
)
from langspec.measures.spec import IN_SHORT, Column, FigureSpec, Level, Panel, TableSpec
from langspec.results import LEAK_CURVE, LEAK_METRIC
from langspec.section import Section

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd

_LAYER, _COUNT = Column("layer", "Layer", kind="count"), Column("n", "n", kind="count")
_TRAIN = Column("train_n", "trained on", kind="count")
_METRICS = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
BY_LAYER = TableSpec(
    name="leak_{task}",
    title="{task}: language leak by layer",
    caption="Models of {task}: linear language probe by layer (0: embeddings), trained and tested "
    "on {corpora}, test split; n and what the probe was trained on count the unit named in each "
    "block. " + IN_SHORT,
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
        _TRAIN,
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
        _TRAIN,
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


def _short(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """The languages that have fewer training vectors than the largest."""
    counts = rows[(rows["measure"] == LEAK_CURVE) & (rows["metric"] == "train_vectors")]
    parts = []
    for unit, of_unit in counts.groupby("unit", sort=False):
        least = of_unit.groupby("language")["value"].min()
        parts.append(f"{unit}: " + ", ".join(f"{code} {n:,.0f}" for code, n in least.items()))
    if not parts:
        return ""
    return (
        "Languages with fewer training vectors than the largest, whose part of the curve ends "
        f"there: {'; '.join(parts)}."
    )


CURVE = TableSpec(
    name="leak_curve_{task}",
    title="{task}: leak by what the probe was trained on",
    caption="Models of {task}: macro-F1 of the linear language probe with a quarter, half and all "
    "of its training vectors (nested samples, C chosen for each; all alone at layers that "
    "evaluate.leak.curve leaves out), on {corpora}, test split. Last "
    "half: what all vectors add to half of them, on the same test lines. Still rising: the lower "
    "end of that interval is above the bound evaluate.leak.rising; such a leak is a bound from "
    "below. Nothing is extrapolated. " + IN_SHORT,
    where={
        "measure": ("leak", LEAK_CURVE),
        "probe": "linear",
        "split": "test",
        "language": "all",
        "metric": (LEAK_METRIC, "gain", "rising"),
    },
    rows=("unit", "layer", "train_n"),
    columns=(
        Column("unit", shown=False),
        _LAYER,
        _TRAIN,
        Column(f"{{}}_{LEAK_METRIC}", "macro-F1", "{}", "score", {"metric": LEAK_METRIC}, "method",
               marked=True),
        Column("{}_gain", "last half", "{}", "score", {"metric": "gain"}, "method"),
        Column("{}_rising", "still rising", "{}", "text", {"metric": "rising"}, "method",
               part="stated"),
    ),
    section="unit",
    notes=("{short}",),
    words={"short": _short},
)  # fmt: skip
_F1 = {"measure": "leak", "split": "test", "language": "all", "metric": LEAK_METRIC}


def _leak_panels(*, sized: bool = False) -> dict[str, Any]:
    """Above, the part of the scale on which the methods lie; below, all of it, with the floors."""
    chance = {"probe": "majority"}
    return {
        "panels": tuple(
            Panel(
                f"per {unit} (n = {{n:,}})",
                {"unit": unit, "probe": "linear"},
                sized=sized,
                zoomed=True,
            )
            for unit in ("token", "sentence")
        ),
        "below": tuple(
            Panel(
                "",
                {"unit": unit, "probe": "linear"},
                (Level({"unit": unit, **chance}, "chance: the largest class"),),
                limits=(0, 1.05),
                sized=sized,
            )
            for unit in ("token", "sentence")
        ),
        "label": "macro-F1 of the probe\n(zoomed: {zoom})",
        "label_below": "whole scale",
        "shared": True,
        "width": 6.4,
        "height": 4.0,
        "heights": (2.2, 1.0),
    }


FIGURE = FigureSpec(
    name="leak_{task}",
    title="{task}: language leak by layer",
    caption="Models of {task}: macro-F1 over languages of a fresh linear probe of each layer, on "
    "{corpora}, test split. Above: zoomed. Mean over {seeds}; dashes: single seeds; band: 95 % "
    "interval over lines.",
    alt="Line plot of language probe macro-F1 by layer. Last layer, per token: {last}.",
    where=_F1,
    x_label="layer (0: embeddings)",
    x_label_below="layer (0: embeddings)",
    each_seed=True,
    seeds={"probe": "linear"},
    absent="language leak by layer",
    **_leak_panels(),
)

CURVE_FIGURE = FigureSpec(
    name="leak_curve_{task}",
    title="{task}: leak by what the probe was trained on",
    caption="Models of {task}: macro-F1 of the last layer's probe, fitted on a quarter, half and "
    "all of its training vectors. Above: zoomed. Mean over {seeds}; band: 95 % interval over "
    "lines.",
    alt="Line plot of language probe macro-F1 by number of training vectors. Per token: {last}.",
    where={**_F1, "measure": ("leak", LEAK_CURVE)},
    x_label="training vectors",
    x_label_below="training vectors",
    last={"unit": "token", "probe": "linear", "measure": "leak"},
    seeds={"probe": "linear"},
    absent="language leak by training vectors",
    **_leak_panels(sized=True),
)


class LeakOptions(Section):
    """Section ``evaluate.leak``: the leak along a curve.

    Attributes:
        rising: a leak is still rising where all training vectors add more than this to half of
            them, beyond the interval (macro-F1; 0.01: a point).
        curve: layers whose leak is measured on a curve, 0: the embeddings, -1: the last; null:
            every layer. The leak with all training vectors is measured at every layer.
    """

    rising: Annotated[float, Field(ge=0)]
    curve: list[Annotated[int, Field(ge=-1)]] | None

    @field_validator("curve")
    @classmethod
    def _some(cls, curve: list[int] | None) -> list[int] | None:
        if curve is not None and not curve:
            raise ValueError("names no layer; null means every layer")
        return curve


class LinearLeak(Measure):
    """The linear language probe on language text, of words and of texts, at every layer."""

    title: ClassVar[str] = "linear probes"
    takers: ClassVar[frozenset[str]] = frozenset({EVALUATE, AUDIT})
    name: ClassVar[str] = "leak"
    order: ClassVar[int] = 20
    on_path: ClassVar[bool] = True
    key: ClassVar[str] = "leak"
    options: ClassVar[type[Section] | None] = LeakOptions
    tables: ClassVar[tuple[TableSpec, ...]] = (BY_LAYER, CURVE, BY_LANGUAGE, PROBES)
    figures: ClassVar[tuple[FigureSpec, ...]] = (FIGURE, CURVE_FIGURE)

    @classmethod
    def cost(cls, config: Any, shape: Shape) -> Cost:
        """The cost of the probes of each layer and encoder, at three points of their curve."""
        curve = config.evaluate.leak.curve
        points = shape.layers if curve is None else len(curve)  # layers of a quarter and a half
        count = shape.leaks * 2 * (shape.layers + 2 * points)
        seconds = 0.0
        for vectors in (config.features.tokens.train, texts_to_train(config)):
            seconds += scored_probe_seconds(shape, shape.leaks * shape.layers, vectors)
            seconds += scored_probe_seconds(shape, shape.leaks * points, round(0.75 * vectors))
        return Cost("probe", f"{count} linear probes of words and texts", seconds)

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows of every unit and layer, and confusion tables as ``confusions``.

        They are cached by the hash of the encoder's weights.
        """
        bench = self.bench
        key = {"state": subject.state, **bench.text_key, **bench.probe_key}
        key["leak"] = self.values.model_dump()
        value = self.cached("leaks", key, lambda: self._probed(subject))
        named = {"method": subject.method, "seed": subject.encoder_seed}
        rows = self.named_rows(value["rows"], **named, strength=subject.strength)
        findings.add(rows)
        findings.add_table("confusions", value["confusions"])

    def _probed(self, subject: Subject) -> dict[str, Any]:
        from langspec.measurement.leak import language_leak
        from langspec.measurement.leak_curve import leak_curve
        from langspec.measurement.rows import Origin
        from langspec.measurement.scores import confusion

        bench, confusions = self.bench, []
        whole: dict[tuple[str, int], np.ndarray] = {}
        bank = bench.text_bank(subject.model.encoder, subject.state, subject.title)

        def keep(unit: str, layer: int, gold: np.ndarray, predicted: np.ndarray) -> None:
            table = confusion(gold, predicted, len(bank.languages))
            confusions.append([unit, layer, table.tolist()])
            whole[unit, layer] = predicted

        origin = Origin(bench.task.name, "", 0, bench.corpus, "test", self.name)
        given = (bank, origin, bench.probe, bench.bootstrap)
        rows = language_leak(*given, progress=f"probe: {subject.title}", keep=keep)
        rows += leak_curve(*given, whole, rising=self.values.rising, layers=self.values.curve)
        return {"rows": [asdict(row) for row in rows], "confusions": confusions}
