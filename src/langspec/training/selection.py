"""What chooses an epoch, a seed or a trial: rules, and nothing else chooses.

A rule says which scores it needs (a split, and of which languages) and makes one number of them;
the larger it is, the better. Scores are those of one epoch as ``epochs.csv`` (there with ``val_``
before the name) and ``run.json`` hold them: ``macro_f1`` is the source language's, and a rule
that reads several languages finds ``macro_f1_CODE`` of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from langspec.errors import LangspecError

RuleName = Literal["source_dev", "source_val", "mean_dev", "oracle"]
"""What ``train.selection`` may say: the keys of :data:`RULES`."""

METRIC = "macro_f1"  # as in Tanti et al. 2021


def language_metric(code: str) -> str:
    """The name of a language's own score: ``macro_f1_de``."""
    return f"{METRIC}_{code}"


@dataclass(frozen=True)
class Rule:
    """One rule of selection.

    Attributes:
        name: as ``train.selection`` says it.
        split: the rows that are scored.
        reads: ``source``: the source language alone; ``known``: every language with rows of the
            split; ``targets``: those without the source.
        champion: may what it chose be registered as a champion? Not where test rows chose.
        words: the rule in words.
    """

    name: str
    split: Literal["dev", "val", "test"]
    reads: Literal["source", "known", "targets"]
    champion: bool
    words: str

    @property
    def pooled(self) -> bool:
        """Does it need scores beside the source's?"""
        return self.reads != "source"

    @property
    def source_split(self) -> Literal["dev", "val"]:
        """The source language's rows that are scored after each epoch, whatever chooses."""
        return "val" if self.split == "val" else "dev"

    def languages(self, source: str, known: Sequence[str]) -> list[str]:
        """The languages it reads, sorted, of those that have rows of its split (``known``).

        Raises:
            LangspecError: it reads several, and only the source has rows.
        """
        chosen = {
            "source": [source],
            "known": sorted(set(known)),
            "targets": sorted(set(known) - {source}),
        }[self.reads]
        if self.pooled and not set(chosen) - {source}:
            raise LangspecError(
                f"{self.name} needs {self.split} rows of other languages than {source}, and there "
                "are none; use source_dev",
                place="train.selection",
            )
        return chosen

    def score(self, scores: Mapping[str, float]) -> float:
        """What the rule maximises, from the scores of one epoch.

        Raises:
            LangspecError: a score that it needs is not among them.
        """
        if not self.pooled:
            values = [scores[METRIC]] if METRIC in scores else []
        else:
            prefix = language_metric("")
            values = [value for name, value in scores.items() if name.startswith(prefix)]
        if not values:
            needed = language_metric("CODE") if self.pooled else METRIC
            raise LangspecError(
                f"{self.name} needs {needed}, found {', '.join(scores) or 'no scores'}; "
                "train with this rule first",
                place="train.selection",
            )
        return float(sum(values) / len(values))


RULES = {
    rule.name: rule
    for rule in (
        Rule(
            "source_dev",
            "dev",
            "source",
            True,
            "best score on the source language's development set",
        ),
        Rule(
            "source_val",
            "val",
            "source",
            True,
            "best score on rows held out of the source's training set",
        ),
        Rule(
            "mean_dev", "dev", "known", True, "best mean over the languages with a development set"
        ),
        Rule("oracle", "test", "targets", False, "best mean test score, an upper bound"),
    )
}


def get_rule(name: str) -> Rule:
    """The rule called ``name``.

    Raises:
        LangspecError: there is none.
    """
    if name not in RULES:
        raise LangspecError(
            f"found {name!r}, expected one of {', '.join(RULES)}", place="train.selection"
        )
    return RULES[name]
