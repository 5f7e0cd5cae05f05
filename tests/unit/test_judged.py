"""A team's own judged search set: its three files, and what is measured with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from langspec.errors import LangspecError
from langspec.pool_search.judged import Judged, judged_rows, read_judged
from langspec.pool_search.summary import summary

TEXTS = [
    {"_id": "a", "title": "Cats", "text": "They sleep.", "language": "en"},
    {"_id": "b", "text": "Sie schlafen.", "lang": "de"},
    {"_id": "c", "text": "Dogs bark.", "language": "en"},
    {"_id": "d", "text": "Hunde bellen.", "language": "de"},
]
QUERIES = [
    {"_id": "q1", "text": "what do cats do", "language": "en"},
    {"_id": "q2", "text": "was tun Hunde", "language": "de"},
    {"_id": "q3", "text": "nobody judged this", "language": "de"},
]
QRELS = "query-id\tcorpus-id\tscore\nq1\ta\t2\nq1\tb\t1\nq1\tc\t0\nq2\td\t1\n"


def files(
    folder: Path,
    *,
    queries: str | list[dict[str, object]] = QUERIES,  # type: ignore[assignment]
    corpus: str | list[dict[str, object]] = TEXTS,  # type: ignore[assignment]
    qrels: str = QRELS,
) -> tuple[Path, Path, Path]:
    paths = folder / "queries.jsonl", folder / "qrels.tsv", folder / "corpus.jsonl"
    for path, content in zip(paths, (queries, qrels, corpus), strict=True):
        if not isinstance(content, str):
            content = "".join(json.dumps(row) + "\n" for row in content)
        path.write_text(content, encoding="utf-8")
    return paths


def read(folder: Path, **content: object) -> Judged:
    return read_judged(*files(folder, **content))  # type: ignore[arg-type]


def at_angles(*degrees: float) -> np.ndarray:
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_the_layout_of_beir_is_read(tmp_path: Path) -> None:
    judged = read(tmp_path)
    assert judged.queries.ids == ("q1", "q2")
    assert judged.unjudged == 1
    assert judged.corpus.texts[:2] == ("Cats They sleep.", "Sie schlafen.")
    assert judged.corpus.languages == ("en", "de", "en", "de")
    pairs = {
        (judged.queries.ids[q], judged.corpus.ids[t], g)
        for q, t, g in zip(judged.query, judged.text, judged.grade, strict=True)
    }
    assert pairs == {("q1", "a", 2.0), ("q1", "b", 1.0), ("q2", "d", 1.0)}


@pytest.mark.parametrize(
    "qrels",
    [
        "q1 0 a 2\nq1 0 b 1\nq1 0 c 0\nq2 0 d 1\n",  # TREC
        "q1\t0\ta\t2\nq1\t0\tb\t1\nq2\t0\td\t1",
        "q1\ta\t2\nq1\tb\t1\nq2\td\t1\n",  # no header
        "query_id corpus_id score\nq1 a 2\n\nq1 b 1\nq1 b 1\nq2 d 1\n",  # the same judgement twice
        "\ufeff" + QRELS.replace("\n", "\r\n"),
    ],
)
def test_other_forms_of_judgements_say_the_same(tmp_path: Path, qrels: str) -> None:
    one, other = read(tmp_path), read(tmp_path, qrels=qrels)
    for name in ("query", "text", "grade"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_numbers_are_ids(tmp_path: Path) -> None:
    judged = read(
        tmp_path,
        queries=[{"_id": 1, "text": "a"}],
        corpus=[{"id": "1", "text": "b"}],
        qrels="1\t1\t1\n",
    )
    assert judged.queries.ids == judged.corpus.ids == ("1",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"qrels": QRELS + "q1\tz\t1\n"},
            r"qrels.tsv:6: judges text 'z', which .*jsonl lacks",
        ),
        (
            {"qrels": QRELS + "q9\ta\t1\n"},
            r":6: judges query 'q9', which .*queries.jsonl",
        ),
        ({"qrels": QRELS + "q1\ta\t1\n"}, r"qrels.tsv:6: judges text 'a' for query 'q1' again"),
        ({"qrels": QRELS + "q1\ta\n"}, r"qrels.tsv:6: has 2 columns; expected query-id"),
        ({"qrels": QRELS + "q1\t0\ta\t1\n"}, r"qrels.tsv:6: has 4 columns"),
        (
            {"qrels": QRELS + "q1\ta\thigh\n"},
            r"6: expected a number as score, got 'high'",
        ),
        ({"qrels": QRELS + "q1\tb\tnan\n"}, r"qrels.tsv:6: expected a number as score, got 'nan'"),
        ({"qrels": "a,b,1\n"}, r"qrels.tsv:1: has 1 columns"),
        ({"qrels": "query-id\tcorpus-id\tscore\n"}, r"qrels.tsv: no text is relevant"),
        ({"qrels": "q1\ta\t0\n"}, r"qrels.tsv: no text is relevant"),
        ({"qrels": " \n"}, r"qrels.tsv: holds no line"),
        ({"corpus": [*TEXTS, TEXTS[1]]}, r"corpus.jsonl:5: has _id 'b' a second time"),
        ({"queries": [*QUERIES, QUERIES[0]]}, r"queries.jsonl:4: has _id 'q1' a second time"),
        ({"corpus": [*TEXTS, {"_id": "e", "text": ""}]}, r"corpus.jsonl:5: _id 'e' has no text"),
        ({"corpus": [*TEXTS, {"text": "x"}]}, r"corpus.jsonl:5: expected _id, .* got None"),
        ({"corpus": [*TEXTS, {"_id": "e", "text": 3}]}, r"5: expected text under text, got 3"),
        ({"corpus": "_id,text\n"}, r"corpus.jsonl:1: is no JSON object"),
        ({"corpus": "[1]\n"}, r"corpus.jsonl:1: is no JSON object"),
        ({"corpus": "[" * 100_000 + "\n"}, r"corpus.jsonl:1: is no JSON object"),
        (
            {"corpus": [*TEXTS, {"_id": "e", "text": "a \ud83d"}]},
            r"corpus.jsonl:5: _id 'e' holds half a pair of code units \('.ud83d'\)",
        ),
        ({"queries": ""}, r"queries.jsonl: holds no line"),
    ],
)
def test_each_fault_is_one_line_with_its_place(
    tmp_path: Path, content: dict[str, object], message: str
) -> None:
    with pytest.raises(LangspecError, match=message) as caught:
        read(tmp_path, **content)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    queries, qrels, corpus = files(tmp_path)
    with pytest.raises(LangspecError, match=r"none.tsv: cannot be read: No such file"):
        read_judged(queries, tmp_path / "none.tsv", corpus)
    corpus.write_bytes(b'{"_id": "a", "text": "\xff"}\n')
    with pytest.raises(LangspecError, match=r"corpus.jsonl: is not UTF-8 text \(byte 22\)"):
        read_judged(queries, qrels, corpus)


def test_measures_by_hand(tmp_path: Path) -> None:
    """q1 at 0 lists c (1), b (2), a (3), d (60); q2 at 50 lists d (10 away), a (47), ..."""
    judged = read(tmp_path)
    rows = judged_rows(judged, at_angles(0, 50), at_angles(3, 2, 1, 60), k=3)
    first, second = rows.iloc[0], rows.iloc[1]
    assert first["recall_1"] == 0
    assert first["recall_3"] == 1
    assert first["rr"] == 0.5
    gained, ideal = 1 / np.log2(3) + 2 / np.log2(4), 2 + 1 / np.log2(3)
    assert first["ndcg_3"] == pytest.approx(gained / ideal)
    assert first["preferred"] == 0  # b is German and comes before a
    assert first["preferred_chance"] == 0.5
    assert first["own_share"] == pytest.approx(2 / 3)
    assert first["pool_share"] == 0.5
    assert first["mono_recall_3"] == 1  # of a alone, among a and c
    assert second["recall_1"] == second["rr"] == second["ndcg_3"] == 1
    assert np.isnan(second["preferred"])  # no relevant text in another language
    assert list(rows["language"]) == ["en", "de"]
    assert len(summary(rows, rows)) > 0


def test_without_languages_only_relevance_is_measured(tmp_path: Path) -> None:
    def bare(rows: list[dict[str, str]]) -> list[dict[str, str]]:
        return [{"_id": row["_id"], "text": row["text"]} for row in rows]

    judged = read(tmp_path, queries=bare(QUERIES), corpus=bare(TEXTS))
    rows = judged_rows(judged, at_angles(0, 50), at_angles(3, 2, 1, 60), k=3)
    assert rows["recall_3"].notna().all()
    assert rows[["own_share", "pool_share", "preferred", "mono_recall_3"]].isna().all(axis=None)


def test_csls_counts_the_queries_of_a_language(tmp_path: Path) -> None:
    """German texts lie nearer to every query by an offset; CSLS takes it away again."""
    rng, lines = np.random.default_rng(0), 60
    languages = ["en", "de"] * lines
    queries = [{"_id": f"q{i}", "text": "x", "language": code} for i, code in enumerate(languages)]
    texts = [{"_id": f"t{i}", "text": "x", "language": code} for i, code in enumerate(languages)]
    qrels = "".join(
        f"q{i}\tt{j}\t1\n" for i in range(2 * lines) for j in (i - i % 2, i - i % 2 + 1)
    )
    judged = read(tmp_path, queries=queries, corpus=texts, qrels=qrels)
    content = np.repeat(rng.normal(size=(lines, 12)), 2, axis=0)
    offset = np.zeros((2 * lines, 12))
    offset[1::2] = 2 * np.ones(12)
    vectors = [content + offset + 0.3 * rng.normal(size=content.shape) for _ in range(2)]
    plain = judged_rows(judged, *vectors).mean(numeric_only=True)
    csls = judged_rows(judged, *vectors, csls=10).mean(numeric_only=True)
    assert plain["preferred"] > 0.95
    assert csls["preferred"] < 0.75
    assert csls["recall_10"] > plain["recall_10"]
    assert plain["mono_recall_10"] > 0.9


def test_vectors_of_other_texts_are_refused(tmp_path: Path) -> None:
    judged = read(tmp_path)
    with pytest.raises(LangspecError, match="for 2 queries and 4 texts, got"):
        judged_rows(judged, np.ones((3, 2)), np.ones((4, 2)))
    with pytest.raises(LangspecError, match="vectors of one width"):
        judged_rows(judged, np.ones((2, 2)), np.ones((4, 3)))
    with pytest.raises(LangspecError, match="not finite"):
        judged_rows(judged, np.full((2, 2), np.nan), np.ones((4, 2)))
