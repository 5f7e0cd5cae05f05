from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from langspec.corpora.splits import line_splits, rank, sample

_seeds = st.integers(0, 1000)


def test_rank_is_the_same_on_every_machine() -> None:
    # printf '1\0a' | b2sum --length 64
    assert rank(1, "a") == 0x52494DE452D10712
    assert rank(1, "a") != rank(2, "a")


@settings(max_examples=40)
@given(st.lists(st.text(max_size=3), max_size=30), st.integers(0, 30), _seeds)
def test_a_higher_limit_only_adds(keys: list[str], limit: int, seed: int) -> None:
    rows = list(enumerate(keys))
    few = list(sample(rows, limit, seed=seed, key=lambda row: row[1]))
    more = list(sample(rows, limit + 1, seed=seed, key=lambda row: row[1]))
    assert len(few) == min(limit, len(rows))
    assert set(few) <= set(more)
    assert few == sorted(few)  # in the order they came


def test_no_limit_streams_everything() -> None:
    endless = iter(int, 1)
    assert next(sample(endless, None, seed=1, key=str)) == 0


@given(_seeds, st.integers(1, 20))
def test_rows_of_one_key_are_taken_together(seed: int, limit: int) -> None:
    rows = [(prompt, k) for prompt in range(10) for k in range(3)]
    counts = Counter(
        prompt for prompt, _ in sample(rows, limit, seed=seed, key=lambda row: str(row[0]))
    )
    assert sum(n not in (0, 3) for n in counts.values()) <= 1


def test_equal_keys_choose_the_same_rows_in_every_language() -> None:
    languages = [[(code, n) for n in range(50)] for code in ("de", "zh")]
    chosen = [
        {n for _, n in sample(rows, 7, seed=3, key=lambda row: str(row[1]))} for rows in languages
    ]
    assert chosen[0] == chosen[1]


@settings(max_examples=40)
@given(_seeds, st.integers(1, 400), st.integers(1, 400))
def test_fractions_hold_in_the_whole_and_in_every_sample(
    seed: int, lines: int, limit: int
) -> None:
    fractions = (0.7, 0.1, 0.2)
    splits = line_splits(lines, fractions, seed=seed)
    chosen = list(sample(range(lines), limit, seed=seed, key=str))
    for part in (range(lines), chosen):
        counts = Counter(splits[line] for line in part)
        for name, share in zip(("train", "dev", "test"), fractions, strict=True):
            assert abs(counts[name] - share * len(part)) <= 4


def test_splits_are_seeded_and_shuffled() -> None:
    one = line_splits(100, (0.5, 0.2, 0.3), seed=1)
    assert one == line_splits(100, (0.5, 0.2, 0.3), seed=1)
    assert one != line_splits(100, (0.5, 0.2, 0.3), seed=2)
    assert {"train", "dev", "test"} == set(one[:20])
    assert set(line_splits(100, (1.0, 0.0, 0.0), seed=1)) == {"train"}
