"""Writing the folder: weights, tokenizer, pooling, an affine eraser, a head, the card.

``AutoModel.from_pretrained`` opens the weights. sentence-transformers (5.2 and later) also reads
``modules.json``: transformer, pooling and, where there is an eraser, a linear ``Dense`` layer that
carries it. The eraser works on sentence vectors: token vectors that ``AutoModel`` returns are as
the encoder made them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from langspec.encoders.load import Encoder, EncoderCard
from langspec.encoders.save_folder import save_encoder
from langspec.erasure.base import ErasureMap
from langspec.erasure.eraser_folder import save_eraser, weights_hash
from langspec.errors import LangspecError
from langspec.files import atomic_folder, file_above, write_checksums, write_json, write_text

SCHEMA = 1
POOLING, DENSE, ERASER, HEAD = "1_Pooling", "2_Eraser", "eraser", "head"
# The names that every version of sentence-transformers resolves.
_MODULES = "sentence_transformers.models"


@dataclass(frozen=True)
class ExportedHead:
    """A linear head: ``vectors @ weight.T + bias``.

    Attributes:
        task: its name.
        unit: ``token`` or ``pair``.
        labels: a class each.
        layer: of the vectors it reads, 0 = embeddings.
        weight: float32 ``[K, H]``.
        bias: float32 ``[K]``.
        single: whether a row has one text (``pair`` tasks).
        precision: that it was trained in: ``fp32``, ``bf16`` or ``fp16``.
    """

    task: str
    unit: str
    labels: tuple[str, ...]
    layer: int
    weight: np.ndarray
    bias: np.ndarray
    single: bool = False
    precision: str = "fp32"


def check_empty(folder: Path, *, place: str = "--out") -> None:
    """Refuse to write over anything.

    Raises:
        LangspecError: ``folder`` is a file, or a folder that is not empty.
    """
    if (file := file_above(folder)) is not None:
        raise LangspecError(f"{file} is a file; name another folder", place=place)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LangspecError(
            f"{folder} exists and is not an empty folder; name another, or remove it", place=place
        )


def write_export(
    folder: Path,
    encoder: Encoder,
    readme: str,
    *,
    eraser: ErasureMap | None = None,
    eraser_options: Mapping[str, Any] | None = None,
    token_eraser: ErasureMap | None = None,
    head: ExportedHead | None = None,
) -> None:
    """Write an encoder for others to open, whole or not at all.

    Args:
        folder: must not exist, or be empty.
        encoder: model, tokenizer and card; the card's prefix, pooling and length are written too.
        readme: text of README.md.
        eraser: of sentence vectors of the last layer; one affine map.
        eraser_options: what it was made with.
        token_eraser: of the token vectors that ``head`` reads.
        head: the task's head.

    Raises:
        LangspecError: ``folder`` is not empty; an eraser with a map a language.
    """
    folder = Path(folder)
    check_empty(folder)
    dense = eraser.affine() if eraser is not None else None
    layers, width = encoder.model.config.num_hidden_layers, encoder.model.config.hidden_size
    identity = weights_hash(encoder.model)
    with atomic_folder(folder) as temporary:
        save_encoder(temporary, encoder.model, encoder.tokenizer, encoder.card)
        write_text(temporary / "README.md", readme)
        modules = [("", "Transformer"), (POOLING, "Pooling")]
        write_settings(temporary, encoder.card, width)
        if eraser is not None and dense is not None:
            modules.append((DENSE, "Dense"))
            write_dense(temporary / DENSE, *dense)
            save_eraser(
                temporary / ERASER, eraser, encoder=identity, unit="sentence", layer=layers,
                options=eraser_options,
            )  # fmt: skip
        if head is not None:
            _write_head(temporary / HEAD, head)
            write_checksums(temporary / HEAD)
            if token_eraser is not None:
                save_eraser(
                    temporary / HEAD / ERASER, token_eraser, encoder=identity, unit="token",
                    layer=head.layer, options=eraser_options,
                )  # fmt: skip
        write_modules(temporary, modules)


def write_modules(folder: Path, modules: Sequence[tuple[str, str]]) -> None:
    """Write the steps from text to vector: path below the folder and kind of each."""
    write_json(
        folder / "modules.json",
        [
            {"idx": index, "name": str(index), "path": path, "type": f"{_MODULES}.{kind}"}
            for index, (path, kind) in enumerate(modules)
        ],
    )


def write_settings(folder: Path, card: EncoderCard, width: int) -> None:
    """Write what sentence-transformers reads beside the weights: length, prefix, pooling."""
    write_json(
        folder / "sentence_bert_config.json",
        {"max_seq_length": card.max_tokens, "do_lower_case": False},
    )
    write_json(
        folder / "config_sentence_transformers.json",
        {
            "prompts": {"text": card.prefix} if card.prefix else {},
            "default_prompt_name": "text" if card.prefix else None,
            "similarity_fn_name": "cosine",
        },
    )
    write_json(
        folder / POOLING / "config.json",
        {
            "word_embedding_dimension": width,
            "pooling_mode_cls_token": card.pooling == "cls",
            "pooling_mode_mean_tokens": card.pooling == "mean",
            "include_prompt": True,
        },
    )


def write_dense(folder: Path, matrix: np.ndarray, bias: np.ndarray) -> None:
    """Write a linear module: matrix ``[H, H]`` and bias ``[H]``."""
    folder.mkdir()
    write_json(
        folder / "config.json",
        {
            "in_features": matrix.shape[1],
            "out_features": matrix.shape[0],
            "bias": True,
            "activation_function": "torch.nn.modules.linear.Identity",
        },
    )
    tensors = {"linear.weight": matrix.astype(np.float32), "linear.bias": bias.astype(np.float32)}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _write_head(folder: Path, head: ExportedHead) -> None:
    folder.mkdir()
    tensors = {"weight": head.weight.astype(np.float32), "bias": head.bias.astype(np.float32)}
    save_file(tensors, folder / "head.safetensors", metadata={"format": "pt"})
    write_json(
        folder / "head.json",
        {
            "schema": SCHEMA,
            "task": head.task,
            "unit": head.unit,
            "single": head.single,
            "labels": head.labels,
            "layer": head.layer,
            "precision": head.precision,
        },
    )
