"""The leak of words by layer and by how many words of a language the probe was trained on.

    python benchmarks/leak_sizes.py --preset e5 --root DIR
    python benchmarks/leak_sizes.py --preset e5 --root DIR --prefix
    python benchmarks/leak_sizes.py --preset e5 --root DIR --pieces all

The starting encoder reads the language text of a prepared project, behind its prefix or without
it. The samples are nested, and each has a C path of its own on the same dev words. `--pieces` says
what stands for words: `first`, the first piece with content, as everywhere in langspec; `last`,
the last piece; `content`, every piece with content; `all`, every piece but special ones. With the
last two, words of many pieces count more often. `--bank` reads the words of a folder below
`.langspec/banks` that stage `evaluate` wrote, of the encoder and the texts that it is of, and
encodes nothing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from contest import configuration, parser_of
from machine import said

LAYERS = (0, 6, 12)
PIECES = ("first", "last", "content", "all")
SIZES = (50, 200, 400, 790, 1600, 3200)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=LAYERS)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="words of a language")
    parser.add_argument("--prefix", action="store_true", help="behind the encoder's prefix")
    parser.add_argument("--pieces", choices=PIECES, default="first")
    parser.add_argument("--bank", type=Path, help="vectors to read, instead of encoding")
    given = parser.parse_args(arguments)
    print("| layer | training words | accuracy | macro-F1 | C | converged | CPU s |")
    print("|---|---|---|---|---|---|---|")
    for row in _measured(given):
        print("| " + " | ".join(map(str, row)) + " |", flush=True)
    print("\n" + said("Compare scores with other machines, not the seconds"))


def _of_pieces(inputs: Any, tokenizer: Any, pieces: str) -> Any:
    """The same rows with other pieces as units."""
    import numpy as np

    if pieces == "first":
        return inputs
    columns = np.arange(len(inputs.ids)) - np.repeat(inputs.starts[:-1], inputs.lengths)
    row = np.repeat(np.arange(len(inputs)), inputs.lengths)
    chosen = ~np.isin(inputs.ids, tokenizer.all_special_ids)
    if pieces == "content":
        from langspec.encoders.inputs import content_pieces

        chosen = content_pieces(tokenizer)[inputs.ids]
    if pieces == "last":  # of a word: the piece before the next word's first, or before the end
        of_row = np.repeat(np.arange(len(inputs)), np.diff(inputs.unit_starts))
        first = np.zeros(len(inputs.ids) + 1, dtype=bool)
        first[inputs.starts[of_row] + inputs.units] = True
        ends = np.append(~chosen, True)
        started = np.zeros(len(inputs.ids), dtype=bool)
        for begin, end in zip(inputs.starts, inputs.starts[1:], strict=False):
            started[begin:end] = np.cumsum(first[begin:end]) > 0
        chosen &= started & (first | ends)[1:]
    counts = np.bincount(row[chosen], minlength=len(inputs))
    starts = np.concatenate([[0], np.cumsum(counts)])
    units = columns[chosen].astype(np.int32)
    return replace(inputs, units=units, unit_starts=starts, unit_words=units)


def _measured(given: Any) -> Any:
    config = configuration(given)
    import torch

    from langspec.features.bank import open_bank

    torch.set_num_threads(1)
    if given.bank is None:
        with tempfile.TemporaryDirectory() as folder:
            yield from _fits(given, config, _encoded(given, config, Path(folder)))
        return
    bank = open_bank(given.bank.parent, given.bank.name)
    if bank is None:
        raise SystemExit(f"{given.bank} is no whole feature bank")
    yield from _fits(given, config, bank)


def _encoded(given: Any, config: Any, folder: Path) -> Any:
    """The bank of the starting encoder, written below a folder."""
    import pyarrow.compute as pc

    from langspec.corpora.tables import read_table
    from langspec.encoders.inputs import text_inputs
    from langspec.encoders.load import load_encoder
    from langspec.features.bank import BankOptions, BankRows
    from langspec.features.encode import build_bank
    from langspec.paths import paths_of

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
    inputs = _of_pieces(inputs, encoder.tokenizer, given.pieces)
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
    return build_bank(encoder.model, pad, inputs, rows, options=options, key="sizes", root=folder)


def _fits(given: Any, config: Any, bank: Any) -> Iterator[tuple[Any, ...]]:
    """A row for each layer and size."""
    import numpy as np

    from langspec.measurement.leak import split_rows
    from langspec.measurement.leak_curve import nested_rows
    from langspec.measurement.probe import fit_probe
    from langspec.measurement.scores import accuracy, macro_f1

    units = bank.token_meta
    part, label = split_rows(bank, units, "token"), units.language.astype(np.int64)
    dev, test, classes = part["dev"], part["test"], len(bank.languages)
    most = int(np.bincount(label[part["train"]]).max())
    for layer in given.layers:
        vectors = bank.tokens(layer)
        for size in given.sizes:
            train = nested_rows(units, part["train"], bank.languages, size / most)
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
