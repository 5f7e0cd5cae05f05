"""What a linear probe cannot see: non-linear readers, codelengths, control tasks, shuffled labels.

All of it is read from a feature bank, never from the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from langspec.features.bank import Bank
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.leak import UNITS
from langspec.measurement.probe import ProbeOptions
from langspec.measurement.rows import Origin
from langspec.results import Result

METHODS = ("mlp", "mdl", "selectivity", "shuffled", "char_ngrams")


@dataclass(frozen=True)
class BeyondOptions:
    """What to run, where, and how.

    Attributes:
        run: of :data:`METHODS`.
        layers: layers of the bank (0: embeddings, -1: the last); None: first, middle and last.
        units: of ``token`` and ``sentence``.
        max_train_per_language: training vectors of each language that the probes see; None: all.
        probe: of every linear probe.
        bootstrap: of the intervals.
        seed: of everything drawn.
    """

    run: tuple[str, ...] = METHODS
    layers: tuple[int, ...] | None = None
    units: tuple[str, ...] = UNITS
    max_train_per_language: int | None = None
    probe: ProbeOptions = field(default_factory=ProbeOptions)
    bootstrap: BootstrapOptions = field(default_factory=BootstrapOptions)
    seed: int = 0


def beyond_linear(
    bank: Bank,
    origin: Origin,
    options: BeyondOptions | None = None,
    *,
    token_texts: Sequence[str] | None = None,
    sentence_texts: Sequence[str] | None = None,
    progress: str = "beyond",
) -> list[Result]:
    """Rows of every method of ``options.run`` on the language text of ``bank``.

    Args:
        bank: with the splits train, dev and test.
        origin: task, method, seed, corpus and split of the rows.
        options: what to run, where, and how.
        token_texts: the word of each token vector, in the order of ``bank.token_meta``
            (:func:`langspec.features.words.unit_texts`); ``selectivity`` and ``char_ngrams`` of
            tokens need it.
        sentence_texts: the line of each sentence vector, in the order of ``bank.sentence_meta``;
            ``char_ngrams`` of sentences needs it.
        progress: words before the progress bar.

    Raises:
        LangspecError: fewer than two languages, a split without vectors, a layer that the bank
            lacks, texts that are needed and not given, vectors that are not finite.
    """
    raise NotImplementedError
