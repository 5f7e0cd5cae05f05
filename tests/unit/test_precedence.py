"""Which value counts: configuration, trainer, sweep, card, MLflow and report agree."""

from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest

from langspec import presets
from langspec.config import Config, parse_config, parse_yaml, set_values
from langspec.objectives import Override, methods
from langspec.precedence import RENAMED, at, effective, trained_value, trained_values
from langspec.release.model_card import ExportFacts, _made
from langspec.report.tradeoff_points import _strength
from langspec.tracking.training_runs import Training
from langspec.training.identity import run_settings
from langspec.training.train_section import recipe_of
from langspec.tuning.space import space_of

ON_TASK = {"epochs": 7, "encoder_lr": 3e-5, "head_lr": 0.02, "head_init": 0.5, "batch_rows": 9}
ITS_OWN = {"discriminator_lr": 0.003, "strength": 1.5, "weight": 0.25}
EVERY = [*ON_TASK, *ITS_OWN]


def config(method: str, *, overridden: bool) -> Config:
    options = methods()[method].Options
    own = {k: v for k, v in ITS_OWN.items() if parameter(k).split(".")[0] in options.model_fields}
    values = parse_yaml(presets.preset_text("demo"))
    changes = [f"tune.method={method}"]
    if overridden:
        changes.append(f"train.methods.{method}.overrides={{'pos': {ON_TASK | own}}}")
    return parse_config(set_values(values, changes))


def parameter(key: str) -> str:
    """The name of a parameter by its key in ``overrides``."""
    return next((name for name, renamed in RENAMED.items() if renamed == key), key)


def test_the_test_knows_every_override() -> None:
    assert set(EVERY) == set(Override.model_fields)


@pytest.mark.parametrize("overridden", [True, False])
@pytest.mark.parametrize("method", sorted(methods()))
def test_all_agree(method: str, overridden: bool) -> None:
    made = config(method, overridden=overridden)
    train, params = made.train, run_settings(made, "pos", method)
    recipe = recipe_of(train, "pos", method, 1)
    options = getattr(train.methods, method).for_task("pos")
    in_card = trained_values(params, "pos", method)
    tried = space_of(made).at(made)
    for key in EVERY:
        name = parameter(key)
        value = effective(train, "pos", method, name)
        if overridden and (key in ON_TASK or at(options, name) is not None):
            assert value == {**ON_TASK, **ITS_OWN}[key], key
        if key in ON_TASK and name in options.not_searched:  # no effect, so not named
            assert trained_value(params, "pos", method, name) is None
            assert f"train.{name}" not in in_card
            continue
        assert trained_value(params, "pos", method, name) == value
        if key in ON_TASK:
            assert getattr(recipe, name) == value
            assert in_card[f"train.{name}"] == value
        elif value is not None:
            assert at(options, name) == value
            assert in_card[f"{method}.{name}"] == value
        if name in tried:
            assert tried[name] == value
    # Another task has what the method, the task and all trainings say.
    own = getattr(train.methods, method)
    epochs = getattr(own, "epochs", train.nli.epochs)
    assert effective(train, "nli", method, "epochs") == epochs
    assert f"{method}.epochs" not in in_card
    # A rate's warm-up and lambda's are two parameters of one name.
    assert in_card["train.warmup"] == train.warmup
    if method == "grl":
        assert in_card["grl.warmup"] == options.warmup
    assert not [name for name in in_card if "overrides" in name or name.endswith(".pos.epochs")]


def test_a_finished_training_is_shown_with_what_counted() -> None:
    """By the override, not by the method: in the card, in MLflow, on the report's curve."""
    made = config("grl", overridden=True)
    params = run_settings(made, "pos", "grl")
    assert params["train.methods.grl.strength"] == 0.3
    run: Any = SimpleNamespace(runs={("pos", "grl"): {"params": params}})
    assert _strength(run, "pos", "grl") == 1.5
    common = dict.fromkeys(field.name for field in fields(Training)) | {
        "task": "pos", "method": "grl", "params": params,
    }  # fmt: skip
    assert Training.of(common).strength == 1.5
    trained: Any = SimpleNamespace(task="pos", method="grl", seed=1)
    starting: Any = SimpleNamespace(name="e", source="", sha256="")
    (line,) = [
        line
        for line in _made(ExportFacts(made.corpora, trained, starting, {"params": params}, []))
        if line.startswith("Parameters: ")
    ]
    assert ", grl.strength=1.5, " in line
    assert ", train.encoder_lr=3e-05, " in line
    assert ", train.head_init=0.5, " in line
    assert line.count("encoder_lr=") == 1
    assert "strength=0.3" not in line
    assert "overrides" not in line
