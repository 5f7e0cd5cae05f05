"""What flows back: reversed gradients, lambda by the step, the losses against a discriminator."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from langspec.errors import LangspecError
from langspec.modelling.discriminator import Discriminator, as_constant
from langspec.modelling.reversal import reverse_gradient
from langspec.objectives.adversary import language_term
from langspec.objectives.gradient_cosine import gradient_cosine
from langspec.objectives.schedules import SCHEDULES, strength_at
from langspec.tasks.task import IGNORED

# Gradient reversal.


@pytest.mark.parametrize("strength", [0.0, 0.1, 1.0, 10.0])
def test_reversal_is_a_twin_with_the_gradient_turned(strength: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    twin = x.detach().clone().requires_grad_()
    weights = torch.randn(4, 3, dtype=torch.float64)
    out = torch.tanh(reverse_gradient(x, strength) @ weights)
    assert torch.equal(out, torch.tanh(twin @ weights))
    out.square().sum().backward()
    torch.tanh(twin @ weights).square().sum().backward()
    assert torch.allclose(x.grad, -strength * twin.grad, atol=1e-12, rtol=0)


def test_reversal_against_finite_differences() -> None:
    torch.manual_seed(0)
    x = torch.randn(6, dtype=torch.float64, requires_grad=True)
    reverse_gradient(x, 0.7).sin().sum().backward()
    with torch.no_grad():
        steps = 1e-6 * torch.eye(6, dtype=torch.float64)
        slope = ((x + steps).sin().sum(1) - (x - steps).sin().sum(1)) / 2e-6
    assert torch.allclose(x.grad, -0.7 * slope, atol=1e-8)
    # With strength -1 it is the identity both ways, which gradcheck can check as any function.
    assert torch.autograd.gradcheck(lambda v: reverse_gradient(v, -1.0).sin(), (x,))


@given(st.sampled_from(sorted(SCHEDULES)), st.floats(0, 0.9), st.floats(0, 5))
def test_schedules_start_late_and_never_fall(schedule: str, warmup: float, strength: float):
    found = [
        strength_at(p, strength=strength, schedule=schedule, warmup=warmup)
        for p in np.linspace(0, 1, 41)
    ]
    assert all(0 <= value <= strength + 1e-12 for value in found)
    assert all(b >= a - 1e-12 for a, b in itertools.pairwise(found))
    assert found[-1] == pytest.approx(strength, rel=1e-3)
    assert all(v == 0 for p, v in zip(np.linspace(0, 1, 41), found, strict=True) if p < warmup)


def test_schedules_at_known_points() -> None:
    at = {name: [f(p) for p in (0.0, 0.5, 1.0)] for name, f in SCHEDULES.items()}
    assert at["constant"] == [1, 1, 1]
    assert at["linear"] == [0, 0.5, 1]
    assert at["dann"] == pytest.approx(
        [0, 2 / (1 + math.exp(-5)) - 1, 2 / (1 + math.exp(-10)) - 1]
    )
    assert at["cosine"] == pytest.approx([0, 0.5, 1])
    with pytest.raises(LangspecError, match=r"one of constant, linear, dann, cosine$") as refused:
        strength_at(0.5, strength=1.0, schedule="exp", warmup=0.0)
    assert str(refused.value).startswith("train.methods.grl.schedule: found 'exp', ")


def test_the_schedule_runs_over_the_steps_after_the_warm_up() -> None:
    def at(progress: float, schedule: str, warmup: float = 0.2) -> float:
        return strength_at(progress, strength=0.5, schedule=schedule, warmup=warmup)

    assert at(0.6, "linear") == pytest.approx(0.25)
    assert at(0.6, "cosine") == pytest.approx(0.25)
    assert at(0.1999, "constant") == 0
    assert at(0.2, "constant") == 0.5
    assert at(1.0, "constant", warmup=1.0) == 0.5
    assert at(1.0, "linear", warmup=1.0) == 0  # it has not begun yet


# Discriminator and losses.


def test_a_constant_discriminator_sends_gradients_to_the_vectors_alone() -> None:
    head = Discriminator(4, 3, layers=1, hidden=5, dropout=0.0).double()
    x = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    as_constant(head, x).square().sum().backward()
    assert all(p.grad is None for p in head.parameters())
    head(y).square().sum().backward()
    assert torch.allclose(x.grad, y.grad)


def test_language_terms_by_hand() -> None:
    p = torch.tensor([[0.7, 0.2, 0.1], [1 / 3, 1 / 3, 1 / 3]], dtype=torch.float64)
    gold = torch.tensor([1, 2])
    log = np.log(p.numpy())
    by_hand = {
        "uniform_ce": -log.sum(1),
        "entropy": (p.numpy() * log).sum(1),
        "neg_ce": log[[0, 1], [1, 2]],
    }
    for loss, expected in by_hand.items():
        found = language_term(p.log() + 3.0, gold, loss, "sum")
        assert found.numpy() == pytest.approx(expected, abs=1e-12)
        mean = language_term(p.log(), gold, loss, "mean")
        assert mean.numpy() == pytest.approx(expected / 3, abs=1e-12)
    # Uniform predictions are the floor of uniform_ce: K ln K as a sum, ln K as a mean.
    assert float(language_term(p.log(), gold, "uniform_ce", "mean")[1]) == pytest.approx(
        math.log(3)
    )
    with pytest.raises(LangspecError, match=r"adversary\.loss: found 'mse', expected one of"):
        language_term(p.log(), gold, "mse", "sum")


def test_units_without_a_language_have_no_loss_by_their_language() -> None:
    logits = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
    found = language_term(logits, torch.tensor([0, IGNORED]), "neg_ce", "sum")
    assert found.tolist() == pytest.approx([-math.log1p(math.exp(-2)), 0.0])
    half = language_term(logits.half(), torch.tensor([0, 1]), "entropy", "mean")
    assert half.dtype == torch.float32


# The cosine of gradients.


def planted_losses() -> tuple[torch.Tensor, torch.Tensor, list[torch.nn.Parameter]]:
    """Gradients (3, 4 | none) of the task and (4, 3 | 12) of the language."""
    first, second = torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1))
    task = (first * torch.tensor([3.0, 4.0])).sum()
    language = (first * torch.tensor([4.0, 3.0])).sum() + 12 * second.sum()
    return task, language, [first, second]


def test_the_cosine_is_that_of_all_parameters_together() -> None:
    task, language, parameters = planted_losses()
    assert gradient_cosine(task, language, parameters) == pytest.approx(24 / (5 * 13))
    assert gradient_cosine(task, -language, parameters) == pytest.approx(-24 / (5 * 13))
    assert gradient_cosine(task, language, parameters[:1]) == pytest.approx(24 / 25)
    assert all(one.grad is None for one in parameters)
    (task + language).backward()  # the graph is there still
    assert parameters[0].grad.tolist() == [7, 7]


def test_no_gradient_has_no_cosine() -> None:
    task, language, parameters = planted_losses()
    assert gradient_cosine(task, 0 * language, parameters) is None
    assert gradient_cosine(task, language.detach(), parameters) is None
    assert gradient_cosine(task.detach(), language, parameters) is None
    assert gradient_cosine(task, language, parameters[1:]) is None
