"""Inputs that people met, each with what is right for it: a result, or one line with a cure."""

from __future__ import annotations

import base64
import json
import logging
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import transformers as hf
from sqlalchemy.engine import make_url
from tokenizers import Tokenizer

from audit_fixtures import write_texts
from encoder_shapes import publish, wordpiece
from langspec.audit.audited_encoder import load_subject
from langspec.audit.options import EncoderChoice
from langspec.audit.text_folder import read_texts
from langspec.corpora.conllu import read_conllu
from langspec.corpora.custom import CustomTask, name_pattern, parts
from langspec.corpora.lines import numbered_lines
from langspec.corpora.sources import discover
from langspec.corpora.wikipedia import read_extract
from langspec.encoders.inputs import word_inputs
from langspec.encoders.published_encoder import published_encoder
from langspec.errors import LangspecError
from langspec.languages import LANGUAGES, language
from langspec.release.predicted_rows import conllu_rows
from langspec.tracking.store import open_client, tracking_store

EXTRACT = '<doc id="1" url="u" title="T">\nT\n\n{text}\n</doc>\n'
WORD = "\t".join(["{}", "{}", "_", "{}", *"______"]) + "\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# ---------------------------------------------------------------- languages


@pytest.mark.parametrize(
    ("code", "name", "script", "family"),
    [
        ("sq", "Albanian", "Latin", "Albanian"),
        ("be", "Belarusian", "Cyrillic", "Slavic"),
        ("swa", "Swahili", "Latin", "Bantu"),
        ("yue", "Cantonese", "Han", "Sino-Tibetan"),
        ("zh-yue", "Cantonese", "Han", "Sino-Tibetan"),
        ("pt-br", "Portuguese (BR)", "Latin", "Romance"),
        ("sr-Latn", "Serbian (Latin)", "Latin", "Slavic"),
        ("zh_Hant_TW", "Chinese (Han, TW)", "Han", "Sino-Tibetan"),
        ("es-419", "Spanish (419)", "Latin", "Romance"),
    ],
)
def test_a_language_of_iso_639_and_bcp_47_is_known(
    code: str, name: str, script: str, family: str
) -> None:
    known = language(code)
    assert (known.code, known.name, known.script, known.family) == (code, name, script, family)


@pytest.mark.parametrize("code", ["xx", "qqz", "EN", "de-data", "pt-br-br", "a-b", "", "de--at"])
def test_what_is_no_language_is_refused(code: str) -> None:
    assert code not in LANGUAGES
    with pytest.raises(LangspecError, match="unknown language code"):
        language(code)


def test_every_language_of_iso_639_1_has_a_name_and_a_family() -> None:
    two = [LANGUAGES[code] for code in LANGUAGES if len(code) == 2]
    assert len(two) > 180
    assert all(entry.name and entry.script for entry in two)
    assert len([entry for entry in two if entry.family == "other"]) <= 2


# ---------------------------------------------------------------- corpora


def test_a_wiki_is_never_named_by_the_beginning_of_a_folder(tmp_path: Path) -> None:
    wikis = {
        "enwiki": "en", "dewiki-20240101": "de", "zhwiki": "zh", "zh_yuewiki": "yue",
        "zh_min_nanwiki": "nan", "be_x_oldwiki": "be", "alswiki": "gsw",
    }  # fmt: skip
    for folder in [*wikis, "simplewiki", "zh_newwiki"]:
        write(tmp_path / folder / "AA" / "wiki_00", EXTRACT.format(text="text"))
    contents = discover(tmp_path)
    recognised = {file.name.split("/")[0]: file.language for file in contents.files}
    assert recognised == wikis
    assert contents.ignored == ["simplewiki/AA/wiki_00", "zh_newwiki/AA/wiki_00"]


def test_dumps_of_wikis_with_long_names(tmp_path: Path) -> None:
    for wiki in ("zh_yuewiki", "dewiki", "simplewiki"):
        write(tmp_path / f"{wiki}-20240101-pages-articles.xml", "x")
    contents = discover(tmp_path)
    assert {file.language for file in contents.files} == {"yue", "de"}
    assert contents.ignored == ["simplewiki-20240101-pages-articles.xml"]


def test_text_and_treebanks_of_less_common_languages(tmp_path: Path) -> None:
    for name in ("sq.txt", "en.txt", "pt-br.txt", "sr_Latn.txt", "en-data.txt"):
        write(tmp_path / "text" / name, "a text\n")
    write(tmp_path / "be_hse-ud-train.conllu", WORD.format(1, "a", "NOUN") + "\n")
    contents = discover(tmp_path)
    codes = {file.name: file.language for file in contents.files}
    assert codes == {
        "be_hse-ud-train.conllu": "be", "text/en.txt": "en", "text/pt-br.txt": "pt-br",
        "text/sq.txt": "sq", "text/sr_Latn.txt": "sr_Latn",
    }  # fmt: skip
    assert contents.ignored == ["text/en-data.txt"]


def test_a_custom_task_reads_any_language_and_names_what_it_leaves_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task = CustomTask(
        unit="text", format="jsonl", path="reviews/{language}/{split}.jsonl", text="a",
        label="b", labels=["1", "2"],
    )  # fmt: skip
    for code in ("en", "sq", "swa", "pt-br", "xx"):
        write(tmp_path / "reviews" / code / "train.jsonl", "{}\n")
    files = discover(tmp_path, [name_pattern(task.path)]).files
    assert [part.language for part in parts(task, files)] == ["en", "pt-br", "sq", "swa"]
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "left out" in warning
    assert "reviews/xx/train.jsonl" in warning


def test_the_shortest_code_of_a_name_counts() -> None:
    for pattern, name, code in (
        ("{language}-*.jsonl", "de-news.jsonl", "de"),
        ("{language}_{split}.jsonl", "de_test.jsonl", "de"),
        ("{language}.{split}.jsonl", "pt-br.test.jsonl", "pt-br"),
    ):
        match = name_pattern(pattern).fullmatch(name)
        assert match
        assert match["language"] == code


def test_a_checkout_of_a_treebank_leaves_its_unreleased_files_out(tmp_path: Path) -> None:
    text = WORD.format(1, "a", "NOUN") + "\n"
    for folder in (tmp_path, tmp_path / "not-to-release"):
        write(folder / "en_x-ud-train.conllu", text)
    contents = discover(tmp_path)
    assert [file.name for file in contents.files] == ["en_x-ud-train.conllu"]
    assert contents.ignored == ["not-to-release/"]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        (WORD.format(1, "a\rb", "NOUN") + "\n", WORD.format(1, "a b", "NOUN") + "\n"),
        ("one\rtwo\rthree\rfour\rfive", "one\ntwo\nthree\nfour\nfive"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("one\r\r\ntwo\n", "one  \ntwo\n"),
    ],
)
def test_the_cure_of_a_carriage_return_cures(tmp_path: Path, text: str, whole: str) -> None:
    path = tmp_path / "it's a file.conllu"
    path.write_bytes(text.encode())
    for _ in range(2):  # "\r\r\n" is two faults, one after the other
        try:
            list(numbered_lines(path))
            break
        except LangspecError as error:
            cure = "sed " + str(error).partition(": sed ")[2]
            subprocess.run(["bash", "-c", cure], check=True)
    assert path.read_text(encoding="utf-8") == whole


def test_a_title_with_quotation_marks_is_no_text(tmp_path: Path) -> None:
    for title, shown in (
        ('"Song 1" (album)', '"Song 1" (album)'),
        ("A &amp; B", "A & B"),
        ("x > y", "x > y"),
        ("plain", "plain"),
    ):
        text = f'<doc id="1" url="u" title="{title}">\n{shown}\n\nA sentence.\n</doc>\n'
        assert list(read_extract(write(tmp_path / "wiki_00", text))) == [("1", "A sentence.")]
    text = '<doc id="1" title="T" revid="7">\nT\n\nA sentence.\n</doc>\n'
    assert list(read_extract(write(tmp_path / "wiki_00", text))) == [("1", "A sentence.")]


# ---------------------------------------------------------------- text of an audit


def test_a_word_names_no_language_of_an_audit(tmp_path: Path) -> None:
    write_texts(tmp_path, ["en", "de"], 60)
    for name in ("LICENSE.txt", "README.md", "notes.txt", "en.txt.bak"):
        shutil.copy(tmp_path / "en.txt", tmp_path / name)
    (tmp_path / "corpus").mkdir()
    shutil.copy(tmp_path / "en.txt", tmp_path / "corpus" / "a.txt")
    read = read_texts(tmp_path, parallel=False, max_texts=1000, seed=0, near=0.8, place="--text")
    assert read.codes == ["de", "en"]
    (sentence,) = (one for one in read.warnings if one.startswith("Not read"))
    assert sentence.endswith(": LICENSE.txt, README.md, corpus/, en.txt.bak, notes.txt.")


# ---------------------------------------------------------------- prediction


def test_a_file_without_tags_can_be_predicted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conllu", WORD.format(1, "Hund", "_") + WORD.format(2, ".", "X")
                 + "\n")  # fmt: skip
    (row,) = conllu_rows(path, ("text", "words"))
    assert row["words"] == ["Hund", "."]
    with pytest.raises(LangspecError, match="UPOS '_'"):
        list(read_conllu(path))


def test_words_without_a_piece_are_counted_apart_from_those_that_were_cut() -> None:
    words = [["the", "\u200b", "cat"], ["the", "\u00ad", *["cat"] * 30], ["\u200e"]]
    inputs = word_inputs(wordpiece(), words, [[True] * len(row) for row in words], max_tokens=8)
    assert inputs.blank_words == 3
    assert inputs.lost_words > inputs.blank_words


# ---------------------------------------------------------------- encoders


def edit(file: Path, change: Callable[[Any], object]) -> None:
    values = json.loads(file.read_text()) if file.exists() else {}
    change(values)
    file.write_text(json.dumps(values))


def as_sentence_transformer(folder: Path) -> None:
    kinds = (("Transformer", ""), ("Pooling", "1_Pooling"))
    entries = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(kinds)
    ]
    write(folder / "modules.json", json.dumps(entries))
    pooling = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}
    write(folder / "1_Pooling" / "config.json", json.dumps(pooling))


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("tokenizer_config.json", "model_max_length"),
        ("sentence_bert_config.json", "max_seq_length"),
        ("sentence_roberta_config.json", "max_seq_length"),
        ("sentence_xlm-roberta_config.json", "max_seq_length"),
    ],
)
def test_the_length_that_a_folder_states_is_obeyed(
    bert: Path, file: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    as_sentence_transformer(bert)
    edit(bert / file, lambda values: values.update({key: 8}))
    card = published_encoder(bert).card
    assert card.max_tokens == 8
    assert card.recipe["max_tokens"] == "8, as the folder states"
    assert published_encoder(bert, max_tokens=20).card.max_tokens == 20
    assert "states 8 tokens a text; texts are read to 20" in caplog.text
    caplog.clear()
    choice = EncoderChoice(str(bert), None, None)
    assert load_subject(choice, layers=None, max_tokens=12).encoder.card.max_tokens == 12
    assert "states 8 tokens" in caplog.text


def test_vectors_of_long_texts_are_those_of_sentence_transformers(bert: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from langspec.api import encode, load_encoder

    as_sentence_transformer(bert)
    edit(bert / "tokenizer_config.json", lambda values: values.update(model_max_length=8))
    text = "the cats sleep . " * 5
    theirs = sentence_transformers.SentenceTransformer(str(bert), device="cpu").encode([text])
    ours = encode(load_encoder(bert), [text], layers=[-1], precision="fp32")[0]
    assert torch.allclose(torch.tensor(theirs[0]), torch.tensor(ours[0]), atol=1e-4)


def without_post_processor(folder: Path) -> None:
    edit(folder / "tokenizer.json", lambda values: values.update(post_processor=None))


def test_pooling_by_the_first_piece_needs_one_that_is_no_word(
    bert: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert published_encoder(bert, pooling="cls").card.pooling == "cls"
    without_post_processor(bert)
    with pytest.raises(LangspecError, match=r"^encoder\.pooling: pooling cls reads.*use mean"):
        published_encoder(bert, pooling="cls")
    card = published_encoder(bert, pooling="mean").card
    assert "adds no special tokens" in card.recipe["warning"]
    assert "adds no special tokens" in caplog.text


def test_an_encoder_of_t5_has_no_first_piece_to_pool_by(tmp_path: Path) -> None:
    mt5 = publish(tmp_path / "mt5", "mt5")
    assert published_encoder(mt5).card.pooling == "mean"
    backend = Tokenizer.from_file(str(mt5 / "tokenizer.json"))
    raw = json.loads(backend.to_str())
    raw["post_processor"]["single"] = raw["post_processor"]["single"][1:]  # </s> at the end alone
    (mt5 / "tokenizer.json").write_text(json.dumps(raw))
    with pytest.raises(LangspecError, match="pooling cls reads the first piece"):
        published_encoder(mt5, pooling="cls")
    assert published_encoder(mt5).card.pooling == "mean"


def test_a_tokenizer_that_knows_some_characters_alone_is_refused(bert: Path) -> None:
    path = bert / "tokenizer.json"
    raw = json.loads(path.read_text())
    del raw["model"]["vocab"]["[UNK]"]
    raw["model"]["vocab"]["dog"] = 1
    raw["added_tokens"] = [one for one in raw["added_tokens"] if one["content"] != "[UNK]"]
    path.write_text(json.dumps(raw))
    edit(bert / "tokenizer_config.json", lambda values: values.pop("unk_token", None))
    with pytest.raises(LangspecError, match=r"tokenizer\.json: cannot split text.*unknown token"):
        published_encoder(bert)


def test_a_unigram_tokenizer_without_an_unknown_piece_is_refused(tmp_path: Path) -> None:
    e5 = publish(tmp_path / "e5", "e5")
    edit(e5 / "tokenizer.json", lambda values: values["model"].update(unk_id=None))
    with pytest.raises(LangspecError, match=r"tokenizer\.json: cannot split text.*unknown token"):
        published_encoder(e5)


def small(name: str, **values: Any) -> Any:
    return getattr(hf, name)(**values)


ODD: dict[str, tuple[Callable[[], Any], str]] = {
    "funnel": (
        lambda: hf.FunnelModel(
            small("FunnelConfig", vocab_size=13, block_sizes=[1, 1], d_model=16, n_head=2,
                  d_head=8, d_inner=32)
        ),
        "funnel",
    ),
    "canine": (
        lambda: hf.CanineModel(
            small("CanineConfig", hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                  intermediate_size=32, num_hash_buckets=64)
        ),
        "canine reads characters",
    ),
    "xlnet": (
        lambda: hf.XLNetModel(
            small("XLNetConfig", vocab_size=13, d_model=16, n_layer=2, n_head=2, d_inner=32)
        ),
        "xlnet learnt words in permuted orders",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_other_architectures_are_refused_by_what_is_true_of_them(
    name: str, published_bert: Path, tmp_path: Path
) -> None:
    make, said = ODD[name]
    make().save_pretrained(tmp_path / name)
    if name != "canine":
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(published_bert / file, tmp_path / name)
    with pytest.raises(LangspecError, match=said) as error:
        published_encoder(tmp_path / name)
    assert "\n" not in str(error.value)
    assert "a decoder" not in str(error.value)


# ---------------------------------------------------------------- the store of runs


ODD_NAMES = ["my%20project", "a#b", "a?b", "%41", "a&b", "it's", 'a "b"', "Übung 日本"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_path_is_never_unquoted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / name).mkdir()
    store = tracking_store(root=tmp_path / name)
    assert store.file == tmp_path / name / "mlflow.db"
    assert str(store) == f"sqlite:///{store.file}"
    assert make_url(store.uri).database == str(store.file)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)  # as a child process gets it
    assert tracking_store(root=tmp_path) == store


def test_a_store_lies_in_the_folder_whose_name_looks_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    name = "my%20project? #1"
    project = tmp_path / name
    project.mkdir()
    (tmp_path / "my project").mkdir()
    store = tracking_store(root=project)
    open_client(store)
    assert (project / "mlflow.db").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "my project"])
    assert not list((tmp_path / "my project").iterdir())


class Guarded(BaseHTTPRequestHandler):
    """A server that asks for a password."""

    asked: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.asked.append(self.headers["Authorization"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """No line a request."""


@pytest.fixture
def guarded() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Guarded)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_gets_the_password_of_its_address(guarded: int) -> None:
    from langspec.tracking.store import _check_server

    Guarded.asked.clear()
    _check_server(f"http://user:se%40cret@127.0.0.1:{guarded}/")
    assert Guarded.asked == [f"Basic {base64.b64encode(b'user:se@cret').decode()}"]


def test_no_message_shows_the_password_of_a_server(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    store = tracking_store("http://user:se%40cret@127.0.0.1:9")
    with pytest.raises(LangspecError, match="does not answer") as error:
        open_client(store)
    for text in (str(error.value), str(store), caplog.text):
        assert "cret" not in text
