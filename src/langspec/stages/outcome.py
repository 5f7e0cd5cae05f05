"""What is kept of a study: its trials and figures as files without times, hosts and places."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from langspec.files import write_json
from langspec.tuning.records import TrialRecord, front, write_trials

_PROCESS = re.compile(r"process \S+ on \S+ ended")
_NOT_KEPT = ("started", "ended")  # differ from run to run


def write_study(
    folder: Path,
    trials: Sequence[TrialRecord],
    *,
    uid: str,
    parts: Mapping[str, Any],
    code: str,
) -> None:
    """Write ``study.json``, ``trials.csv`` and, for two aims, ``front.csv`` into ``folder``.

    Equal studies give equal bytes.

    Args:
        folder: to write to.
        trials: those that ended are kept.
        uid: of the study.
        parts: its fingerprint: section ``tune``, space, settings, data, encoder.
        code: hash of the code.
    """
    kept = []
    for trial in trials:
        if trial.finished:
            values = {k: v for k, v in asdict(trial).items() if k not in _NOT_KEPT}
            kept.append(values | {"reason": _PROCESS.sub("its process ended", trial.reason)})
    values = {"schema": 1, "uid": uid, "identity": parts, "code": code, "trials": kept}
    write_json(folder / "study.json", values)
    plain = [TrialRecord(**values) for values in kept]
    write_trials(folder / "trials.csv", plain)
    if parts["tune"]["pareto"] and any(trial.state == "COMPLETE" for trial in plain):
        write_trials(folder / "front.csv", front(plain, str(folder)))
