from __future__ import annotations

import lzma
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from encoder_fixtures import CONCEPTS, LANGUAGES, options, write_pretraining_text

from langspec.encoders import pretrain as module
from langspec.encoders.load import load_encoder
from langspec.encoders.pretrain import BatchMaker, StepRecord, pretrain
from langspec.encoders.pretraining_text import (
    PretrainData,
    Sentence,
    code_switched,
    join,
    read_pretrain_data,
)
from langspec.encoders.save_folder import save_encoder
from langspec.encoders.wordpiece import train_wordpiece
from langspec.errors import LangspecError


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pretraining_text(tmp_path_factory.mktemp("corpora"))


@pytest.fixture(scope="module")
def data(corpora: Path) -> PretrainData:
    return read_pretrain_data(corpora)


def _maker(data: PretrainData, **changes: object) -> BatchMaker:
    return BatchMaker(data, train_wordpiece(data.texts(), 120), options(**changes))


@pytest.mark.slow
def test_training_lowers_the_loss_and_repeats_exactly(corpora: Path, tmp_path: Path) -> None:
    history: list[StepRecord] = []
    first = pretrain(corpora, options(steps=100), on_record=history.append)
    assert [row.step for row in history] == [50, 100]
    assert history[1].loss < history[0].loss - 0.3
    assert history[1].masked_accuracy > history[0].masked_accuracy
    torch.manual_seed(99)  # whatever happened before must not matter
    again = pretrain(corpora, options(steps=100)).model.state_dict()
    for key, value in first.model.state_dict().items():
        assert torch.equal(value, again[key])
    # What is in use is what is stored.
    save_encoder(tmp_path / "e", first.model, first.tokenizer, first.card, dtype=module.STORED)
    for key, value in load_encoder(tmp_path / "e").model.state_dict().items():
        assert torch.equal(value, again[key])


def test_another_seed_gives_another_encoder(corpora: Path) -> None:
    first, second = (pretrain(corpora, options(steps=2, seed=seed)) for seed in (1, 2))
    key = "embeddings.word_embeddings.weight"
    assert not torch.equal(first.model.state_dict()[key], second.model.state_dict()[key])


def test_translation_pairs_are_translations_in_two_languages(data: PretrainData) -> None:
    line_of = {
        join(sentence.words, sentence.spaces): (number, sentence.language)
        for number, line in enumerate(data.lines)
        for sentence in line
    }
    texts = Counter(join(s.words, s.spaces) for line in data.lines for s in line)
    maker = _maker(data)
    checked = 0
    for _ in range(200):
        first, second = maker.draw("tlm")
        assert line_of[first][1] != line_of[second][1]
        if texts[first] == texts[second] == 1:  # by chance two lines may say the same
            assert line_of[first][0] == line_of[second][0]
            checked += 1
    assert checked > 20


def test_code_switching_replaces_dictionary_words_only_and_by_the_same_concept(
    data: PretrainData,
) -> None:
    form_of = {
        form: (concept, LANGUAGES[i])
        for concept, languages in CONCEPTS.items()
        for i, forms in enumerate(languages)
        for form in forms
    }
    rng = random.Random(5)
    replaced = kept = 0
    for line in data.lines:
        for sentence in line:
            words = code_switched(sentence, data.dictionary, 0.5, rng)
            for word, old, concept in zip(words, sentence.words, sentence.concepts, strict=True):
                if concept is None:
                    assert word == old
                elif word == old:
                    kept += 1
                else:
                    replaced += 1
                    assert form_of[word][0] == concept
                    assert form_of[word][1] != sentence.language
    assert 0.4 < replaced / (replaced + kept) < 0.6
    assert code_switched(data.lines[0][0], data.dictionary, 0.0, rng) == list(
        data.lines[0][0].words
    )


def test_a_switched_first_word_keeps_its_capital() -> None:
    sentence = Sentence("es", ("Dogo", "runs"), ("dog.n", None), (True, False))
    dictionary = {"dog.n": {"es": ["dogo"], "it": ["kane"]}}
    assert code_switched(sentence, dictionary, 1.0, random.Random(0)) == ["Kane", "runs"]


def test_masks_hide_the_asked_share_and_never_special_tokens(data: PretrainData) -> None:
    maker = _maker(data, mask=0.3)
    chosen = ordinary = masked = 0
    stream = maker.batches("tlm")
    for _ in range(40):
        batch = next(stream)
        labels, ids = batch["labels"].numpy(), batch["input_ids"].numpy()
        target = labels != -100
        assert not np.isin(labels[target], maker.special).any()
        original = np.where(target, labels, ids)
        chosen += target.sum()
        ordinary += (~np.isin(original, maker.special)).sum()
        masked += (ids[target] == maker.mask).sum()
        assert (batch["attention_mask"].numpy() == (original != maker.pad)).all()
        assert ids.size <= 256
    assert 0.25 < chosen / ordinary < 0.35
    assert 0.72 < masked / chosen < 0.88


def test_shares_of_kinds(data: PretrainData, monkeypatch: pytest.MonkeyPatch) -> None:
    maker = _maker(data, tlm=0.5, pairs=0.2)
    drawn: Counter[str] = Counter()

    def counted(kind: str):  # type: ignore[no-untyped-def]
        while True:
            drawn[kind] += 1
            yield {}

    monkeypatch.setattr(maker, "batches", counted)
    stream = iter(maker)
    for _ in range(2000):
        next(stream)
    assert abs(drawn["tlm"] / 2000 - 0.5) < 0.04
    assert abs(drawn["pairs"] / 2000 - 0.2) < 0.04


@pytest.mark.parametrize("restart", [True, False])
def test_position_restart_reaches_the_model(
    data: PretrainData, monkeypatch: pytest.MonkeyPatch, restart: bool
) -> None:
    section = options(restart_positions=restart)
    tokenizer = train_wordpiece(data.texts(), 120)
    maker = BatchMaker(data, tokenizer, section)
    model = module._model(tokenizer, section)
    seen: list[torch.Tensor] = []
    table = model.bert.embeddings.position_embeddings
    table.register_forward_hook(lambda _m, inputs, _out: seen.append(inputs[0].clone()))
    batch = next(maker.batches("tlm"))
    module.masked_loss(model, batch)
    segments = batch["token_type_ids"]
    positions = seen[0].expand_as(segments)
    begins = (segments[:, 1:] - segments[:, :-1] == 1).nonzero()
    assert len(begins) == len(segments)
    for row, column in begins.tolist():
        assert positions[row, column] == column
        assert positions[row, column + 1] == (0 if restart else column + 1)


def test_an_absent_or_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LangspecError, match=r"sentences.jsonl: cannot be read"):
        pretrain(tmp_path, options())
    folder = write_pretraining_text(tmp_path / "text")
    (folder / "pairs.jsonl").write_bytes(b"")
    with pytest.raises(LangspecError, match=r"pairs.jsonl: the file is empty"):
        pretrain(folder, options())


def test_compressed_text_is_read_alike(corpora: Path, data: PretrainData, tmp_path: Path) -> None:
    for path in corpora.iterdir():
        packed = tmp_path / f"{path.name}.xz"
        packed.write_bytes(lzma.compress(path.read_bytes()))
    assert read_pretrain_data(tmp_path) == data


def test_attention_starts_as_comparison(data: PretrainData) -> None:
    """A masked word looks at its own place, and at that place in the other text of the pair."""
    tokenizer = train_wordpiece(data.texts(), 120)
    torch.manual_seed(0)
    model = module._model(tokenizer, options(hidden=128, heads=4)).eval()
    embeddings = model.bert.embeddings
    first = model.bert.encoder.layer[0].attention.self
    batch = {
        "input_ids": torch.arange(5, 25)[None],
        "attention_mask": torch.ones(1, 20, dtype=torch.long),
        "token_type_ids": torch.tensor([[0] * 10 + [1] * 10]),
    }
    arguments = module.encoder_arguments(model, batch)
    states = embeddings(
        input_ids=arguments["input_ids"],
        token_type_ids=arguments["token_type_ids"],
        position_ids=arguments["position_ids"],
    )
    scores = first.query(states) @ first.key(states).transpose(1, 2)
    across = scores[0, :10, 10:]
    away = (across.argmax(dim=1) - torch.arange(10)).abs().float()
    assert away.mean() < 1.5  # places: by chance it is 3.3
