from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from encoder_fixtures import options, write_pretraining_text
from transformers import (
    BertForMaskedLM,
    DistilBertConfig,
    DistilBertModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from encoder_shapes import random_bert
from langspec.encoders.load import Encoder, EncoderCard, load_encoder, random_encoder
from langspec.encoders.save_folder import save_encoder
from langspec.errors import LangspecError
from langspec.files import sha256_folder

TEXTS = ["the dog sees a tree", "кот видит дерево", "der Hund sieht Bäume"]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    model, tokenizer = random_bert(TEXTS, pieces=80)
    return Encoder(model, tokenizer, EncoderCard("tiny", prefix="query: ", max_tokens=20))


@pytest.fixture
def folder(encoder: Encoder, tmp_path: Path) -> Path:
    save_encoder(tmp_path / "tiny", encoder.model, encoder.tokenizer, encoder.card)
    return tmp_path / "tiny"


def test_saved_and_loaded_is_the_same_bit_for_bit(encoder: Encoder, folder: Path) -> None:
    loaded = load_encoder(folder)
    assert loaded.card == replace(encoder.card, sha256=loaded.card.sha256)
    assert len(loaded.card.sha256) == 64
    state = encoder.model.state_dict()
    assert state.keys() == loaded.model.state_dict().keys()
    assert all(torch.equal(state[key], value) for key, value in loaded.model.state_dict().items())
    assert not loaded.model.training
    for text in TEXTS:
        assert loaded.tokenizer(text, "ein Baum") == encoder.tokenizer(text, "ein Baum")
    assert loaded.tokenizer.special_tokens_map == encoder.tokenizer.special_tokens_map


def test_two_saves_give_equal_bytes_without_paths_or_versions(
    encoder: Encoder, folder: Path, tmp_path: Path
) -> None:
    again = load_encoder(folder)
    save_encoder(tmp_path / "again", again.model, again.tokenizer, again.card)
    assert sha256_folder(tmp_path / "again") == sha256_folder(folder)
    text = "".join(path.read_text() for path in folder.glob("*.json"))
    assert str(tmp_path) not in text
    assert "transformers_version" not in text


def test_half_precision_on_disk_loads_as_fp32(encoder: Encoder, tmp_path: Path) -> None:
    save_encoder(
        tmp_path / "half", encoder.model, encoder.tokenizer, encoder.card, dtype=torch.float16
    )
    loaded = load_encoder(tmp_path / "half").model
    expected = encoder.model.state_dict()
    for key, value in loaded.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, expected[key].half().float())


def test_random_encoder_has_the_shape_but_not_the_weights(encoder: Encoder) -> None:
    state = torch.random.get_rng_state()
    first, second, other = (random_encoder(encoder, seed) for seed in (1, 1, 2))
    assert torch.equal(state, torch.random.get_rng_state())
    trained = encoder.model.state_dict()
    key = "encoder.layer.1.output.dense.weight"
    assert {k: v.shape for k, v in first.model.state_dict().items()} == {
        k: v.shape for k, v in trained.items()
    }
    assert torch.equal(first.model.state_dict()[key], second.model.state_dict()[key])
    assert not torch.equal(first.model.state_dict()[key], other.model.state_dict()[key])
    assert not torch.equal(first.model.state_dict()[key], trained[key])
    assert first.tokenizer is encoder.tokenizer


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no weights"),
        ("tokenizer.json", "AutoTokenizer"),
    ],
)
def test_missing_file_is_told_with_the_cure(folder: Path, missing: str, expected: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(LangspecError, match=expected) as error:
        load_encoder(folder)
    assert str(folder) in str(error.value)


def test_pickled_weights_are_refused_with_the_command_that_converts(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(LangspecError, match=r"pytorch_model.bin.*save_file"):
        load_encoder(folder)


def test_truncated_weights_are_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(LangspecError, match=r"langspec\.json: .*another SHA-256"):
        load_encoder(folder)
    (folder / "langspec.json").unlink()  # a folder that others made has no card
    with pytest.raises(LangspecError, match="safetensors"):
        load_encoder(folder)


def test_weights_that_do_not_fill_the_model_are_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(LangspecError, match=r"encoder.layer.2"):
        load_encoder(folder)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 64}))
    with pytest.raises(LangspecError, match="do not fit"):
        load_encoder(folder)


def test_exchanged_weights_do_not_match_the_card(encoder: Encoder, folder: Path) -> None:
    from safetensors.torch import save_file

    fresh = random_encoder(encoder, 5).model.state_dict()
    save_file(fresh, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(LangspecError, match="SHA-256"):
        load_encoder(folder)


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("config.json", "{", "not JSON"),
        ("config.json", "{}", "model_type"),
        ("tokenizer.json", "{}", "not a tokenizer"),
        ("tokenizer_config.json", "[", "cannot be read"),
        ("langspec.json", '{"name": "x", "colour": 1}', "unknown key 'colour'; expected kind, "),
        ("langspec.json", "[]", "a JSON list, no object; build the encoder again"),
        ("langspec.json", "{", r"not JSON \(.*\); build the encoder again"),
        ("langspec.json", '{"name": null}', "name: input should be a valid string; build the enc"),
        ("langspec.json", '{"name": "x", "prefix": 3}', "prefix: input should be a valid string"),
        ("langspec.json", '{"name": "x", "max_tokens": 20.5}', "max_tokens: input should be a v"),
        ("config.json", '{"model_type": "bert", "hidden_size": "x"}', "hidden_size"),
    ],
)
def test_damaged_file_is_named(folder: Path, file: str, text: str, expected: str) -> None:
    (folder / file).write_text(text)
    with pytest.raises(LangspecError, match=expected) as error:
        load_encoder(folder)
    assert file in str(error.value)


@pytest.mark.parametrize("change", [{"pooling": "max"}, {"max_tokens": 25}, {"max_tokens": 2}])
def test_impossible_card_values_are_refused(folder: Path, change: dict) -> None:
    with pytest.raises(LangspecError, match=next(iter(change))):
        load_encoder(folder, **change)


@pytest.mark.parametrize("kind", ["bert-mlm", "distilbert", "xlm-roberta"])
def test_folders_written_by_transformers(encoder: Encoder, tmp_path: Path, kind: str) -> None:
    size = encoder.model.config.vocab_size
    if kind == "bert-mlm":
        model = BertForMaskedLM(encoder.model.config)
        base, positions = model.bert, 24
    elif kind == "distilbert":
        model = base = DistilBertModel(
            DistilBertConfig(
                vocab_size=size,
                dim=16,
                n_layers=1,
                n_heads=2,
                hidden_dim=32,
                max_position_embeddings=24,
            )
        )
        positions = 24
    else:
        model = base = XLMRobertaModel(
            XLMRobertaConfig(
                vocab_size=size,
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=32,
                max_position_embeddings=24,
                pad_token_id=encoder.tokenizer.pad_token_id,
            )
        )
        positions = 23  # RoBERTa counts from the padding index (here 0) on
    model.save_pretrained(tmp_path / kind)
    encoder.tokenizer.save_pretrained(tmp_path / kind)
    loaded = load_encoder(tmp_path / kind, prefix="> ")
    assert loaded.card.name == kind
    assert loaded.card.prefix == "> "
    assert loaded.card.max_tokens == positions
    assert not any("pooler" in name for name in loaded.model.state_dict())
    ids = torch.tensor([loaded.tokenizer("the dog sees").input_ids])
    with torch.no_grad():
        ours = loaded.model(input_ids=ids, output_hidden_states=True)
        theirs = base.eval()(input_ids=ids).last_hidden_state
    assert torch.equal(ours.last_hidden_state, theirs)
    assert torch.equal(ours.hidden_states[-1], theirs)


def test_tokenizer_json_is_the_truth_even_for_bert_folders(encoder: Encoder, folder: Path) -> None:
    """transformers' own BERT tokenizer would lower-case or rebuild from the vocabulary."""
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    loaded = load_encoder(folder).tokenizer
    assert loaded.pad_token == "[PAD]"
    for text in TEXTS:
        assert loaded(text).input_ids == encoder.tokenizer(text).input_ids


def test_saved_length_and_padding_of_a_tokenizer_are_switched_off(
    encoder: Encoder, folder: Path
) -> None:
    raw = json.loads((folder / "tokenizer.json").read_text())
    raw["truncation"] = {
        "max_length": 4,
        "stride": 0,
        "strategy": "LongestFirst",
        "direction": "Right",
    }
    (folder / "tokenizer.json").write_text(json.dumps(raw))
    text = "the dog sees a tree"
    assert load_encoder(folder).tokenizer(text) == encoder.tokenizer(text)


def test_fixture_corpus_is_whole(tmp_path: Path) -> None:
    from langspec.encoders.pretraining_text import read_pretrain_data

    data = read_pretrain_data(write_pretraining_text(tmp_path))
    assert {len(line) for line in data.lines} == {3}
    assert options().pretrain.tlm > 0
