"""What a folder of sentence-transformers does to a pooled vector: linear layers, length 1.

A repaired encoder carries its eraser as such a layer. The loader of encoders refuses them, because
a measure of tokens or of inner layers passes them by; an audit applies them to the sentence
vectors of the last layer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from langspec.encoders.published_encoder import MODULES
from langspec.errors import LangspecError
from langspec.files import read_json, read_object, sha256_json, write_json
from langspec.repair.unit_eraser import unit

IDENTITY, TANH = "torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Tanh"
_CURE = "expected a linear layer that sentence-transformers saved"
_DENSE, _POOLING, _LENGTH = "Dense", "Pooling", "Normalize"


@dataclass(frozen=True, eq=False)
class Dense:
    """A linear layer.

    Attributes:
        matrix: float32 ``[O, H]``.
        bias: float32 ``[O]``.
        activation: :data:`IDENTITY` or :data:`TANH`.
    """

    matrix: np.ndarray
    bias: np.ndarray
    activation: str

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors ``[N, H]`` behind the layer, ``[N, O]``."""
        moved: np.ndarray = vectors @ self.matrix.T + self.bias
        return np.tanh(moved) if self.activation == TANH else moved


@dataclass(frozen=True, eq=False)
class AfterPooling:
    """The modules behind the pooling, in order; None stands for length 1."""

    steps: tuple[Dense | None, ...]

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Pooled vectors ``[N, H]`` behind all modules, float32 ``[N, O]``."""
        moved = np.asarray(vectors, np.float64)
        for step in self.steps:
            moved = unit(moved) if step is None else step.apply(moved)
        return moved.astype(np.float32)

    @property
    def sha256(self) -> str:
        """Of all that the vectors depend on."""
        return sha256_json(
            [
                step and [step.matrix.tolist(), step.bias.tolist(), step.activation]
                for step in self.steps
            ]
        )


def read_after(folder: Path) -> AfterPooling | None:
    """The modules behind the pooling; None where no linear layer is among them.

    Raises:
        LangspecError: a linear layer that is damaged, or before the pooling, or with an activation
            other than none and tanh; one whose width does not fit.
    """
    entries = _entries(folder)
    kinds = [kind for kind, _ in entries]
    if _DENSE not in kinds:
        return None
    place = folder / MODULES
    at = kinds.index(_POOLING) if _POOLING in kinds else len(kinds)
    if _DENSE in kinds[:at]:
        raise LangspecError("a Dense module before the pooling is not read here", place=place)
    steps: list[Dense | None] = []
    width = None
    for kind, path in entries[at + 1 :]:
        if kind == _LENGTH:
            steps.append(None)
        elif kind == _DENSE:
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise LangspecError(f"the path {path!r} leads out of the folder", place=place)
            dense = _read_dense(folder / path)
            if width is not None and dense.matrix.shape[1] != width:
                raise LangspecError(
                    f"reads {dense.matrix.shape[1]} dimensions, and there are {width}",
                    place=folder / path,
                )
            width = dense.matrix.shape[0]
            steps.append(dense)
    return AfterPooling(tuple(steps))


@contextmanager
def without_dense(folder: Path) -> Iterator[Path]:
    """A folder of links to the same files whose ``modules.json`` names no linear layer."""
    with tempfile.TemporaryDirectory(prefix="langspec-") as scratch:
        view = Path(scratch) / folder.resolve().name
        view.mkdir()
        for path in folder.iterdir():
            if path.name != MODULES:
                (view / path.name).symlink_to(path.resolve())
        entries = read_json(folder / MODULES)
        write_json(view / MODULES, [one for one in entries if _kind(one) != _DENSE])
        yield view


def _kind(entry: Any) -> str:
    """The last part of a module's type, if it is one of sentence-transformers."""
    kind = entry.get("type") if isinstance(entry, dict) else None
    ours = isinstance(kind, str) and kind.startswith("sentence_transformers.")
    return str(kind).rsplit(".", 1)[-1] if ours else ""


def _entries(folder: Path) -> list[tuple[str, str]]:
    """Kind and path of each module; what is no list of modules is left to the loader."""
    place = folder / MODULES
    raw = read_json(place) if place.is_file() else []
    entries = raw if isinstance(raw, list) else []
    return [(_kind(one), str(one.get("path"))) for one in entries if _kind(one)]


def _read_dense(folder: Path) -> Dense:
    """One linear layer.

    Raises:
        LangspecError: it is damaged, or computes something else.
    """
    place = folder / "config.json"
    weights = folder / "model.safetensors"
    try:
        config = read_object(place, "in_features", "out_features", cure=_CURE)
        tensors = load_file(weights)
    except (OSError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise LangspecError(f"cannot be read ({reason}); {_CURE}", place=weights) from None
    activation = config.get("activation_function", TANH)  # the library's default
    if activation not in (IDENTITY, TANH):
        raise LangspecError(f"the activation {activation}; expected none or tanh", place=place)
    name = "sentence_embedding"
    others = {config.get(f"module_{side}_name") or name for side in ("input", "output")}
    if config.get("use_residual") or others != {name}:
        raise LangspecError(
            "computes more than a linear layer of the text's vector, which is not done here",
            place=place,
        )
    shape = (config["out_features"], config["in_features"])
    matrix = tensors.get("linear.weight", np.empty(0))
    bias = tensors.get("linear.bias", np.zeros(shape[0], np.float32))
    if matrix.shape != shape or bias.shape != shape[:1]:
        raise LangspecError(f"the weights are no {list(shape)}; {_CURE}", place=weights)
    if not (np.isfinite(matrix).all() and np.isfinite(bias).all()):
        raise LangspecError("the weights hold numbers that are not finite", place=weights)
    return Dense(matrix.astype(np.float32), bias.astype(np.float32), activation)
