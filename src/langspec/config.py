"""The only reader of ``params.yaml``: typed, frozen, refused by dotted path.

Every default lives in ``params.yaml`` and the presets over it, none here: a value that is not in
the file is an error, so that what a run used can be read in one place.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML, YAMLError

from langspec.compute import Compute
from langspec.corpora.corpora_section import Corpora
from langspec.corpora.custom import CustomTask
from langspec.encoders.recipe import EncoderSection
from langspec.errors import LangspecError
from langspec.measures.discovery import Evaluate, measures
from langspec.report.settings import Report
from langspec.search import ALL, Search
from langspec.section import Count, Limit, Natural, Rate, Section, Share, Text
from langspec.tracking.settings import Tracking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langspec.report.spec import FigureSpec, TableSpec


class TaskTraining(Section):
    """Per task: how long, how fast."""

    epochs: Count
    encoder_lr: Annotated[
        Rate, Search(1e-6, 3e-3, log=True, paper=(1e-3, 1e-4, 1e-5, 1e-6), unless=("frozen",))
    ]
    head_lr: Annotated[Rate, Search(1e-4, 1e-1, log=True, paper=(1e-1, 1e-2, 1e-3, 1e-4))]
    batch_tokens: Count  # pieces a step over all processes, padding included
    # rows a step instead, drawn whatever their length
    batch_rows: Annotated[Limit, Search(paper=(16, 32, 64))]


class Override(Section):
    """What a method does otherwise on one task; a key that is absent stays as it is."""

    epochs: Limit = None
    encoder_lr: Rate | None = None
    head_lr: Rate | None = None
    head_init: Annotated[float, Field(gt=0, le=1)] | None = None
    batch_rows: Limit = None
    discriminator_lr: Rate | None = None
    strength: Annotated[float, Field(ge=0)] | None = None
    weight: Share | None = None


class Method(Section):
    """What every method has: its values on single tasks."""

    trains_encoder: ClassVar[bool] = True  # as its objective says, readable without PyTorch

    overrides: dict[str, Override]

    @model_validator(mode="after")
    def _known(self) -> Method:
        own = {"strength", "weight"} - set(type(self).model_fields)
        if "discriminator" not in type(self).model_fields:
            own |= {"discriminator_lr"}
        for task, override in self.overrides.items():
            for key in sorted(own & override.model_fields_set):
                raise ValueError(f"overrides.{task}.{key}: this method has no such value")
        return self

    def on(self, task: str) -> Method:
        """This section with its overrides for a task put in."""
        override = self.overrides.get(task)
        if override is None:
            return self
        changed: dict[str, Any] = {
            key: getattr(override, key)
            for key in ("epochs", "head_lr", "strength", "weight")
            if key in type(self).model_fields and getattr(override, key) is not None
        }
        if override.discriminator_lr is not None:
            own = self.discriminator  # type: ignore[attr-defined]
            changed["discriminator"] = own.model_copy(update={"lr": override.discriminator_lr})
        return self.model_copy(update=changed)


class FrozenMethod(Method):
    """``frozen``: a head on the encoder as it came; features encoded once."""

    trains_encoder: ClassVar[bool] = False

    epochs: Count
    head_lr: Annotated[Rate, Search(1e-4, 1e-1, log=True, paper=(1e-1, 1e-2, 1e-3, 1e-4))]
    batch_tokens: Count  # a head alone is cheap: larger batches waste less of its time


class FinetuneMethod(Method):
    """``finetune``: the task loss, encoder and head."""

    freeze_embeddings: bool


class DiscriminatorSection(Section):
    """The language head that the encoder is trained against; its own optimiser always."""

    unit: Literal["task", "token", "sentence"]  # task: what the task labels
    layers: Annotated[Natural, Search(0, 2, unless=("control",))]  # hidden ones; 0: linear
    hidden: Annotated[
        Count, Search(choices=(64, 128, 256), when=("layers", (1, 2)), unless=("control",))
    ]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    lr: Annotated[Rate, Search(1e-4, 3e-2, log=True, paper="head_lr", unless=("control",))]
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]


class RetentionSection(Section):
    """What holds the encoder to what it knew."""

    kind: Annotated[Literal["none", "distil", "mlm"], Search(choices=ALL)]
    weight: Annotated[
        float, Field(ge=0), Search(0.01, 10.0, log=True, when=("kind", ("distil", "mlm")))
    ]


class UnlearningMethod(FinetuneMethod):
    """What the three methods with a discriminator have in common."""

    inner_steps: Annotated[Natural, Search(0, 5, unless=("control",))]  # k
    discriminator: DiscriminatorSection
    retention: RetentionSection


class ControlMethod(UnlearningMethod):
    """``control``: all that ``grl`` has but the reversed gradient."""


class GrlMethod(UnlearningMethod):
    """``grl``: gradient reversal at the encoder's boundary."""

    # lambda
    strength: Annotated[
        float, Field(ge=0), Search(0.01, 10.0, log=True, paper=(0.1, 0.3, 0.5, 0.7))
    ]
    path: list[Annotated[float, Field(ge=0)]]  # further lambdas, each with the first seed
    schedule: Annotated[Literal["constant", "linear", "dann", "cosine"], Search(choices=ALL)]
    warmup: Annotated[float, Field(ge=0, lt=1), Search(0.0, 0.5)]  # share of the steps at lambda 0

    @model_validator(mode="after")
    def _path(self) -> GrlMethod:
        if len({*self.path, self.strength}) <= len(self.path):
            raise ValueError(
                f"path: found {self.path}, expected strengths that differ, and none "
                f"that is {self.strength:g}, which is trained anyway"
            )
        return self


class AdversaryMethod(UnlearningMethod):
    """``adversary``: discriminator steps, then an encoder step against it."""

    loss: Annotated[Literal["uniform_ce", "entropy", "neg_ce"], Search(choices=ALL)]
    scale: Annotated[Literal["mean", "sum"], Search(choices=ALL)]  # over the languages
    # w: (1 - w) task + w language
    weight: Annotated[Share, Search(0.01, 0.9, paper=(0.1, 0.3, 0.5, 0.7))]
    alternate: Annotated[Literal["step", "epoch"], Search(choices=ALL)]


class Methods(Section):
    """One entry a method."""

    frozen: FrozenMethod
    finetune: FinetuneMethod
    control: ControlMethod
    grl: GrlMethod
    adversary: AdversaryMethod


def _method(name: str) -> str:
    if name not in Methods.model_fields:
        raise ValueError(f"found {name!r}, expected one of {', '.join(Methods.model_fields)}")
    return name


class BatchSection(Section):
    """What is equal between the task rows and the language rows of a step."""

    language: Literal["tokens", "rows"]


class WatchSection(Section):
    """Collapse and divergence: when a symptom is one, and what follows."""

    every: Count  # steps a window
    patience: Count  # windows in a row
    stop: bool  # end a failed run at once
    fail: list[
        Literal["diverged", "constant", "norm", "rank", "adversary", "variance", "target_dev"]
    ]
    norm: Share
    rank: Annotated[float, Field(ge=1)]
    excess: Annotated[float, Field(ge=0)]
    variance: Share
    target_drop: Share
    source_drop: Share
    target_rows: Natural  # dev rows a target language to watch; 0: none


BUILT_IN_TASKS = ("pos", "nli")


class Train(Section):
    """Fine-tuning. A task of one's own has a section too; ``null`` there: as ``default``."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    __pydantic_extra__: dict[str, TaskTraining]

    tasks: Annotated[list[Text], Field(min_length=1)]
    run: Annotated[list[Annotated[str, AfterValidator(_method)]], Field(min_length=1)]
    seeds: Annotated[list[Natural], Field(min_length=1)]
    selection: Literal["source_dev", "source_val", "mean_dev", "oracle"]
    feature_layer: int
    dropout: Annotated[float, Field(ge=0, lt=1)]
    head_init: Annotated[float, Field(gt=0, le=1), Search(paper=(1e-1, 1e-2, 1e-3))]
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    warmup: Share
    schedule: Literal["linear", "constant"]
    accumulate: Count  # parts of a step's rows whose activations are kept one at a time
    clip: Annotated[float, Field(gt=0)] | None
    checkpoint_steps: Count
    default: TaskTraining
    batch: BatchSection
    watch: WatchSection
    pos: TaskTraining
    nli: TaskTraining
    methods: Methods

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        default = values.get("default")
        return {
            key: default if value is None and key not in cls.model_fields else value
            for key, value in values.items()
        }

    @model_validator(mode="after")
    def _unique(self) -> Train:
        for key in ("tasks", "run", "seeds"):
            values = getattr(self, key)
            if len(set(values)) != len(values):
                raise ValueError(f"{key} names {values} with a repetition")
        return self


class Features(Section):
    """The feature bank."""

    batch_tokens: Count
    max_tokens_per_language: Count
    max_sentences_per_language: Limit
    cache_gb: Annotated[float, Field(gt=0)]


class Tune(Section):
    """Sweeps: what one trial is and how it is scored; the stage tune runs this one."""

    trials: Natural  # 0: the stage does nothing
    task: Text
    method: Annotated[str, AfterValidator(_method)]
    space: Literal["default", "paper"]
    seed: Natural  # of the sampler
    startup: Natural  # trials drawn at random before the sampler looks at scores
    train_seed: Natural  # of every trial's training
    epochs: Limit  # null: as the method
    rows: Limit  # of the source's train set, drawn by train_seed; null: all
    rungs: Count  # times that a trial is measured, evenly over its steps; it may be pruned at each
    selection: Literal["source_dev", "mean_dev"]  # what transfer is measured on
    penalty: Annotated[float, Field(ge=0)]  # score = transfer - penalty x leak
    pareto: bool  # both for themselves; nothing is pruned then
    tokens_per_language: Annotated[int, Field(ge=20)]  # of text, that a trial's probe reads


class Adopted(Section):
    """The trial that ``langspec adopt`` took a method's values on a task from."""

    study: Text
    trial: Natural
    front: Natural | None  # its place on the front, where it was chosen from one
    values: dict[str, Any]  # by their keys; where one is changed by hand, this no longer counts


class Config(Section):
    """All of ``params.yaml``."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    compute: Compute
    corpora: Corpora
    tasks: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], CustomTask]
    encoder: EncoderSection
    train: Train
    features: Features
    evaluate: Evaluate
    tune: Tune
    adopted: dict[Annotated[str, AfterValidator(_method)], dict[str, Adopted]]
    report: Report
    tracking: Tracking

    @model_validator(mode="after")
    def _tasks(self) -> Config:
        known = (*BUILT_IN_TASKS, *self.tasks)
        told = ", ".join(map(repr, known))
        sections = self.train.model_extra or {}
        taken = {*BUILT_IN_TASKS, *Train.model_fields, "text", "pretrain", "all"}
        for name in self.tasks:
            if name in taken:
                raise ValueError(f"tasks.{name}: the name is taken; choose another")
            if name not in sections:
                raise ValueError(
                    f"train.{name}: missing; add it, null for the values of train.default"
                )
        for name in sections:
            if name not in self.tasks:
                raise ValueError(f"train.{name}: unknown key{_near(name, [*Train.model_fields])}")
        for index, name in enumerate(self.train.tasks):
            if name not in known:
                raise ValueError(f"train.tasks.{index}: found {name!r}, expected one of {told}")
        for index, name in enumerate(self.evaluate.trajectory.of):
            if name == "frozen" or name not in self.train.run:
                run = ", ".join(n for n in self.train.run if n != "frozen") or "none"
                raise ValueError(
                    f"evaluate.trajectory.of.{index}: found {name!r}, expected a method of "
                    f"train.run that trains the encoder: {run}"
                )
        if self.tune.task not in known:
            raise ValueError(f"tune.task: found {self.tune.task!r}, expected one of {told}")
        for method in Methods.model_fields:
            for name in getattr(self.train.methods, method).overrides:
                if name not in known:
                    place = f"train.methods.{method}.overrides.{name}"
                    raise ValueError(f"{place}: found {name!r}, expected one of {told}")
        if self.train.selection == "source_val" and not self.corpora.val:
            raise ValueError("train.selection: source_val needs corpora.val above 0")
        return self


def _near(name: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known here: {', '.join(known)}"


def _expected(error: Mapping[str, Any]) -> str:
    """One pydantic error as what was found and what was expected."""
    kind, context, found = error["type"], error.get("ctx", {}), error.get("input")
    if kind == "extra_forbidden":
        return "unknown key"
    if kind == "missing":
        return "missing; add it or take it from a preset (langspec preset demo)"
    if kind == "literal_error":
        return f"found {found!r}, expected one of {context['expected']}"
    message = error["msg"].removeprefix("Value error, ")
    message = (
        message.replace("Input should be", "expected")
        .replace("a valid ", "a ")
        .replace("a integer", "an integer")
    )
    return message if kind == "value_error" else f"found {found!r}, {message}"


def _hint(values: Any, location: tuple[Any, ...]) -> str:
    """The nearest known key for an unknown one."""
    model: Any = Config
    for part in location[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            return ""
        model = field.annotation
    return _near(str(location[-1]), list(getattr(model, "model_fields", {})))


def parse_config(values: Any, *, place: str | Path = "params.yaml") -> Config:
    """Check plain values.

    Raises:
        LangspecError: every fault, each by its dotted path, in one line.
    """
    if not isinstance(values, dict):
        raise LangspecError("expected sections of keys; run: langspec preset demo", place=place)
    try:
        return Config.model_validate(values)
    except LangspecError as error:
        raise LangspecError(f"corpora.{error}", place=place) from None
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            location = tuple(
                part for part in fault["loc"] if part not in ("constrained-int", "int", "none")
            )
            hint = _hint(values, location) if fault["type"] == "extra_forbidden" else ""
            path = ".".join(map(str, location))
            faults.append(f"{path or 'params'}: {_expected(fault)}{hint}")
        raise LangspecError(" | ".join(dict.fromkeys(faults)), place=place) from None


def parse_yaml(text: str) -> Any:
    """YAML 1.2, as DVC reads it (``1e-3`` is a number there, and a string to YAML 1.1)."""
    return YAML(typ="safe", pure=True).load(text)


def read_values(path: Path) -> Any:
    """Plain values of a YAML file, with a one-line error for what is not one."""
    path = Path(path)
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LangspecError(
            "no such file; run inside a langspec project or write one: langspec preset demo",
            place=path,
        ) from None
    except UnicodeDecodeError as error:
        raise LangspecError(
            f"not UTF-8 at byte {error.start}; save it as UTF-8", place=path
        ) from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else path
        raise LangspecError(f"not YAML: {getattr(error, 'problem', error)}", place=place) from None


def set_values(values: dict[str, Any], assignments: list[str]) -> dict[str, Any]:
    """Apply ``a.b=c`` to plain values; the value is read as YAML. Returns a changed copy."""
    import copy

    values = copy.deepcopy(values)
    for assignment in assignments:
        path, sign, text = assignment.partition("=")
        if not sign or not path:
            raise LangspecError(f"expected KEY=VALUE, found {assignment!r}", place="--set")
        *parents, last = path.split(".")
        section: Any = values
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None
        if not isinstance(section, dict) or last not in section:
            raise LangspecError(f"unknown key {path!r}; see params.yaml", place="--set")
        section[last] = parse_yaml(text)
    return values


def load_config(path: Path = Path("params.yaml"), assignments: list[str] | None = None) -> Config:
    """Read and check ``params.yaml``, with ``--set`` assignments over it."""
    values = read_values(path)
    if assignments:
        values = set_values(values, assignments)
    return parse_config(values, place=path)


def declared_by_measures() -> list[TableSpec | FigureSpec]:
    """The tables and figures that measures declare, in the order in which measures are taken."""
    shown = [spec for measure in measures() for spec in (measure.table, measure.figure)]
    return [spec for spec in shown if spec is not None]


def flatten(section: Section | Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys and plain values, lists kept whole."""
    values = section.model_dump() if isinstance(section, Section) else section
    flat: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, dict):
            flat.update(flatten(value, path))
        else:
            flat[path] = value
    return flat
