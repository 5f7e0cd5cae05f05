"""Writing an encoder as a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from langspec.encoders.load import CARD, COMPAT, UNUSED_WEIGHTS, EncoderCard
from langspec.encoders.tokenizer_file import special_tokens
from langspec.files import atomic_folder, sha256_file, write_json, write_text


def save_encoder(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    card: EncoderCard,
    *,
    dtype: torch.dtype = torch.float32,
    files: Mapping[str, str] | None = None,
) -> EncoderCard:
    """Write an encoder folder, whole or not at all; equal arguments give equal bytes.

    ``dtype`` is that of the weights on disk; they are always loaded as fp32. ``files`` are further
    texts to put into the folder, by name. A pooler is left out unless the card's pooling is
    ``compat``. Returns the card as written, with the weights' hash.
    """
    unused = UNUSED_WEIGHTS if card.pooling != COMPAT else ("position_ids",)
    with atomic_folder(Path(folder)) as temporary:
        weights = temporary / "model.safetensors"
        save_file(
            {
                key: value.detach().to("cpu", dtype).contiguous()
                for key, value in sorted(_distinct_weights(model).items())
                if not any(part in key for part in unused)
            },
            weights,
            metadata={"format": "pt"},
        )
        weights.chmod(0o644)
        card = replace(card, sha256=sha256_file(weights))
        # Written by hand: save_pretrained adds library versions and paths of this machine.
        settings = model.config.to_diff_dict()
        for key in ("_name_or_path", "transformers_version"):
            settings.pop(key, None)
        settings |= {
            "architectures": [type(model).__name__],
            "dtype": str(dtype).removeprefix("torch."),
            "model_type": model.config.model_type,
        }
        # Left out where they are the architecture's defaults; who plans a run reads them.
        for key in ("hidden_size", "num_hidden_layers"):
            settings.setdefault(key, getattr(model.config, key))
        write_json(temporary / "config.json", settings)
        (temporary / "tokenizer.json").write_text(
            tokenizer.backend_tokenizer.to_str() + "\n", encoding="utf-8", newline="\n"
        )
        write_json(
            temporary / "tokenizer_config.json",
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "model_max_length": card.max_tokens,
                **special_tokens(tokenizer),
            },
        )
        write_json(temporary / CARD, asdict(card))
        for name, text in (files or {}).items():
            write_text(temporary / name, text)
    return card


def _distinct_weights(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """The weights, each tensor once: T5 has a matrix under two names, which no file can hold."""
    seen: set[int] = set()
    distinct = {}
    for key, value in model.state_dict().items():
        if value.data_ptr() not in seen or not value.numel():
            distinct[key] = value
        seen.add(value.data_ptr())
    return distinct
