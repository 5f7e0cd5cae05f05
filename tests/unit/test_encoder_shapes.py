"""Any encoder: tiny random ones of many architectures, from a folder to a step of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoModel

from bank_fixtures import bank_options
from encoder_shapes import HIDDEN, LAYERS, SHAPES, publish
from langspec.corpora.tables import NLI, POS
from langspec.encoders.forward import encoder_arguments, hidden_states
from langspec.encoders.inputs import collate, pair_inputs, text_inputs, word_inputs
from langspec.encoders.load import Encoder, load_encoder, random_encoder
from langspec.encoders.published_encoder import published_encoder
from langspec.encoders.save_folder import save_encoder
from langspec.errors import LangspecError
from langspec.features.bank import BankRows
from langspec.features.encode import build_bank
from langspec.modelling.saved import build_model, copy_encoder
from langspec.tasks import get_task

TEXTS = ["the cat", "the cats sleep . the 猫睡了 sleep", "猫", "cat cat cat ."]
WORDS = [["the", "cats", "sleep", "."], ["猫", "睡了", "cat", "."], ["the", "猫", "sleep"]]
SPACES = [[True, True, False, False], [False, False, True, True], [True, False, False]]
each_shape = pytest.mark.parametrize("name", SHAPES)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("shapes")
    return {name: publish(root / name, name) for name in SHAPES}


@pytest.fixture(scope="module")
def encoders(folders: dict[str, Path]) -> dict[str, Encoder]:
    return {name: published_encoder(folder) for name, folder in folders.items()}


def batch_of(encoder: Encoder, texts: list[str]) -> dict[str, torch.Tensor]:
    inputs = text_inputs(encoder.tokenizer, texts, max_tokens=encoder.card.max_tokens)
    return collate(inputs, np.arange(len(texts)), pad_id=encoder.tokenizer.pad_token_id)


@each_shape
def test_hidden_states_are_the_embeddings_and_every_layer_in_order(
    encoders: dict[str, Encoder], name: str
) -> None:
    model: Any = encoders[name].model
    (layers,) = [
        module
        for module in model.modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == LAYERS
    ]
    seen: list[torch.Tensor] = []

    def first(value: Any) -> torch.Tensor:
        return value[0] if isinstance(value, tuple) else value

    hooks = [
        layers[0].register_forward_pre_hook(
            lambda _, args, kwargs: seen.append(first(args or kwargs["hidden_states"])),
            with_kwargs=True,
        )
    ]
    for layer in layers:
        hooks.append(layer.register_forward_hook(lambda _, a, out: seen.append(first(out))))
    batch = batch_of(encoders[name], TEXTS)
    with torch.inference_mode():
        states = hidden_states(model, batch)
        expected, seen = seen, []
        for hook in hooks:
            hook.remove()
        (last,) = hidden_states(model, batch, -1)
        ran: list[int] = []
        hooks = [
            layer.register_forward_hook(lambda *_, number=number: ran.append(number))
            for number, layer in enumerate(layers, start=1)
        ]
        (inner,) = hidden_states(model, batch, 1)
        (embedded,) = hidden_states(model, batch, -LAYERS - 1)
        for hook in hooks:
            hook.remove()
        assert ran == [1]  # nothing above the layer that is read
        assert torch.equal(hidden_states(model, batch, -1)[0], last)  # no hook is left behind
    assert len(states) == len(expected) == LAYERS + 1
    for state, other in zip(states[:-1], expected[:-1], strict=True):
        assert torch.equal(state, other)
    assert torch.equal(states[-1], last)  # with a final norm, where the architecture has one
    assert torch.equal(states[1], inner)
    assert torch.equal(states[0], embedded)
    assert states[0].shape == (*batch["input_ids"].shape, HIDDEN)


@each_shape
def test_a_rows_vectors_do_not_depend_on_its_batch(
    encoders: dict[str, Encoder], name: str
) -> None:
    encoder = encoders[name]
    with torch.inference_mode():
        together = hidden_states(encoder.model, batch_of(encoder, TEXTS))
        for row, text in enumerate(TEXTS):
            alone = hidden_states(encoder.model, batch_of(encoder, [text]))
            for one, many in zip(alone, together, strict=True):
                moved = (many[row, : one.shape[1]] - one[0]).abs().max()
                assert moved <= 1e-5 * max(1.0, float(one.abs().max()))  # T5's grow to hundreds


@each_shape
def test_every_word_has_its_own_first_piece_with_content(
    encoders: dict[str, Encoder], name: str
) -> None:
    tokenizer = encoders[name].tokenizer
    prefix = "the: "
    inputs = word_inputs(tokenizer, WORDS, SPACES, max_tokens=30, prefix=prefix)
    assert inputs.lost_words == 0
    for row, (words, spaces) in enumerate(zip(WORDS, SPACES, strict=True)):
        text, starts = prefix, []
        for word, space in zip(words, spaces, strict=True):
            starts.append(len(text))
            text += word + " " * space
        encoding = tokenizer(text.rstrip(), return_offsets_mapping=True)
        columns = inputs.units[inputs.unit_starts[row] : inputs.unit_starts[row + 1]]
        assert inputs.unit_words[inputs.unit_starts[row] :][: len(words)].tolist() == [
            *range(len(words))
        ]
        for start, column in zip(starts, columns, strict=True):
            begin, end = encoding["offset_mapping"][column]
            begin += text[begin] == " "
            assert begin == start < end
            assert tokenizer.convert_ids_to_tokens(encoding["input_ids"][column]) not in "▁Ġ"


@each_shape
def test_pairs_get_our_token_types_where_the_model_has_them(
    encoders: dict[str, Encoder], name: str
) -> None:
    encoder = encoders[name]
    inputs = pair_inputs(encoder.tokenizer, ["the cat", "cat"], ["cats sleep", "."], max_tokens=28)
    batch = collate(inputs, np.arange(2), pad_id=encoder.tokenizer.pad_token_id)
    types = batch["token_type_ids"]
    assert set(types[0].tolist()) == {0, 1}
    arguments = encoder_arguments(encoder.model, batch)
    assert ("token_type_ids" in arguments) == SHAPES[name].types
    with torch.inference_mode():
        (last,) = hidden_states(encoder.model, batch, -1)
        (other,) = hidden_states(encoder.model, {**batch, "token_type_ids": 0 * types}, -1)
    assert torch.equal(last, other) != SHAPES[name].types


@each_shape
def test_rows_as_long_as_the_model_has_positions(
    encoders: dict[str, Encoder], folders: dict[str, Path], name: str
) -> None:
    encoder = encoders[name]
    assert encoder.card.max_tokens == SHAPES[name].positions
    texts = ["the cat " * SHAPES[name].positions, "cat"]
    batch = batch_of(encoder, texts)
    assert batch["input_ids"].shape[1] == SHAPES[name].positions
    with torch.inference_mode():
        (last,) = hidden_states(encoder.model, batch, -1)
    assert bool(torch.isfinite(last).all())


POS_ROWS = [
    {
        "id": str(i),
        "language": "en",
        "treebank": "x",
        "split": "train",
        "words": words,
        "labels": (["DET", "NOUN", "VERB", "PUNCT"])[: len(words)],
        "space_after": spaces,
    }
    for i, (words, spaces) in enumerate(zip(WORDS, SPACES, strict=True))
]
NLI_ROWS = [
    {
        "id": str(i),
        "language": "en",
        "split": "train",
        "premise": text,
        "hypothesis": "the cat",
        "label": label,
        "group": str(i),
    }
    for i, (text, label) in enumerate(
        zip(TEXTS, ["neutral", "entailment", "contradiction", "neutral"], strict=True)
    )
]


@each_shape
@pytest.mark.parametrize("task_name", ["pos", "nli"])
def test_a_step_of_training_moves_every_weight(
    encoders: dict[str, Encoder], name: str, task_name: str
) -> None:
    task = get_task(task_name)
    rows, schema = (POS_ROWS, POS) if task_name == "pos" else (NLI_ROWS, NLI)
    encoder = copy_encoder(encoders[name])
    data = task.data(pa.Table.from_pylist(rows, schema=schema), encoder)
    torch.manual_seed(0)
    model = build_model(encoder, task, feature_layer=-1, dropout=0.1, init=0.1).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)

    def loss() -> torch.Tensor:
        batch = data.batch(np.arange(len(data)))
        return torch.nn.functional.cross_entropy(model(batch)["task"], batch["labels"])

    with torch.no_grad():
        before = loss()
    first = loss()
    first.backward()
    # A weight without a gradient would stop a run of several processes.
    idle = [key for key, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert idle == []
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    optimiser.step()
    with torch.no_grad():
        assert not torch.equal(loss(), before)


@each_shape
def test_written_anew_and_drawn_anew(
    encoders: dict[str, Encoder], tmp_path: Path, name: str
) -> None:
    encoder = encoders[name]
    save_encoder(tmp_path / "again", encoder.model, encoder.tokenizer, encoder.card)
    again = load_encoder(tmp_path / "again")
    batch = batch_of(encoder, TEXTS)
    with torch.inference_mode():
        expected = hidden_states(encoder.model, batch)
        for one, other in zip(expected, hidden_states(again.model, batch), strict=True):
            assert torch.equal(one, other)
        fresh = hidden_states(random_encoder(again, 1).model, batch)
    assert fresh[-1].shape == expected[-1].shape
    assert not torch.equal(fresh[-1], expected[-1])


@pytest.fixture(scope="module")
def compat(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = publish(tmp_path_factory.mktemp("compat") / "e5", "e5")  # a model with its pooler
    return published_encoder(folder, pooling="compat")


def test_compat_is_the_checkpoints_own_pooler(
    compat: Encoder, encoders: dict[str, Encoder], folders: dict[str, Path], tmp_path: Path
) -> None:
    theirs = AutoModel.from_pretrained(folders["e5"]).eval()
    batch = batch_of(compat, TEXTS)
    task = get_task("nli")
    model = build_model(compat, task, feature_layer=-1, dropout=0.0, init=0.1).eval()
    with torch.inference_mode():
        vectors = model.vectors(batch)
        expected = theirs(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).pooler_output
    assert torch.equal(vectors, expected)
    save_encoder(tmp_path / "kept", compat.model, compat.tokenizer, compat.card)
    kept = load_encoder(tmp_path / "kept")
    assert kept.card.pooling == "compat"
    for key, value in compat.model.pooler.state_dict().items():
        assert torch.equal(kept.model.pooler.state_dict()[key], value)
    assert random_encoder(kept, 1).model.pooler is not None
    assert load_encoder(tmp_path / "kept", pooling="mean").model.pooler is None
    assert encoders["e5"].model.pooler is None


def test_compat_pairs_have_no_token_types(compat: Encoder, encoders: dict[str, Encoder]) -> None:
    table = pa.Table.from_pylist(NLI_ROWS, schema=NLI)
    assert not get_task("nli").data(table, compat).inputs.segments.any()
    assert get_task("nli").data(table, encoders["e5"]).inputs.segments.any()


def test_compat_trains_the_pooler_with_pairs_and_leaves_it_with_tokens(compat: Encoder) -> None:
    for name, rows, schema in (("pos", POS_ROWS, POS), ("nli", NLI_ROWS, NLI)):
        task, encoder = get_task(name), copy_encoder(compat)
        data = task.data(pa.Table.from_pylist(rows, schema=schema), encoder)
        model = build_model(encoder, task, feature_layer=-1, dropout=0.1, init=0.1)
        logits = model(data.batch(np.arange(len(data))))["task"]
        logits.square().sum().backward()
        moved = {key for key, p in model.named_parameters() if p.grad is not None}
        assert moved == {key for key, p in model.named_parameters() if p.requires_grad}
        assert any("pooler" in key for key in moved) == (name == "nli")
    with pytest.raises(LangspecError, match=r"train\.feature_layer"):
        build_model(compat, get_task("nli"), feature_layer=1, dropout=0.1, init=0.1)
    build_model(compat, get_task("pos"), feature_layer=1, dropout=0.1, init=0.1)


def test_compat_bank_reads_the_pooler_at_the_last_layer_only(
    compat: Encoder, tmp_path: Path
) -> None:
    inputs = text_inputs(compat.tokenizer, TEXTS, max_tokens=30)
    bank = build_bank(
        compat.model,
        compat.tokenizer.pad_token_id,
        inputs,
        BankRows(languages=["en"] * len(TEXTS)),
        options=bank_options(pooling="compat"),
        key="k",
        root=tmp_path,
    )
    with torch.inference_mode():
        states = hidden_states(compat.model, batch_of(compat, TEXTS))
        pooled = compat.model.pooler(states[-1])
    close = {"atol": 2e-2, "rtol": 2e-3}  # banks may hold halves
    np.testing.assert_allclose(bank.sentences(-1), pooled.numpy(), **close)
    np.testing.assert_allclose(bank.sentences(1), states[1][:, 0].numpy(), **close)
