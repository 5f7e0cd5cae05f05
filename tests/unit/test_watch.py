"""Each symptom, planted; and that a healthy run has none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from test_unlearning import LANGUAGE, train

from langspec.errors import LangspecError
from langspec.objectives import get_objective
from langspec.training.checkpoint import CheckpointStore
from langspec.training.loop import fit
from langspec.training.watch import Moments, Watch, WatchOptions
from training_fixtures import (
    CLASSES,
    method_options,
    options,
    tiny_model,
    token_data,
    watch_options,
)

ACCELERATOR = Accelerator(cpu=True)
OPTIONS = watch_options(every=2, patience=2)
H = 6


def vectors(seed: int, *, scale=1.0, apart=0.0, rank=H, n=60):
    rng = torch.Generator().manual_seed(seed)
    found = torch.randn(n, rank, generator=rng) @ torch.eye(rank, H) * scale
    languages = torch.arange(n) % 3
    found[:, 0] += apart * (languages - 1)
    return found, languages


def watched(windows, *, cross_entropy=1.0, predictions=None, classes=3, chosen=OPTIONS):
    """A watch after windows of two steps each, fed with ``vectors(**window)``."""
    watch = Watch(chosen, classes=classes, languages=3)
    step, found = 0, []
    for window in windows:
        for _ in range(chosen.every):
            step += 1
            watch.features(*vectors(step, **window))
            gold = torch.arange(9) % classes
            said = gold if predictions is None else torch.full_like(gold, predictions)
            logits = torch.nn.functional.one_hot(said, classes).float()
            watch.predictions(logits, gold)
            metrics = {"adversary_cross_entropy": cross_entropy}
            found.append(watch.end_of_step(step, metrics, ACCELERATOR))
    return watch, [row for row in found if row]


PLANTS = {
    "norm": {"windows": [{}, {"scale": 0.01}, {"scale": 0.01}]},
    "rank": {"windows": [{}, {"rank": 1}, {"rank": 1}]},
    "variance": {"windows": [{}, {"apart": 5.0}, {"apart": 5.0}]},
    "adversary": {"windows": [{}, {}], "cross_entropy": 1.3 * math.log(3)},
    "constant": {"windows": [{}, {}], "predictions": 1},
}


@pytest.mark.parametrize("name", sorted(PLANTS))
def test_a_planted_symptom_is_named_and_fails_the_run(name: str, caplog) -> None:
    watch, _ = watched(**PLANTS[name])
    assert [symptom.name for symptom in watch.symptoms] == [name]
    assert watch.failure is not None
    assert watch.failure.name == name
    assert watch.stops
    assert f": {name}: " in caplog.text


@pytest.mark.parametrize("name", sorted(PLANTS))
def test_it_has_to_last(name: str) -> None:
    plant = dict(PLANTS[name])
    plant["windows"] = plant["windows"][:-1] if len(plant["windows"]) > 1 else plant["windows"]
    watch, _ = watched(**plant)
    assert watch.symptoms == []


@pytest.mark.parametrize("name", sorted(PLANTS))
def test_what_is_not_listed_is_a_warning(name: str) -> None:
    (symptoms,) = get_args(WatchOptions.model_fields["fail"].annotation)
    others = [other for other in get_args(symptoms) if other != name]
    watch, _ = watched(**PLANTS[name], chosen=watch_options(every=2, patience=2, fail=others))
    assert [symptom.name for symptom in watch.symptoms] == [name]
    assert watch.failure is None
    assert not watch.stops


def test_a_healthy_run_has_no_symptom() -> None:
    watch, windows = watched([{}] * 6, cross_entropy=math.log(3))
    assert watch.symptoms == []
    assert len(windows) == 6


def test_target_dev_falling_while_source_dev_holds_is_a_warning() -> None:
    watch = Watch(OPTIONS, classes=3, languages=3)
    watch.end_of_epoch(10, 0.90, 0.80)
    watch.end_of_epoch(20, 0.60, 0.50)  # both fall: over-trained, no sign of this
    assert watch.symptoms == []
    watch.end_of_epoch(30, 0.91, 0.55)
    assert [s.name for s in watch.symptoms] == ["target_dev"]
    assert watch.failure is None
    watch.end_of_epoch(40, 0.9, None)  # no target dev rows: nothing to say


def test_moments_are_those_of_the_whole_batch() -> None:
    x, languages = vectors(1, apart=2.0, n=90)
    parts, whole = Moments(3), Moments(3)
    for i in range(0, 90, 30):
        parts.add(x[i : i + 30], languages[i : i + 30])
    whole.add(x, languages)
    assert parts.geometry() == pytest.approx(whole.geometry(), rel=1e-6)
    found = whole.geometry()
    values = x.double().numpy()
    assert found["feature_norm"] == pytest.approx(np.linalg.norm(values, axis=1).mean())
    spread = np.sqrt(((values - values.mean(0)) ** 2).sum(1).mean())
    assert found["feature_spread"] == pytest.approx(spread)
    eigen = np.linalg.eigvalsh(np.cov(values.T, bias=True))
    share = eigen / eigen.sum()
    assert found["effective_rank"] == pytest.approx(np.exp(-(share * np.log(share)).sum()))


def test_the_variance_share_is_zero_where_languages_do_not_differ() -> None:
    shares = []
    for seed in range(40):
        moments = Moments(3)
        moments.add(*vectors(seed, n=12))  # few rows: without correction the share would be .18
        shares.append(moments.geometry()["language_variance"])
    assert np.mean(shares) < 0.08
    far = Moments(3)
    far.add(*vectors(0, apart=100.0))
    assert far.geometry()["language_variance"] > 0.99


def test_a_watch_goes_on_where_it_was() -> None:
    whole, windows = watched([{}, {"apart": 5.0}, {"apart": 5.0}])
    first = Watch(OPTIONS, classes=3, languages=3)
    second = Watch(OPTIONS, classes=3, languages=3)
    metrics = {"adversary_cross_entropy": 1.0}
    found = []
    for step in range(1, 7):
        watch = first if step <= 3 else second  # cut inside the second window
        if step == 4:
            second.load(first.state(), first.tensors(ACCELERATOR), ACCELERATOR)
        watch.features(*vectors(step, apart=0.0 if step <= 2 else 5.0))
        gold = torch.arange(9) % 3
        watch.predictions(torch.nn.functional.one_hot(gold, 3).float(), gold)
        found.append(watch.end_of_step(step, metrics, ACCELERATOR))
    assert [row for row in found if row] == windows
    assert second.symptoms == whole.symptoms


def poisoned(at: int, bad=float("nan")):
    """A model whose head gives NaN from a forward on."""
    model = tiny_model()
    forwards = {"n": 0}

    def hook(module, inputs, output):
        forwards["n"] += module.training
        return output * bad if module.training and forwards["n"] >= at else output

    model.heads["task"].register_forward_hook(hook)
    return model


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_diverged_run_ends_labelled_with_finite_weights(tmp_path: Path, bad: float) -> None:
    store = CheckpointStore(tmp_path)
    result = train("grl", model=poisoned(4, bad), watch=OPTIONS, checkpoints=store)
    assert result.failure is not None
    assert result.failure["name"] == "diverged"
    assert result.failure["step"] == 4
    assert len(result.steps) == 3
    assert result.best_epoch == 0
    assert all(bool(torch.isfinite(tensor).all()) for tensor in result.tensors.values())
    again = train("grl", watch=OPTIONS, checkpoints=store)  # a failed run is not gone on with
    assert again.failure == result.failure
    assert again.steps == result.steps


def test_without_a_watch_divergence_is_an_error() -> None:
    with pytest.raises(LangspecError, match="loss became nan"):
        train("grl", model=poisoned(2))


def test_a_run_that_is_not_stopped_is_still_marked() -> None:
    model = tiny_model()
    with torch.no_grad():
        model.heads["task"].linear.bias[0] = 1e4  # says class 0, whatever it reads
    keep = watch_options(every=2, patience=2, stop=False)
    result = train("control", model=model, watch=keep, head_lr=1e-6)
    assert result.failure is not None
    assert result.failure["name"] == "constant"
    assert result.epochs[-1]["epoch"] == 2  # it went on to the end


@pytest.mark.slow
def test_a_naive_reversal_is_caught_where_the_recipe_is_not() -> None:
    """The published failure: a strong reversal against a slow adversary."""
    naive = ("strength=20.0", "schedule=constant", "inner_steps=0", "discriminator.lr=1e-4")
    fast = {"encoder_lr": 1e-2, "epochs": 8, "watch": watch_options(every=4, patience=2)}
    failed = train("grl", *naive, **fast)
    assert failed.failure is not None
    assert failed.failure["name"] in ("adversary", "variance")
    assert train("grl", **(fast | {"encoder_lr": 1e-3})).failure is None


def test_targets_are_watched_but_select_nothing() -> None:
    def run(targets):
        return fit(
            tiny_model(),
            get_objective("grl", method_options("grl")),
            token_data(40),
            token_data(12, seed=9),
            options(),
            Accelerator(cpu=True),
            classes=CLASSES,
            language=LANGUAGE,
            targets=targets,
            watch=OPTIONS,
        )

    with_targets, without = run([token_data(8, seed=3), token_data(8, seed=4)]), run([])
    assert all("val_targets_macro_f1" in row for row in with_targets.epochs)
    assert with_targets.best_epoch == without.best_epoch
    assert with_targets.dev == without.dev
    for name, tensor in without.tensors.items():
        assert torch.equal(tensor, with_targets.tensors[name])
