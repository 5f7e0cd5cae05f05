"""Erasers on a feature bank: what a fresh probe still reads, and what erasing took.

Every eraser is fitted on the training lines of the bank alone, for each layer and unit by itself;
probes are then fitted, chosen and tested on erased vectors exactly as they are on plain ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from langspec.erasure.base import Eraser, ErasureMap
from langspec.errors import LangspecError
from langspec.features.bank import Bank, Units
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.leak import UNITS, language_leak
from langspec.measurement.probe_options import ProbeOptions
from langspec.measurement.rows import Origin
from langspec.results import Result
from langspec.training.scoring import head_classes

_CHUNK = 4096  # vectors taken from the bank at once

Maps = Mapping[tuple[str, int], ErasureMap]  # by unit and layer


def require_languages(
    found: Sequence[str], splits: Sequence[str], wanted: Sequence[str], *, place: str
) -> None:
    """Refuse language text that no eraser for these languages can be fitted on.

    Args:
        found: language of each row of text.
        splits: split of each row.
        wanted: languages of the task.
        place: dotted path for the message.

    Raises:
        LangspecError: no training rows, fewer than two languages, or a language of the task
            without training rows.
    """
    codes = {code for code, split in zip(found, splits, strict=True) if split == "train"}
    if not codes:
        raise LangspecError(
            "there are no training lines of language text to fit erasers on; add text files for "
            "every language, or empty this list",
            place=place,
        )
    if len(codes) < 2:
        raise LangspecError(
            f"erasing language needs text in at least two languages, found {', '.join(codes)}",
            place=place,
        )
    if missing := sorted(set(wanted) - codes):
        raise LangspecError(
            f"the language text lacks {', '.join(missing)}, which the task is scored on; add "
            "text files for them, or empty this list",
            place=place,
        )


def codes_of(bank: Bank, units: Units) -> np.ndarray:
    """Language code ``[N]`` of each vector."""
    return np.asarray(bank.languages)[units.language]


def fit_maps(
    bank: Bank, make: Callable[[], Eraser], units: Sequence[str], layers: Sequence[int]
) -> dict[tuple[str, int], ErasureMap]:
    """A new eraser of ``make``, fitted on the training vectors of each unit and layer.

    Raises:
        LangspecError: no training vectors, fewer than two languages.
    """
    found = {}
    for unit in units:
        meta = bank.token_meta if unit == "token" else bank.sentence_meta
        index = bank.splits.index("train") if "train" in bank.splits else -2
        rows = np.flatnonzero(meta.split == index)
        if not len(rows):
            raise LangspecError(
                f"{make().name} found no {unit} vectors of training text to be fitted on"
            )
        codes = codes_of(bank, meta)[rows]
        for layer in layers:
            vectors = bank.tokens(layer) if unit == "token" else bank.sentences(layer)
            eraser = make()
            for low in range(0, len(rows), _CHUNK):
                part = slice(low, low + _CHUNK)
                eraser.partial_fit(vectors[rows[part]], codes[part])
            found[unit, layer] = eraser.map
    return found


@dataclass(frozen=True)
class ErasedBank(Bank):
    """A bank whose vectors are erased as they are read; layers without a map are not in it."""

    maps: Maps = field(default_factory=dict)

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that have a map."""
        return tuple(sorted({layer for _, layer in self.maps}))

    def tokens(self, layer: int) -> np.ndarray:
        """float32 ``[N, H]``: the erased token vectors of a layer."""
        vectors = Bank(self.folder, self.meta).tokens(layer)
        return self.maps["token", layer].apply(vectors, codes_of(self, self.token_meta))

    def sentences(self, layer: int) -> np.ndarray:
        """float32 ``[N, H]``: the erased sentence vectors of a layer."""
        vectors = Bank(self.folder, self.meta).sentences(layer)
        return self.maps["sentence", layer].apply(vectors, codes_of(self, self.sentence_meta))


def erased_leak(
    bank: Bank,
    maps: Maps,
    origin: Origin,
    options: ProbeOptions,
    bootstrap: BootstrapOptions,
    *,
    units: Sequence[str] = UNITS,
    progress: str = "erased",
) -> list[Result]:
    """The linear probe on erased vectors, and what was removed, by unit and layer.

    Probe ``linear``: the rows that :func:`language_leak` gives, of all languages together. Probe
    ``erasure``: ``variance_removed``, the share of the total variance of the test vectors that is
    gone, and ``rank_removed``, the directions taken (``n`` counts test vectors).
    """
    erased = ErasedBank(bank.folder, bank.meta, maps)
    rows = [
        row
        for row in language_leak(
            erased, origin, options, bootstrap, units=units, progress=progress
        )
        if row.probe == "linear" and row.language == "all"
    ]
    for (unit, layer), fitted in maps.items():
        token = unit == "token"
        meta = bank.token_meta if token else bank.sentence_meta
        test = meta.split == bank.splits.index("test")
        before = (bank.tokens(layer) if token else bank.sentences(layer))[test]
        after = fitted.apply(before, codes_of(bank, meta)[test])
        total = before.var(axis=0, dtype=np.float64).sum()
        kept = after.var(axis=0, dtype=np.float64).sum()
        removed = {
            "variance_removed": 1 - kept / total if total else 0.0,
            "rank_removed": fitted.rank,
        }
        rows += [
            origin.row(
                metric,
                value,
                language="all",
                unit=unit,
                n=int(test.sum()),
                layer=layer,
                probe="erasure",
            )
            for metric, value in removed.items()
        ]
    return rows


def head_predictions(
    head: nn.Module, vectors: np.ndarray, fitted: ErasureMap, languages: np.ndarray
) -> np.ndarray:
    """int64 ``[N]``: classes that a kept head reads from erased vectors ``[N, H]``.

    ``languages`` (codes ``[N]``) is what oracle erasers are told.
    """
    return head_classes(head, fitted.apply(vectors, languages))
