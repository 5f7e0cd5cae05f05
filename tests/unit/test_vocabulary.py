"""An encoder with the embeddings of some pieces is the encoder, on those pieces."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from accelerate import Accelerator

from langspec.encoders.load import Encoder, EncoderCard
from langspec.errors import LangspecError
from langspec.modelling.model import freeze_embeddings
from langspec.modelling.saved import RunCard, build_model, load_run, save_run
from langspec.modelling.vocabulary import TrimmedEmbedding, pieces_of, trim_vocabulary
from langspec.objectives import get_objective
from langspec.tasks import get_task
from langspec.training.loop import fit
from training_fixtures import CLASSES, options, token_data

V, H = 5000, 16
SIZES = {"vocab_size": V, "hidden_size": H, "num_hidden_layers": 2, "num_attention_heads": 2}
BERT = SIZES | {"intermediate_size": 32, "max_position_embeddings": 24}


def bert() -> Any:
    return hf.BertModel(hf.BertConfig(**BERT), add_pooling_layer=False)


def xlm_roberta() -> Any:
    return hf.XLMRobertaModel(
        hf.XLMRobertaConfig(**BERT, pad_token_id=1, type_vocab_size=1), add_pooling_layer=False
    )


def t5() -> Any:
    return hf.T5EncoderModel(
        hf.T5Config(vocab_size=V, d_model=H, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    )


@pytest.mark.parametrize("make", [bert, xlm_roberta, t5])
def test_outputs_are_equal_bit_for_bit_and_the_table_is_small(make: Any) -> None:
    torch.manual_seed(0)
    whole = make().eval()
    trimmed = copy.deepcopy(whole)
    rng = np.random.default_rng(0)
    rows = [rng.choice(V, 40, replace=False).astype(np.int32) for _ in range(3)]
    pieces = pieces_of(rows, special=[2, 3])
    assert {0, 2, 3} <= set(pieces.tolist())
    saved = trim_vocabulary(trimmed, pieces)
    assert saved == 4 * H * (V - len(pieces))
    assert sum(p.numel() for p in whole.parameters()) - sum(
        p.numel() for p in trimmed.parameters()
    ) == H * (V - len(pieces))
    for ids in rows:
        batch = torch.from_numpy(ids.reshape(4, 10)).long()
        mask = torch.ones_like(batch)
        with torch.inference_mode():
            expected = whole(input_ids=batch, attention_mask=mask).last_hidden_state
            found = trimmed(input_ids=batch, attention_mask=mask).last_hidden_state
        assert torch.equal(found, expected)
    absent = next(piece for piece in range(V) if piece not in set(pieces.tolist()))
    with pytest.raises(IndexError):
        trimmed(input_ids=torch.tensor([[absent]]), attention_mask=torch.ones(1, 1))


def test_another_kind_of_embedding_is_refused() -> None:
    model = bert()
    pieces = pieces_of([np.asarray([5])], [])
    trim_vocabulary(model, pieces)
    with pytest.raises(LangspecError, match=r"compute\.trim_vocabulary: .* TrimmedEmbedding"):
        trim_vocabulary(model, pieces)


def test_a_trained_run_is_put_into_the_whole_encoder(tmp_path: Path) -> None:
    """Training is the same bit for bit, and nothing saved knows that the table was cut."""
    torch.manual_seed(0)
    card = EncoderCard("whole", max_tokens=20, sha256="0" * 64)
    encoder = Encoder(bert(), None, card)
    task = get_task("pos")
    data, dev = token_data(30), token_data(8, seed=9)

    def trained(cut: bool) -> Any:
        own = copy.deepcopy(encoder)
        if cut:
            trim_vocabulary(own.model, pieces_of([data.inputs.ids, dev.inputs.ids], []))
            assert isinstance(own.model.get_input_embeddings(), TrimmedEmbedding)
        torch.manual_seed(1)
        model = build_model(own, task, feature_layer=-1, dropout=0.1, init=0.02)
        freeze_embeddings(model.encoder)
        return fit(
            model, get_objective("finetune"), data, dev, options(epochs=1),
            Accelerator(cpu=True), classes=len(task.labels),
        )  # fmt: skip

    whole, cut = trained(False), trained(True)
    assert whole.tensors.keys() == cut.tensors.keys()
    assert not any("word_embeddings" in name for name in cut.tensors)
    assert all(torch.equal(whole.tensors[name], cut.tensors[name]) for name in cut.tensors)
    assert whole.steps == cut.steps
    assert len(task.labels) > CLASSES
    save_run(
        tmp_path / "run",
        cut.tensors,
        RunCard(
            task="pos", method="finetune", seed=1, labels=task.labels, pooling="mean",
            feature_layer=-1, dropout=0.1, trains_encoder=True, encoder_name="whole",
            encoder_sha256=card.sha256, best_epoch=1,
        ),
    )  # fmt: skip
    loaded = load_run(tmp_path / "run", encoder, task)
    assert len(loaded.encoder.get_input_embeddings().weight) == V
    assert torch.equal(
        loaded.encoder.get_input_embeddings().weight, encoder.model.get_input_embeddings().weight
    )
    any_piece = {
        k: torch.full((1, 3), v) for k, v in (("input_ids", V - 1), ("attention_mask", 1))
    }
    with torch.inference_mode():
        assert loaded.encoder(**any_piece).last_hidden_state.isfinite().all()
