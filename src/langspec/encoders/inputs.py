"""Tokenising text into flat rows of pieces, and which piece represents which word.

A UD word is represented by its *first piece with content*: SentencePiece gives a bare
word-boundary piece as the first piece of most Chinese and Japanese words, which says nothing
about the word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# Scripts written without spaces: Thai, Lao, Myanmar, Khmer, kana, Han. One unit a character at
# most there (a piece that covers two characters is one unit), white-space words elsewhere.
_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
TEXT_WORD = re.compile(f"[{_SPACELESS}]|[^\\s{_SPACELESS}]+")
_CHUNK = 4096  # rows tokenised at once: bounds the memory that encodings take


@dataclass(frozen=True)
class Inputs:
    """Tokenised rows in flat arrays: ``R`` rows, ``P`` pieces, ``U`` units.

    Attributes:
        ids: int32 ``[P]``, pieces of all rows, special tokens included.
        starts: int64 ``[R+1]``; row ``r`` is ``ids[starts[r]:starts[r+1]]``.
        segments: int8 ``[P]``, token type (1 from the first piece of a pair's second text on).
        units: int32 ``[U]``, the column within its row of the piece that stands for a unit.
        unit_starts: int64 ``[R+1]``; units of row ``r`` are ``units[unit_starts[r]:...]``.
        unit_words: int32 ``[U]``, which word of its row a unit is.
        truncated: rows that were cut at the maximum length.
        lost_words: words without a unit (cut off, or without any piece that has content).
        blank_words: those of them that have no piece with content, such as words of zero-width
            characters; what was cut off is not counted.
    """

    ids: np.ndarray
    starts: np.ndarray
    segments: np.ndarray
    units: np.ndarray
    unit_starts: np.ndarray
    unit_words: np.ndarray
    truncated: int = 0
    lost_words: int = 0
    blank_words: int = 0

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Pieces of each row, int64 ``[R]``."""
        return np.diff(self.starts)


def content_pieces(tokenizer: PreTrainedTokenizerFast) -> np.ndarray:
    """bool ``[V]``: whether a piece has content; special tokens and word boundaries have none.

    The unknown piece has content: it stands for a word, although it does not say which.
    """
    vocabulary = tokenizer.get_vocab()
    content = np.zeros(max(vocabulary.values()) + 1, dtype=bool)
    special = set(tokenizer.all_special_tokens) - {tokenizer.unk_token}
    for piece, index in vocabulary.items():
        content[index] = bool(piece.strip("▁Ġ ").removeprefix("##")) and piece not in special
    return content


def _unit_columns(
    text: str, spans: np.ndarray, offsets: np.ndarray, has_content: np.ndarray
) -> np.ndarray:
    """Column of the first content piece of each span, -1 where there is none.

    ``spans`` int ``[W, 2]`` are character ranges in ``text``, ``offsets`` ``[T, 2]`` those of the
    pieces. A piece that began in an earlier word (no space between) stands for this word only
    if no piece begins inside it.
    """
    columns = np.flatnonzero(has_content & (offsets[:, 1] > offsets[:, 0]))
    if not len(columns) or not len(spans):
        return np.full(len(spans), -1, dtype=np.int64)
    begins, ends = offsets[columns, 0].copy(), offsets[columns, 1]
    for i, begin in enumerate(begins):  # a piece may include the space before it
        if text[begin].isspace():
            begins[i] += 1
    first = np.searchsorted(ends, spans[:, 0], side="right")
    inside = np.minimum(first, len(columns) - 1)
    following = np.minimum(inside + 1, len(columns) - 1)
    began_before = begins[inside] < spans[:, 0]
    inside = np.where(began_before & (begins[following] < spans[:, 1]), following, inside)
    has_piece = (first < len(columns)) & (begins[inside] < spans[:, 1])
    return np.where(has_piece, columns[inside], -1)


class _Builder:
    """Collects rows; one place turns them into :class:`Inputs`."""

    def __init__(self) -> None:
        self.ids: list[np.ndarray] = []
        self.segments: list[np.ndarray] = []
        self.units: list[np.ndarray] = []
        self.words: list[np.ndarray] = []
        self.truncated = 0
        self.lost = 0
        self.blank = 0

    def add(self, encoding: Any, segments: np.ndarray | None, columns: np.ndarray) -> None:
        ids = np.asarray(encoding.ids, dtype=np.int32)
        self.ids.append(ids)
        self.segments.append(np.zeros(len(ids), np.int8) if segments is None else segments)
        with_piece = np.flatnonzero(columns >= 0)
        self.units.append(columns[with_piece].astype(np.int32))
        self.words.append(with_piece.astype(np.int32))
        self.truncated += bool(encoding.overflowing)
        self.lost += len(columns) - len(with_piece)
        # Of a row that was cut, what follows its last word with a piece may have been cut off.
        last = with_piece[-1] + 1 if len(with_piece) else 0
        end = last if encoding.overflowing else len(columns)
        self.blank += int((columns[:end] < 0).sum())

    def build(self) -> Inputs:
        def flat(parts: list[np.ndarray], dtype: Any) -> np.ndarray:
            return np.concatenate(parts) if parts else np.zeros(0, dtype)

        def starts(parts: list[np.ndarray]) -> np.ndarray:
            return np.cumsum([0, *map(len, parts)], dtype=np.int64)

        return Inputs(
            flat(self.ids, np.int32),
            starts(self.ids),
            flat(self.segments, np.int8),
            flat(self.units, np.int32),
            starts(self.units),
            flat(self.words, np.int32),
            self.truncated,
            self.lost,
            self.blank,
        )


def _encode(
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    seconds: Sequence[str] | None,
    max_tokens: int,
) -> Iterable[Any]:
    """Encodings row by row, tokenised a chunk at a time."""
    for start in tqdm(
        range(0, len(texts), _CHUNK), desc="tokenise", unit="chunk", leave=False, disable=None
    ):
        part = slice(start, start + _CHUNK)
        batch = tokenizer(
            list(texts[part]),
            None if seconds is None else list(seconds[part]),
            truncation="longest_first",
            max_length=max_tokens,
            return_offsets_mapping=True,
        )
        yield from batch.encodings


def _spanned_inputs(
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    spans: Iterable[np.ndarray],
    max_tokens: int,
    *,
    unique: bool,
) -> Inputs:
    content = content_pieces(tokenizer)
    builder = _Builder()
    encodings = _encode(tokenizer, texts, None, max_tokens)
    for text, word_spans, encoding in zip(texts, spans, encodings, strict=True):
        offsets = np.asarray(encoding.offsets, dtype=np.int64).reshape(-1, 2)
        columns = _unit_columns(text, word_spans, offsets, content[np.asarray(encoding.ids)])
        if unique:  # two characters inside one piece are one unit
            columns = columns[np.r_[True, np.diff(columns) != 0]] if len(columns) else columns
        builder.add(encoding, None, columns)
    return builder.build()


def word_inputs(
    tokenizer: PreTrainedTokenizerFast,
    words: Sequence[Sequence[str]],
    space_after: Sequence[Sequence[bool]],
    *,
    max_tokens: int,
    prefix: str = "",
) -> Inputs:
    """Tokenise sentences that are given as words, joined by their spacing; one unit a word.

    ``space_after[r][w]`` says whether a space follows word ``w`` of row ``r``.
    """
    texts, spans = [], []
    for row, spaces in zip(words, space_after, strict=True):
        pieces, position, row_spans = [prefix], len(prefix), []
        for word, space in zip(row, spaces, strict=True):
            row_spans.append((position, position + len(word)))
            pieces.append(word + " " * space)
            position += len(word) + space
        texts.append("".join(pieces).rstrip())
        spans.append(np.asarray(row_spans, dtype=np.int64).reshape(-1, 2))
    return _spanned_inputs(tokenizer, texts, spans, max_tokens, unique=False)


def text_inputs(
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    *,
    max_tokens: int,
    prefix: str = "",
) -> Inputs:
    """Tokenise running text: one unit a word, or a piece in scripts without spaces."""
    full = [prefix + text for text in texts]
    spans = (
        np.asarray(
            [m.span() for m in TEXT_WORD.finditer(text, len(prefix))], dtype=np.int64
        ).reshape(-1, 2)
        for text in full
    )
    return _spanned_inputs(tokenizer, full, spans, max_tokens, unique=True)


def pair_inputs(
    tokenizer: PreTrainedTokenizerFast,
    premises: Sequence[str],
    hypotheses: Sequence[str],
    *,
    max_tokens: int,
    prefix: str = "",
    token_types: bool = True,
) -> Inputs:
    """Tokenise pairs of premise and hypothesis, joined as the tokenizer joins pairs; no units.

    Token types are 1 from the first piece of the hypothesis on, also where the tokenizer's
    template gives zeros (XLM-R). Models without a second type never see them. Without
    ``token_types`` all are 0, as in the published set-up.
    """
    builder = _Builder()
    none = np.zeros(0, dtype=np.int64)
    encodings = _encode(tokenizer, [prefix + text for text in premises], hypotheses, max_tokens)
    for encoding in encodings:
        second = [i for i, which in enumerate(encoding.sequence_ids) if which == 1]
        segments = np.zeros(len(encoding.ids), dtype=np.int8)
        if second and token_types:
            segments[second[0] :] = 1
        builder.add(encoding, segments, none)
    return builder.build()


def length_batches(lengths: np.ndarray, max_tokens_per_batch: int) -> list[np.ndarray]:
    """Row indices sorted by length and cut so that rows x longest row <= the budget.

    A row longer than the budget is a batch of its own.
    """
    order = np.argsort(lengths, kind="stable")
    return pack(order, lengths, max_tokens_per_batch)


def pack(order: np.ndarray, lengths: np.ndarray, max_tokens_per_batch: int) -> list[np.ndarray]:
    """Cut ``order`` into consecutive batches whose padded size stays within the budget."""
    batches, begin, longest = [], 0, 0
    for position, row in enumerate(order):
        longest = max(longest, int(lengths[row]))
        if position > begin and (position - begin + 1) * longest > max_tokens_per_batch:
            batches.append(order[begin:position])
            begin, longest = position, int(lengths[row])
    if begin < len(order):
        batches.append(order[begin:])
    return batches


def collate(inputs: Inputs, rows: np.ndarray, *, pad_id: int) -> dict[str, torch.Tensor]:
    """Pad rows to the longest of them.

    Returns ``input_ids``, ``attention_mask``, ``token_type_ids`` int64 ``[B, T]`` and, for the
    ``N`` units of these rows in order, ``unit_rows`` and ``unit_columns`` int64 ``[N]``.
    """
    begins, ends = inputs.starts[rows], inputs.starts[rows + 1]
    lengths = ends - begins
    width = int(lengths.max()) if len(rows) else 0
    column = np.arange(width)
    mask = column < lengths[:, None]
    ids = np.full((len(rows), width), pad_id, dtype=np.int64)
    segments = np.zeros((len(rows), width), dtype=np.int64)
    source = (begins[:, None] + column)[mask]
    ids[mask] = inputs.ids[source]
    segments[mask] = inputs.segments[source]
    counts = inputs.unit_starts[rows + 1] - inputs.unit_starts[rows]
    columns = [inputs.units[inputs.unit_starts[r] : inputs.unit_starts[r + 1]] for r in rows]
    return {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy(mask.astype(np.int64)),
        "token_type_ids": torch.from_numpy(segments),
        "unit_rows": torch.from_numpy(np.repeat(np.arange(len(rows)), counts)),
        "unit_columns": torch.from_numpy(
            np.concatenate(columns).astype(np.int64) if columns else np.zeros(0, np.int64)
        ),
    }
