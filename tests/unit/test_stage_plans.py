"""What --dry-run counts: of methods that read language text, and of evaluations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from langspec import presets
from langspec.config import parse_config, parse_yaml, set_values
from langspec.errors import LangspecError
from langspec.evaluation.work import check_layers, costs
from langspec.measures.base import Shape
from langspec.objectives import get_objective
from langspec.presets import load_preset
from langspec.training.estimate import language_cost
from training_fixtures import language_data, method_options

DEMO = parse_yaml(presets.preset_text("demo"))
TEXT = language_data(30)
ROWS, PIECES = 40, 400


def cost(method: str, *changes: str, batch: str = "tokens"):
    objective = get_objective(method, method_options(method, *changes))
    return language_cost(objective, TEXT, ROWS, PIECES, equal=batch)


@pytest.mark.parametrize("method", ["control", "grl"])
def test_as_many_tokens_again_forward_and_back(method: str) -> None:
    found = cost(method, "inner_steps=3")  # these reuse the step's vectors
    assert (found.tokens, found.passes, found.width, found.encoders) == (400, 1200, 2, 1)


def test_as_many_rows_have_their_own_length() -> None:
    mean = TEXT.lengths.mean()
    assert mean != PIECES / ROWS
    assert cost("grl", batch="rows").tokens == pytest.approx(ROWS * mean)


def test_the_adversary_reads_rows_of_its_own() -> None:
    assert cost("adversary", "inner_steps=2").passes == 1200 + 2 * 400
    # A pass over the text, where that is shorter than the task's epoch.
    whole = TEXT.lengths.sum()
    assert whole < 400
    assert cost("adversary", "inner_steps=2", "alternate=epoch").passes == 1200 + 2 * whole


def test_retention_costs_a_forward_or_rows_of_its_own() -> None:
    distil, masked = (cost("grl", f"retention.kind={kind}") for kind in ("distil", "mlm"))
    assert (distil.passes, distil.encoders, distil.width) == (1600, 2, 2)
    assert (masked.passes, masked.encoders, masked.width) == (2400, 1, 3)


SHAPE = Shape(
    encoders=4,
    leaks=6,
    erased=2,
    layers=5,
    hidden=128,
    languages=6,
    labels=10,
    token=True,
    passes=1,
)


def parts(*changes: str, shape: Shape = SHAPE):
    config = parse_config(set_values(DEMO, [f"evaluate.{change}" for change in changes]))
    return {cost.name: cost for cost in costs(config, shape)}


def test_every_part_of_an_evaluation_is_counted() -> None:
    found = parts(
        "trajectory.of=[finetune]", "trajectory.points=8", "beyond.run=[mdl,shuffled]",
        "beyond.layers=null", "conditional.run=true",
    )  # fmt: skip
    assert list(found) == [
        "probe", "beyond", "conditional", "beyond.task_text", "geometry", "erasers",
        "attack", "erasers.controls", "compat", "trajectory",
    ]  # fmt: skip
    assert found["probe"].work.startswith("180 ")  # 6 encoders, 5 layers, words and texts, 3 sizes
    # 4 encoders, 3 layers, 2 units; a linear probe, 7 of a code, 1 of shuffled labels.
    assert found["beyond"].work.startswith("216 ")
    assert found["trajectory"].work.startswith("1 trainings")
    assert found["trajectory"].encodings == 9
    assert all(cost.seconds > 0 for cost in found.values())


def test_a_curve_at_fewer_layers_and_fewer_texts_cost_less() -> None:
    every, last = parts()["probe"], parts("leak.curve=[-1]")["probe"]
    assert last.work.startswith("84 ")  # 6 encoders, words and texts, 5 layers and 2 sizes more
    assert last.seconds < every.seconds
    values = set_values(DEMO, ["corpora.limits.text=100"])
    fewer = {one.name: one for one in costs(parse_config(values), SHAPE)}["probe"]
    assert fewer.seconds < every.seconds


def test_words_without_the_prefix_are_a_second_pass_of_all_that_reads_them() -> None:
    """Of the task's text too; pairs of texts have no words."""
    on = "trajectory.of=[finetune]"
    once, twice = (parts(on, shape=replace(SHAPE, passes=passes)) for passes in (1, 2))
    for name in ("beyond.task_text", "trajectory"):
        assert twice[name].encodings == 2 * once[name].encodings
    pairs = parts(shape=replace(SHAPE, passes=2, token=False))
    assert pairs["beyond.task_text"].encodings == SHAPE.encoders
    assert twice["geometry"].encodings == once["geometry"].encodings


def test_attackers_behind_erasers_are_counted_of_methods_that_are_trained() -> None:
    """Of ``erasers.of`` only ``frozen`` is in ``train.run`` here."""
    values = set_values(
        DEMO, ["train.run=[frozen]", "train.also.run=[]", "evaluate.erasers.of=[frozen, finetune]"]
    )
    found = {cost.name: cost for cost in costs(parse_config(values), SHAPE)}
    both = parts("erasers.of=[frozen, finetune]")
    assert found["attack"].seconds == pytest.approx(both["attack"].seconds / 2)


def test_what_is_switched_off_costs_nothing() -> None:
    off = ("beyond.run=[]", "beyond.task_text=0", "geometry.run=false", "compat.run=[]",
           "conditional.run=false")  # fmt: skip
    assert list(parts(*off, "erasers.run=[]")) == ["probe"]


def test_costs_grow_with_what_is_asked_for() -> None:
    few = parts("beyond.run=[mdl]", "compat.settings=own", "geometry.starts=1")
    many = parts("beyond.run=[mlp,mdl]", "compat.settings=all", "geometry.starts=3")
    for name in ("beyond", "compat", "geometry"):
        assert many[name].seconds > few[name].seconds, name


@pytest.mark.parametrize(
    "key", ["evaluate.beyond.layers", "evaluate.conditional.layers", "evaluate.leak.curve"]
)
def test_layers_that_the_encoder_has_not_are_refused(key: str) -> None:
    """By the plan too, and before anything is encoded."""
    check_layers(load_preset("tiny", [f"{key}=[2]"]), 2)
    with pytest.raises(LangspecError, match=rf"{key}: found 3, expected at most 2"):
        check_layers(load_preset("tiny", [f"{key}=[-1, 3]"]), 2)
