"""Feature banks: the vectors of one checkpoint on one corpus, on disk, memory-mapped.

A bank is a folder ``<root>/<key>/``: ``tokens.npy`` and ``sentences.npy`` (``[layers, N, H]``),
``tokens_meta.npy`` and ``sentences_meta.npy`` (int32 ``[N, 6]``), ``meta.json``. It is a cache:
its key holds the hash of the code that wrote it, so that no other code reads it; ``meta.json``
holds a checksum of every file, and a bank whose bytes do not agree with them reads as absent.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from langspec.closure import cache_key
from langspec.errors import LangspecError
from langspec.files import file_checksum, read_json

if TYPE_CHECKING:
    from langspec.features.feature_options import Features

logger = logging.getLogger(__name__)

CODE = "langspec.features.encode"
"""The module whose import closure computes what a bank holds."""
NO_LABEL = -100
COLUMNS = ("row", "unit", "language", "line", "split", "label")
KINDS = ("tokens", "sentences")
META = "meta.json"


PerLanguage = int | None | Mapping[str, int | None]
"""A limit of each language: of all splits together, or of each split by itself; None: no limit."""


@dataclass(frozen=True)
class BankOptions:
    """An encoding pass, and what is kept of it.

    Attributes:
        max_tokens_per_language: token vectors kept of each language; None keeps all, 0 none. A
            split that a limit by split does not name is left out.
        max_sentences_per_language: sentence vectors kept of each language, of the same lines in
            all languages that have them; None keeps all.
        pooling: ``mean`` over the attention mask (special tokens included), ``cls``, or
            ``compat``: the encoder's own pooler at the last layer, ``cls`` below it.
        seed: of the sample.
        precision: ``fp32``, ``bf16`` or ``fp16``; what is used, not what was asked for.
        tokens_per_batch: padded pieces in one forward pass.
        layers: layers kept (0 = embeddings, negative counts from the last); None keeps all. What
            lies above the highest is not computed.
        whole_rows: take tokens from as few rows as have enough of them, drawn at random, and not
            from all rows: where few tokens of many rows are wanted, most need not be encoded.
        lines: lines of each language that are read at all, the same in all languages that have
            them; None: all.
    """

    max_tokens_per_language: PerLanguage
    max_sentences_per_language: PerLanguage
    pooling: str
    seed: int
    precision: str
    tokens_per_batch: int
    layers: tuple[int, ...] | None = None
    whole_rows: bool = False
    lines: int | None = None

    @classmethod
    def of(
        cls, features: Features, *, pooling: str, seed: int, precision: str, **changes: Any
    ) -> BankOptions:
        """The pass that section ``features`` asks for, with ``changes`` to its fields."""
        values: dict[str, Any] = {
            "max_tokens_per_language": features.tokens.model_dump(),
            "max_sentences_per_language": features.sentences.model_dump(),
            "tokens_per_batch": features.batch_tokens,
        }
        return cls(pooling=pooling, seed=seed, precision=precision, **(values | changes))


@dataclass(frozen=True)
class BankRows:
    """What is known of each of the ``R`` rows of the inputs.

    Attributes:
        languages: code of each row.
        splits: split of each row; empty where there are none.
        lines: int ``[R]``, line number shared by translations; None numbers the rows.
        token_labels: int ``[U]``, label of each unit (-100 none); None where there are none.
        row_labels: int ``[R]``, label of each row; None where there are none.
    """

    languages: Sequence[str]
    splits: Sequence[str] = ()
    lines: np.ndarray | None = None
    token_labels: np.ndarray | None = None
    row_labels: np.ndarray | None = None


@dataclass(frozen=True)
class Units:
    """int32 ``[N]`` columns that say what each vector of a bank stands for.

    Attributes:
        row: index of the row in the inputs.
        unit: column of the piece in its row (tokens), -1 (sentences).
        language: index into ``Bank.languages``.
        line: line number.
        split: index into ``Bank.splits``, -1 where there are none.
        label: label, -100 where there is none.
    """

    row: np.ndarray
    unit: np.ndarray
    language: np.ndarray
    line: np.ndarray
    split: np.ndarray
    label: np.ndarray

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True)
class Bank:
    """Cached feature vectors of one encoder on one corpus, in a folder.

    ``tokens(layer)`` and ``sentences(layer)`` give them with language, line and split of each.
    """

    folder: Path
    meta: dict[str, Any]

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes that ``Units.language`` indexes, sorted."""
        return tuple(self.meta["languages"])

    @property
    def splits(self) -> tuple[str, ...]:
        """Names that ``Units.split`` indexes, sorted."""
        return tuple(self.meta["splits"])

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers kept, 0 = embeddings."""
        return tuple(self.meta["layers"])

    def some_layers(self, wanted: Sequence[int] | None) -> tuple[int, ...]:
        """Layers, ascending and each once; ``wanted``: -1 is the last one kept, None: all kept.

        Raises:
            LangspecError: a layer that is not kept.
        """
        last = self.layers[-1]
        named = self.layers if wanted is None else (last if n == -1 else n for n in wanted)
        if missing := sorted(set(layers := sorted(set(named))) - set(self.layers)):
            raise LangspecError(
                f"layers {missing} are not in this feature bank; it keeps {list(self.layers)}"
            )
        return tuple(layers)

    @cached_property
    def token_meta(self) -> Units:
        """What each token vector stands for."""
        return self._units("tokens")

    @cached_property
    def sentence_meta(self) -> Units:
        """What each sentence vector stands for."""
        return self._units("sentences")

    def tokens(self, layer: int) -> np.ndarray:
        """float32 ``[N, H]``: the token vectors of a layer (-1 = the last one kept)."""
        return self._vectors("tokens", layer)

    def sentences(self, layer: int) -> np.ndarray:
        """float32 ``[N, H]``: the pooled sentence vectors of a layer (-1 = the last one kept)."""
        return self._vectors("sentences", layer)

    def _units(self, kind: str) -> Units:
        table = np.load(self.folder / f"{kind}_meta.npy")
        return Units(*np.ascontiguousarray(table.T))

    def _vectors(self, kind: str, layer: int) -> np.ndarray:
        wanted = self.layers[-1] if layer == -1 else layer
        if wanted not in self.layers:
            raise LangspecError(
                f"layer {layer} is not in this feature bank; it keeps {list(self.layers)}"
            )
        stored = np.load(self.folder / f"{kind}.npy", mmap_mode="r")
        return np.asarray(stored[self.layers.index(wanted)], dtype=np.float32)


def bank_key(
    *,
    checkpoint: str,
    corpus: str,
    prefix: str,
    max_tokens: int,
    options: BankOptions,
    token_prefix: str | None = None,
) -> str:
    """SHA-256 of all that a bank's content depends on.

    ``checkpoint`` and ``corpus`` are content hashes (the corpus' includes which rows are taken),
    ``prefix`` is put before every text, ``token_prefix`` instead before those that token vectors
    are of (None: ``prefix``), ``max_tokens`` is where rows are cut.
    """
    return cache_key(
        "bank",
        code=(CODE,),
        checkpoint=checkpoint,
        corpus=corpus,
        prefix=[prefix, prefix if token_prefix is None else token_prefix],
        max_tokens=max_tokens,
        options=asdict(options),
    )


def open_bank(root: Path, key: str) -> Bank | None:
    """The bank of ``key`` below ``root``; None if it is absent or damaged (with a warning)."""
    folder = Path(root) / key
    if not folder.exists():
        return None
    try:
        meta = read_json(folder / META)
        whole = meta["key"] == key
        for kind in KINDS:
            vectors = np.load(folder / f"{kind}.npy", mmap_mode="r")
            units = np.load(folder / f"{kind}_meta.npy", mmap_mode="r")
            whole &= vectors.shape == tuple(meta["shapes"][kind])
            whole &= units.shape == (vectors.shape[1], len(COLUMNS))
        whole = whole and all(
            file_checksum(folder / name) == checksum for name, checksum in meta["sha256"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        whole = False
    if not whole:
        logger.warning("the feature bank %s is damaged and is made again", folder)
        return None
    os.utime(folder / META)  # its time says when the bank was last of use
    return Bank(folder, meta)
