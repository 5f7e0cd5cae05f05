"""What logging costs beside training steps: CPU seconds in the tracker over those in the steps.

Real matrix products stand for steps of a given length; a fresh sqlite store takes what they log,
by the calls that stage train makes. All that the process does beside the products is counted as
logging, threads included (the sampler of the machine's load has one). What a run costs once
(imports, a new store, its beginning and end) is told apart:

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

from machine import said
from told import Rows

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

LARGEST = 2.0
"""Per cent that logging may add to a run of at least ``LONG`` seconds."""
LONG = 60.0
NOT_COMPARABLE = "Compare the share with other machines only at equal --step and --metrics"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if logging costs more than it may."""
    import numpy as np

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="CPU seconds of steps")
    parser.add_argument("--step", type=float, default=0.03, help="CPU seconds a step")
    parser.add_argument("--metrics", type=int, default=14, help="logged every step; grl has 14")
    parser.add_argument("--system", type=float, default=10, help="seconds between load samples")
    parser.add_argument("--out", type=Path, help="a CSV file to write, too")
    given = parser.parse_args(arguments)
    marks = [time.process_time()]
    from langspec.tracking.runs import Tracker
    from langspec.tracking.tracking_section import WITHOUT_PROJECT
    from langspec.tracking.training_runs import SeedRun

    marks.append(time.process_time())
    matrix = np.random.default_rng(0).normal(size=(256, 256))
    working, inside, steps = 0.0, 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        settings = WITHOUT_PROJECT.model_copy(update={"system_seconds": given.system})
        tracker = Tracker.open(settings, root=Path(folder))
        marks.append(time.process_time())
        with tracker.start_run(experiment="cost", name="run", stage="train") as logger:
            run = SeedRun(logger)
            with tracker.watch_system(logger.run_id):
                marks.append(time.process_time())
                took = time.monotonic()
                while working < given.seconds:
                    began = time.thread_time()
                    while time.thread_time() - began < given.step:
                        matrix @ matrix
                    middle = time.thread_time()
                    working += middle - began
                    steps += 1
                    run.log(steps, {f"train/m{i}": steps + i / 7 for i in range(given.metrics)})
                    inside += time.thread_time() - middle
                middle = time.thread_time()
                logger.close_window()
                logger.flush()
                inside += time.thread_time() - middle
                took = time.monotonic() - took
                marks.append(time.process_time())
        marks.append(time.process_time())
        assert tracker.client is not None
        kept = len(tracker.client.get_metric_history(logger.run_id, "train/m0"))
    imports, opening, beginning, all_steps, end = np.diff(marks)
    share = 100 * (all_steps - working) / working
    each = 1000 * (all_steps - working) / steps
    elsewhere = 100 * (all_steps - working - inside) / working
    Rows(given.out).add(
        {
            "steps": steps,
            "metrics": given.metrics,
            "step_ms": 1000 * working / steps,
            "logging_ms": each,
            "share_percent": share,
            "points": kept,
        }
    )
    print(
        f"once: {imports:.2f} s of imports, {opening:.2f} s for a new store, "
        f"{beginning + end:.2f} s to begin and end a run\n"
        f"{steps} steps of {1000 * working / steps:.1f} ms with {given.metrics} metrics each, "
        f"kept as {kept} points a metric, in {took:.0f} s: {each:.3f} ms a step for logging, "
        f"{share:.2f} % (at most {LARGEST} % in {LONG:.0f} s or more: the first steps are logged "
        f"one by one; {elsewhere:.2f} % in other threads, by the clock)\n{said(NOT_COMPARABLE)}"
    )
    return int(share > LARGEST and given.seconds >= LONG)


if __name__ == "__main__":
    sys.exit(main())
