"""The encoder that an audit is of, however it was named."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from langspec import hub
from langspec.audit.after_pooling import AfterPooling, read_after, without_dense
from langspec.audit.options import EncoderChoice
from langspec.encoders.download import fetch
from langspec.encoders.e5 import e5_encoder
from langspec.encoders.load import Encoder, check_positions, check_prefix
from langspec.encoders.published_encoder import PROMPTS, published_encoder, try_encoder
from langspec.errors import LangspecError
from langspec.features.bank import Bank
from langspec.files import read_object, sha256_json

logger = logging.getLogger(__name__)

PACKAGED = "e5"
E5_PROMPTS = {"query": "query: ", "document": "passage: "}
"""As e5 was trained (Wang et al. 2024, section 4)."""
PLACE = "ENCODER"
POOLINGS = ("mean", "cls")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(@[\w./-]+)?")
# Messages of the loaders name keys of params.yaml; an audit has flags in their place.
_FLAGS = (
    ("encoder.pooling", "--pooling"),
    ("encoder.prefix", "--prefix"),
    ("encoder.max_tokens", "--max-tokens"),
    ("then set encoder.kind to folder and encoder.folder to DIR", "then audit DIR"),
    (f"run {hub.FETCH} on a machine", "run this audit once on a machine"),
)


@dataclass(frozen=True)
class Subject:
    """An encoder, its name in this audit, and the layers that are measured.

    ``after`` is what its folder does to a pooled vector of the last layer; None: nothing.
    ``prompts`` are the prefixes that its folder names: of ``query``, of ``document``.
    """

    name: str
    encoder: Encoder
    layers: tuple[int, ...]
    source: str
    after: AfterPooling | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)

    def sentences(self, bank: Bank, layer: int) -> np.ndarray:
        """Sentence vectors float32 ``[N, H]`` of a layer of a bank, as the folder makes them."""
        vectors = bank.sentences(layer)
        if self.after is None or layer != int(self.encoder.model.config.num_hidden_layers):
            return vectors
        return self.after.apply(vectors)

    @property
    def labels_words(self) -> bool:
        """Does its folder hold a head that labels words?"""
        classes = getattr(self.encoder.model.config, "architectures", None) or ()
        return any(str(name).endswith("ForTokenClassification") for name in classes)

    @property
    def sha256(self) -> str:
        """Of all that its vectors depend on, the pooling and the length apart."""
        card = self.encoder.card
        tokenizer = self.encoder.tokenizer.backend_tokenizer.to_str()
        weights = card.sha256 or sha256_json(asdict(card))
        parts = {"weights": weights, "tokenizer": tokenizer}
        return sha256_json(parts if self.after is None else parts | {"after": self.after.sha256})


def load_subject(choice: EncoderChoice, *, layers: str | None, max_tokens: int | None) -> Subject:
    """Find, load and try an encoder.

    Args:
        choice: a folder (transformers' or sentence-transformers'), ``e5``, or a Hub id with
            or without ``@revision``.
        layers: as the user wrote them; None: all.
        max_tokens: pieces a text at most; None: as many as the encoder reads.

    Raises:
        LangspecError: nothing of that name, or no encoder as it is needed here.
    """
    if choice.pooling not in (None, *POOLINGS):
        raise LangspecError(
            f"{choice.pooling!r}; expected one of {', '.join(POOLINGS)}", place="--pooling"
        )
    try:
        encoder, source, after, prompts = _load(choice)
    except LangspecError as error:
        text = str(error)
        for key, flag in _FLAGS:
            text = text.replace(key, flag)
        raise LangspecError(text) from error
    card = encoder.card
    card = replace(
        card,
        name=short_name(choice.encoder),
        prefix=card.prefix if choice.prefix is None else choice.prefix,
        pooling=card.pooling if choice.pooling is None else choice.pooling,
    )
    if max_tokens is not None:
        if max_tokens > card.max_tokens:
            logger.warning(
                "%s states %d tokens a text; texts are read to %d",
                choice.encoder, card.max_tokens, max_tokens,
            )  # fmt: skip
        card = replace(card, max_tokens=max_tokens)
        check_positions(card, encoder.model, place="--max-tokens")
    check_prefix(card, encoder.tokenizer, place="--prefix")
    encoder.card = card
    count = int(encoder.model.config.num_hidden_layers)
    return Subject(
        card.name, encoder, parse_layers(layers, count, card.name), source, after, prompts
    )


def _load(choice: EncoderChoice) -> tuple[Encoder, str, AfterPooling | None, Mapping[str, str]]:
    named = choice.encoder
    if choice.folder is not None:
        return _published(choice.folder, choice, named)
    folder = Path(named).expanduser()
    if not named.strip():
        raise LangspecError("'' names no encoder; expected a folder, a Hub id or e5", place=PLACE)
    if folder.is_dir():
        return _published(folder, choice, str(named))
    if folder.exists():
        raise LangspecError(
            f"{named} is a file; expected the folder of a model, a Hub id or e5", place=PLACE
        )
    if named == PACKAGED:
        encoder = e5_encoder()
        return encoder, encoder.card.source, None, E5_PROMPTS
    if named.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(named):
        raise LangspecError(
            f"{named}: no such folder; expected the folder of a model, a Hub id such as "
            "FacebookAI/xlm-roberta-base, models:/NAME@ALIAS or e5",
            place=PLACE,
        )
    name, _, revision = named.partition("@")
    repository = hub.Repository("model", name, revision or "main")
    return _published(fetch(repository), choice, f"{repository} of the Hugging Face Hub")


def _published(
    folder: Path, choice: EncoderChoice, source: str
) -> tuple[Encoder, str, AfterPooling | None, Mapping[str, str]]:
    """The encoder of a folder, what the folder does to its pooled vectors, and its prefixes.

    A pooling that was asked for is read as it is: nothing comes after it.
    """
    after = read_after(folder) if choice.pooling is None else None
    if after is None:
        return _loaded(folder, choice), source, None, _prompts(folder)
    with without_dense(folder) as view:
        try:
            return _loaded(view, choice), source, after, _prompts(folder)
        except LangspecError as error:
            raise LangspecError(str(error).replace(str(view), str(folder))) from error


def _prompts(folder: Path) -> Mapping[str, str]:
    """The prefixes by name that sentence-transformers' settings state; the loader checks them."""
    place = folder / PROMPTS
    stated = read_object(place, cure="copy it again") if place.is_file() else {}
    return {str(name): text for name, text in (stated.get("prompts") or {}).items() if text}


def _loaded(folder: Path, choice: EncoderChoice) -> Encoder:
    encoder = published_encoder(folder, prefix=choice.prefix, pooling=choice.pooling)
    if encoder.card.pooling not in POOLINGS:
        # The checkpoint's pooler reads the last layer alone; an audit reads every layer.
        encoder.card = replace(encoder.card, pooling="cls")
        try_encoder(encoder, place=folder)
    return encoder


def short_name(named: str) -> str:
    """The last part of a path or id, for headings and folders: letters, digits, ``.``, ``-``."""
    last = named.rstrip("/").replace("\\", "/")
    if named.startswith("models:/"):
        last = last.removeprefix("models:/").replace("/", "-").replace("@", "-")
    else:
        last = Path(last).expanduser().resolve().name if last in (".", "..") else last
        last = last.rsplit("/", 1)[-1].partition("@")[0]
    return re.sub(r"[^\w.-]+", "-", last).strip("-.") or "encoder"


def parse_layers(text: str | None, count: int, name: str) -> tuple[int, ...]:
    """Layers from ``0,4-6,-1``: 0 is the embeddings, ``count`` (or -1) the last layer.

    Raises:
        LangspecError: not such a list, or a layer that the encoder has not.
    """
    if text is None:
        return tuple(range(count + 1))
    expected = f"expected numbers from 0 (embeddings) to {count} (last), such as 0,4-6,-1"
    chosen: set[int] = set()
    for part in text.split(","):
        audited = re.fullmatch(r"\s*(-?\d+)(?:-(\d+))?\s*", part)
        if not audited:
            raise LangspecError(f"{part.strip()!r}; {expected}", place="--layers")
        first, last = int(audited[1]), int(audited[2] or audited[1])
        if first < 0 and not audited[2]:
            first = last = first + count + 1
        if not 0 <= first <= last <= count:
            raise LangspecError(
                f"{part.strip()} is not among the layers of {name}; {expected}", place="--layers"
            )
        chosen |= set(range(first, last + 1))
    return tuple(sorted(chosen))
