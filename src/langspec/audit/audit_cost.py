"""What an audit will cost: a batch is encoded and timed, the rest is known from other audits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from langspec.audit.audited_encoder import Subject
from langspec.audit.options import AuditOptions, Measures, word_limits
from langspec.audit.text_bench import stored_bank
from langspec.audit.text_folder import Texts
from langspec.encoders.forward import hidden_states
from langspec.encoders.inference import casts, encoding_model
from langspec.encoders.inputs import Inputs, collate, length_batches, text_inputs
from langspec.progress_bar import span, until
from langspec.threads import MOST

_SAMPLE = 200  # texts whose length is that of all
# CPU seconds of measures without and with --full, a layer, a thousand vectors and a width of 384
# (docs/audit.md: multilingual-e5-small, 17 languages of 1,997 texts and 1,000 words).
_MEASURES, _FULL, _FIXED = 0.4, 0.35, 30.0
_BASE = 0.9e9  # bytes of a process that has imported everything
_KEPT = 48  # numbers of a piece that a forward pass holds at once, in widths, beside its layers


@dataclass(frozen=True)
class Estimate:
    """Seconds by the clock, and bytes of memory and of banks on disk."""

    seconds: float
    memory: float
    disk: float
    stored: bool

    def __str__(self) -> str:
        stored = "; its vectors are stored" if self.stored else f", {_gb(self.disk)} of vectors"
        return f"about {span(self.seconds)}, {_gb(self.memory)} of memory{stored}"

    @property
    def end(self) -> str:
        """When the audit will be over, for a line before it begins."""
        return f"{until(self.seconds)}; {_gb(self.memory)} of memory"


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def estimate(
    subject: Subject,
    texts: Sequence[Texts],
    options: AuditOptions,
    measures: Measures,
    banks: Path,
) -> Estimate:
    """What the audit of one encoder costs on this machine as it is now.

    Args:
        subject: the encoder.
        texts: language text, and parallel text where that is another folder.
        options: of the audit.
        measures: how things are measured.
        banks: folder of all banks.
    """
    seconds = disk = 0.0
    stored = True
    a_piece = _seconds_a_piece(subject, texts[0], options)
    top, layers = subject.layers[-1], len(subject.layers)
    for number, read in enumerate(texts):
        words = 0 if number else options.max_words
        of_words = sum(word_limits(words).values()) * len(read.codes)
        vectors = len(read.texts) + of_words
        bank, key = stored_bank(subject, read, options, banks, measures.cache_gb, words)
        passes = 0 if (banks / key).exists() else 1
        stored &= not passes
        passes += options.full and not number  # the random encoder
        rows = float(len(read.texts))
        if subject.encoder.card.prefix and not options.prefix_words:
            rows += min(rows, of_words)  # a pass without the prefix over the rows with a word
        pieces = float(_sample(subject, read).lengths.mean()) * rows
        seconds += passes * pieces * a_piece
        stored_layers = top + 1 if bank.layers is None else len(bank.layers)
        disk += passes * stored_layers * vectors * width(subject) * 4
        cost = _MEASURES + (_FULL if options.full else 0)
        seconds += cost * layers * vectors / 1000 * width(subject) / 384 / _workers()
    return Estimate(seconds + _FIXED, encoding_memory(subject, options), disk, stored)


def encoding_seconds(subject: Subject, read: Texts, options: AuditOptions) -> float:
    """Seconds by the clock of one pass over all texts."""
    pieces = float(_sample(subject, read).lengths.mean()) * len(read.texts)
    return pieces * _seconds_a_piece(subject, read, options)


def encoding_memory(subject: Subject, options: AuditOptions) -> float:
    """Bytes of the process while it encodes."""
    weights = sum(weight.numel() * 4 for weight in subject.encoder.model.parameters())
    batch = options.batch_tokens * width(subject) * (subject.layers[-1] + 1 + _KEPT) * 4
    return _BASE + 2 * weights + _workers() * batch


def width(subject: Subject) -> int:
    """Dimensions of the encoder's vectors."""
    return int(subject.encoder.model.config.hidden_size)


def _workers() -> int:
    return min(torch.get_num_threads(), MOST)


def _sample(subject: Subject, read: Texts) -> Inputs:
    """Some texts, spread over the languages, tokenised."""
    step = max(1, len(read.texts) // _SAMPLE)
    card = subject.encoder.card
    return text_inputs(
        subject.encoder.tokenizer,
        read.texts[::step],
        max_tokens=card.max_tokens,
        prefix=card.prefix,
    )


def _seconds_a_piece(subject: Subject, read: Texts, options: AuditOptions) -> float:
    """Seconds by the clock that a piece takes: of one batch, in one of the threads."""
    inputs = _sample(subject, read)
    batches = length_batches(inputs.lengths, options.batch_tokens)
    rows = batches[len(batches) // 2]
    batch = collate(inputs, rows, pad_id=int(subject.encoder.tokenizer.pad_token_id))
    model = encoding_model(subject.encoder.model, options.precision)
    layers = tuple(range(subject.layers[-1] + 1))
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // _workers()))
    took = []
    try:
        for _ in range(2):  # the first also makes what the others find made
            began = time.perf_counter()
            with torch.inference_mode(), casts("cpu", options.precision):
                hidden_states(model, batch, layers)
            took.append(time.perf_counter() - began)
    finally:
        torch.set_num_threads(threads)
    return min(took) / int(np.sum(inputs.lengths[rows])) / _workers()
