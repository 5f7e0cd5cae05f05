"""Unlearning on a corpus whose language cue is known: a fresh, converged probe is the judge.

A piece is a fixed vector of 32 numbers: noise, the direction of its class, and the shift of its
language. The encoder is one linear map to 8 numbers, so it has to choose what it keeps: there is
room for the class without the shift. (Without the bottleneck nothing could be unlearned: an
invertible map hides nothing from a converged probe, however small it makes it.)
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from measure_options import PROBE
from torch import nn

from langspec.encoders.inputs import Inputs
from langspec.measurement.probe import fit_probe
from langspec.modelling.model import EncoderWithHeads, LinearHead
from langspec.objectives import get_objective
from langspec.tasks.task import TaskData
from langspec.training.language import LanguageData
from langspec.training.loop import fit
from langspec.training.scoring import predict
from training_fixtures import method_options, options

LANGUAGES, CLASSES = 3, 3
WIDTH, KEPT = 32, 8
CUE, TASK = 2.0, 3.0  # lengths of a language's shift and a class's; the noise is 1 a dimension
EACH = 300  # pieces of every class in every language
FIRST = 1  # piece 0 pads


class Bottleneck(nn.Module):
    """A table of fixed piece vectors ``[V, 32]`` and a trainable map to 8; no contexts."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.config = SimpleNamespace(hidden_size=KEPT, num_hidden_layers=1)
        self.register_buffer("table", table)
        self.linear = nn.Linear(WIDTH, KEPT)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        """States ``[B, T, 8]``."""
        return SimpleNamespace(last_hidden_state=self.linear(self.table[input_ids]))


def directions() -> np.ndarray:
    """Orthonormal ``[2 + 3, 32]``: two that tell three languages apart, one for each class."""
    rng = np.random.default_rng(3)
    return np.linalg.qr(rng.normal(size=(WIDTH, 2 + CLASSES)))[0].T


def table() -> torch.Tensor:
    """Vectors of all pieces, by language, then class: ``[1 + 3 * 3 * EACH, 32]``."""
    rng = np.random.default_rng(4)
    axes = directions()
    angles = 2 * np.pi * np.arange(LANGUAGES) / LANGUAGES
    shifts = CUE * np.stack([np.cos(angles), np.sin(angles)], 1) @ axes[:2]
    noise = rng.normal(size=(LANGUAGES, CLASSES, EACH, WIDTH))
    found = noise + shifts[:, None, None] + TASK * axes[2:][None, :, None]
    flat = found.reshape(-1, WIDTH)
    return torch.from_numpy(np.concatenate([np.zeros((FIRST, WIDTH)), flat])).float()


def rows(
    count: int, seed: int, languages: list[int], drawn: tuple[int, int] | None = None
) -> tuple[Inputs, np.ndarray, np.ndarray]:
    """Rows of random pieces of their language; labels of rows (language) and pieces (class).

    A seed of 100 and over draws from a third of the pieces that no other seed draws from: what
    is tested was not seen. ``drawn``: the first and the end of the pieces to draw from instead.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(4, 9, count)
    starts = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    own = np.asarray(languages)[np.arange(count) % len(languages)]
    classes = rng.integers(0, CLASSES, starts[-1])
    low, high = drawn or ((2 * EACH // 3, EACH) if seed >= 100 else (0, 2 * EACH // 3))
    piece = rng.integers(low, high, starts[-1])
    ids = FIRST + (np.repeat(own, lengths) * CLASSES + classes) * EACH + piece
    columns = (np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)).astype(np.int32)
    inputs = Inputs(
        ids.astype(np.int32), starts, np.zeros(len(ids), np.int8), columns, starts, columns
    )
    return inputs, own.astype(np.int64), classes.astype(np.int64)


def task_rows(count: int, seed: int, language: int) -> TaskData:
    inputs, own, classes = rows(count, seed, [language])
    return TaskData(
        inputs=inputs,
        labels=classes,
        items=np.arange(count, dtype=np.int32),
        languages=own.astype(str),
        unit="token",
        pad_id=0,
    )


def text_rows(count: int, seed: int, drawn: tuple[int, int] | None = None) -> LanguageData:
    inputs, own, _ = rows(count, seed, list(range(LANGUAGES)), drawn)
    return LanguageData(inputs, own, tuple(f"l{i}" for i in range(LANGUAGES)), pad_id=0)


def leak(model: EncoderWithHeads, fitted_on: tuple[int, int] | None = None) -> tuple[float, float]:
    """Accuracy of a fresh, converged linear probe on token vectors, and of the majority.

    ``fitted_on``: the first and the end of the pieces that the probe is fitted on.
    """

    def encoded(
        count: int, seed: int, drawn: tuple[int, int] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        data = text_rows(count, seed, drawn)
        batch = data.batch(np.arange(count))
        with torch.inference_mode():
            states = model.eval().encoder(batch["input_ids"], batch["attention_mask"])
        vectors = states.last_hidden_state[batch["unit_rows"], batch["unit_columns"]]
        return vectors.numpy(), batch["languages"][batch["unit_rows"]].numpy()

    x_test, y_test = encoded(400, 120)
    probe = fit_probe(*encoded(400, 20, fitted_on), *encoded(200, 21), LANGUAGES, PROBE)
    assert probe.converged
    majority = np.bincount(y_test).max() / len(y_test)
    return float((probe.predict(x_test) == y_test).mean()), float(majority)


def accuracy(model: EncoderWithHeads) -> float:
    """Task accuracy on unseen pieces, the mean over the languages."""
    found = []
    for language in range(LANGUAGES):
        data = task_rows(150, 110 + language, language)
        predicted = predict(model, data, 512, torch.device("cpu"), "fp32")
        found.append(float((predicted == data.labels).mean()))
    return float(np.mean(found))


def trained(
    method: str, *changes: str, seed: int = 1, text: LanguageData | None = None, **more: Any
) -> Any:
    """The model as a run ends (not its best epoch: source dev cannot tell what was unlearned)."""
    torch.manual_seed(seed)
    encoder: Any = Bottleneck(table())
    head = LinearHead(KEPT, CLASSES, dropout=0.0, init=0.02)
    model = EncoderWithHeads(encoder, {"task": head}, unit="token", pooling="mean")
    chosen = {"epochs": 8, "batch_tokens": 128, "encoder_lr": 1e-3, "seed": seed} | more
    result = fit(
        model,
        get_objective(method, method_options(method, *changes)),
        task_rows(400, 1, 0),
        task_rows(60, 2, 0),
        options(**chosen),
        Accelerator(cpu=True),
        classes=CLASSES,
        language=None if method == "finetune" else text or text_rows(600, 5),
    )
    return model, result


@pytest.fixture(scope="module")
def control() -> tuple[float, float]:
    """Leak and task accuracy of the matched control: the cue is there to be unlearned."""
    model, _ = trained("control", epochs=24)
    found, majority = leak(model)
    assert found > majority + 0.2
    return found, accuracy(model)


# What mattered: an encoder slower than its adversary (at three times this rate `adversary` missed
# the bound with two of three seeds). At the shipped settings both are within the bound at this
# rate; more and faster discriminator steps give `adversary` room.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "changes", "epochs"),
    [
        ("grl", (), 16),
        ("adversary", ("weight=0.5", "inner_steps=3", "discriminator.lr=0.01"), 24),
    ],
)
def test_a_planted_cue_is_unlearned_and_the_task_kept(method, changes, epochs, control) -> None:
    model, result = trained(method, *changes, epochs=epochs)
    found, majority = leak(model)
    assert result.failure is None
    assert found <= majority + 0.10
    assert found < control[0] - 0.2
    assert accuracy(model) >= control[1] - 0.02


@pytest.mark.slow
def test_without_a_reversed_gradient_nothing_is_unlearned(control) -> None:
    """The same rows and discriminator at lambda 0: it is the gradient that does it."""
    model, _ = trained("grl", "strength=0.0", epochs=16)
    assert leak(model)[0] > control[0] - 0.05


@pytest.mark.slow
def test_a_probe_on_the_adversarys_text_reads_less_than_one_on_other_text() -> None:
    """Ten pieces of each class and language: their noise is unlearned with the cue.

    So the language of these ten tells a probe less than the language of ten others does.
    """
    first, others = (0, 10), (10, 20)
    same, apart = [], []
    for seed in (1, 2, 3):
        model, _ = trained("grl", epochs=16, seed=seed, text=text_rows(600, 5, first))
        same.append(leak(model, first)[0])
        apart.append(leak(model, others)[0])
    assert np.mean(apart) > np.mean(same) + 0.03
