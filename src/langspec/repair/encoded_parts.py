"""The vectors of a text folder and their splits, from one encoding pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from langspec.audit.audited_encoder import Subject
from langspec.audit.options import CACHE_GB, AuditOptions
from langspec.audit.text_bench import stored_bank
from langspec.audit.text_folder import Texts
from langspec.encoders.inputs import text_inputs
from langspec.features.bank import BankOptions, BankRows
from langspec.features.encode import build_bank
from langspec.repair.fit_methods import Labelled


def bank_of(
    subject: Subject, texts: Texts, chosen: AuditOptions, banks: Path
) -> tuple[BankOptions, str]:
    """The encoding pass and the key of its bank: that of an earlier audit, or the last layer's."""
    options, key = stored_bank(subject, texts, chosen, banks, CACHE_GB, 0)
    if (banks / key).exists():
        return options, key
    return stored_bank(subject, texts, chosen, banks, 0, 0)  # no room for the layers below


def encoded(
    subject: Subject, texts: Texts, chosen: AuditOptions, banks: Path
) -> tuple[Labelled, np.ndarray, int]:
    """Sentence vectors of the last layer, the split of each, and how many texts were cut.

    Args:
        subject: the encoder.
        texts: what is encoded.
        chosen: how; its precision is the one in use.
        banks: folder of all banks.

    Raises:
        LangspecError: vectors that are not finite, a batch too large for memory.
    """
    encoder, card = subject.encoder, subject.encoder.card
    inputs = text_inputs(
        encoder.tokenizer, texts.texts, max_tokens=card.max_tokens, prefix=card.prefix
    )
    options, key = bank_of(subject, texts, chosen, banks)
    bank = build_bank(
        encoder.model,
        int(encoder.tokenizer.pad_token_id),
        inputs,
        BankRows(texts.languages, texts.splits, texts.lines),
        options=options,
        key=key,
        root=banks,
        limit_gb=CACHE_GB,
        progress=f"{subject.name}: encode",
        knob="--batch-tokens",
    )
    units, vectors = bank.sentence_meta, subject.sentences(bank, subject.layers[-1])
    languages = np.asarray(bank.languages)[units.language]
    every = Labelled(vectors, languages, units.line.astype(np.int64), texts.parallel)
    return every, np.asarray(bank.splits)[units.split], inputs.truncated
