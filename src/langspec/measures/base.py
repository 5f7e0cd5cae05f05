"""What a measure is: when it applies, what it costs, the rows that it gives, how they are shown.

A measure is taken of *subjects*, such as a trained run. It reads a *bench*: the texts, feature
banks, predictions and cache that all measures of one task share
(:class:`langspec.evaluation.bench.Bench`).

To add a measure, write a module in this folder with a subclass of :class:`Measure`, and put the
values of its section under ``evaluate`` into params.yaml and the presets. Everything else finds it
here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from langspec.results import Result
from langspec.section import Section

if TYPE_CHECKING:
    from langspec.evaluation.bench import Bench
    from langspec.measures.spec import FigureSpec, TableSpec

RUN = "run"
"""A trained run: an encoder with the head of the task."""
RANDOM_ENCODER = "random encoder"
"""The encoder with random weights."""
TEXTS = "texts"
"""The texts themselves, whatever encoder reads them."""
TRAINING = "training"
"""A training, followed from its start to its end."""
EVALUATE, AUDIT = "evaluate", "audit"
"""What takes measures: the stage evaluate and the command audit."""


@dataclass(frozen=True)
class Subject:
    """What a measure is taken of.

    Attributes:
        kind: :data:`RUN`, :data:`RANDOM_ENCODER`, :data:`TEXTS` or :data:`TRAINING`.
        method: that trained the encoder; ``random`` for random weights, ``all`` for texts.
        seed: of the training.
        model: the encoder with the head of the task; the head is not used where nothing trained
            it. None for a training and for texts.
        checkpoint: hash of the weights, head included.
        state: hash of the encoder's weights alone: equal for all seeds of a frozen one.
        trained: were the encoder's weights trained?
        first: is it the first seed of its method that did not fail?
        strength: the lambda of the run, where it is one of the method's lambda path (further
            lambdas that the method is trained at); None for the method's own lambda.
        folder: of the trained run; None where there is none.
    """

    kind: str
    method: str
    seed: int
    model: Any = None
    checkpoint: str = ""
    state: str = ""
    trained: bool = False
    first: bool = True
    strength: float | None = None
    folder: Path | None = None

    @property
    def new_encoder(self) -> bool:
        """False only for later seeds of a frozen method, whose encoder was measured already."""
        return self.trained or self.first

    @property
    def encoder_seed(self) -> int:
        """The seed of rows on the encoder alone: 0 where the encoder was not trained."""
        return self.seed if self.trained else 0

    @property
    def title(self) -> str:
        """Its title in progress bars."""
        return f"{self.method} {self.encoder_seed}"


@dataclass
class Findings:
    """What measures gave.

    Attributes:
        rows: tidy rows by the name of the CSV file that they go to, such as ``results``.
        tables: results that are no tidy rows, by name; ``evaluation/write.py`` and the audit know
            what to do with each.
    """

    rows: dict[str, list[Result]] = field(default_factory=dict)
    tables: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, rows: Sequence[Result], file: str = "results") -> None:
        """Add the rows of a measure; ``file`` names the CSV file that they go to."""
        self.rows.setdefault(file, []).extend(rows)

    def add_table(self, name: str, table: Any) -> None:
        """Add a table, or a part of one."""
        self.tables.setdefault(name, []).append(table)


@dataclass(frozen=True)
class Shape:
    """How much an evaluation measures; its costs are estimated from this.

    Attributes:
        encoders: number of encoders on which everything is measured: of the trained runs, and the
            random one.
        leaks: the same plus the runs of lambda paths, of which only leak and scores are measured.
        erased: number of encoders that erasers are fitted on.
        layers: number of layers, the embeddings included.
        hidden: dimensions of a vector, H.
        languages: number of languages.
        labels: number of labels of the task.
        token: does the task label words?
        passes: encoding passes that words and texts take together: 2 where there is a prefix that
            words are read without (``features.prefix_tokens``), else 1.
    """

    encoders: int
    leaks: int
    erased: int
    layers: int
    hidden: int
    languages: int
    labels: int
    token: bool
    passes: int


@dataclass(frozen=True)
class Cost:
    """What one measure costs in an evaluation.

    Attributes:
        name: of the measure.
        work: what it does, in words.
        seconds: estimated seconds of one core, without encoding.
        encodings: number of encoding passes, without those of the language text.
    """

    name: str
    work: str
    seconds: float
    encodings: int = 0


# Rates of one core of a server processor with AVX2, from the times of multilingual-e5-small on 17
# languages (docs/results.md).
# Fitting a converged probe with all its C: training vectors of a language * dimensions *
# classes^2, a second (python benchmarks/leak_sizes.py --preset e5).
PROBE_RATE = 8e7
# Seconds of the intervals of one probe: resampling its test lines.
INTERVALS = 0.25
# Floating-point operations a second, of whole batches (the MLP) and of small matrices (Adam's
# minibatches, k-means).
NETWORK_RATE = 2e10
SMALL_RATE = 2.5e9
KMEANS_ROUNDS = 30


def probe_seconds(shape: Shape, count: int, vectors: int) -> float:
    """Seconds that ``count`` linear probes take on ``vectors`` training vectors a language."""
    return count * vectors * shape.languages**2 * shape.hidden / PROBE_RATE


def texts_to_train(config: Any) -> int:
    """Texts of a language at most that probes of whole texts are fitted on."""
    lines, most = config.corpora.limits.text, config.features.sentences.train
    counts = [] if most is None else [most]
    counts += [] if lines is None else [round(lines * config.corpora.text_splits.train)]
    return int(min(counts, default=config.features.tokens.train))


def scored_probe_seconds(shape: Shape, count: int, vectors: int) -> float:
    """The seconds of :func:`probe_seconds` and of an interval for each probe."""
    return probe_seconds(shape, count, vectors) + count * INTERVALS


class Measure(ABC):
    """One measure; there is one instance of it for each bench.

    Attributes:
        name: of the measure, in the column ``measure`` of its rows.
        order: measures are taken, and their rows written, in ascending order.
        title: is shown while the measure is taken; "" for its name.
        takers: :data:`EVALUATE`, :data:`AUDIT` or both.
        key: of its section under ``evaluate``; "" where it has none.
        options: the class of that section; None where another measure declares it.
        subjects: kinds of subjects that it applies to.
        every_seed: is it taken of every seed of a frozen encoder? It is where it reads the head.
        on_path: is it also taken of the runs of a lambda path?
        file: name of the CSV file of its rows, without ending.
        bench: what it reads.
        values: its section; None where it has none.
        tables: of its rows on the report's page (see :mod:`langspec.measures.spec`).
        figures: of its rows on the report's page.
    """

    name: ClassVar[str]
    order: ClassVar[int]
    title: ClassVar[str] = ""
    takers: ClassVar[frozenset[str]] = frozenset({EVALUATE})
    key: ClassVar[str] = ""
    options: ClassVar[type[Section] | None] = None
    subjects: ClassVar[frozenset[str]] = frozenset({RUN, RANDOM_ENCODER})
    every_seed: ClassVar[bool] = False
    on_path: ClassVar[bool] = False
    file: ClassVar[str] = "results"
    tables: ClassVar[tuple[TableSpec, ...]] = ()
    figures: ClassVar[tuple[FigureSpec, ...]] = ()

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.values: Any = getattr(bench.config.evaluate, self.key) if self.key else None

    @classmethod
    def enabled(cls, evaluate: Any) -> bool:
        """Do the values of section ``evaluate`` ask for the measure?"""
        return True

    @classmethod
    def cost(cls, config: Any, shape: Shape) -> Cost | None:
        """What the measure costs in an evaluation; None: seconds, so the plan leaves it out."""
        return None

    def applies(self, subject: Subject) -> bool:
        """Is the measure taken of this subject?"""
        if subject.kind not in self.subjects or not self.enabled(self.bench.config.evaluate):
            return False
        if subject.strength is not None and not self.on_path:
            return False
        return self.every_seed or subject.new_encoder

    @abstractmethod
    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows and tables of a subject to ``findings``."""

    # For subclasses.

    def cached(
        self, kind: str, key: dict[str, Any], compute: Callable[[], Any], *code: Any
    ) -> Any:
        """A JSON-able value from the cache; it is computed where the cache lacks it.

        Args:
            kind: of the entry.
            key: options and hashes of the inputs that the value depends on.
            compute: gives the value.
            code: classes and functions that compute it, besides this class and the bench.
        """
        return self.bench.cached(kind, (type(self), *code), key, compute)

    def cached_rows(
        self,
        kind: str,
        key: dict[str, Any],
        compute: Callable[[], list[Result]],
        *code: Any,
        **named: Any,
    ) -> list[Result]:
        """Rows from the cache; they are computed where the cache lacks them.

        Another run with equal weights, or the evaluation of another task, may have written the
        entry. Its numbers hold for this subject too, but the columns that name the subject differ.

        Args:
            kind: of the entry.
            key: options and hashes of the inputs that the rows depend on.
            compute: gives the rows.
            code: classes and functions that compute them, besides this class and the bench.
            named: columns that name this subject, such as ``method`` and ``seed``.
        """
        rows = self.cached(kind, key, lambda: [asdict(row) for row in compute()], *code)
        return self.named_rows(rows, **named)

    def named_rows(self, rows: list[dict[str, Any]], **named: Any) -> list[Result]:
        """Rows of the cache with the columns ``named`` and the task of this bench put in."""
        named = {"task": self.bench.task.name, **named}
        return [replace(Result(**row), **named) for row in rows]
