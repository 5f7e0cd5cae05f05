"""An encoder as a folder on disk: its card, loading it, checking it.

A folder holds ``config.json``, ``model.safetensors`` (one file or shards), ``tokenizer.json``,
``tokenizer_config.json`` and, if this project wrote it, ``langspec.json`` (the card). Nothing is
ever fetched, no code from a folder is run and no pickle is opened.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from langspec.encoders.model_folder import (
    check_files,
    encoder_class,
    load_config,
    weight_files,
    weights_sha256,
)
from langspec.encoders.tokenizer_file import check_tokenizer, load_tokenizer, position_table
from langspec.errors import LangspecError
from langspec.files import read_record

CARD = "langspec.json"
COMPAT = "compat"
POOLINGS = ("mean", "cls", COMPAT)
# Weights that nothing here uses: they may be absent.
UNUSED_WEIGHTS = ("pooler.", "position_ids")


@dataclass(frozen=True)
class EncoderCard:
    """The facts of an encoder that its weights do not hold.

    ``prefix`` is put before every input text; ``pooling`` makes a sentence vector of the token
    vectors (``mean`` over all attended positions, ``cls`` the first, ``compat`` as Tanti et al.
    2021 had it: the checkpoint's own pooler, dense and tanh, over the first); ``max_tokens``
    counts special tokens; ``sha256`` is that of the weights; ``recipe`` says how they came to be.
    """

    name: str
    kind: str = "folder"
    prefix: str = ""
    pooling: str = "mean"
    max_tokens: int = 512
    source: str = ""
    licence: str = ""
    sha256: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)

    @property
    def token_types(self) -> bool:
        """Whether the second text of a pair gets token type 1; not in the published set-up."""
        return self.pooling != COMPAT


@dataclass
class Encoder:
    """A model (evaluation mode, fp32; a pooler only for ``compat``), its tokenizer, its card."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    card: EncoderCard


def load_encoder(
    folder: Path,
    *,
    name: str | None = None,
    prefix: str | None = None,
    pooling: str | None = None,
    max_tokens: int | None = None,
) -> Encoder:
    """Load an encoder from a local folder.

    The keywords override the folder's card; without a card they make one (defaults: the folder's
    name, no prefix, mean pooling, as many tokens as the model has positions for).

    Raises:
        LangspecError: no such folder, no ``config.json``, no safetensors weights, no
            ``tokenizer.json``, an architecture that is no encoder or brings its own code, weights
            that do not fill the model, are not finite or do not match the card, a tokenizer of
            another model, more tokens than positions, ``compat`` without a pooler.
    """
    folder = Path(folder)
    check_files(folder)
    config = load_config(folder)
    written = _load_card(folder)
    overrides: dict[str, Any] = {
        "name": name,
        "prefix": prefix,
        "pooling": pooling,
        "max_tokens": max_tokens,
    }
    overrides = {key: value for key, value in overrides.items() if value is not None}
    card = replace(written or EncoderCard(name=folder.resolve().name), **overrides)
    place: Any = "encoder.pooling" if pooling else folder / CARD
    if card.pooling not in POOLINGS:
        raise LangspecError(
            f"pooling {card.pooling!r}; expected one of {', '.join(POOLINGS)}", place=place
        )
    model = _load_model(folder, config, pooler=card.pooling == COMPAT, place=place)
    tokenizer = load_tokenizer(folder)
    check_tokenizer(tokenizer, model, folder)
    if written is None and max_tokens is None:
        card = replace(card, max_tokens=_positions(model))
    card = replace(card, sha256=card.sha256 or weights_sha256(folder))
    check_positions(card, model, place="encoder.max_tokens" if max_tokens else folder / CARD)
    return Encoder(model, tokenizer, card)


def random_encoder(encoder: Encoder, seed: int) -> Encoder:
    """The same architecture and tokenizer with fresh weights, drawn from ``seed`` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model_class: Any = type(encoder.model)
        arguments = _pooler_argument(model_class, pooler=encoder.card.pooling == COMPAT)
        model = model_class(encoder.model.config, **arguments).float().eval()
    card = replace(
        encoder.card,
        name=f"{encoder.card.name}-random",
        source=f"random weights, seed {seed}, in the shape of {encoder.card.name}",
        sha256="",
        recipe={"seed": seed},
    )
    return Encoder(model, encoder.tokenizer, card)


def _pooler_argument(model_class: type, *, pooler: bool) -> dict[str, bool]:
    accepts = inspect.signature(model_class).parameters
    return {"add_pooling_layer": pooler} if "add_pooling_layer" in accepts else {}


def _load_model(folder: Path, config: PreTrainedConfig, *, pooler: bool, place: Any) -> Any:
    """The model; with its trained pooler if ``pooler``, for which ``place`` asks."""
    model_class = encoder_class(config, folder / "config.json")
    no_pooler = (
        f"compat reads the checkpoint's own pooler, and the {config.model_type} in {folder} has "
        "none; use mean or cls"
    )
    arguments = _pooler_argument(model_class, pooler=pooler)
    if pooler and not arguments:
        raise LangspecError(no_pooler, place=place)
    for file in weight_files(folder):
        try:
            with safe_open(file, framework="pt"):
                pass
        except SafetensorError as error:
            raise LangspecError(
                f"not a whole safetensors file ({error}); fetch or build it again", place=file
            ) from error
    # Unused heads of a checkpoint are reported as a warning of many lines; missing weights, which
    # matter, are checked below.
    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        model, info = model_class.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            **arguments,
        )
    except (ValueError, OSError, RuntimeError) as error:
        reason = str(error)
        if "ignore_mismatched_sizes" in reason:  # an option that only programs have
            reason = "tensors have other shapes than it says; expected files of one model"
        raise LangspecError(
            f"the weights do not fit config.json: {reason}", place=folder
        ) from error
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
    _check_weights(model, info, folder, no_pooler if pooler else "", place)
    model.eval()
    return model


def _check_weights(model: Any, info: Any, folder: Path, no_pooler: str, place: Any) -> None:
    """Refuse weights that are absent or not finite.

    Args:
        model: the loaded model.
        info: what transformers says of the loading.
        folder: the encoder's.
        no_pooler: the message where a pooler is needed and absent; "": none is needed.
        place: what that message names.
    """
    # A pooler that is one matrix (ALBERT's) is not the published one, and a fresh one is noise.
    absent = any("pooler." in key for key in info["missing_keys"])
    if no_pooler and (absent or not hasattr(model.pooler, "dense")):
        raise LangspecError(no_pooler, place=place)
    missing = sorted(
        key for key in info["missing_keys"] if not any(part in key for part in UNUSED_WEIGHTS)
    )
    if missing:
        raise LangspecError(
            f"{len(missing)} of the model's weights are not in the file, the first {missing[0]}; "
            f"expected the weights of a {model.config.model_type} encoder that fits config.json",
            place=folder,
        )
    for key, value in model.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise LangspecError(
                f"the weights {key} hold numbers that are not finite; fetch or train them again",
                place=folder,
            )


def _load_card(folder: Path) -> EncoderCard | None:
    """The folder's card, which must be of these weights; None where there is none."""
    place = folder / CARD
    if not place.is_file():
        return None
    sha256 = weights_sha256(folder)
    card = read_record(place, EncoderCard, cure="build the encoder again")
    if card.sha256 and card.sha256 != sha256:
        raise LangspecError(
            "the weights are not those that the card names (another SHA-256); build the encoder "
            f"again, or delete {CARD} if you replaced the weights on purpose",
            place=place,
        )
    return replace(card, sha256=sha256)


def check_positions(card: EncoderCard, model: PreTrainedModel, *, place: Path | str) -> None:
    """Refuse a card whose rows may be longer than the model has positions.

    Raises:
        LangspecError: fewer than three tokens, or more than positions.
    """
    if not 3 <= card.max_tokens <= _positions(model):
        raise LangspecError(
            f"max_tokens {card.max_tokens}; expected 3 to {_positions(model)}, the positions "
            "the model has",
            place=place,
        )


def check_prefix(card: EncoderCard, tokenizer: PreTrainedTokenizerFast, *, place: str) -> None:
    """Refuse a prefix behind which no token of a text would be read.

    Raises:
        LangspecError: it has as many tokens as a row, or is no text.
    """
    if card.prefix.encode("utf-8", "ignore").decode() != card.prefix:
        raise LangspecError(f"{card.prefix!r} is not UTF-8", place=place)
    count = len(tokenizer(card.prefix)["input_ids"])
    if count >= card.max_tokens:
        raise LangspecError(
            f"the prefix has {count} tokens, and {card.max_tokens} are read of a text; expected a "
            "shorter one, or more tokens a text",
            place=place,
        )


def _positions(model: PreTrainedModel) -> int:
    """How many tokens a row may have."""
    limit = int(getattr(model.config, "max_position_embeddings", None) or 512)
    table = position_table(model)
    return limit if table is None else limit - int(table.padding_idx or 0) - 1
