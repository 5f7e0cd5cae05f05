from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langspec.encoders.wordpiece import train_wordpiece
from langspec.errors import LangspecError


def _texts() -> list[str]:
    rng = random.Random(3)
    # Equal counts everywhere: every merge is a tie, decided by order alone.
    words = ["".join(pair) for pair in [(a, b, c) for a in "abде" for b in "üöıß" for c in "xyz"]]
    return [" ".join(rng.sample(words, len(words))) for _ in range(20)]


def test_equal_texts_give_equal_tokenizers_in_any_order() -> None:
    texts = _texts()
    first = train_wordpiece(texts, 60).backend_tokenizer.to_str()
    for seed in range(3):
        random.Random(seed).shuffle(texts)
        assert train_wordpiece(texts, 60).backend_tokenizer.to_str() == first


def test_size_case_and_pairs() -> None:
    tokenizer = train_wordpiece(["Das Haus das Haus", "Çok güzel bir ev."], 60)
    assert len(tokenizer) <= 60
    assert [tokenizer.convert_ids_to_tokens(i) for i in range(5)] == [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
    ]
    assert tokenizer.tokenize("Haus") != tokenizer.tokenize("haus")
    pair = tokenizer("Haus", "ev")
    tokens = tokenizer.convert_ids_to_tokens(pair.input_ids)
    assert tokens[0] == "[CLS]"
    assert tokens[-1] == "[SEP]"
    second = tokens.index("[SEP]") + 1
    assert pair.encodings[0].type_ids == [0] * second + [1] * (len(tokens) - second)
    assert tokenizer.tokenize("Qq")[0] == "[UNK]"
    assert tokenizer("a [MASK]").input_ids[-2] == tokenizer.mask_token_id


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text("abcdeşğ", min_size=1, max_size=8), min_size=1, max_size=6))
def test_words_of_known_characters_survive_a_round_trip(words: list[str]) -> None:
    tokenizer = train_wordpiece([" ".join(words), "abcdeşğ aabcdeşğ"], 40)
    text = " ".join(words)
    ids = tokenizer(text, add_special_tokens=False).input_ids
    pieces = tokenizer.convert_ids_to_tokens(ids)
    known = "".join(p.removeprefix("##") for p in pieces)
    # Characters seen only inside words, never at the head of one, may be unknown there.
    assert known == text.replace(" ", "") or tokenizer.unk_token in pieces


def test_too_small_a_vocabulary_is_refused() -> None:
    with pytest.raises(LangspecError, match="vocabulary 10 is too small"):
        train_wordpiece(["abcdefghijklmnop"], 10)
