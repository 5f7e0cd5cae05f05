"""Labels for new text: words, pairs, texts; what is refused; what is cut."""

from __future__ import annotations

import io
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertConfig, BertModel

from langspec.encoders.inputs import collate, word_inputs
from langspec.encoders.load import Encoder, EncoderCard
from langspec.encoders.wordpiece import train_wordpiece
from langspec.erasure.base import ErasureMap
from langspec.erasure.eraser_folder import save_eraser, weights_hash
from langspec.errors import LangspecError
from langspec.release.encoder_folder import ExportedHead, write_export
from langspec.release.predicted_rows import as_jsonl, as_tsv, conllu_rows, format_of, read_rows
from langspec.release.predictor import Predictor, load_predictor, split_words

TEXTS = ["the dog sees a tree", "кот видит дерево", "der Hund sieht Bäume ,", "a", "我 看"]
WIDTH = 16


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    tokenizer = train_wordpiece(TEXTS, 80)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=24, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = BertModel(config, add_pooling_layer=False).eval()
    return Encoder(model, tokenizer, EncoderCard("tiny", max_tokens=20, licence="MIT"))


def head(unit: str, *, single: bool = False) -> ExportedHead:
    rng = np.random.default_rng(1)
    return ExportedHead(
        task="t", unit=unit, labels=("A", "B", "C"), layer=2, single=single,
        weight=rng.normal(size=(3, WIDTH)).astype(np.float32),
        bias=np.zeros(3, np.float32),
    )  # fmt: skip


@pytest.fixture(scope="module")
def folders(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("served")
    write_export(root / "token", encoder, "card", head=head("token"))
    write_export(root / "pair", encoder, "card", head=head("pair"))
    write_export(root / "text", encoder, "card", head=head("pair", single=True))
    write_export(root / "bare", encoder, "card")
    # An eraser that maps everything to one point: no text can make a difference after it.
    flat = ErasureMap(
        name="leace", languages=("de", "en"), gold=False, ranks=(WIDTH,),
        left=np.eye(WIDTH)[None], right=np.eye(WIDTH)[None], shift=np.ones((1, WIDTH)),
        weights=np.zeros((0, WIDTH)), intercepts=np.zeros(0),
    )  # fmt: skip
    for kind, unit in (("token", "token"), ("pair", "sentence")):
        save_eraser(
            root / kind / "erasers" / "leace", flat, encoder=weights_hash(encoder.model),
            unit=unit, layer=2,
        )  # fmt: skip
    return {name: root / name for name in ("token", "pair", "text", "bare")}


@pytest.fixture(scope="module")
def token(folders: dict[str, Path]) -> Predictor:
    return load_predictor(folders["token"])


@pytest.fixture(scope="module")
def pair(folders: dict[str, Path]) -> Predictor:
    return load_predictor(folders["pair"])


def test_words_get_the_head_of_their_own_vector(token: Predictor, encoder: Encoder) -> None:
    words = ["the", "dog", "sees", "a", "tree"]
    (found,) = token.predict([{"words": words}])
    inputs = word_inputs(encoder.tokenizer, [words], [[True] * 5], max_tokens=20)
    batch = collate(inputs, np.asarray([0]), pad_id=encoder.tokenizer.pad_token_id)
    with torch.inference_mode():
        states = encoder.model(batch["input_ids"]).last_hidden_state[0][batch["unit_columns"]]
    logits = states.double().numpy() @ head("token").weight.T.astype(float)
    values = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert found["labels"] == ["ABC"[row.argmax()] for row in values]
    np.testing.assert_allclose(found["probabilities"], values.max(axis=1), rtol=1e-5)


def test_batches_change_nothing(token: Predictor, pair: Predictor) -> None:
    rows = [{"text": text} for text in TEXTS]
    for record, row in zip(token.predict(rows), rows, strict=True):
        (alone,) = token.predict([row])
        assert record["labels"] == alone["labels"]
        np.testing.assert_allclose(record["probabilities"], alone["probabilities"], rtol=1e-5)
    pairs = [{"premise": one, "hypothesis": TEXTS[0]} for one in TEXTS]
    for record in pair.predict(pairs):
        assert sum(record["probabilities"].values()) == pytest.approx(1)
        assert record["probability"] == max(record["probabilities"].values())
        assert record["probabilities"][record["label"]] == record["probability"]


def test_single_texts_are_read_alone(folders: dict[str, Path]) -> None:
    predictor = load_predictor(folders["text"])
    assert predictor.head.columns == ("text",)
    (found,) = predictor.predict([{"text": "the dog"}])
    assert found["label"] in "ABC"
    with pytest.raises(LangspecError, match="row 1: unknown columns hypothesis"):
        predictor.predict([{"text": "the dog", "hypothesis": "a"}])


def test_an_eraser_goes_before_the_head(token: Predictor, pair: Predictor) -> None:
    assert token.erasers == ("leace",)
    (found,) = token.predict([{"text": "the dog sees"}], "leace")
    assert len(set(found["probabilities"])) == 1
    pairs = [{"premise": "the dog", "hypothesis": "a"}, {"premise": "a tree", "hypothesis": "a"}]
    plain, erased = pair.predict(pairs), pair.predict(pairs, "leace")
    assert plain[0] != plain[1]
    assert erased[0] == erased[1]
    with pytest.raises(LangspecError, match="no eraser 'inlp' here; there are: leace"):
        token.predict([{"text": "a"}], "inlp")


def test_long_rows_are_cut_and_counted(token: Predictor, caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"words": ["dog"] * 40}, {"words": ["dog"]}]
    with caplog.at_level(logging.WARNING):
        long, short = token.predict(rows)
    assert "1 of 2 rows were longer than 20 pieces" in caplog.text
    assert token.truncated == 1
    kept = [label for label in long["labels"] if label is not None]
    assert 0 < len(kept) < 40
    assert long["labels"][len(kept) :] == [None] * (40 - len(kept))
    assert len(long["words"]) == len(long["probabilities"]) == 40
    assert short["labels"] != [None]
    token.predict([{"words": ["dog"]}])
    assert token.truncated == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": " "}, "row 1: text: empty text"),
        ({"text": "a", "words": ["a"]}, "row 1: expected either text or words"),
        ({}, "row 1: expected either text or words"),
        ({"txt": "a"}, "row 1: unknown columns txt; expected text or words"),
        ({"words": []}, "row 1: words: expected a list of words"),
        ({"words": ["a", ""]}, "row 1: words: expected a list of words"),
        ({"words": "the dog"}, "row 1: words: expected a list of words"),
        ({"text": 3}, "row 1: text: expected text, found 3"),
        ({"words": ["a"], "space_after": [True, False]}, "row 1: space_after: expected"),
        ({"words": ["a"], "space_after": 3}, "row 1: space_after: expected a list of 1 truth"),
        ({"words": ["a"], "space_after": "n"}, "row 1: space_after: expected a list of 1 truth"),
        ({"text": "\ud800"}, "row 1: text: expected text, found '\\ud800'"),
        ({"words": ["\ud800"]}, "row 1: words: expected a list of words"),
        ({"text": "a", "space_after": [True]}, "row 1: space_after belongs to words"),
    ],
)
def test_bad_rows_of_words_are_refused(
    token: Predictor, row: dict[str, Any], message: str
) -> None:
    with pytest.raises(LangspecError) as told:
        token.predict([row])
    assert str(told.value).startswith(message)


def test_bad_pairs_are_refused(pair: Predictor) -> None:
    good = {"premise": "a", "hypothesis": "a"}
    for bad, message in (
        ({"premise": "a"}, "row 2: hypothesis: expected text, found None"),
        (good | {"label": "A"}, "row 2: unknown columns label; expected premise and hypothesis"),
        (good | {"premise": ""}, "row 2: premise: empty text"),
    ):
        with pytest.raises(LangspecError, match=message):
            pair.predict([good, bad])


def test_no_rows_give_no_predictions(token: Predictor, pair: Predictor) -> None:
    assert token.predict([]) == []
    assert pair.predict([]) == []


def test_a_folder_without_a_head_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    for folder in (folders["bare"], tmp_path):
        with pytest.raises(LangspecError, match="no model with a head here"):
            load_predictor(folder)


def test_a_damaged_head_is_refused(
    folders: dict[str, Path], encoder: Encoder, tmp_path: Path
) -> None:
    write_export(tmp_path / "m", encoder, "card", head=head("token"))
    place = tmp_path / "m" / "head" / "head.safetensors"
    place.write_bytes(place.read_bytes()[:-40])
    with pytest.raises(LangspecError, match=r"head\.safetensors: damaged"):
        load_predictor(tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, "not JSON"),
        ([], "a JSON list, no object"),
        ({"schema": 7}, "expected schema 1, found 7"),
        ({"labels": 3}, "labels: input should be a valid array"),
        ({"labels": ["A", "A", "B"]}, "labels: one stands there twice"),
        ({"unit": "word"}, "unit: input should be 'token' or 'pair'"),
        ({"layer": 9}, "layer 9; expected 0 to 2"),
        ({"layer": "1"}, "layer: input should be a valid integer"),
        ({"labels": ["A"]}, "no tensors of 1 labels and 16 numbers a vector"),
    ],
)
def test_a_head_that_says_something_else_is_refused(
    folders: dict[str, Path], tmp_path: Path, change: Any, message: str
) -> None:
    folder = Path(shutil.copytree(folders["token"], tmp_path / "m"))
    file = folder / "head" / "head.json"
    changed = json.loads(file.read_text()) | change if isinstance(change, dict) else change
    file.write_text("{" if change is None else json.dumps(changed))
    with pytest.raises(LangspecError) as told:
        load_predictor(folder)
    assert str(told.value).startswith(str(folder / "head"))
    assert message in str(told.value)
    assert "write" in str(told.value)


# Words


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="ab ,.'!—我看 \t", max_size=30))
def test_splitting_loses_no_character(text: str) -> None:
    words, spaces = split_words(text)
    assert "".join(words) == "".join(text.split())
    assert len(words) == len(spaces)
    assert all(words)


def test_punctuation_and_scripts_without_spaces_are_split() -> None:
    words, spaces = split_words("«L'eau», dit-il: 3,5 我看。 हिन्दी!")
    assert words == ["«", "L'eau", "»", ",", "dit-il", ":", "3,5", "我", "看", "。", "हिन्दी", "!"]
    assert spaces[words.index(",")]
    assert not spaces[words.index("«")]


# Files

TOKEN, PAIR = ("text", "words"), ("premise", "hypothesis")


@pytest.mark.parametrize(
    ("text", "kind", "columns", "rows"),
    [
        ("a b\nc\n", "txt", TOKEN, [{"text": "a b"}, {"text": "c"}]),
        ("\ufeffa b\r\nc", "txt", TOKEN, [{"text": "a b"}, {"text": "c"}]),
        ('{"words": ["a"]}\n', "jsonl", TOKEN, [{"words": ["a"]}]),
        ("words\na b\n", "tsv", TOKEN, [{"words": ["a", "b"]}]),
        ("hypothesis\tpremise\nx\ty\n", "tsv", PAIR, [{"hypothesis": "x", "premise": "y"}]),
    ],
)
def test_rows_are_read(text: str, kind: str, columns: tuple[str, ...], rows: list) -> None:
    assert read_rows(text, kind, columns, place="f") == rows


@pytest.mark.parametrize(
    ("text", "kind", "columns", "message"),
    [
        ("", "txt", TOKEN, "f: empty text"),
        (" \n\n", "jsonl", PAIR, "f: empty text"),
        ("a\n\nb\n", "txt", TOKEN, "f:2: empty text"),
        ("a\nb\0c\n", "txt", TOKEN, "f:2: a NUL character; remove it"),
        ('{"premise": "a", "hypothesis": "b\0"}\n', "jsonl", PAIR, "f:1: a NUL character"),
        ("a\n", "txt", PAIR, "f: lines of text cannot tell premise from hypothesis"),
        ("{\n", "jsonl", PAIR, "f:1: not JSON"),
        ("[1]\n", "jsonl", PAIR, "f:1: expected an object"),
        ('{"premise": "a", "gold": 1}\n', "jsonl", PAIR, "f:1: unknown columns 'gold'; expected"),
        ("premise\thyp\na\tb\n", "tsv", PAIR, "f:1: unknown columns 'hyp'; expected premise and"),
        ("premise\thypothesis\na\n", "tsv", PAIR, "f:2: found 1 columns, expected 2"),
        ("premise\thypothesis\n", "tsv", PAIR, "f: a header alone; expected rows"),
        ("text\ttext\na\tb\n", "tsv", TOKEN, "f:1: names a column twice"),
        ("[" * 100_000, "jsonl", TOKEN, "f:1: not JSON"),
    ],
)
def test_bad_files_are_refused(
    text: str, kind: str, columns: tuple[str, ...], message: str
) -> None:
    with pytest.raises(LangspecError) as told:
        read_rows(text, kind, columns, place="f")
    assert str(told.value).startswith(message)
    assert "\n" not in str(told.value)


def test_the_format_goes_by_the_name() -> None:
    assert format_of(None, TOKEN) == "txt"
    assert format_of(None, PAIR) == "jsonl"
    assert format_of(Path("a.conllu"), TOKEN) == "conllu"
    with pytest.raises(LangspecError, match=r"a\.csv: its name tells no format"):
        format_of(Path("a.csv"), PAIR)


def test_conllu_is_read_as_words(tmp_path: Path) -> None:
    line = "{}\t{}\t_\tNOUN\t_\t_\t0\troot\t_\t{}\n"
    file = tmp_path / "a.conllu"
    file.write_text(line.format(1, "dog", "SpaceAfter=No") + line.format(2, "!", "_") + "\n")
    rows = conllu_rows(file, TOKEN)
    assert rows == [{"words": ["dog", "!"], "space_after": [False, True]}]
    with pytest.raises(LangspecError, match="CoNLL-U holds words"):
        conllu_rows(file, PAIR)


def test_predictions_are_read_back(token: Predictor, pair: Predictor) -> None:
    tagged = token.predict([{"words": ["dog", '"', "a\tb"]}, {"words": ["tree"] * 30}])
    frame = pd.read_csv(io.StringIO("\n".join(as_tsv(tagged))), sep="\t", keep_default_na=False)
    assert list(frame.columns) == ["row", "word", "label", "probability"]
    assert len(frame) == 33
    assert frame["word"][:3].tolist() == ["dog", '"', "a\tb"]
    assert frame["label"].iloc[-1] == ""
    pairs = pair.predict([{"premise": "a", "hypothesis": "dog"}])
    frame = pd.read_csv(io.StringIO("\n".join(as_tsv(pairs))), sep="\t")
    assert list(frame.columns) == ["row", "label", "probability", "A", "B", "C"]
    (line,) = as_jsonl(pairs)
    assert json.loads(line)["label"] == pairs[0]["label"]
