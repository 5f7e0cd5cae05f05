"""What each token vector of running text stands for, as a string."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from langspec.encoders.inputs import TEXT_WORD
from langspec.errors import LangspecError
from langspec.features.bank import Units

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def unit_texts(
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    units: Units,
    *,
    max_tokens: int,
    prefix: str = "",
) -> list[str]:
    """The words that each unit's piece touches: one, but for pieces over several characters.

    Args:
        tokenizer: of the inputs that the bank was made from.
        texts: all of the bank's texts, so that ``units.row`` indexes them.
        units: ``bank.token_meta``.
        max_tokens: where rows were cut.
        prefix: put before every text.

    Raises:
        LangspecError: a unit that is no word of its text: these are not the bank's texts.
    """
    texts_of_units = [""] * len(units)
    order = np.argsort(units.row, kind="stable")
    rows, begins = np.unique(units.row[order], return_index=True)
    if len(rows) and rows[-1] >= len(texts):
        raise LangspecError(f"expected at least {rows[-1] + 1} texts, found {len(texts)}")
    for row, members in zip(rows, np.split(order, begins[1:]), strict=True):
        text = prefix + texts[row]
        encoding = tokenizer(
            text, truncation=True, max_length=max_tokens, return_offsets_mapping=True
        )
        offsets = encoding["offset_mapping"]
        words = [match.span() for match in TEXT_WORD.finditer(text, len(prefix))]
        for i in members:
            column = int(units.unit[i])
            begin, end = offsets[column] if column < len(offsets) else (0, 0)
            touched = [word for word in words if word[0] < end and word[1] > begin]
            if not touched:
                raise LangspecError(
                    f"piece {column} of text {row} is no word of it; expected the texts that the "
                    "feature bank was made from"
                )
            texts_of_units[i] = text[touched[0][0] : touched[-1][1]]
    return texts_of_units
