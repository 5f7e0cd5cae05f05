"""One moment of a training, and which moments are looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from measure_options import PROBE

from bank_fixtures import bank_of
from langspec import presets
from langspec.config import parse_config, parse_yaml, set_values
from langspec.errors import LangspecError
from langspec.evaluation.work import all_work
from langspec.files import write_json
from langspec.measurement.rows import Origin
from langspec.measurement.trajectory import moment
from langspec.measures.leak_trajectory import chosen_steps
from langspec.paths import paths_of

LINES = 50
LANGUAGE, LINE = np.repeat(np.arange(3), LINES), np.tile(np.arange(LINES), 3)


def test_a_moment_reads_the_planted_layer(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2, len(LINE), 8))
    noise[1, :, :3] += 6.0 * np.eye(3)[LANGUAGE]
    bank = bank_of(
        tmp_path,
        "bank",
        noise,
        LANGUAGE,
        line=LINE,
        split=np.array([2, 2, 2, 0, 1])[LINE % 5],
        splits=("dev", "test", "train"),
    )
    rows = moment(
        bank, Origin("pos", "finetune", 1, "text", "test", "m"), PROBE, units=("sentence",)
    )
    found = {(row.probe, row.metric, row.layer): row.value for row in rows}
    assert found["linear", "macro_f1", 1] > 0.95
    assert found["linear", "macro_f1", 0] < 0.7
    assert found["", "variance_share_language", 1] > 0.5 > found["", "variance_share_language", 0]
    assert found["linear", "converged", 1] == 1
    assert found["majority", "accuracy", -1] == pytest.approx(1 / 3)
    assert {row.language for row in rows} == {"all"}


def test_moments_are_spread_over_the_steps_with_both_ends() -> None:
    assert chosen_steps(174, 8) == [0, 22, 44, 65, 87, 109, 130, 152, 174]
    assert chosen_steps(3, 8) == [0, 1, 2, 3]
    assert chosen_steps(10, 1) == [0, 10]


@pytest.mark.parametrize("name", ["frozen", "grl"])
def test_only_trainings_of_this_run_can_be_followed(name: str) -> None:
    values = set_values(
        parse_yaml(presets.preset_text("demo")),
        [
            f"evaluate.trajectory.of=[{name}]",
            "train.run=[frozen, finetune]",
            "train.also.run=[control]",
        ],
    )
    with pytest.raises(
        LangspecError, match=rf"evaluate\.trajectory\.of\.0: found '{name}'.*finetune"
    ):
        parse_config(values)


def test_a_method_of_some_tasks_is_followed_on_these(tmp_path: Path) -> None:
    changes = ["evaluate.trajectory.of=[control]", "train.run=[frozen]", "train.seeds=[1]"]
    config = presets.load_preset("demo", [*changes, "train.also.run=[control]"])
    paths = paths_of(config, tmp_path)
    for task in config.train.tasks:
        for method in config.train.methods_of(task):
            write_json(paths.train(task, method) / "seed-1" / "model.json", {})
    works = {task: set(all_work(config, paths, task)) for task in config.train.tasks}
    assert "trajectory of control" in works["pos"]
    assert not any(name.startswith("trajectory") for name in works["nli"])
