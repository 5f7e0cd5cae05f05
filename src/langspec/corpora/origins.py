"""Which files the corpora of a run are read from."""

from __future__ import annotations

from langspec.corpora.generated import FOLDER, check_file
from langspec.corpora.manifest import read_manifest
from langspec.corpora.sources import LocatedFile


def generated_files(name: str) -> list[LocatedFile]:
    """The official files of the data set ``demo`` or ``tiny``, as its manifest lists them.

    Raises:
        LangspecError: a file is missing or is not the one that was generated.
    """
    folder = FOLDER / name
    files = read_manifest(folder / "sources.json")
    for file in files:
        check_file(folder / file.name, file.sha256)
    return [LocatedFile(file, folder / file.name) for file in files]
