"""What an audited encoder is measured on: texts of a folder, and the vectors made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from langspec.audit.audited_encoder import Subject
from langspec.audit.options import AuditOptions, Measures, word_limits
from langspec.audit.text_folder import Texts
from langspec.closure import cache_key
from langspec.compute import resolve_precision
from langspec.encoders.inputs import Inputs, text_inputs
from langspec.encoders.load import random_encoder
from langspec.errors import LangspecError
from langspec.features.bank import Bank, BankOptions, BankRows, bank_key
from langspec.features.encode import build_bank
from langspec.files import cached_json
from langspec.measurement.probe_options import ProbeOptions

TASK = "audit"


@dataclass(frozen=True)
class _LayersOf(Bank):
    """Some layers of a bank that may hold more, with the sentence vectors of an encoder."""

    chosen: tuple[int, ...] = ()
    subject: Subject = field(kw_only=True)

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that are measured."""
        return self.chosen

    def tokens(self, layer: int) -> np.ndarray:
        """float32 ``[N, H]``: the token vectors of a layer (-1 = the last one measured)."""
        return self._all.tokens(self.chosen[-1] if layer == -1 else layer)

    def sentences(self, layer: int) -> np.ndarray:
        """float32 ``[N, H]``: the sentence vectors of a layer (-1 = the last one measured)."""
        return self.subject.sentences(self._all, self.chosen[-1] if layer == -1 else layer)

    @property
    def _all(self) -> Bank:
        return Bank(self.folder, self.meta)


def _check_words(inputs: Inputs, texts: Texts, name: str) -> None:
    """Refuse text of which the tokenizer leaves nothing that could be probed."""
    counts: Counter[str] = Counter()
    for code, units in zip(texts.languages, np.diff(inputs.unit_starts), strict=True):
        counts[code] += int(units)
    for code in texts.codes:
        if not counts[code]:
            raise LangspecError(
                f"{texts.folder}: the tokenizer of {name} reads no word in the texts of {code}; "
                "remove its file, or audit another encoder",
                place="--text",
            )


def token_prefix(subject: Subject, chosen: AuditOptions) -> str:
    """What stands before a text whose words are probed."""
    return subject.encoder.card.prefix if chosen.prefix_words else ""


def stored_bank(
    subject: Subject,
    texts: Texts,
    chosen: AuditOptions,
    banks: Path,
    limit_gb: float,
    words: int,
) -> tuple[BankOptions, str]:
    """The options of the encoding pass, with the layers that it stores, and the key of the bank.

    The pass ends at the highest layer that is measured. It stores the layers below too, for audits
    of other layers, where they fit into the cache. A bank of an earlier audit that holds further
    layers is taken where there is one.

    Args:
        subject: the encoder.
        texts: what is encoded.
        chosen: options of the audit; its precision is the one in use.
        banks: folder of all banks.
        limit_gb: size of that folder.
        words: training words of a language; 0: no words are read.
    """
    limits = word_limits(words)
    card, config = subject.encoder.card, subject.encoder.model.config
    top = subject.layers[-1]
    vectors = len(texts.texts) + sum(limits.values()) * len(texts.codes)
    size = (top + 1) * vectors * config.hidden_size * 4  # fp32
    if size >= limit_gb * 1e9:
        choices = [subject.layers]
    else:
        choices = [tuple(range(one + 1)) for one in range(top, config.num_hidden_layers + 1)]
    stored = [
        BankOptions(
            max_tokens_per_language=limits if words else 0,
            max_sentences_per_language=None,
            pooling="cls" if card.pooling == "cls" else "mean",
            seed=chosen.seed,
            precision=chosen.precision,
            tokens_per_batch=chosen.batch_tokens,
            layers=layers,
        )
        for layers in choices
    ]
    keys = [
        bank_key(
            checkpoint=subject.sha256,
            corpus=texts.sha256,
            prefix=card.prefix,
            token_prefix=token_prefix(subject, chosen),
            max_tokens=card.max_tokens,
            # Batches are not in the key: they change rounding alone.
            options=replace(one, tokens_per_batch=0),
        )
        for one in stored
    ]
    there = (pair for pair in zip(stored, keys, strict=True) if (banks / pair[1]).exists())
    return next(there, (stored[0], keys[0]))


class TextBench:
    """The counterpart of :class:`langspec.evaluation.bench.Bench` where there is no task.

    Args:
        subject: the encoder; every layer of it that is measured is encoded at once.
        text: language text, split.
        parallel: translations; may be ``text``; None: there are none.
        options: of the audit.
        measures: how things are measured.
        banks: folder of all feature banks; what is measured is cached beside it.
    """

    def __init__(
        self,
        subject: Subject,
        text: Texts,
        parallel: Texts | None,
        options: AuditOptions,
        measures: Measures,
        banks: Path,
    ) -> None:
        self.subject, self.text, self.parallel = subject, text, parallel
        self.measures, self.banks = measures, banks
        self.task = SimpleNamespace(name=TASK)
        values = {
            "beyond": measures.beyond,
            "geometry": measures.geometry,
            "leak": measures.leak,
            "attackers": measures.attackers,
        }
        evaluate = SimpleNamespace(seed=0, full=options.full, **values)
        self.config = SimpleNamespace(evaluate=evaluate)
        self.encoder, self.texts = subject.encoder, text.texts
        self.corpus = text.folder.resolve().name
        self.probe, self.bootstrap = measures.probe, measures.bootstrap
        self.neighbours_bootstrap = measures.neighbours_bootstrap
        self.beyond_probe: ProbeOptions = measures.beyond_probe
        precision = resolve_precision(options.precision, "cpu")  # an audit uses no GPU
        self.chosen, self.precision = replace(options, precision=precision), precision
        self.cut = 0  # texts that were cut at the encoder's length
        self._bank = self._encoded(subject, text, options.max_words)

    def cached(
        self, kind: str, code: tuple[Any, ...], key: dict[str, Any], compute: Callable[[], Any]
    ) -> Any:
        """A JSON-able value from the user's cache, or computed and written there."""
        name = cache_key(kind, code=(TextBench, *code), **key)
        return cached_json(self.banks.parent / "measures" / f"{name}.json", compute)

    @property
    def token_prefix(self) -> str:
        """What stands before a text whose token vectors language is read from."""
        return token_prefix(self.subject, self.chosen)

    # Keys.

    def _key(self, texts: Texts) -> dict[str, Any]:
        card = self.encoder.card
        return {
            "text": texts.sha256,
            "card": [card.prefix, card.max_tokens, card.pooling],
            "token_prefix": self.token_prefix,
            "layers": self.subject.layers,
            "words": self.chosen.max_words,
            "seed": self.chosen.seed,
            "precision": self.precision,
        }

    @cached_property
    def text_key(self) -> dict[str, Any]:
        """What numbers on the language text depend on beside the weights."""
        return self._key(self.text)

    @property
    def parallel_key(self) -> dict[str, Any]:
        """What numbers on the parallel text depend on beside the weights."""
        assert self.parallel is not None
        return self.text_key if self.parallel is self.text else self._key(self.parallel)

    @property
    def probe_key(self) -> dict[str, Any]:
        """What numbers of a linear probe depend on beside its vectors."""
        return {"probe": self.probe.model_dump(), "bootstrap": asdict(self.bootstrap)}

    # Banks.

    def _encoded(self, subject: Subject, texts: Texts, words: int) -> Bank:
        """Encode every text once, or open the bank that an earlier audit left."""
        encoder, card = subject.encoder, subject.encoder.card
        inputs, of_words = (
            text_inputs(encoder.tokenizer, texts.texts, max_tokens=card.max_tokens, prefix=prefix)
            for prefix in (card.prefix, self.token_prefix)
        )
        _check_words(of_words, texts, subject.name)
        options, key = stored_bank(
            subject, texts, self.chosen, self.banks, self.measures.cache_gb, words
        )
        bank = build_bank(
            encoder.model,
            int(encoder.tokenizer.pad_token_id),
            inputs,
            BankRows(texts.languages, texts.splits, texts.lines),
            options=options,
            key=key,
            root=self.banks,
            limit_gb=self.measures.cache_gb,
            progress=f"{subject.name}: encode",
            knob="--batch-tokens",
            words=of_words if words and self.token_prefix != card.prefix else None,
        )
        self.cut += inputs.truncated
        return _LayersOf(bank.folder, bank.meta, subject.layers, subject=subject)

    def text_bank(self, encoder: Any, state: str, title: str) -> Bank:
        """The bank of the language text, of the layers that are measured."""
        return self._bank

    def parallel_bank(self) -> Bank:
        """The bank of the parallel text."""
        assert self.parallel is not None
        if self.parallel is self.text:
            return self._bank
        return self._encoded(self.subject, self.parallel, 0)

    def random_bank(self) -> Bank:
        """The bank of the language text by an encoder of the same shape with random weights."""
        layers = self.subject.layers
        drawn = replace(
            self.subject,
            name=f"{self.subject.name}-random",
            encoder=random_encoder(self.subject.encoder, self.chosen.seed),
            layers=tuple(sorted({layers[0], layers[-1]})),
            after=None,
        )
        cut = self.cut
        bank = self._encoded(drawn, self.text, self.chosen.max_words)
        self.cut = cut  # the same texts again
        return bank

    @property
    def parallel_corpus(self) -> str:
        """What rows call the parallel text."""
        assert self.parallel is not None
        return self.parallel.folder.resolve().name

    @property
    def pivot(self) -> str:
        """The language whose translations are looked for in each other and back."""
        assert self.parallel is not None
        codes = self.parallel.codes
        return "en" if "en" in codes else codes[0]
