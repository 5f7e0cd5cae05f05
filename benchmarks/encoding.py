"""Encoding text: bf16 and fp32, sorted and unsorted batches, CPU seconds.

    python benchmarks/encoding.py --preset e5 --root DIR

``langspec`` is what fills a feature bank: batches of a token budget, sorted by length, in the
precision that ``compute.precision`` gives here. Beside it, in equal batches: ``bf16 weights``
(linear weights cast once, residual sums and layer norms in fp32), ``bf16 autocast`` (weights cast
in every batch), ``bf16 whole`` (every weight and state in bf16) and ``fp32``. ``fp32 sorted`` is
32 rows a batch after sorting, ``fp32 unsorted`` 32 rows as they come, both padded to their
longest. ``--budgets 1024 8192`` adds langspec with other token budgets than the preset's: where a
batch no longer fits the processor's cache. ``--profile`` prints where langspec's time goes.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from contest import chosen, configuration, contest, parser_of, table
from machine import said

ROWS = 32
NOT_COMPARABLE = (
    "Compare ratios of fp32 rows with any machine, ratios of bf16 rows with machines that "
    "multiply bf16 alike"
)
HALF = ("bf16 weights", "bf16 autocast", "bf16 whole")
ASKED = {"fp32 sorted": 3.5, "fp32 unsorted": 7.0}


def abilities() -> str:
    """What this processor multiplies in hardware, as PyTorch may use it in this process."""
    import torch

    named = {
        "AVX512-BF16": torch.cpu._is_avx512_bf16_supported(),
        "AMX": torch.cpu._is_amx_tile_supported(),
    }
    able = [name for name, has in named.items() if has]
    kernels = torch.backends.cpu.get_cpu_capability()
    return f"kernels: {kernels}; in hardware: {', '.join(able) or 'no bf16'}"


def _model_of(encoder: Any, how: str, precision: str) -> tuple[Any, Callable[[], Any]]:
    """The model, and the context that a batch runs in."""
    import copy

    import torch

    from langspec.encoders.inference import casts, encoding_model

    if how == "bf16 autocast":
        return encoder, partial(casts, "cpu", "bf16")
    if how == "bf16 whole":
        return copy.deepcopy(encoder).to(torch.bfloat16), nullcontext
    used = {"bf16 weights": "bf16", "langspec": precision}.get(how, "fp32")
    return encoding_model(encoder, used), partial(casts, "cpu", used)


def encodes(given: Namespace, how: str, budget: int | None = None) -> Iterator[dict[str, float]]:
    """Each turn: all rows, once."""
    config = configuration(given)
    import numpy as np
    import torch

    from langspec.compute import resolve_precision
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
    precision = resolve_precision(config.compute.precision, "cpu")
    model, context = _model_of(encoder.model.eval(), how, precision)
    if how in ("fp32 sorted", "fp32 unsorted"):
        rows = np.arange(len(data))
        rows = rows[np.argsort(data.lengths, kind="stable")] if how == "fp32 sorted" else rows
        batches = [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
    else:
        batches = length_batches(data.lengths, budget or config.features.batch_tokens)
    yield {}
    while True:
        with torch.inference_mode(), context():
            for rows in batches:
                hidden_states(model, data.batch(rows), -1)
        yield {"tokens": int(data.lengths.sum())}


def profile(given: Namespace) -> str:
    """Where the processor's time goes in one turn of ``langspec``."""
    import torch

    turns = encodes(given, "langspec")
    next(turns)
    next(turns)  # the first one allocates
    with torch.profiler.profile() as recorded:
        next(turns)
    columns = {"sort_by": "self_cpu_time_total", "row_limit": 10, "max_name_column_width": 50}
    return str(recorded.key_averages().table(**columns))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--rows", type=int, default=300, help="rows, of all languages")
    parser.add_argument("--only", nargs="+", help="those whose name begins with one of these")
    parser.add_argument("--budgets", nargs="+", type=int, default=[], help="tokens of a batch")
    parser.add_argument("--profile", action="store_true", help="of langspec alone")
    given = parser.parse_args(arguments)
    config = configuration(given)  # sets the kernels of this process, too
    from langspec.compute import cpu_has_fast_bf16, resolve_precision

    precision = resolve_precision(config.compute.precision, "cpu")
    print(f"{abilities()}; langspec encodes in {precision} here")
    if given.profile:
        print(profile(given))
        return
    half = HALF if cpu_has_fast_bf16() else ()
    if not half:
        print("bf16 would be emulated here (or compute.portable hides it): it is left out.")
    names = ("langspec", *half, "fp32", "fp32 sorted", "fp32 unsorted")
    contestants: dict[str, Any] = {name: partial(encodes, how=name) for name in names}
    for budget in given.budgets:
        contestants[f"budget {budget}"] = partial(encodes, how="langspec", budget=budget)
    rows = contest(chosen(contestants, given.only), given)
    asked = ASKED if half else {"fp32 sorted": 1.0, "fp32 unsorted": 2.0}
    print(table(rows, "langspec", asked) + "\n\n" + said(NOT_COMPARABLE))


if __name__ == "__main__":
    main()
