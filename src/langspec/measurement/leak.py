"""Language leak: how well a linear probe reads the language off each layer of a text bank.

Trained, chosen and tested on splits by line number, which translations share, so that no probe
can know a line's content from another language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from tqdm import tqdm

from langspec.errors import LangspecError
from langspec.features.bank import Bank, Units
from langspec.measurement.bootstrap import BootstrapOptions, score_intervals
from langspec.measurement.probe import fit_probe
from langspec.measurement.probe_options import ProbeOptions
from langspec.measurement.rows import Origin
from langspec.measurement.scores import confusion, recalls
from langspec.results import Result
from langspec.threads import side_by_side

UNITS = ("token", "sentence")

Keep = Callable[[str, int, np.ndarray, np.ndarray], None]
"""Is given the unit, the layer, and gold and predicted language (int ``[N]``) of the test."""


def split_rows(bank: Bank, units: Units, unit: str) -> dict[str, np.ndarray]:
    """Positions of the vectors of each split; every split must have some."""
    rows = {}
    for split in ("train", "dev", "test"):
        index = bank.splits.index(split) if split in bank.splits else -2
        rows[split] = np.flatnonzero(units.split == index)
        if not len(rows[split]):
            raise LangspecError(
                f"the language probe found no {unit} vectors in split {split!r}; it needs train, "
                "dev and test lines of text"
            )
    lines = len(np.unique(units.line[rows["train"]]))
    if lines < len(bank.languages):
        raise LangspecError(
            f"the language probe found {lines} training lines for {len(bank.languages)} "
            "languages; it needs at least as many lines as languages: add text, or a larger share"
        )
    return rows


def scored_rows(
    origin: Origin,
    languages: tuple[str, ...],
    line: np.ndarray,
    gold: np.ndarray,
    predicted: np.ndarray,
    options: BootstrapOptions,
    *,
    layer: int,
    probe: str,
    unit: str,
) -> list[Result]:
    """Accuracy and macro-F1 with intervals over lines, and the recall of each language."""
    rows: list[Result] = []
    intervals = score_intervals(line, gold, predicted, len(languages), options)
    for metric, interval in intervals.items():
        rows.append(
            origin.interval(
                metric, interval, language="all", unit=unit, n=len(gold), layer=layer, probe=probe
            )
        )
    table = confusion(gold, predicted, len(languages))
    for code, recall, n in zip(languages, recalls(table), table.sum(axis=1), strict=True):
        if n:
            rows.append(
                origin.row(
                    "recall", recall, language=code, unit=unit, n=n, layer=layer, probe=probe
                )
            )
    return rows


def fit_rows(
    origin: Origin, facts: Mapping[str, float], *, layer: int, probe: str, unit: str, n: int
) -> list[Result]:
    """How a fit went, one row a fact; ``n`` counts training vectors."""
    return [
        origin.row(name, value, language="all", unit=unit, n=n, layer=layer, probe=probe)
        for name, value in facts.items()
    ]


def _probed(
    bank: Bank,
    origin: Origin,
    options: ProbeOptions,
    bootstrap: BootstrapOptions,
    unit: str,
    units: Units,
    rows: Mapping[str, np.ndarray],
    layer: int,
) -> tuple[np.ndarray, list[Result]]:
    """What the linear probe of one layer predicts of the test (int ``[N]``), and its rows."""
    vectors = bank.tokens(layer) if unit == "token" else bank.sentences(layer)
    label = {name: units.language[part].astype(np.int64) for name, part in rows.items()}
    probe = fit_probe(
        vectors[rows["train"]],
        label["train"],
        vectors[rows["dev"]],
        label["dev"],
        len(bank.languages),
        options,
    )
    predicted = probe.predict(vectors[rows["test"]])
    facts = {
        "chosen_c": probe.chosen_c,
        "iterations": probe.iterations,
        "converged": probe.converged,
    }
    found = scored_rows(
        origin,
        bank.languages,
        units.line[rows["test"]],
        label["test"],
        predicted,
        bootstrap,
        layer=layer,
        probe="linear",
        unit=unit,
    )
    found += fit_rows(origin, facts, layer=layer, probe="linear", unit=unit, n=len(label["train"]))
    return predicted, found


def language_leak(
    bank: Bank,
    origin: Origin,
    options: ProbeOptions,
    bootstrap: BootstrapOptions,
    *,
    units: Sequence[str] = UNITS,
    progress: str = "leak",
    keep: Keep | None = None,
) -> list[Result]:
    """Rows of the linear probe at every layer of ``bank``, and of the majority class.

    Layers are probed side by side in as many threads as PyTorch has.

    Probe ``linear``: ``accuracy`` and ``macro_f1`` (with intervals, lines drawn whole)
    of language ``all``, ``recall`` of each language, and ``chosen_c``, ``iterations`` and
    ``converged`` (0/1) of the fit, whose ``n`` counts training vectors.
    Probe ``majority`` (layer -1): the commonest language of the training vectors for everything.
    ``keep`` is given what the linear probe predicts, for tables of what is taken for what.

    Raises:
        LangspecError: fewer than two languages, or a split without vectors.
    """
    languages = bank.languages
    if len(languages) < 2:
        raise LangspecError(
            f"language leak needs at least two languages, found {', '.join(languages)}"
        )
    results: list[Result] = []
    total = len(units) * len(bank.layers)
    with tqdm(total=total, desc=progress, unit="probe", leave=False, disable=None) as bar:
        for unit in units:
            meta = bank.token_meta if unit == "token" else bank.sentence_meta
            rows = split_rows(bank, meta, unit)
            label = {name: meta.language[part].astype(np.int64) for name, part in rows.items()}
            line, gold = meta.line[rows["test"]], label["test"]
            majority = np.full_like(gold, np.bincount(label["train"]).argmax())
            results += scored_rows(
                origin,
                languages,
                line,
                gold,
                majority,
                bootstrap,
                layer=-1,
                probe="majority",
                unit=unit,
            )
            probed = partial(_probed, bank, origin, options, bootstrap, unit, meta, rows)
            for layer, (predicted, found) in zip(
                bank.layers, side_by_side(probed, bank.layers), strict=True
            ):
                if keep is not None:
                    keep(unit, layer, gold, predicted)
                results += found
                bar.update()
    return results
