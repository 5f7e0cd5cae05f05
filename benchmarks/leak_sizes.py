"""The leak of words by layer and by how many words of a language the probe was trained on.

    python benchmarks/leak_sizes.py --preset e5 --root DIR
    python benchmarks/leak_sizes.py --preset e5 --root DIR --prefix

The starting encoder reads the language text of a prepared project, behind its prefix or without
it. The samples are nested, and each has a C path of its own on the same dev words.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contest import configuration, parser_of
from machine import said

LAYERS = (0, 6, 12)
SIZES = (50, 200, 400, 790, 1600, 3200)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=LAYERS)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="words of a language")
    parser.add_argument("--prefix", action="store_true", help="behind the encoder's prefix")
    given = parser.parse_args(arguments)
    print("| layer | training words | accuracy | macro-F1 | C | converged | CPU s |")
    print("|---|---|---|---|---|---|---|")
    for row in _measured(given):
        print("| " + " | ".join(map(str, row)) + " |", flush=True)
    print("\n" + said("Compare scores with other machines, not the seconds"))


def _measured(given: Any) -> Any:
    config = configuration(given)
    import numpy as np
    import pyarrow.compute as pc
    import torch

    from langspec.corpora.tables import read_table
    from langspec.encoders.inputs import text_inputs
    from langspec.encoders.load import load_encoder
    from langspec.features.bank import BankOptions, BankRows
    from langspec.features.encode import build_bank
    from langspec.measurement.leak import split_rows
    from langspec.measurement.leak_curve import nested_rows
    from langspec.measurement.probe import fit_probe
    from langspec.measurement.scores import accuracy, macro_f1
    from langspec.paths import paths_of

    torch.set_num_threads(1)
    paths = paths_of(config, given.root)
    encoder = load_encoder(paths.encoder)
    text = read_table(paths.corpora, "text", languages=config.corpora.languages)
    text = text.filter(pc.not_equal(text["split"], "adversary"))
    inputs = text_inputs(
        encoder.tokenizer,
        text["text"].to_pylist(),
        max_tokens=encoder.card.max_tokens,
        prefix=encoder.card.prefix if given.prefix else "",
    )
    limits = {**config.features.tokens.model_dump(), "train": max(given.sizes)}
    options = BankOptions.of(
        config.features,
        pooling=encoder.card.pooling,
        seed=config.evaluate.seed,
        precision="fp32",
        max_tokens_per_language=limits,
        max_sentences_per_language=0,
        layers=tuple(given.layers),
    )
    rows = BankRows(
        text["language"].to_pylist(), text["split"].to_pylist(), text["line"].to_numpy()
    )
    pad = int(encoder.tokenizer.pad_token_id)
    with tempfile.TemporaryDirectory() as folder:
        bank = build_bank(
            encoder.model, pad, inputs, rows, options=options, key="sizes", root=Path(folder)
        )
        units = bank.token_meta
        part, label = split_rows(bank, units, "token"), units.language.astype(np.int64)
        dev, test, classes = part["dev"], part["test"], len(bank.languages)
        for layer in bank.layers:
            vectors = bank.tokens(layer)
            for size in given.sizes:
                train = nested_rows(units, part["train"], bank.languages, size / max(given.sizes))
                began = time.process_time()
                probe = fit_probe(
                    vectors[train],
                    label[train],
                    vectors[dev],
                    label[dev],
                    classes,
                    config.evaluate.probe,
                )
                took = time.process_time() - began
                predicted = probe.predict(vectors[test])
                yield (
                    layer,
                    f"{len(train):,}",
                    f"{accuracy(label[test], predicted):.3f}",
                    f"{macro_f1(label[test], predicted, classes):.3f}",
                    f"{probe.chosen_c:g}",
                    "yes" if probe.converged else "no",
                    f"{took:.1f}",
                )


if __name__ == "__main__":
    main()
