"""Rules of selection, and that training chooses its epoch by them alone."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from accelerate import Accelerator

from langspec.errors import LangspecError
from langspec.objectives import get_objective
from langspec.training import loop
from langspec.training.selection import RULES, get_rule, language_metric
from langspec.training.train_section import Train
from training_fixtures import CLASSES, options, tiny_model, token_data

EPOCH = {"macro_f1": 0.9, "accuracy": 0.1, "macro_f1_de": 0.2, "macro_f1_tr": 0.6}


def test_params_and_registry_name_the_same_rules() -> None:
    assert set(get_args(Train.model_fields["selection"].annotation)) == set(RULES)


@pytest.mark.parametrize(
    ("name", "score", "languages"),
    [
        ("source_dev", 0.9, ["en"]),
        ("source_val", 0.9, ["en"]),
        ("mean_dev", 0.4, ["de", "en", "tr"]),
        ("oracle", 0.4, ["de", "tr"]),
    ],
)
def test_what_a_rule_reads_and_makes_of_it(name: str, score: float, languages: list[str]) -> None:
    rule = get_rule(name)
    assert rule.score(EPOCH) == pytest.approx(score)
    assert rule.languages("en", ["tr", "en", "de"]) == languages


def test_test_rows_choose_no_champion() -> None:
    assert [rule.name for rule in RULES.values() if not rule.champion] == ["oracle"]
    assert all(rule.champion == (rule.split != "test") for rule in RULES.values())


@pytest.mark.parametrize("name", ["mean_dev", "oracle"])
def test_several_languages_are_never_quietly_the_source_alone(name: str) -> None:
    with pytest.raises(LangspecError, match=f"train.selection: {name} needs .* use source_dev"):
        get_rule(name).languages("en", ["en"])
    with pytest.raises(LangspecError, match="needs macro_f1_CODE, found macro_f1"):
        get_rule(name).score({"macro_f1": 0.9})


def test_an_unknown_rule_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        LangspecError, match="found 'best', expected one of source_dev, source_val"
    ):
        get_rule("best")


def trained(rule: str, judged: dict, **changes):
    return loop.fit(
        tiny_model(),
        get_objective("finetune"),
        token_data(60),
        DEV,
        options(epochs=4, **changes),
        Accelerator(cpu=True),
        classes=CLASSES,
        rule=get_rule(rule),
        judged=judged,
    )


DEV = token_data(20, seed=9)


def contrary(seed: int):
    """A language whose labels are the source's permuted: what helps the source hurts it."""
    data = token_data(20, seed=seed)
    return replace(data, labels=(data.labels + 1) % CLASSES)


@pytest.mark.parametrize("rule", ["mean_dev", "oracle"])
def test_the_rule_chooses_the_epoch(rule: str) -> None:
    judged = {"de": contrary(3), "tr": contrary(4)}
    judged |= {"en": DEV} if rule == "mean_dev" else {}
    slow = {"encoder_lr": 5e-4, "head_lr": 1e-3}  # so that epochs differ
    by_source, by_rule = trained("source_dev", {}, **slow), trained(rule, judged, **slow)
    columns = [f"val_{language_metric(code)}" for code in judged]
    means = [np.mean([row[column] for column in columns]) for row in by_rule.epochs]
    source = [row["val_macro_f1"] for row in by_rule.epochs]
    # Of equals the last.
    assert by_rule.best_epoch == len(means) - int(np.argmax(means[::-1]))
    assert by_source.best_epoch == len(source) - int(np.argmax(source[::-1]))
    if rule == "oracle":
        assert by_rule.best_epoch != by_source.best_epoch
    assert get_rule(rule).score(by_rule.dev) == pytest.approx(max(means))
    if "en" in judged:
        assert all(row["val_macro_f1_en"] == row["val_macro_f1"] for row in by_rule.epochs)


def test_scoring_other_languages_changes_nothing_that_is_learned() -> None:
    alone, watched = trained("source_dev", {}), trained("oracle", {"de": contrary(3)})
    assert alone.steps == watched.steps
    assert [row["val_macro_f1"] for row in alone.epochs] == [
        row["val_macro_f1"] for row in watched.epochs
    ]
