"""The files of an encoder's folder: checking that they are there, reading the settings."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForTextEncoding,
    PreTrainedConfig,
)

from langspec.errors import LangspecError
from langspec.files import read_json, sha256_file

_NO_PIECES = {
    "canine": "reads characters and has no tokenizer.json, so that there is no vector a piece",
    "xlnet": "learnt words in permuted orders and is run in none that sees both sides of a piece",
}


def check_files(folder: Path) -> None:
    """Refuse a folder that lacks one of the files of an encoder.

    Raises:
        LangspecError: the folder, ``config.json``, weights or ``tokenizer.json`` are absent, or
            the folder holds a PEFT adapter.
    """
    if not folder.is_dir():
        raise LangspecError("no such folder; expected a folder with an encoder", place=folder)
    if (folder / "adapter_config.json").is_file() and not (folder / "model.safetensors").is_file():
        raise LangspecError(
            "holds a PEFT adapter, which is a change to an encoder and none by itself; merge it "
            f"into its base model once: {_merge_command(folder)}",
            place=folder,
        )
    if not (folder / "config.json").is_file():
        raise LangspecError(
            "no config.json; expected a model folder as save_pretrained writes it "
            "(config.json, model.safetensors, tokenizer.json)",
            place=folder,
        )
    load_config(folder)
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


def _merge_command(folder: Path) -> str:
    """An adapter and its base model in one folder, by the package peft."""
    return (
        'python -c "from peft import AutoPeftModelForFeatureExtraction as Model; '
        "from transformers import AutoTokenizer; "
        f"model = Model.from_pretrained('{folder}'); base = model.peft_config['default']"
        ".base_model_name_or_path; model.merge_and_unload().save_pretrained('merged'); "
        "AutoTokenizer.from_pretrained(base).save_pretrained('merged')\""
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
    """The safetensors files of a model folder, in order: one, or the shards of its index.

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


def weights_sha256(folder: Path) -> str:
    """SHA-256 of a folder's weights; of shards, that of their hashes one after the other."""
    files = weight_files(folder)
    if len(files) == 1:
        return sha256_file(files[0])
    return hashlib.sha256("".join(map(sha256_file, files)).encode()).hexdigest()


def load_config(folder: Path) -> PreTrainedConfig:
    """The model's settings.

    Raises:
        LangspecError: ``config.json`` is unreadable, brings its own code, or is no encoder's.
    """
    place = folder / "config.json"
    raw = read_json(place, cure="expected a model's settings")
    if not isinstance(raw, dict) or not isinstance(raw.get("model_type"), str):
        raise LangspecError(
            'no "model_type"; expected the config.json of a transformers model, such as bert, '
            "distilbert, xlm-roberta or deberta-v2",
            place=place,
        )
    if raw["model_type"] in _NO_PIECES:
        raise LangspecError(
            f"{raw['model_type']} {_NO_PIECES[raw['model_type']]}; expected an encoder of BERT's "
            "kind, such as bert, xlm-roberta or deberta-v2",
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
    except (ValueError, OSError, TypeError, StrictDataclassError) as error:
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


def encoder_class(config: PreTrainedConfig, place: Path) -> Any:
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
    classes = bare[type(config)]
    # Of two (Funnel's) the first ends in as many vectors as there are pieces.
    return classes[0] if isinstance(classes, tuple) else classes
