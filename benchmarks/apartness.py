"""Does the apartness of languages depend on how many texts are read?

    python benchmarks/apartness.py --text FOLDER     # a folder of parallel text, a file a language

Encodes the test lines of an audit of 2,000 texts a language once, then measures disjoint parts of
them, as large as the test part of 200, 500, 1,000 and 2,000 texts. Prints a Markdown table:
the mean apartness by the ten nearest of all texts, by a share of the texts, and in samples of a
fixed size, as ``langspec audit`` measures it; and the verdicts. docs/audit.md holds a run.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from functools import cached_property
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import click
import numpy as np
import torch

from langspec.audit.audited_encoder import load_subject
from langspec.audit.options import NEIGHBOURS_BOOTSTRAP, EncoderChoice
from langspec.audit.text_folder import read_texts
from langspec.compute import resolve_precision
from langspec.encoders.inputs import text_inputs
from langspec.features.bank import Bank, BankOptions, BankRows, Units
from langspec.features.encode import build_bank
from langspec.measurement.mixing import APART, MIXED, UNDECIDED, mixing, sampled
from langspec.measurement.neighbourhoods import Shares, around, chance_shares, line_weights

SIZES = (200, 500, 1000, 2000)
TESTED = 0.3  # share of the texts in the test part
MOST = 6  # parts of a size


class Part(Bank):
    """A bank of which some lines are of split test, the others of none."""

    lines: np.ndarray = np.zeros(0, int)

    @cached_property
    def sentence_meta(self) -> Units:
        """The columns of the bank with another split."""
        units = super().sentence_meta
        return replace(units, split=np.where(np.isin(units.line, self.lines), 0, -1))


def part(bank: Bank, lines: np.ndarray) -> Part:
    """The bank with the test split reduced to some lines."""
    one = Part(bank.folder, bank.meta)
    object.__setattr__(one, "lines", lines)
    return one


def apartness(bank: Bank, layer: int, share: float | None) -> np.ndarray:
    """Apartness ``[K]`` by a share of the texts of a language; None: by the ten nearest."""
    vectors, language, line = sampled(bank, layer, "test", 10_000, 0)
    count = len(bank.languages)
    if share is None:  # equal numbers of texts: ten of them are this share
        share = 10 / np.bincount(language).max()
    sums = Shares(language, line, count, share, line_weights(language, line, None))
    for block in around(vectors, torch.from_numpy(line), sums.most):
        sums.add(block)
    own, chance = (
        np.diagonal(t) for t in (sums.shares()[0], chance_shares(language, line, count))
    )
    return np.asarray((own - chance) / (1 - chance))


def encoded(text: Path, encoder: str, layers: str, root: Path) -> Bank:
    """The test lines of an audit of the text."""
    read = read_texts(text, parallel=True, max_texts=max(SIZES), seed=0, near=0.8, place="--text")
    rows = [i for i, split in enumerate(read.splits) if split == "test"]
    subject = load_subject(EncoderChoice(encoder), layers=layers, max_tokens=None)
    card = subject.encoder.card
    inputs = text_inputs(
        subject.encoder.tokenizer,
        [read.texts[i] for i in rows],
        max_tokens=card.max_tokens,
        prefix=card.prefix,
    )
    options = BankOptions(
        max_tokens_per_language=0,
        max_sentences_per_language=None,
        pooling=card.pooling,
        seed=0,
        precision=resolve_precision("auto", "cpu"),
        tokens_per_batch=2048,
        layers=subject.layers,
    )
    of_rows = BankRows([read.languages[i] for i in rows], ["test"] * len(rows), read.lines[rows])
    pad = int(subject.encoder.tokenizer.pad_token_id)
    return build_bank(
        subject.encoder.model, pad, inputs, of_rows, options=options, key="apartness", root=root
    )


@click.command()
@click.option("--text", type=click.Path(path_type=Path), required=True)
@click.option("--encoder", default="e5", show_default=True)
@click.option("--layers", default="0,6,12", show_default=True)
@click.option("--banks", type=click.Path(path_type=Path), help="Where vectors are kept.")
def main(text: Path, encoder: str, layers: str, banks: Path | None) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as scratch:
        bank = encoded(text, encoder, layers, banks or Path(scratch))
        lines = np.unique(bank.sentence_meta.line)
        shuffled = np.random.default_rng(0).permutation(lines)
        print(
            "| layer | texts | parts | ten of all | a tenth | in samples | interval | "
            "kept apart | mixed | undecided | CPU s |\n" + "| --- " * 11 + "|"
        )
        for layer in bank.layers:
            for size in SIZES:
                one = min(round(TESTED * size), len(lines))
                parts = [
                    part(bank, shuffled[i * one : (i + 1) * one])
                    for i in range(min(MOST, len(lines) // one))
                ]
                ten = np.mean([apartness(each, layer, None).mean() for each in parts])
                tenth = np.mean([apartness(each, layer, 0.1).mean() for each in parts])
                began = time.process_time()
                found = [
                    mixing(each, layer, "test", bootstrap=NEIGHBOURS_BOOTSTRAP) for each in parts
                ]
                took = (time.process_time() - began) / len(parts)
                width = np.mean([i.high - i.low for m in found for i in m.apart_intervals]) / 2
                counts = [
                    np.mean([m.verdicts.count(said) for m in found])
                    for said in (APART, MIXED, UNDECIDED)
                ]
                print(
                    f"| {layer} | {size:,} | {len(parts)} | {ten:.3f} | {tenth:.3f} | "
                    f"{np.mean([m.apartness.mean() for m in found]):.3f} | ± {width:.3f} | "
                    f"{' | '.join(f'{n:.1f}' for n in counts)} | {took:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
