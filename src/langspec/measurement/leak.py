"""Language leak: how well a linear probe reads the language from each layer of a feature bank.

The probe is trained, its C is chosen, and it is tested on splits by line number. Translations
share a line number, so a probe cannot know the content of a test line from another language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from langspec.errors import LangspecError
from langspec.features.bank import Bank, Units
from langspec.measurement.bootstrap import BootstrapOptions, score_intervals
from langspec.measurement.probe import fit_probe
from langspec.measurement.probe_options import ProbeOptions
from langspec.measurement.rows import Origin
from langspec.measurement.scores import confusion, recalls
from langspec.progress_bar import Progress
from langspec.results import Result
from langspec.threads import side_by_side

UNITS = ("token", "sentence")

Keep = Callable[[str, int, np.ndarray, np.ndarray], None]
"""Gets the unit, the layer, and the gold and predicted languages (int ``[N]``) of test vectors."""


def split_rows(bank: Bank, units: Units, unit: str) -> dict[str, np.ndarray]:
    """Positions of the vectors of each of the splits train, dev and test.

    Raises:
        LangspecError: a split without vectors, or fewer training lines than languages.
    """
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
    train_n: int,
) -> list[Result]:
    """Rows of a probe: accuracy and macro-F1 with intervals, and the recall of each language.

    Args:
        origin: task, method, seed, corpus, split and measure of the rows.
        languages: codes that ``gold`` and ``predicted`` index.
        line: int ``[N]``, the line of each vector; the bootstrap draws lines.
        gold: int ``[N]``.
        predicted: int ``[N]``.
        options: of the bootstrap.
        layer: of the vectors.
        probe: name of the probe.
        unit: ``token``, ``sentence`` or ``pair``.
        train_n: number of vectors that the probe was fitted on; 0: nothing was fitted.
    """
    place: Any = {"unit": unit, "layer": layer, "probe": probe, "train_n": train_n}
    rows: list[Result] = []
    intervals = score_intervals(line, gold, predicted, len(languages), options)
    for metric, interval in intervals.items():
        rows.append(origin.interval(metric, interval, language="all", n=len(gold), **place))
    table = confusion(gold, predicted, len(languages))
    for code, recall, n in zip(languages, recalls(table), table.sum(axis=1), strict=True):
        if n:
            rows.append(origin.row("recall", recall, language=code, n=n, **place))
    return rows


def fit_rows(
    origin: Origin, facts: Mapping[str, float], *, layer: int, probe: str, unit: str, n: int
) -> list[Result]:
    """Rows with facts of a probe's fit (chosen C, iterations, converged), of language ``all``.

    ``n`` is the number of training vectors, and stands in ``train_n`` too.
    """
    place: Any = {"unit": unit, "layer": layer, "probe": probe, "train_n": n}
    return [origin.row(name, value, language="all", n=n, **place) for name, value in facts.items()]


def probed_layer(
    bank: Bank,
    origin: Origin,
    options: ProbeOptions,
    bootstrap: BootstrapOptions,
    unit: str,
    units: Units,
    rows: Mapping[str, np.ndarray],
    layer: int,
) -> tuple[np.ndarray, list[Result]]:
    """What the linear probe of one layer predicts of test vectors (int ``[N]``), and its rows.

    ``rows`` are the positions in ``units`` of the vectors of each split.
    """
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
    count = len(label["train"])
    results = scored_rows(
        origin,
        bank.languages,
        units.line[rows["test"]],
        label["test"],
        predicted,
        bootstrap,
        layer=layer,
        probe="linear",
        unit=unit,
        train_n=count,
    )
    results += fit_rows(origin, probe.facts, layer=layer, probe="linear", unit=unit, n=count)
    return predicted, results


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
    """Rows of the linear probe at every layer, and of the majority class.

    Probe ``linear`` has ``accuracy`` and ``macro_f1`` of language ``all``, with intervals (the
    bootstrap draws lines), and ``recall`` of each language; of its fit, ``chosen_c``,
    ``iterations`` and ``converged`` (0 or 1), whose ``n`` counts training vectors. Probe
    ``majority`` (layer -1) predicts the most frequent language of the training vectors. Layers are
    probed side by side in as many threads as PyTorch has.

    Args:
        bank: vectors with the splits train, dev and test.
        origin: task, method, seed, corpus, split and measure of the rows.
        options: of the probe.
        bootstrap: of the intervals.
        units: ``token``, ``sentence`` or both; ``pair`` for a bank of pairs.
        progress: title of the progress bar.
        keep: is called with the predictions of every linear probe, as for a confusion table.

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
    with Progress(total, progress, "probe") as bar:
        for unit in units:
            meta = bank.token_meta if unit == "token" else bank.sentence_meta
            rows = split_rows(bank, meta, unit)
            label = {name: meta.language[part].astype(np.int64) for name, part in rows.items()}
            line, gold = meta.line[rows["test"]], label["test"]
            majority = np.full_like(gold, np.bincount(label["train"]).argmax())
            place: Any = {"layer": -1, "probe": "majority", "unit": unit, "train_n": 0}
            results += scored_rows(origin, languages, line, gold, majority, bootstrap, **place)
            probed = partial(probed_layer, bank, origin, options, bootstrap, unit, meta, rows)
            for layer, (predicted, of_layer) in zip(
                bank.layers, side_by_side(probed, bank.layers), strict=True
            ):
                if keep is not None:
                    keep(unit, layer, gold, predicted)
                results += of_layer
                bar.update()
    return results
