"""The four contrasts of docs/study.md: one for each claim of Tanti et al. 2021, one family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from langspec.measurement.comparison import Compared, compare_values, pair_seeds
from langspec.measurement.difference import Difference, Judged, Spread, judge
from langspec.report.compared import (
    LEAK,
    SIZE,
    CompareOptions,
    Line,
    NoSeeds,
    Side,
    compare_sides,
    evaluated_methods,
    load_side,
)
from langspec.results import read_results

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Claim:
    """A claim and the contrast that decides it.

    Attributes:
        claim: of the paper, in words.
        a: the method that the verdict is about.
        b: what it is held against.
        quantity: ``transfer``, ``leak``, or the metric of a geometry row.
        margin: a difference that would not matter.
        holds: the verdicts with which the claim holds.
    """

    claim: str
    a: str
    b: str
    quantity: str
    margin: float
    holds: tuple[str, ...] = ()

    @property
    def contrast(self) -> str:
        """What is subtracted from what, and in which quantity."""
        return f"{self.a} - {self.b}, {self.quantity}"

    def says(self, verdict: str) -> str:
        """What a verdict on the contrast means for the claim."""
        if verdict not in ("higher", "lower", "equivalent"):
            return "not decided"
        return "holds" if verdict in self.holds else "does not hold"


POINT = 0.01
"""The margin of an accuracy."""
POINTS_3 = 0.03
"""The margin of a leak, of an agreement of clusters and of a retrieval."""
UNSTABLE_ABOVE = 0.25
"""The share of collapsed seeds above which a condition's contrasts are not read as effects."""
UNSTABLE = "not read: too many seeds collapsed"
TRANSFER = "transfer"
"""The mean accuracy of the target languages."""

CLAIMS = (
    Claim("no clusters by language", "finetune", "frozen", "ami_language", POINTS_3, ("lower",)),
    Claim("language is removed", "finetune", "frozen", LEAK, POINTS_3, ("lower",)),
    Claim("unlearning adds nothing", "grl", "control", TRANSFER, POINT, ("equivalent", "lower")),
    Claim("shared content gains", "finetune", "frozen", "retrieval", POINTS_3, ("higher",)),
)
_GEOMETRY: Mapping[str, Mapping[str, str]] = {
    "ami_language": {"probe": "", "language": "all"},  # of the task's text
    "retrieval": {"probe": "centred", "language": "mean_targets", "unit": "sentence"},
}


@dataclass(frozen=True)
class Answer:
    """What the cells say of a claim; ``compared`` None: a method has no finished seed.

    ``along``: of a leak, does the difference hold along the curve of the probe's vectors?
    ``unstable``: too many seeds of one of the methods collapsed.
    """

    claim: Claim
    compared: Compared | None = None
    judged: Judged | None = None
    along: bool | None = True
    unstable: bool = False

    @property
    def verdict(self) -> str:
        """``higher``, ``lower``, ``equivalent``, ``undecided``, a condition of those, or open."""
        if self.judged is None:
            return "open"
        if self.unstable:
            return UNSTABLE
        if self.judged.verdict in ("higher", "lower") and not self.along:
            return SIZE if self.along is False else "undecided"
        return self.judged.verdict

    @property
    def says(self) -> str:
        """What that means for the claim."""
        return "open" if self.verdict == "open" else self.claim.says(self.verdict)


@dataclass(frozen=True, eq=False)
class Reading:
    """What contrasts of a task are read from; each pair of methods is compared once.

    Attributes:
        sides: every evaluated method and point of a path, without those of which all seeds failed.
        geometry: tidy rows of ``geometry.csv``.
        options: level, power, and the bootstrap of test items; margins are the claims'.
        source: the source language, where no file names it.
    """

    sides: Mapping[str, Side]
    geometry: pd.DataFrame
    options: CompareOptions
    source: str
    _lines: dict[tuple[str, str], list[Line]] = field(default_factory=dict)

    def lines(self, a: str, b: str) -> list[Line]:
        """All comparisons of two methods (:func:`langspec.report.compared.compare_sides`)."""
        if (a, b) not in self._lines:
            sides = self.sides[a], self.sides[b]
            self._lines[a, b] = compare_sides(*sides, self.options, self.source)
        return self._lines[a, b]

    def judged(self, claims: Sequence[Claim]) -> list[Answer]:
        """The contrasts of some claims; p adjusted over those that there are (Holm)."""
        made = [
            self._contrast(claim) if {claim.a, claim.b} <= self.sides.keys() else Answer(claim)
            for claim in claims
        ]
        family = [one for one in made if one.compared is not None]
        scaled = [
            _scaled(one.compared.difference, 1 / one.claim.margin)
            for one in family
            if one.compared is not None
        ]
        # In margins: then one margin, 1, is that of all.
        verdicts = judge(scaled, replace(self.options.judge, margin=1.0)) if scaled else []
        judged = {id(one): said for one, said in zip(family, verdicts, strict=True)}
        shaky = {name for name, side in self.sides.items() if _is_unstable(side)}
        return [
            replace(
                one, judged=judged.get(id(one)), unstable=bool({one.claim.a, one.claim.b} & shaky)
            )
            for one in made
        ]

    def _contrast(self, claim: Claim) -> Answer:
        if claim.quantity in _GEOMETRY:
            a, b = self.sides[claim.a], self.sides[claim.b]
            ours, theirs = (_by_seed(self.geometry, side, claim) for side in (a, b))
            if not (ours and theirs):
                return Answer(claim)
            pairing = pair_seeds(ours, theirs, a_fixed=a.fixed, b_fixed=b.fixed)
            return Answer(claim, compare_values(claim.quantity, ours, theirs, pairing))
        for line in self.lines(claim.a, claim.b):
            if claim.quantity == LEAK and line.of_head and line.unit == "token":
                return Answer(claim, line.compared, along=line.along)
            scored = (line.language, line.metric) == ("mean_targets", "accuracy")
            if claim.quantity == TRANSFER and scored:
                return Answer(claim, line.compared)
        return Answer(claim)


def read_contrasts(folder: Path, task: str, options: CompareOptions, source: str) -> Reading:
    """What the contrasts of a task are read from.

    Args:
        folder: of the run, with ``evaluate`` and ``train``.
        task: the task.
        options: level, power, and the bootstrap of test items; margins are the claims'.
        source: the source language, where no file names it.
    """
    sides = {}
    for name in evaluated_methods(folder, task):
        with suppress(NoSeeds):
            sides[name] = load_side(folder, task, name)
    geometry = read_results(folder / "evaluate" / task / "geometry.csv")
    return Reading(sides, geometry, options, source)


def answers(reading: Reading) -> list[Answer]:
    """The four contrasts of a task; p adjusted over those that there are (Holm)."""
    return reading.judged(CLAIMS)


def _is_unstable(side: Side) -> bool:
    lost = len(side.failed)
    return lost > UNSTABLE_ABOVE * (lost + len(side.predictions))


def _by_seed(geometry: pd.DataFrame, side: Side, claim: Claim) -> dict[int, float]:
    """A geometry number of the head's layer by seed, without failed seeds."""
    wanted = {"method": side.label, "layer": side.head_layer, "metric": claim.quantity}
    wanted |= {"eraser": "", **_GEOMETRY[claim.quantity]}
    corpus = "text" if claim.quantity == "retrieval" else side.task
    rows = geometry[(geometry["corpus"] == corpus) & geometry["strength"].isna()]
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    seeds = {int(row["seed"]): float(row["value"]) for row in rows.to_dict("records")}
    return {seed: value for seed, value in seeds.items() if seed not in side.failed}


def _scaled(one: Difference, by: float) -> Difference:
    """The difference in another unit of measurement."""
    spreads = tuple(Spread(spread.error * by, spread.freedom) for spread in one.spreads)
    return Difference(one.value * by, spreads, one.trained)


def claims_text(task: str, present: Sequence[Answer], alpha: float) -> str:
    """A line a claim: its contrast, the difference with its interval, p by Holm, the verdict."""
    lines = [f"{task}: the four contrasts of docs/study.md (p by Holm over those that there are)"]
    lines += [
        f"  {one.claim.claim} ({one.claim.contrast}): {answer_words(one, alpha)}; "
        f"the claim: {one.says}"
        for one in present
    ]
    return "\n".join(lines)


def answer_words(one: Answer, alpha: float) -> str:
    """The difference with its interval, its p-values, its seeds, and the verdict."""
    if one.compared is None or one.judged is None:
        return "open: no finished seed of both"
    difference, pairing = one.compared.difference, one.compared.pairing
    known = "(one seed: no interval)"
    if difference.trained:
        low, high = difference.interval(alpha)
        p, q = one.judged.p_adjusted, one.judged.p_equivalent_adjusted
        known = (
            f"[{low:+.3f} {high:+.3f}], p {p:.3f}, "
            f"p(equivalent within {one.claim.margin:g}) {q:.3f}"
        )
    seeds = f"seeds {list(pairing.a)}, {list(pairing.b)}"
    return f"{difference.value:+.3f} {known}, {seeds}: {one.verdict}"
