"""Stage tune: the sweep of params.yaml in one process, repeatable bit for bit.

One worker takes the trials in their order, each with a sampler of its own seed, and prunes by
scores of trials before it, never by time: the same parameters, data and code give the same bytes.
With ``tune.trials`` 0 it writes an empty study, without importing what trains.
"""

from __future__ import annotations

from pathlib import Path

from langspec.config import Config
from langspec.files import atomic_folder, write_json
from langspec.paths import paths_of


def run(config: Config, root: Path) -> Path:
    """Run the trials; returns the folder written (``results/NAME/tune``)."""
    from langspec.tuning.records import SCHEMA, write_trials

    out = paths_of(config, root).results / "tune"
    if not config.tune.trials:
        with atomic_folder(out) as folder:
            write_json(folder / "study.json", {"schema": SCHEMA, "trials": []})
            write_trials(folder / "trials.csv", [])
        return out
    from langspec.tuning.repeatable import sweep

    return sweep(config, root, out)


def plan(config: Config, root: Path) -> str:
    """What :func:`run` would do."""
    from langspec.tuning import sweeping

    if not config.tune.trials:
        return "tune: no trials (tune.trials is 0); an empty study"
    return sweeping.plan(config, root, study="tune", storage=None, workers=1)
