"""The masked-language head of an encoder, where it has one.

An encoder folder of this project holds it in a separate file, ``mlm_head.safetensors``,
under the names that transformers gives its tensors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModelForMaskedLM

from langspec.encoders.load import Encoder
from langspec.encoders.model_folder import weight_files
from langspec.errors import LangspecError
from langspec.files import atomic_file

MLM_HEAD = "mlm_head.safetensors"
_HEADS = ("cls", "lm_head")  # the attribute that holds the head: BERT's kind, RoBERTa's kind


def _skeleton(config: Any) -> Any:
    """The architecture with its head, without memory for weights; None if there is no such."""
    try:
        with torch.device("meta"):
            model = AutoModelForMaskedLM.from_config(config)
    except ValueError:
        return None
    return model if any(hasattr(model, name) for name in _HEADS) else None


def _head_keys(model: Any) -> list[str]:
    """Names of the head's tensors, without a tied decoder's: the encoder has those."""
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    return [k for k in model.state_dict() if k.split(".")[0] in _HEADS and k not in tied]


def mlm_head_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """The head's tensors in the weights of a published folder; empty if it has none."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    model = _skeleton(config)
    if model is None:
        return {}
    tensors: dict[str, torch.Tensor] = {}
    for file in weight_files(Path(folder)):
        with safe_open(file, framework="pt") as weights:
            names = set(weights.keys())
            for key in _head_keys(model):
                if key in names:
                    tensors[key] = weights.get_tensor(key).float()
    return tensors if set(tensors) == set(_head_keys(model)) else {}


def load_mlm_head(folder: Path, encoder: Encoder) -> nn.Module:
    """The head of an encoder folder: states ``[N, H]`` to logits over tokens ``[N, V]``.

    Raises:
        LangspecError: the folder holds no head, or not all of it.
    """
    file = Path(folder) / MLM_HEAD
    model = _skeleton(encoder.model.config)
    if model is None or not file.is_file():
        raise LangspecError(
            f"encoder {encoder.card.name} has no masked-language head; use distil, or an encoder "
            "published with one (encoder.kind folder)"
        )
    tensors = load_file(file)
    if set(tensors) != set(_head_keys(model)):
        raise LangspecError("not the head of this encoder; build the encoder again", place=file)
    name = next(name for name in _HEADS if hasattr(model, name))
    head: nn.Module = getattr(model, name).to_empty(device="cpu")
    state = {key.removeprefix(f"{name}."): value for key, value in tensors.items()}
    head.load_state_dict(state, strict=False)  # all but the decoder, which is tied
    decoder: Any = model.get_output_embeddings()
    embeddings: Any = encoder.model.get_input_embeddings()
    decoder.weight = nn.Parameter(embeddings.weight.detach().clone())
    decoder.bias = nn.Parameter(state["bias" if "bias" in state else "predictions.bias"])
    return head.eval()


def copy_mlm_head(source: Path, out: Path) -> bool:
    """Copy the head of a published folder into an encoder folder; returns whether it has one."""
    tensors = mlm_head_tensors(source)
    if tensors:
        with atomic_file(Path(out) / MLM_HEAD) as temporary:
            save_file(dict(sorted(tensors.items())), temporary, metadata={"format": "pt"})
    return bool(tensors)
