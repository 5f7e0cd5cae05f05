"""Which words the vectors of running text stand for."""

from __future__ import annotations

import numpy as np
import pytest
from test_inputs import wordpiece

from langspec.encoders.inputs import text_inputs
from langspec.errors import LangspecError
from langspec.features.bank import Units
from langspec.features.words import unit_texts


def units_of(inputs) -> Units:
    row = np.repeat(np.arange(len(inputs)), np.diff(inputs.unit_starts))
    none = np.zeros(len(row), np.int32)
    return Units(row, inputs.units, none, none, none, none)


@pytest.mark.parametrize("prefix", ["", "the: "])
def test_every_unit_is_its_white_space_word(prefix: str) -> None:
    tokenizer = wordpiece()
    texts = ["The cats sleeps.", "the  cat .", "zzz cat"]
    inputs = text_inputs(tokenizer, texts, max_tokens=32, prefix=prefix)
    units = units_of(inputs)
    found = unit_texts(tokenizer, texts, units, max_tokens=32, prefix=prefix)
    assert found == ["The", "cats", "sleeps.", "the", "cat", ".", "zzz", "cat"]
    order = np.random.default_rng(0).permutation(len(found))
    mixed = Units(*(getattr(units, name)[order] for name in Units.__dataclass_fields__))
    again = unit_texts(tokenizer, texts, mixed, max_tokens=32, prefix=prefix)
    assert again == [found[i] for i in order]


def test_other_texts_are_refused() -> None:
    tokenizer = wordpiece()
    inputs = text_inputs(tokenizer, ["the cat sleeps", "the cats"], max_tokens=32)
    with pytest.raises(LangspecError, match="at least 2 texts, found 1"):
        unit_texts(tokenizer, ["the cat sleeps"], units_of(inputs), max_tokens=32)
    with pytest.raises(LangspecError, match="is no word of it"):
        unit_texts(tokenizer, ["the", "the cats"], units_of(inputs), max_tokens=32)
