"""What a linear probe does not show: other probes, codelengths, control tasks, shuffled labels.

All of them read a feature bank, never the encoder, on the splits of the linear probe.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from langspec.attackers.known_attackers import ATTACKERS, AttackersBase
from langspec.errors import LangspecError
from langspec.features.bank import Bank
from langspec.features.sample import fewer_rows
from langspec.measurement.attacks import attack, check_finite, make_target
from langspec.measurement.bootstrap import BootstrapOptions, ratio_interval
from langspec.measurement.control import control_labels, shuffled_labels
from langspec.measurement.leak import UNITS, fit_rows, scored_rows, split_rows
from langspec.measurement.mdl import online_codelength
from langspec.measurement.ngrams import fit_ngrams
from langspec.measurement.probe import Probe, fit_probe
from langspec.measurement.probe_options import ProbeOptions
from langspec.measurement.rows import Origin
from langspec.progress_bar import Progress
from langspec.results import Result
from langspec.threads import side_by_side

if TYPE_CHECKING:
    from langspec.measures.beyond_linear import BeyondOptions

METHODS = (*ATTACKERS, "mdl", "selectivity", "shuffled", "char_ngrams")


def three_layers(layers: Sequence[int]) -> tuple[int, ...]:
    """The first, the middle (the later of two) and the last of some layers, ascending."""
    ordered = sorted(layers)
    return tuple(sorted({ordered[0], ordered[len(ordered) // 2], ordered[-1]}))


def beyond_linear(
    bank: Bank,
    origin: Origin,
    options: BeyondOptions,
    attackers: AttackersBase,
    probe: ProbeOptions,
    bootstrap: BootstrapOptions,
    *,
    seed: int = 0,
    units: Sequence[str] = UNITS,
    token_texts: Sequence[str] | None = None,
    sentence_texts: Sequence[str] | None = None,
    progress: str = "beyond",
) -> list[Result]:
    """Rows of every method of ``options.run``, by unit and layer, language ``all``.

    These probes have ``accuracy`` and ``macro_f1`` with intervals, and of their fit ``converged``
    (0 or 1), ``iterations`` and what validation chose:

    - ``linear_sample``: the linear probe on the rows that all methods here read;
    - ``mlp``, ``rbf``: non-linear, never below it on validation vectors (:mod:`.attacks`);
    - ``control``, ``shuffled``: the linear probe on the control task, on shuffled labels;
    - ``char_ngrams`` (layer -1): character n-grams of the texts.

    Probe ``selectivity`` has the ``accuracy`` of ``linear_sample`` minus that of ``control`` and,
    of tokens, ``seen_types``: the share of test words whose type is among the training words. The
    control task can be learned for these alone.
    Probe ``mdl`` has ``bits`` a training vector, ``compression``, the number of probes fitted as
    ``iterations``, and ``converged`` where all of them did.

    Args:
        bank: vectors with the splits train, dev and test.
        origin: task, method, seed, corpus, split and measure of the rows.
        options: which methods, at which layers, and their options.
        attackers: options of the non-linear ones.
        probe: options of every linear probe.
        bootstrap: of the intervals.
        seed: of everything drawn.
        units: ``token``, ``sentence`` or both.
        token_texts: the word of each token vector (:func:`langspec.features.words.unit_texts`);
            ``selectivity`` and ``char_ngrams`` of tokens need it.
        sentence_texts: the line of each sentence vector; ``char_ngrams`` of sentences needs it.
        progress: of the bar.

    Raises:
        LangspecError: an unknown method, a split without vectors of a language, a layer that the
            bank lacks, texts that are needed and not given, vectors that are not finite.
    """
    _check(bank, options)
    settings = _Settings(options, attackers, probe, bootstrap, seed)
    layers = _layers(bank, options.layers)
    at_layers = [name for name in options.run if name != "char_ngrams"]
    pieces: list[tuple[_Sample, int | None]] = []  # the layer, or None: the texts themselves
    for unit in units:
        texts = token_texts if unit == "token" else sentence_texts
        sample = _Sample(bank, origin, settings, unit, texts)
        pieces += [(sample, None)] * ("char_ngrams" in options.run)
        pieces += [(sample, layer) for layer in layers if at_layers]
    return _measured(bank, pieces, progress)


def _check(bank: Bank, options: BeyondOptions) -> None:
    if unknown := sorted(set(options.run) - set(METHODS)):
        raise LangspecError(f"no method {', '.join(unknown)}; there are {', '.join(METHODS)}")
    if len(bank.languages) < 2:
        raise LangspecError(
            f"language probes need at least two languages, found {', '.join(bank.languages)}"
        )


def _measured(
    bank: Bank, pieces: Sequence[tuple[_Sample, int | None]], progress: str
) -> list[Result]:
    """Rows of each sample and layer (None: of its texts).

    Layers are measured side by side in as many threads as PyTorch has.
    """

    def measured(piece: tuple[_Sample, int | None]) -> list[Result]:
        sample, layer = piece
        if layer is None:
            return sample.ngrams()
        vectors = bank.tokens(layer) if sample.unit == "token" else bank.sentences(layer)
        return sample.at_layer(layer, vectors)

    results: list[Result] = []
    with (
        Progress(len(pieces), progress, "layer") as bar,
        warnings.catch_warnings(),  # here and not in the threads, which share the filters
    ):
        warnings.simplefilter("ignore", ConvergenceWarning)  # reported, not warned of
        for rows in side_by_side(measured, pieces):
            results += rows
            bar.update()
    return results


def _layers(bank: Bank, wanted: Sequence[int] | None) -> tuple[int, ...]:
    return three_layers(bank.layers) if wanted is None else bank.some_layers(wanted)


@dataclass(frozen=True)
class _Settings:
    """The options that all methods here share."""

    options: BeyondOptions
    attackers: AttackersBase
    probe: ProbeOptions
    bootstrap: BootstrapOptions
    seed: int


class _Sample:
    """The rows of one unit that every method reads, with the text of each."""

    def __init__(
        self,
        bank: Bank,
        origin: Origin,
        settings: _Settings,
        unit: str,
        texts: Sequence[str] | None,
    ) -> None:
        self.origin, self.settings, self.unit = origin, settings, unit
        self.options = settings.options
        self.languages = bank.languages
        units = bank.token_meta if unit == "token" else bank.sentence_meta
        self.rows = split_rows(bank, units, unit)
        most, seed = self.options.max_train_per_language, settings.seed + 1
        train = fewer_rows(units, self.rows["train"], bank.languages, most, seed)
        self.rows["train"] = train
        self.label = {name: units.language[rows] for name, rows in self.rows.items()}
        self.label = {name: label.astype(np.int64) for name, label in self.label.items()}
        for name, label in self.label.items():
            if missing := sorted(set(range(len(self.languages))) - set(label.tolist())):
                codes = ", ".join(self.languages[i] for i in missing)
                raise LangspecError(f"split {name!r} has no {unit} vectors of {codes}")
        self.line = {name: units.line[rows] for name, rows in self.rows.items()}
        needs = {"char_ngrams"} | ({"selectivity"} if unit == "token" else set())
        if texts is None and (asked := sorted(needs & set(self.options.run))):
            raise LangspecError(f"{asked[0]} needs the text of each {unit} vector ({unit}_texts)")
        if texts is not None and len(texts) != len(units):
            raise LangspecError(
                f"expected {len(units)} {unit}_texts, one a vector, found {len(texts)}"
            )
        self.texts = None if texts is None else np.asarray(texts, dtype=object)
        self.types = np.asarray(texts) if unit == "token" and texts else np.arange(len(units))

    # --- texts -------------------------------------------------------------------------------

    def ngrams(self) -> list[Result]:
        """Rows of the character n-grams, which do not depend on a layer."""
        assert self.texts is not None  # the constructor refuses that
        text = {name: self.texts[rows].tolist() for name, rows in self.rows.items()}
        fit = fit_ngrams(
            text["train"],
            self.label["train"],
            text["dev"],
            self.label["dev"],
            text["test"],
            self.options.char_ngrams,
        )
        facts = {
            "chosen_c": fit.chosen_c,
            "iterations": fit.iterations,
            "converged": fit.converged,
        }
        return self._scored(-1, "char_ngrams", self.label["test"], fit.predicted, facts)

    # --- vectors -----------------------------------------------------------------------------

    def at_layer(self, layer: int, vectors: np.ndarray) -> list[Result]:
        """Rows of every other method on the vectors ``[N, H]`` of a layer."""
        run = self.options.run
        part = {name: vectors[rows] for name, rows in self.rows.items()}
        check_finite(part, what=f"{self.unit} vectors of layer {layer}")
        linear, rows, probe = self._linear(layer, "linear_sample", part, self.label)
        rows += self._attacks(layer, part, probe)
        if "selectivity" in run:
            rows += self._selectivity(layer, part, linear)
        if "shuffled" in run:
            seed = self.settings.seed
            labels = {
                name: shuffled_labels(label, seed + i)
                for i, (name, label) in enumerate(self.label.items())
            }
            rows += self._linear(layer, "shuffled", part, labels)[1]
        if "mdl" in run:
            rows += self._mdl(layer, part)
        return rows

    def _linear(
        self, layer: int, name: str, part: dict[str, np.ndarray], label: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, list[Result], Probe]:
        """Which test rows the linear probe gets right, bool ``[T]``, its rows, and the probe.

        ``part`` are the vectors and ``label`` the labels of each split.
        """
        probe = self._fit_linear(part["train"], label["train"], part["dev"], label["dev"])
        predicted = probe.predict(part["test"])
        rows = self._scored(layer, name, label["test"], predicted, probe.facts)
        return predicted == label["test"], rows, probe

    def _fit_linear(
        self, x: np.ndarray, y: np.ndarray, dev: np.ndarray, dev_y: np.ndarray
    ) -> Probe:
        return fit_probe(x, y, dev, dev_y, len(self.languages), self.settings.probe)

    def _attacks(self, layer: int, part: dict[str, np.ndarray], linear: Probe) -> list[Result]:
        """Rows of the non-linear attackers, which start from the linear probe."""
        settings, rows = self.settings, []
        target = make_target(part, self.label, linear, settings.probe, settings.seed)
        names = [name for name in ATTACKERS if name in self.options.run]
        readings = attack(target, part["test"], names, settings.attackers)
        for name, reading in readings.items():
            rows += self._scored(
                layer, name, self.label["test"], reading.predicted, dict(reading.facts)
            )
        return rows

    def _selectivity(
        self, layer: int, part: dict[str, np.ndarray], linear: np.ndarray
    ) -> list[Result]:
        shares = np.bincount(self.label["train"], minlength=len(self.languages))
        drawn = control_labels(self.types, shares, self.settings.seed)
        labels = {name: drawn[rows] for name, rows in self.rows.items()}
        control, rows, _ = self._linear(layer, "control", part, labels)
        gain = linear.astype(np.float64) - control
        interval = ratio_interval(
            self.line["test"], gain, np.ones_like(gain), self.settings.bootstrap
        )
        selectivity = self.origin.interval(
            "accuracy",
            interval,
            language="all",
            unit=self.unit,
            n=len(gain),
            layer=layer,
            probe="selectivity",
            train_n=len(self.rows["train"]),
        )
        if self.unit != "token":  # a sentence hardly occurs twice
            return [*rows, selectivity]
        seen = np.isin(self.types[self.rows["test"]], self.types[self.rows["train"]])
        share = self.origin.row(
            "seen_types",
            seen.mean(),
            language="all",
            unit=self.unit,
            n=len(seen),
            layer=layer,
            probe="selectivity",
        )
        return [*rows, selectivity, share]

    def _mdl(self, layer: int, part: dict[str, np.ndarray]) -> list[Result]:
        dev = part["dev"], self.label["dev"]
        code = online_codelength(
            part["train"],
            self.label["train"],
            self.line["train"],
            len(self.languages),
            lambda x, y: self._fit_linear(x, y, *dev),
            seed=self.settings.seed,
        )
        rows = [
            self.origin.interval(
                metric,
                interval,
                language="all",
                unit=self.unit,
                n=len(code.bits),
                layer=layer,
                probe="mdl",
                train_n=len(self.rows["train"]),
            )
            for metric, interval in (
                ("bits", code.per_row(self.settings.bootstrap)),
                ("compression", code.compression(self.settings.bootstrap)),
            )
        ]
        facts: dict[str, float] = {
            "iterations": code.fits,
            "converged": code.converged == code.fits,
        }
        return rows + self._facts(layer, "mdl", facts)

    # --- rows --------------------------------------------------------------------------------

    def _scored(
        self,
        layer: int,
        name: str,
        gold: np.ndarray,
        predicted: np.ndarray,
        facts: dict[str, float],
    ) -> list[Result]:
        rows = scored_rows(
            self.origin,
            self.languages,
            self.line["test"],
            gold,
            predicted,
            self.settings.bootstrap,
            layer=layer,
            probe=name,
            unit=self.unit,
            train_n=len(self.rows["train"]),
        )
        return [*_pooled(rows), *self._facts(layer, name, facts)]

    def _facts(self, layer: int, name: str, facts: dict[str, float]) -> list[Result]:
        count = len(self.rows["train"])
        return fit_rows(self.origin, facts, layer=layer, probe=name, unit=self.unit, n=count)


def _pooled(rows: Iterable[Result]) -> list[Result]:
    return [row for row in rows if row.language == "all"]
