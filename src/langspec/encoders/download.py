"""An encoder of the Hugging Face Hub: which of its files are needed, and the folder they are in.

Only safetensors and the tokenizer are ever downloaded: no pickle, no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from langspec import hub
from langspec.errors import LangspecError

if TYPE_CHECKING:
    from langspec.encoders.recipe import EncoderSection

_WANTED = (
    "README.md",
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-*-of-*.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.model",
    # sentence-transformers
    "modules.json",
    "*_Pooling/config.json",
)
_CONVERT = (
    'convert it once where you trust it: python -c "from transformers import AutoModel, '
    "AutoTokenizer; [kind.from_pretrained('{name}', revision='{revision}').save_pretrained('DIR') "
    'for kind in (AutoModel, AutoTokenizer)]", then set encoder.kind to folder and '
    "encoder.folder to DIR"
)


def repository_of(section: EncoderSection) -> hub.Repository:
    """The repository of an ``encoder`` section of kind ``hub``."""
    assert section.repo is not None  # the section checks both
    assert section.revision is not None
    return hub.Repository("model", section.repo, section.revision)


def wanted(repository: hub.Repository, *, refresh: bool = False) -> dict[str, int]:
    """The files of a model repository that an encoder needs, with their sizes in bytes.

    Raises:
        LangspecError: no model, weights as a pickle only, no ``tokenizer.json``, or no access.
    """
    return _choose(hub.listing(repository, refresh=refresh), repository)


def _choose(sizes: Mapping[str, int], repository: hub.Repository) -> dict[str, int]:
    place = str(repository)
    convert = _CONVERT.format(name=repository.name, revision=repository.revision)
    if "config.json" not in sizes:
        raise LangspecError("no config.json; expected the repository of a model", place=place)
    chosen = {
        name: size
        for name, size in sorted(sizes.items())
        if any(fnmatchcase(name, pattern) for pattern in _WANTED)
    }
    if not any(name.endswith(".safetensors") for name in chosen):
        pickled = sorted(name for name in sizes if name.endswith(".bin"))
        raise LangspecError(
            f"no safetensors weights, only {pickled[0]}, a pickle, which can run code when "
            f"opened; {convert}"
            if pickled
            else "no weights; expected model.safetensors",
            place=place,
        )
    if "tokenizer.json" not in chosen:
        raise LangspecError(f"no tokenizer.json; {convert}", place=place)
    return chosen


def fetch(repository: hub.Repository, *, refresh: bool = False) -> Path:
    """The folder in the cache with an encoder's files, downloaded where they are not there."""
    names = list(wanted(repository, refresh=refresh))
    return hub.download(repository, names, refresh=refresh)["config.json"].parent


def local_folder(section: EncoderSection) -> Path:
    """Where the encoder of kind ``folder`` or ``hub`` lies on this machine."""
    if section.kind == "hub":
        return fetch(repository_of(section))
    assert section.folder is not None  # the section checks it
    return Path(section.folder).expanduser()


def weight_bytes(section: EncoderSection) -> int:
    """Bytes of the weights, downloaded or not."""
    if section.kind == "hub":
        sizes = wanted(repository_of(section))
        return sum(size for name, size in sizes.items() if name.endswith(".safetensors"))
    folder = local_folder(section)
    if not folder.is_dir():
        raise LangspecError("no such folder; expected a folder with an encoder", place=folder)
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def tokenizer_file(section: EncoderSection) -> Path:
    """The ``tokenizer.json`` of an encoder that was published, for ``corpora.drop_unknown``.

    Raises:
        LangspecError: the encoder's tokenizer is only made after the corpora.
    """
    if section.kind == "hub":
        return hub.download(repository_of(section), ["tokenizer.json"])["tokenizer.json"]
    if section.kind != "folder":
        raise LangspecError(
            f"the tokenizer of an encoder of kind {section.kind!r} is no file before the "
            "corpora are there; expected encoder.kind folder or hub, or drop_unknown: false",
            place="corpora.drop_unknown",
        )
    path = local_folder(section) / "tokenizer.json"
    if not path.is_file():
        raise LangspecError(
            "no such file; expected the encoder's folder to hold its tokenizer so", place=path
        )
    return path
