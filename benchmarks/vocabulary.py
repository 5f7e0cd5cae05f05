"""What ``compute.trim_vocabulary`` saves: parameters, bytes, time, and that nothing else changes.

    python benchmarks/vocabulary.py
    python benchmarks/vocabulary.py --preset e5 --root DIR

First what a training of ``--method`` reads (:class:`langspec.training.experiment.Workbench`), and
hidden states of its dev rows by the trimmed encoder against the whole one. Then fine-tuning steps
of both on the same rows, taking turns, a process each, with its peak memory: the encoder is loaded
whole first in either, so what is saved shows once it is copied.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from typing import Any

from contest import configuration, contest, parser_of, table
from machine import said
from training import ours


def counted(given: Namespace) -> dict[str, Any]:
    """Pieces, parameters and bytes before and after, and the largest difference of states."""
    config = configuration(given, ("compute.trim_vocabulary=true",))
    import numpy as np
    import torch

    from langspec.encoders.forward import hidden_states
    from langspec.encoders.load import load_encoder
    from langspec.paths import paths_of
    from langspec.training.experiment import Workbench

    paths = paths_of(config, given.root)
    bench = Workbench(config, given.task, paths.corpora, paths.encoder)
    experiment = bench.experiment(config, given.method, 1)
    trimmed = experiment.encoder.model.eval()
    whole = load_encoder(paths.encoder).model.eval()
    data = bench.source_rows(config.corpora.source, experiment.rule.source_split)
    rows = np.random.default_rng(0).permutation(len(data))[: given.compared]
    apart, equal = 0.0, True
    with torch.inference_mode():
        for start in range(0, len(rows), 8):
            batch = data.batch(rows[start : start + 8])
            both = (hidden_states(model, batch) for model in (whole, trimmed))
            for a, b in zip(*both, strict=True):
                apart = max(apart, float((a - b).abs().max()))
                equal = equal and torch.equal(a, b)

    def size(model: Any) -> dict[str, int]:
        own = list(model.parameters())
        return {
            "pieces": len(model.get_input_embeddings().weight),
            "parameters": sum(each.numel() for each in own),
            "bytes": sum(each.numel() * each.element_size() for each in own),
        }

    return {
        "whole": size(whole), "trimmed": size(trimmed),
        "rows": len(rows), "apart": apart, "equal": equal,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--method", default="finetune", help="whose rows are counted")
    parser.add_argument("--compared", type=int, default=64, help="dev rows whose states are")
    parser.add_argument("--rows", type=int, default=60, help="rows a turn of fine-tuning")
    given = parser.parse_args(arguments)
    found = counted(given)
    print("| encoder | pieces | parameters | MB |\n|---|---|---|---|")
    for name in ("whole", "trimmed"):
        size = found[name]
        print(
            f"| {name} | {size['pieces']:,} | {size['parameters'] / 1e6:.2f} M | "
            f"{size['bytes'] / 1e6:.1f} |"
        )
    same = "equal bit for bit" if found["equal"] else f"up to {found['apart']:.2g} apart"
    print(f"\nHidden states of {found['rows']} dev rows, all layers: {same}.\n")
    steps = Namespace(**vars(given), seed=1, epochs=1, freeze=True, batch_tokens=None)
    rows = contest({"whole": ours, "trimmed": partial(ours, trim=True)}, steps)
    print(table(rows, "trimmed", {}))
    print("\n" + said("Compare pieces, parameters and MB with other machines, not the times"))


if __name__ == "__main__":
    main()
