"""A published encoder: a Hugging Face folder, or sentence-transformers' folder around one.

sentence-transformers (Reimers & Gurevych 2019) writes ``modules.json``, the steps from text to
vector, with a folder for each: a transformer, a pooling, perhaps more. A prefix and a
pooling are taken over. A module that changes the vector after that is refused; normalising is
logged.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from langspec.encoders.forward import hidden_states
from langspec.encoders.inputs import content_pieces
from langspec.encoders.load import Encoder, load_encoder
from langspec.errors import LangspecError
from langspec.files import read_json

logger = logging.getLogger(__name__)

MODULES = "modules.json"
PROMPTS = "config_sentence_transformers.json"
_SETTINGS = "sentence_bert_config.json"
_POOLINGS = {"mean": "mean", "mean_tokens": "mean", "cls": "cls", "cls_token": "cls"}
# How far rounding in fp32 may move a vector when a longer row is in the batch.
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class _Modules:
    """The folder of the model; pooling and prefix as the files state them, else None."""

    model: Path
    pooling: str | None = None
    prefix: str | None = None


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
    try_encoder(encoder, place=stated.model)
    return encoder


def try_encoder(encoder: Encoder, *, place: Path) -> None:
    """Encode a few pieces and check that the vectors are those of a bidirectional encoder.

    Raises:
        LangspecError: not one vector a piece and layer, a row that depends on what lies beside it
            in a batch, pieces that do not see what follows them.
    """
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
    settings = _object(model / _SETTINGS) if (model / _SETTINGS).is_file() else {}
    if settings.get("do_lower_case"):
        raise LangspecError(
            "do_lower_case is set: text would be lower-cased before the tokenizer, which is not "
            "done here; set it to false to go on without",
            place=model / _SETTINGS,
        )
    return _Modules(
        model,
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
