"""Tiny random encoders of many architectures, as folders that their makers would publish.

Three kinds of tokenizers: WordPiece (BERT), Unigram with word-boundary pieces (XLM-R, T5, DeBERTa
v2 and 3) and byte-level BPE (RoBERTa, ModernBERT), each over the same few made-up words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from langspec.encoders.wordpiece import train_wordpiece

LAYERS, HIDDEN, POSITIONS = 3, 16, 30
_BERT = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]"}
_XLMR = {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "unk": "<unk>"}


def _wrap(backend: Tokenizer, names: dict[str, str]) -> hf.PreTrainedTokenizerFast:
    special = {f"{key}_token": token for key, token in names.items()}
    return hf.PreTrainedTokenizerFast(tokenizer_object=backend, **special)


def wordpiece() -> hf.PreTrainedTokenizerFast:
    words = ["the", "cat", "##s", "sle", "##ep", ".", "猫", "睡", "了"]
    vocabulary = {piece: i for i, piece in enumerate([*_BERT.values(), *words])}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return _wrap(backend, _BERT)


def unigram() -> hf.PreTrainedTokenizerFast:
    pieces = [(token, 0.0) for token in _XLMR.values()]
    pieces += [("▁", -2.0), ("▁the", -1.0), ("▁cat", -1.0), ("s", -3.0), ("▁sle", -1.0)]
    pieces += [("ep", -1.0), ("猫", -1.5), ("睡", -1.5), ("了", -1.5), ("睡了", -1.0), (".", -1.0)]
    backend = Tokenizer(models.Unigram(pieces, unk_id=3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    backend.decoder = decoders.Metaspace(prepend_scheme="always")
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return _wrap(backend, _XLMR)


def bytes_bpe() -> hf.PreTrainedTokenizerFast:
    merges = [("Ġ", "c"), ("Ġc", "a"), ("Ġca", "t"), ("t", "h"), ("th", "e"), ("Ġ", "s")]
    tokens = [*_XLMR.values(), *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokens += ["".join(pair) for pair in merges]
    backend = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    return _wrap(backend, _XLMR)


@dataclass(frozen=True)
class Shape:
    """How to make one; ``types``: does the model tell the two texts of a pair apart?"""

    model: str
    tokenizer: Callable[[], hf.PreTrainedTokenizerFast]
    settings: dict[str, Any]
    positions: int = POSITIONS
    types: bool = False


_COMMON = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": POSITIONS,
}
_T5 = {"d_model": HIDDEN, "d_kv": 8, "d_ff": 32, "num_layers": LAYERS, "num_heads": 2}
_DEBERTA = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0}
SHAPES: dict[str, Shape] = {
    "bert": Shape("BertForMaskedLM", wordpiece, _COMMON, types=True),
    "e5": Shape("BertModel", unigram, _COMMON, types=True),
    "electra": Shape(
        "ElectraForPreTraining", wordpiece, {**_COMMON, "embedding_size": 8}, types=True
    ),
    "distilbert": Shape(
        "DistilBertForMaskedLM",
        wordpiece,
        {
            "dim": HIDDEN,
            "n_layers": LAYERS,
            "n_heads": 2,
            "hidden_dim": 32,
            "max_position_embeddings": POSITIONS,
        },
    ),
    "xlm-roberta": Shape(
        "XLMRobertaForMaskedLM", unigram, {**_COMMON, "type_vocab_size": 1}, POSITIONS - 2
    ),
    "roberta": Shape(
        "RobertaForMaskedLM", bytes_bpe, {**_COMMON, "type_vocab_size": 1}, POSITIONS - 2
    ),
    "mpnet": Shape("MPNetForMaskedLM", wordpiece, _COMMON, POSITIONS - 2),
    "deberta": Shape("DebertaModel", bytes_bpe, {**_COMMON, **_DEBERTA}),
    # As version 3 is published: shared keys, buckets, no absolute positions.
    "deberta-v3": Shape(
        "DebertaV2Model",
        unigram,
        {
            **_COMMON,
            **_DEBERTA,
            "position_biased_input": False,
            "share_att_key": True,
            "position_buckets": 8,
            "norm_rel_ebd": "layer_norm",
        },
    ),
    "modernbert": Shape(
        "ModernBertForMaskedLM",
        bytes_bpe,
        {**_COMMON, "local_attention": 8, "global_attn_every_n_layers": 3},
    ),
    "mt5": Shape("MT5ForConditionalGeneration", unigram, _T5, 512),
    "t5": Shape("T5EncoderModel", unigram, _T5, 512),
}


def publish(folder: Path, name: str, **changes: Any) -> Path:
    """Write the shape called ``name`` to ``folder`` as transformers saves models."""
    shape = SHAPES[name]
    tokenizer = shape.tokenizer()
    if name == "mpnet":  # its padding index is fixed to 1
        tokenizer = unigram()
    model_class: Any = getattr(hf, shape.model)
    config = model_class.config_class(
        **{
            **shape.settings,
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.cls_token_id,
            "eos_token_id": tokenizer.sep_token_id,
            "cls_token_id": tokenizer.cls_token_id,
            "sep_token_id": tokenizer.sep_token_id,
            "decoder_start_token_id": tokenizer.pad_token_id,
            **changes,
        }
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = model_class(config)
        for parameter in model.parameters():  # larger than at birth: differences can be seen
            if parameter.dim() > 1:
                parameter.data *= 4
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def random_bert(
    lines: Iterable[str], *, pieces: int, positions: int = 24
) -> tuple[hf.BertModel, hf.PreTrainedTokenizerFast]:
    """A BERT of two layers and width 16 with random weights; its tokenizer knows ``lines``."""
    tokenizer = train_wordpiece(lines, pieces)
    torch.manual_seed(0)
    config = hf.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=positions,
        pad_token_id=tokenizer.pad_token_id,
    )
    return hf.BertModel(config, add_pooling_layer=False).eval(), tokenizer
