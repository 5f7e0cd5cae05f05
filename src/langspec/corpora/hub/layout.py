"""How a dataset repository is laid out: configurations, their splits, the parquet files of each.

``datasets`` reads the README: its ``configs:`` block says which files a split has, its
``dataset_info:`` block which labels a number means
(https://huggingface.co/docs/hub/datasets-manual-configuration).

Where the README says nothing (``refs/convert/parquet`` has none), ``datasets`` sees one single
configuration of all files. This module then goes by the names: a folder is a configuration, and
a file's name, or else its folder's, is the split.
"""

from __future__ import annotations

import difflib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from langspec.errors import LangspecError

CONVERTED = "refs/convert/parquet"
SPLIT_NAMES = {"train": ("train",), "dev": ("validation", "dev", "valid"), "test": ("test",)}
"""Names of splits here, and what repositories call them."""
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

_Splits = dict[str, list[str]]
"""Names of files by split."""


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
        self._parquet = [name for name in self.sizes if name.endswith(".parquet")]
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
        """The splits of a configuration, by their names here."""
        files = self._files[config]
        return [name for name, others in SPLIT_NAMES.items() if any(o in files for o in others)]

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
        """Labels of a column by their numbers, as the README says; None where it does not."""
        from langspec.corpora.hub.parquet import class_names

        info = self._infos.get(config)
        return class_names((info.features or {}).get(column)) if info else None

    @cached_property
    def _infos(self) -> dict[str, Any]:
        """The README's ``dataset_info``, by configuration."""
        from datasets.info import DatasetInfosDict
        from huggingface_hub import DatasetCardData

        try:
            card = DatasetCardData(dataset_info=self.metadata.get("dataset_info"))
            return dict(DatasetInfosDict.from_dataset_card_data(card))
        except (ValueError, TypeError, KeyError, AttributeError):
            return {}  # the parquet files may name the labels themselves; if not, they are refused

    def _check_parquet(self) -> None:
        if self._parquet:
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

    def _from_readme(self, declared: Iterable[Mapping[str, Any]]) -> dict[str, _Splits]:
        """The files of each configuration, as ``datasets`` resolves the README's patterns."""
        from datasets.data_files import get_data_patterns, sanitize_patterns

        configs: dict[str, _Splits] = {}
        with _skeleton(self._parquet) as root:
            for entry in declared:
                splits = configs.setdefault(str(entry.get("config_name", _DEFAULT)), {})
                base = root / str(entry.get("data_dir") or "").strip("/")
                try:
                    data_files = entry.get("data_files")
                    patterns = sanitize_patterns(data_files or get_data_patterns(str(base)))
                except (ValueError, TypeError, FileNotFoundError) as error:
                    raise _unreadable(error, self.place) from None
                for split, some in patterns.items():
                    paths = [str(base / str(pattern)) for pattern in some]
                    names = [name for path in paths for name in _matches(path, root)]
                    # A pattern without files is refused by name once somebody asks for the split.
                    splits.setdefault(str(split), []).extend(names or _relative(paths[:1], root))
        return configs

    def _from_names(self) -> dict[str, _Splits]:
        """The files of each configuration, as folders and file names say."""
        configs: dict[str, _Splits] = {}
        for name in self._parquet:
            path = PurePosixPath(name)
            split = _split_of(path)
            # partial-train: the Hub converts no more than the first gigabytes of large sets.
            if split is None or "partial-" in name:
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


@contextmanager
def _skeleton(names: Iterable[str]) -> Iterator[Path]:
    """A folder of empty files with these names: what a pattern matches before a download."""
    with tempfile.TemporaryDirectory() as root:
        for name in names:
            if ".." not in (path := PurePosixPath(name)).parts and not path.is_absolute():
                file = Path(root, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
        yield Path(root)


def _matches(path: str, root: Path) -> list[str]:
    """The names that a path or a pattern of paths means; a path's own name if it is not there."""
    from datasets.data_files import resolve_pattern
    from fsspec.core import has_magic

    try:
        return _relative(resolve_pattern(path, str(root)), root)
    except FileNotFoundError:
        return [] if has_magic(path) else _relative([path], root)


def _relative(paths: Iterable[str], root: Path) -> list[str]:
    return [os.path.relpath(path, root) for path in paths]


def _metadata(readme: Path | None, place: str) -> dict[str, Any]:
    """The YAML block at the top of a README."""
    if readme is None:
        return {}
    import yaml
    from huggingface_hub.repocard import metadata_load

    try:
        return metadata_load(readme) or {}
    except (ValueError, OSError, yaml.YAMLError) as error:
        raise _unreadable(error, place) from None


def _unreadable(error: Exception, place: str) -> LangspecError:
    text = " ".join(str(error).split())
    return LangspecError(f"README.md has no readable block of settings ({text})", place=place)


def _declared(metadata: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
    """Entries of ``configs:``; older cards list bare names there, which say nothing."""
    entries = metadata.get("configs") or []
    if not isinstance(entries, list):
        raise LangspecError("README.md: expected a list under 'configs'", place=place)
    says = ("data_files", "data_dir")
    return [one for one in entries if isinstance(one, dict) and any(key in one for key in says)]


def _split_of(path: PurePosixPath) -> str | None:
    """The split that a file's name says, or else the folder it is in."""
    for part in (path.name, path.parent.name):
        if match := _SPLIT.search(part):
            return match[1]
    return None
