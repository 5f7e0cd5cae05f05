"""Stage tune: the sweep of params.yaml in one process, repeatable bit for bit.

One worker takes the trials in their order, each with a sampler of its own seed, and prunes by
scores of trials before it, never by time: the same parameters, data and code give the same bytes.
With ``tune.trials`` 0 it writes an empty study, without importing what trains.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from langspec.config import Config
from langspec.files import atomic_folder, sha256_json, write_json
from langspec.paths import paths_of


def run(config: Config, root: Path) -> Path:
    """Run the trials; returns the folder written (``results/NAME/tune``)."""
    from langspec.tuning.records import write_trials

    out = paths_of(config, root).results / "tune"
    if not config.tune.trials:
        with atomic_folder(out) as folder:
            write_json(folder / "study.json", {"schema": 1, "trials": []})
            write_trials(folder / "trials.csv", [])
        return out
    return _sweep(config, root, out)


def plan(config: Config, root: Path) -> str:
    """What :func:`run` would do."""
    from langspec.stages import sweep

    if not config.tune.trials:
        return "tune: no trials (tune.trials is 0); an empty study"
    return sweep.plan(config, root, study="tune", storage=None, workers=1)


def _sweep(config: Config, root: Path, out: Path) -> Path:
    from langspec.stages.outcome import write_study
    from langspec.stages.study import data_hash, enqueue, identity_of, space_for
    from langspec.stages.sweep import summary
    from langspec.tracking.runs import open_tracker
    from langspec.tracking.sweep_runs import Sweep, SweepRuns
    from langspec.tuning.outcome import draw, records
    from langspec.tuning.space import with_values
    from langspec.tuning.study import memory_study
    from langspec.tuning.trial import TrialTrainer
    from langspec.tuning.work import work

    paths = paths_of(config, root)
    space = space_for(config, root)
    identity = identity_of(config, root, space)
    study = memory_study("tune", config.tune)
    enqueue(study, config, space)
    work(
        study,
        space,
        config.tune,
        TrialTrainer(config, paths.corpora, paths.encoder, with_values),
        contextlib.nullcontext,
        slots=config.tune.trials,
    )
    trials = records(study)
    uid = sha256_json([identity.parts, identity.code, config.tune.model_dump(), config.name])
    with atomic_folder(out) as folder:
        write_study(folder, trials, uid=uid, parts=identity.parts, code=identity.code)
        draw(study, folder / "figures")
    sweep = Sweep(
        uid=uid,
        study="tune",
        name=config.name,
        task=config.tune.task,
        method=config.tune.method,
        place="results",
        params={"tune": config.tune.model_dump(), "space": space.told()},
        data_hash=data_hash(identity),
    )
    runs = SweepRuns(open_tracker(config.tracking, root), sweep)
    runs.update(trials)
    runs.files(sorted(out.rglob("*.*")))
    runs.close("FINISHED", summary(trials, config))
    return out
