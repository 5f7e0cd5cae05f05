"""The one encoding pass of a checkpoint over a corpus, written straight into a bank."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from tqdm import tqdm

from langspec.encoders.forward import hidden_states
from langspec.encoders.inference import casts, encoding_model, in_memory
from langspec.encoders.inputs import Inputs, collate, length_batches
from langspec.errors import LangspecError
from langspec.features.bank import (
    COLUMNS,
    KINDS,
    META,
    NO_LABEL,
    Bank,
    BankOptions,
    BankRows,
    file_checksum,
    open_bank,
)
from langspec.features.cache import evict
from langspec.features.sample import fewest_rows, lowest_per_group, unit_ranks
from langspec.files import atomic_folder, write_json
from langspec.modelling.pooling import pool
from langspec.threads import side_by_side

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# fp16 is refused for a kind of vectors when, in some dimension, rounding would add more than
# this share of the dimension's standard deviation: shrunken or shifted features (what an
# adversary likes to make) would otherwise read as less informative than they are.
_ROUNDING = 0.05


@dataclass(frozen=True)
class _Selection:
    """Sampled units in row order: flat unit indices, their rows, and rows with a sentence."""

    languages: tuple[str, ...]
    splits: tuple[str, ...]
    units: np.ndarray
    unit_rows: np.ndarray
    sentences: np.ndarray
    tables: dict[str, np.ndarray]


def _select(inputs: Inputs, rows: BankRows, options: BankOptions) -> _Selection:
    count = len(inputs)
    for name in ("languages", "splits", "lines", "row_labels"):
        values = getattr(rows, name)
        optional = name != "languages" and (values is None or len(values) == 0)
        if not optional and len(values) != count:
            raise LangspecError(f"expected {count} {name}, one a row, found {len(values)}")
    if rows.token_labels is not None and len(rows.token_labels) != len(inputs.units):
        raise LangspecError(
            f"expected {len(inputs.units)} token_labels, one a unit, "
            f"found {len(rows.token_labels)}"
        )
    languages = tuple(sorted(set(rows.languages)))
    splits = tuple(sorted(set(rows.splits)))
    language = np.asarray([languages.index(code) for code in rows.languages], dtype=np.int64)
    split = np.asarray([splits.index(name) for name in rows.splits] or [-1] * count, np.int64)
    line = np.arange(count) if rows.lines is None else np.asarray(rows.lines, dtype=np.int64)

    unit_rows = np.repeat(np.arange(count), np.diff(inputs.unit_starts))
    ranks = unit_ranks(
        options.seed, languages, language[unit_rows], line[unit_rows], inputs.unit_words
    )
    row_ranks = unit_ranks(options.seed, languages, language, line, np.full(count, -1))
    most = options.max_tokens_per_language
    candidates = np.arange(len(unit_rows))
    if options.whole_rows and most is not None:
        enough = fewest_rows(row_ranks, language, np.diff(inputs.unit_starts), most)
        candidates = candidates[enough[unit_rows]]
    units = candidates[lowest_per_group(ranks[candidates], language[unit_rows[candidates]], most)]
    # One language for the ranks: translations are kept together.
    one = np.zeros(count, dtype=np.int64)
    line_ranks = unit_ranks(options.seed, ("",), one, line, one - 1)
    sentences = lowest_per_group(line_ranks, language, options.max_sentences_per_language)

    def table(row: np.ndarray, column: np.ndarray, label: np.ndarray | None) -> np.ndarray:
        if label is None:
            label = np.full(len(row), NO_LABEL)
        columns = (row, column, language[row], line[row], split[row], label)
        return np.stack(columns, axis=1).astype(np.int32)

    token_labels = None if rows.token_labels is None else np.asarray(rows.token_labels)[units]
    row_labels = None if rows.row_labels is None else np.asarray(rows.row_labels)[sentences]
    tables = {
        "tokens": table(unit_rows[units], inputs.units[units], token_labels),
        "sentences": table(sentences, np.full(len(sentences), -1), row_labels),
    }
    return _Selection(languages, splits, units, unit_rows[units], sentences, tables)


def _fingerprint(inputs: Inputs, selection: _Selection) -> str:
    """SHA-256 of the pieces and of the selection: what the vectors are of."""
    digest = hashlib.sha256("\0".join((*selection.languages, "", *selection.splits)).encode())
    for array in (inputs.ids, inputs.starts, inputs.segments, *selection.tables.values()):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


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


def _states(
    model: PreTrainedModel, batch: dict[str, torch.Tensor], precision: str, knob: str
) -> Any:
    """The hidden states ``[B, T, H]`` of a collated batch, on the model's device."""
    device = next(model.parameters()).device
    moved = {name: values.to(device) for name, values in batch.items()}
    fits = in_memory(batch["input_ids"], knob)
    with torch.inference_mode(), casts(device, precision), fits:
        return hidden_states(model, moved)


def _encode(
    model: PreTrainedModel,
    pad_id: int,
    inputs: Inputs,
    selection: _Selection,
    options: BankOptions,
    folder: Path,
    progress: str,
    knob: str,
) -> tuple[int, ...]:
    """Write ``<kind>.fp32.tmp`` ``[layers, N, H]`` into ``folder``; return the layers."""
    needed = np.union1d(selection.unit_rows, selection.sentences)
    batches = length_batches(inputs.lengths[needed], options.tokens_per_batch)
    out: dict[str, np.ndarray] = {}
    last = int(model.config.num_hidden_layers)
    layers = _layers(options, last + 1)
    model = encoding_model(model, options.precision, max(layers))
    bar = tqdm(total=len(needed), desc=progress, unit="row", leave=False, disable=None)

    def encoded(part: np.ndarray) -> tuple[np.ndarray, dict[str, torch.Tensor], Any]:
        batch = collate(inputs, needed[part], pad_id=pad_id)
        return needed[part], batch, _states(model, batch, options.precision, knob)

    on_cpu = next(model.parameters()).device.type == "cpu"
    with bar:
        for rows, batch, states in (side_by_side if on_cpu else map)(encoded, batches):
            if not out:
                for kind in KINDS:
                    shape = (len(layers), len(selection.tables[kind]), states[0].shape[-1])
                    out[kind] = open_memmap(
                        folder / f"{kind}.fp32.tmp", mode="w+", dtype=np.float32, shape=shape
                    )
            begins = np.searchsorted(selection.unit_rows, rows, side="left")
            ends = np.searchsorted(selection.unit_rows, rows, side="right")
            units = _ranges(begins, ends)
            where = torch.from_numpy(np.repeat(np.arange(len(rows)), ends - begins))
            columns = torch.from_numpy(inputs.units[selection.units[units]].astype(np.int64))
            sentence = np.searchsorted(selection.sentences, rows)
            sentence = np.minimum(sentence, max(len(selection.sentences) - 1, 0))
            chosen = (
                selection.sentences[sentence] == rows
                if len(selection.sentences)
                else np.zeros(len(rows), dtype=bool)
            )
            for index, layer in enumerate(layers):
                state = states[layer]
                if len(units):
                    out["tokens"][index, units] = state[where, columns].float().cpu().numpy()
                if chosen.any():
                    mask = batch["attention_mask"].to(state.device)
                    pooler = getattr(model, "pooler", None) if layer == last else None
                    vectors = pool(state.float(), mask, options.pooling, pooler)
                    out["sentences"][index, sentence[chosen]] = vectors.cpu().numpy()[chosen]
            bar.update(len(rows))
    for array in out.values():
        array.flush()  # type: ignore[attr-defined]
    return layers


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
    folder: Path, selection: _Selection, layers: tuple[int, ...], facts: dict[str, Any]
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


def build_bank(
    model: PreTrainedModel,
    pad_id: int,
    inputs: Inputs,
    rows: BankRows,
    *,
    options: BankOptions,
    key: str,
    root: Path,
    limit_gb: float = 10.0,
    progress: str = "encode",
    knob: str = "features.batch_tokens",
) -> Bank:
    """Open the bank of ``key``, or make it in one encoding pass.

    Only rows that have a sampled unit or sentence are encoded. A bank that is damaged (its bytes
    disagree with their checksums), or whose pieces or selection differ from ``inputs`` and
    ``rows``, is made anew.

    Args:
        model: the encoder; evaluated in eval mode on the device it is on.
        pad_id: id that pads a batch (masked out).
        inputs: tokenised rows.
        rows: what is known of each row.
        options: what to keep.
        key: from :func:`bank_key`.
        root: folder of all banks.
        limit_gb: size that the folder of all banks is brought back to (10^9 bytes).
        progress: words before the progress bar.
        knob: the option that a batch too large for memory names.

    Raises:
        LangspecError: no rows, lengths that disagree, an encoder without hidden states, layers it
            does not have, vectors that are not finite.
    """
    if not len(inputs):
        raise LangspecError("there are no rows to encode; expected at least one")
    selection = _select(inputs, rows, options)
    fingerprint = _fingerprint(inputs, selection)
    found = open_bank(root, key)
    if found is not None and found.meta["fingerprint"] == fingerprint:
        return found
    was_training = model.training
    model.eval()
    try:
        with atomic_folder(Path(root) / key) as folder:
            layers = _encode(model, pad_id, inputs, selection, options, folder, progress, knob)
            meta = {"key": key, "fingerprint": fingerprint, "options": asdict(options)}
            _finish(folder, selection, layers, meta)
    finally:
        model.train(was_training)
    evict(root, limit_gb, keep=key)
    bank = open_bank(root, key)
    if bank is None:
        raise LangspecError("the feature bank just written does not read back", place=root)
    return bank
