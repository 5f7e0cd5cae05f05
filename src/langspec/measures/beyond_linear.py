"""What the linear probe does not show: other probes, codelengths, control tasks, n-grams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from langspec.attackers.base import Effort
from langspec.attackers.known_attackers import ATTACKERS, attacker_classes
from langspec.measures.base import (
    AUDIT,
    NETWORK_RATE,
    RANDOM_ENCODER,
    Cost,
    Findings,
    Measure,
    Shape,
    Subject,
    probe_seconds,
)
from langspec.measures.spec import IN_SHORT, Column, TableSpec
from langspec.results import EVERY, Result
from langspec.section import Count, Limit, Natural, Section, unique

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from langspec.features.bank import Bank

NGRAMS = "char_ngrams"


HOW_TO_READ = (
    "How to read it: where a non-linear attacker is well above the linear probe, language is "
    "there in a form that a linear probe (and a linear eraser) cannot see. The attackers start "
    "from the linear probe and are never below it on validation vectors. Shuffled labels must be "
    "at chance, or a probe could not be trusted. Selectivity near 0 says that the probe reads "
    "languages no better than it learns random labels of words by heart; it can learn those of "
    "words that it has seen, so the share of such test words stands beside it. Whether a layer "
    "knows more than its words is measured by the bits that it adds to the embeddings. "
    "Compression near 1 says that the vectors were of no use to send the labels; the higher, the "
    "fewer examples reading needs. "
    "Character n-grams tell languages by spelling alone: vectors below them have lost surface "
    "form, vectors above them know more of a word than its letters."
)


def _chance(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """What naming the largest class gives, by unit."""
    largest = (rows["measure"] == "leak") & (rows["probe"] == "majority")
    largest &= (rows["metric"] == "accuracy") & (rows["language"] == "all")
    means = rows[largest].groupby("unit")["value"].mean()
    units = [unit for unit in ("token", "sentence") if unit in means.index]
    chance = ", ".join(f"{means[unit]:.3f} per {unit}" for unit in units)
    return f"Always the largest class: {chance}. " if chance else ""


def _cell(key: str, label: str, group: str, probe: str, metric: str = "accuracy") -> Column:
    where = {"probe": probe, "metric": metric}
    return Column(key, label, group, "score", where, marked=True, shown=bool(label))


TABLE = TableSpec(
    name="beyond_{task}",
    title="{task}: beyond the linear probe",
    caption="Models of {task}: probes of the language of text at some layers (0: embeddings), all "
    "on the same training vectors, which may be fewer than those of the leak table. {chance}"
    "Compression: bits of the uniform code over those of the online code. " + IN_SHORT,
    where={"measure": "beyond", "split": "test"},
    words={"chance": _chance},
    rows=("unit", "method", "layer"),
    columns=(
        Column("section", text="per {unit}, {method}", shown=False),
        Column("unit", shown=False),
        Column("method", text="{method_key}", shown=False),
        Column("layer", "Layer", kind="count"),
        Column("n", shown=False),
        Column("train_n", "trained on", kind="count"),
        _cell("linear", "linear", "Accuracy", "linear_sample"),
        *(_cell(name, one.title, "Accuracy", name) for name, one in attacker_classes().items()),
        _cell("compression", "compression", "Online codelength", "mdl", "compression"),
        _cell("bits", "bits a unit", "Online codelength", "mdl", "bits"),
        _cell("control", "control task", "Accuracy", "control"),
        _cell("selectivity", "linear − control", "Selectivity", "selectivity"),
        _cell("seen_types", "words seen in training", "Selectivity", "selectivity", "seen_types"),
        _cell("shuffled", "shuffled labels", "Accuracy", "shuffled"),
        _cell("char_ngrams", "char n-grams", "Accuracy", "char_ngrams"),
        _cell("linear_macro_f1", "", "", "linear_sample", "macro_f1"),
        *(_cell(f"{name}_macro_f1", "", "", name, "macro_f1") for name in ATTACKERS),
    ),
    section="section",
    notes=(HOW_TO_READ,),
    names={"method": {EVERY: "the texts"}},
    page=(
        "layer",
        "train_n",
        "linear",
        *ATTACKERS,
        "shuffled",
        "control",
        "char_ngrams",
        "selectivity",
        "seen_types",
        "compression",
        "bits",
    ),
    drop_empty=True,
)


class NgramOptions(Section):
    """Section ``char_ngrams``: a classifier of character n-grams with word boundaries.

    Attributes:
        longest: characters of the longest n-gram; the shortest has 1.
        strengths: candidate C; one is chosen on validation texts.
    """

    longest: Count
    strengths: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)]


class BeyondOptions(Section):
    """Section ``evaluate.beyond``: what the linear probe does not show.

    Attributes:
        run: methods that are run (:func:`langspec.measurement.beyond.beyond_linear` says what each
            is).
        layers: 0: the embeddings, -1: the last; null: first, middle and last.
        max_train_per_language: training vectors at most of each language; null: all.
        char_ngrams: of the character n-grams.
        task_text: vectors at most of each language, of the task's test texts, that the linear
            probe reads; 0: it does not read them.
    """

    run: list[Literal[(*ATTACKERS, "mdl", "selectivity", "shuffled", "char_ngrams")]]  # type: ignore[valid-type]
    layers: list[Annotated[int, Field(ge=-1)]] | None
    max_train_per_language: Limit
    char_ngrams: NgramOptions
    task_text: Natural

    @model_validator(mode="after")
    def _lists(self) -> BeyondOptions:
        unique("run", self.run)
        if self.layers is not None and not self.layers:
            raise ValueError("layers names no layer; null means first, middle and last")
        return self


def attack_seconds(config: Any, shape: Shape, names: Sequence[str], train: int) -> float:
    """Seconds that some attackers take once on ``train`` vectors of each language."""
    effort = Effort(train * shape.languages, shape.hidden, shape.languages)
    options, classes = config.evaluate.attackers, attacker_classes()
    return sum(
        classes[name].operations(getattr(options, name), effort) / NETWORK_RATE for name in names
    )


class BeyondLinear(Measure):
    """Non-linear probes, codelengths, control tasks and shuffled labels, at a few layers."""

    name: ClassVar[str] = "beyond"
    order: ClassVar[int] = 30
    key: ClassVar[str] = "beyond"
    options: ClassVar[type[Section] | None] = BeyondOptions
    tables: ClassVar[tuple[TableSpec, ...]] = (TABLE,)

    @classmethod
    def enabled(cls, evaluate: Any) -> bool:
        """Is any method but the n-grams asked for?"""
        return bool(set(evaluate.beyond.run) - {NGRAMS})

    @classmethod
    def cost(cls, config: Any, shape: Shape) -> Cost:
        """The cost of probes and networks at a few layers of every encoder."""
        values = config.evaluate.beyond
        kinds = [name for name in values.run if name != NGRAMS]
        layers = min(3, shape.layers) if values.layers is None else len(values.layers)
        places = shape.encoders * layers * 2
        most = config.features.tokens.train
        train = min(most, values.max_train_per_language or most)
        # Linear probes a method fits: the codelength's seven read portions that double.
        fits = {"selectivity": 1, "shuffled": 1, "mdl": 7}
        count = places * (1 + sum(fits.get(name, 0) for name in kinds))
        worth = places * (1 + sum({"mdl": 2}.get(name, name in fits) for name in kinds))
        seconds = probe_seconds(shape, worth, train)
        work = f"{count} probes more at {layers} layers"
        names = [name for name in ATTACKERS if name in kinds]
        if names:
            work += f", {places * len(names)} non-linear attackers"
            seconds += places * attack_seconds(config, shape, names, train)
        return Cost("beyond", work, seconds)

    def runs(self) -> list[str]:
        """The methods that this measure runs."""
        return [name for name in self.values.run if name != NGRAMS]

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows of one encoder on language text, cached by the hash of its weights."""
        findings.add(
            self._rows(subject, self.runs(), subject.method, subject.encoder_seed, subject.state)
        )

    def _rows(
        self, subject: Subject, run: list[str], method: str, seed: int, state: str | None
    ) -> list[Result]:
        from langspec.measurement.beyond import beyond_linear
        from langspec.measurement.rows import Origin

        bench = self.bench

        def compute() -> list[Result]:
            encoder, weights = subject.model.encoder, state
            if weights is None:  # the texts themselves: all that the starting encoder reads
                encoder = bench.encoder.model.to(next(encoder.parameters()).device)
                weights = bench.encoder.card.sha256
            bank = bench.text_bank(encoder, weights, f"{method} {seed}")
            words, lines = self._texts(bank)
            return beyond_linear(
                bank,
                Origin(bench.task.name, method, seed, bench.corpus, "test", "beyond"),
                self.values.model_copy(update={"run": run}),
                bench.config.evaluate.attackers,
                bench.beyond_probe,
                bench.bootstrap,
                seed=bench.config.evaluate.seed,
                token_texts=words,
                sentence_texts=lines,
                progress=f"beyond: {method} {seed}",
            )

        options = self.values.model_dump(exclude={"run", "task_text"})
        key = {"state": state, "run": run, "options": options}
        key |= {**bench.text_key, **bench.probe_key}
        key["probe"] = bench.beyond_probe.model_dump()
        key["attackers"] = bench.config.evaluate.attackers.model_dump()
        code = [one for name, one in attacker_classes().items() if name in run]
        return self.cached_rows("beyond", key, compute, *code, method=method, seed=seed)

    def _texts(self, bank: Bank) -> tuple[list[str], list[str]]:
        """The word of each token vector, the line of each sentence vector."""
        from langspec.features.words import unit_texts

        bench, card = self.bench, self.bench.encoder.card
        words = unit_texts(
            bench.encoder.tokenizer,
            bench.texts,
            bank.token_meta,
            max_tokens=card.max_tokens,
            prefix=bench.token_prefix,
        )
        return words, [bench.texts[row] for row in bank.sentence_meta.row]


class CharNgrams(BeyondLinear):
    """How well character n-grams of the texts tell languages apart, whatever the encoder."""

    name: ClassVar[str] = "beyond.char_ngrams"
    order: ClassVar[int] = 45
    key: ClassVar[str] = "beyond"
    options: ClassVar[type[Section] | None] = None
    tables: ClassVar[tuple[TableSpec, ...]] = ()
    # It needs the bank of any one encoder, which says which units are read.
    subjects: ClassVar[frozenset[str]] = frozenset({RANDOM_ENCODER})

    @classmethod
    def enabled(cls, evaluate: Any) -> bool:
        """Are the n-grams asked for?"""
        return NGRAMS in evaluate.beyond.run

    @classmethod
    def cost(cls, config: Any, shape: Shape) -> None:  # type: ignore[override]
        """None: they take seconds, whatever the number of encoders."""
        return

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows of the texts themselves, under method ``all``."""
        findings.add(self._rows(subject, [NGRAMS], EVERY, 0, None))


class BeyondOfEncoder(BeyondLinear):
    """All methods in an audit, the n-grams included."""

    name: ClassVar[str] = "audit.beyond"
    tables: ClassVar[tuple[TableSpec, ...]] = ()
    title: ClassVar[str] = "non-linear attackers, codelength and control tasks"
    takers: ClassVar[frozenset[str]] = frozenset({AUDIT})
    options: ClassVar[type[Section] | None] = None

    @classmethod
    def enabled(cls, evaluate: Any) -> bool:
        """Is the whole audit asked for?"""
        return bool(evaluate.full)

    def runs(self) -> list[str]:
        """The methods that this measure runs."""
        return list(self.values.run)
