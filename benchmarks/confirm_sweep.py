"""A sweep's winner against the values of params.yaml, with seeds that the sweep did not use.

The winner was chosen as the best of many on one seed, so its score there is too good. Both are
trained and measured as a trial is, with other seeds, and compared seed by seed:

    python benchmarks/confirm_sweep.py demo-pos-grl --seeds 2 3 4

Needs the study (`langspec sweep`). Rows and intervals go to standard output.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared import ROOT

from langspec.compute import set_environment
from langspec.config import Tune, load_config


def interval(differences: Sequence[float]) -> str:
    """Mean and 95 % interval of Student's t over the seeds."""
    import numpy as np
    from scipy import stats

    mean, n = float(np.mean(differences)), len(differences)
    if n < 2:
        return f"{mean:+.3f}"
    half = float(stats.t.ppf(0.975, n - 1) * stats.sem(differences))
    return f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train both with every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study")
    parser.add_argument("--storage", help="where it is kept, if not in its journal")
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--root", type=Path, default=ROOT, help="project with the data")
    given = parser.parse_args(arguments)
    config = load_config(given.root / "params.yaml")
    set_environment(config.compute)

    from langspec.paths import paths_of
    from langspec.tuning.best_trial import best
    from langspec.tuning.fingerprint import place_for, studies_folder
    from langspec.tuning.outcome import records
    from langspec.tuning.score import Measured
    from langspec.tuning.storage import open_storage
    from langspec.tuning.study import IDENTITY, load_study
    from langspec.tuning.trial_processes import trial_trainer

    place = place_for(given.study, given.storage, studies_folder(given.root))
    study = load_study(open_storage(place), given.study)
    winner = best(records(study), given.study, study.user_attrs[IDENTITY]["tune"])
    tune = Tune(**{**config.tune.model_dump(), **study.user_attrs[IDENTITY]["tune"]})
    paths, tuned = paths_of(config, given.root), config.model_copy(update={"tune": tune})
    settings: dict[str, Mapping[str, Any]] = {
        "params.yaml": {},
        f"trial {winner.number}": winner.values,
    }
    print("| seed | values | score | dev_macro_f1 | dev_leak |", "|---|---|---|---|---|", sep="\n")
    found: dict[str, list[Measured]] = {name: [] for name in settings}
    with trial_trainer(tuned, paths) as train:
        for seed in given.seeds:
            for name, values in settings.items():
                again = {**values, "tune.train_seed": seed, "tune.rungs": 1}  # measured at its end
                row = train(again, lambda rung, measured: None)
                found[name].append(row)
                score = row.score(tune.penalty)
                print(f"| {seed} | {name} | {score:.3f} | {row.dev_macro_f1:.3f} | "
                      f"{row.dev_leak:.3f} |", flush=True)  # fmt: skip
    default, chosen = found.values()
    pairs = list(zip(chosen, default, strict=True))
    for name, differences in (
        ("score", [a.score(tune.penalty) - b.score(tune.penalty) for a, b in pairs]),
        ("dev_macro_f1", [a.dev_macro_f1 - b.dev_macro_f1 for a, b in pairs]),
        ("dev_leak", [a.dev_leak - b.dev_leak for a, b in pairs]),
    ):
        print(f"difference of {name}: {interval(differences)}")


if __name__ == "__main__":
    main()
