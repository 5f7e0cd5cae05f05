"""A repair from options to folder, on an encoder whose language offset is planted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit_fixtures import biased_bert, write_texts
from langspec.audit.options import EncoderChoice
from langspec.errors import LangspecError
from langspec.repair.repair_answers import QUESTIONS
from langspec.repair.repair_options import RepairOptions
from langspec.repair.repair_run import plan_repair, run_repair
from langspec.repair.unit_eraser import unit
from langspec.vectors.vector_eraser import load_vector_eraser

pytestmark = pytest.mark.medium

CODES = ("de", "en", "tr", "xx")  # the last is in no table of languages
QUICK = "centring,leace,lsar"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSPEC_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("repair") / "text", CODES, 120)


def options(folder: Path, lines: Path, out: Path, **changes: Any) -> RepairOptions:
    values: dict[str, Any] = {"text": None, "parallel": lines, "methods": QUICK}
    return RepairOptions(EncoderChoice(str(folder)), out=out, **values | changes)


@pytest.fixture(scope="module")
def biased(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return biased_bert(tmp_path_factory.mktemp("encoders") / "biased", text, 1.0)


def facts(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "repair" / "repair.json").read_text(encoding="utf-8")))


def test_a_bias_is_found_and_removed_and_the_folder_opens(
    biased: Path, text: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    said = run_repair(options(biased, text, out))
    assert "comes 4.0 times too often" in said
    assert "4 of 4 languages gain, none loses" in said
    assert f"Encoder: {out}" in said
    read = facts(out)
    assert read["repaired"]
    assert read["method"] in ("leace", "lsar")  # a folder carries no map a language
    assert read["gain"][1] > 0.5
    assert read["unseen"]["halves"]
    assert read["fitted_on"] == sorted(CODES)  # an unknown code as well
    assert "no linear layer" in read["ruled_out"]["centring"]
    card = (out / "README.md").read_text(encoding="utf-8")
    for words in ("| recall@10 |", "Fitted on 4: de, en, tr, xx", "not fitted on", "not claimed"):
        assert words in card
    assert str(tmp_path) not in card  # it is given to others
    page = (out / "repair" / "index.html").read_text(encoding="utf-8")
    for question in QUESTIONS:
        assert question in page
    assert page.index("before_after") < page.index("All methods")
    library = pytest.importorskip("sentence_transformers")
    texts = (text / "en.txt").read_text().splitlines()[:5]
    theirs = library.SentenceTransformer(str(out), device="cpu").encode(texts)
    plain = library.SentenceTransformer(str(biased), device="cpu").encode(texts)
    fitted = load_vector_eraser(out / "eraser")
    np.testing.assert_allclose(theirs, fitted.eraser.apply(plain), atol=1e-5)
    assert not fitted.guard.refusal(unit(plain))
    assert "fitted on vectors of length 1" in fitted.guard.refusal(2 * unit(plain))


def test_nothing_to_repair_writes_no_encoder(text: Path, tmp_path: Path) -> None:
    fair = biased_bert(tmp_path / "fair", text, 0.0)
    out = tmp_path / "out"
    said = run_repair(options(fair, text, out))
    assert "Nothing to repair: no encoder was written." in said
    assert "None is shown." in said
    assert not facts(out)["repaired"]
    assert [path.name for path in out.iterdir()] == ["repair"]
    assert "Nothing to repair" in (out / "repair" / "index.html").read_text(encoding="utf-8")


def test_without_translations_what_can_be_measured_is_and_the_rest_is_said(
    biased: Path, tmp_path: Path
) -> None:
    alone = write_texts(tmp_path / "text", CODES, 90, parallel=False)
    out = tmp_path / "out"
    said = run_repair(options(biased, alone, out, text=alone, parallel=None))
    assert "not known whether search finds more" in said
    assert facts(out)["rule"]["name"] == "share"
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "Search across languages was not measured" in card


def test_languages_not_fitted_on_are_reported_apart(
    biased: Path, text: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run_repair(options(biased, text, out, fit_languages="de,en,tr"))
    read = facts(out)
    assert read["unseen"]["languages"] == ["xx"]
    assert read["unseen"]["halves"] is False
    other = write_texts(tmp_path / "two", CODES[:2], 80, parallel=False, seed=9)
    run_repair(options(biased, text, tmp_path / "both", text=other))
    assert facts(tmp_path / "both")["unseen"]["languages"] == ["tr", "xx"]


def test_a_plan_says_time_and_memory_and_writes_nothing(
    biased: Path, text: Path, tmp_path: Path
) -> None:
    said = plan_repair(options(biased, text, tmp_path / "out"))
    assert said.startswith("repair biased: 4 languages, 480 texts, 3 methods, ")
    assert "of memory" in said
    assert not (tmp_path / "out").exists()


def test_refusals_are_one_line_and_write_nothing(biased: Path, text: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def refused(said: str, folder: Path = text, **changes: Any) -> None:
        asked = options(biased, folder, changes.pop("out", out), **changes)
        with pytest.raises(LangspecError) as error:
            run_repair(asked)
        assert said in str(error.value), str(error.value)
        assert "\n" not in str(error.value)
        assert not out.exists()
        assert not list(tmp_path.glob(".out*"))

    one = write_texts(tmp_path / "one", ("en",), 60)
    refused("text of one language only (en)", one)
    refused("--parallel: /nowhere: no such folder", Path("/nowhere"))
    few = write_texts(tmp_path / "few", ("en", "de"), 10)
    refused("de has 10 texts", few)
    unequal = write_texts(tmp_path / "unequal", ("en", "de"), 60)
    (unequal / "de.txt").write_text("de1 de2\n" * 50)
    refused("parallel files must have equal numbers of lines", unequal)
    used = tmp_path / "used"
    used.mkdir()
    (used / "a.txt").write_text("a")
    refused("--out: ", out=used)
    assert [path.name for path in used.iterdir()] == ["a.txt"]
    refused("--methods: unknown method 'leac'", methods="leac")
    refused("--rule: 'best'", rule="best")
    refused(
        "--rule: recall is measured with translations", text=text, parallel=None, rule="recall"
    )
    refused("--loss: -1", loss=-1.0)
    refused("--fit-languages: qq: no text of it; there is de, en, tr, xx", fit_languages="de,qq")
    refused("--fit-languages: 1 language", fit_languages="de")
    refused("--max-texts: 0; expected 1 or more", max_texts=0)
