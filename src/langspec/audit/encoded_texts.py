"""The one encoding pass of an audit, kept in the user's cache for the next audit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from langspec.audit.audited_encoder import Subject
from langspec.audit.options import AuditOptions
from langspec.audit.text_folder import Texts
from langspec.encoders.inputs import text_inputs
from langspec.features.bank import Bank, BankOptions, BankRows, bank_key
from langspec.features.encode import build_bank


@dataclass(frozen=True)
class LayersOf(Bank):
    """Some layers of a bank that may hold more."""

    chosen: tuple[int, ...] = ()

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that are measured."""
        return self.chosen

    def tokens(self, layer: int) -> np.ndarray:
        """float32 ``[N, H]``: the token vectors of a layer (-1 = the last one measured)."""
        return self._all.tokens(self.chosen[-1] if layer == -1 else layer)

    def sentences(self, layer: int) -> np.ndarray:
        """float32 ``[N, H]``: the sentence vectors of a layer (-1 = the last one measured)."""
        return self._all.sentences(self.chosen[-1] if layer == -1 else layer)

    @property
    def _all(self) -> Bank:
        return Bank(self.folder, self.meta)


@dataclass(frozen=True)
class Encoded:
    """A bank, and how many of its texts were cut at the encoder's length."""

    bank: Bank
    cut: int


def encode_texts(
    subject: Subject,
    texts: Texts,
    options: AuditOptions,
    *,
    words: int,
    root: Path,
    limit_gb: float,
) -> Encoded:
    """Encode every text once, or open the bank that an earlier audit left.

    All layers are kept where they fit into the cache, so that an audit of other layers finds
    them; else those that are measured.

    Args:
        subject: the encoder.
        texts: what to encode.
        options: pieces at once, and the seed of the sample of words.
        words: words a language at most.
        root: folder of all banks.
        limit_gb: size that it is brought back to.

    Raises:
        LangspecError: vectors that are not finite.
    """
    encoder = subject.encoder
    card = encoder.card
    inputs = text_inputs(
        encoder.tokenizer, texts.texts, max_tokens=card.max_tokens, prefix=card.prefix
    )
    config = encoder.model.config
    vectors = len(texts.texts) + words * len(texts.codes)
    everything = (config.num_hidden_layers + 1) * vectors * config.hidden_size * 4  # fp32
    kept = BankOptions(
        max_tokens_per_language=words,
        pooling="cls" if card.pooling == "cls" else "mean",
        layers=None if everything < limit_gb * 1e9 else subject.layers,
        seed=options.seed,
    )
    key = bank_key(
        checkpoint=subject.sha256,
        corpus=texts.sha256,
        prefix=card.prefix,
        max_tokens=card.max_tokens,
        options=kept,
    )
    bank = build_bank(
        encoder.model,
        int(encoder.tokenizer.pad_token_id),
        inputs,
        BankRows(texts.languages, texts.splits, texts.lines),
        # Not in the key: it changes rounding alone.
        options=replace(kept, tokens_per_batch=options.batch_tokens),
        key=key,
        root=root,
        limit_gb=limit_gb,
        progress=f"{subject.name}: encode",
    )
    return Encoded(LayersOf(bank.folder, bank.meta, subject.layers), inputs.truncated)
