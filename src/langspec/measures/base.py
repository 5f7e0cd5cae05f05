"""What a measure is: when it applies, what it costs, the rows that it gives, how they are shown.

To add one: a module in this folder with a subclass of :class:`Measure`, and the values of its
section under ``evaluate`` in params.yaml and the presets. Everything else finds it here.
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
"""Who takes measures: stage evaluate, and the command audit."""


@dataclass(frozen=True)
class Subject:
    """What a measure is taken of.

    Attributes:
        kind: :data:`RUN`, :data:`RANDOM_ENCODER`, :data:`TEXTS` or :data:`TRAINING`.
        method: that trained the encoder; ``random`` or ``all`` where none did.
        seed: of the training.
        model: the encoder with the head of the task (an unused one, where nothing trained it);
            None for a training.
        checkpoint: hash of the weights, head included.
        state: hash of the encoder's weights alone: equal for all seeds of a frozen one.
        trained: were the encoder's weights trained?
        first: is it the first seed of its method?
        strength: lambda of a point of the method's path; None for the method itself.
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
        """Is its encoder another than that of the subjects before it?"""
        return self.trained or self.first

    @property
    def encoder_seed(self) -> int:
        """The seed of rows on the encoder alone: 0 where the encoder was not trained."""
        return self.seed if self.trained else 0

    @property
    def title(self) -> str:
        """What progress bars call it."""
        return f"{self.method} {self.encoder_seed}"


@dataclass
class Findings:
    """Rows and tables of one subject.

    Attributes:
        rows: tidy rows by the name of the CSV file that they go to, such as ``results``.
        tables: what is no tidy row, by the name of its file; the stage knows how each is written.
    """

    rows: dict[str, list[Result]] = field(default_factory=dict)
    tables: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, rows: Sequence[Result], file: str = "results") -> None:
        """Take in the rows of a measure."""
        self.rows.setdefault(file, []).extend(rows)

    def add_table(self, name: str, table: Any) -> None:
        """Take in a table, or a part of one."""
        self.tables.setdefault(name, []).append(table)


@dataclass(frozen=True)
class Shape:
    """How much an evaluation measures, for its costs.

    Attributes:
        encoders: of trained runs and the random one, on which everything is measured.
        leaks: the same and the points of a path, of which only the leak is measured.
        erased: encoders that erasers are fitted on.
        layers: layers and the embeddings.
        hidden: width of a vector.
        languages: how many.
        labels: of the task.
        token: does the task label words?
    """

    encoders: int
    leaks: int
    erased: int
    layers: int
    hidden: int
    languages: int
    labels: int
    token: bool


@dataclass(frozen=True)
class Cost:
    """What one measure costs in an evaluation.

    Attributes:
        name: of the measure.
        work: what it does, in words.
        seconds: estimated, of one core, encoding left out.
        encodings: encoding passes beside those of the language text.
    """

    name: str
    work: str
    seconds: float
    encodings: int = 0


# Rates of one core of a server processor with AVX2, by the times of multilingual-e5-small on 17
# languages (docs/results.md). Products of a vector's width, vectors and squared classes that
# converged probes get through a second, a path of strengths and its iterations included.
PROBE_RATE = 1.25e8
# Seconds of a probe's intervals: resamples of its test lines.
INTERVALS = 0.25
# Floating-point operations a second of whole batches (the MLP) and of small matrices (Adam's
# minibatches, k-means).
NETWORK_RATE = 2e10
SMALL_RATE = 2.5e9
KMEANS_ROUNDS = 30


def probe_seconds(shape: Shape, count: int, vectors: int) -> float:
    """Seconds of ``count`` linear probes on ``vectors`` vectors of a language each."""
    return count * vectors * shape.languages**2 * shape.hidden / PROBE_RATE


def scored_probe_seconds(shape: Shape, count: int, vectors: int) -> float:
    """The same with an interval of each."""
    return probe_seconds(shape, count, vectors) + count * INTERVALS


class Measure(ABC):
    """One measure; a bench has one instance of it.

    Attributes:
        title: what people read while it is taken; "" for its name.
        takers: :data:`EVALUATE`, :data:`AUDIT` or both.
        name: in the column ``measure`` of its rows, unless it writes those of another one.
        order: measures are taken, and their rows written, in ascending order.
        key: of its section under ``evaluate``; "" where it has none.
        options: the class of that section.
        subjects: kinds of subjects that it applies to.
        every_seed: is it taken of every seed of a frozen encoder (it reads the head)?
        on_path: is it also taken of the points of a method's path?
        file: the CSV file of its rows.
        tables: of its rows on the report's page (see :mod:`langspec.measures.spec`).
        figures: likewise.
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
        """Do the values of section ``evaluate`` ask for it?"""
        return True

    @classmethod
    def cost(cls, config: Any, shape: Shape) -> Cost | None:
        """What it costs in an evaluation; None: nothing worth saying."""
        return None

    def applies(self, subject: Subject) -> bool:
        """Is it taken of this subject?"""
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
        """A JSON-able value: from the cache, or computed and written there.

        Args:
            kind: of the entry.
            key: options and hashes of the inputs that the value depends on.
            compute: gives the value.
            code: what computes it beside this class and the bench.
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
        """Rows from the cache, or computed; ``named`` are columns of this subject alone.

        Another task's evaluation, or another run with equal weights, may have measured the same:
        the numbers are the same, the names are not.
        """
        found = self.cached(kind, key, lambda: [asdict(row) for row in compute()], *code)
        return self.named_rows(found, **named)

    def named_rows(self, rows: list[dict[str, Any]], **named: Any) -> list[Result]:
        """Rows as they are in the cache, under this subject's names."""
        named = {"task": self.bench.task.name, **named}
        return [replace(Result(**row), **named) for row in rows]
