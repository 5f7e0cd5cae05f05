"""The one encoding pass of a checkpoint over a corpus, written straight into a bank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from langspec.encoders.forward import hidden_states
from langspec.encoders.inference import casts, encoding_model, in_memory
from langspec.encoders.inputs import Inputs, collate, length_batches
from langspec.errors import LangspecError
from langspec.features.bank import KINDS, Bank, BankOptions, BankRows, open_bank
from langspec.features.bank_writer import BankWriter
from langspec.features.cache import evict
from langspec.features.chosen_units import Selection, fingerprint_of, select
from langspec.files import atomic_folder
from langspec.progress_bar import Progress
from langspec.threads import side_by_side

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def _states(
    model: PreTrainedModel,
    batch: dict[str, torch.Tensor],
    layers: Sequence[int],
    precision: str,
    knob: str,
) -> dict[int, torch.Tensor]:
    """The hidden states ``[B, T, H]`` of a collated batch by their layer, on its device."""
    device = next(model.parameters()).device
    moved = {name: values.to(device) for name, values in batch.items()}
    fits = in_memory(batch["input_ids"], knob)
    with torch.inference_mode(), casts(device, precision), fits:
        return dict(zip(layers, hidden_states(model, moved, layers), strict=True))


def _encode(
    model: PreTrainedModel,
    pad_id: int,
    inputs: Inputs,
    writers: Sequence[BankWriter],
    progress: str,
    knob: str,
) -> None:
    """One pass over the rows that the first writer needs, for all writers."""
    first = writers[0]
    needed, options = first.selection.rows(first.kinds), first.options
    batches = length_batches(inputs.lengths[needed], options.tokens_per_batch)
    layers = sorted({layer for writer in writers for layer in writer.layers})
    half = encoding_model(model, options.precision)
    bar = Progress(len(needed), progress, "row")

    def encoded(part: np.ndarray) -> tuple[np.ndarray, torch.Tensor, Any]:
        batch = collate(inputs, needed[part], pad_id=pad_id)
        states = _states(half, batch, layers, options.precision, knob)
        return needed[part], batch["attention_mask"], states

    on_cpu = next(model.parameters()).device.type == "cpu"
    with bar:
        for rows, mask, states in (side_by_side if on_cpu else map)(encoded, batches):
            for writer in writers:
                writer.write(rows, mask, states)
            bar.update(len(rows))


def _write_banks(
    model: PreTrainedModel,
    pad_id: int,
    inputs: Inputs,
    words: Inputs,
    banks: Mapping[str, tuple[Selection, BankOptions]],
    root: Path,
    progress: str,
    knob: str,
) -> None:
    """Write banks by their key, in one pass over the rows that all of them need.

    Where ``words`` are other rows than ``inputs``, the first bank has its token vectors from a
    pass over them, and the others all of theirs from ``inputs``.
    """
    first = next(iter(banks))
    kinds = KINDS if words is inputs else ("sentences",)
    was_training = model.training
    model.eval()
    try:
        with ExitStack() as stack:
            writers = {
                name: BankWriter(
                    stack.enter_context(atomic_folder(root / name)),
                    inputs,
                    *bank,
                    model,
                    kinds if name == first else KINDS,
                )
                for name, bank in banks.items()
            }
            _encode(model, pad_id, inputs, tuple(writers.values()), progress, knob)
            if words is not inputs:
                folder = writers[first].folder
                tokens = BankWriter(folder, words, *banks[first], model, ("tokens",))
                _encode(model, pad_id, words, (tokens,), progress, knob)
                tokens.flush()
            for name, writer in writers.items():
                of_words = words if name == first else inputs
                fingerprint = fingerprint_of(inputs, of_words, writer.selection)
                facts = {"key": name, "fingerprint": fingerprint}
                writer.finish({**facts, "options": asdict(writer.options)})
    finally:
        model.train(was_training)


def _read_by(inputs: Inputs, words: Inputs, selection: Selection) -> tuple[Inputs, Inputs]:
    """What sentences and words are encoded from; the same, where a selection has one of them."""
    if not len(selection.sentences):
        return words, words
    return (inputs, words) if len(selection.units) else (inputs, inputs)


def _in_the_pass(
    inputs: Inputs, rows: BankRows, others: Mapping[str, BankOptions], needed: np.ndarray
) -> dict[str, tuple[Selection, BankOptions]]:
    """Of other banks by key, those that read just the rows ``needed``; with their selections."""
    chosen = {key: (select(inputs, rows, options), options) for key, options in others.items()}
    return {key: one for key, one in chosen.items() if np.array_equal(one[0].rows(), needed)}


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
    beside: Mapping[str, BankOptions] = MappingProxyType({}),
    words: Inputs | None = None,
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
        beside: further banks by their key, of the same pooling, batches and precision. One that
            needs the same rows is written in the same pass, where it is not there yet.
        words: the same rows tokenised otherwise (without a prefix), which token vectors are of, in
            a pass of their own; None: they are of ``inputs`` too.

    Raises:
        LangspecError: no rows, lengths that disagree, an encoder without hidden states, layers it
            does not have, vectors that are not finite.
    """
    if not len(inputs):
        raise LangspecError("there are no rows to encode; expected at least one")
    selection = select(inputs if words is None else words, rows, options)
    inputs, words = _read_by(inputs, inputs if words is None else words, selection)
    cached = open_bank(root, key)
    fingerprint = fingerprint_of(inputs, words, selection)
    if cached is not None and cached.meta["fingerprint"] == fingerprint:
        return cached
    needed = selection.rows(KINDS if words is inputs else ("sentences",))
    missing = {name: one for name, one in beside.items() if not (Path(root) / name).exists()}
    banks = {key: (selection, options), **_in_the_pass(inputs, rows, missing, needed)}
    _write_banks(model, pad_id, inputs, words, banks, Path(root), progress, knob)
    evict(root, limit_gb, keep=key)
    bank = open_bank(root, key)
    if bank is None:
        raise LangspecError("the feature bank just written does not read back", place=root)
    return bank
