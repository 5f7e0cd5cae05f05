"""The published settings: as published, and what they compute, by hand."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from conftest import CHECKOUT
from langspec import presets
from langspec.config import parse_config, parse_yaml
from langspec.objectives import Setting, get_objective
from langspec.training.language import LanguageStream
from langspec.training.stepper import Stepper
from langspec.training.train_section import Recipe, recipe_of
from training_fixtures import CLASSES, language_data, tiny_model, token_data

CONFIG = parse_config(parse_yaml(presets.preset_text("paper")))
METHODS = {"frozen": "frozen", "finetune": "finetune", "grl": "grl", "entmax": "adversary"}
TABLE = CHECKOUT / "data" / "published" / "tanti2021_hyperparameters.csv"
CELLS = [(task, method) for task in ("pos", "nli") for method in METHODS.values()]


def recipe(task: str, method: str) -> Recipe:
    return recipe_of(CONFIG.train, task, method, 1)


def method_options(task: str, method: str):
    return getattr(CONFIG.train.methods, method).for_task(task)


def test_the_preset_holds_the_published_values() -> None:
    with TABLE.open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert {(row["task"], METHODS[row["method"]]) for row in rows} == set(CELLS)
    for row in rows:
        task, method = row["task"], METHODS[row["method"]]
        fit, own = recipe(task, method), method_options(task, method)
        found = {
            "encoder_learning_rate": fit.encoder_lr,
            "postencoder_learning_rate": fit.head_lr,
            "minibatch_size": fit.batch_rows,
            "init_stddev": fit.head_init,
            "grl_lambda": getattr(own, "strength", None),
            "lang_error_weighting": getattr(own, "weight", None),
        }[row["hyperparameter"]]
        assert found == float(row["value"]), row
        if hasattr(own, "discriminator"):  # one rate for both heads there
            assert own.discriminator.lr == fit.head_lr
            assert own.discriminator.layers == 0
        assert not getattr(own, "freeze_embeddings", False)  # in none of the published runs
        assert (fit.epochs, fit.clip, fit.warmup, fit.weight_decay) == (5, None, 0, 0)
        assert fit.schedule == "constant"


def log_softmax(scores: np.ndarray) -> np.ndarray:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def head_gradient(vectors, weights, bias, target) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean of ``-sum(target * log p)``: its value, gradient by the vectors, gradient by W."""
    log_p = log_softmax(vectors @ weights.T + bias)
    loss = -(target * log_p).sum(axis=1).mean()
    slope = (np.exp(log_p) * target.sum(axis=1, keepdims=True) - target) / len(vectors)
    return loss, slope @ weights, slope.T @ vectors


def adam_first(gradient: np.ndarray, lr: float) -> np.ndarray:
    """Adam's first step: m / (1 - b1) = g and v / (1 - b2) = g^2."""
    return -lr * gradient / (np.abs(gradient) + 1e-8)


@pytest.mark.parametrize(("task", "method"), CELLS)
def test_losses_and_an_update_by_hand(task: str, method: str) -> None:
    unit = "token" if task == "pos" else "pair"
    own, fit = method_options(task, method), recipe(task, method)
    model = tiny_model(unit=unit, dropout=0.0).double().eval()  # no dropout: nothing is random
    data, language = token_data(6, unit=unit), language_data(9)
    if hasattr(own, "discriminator"):
        head = own.discriminator.model_copy(update={"dropout": 0.0})
        own = own.model_copy(update={"discriminator": head})
    objective = get_objective(method, own)
    if not objective.trains_encoder:
        model.encoder.requires_grad_(False)
    accelerator = Accelerator(cpu=True)
    given = language if objective.reads_language else None
    objective.set_up(Setting(model, given, 1, 0, accelerator.device, fit.head_init))
    stream = LanguageStream(
        language, lambda epoch: [np.arange(6)], data.lengths, how=fit.language, seed=1
    )
    stepper = Stepper(
        accelerator, model, objective,
        rates={"encoder": fit.encoder_lr, "head": fit.head_lr},
        weight_decay=fit.weight_decay, warmup=fit.warmup, clip=fit.clip, schedule=fit.schedule,
        language=stream,
    )  # fmt: skip
    stepper.place = (1, 0)
    stepper.set_progress(0.5)
    batch = data.batch(np.arange(6))
    rows = stepper.language_batch()
    assert len(rows["languages"]) == 6  # as many rows as the task's
    before = {name: p.detach().clone() for name, p in model.named_parameters()}

    # By hand: the vectors, the heads' loss, what flows back to the vectors of both kinds.
    joint = model.vectors(batch)
    one_hot = np.eye(CLASSES)[batch["labels"].numpy()]
    linear = model.heads["task"].linear
    weights, bias = (p.detach().numpy().copy() for p in (linear.weight, linear.bias))
    loss, task_slope, head_slope = head_gradient(joint.detach().numpy(), weights, bias, one_hot)
    surrogate = (joint * torch.from_numpy(task_slope)).sum()
    expected = {"loss": loss}
    if objective.reads_language:
        classes = len(language.languages)
        inner = objective.discriminator.parts.linear
        d_weights = inner.weight.detach().numpy().copy()
        hidden = model.encoder(
            input_ids=rows["input_ids"], attention_mask=rows["attention_mask"],
            token_type_ids=rows["token_type_ids"],
        ).last_hidden_state  # fmt: skip
        own_vectors, gold = objective.language_vectors(hidden, rows)
        read, gold_one_hot = own_vectors.detach().numpy(), np.eye(classes)[gold.numpy()]
        target = np.ones_like(gold_one_hot) if method == "adversary" else gold_one_hot
        term, slope, _ = head_gradient(read, d_weights, np.zeros(classes), target)
        ce, _, d_slope = head_gradient(read, d_weights, np.zeros(classes), gold_one_hot)
        expected["loss_language"] = term
        if method == "grl":  # g_task - lambda g_language
            surrogate = surrogate + (own_vectors * torch.from_numpy(-0.1 * slope)).sum()
        else:  # (1 - w) task + w sum over languages
            w = {"pos": 0.7, "nli": 0.1}[task]
            surrogate = (1 - w) * surrogate + w * (own_vectors * torch.from_numpy(slope)).sum()
            head_slope = (1 - w) * head_slope
            assert term >= classes * math.log(classes) - 1e-9  # the floor of the summed loss
    name = "encoder.encoder.layer.0.output.dense.weight"
    parameter = dict(model.named_parameters())[name]
    slope_of_encoder = None
    if objective.trains_encoder:
        (slope_of_encoder,) = torch.autograd.grad(surrogate, parameter)

    losses = objective.update(batch, 0.5, stepper)
    for key, value in expected.items():
        assert float(losses[key]) == pytest.approx(value, abs=1e-6), key
    moved = linear.weight.detach().numpy() - before["heads.task.linear.weight"].numpy()
    assert moved == pytest.approx(adam_first(head_slope, fit.head_lr), abs=1e-6)
    if slope_of_encoder is not None:
        by_hand = adam_first(slope_of_encoder.numpy(), fit.encoder_lr)
        found = (parameter.detach() - before[name]).numpy()
        # Relative to the rate: 1e-6 of the encoder's own 1e-6 would prove nothing.
        assert found / fit.encoder_lr == pytest.approx(by_hand / fit.encoder_lr, abs=1e-6)
    if method == "grl":
        moved = inner.weight.detach().numpy() - d_weights
        assert moved == pytest.approx(adam_first(d_slope, own.discriminator.lr), abs=1e-6)
        assert stepper.metrics["adversary_cross_entropy"] == pytest.approx(ce, abs=1e-6)
