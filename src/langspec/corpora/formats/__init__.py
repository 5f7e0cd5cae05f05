"""Formats of the corpora of tasks that ``params.yaml`` describes (``tasks.NAME.format``).

To add a format, put one file here with a subclass of :class:`Format` that has a ``name``: the
folder is searched. Where an item has named fields (a line of json, of a table), the subclass is
one of :class:`~langspec.corpora.formats.fields.FieldFormat`; it gives the fields of each line.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from langspec.corpora.custom import CustomTask, Part
    from langspec.corpora.filters import Row


class Format(ABC):
    """How the files of a custom corpus are read."""

    name: ClassVar[str]
    """What ``tasks.NAME.format`` calls it."""

    @abstractmethod
    def check(self, task: CustomTask) -> None:
        """Refuse a section that this format cannot read.

        Raises:
            ValueError: which values do not go together.
        """

    @abstractmethod
    def rows(self, path: Path, part: Part, task: CustomTask) -> Iterator[Row]:
        """Yield the rows of a file with what both tables have: id, language, split.

        Further keys are those of the table: ``words``, ``labels``, ``space_after``, ``treebank``
        (unit token), or ``premise``, ``hypothesis`` (empty for single texts), ``label``.
        ``key`` is what rows are sampled by, ``group`` what stays in one of train and val.

        Raises:
            LangspecError: with file and line, whatever is not as ``task`` says.
        """


@cache
def formats() -> dict[str, Format]:
    """Every format of this folder, by its name."""
    known: dict[str, Format] = {}
    for module in pkgutil.iter_modules(__path__):
        for one in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if isinstance(one, type) and issubclass(one, Format) and "name" in vars(one):
                known[one.name] = one()
    return dict(sorted(known.items()))
