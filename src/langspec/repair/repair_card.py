"""The model card (README.md) of a repaired encoder."""

from __future__ import annotations

from langspec import __version__
from langspec.audit.audited_encoder import Subject
from langspec.measurement.intervals import Interval
from langspec.pool_search.summary import OVERALL, summary
from langspec.repair.choose_method import signed
from langspec.repair.fit_methods import NOTHING, title_of
from langspec.repair.protocol import Outcome
from langspec.repair.repair_answers import unseen_words
from langspec.repair.repair_numbers import MEASURES, rule_words

_PROVED = (
    "Search across languages was measured before and after on lines that no method was fitted or "
    "chosen on."
)
_NOT_PROVED = (
    "**Search across languages was not measured: there were no translations.** What was measured "
    "is how much texts of one language crowd together."
)


_OWN = "the linear layers that the folder had before, "


def repair_card(subject: Subject, outcome: Outcome, lines: dict[str, int]) -> str:
    """The card as Markdown with a metadata block.

    Args:
        subject: the encoder that was repaired.
        outcome: of the repair.
        lines: number of texts by split.
    """
    assert outcome.eraser is not None
    title = title_of(outcome.choice.method)
    card, codes = subject.encoder.card, outcome.eraser.languages
    claim = _PROVED if outcome.translations else _NOT_PROVED
    return f"""---
library_name: sentence-transformers
language:
{chr(10).join(f'- "{code}"' for code in codes)}
tags:
- sentence-transformers
- feature-extraction
- langspec
---

# {subject.name}, repaired by {title}

The encoder {subject.name}, its weights as they were. Its sentence vectors pass through an eraser
({title}) that takes out what names their language. {claim}

```python
from sentence_transformers import SentenceTransformer

vectors = SentenceTransformer("FOLDER").encode(["a text"])
```

Sentence vectors: {card.pooling} pooling over at most {card.max_tokens} tokens,
then {"" if subject.after is None else _OWN}length 1, the eraser, and length 1 again.
{f"Every text is preceded by {card.prefix!r}, as `encode` does." * bool(card.prefix)}
**Vectors of the encoder before the repair and after it do not fit together: encode the whole pool
anew, or put its vectors, at length 1, through `langspec erase eraser/ FILE`.** `AutoModel` opens
the encoder without the eraser.

## Before and after

{before_after(outcome)}

{_parts(outcome, lines)}

## Languages

Fitted on {len(codes)}: {", ".join(codes)}. The same map is applied to every text, whatever its
language. {" ".join(unseen_words(outcome))}

## What is not claimed

The language is not gone from the vectors: a non-linear probe may read it. Token vectors and inner
layers are as they were. Numbers hold for text like the test lines.

Licence of the encoder: {card.licence or "not stated"}. Made by `langspec repair`,
version {__version__}.
"""


def _parts(outcome: Outcome, lines: dict[str, int]) -> str:
    total = sum(lines.values())
    train, dev, test = (f"{lines.get(name, 0):,}" for name in ("train", "dev", "test"))
    return f"""Test lines; in brackets the 95 % interval of the paired change over lines. Of
{total:,} texts, {train} are training lines, {dev} chose a method, {test} are measured here. Rule:
{rule_words(outcome)}.
`repair/index.html` shows all methods, and every language."""


def before_after(outcome: Outcome) -> str:
    """The measures before and after, and what changed, as a table in Markdown."""
    frame = summary(outcome.test[NOTHING], outcome.test[outcome.choice.method])
    rows = ["| measure | before | after | change |", "|---|---|---|---|"]
    overall = frame[frame["group"] == OVERALL].set_index("measure")
    for name, label in MEASURES.items():
        if name in overall.index:
            columns = ["before", "after", "difference", "low", "high"]
            before, after, *ends = overall.loc[name, columns].astype(float)
            rows.append(f"| {label} | {before:.3f} | {after:.3f} | {signed(Interval(*ends))} |")
    return "\n".join(rows)
