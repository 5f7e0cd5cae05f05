"""The paper's rules, and the sound ones beside them, on folders with planted rows."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from corpora_files import conllu, files_in, official_folder, options, plain, write
from langspec.corpora.prepare import prepare
from langspec.corpora.splits import held_out, key_split, line_splits, stratified_splits
from langspec.corpora.tables import read_table
from langspec.errors import LangspecError

PARTS = (("train", 0.7), ("dev", 0.1), ("adversary", 0.1), ("test", 0.1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return official_folder(tmp_path / "raw")


def run(folder: Path, **changes: Any) -> tuple[Path, dict[str, Any]]:
    out = folder.parent / "out"
    tokenizer = changes.pop("tokenizer", None)
    return out, prepare(files_in(folder), out, **options(**changes), tokenizer=tokenizer)


def rows(out: Path, name: str, **choice: Any) -> list[dict[str, Any]]:
    return read_table(out, name, **choice).to_pylist()


def counts(card: dict[str, Any], name: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {(r["language"], r["split"]): r for r in card["corpora"][name]["rows"]}


def assert_counts_add_up(card: dict[str, Any]) -> None:
    for facts in card["corpora"].values():
        for row in facts["rows"]:
            gone = sum(row["dropped"].values()) + row["over_limit"]
            assert row["read"] == gone + row["kept"], row
            assert min(row["read"], row["over_limit"], row["kept"]) >= 0


@settings(max_examples=50)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=6), st.integers(0, 99))
def test_the_papers_rule_deals_floors_and_pools_the_rest(sizes: list[int], seed: int) -> None:
    found = stratified_splits(sizes, PARTS, seed=seed)
    assert [len(one) for one in found] == sizes
    floors: Counter[str] = Counter()
    for size, splits in zip(sizes, found, strict=True):
        mine = Counter(splits)
        assert set(mine) <= {name for name, _ in PARTS}
        for name, share in PARTS:
            floor = int(size * share + 1e-9)
            floors[name] += floor
            assert mine[name] >= floor
    left = sum(sizes) - sum(floors.values())
    total = Counter(split for splits in found for split in splits)
    extra = {name: total[name] - floors[name] for name, _ in PARTS}
    again = {name: int(left * share + 1e-9) for name, share in PARTS}
    assert all(extra[name] - again[name] in (0, 1) for name in extra)
    # The odd ones go to the first parts.
    odd = [extra[name] - again[name] for name, _ in PARTS]
    assert odd == sorted(odd, reverse=True)
    assert found == stratified_splits(sizes, PARTS, seed=seed)


def test_a_full_language_of_the_paper_is_split_as_published() -> None:
    for splits in stratified_splits([5000] * 3, PARTS, seed=0):
        assert Counter(splits) == {"train": 3500, "dev": 500, "adversary": 500, "test": 500}


def test_shares_of_documents_and_lines() -> None:
    four = (0.4, 0.2, 0.1, 0.3)
    for found in (
        Counter(key_split(str(n), four, seed=1) for n in range(4000)),
        Counter(line_splits(4000, four, seed=1)),
    ):
        for name, share in zip(("train", "dev", "test", "adversary"), four, strict=True):
            assert abs(found[name] / 4000 - share) < 0.03
    assert abs(sum(held_out(str(n), 0.1, seed=1) for n in range(4000)) / 4000 - 0.1) < 0.02
    # Without a fourth share nothing moves.
    assert line_splits(50, (0.5, 0.2, 0.3), seed=1) == line_splits(
        50, (0.5, 0.2, 0.3, 0.0), seed=1
    )


@pytest.mark.parametrize("rule", ["shared", "paper"])
def test_val_is_cut_from_the_sources_train(folder: Path, rule: str) -> None:
    whole, _ = run(folder)
    before = {name: rows(whole, name, split="train") for name in ("pos", "nli")}
    share = 0.25 if rule == "paper" else 0.5
    out, card = run(folder, val=share, split_rule=rule)
    for name in ("pos", "nli"):
        train, val = (rows(out, name, split=split) for split in ("train", "val"))
        assert train
        assert val
        assert {row["language"] for row in val} == {"en"}
        together = sorted(row["id"] for row in [*train, *val])
        assert together == sorted(row["id"] for row in before[name])
    assert_counts_add_up(card)
    if rule == "paper":
        assert counts(card, "pos")["en", "val"]["kept"] == 3  # of 12
        assert counts(card, "nli")["en", "val"]["kept"] == 5  # of 21: the odd one is train's
    else:
        sides = [
            {row["group"] for row in rows(out, "nli", split=split)} for split in ("train", "val")
        ]
        assert not sides[0] & sides[1]


def test_documents_are_not_cut_in_two(folder: Path) -> None:
    documents = "".join(
        f"# newdoc id = d{n}\n" + conllu(*plain(f"d{n}", 3), ident=f"d{n}") for n in range(12)
    )
    write(folder / "ud" / "UD_X-en" / "en_toy-ud-train.conllu", documents)
    out, _ = run(folder, val=0.4, tasks=("pos",))
    sides = [
        {row["words"][0].split("w")[0][:-1] for row in rows(out, "pos", split=split)}
        for split in ("train", "val")
    ]
    assert all(sides)
    assert not sides[0] & sides[1]


def test_text_in_four_parts_by_the_papers_rule(folder: Path) -> None:
    shares = {"text_splits": (0.7, 0.1, 0.1, 0.1), "split_rule": "paper"}
    out, card = run(folder, **shares, limits={"text": 30})
    found = Counter((row["language"], row["split"]) for row in rows(out, "text"))
    for code in ("de", "en", "fr"):
        assert [found[code, part] for part in ("train", "dev", "test", "adversary")] == [
            21,
            3,
            3,
            3,
        ]
    lines = [[row["line"] for row in rows(out, "text", languages=[code])] for code in ("de", "en")]
    assert sorted(lines[0]) == sorted(lines[1])  # the limit is shared,
    assert lines[0] != lines[1]  # the split is not
    assert_counts_add_up(card)


def test_a_stripped_treebank_is_refused_by_name_or_left_out(folder: Path) -> None:
    blank = [[("_", "X"), ("_", "X")], [("_", "X")], [("_", "NOUN")] * 3]
    write(folder / "ud" / "UD_E-en" / "en_esl-ud-train.conllu", conllu(*blank))
    with pytest.raises(
        LangspecError, match=r"en_esl-ud-train\.conllu: every form.*stripped: skip"
    ):
        run(folder)
    out, card = run(folder, stripped="skip")
    assert counts(card, "pos")["en", "train"]["dropped"] == {"has_forms": 3}
    assert not any("_" in row["words"] for row in rows(out, "pos"))
    name = "left_out_as_released_without_text"
    assert card["corpora"]["pos"]["notes"][name] == ["en_esl-ud-train.conllu"]
    assert any("en_esl-ud-train.conllu" in warning for warning in card["warnings"])


def test_a_single_blank_before_text_is_kept_when_skipping(folder: Path) -> None:
    path = folder / "ud" / "UD_X-de" / "de_toy-ud-test.conllu"
    write(path, conllu([("_", "SYM")], *plain("de", 2)))
    out, card = run(folder, stripped="skip")
    assert rows(out, "pos", split="test", languages=["de"])[0]["words"] == ["_"]
    assert "left_out_as_released_without_text" not in card["corpora"]["pos"]["notes"]


def test_texts_that_the_tokenizer_does_not_know_are_dropped(folder: Path) -> None:
    model = models.WordPiece(
        {"[UNK]": 0} | {text: n for n, text in enumerate(_alphabet(), 1)}, unk_token="[UNK]"
    )
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    path = folder.parent / "tokenizer.json"
    tokenizer.save(str(path))
    write(folder / "ud" / "UD_X-de" / "de_toy-ud-dev.conllu", conllu([("a", "X")], [("ж", "X")]))
    lines = (folder / "text" / "toy" / "fr.txt").read_text().splitlines()
    write(folder / "text" / "toy" / "fr.txt", "\n".join([*lines[:30], *["ж"] * 10]) + "\n")
    out, card = run(folder, drop_unknown=True, tokenizer=path)
    assert counts(card, "pos")["de", "dev"]["dropped"] == {"unknown_pieces": 1}
    assert len(rows(out, "text", languages=["fr"])) == 30
    assert not any("ж" in row["text"] for row in rows(out, "text"))
    assert_counts_add_up(card)
    assert len(card["options"]["tokenizer_sha256"]) == 64
    path.write_text("{}")
    with pytest.raises(LangspecError, match="cannot be read as a tokenizer"):
        run(folder, drop_unknown=True, tokenizer=path)


def _alphabet() -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    return [*letters, *(f"##{letter}" for letter in letters)]


def test_near_duplicates_are_counted_and_dropped_by_switch(folder: Path) -> None:
    said = "the committee will publish its report on the harbour next month".split()
    test = [(word, "X") for word in said]
    train = [(word, "X") for word in [*said[:-1], "year"]]
    for split, added in (("test", test), ("train", train)):
        write(
            folder / "ud" / "UD_X-en" / f"en_toy-ud-{split}.conllu",
            conllu(*plain(split, 3), added, ident=split),
        )
    with (folder / "text" / "toy" / "en.txt").open("a") as handle:
        handle.write(" ".join(said) + "\n")
    before, without = run(folder)
    assert without["corpora"]["pos"]["near_duplicates"] == []
    kept = rows(before, "pos")
    out, card = run(folder, near_duplicates=0.7)
    assert rows(out, "pos") == kept
    (entry,) = card["corpora"]["pos"]["near_duplicates"]
    assert (entry["language"], entry["test_rows_near_train"]) == ("en", 1)
    assert entry["train_rows_near_dev_or_test"] == 1
    (both,) = (e for e in card["across"] if (e["corpus"], e["language"]) == ("pos", "en"))
    assert (both["text_rows_near_it"], both["its_rows_near_text"]) == (1, 2)
    out, card = run(folder, near_duplicates=0.7, drop_near_duplicates=True)
    assert len(rows(out, "pos", split="train")) == 3
    assert len(rows(out, "pos", split="test", languages=["en"])) == 4
    assert counts(card, "pos")["en", "train"]["dropped"] == {"near_duplicate": 1}
    assert_counts_add_up(card)
    assert "Near duplicates" in (out / "card.md").read_text()


def test_unequal_parallel_text_is_an_error_where_it_has_to_be_parallel(folder: Path) -> None:
    with (folder / "text" / "toy" / "de.txt").open("a") as handle:
        handle.write("noch eine\n")
    with pytest.raises(LangspecError, match=r"different numbers of lines \(de 41, en 40, fr 40\)"):
        run(folder, parallel_text=True)


def wiki(folder: Path, code: str, articles: int) -> None:
    """Articles of five paragraphs, one of them short, as WikiExtractor writes them."""
    for part, name in ((0, "AA/wiki_00"), (1, "AB/wiki_00")):
        docs = [
            {
                "id": f"{part}{n}",
                "title": f"T{n}",
                "text": f"T{n}\n"
                + "\n".join(f"{code} {part} {n} {k} " + "word " * 6 * (k > 0) for k in range(5)),
            }
            for n in range(articles)
        ]
        text = "".join(json.dumps(doc) + "\n" for doc in docs)
        write(folder / "wiki" / f"{code}wiki" / name, text)


def test_wikipedia_is_split_by_article(folder: Path) -> None:
    for path in (folder / "text" / "toy").iterdir():
        path.unlink()
    for code in ("de", "en", "fr"):
        wiki(folder, code, 40)
    changes: dict[str, Any] = {"min_characters": 20, "text_splits": (0.7, 0.1, 0.1, 0.1)}
    out, card = run(folder, **changes)
    found = rows(out, "text")
    assert len(found) == 3 * 2 * 40 * 4
    articles: dict[tuple[str, ...], set[str]] = {}
    for row in found:
        articles.setdefault(tuple(row["text"].split()[:3]), set()).add(row["split"])
    assert {len(splits) for splits in articles.values()} == {1}
    assert set.union(*articles.values()) == {"train", "dev", "test", "adversary"}
    assert_counts_add_up(card)
    limited, card = run(folder, **changes, limits={"text": 50}, split_rule="paper")
    sizes = Counter((row["language"], row["split"]) for row in rows(limited, "text"))
    assert sizes["de", "train"] == 35
    assert sizes["de", "adversary"] == 5
    assert_counts_add_up(card)
    dropped = sum(
        row["dropped"].get("min_characters", 0)
        for (code, _), row in counts(card, "text").items()
        if code == "en"
    )
    assert dropped == 80
    write(folder / "text" / "toy" / "de.txt", "eine Zeile\n")
    with pytest.raises(LangspecError, match=r"in 2 formats \(text, wiki_extract\)"):
        run(folder)


def test_extracts_need_a_folder_that_names_the_language(tmp_path: Path) -> None:
    write(tmp_path / "articles" / "AA" / "wiki_00", "")
    with pytest.raises(LangspecError, match="folders that name no language"):
        files_in(tmp_path)
    write(tmp_path / "b" / "tr" / "AA" / "wiki_00", "x")
    assert [file.source.language for file in files_in(tmp_path / "b" / "tr")] == ["tr"]
    write(tmp_path / "c" / "zhwiki-20210420-pages-articles-multistream.xml.bz2", "x")
    (file,) = files_in(tmp_path / "c")
    assert (file.source.kind, file.source.language) == ("wiki_dump", "zh")
