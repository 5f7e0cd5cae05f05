"""The data sets ``demo`` and ``tiny``, which langspec brings: official files that a grammar wrote.

``python -m demo``, in a checkout of langspec, writes everything in this folder but this module.
"""

from __future__ import annotations

from pathlib import Path

from langspec.errors import LangspecError
from langspec.files import read_json, sha256_file

FOLDER = Path(__file__).parent
REPAIR = "install langspec again, or run in a checkout of it: git checkout -- src"


def pretraining_text(name: str, root: Path) -> Path:
    """The folder with the pre-training text of the data set ``name``, checked.

    It lies beside the official files where it is small (``tiny``), else below ``data/pretrain``
    of the project.

    Args:
        name: ``demo`` or ``tiny``.
        root: of the project.

    Raises:
        LangspecError: the text is not there, or is not the one that was generated.
    """
    folder, cure = FOLDER / name / "pretrain", REPAIR
    if not folder.is_dir():
        folder = root / "data" / "pretrain" / name
        cure = "write it, in a checkout of langspec: python -m demo --pretrain"
    for file, sha256 in read_json(FOLDER / name / "pretrain.json").items():
        check_file(folder / file, sha256, cure)
    return folder


def check_file(path: Path, sha256: str, cure: str = REPAIR) -> None:
    """Check that a file of a data set is the one that was generated.

    Raises:
        LangspecError: it is missing, or has other content; ``cure`` says what to do.
    """
    if not path.is_file():
        raise LangspecError(f"no such file; {cure}", place=path)
    if sha256_file(path) != sha256:
        raise LangspecError(f"is not the file that was generated; {cure}", place=path)
