"""Encoding text: features in length-sorted batches against padded batches, CPU seconds.

    python benchmarks/encoding.py --preset e5 --root DIR

``langspec`` is what fills a feature bank (token budget, sorted by length); ``sorted`` is 32 rows
a batch after sorting, ``unsorted`` 32 rows as they come, both padded to their longest, in fp32.
``--budgets 1024 8192`` adds langspec with other token budgets than the preset's: where a batch no
longer fits the processor's cache.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from contest import chosen, configuration, contest, parser_of, table

ROWS = 32


def encodes(given: Namespace, how: str, budget: int | None = None) -> Iterator[dict[str, float]]:
    """Each turn: all rows, once."""
    config = configuration(given)
    import numpy as np
    import torch

    from langspec.encoders.forward import hidden_states
    from langspec.encoders.inputs import length_batches
    from langspec.encoders.load import load_encoder
    from langspec.paths import paths_of
    from langspec.tasks import get_task

    torch.set_num_threads(1)
    paths = paths_of(config, given.root)
    task, encoder = get_task(given.task), load_encoder(paths.encoder)
    rows_of_all = task.rows(paths.corpora, "dev", config.corpora.languages)
    order = np.random.default_rng(0).permutation(len(rows_of_all))[: given.rows]
    data = task.data(rows_of_all.take(order), encoder)
    model = encoder.model.eval()
    if how == "langspec":
        batches = length_batches(data.lengths, budget or config.features.batch_tokens)
    else:
        rows = np.arange(len(data))
        rows = rows[np.argsort(data.lengths, kind="stable")] if how == "sorted" else rows
        batches = [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
    yield {}
    while True:
        with torch.inference_mode():
            for rows in batches:
                hidden_states(model, data.batch(rows), -1)
        yield {"tokens": int(data.lengths.sum())}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--rows", type=int, default=300, help="rows, of all languages")
    parser.add_argument("--only", nargs="+", help="those whose name begins with one of these")
    parser.add_argument("--budgets", nargs="+", type=int, default=[], help="tokens of a batch")
    given = parser.parse_args(arguments)
    names = ("langspec", "sorted", "unsorted")
    contestants: dict[str, Any] = {name: partial(encodes, how=name) for name in names}
    for budget in given.budgets:
        contestants[f"budget {budget}"] = partial(encodes, how="langspec", budget=budget)
    rows = contest(chosen(contestants, given.only), given)
    print(table(rows, "langspec", {"unsorted": 2, "sorted": 1.3}))


if __name__ == "__main__":
    main()
