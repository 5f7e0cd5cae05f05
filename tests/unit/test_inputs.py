"""Pieces and the words they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from langspec.encoders.forward import restarted_positions
from langspec.encoders.inputs import (
    collate,
    length_batches,
    pair_inputs,
    text_inputs,
    word_inputs,
)

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "cats", "##s", "sle", "##eps", "."]


def wordpiece() -> PreTrainedTokenizerFast:
    backend = Tokenizer(
        models.WordPiece({p: i for i, p in enumerate(VOCABULARY)}, unk_token="[UNK]")
    )
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )


def sentencepiece() -> PreTrainedTokenizerFast:
    """Unigram with word-boundary pieces, as XLM-R has: `▁` alone before Chinese words."""
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [("▁", -2.0), ("▁the", -1.0), ("▁cat", -1.0), ("s", -3.0), ("猫", -1.5)]
    pieces += [("睡", -1.5), ("了", -1.5), ("睡了", -1.0), ("。", -1.0)]
    backend = Tokenizer(models.Unigram(pieces, unk_id=3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
        bos_token="<s>",
        eos_token="</s>",
    )


def pieces_of_units(tokenizer: PreTrainedTokenizerFast, inputs, row: int) -> list[str]:
    ids = inputs.ids[inputs.starts[row] : inputs.starts[row + 1]]
    columns = inputs.units[inputs.unit_starts[row] : inputs.unit_starts[row + 1]]
    return tokenizer.convert_ids_to_tokens(ids[columns].tolist())


def test_first_piece_of_each_word() -> None:
    tokenizer = wordpiece()
    words = [["The", "cats", "sleeps", "."]]
    inputs = word_inputs(tokenizer, words, [[True, True, False, False]], max_tokens=16)
    assert pieces_of_units(tokenizer, inputs, 0) == ["the", "cats", "sle", "."]
    assert inputs.unit_words.tolist() == [0, 1, 2, 3]
    assert inputs.lost_words == inputs.truncated == 0


def test_bare_word_boundary_stands_for_nothing() -> None:
    tokenizer = sentencepiece()
    inputs = word_inputs(tokenizer, [["猫", "睡了", "。"]], [[False, False, False]], max_tokens=16)
    assert pieces_of_units(tokenizer, inputs, 0) == ["猫", "睡了", "。"]


def test_prefix_has_no_unit() -> None:
    tokenizer = wordpiece()
    plain = word_inputs(tokenizer, [["cat"]], [[False]], max_tokens=16)
    prefixed = word_inputs(tokenizer, [["cat"]], [[False]], max_tokens=16, prefix="the. ")
    assert pieces_of_units(tokenizer, prefixed, 0) == pieces_of_units(tokenizer, plain, 0)
    assert len(prefixed.ids) == len(plain.ids) + 2


def test_truncated_words_are_counted() -> None:
    tokenizer = wordpiece()
    inputs = word_inputs(tokenizer, [["cat"] * 10], [[True] * 10], max_tokens=6)
    assert (inputs.truncated, inputs.lost_words, len(inputs.units)) == (1, 6, 4)


def test_text_units_of_spaced_and_spaceless_scripts() -> None:
    tokenizer = sentencepiece()
    inputs = text_inputs(tokenizer, ["the cats 猫睡了。"], max_tokens=16)
    # One unit a white-space word, one a piece in Chinese (睡了 is one piece, so one unit).
    assert pieces_of_units(tokenizer, inputs, 0) == ["▁the", "▁cat", "猫", "睡了", "。"]


@pytest.mark.parametrize("make", [wordpiece, sentencepiece])
def test_pairs_get_our_token_types(make) -> None:
    inputs = pair_inputs(make(), ["the cat"], ["the"], max_tokens=16)
    text = make().convert_ids_to_tokens(inputs.ids.tolist())
    second = len(text) - 1 - text[::-1].index("the" if "the" in text else "▁the")
    assert inputs.segments.tolist() == [0] * second + [1] * (len(text) - second)


def test_positions_restart_with_the_second_text() -> None:
    segments = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]])
    assert restarted_positions(segments).tolist() == [[0, 1, 2, 0, 1], [0, 1, 2, 3, 4]]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=80), st.integers(20, 200))
def test_length_batches_hold_every_row_once_within_the_budget(lengths, budget) -> None:
    array = np.asarray(lengths)
    batches = length_batches(array, budget)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for rows in batches:
        assert len(rows) == 1 or len(rows) * array[rows].max() <= budget


def test_collate_pads_and_points_at_the_units() -> None:
    tokenizer = wordpiece()
    inputs = word_inputs(
        tokenizer, [["cat"], ["the", "cats", "."]], [[False], [True, False, False]], max_tokens=16
    )
    batch = collate(inputs, np.asarray([1, 0]), pad_id=0)
    assert batch["input_ids"].shape == (2, 5)
    assert batch["attention_mask"].sum(1).tolist() == [5, 3]
    picked = batch["input_ids"][batch["unit_rows"], batch["unit_columns"]]
    assert tokenizer.convert_ids_to_tokens(picked.tolist()) == ["the", "cats", ".", "cat"]
