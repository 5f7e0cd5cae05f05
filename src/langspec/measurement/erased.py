"""Erasers on a feature bank: what a new probe still reads, and how much erasing removed.

Every eraser is fitted on the training lines of the bank alone, for each layer and unit by itself.
Probes are then fitted, chosen and tested on erased vectors exactly as they are on other vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
    present: Sequence[str], splits: Sequence[str], wanted: Sequence[str], *, place: str
) -> None:
    """Refuse language text that no eraser for these languages can be fitted on.

    Args:
        present: language code of each row of text.
        splits: split of each row.
        wanted: language codes of the task.
        place: what the message names as its place: a key of params.yaml or an option.

    Raises:
        LangspecError: no training rows, fewer than two languages, or a language of the task
            without training rows.
    """
    codes = {code for code, split in zip(present, splits, strict=True) if split == "train"}
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
    """The language code of each vector, ``[N]``."""
    return np.asarray(bank.languages)[units.language]


def fit_maps(
    bank: Bank, make: Callable[[], Eraser], units: Sequence[str], layers: Sequence[int]
) -> dict[tuple[str, int], ErasureMap]:
    """Fit an eraser on the training vectors of each unit and layer.

    What an eraser has to choose, such as a number of rounds, it chooses on the dev vectors.

    Args:
        bank: the vectors.
        make: gives an unfitted eraser.
        units: ``token``, ``sentence`` or both.
        layers: 0 for the embeddings.

    Returns:
        The fitted maps by unit and layer.

    Raises:
        LangspecError: no training vectors, fewer than two languages, what the eraser refuses.
    """
    maps = {}
    for unit in units:
        meta = bank.token_meta if unit == "token" else bank.sentence_meta
        if not len(_rows(bank, meta, "train")):
            raise LangspecError(
                f"{make().name} found no {unit} vectors of training text to be fitted on"
            )
        codes = codes_of(bank, meta)
        for layer in layers:
            vectors = bank.tokens(layer) if unit == "token" else bank.sentences(layer)
            eraser = make()
            for split, take in (("train", eraser.partial_fit), ("dev", eraser.choose_on)):
                rows = _rows(bank, meta, split)
                for low in range(0, len(rows), _CHUNK):
                    part = rows[low : low + _CHUNK]
                    take(vectors[part], codes[part], meta.line[part])
            maps[unit, layer] = eraser.map
    return maps


def _rows(bank: Bank, meta: Units, split: str) -> np.ndarray:
    """The positions of the vectors of a split; none where the bank has no such split."""
    return np.flatnonzero(meta.split == (bank.splits.index(split) if split in bank.splits else -2))


@dataclass(frozen=True)
class ErasedBank(Bank):
    """A bank whose vectors are erased as they are read.

    ``maps`` are the fitted erasers; the bank has only the layers that have one.
    """

    maps: Maps = field(default_factory=dict)

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that have a map."""
        return tuple(sorted({layer for _, layer in self.maps}))

    def tokens(self, layer: int) -> np.ndarray:
        """The erased token vectors of a layer, float32 ``[N, H]``."""
        vectors = Bank(self.folder, self.meta).tokens(layer)
        return self.maps["token", layer].apply(vectors, codes_of(self, self.token_meta))

    def sentences(self, layer: int) -> np.ndarray:
        """The erased sentence vectors of a layer, float32 ``[N, H]``."""
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
    """Rows of the linear probe on erased vectors, and of what was removed, by unit and layer.

    All are of language ``all``. Probe ``linear`` has the rows of :func:`language_leak`. Probe
    ``erasure`` has ``variance_removed``, the share of the variance of the test vectors that is
    gone, and ``rank_removed``, the number of directions removed; ``n`` counts test vectors.

    Args:
        bank: vectors before erasing, with the splits train, dev and test.
        maps: fitted erasers by unit and layer.
        origin: task, method, seed, corpus, split, measure and eraser of the rows.
        options: of the probe.
        bootstrap: of the intervals.
        units: ``token``, ``sentence`` or both.
        progress: title of the progress bar.

    Raises:
        LangspecError: what :func:`language_leak` refuses.
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
        remaining = after.var(axis=0, dtype=np.float64).sum()
        removed = {
            "variance_removed": 1 - remaining / total if total else 0.0,
            "rank_removed": fitted.rank,
        }
        place: Any = {"language": "all", "unit": unit, "layer": layer, "probe": "erasure"}
        count = int(test.sum())
        rows += [origin.row(metric, value, n=count, **place) for metric, value in removed.items()]
    return rows


def head_predictions(
    head: nn.Module, vectors: np.ndarray, fitted: ErasureMap, languages: np.ndarray
) -> np.ndarray:
    """The classes int64 ``[N]`` that a trained head predicts from erased vectors.

    Args:
        head: trained before the eraser was fitted, and not trained again.
        vectors: ``[N, H]``, not yet erased.
        fitted: the eraser.
        languages: code of each vector ``[N]``; oracle erasers read them.
    """
    return head_classes(head, fitted.apply(vectors, languages))
