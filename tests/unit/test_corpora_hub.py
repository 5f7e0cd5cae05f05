"""Sources of the Hub, read from local folders laid out like their repositories."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import hub_files as made
from corpora_files import files_in, official_folder, options
from langspec.corpora.hub.hub_pairs import MultinliSource, XnliSource
from langspec.corpora.hub.layout import Layout
from langspec.corpora.hub.parquet import ParquetTable
from langspec.corpora.hub.parts import Source, locate
from langspec.corpora.hub.repository import HubRepository
from langspec.corpora.hub.treebanks import HubTreebanks, UdSource, XtremeSource
from langspec.corpora.hub.wikimedia import HubWikipedia, WikipediaSource
from langspec.corpora.prepare import prepare
from langspec.corpora.tables import SCHEMAS, read_table
from langspec.encoders.download import tokenizer_file
from langspec.errors import LangspecError
from langspec.files import sha256_file, sha256_folder
from langspec.presets import load_preset

pytestmark = pytest.mark.medium

RUN = ("de", "en", "fr")
SPLIT_FOLDERS = ("train", "validation", "test")


def where(folder: Path) -> dict[str, str]:
    return {"repo": "owner/name", "revision": "main", "folder": str(folder)}


def place(folder: Path) -> HubRepository:
    return HubRepository(**where(folder))


def xtreme(folder: Path, languages: Sequence[str], source: str) -> XtremeSource:
    section = HubTreebanks(**where(folder), reader="xtreme", treebanks=[])
    return XtremeSource(section, tuple(languages), source)


def rows_of(source: Source) -> list[dict[str, Any]]:
    return [row for file in locate([source]) for row in file.rows()]  # type: ignore[attr-defined]


def ud(folder: Path, languages: Sequence[str] = RUN, treebanks: Sequence[str] = ()) -> UdSource:
    section = HubTreebanks(**where(folder), reader="ud", treebanks=list(treebanks))
    return UdSource(section, tuple(languages), "en")


def wikipedia(folder: Path, files: int | None = None, seed: int = 1) -> WikipediaSource:
    return WikipediaSource(HubWikipedia(**where(folder), dump="20231101", files=files), RUN, seed)


# ---------------------------------------------------------------- the same corpus as from files


def test_ud_and_nli_of_the_hub_give_the_tables_that_files_give(tmp_path: Path) -> None:
    files = files_in(official_folder(tmp_path / "official"))
    hub = locate(
        [
            ud(made.ud_folder(tmp_path / "ud")),
            XnliSource(place(made.xnli_folder(tmp_path / "xnli")), RUN),
            MultinliSource(place(made.multinli_folder(tmp_path / "multinli"))),
        ]
    )
    limits = {"pos_train": 5, "pos_test": 3, "nli_train": 9}
    prepare(files, tmp_path / "a", **options(limits=limits))
    card = prepare(hub, tmp_path / "b", **options(limits=limits))
    # sent_ids are those of the release, so even the samples are the same.
    assert sha256_file(tmp_path / "a" / "pos.parquet") == sha256_file(tmp_path / "b/pos.parquet")
    columns = ["language", "split", "premise", "hypothesis", "label"]
    one, other = (read_table(tmp_path / name, "nli", columns=columns) for name in "ab")
    assert one.num_rows == 9 + 6 * 3 + 15 * 3
    assert one.equals(other)
    assert [name["name"] for name in card["sources"]][:2] == [
        "multinli/data/train-00000-of-00001.parquet",
        "ud/parquet/de_toy/dev.parquet",
    ]
    assert str(tmp_path) not in (tmp_path / "b" / "card.json").read_text()
    licences = {entry["licence_name"] for entry in card["sources"]}
    assert licences == {"cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-3.0, mit"}


def test_prompts_keep_their_pairs_and_translations_together(tmp_path: Path) -> None:
    together = made.xnli_folder(tmp_path / "together", together=True)
    apart = made.xnli_folder(tmp_path / "apart")
    groups = {}
    for name, folder in (("together", together), ("apart", apart)):
        rows = [r for r in rows_of(XnliSource(place(folder), RUN)) if r["split"] == "test"]
        groups[name] = {
            code: [row["group"] for row in rows if row["language"] == code] for code in RUN
        }
        assert groups[name]["de"] == groups[name]["en"] == groups[name]["fr"]
        assert [groups[name]["de"].count(one) for one in dict.fromkeys(groups[name]["de"])] == (
            [3] * 5
        )
    assert groups["together"] == groups["apart"]


def test_all_languages_and_one_a_language_give_the_same_table(tmp_path: Path) -> None:
    train = MultinliSource(place(made.multinli_folder(tmp_path / "multinli")))
    for together in (False, True):
        folder = made.xnli_folder(tmp_path / f"xnli{together}", together=together)
        hub = locate([XnliSource(place(folder), RUN), train])
        prepare(hub, tmp_path / f"out{together}", **options(tasks=("nli",)))
    tables = [read_table(tmp_path / f"out{one}", "nli") for one in (False, True)]
    assert tables[0].equals(tables[1])
    assert set(tables[0]["language"].to_pylist()) == set(RUN)  # not Swahili


def test_shards_are_one_corpus(tmp_path: Path) -> None:
    whole = made.multinli_folder(tmp_path / "whole", prompts=8)
    cut = tmp_path / "cut"
    columns = made._nli_columns(made.nli_rows(None, 8), made.NLI_ORDER, "promptID", "pairID")
    for shard, part in enumerate((slice(0, 11), slice(11, None))):
        made.table(
            cut / "data" / f"train-{shard:05d}-of-00002.parquet",
            {name: values[part] for name, values in columns.items()},
            {"label": made.class_label(made.NLI_ORDER)},
        )
    xnli = XnliSource(place(made.xnli_folder(tmp_path / "xnli")), RUN)
    tables = []
    for folder in (whole, cut):
        hub = locate([xnli, MultinliSource(place(folder))])
        out = tmp_path / f"out-{folder.name}"
        prepare(hub, out, **options(tasks=("nli",), limits={"nli_train": 7}))
        tables.append(read_table(out, "nli"))
    assert tables[0].equals(tables[1])
    (cut / "data" / "train-00000-of-00002.parquet").unlink()
    with pytest.raises(LangspecError, match="shard 00000 of 2 is missing"):
        locate([MultinliSource(place(cut))])


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize("order", [("contradiction", "neutral", "entailment"), made.NLI_ORDER])
def test_labels_go_by_their_names_whatever_their_numbers(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    folder = made.multinli_folder(tmp_path / "x", names=order)
    got = [row["label"] for row in rows_of(MultinliSource(place(folder)))]
    assert got == [row["label"] for row in made.nli_rows(None, 7)]


def test_label_names_may_stand_in_the_readme_or_in_the_rows(tmp_path: Path) -> None:
    rows = made.nli_rows(None, 2)
    columns = made._nli_columns(rows, made.NLI_ORDER, "promptID", "pairID")
    path = made.table(tmp_path / "data" / "train.parquet", columns)
    source = MultinliSource(place(tmp_path))
    with pytest.raises(LangspecError, match=r"'label' holds numbers and neither the file nor"):
        rows_of(source)
    features = [{"name": "label", "dtype": {"class_label": {"names": dict(enumerate(
        made.NLI_ORDER))}}}]  # fmt: skip
    made.readme(
        tmp_path,
        {"default": {"train": "data/train.parquet"}},
        dataset_info={"features": features},
    )
    assert [row["label"] for row in rows_of(source)] == [row["label"] for row in rows]
    made.table(path, columns | {"label": [row["label"] for row in rows]})
    assert [row["label"] for row in rows_of(source)] == [row["label"] for row in rows]


def test_no_gold_label_is_dropped_and_counted(tmp_path: Path) -> None:
    rows = made.nli_rows(None, 2)
    columns = made._nli_columns(rows, made.NLI_ORDER, "promptID", "pairID")
    columns["label"][0] = -1
    features = {"label": made.class_label(made.NLI_ORDER)}
    made.table(tmp_path / "m" / "train.parquet", columns, features)
    hub = locate(
        [
            MultinliSource(place(tmp_path / "m")),
            XnliSource(place(made.xnli_folder(tmp_path / "xnli")), RUN),
        ]
    )
    card = prepare(hub, tmp_path / "out", **options(tasks=("nli",)))
    row = next(r for r in card["corpora"]["nli"]["rows"] if r["split"] == "train")
    assert row["dropped"] == {"gold_label": 1}
    assert row["kept"] == 5


# ---------------------------------------------------------------- UD's spacing


def test_multi_word_ranges_decide_the_spacing(tmp_path: Path) -> None:
    sentence = [
        ("vamos", "VERB", None), ("nos", "PRON", None), ("a", "ADP", None), ("el", "DET", None),
        ("mar", "NOUN", "SpaceAfter=No|Gloss=sea"), (".", "PUNCT", "Translit=SpaceAfter=No"),
    ]  # fmt: skip
    ranges = [
        {"id": "1-2", "form": "vamosnos", "feats": None, "misc": None},
        {"id": "3-4", "form": "al", "feats": None, "misc": "SpaceAfter=No"},
    ]
    made.ud_table(tmp_path / "en_toy" / "train.parquet", [sentence], ranges={0: ranges})
    (row,) = rows_of(ud(tmp_path))
    assert row["words"] == [word for word, *_ in sentence]
    # "vamosnos" spells its words, "al" does not; nothing follows it but the next word.
    assert row["space_after"] == [False, True, True, False, False, True]
    ranges[1]["id"] = "3-9"
    made.ud_table(tmp_path / "en_toy" / "train.parquet", [sentence], ranges={0: ranges})
    with pytest.raises(LangspecError, match=r"row 0: multi-word range '3-9' in a sentence of 6"):
        rows_of(ud(tmp_path))


def test_ranges_and_empty_nodes_among_the_words_are_taken_out(tmp_path: Path) -> None:
    no = {"SpaceAfter": "No"}
    row = {
        "text": "Vámonos al mar, dámelo todo.",
        "items": [
            ("Vámonos", "_", None, None), ("vamos", "VERB", 0, None), ("nos", "PRON", 1, None),
            ("al", "_", None, None), ("a", "ADP", 5, None), ("el", "DET", 5, None),
            ("mar", "NOUN", 1, no), (",", "PUNCT", 1, None), ("seen", "VERB", None, None),
            ("dámelo", "_", None, None), ("da", "VERB", 1, None), ("me", "PRON", 7, None),
            ("lo", "PRON", 7, None), ("todo", "PRON", 7, no), (".", "PUNCT", 1, None),
        ],
    }  # fmt: skip
    made.converted_table(tmp_path / "en_toy" / "universal_dependencies-train.parquet", [row])
    made.converted_table(tmp_path / "de_toy" / "test" / "0000.parquet", [row])
    test, train = sorted(rows_of(ud(tmp_path)), key=lambda row: row["split"])
    assert train["words"] == (
        ["vamos", "nos", "a", "el", "mar", ",", "da", "me", "lo", "todo", "."]
    )
    assert train["labels"][:4] == ["VERB", "PRON", "ADP", "DET"]
    assert train["space_after"] == [
        True, True, True, True, False, True, True, True, True, False, True,
    ]  # fmt: skip
    assert (test["language"], test["id"]) == ("de", "de_toy-ud-test/s0")


def test_join_by_spaces_forgets_the_spacing(tmp_path: Path) -> None:
    made.ud_folder(tmp_path / "ud")
    sentences = [[("a", "X", "SpaceAfter=No"), ("b", "X", None)]] * 2
    made.ud_table(tmp_path / "ud" / "parquet" / "de_toy" / "test.parquet", sentences)
    for join, expected in (("natural", [False, True]), ("space", [True, True])):
        prepare(
            locate([ud(tmp_path / "ud")]), tmp_path / join, **options(tasks=("pos",), join=join)
        )
        table = read_table(tmp_path / join, "pos", split="test", languages=["de"])
        assert table["space_after"].to_pylist() == [expected] * 2


# ---------------------------------------------------------------- what is chosen


def test_the_paper_reads_33_languages_and_14_of_xnli(tmp_path: Path) -> None:
    config = load_preset("paper", [])
    pos, xnli, multinli, text = config.corpora.hub_sources(config.train.tasks)
    codes = config.corpora.languages
    assert len(codes) == 33
    names = [
        f"{code}_x/{split}/0000.parquet" for code in [*codes, "cs"] for split in SPLIT_FOLDERS
    ]
    parts = pos.select(layout(names))
    assert {part.language for part in parts} == set(codes)
    assert [part.treebank for part in parts if part.split == "train"] == ["en_x"]
    xnli_codes = "ar bg de el en es fr hi ru sw th tr ur vi zh".split()
    names = [f"{c}/{s}-00000-of-00001.parquet" for c in xnli_codes for s in SPLIT_FOLDERS]
    parts = xnli.select(layout(names))
    assert sorted({str(part.language) for part in parts}) == [c for c in xnli_codes if c != "sw"]
    assert {part.split for part in parts} == {"dev", "test"}
    names = [f"data/{one}-00000-of-00001.parquet" for one in ("train", "validation_matched")]
    assert [part.names for part in multinli.select(layout(names))] == [(names[0],)]
    names = [f"20231101.{c}/train-{i:05d}-of-00041.parquet" for c in codes for i in range(41)]
    parts = text.select(layout(names))
    assert [part.language for part in parts] == codes
    assert {len(part.names) for part in parts} == {4}


def test_treebanks_may_be_chosen(tmp_path: Path) -> None:
    folder = made.ud_folder(tmp_path / "ud", ("en", "de", "tr"))
    made.ud_table(folder / "parquet" / "en_more" / "train.parquet", made.plain("more", 2))
    (folder / "README.md").unlink()  # folders say the same
    treebanks = {row["treebank"] for row in rows_of(ud(folder))}
    assert treebanks == {"en_toy", "en_more", "de_toy"}
    assert {row["treebank"] for row in rows_of(ud(folder, treebanks=["en_more"]))} == {"en_more"}
    with pytest.raises(LangspecError, match=r"no configuration 'en_mor'; there are en_more"):
        rows_of(ud(folder, treebanks=["en_mor"]))
    with pytest.raises(LangspecError, match=r"'tr_toy' is of no language of the run"):
        rows_of(ud(folder, treebanks=["tr_toy"]))


def test_treebanks_without_text_are_left_out_or_refused_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = made.ud_folder(tmp_path / "ud")
    (folder / "README.md").unlink()
    blank = [[("_", "X", None), ("_", "X", None)], [("_", "INTJ", None)]]
    made.ud_table(folder / "parquet" / "en_esl" / "train.parquet", blank)
    assert "en_esl" not in {row["treebank"] for row in rows_of(ud(folder))}
    assert "en_esl/train.parquet: every form is '_'" in caplog.text
    with pytest.raises(LangspecError, match=r"en_esl/train\.parquet: every form is '_'.*remove"):
        rows_of(ud(folder, treebanks=["en_toy", "en_esl"]))


def test_xtreme_reads_configurations_by_the_names_of_languages(tmp_path: Path) -> None:
    folder = made.xtreme_folder(tmp_path / "x", {"de": "German", "en": "English", "fr": "French"})
    source = xtreme(folder, ("de", "en", "fr", "tr"), "en")
    out = tmp_path / "out"
    prepare(locate([source]), out, **options(tasks=("pos",)))
    table = read_table(out, "pos")
    assert table.schema.equals(SCHEMAS["pos"])
    assert table.num_rows == 5 + 3 * (2 + 3)
    assert set(read_table(out, "pos", split="train")["language"].to_pylist()) == {"en"}
    with pytest.raises(LangspecError, match=r"no configuration udpos\.<Language> for tr"):
        rows_of(xtreme(folder, ("tr",), "tr"))


def test_wikipedia_is_sampled_by_seed_and_split_by_article(tmp_path: Path) -> None:
    folder = made.wikipedia_folder(tmp_path / "wiki", articles=200)

    def run(name: str, **changes: Any) -> tuple[Path, dict[str, Any]]:
        changes = {"tasks": (), "min_characters": 40, "limits": {"text": 90}} | changes
        card = prepare(locate([wikipedia(folder)]), tmp_path / name, **options(**changes))
        return tmp_path / name, card

    out, card = run("a")
    table = read_table(out, "text")
    rows = table.to_pylist()
    assert table.schema.equals(SCHEMAS["text"])
    assert [(r["split"], r["language"]) for r in rows] == sorted(
        (r["split"], r["language"]) for r in rows
    )
    by = {code: [row for row in rows if row["language"] == code] for code in RUN}
    assert {code: len(group) for code, group in by.items()} == dict.fromkeys(RUN, 90)
    assert all(len(row["text"]) >= 40 for row in rows)
    # Every paragraph of the 200 articles was read: 3 and a heading each.
    counted = [row for row in card["corpora"]["text"]["rows"] if row["language"] == "de"]
    assert sum(row["read"] for row in counted) == 800
    splits: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        article = row["text"].split()[1]
        splits.setdefault((row["language"], article), set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    shares = [row["split"] for row in rows]
    assert abs(shares.count("train") / 270 - 0.5) < 0.15
    assert {"train", "dev", "test"} == set(shares)

    again, _ = run("b")
    assert sha256_folder(again) == sha256_folder(out)
    other = read_table(run("c", seed=2)[0], "text").to_pylist()
    assert {row["text"] for row in other} != {row["text"] for row in rows}
    more = read_table(run("d", limits={"text": 120})[0], "text").to_pylist()
    assert {(r["language"], r["line"], r["split"]) for r in rows} < {
        (r["language"], r["line"], r["split"]) for r in more
    }
    whole = read_table(run("e", limits={})[0], "text", languages=["de"])
    assert whole.num_rows == sum(row["read"] - row["dropped"]["min_characters"] for row in counted)


def test_wikipedia_may_read_some_of_its_files(tmp_path: Path) -> None:
    folder = made.wikipedia_folder(tmp_path / "wiki", shards=6)
    layout = place(folder).layout()
    chosen = [part.names for part in wikipedia(folder, files=2).select(layout)]
    assert [len(names) for names in chosen] == [2, 2, 2]
    assert chosen == [part.names for part in wikipedia(folder, files=2).select(layout)]
    seeds = {part.names for seed in range(9) for part in wikipedia(folder, 2, seed).select(layout)}
    assert len(seeds) > 3
    with pytest.raises(LangspecError, match=r"no configuration '20231101\.fr'; there are"):
        locate([wikipedia(made.wikipedia_folder(tmp_path / "less", ("de", "en")))])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_articles(tmp_path: Path) -> None:
    peaks = []
    for articles in (1200, 4800):
        folder = made.wikipedia_folder(tmp_path / str(articles), ("en",), articles=articles)
        section = HubWikipedia(**where(folder), dump="20231101", files=None)
        source = WikipediaSource(section, ("en",), 1)
        files = locate([source])
        changed = options(tasks=(), targets=(), limits={"text": 20})
        tracemalloc.start()
        prepare(files, tmp_path / "out", **changed)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Four times the articles; what is held is a batch and the sample.
    assert peaks[1] < 1.5 * peaks[0]


# ---------------------------------------------------------------- faults


def script_only(folder: Path) -> Source:
    (folder / "xnli").mkdir(parents=True)
    (folder / "xnli" / "xnli.py").write_text("raise SystemExit\n")
    return XnliSource(place(folder / "xnli"), RUN)


def empty(folder: Path) -> Source:
    folder.mkdir()
    (folder / "README.md").write_text("# nothing\n")
    return ud(folder)


def absent(folder: Path) -> Source:
    return ud(folder / "nowhere")


def broken_readme(folder: Path) -> Source:
    made.ud_folder(folder)
    (folder / "README.md").write_text("---\nconfigs: [unclosed\n---\n")
    return ud(folder)


def readme_without_list(folder: Path) -> Source:
    made.ud_folder(folder)
    (folder / "README.md").write_text("---\nconfigs: {a: b}\n---\n")
    return ud(folder)


def readme_with_broken_entry(folder: Path) -> Source:
    made.ud_folder(folder)
    text = "configs:\n- config_name: en_toy\n  data_files:\n  - path: parquet/*\n"
    (folder / "README.md").write_text(f"---\n{text}---\n")
    return ud(folder)


def readme_names_absent(folder: Path) -> Source:
    made.ud_folder(folder)
    (folder / "parquet" / "fr_toy" / "test.parquet").unlink()
    return ud(folder)


def no_such_split(folder: Path) -> Source:
    return XnliSource(place(made.xnli_folder(folder, prompts={"test": 2})), RUN)


def no_language(folder: Path) -> Source:
    return XnliSource(place(made.xnli_folder(folder, ("ar", "bg"))), RUN)


def no_treebank(folder: Path) -> Source:
    return ud(made.ud_folder(folder), ("tr", "ru"))


def no_column(folder: Path) -> Source:
    made.table(folder / "en_toy" / "train.parquet", {"tokens": [["a"]], "tags": [[1]]})
    return ud(folder)


def no_misc(folder: Path) -> Source:
    features = {"upos": class_list()}
    made.table(folder / "en_toy/train.parquet", {"tokens": [["a"]], "upos": [[1]]}, features)
    return ud(folder)


def class_list(names: Sequence[str] = made.UPOS_ORDER) -> dict[str, Any]:
    return {"feature": made.class_label(names), "_type": "List"}


def foreign_names(folder: Path) -> Source:
    names = ("LABEL_0", "LABEL_1", "LABEL_2")
    rows = [row | {"label": names[0]} for row in made.nli_rows(None, 1)]
    columns = made._nli_columns(rows, names, "promptID", "pairID")
    made.table(folder / "train.parquet", columns, {"label": made.class_label(names)})
    return MultinliSource(place(folder))


def number_out_of_range(folder: Path) -> Source:
    columns = made._nli_columns(made.nli_rows(None, 1), made.NLI_ORDER, "promptID", "pairID")
    columns["label"][2] = 7
    features = {"label": made.class_label(made.NLI_ORDER)}
    made.table(folder / "train.parquet", columns, features)
    return MultinliSource(place(folder))


def strange_string(folder: Path) -> Source:
    columns = made._nli_columns(made.nli_rows(None, 1), made.NLI_ORDER, "promptID", "pairID")
    columns["label"] = ["neutral", "maybe", "neutral"]
    made.table(folder / "train.parquet", columns)
    return MultinliSource(place(folder))


def label_of_floats(folder: Path) -> Source:
    columns = made._nli_columns(made.nli_rows(None, 1), made.NLI_ORDER, "promptID", "pairID")
    made.table(folder / "train.parquet", columns | {"label": [0.5, 1.0, 2.0]})
    return MultinliSource(place(folder))


def no_premise(folder: Path) -> Source:
    columns = made._nli_columns(made.nli_rows(None, 1), made.NLI_ORDER, "promptID", "pairID")
    columns["premise"][1] = None
    features = {"label": made.class_label(made.NLI_ORDER)}
    made.table(folder / "train.parquet", columns, features)
    return MultinliSource(place(folder))


def two_configs(folder: Path) -> Source:
    return MultinliSource(place(made.xnli_folder(folder, ("de", "en"))))


def uneven(folder: Path) -> Source:
    made.table(
        folder / "en_toy" / "train.parquet",
        {
            "tokens": [["a", "b"]],
            "upos": [["X"]],
            "misc": [[None, "x"]],
            "head": [["0", "1"]],
            "text": ["a b"],
        },
    )
    return ud(folder)


def untagged(folder: Path) -> Source:
    made.ud_table(folder / "en_toy" / "train.parquet", [[("a", "X", None), ("b", "_", None)]])
    return ud(folder)


def tag_out_of_range(folder: Path) -> Source:
    names = (*made.UPOS_ORDER, "ADPDET")
    made.ud_table(folder / "en_toy" / "train.parquet", made.plain("a", 1), names=names)
    return ud(folder)


def all_languages_with_unknown(folder: Path) -> Source:
    return XnliSource(place(made.xnli_folder(folder, ("en", "xq"), together=True)), RUN)


def premise_of_one_language(folder: Path) -> Source:
    made.xnli_folder(folder, together=True)
    columns = made._nli_columns(made.nli_rows("en", 1), made.NLI_ORDER)
    features = {"label": made.class_label(made.NLI_ORDER)}
    for split in ("validation", "test"):
        file = folder / "all_languages" / f"{split}-00000-of-00001.parquet"
        made.table(file, columns, features)
    return XnliSource(place(folder), RUN)


def no_parquet_inside(folder: Path) -> Source:
    (folder / "en_toy").mkdir(parents=True)
    (folder / "en_toy" / "train.parquet").write_text("version https://git-lfs.github.com\n")
    return ud(folder)


def cut_short(folder: Path) -> Source:
    made.ud_folder(folder)
    path = folder / "parquet" / "en_toy" / "train.parquet"
    path.write_bytes(path.read_bytes()[:-30])
    return ud(folder)


def dangling(folder: Path) -> Source:
    made.ud_folder(folder)
    (folder / "parquet" / "more.parquet").symlink_to(folder / "nothing")
    return ud(folder)


def no_article(folder: Path) -> Source:
    made.wikipedia_folder(folder, shards=1)
    path = folder / "20231101.en" / "train-00000-of-00001.parquet"
    made.table(path, {"id": ["1"], "text": [None] * 1})
    return wikipedia(folder)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (script_only, r"holds only a loading script \(xnli\.py\), which is never run; set its "
         r"revision to refs/convert/parquet.*or use facebook/xnli"),
        (empty, r"no parquet file; expected README\.md and parquet"),
        (absent, r"nowhere: no such folder"),
        (broken_readme, r"README\.md has no readable block of settings"),
        (readme_without_list, r"expected a list under 'configs'"),
        (readme_with_broken_entry, r"README\.md has no readable block of settings \(Invalid"),
        (readme_names_absent, r"README\.md names parquet/fr_toy/test\.parquet, which is not"),
        (no_such_split, r"configuration 'de' has no split 'dev'; it has test"),
        (no_language, r"no configuration for de, en, fr, nor all_languages; there are ar, bg"),
        (no_treebank, r"no treebank of tr, ru among its 3 configurations"),
        (no_column, r"en_toy/train\.parquet: no column 'upos'; it has tokens, tags"),
        (no_misc, r"no column 'misc'; it has tokens, upos"),
        (foreign_names, r"class names LABEL_0, LABEL_1, LABEL_2; expected contradiction, ent"),
        (number_out_of_range, r"row 2: label 7 in column 'label'; expected one of contrad"),
        (strange_string, r"row 1: label 'maybe' in column 'label'"),
        (label_of_floats, r"column 'label' holds double; expected names or a class label"),
        (no_premise, r"row 1: column 'premise' is empty"),
        (two_configs, r"2 configurations \(de, en\); expected one"),
        (uneven, r"row 0: 2 tokens, 1 tags and 2 MISC"),
        (untagged, r"row 0: word 'b' has no UPOS tag"),
        (tag_out_of_range, r"column 'upos' has the class names .*ADPDET; expected ADJ"),
        (all_languages_with_unknown, r"row 0: language 'xq' in column 'premise' is unknown"),
        (premise_of_one_language, r"column 'premise' holds a str; expected a text for each"),
        (no_parquet_inside, r"train\.parquet: cannot be read as parquet"),
        (cut_short, r"cannot be read as parquet \(.*fetch it again"),
        (dangling, r"more\.parquet: a link to nothing"),
        (no_article, r"row 0: column 'text' holds None; expected an article"),
    ],
)  # fmt: skip
def test_faults_are_told_in_one_line(tmp_path: Path, make: Any, message: str) -> None:
    with pytest.raises(LangspecError, match=message) as caught:
        rows_of(make(tmp_path / "data"))
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- layouts


def layout(names: Sequence[str], readme: Path | None = None) -> Layout:
    return Layout(dict.fromkeys(names, 1), readme, place="owner/name@main")


def test_layouts_without_a_readme() -> None:
    found = layout(
        [
            "default/train/0000.parquet",
            "en_ewt/universal_dependencies-validation.parquet",
            "en_ewt/train/index.duckdb",
            "fr_gsd/test/0000.parquet",
            "big/partial-train/0000.parquet",
            "data/test-00000-of-00001.parquet",
        ]
    )
    assert found.configs == ["default", "en_ewt", "fr_gsd"]
    assert found.files("en_ewt", "dev") == ["en_ewt/universal_dependencies-validation.parquet"]
    assert found.files("default", "train") == ["default/train/0000.parquet"]
    assert found.files("default", "test") == ["data/test-00000-of-00001.parquet"]
    assert found.splits("fr_gsd") == ["test"]


@pytest.mark.parametrize(
    "data_files",
    [
        [{"split": "train", "path": "a/train-*"}],
        [{"split": "train", "path": ["a/train-0.parquet", "a/train-1.parquet"]}],
        {"train": "a/train-*"},
        "a/*.parquet",
        ["a/train-0.parquet", "a/train-1.parquet"],
    ],
)
def test_every_form_of_data_files(tmp_path: Path, data_files: Any) -> None:
    import yaml

    text = yaml.safe_dump({"configs": [{"config_name": "x", "data_files": data_files}]})
    (tmp_path / "README.md").write_text(f"---\n{text}---\n")
    found = layout(["a/train-0.parquet", "a/train-1.parquet", "b.txt"], tmp_path / "README.md")
    assert found.configs == ["x"]
    assert found.files("x", "train") == ["a/train-0.parquet", "a/train-1.parquet"]


def test_a_configuration_may_be_a_folder_of_data(tmp_path: Path) -> None:
    text = "configs:\n- config_name: x\n  data_dir: a\n- config_name: y\n  data_dir: b\n"
    (tmp_path / "README.md").write_text(f"---\n{text}---\n")
    names = ["a/train-0.parquet", "a/test-0.parquet", "b/validation/0000.parquet"]
    found = layout(names, tmp_path / "README.md")
    assert found.configs == ["x", "y"]
    assert (found.files("x", "test"), found.files("y", "dev")) == ([names[1]], [names[2]])
    assert found.splits("x") == ["train", "test"]


def test_one_pattern_without_a_split_is_train_as_for_datasets(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nconfigs:\n- data_files: '*.parquet'\n---\n")
    found = layout(["test.parquet", "more.parquet"], tmp_path / "README.md")
    assert found.files("default", "train") == ["more.parquet", "test.parquet"]


def test_commands_that_read_no_repository_do_not_import_datasets() -> None:
    script = (
        "import sys, langspec.stages.corpora, langspec.stages.fetch\n"
        "assert 'datasets' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_rows_of_a_local_file_ask_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **_: asked.append(args) or [])
    assert len(rows_of(ud(made.ud_folder(tmp_path / "ud")))) == 12 + 3 * (4 + 6)
    assert asked == []


def test_a_file_is_read_whole_or_refused_whatever_its_name(tmp_path: Path) -> None:
    odd = tmp_path / ".odd [x]*?"
    path = made.table(odd / "b.parquet", {"a": [1, 2]})
    assert list(ParquetTable(path, "x").rows("a")) == [{"a": 1}, {"a": 2}]
    for folder in (tmp_path, odd):  # :: means a file inside an archive, to datasets
        path = made.table(folder / "a::b.parquet", {"a": [1, 2]})
        with pytest.raises(LangspecError, match=r"x: cannot be read as parquet"):
            list(ParquetTable(path, "x").rows("a"))


def test_the_tokenizer_of_a_hub_encoder_is_the_one_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(repository: Any, names: Sequence[str]) -> dict[str, Path]:
        asked.append((str(repository), repository.kind, *names))
        return {name: tmp_path / name for name in names}

    monkeypatch.setattr("langspec.hub.download", download)
    config = load_preset("paper", ["encoder.repo=owner/bert", "encoder.revision=main"])
    assert tokenizer_file(config.encoder) == tmp_path / "tokenizer.json"
    assert asked == [("owner/bert@main", "model", "tokenizer.json")]
