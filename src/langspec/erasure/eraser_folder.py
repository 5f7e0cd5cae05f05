"""A fitted eraser on disk: safetensors and JSON, bound to the encoder that it was fitted on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from langspec.erasure.base import ErasureMap
from langspec.erasure.removal_path import PathPoint
from langspec.errors import LangspecError
from langspec.files import atomic_folder, read_json, sha256_file, write_json

if TYPE_CHECKING:
    from torch import nn

SCHEMA = 1
TENSORS = "eraser.safetensors"
CARD = "eraser.json"
_NAMES = ("left", "right", "shift", "weights", "intercepts")


def weights_hash(model: nn.Module) -> str:
    """SHA-256 over an encoder's tensors, sorted by name; it binds an eraser to the encoder."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        values = tensor.detach().to("cpu").contiguous()
        digest.update(f"{name}\0{values.dtype}\0{list(values.shape)}\0".encode())
        digest.update(values.view(torch.uint8).numpy().data if values.ndim else values.numpy())
    return digest.hexdigest()


def save_eraser(
    folder: Path,
    fitted: ErasureMap,
    *,
    encoder: str,
    unit: str,
    layer: int,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Write a fitted eraser, whole or not at all.

    Args:
        folder: is replaced if it exists.
        fitted: the map.
        encoder: :func:`weights_hash` of the encoder whose features it was fitted on.
        unit: what a feature vector stands for: ``token`` or ``sentence``.
        layer: of the features; 0: embeddings.
        options: :meth:`langspec.erasure.base.Eraser.options`.
    """
    from safetensors.numpy import save_file

    with atomic_folder(folder) as temporary:
        tensors = {name: np.ascontiguousarray(getattr(fitted, name)) for name in _NAMES}
        save_file(tensors, temporary / TENSORS)
        card = {
            "schema": SCHEMA,
            "name": fitted.name,
            "languages": fitted.languages,
            "gold": fitted.gold,
            "ranks": fitted.ranks,
            "path": [asdict(point) for point in fitted.path],
            "encoder": encoder,
            "unit": unit,
            "layer": layer,
            "options": dict(options or {}),
            "sha256": sha256_file(temporary / TENSORS),
        }
        write_json(temporary / CARD, card)


def load_eraser(folder: Path, *, encoder: str, unit: str, layer: int) -> ErasureMap:
    """Read a fitted eraser for features of one encoder, unit and layer.

    Raises:
        LangspecError: no eraser there, another schema, damaged tensors, a malformed path, or one
            that was fitted on another encoder, unit or layer.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(folder)
    try:
        card = read_json(folder / CARD)
    except (OSError, ValueError) as error:
        raise LangspecError(f"no readable {CARD} ({error})", place=folder) from None
    keys = {"name", "languages", "gold", "ranks", "encoder", "unit", "layer", "sha256"}
    if not isinstance(card, dict) or card.get("schema") != SCHEMA or not keys <= set(card):
        raise LangspecError(
            f"expected an eraser of schema {SCHEMA}; fit it again", place=folder / CARD
        )
    if card["encoder"] != encoder:
        raise LangspecError(
            f"the eraser was fitted on the encoder {card['encoder'][:12]}, given {encoder[:12]}; "
            "fit it on this one",
            place=folder / CARD,
        )
    if (card["unit"], card["layer"]) != (unit, layer):
        raise LangspecError(
            f"the eraser was fitted on {card['unit']} vectors of layer {card['layer']}, given "
            f"{unit} vectors of layer {layer}",
            place=folder / CARD,
        )
    try:
        if sha256_file(folder / TENSORS) != card["sha256"]:
            raise LangspecError(
                "not the tensors that its card names (another SHA-256); fit it again",
                place=folder / TENSORS,
            )
        tensors = load_file(folder / TENSORS)
    except (OSError, SafetensorError) as error:
        raise LangspecError(f"cannot be read ({error})", place=folder / TENSORS) from None
    return ErasureMap(
        name=card["name"],
        languages=tuple(card["languages"]),
        left=tensors["left"],
        right=tensors["right"],
        shift=tensors["shift"],
        gold=card["gold"],
        weights=tensors["weights"],
        intercepts=tensors["intercepts"],
        ranks=tuple(card["ranks"]),
        path=_path(card, folder / CARD),
    )


def _path(card: Mapping[str, Any], place: Path) -> tuple[PathPoint, ...]:
    """What each step left, from the card."""
    try:
        return tuple(PathPoint(**point) for point in card.get("path", ()))
    except TypeError as error:
        raise LangspecError(
            f"its path is malformed ({error}); fit it again", place=place
        ) from None
