"""The search space is declared beside the defaults, holds them, and what was published."""

from __future__ import annotations

import csv
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conftest import CHECKOUT
from langspec import presets
from langspec.config import Config, parse_config, parse_yaml, set_values
from langspec.errors import LangspecError
from langspec.objectives import methods
from langspec.precedence import effective
from langspec.tuning import space as spaces

METHODS = list(methods())
TUNED = {"strength", "schedule", "warmup", "weight", "loss", "inner_steps", "alternate",
         "discriminator.layers", "discriminator.hidden", "discriminator.lr", "retention.kind",
         "retention.weight", "encoder_lr", "head_lr"}  # fmt: skip


@cache
def values_of(preset: str) -> Any:
    return parse_yaml(presets.preset_text(preset))


def config(preset: str = "demo", **tune: Any) -> Config:
    return parse_config(set_values(values_of(preset), [f"tune.{k}={v}" for k, v in tune.items()]))


@pytest.mark.parametrize("preset", ["demo", "paper"])
@pytest.mark.parametrize("method", METHODS)
def test_defaults_lie_inside_and_both_ends_are_valid(method: str, preset: str) -> None:
    own = config(preset, method=method)
    found = spaces.space_of(own)
    assert found.outside(found.at(own)) == []
    for parameter in found.parameters:
        tried = parameter.choices or (parameter.low, parameter.high)
        for value in tried:
            value = int(value) if parameter.whole else value
            changed = spaces.with_values(own, {parameter.path: value})
            assert effective(changed.train, "pos", method, parameter.name) == value
            # Another task, and another method, are left as they were.
            other = next(name for name in METHODS if name != method)
            section = getattr(changed.train.methods, other)
            assert section == getattr(own.train.methods, other)
            if ".overrides." in parameter.path:
                assert effective(changed.train, "nli", method, parameter.name) == (
                    effective(own.train, "nli", method, parameter.name)
                )


def test_everything_that_matters_is_tuned() -> None:
    found = {m: {p.name for p in spaces.space_of(config(method=m)).parameters} for m in METHODS}
    assert set.union(*found.values()) >= TUNED
    assert found["frozen"] == {"head_lr"}
    assert found["finetune"] == {"encoder_lr", "head_lr"}
    assert "inner_steps" not in found["control"]  # nothing flows back: it would change nothing


def test_the_paper_grid_is_the_published_one() -> None:
    found = {p.name: p.in_words() for p in spaces.space_of(config(space="paper")).parameters}
    assert found == {
        "encoder_lr": "0.001, 0.0001, 1e-05, 1e-06",
        "head_lr": "0.1, 0.01, 0.001, 0.0001",
        "batch_rows": "16, 32, 64",
        "head_init": "0.1, 0.01, 0.001",
        "strength": "0.1, 0.3, 0.5, 0.7",
        "discriminator.lr": "= head_lr",
    }


@pytest.mark.parametrize("space", spaces.SPACES)
@pytest.mark.parametrize("task", spaces.PAPER_TASKS)
@pytest.mark.parametrize("method", spaces.PAPER_METHODS)
def test_the_published_setting_is_tried_first(method: str, task: str, space: str) -> None:
    own = config("paper", method=method, task=task, space=space)
    points, untold = spaces.starting_points(own, spaces.space_of(own))
    (values,) = [values for origin, values in points if origin.startswith("Tanti")]
    assert untold == ""
    names = {"encoder_learning_rate": "encoder_lr", "postencoder_learning_rate": "head_lr",
             "minibatch_size": "batch_rows", "init_stddev": "head_init", "grl_lambda": "strength",
             "lang_error_weighting": "weight"}  # fmt: skip
    published = {"adversary": "entmax"}.get(method, method)
    table = CHECKOUT / "data" / "published" / "tanti2021_hyperparameters.csv"
    with table.open(encoding="utf-8") as handle:
        rows = [r for r in csv.DictReader(handle) if (r["task"], r["method"]) == (task, published)]
    wanted = {names[row["hyperparameter"]]: float(row["value"]) for row in rows}
    if space == "default":  # batch and initial weights are in no default space
        wanted = {k: v for k, v in wanted.items() if k not in ("batch_rows", "head_init")}
    assert {key: values[key] for key in wanted} == wanted
    if method in ("grl", "adversary"):
        assert values["discriminator.lr"] == values["head_lr"]


GRID = {"space": "grid", "rule": "least_leak", "method": "grl"}


def test_a_grid_is_every_combination_after_its_references() -> None:
    own = config(**GRID, trials=0)
    found = spaces.space_of(own)
    points, untold = spaces.starting_points(own, found)
    origins, values = zip(*points, strict=True)
    assert untold == ""
    assert list(origins) == ["without unlearning"] * 2 + ["grid"] * 20
    assert [one["strength"] for one in values[:2]] == [0.0, 0.0]
    assert [one["encoder_lr"] for one in values[:2]] == [2.5e-4, 5e-4]
    cells = {tuple(one.values()) for one in values[2:]}
    strengths = (0.03, 0.1, 0.2, 0.3, 0.5)
    assert cells == {
        (s, layers, steps, lr)
        for s in strengths
        for layers, steps in ((0, 0), (1, 3))
        for lr in (2.5e-4, 5e-4)
    }
    assert spaces.sized(own).tune.trials == 22
    assert spaces.sized(config(**GRID, trials=7)).tune.trials == 7
    # Only rule least_leak compares with a reference.
    assert spaces.sized(config(space="grid", method="grl", trials=0)).tune.trials == 20
    # A reference is the training of control at the same rate: lambda 0 reaches no other value.
    changed = spaces.with_values(own, found.paths(values[0]))
    assert changed.train.methods.grl.for_task("pos").strength == 0.0


def test_a_grid_that_does_not_vary_the_strength_has_a_reference_too() -> None:
    own = config(**GRID).model_copy()
    tune = own.tune.model_copy(update={"grid": {"discriminator.lr": [0.001, 0.01]}})
    own = own.model_copy(update={"tune": tune})
    _, values = zip(*spaces.starting_points(own, spaces.space_of(own))[0], strict=True)
    assert list(values) == [
        {"strength": 0.0, "discriminator.lr": 0.001},
        {"strength": 1.0, "discriminator.lr": 0.001},
        {"strength": 1.0, "discriminator.lr": 0.01},
    ]


def test_a_combination_without_unlearning_is_trained_once_as_the_reference() -> None:
    def trials(**changes: Any) -> list[tuple[str, Any]]:
        own = config(**GRID)
        own = own.model_copy(update={"tune": own.tune.model_copy(update=changes)})
        points, _ = spaces.starting_points(own, spaces.space_of(own))
        return [(origin, values["strength"]) for origin, values in points]

    grid = {"strength": [0.0, 0.1]}
    assert trials(grid=grid) == [("without unlearning", 0.0), ("grid", 0.1)]
    # Without references it is a combination like others.
    assert trials(grid=grid, rule="score") == [("grid", 0.0), ("grid", 0.1)]
    with pytest.raises(
        LangspecError, match=r"^tune\.grid: no combination unlearns \(strength is 0"
    ):
        trials(grid={"strength": [0.0], "encoder_lr": [1e-4, 2e-4]})


def test_a_trial_may_have_a_strength_of_the_path() -> None:
    own = parse_config(set_values(values_of("demo"), ["train.methods.grl.path=[0.1, 2.0]"]))
    changed = spaces.with_values(own, {"train.methods.grl.overrides.pos.strength": 0.1})
    assert changed.train.methods.grl.for_task("pos").strength == 0.1
    assert changed.train.methods.grl.path == []


def test_a_strength_of_one_task_that_is_on_the_path_is_refused() -> None:
    changes = [
        "train.methods.grl.path=[0.1]",
        "train.methods.grl.overrides={pos: {strength: 0.1}}",
    ]
    with pytest.raises(LangspecError, match=r"0\.1 is trained on pos anyway .*take it out"):
        parse_config(set_values(values_of("demo"), changes))


@pytest.mark.parametrize("selection", ["mean_dev", "oracle"])
def test_the_least_leak_refuses_an_epoch_chosen_by_target_labels(selection: str) -> None:
    values = set_values(values_of("demo"), [f"train.selection={selection}"])
    parse_config(values)
    values = set_values(values, [f"tune.{name}={value}" for name, value in GRID.items()])
    with pytest.raises(LangspecError, match=rf"tune\.rule: least_leak .*{selection}.*; set train"):
        parse_config(values)


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ({}, r"tune\.grid: found \{\}, expected values by parameter"),
        ({"lambda": [0.1]}, r"tune\.grid\.lambda: unknown parameter 'lambda'; expected some of"),
        ({"strength": [0.1, 0.1]}, r"tune\.grid\.strength: lists \[0\.1\] twice"),
        ({"strength inner_steps": [[0.1]]}, r"found \[0\.1\], expected a list of 2 values"),
        ({"strength": [0.1], "strength warmup": [[0.1, 0]]}, "names strength twice"),
        ({"strength": [-1.0]}, r"strength: found -1\.0"),
    ],
)
def test_a_bad_grid_is_refused_before_anything_is_trained(grid: Any, expected: str) -> None:
    own = config(space="grid", method="grl")
    own = own.model_copy(update={"tune": own.tune.model_copy(update={"grid": grid})})
    with pytest.raises(LangspecError, match=expected):
        spaces.sized(own)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"space": "default"}, "least_leak compares .* only a grid has; set tune.space: grid"),
        ({"method": "finetune"}, "least_leak needs a method that unlearns, found finetune"),
    ],
)
def test_the_least_leak_needs_a_grid_and_unlearning(changes: Any, expected: str) -> None:
    with pytest.raises(LangspecError, match=expected):
        config(**(GRID | changes))


def test_what_cannot_be_tried_is_told_and_left_out() -> None:
    values = set_values(values_of("demo"), ["train.methods.grl.overrides={pos: {strength: 50.0}}"])
    points, untold = spaces.starting_points(parse_config(values), spaces.space_of(config()))
    assert [origin for origin, _ in points] == ["Tanti et al. 2021"]
    assert "strength = 50.0 (tried: 0.01 to 10, logarithmic)" in untold


def test_without_a_masked_head_mlm_is_not_tried() -> None:
    def kinds(**has: bool) -> tuple[str, ...]:
        found = spaces.space_of(config(), **has)
        return next(p.choices for p in found.parameters if p.name == "retention.kind")

    assert kinds() == ("none", "distil", "mlm")
    assert kinds(masked_head=False) == ("none", "distil")


def test_a_task_that_no_training_reads_and_no_corpora_have_is_refused(tmp_path: Path) -> None:
    from langspec.tuning.fingerprint import space_for

    own = parse_config(set_values(values_of("demo"), ["train.tasks=[nli]", "train.also.tasks=[]"]))
    corpora = tmp_path / "data" / "corpora" / "demo"
    corpora.mkdir(parents=True)
    expected = r"tune\.task: found 'pos', .* train\.tasks: nli; or set tune\.trials: 0"
    with pytest.raises(LangspecError, match=expected):
        space_for(own, tmp_path)
    (corpora / "pos.parquet").touch()
    with pytest.raises(LangspecError, match="langspec encoder"):  # the next that is missing
        space_for(own, tmp_path)


def test_the_masked_head_has_that_name() -> None:
    from langspec.tuning.fingerprint import MASKED_HEAD

    module = (CHECKOUT / "src" / "langspec" / "encoders" / "mlm.py").read_text(encoding="utf-8")
    assert f'MLM_HEAD = "{MASKED_HEAD}"' in module  # importing it would import PyTorch


def test_conditions_and_shared_values() -> None:
    import optuna

    own = spaces.space_of(config())
    seen: dict[str, set[bool]] = {"discriminator.hidden": set(), "retention.weight": set()}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(40):
        found = own.suggest(study.ask())
        has = "discriminator.hidden" in found
        assert has == (found["discriminator.layers"] > 0)
        seen["discriminator.hidden"].add(has)
        has = "retention.weight" in found
        assert has == (found["retention.kind"] != "none")
        seen["retention.weight"].add(has)
        for value in found.values():  # what is trained is what will be written
            assert not isinstance(value, float) or value == float(f"{value:.3g}")
    assert all(both == {True, False} for both in seen.values())
    paper = spaces.space_of(config(space="paper"))
    found = paper.suggest(optuna.create_study().ask())
    assert found["discriminator.lr"] == found["head_lr"]


def test_overrides_of_unknown_tasks_are_refused() -> None:
    from langspec.errors import LangspecError

    values = spaces.with_values(config(), {"train.methods.grl.overrides.pos.strength": 2.0})
    assert values.train.methods.grl.for_task("pos").strength == 2.0
    with pytest.raises(LangspecError, match=r"overrides\.ner: found 'ner', expected one of"):
        spaces.with_values(config(), {"train.methods.grl.overrides.ner.strength": 2.0})


def test_the_documentation_names_what_is_searched() -> None:
    page = (CHECKOUT / "docs" / "sweeps.md").read_text(encoding="utf-8")
    named = re.search(r"^## What is searched\n(.*?)^## ", page, re.DOTALL | re.MULTILINE)
    assert named
    searched = re.findall(r"^\| `([\w.]+)` \|", spaces.listing(config()), re.MULTILINE)
    table = set(re.findall(r"`([\w.]+)`", named[1]))
    assert searched
    assert not set(searched) - table
