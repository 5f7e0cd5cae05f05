"""What bf16 encoding does to every measure, beside fp32: one encoder, the same texts.

    python benchmarks/precision.py
    python benchmarks/precision.py --preset e5 --root DIR

The leak at each layer (macro-F1 of the linear probe, words and texts), retrieval of translations
at each layer, and the accuracy of a linear head on words of the task's test rows (fitted in each
precision on the source's train rows). Where the processor multiplies no bf16 in hardware, PyTorch
emulates it: slow, with the same roundings.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contest import configuration, parser_of
from machine import said

PRECISIONS = ("fp32", "bf16")
MEASURES = ("leak", "retrieval", "accuracy")
LIMIT = 0.002
"""The largest difference with which ``auto`` may encode in bf16."""


class Sides:
    """The encoder and the texts of a project, measured in one precision after the other."""

    def __init__(self, given: Any) -> None:
        self.config = config = configuration(given, given.set)
        import torch

        from langspec.corpora.tables import read_table
        from langspec.encoders.inputs import text_inputs
        from langspec.encoders.load import load_encoder
        from langspec.features.bank import BankRows
        from langspec.paths import paths_of
        from langspec.tasks import get_task

        torch.set_num_threads(1)
        paths = paths_of(config, given.root)
        self.encoder, self.task = load_encoder(paths.encoder), get_task("pos")
        text = read_table(paths.corpora, "text", languages=config.corpora.languages)
        card = self.encoder.card
        self.inputs = text_inputs(
            self.encoder.tokenizer,
            text["text"].to_pylist(),
            max_tokens=card.max_tokens,
            prefix=card.prefix,
        )
        languages, splits = text["language"].to_pylist(), text["split"].to_pylist()
        self.rows = BankRows(languages, splits, text["line"].to_numpy())
        source = [config.corpora.source]
        train = self.task.rows(paths.corpora, "train", source)[: given.rows]
        self.train = self.task.data(train, self.encoder)
        dev = self.task.rows(paths.corpora, "dev", source)[: given.rows]
        self.dev = self.task.data(dev, self.encoder)
        test = self.task.rows(paths.corpora, "test", config.corpora.languages)
        self.test = self.task.data(test, self.encoder)

    def measure(self, precision: str, measures: Sequence[str]) -> dict[tuple[str, int], float]:
        """Scores by measure and layer (-1: none)."""
        from langspec.features.bank import BankOptions
        from langspec.features.encode import build_bank
        from langspec.measurement.alignment import retrieval
        from langspec.measurement.bootstrap import BootstrapOptions
        from langspec.measurement.leak import language_leak
        from langspec.measurement.rows import Origin

        config = self.config
        pooling, seed = self.encoder.card.pooling, config.evaluate.seed
        options = BankOptions.of(config.features, pooling=pooling, seed=seed, precision=precision)
        origin, once = (
            Origin("", "", 0, "text", "test", "leak"),
            BootstrapOptions(resamples=2, seed=seed),
        )
        with tempfile.TemporaryDirectory() as folder:
            bank = build_bank(
                self.encoder.model,
                int(self.encoder.tokenizer.pad_token_id),
                self.inputs,
                self.rows,
                options=options,
                key="benchmark",
                root=Path(folder),
            )
            probe = config.evaluate.probe
            rows = language_leak(bank, origin, probe, once) if "leak" in measures else []
            most = config.evaluate.geometry.candidates
            language, seed = config.corpora.source, config.evaluate.seed
            found = (
                retrieval(bank, origin, language, once, candidates=most, seed=seed)
                if "retrieval" in measures
                else []
            )
        scores = {
            (f"leak of {row.unit}s", row.layer): row.value
            for row in rows
            if row.metric == "macro_f1" and row.probe == "linear" and row.language == "all"
        }
        scores |= {
            ("retrieval", row.layer): row.value
            for row in found
            if row.metric == "retrieval" and row.language == "mean_targets" and row.layer >= 0
        }
        if "accuracy" in measures:
            scores["accuracy of a linear head, pos", -1] = self._accuracy(precision)
        return scores

    def _accuracy(self, precision: str) -> float:
        """Over the words of all languages."""
        from langspec.measurement.probe import fit_probe
        from langspec.modelling.saved import build_model
        from langspec.training.scoring import encode_features

        model = build_model(self.encoder, self.task, feature_layer=-1, dropout=0.0, init=0.02)
        tokens = self.config.features.batch_tokens
        train, dev, test = (
            encode_features(model, data, tokens, "cpu", precision)
            for data in (self.train, self.dev, self.test)
        )
        classes = len(self.task.labels)
        options = self.config.evaluate.probe
        probe = fit_probe(train.vectors, train.labels, dev.vectors, dev.labels, classes, options)
        return float((probe.predict(test.vectors) == test.labels).mean())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--rows", type=int, default=500, help="of the task, to fit a head on")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="of params.yaml")
    parser.add_argument("--measures", nargs="+", choices=MEASURES, default=MEASURES)
    given = parser.parse_args(arguments)
    sides, found, took = Sides(given), {}, {}
    for precision in PRECISIONS:
        began = time.process_time()
        found[precision] = sides.measure(precision, given.measures)
        took[precision] = time.process_time() - began
    single, half = (found[precision] for precision in PRECISIONS)
    print("| measure | layer | fp32 | bf16 | difference |\n|---|---|---|---|---|")
    worst: dict[str, float] = {}
    for (name, layer), value in single.items():
        other = half[name, layer]
        worst[name] = max(worst.get(name, 0.0), abs(other - value))
        where = "" if layer == -1 else layer
        print(f"| {name} | {where} | {value:.4f} | {other:.4f} | {other - value:+.4f} |")
    for name, value in worst.items():
        print(f"{name}: {value:.4f} at most", "" if value <= LIMIT else f"(above {LIMIT})")
    print("CPU s, measuring included:", {name: round(value) for name, value in took.items()})
    print("\n" + said("Compare differences with other machines, not the seconds"))


if __name__ == "__main__":
    main()
