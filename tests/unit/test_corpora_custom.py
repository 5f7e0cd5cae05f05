"""Tasks that params.yaml describes: from their files to tables and task objects."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import CHECKOUT
from corpora_files import official_folder, options, write
from langspec import presets
from langspec.config import parse_config, parse_yaml
from langspec.corpora.custom import CustomTask, name_pattern, parts
from langspec.corpora.prepare import prepare
from langspec.corpora.sources import LocatedFile, discover
from langspec.corpora.tables import NLI, POS, facts_of, read_table
from langspec.errors import LangspecError
from langspec.tasks import get_task
from langspec.tasks.heuristics import heuristic_predictions

STARS: dict[str, Any] = {
    "unit": "text",
    "format": "jsonl",
    "path": "reviews/{language}/{split}.jsonl",
    "text": "body",
    "label": "stars",
    "labels": ["1", "2"],
    "skip_labels": ["0"],
    "group_field": "review",
}
NUMBER: dict[str, Any] = {
    "unit": "token",
    "format": "conllu",
    "path": "{language}_*-ud-{split}.conllu",
    "label": "feats.Number",
    "labels": ["none", "Plur", "Sing"],
    "missing": "none",
}


def reviews(root: Path) -> Path:
    for code in ("de", "en", "fr"):
        for split in ("train", "validation", "test"):
            rows = [
                {"body": f"{code} {split} text {n}", "stars": n % 3, "review": n} for n in range(9)
            ]
            text = "".join(json.dumps(row) + "\n" for row in rows)
            write(root / "reviews" / code / f"{split}.jsonl", text)
    return root


def run(
    root: Path, described: dict[str, dict[str, Any]], **changes: Any
) -> tuple[Path, dict[str, Any]]:
    custom = {name: CustomTask(**values) for name, values in described.items()}
    found = discover(root, [name_pattern(task.path) for task in custom.values()])
    files = [LocatedFile(file, root / file.name) for file in found.files]
    out = root.parent / "out"
    wanted = options(**{"tasks": tuple(custom), "custom": custom} | changes)
    return out, prepare(files, out, **wanted)


def test_single_texts_in_json_lines(tmp_path: Path) -> None:
    root = reviews(official_folder(tmp_path / "raw"))
    out, card = run(root, {"stars": STARS})
    table = read_table(out, "stars", schema=NLI)
    assert facts_of(out / "stars.parquet") == {"unit": "text", "labels": ["1", "2"]}
    train = table.filter(np.asarray(table["split"]) == "train").to_pylist()
    assert {row["language"] for row in train} == {"en"}
    assert [row["label"] for row in train] == ["1", "2"] * 3
    assert train[0]["premise"] == "en train text 1"
    assert {row["hypothesis"] for row in train} == {""}
    counts = {(r["language"], r["split"]): r for r in card["corpora"]["stars"]["rows"]}
    assert counts["de", "dev"]["dropped"] == {"skipped_label": 3}
    assert counts["de", "dev"]["labels"] == {"1": 3, "2": 3}
    # Translations of one item share a group, so that intervals draw them together.
    groups = [set(read_table(out, "stars", split="test", languages=[code], schema=NLI)["group"]
                  .to_pylist()) for code in ("de", "fr")]  # fmt: skip
    assert groups[0] == groups[1]
    task = get_task("stars", out)
    assert (task.name, task.unit, task.labels) == ("stars", "pair", ("1", "2"))
    rows = task.rows(out, "test", ["de"])
    assert task.gold(rows)[0].tolist() == [0, 1] * 3
    guesses = heuristic_predictions(task, task.rows(out, "train", ["en"]), rows)
    assert {name: len(found) for name, found in guesses.items()} == {"majority": 6, "words": 6}


def test_a_feature_of_treebanks_is_a_task(tmp_path: Path) -> None:
    root = official_folder(tmp_path / "raw")
    path = root / "ud" / "UD_X-en" / "en_toy-ud-train.conllu"
    text = path.read_text()
    line = text.splitlines()[1].split("\t")
    line[5] = "Case=Nom|Number=Plur"
    write(path, text.replace(text.splitlines()[1], "\t".join(line), 1))
    out, card = run(root, {"number": NUMBER}, tasks=("pos", "number"))
    first = read_table(out, "number", split="train", schema=POS).to_pylist()[0]
    assert first["labels"] == ["Plur", "none", "none"]
    pos = read_table(out, "pos", split="train").to_pylist()[0]
    assert (pos["words"], pos["space_after"]) == (first["words"], first["space_after"])
    assert card["corpora"]["number"]["rows"]
    task = get_task("number", out)
    assert (task.unit, task.labels) == ("token", ("none", "Plur", "Sing"))
    labels, row_of = task.gold(task.rows(out, "train", ["en"]))
    assert labels[:3].tolist() == [1, 0, 0]
    assert row_of[:4].tolist() == [0, 0, 0, 1]
    assert get_task("pos", out) is get_task("pos")


def test_words_and_pairs_in_json_lines(tmp_path: Path) -> None:
    root = official_folder(tmp_path / "raw")
    for code in ("de", "en", "fr"):
        rows = [{"tokens": ["a", code], "tags": [0, 1], "lang": code, "part": "train"}]
        rows += [r | {"part": part} for r in rows for part in ("dev", "test")]
        write(root / "ner" / f"{code}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        pairs = [{"one": "x", "two": f"y{n}", "same": str(n % 2)} for n in range(4)]
        for split in ("train", "dev", "test"):
            write(
                root / "para" / f"{split}.{code}.jsonl",
                "".join(json.dumps(row) + "\n" for row in pairs),
            )
    ner = {
        "unit": "token", "format": "jsonl", "path": "ner/*.jsonl", "labels": ["0", "1"],
        "text": "tokens", "label": "tags", "language_field": "lang", "split_field": "part",
    }  # fmt: skip
    para = {
        "unit": "pair", "format": "jsonl", "path": "para/{split}.{language}.jsonl",
        "labels": ["0", "1"], "text": ["one", "two"], "label": "same", "limit": 3,
    }  # fmt: skip
    out, _ = run(root, {"ner": ner, "para": para})
    assert read_table(out, "ner", schema=POS)["words"].to_pylist()[0] == ["a", "de"]
    assert read_table(out, "ner", schema=POS, split="train").num_rows == 1
    assert read_table(out, "para", schema=NLI, split="train").num_rows == 3
    assert get_task("para", out).unit == "pair"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"body": "a", "review": 1}, "field 'stars' is missing; found body, review"),
        ({"body": "a", "stars": 3, "review": 1}, "stars '3'; expected one of 1, 2"),
        ({"body": 1, "stars": 1, "review": 1}, "field 'body' is a int; expected a string"),
        ({"body": "a", "stars": True, "review": 1}, "field 'stars' holds True"),
        ({"body": "a", "stars": 1.5, "review": 1}, "field 'stars' holds 1.5"),
        ({"body": "a", "stars": 1, "review": ""}, "field 'review' holds ''"),
        ([1], "a json list; expected one json object a line"),
    ],
)
def test_faulty_rows_are_told_by_line(tmp_path: Path, row: Any, message: str) -> None:
    root = reviews(official_folder(tmp_path / "raw"))
    path = root / "reviews" / "de" / "test.jsonl"
    write(path, path.read_text() + json.dumps(row) + "\n")
    with pytest.raises(LangspecError) as error:
        run(root, {"stars": STARS})
    assert str(error.value).startswith(f"{path}:10: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": []}, "text: expected 1 field name for unit text, found 0"),
        ({"unit": "pair"}, "text: expected 2 field names"),
        ({"format": "conllu"}, "expected unit: token"),
        ({"path": "../{language}/{split}"}, "expected a pattern below"),
        ({"path": "/x/{language}/{split}"}, "expected a pattern below"),
        ({"path": "{lang}/{split}"}, r"'\{lang\}'"),
        ({"path": "x/{split}.jsonl"}, "the language has to stand in one place"),
        ({"language": "de"}, "the language has to stand in one place"),
        ({"path": "x/{language}.jsonl"}, "the split has to stand in one place"),
        ({"labels": ["1", "1"]}, "at least two, each once"),
        ({"skip_labels": ["1"]}, "skip_labels names one of labels"),
        ({"missing": "0"}, "missing is for format conllu"),
    ],
)
def test_descriptions_that_fit_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CustomTask(**(STARS | changes))
    with pytest.raises(ValueError, match="column 'form'"):
        CustomTask(**(NUMBER | {"label": "form"}))


def test_patterns_mean_names_below_any_folder() -> None:
    pattern = name_pattern("r/**/{language}-?.{split}.x*")
    assert pattern.fullmatch("a/b/r/de-1.train.xyz")
    assert pattern.fullmatch("r/c/d/de-1.validation.x")
    assert not pattern.fullmatch("r/c/d/de-11.train.x")
    assert not pattern.fullmatch("qr/de-1.train.x")
    assert parts(CustomTask(**STARS), []) == []


def test_absent_files_and_absent_tables_are_told(tmp_path: Path) -> None:
    root = official_folder(tmp_path / "raw")
    with pytest.raises(
        LangspecError, match=r"tasks\.stars\.path: no file of the corpora is named"
    ):
        run(root, {"stars": STARS})
    with pytest.raises(LangspecError, match=r"unknown task 'stars'.*langspec corpora"):
        get_task("stars", tmp_path)
    with pytest.raises(LangspecError, match="unknown task 'stars'"):
        get_task("stars")


def values(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = parse_yaml(presets.preset_text("demo"))
    found["tasks"] = {"stars": STARS | {"labels": [1, 2]} | changes}
    found["train"]["tasks"] = ["pos", "stars"]
    found["train"]["stars"] = None
    return found


def test_the_example_of_the_docs_is_a_valid_configuration() -> None:
    page = (CHECKOUT / "docs" / "corpora.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(tasks:.*?)```", page, re.DOTALL)
    example = parse_yaml(block)
    found = parse_yaml(presets.preset_text("demo"))
    found["tasks"] = example["tasks"]
    found["train"] |= example["train"]
    config = parse_config(found)
    assert config.train.tasks == ["pos", "stars", "number"]
    assert set(config.tasks) == {"stars", "number"}


def test_config_knows_tasks_of_ones_own() -> None:
    config = parse_config(values())
    assert config.tasks["stars"] == CustomTask(**STARS)
    assert config.train.stars == config.train.default  # type: ignore[attr-defined]
    own = values()
    own["train"]["stars"] = own["train"]["pos"]
    assert parse_config(own).train.stars.epochs == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["train"].pop("stars"), r"train\.stars: missing; add it, null"),
        (lambda v: v["tasks"].update(clip=v["tasks"]["stars"]), "tasks.clip: the name is taken"),
        (lambda v: v["tasks"].update(text=v["tasks"]["stars"]), "tasks.text: the name is taken"),
        (lambda v: v["train"].update(clipp=None), "train.clipp: unknown key; did you mean 'clip'"),
        (lambda v: v["tasks"]["stars"].update(path="x"), r"tasks\.stars: the language has to"),
        (lambda v: v["tasks"]["stars"].update(labels=["a"]), r"tasks\.stars\.labels: found"),
        (
            lambda v: v["tasks"]["stars"].update(format="csv"),
            r"tasks\.stars\.format: found 'csv', expected one of 'conllu' or 'jsonl'",
        ),
        (lambda v: v["tasks"]["stars"].update(field="a"), r"tasks\.stars\.field: unknown key"),
        (lambda v: v["train"].update(tasks=["sta"]), r"train\.tasks\.0: found 'sta', expected"),
        (lambda v: v["train"].update(stars={}), r"train\.stars\.epochs: missing"),
        (lambda v: v["train"].update(selection="source_val"), "source_val needs corpora.val"),
    ],
)
def test_config_refuses_by_dotted_path(change: Any, message: str) -> None:
    found = values()
    change(found)
    with pytest.raises(LangspecError, match=message) as error:
        parse_config(found)
    assert "\n" not in str(error.value)
