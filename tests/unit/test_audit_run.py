"""An audit from options to folder on a tiny random encoder, and every refusal before it."""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from measure_options import geometry_options
from transformers import GPT2Config, GPT2Model

from audit_fixtures import write_texts
from encoder_shapes import random_bert
from langspec import progress_bar
from langspec.audit.audited_encoder import load_subject, parse_layers, short_name
from langspec.audit.options import AuditOptions, EncoderChoice, Measures
from langspec.audit.place import bank_root, check_out, out_folder
from langspec.audit.run import _check_languages, plan_audit, run_audit
from langspec.encoders.load import EncoderCard
from langspec.encoders.save_folder import save_encoder
from langspec.errors import LangspecError
from langspec.files import read_json, write_json
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.results import read_results

pytestmark = pytest.mark.medium

CODES = ("de", "en", "tr")
QUICK = Measures(
    bootstrap=BootstrapOptions(resamples=10, seed=0),
    geometry=geometry_options(starts=1, per_class=10),
)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("run") / "text", CODES, 50)


@pytest.fixture(scope="module")
def encoder(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = [line for file in text.iterdir() for line in file.read_text().splitlines()]
    model, tokenizer = random_bert(words, pieces=150)
    folder = tmp_path_factory.mktemp("encoders") / "tiny"
    save_encoder(folder, model, tokenizer, EncoderCard("tiny", max_tokens=20))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LANGSPEC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def options(encoder: Path | str, text: Path, out: Path, **changes: Any) -> AuditOptions:
    values: dict[str, Any] = {"max_words": 40, "parallel": text, "out": out}
    return AuditOptions((EncoderChoice(str(encoder)),), text, **values | changes)


@pytest.mark.slow
def test_a_folder_is_left_that_holds_everything(
    encoder: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "audit"
    told = run_audit(options(encoder, text, out, layers="0,-1", max_tokens=6), QUICK)
    assert told.splitlines()[-1] == f"Page: {out / 'index.html'}"
    assert "Does it matter for retrieval?" in told
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "texts were cut at 6 tokens" in page
    frame = read_results(out / "results.csv")
    assert set(zip(frame["method"], frame["eraser"], strict=True)) == {
        ("tiny", ""),
        ("tiny", "leace"),
    }
    assert set(frame["layer"]) == {-1, 0, 2}
    assert {"linear", "majority", "neighbours", "search", "cosine"} <= set(frame["probe"])
    facts = json.loads((out / "audit.json").read_text())
    assert facts["precision"] in ("fp32", "bf16", "fp16")  # what was used, not "auto"
    seconds = facts["encoders"][0]["seconds"]
    assert {"encoding", "linear probes", "search"} <= set(seconds)
    assert min(seconds.values()) >= 0
    written = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert set(facts["files"]) | {"audit.json"} == written
    # The same again is read from the cache, and is the same bytes in place of the first.
    monkeypatch.setattr("langspec.measurement.leak.fit_probe", None)
    monkeypatch.setattr("langspec.measurement.geometry.cluster_agreement", None)
    run_audit(options(encoder, text, out, layers="0,-1", max_tokens=6), QUICK)
    assert (out / "index.html").read_text(encoding="utf-8") == page
    (out / "notes.txt").write_text("mine")
    with pytest.raises(LangspecError, match=r"also notes\.txt.*--force"):
        check_out(out, force=False)
    check_out(out, force=True)


def test_parallel_text_may_stand_in_a_folder_of_its_own(
    encoder: Path, text: Path, tmp_path: Path
) -> None:
    other = write_texts(tmp_path / "other", CODES, 60, seed=3)
    run_audit(options(encoder, text, tmp_path / "out", parallel=other, layers="2"), QUICK)
    frame = read_results(tmp_path / "out" / "results.csv")
    assert set(frame[frame["probe"] == "search"]["corpus"]) == {"other"}
    assert set(frame[frame["probe"] == "linear"]["corpus"]) == {"text"}
    assert (tmp_path / "out" / "tables" / "parallel_texts.csv").is_file()


def test_refusals_are_one_line_and_write_nothing(
    encoder: Path, text: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def refused(told: str, named: Path | str = encoder, **changes: Any) -> None:
        wanted = {key: changes.pop(key) for key in ("pooling", "prefix") if key in changes}
        asked = options(named, changes.pop("text", text), out, **changes)
        if wanted:
            asked = AuditOptions((EncoderChoice(str(named), **wanted),), text, out=out)
        with pytest.raises(LangspecError) as error:
            run_audit(asked, QUICK)
        assert told in str(error.value), str(error.value)
        assert "\n" not in str(error.value)
        assert not out.exists()
        assert not list(tmp_path.glob(".out*"))

    refused("--layers: 3 is not among the layers of tiny; expected numbers from 0", layers="3")
    refused("--layers: 'x'", layers="x")
    refused("--max-tokens: max_tokens 100; expected 3 to 24", max_tokens=100)
    refused("--pooling: 'max'; expected one of mean, cls", pooling="max")
    refused("--max-words: 1; expected 30 or more", max_words=1)
    refused("--batch-tokens: 0; expected 1 or more", batch_tokens=0)
    refused("--seed: -1; expected 0 to 4294967295", seed=-1)
    refused("ENCODER: '' names no encoder; expected a folder, a Hub id or e5", "")
    silent = tmp_path / "silent"
    write_texts(silent, ("en", "de"), 60)
    (silent / "de.txt").write_text("\n".join("\u200b" * i for i in range(1, 61)))
    refused("silent: the tokenizer of tiny reads no word in the texts of de", text=silent)
    refused("ENCODER: ./absent: no such folder", "./absent")
    refused("is a file", encoder / "config.json")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("langspec.hub.offline", lambda: True)
    refused("HF_HUB_OFFLINE forbids the network; run this audit once on a machine", "a/b-c")

    def broken(name: str, change: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for file in encoder.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        change(folder)
        return folder

    adapter = broken("adapter", lambda f: (f / "model.safetensors").unlink())
    (adapter / "adapter_config.json").write_text("{}")
    refused("holds a PEFT adapter", adapter)
    refused("merge_and_unload", adapter)
    refused("no tokenizer.json", broken("a", lambda f: (f / "tokenizer.json").unlink()))
    decoder = broken("b", lambda f: (f / "langspec.json").unlink())
    GPT2Model(GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=200)).save_pretrained(decoder)
    refused("gpt2 is no encoder of text", decoder)
    other = tmp_path / "holds"
    other.mkdir()
    (other / "thesis.tex").write_text("x")
    with pytest.raises(LangspecError, match="holds something else than an audit"):
        run_audit(options(encoder, text, other, force=True), QUICK)
    assert [file.name for file in other.iterdir()] == ["thesis.tex"]


def test_vectors_that_are_not_finite_are_refused(
    encoder: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langspec.audit import text_bench as bank

    real = bank.build_bank

    def spoilt(model: Any, *arguments: Any, **named: Any) -> Any:
        with torch.no_grad():
            model.encoder.layer[1].output.dense.bias[0] = float("nan")
        return real(model, *arguments, **named)

    monkeypatch.setattr(bank, "build_bank", spoilt)
    with pytest.raises(LangspecError, match="layer 2 are not finite"):
        run_audit(options(encoder, text, tmp_path / "out"), QUICK)
    assert not (tmp_path / "out").exists()


def test_words_of_an_audit_are_read_without_the_prefix(
    encoder: Path, text: Path, tmp_path: Path
) -> None:
    prefix = " ".join((text / "en.txt").read_text("utf-8").split()[:3]) + " "

    def leak(name: str, prefix: str, **changes: Any) -> pd.DataFrame:
        choice = (EncoderChoice(str(encoder), prefix=prefix),)
        values = {"max_words": 40, "layers": "2", "out": tmp_path / name}
        run_audit(AuditOptions(choice, text, **values | changes), QUICK)
        rows = read_results(tmp_path / name / "results.csv")
        rows = rows[(rows["measure"] == "leak") & (rows["probe"] == "linear")]
        return rows.set_index("unit")[["metric", "language", "value", "train_n"]]

    bare, plain = leak("bare", ""), leak("plain", prefix)
    pd.testing.assert_frame_equal(plain.loc["token"], bare.loc["token"])
    assert not plain.loc["sentence"].equals(bare.loc["sentence"])
    behind = leak("behind", prefix, prefix_words=True)
    assert not behind.loc["token"].equals(bare.loc["token"])
    assert plain.loc["token", "train_n"].max() == 40 * len(CODES)
    assert "words without it" in (tmp_path / "plain" / "index.html").read_text("utf-8")


def test_names_layers_and_places(
    encoder: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert short_name("FacebookAI/xlm-roberta-base@main") == "xlm-roberta-base"
    assert short_name("models:/langspec-pos@champion") == "langspec-pos-champion"
    assert short_name("a folder/my model/") == "my-model"
    assert parse_layers("0,4-6,-1", 12, "x") == (0, 4, 5, 6, 12)
    assert parse_layers(None, 2, "x") == (0, 1, 2)
    assert out_folder(None, ["a", "b"]) == Path("audit-a-and-b")
    assert bank_root() == cache / "banks"
    file = encoder / "config.json"
    for folder in (file, file / "below"):
        with pytest.raises(LangspecError, match=r"--out: .*config\.json is a file; name another"):
            check_out(folder, force=True)
    with monkeypatch.context() as changed:
        changed.setenv("LANGSPEC_CACHE", str(file))
        with pytest.raises(LangspecError, match=r"LANGSPEC_CACHE: .*config\.json is a file"):
            bank_root()
    subject = load_subject(
        EncoderChoice(str(encoder), prefix="query: ", pooling="cls"), layers="1", max_tokens=10
    )
    card = subject.encoder.card
    assert (card.prefix, card.pooling, card.max_tokens) == ("query: ", "cls", 10)
    assert subject.layers == (1,)


def test_what_cannot_be_written_is_refused_before_anything_is_encoded(
    encoder: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langspec.audit.run.load_subject", None)  # is not reached
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "gone")
    for out, expected in (
        (Path(), r"--out: \. is the working folder"),
        (work, "is the working folder"),
        (dangling, "dangling is a link to nothing"),
        (Path("/proc/audit"), "nothing can be written in /proc"),
    ):
        with pytest.raises(LangspecError, match=expected) as error:
            run_audit(options(encoder, text, out), QUICK)
        assert "\n" not in str(error.value)
    assert not list(work.iterdir())
    assert not (tmp_path / "gone").exists()
    check_out(work / "below" / "further", force=False)
    assert not list(work.iterdir())


def test_a_pass_ends_at_the_highest_layer_and_serves_audits_of_lower_ones(
    encoder: Path, text: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langspec.features import encode

    tops: set[int] = set()
    real = encode.hidden_states

    def recorded(model: Any, batch: Any, layers: Any) -> Any:
        tops.add(max(layers))
        return real(model, batch, layers)

    monkeypatch.setattr(encode, "hidden_states", recorded)
    values = {"parallel": None}
    run_audit(options(encoder, text, tmp_path / "one", layers="0,1", **values), QUICK)
    assert tops == {1}
    run_audit(options(encoder, text, tmp_path / "two", layers="2", **values), QUICK)
    assert tops == {1, 2}
    tops.clear()
    run_audit(options(encoder, text, tmp_path / "three", layers="0,2", **values), QUICK)
    shutil.rmtree(cache / "measures")
    (one,) = (
        p for p in (cache / "banks").iterdir() if len(read_json(p / "meta.json")["layers"]) == 2
    )
    shutil.rmtree(one)
    run_audit(options(encoder, text, tmp_path / "four", layers="1", **values), QUICK)
    assert not tops  # the bank of all layers holds those below


def test_an_encoder_that_labels_words_answers_on_words_first(
    encoder: Path, text: Path, tmp_path: Path
) -> None:
    tagger = tmp_path / "tagger"
    shutil.copytree(encoder, tagger)
    config = read_json(tagger / "config.json")
    write_json(tagger / "config.json", config | {"architectures": ["BertForTokenClassification"]})
    out = tmp_path / "out"
    told = run_audit(options(tagger, text, out, layers="2", parallel=None), QUICK)
    first = next(line for line in told.splitlines() if "keep apart?" in line)
    assert "A linear probe names the language of a single word in its text" in first
    facts = read_json(out / "audit.json")
    of_language = facts["encoders"][0]["languages"]["de"]
    assert of_language["verdict"] == "undecided"  # 15 test texts
    assert of_language["low"] <= of_language["apartness"] <= of_language["high"]
    assert "Too few test texts to decide anything (fewer than 50): " in told + (
        out / "index.html"
    ).read_text(encoding="utf-8")
    frame = pd.read_csv(out / "tables" / "apartness.csv")
    assert set(frame["verdict"]) == {"undecided"}


def test_a_dry_run_says_what_it_costs_and_encodes_nothing(
    encoder: Path, text: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    asked = options(encoder, text, out, layers="0,2")
    first = plan_audit(asked, QUICK).splitlines()
    assert first[0].startswith("audit 3 languages, 150 texts, ")
    assert first[0].endswith(f" -> {out}")
    assert re.fullmatch(
        r"  tiny: 2 layers, about \d+ s, \d+\.\d GB of memory, 0\.0 GB of vectors", first[1]
    )
    assert not out.exists()
    assert not cache.exists()
    run_audit(asked, QUICK)
    assert plan_audit(asked, QUICK).endswith("; its vectors are stored")
    with pytest.raises(LangspecError, match="no such folder"):
        plan_audit(options("./absent", text, tmp_path / "other"), QUICK)


def test_work_without_a_bar_says_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress_bar, "SILENT", 0.02)
    with caplog.at_level(logging.INFO), progress_bar.going("e5: drawing"):
        time.sleep(0.1)
        with progress_bar.Progress(4, "e5: encode", "row") as bar:
            bar.update()
            time.sleep(0.1)
    lines = caplog.messages
    assert any(re.fullmatch(r"e5: drawing: \d+ s so far", line) for line in lines)
    form = r"e5: encode, 1 of 4 rows, about \d+ s, until \d\d:\d\d"
    assert any(re.fullmatch(form, line) for line in lines)
    caplog.clear()
    time.sleep(0.06)
    assert not caplog.messages  # it is over
    assert [progress_bar.span(s) for s in (40, 250, 7800)] == ["40 s", "4 min", "2 h 10 min"]


def test_a_bar_says_when_it_ends_once_something_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar.Progress(4, "e5: encode", "row") as bar:
        bar.update(0)
        assert "0/4" in terminal.getvalue()
        assert "until" not in terminal.getvalue()
        time.sleep(0.15)
        bar.update()
    assert re.search(r"1/4 .*until \d\d:\d\d", terminal.getvalue())


def test_more_languages_than_dimensions_are_refused_before_anything_is_encoded(
    encoder: Path, tmp_path: Path
) -> None:
    width = int(load_subject(EncoderChoice(str(encoder)), layers=None, max_tokens=None)
                .encoder.model.config.hidden_size)  # fmt: skip
    codes = [f"q{a}{b}" for a in "abcdefghij" for b in "abcdefghij"][: width + 1]
    many = write_texts(tmp_path / "many", codes, 40)
    out = tmp_path / "out"
    options = AuditOptions((EncoderChoice(str(encoder)),), many, many, out=out)
    began = time.monotonic()
    with pytest.raises(LangspecError, match=f"{width + 1} languages; expected at most {width}"):
        run_audit(options, QUICK)
    assert time.monotonic() - began < 30
    assert not out.exists()
    lines: Any = SimpleNamespace(
        folder=many, codes=codes, lines=[0, 0, 1], splits=["train", "train", "dev"]
    )
    wide: Any = SimpleNamespace(
        name="wide",
        encoder=SimpleNamespace(model=SimpleNamespace(config=SimpleNamespace(hidden_size=999))),
    )
    with pytest.raises(LangspecError, match=r"with 1 training lines; the language probe needs at"):
        _check_languages(lines, wide)


@pytest.mark.parametrize(
    ("prefix", "said"),
    [("x " * 300, r"--prefix: the prefix has \d+ tokens, and 20"), ("\udc80", "not UTF-8")],
)
def test_a_prefix_that_leaves_no_room_is_refused(
    encoder: Path, text: Path, tmp_path: Path, prefix: str, said: str
) -> None:
    choice = EncoderChoice(str(encoder), prefix)
    with pytest.raises(LangspecError, match=said):
        plan_audit(AuditOptions((choice,), text, out=tmp_path / "out"), QUICK)
