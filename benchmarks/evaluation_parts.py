"""What each measure of one trained checkpoint costs, with the encoding that it asked for.

    python benchmarks/evaluation_parts.py --preset study --root DIR --method finetune

DIR is a project of this preset in which stages `corpora`, `encoder` and `train` ran. Its cache is
read and written: what is in DIR/.langspec costs nothing. CPU seconds are of one process with one
thread. Encoding is counted apart: the passes that write banks, and the vectors of test texts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from contest import configuration, parser_of
from machine import said


class Clock:
    """CPU seconds of functions that it stands around."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def timed(*values: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return function(*values, **named)
            finally:
                self.seconds += time.process_time() - began

        return timed


def measured(config: Any, given: Any) -> Iterator[tuple[str, float, float]]:
    """Each measure with its CPU seconds: without encoding, and of encoding."""
    import torch

    from langspec.evaluation import bench as benches
    from langspec.evaluation.runner import trained_subject
    from langspec.evaluation.work import TrainedRun
    from langspec.features import encode
    from langspec.measures.base import Findings
    from langspec.measures.discovery import measures
    from langspec.paths import paths_of
    from langspec.tasks import get_task

    torch.set_num_threads(1)
    encoding = Clock()
    encode._write_banks = encoding.around(encode._write_banks)  # type: ignore[assignment]
    benches.encode_features = encoding.around(benches.encode_features)  # type: ignore[assignment]
    paths = paths_of(config, given.root.absolute())
    bench = benches.Bench(config, paths, get_task(given.task, paths.corpora), 1e9)
    folder = paths.train(given.task, given.method) / f"seed-{given.seed}"
    run = TrainedRun(given.method, given.seed, folder)
    subject, findings = trained_subject(bench, run, torch.device("cpu")), Findings()
    for measure in [one(bench) for one in measures()]:
        if measure.applies(subject):
            before, began = encoding.seconds, time.process_time()
            measure.measure(subject, findings)
            of_encoding = encoding.seconds - before
            yield measure.name, time.process_time() - began - of_encoding, of_encoding


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--method", default="finetune")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    print("| measure | CPU s | encoding for it, CPU s |\n|---|---|---|")
    total, passes = 0.0, 0.0
    for name, seconds, of_encoding in measured(configuration(given), given):
        print(f"| `{name}` | {seconds:.1f} | {of_encoding:.1f} |", flush=True)
        total, passes = total + seconds, passes + of_encoding
    print(f"| all | {total:.1f} | {passes:.1f} |\n\n{said()}")


if __name__ == "__main__":
    main()
