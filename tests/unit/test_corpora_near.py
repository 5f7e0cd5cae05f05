from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langspec.corpora.near import NearIndex, NearSplits, overlap, shingles

LONG = "The committee will publish its report on the harbour in the second week of next month."


def other(text: str, words: int = 1) -> str:
    """The text with its last words changed."""
    kept = text.split()[:-words]
    return " ".join([*kept, *("zzz" for _ in range(words))])


def jaccard(first: str, second: str) -> float:
    one, two = set(shingles(first)), set(shingles(second))
    return len(one & two) / len(one | two)


def test_case_punctuation_and_spacing_do_not_matter() -> None:
    assert sorted(shingles("Hello,  World!")) == sorted(shingles("hello world"))
    assert shingles("Ja.") == ["ja"]
    assert shingles("?!") == [""]


def test_planted_near_duplicates_are_found_and_others_are_not() -> None:
    generator = random.Random(1)
    words = ["".join(generator.choices("abcdefghij", k=6)) for _ in range(400)]
    texts = [" ".join(generator.choices(words, k=20)) for _ in range(200)]
    index = NearIndex(0.8)
    for text in texts:
        index.add(index.sign(text))
    for number, text in enumerate(texts):
        assert jaccard(text, other(text)) > 0.85
        assert index.near(index.sign(other(text))) == [number]
        assert jaccard(text, other(text, 8)) < 0.65
        assert index.near(index.sign(other(text, 8))) == []


@settings(max_examples=30)
@given(st.text(max_size=60))
def test_a_text_is_near_itself(text: str) -> None:
    index = NearIndex(1.0)
    index.add(index.sign(text))
    assert index.near(index.sign(text)) == [0]


def test_rows_of_train_near_dev_or_test_are_told() -> None:
    near = NearSplits(0.8)
    assert not near.repeats("dev", LONG)
    assert not near.repeats("test", LONG.upper())
    assert not near.repeats("test", "Something else entirely, about ships.")
    assert near.repeats("train", other(LONG))
    assert near.repeats("train", LONG)
    assert not near.repeats("train", "Nobody has seen the cat since Tuesday evening.")
    assert near.repeats("val", LONG)
    assert near.repeats("adversary", LONG)
    assert near.facts() == {
        "dev_rows_near_train": 1,
        "test_rows_near_train": 1,
        "test_rows_near_dev": 1,
        "train_rows_near_dev_or_test": 2,
        "val_rows_near_dev_or_test": 1,
        "adversary_rows_near_dev_or_test": 1,
    }


def test_rows_near_the_adversarys_text_are_no_rows_near_train() -> None:
    near = NearSplits(0.8)
    near.repeats("dev", LONG)
    assert near.repeats("adversary", LONG)
    assert near.facts() == {
        "dev_rows_near_train": 0,
        "test_rows_near_train": 0,
        "test_rows_near_dev": 0,
        "train_rows_near_dev_or_test": 0,
        "val_rows_near_dev_or_test": 0,
        "adversary_rows_near_dev_or_test": 1,
    }


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.95])
def test_overlap_counts_rows_of_both_corpora(threshold: float) -> None:
    text = [LONG, LONG.lower(), "Nobody has seen the cat since Tuesday evening."]
    pairs = [("Ships sail.", LONG), (LONG, "no"), ("Ships sail.", "no")]
    assert overlap(text, pairs, threshold) == (2, 2)
