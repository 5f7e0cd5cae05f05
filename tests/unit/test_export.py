"""An exported folder opens elsewhere and gives langspec's own vectors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from measure_options import make_eraser
from safetensors.numpy import load_file
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from langspec.encoders.forward import hidden_states
from langspec.encoders.inputs import collate, text_inputs
from langspec.encoders.load import Encoder, EncoderCard, load_encoder
from langspec.encoders.wordpiece import train_wordpiece
from langspec.erasure.base import ErasureMap
from langspec.erasure.eraser_folder import load_eraser, weights_hash
from langspec.errors import LangspecError
from langspec.files import read_json, sha256_folder
from langspec.modelling.pooling import pool
from langspec.modelling.saved import RunCard, read_card
from langspec.paths import corpora_sources
from langspec.presets import load_preset
from langspec.release.encoder_folder import ExportedHead, write_export
from langspec.release.model_card import ExportFacts, model_card

TEXTS = ["the dog sees a tree", "кот видит дерево", "der Hund sieht Bäume", "a", "the dog " * 30]
WIDTH = 16


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    tokenizer = train_wordpiece(TEXTS, 80)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    card = EncoderCard("tiny", prefix="the: ", max_tokens=20, licence="MIT")
    return Encoder(model, tokenizer, card)


@pytest.fixture(scope="module")
def eraser() -> ErasureMap:
    rng = np.random.default_rng(0)
    codes = np.repeat(["de", "en", "ru"], 50)
    features = rng.normal(size=(150, WIDTH)) + 3 * (codes == "en")[:, None]
    return make_eraser("leace", anchor="en").fit(features, codes).map


def own_vectors(encoder: Encoder) -> np.ndarray:
    """The sentence vectors that langspec puts into a feature bank."""
    inputs = text_inputs(
        encoder.tokenizer, TEXTS, max_tokens=encoder.card.max_tokens, prefix=encoder.card.prefix
    )
    batch = collate(inputs, np.arange(len(TEXTS)), pad_id=encoder.tokenizer.pad_token_id)
    with torch.inference_mode():
        (hidden,) = hidden_states(encoder.model, batch, -1)
        return pool(hidden, batch["attention_mask"], encoder.card.pooling).numpy()


def auto_vectors(folder: Path, card: EncoderCard) -> np.ndarray:
    """The same by transformers alone, as a stranger would do it."""
    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    model.eval()
    texts = [card.prefix + text for text in TEXTS]
    batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    assert batch["input_ids"].shape[1] == card.max_tokens  # the folder says where to cut
    with torch.inference_mode():
        hidden = model(**batch).last_hidden_state
    if card.pooling == "cls":
        return hidden[:, 0].numpy()
    mask = batch["attention_mask"].unsqueeze(-1)
    return ((hidden * mask).sum(1) / mask.sum(1)).numpy()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_transformers_gives_the_same_vectors(
    encoder: Encoder, eraser: ErasureMap, tmp_path: Path, pooling: str
) -> None:
    encoder = replace(encoder, card=replace(encoder.card, pooling=pooling))
    own = own_vectors(encoder)
    for folder, used in ((tmp_path / "plain", None), (tmp_path / "erased", eraser)):
        write_export(folder, encoder, "card", eraser=used)
        # AutoModel knows nothing of the eraser; langspec itself opens it, as encoder.folder.
        np.testing.assert_allclose(auto_vectors(folder, encoder.card), own, atol=1e-5)
        np.testing.assert_array_equal(own_vectors(load_encoder(folder)), own)


@pytest.mark.slow  # importing sentence-transformers takes as long as all other tests here
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_sentence_transformers_gives_the_same_vectors(
    encoder: Encoder, eraser: ErasureMap, tmp_path: Path, pooling: str
) -> None:
    library = pytest.importorskip("sentence_transformers", reason="it is not installed")
    encoder = replace(encoder, card=replace(encoder.card, pooling=pooling))
    own = own_vectors(encoder)
    expected = {"plain": own, "erased": eraser.apply(own)}
    for name, used in (("plain", None), ("erased", eraser)):
        write_export(tmp_path / name, encoder, "card", eraser=used)
        model = library.SentenceTransformer(str(tmp_path / name), device="cpu")
        np.testing.assert_allclose(model.encode(TEXTS), expected[name], atol=1e-5)
    assert np.abs(expected["erased"] - own).max() > 1e-2


def test_the_eraser_in_the_folder_is_bound_to_its_encoder(
    encoder: Encoder, eraser: ErasureMap, tmp_path: Path
) -> None:
    write_export(tmp_path / "e", encoder, "card", eraser=eraser, eraser_options={"anchor": "en"})
    place, identity = tmp_path / "e" / "eraser", weights_hash(encoder.model)
    back = load_eraser(place, encoder=identity, unit="sentence", layer=2)
    np.testing.assert_array_equal(back.shift, eraser.shift)
    assert read_json(place / "eraser.json")["options"] == {"anchor": "en"}
    # What was written and is opened again is the same encoder.
    loaded = load_encoder(tmp_path / "e")
    assert weights_hash(loaded.model) == identity
    with torch.no_grad():
        next(loaded.model.parameters())[0, 0] += 1
    with pytest.raises(LangspecError, match="fitted on the encoder"):
        load_eraser(place, encoder=weights_hash(loaded.model), unit="sentence", layer=2)


def test_the_head_is_beside_it(encoder: Encoder, eraser: ErasureMap, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    head = ExportedHead("pos", "token", ("A", "B"), 1, rng.normal(size=(2, WIDTH)), np.ones(2))
    write_export(tmp_path / "e", encoder, "card", head=head, token_eraser=eraser)
    tensors = load_file(tmp_path / "e" / "head" / "head.safetensors")
    np.testing.assert_allclose(tensors["weight"], head.weight, rtol=1e-6)
    values = read_json(tmp_path / "e" / "head" / "head.json")
    assert (values["labels"], values["layer"], values["unit"]) == (["A", "B"], 1, "token")
    identity = weights_hash(encoder.model)
    place = tmp_path / "e" / "head" / "eraser"
    assert load_eraser(place, encoder=identity, unit="token", layer=1).name == "leace"
    assert not (tmp_path / "e" / "2_Eraser").exists()


def test_nothing_is_written_over_and_nothing_is_left_half_written(
    encoder: Encoder, tmp_path: Path
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "precious").write_text("x")
    with pytest.raises(LangspecError, match=r"--out: .*not an empty folder"):
        write_export(full, encoder, "card")
    with pytest.raises(LangspecError, match="an empty folder"):
        write_export(full / "precious", encoder, "card")
    assert [file.name for file in full.iterdir()] == ["precious"]
    rng = np.random.default_rng(0)
    by_language = make_eraser("centring").fit(rng.normal(size=(20, WIDTH)), ["de", "en"] * 10).map
    file = full / "precious"
    with pytest.raises(LangspecError, match=r"--out: .*precious is a file; name another"):
        write_export(file / "below", encoder, "card")
    with pytest.raises(LangspecError, match="no single affine map"):
        write_export(tmp_path / "new", encoder, "card", eraser=by_language)
    broken = replace(encoder, card=replace(encoder.card, name=object()))  # not JSON
    with pytest.raises(TypeError):
        write_export(tmp_path / "new", broken, "card")
    assert [entry.name for entry in tmp_path.iterdir()] == ["full"]
    (tmp_path / "new").mkdir()
    write_export(tmp_path / "new", encoder, "card")  # an empty folder is filled
    write_export(tmp_path / "again", encoder, "card")
    assert sha256_folder(tmp_path / "new") == sha256_folder(tmp_path / "again")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "model.json: not JSON"),
        ("[]", "model.json: a JSON list, no object; run langspec train again"),
        ('{"schema": 0}', "model.json: expected schema 1, found 0; run langspec train again"),
        ('{"schema": 1, "task": "pos"}', "model.json: method: field required; run langspec tr"),
    ],
)
def test_a_damaged_card_of_a_seed_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(LangspecError, match=message):
        read_card(tmp_path)


def test_a_card_of_corpora_without_sources_is_refused(tmp_path: Path) -> None:
    for text, message in (("{", "not JSON"), ("{}", "lists no sources; run: dvc repro -f corp")):
        (tmp_path / "card.json").write_text(text)
        with pytest.raises(LangspecError, match=message):
            corpora_sources(tmp_path)


def test_the_card_tells_how_it_was_made(encoder: Encoder, eraser: ErasureMap) -> None:
    corpora = load_preset("demo", []).corpora
    added = corpora.model_copy(update={"files": "added", "targets": ["no"]})
    facts = ExportFacts(
        corpora=added,
        trained=RunCard(
            task="nli",
            method="finetune",
            seed=2,
            labels=("yes", "no"),
            pooling="mean",
            feature_layer=-1,
            dropout=0.1,
            trains_encoder=True,
            encoder_name="tiny",
            encoder_sha256="",
            best_epoch=3,
        ),
        starting=encoder.card,
        run={
            "train_rows": 800,
            "selection": "source_dev",
            "params": {"train.clip": 1.0},
            "seeds": [
                {"seed": 1, "best_epoch": 9, "dev": {"accuracy": 0.1}},
                {"seed": 2, "best_epoch": 3, "dev": {"accuracy": 0.625}},
            ],
        },
        sources=[
            {"kind": "ud", "licence_name": "CC BY-SA 4.0"},
            {"kind": "ud", "licence_name": "CC BY-SA 4.0"},
            {"kind": "text", "licence_name": None},
        ],
        eraser=eraser,
        head_unit="pair",
    )
    text = model_card(facts)
    _, block, body = text.split("---\n", 2)
    values = yaml.safe_load(block)
    assert values["language"] == ["en", "no"]  # not False
    assert values["license"] == "mit"
    for expected in (
        "Epoch 3, chosen by source_dev; dev: accuracy 0.625",
        "English only",
        f"`leace` takes {eraser.rank} directions out",
        "not token vectors",
        "- ud: CC BY-SA 4.0 (2 files)",
        "- text: not stated (1 file)",
        "'the: '",
        "premise and hypothesis",
    ):
        assert expected in body
    assert "Artificial" not in text
    plain = model_card(replace(facts, eraser=None, corpora=corpora))
    assert "erased" not in plain
    artificial = "**Artificial: trained and tested on text generated by langspec, MIT.**"
    assert plain.split("\n# ")[1].split("\n\n")[1].startswith(artificial)
