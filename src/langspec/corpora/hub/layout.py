"""How a dataset repository is laid out: configurations, splits, their parquet files.

Where the README has a ``configs:`` block, that decides, as it does for the ``datasets`` library
(https://huggingface.co/docs/hub/datasets-manual-configuration). Where it has none
(``refs/convert/parquet``), folders are configurations and file names say the split.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from langspec.errors import LangspecError

CONVERTED = "refs/convert/parquet"
SPLIT_NAMES = {"train": ("train",), "dev": ("validation", "dev", "valid"), "test": ("test",)}
"""Our names of splits, and what repositories call them."""
SUCCESSORS = {
    "universal_dependencies": "commul/universal_dependencies",
    "udpos": "google/xtreme",
    "xtreme": "google/xtreme",
    "xnli": "facebook/xnli",
    "multi_nli": "nyu-mll/multi_nli",
    "wikipedia": "wikimedia/wikipedia",
}
"""Parquet repositories that took the place of script-only ones, by the old name's last part."""

_SPLIT = re.compile(r"(?:^|[-._ ])(train|validation|valid|dev|test)(?:[-._ ]|$)")
_SHARD = re.compile(r"-(?P<index>\d{5})-of-(?P<total>\d{5})(?=[-.])")
_DEFAULT = "default"


class Layout:
    """The configurations of a repository.

    Args:
        sizes: every file and its size in bytes.
        readme: its README on this machine, where it has one.
        place: the repository or folder, for messages.

    Raises:
        LangspecError: no parquet file (a loading script is never run), or a broken README.
    """

    def __init__(self, sizes: Mapping[str, int], readme: Path | None, *, place: str) -> None:
        self.sizes, self.place = dict(sizes), place
        self._check_parquet()
        self.metadata = _metadata(readme, place)
        declared = _declared(self.metadata, place)
        self._files = self._from_readme(declared) if declared else self._from_names()

    @property
    def configs(self) -> list[str]:
        """Names of the configurations, sorted."""
        return sorted(self._files)

    @property
    def licence(self) -> str | None:
        """The licence as the README has it."""
        value = self.metadata.get("license")
        return ", ".join(map(str, value)) if isinstance(value, list) else value and str(value)

    def splits(self, config: str) -> list[str]:
        """Our names of the splits that a configuration has."""
        found = self._files[config]
        return [ours for ours, names in SPLIT_NAMES.items() if any(n in found for n in names)]

    def files(self, config: str, split: str) -> list[str]:
        """The parquet files of one split (train, dev, test), in the order of their rows.

        Raises:
            LangspecError: no such configuration or split, or a shard of it is absent.
        """
        if config not in self._files:
            raise self.unknown(config)
        for name in SPLIT_NAMES[split]:
            if name in self._files[config]:
                return self._whole(sorted(set(self._files[config][name])))
        raise LangspecError(
            f"configuration {config!r} has no split {split!r}; it has "
            f"{', '.join(sorted(self._files[config])) or 'none'}",
            place=self.place,
        )

    def unknown(self, config: str) -> LangspecError:
        """What to say of a configuration that is not there."""
        near = difflib.get_close_matches(config, self.configs, n=3, cutoff=0.5)
        some = near or self.configs[:6]
        more = f" and {len(self.configs) - len(some)} more" if len(self.configs) > 6 else ""
        return LangspecError(
            f"no configuration {config!r}; there are {', '.join(some)}{more}", place=self.place
        )

    def label_names(self, config: str, column: str) -> tuple[str, ...] | None:
        """Names of a class-label column by the README's ``dataset_info``; None where unsaid."""
        infos = self.metadata.get("dataset_info")
        for info in infos if isinstance(infos, list) else [infos]:
            if isinstance(info, dict) and info.get("config_name", _DEFAULT) == config:
                for feature in info.get("features") or []:
                    if isinstance(feature, dict) and feature.get("name") == column:
                        return _class_names(feature)
        return None

    def _check_parquet(self) -> None:
        if any(name.endswith(".parquet") for name in self.sizes):
            return
        scripts = sorted(name for name in self.sizes if name.endswith(".py"))
        if not scripts:
            raise LangspecError(
                "no parquet file; expected README.md and parquet", place=self.place
            )
        last = self.place.partition("@")[0].rstrip("/").rpartition("/")[2]
        instead = SUCCESSORS.get(last)
        raise LangspecError(
            f"holds only a loading script ({scripts[0]}), which is never run; set its revision to "
            f"{CONVERTED}, where the Hub keeps it as parquet"
            + (f", or use {instead}" if instead else ""),
            place=self.place,
        )

    def _from_readme(self, declared: list[dict[str, Any]]) -> dict[str, dict[str, list[str]]]:
        configs: dict[str, dict[str, list[str]]] = {}
        parquet = [name for name in self.sizes if name.endswith(".parquet")]
        for entry in declared:
            splits = configs.setdefault(str(entry.get("config_name", _DEFAULT)), {})
            prefix = str(entry.get("data_dir") or "").strip("/")
            for split, pattern in _patterns(entry.get("data_files"), prefix):
                full = f"{prefix}/{pattern}" if prefix else pattern.removeprefix("./")
                found = [name for name in parquet if fnmatchcase(name, full)]
                if split is not None and not found:
                    # Told when it is asked for, not when another configuration is.
                    splits.setdefault(split, []).append(full)
                for name in found:
                    key = split or _split_of(PurePosixPath(name))
                    if key:
                        splits.setdefault(key, []).append(name)
        return configs

    def _from_names(self) -> dict[str, dict[str, list[str]]]:
        configs: dict[str, dict[str, list[str]]] = {}
        for name in self.sizes:
            path = PurePosixPath(name)
            split = _split_of(path)
            # partial-train: the Hub converts no more than the first gigabytes of large sets.
            if path.suffix != ".parquet" or split is None or "partial-" in name:
                continue
            folders = [part for part in path.parts[:-1] if not _SPLIT.fullmatch(part)]
            config = folders[-1] if folders and folders[-1] != "data" else _DEFAULT
            configs.setdefault(config, {}).setdefault(split, []).append(name)
        return configs

    def _whole(self, names: list[str]) -> list[str]:
        """``names``, if each is there and no shard is missing between them."""
        for name in names:
            if name not in self.sizes:
                raise LangspecError(
                    f"README.md names {name}, which is not there; fetch it again",
                    place=self.place,
                )
        shards = [match for name in names if (match := _SHARD.search(name))]
        if shards:
            total = int(shards[0]["total"])
            missing = sorted(set(range(total)) - {int(match["index"]) for match in shards})
            if missing:
                raise LangspecError(
                    f"shard {missing[0]:05d} of {total} is missing beside {names[0]}; fetch it "
                    "again",
                    place=self.place,
                )
        return names


def _metadata(readme: Path | None, place: str) -> dict[str, Any]:
    if readme is None:
        return {}
    from huggingface_hub.repocard import metadata_load

    try:
        return metadata_load(readme) or {}
    except (ValueError, OSError, yaml.YAMLError) as error:
        text = " ".join(str(error).split())
        raise LangspecError(
            f"README.md has no readable block of settings ({text})", place=place
        ) from None


def _declared(metadata: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
    """Entries of ``configs:``; older cards list bare names there, which say nothing."""
    entries = metadata.get("configs") or []
    if not isinstance(entries, list):
        raise LangspecError("README.md: expected a list under 'configs'", place=place)
    return [entry for entry in entries if isinstance(entry, dict) and "data_files" in entry]


def _patterns(data_files: Any, prefix: str) -> Iterable[tuple[str | None, str]]:
    """Each (split or None, pattern) of a ``data_files`` entry, which has many shapes."""
    if isinstance(data_files, str):
        yield None, data_files
    elif isinstance(data_files, dict):
        for split, value in data_files.items():
            for pattern in value if isinstance(value, list) else [value]:
                yield str(split), str(pattern)
    else:
        for entry in data_files or []:
            if isinstance(entry, dict):
                value = entry.get("path", "")
                for pattern in value if isinstance(value, list) else [value]:
                    split = entry.get("split")
                    yield (None if split is None else str(split)), str(pattern)
            else:
                yield None, str(entry)


def _split_of(path: PurePosixPath) -> str | None:
    """The split that a file's name says, or else the folder it is in."""
    for part in (path.name, path.parent.name):
        if match := _SPLIT.search(part):
            return match[1]
    return None


def _class_names(feature: Any) -> tuple[str, ...] | None:
    """The first ``class_label: names:`` inside a feature, in the order of its numbers."""
    if isinstance(feature, dict):
        names = feature.get("class_label", {})
        names = names.get("names") if isinstance(names, dict) else None
        if isinstance(names, dict):
            return tuple(str(names[key]) for key in sorted(names, key=int))
        if isinstance(names, list):
            return tuple(map(str, names))
        for value in feature.values():
            if found := _class_names(value):
                return found
    if isinstance(feature, list):
        for value in feature:
            if found := _class_names(value):
                return found
    return None
