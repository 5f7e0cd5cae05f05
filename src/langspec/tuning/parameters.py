"""A parameter that a sweep changes, and the space of those of one method on one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langspec.config import Config
from langspec.precedence import effective

if TYPE_CHECKING:
    import optuna

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

    def __init__(
        self,
        task: str,
        method: str,
        parameters: list[Parameter],
        grid: Sequence[tuple[str, dict[str, Any]]] | None = None,
    ) -> None:
        """``grid``: origin and values of every trial, where none is drawn."""
        self.task, self.method = task, method
        self.parameters, self.grid = parameters, grid

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
