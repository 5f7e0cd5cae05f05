"""What logging costs beside training steps: CPU seconds in the tracker over those in the steps.

Real matrix products stand for steps of a given length; a fresh sqlite store takes what they log:

    python benchmarks/tracking.py --seconds 60
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from told import Rows

os.environ.setdefault("OMP_NUM_THREADS", "1")

LARGEST = 2.0
"""Per cent that logging may add."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if logging costs more than it may."""
    import numpy as np

    from langspec.tracking.runs import Tracker

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="CPU seconds of steps")
    parser.add_argument("--step", type=float, default=0.03, help="CPU seconds a step")
    parser.add_argument("--metrics", type=int, default=14, help="logged every step; grl has 14")
    parser.add_argument("--system", type=float, default=10, help="seconds between load samples")
    parser.add_argument("--out", type=Path, help="a CSV file to write, too")
    given = parser.parse_args(arguments)
    matrix = np.random.default_rng(0).normal(size=(256, 256))
    logging, working, steps = 0.0, 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        tracker = Tracker.open(
            f"sqlite:///{folder}/mlflow.db", root=Path(folder), system_seconds=given.system
        )
        with (
            tracker.start_run(experiment="cost", name="run", stage="train") as run,
            tracker.watch_system(run.run_id),
        ):
            while working < given.seconds:
                began = time.process_time()
                while time.process_time() - began < given.step:
                    matrix @ matrix
                middle = time.process_time()
                run.log_metrics(
                    {f"train/m{i}": steps + i / 7 for i in range(given.metrics)}, steps
                )
                working += middle - began
                logging += time.process_time() - middle
                steps += 1
            before = time.process_time()
            run.flush()
            logging += time.process_time() - before
    share = 100 * logging / working
    Rows(given.out).add(
        {
            "steps": steps,
            "metrics": given.metrics,
            "step_ms": 1000 * working / steps,
            "logging_ms": 1000 * logging / steps,
            "share_percent": share,
        }
    )
    print("| steps | metrics a step | step, CPU ms | logging, CPU ms | share | at most |")
    print("|---|---|---|---|---|---|")
    print(
        f"| {steps} | {given.metrics} | {1000 * working / steps:.1f} | "
        f"{1000 * logging / steps:.3f} | {share:.2f} % | {LARGEST:g} % |"
    )
    return int(share > LARGEST)


if __name__ == "__main__":
    sys.exit(main())
