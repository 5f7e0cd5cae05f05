"""The bench of a task, which its measures read: texts, feature banks, predictions, the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from langspec.closure import cache_key
from langspec.compute import device_type, resolve_precision
from langspec.corpora.tables import read_table
from langspec.encoders.inputs import Inputs, text_inputs
from langspec.encoders.load import load_encoder
from langspec.features.bank import Bank, BankOptions, BankRows, bank_key
from langspec.features.encode import build_bank
from langspec.files import cached_json, read_object, sha256_file
from langspec.measurement.probe_options import ProbeOptions
from langspec.measures.base import Subject
from langspec.modelling.model import layer_index
from langspec.training.scoring import encode_features, head_classes

if TYPE_CHECKING:
    from langspec.config import Config
    from langspec.paths import Paths
    from langspec.tasks import Task, TaskData


class Bench:
    """The test texts of one task and the language text, tokenised once, with what is made of them.

    Args:
        config: the configuration.
        paths: of the run; its corpora and its encoder exist.
        task: whose test texts are measured on.
        limit_gb: size that the folder of feature banks is reduced to (10^9 bytes).
        device: where encoders run, ``cpu`` or ``cuda``; None: a GPU, where there is one.
    """

    def __init__(
        self,
        config: Config,
        paths: Paths,
        task: Task,
        limit_gb: float,
        device: str | None = None,
    ) -> None:
        self.config, self.paths, self.task, self.limit_gb = config, paths, task, limit_gb
        self.encoder = load_encoder(paths.encoder)
        self.precision = resolve_precision(config.compute.precision, device or device_type())
        self.retrain: Callable[..., Any] | None = None
        languages = config.corpora.languages
        self.train_table = task.rows(paths.corpora, "train", [config.corpora.source])
        self.test_table = task.rows(paths.corpora, "test", languages)
        self.test = task.data(self.test_table, self.encoder)
        text = read_table(paths.corpora, "text", languages=languages)
        text = text.filter(pc.not_equal(text["split"], "adversary"))  # no measure reads it
        self.texts: list[str] = text["text"].to_pylist()
        self.text_inputs = text_inputs(
            self.encoder.tokenizer,
            self.texts,
            max_tokens=self.encoder.card.max_tokens,
            prefix=self.encoder.card.prefix,
        )
        self.word_inputs = self.text_inputs
        """The same texts as token vectors of the leak are of them: see ``token_prefix``."""
        if self.token_prefix != self.encoder.card.prefix:
            self.word_inputs = text_inputs(
                self.encoder.tokenizer, self.texts, max_tokens=self.encoder.card.max_tokens
            )
        self.text_rows = BankRows(
            languages=text["language"].to_pylist(),
            splits=text["split"].to_pylist(),
            lines=text["line"].to_numpy(),
        )
        self.text_hash = sha256_file(paths.corpora / "text.parquet")
        self.task_hash = sha256_file(paths.corpora / f"{task.name}.parquet")
        self.bootstrap = config.evaluate.bootstrap_options
        self.beside_text: list[tuple[str, BankOptions]] = []
        """Hash of the texts and options of further banks that need all language text.

        They are written in the pass that writes :meth:`text_bank`.
        """
        self.lines: dict[str, int] = {}
        """By the hash of an encoder's weights: lines of language text that it reads; else all."""
        self.shared: dict[str, Any] = {}
        """What measures share beside the vectors, by the name that they agree on."""
        self._vectors: tuple[str, np.ndarray] | None = None  # of the encoder used last

    corpus = "text"
    """The name of the language text in the column ``corpus``."""

    # The cache.

    def cached(
        self, kind: str, code: tuple[Any, ...], key: dict[str, Any], compute: Callable[[], Any]
    ) -> Any:
        """A JSON-able value from the cache; it is computed where the cache lacks it.

        So an interrupted stage continues where it was.

        Args:
            kind: of the entry; names its folder.
            code: the classes and functions that compute the value.
            key: options and hashes of the inputs.
            compute: gives the value.
        """
        name = cache_key(kind, code=(Bench, *code), **key)
        return cached_json(self.paths.cache / kind / f"{name}.json", compute)

    @cached_property
    def encoder_key(self) -> dict[str, Any]:
        """Part of every cache key: the options by which texts become vectors."""
        card = self.encoder.card
        return {
            "languages": self.config.corpora.languages,
            "card": [card.prefix, card.max_tokens, card.pooling, card.sha256],
            "token_prefix": self.token_prefix,
            "batch_tokens": self.config.features.batch_tokens,
            "precision": self.precision,
            "seed": self.config.evaluate.seed,
        }

    @property
    def text_key(self) -> dict[str, Any]:
        """Part of the cache key of results on the language text: options and the text's hash.

        The caller adds the hash of the weights.
        """
        bank = asdict(self.text_bank_options)
        return self.encoder_key | {"text": self.text_hash, "bank": bank}

    @cached_property
    def parallel_text(self) -> bool:
        """Are lines of the language text with one number translations of each other?

        Only the card of the corpora says so; numbered paragraphs need not be.
        """
        cure = "run: dvc repro -f corpora"
        card = read_object(self.paths.corpora / "card.json", "corpora", cure=cure)
        notes = card["corpora"]["text"].get("notes", {})
        return str(notes.get("parallel", "no")).startswith("yes")

    @property
    def head_layer(self) -> int:
        """The layer that heads read; 0 are the embeddings."""
        return layer_index(self.encoder.model, self.config.train.feature_layer)

    @property
    def task_key(self) -> dict[str, Any]:
        """As :attr:`text_key`, of results on the task's test text."""
        return self.encoder_key | {"corpus": self.task_hash}

    @property
    def probe(self) -> ProbeOptions:
        """The options of every linear probe."""
        return self.config.evaluate.probe

    @property
    def beyond_probe(self) -> ProbeOptions:
        """The options of the linear probes that other probes are compared with."""
        return self.probe

    @property
    def probe_key(self) -> dict[str, Any]:
        """Part of the cache key of results of a linear probe: its options and the bootstrap's."""
        return {"probe": self.probe.model_dump(), "bootstrap": asdict(self.bootstrap)}

    # The task.

    @property
    def token_prefix(self) -> str:
        """What stands before a text whose token vectors language is read from."""
        return self.encoder.card.prefix if self.config.features.prefix_tokens else ""

    @cached_property
    def test_words(self) -> Inputs:
        """The test texts as token vectors of the leak are of them."""
        card = self.encoder.card
        if self.token_prefix == card.prefix:
            return self.test.inputs
        plain = replace(self.encoder, card=replace(card, prefix=self.token_prefix))
        return self.task.data(self.test_table, plain).inputs

    def unit_columns(self, data: TaskData) -> tuple[np.ndarray, np.ndarray]:
        """The language code and the item of each scored unit, both ``[N]``."""
        if data.unit == "pair":
            return data.languages, data.items
        counts = np.diff(data.inputs.unit_starts)
        return np.repeat(data.languages, counts), np.repeat(data.items, counts)

    def predictions(self, subject: Subject) -> np.ndarray:
        """The classes int64 ``[N]`` that the subject's head predicts for test units, cached."""

        def compute() -> Any:
            return head_classes(subject.model.heads["task"], self.test_vectors(subject)).tolist()

        key = {"checkpoint": subject.checkpoint, "split": "test", **self.task_key}
        return np.asarray(self.cached("predictions", (), key, compute), dtype=np.int64)

    def test_vectors(self, subject: Subject) -> np.ndarray:
        """The vectors of test units that a head reads, float32 ``[N, H]``.

        Those of one encoder stay in memory: the heads of all seeds on a frozen encoder read them,
        and so do erasers.
        """
        if self._vectors is None or self._vectors[0] != subject.state:
            device = next(subject.model.parameters()).device
            tokens = self.config.features.batch_tokens
            rows = encode_features(subject.model, self.test, tokens, device, self.precision)
            self._vectors = (subject.state, rows.vectors)
        return self._vectors[1]

    # Banks.

    def bank(
        self,
        encoder: Any,
        state: str,
        corpus: str,
        inputs: Inputs,
        rows: BankRows,
        options: BankOptions,
        progress: str,
        beside: Sequence[tuple[str, BankOptions]] = (),
        words: Inputs | None = None,
    ) -> Bank:
        """The feature bank of an encoder on some texts.

        Args:
            encoder: the model.
            state: hash of its weights.
            corpus: hash of the texts, and of which rows are taken.
            inputs: the texts, tokenised.
            rows: language, split, line and label of each text.
            options: what the bank holds.
            progress: title of the progress bar.
            beside: hash of the texts and options of banks that may be written in the same pass.
            words: the texts that token vectors are of, tokenised; None: as ``inputs``.
        """
        card = self.encoder.card

        def key(corpus: str, options: BankOptions, token_prefix: str | None = None) -> str:
            return bank_key(
                checkpoint=state,
                corpus=corpus,
                prefix=card.prefix,
                max_tokens=card.max_tokens,
                options=options,
                token_prefix=token_prefix,
            )

        return build_bank(
            encoder,
            int(self.encoder.tokenizer.pad_token_id),
            inputs,
            rows,
            options=options,
            key=key(corpus, options, None if words is None else self.token_prefix),
            root=self.paths.cache / "banks",
            limit_gb=self.limit_gb,
            progress=progress,
            beside={key(*one): one[1] for one in beside},
            words=words,
        )

    def bank_options(self, **values: Any) -> BankOptions:
        """Options of a bank with the pooling, seed and batches that all banks here have."""
        return BankOptions.of(
            self.config.features,
            pooling=self.encoder.card.pooling,
            seed=self.config.evaluate.seed,
            precision=self.precision,
            **values,
        )

    @property
    def text_bank_options(self) -> BankOptions:
        """What the bank of the language text holds."""
        return self.bank_options()

    def sampled(self, state: str, options: BankOptions) -> BankOptions:
        """The options with the lines that the encoder of this state reads."""
        return replace(options, lines=self.lines.get(state))

    def text_bank(
        self, encoder: Any, state: str, title: str, *, beside: str | None = None
    ) -> Bank:
        """The bank of the language text, which all measures on it share.

        Its sentence vectors are of texts behind the encoder's prefix, its token vectors of texts
        behind :attr:`token_prefix`.

        ``beside``: hash of the weights of the encoder that it is compared with, line by line.
        """
        sampled = state if beside is None else beside
        beside_text = list(self.beside_text)
        if self.word_inputs is not self.text_inputs:  # head_text_bank, in the pass of the texts
            at_head = replace(self.text_bank_options, layers=(self.head_layer,))
            beside_text.append((self.text_hash, at_head))
        return self.bank(
            encoder,
            state,
            self.text_hash,
            self.text_inputs,
            self.text_rows,
            self.sampled(sampled, self.text_bank_options),
            f"encode text: {title}",
            [(corpus, self.sampled(sampled, options)) for corpus, options in beside_text],
            words=self.word_inputs,
        )

    def head_text_bank(self, encoder: Any, state: str, title: str, layer: int) -> Bank:
        """The bank of the language text at one layer, words as a head reads them: with the prefix.

        It is :meth:`text_bank` where that has no other words.
        """
        if self.word_inputs is self.text_inputs:
            return self.text_bank(encoder, state, title)
        options = self.sampled(state, replace(self.text_bank_options, layers=(layer,)))
        given = (self.text_hash, self.text_inputs, self.text_rows, options)
        return self.bank(encoder, state, *given, f"encode text: {title}")
