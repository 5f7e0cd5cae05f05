"""Predictions of an encoder with its task's head for new texts."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from langspec.compute import resolve_precision
from langspec.encoders.inference import casts, in_memory
from langspec.encoders.inputs import (
    TEXT_WORD,
    Inputs,
    collate,
    length_batches,
    pair_inputs,
    text_inputs,
    word_inputs,
)
from langspec.encoders.load import Encoder, load_encoder
from langspec.erasure.base import ErasureMap
from langspec.erasure.eraser_folder import CARD, load_eraser, weights_hash
from langspec.errors import LangspecError
from langspec.files import checked, read_record
from langspec.modelling.model import EncoderWithHeads, LinearHead

logger = logging.getLogger(__name__)

SCHEMA = 1
ERASERS = "erasers"
_BATCH_TOKENS = 4096
_AGAIN = "write it again: langspec export --head, or langspec register"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Head:
    """What ``head/head.json`` says: ``unit`` is ``token`` or ``pair``; ``single``: one text.

    ``precision`` is what the model was trained and measured in; it predicts in the same where the
    processor multiplies it in hardware, else in fp32.
    """

    task: str
    unit: Literal["token", "pair"]
    labels: tuple[str, ...]
    layer: int
    single: bool = False
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"

    @property
    def columns(self) -> tuple[str, ...]:
        """Of a row to predict; a row of a token task has one of its two."""
        if self.unit == "token":
            return ("text", "words")
        return ("text",) if self.single else ("premise", "hypothesis")


class Predictor:
    """A folder that ``langspec register`` or ``langspec export --head`` wrote, ready to predict.

    Attributes:
        head: what it predicts.
        precision: that it encodes in.
        truncated: rows of the last call that were longer than the encoder takes, and were cut.
    """

    def __init__(
        self, encoder: Encoder, head: Head, model: Any, erasers: dict[str, ErasureMap]
    ) -> None:
        self.encoder = encoder
        self.head = head
        self.truncated = 0
        self.precision = resolve_precision(head.precision, "cpu")
        self._model = model.for_encoding(self.precision)
        self._erasers = erasers

    @property
    def erasers(self) -> tuple[str, ...]:
        """Names of the erasers in the folder."""
        return tuple(sorted(self._erasers))

    def predict(self, rows: Sequence[Row], eraser: str = "") -> list[dict[str, Any]]:
        """Labels with their probabilities, a record a row.

        Args:
            rows: ``text`` (running text, split at spaces and punctuation) or ``words`` (a list;
                with it ``space_after``, a truth value each, if known) for token tasks,
                ``premise`` and ``hypothesis`` for pairs, ``text`` for single texts.
            eraser: one of :attr:`erasers`; its map is put before the head.

        Returns:
            For token tasks ``words``, ``labels`` and ``probabilities``, one each a word, None for
            words that were cut off or have no piece with content; else ``label``, ``probability``
            and ``probabilities`` by label.

        Raises:
            LangspecError: a row without the columns, with other ones, or empty; no such eraser.
        """
        fitted = self._eraser(eraser)
        for number, row in enumerate(rows, 1):
            _check(row, self.head.columns, number)
        inputs, words = self._inputs(rows)
        self.truncated = inputs.truncated
        if inputs.truncated:
            logger.warning(
                "%d of %d rows were longer than %d pieces and were cut there",
                inputs.truncated, len(rows), self.encoder.card.max_tokens,
            )  # fmt: skip
        if inputs.blank_words and words is not None:
            logger.warning(
                "%d words have no label: they hold nothing that the tokenizer keeps, such as "
                "zero-width characters alone",
                inputs.blank_words,
            )
        predicted = self._probabilities(inputs, fitted)
        if words is not None:
            return [
                self._tagged(inputs, predicted, row, of_row) for row, of_row in enumerate(words)
            ]
        return [
            {
                "label": self.head.labels[int(row.argmax())],
                "probability": float(row.max()),
                "probabilities": dict(zip(self.head.labels, map(float, row), strict=True)),
            }
            for row in predicted
        ]

    def _eraser(self, name: str) -> ErasureMap | None:
        if not name:
            return None
        if name not in self._erasers:
            there = ", ".join(self.erasers) or "none (evaluate.erasers.of names the methods)"
            raise LangspecError(f"no eraser {name!r} here; there are: {there}", place="eraser")
        return self._erasers[name]

    def _inputs(self, rows: Sequence[Row]) -> tuple[Inputs, list[list[str]] | None]:
        tokenizer, card = self.encoder.tokenizer, self.encoder.card
        size, prefix = card.max_tokens, card.prefix
        if self.head.unit == "token":
            split = [_words(row) for row in rows]
            words = [of_row for of_row, _ in split]
            spaces = [of_row for _, of_row in split]
            return (
                word_inputs(tokenizer, words, spaces, max_tokens=size, prefix=prefix),
                words,
            )
        if self.head.single:
            texts = [row["text"] for row in rows]
            return text_inputs(tokenizer, texts, max_tokens=size, prefix=prefix), None
        premises = [row["premise"] for row in rows]
        hypotheses = [row["hypothesis"] for row in rows]
        pairs = pair_inputs(
            tokenizer,
            premises,
            hypotheses,
            max_tokens=size,
            prefix=prefix,
            token_types=card.token_types,
        )
        return pairs, None

    @torch.inference_mode()
    def _probabilities(self, inputs: Inputs, fitted: ErasureMap | None) -> np.ndarray:
        """float64 ``[N, K]``: a row a unit (token tasks) or a row."""
        token = self.head.unit == "token"
        count = len(inputs.units) if token else len(inputs)
        predicted = np.zeros((count, len(self.head.labels)))
        for rows in length_batches(inputs.lengths, _BATCH_TOKENS):
            batch = collate(inputs, rows, pad_id=int(self.encoder.tokenizer.pad_token_id))
            fits = in_memory(batch["input_ids"], "the length of the rows")
            with casts("cpu", self.precision), fits:
                vectors = self._model.vectors(batch).float()
            if fitted is not None:
                vectors = torch.from_numpy(fitted.apply(vectors.numpy()))
            values = self._model.heads["task"](vectors).double().softmax(dim=-1).numpy()
            starts = inputs.unit_starts
            places = (
                np.concatenate([np.arange(starts[r], starts[r + 1]) for r in rows])
                if token
                else rows
            )
            predicted[places] = values
        return predicted

    def _tagged(
        self, inputs: Inputs, predicted: np.ndarray, row: int, words: list[str]
    ) -> dict[str, Any]:
        labels: list[str | None] = [None] * len(words)
        probabilities: list[float | None] = [None] * len(words)
        for unit in range(inputs.unit_starts[row], inputs.unit_starts[row + 1]):
            word, values = int(inputs.unit_words[unit]), predicted[unit]
            labels[word] = self.head.labels[int(values.argmax())]
            probabilities[word] = float(values.max())
        return {"words": words, "labels": labels, "probabilities": probabilities}


def split_words(text: str) -> tuple[list[str], list[bool]]:
    """Split a text into words; says for each word whether a space follows it.

    White space separates words, and punctuation at a word's ends is a word of its own;
    contractions stay whole. Treebanks split more finely: give words where they are known.
    """
    words: list[str] = []
    spaces: list[bool] = []
    for match in TEXT_WORD.finditer(text):
        parts = _without_ends(match.group())
        words += parts
        spaces += [False] * len(parts)
        spaces[-1] = text[match.end() : match.end() + 1].isspace()
    return words, spaces


def _without_ends(chunk: str) -> list[str]:
    begin, end = 0, len(chunk)
    while begin < end and _is_mark(chunk[begin]):
        begin += 1
    while end > begin and _is_mark(chunk[end - 1]):
        end -= 1
    middle = [chunk[begin:end]] if begin < end else []
    return [*chunk[:begin], *middle, *chunk[end:]]


def _is_mark(character: str) -> bool:
    """Punctuation or a symbol."""
    return unicodedata.category(character)[0] in "PS"


def _words(row: Row) -> tuple[list[str], list[bool]]:
    if row.get("words") is not None:
        words, spaces = list(row["words"]), row.get("space_after")
        return words, [True] * len(words) if spaces is None else [bool(space) for space in spaces]
    return split_words(row["text"])


def _check(row: Row, columns: tuple[str, ...], number: int) -> None:
    """Refuse a row that is not what the head reads."""
    place = f"row {number}"
    given = {key: value for key, value in row.items() if value is not None}
    spaces = given.pop("space_after", None) if "words" in columns else None
    unknown = sorted(set(given) - set(columns))
    if unknown:
        raise LangspecError(
            f"unknown columns {', '.join(unknown)}; expected {' and '.join(columns)}"
            if "words" not in columns
            else f"unknown columns {', '.join(unknown)}; expected text or words",
            place=place,
        )
    if "words" in columns:
        if len(given) != 1:
            raise LangspecError("expected either text or words", place=place)
        if spaces is not None and "text" in given:
            raise LangspecError("space_after belongs to words, not to text", place=place)
        columns = tuple(given)
    for column in columns:
        value: Any = given.get(column)
        if column == "words":
            listed = isinstance(value, list | tuple | np.ndarray)
            if not listed or not len(value) or not all(_is_text(word) for word in value):
                raise LangspecError("words: expected a list of words, none empty", place=place)
            if spaces is not None and not _are_spaces(spaces, len(value)):
                raise LangspecError(
                    f"space_after: expected a list of {len(value)} truth values", place=place
                )
        elif not _is_text(value):
            blank = isinstance(value, str) and not value.strip()
            what = "empty text" if blank else f"expected text, found {value!r}"
            raise LangspecError(f"{column}: {what}", place=place)


def _are_spaces(values: Any, count: int) -> bool:
    listed = isinstance(values, list | tuple | np.ndarray) and len(values) == count
    return listed and all(isinstance(value, bool | np.bool_) for value in values)


def _is_text(value: Any) -> bool:
    """Text that is not empty and can be encoded: half a surrogate pair cannot."""
    if not isinstance(value, str) or not value.strip():
        return False
    return value.encode("utf-8", "ignore").decode() == value


def load_predictor(folder: Path) -> Predictor:
    """Read a folder with an encoder, ``head/`` and perhaps ``erasers/``.

    Raises:
        LangspecError: no such folder, no head in it, or a file that is damaged or does not
            belong to the encoder.
    """
    folder = Path(folder)
    place = folder / "head"
    if not (place / "head.json").is_file():
        raise LangspecError(
            "no model with a head here; expected models:/NAME@ALIAS, or a folder that `langspec "
            "export --head` wrote",
            place=folder,
        )
    head = read_record(place / "head.json", Head, cure=_AGAIN, schema=SCHEMA)
    if len(set(head.labels)) != len(head.labels):
        raise LangspecError(f"labels: one stands there twice; {_AGAIN}", place=place / "head.json")
    encoder = load_encoder(folder)
    hidden, layers = encoder.model.config.hidden_size, encoder.model.config.num_hidden_layers
    if not 0 <= head.layer <= layers:
        raise LangspecError(
            f"layer {head.layer}; expected 0 to {layers}, the encoder's; {_AGAIN}",
            place=place / "head.json",
        )
    linear = LinearHead(hidden, len(head.labels), dropout=0.0, init=0.02)
    try:
        whole = checked(place / "head.safetensors", cure=_AGAIN)
        linear.linear.load_state_dict(load_file(whole))
    except (OSError, SafetensorError) as error:
        reason = f"cannot be read ({error}); {_AGAIN}"
        raise LangspecError(reason, place=place / "head.safetensors") from None
    except RuntimeError:
        raise LangspecError(
            f"no tensors of {len(head.labels)} labels and {hidden} numbers a vector; {_AGAIN}",
            place=place / "head.safetensors",
        ) from None
    model = EncoderWithHeads(
        encoder.model,
        {"task": linear},
        unit=head.unit,
        pooling=encoder.card.pooling,
        feature_layer=-1 if head.layer == layers else head.layer,
    )
    return Predictor(encoder, head, model.eval(), _erasers(folder, encoder, head))


def _erasers(folder: Path, encoder: Encoder, head: Head) -> dict[str, ErasureMap]:
    places = [place.parent for place in sorted((folder / ERASERS).glob(f"*/{CARD}"))]
    exported = folder / "head" / "eraser"  # `export --eraser` puts one there
    if exported.is_dir():
        places.append(exported)
    if not places:
        return {}
    identity = weights_hash(encoder.model)
    unit = "token" if head.unit == "token" else "sentence"
    fitted = [load_eraser(p, encoder=identity, unit=unit, layer=head.layer) for p in places]
    return {one.name: one for one in fitted}
