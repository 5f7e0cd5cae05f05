"""The only reader of ``params.yaml``: typed, frozen, refused by dotted path.

Every default lives in ``params.yaml`` and the presets over it, none here: a value that is not in
the file is an error, so that what a run used can be read in one place.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML, YAMLError

from langspec.compute import Compute
from langspec.corpora.corpora_section import Corpora
from langspec.corpora.custom import CustomTask
from langspec.encoders.recipe import EncoderSection
from langspec.errors import LangspecError
from langspec.features.feature_options import Features
from langspec.measures.discovery import Evaluate
from langspec.objectives import MethodName, get_method
from langspec.report.report_section import Report
from langspec.section import Decides, Name, Section, flatten
from langspec.tracking.tracking_section import Tracking
from langspec.training.train_section import Methods, Train
from langspec.tuning.sections import Adopted, Tune

if TYPE_CHECKING:
    from collections.abc import Mapping


BUILT_IN_TASKS = ("pos", "nli")


class Config(Section):
    """All of ``params.yaml``."""

    name: Annotated[Name, Decides.RUNS]
    compute: Compute
    corpora: Corpora
    tasks: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], CustomTask]
    encoder: EncoderSection
    train: Train
    features: Features
    evaluate: Evaluate
    tune: Annotated[Tune, Decides.NOTHING]
    adopted: Annotated[dict[MethodName, dict[str, Adopted]], Decides.RUNS]
    report: Annotated[Report, Decides.NOTHING]
    tracking: Annotated[Tracking, Decides.NOTHING]

    @model_validator(mode="after")
    def _tasks(self) -> Config:
        known = (*BUILT_IN_TASKS, *self.tasks)
        tasks = ", ".join(map(repr, known))
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
        for key, names in (("tasks", self.train.tasks), ("also.tasks", self.train.also.tasks)):
            for index, name in enumerate(names):
                if name not in known:
                    place = f"train.{key}.{index}"
                    raise ValueError(f"{place}: found {name!r}, expected one of {tasks}")
        also = self.train.also
        for index, name in enumerate(also.tasks if also.run else ()):
            if name not in self.train.tasks:
                raise ValueError(
                    f"train.also.tasks.{index}: found {name!r}, which train.tasks leaves out; "
                    f"expected some of {', '.join(self.train.tasks)}; or set train.also.run: []"
                )
        for index, name in enumerate(self.evaluate.trajectory.of):
            trained = [one for one in self.train.all_methods if get_method(one).trains_encoder]
            if name not in trained:
                run = ", ".join(trained) or "none"
                raise ValueError(
                    f"evaluate.trajectory.of.{index}: found {name!r}, expected a method of "
                    f"train.run or train.also.run that trains the encoder: {run}"
                )
        self._seeds()
        if self.tune.task not in known:
            raise ValueError(f"tune.task: found {self.tune.task!r}, expected one of {tasks}")
        for method in Methods.model_fields:
            for name in getattr(self.train.methods, method).overrides:
                if name not in known:
                    place = f"train.methods.{method}.overrides.{name}"
                    raise ValueError(f"{place}: found {name!r}, expected one of {tasks}")
        if self.train.selection == "source_val" and not self.corpora.val:
            raise ValueError("train.selection: source_val needs corpora.val above 0")
        split = self.train.language_split
        reading = [name for name in self.train.all_methods if get_method(name).reads_language]
        if reading and not getattr(self.corpora.text_splits, split):
            raise ValueError(
                f"train.language_split: {reading[0]} reads split {split} of the language text, "
                f"and corpora.text_splits.{split} is 0; give it a share, or name another split"
            )
        return self

    def _seeds(self) -> None:
        """Refuse seeds that nothing would be trained with."""
        for method in self.train.more_seeds:
            if method not in self.train.all_methods:
                raise ValueError(
                    f"train.more_seeds.{method}: this method is not trained; add it to train.run "
                    "or train.also.run, or remove its seeds"
                )
        for method in self.train.all_methods:
            options, seeds = getattr(self.train.methods, method), len(self.train.seeds)
            if getattr(options, "path", []) and options.path_seeds > seeds:
                raise ValueError(
                    f"train.methods.{method}.path_seeds: found {options.path_seeds}, expected at "
                    f"most {seeds}, as many as train.seeds has"
                )

    @model_validator(mode="after")
    def _least_leak(self) -> Config:
        if self.tune.rule != "least_leak" or self.tune.pareto:
            return self
        if self.tune.space != "grid":
            raise ValueError(
                "tune.rule: least_leak compares with trainings without unlearning, which only "
                "a grid has; set tune.space: grid (--space grid), or tune.rule: score"
            )
        if not get_method(self.tune.method).off:
            raise ValueError(
                f"tune.rule: least_leak needs a method that unlearns, found "
                f"{self.tune.method}; set tune.rule: score"
            )
        if self.train.selection not in ("source_dev", "source_val"):
            raise ValueError(
                f"tune.rule: least_leak reads no labels of target languages, but train.selection: "
                f"{self.train.selection} chooses the epoch of each trial by them; set "
                "train.selection: source_dev or source_val, or tune.rule: score"
            )
        return self


def _near(name: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known here: {', '.join(known)}"


def _expected(error: Mapping[str, Any]) -> str:
    """One pydantic error as what was found and what was expected."""
    kind, context, given = error["type"], error.get("ctx", {}), error.get("input")
    if kind == "extra_forbidden":
        return "unknown key"
    if kind == "missing":
        return "missing; add it or take it from a preset (langspec preset demo)"
    if kind == "literal_error":
        return f"found {given!r}, expected one of {context['expected']}"
    message = error["msg"].removeprefix("Value error, ")
    message = (
        message.replace("Input should be", "expected")
        .replace("a valid ", "a ")
        .replace("a integer", "an integer")
    )
    return message if kind == "value_error" else f"found {given!r}, {message}"


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
    for key, value in flatten(values).items():
        if isinstance(value, str) and not _is_text(value):
            reason = "found a NUL character or half a surrogate pair, expected text"
            raise LangspecError(f"{key}: {reason}", place=place)
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


def _is_text(value: str) -> bool:
    """Can a file hold the text, and a path bear it as its name?"""
    return "\0" not in value and value.encode("utf-8", "ignore").decode() == value


def parse_yaml(text: str) -> Any:
    """YAML 1.2, as DVC reads it (``1e-3`` is a number there, and a string to YAML 1.1)."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except RecursionError:
        raise YAMLError("nested deeper than any value of params.yaml") from None
    except (ValueError, OverflowError) as error:  # a date such as 2026-13-45, a surrogate
        raise YAMLError(str(error)) from None


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
    except OSError as error:
        raise LangspecError(
            f"cannot be read ({error.strerror}); expected a file of YAML", place=path
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
        try:
            section[last] = parse_yaml(text)
        except YAMLError as error:
            reason = getattr(error, "problem", None) or error
            raise LangspecError(f"{text!r} is not YAML: {reason}", place=f"--set {path}") from None
    return values


def load_config(path: Path = Path("params.yaml"), assignments: list[str] | None = None) -> Config:
    """Read and check ``params.yaml``, with ``--set`` assignments over it."""
    values = read_values(path)
    if assignments:
        values = set_values(values, assignments)
    return parse_config(values, place=path)
