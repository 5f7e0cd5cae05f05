"""A judged search set beside a repair: measured before and after, or refused at once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit_fixtures import biased_bert, write_judged_set, write_texts
from langspec.audit.options import EncoderChoice
from langspec.encoders.inputs import text_inputs
from langspec.errors import LangspecError
from langspec.pool_search.judged import judged_rows, read_judged
from langspec.repair import judged_set
from langspec.repair.judged_set import SetSearch, judged_prefixes
from langspec.repair.repair_options import RepairOptions
from langspec.repair.repair_run import plan_repair, prepare, run_repair

pytestmark = pytest.mark.medium

CODES = ("de", "en", "tr")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("judged") / "text", CODES, 120)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSPEC_CACHE", str(tmp_path / "cache"))


def options(tmp_path: Path, text: Path, offset: float, **changes: Any) -> RepairOptions:
    encoder = biased_bert(tmp_path / "encoder", text, offset)
    queries, qrels, corpus = write_judged_set(tmp_path, text)
    values: dict[str, Any] = {"queries": queries, "qrels": qrels, "corpus": corpus}
    return RepairOptions(
        EncoderChoice(str(encoder)), None, text, tmp_path / "out", methods="leace",
        **values | changes,
    )  # fmt: skip


def facts(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "repair" / "repair.json").read_text(encoding="utf-8")))


def test_a_set_is_measured_before_and_after(text: Path, tmp_path: Path) -> None:
    said = run_repair(options(tmp_path, text, 1.0))
    numbers = facts(tmp_path / "out")["judged"]
    gain = numbers["ndcg_10"]
    assert gain["low"] > 0
    assert gain["after"] == pytest.approx(gain["before"] + gain["difference"], abs=1e-5)
    assert f"Judged set, 72 queries: nDCG@10 {gain['before']:.3f} to {gain['after']:.3f}" in said
    page = (tmp_path / "out" / "repair" / "index.html").read_text(encoding="utf-8")
    assert "The judged set" in page
    assert "72 queries, 72 texts" in page


def test_where_nothing_is_repaired_the_set_is_measured_as_it_is(
    text: Path, tmp_path: Path
) -> None:
    said = run_repair(options(tmp_path, text, 0.0))
    numbers = facts(tmp_path / "out")["judged"]
    assert numbers["recall_10"]["difference"] == 0
    assert f"nDCG@10 {numbers['ndcg_10']['before']:.3f}; recall@10" in said


def test_no_set_is_no_number(text: Path, tmp_path: Path) -> None:
    said = run_repair(options(tmp_path, text, 0.0, queries=None, qrels=None, corpus=None))
    assert facts(tmp_path / "out")["judged"] is None
    assert "Judged set" not in said


def test_one_query_has_no_interval(text: Path, tmp_path: Path) -> None:
    judged = read_judged(*write_judged_set(tmp_path, text, lines=1))
    rows = judged_rows(judged, np.eye(3), np.eye(3)).iloc[:1]
    said = SetSearch(judged, rows, rows, repaired=True).words()
    value = f"{rows['ndcg_10'].iloc[0]:.3f}"
    assert said.startswith(f"Judged set, 1 query: nDCG@10 {value} to {value}; recall@10 ")
    assert "nan" not in said


def test_the_estimate_counts_the_set(text: Path, tmp_path: Path) -> None:
    chosen = options(tmp_path, text, 0.0)
    corpus = [{"_id": str(i), "text": "en1 en2 en3 " * 40} for i in range(4000)]
    large = tmp_path / "large.jsonl"
    large.write_text("".join(json.dumps(row) + "\n" for row in corpus), encoding="utf-8")
    qrels = tmp_path / "large.tsv"
    qrels.write_text("q-de-0 1 1\n", encoding="utf-8")
    small = prepare(chosen).cost.seconds
    assert prepare(replace(chosen, corpus=large, qrels=qrels)).cost.seconds > small + 0.5


@pytest.mark.parametrize("run", [run_repair, plan_repair])
def test_a_set_is_refused_before_anything_is_encoded(text: Path, tmp_path: Path, run: Any) -> None:
    with pytest.raises(LangspecError, match="--qrels: a judged set is three files"):
        run(options(tmp_path, text, 0.0, qrels=None))
    absent = tmp_path / "absent.tsv"
    absent.write_text("q-de-0 t-de-999 1\n", encoding="utf-8")
    with pytest.raises(LangspecError, match=r"absent.tsv:1: judges text 't-de-999', which"):
        run(options(tmp_path, text, 0.0, qrels=absent))
    assert not (tmp_path / "out").exists()


def test_each_side_has_the_prefix_that_is_asked_for_or_that_the_folder_states(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = options(tmp_path, text, 0.0)
    prompts = {"prompts": {"query": "en1 ", "passage": "de2 ", "text": ""}}
    place = tmp_path / "encoder" / "config_sentence_transformers.json"
    place.write_text(json.dumps(prompts), encoding="utf-8")
    prepared = prepare(chosen)
    stated = {"queries": "en1 ", "corpus": "de2 "}
    assert judged_prefixes(prepared.subject, chosen) == stated
    asked = replace(chosen, query_prefix="", corpus_prefix="tr3 ", precision="fp32")
    assert judged_prefixes(prepared.subject, asked) == {"queries": "", "corpus": "tr3 "}
    behind: list[tuple[str, list[str]]] = []

    def spied(tokenizer: Any, texts: list[str], *, max_tokens: int, prefix: str) -> Any:
        behind.append((prefix, texts))
        return text_inputs(tokenizer, texts, max_tokens=max_tokens, prefix=prefix)

    monkeypatch.setattr(judged_set, "text_inputs", spied)
    run_repair(asked)
    read = facts(tmp_path / "out")
    assert read["judged_prefixes"] == {"queries": "", "corpus": "tr3 "}
    page = (tmp_path / "out" / "repair" / "index.html").read_text(encoding="utf-8")
    assert "Read: corpus behind" in page
    assert [prefix for prefix, texts in behind if len(texts) == 72] == ["", "tr3 "]


def test_prefixes_that_cannot_be_read_are_refused(text: Path, tmp_path: Path) -> None:
    chosen = options(tmp_path, text, 0.0)
    alone = {"queries": None, "qrels": None, "corpus": None}
    for changes, said in (
        ({"query_prefix": "en1 " * 30}, "--query-prefix: the prefix has 3"),
        ({"corpus_prefix": "en1 " * 30}, "--corpus-prefix: the prefix has 3"),
        ({"query_prefix": "en1 ", **alone}, "--query-prefix: needs --queries"),
    ):
        with pytest.raises(LangspecError) as error:
            plan_repair(replace(chosen, **changes))
        assert said in str(error.value)
