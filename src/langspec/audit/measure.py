"""Everything that is measured of one encoder, from its banks."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from langspec.audit.audited_encoder import Subject
from langspec.audit.encoded_texts import LayersOf, encode_texts
from langspec.audit.options import AuditOptions, Measures
from langspec.audit.text_folder import Texts
from langspec.encoders.load import random_encoder
from langspec.erasure.leace import LEACE
from langspec.features.bank import Bank
from langspec.features.words import unit_texts
from langspec.measurement.alignment import retrieval
from langspec.measurement.beyond import beyond_linear
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.erased import ErasedBank, Maps, erased_leak, fit_maps
from langspec.measurement.geometry import language_geometry
from langspec.measurement.leak import language_leak
from langspec.measurement.mixing import FOUND, Mixing, mixing
from langspec.measurement.rows import Origin
from langspec.measurement.scores import confusion
from langspec.results import RANDOM, Result

logger = logging.getLogger(__name__)

TASK = "audit"
ERASER = "leace"


@dataclass
class Audited:
    """What was found out about one encoder.

    Attributes:
        subject: the encoder.
        languages: codes, sorted.
        rows: tidy results; those of the random encoder have the measure ``random``.
        confusions: int ``[K, K]`` (gold, predicted) of the linear probe by unit and layer.
        mixings: neighbourhoods by layer, in the text that languages are read from.
        searches: by ``plain`` or ``leace`` and layer: neighbourhoods in the parallel text.
        pivot: the language whose translations are looked for in each other and back.
        cut: texts that were cut at the encoder's length.
        seconds: by the clock, of each part of the work.
    """

    subject: Subject
    languages: tuple[str, ...]
    rows: list[Result] = field(default_factory=list)
    confusions: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)
    mixings: dict[int, Mixing] = field(default_factory=dict)
    searches: dict[tuple[str, int], Mixing] = field(default_factory=dict)
    pivot: str = ""
    cut: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """Time a part of the work, and say how long it took once it is done."""
        start = time.monotonic()
        yield
        self.seconds[what] = round(time.monotonic() - start, 1)
        logger.info("%s: %s took %.0f s", self.name, what, self.seconds[what])

    @property
    def name(self) -> str:
        """The encoder's name in this audit."""
        return self.subject.name

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that were measured."""
        return self.subject.layers


def measure(
    subject: Subject,
    text: Texts,
    parallel: Texts | None,
    options: AuditOptions,
    measures: Measures,
    *,
    banks: Path,
) -> Audited:
    """Encode once and measure everything that was asked for.

    Args:
        subject: the encoder.
        text: language text, split.
        parallel: translations for retrieval; may be ``text``; None: no retrieval.
        options: of the audit.
        measures: how to measure.
        banks: folder of all banks.

    Raises:
        LangspecError: vectors that are not finite, splits without vectors.
    """
    found = Audited(subject, tuple(text.codes))
    with found.part("encoding"):
        encoded = encode_texts(
            subject, text, options, words=options.max_words, root=banks, limit_gb=measures.cache_gb
        )
    bank, found.cut = encoded.bank, encoded.cut
    origin = Origin(TASK, subject.name, options.seed, text.folder.resolve().name, "test", "leak")

    def keep(unit: str, layer: int, gold: np.ndarray, predicted: np.ndarray) -> None:
        found.confusions[unit, layer] = confusion(gold, predicted, len(bank.languages))

    with found.part("linear probes"):
        found.rows += language_leak(
            bank,
            origin,
            measures.probe,
            measures.bootstrap,
            progress=f"{subject.name}: probes",
            keep=keep,
        )
    last = subject.layers[-1]
    with found.part("LEACE and what a probe reads behind it"):
        maps = {
            **fit_maps(bank, LEACE, ("sentence",), subject.layers),
            **fit_maps(bank, LEACE, ("token",), (last,)),
        }
        erased = replace(origin, measure="erasure", eraser=ERASER)
        at_last = {key: fitted for key, fitted in maps.items() if key[1] == last}
        found.rows += erased_leak(bank, at_last, erased, measures.probe, measures.bootstrap)
    with found.part("geometry and neighbours"):
        found.rows += language_geometry(
            bank, replace(origin, measure="geometry"), measures.geometry
        )
        found.mixings = _mixings(bank, "test", measures, f"{subject.name}: neighbours")
        neighbours = replace(origin, measure="neighbours")
        for layer, mixed in found.mixings.items():
            near = {"own_share": np.diagonal(mixed.shares), "apartness": mixed.apartness}
            found.rows += _named_rows(neighbours, "neighbours", mixed, layer, near)
    if parallel is not None:
        with found.part("search"):
            _search(found, bank, text, parallel, maps, options, measures, banks)
    if options.full:
        with found.part("MLP, codelength and control tasks"):
            found.rows += _beyond(bank, subject, text, replace(origin, measure="beyond"), measures)
        with found.part("random encoder"):
            _floors(found, text, options, measures, banks)
    return found


def _mixings(bank: Bank, split: str, measures: Measures, progress: str) -> dict[int, Mixing]:
    bar = tqdm(bank.layers, desc=progress, unit="layer", leave=False, disable=None)
    return {layer: mixing(bank, layer, split) for layer in bar}


def _named_rows(
    origin: Origin, probe: str, mixed: Mixing, layer: int, values: Mapping[str, np.ndarray]
) -> list[Result]:
    """Values ``[languages]`` by metric: a row a language, and one of their mean."""
    return [
        origin.row(
            metric, value, language=code, unit="sentence", n=mixed.n, layer=layer, probe=probe
        )
        for metric, of_languages in values.items()
        for code, value in [
            *zip(mixed.languages, of_languages, strict=True),
            ("mean", of_languages.mean()),
        ]
    ]


def _search(
    found: Audited,
    bank: Bank,
    text: Texts,
    parallel: Texts,
    maps: Maps,
    options: AuditOptions,
    measures: Measures,
    banks: Path,
) -> None:
    """What a search in all languages finds first, as it is and with language erased."""
    subject = found.subject
    if parallel is text:
        plain = bank
    else:
        encoded = encode_texts(
            subject, parallel, options, words=0, root=banks, limit_gb=measures.cache_gb
        )
        found.cut += encoded.cut
        plain = encoded.bank
    codes = parallel.codes
    found.pivot = "en" if "en" in codes else codes[0]
    sentences = {key: fitted for key, fitted in maps.items() if key[0] == "sentence"}
    erased = ErasedBank(plain.folder, plain.meta, sentences)
    corpus = parallel.folder.resolve().name
    for name, one, eraser in (("plain", plain, ""), (ERASER, erased, ERASER)):
        origin = Origin(TASK, subject.name, options.seed, corpus, "test", "search", eraser=eraser)
        if name == "plain" and parallel is text:
            mixings = found.mixings
        else:
            mixings = _mixings(one, "test", measures, f"{subject.name}: search")
        for layer, mixed in mixings.items():
            found.searches[name, layer] = mixed
            first = {f"first_is_{kind}": mixed.found[:, i] for i, kind in enumerate(FOUND)}
            found.rows += _named_rows(origin, "search", mixed, layer, first)
        found.rows += retrieval(one, origin, found.pivot, measures.bootstrap)


def _beyond(
    bank: Bank, subject: Subject, text: Texts, origin: Origin, measures: Measures
) -> list[Result]:
    """What a linear probe cannot see, at the first, the middle and the last layer."""
    encoder = subject.encoder
    words = unit_texts(
        encoder.tokenizer,
        text.texts,
        bank.token_meta,
        max_tokens=encoder.card.max_tokens,
        prefix=encoder.card.prefix,
    )
    sentences = [text.texts[row] for row in bank.sentence_meta.row]
    return beyond_linear(
        bank,
        origin,
        measures.beyond,
        measures.beyond_probe,
        BootstrapOptions(),
        token_texts=words,
        sentence_texts=sentences,
        progress=f"{subject.name}: beyond linear",
    )


def _floors(
    found: Audited, text: Texts, options: AuditOptions, measures: Measures, banks: Path
) -> None:
    """A random encoder of the same shape, probed likewise at the first and the last layer."""
    subject = found.subject
    ends = tuple(sorted({subject.layers[0], subject.layers[-1]}))
    drawn = replace(
        subject,
        name=f"{subject.name}-random",
        encoder=random_encoder(subject.encoder, options.seed),
        layers=ends,
    )
    encoded = encode_texts(
        drawn, text, options, words=options.max_words, root=banks, limit_gb=measures.cache_gb
    )
    origin = Origin(TASK, subject.name, options.seed, text.folder.resolve().name, "test", RANDOM)
    bank = LayersOf(encoded.bank.folder, encoded.bank.meta, ends)
    rows = language_leak(
        bank, origin, measures.probe, measures.bootstrap, progress=f"{drawn.name}: probes"
    )
    found.rows += [row for row in rows if row.probe != "majority"]


def unconverged(rows: Sequence[Result]) -> list[Result]:
    """The fits that did not reach their tolerance."""
    return [row for row in rows if row.metric == "converged" and row.value == 0]
