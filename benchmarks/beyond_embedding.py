"""The bits that layers of an encoder add to its embeddings, and what measuring them costs.

    python benchmarks/beyond_embedding.py --text DIR --layers 6 12

Reads 200 lines of every file of DIR, half of them to train on, at most ``--tokens`` words of a
language. ``CPU s`` counts all probes of a unit, without encoding.
"""

from __future__ import annotations

import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path

LINES = 200


def main() -> None:
    """Print the table."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="e5")
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--layers", type=int, nargs="+", default=[6, -1])
    parser.add_argument("--tokens", type=int, default=800)
    asked = parser.parse_args()
    import numpy as np
    import torch

    import langspec
    from langspec.corpora.splits import line_splits
    from langspec.encoders.inputs import text_inputs
    from langspec.features.bank import BankOptions, BankRows
    from langspec.features.encode import build_bank
    from langspec.measurement.bootstrap import BootstrapOptions
    from langspec.measurement.conditional import conditional_information
    from langspec.measurement.rows import Origin
    from langspec.presets import load_preset

    torch.set_num_threads(1)
    encoder = langspec.load_encoder(asked.encoder)
    texts, codes = [], []
    for file in sorted(asked.text.glob("*.txt")):
        texts += file.read_text(encoding="utf-8").splitlines()[:LINES]
        codes += [file.stem] * LINES
    split = line_splits(LINES, (0.5, 0.2, 0.3), seed=7)
    lines = np.tile(np.arange(LINES), len(codes) // LINES)
    with tempfile.TemporaryDirectory() as folder:
        bank = build_bank(
            encoder.model,
            int(encoder.tokenizer.pad_token_id),
            text_inputs(encoder.tokenizer, texts, max_tokens=128, prefix=""),
            BankRows(codes, [split[line] for line in lines], lines),
            options=BankOptions(
                max_tokens_per_language={"train": asked.tokens, "dev": 300, "test": 500},
                max_sentences_per_language=None,
                pooling="mean",
                seed=0,
                precision="fp32",
                tokens_per_batch=1024,
            ),
            key="bank",
            root=Path(folder),
        )
        print("| unit | trained on | layer | bits of layer 0 | bits added | 95 % | CPU s |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        probe = load_preset("e5", []).evaluate.probe
        for unit in ("token", "sentence"):
            begin = time.process_time()
            rows = conditional_information(
                bank, Origin("", "", 0, "text", "test", ""), asked.layers, probe,
                BootstrapOptions(1000, 0), units=(unit,),
            )  # fmt: skip
            spent = time.process_time() - begin
            bits = [row for row in rows if row.metric == "bits"]
            base = next(row for row in bits if row.probe == "embeddings")
            for row in bits:
                if row.probe == "added":
                    print(
                        f"| {unit} | {row.train_n:,} | {row.layer} | {base.value:.3f} | "
                        f"{row.value:.3f} | {row.low:.3f} to {row.high:.3f} | {spent:.1f} |"
                    )


if __name__ == "__main__":
    main()
