"""The tokenizer of an encoder's folder: loading it, and checking that it is the model's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from langspec.errors import LangspecError
from langspec.files import read_json

_SPECIAL_TOKENS = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a folder.

    Raises:
        LangspecError: ``tokenizer.json`` is no tokenizer, or names no padding token.
    """
    place = folder / "tokenizer.json"
    try:
        backend = Tokenizer.from_file(str(place))
    except Exception as error:  # the library raises bare Exception
        raise LangspecError(
            f"not a tokenizer ({error}); fetch or save it again", place=place
        ) from error
    # Some published files carry the length and padding of the run that wrote them.
    backend.no_truncation()
    backend.no_padding()
    tokenizer = wrap_tokenizer(backend, _named_tokens(folder))
    if tokenizer.pad_token is None:
        raise LangspecError(
            'names no padding token; add "pad_token" with the token\'s text',
            place=folder / "tokenizer_config.json",
        )
    return tokenizer


def _named_tokens(folder: Path) -> dict[str, str]:
    """Which token is the padding, the mask, ...: what tokenizer.json itself does not say.

    tokenizer.json alone says how text is split: the classes of transformers may rebuild that from
    the vocabulary. They only give the names of tokens that older folders do not state.
    """
    place = folder / "tokenizer_config.json"
    try:
        raw = read_json(place) if place.is_file() else {}
        named = {
            key: token["content"] if isinstance(token := raw[key], dict) else token
            for key in _SPECIAL_TOKENS
            if raw.get(key) is not None
        }
        if "pad_token" in named:
            return named
        return special_tokens(
            AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        )
    except (ValueError, OSError, KeyError, AttributeError) as error:
        raise LangspecError(
            f"cannot be read ({error}); expected the tokenizer's settings", place=place
        ) from error


def special_tokens(tokenizer: Any) -> dict[str, str]:
    """The special tokens by their role, such as ``pad_token``."""
    tokens = {name: getattr(tokenizer, name, None) for name in _SPECIAL_TOKENS}
    return {name: str(token) for name, token in tokens.items() if token is not None}


def wrap_tokenizer(backend: Tokenizer, special: Mapping[str, str]) -> PreTrainedTokenizerFast:
    """Make a fast tokenizer of ``backend``; ``special`` gives the text of ``pad_token``, ..."""
    return PreTrainedTokenizerFast(tokenizer_object=backend, **dict(special))


def check_tokenizer(tokenizer: PreTrainedTokenizerFast, model: Any, folder: Path) -> None:
    """Refuse a tokenizer that belongs to another model.

    Raises:
        LangspecError: more tokens than embeddings, or another padding token.
    """
    place = folder / "tokenizer.json"
    rows = len(model.get_input_embeddings().weight)
    tokens = max(tokenizer.get_vocab().values(), default=-1) + 1
    if tokens > rows:
        raise LangspecError(
            f"{tokens} tokens, but the model has {rows} embeddings; expected the "
            "tokenizer that belongs to these weights",
            place=place,
        )
    table = position_table(model)
    if table is not None and table.padding_idx != tokenizer.pad_token_id:
        raise LangspecError(
            f"pads with token {tokenizer.pad_token_id} ({tokenizer.pad_token}), but the model "
            f"counts positions from its padding token {table.padding_idx} on; expected the "
            "tokenizer that belongs to these weights",
            place=place,
        )


def position_table(model: PreTrainedModel) -> torch.nn.Embedding | None:
    """The position embeddings of RoBERTa's kind, which count from the padding index on."""
    for module in model.modules():
        table = getattr(module, "position_embeddings", None)
        if isinstance(table, torch.nn.Embedding) and table.padding_idx is not None:
            return table
    return None
