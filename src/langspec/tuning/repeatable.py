"""The sweep of stage tune: one worker in one process, repeatable bit for bit.

The worker takes the trials in order. Each trial has a sampler with a seed of its own. Trials are
pruned by scores of earlier ones, never by time. Equal parameters, data and code give equal bytes.
"""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from langspec import interrupts
from langspec.files import atomic_folder, sha256_json
from langspec.paths import paths_of
from langspec.tuning.fingerprint import data_hash, enqueue, identity_of, space_for
from langspec.tuning.outcome import draw, records
from langspec.tuning.progress import summary
from langspec.tuning.records import write_study
from langspec.tuning.space import sized
from langspec.tuning.study import memory_study
from langspec.tuning.trial_processes import trial_trainer
from langspec.tuning.trial_worker import work

if TYPE_CHECKING:
    from langspec.config import Config


def sweep(config: Config, root: Path, out: Path) -> Path:
    """Run the trials and write the study to ``out``; the same folder."""
    from langspec.tracking.runs import Tracker
    from langspec.tracking.sweep_runs import Sweep, SweepRuns

    config = sized(config)
    paths = paths_of(config, root)
    space = space_for(config, root)
    identity = identity_of(config, root, space)
    study = memory_study("tune", config.tune)
    enqueue(study, config, space)
    with interrupts.raised(signal.SIGTERM), trial_trainer(config, paths) as trainer:
        work(study, space, config.tune, trainer, contextlib.nullcontext, slots=config.tune.trials)
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
        params={"tune": config.tune.model_dump(), "space": space.in_words()},
        data_hash=data_hash(identity),
    )
    runs = SweepRuns(Tracker.open(config.tracking, root=root), sweep)
    runs.update(trials)
    runs.files(sorted(out.rglob("*.*")))
    runs.close("FINISHED", summary(trials, config))
    return out
