"""The parameters that a sweep may change, collected from the sections that declare them.

A value of a sweep belongs to one method on one task. If ``overrides`` has the parameter, the value
is written there, so that no other method or task changes. Otherwise it is written into the section
of the method.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from langspec.config import Config, parse_config
from langspec.errors import LangspecError
from langspec.objectives import Override, get_method, methods
from langspec.precedence import effective, override_key
from langspec.presets import load_preset
from langspec.search import Search
from langspec.section import Section
from langspec.training.train_section import TaskTraining, Train

if TYPE_CHECKING:
    import optuna

SPACES = ("default", "paper")
PAPER_METHODS = ("frozen", "finetune", "grl", "adversary")
PAPER_TASKS = ("pos", "nli")
_DIGITS = 3  # significant ones of a tuned number: what is trained is what params.yaml will say


@dataclass(frozen=True)
class Parameter:
    """One parameter of a space.

    Attributes:
        name: its name in the study: the key below the method's or the task's section.
        path: the key of params.yaml that it is written to.
        low: smallest value of a range; None: one of ``choices``.
        high: largest value of a range.
        log: is the range logarithmic?
        whole: are its values whole numbers?
        choices: the values, where it is no range.
        same_as: the parameter whose value it shares.
        when: (name of another parameter, the values at which this one counts).
    """

    name: str
    path: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] = ()
    same_as: str | None = None
    when: tuple[str, tuple[Any, ...]] | None = None

    def holds(self, value: Any) -> bool:
        """Can the sweep draw ``value``?"""
        if self.same_as:
            return True
        if self.low is None or self.high is None:
            return value in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high

    def in_words(self) -> str:
        """The values as text, such as ``0.01 to 10, logarithmic``."""
        if self.same_as:
            return f"= {self.same_as}"
        if self.low is None:
            return ", ".join(map(str, self.choices))
        return f"{self.low:g} to {self.high:g}" + (", logarithmic" if self.log else "")

    def suggest(self, trial: optuna.trial.Trial) -> Any:
        """Draw a value for the trial; a float has the digits that params.yaml will show."""
        if self.low is None or self.high is None:
            return trial.suggest_categorical(self.name, self.choices)
        if self.whole:
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=self.log)
        result = trial.suggest_float(self.name, self.low, self.high, log=self.log)
        return float(f"{result:.{_DIGITS}g}")


class Space:
    """The parameters of one method on one task, in the order of their sections."""

    def __init__(self, task: str, method: str, parameters: list[Parameter]) -> None:
        self.task, self.method = task, method
        self.parameters = parameters

    def counts(self, parameter: Parameter, values: Mapping[str, Any]) -> bool:
        """Does the parameter have an effect, given the ``values`` of the others?"""
        if parameter.when is None:
            return True
        name, wanted = parameter.when
        return values.get(name) in wanted

    def suggest(self, trial: optuna.trial.Trial) -> dict[str, Any]:
        """Values of a trial, by name."""
        result: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.same_as:
                result[parameter.name] = result[parameter.same_as]
            elif self.counts(parameter, result):
                result[parameter.name] = parameter.suggest(trial)
        return result

    def paths(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The same values by their keys of params.yaml."""
        return {p.path: values[p.name] for p in self.parameters if p.name in values}

    def at(self, config: Config) -> dict[str, Any]:
        """The values that a configuration has, by name."""
        result: dict[str, Any] = {}
        for parameter in self.parameters:
            if self.counts(parameter, result):
                result[parameter.name] = effective(
                    config.train, self.task, self.method, parameter.name
                )
        return result

    def outside(self, values: Mapping[str, Any]) -> list[str]:
        """A line for each of ``values`` that the sweep cannot draw, with what it can."""
        return [
            f"{parameter.path} = {values[parameter.name]} (tried: {parameter.in_words()})"
            for parameter in self.parameters
            if parameter.name in values and not parameter.holds(values[parameter.name])
        ]

    def in_words(self) -> dict[str, str]:
        """The space as text, for fingerprints."""
        return {
            p.name: p.in_words() + (f" when {p.when[0]} in {list(p.when[1])}" if p.when else "")
            for p in self.parameters
        }


def _declared(section: type[Section], prefix: str = "") -> Iterator[tuple[str, Any, Search]]:
    """(name, type, search) of every searchable field of a section and of those below it."""
    for key, field in section.model_fields.items():
        kind: Any = field.annotation
        search = next((m for m in field.metadata if isinstance(m, Search)), None)
        if search is not None:
            yield f"{prefix}{key}", kind, search
        elif isinstance(kind, type) and issubclass(kind, Section):
            yield from _declared(kind, f"{prefix}{key}.")


def space_of(config: Config, *, masked_head: bool = True) -> Space:
    """The space that ``tune`` names.

    Args:
        config: the configuration.
        masked_head: has the starting encoder a masked-language head? Without one, ``mlm`` would
            be refused in every trial, and is left out.

    Raises:
        LangspecError: the space has no parameter for this method.
    """
    tune = config.tune
    options = get_method(tune.method).Options
    declared_by_method = list(_declared(options))
    taken = {name for name, _, _ in declared_by_method}
    shared = [part for part in _declared(TaskTraining) if part[0] not in taken]
    everywhere = [
        (name, kind, search)
        for name, kind, search in _declared(Train)
        if name in Override.model_fields
    ]
    declared = [*shared, *declared_by_method, *everywhere]
    parameters = [
        result
        for name, kind, search in declared
        if name not in options.not_searched
        and (result := _parameter(config, name, kind, search, masked_head)) is not None
    ]
    if not parameters:
        raise LangspecError(
            f"the {tune.space} space has no parameter of {tune.method}", place="tune.space"
        )
    return Space(tune.task, tune.method, parameters)


def _parameter(
    config: Config, name: str, kind: Any, search: Search, masked_head: bool
) -> Parameter | None:
    """A declared field as a parameter of the chosen space; None: the space does not search it."""
    tune = config.tune
    section = f"train.methods.{tune.method}"
    key = override_key(name)
    path = f"{section}.overrides.{tune.task}.{key}"
    if key not in Override.model_fields:
        path = f"{section}.{name}"
    if tune.space == "paper":
        if isinstance(search.paper, str):
            return Parameter(name, path, same_as=search.paper)
        return Parameter(name, path, choices=search.paper) if search.paper else None
    parent = name.rpartition(".")[0]
    when = search.when
    if when is not None:
        when = (f"{parent}.{when[0]}" if parent else when[0], when[1])
    if search.choices is not None:
        choices = search.choices or get_args(kind)
        if get_origin(kind) is Literal and not masked_head:
            choices = tuple(value for value in choices if value != "mlm")
        return Parameter(name, path, choices=choices, when=when)
    if search.low is None:
        return None
    return Parameter(name, path, search.low, search.high, search.log, whole=kind is int, when=when)


@cache
def _published() -> Config:
    return load_preset("paper", [])


def starting_points(config: Config, space: Space) -> tuple[list[tuple[str, dict[str, Any]]], str]:
    """The first trials, before any is drawn: the values of params.yaml, then the published ones.

    Returns:
        (origin, values by name) in order, and a text on those outside the space ("": none is).
    """
    result = [("params.yaml", space.at(config))]
    if space.method in PAPER_METHODS and space.task in PAPER_TASKS:
        result.append(("Tanti et al. 2021", space.at(_published())))
    not_tried = [
        f"{origin}: {'; '.join(outside)}"
        for origin, values in result
        if (outside := space.outside(values))
    ]
    return [one for one in result if not space.outside(one[1])], " | ".join(not_tried)


def with_values(config: Config, paths: Mapping[str, Any]) -> Config:
    """The configuration with values put in by their keys of params.yaml.

    Raises:
        LangspecError: a value that its type refuses.
    """
    values = config.model_dump(exclude_unset=True)
    put(values, paths)
    return parse_config(values, place="the trial's values")


def put(values: Any, paths: Mapping[str, Any]) -> None:
    """Set dotted keys in nested mappings, in place; a missing mapping is made."""
    for path, value in paths.items():
        *parents, last = path.split(".")
        section = values
        for part in parents:
            if section.get(part) is None:
                section[part] = {}
            section = section[part]
        section[last] = copy.deepcopy(value)


def listing(config: Config) -> str:
    """All parameters of all methods, as the Markdown table of the documentation."""
    lines = [
        "| parameter | methods | default space | paper's grid | params.yaml |",
        "|---|---|---|---|---|",
    ]
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for method in methods():
        result: dict[str, dict[str, Parameter]] = {}
        for space in SPACES:
            tune = config.tune.model_copy(update={"method": method, "space": space})
            declared_by_method = space_of(config.model_copy(update={"tune": tune}))
            for parameter in declared_by_method.parameters:
                result.setdefault(parameter.name, {})[space] = parameter
        for name, by_space in result.items():
            in_words = tuple(by_space[s].in_words() if s in by_space else "" for s in SPACES)
            row = rows.setdefault((name, *in_words), {})
            row[method] = effective(config.train, config.tune.task, method, name)
    for (name, default, paper), of in rows.items():
        values = list(dict.fromkeys(str(value) for value in of.values()))
        shown = values[0] if len(values) == 1 else ", ".join(f"{m}: {v}" for m, v in of.items())
        lines.append(
            f"| `{name}` | {', '.join(of)} | {default or '-'} | {paper or '-'} | {shown} |"
        )
    return "\n".join(lines)
