"""The parameters that a sweep may change, collected from the sections that declare them.

A value of a sweep belongs to one method on one task. If ``overrides`` has the parameter, the value
is written there, so that no other method or task changes. Otherwise it is written into the section
of the method.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal, get_args, get_origin

from langspec.config import Config, parse_config
from langspec.errors import LangspecError
from langspec.objectives import Override, get_method, methods
from langspec.precedence import effective, override_key
from langspec.presets import load_preset
from langspec.search import Search
from langspec.section import Section
from langspec.training.train_section import TaskTraining, Train
from langspec.tuning.grid import grid_trials
from langspec.tuning.parameters import Parameter, Space

SPACES = ("default", "paper")
PAPER_METHODS = ("frozen", "finetune", "grl", "adversary")
PAPER_TASKS = ("pos", "nli")


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
    if tune.space == "grid":
        return _grid(config)
    parameters = [
        result
        for name, kind, search in _searchable(tune.method)
        if (result := _parameter(config, name, kind, search, masked_head)) is not None
    ]
    if not parameters:
        raise LangspecError(
            f"the {tune.space} space has no parameter of {tune.method}", place="tune.space"
        )
    return Space(tune.task, tune.method, parameters)


def _searchable(method: str) -> list[tuple[str, Any, Search]]:
    """(name, type, search) of every parameter that has an effect in a method."""
    options = get_method(method).Options
    declared_by_method = list(_declared(options))
    taken = {name for name, _, _ in declared_by_method}
    shared = [part for part in _declared(TaskTraining) if part[0] not in taken]
    everywhere = [part for part in _declared(Train) if part[0] in Override.model_fields]
    declared = [*shared, *declared_by_method, *everywhere]
    return [part for part in declared if part[0] not in options.not_searched]


def _grid(config: Config) -> Space:
    """The space whose trials are the combinations of ``tune.grid``, after their references."""
    tune = config.tune
    trained = {name for name, _, _ in _searchable("control")}
    known = [name for name, _, _ in _searchable(tune.method)]
    off = get_method(tune.method).off if tune.rule == "least_leak" else {}
    now = {name: effective(config.train, tune.task, tune.method, name) for name in off}
    trials = grid_trials(tune.grid, known, off, now, trained)
    parameters = [
        Parameter(
            name,
            _path(config, name),
            choices=tuple(dict.fromkeys(values[name] for _, values in trials)),
        )
        for name in trials[0][1]
    ]
    space = Space(tune.task, tune.method, parameters, trials)
    for _, values in trials:
        with_values(config, space.paths(values))
    return space


def _path(config: Config, name: str) -> str:
    """The key of params.yaml that a parameter is written to."""
    section, key = f"train.methods.{config.tune.method}", override_key(name)
    if key in Override.model_fields:
        return f"{section}.overrides.{config.tune.task}.{key}"
    return f"{section}.{name}"


def _parameter(
    config: Config, name: str, kind: Any, search: Search, masked_head: bool
) -> Parameter | None:
    """A declared field as a parameter of the chosen space; None: the space does not search it."""
    tune = config.tune
    path = _path(config, name)
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

    Of a grid they are all trials.

    Returns:
        (origin, values by name) in order, and a text on those outside the space ("": none is).
    """
    if space.grid is not None:
        return list(space.grid), ""
    result = [("params.yaml", space.at(config))]
    if space.method in PAPER_METHODS and space.task in PAPER_TASKS:
        result.append(("Tanti et al. 2021", space.at(_published())))
    not_tried = [
        f"{origin}: {'; '.join(outside)}"
        for origin, values in result
        if (outside := space.outside(values))
    ]
    return [one for one in result if not space.outside(one[1])], " | ".join(not_tried)


def sized(config: Config) -> Config:
    """The configuration with as many trials as its grid has, where it asks for more, or for 0."""
    if config.tune.space != "grid":
        return config
    count = len(space_of(config).grid or ())
    trials = min(config.tune.trials or count, count)
    return config.model_copy(update={"tune": config.tune.model_copy(update={"trials": trials})})


def with_values(config: Config, paths: Mapping[str, Any]) -> Config:
    """The configuration of a trial: values put in by their keys of params.yaml.

    A trial trains one strength of unlearning, so a lambda path of its method is emptied.

    Raises:
        LangspecError: a value that its type refuses.
    """
    values = config.model_dump(exclude_unset=True)
    put(values, paths)
    method = values["train"]["methods"][config.tune.method]
    if "path" in method:
        method["path"] = []
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
