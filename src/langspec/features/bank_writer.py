"""From the batches of an encoding pass to the files of a bank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap

from langspec.encoders.inputs import Inputs
from langspec.errors import LangspecError
from langspec.features.bank import COLUMNS, KINDS, META, BankOptions
from langspec.features.chosen_units import Selection
from langspec.files import file_checksum, write_json
from langspec.modelling.pooling import pool, units

# fp16 is refused for a kind of vectors when, in some dimension, rounding would add more than
# this share of the dimension's standard deviation: shrunken or shifted features (what an
# adversary likes to make) would otherwise read as less informative than they are.
_ROUNDING = 0.05


class BankWriter:
    """Takes the vectors of one bank out of the batches of an encoding pass.

    Args:
        folder: to write ``<kind>.fp32.tmp`` ``[layers, N, H]`` into.
        inputs: tokenised rows.
        selection: what of them the bank holds.
        options: of the bank.
        model: the encoder.
        kinds: of vectors that it takes; another writer of the folder takes the others.
    """

    def __init__(
        self,
        folder: Path,
        inputs: Inputs,
        selection: Selection,
        options: BankOptions,
        model: Any,
        kinds: Sequence[str] = KINDS,
    ) -> None:
        self.folder, self.inputs, self.selection = folder, inputs, selection
        self.kinds = kinds
        self.options = options
        self.last = int(model.config.num_hidden_layers)
        self.layers = _layers(options, self.last + 1)
        self.pooler = getattr(model, "pooler", None)
        self.out: dict[str, np.ndarray] = {}

    def write(self, rows: np.ndarray, mask: torch.Tensor, states: Any) -> None:
        """Write the vectors of a batch: rows int ``[B]``, mask ``[B, T]``, states by layer."""
        if not self.out:
            width = states[self.layers[0]].shape[-1]
            for kind in self.kinds:
                shape = (len(self.layers), len(self.selection.tables[kind]), width)
                self.out[kind] = open_memmap(
                    self.folder / f"{kind}.fp32.tmp", mode="w+", dtype=np.float32, shape=shape
                )
        begins = np.searchsorted(self.selection.unit_rows, rows, side="left")
        ends = np.searchsorted(self.selection.unit_rows, rows, side="right")
        if "tokens" not in self.kinds:  # the selected words may be of other inputs
            ends = begins
        scored = _ranges(begins, ends)
        where = torch.from_numpy(np.repeat(np.arange(len(rows)), ends - begins))
        columns = self.inputs.units[self.selection.units[scored]].astype(np.int64)
        places, chosen = self._sentences(rows)
        for index, layer in enumerate(self.layers):
            state = states[layer]
            if len(scored):
                vectors = units(state, where, torch.from_numpy(columns))
                self.out["tokens"][index, scored] = vectors.float().cpu().numpy()
            if chosen.any() and "sentences" in self.kinds:
                pooler = self.pooler if layer == self.last else None
                vectors = pool(state.float(), mask.to(state.device), self.options.pooling, pooler)
                self.out["sentences"][index, places] = vectors.cpu().numpy()[chosen]

    def _sentences(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the rows' sentence vectors go; bool ``[B]``: which rows have one."""
        known = self.selection.sentences
        if not len(known):
            return np.zeros(0, dtype=np.int64), np.zeros(len(rows), dtype=bool)
        places = np.minimum(np.searchsorted(known, rows), len(known) - 1)
        chosen = known[places] == rows
        return places[chosen], chosen

    def flush(self) -> None:
        """Write what was taken to disk."""
        for array in self.out.values():
            array.flush()  # type: ignore[attr-defined]

    def finish(self, facts: dict[str, Any]) -> None:
        """Write the vectors in their final type, what they stand for, and ``meta.json``.

        Vectors of every kind are in the folder.
        """
        self.flush()
        _finish(self.folder, self.selection, self.layers, facts)


def _layers(options: BankOptions, total: int) -> tuple[int, ...]:
    """The layers to keep of ``total`` hidden states, ascending."""
    if options.layers is None:
        return tuple(range(total))
    wanted = {layer + total if layer < 0 else layer for layer in options.layers}
    if not wanted or min(wanted) < 0 or max(wanted) >= total:
        raise LangspecError(
            f"layers {list(options.layers)} are not among those of this encoder: 0..{total - 1}"
        )
    return tuple(sorted(wanted))


def _ranges(begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The integers of all half-open ranges, one range after the other."""
    lengths = ends - begins
    offsets = np.cumsum(lengths) - lengths
    return np.repeat(begins - offsets, lengths) + np.arange(lengths.sum())


def _fits_half(vectors: np.ndarray, kind: str, layers: tuple[int, ...]) -> bool:
    """Does fp16 hold ``[layers, N, H]`` within its range and without drowning a dimension?"""
    for layer, values in zip(layers, vectors, strict=True):
        if not np.isfinite(values).all():
            raise LangspecError(
                f"{kind} vectors of layer {layer} are not finite; the checkpoint has diverged"
            )
        if not values.size:
            continue
        largest = np.abs(values).max(axis=0)
        if largest.max() > np.finfo(np.float16).max:
            return False
        error = np.sqrt(np.square(values - values.astype(np.float16)).mean(axis=0))
        spread = values.std(axis=0, dtype=np.float64)
        varies = spread > 1e-6 * largest
        if (error[varies] > _ROUNDING * spread[varies]).any():
            return False
    return True


def _compact(folder: Path, kind: str, layers: tuple[int, ...]) -> tuple[list[int], str]:
    """Turn the float32 file of a kind into its final one; return shape and dtype."""
    temporary = folder / f"{kind}.fp32.tmp"
    vectors = np.load(temporary, mmap_mode="r")
    final = folder / f"{kind}.npy"
    if _fits_half(vectors, kind, layers):
        half = open_memmap(final, mode="w+", dtype=np.float16, shape=vectors.shape)
        for index in range(len(vectors)):
            half[index] = vectors[index]
        half.flush()
        temporary.unlink()
        return list(vectors.shape), "float16"
    temporary.rename(final)
    return list(vectors.shape), "float32"


def _finish(
    folder: Path, selection: Selection, layers: tuple[int, ...], facts: dict[str, Any]
) -> None:
    """Write the vectors in their final type, what they stand for, and ``meta.json``."""
    meta: dict[str, Any] = {
        **facts,
        "languages": selection.languages,
        "splits": selection.splits,
        "layers": layers,
        "columns": COLUMNS,
        "shapes": {},
        "dtypes": {},
    }
    for kind in KINDS:
        meta["shapes"][kind], meta["dtypes"][kind] = _compact(folder, kind, layers)
        np.save(folder / f"{kind}_meta.npy", selection.tables[kind])
    meta["sha256"] = {file.name: file_checksum(file) for file in folder.glob("*.npy")}
    write_json(folder / META, meta)
