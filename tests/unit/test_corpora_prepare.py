from __future__ import annotations

import json
import logging
import lzma
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from corpora_files import conllu, files_in, official_folder, options, pairs, plain, write
from langspec.corpora.card import write_card
from langspec.corpora.prepare import prepare
from langspec.corpora.tables import SCHEMAS, read_table
from langspec.errors import LangspecError
from langspec.files import sha256_file, sha256_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return official_folder(tmp_path / "raw")


def run(folder: Path, **changes: Any) -> tuple[Path, dict[str, Any]]:
    out = folder.parent / "out"
    return out, prepare(files_in(folder), out, **options(**changes))


def rows(out: Path, name: str, **choice: Any) -> list[dict[str, Any]]:
    return read_table(out, name, **choice).to_pylist()


def counts(card: dict[str, Any], name: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {(r["language"], r["split"]): r for r in card["corpora"][name]["rows"]}


def test_tables_have_the_agreed_schemas_and_order(folder: Path) -> None:
    out, card = run(folder)
    for name in ("pos", "nli", "text"):
        table = read_table(out, name)
        assert table.schema.equals(SCHEMAS[name])
        keys = list(zip(table["split"].to_pylist(), table["language"].to_pylist(), strict=True))
        assert keys == sorted(keys)
        assert sha256_file(out / f"{name}.parquet") == card["outs"][f"{name}.parquet"]["sha256"]
    for name in ("pos", "nli"):
        ids = read_table(out, name)["id"].to_pylist()
        assert len(set(ids)) == len(ids)
    assert sorted(file.name for file in out.iterdir()) == [
        "card.json",
        "card.md",
        "nli.parquet",
        "pos.parquet",
        "text.parquet",
    ]
    first = rows(out, "pos", split="test", languages=["de"])[0]
    assert first["words"] == ["detest0w0", "detest0w1", "detest0w2"]
    assert (first["treebank"], first["labels"]) == ("de_toy", ["NOUN"] * 3)


def test_only_the_source_is_trained_on(folder: Path) -> None:
    # A train file of a target is not even opened: this one could not be read.
    write(folder / "ud" / "UD_X-de" / "de_toy-ud-train.conllu", "no conllu")
    out, _ = run(folder)
    for name in ("pos", "nli"):
        assert {row["language"] for row in rows(out, name, split="train")} == {"en"}
        assert {row["language"] for row in rows(out, name, split="test")} == {"de", "en", "fr"}


def test_same_bytes_twice_whatever_the_order_of_files(folder: Path, tmp_path: Path) -> None:
    files = files_in(folder)
    prepare(files, tmp_path / "a", **options())
    prepare(files[::-1], tmp_path / "deep" / "b", **options())
    assert sha256_folder(tmp_path / "a") == sha256_folder(tmp_path / "deep" / "b")
    prepare(files, tmp_path / "a", **options(seed=2))
    assert sha256_folder(tmp_path / "a") != sha256_folder(tmp_path / "deep" / "b")


def test_translations_share_group_and_text_lines_share_splits(folder: Path) -> None:
    out, _ = run(folder, limits={"nli_test": 6, "text": 20})
    groups = {
        code: {row["group"] for row in rows(out, "nli", split="test", languages=[code])}
        for code in ("de", "en", "fr")
    }
    assert groups["de"] == groups["en"] == groups["fr"]
    assert len(groups["de"]) == 2
    lines = {
        code: {(row["line"], row["split"]) for row in rows(out, "text", languages=[code])}
        for code in ("de", "en", "fr")
    }
    assert lines["de"] == lines["en"] == lines["fr"]
    assert len(lines["de"]) == 20


def test_limits_only_add_rows(folder: Path) -> None:
    names = ("pos_train", "pos_dev", "pos_test", "nli_train", "nli_dev", "nli_test", "text")
    seen: dict[str, set[str]] = {name: set() for name in ("pos", "nli", "text")}
    for limit in (1, 3, 4, 100):
        out, card = run(folder, limits=dict.fromkeys(names, limit))
        for name in seen:
            now = {json.dumps(row) for row in rows(out, name)}
            assert seen[name] < now
            seen[name] = now
        for (_, split), row in counts(card, "pos").items():
            assert row["kept"] == min(limit, {"train": 12, "dev": 4, "test": 6}[split])
            assert row["kept"] + row["over_limit"] == row["read"]


def test_pairs_without_gold_label_or_text_are_counted(folder: Path) -> None:
    text = pairs("de", 5) + pairs("en", 5) + pairs("fr", 5)
    lines = text.splitlines(keepends=True)
    lines[0] = lines[0].replace('"neutral"', '"-"')
    lines[1] = lines[1].replace("de hypothesis 0 1", " ")
    write(folder / "xnli" / "xnli.test.jsonl", "".join(lines) + pairs("sw", 2))
    out, card = run(folder)
    row = counts(card, "nli")["de", "test"]
    assert row["dropped"] == {"gold_label": 1, "not_empty": 1}
    assert (row["read"], row["kept"]) == (15, 13)
    assert len(rows(out, "nli", split="test", languages=["de"])) == 13
    notes = card["corpora"]["nli"]["notes"]
    assert notes["pairs_of_languages_outside_the_run"] == {"sw": 6 + 6}


def test_blank_sentences_are_dropped_and_counted(folder: Path) -> None:
    blank = [("_", "X"), ("_", "X")]
    path = folder / "ud" / "UD_X-de" / "de_toy-ud-test.conllu"
    write(path, conllu(*plain("de", 3), blank, [("_", "SYM")], [("_", "SYM"), ("a", "X")]))
    out, card = run(folder)
    assert counts(card, "pos")["de", "test"]["dropped"] == {"has_forms": 1}
    assert [r["words"] for r in rows(out, "pos", split="test", languages=["de"])][3:] == [
        ["_"],
        ["_", "a"],
    ]


def test_filters_count_and_warn_over_half(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(folder / "ud" / "UD_X-de" / "de_toy-ud-test.conllu", conllu(*plain("d", 9, words=9)))
    write(folder / "text" / "toy" / "fr.txt", "court\n" * 30 + "x" * 30 + "\n" + "\n" * 9)
    with caplog.at_level(logging.WARNING):
        out, card = run(folder, min_characters=12, max_words=5, targets=("fr", "de"))
    assert counts(card, "pos")["de", "test"]["dropped"] == {"max_words": 9}
    dropped: Counter[str] = Counter()
    for (code, _), row in counts(card, "text").items():
        if code == "fr":
            dropped.update(row["dropped"])
    assert dropped == {"not_empty": 9, "min_characters": 30}
    assert len(rows(out, "text", languages=["fr"])) == 1
    expected = "text: min_characters drops 30 of 40 rows of fr, over half; 1 pass all filters"
    assert expected in card["warnings"]
    assert expected in caplog.text
    assert any(w.startswith("pos: max_words drops 9 of 13 rows of de") for w in card["warnings"])


def test_join_by_space(folder: Path) -> None:
    text = conllu([("a", "X"), ("b", "X")]).replace("_\n2", "SpaceAfter=No\n2")
    write(folder / "ud" / "UD_X-de" / "de_toy-ud-test.conllu", text)
    for join, spaces in (("natural", [False, True]), ("space", [True, True])):
        out, _ = run(folder, join=join)
        (row,) = rows(out, "pos", split="test", languages=["de"])
        assert row["space_after"] == spaces


def test_several_treebanks_and_parts_are_pooled(folder: Path) -> None:
    ud = folder / "ud"
    write(ud / "UD_X-en" / "en_toy-ud-train-b.conllu", conllu(*plain("b", 2), ident="train"))
    write(ud / "UD_Y-en" / "en_other-ud-train.conllu", conllu(*plain("o", 3)))
    out, card = run(folder)
    train = rows(out, "pos", split="train")
    assert Counter(row["treebank"] for row in train) == {"en_toy": 14, "en_other": 3}
    assert len({row["id"] for row in train}) == 17
    assert card["corpora"]["pos"]["notes"]["treebanks"]["en"] == "en_other en_toy"


def test_gaps_are_listed_and_only_the_needed_are_errors(folder: Path) -> None:
    (folder / "ud" / "UD_X-de" / "de_toy-ud-dev.conllu").unlink()
    (folder / "ud" / "UD_X-fr" / "fr_toy-ud-test.conllu").unlink()
    _, card = run(folder)
    assert card["corpora"]["pos"]["without_dev"] == ["de"]
    assert card["corpora"]["pos"]["without_test"] == ["fr"]  # nli has fr
    with pytest.raises(LangspecError, match=r"targets: no test data for fr in pos; enter"):
        run(folder, tasks=("pos",))
    with pytest.raises(LangspecError, match=r"no test data for fi, ja in pos or nli"):
        run(folder, targets=("de", "fi", "ja"))


def test_missing_source_train_names_what_is_expected(folder: Path) -> None:
    with pytest.raises(LangspecError, match=r"MultiNLI|multinli_1\.0_train\.jsonl"):
        run(folder, source="de", targets=("fr",), tasks=("nli",))
    (folder / "ud" / "UD_X-en" / "en_toy-ud-train.conllu").unlink()
    with pytest.raises(LangspecError, match=r"corpora\.source: .*'en' for pos.*en_\*-ud-train"):
        run(folder)
    _, card = run(folder, source="de", targets=("fr",), tasks=("pos",))
    assert ("de", "train") in counts(card, "pos")


def test_a_failed_run_leaves_the_old_tables(folder: Path) -> None:
    out, _ = run(folder)
    before = sha256_folder(out)
    write(folder / "text" / "toy" / "de.txt", "a\r\rb\n")
    with pytest.raises(LangspecError, match=r"de\.txt:1: "):
        run(folder)
    assert sha256_folder(out) == before
    assert {path.name for path in out.parent.iterdir()} == {"raw", "out"}


def test_tables_of_a_dropped_task_go_and_other_files_stay(folder: Path) -> None:
    out, _ = run(folder)
    write(out / "raw" / "kept.txt", "x")
    run(folder, tasks=("pos",))
    assert not (out / "nli.parquet").exists()
    assert (out / "raw" / "kept.txt").exists()


def test_unequal_text_files_are_said_and_still_share_splits(folder: Path) -> None:
    write(folder / "text" / "toy" / "de.txt", "".join(f"zeile {n}\n" for n in range(25)))
    out, card = run(folder)
    assert card["corpora"]["text"]["notes"]["parallel"] == "no"
    assert any("de 25, en 40, fr 40" in warning for warning in card["warnings"])
    splits = {(row["line"], row["split"]) for row in rows(out, "text")}
    assert len(splits) == 40


def test_text_in_two_folders_or_of_nothing_but_empty_lines(folder: Path) -> None:
    write(folder / "text" / "toy" / "de.txt", "\n" * 40)
    with pytest.raises(LangspecError, match="leave no row of language de in text"):
        run(folder)
    write(folder / "text" / "wiki" / "de.txt", "a\n")
    with pytest.raises(LangspecError, match=r"text in 2 folders \(text/toy, text/wiki\)"):
        run(folder)


def test_card_counts_duplicates_and_overlap(folder: Path) -> None:
    same = plain("same", 1)
    for split, count in (("train", 3), ("dev", 1), ("test", 2)):
        text = conllu(*plain(split, 4), *same * count)
        write(folder / "ud" / "UD_X-en" / f"en_toy-ud-{split}.conllu", text)
    _, card = run(folder)
    (entry,) = (e for e in card["corpora"]["pos"]["duplicates"] if e["language"] == "en")
    assert entry == {
        "language": "en",
        "within_train": 2,
        "within_dev": 0,
        "within_test": 1,
        "dev_rows_in_train": 1,
        "test_rows_in_train": 2,
        "test_rows_in_dev": 2,
    }


def test_card_describes_without_quoting(folder: Path) -> None:
    out, card = run(folder)
    text = (out / "card.md").read_text() + (out / "card.json").read_text()
    assert str(folder.parent) not in text
    for phrase in ("detest0w0", "de premise", "de line"):
        assert phrase not in text
    row = counts(card, "pos")["en", "train"]
    assert row["labels"] == {"NOUN": 36}
    assert row["words"] == {"mean": 3.0, "median": 3.0, "max": 3, "total": 36}
    assert counts(card, "nli")["en", "train"]["labels"] == {
        "contradiction": 7,
        "entailment": 7,
        "neutral": 7,
    }
    sources = {file["name"]: file for file in card["sources"]}
    assert sources["ud/UD_X-de/de_toy-ud-dev.conllu"]["licence_name"] == "CC BY-SA 4.0"
    assert "ud/UD_X-de/de_toy-ud-train.conllu" not in sources  # not read
    assert json.loads((out / "card.json").read_text()) == json.loads(json.dumps(card))


def test_compressed_files_give_the_same_rows(folder: Path, tmp_path: Path) -> None:
    out, card = run(folder)
    packed = shutil.copytree(folder, tmp_path / "packed")
    for path in [*packed.rglob("*.conllu"), *packed.rglob("*.jsonl")]:
        Path(f"{path}.xz").write_bytes(lzma.compress(path.read_bytes()))
        path.unlink()
    other = tmp_path / "other"
    prepare(files_in(packed), other, **options())
    for name in ("pos", "nli"):
        assert (other / f"{name}.parquet").read_bytes() == (out / f"{name}.parquet").read_bytes()
    assert card["generated"] is False


def test_options_that_nothing_reads_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"pos_val\n\s+Extra inputs"):
        options(limits={"pos_val": 3})
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        options(limits={"pos_dev": 0})
    with pytest.raises(ValueError, match="drop needs a threshold"):
        options(drop_near_duplicates=True)
    with pytest.raises(ValueError, match="task 'ner'"):
        prepare([], tmp_path, **options(tasks=("ner",)))


@pytest.mark.parametrize("generated", [True, False])
def test_the_data_card_says_at_its_top_that_text_is_artificial(
    tmp_path: Path, generated: bool
) -> None:
    card = {"generated": generated, "warnings": ["one"], "options": {}, "corpora": {},
            "across": [], "outs": {}, "sources": []}  # fmt: skip
    write_card(tmp_path, card)
    top = (tmp_path / "card.md").read_text(encoding="utf-8").split("\n\n")[1]
    assert top.startswith("**Artificial: generated by langspec, MIT.**") == generated
