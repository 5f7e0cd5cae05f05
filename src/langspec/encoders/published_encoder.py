"""A published encoder: a Hugging Face folder, or sentence-transformers' folder around one.

sentence-transformers (Reimers & Gurevych 2019) writes ``modules.json``, the steps from text to
vector, with a folder for each: a transformer, a pooling, perhaps more. A prefix and a
pooling are taken over. A module that changes the vector after that is refused; normalising is
logged.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from langspec.encoders.forward import hidden_states
from langspec.encoders.inputs import content_pieces
from langspec.encoders.load import CARD, Encoder, check_positions, load_encoder
from langspec.errors import LangspecError
from langspec.files import read_json

logger = logging.getLogger(__name__)

MODULES = "modules.json"
PROMPTS = "config_sentence_transformers.json"
_SETTINGS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
"""What versions of sentence-transformers called their file; the first that is there counts."""
_POOLINGS = {"mean": "mean", "mean_tokens": "mean", "cls": "cls", "cls_token": "cls"}
# Languages of many scripts, and characters that few tokenizers know.
_TRIAL = (
    "A sentence, 2. Предложение. 一句话。 文です。 문장. جملة. वाक्य। ประโยค პირი Բառ λόγος",
    "ሰላም ਸ਼ਬਦ සිංහල ⴰⵡⴰⵍ 𐌲𐌿𐍄 🙂 \u200b \ufdd0 ½ \u0301",
)
# How far rounding in fp32 may move a vector when a longer row is in the batch.
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class _Modules:
    """The folder of the model; pooling and prefix as the files state them, else None."""

    model: Path
    pooling: str | None = None
    prefix: str | None = None
    max_tokens: int | None = None


def published_encoder(
    folder: Path,
    *,
    prefix: str | None = None,
    pooling: str | None = None,
    max_tokens: int | None = None,
) -> Encoder:
    """Load an encoder that others made, and check what it computes.

    A keyword that is None takes what sentence-transformers' files or langspec's card state; a
    plain folder has no prefix and mean pooling.

    Raises:
        LangspecError: what :func:`load_encoder` refuses; sentence-transformers modules that
            change the vector otherwise; a model that is not an encoder as this project needs one.
    """
    folder = Path(folder)
    stated = _Modules(folder)
    if (folder / MODULES).is_file():
        stated = _read_modules(folder, ask_pooling=pooling is None, ask_prefix=prefix is None)
    encoder = load_encoder(
        stated.model,
        name=folder.resolve().name,
        prefix=stated.prefix if prefix is None else prefix,
        pooling=stated.pooling if pooling is None else pooling,
        max_tokens=max_tokens,
    )
    _obey_length(encoder, stated, max_tokens)
    try_encoder(encoder, place=stated.model)
    _check_first_piece(encoder, place=stated.model / "tokenizer.json")
    return encoder


def _obey_length(encoder: Encoder, stated: _Modules, max_tokens: int | None) -> None:
    """Cut texts where the folder says; say so where more was asked for."""
    limit = stated.max_tokens or _tokenizer_limit(stated.model)
    if limit is None or (stated.model / CARD).is_file():
        return
    if max_tokens is None and limit < encoder.card.max_tokens:
        recipe = {**encoder.card.recipe, "max_tokens": f"{limit}, as the folder states"}
        encoder.card = replace(encoder.card, max_tokens=limit, recipe=recipe)
        check_positions(encoder.card, encoder.model, place=stated.model)
    elif max_tokens is not None and limit < max_tokens:
        logger.warning(
            "%s states %d tokens a text; texts are read to %d", stated.model, limit, max_tokens
        )


def _tokenizer_limit(folder: Path) -> int | None:
    """``model_max_length``, unless it is the number that stands for none."""
    place = folder / "tokenizer_config.json"
    limit = (_object(place) if place.is_file() else {}).get("model_max_length")
    limited = isinstance(limit, int) and not isinstance(limit, bool) and 0 < limit < 1 << 20
    return limit if limited else None


def _check_first_piece(encoder: Encoder, *, place: Path) -> None:
    """Refuse to pool by a first piece that stands for a word.

    Raises:
        LangspecError: pooling reads the first piece, and the tokenizer puts none before a text.
    """
    ids = encoder.tokenizer(_TRIAL[0]).input_ids
    special = {*encoder.tokenizer.all_special_ids} - {encoder.tokenizer.unk_token_id}
    if ids and ids[0] in special:
        return
    if encoder.card.pooling != "mean":
        raise LangspecError(
            f"pooling {encoder.card.pooling} reads the first piece, and {place} puts none such as "
            "[CLS] before a text: the first word would stand for all of it; use mean, or a "
            "tokenizer whose post_processor adds one",
            place="encoder.pooling",
        )
    if special.isdisjoint(ids):
        warning = "its tokenizer adds no special tokens, such as [CLS] and [SEP], to a text"
        logger.warning("%s: %s; was it saved without its post_processor?", place, warning)
        recipe = {**encoder.card.recipe, "warning": warning}
        encoder.card = replace(encoder.card, recipe=recipe)


def try_encoder(encoder: Encoder, *, place: Path) -> None:
    """Encode a few pieces and check that the vectors are those of a bidirectional encoder.

    Raises:
        LangspecError: a tokenizer that knows some characters alone; not one vector a piece and
            layer, a row that depends on what lies beside it
            in a batch, pieces that do not see what follows them.
    """
    try:
        encoder.tokenizer(list(_TRIAL))
    except Exception as error:  # the library raises bare Exception
        raise LangspecError(
            f"cannot split text with characters that it does not know ({error}); expected a "
            "tokenizer with an unknown token (unk_token, unk_id) or one of bytes",
            place=place / "tokenizer.json",
        ) from error
    config = encoder.model.config
    content = np.flatnonzero(content_pieces(encoder.tokenizer))
    length = min(8, encoder.card.max_tokens)
    if len(content) < length:
        raise LangspecError(
            f"{len(content)} tokens with content; expected a tokenizer of text",
            place=place / "tokenizer.json",
        )
    long = content[np.linspace(0, len(content) - 1, length).astype(int)]
    short = long[: length // 2]
    other = np.r_[long[:-1], long[0]]
    pad = int(encoder.tokenizer.pad_token_id)
    alone = _states(encoder, [short], pad, place)
    together = _states(encoder, [short, long, other], pad, place)
    name = config.model_type
    expected = (config.num_hidden_layers + 1, 3, length, config.hidden_size)
    if (shape := (len(together), *together[0].shape)) != expected or len(
        {state.shape for state in together}
    ) > 1:
        raise LangspecError(
            f"{name} gives hidden states of {shape} (layers, rows, pieces, width), expected "
            f"{expected}: a vector a piece at the embeddings and at every layer",
            place=place,
        )
    for layer, (one, many) in enumerate(zip(alone, together, strict=True)):
        moved = float((one[0] - many[0, : len(short)]).abs().max())
        if not moved <= _TOLERANCE * max(1.0, float(one.abs().max())):
            raise LangspecError(
                f"{name} is not to be used: at layer {layer} a row's vectors move by {moved:.2g} "
                "when a longer row lies beside it; expected a model that ignores padding",
                place=place,
            )
    if torch.equal(together[-1][1, 0], together[-1][2, 0]):
        raise LangspecError(
            f"{name} does not see what follows a piece; expected an encoder that reads in both "
            "directions",
            place=place,
        )


def _states(
    encoder: Encoder, rows: list[np.ndarray], pad: int, place: Path
) -> tuple[torch.Tensor, ...]:
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.from_numpy(row)
    lengths = torch.tensor([len(row) for row in rows])
    batch = {
        "input_ids": ids,
        "attention_mask": (torch.arange(width) < lengths[:, None]).long(),
        "token_type_ids": torch.zeros_like(ids),
    }
    try:
        with torch.inference_mode():
            return hidden_states(encoder.model, batch)
    except (TypeError, ValueError, RuntimeError, IndexError, AttributeError) as error:
        raise LangspecError(
            f"{encoder.model.config.model_type} does not encode text as BERT does: {error}",
            place=place,
        ) from error


# ---------------------------------------------------------------- sentence-transformers


def _read_modules(folder: Path, *, ask_pooling: bool, ask_prefix: bool) -> _Modules:
    place = folder / MODULES
    raw = _object(place, list)
    modules = []
    for entry in raw:
        kind, path = (entry.get("type"), entry.get("path")) if isinstance(entry, dict) else (0, 0)
        if not isinstance(kind, str) or not isinstance(path, str):
            raise LangspecError(f'an entry without "type" and "path": {entry}', place=place)
        if not kind.startswith("sentence_transformers."):
            raise LangspecError(
                f"the module {kind} is code of its own, which is never run; expected modules of "
                "sentence_transformers",
                place=place,
            )
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise LangspecError(f"the path {path!r} leads out of the folder", place=place)
        modules.append((kind.rsplit(".", 1)[-1], folder / path))
    if not modules or modules[0][0] != "Transformer":
        first = modules[0][0] if modules else "nothing"
        raise LangspecError(f"starts with {first}, expected a Transformer", place=place)
    model = modules[0][1]
    file = next((model / name for name in _SETTINGS if (model / name).is_file()), None)
    settings = {} if file is None else _object(file)
    if settings.get("do_lower_case"):
        raise LangspecError(
            "do_lower_case is set: text would be lower-cased before the tokenizer, which is not "
            "done here; set it to false to go on without",
            place=file,
        )
    limit = settings.get("max_seq_length")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise LangspecError(f"max_seq_length {limit!r}; expected a number of tokens", place=file)
    return _Modules(
        model,
        max_tokens=limit,
        pooling=_pooling(modules, place) if ask_pooling else None,
        prefix=_prompt(folder / PROMPTS) if ask_prefix else None,
    )


def _pooling(modules: list[tuple[str, Path]], place: Path) -> str:
    cure = "set encoder.pooling to mean or cls to say what to read instead"
    places = [path / "config.json" for kind, path in modules if kind == "Pooling"]
    for kind, _ in modules[1:]:
        if kind == "Normalize":
            logger.info("%s: vectors are not normalised here; measures standardise them", place)
        elif kind != "Pooling":
            raise LangspecError(
                f"the module {kind} changes the vector of a text after the encoder; {cure}",
                place=place,
            )
    if len(places) != 1:
        raise LangspecError(f"{len(places)} Pooling modules, expected one; {cure}", place=place)
    settings = _object(places[0])
    if "pooling_mode" in settings:  # as newer versions write it
        mode = settings["pooling_mode"]
        modes = mode if isinstance(mode, list) else [mode]
    else:
        named = {key.removeprefix("pooling_mode_"): value for key, value in settings.items()}
        modes = [key for key, value in named.items() if value is True and key in _MODES]
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise LangspecError(
            f"pools by {' and '.join(map(str, modes)) or 'nothing'}, expected mean or cls; {cure}",
            place=places[0],
        )
    if settings.get("include_prompt") is False:
        raise LangspecError(
            f"leaves the prompt out of the pooling, which is not done here; {cure}",
            place=places[0],
        )
    return _POOLINGS[modes[0]]


_MODES = (
    "cls_token",
    "mean_tokens",
    "max_tokens",
    "mean_sqrt_len_tokens",
    "weightedmean_tokens",
    "lasttoken",
)


def _prompt(place: Path) -> str:
    """The text that the folder puts before every input by default."""
    settings = _object(place) if place.is_file() else {}
    prompts, default = settings.get("prompts") or {}, settings.get("default_prompt_name")
    if not isinstance(prompts, dict) or not all(isinstance(v, str) for v in prompts.values()):
        raise LangspecError('"prompts" is no table of texts', place=place)
    if default is not None:
        if default not in prompts:
            raise LangspecError(
                f"the default prompt {default!r} is not among {', '.join(prompts) or 'none'}",
                place=place,
            )
        return str(prompts[default])
    if any(prompts.values()):
        named = ", ".join(f"{key} {value!r}" for key, value in prompts.items())
        raise LangspecError(
            f"prompts ({named}) and no default; set encoder.prefix to one of them, or to ''",
            place=place,
        )
    return ""


def _object(place: Path, kind: type = dict) -> Any:
    cure = "expected a file of sentence-transformers"
    try:
        value = read_json(place, cure=cure)
    except OSError as error:
        raise LangspecError(f"cannot be read ({error}); {cure}", place=place) from error
    if not isinstance(value, kind):
        raise LangspecError(
            f"a json {type(value).__name__}, expected a {kind.__name__}", place=place
        )
    return value
