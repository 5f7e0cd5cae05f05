"""Choosing the best seed of a method, and the champion among methods, by the selection rule.

No test score is looked at: the dev score that chose the epoch also chooses the seed and the
method.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langspec.training.selection import METRIC, get_rule


@dataclass(frozen=True)
class Candidate:
    """A method's best seed.

    Attributes:
        method: its name.
        rule: of selection, as ``run.json`` says.
        entry: the seed's entry of ``run.json``; None where every seed failed.
        failed: how many seeds failed (collapsed, diverged).
        seeds: how many there are.
        refusal: why it cannot be champion; "" where it can.
    """

    method: str
    rule: str
    entry: Mapping[str, Any] | None
    failed: int
    seeds: int
    refusal: str

    @property
    def score(self) -> float:
        """Dev score of the chosen seed; NaN without one."""
        return math.nan if self.entry is None else _score(self.rule, self.entry)


def candidate(run: Mapping[str, Any]) -> Candidate:
    """The best seed of a training that did not fail, from the content of ``run.json``.

    Of seeds that score equally the one with the lower dev loss is taken, then the lower number.
    """
    entries = list(run["seeds"])
    good = [entry for entry in entries if entry.get("status") != "failed" and entry.get("dev")]
    rule = run["selection"]
    good = [entry for entry in good if math.isfinite(_score(rule, entry))]
    failed = len(entries) - len(good)
    refusal = ""
    if not get_rule(rule).champion:
        refusal = f"selected by {rule}, which reads target-language labels"
    elif not good:
        refusal = f"all {failed} seeds failed"
    elif failed:
        refusal = f"{failed} of {len(entries)} seeds failed"
    return Candidate(
        run["method"],
        rule,
        min(good, key=lambda entry: _rank(rule, entry)) if good else None,
        failed,
        len(entries),
        refusal,
    )


def champion(candidates: Sequence[Candidate]) -> tuple[Candidate | None, str]:
    """Choose the candidate with the best dev score among those that can be champion.

    None where none can, or where rules of selection differ: their scores do not compare.
    """
    able = [one for one in candidates if not one.refusal]
    if not able:
        reasons = "; ".join(f"{one.method}: {one.refusal}" for one in candidates)
        return None, f"no method qualifies ({reasons or 'nothing was trained'})"
    rules = sorted({one.rule for one in able})
    if len(rules) > 1:
        return None, f"methods were selected by different rules: {', '.join(rules)}"
    # Equal scores: the lower dev loss, as among seeds.
    best = min(able, key=lambda one: (_rank(one.rule, one.entry or {}), one.method))
    others = f" among {len(able)} methods" if len(able) > 1 else ", the only one that qualifies"
    return best, f"best {METRIC} by {best.rule} ({best.score:.6g}){others}"


def _score(rule: str, entry: Mapping[str, Any]) -> float:
    """What the rule maximises, of a seed's chosen epoch."""
    return get_rule(rule).score(entry["dev"])


def _rank(rule: str, entry: Mapping[str, Any]) -> tuple[float, float, int]:
    loss = entry["dev"].get("loss", math.inf)
    return -_score(rule, entry), float(loss), int(entry["seed"])
