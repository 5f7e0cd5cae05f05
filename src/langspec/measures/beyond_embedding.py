"""Is it just the word? The bits that a layer adds to the embeddings."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from langspec.measures.base import (
    Cost,
    Findings,
    Measure,
    Shape,
    Subject,
    scored_probe_seconds,
)
from langspec.measures.spec import IN_SHORT, Column, FigureSpec, Panel, TableSpec
from langspec.results import Result
from langspec.section import Limit, Section

_WHERE = {"measure": "conditional", "split": "test", "language": "all"}
_TELLS = (
    "How to read it: layer 0 holds a vector for each piece, whatever stands around it. A layer "
    "that adds no bits has nothing beyond its words that a linear probe reads, however well the "
    "language can be read from it. A layer that adds bits knows more of the language than its "
    "words (linear probes; conditional V-information, Hewitt et al. 2021).",
    "0 without an interval around it: on validation units the layer did not help, so the probe "
    "of layer 0 was kept.",
)


def _cell(key: str, label: str, group: str, probe: str, metric: str) -> Column:
    where = {"probe": probe, "metric": metric}
    return Column(key, label, group, "score", where, marked=True)


TABLE = TableSpec(
    name="beyond_embedding_{task}",
    title="{task}: what a layer adds to the embeddings",
    caption="Models of {task}: a linear probe of a layer together with layer 0, less a linear "
    "probe of layer 0 alone, on language text; bits a unit, accuracy and macro-F1. " + IN_SHORT,
    where={**_WHERE, "metric": ("bits", "accuracy", "macro_f1")},
    rows=("unit", "method", "layer"),
    columns=(
        Column("section", text="per {unit}, {method}", shown=False),
        Column("unit", shown=False),
        Column("method", text="{method_key}", shown=False),
        Column("layer", "Layer", kind="count"),
        Column("n", "n", kind="count"),
        Column("train_n", "trained on", kind="count"),
        _cell("embeddings_bits", "layer 0 alone", "Bits a unit", "embeddings", "bits"),
        _cell("added_bits", "added", "Bits a unit", "added", "bits"),
        _cell("embeddings_accuracy", "layer 0 alone", "Accuracy", "embeddings", "accuracy"),
        _cell("added_accuracy", "added", "Accuracy", "added", "accuracy"),
        _cell("embeddings_macro_f1", "layer 0 alone", "Macro-F1", "embeddings", "macro_f1"),
        _cell("added_macro_f1", "added", "Macro-F1", "added", "macro_f1"),
    ),
    section="section",
    notes=_TELLS,
    drop_empty=True,
)


def _panel(unit: str) -> Panel:
    return Panel(f"per {unit} (n = {{n:,}})", {"unit": unit, "probe": "added"})


FIGURE = FigureSpec(
    name="beyond_embedding_{task}",
    title="{task}: bits that a layer adds to the embeddings",
    caption="Models of {task}: bits a unit by which a linear probe of a layer and layer 0 "
    "together reads the language better than one of layer 0. Mean over {seeds}; band: 95 % "
    "interval over lines.",
    alt="Line plot by layer of the bits that it adds to layer 0. Last layer, per token: {last}.",
    where={**_WHERE, "metric": "bits"},
    panels=(_panel("token"), _panel("sentence")),
    label="bits a unit, added",
    shared=True,
    last={"unit": "token", "probe": "added"},
    seeds={"probe": "added"},
    absent="what a layer adds to the embeddings",
    width=6.4,
    height=3.1,
)


class ConditionalOptions(Section):
    """Section ``evaluate.conditional``: the bits that a layer adds to the embeddings.

    Attributes:
        run: measure them?
        layers: -1: the last; null: every layer.
        max_train_per_language: training vectors at most of each language; null: all.
    """

    run: bool
    layers: list[Annotated[int, Field(ge=-1)]] | None
    max_train_per_language: Limit

    @model_validator(mode="after")
    def _some(self) -> ConditionalOptions:
        if self.layers is not None and not set(self.layers) - {0}:
            raise ValueError("layers names no layer above 0; null means every layer")
        return self


class BeyondEmbedding(Measure):
    """Conditional V-information of layers about the language, given layer 0."""

    name: ClassVar[str] = "conditional"
    order: ClassVar[int] = 35
    title: ClassVar[str] = "beyond the embeddings"
    key: ClassVar[str] = "conditional"
    options: ClassVar[type[Section] | None] = ConditionalOptions
    tables: ClassVar[tuple[TableSpec, ...]] = (TABLE,)
    figures: ClassVar[tuple[FigureSpec, ...]] = (FIGURE,)

    @classmethod
    def enabled(cls, evaluate: Any) -> bool:
        """Is it asked for?"""
        return bool(evaluate.conditional.run)

    @classmethod
    def cost(cls, config: Any, shape: Shape) -> Cost:
        """The cost of a probe of twice the width for each layer, and one of layer 0."""
        wanted = config.evaluate.conditional.layers
        layers = shape.layers - 1 if wanted is None else len(set(wanted) - {0})
        count = shape.encoders * layers * 2
        most = config.features.tokens.train
        most = min(most, config.evaluate.conditional.max_train_per_language or most)
        seconds = scored_probe_seconds(shape, 2 * count + shape.encoders * 2, most)
        return Cost("conditional", f"{count} probes of a layer beside layer 0", seconds)

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows of one encoder, cached by the hash of its weights."""
        from langspec.measurement.conditional import conditional_information
        from langspec.measurement.rows import Origin

        bench = self.bench
        origin = Origin(bench.task.name, "", 0, bench.corpus, "test", self.name)

        def compute() -> list[Result]:
            bank = bench.text_bank(subject.model.encoder, subject.state, subject.title)
            return conditional_information(
                bank,
                origin,
                self.values.layers,
                bench.probe,
                bench.bootstrap,
                most=self.values.max_train_per_language,
                seed=bench.config.evaluate.seed,
                progress=f"beyond the embeddings: {subject.title}",
            )

        key = {"state": subject.state, "options": self.values.model_dump()}
        key |= {**bench.text_key, **bench.probe_key}
        named = {"method": subject.method, "seed": subject.encoder_seed}
        findings.add(self.cached_rows("conditional", key, compute, **named))
