"""Json lines of XNLI 1.0 (Conneau et al. 2018) and MultiNLI 1.0 (Williams et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from langspec.corpora.formats.fields import Fields
from langspec.corpora.lines import json_objects
from langspec.languages import LANGUAGES

LABELS = ("contradiction", "entailment", "neutral")
NO_GOLD = "-"
"""The label of pairs on which the annotators did not agree."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A premise and a hypothesis. ``prompt_id`` is shared by the pairs of one premise and by
    their translations. ``label`` may be ``-``: the caller drops and counts those.
    """

    pair_id: str
    prompt_id: str
    language: str
    premise: str
    hypothesis: str
    label: str
    line: int


def read_pairs(path: Path, *, language: str | None = None) -> Iterator[Pair]:
    """Yield the pairs of a file in order.

    Args:
        path: json lines with gold_label, sentence1, sentence2, pairID, promptID and, where
            ``language`` is None (XNLI), language.
        language: the language of a file without that field (MultiNLI).

    Raises:
        LangspecError: with file and line: broken json, a missing or ill-typed field, an unknown
            label or language, a pair id that occurs twice in one language.
    """
    seen: set[tuple[str, str]] = set()
    for number, values in json_objects(path):
        row = Fields(values, f"{path}:{number}")
        code = language if language is not None else row.string("language")
        if code not in LANGUAGES:
            raise row.fail(f"language {code!r} is unknown; expected an ISO 639 code")
        label = row.string("gold_label")
        if label != NO_GOLD and label not in LABELS:
            raise row.fail(
                f"gold_label {label!r}; expected one of {', '.join(LABELS)} or {NO_GOLD!r}"
            )
        pair_id = row.name("pairID")
        if (code, pair_id) in seen:
            raise row.fail(
                f"pairID {pair_id!r} occurs twice for language {code}; expected it once"
            )
        seen.add((code, pair_id))
        yield Pair(
            pair_id,
            row.name("promptID"),
            code,
            row.string("sentence1").strip(),
            row.string("sentence2").strip(),
            label,
            number,
        )
