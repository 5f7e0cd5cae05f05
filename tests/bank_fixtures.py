"""Feature banks of vectors that a test has planted, without an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from langspec.features.bank import COLUMNS, NO_LABEL, Bank, BankOptions


def bank_options(**changes: Any) -> BankOptions:
    """A pass in fp32 that keeps 2,000 tokens of each language and every text."""
    values: dict[str, Any] = {
        "max_tokens_per_language": 2000,
        "max_sentences_per_language": None,
        "pooling": "mean",
        "seed": 0,
        "precision": "fp32",
        "tokens_per_batch": 4096,
    }
    return BankOptions(**(values | changes))


def bank_of(
    root: Path,
    name: str,
    layers: np.ndarray | list[np.ndarray],
    language: np.ndarray,
    *,
    line: np.ndarray | None = None,
    label: np.ndarray | None = None,
    split: np.ndarray | None = None,
    splits: tuple[str, ...] = (),
    kind: str = "sentences",
    codes: tuple[str, ...] = ("de", "en", "fi", "tr", "zh"),
) -> Bank:
    """A bank of ``layers`` ``[L, N, H]`` as vectors of one kind, kept in float64."""
    count = len(language)
    table = np.zeros((count, len(COLUMNS)), dtype=np.int32)
    columns = {
        "row": np.arange(count),
        "unit": np.full(count, -1 if kind == "sentences" else 1),
        "language": language,
        "line": np.arange(count) if line is None else line,
        "split": np.full(count, -1) if split is None else split,
        "label": np.full(count, NO_LABEL) if label is None else label,
    }
    for column, values in columns.items():
        table[:, COLUMNS.index(column)] = values
    folder = root / name
    folder.mkdir(parents=True)
    np.save(folder / f"{kind}.npy", np.asarray(layers, dtype=np.float64))
    np.save(folder / f"{kind}_meta.npy", table)
    known = codes[: int(np.max(language)) + 1]
    return Bank(
        folder, {"languages": list(known), "splits": list(splits), "layers": [*range(len(layers))]}
    )
