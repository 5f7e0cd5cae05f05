"""Searches in a pool of all languages, against lists that are worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langspec.errors import LangspecError
from langspec.pool_search import nearest as nearest_module
from langspec.pool_search.hubness import hubness
from langspec.pool_search.nearest import unit_rows
from langspec.pool_search.pool import Pool, search_pool, search_rows
from langspec.pool_search.ties import tie_order

CODES = ("en", "de", "ru", "zh")


def at_angles(degrees: list[float]) -> np.ndarray:
    """Vectors in a plane: the nearer two angles, the higher the cosine."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def planted(
    offset: float, *, lines: int = 40, noise: float = 0.5, seed: int = 0, languages: int = 4
) -> Pool:
    """Parallel lines whose vectors are content + a vector of the language + noise."""
    rng = np.random.default_rng(seed)
    content = rng.normal(size=(lines, 1, 16))
    of_language = rng.normal(size=(1, languages, 16)) * offset
    texts = content + of_language + noise * rng.normal(size=(lines, languages, 16))
    return Pool(
        texts.reshape(-1, 16).astype(np.float32),
        np.tile(np.arange(languages), lines),
        CODES[:languages],
        np.repeat(np.arange(lines), languages),
    )


def means(rows: pd.DataFrame) -> pd.Series:
    return rows.drop(columns=["language", "line"]).mean()


def test_every_measure_of_one_query_by_hand() -> None:
    """en0 at 0 degrees; its list: en1 (1), de1 (2), de0 (4), zh (5), en2 (7), de2 (9)."""
    pool = Pool(
        at_angles([0, 4, 1, 2, 7, 9, 5]),
        np.array([0, 1, 0, 1, 0, 1, 3]),
        CODES,
        np.array([0, 0, 1, 1, 2, 2, -1]),
    )
    rows = search_rows(pool, k=3)
    assert list(rows["language"]) == ["en", "de", "en", "de", "en", "de"]  # no distractor asks
    assert list(rows["line"]) == [0, 0, 1, 1, 2, 2]
    first = rows.iloc[0]
    assert first["recall_1"] == 0  # en1 lies nearer
    assert first["recall_3"] == 1  # one translation, third
    assert first["rr"] == pytest.approx(1 / 3)
    assert first["ndcg_3"] == pytest.approx((1 / np.log2(4)) / 1)
    # Of other lines the first three are en1, de1, zh: one of three is English, two of five are.
    assert first["own_share"] == pytest.approx(1 / 3)
    assert first["pool_share"] == pytest.approx(2 / 5)
    # Line 1 alone counts, and English comes first; the distractor has no equivalent.
    assert first["preferred"] == 1
    assert first["preferred_chance"] == 0.5
    # de0 at 4: zh (1 away), de1 (2), en1 (3), en2 (3), en0 (4): lines 1 and 2 count.
    second = rows.iloc[1]
    assert second["recall_3"] == 0
    assert second["rr"] == 0
    assert second["ndcg_3"] == 0


def test_several_translations_share_recall_and_gain() -> None:
    pool = Pool(
        at_angles([0, 1, 3, 2, 50]), np.array([0, 1, 2, 3, 0]), CODES, np.array([7, 7, 7, 8, 8])
    )
    first = search_rows(pool, k=2).iloc[0]  # de7, zh8, ru7, en8
    assert first["recall_1"] == 1
    assert first["recall_2"] == 0.5  # one of the two that could be there
    assert first["ndcg_2"] == pytest.approx(1 / (1 + 1 / np.log2(3)))
    # k counts the texts of other lines: zh8 and en8, and of line 8 Chinese comes first.
    assert first["own_share"] == 0.5
    assert first["pool_share"] == 0.5
    assert first["preferred"] == 0


def test_a_second_text_of_the_line_and_language_is_an_equivalent() -> None:
    """A pool whose line has two English texts: the line of the query itself counts."""
    pool = Pool(at_angles([0, 1, 3]), np.array([0, 0, 1]), CODES, np.array([0, 0, 0]))
    rows = search_rows(pool, k=2)
    assert rows.iloc[0]["preferred"] == 1  # en at 1, then de at 3
    assert rows.iloc[0]["preferred_chance"] == 0.5
    assert rows.iloc[2]["recall_2"] == 1
    assert np.isnan(rows.iloc[2]["preferred"])  # no German text beside the query
    assert np.isnan(rows.iloc[0]["own_share"])  # there is no other line


def test_an_offset_prefers_and_erasing_it_removes_the_preference() -> None:
    biased, fair = planted(1.0), planted(0.0)
    before, after = means(search_rows(biased)), means(search_rows(fair))
    assert before["own_share"] > 0.9
    assert before["preferred"] > 0.9
    assert after["own_share"] == pytest.approx(after["pool_share"], abs=0.03)
    assert after["preferred"] == pytest.approx(after["preferred_chance"], abs=0.03)
    assert after["recall_1"] > before["recall_1"] + 0.2
    # The same noise with the means of the languages removed.
    vectors = biased.vectors.reshape(-1, 4, 16)
    centred = replace(biased, vectors=(vectors - vectors.mean(axis=0)).reshape(-1, 16))
    erased = means(search_rows(centred, reference=biased))
    assert erased["preferred"] == pytest.approx(erased["preferred_chance"], abs=0.03)
    assert erased["mono_recall_10"] > before["mono_recall_10"] - 0.02


def test_csls_evens_out_an_offset_without_erasing() -> None:
    biased = planted(1.0)
    plain, csls = means(search_rows(biased)), means(search_rows(biased, csls=10))
    assert csls["recall_1"] > plain["recall_1"] + 0.2
    assert csls["own_share"] < plain["own_share"] - 0.3


def test_csls_is_the_score_of_the_paper() -> None:
    pool = planted(0.7, lines=12)
    cosines = pool.units.astype(float) @ pool.units.T.astype(float)
    np.fill_diagonal(cosines, -np.inf)
    by_language = [cosines[:, pool.language == one] for one in range(4)]
    reach = np.stack([np.sort(part)[:, -3:].mean(axis=1) for part in by_language], axis=1)
    scores = (
        2 * cosines - reach[:, pool.language] - reach[:, pool.language].T
    )  # r of each to the language of the other
    near = search_pool(pool, k=5, csls=3).near
    assert np.array_equal(near, np.argsort(-scores, axis=1)[:, : near.shape[1]])


def test_monolingual_search_is_judged_by_the_other_languages() -> None:
    """Three lines at 0, 10 and 30 degrees in three languages; in Russian line 2 lies at -5."""
    angles = np.array([[0, 0, 0], [10, 10, 10], [30, 30, -5]], float)
    pool = Pool(
        at_angles(list(angles.ravel())), np.tile(np.arange(3), 3), CODES, np.repeat(range(3), 3)
    )
    rows = search_rows(pool, k=1).set_index(["language", "line"])["mono_recall_1"]
    # To English line 0, German says line 1 (10 away) and Russian line 2 (5 away). The mean cosine
    # of line 1 is cos 10, that of line 2 (cos 30 + cos 5) / 2: line 1.
    assert rows["en", 0] == 1
    assert rows["ru", 0] == 0  # Russian lists line 2, the others say line 1
    assert rows["en", 2] == 1
    assert rows["ru", 2] == 0
    fixed = replace(pool, vectors=at_angles([0, 0, 0, 10, 10, 10, 30, 30, 30]))
    assert search_rows(fixed, k=1, reference=pool)["mono_recall_1"].mean() == 1


def test_monolingual_search_needs_another_language_that_judges() -> None:
    pool = planted(0.0, languages=2)
    alone = replace(pool, line=np.where(pool.language == 1, -1, pool.line))
    with pytest.raises(LangspecError, match="no text of the pool has a translation"):
        search_rows(alone)
    # Two English texts a line: the search crosses no language, and nobody judges it.
    one = replace(pool, language=np.zeros(len(pool.line), int))
    assert search_rows(one)["mono_recall_10"].isna().all()


@given(st.integers(0, 10_000), st.sampled_from([None, 4]))
@settings(max_examples=15, deadline=None)
def test_the_order_of_the_pool_plays_no_part(seed: int, csls: int | None) -> None:
    pool = planted(0.6, lines=15, seed=seed)
    pool = replace(pool, line=np.where(pool.line == 3, -1, pool.line))
    order = np.random.default_rng(seed).permutation(len(pool.line))
    names = ["line", "language"]
    rows, again = (
        search_rows(one, k=5, csls=csls).sort_values(names, ignore_index=True)
        for one in (pool, pool.take(order))
    )
    pd.testing.assert_frame_equal(rows, again, rtol=1e-9)


def test_equal_vectors_prefer_no_language() -> None:
    """All scores tie: the order is fixed, the same for a shuffled pool, and of no language."""
    pool = replace(planted(0.0, lines=200), vectors=np.ones((800, 3), np.float32))
    rows = search_rows(pool)
    for _, part in rows.groupby("language"):
        assert part["own_share"].mean() < 0.75
    overall = means(rows)
    assert overall["own_share"] == pytest.approx(overall["pool_share"], abs=0.02)
    order = np.random.default_rng(0).permutation(800)
    again = search_rows(pool.take(order))
    names = ["line", "language"]
    pd.testing.assert_frame_equal(
        rows.sort_values(names, ignore_index=True), again.sort_values(names, ignore_index=True)
    )
    zeros = search_rows(replace(pool, vectors=np.zeros((800, 3), np.float32)))
    pd.testing.assert_frame_equal(rows, zeros)


def test_lists_are_exact_where_float32_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cosines that differ by 1e-8, in blocks of a few rows, against float64 by brute force."""
    monkeypatch.setattr(nearest_module, "_CELLS", 700)
    rng = np.random.default_rng(1)
    base = np.ones(64)
    vectors = (base + 1e-3 * rng.normal(size=(120, 64))).astype(np.float32)
    pool = Pool(vectors, np.arange(120) % 4, CODES, np.arange(120) // 4)
    exact = pool.units.astype(float) @ pool.units.T.astype(float)
    exact = np.round(exact, 9)
    np.fill_diagonal(exact, -np.inf)
    ties = np.broadcast_to(tie_order(pool.line, pool.language), exact.shape)
    order = np.lexsort((ties, -exact), axis=1)
    near = search_pool(pool).near
    assert np.array_equal(near, order[:, : near.shape[1]])


def test_distractors_are_listed_and_never_ask() -> None:
    pool = planted(0.0, lines=10, languages=2)
    lonely = replace(pool, line=np.where(pool.line < 5, pool.line, -1))
    search = search_pool(lonely)
    assert len(search.near) == 10
    assert (lonely.line[search.near] == -1).any()
    once = replace(pool, line=np.where(pool.line < 5, pool.line, 100 + np.arange(20)))
    assert np.array_equal(search_pool(once).pool.queries, lonely.queries)  # a line with one text


def test_hubness_of_known_lists() -> None:
    even = hubness(np.array([[0], [1], [2], [3]]), 4)
    assert np.isnan(even.skewness)
    assert (even.never, even.most) == (0.0, 1)
    one = hubness(np.array([[0], [0], [0], [0]]), 4)  # counts 4 0 0 0: mean 1, variance 3
    assert one.skewness == pytest.approx(((3**3 - 3) / 4) / 3**1.5)
    assert (one.never, one.most) == (0.75, 4)


def test_csls_lowers_hubness() -> None:
    rng = np.random.default_rng(0)
    lines, hub = 150, np.zeros(16)
    vectors = rng.normal(size=(lines, 1, 16)) + 0.5 * rng.normal(size=(lines, 4, 16))
    vectors[:10] = 0.6 * vectors[:10] + hub  # nearer to the middle: not by angle
    vectors += 1.0  # a common direction makes hubs
    pool = Pool(
        vectors.reshape(-1, 16), np.tile(np.arange(4), lines), CODES, np.repeat(range(lines), 4)
    )
    plain, csls = search_pool(pool).hubness, search_pool(pool, csls=10).hubness
    assert csls.skewness < plain.skewness


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"line": np.zeros(3, int)}, "a language and a line number each"),
        ({"vectors": np.zeros(8)}, "vectors"),
        ({"language": np.full(8, 4)}, r"numbers 0\.\.3, got 4\.\.4"),
        ({"language": np.full(8, -1)}, "got -1"),
        ({"line": np.full(8, -2)}, "start at 0"),
        ({"vectors": np.full((8, 16), np.nan)}, "vector 0 holds values that are not finite"),
    ],
)
def test_bad_pools_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(LangspecError, match=message):
        search_rows(replace(planted(0.0, lines=2), **change))


def test_bad_searches_are_refused() -> None:
    pool = planted(0.0, lines=4)
    with pytest.raises(LangspecError, match="at least one text"):
        search_rows(pool, k=0)
    with pytest.raises(LangspecError, match="not of the same texts"):
        search_rows(pool, reference=pool.take(np.arange(8)))


def test_short_vectors_are_searched_like_long_ones() -> None:
    pool = planted(0.5, lines=8)
    tiny = replace(pool, vectors=pool.vectors.astype(float) * 1e-200)
    pd.testing.assert_frame_equal(search_rows(pool), search_rows(tiny), rtol=1e-5)


def test_vectors_of_float64_stay_as_they_are() -> None:
    vectors = np.full((3, 4), 2.0)
    np.testing.assert_allclose(unit_rows(vectors), 0.5)
    np.testing.assert_array_equal(vectors, 2.0)
