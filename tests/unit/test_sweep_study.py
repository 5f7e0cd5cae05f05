"""Claims, killed workers, fingerprints, pruning, two aims: with a made-up training."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from test_sweep_space import config

from langspec import interrupts
from langspec.errors import LangspecError
from langspec.interrupts import Terminated
from langspec.tuning import claims
from langspec.tuning.adoption import _from_storage
from langspec.tuning.best_trial import REFERENCE, best, best_or_none
from langspec.tuning.fingerprint import enqueue
from langspec.tuning.outcome import draw, records
from langspec.tuning.parameters import Space
from langspec.tuning.records import TrialRecord, front, write_trials
from langspec.tuning.score import Collapsed, Measured, NotStarted, ProcessLost
from langspec.tuning.space import sized, space_of
from langspec.tuning.storage import open_storage, place_of
from langspec.tuning.study import Identity, memory_study, open_study, sampler_of
from langspec.tuning.trial_worker import work

pytestmark = pytest.mark.medium

BY_SCORE = {"rule": "score"}
LEAST_LEAK = {"rule": "least_leak", "bounds": {"source_loss": 0.01, "drift": 1.5}}
IDENTITY = Identity({"tune": {"task": "pos", "penalty": 0.5}, "data": "d"}, "code")


def fake(paths: Mapping[str, Any], report: Any) -> Measured:
    """More strength: less leak, and a lower macro-F1; the best score is inside."""
    strength = paths["train.methods.grl.overrides.pos.strength"]
    found = Measured(1 / (1 + 0.1 * strength), math.exp(-strength), {"dev_en": 1.0})
    for rung in (1, 2):
        report(rung, Measured(found.dev_macro_f1 * rung / 3, found.dev_leak))
    return found


def opened(file: Path, name: str = "s", **tune: Any) -> tuple[optuna.Study, Space, Any, Any]:
    place = place_of(str(file))
    storage = open_storage(place)
    own = config(**tune)
    lock = claims.lock_of(place, storage, name)
    with lock():
        study = open_study(storage, name, own.tune, IDENTITY)
    return study, space_of(own), own.tune, lock


def states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.get_trials(deepcopy=False)]


def test_a_study_has_its_number_of_trials_and_is_resumed(tmp_path: Path) -> None:
    file = tmp_path / "a journal.log"
    parts = opened(file)
    assert work(*parts[:3], fake, parts[3], slots=5) == 5
    again = opened(file)
    assert work(*again[:3], fake, again[3], slots=5) == 0
    assert work(*again[:3], fake, again[3], slots=8) == 3
    assert len(states(again[0])) == 8
    assert not set(states(again[0])) - {"COMPLETE", "PRUNED"}


def test_a_resumed_study_draws_what_an_uninterrupted_one_would(tmp_path: Path) -> None:
    whole, halves = opened(tmp_path / "1.log"), opened(tmp_path / "2.log")
    work(*whole[:3], fake, whole[3], slots=14)  # beyond the random start
    work(*halves[:3], fake, halves[3], slots=6)
    again = opened(tmp_path / "2.log")
    work(*again[:3], fake, again[3], slots=14)
    values = [[trial.values for trial in records(study)] for study in (whole[0], again[0])]
    assert values[0] == values[1]


def test_every_trial_draws_from_a_seed_of_its_own() -> None:
    drawn = set()
    for claimed in range(8):
        study = optuna.create_study(sampler=sampler_of(config().tune, claimed))
        drawn.add(study.ask().suggest_float("x", 0, 1))
    assert len(drawn) == 8
    other = optuna.create_study(sampler=sampler_of(config(seed=1).tune, 0))
    assert other.ask().suggest_float("x", 0, 1) not in drawn


def test_the_trial_of_a_dead_process_is_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "s.log"
    script = (
        "import sys, os, pathlib; sys.path[:0] = sys.argv[2:]\n"
        "from test_sweep_study import opened, claims\n"
        "study, space, tune, lock = opened(pathlib.Path(sys.argv[1]))\n"
        "claims.claim(study, space, tune, 3, lock); os._exit(9)\n"
    )
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    command = [sys.executable, "-c", script, str(file), *folders]
    assert subprocess.run(command, check=False).returncode == 9
    study, space, tune, lock = opened(file)
    assert states(study) == ["RUNNING"]
    work(study, space, tune, fake, lock, slots=3)
    found = records(study)
    assert found[0].state == "FAIL"
    assert "ended without a result" in found[0].reason
    (retry,) = [trial for trial in found if trial.retry_of == 0]
    assert found[0].retried_by == retry.number
    assert retry.values == found[0].values
    assert sum(trial.state in ("COMPLETE", "PRUNED") for trial in found) == 3
    assert len(found) == 4


def test_values_on_which_three_processes_died_are_not_tried_again(tmp_path: Path) -> None:
    study, space, tune, lock = opened(tmp_path / "s.log")
    for _ in range(1 + claims.RETRIES):
        claimed = claims.claim(study, space, tune, 1, lock)
        assert claimed is not None
        # As of a process that is gone: no such start time.
        claimed[0].set_user_attr(claims.OWNER, claims.Owner(*_dead()).text())
    assert claims.claim(study, space, tune, 1, lock) is None
    found = records(study)
    assert [trial.state for trial in found] == ["FAIL"] * 3
    assert [trial.retried_by for trial in found] == [1, 2, None]
    assert [trial.retry_of for trial in found] == [None, 0, 1]
    assert found[0].values == found[1].values == found[2].values


def _dead() -> tuple[str, int, str]:
    own = claims.Owner.this()
    return own.host, own.pid, f"{own.started}0"


def test_running_trials_of_living_processes_and_other_hosts_are_left(tmp_path: Path) -> None:
    study, space, tune, lock = opened(tmp_path / "s.log")
    for _ in range(2):
        assert claims.claim(study, space, tune, 9, lock) is not None
    second = claims.claim(study, space, tune, 9, lock)
    assert second is not None
    second[0].set_user_attr(claims.OWNER, claims.Owner("elsewhere", 1, "").text())
    with lock():
        assert claims.reap(study) == []
        assert claims.reap(study, ["elsewhere"]) == [2]
    assert states(study) == ["RUNNING", "RUNNING", "FAIL", "WAITING"]


def test_a_trial_killed_inside_its_claim_is_found(tmp_path: Path) -> None:
    study, space, tune, lock = opened(tmp_path / "s.log")
    study.ask()  # no owner yet, no values
    work(study, space, tune, fake, lock, slots=2)
    found = records(study)
    assert found[0].state == "FAIL"
    assert sum(trial.state in ("COMPLETE", "PRUNED") for trial in found) == 2


def test_an_interruption_puts_the_trial_up_again(tmp_path: Path) -> None:
    study, space, tune, lock = opened(tmp_path / "s.log")

    def interrupted(paths: Mapping[str, Any], report: Any) -> Measured:
        raise SystemExit(143)

    with pytest.raises(SystemExit):
        work(study, space, tune, interrupted, lock, slots=1)
    assert states(study) == ["FAIL", "WAITING"]
    work(study, space, tune, fake, lock, slots=1)
    assert states(study) == ["FAIL", "COMPLETE"]
    assert records(study)[0].retried_by == 1


def test_a_signal_right_after_the_claim_puts_the_trial_up_again_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It arrives when the trial is this process's, and before its training has begun."""
    study, space, tune, lock = opened(tmp_path / "s.log")
    claim = claims.claim

    def signalled(*arguments: Any) -> Any:
        claimed = claim(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)
        return claimed

    monkeypatch.setattr(claims, "claim", signalled)
    with interrupts.raised(signal.SIGTERM), pytest.raises(Terminated):
        work(study, space, tune, fake, lock, slots=1)
    assert states(study) == ["FAIL", "WAITING"]
    assert records(study)[0].reason == "ended by SIGTERM"


def test_a_worker_whose_processes_cannot_start_again_ends_and_leaves_the_trial(
    tmp_path: Path,
) -> None:
    study, space, tune, lock = opened(tmp_path / "s.log")
    calls = []

    def unable(paths: Mapping[str, Any], report: Any) -> Measured:
        calls.append(paths)
        raise NotStarted("compute.launch: no memory")

    with pytest.raises(NotStarted, match="no memory"):
        work(study, space, tune, unable, lock, slots=5)
    assert len(calls) == 1  # it does not use up the slots of the study
    assert states(study) == ["FAIL", "WAITING"]


def test_a_trial_that_lost_a_process_is_tried_again_twice(tmp_path: Path) -> None:
    study, space, tune, lock = opened(tmp_path / "s.log")
    ends = iter([True, True, False, True, True, True])

    def killed(paths: Mapping[str, Any], report: Any) -> Measured:
        if next(ends):
            raise ProcessLost("process 7 of the 2 that train together ended without a result")
        return Measured(1.0, 0.0)

    work(study, space, tune, killed, lock, slots=2)
    found = records(study)
    assert [trial.state for trial in found] == ["FAIL", "FAIL", "COMPLETE", "FAIL", "FAIL", "FAIL"]
    assert [trial.retry_of for trial in found] == [None, 0, 1, None, 3, 4]
    assert found[-1].retried_by is None
    assert found[0].reason.startswith("process 7 of the 2")
    assert found[0].values == found[1].values == found[2].values


def test_bad_input_is_the_reason_as_it_is(tmp_path: Path) -> None:
    study, space, tune, lock = opened(tmp_path / "s.log")

    def refused(paths: Mapping[str, Any], report: Any) -> Measured:
        raise LangspecError("no head", place="train")

    work(study, space, tune, refused, lock, slots=1)
    assert records(study)[0].reason == "train: no head"


def test_collapses_are_pruned_with_the_worst_score_and_errors_fail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    study, space, tune, lock = opened(tmp_path / "s.log")
    ends = iter([Collapsed("norm: gone"), RuntimeError("no memory\nat all"), None])

    def troubled(paths: Mapping[str, Any], report: Any) -> Measured:
        end = next(ends)
        if end is not None:
            raise end
        return fake(paths, report)

    work(study, space, tune, troubled, lock, slots=3)
    found = records(study)
    assert [trial.state for trial in found] == ["PRUNED", "FAIL", "COMPLETE"]
    assert found[0].reason == "collapsed: norm: gone"
    assert found[1].reason == "RuntimeError: no memory"
    (said,) = [one for one in caplog.records if one.name == "langspec.tuning.trial_worker"]
    assert said.getMessage() == "trial 1 failed: RuntimeError: no memory"
    assert said.exc_info is None  # one line, no traceback
    assert found[0].score is not None
    assert found[0].score < -tune.penalty
    assert best(found, "s", BY_SCORE).number == 2


def test_hyperband_prunes_the_bad_ones() -> None:
    study, space, tune = memory_study("s", config().tune), space_of(config()), config().tune
    numbers = iter(range(30))

    def worsening(paths: Mapping[str, Any], report: Any) -> Measured:
        worth = 1.0 - next(numbers) / 100
        for rung in (1, 2):
            report(rung, Measured(worth, 0.0))
        return Measured(worth, 0.0)

    work(study, space, tune, worsening, contextlib.nullcontext, slots=30)
    found = records(study)
    pruned = [trial for trial in found if trial.state == "PRUNED"]
    assert 3 <= len(pruned) <= 27
    assert all(trial.dev_macro_f1 is not None and "at rung" in trial.reason for trial in pruned)
    assert best(found, "s", BY_SCORE).number == 0


def test_no_best_of_nothing_complete(tmp_path: Path) -> None:
    study, space, tune, lock = opened(tmp_path / "s.log")

    def collapses(paths: Mapping[str, Any], report: Any) -> Measured:
        raise Collapsed("rank: 1")

    work(study, space, tune, collapses, lock, slots=3)
    with pytest.raises(LangspecError, match=r"no trial is complete.*3 of 3 pruned.*rank: 1"):
        best(records(study), "s", BY_SCORE)


def test_two_aims_give_a_front_and_prune_nothing_but_collapses(tmp_path: Path) -> None:
    study, space, tune, lock = opened(tmp_path / "s.log", pareto="true")
    numbers = iter(range(20))

    def measured(paths: Mapping[str, Any], report: Any) -> Measured:
        if next(numbers) == 1:
            raise Collapsed("variance")
        return fake(paths, report)

    work(study, space, tune, measured, lock, slots=14)
    found = records(study)
    assert states(study).count("PRUNED") == 1
    assert states(study).count("COMPLETE") == 13
    rows = front(found, "s")
    assert {row.number for row in rows} == {trial.number for trial in study.best_trials}
    transfers = [row.dev_macro_f1 for row in rows]
    assert transfers == sorted(transfers, reverse=True)
    drawn = {path.stem for path in draw(study, tmp_path / "figures")}
    assert "pareto_front" in drawn


def test_a_front_by_hand() -> None:
    worth = [(0.9, 0.5), (0.8, 0.2), (0.8, 0.3), (0.7, 0.2), (0.6, 0.1), (0.9, 0.5)]
    trials = [
        TrialRecord(i, "COMPLETE", dev_macro_f1=t, dev_leak=leak)
        for i, (t, leak) in enumerate(worth)
    ]
    assert [trial.number for trial in front(trials, "s")] == [0, 1, 4]


def record(number: int, leak: float, source: float, drift: float, origin: str = "grid") -> Any:
    """A complete trial; its score and target dev scores are of no interest."""
    return TrialRecord(number, "COMPLETE", score=-float(number), dev_macro_f1=0.0, dev_leak=leak,
                       dev_source_accuracy=source, dev_drift=drift, origin=origin)  # fmt: skip


def test_the_least_leak_within_both_bounds_is_the_best() -> None:
    trials = [
        record(0, 0.90, 0.85, 0.9, REFERENCE),
        record(
            1, 0.05, 0.90, 1.0, REFERENCE
        ),  # the better reference; leaks least, unlearns nothing
        record(2, 0.50, 0.90, 1.0),
        record(3, 0.30, 0.8901, 1.49),
        record(4, 0.20, 0.8899, 1.0),  # costs more than a point
        record(5, 0.10, 0.95, 1.51),  # moves the text too far
        record(6, 0.00, 0.95, math.nan),
        TrialRecord(7, "PRUNED", dev_leak=0.0, dev_source_accuracy=1.0, dev_drift=0.0),
    ]
    assert best(trials, "s", LEAST_LEAK).number == 3
    # The score of no trial, and so no target language, has a say.
    assert best(trials, "s", BY_SCORE).number == 0


def test_no_trial_within_the_bounds_is_one_line_with_the_nearest() -> None:
    trials = [
        record(0, 0.9, 0.9, 1.0, REFERENCE),
        record(1, 0.1, 0.5, 1.0),
        record(2, 0.3, 0.8, 1.2),
    ]
    expected = (
        r"^study s: none of 2 complete trials is within tune\.bounds.* nearest is trial 2: "
        r"dev_leak 0\.300, dev_source_accuracy 0\.800 \(at least 0\.890\), "
        r"dev_drift 1\.200 \(at most 1\.500\)$"
    )
    with pytest.raises(LangspecError, match=expected):
        best(trials, "s", LEAST_LEAK)
    assert best_or_none(trials, LEAST_LEAK) is None
    for some, kind in ((trials[:1], "with"), (trials[1:], "without")):
        with pytest.raises(LangspecError, match=f"no training {kind} unlearning is complete"):
            best(some, "s", LEAST_LEAK)


def test_a_grid_trains_every_combination_once_and_draws_nothing(tmp_path: Path) -> None:
    more = {"space": "grid", "rule": "least_leak", "selection": "source_dev", "trials": 0}
    study, space, tune, lock = opened(tmp_path / "s.log", **more)
    count = sized(config(**more)).tune.trials
    enqueue(study, config(**more), space)
    assert work(study, space, tune, fake, lock, slots=4) == 4
    assert work(study, space, tune, fake, lock, slots=count) == count - 4
    found = records(study)
    assert [trial.values for trial in found] == [
        space.paths(values) for _, values in space.grid or ()
    ]
    assert [trial.origin for trial in found] == [REFERENCE] * 2 + ["grid"] * 20
    assert set(states(study)) == {"COMPLETE"}  # none is pruned by its score


def test_figures_of_one_aim(tmp_path: Path) -> None:
    parts = opened(tmp_path / "s.log")
    work(*parts[:3], fake, parts[3], slots=6)
    drawn = draw(parts[0], tmp_path)
    assert {path.stem for path in drawn} == {"history", "importances", "rungs", "slices"}
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in drawn)
    write_trials(tmp_path / "trials.csv", records(parts[0]))
    lines = (tmp_path / "trials.csv").read_text().splitlines()
    assert len(lines) == 7
    assert "train.methods.grl.overrides.pos.strength" in lines[0]


def test_a_study_of_something_else_is_refused(tmp_path: Path) -> None:
    opened(tmp_path / "s.log")
    place = place_of(str(tmp_path / "s.log"))
    other = Identity({"tune": {"task": "nli", "penalty": 0.5}, "data": "e"}, "code")
    with pytest.raises(LangspecError, match=r"data d, now e; tune\.task pos, now nli; give the"):
        open_study(open_storage(place), "s", config().tune, other)
    optuna.create_study(study_name="foreign", storage=open_storage(place))
    with pytest.raises(LangspecError, match="not made by langspec sweep"):
        open_study(open_storage(place), "foreign", config().tune, IDENTITY)


def test_a_study_that_measured_other_numbers_is_not_adopted(tmp_path: Path) -> None:
    file = tmp_path / "s.log"
    opened(file)
    with pytest.raises(LangspecError, match=r"not measured by dev_macro_f1, dev_leak, .*; run"):
        _from_storage(tmp_path, "s", str(file))


def test_other_code_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened(tmp_path / "s.log")
    place = place_of(str(tmp_path / "s.log"))
    open_study(open_storage(place), "s", config().tune, Identity(IDENTITY.parts, "other"))
    assert "made by other code" in caplog.text


@pytest.mark.parametrize(
    ("storage", "told"),
    [
        ("postgresql://nobody:secret@127.0.0.1:1/x", "cannot be used"),
        ("nonsense://", "expected a URL|cannot be used|not installed"),
        ("sqlite:////nowhere/at/all.db", "cannot be used"),
    ],
)
def test_a_storage_that_is_not_there_is_one_line(storage: str, told: str) -> None:
    began = time.perf_counter()
    with pytest.raises(LangspecError, match=told) as error:
        open_storage(place_of(storage))
    assert time.perf_counter() - began < 10
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("write", [True, False])
@pytest.mark.parametrize(
    "content", [b"this is\nno journal\nat all", b'["a", "list"]\n{"half', b"\x00\xff\x00", b"1\n2"]
)
def test_a_file_that_is_no_journal_is_refused_as_it_is(
    tmp_path: Path, content: bytes, write: bool
) -> None:
    file = tmp_path / "s.log"
    file.write_bytes(content)
    with pytest.raises(LangspecError, match="not a journal"):
        open_storage(place_of(str(file)), write=write)
    assert file.read_bytes() == content
    assert [*tmp_path.iterdir()] == [file]


def test_a_database_given_as_a_journal_is_refused_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "studies.db"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE studies (name TEXT)")
    content = file.read_bytes()
    with pytest.raises(LangspecError, match=f"did you mean sqlite:///{file}"):
        open_storage(place_of(str(file)))
    assert file.read_bytes() == content


def test_a_reader_makes_and_repairs_nothing(tmp_path: Path) -> None:
    for storage in (str(tmp_path / "none" / "s.log"), f"sqlite:///{tmp_path / 'none.db'}"):
        with pytest.raises(LangspecError, match=r"no (such )?file"):
            open_storage(place_of(storage), write=False)
    assert not [*tmp_path.iterdir()]
    file = tmp_path / "s.log"
    parts = opened(file)
    work(*parts[:3], fake, parts[3], slots=2)
    content = file.read_bytes() + b'{"op_code":4,"worker'
    file.write_bytes(content)
    storage = open_storage(place_of(str(file)), write=False)
    assert len(optuna.load_study(study_name="s", storage=storage).trials) == 2
    assert file.read_bytes() == content


def test_a_half_written_line_is_moved_away(tmp_path: Path) -> None:
    file = tmp_path / "s.log"
    parts = opened(file)
    work(*parts[:3], fake, parts[3], slots=2)
    with file.open("ab") as handle:
        handle.write(b'{"op_code":4,"worker')  # power loss
    again = opened(file)
    work(*again[:3], fake, again[3], slots=3)
    assert len(states(again[0])) == 3
    assert len(states(opened(file)[0])) == 3  # all lines can be read
    (half,) = tmp_path.glob("s.log.half-*")
    assert half.read_bytes() == b'{"op_code":4,"worker'
    for line in file.read_text().splitlines():
        json.loads(line)


def test_a_claim_waits_for_another(tmp_path: Path) -> None:
    study, space, tune, lock = opened(tmp_path / "s.log")
    claimed: list[Any] = []
    with lock():
        thread = threading.Thread(
            target=lambda: claimed.append(claims.claim(study, space, tune, 1, lock))
        )
        thread.start()
        thread.join(0.3)
        assert not claimed
        assert TrialState.RUNNING.name not in states(study)
    thread.join(60)
    assert len(claimed) == 1
