"""An encoder as a folder on disk: loading, checking, saving.

A folder holds ``config.json``, ``model.safetensors`` (one file or shards), ``tokenizer.json``,
``tokenizer_config.json`` and, if this project wrote it, ``langspec.json`` (the card). Nothing is
ever fetched, no code from a folder is run and no pickle is opened.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForTextEncoding,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging as transformers_logging

from langspec.errors import LangspecError
from langspec.files import atomic_folder, read_json, sha256_file, write_json, write_text

CARD = "langspec.json"
COMPAT = "compat"
POOLINGS = ("mean", "cls", COMPAT)
# What a forgotten or deliberate absence of which changes nothing that is used here.
_UNUSED_WEIGHTS = ("pooler.", "position_ids")
_SPECIAL_TOKENS = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)


@dataclass(frozen=True)
class EncoderCard:
    """What has to be known of an encoder besides its weights.

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
        """Does the second text of a pair get a type of its own? Not in the published set-up."""
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
    _check_files(folder)
    config = _load_config(folder)
    found = _load_card(folder)
    overrides: dict[str, Any] = {
        "name": name,
        "prefix": prefix,
        "pooling": pooling,
        "max_tokens": max_tokens,
    }
    overrides = {key: value for key, value in overrides.items() if value is not None}
    card = replace(found or EncoderCard(name=folder.resolve().name), **overrides)
    place: Any = "encoder.pooling" if pooling else folder / CARD
    if card.pooling not in POOLINGS:
        raise LangspecError(
            f"pooling {card.pooling!r}; expected one of {', '.join(POOLINGS)}", place=place
        )
    model = _load_model(folder, config, pooler=card.pooling == COMPAT, place=place)
    tokenizer = _load_tokenizer(folder)
    _check_tokenizer(tokenizer, model, folder)
    if found is None and max_tokens is None:
        card = replace(card, max_tokens=_positions(model))
    card = replace(card, sha256=card.sha256 or _weights_sha256(folder))
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


def save_encoder(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    card: EncoderCard,
    *,
    dtype: torch.dtype = torch.float32,
    files: Mapping[str, str] | None = None,
) -> EncoderCard:
    """Write an encoder folder, whole or not at all; equal arguments give equal bytes.

    ``dtype`` is that of the weights on disk; they are always loaded as fp32. ``files`` are further
    texts to put into the folder, by name. A pooler is left out unless the card's pooling is
    ``compat``. Returns the card as written, with the weights' hash.
    """
    unused = _UNUSED_WEIGHTS if card.pooling != COMPAT else ("position_ids",)
    with atomic_folder(Path(folder)) as temporary:
        weights = temporary / "model.safetensors"
        save_file(
            {
                key: value.detach().to("cpu", dtype).contiguous()
                for key, value in sorted(_own_weights(model).items())
                if not any(part in key for part in unused)
            },
            weights,
            metadata={"format": "pt"},
        )
        weights.chmod(0o644)
        card = replace(card, sha256=sha256_file(weights))
        # Written by hand: save_pretrained adds library versions and paths of this machine.
        settings = model.config.to_diff_dict()
        for key in ("_name_or_path", "transformers_version"):
            settings.pop(key, None)
        settings |= {
            "architectures": [type(model).__name__],
            "dtype": str(dtype).removeprefix("torch."),
            "model_type": model.config.model_type,
        }
        # Left out where they are the architecture's defaults; who plans a run reads them.
        for key in ("hidden_size", "num_hidden_layers"):
            settings.setdefault(key, getattr(model.config, key))
        write_json(temporary / "config.json", settings)
        (temporary / "tokenizer.json").write_text(
            tokenizer.backend_tokenizer.to_str() + "\n", encoding="utf-8", newline="\n"
        )
        write_json(
            temporary / "tokenizer_config.json",
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "model_max_length": card.max_tokens,
                **_special_tokens(tokenizer),
            },
        )
        write_json(temporary / CARD, asdict(card))
        for name, text in (files or {}).items():
            write_text(temporary / name, text)
    return card


def _own_weights(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """The state, each tensor once: T5 has one matrix under two names, which a file cannot hold."""
    seen: set[int] = set()
    own = {}
    for key, value in model.state_dict().items():
        if value.data_ptr() not in seen or not value.numel():
            own[key] = value
        seen.add(value.data_ptr())
    return own


def _check_files(folder: Path) -> None:
    if not folder.is_dir():
        raise LangspecError("no such folder; expected a folder with an encoder", place=folder)
    if not (folder / "config.json").is_file():
        raise LangspecError(
            "no config.json; expected a model folder as save_pretrained writes it "
            "(config.json, model.safetensors, tokenizer.json)",
            place=folder,
        )
    if not weight_files(folder):
        pickled = sorted(path.name for path in folder.glob("pytorch_model*.bin"))
        if pickled:
            raise LangspecError(
                f"no safetensors weights, only {pickled[0]}, a pickle, which can run code when "
                f"opened; convert it once, as data: {_convert_command(folder, pickled)}",
                place=folder,
            )
        raise LangspecError(
            "no weights; expected model.safetensors (is the download whole? "
            "git-lfs pointers have to be pulled)",
            place=folder,
        )
    if not (folder / "tokenizer.json").is_file():
        raise LangspecError(
            'no tokenizer.json; save the tokenizer beside the model: python -c "from '
            "transformers import AutoTokenizer; "
            f"AutoTokenizer.from_pretrained('{folder}').save_pretrained('{folder}')\"",
            place=folder,
        )


def _convert_command(folder: Path, names: list[str]) -> str:
    """Tensors from pickles to safetensors, nothing added (a model class would add a pooler)."""
    files = [str(folder / name) for name in names]
    return (
        'python -c "import torch; from safetensors.torch import save_file; '
        f"save_file({{k: v.clone() for f in {files!r} "
        "for k, v in torch.load(f, map_location='cpu', weights_only=True).items()}, "
        f"{str(folder / 'model.safetensors')!r}, {{'format': 'pt'}})\""
    )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model folder, in order: one, or the shards its index names.

    Raises:
        LangspecError: the index is none, or names a shard that is absent.
    """
    folder = Path(folder)
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    if not index.is_file():
        return []
    try:
        names = sorted(set(read_json(index)["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LangspecError(
            f'not an index of weights ({error}); expected {{"weight_map": {{tensor: file}}}}',
            place=index,
        ) from error
    for name in names:
        if Path(name).name != name or not (folder / name).is_file():
            raise LangspecError(f"names {name}, which is not in the folder", place=index)
    return [folder / name for name in names]


def _weights_sha256(folder: Path) -> str:
    files = weight_files(folder)
    if len(files) == 1:
        return sha256_file(files[0])
    return hashlib.sha256("".join(map(sha256_file, files)).encode()).hexdigest()


def _load_config(folder: Path) -> PreTrainedConfig:
    place = folder / "config.json"
    try:
        raw = read_json(place)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise LangspecError(
            f"not JSON ({error}); expected a model's settings", place=place
        ) from error
    if not isinstance(raw, dict) or not isinstance(raw.get("model_type"), str):
        raise LangspecError(
            'no "model_type"; expected the config.json of a transformers model, such as bert, '
            "distilbert, xlm-roberta or deberta-v2",
            place=place,
        )
    if raw.get("auto_map"):
        raise LangspecError(
            f"the model ({raw['model_type']}) brings its own code (auto_map), which is never run; "
            "choose a model whose architecture is part of transformers, or delete auto_map if "
            f"these are the weights of transformers' own {raw['model_type']}",
            place=place,
        )
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (ValueError, OSError, TypeError) as error:
        raise LangspecError(
            f"cannot be read as a model's settings: {error}", place=place
        ) from error
    if not getattr(config, "hidden_size", None) or not getattr(config, "num_hidden_layers", None):
        raise LangspecError(
            f"a {raw['model_type']} model has no hidden size and layer count; expected a text "
            "encoder of BERT's kind",
            place=place,
        )
    return config


def _pooler_argument(model_class: type, *, pooler: bool) -> dict[str, bool]:
    accepts = inspect.signature(model_class).parameters
    return {"add_pooling_layer": pooler} if "add_pooling_layer" in accepts else {}


def _encoder_class(config: PreTrainedConfig, place: Path) -> Any:
    """The bare encoder of an architecture; of an encoder-decoder such as T5, its encoder.

    Raises:
        LangspecError: no encoder: a decoder, an encoder-decoder whose encoder is no model of its
            own, something that reads no text.
    """
    encoding: Any = AutoModelForTextEncoding._model_mapping
    if type(config) in encoding:
        return encoding[type(config)]
    kind = config.model_type
    if getattr(config, "is_encoder_decoder", False):
        raise LangspecError(
            f"{kind} is an encoder-decoder whose encoder is no model of its own in transformers; "
            "expected an encoder of BERT's kind, or one of T5's (t5, mt5, umt5)",
            place=place,
        )
    # What has a masked-LM head reads in both directions.
    masked: Any = AutoModelForMaskedLM._model_mapping
    bare: Any = AutoModel._model_mapping
    if type(config) not in masked or type(config) not in bare:
        raise LangspecError(
            f"{kind} is no encoder of text in transformers (a decoder reads what came before a "
            "word only); expected one of BERT's kind, such as bert, xlm-roberta or deberta-v2",
            place=place,
        )
    return bare[type(config)]


def _load_model(folder: Path, config: PreTrainedConfig, *, pooler: bool, place: Any) -> Any:
    """The model; with its trained pooler if ``pooler``, for which ``place`` asks."""
    model_class = _encoder_class(config, folder / "config.json")
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
        raise LangspecError(
            f"the weights do not fit config.json: {error}", place=folder
        ) from error
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
    # A pooler that is one matrix (ALBERT's) is not the published one, and a fresh one is noise.
    absent = any("pooler." in key for key in info["missing_keys"])
    if pooler and (absent or not hasattr(model.pooler, "dense")):
        raise LangspecError(no_pooler, place=place)
    missing = sorted(
        key for key in info["missing_keys"] if not any(part in key for part in _UNUSED_WEIGHTS)
    )
    if missing:
        raise LangspecError(
            f"{len(missing)} of the model's weights are not in the file, the first {missing[0]}; "
            f"expected the weights of a {config.model_type} encoder that fits config.json",
            place=folder,
        )
    for key, value in model.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise LangspecError(
                f"the weights {key} hold numbers that are not finite; fetch or train them again",
                place=folder,
            )
    model.eval()
    return model


def _special_tokens(tokenizer: Any) -> dict[str, str]:
    found = {name: getattr(tokenizer, name, None) for name in _SPECIAL_TOKENS}
    return {name: str(token) for name, token in found.items() if token is not None}


def _load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    place = folder / "tokenizer.json"
    try:
        backend = Tokenizer.from_file(str(place))
    except Exception as error:  # the library raises bare Exception
        raise LangspecError(
            f"not a tokenizer ({error}); fetch or save it again", place=place
        ) from error
    # Some published files carry the length and padding of the run that wrote them.
    backend.no_truncation()
    backend.no_padding()
    tokenizer = wrap_tokenizer(backend, _named_tokens(folder))
    if tokenizer.pad_token is None:
        raise LangspecError(
            'names no padding token; add "pad_token" with the token\'s text',
            place=folder / "tokenizer_config.json",
        )
    return tokenizer


def _named_tokens(folder: Path) -> dict[str, str]:
    """Which token is the padding, the mask, ...: what tokenizer.json itself does not say.

    The pipeline is always tokenizer.json's: transformers' own classes may rebuild it from the
    vocabulary alone. They are only asked for the names that older folders leave to them.
    """
    place = folder / "tokenizer_config.json"
    try:
        raw = read_json(place) if place.is_file() else {}
        named = {
            key: token["content"] if isinstance(token := raw[key], dict) else token
            for key in _SPECIAL_TOKENS
            if raw.get(key) is not None
        }
        if "pad_token" in named:
            return named
        return _special_tokens(
            AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        )
    except (ValueError, OSError, KeyError, AttributeError) as error:
        raise LangspecError(
            f"cannot be read ({error}); expected the tokenizer's settings", place=place
        ) from error


def wrap_tokenizer(backend: Tokenizer, special: Mapping[str, str]) -> PreTrainedTokenizerFast:
    """A fast tokenizer around ``backend``; ``special`` names ``pad_token``, ``mask_token``, ..."""
    return PreTrainedTokenizerFast(tokenizer_object=backend, **dict(special))


def _check_tokenizer(tokenizer: PreTrainedTokenizerFast, model: Any, folder: Path) -> None:
    """Refuse what shows that a tokenizer is another model's."""
    place = folder / "tokenizer.json"
    rows = len(model.get_input_embeddings().weight)
    tokens = max(tokenizer.get_vocab().values(), default=-1) + 1
    if tokens > rows:
        raise LangspecError(
            f"{tokens} tokens, but the model has {rows} embeddings; expected the "
            "tokenizer that belongs to these weights",
            place=place,
        )
    table = _position_table(model)
    if table is not None and table.padding_idx != tokenizer.pad_token_id:
        raise LangspecError(
            f"pads with token {tokenizer.pad_token_id} ({tokenizer.pad_token}), but the model "
            f"counts positions from its padding token {table.padding_idx} on; expected the "
            "tokenizer that belongs to these weights",
            place=place,
        )


def _position_table(model: PreTrainedModel) -> torch.nn.Embedding | None:
    """The position embeddings of RoBERTa's kind, which count from the padding index on."""
    for module in model.modules():
        table = getattr(module, "position_embeddings", None)
        if isinstance(table, torch.nn.Embedding) and table.padding_idx is not None:
            return table
    return None


def _positions(model: PreTrainedModel) -> int:
    """How many tokens a row may have."""
    limit = int(getattr(model.config, "max_position_embeddings", None) or 512)
    table = _position_table(model)
    return limit if table is None else limit - int(table.padding_idx or 0) - 1


def _load_card(folder: Path) -> EncoderCard | None:
    """The folder's card, which must be of these weights; None where there is none."""
    place = folder / CARD
    if not place.is_file():
        return None
    sha256 = _weights_sha256(folder)
    try:
        raw = read_json(place)
        expected = {entry.name for entry in fields(EncoderCard)}
        if not isinstance(raw, dict) or set(raw) - expected or "name" not in raw:
            raise ValueError(f"expected the keys {', '.join(sorted(expected))}")
        card = EncoderCard(**raw)
    except (ValueError, TypeError) as error:
        raise LangspecError(
            f"not an encoder's card ({error}); build the encoder again", place=place
        ) from error
    if card.sha256 and card.sha256 != sha256:
        raise LangspecError(
            "the weights are not those the card tells of (another SHA-256); build the encoder "
            f"again, or delete {CARD} if you replaced the weights on purpose",
            place=place,
        )
    return replace(card, sha256=sha256)


def check_positions(card: EncoderCard, model: PreTrainedModel, *, place: Path | str) -> None:
    """Refuse rows that are longer than the model has positions."""
    if not 3 <= card.max_tokens <= _positions(model):
        raise LangspecError(
            f"max_tokens {card.max_tokens}; expected 3 to {_positions(model)}, the positions "
            "the model has",
            place=place,
        )
