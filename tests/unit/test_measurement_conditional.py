"""Bits that a layer adds to the embeddings: planted cues of known entropy, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from measure_options import probe_options

from bank_fixtures import bank_of
from langspec.errors import LangspecError
from langspec.features.bank import Bank
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.conditional import conditional_information
from langspec.measurement.rows import Origin

ORIGIN = Origin("pos", "finetune", 1, "text", "test", "conditional")
PROBE = probe_options(0.001, 0.1, 10.0, 1000.0, tolerance=1e-4)
LINES = 400
LANGUAGE = np.repeat(np.arange(4), LINES)
LINE = np.tile(np.arange(LINES), 4)
SPLIT = np.array([0, 0, 0, 0, 0, 1, 1, 2, 2, 2])[LINE % 10]


def bank(root: Path, layers: list[np.ndarray], language: np.ndarray = LANGUAGE) -> Bank:
    splits = ("train", "dev", "test")
    return bank_of(root, "planted", layers, language, line=LINE, split=SPLIT, splits=splits)


def cue(rng: np.random.Generator, bit: np.ndarray | None, width: int = 4) -> np.ndarray:
    """Noise, with the value of a bit in the first dimension."""
    vectors = rng.normal(size=(len(LANGUAGE), width))
    if bit is not None:
        vectors[:, 0] = 12.0 * bit
    return vectors


def measured(bank: Bank, layers: list[int] | None = None, most: int | None = None) -> dict:
    rows = conditional_information(
        bank, ORIGIN, layers, PROBE, BootstrapOptions(200, 0), most=most, units=("sentence",)
    )
    return {(row.probe, row.layer, row.metric): row for row in rows}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Layer 0 holds the first bit of the language, layer 2 both, layer 3 the second, 4 none.

    Layer 1 is layer 0 with other axes.
    """
    rng = np.random.default_rng(0)
    words = cue(rng, LANGUAGE >> 1)
    turned = words @ np.linalg.qr(rng.normal(size=(4, 4)))[0]
    both = words.copy()
    both[:, 1] = 12.0 * (LANGUAGE & 1)
    layers = [words, turned, both, cue(rng, LANGUAGE & 1), cue(rng, None)]
    return measured(bank(tmp_path_factory.mktemp("bank"), layers))


def test_a_layer_that_hands_on_the_embeddings_adds_nothing(rows) -> None:
    for layer in (1, 4):  # the same in other axes; noise
        added = rows["added", layer, "bits"]
        assert added.low <= 0.0 <= added.high or abs(added.value) < 0.02
        assert abs(rows["added", layer, "accuracy"].value) < 0.03


def test_a_layer_adds_the_bits_that_its_cue_holds(rows) -> None:
    assert rows["embeddings", 0, "bits"].value == pytest.approx(1.0, abs=0.05)
    assert rows["embeddings", 0, "accuracy"].value == pytest.approx(0.5, abs=0.1)
    for layer in (2, 3):  # one bit more, with the first beside it or without
        added = rows["added", layer, "bits"]
        assert added.value == pytest.approx(1.0, abs=0.05)
        assert added.low > 0.8
        assert rows["added", layer, "accuracy"].value == pytest.approx(0.5, abs=0.1)
        assert rows["added", layer, "macro_f1"].low > 0.3
        assert rows["added", layer, "read"].value == 1
        assert rows["added", layer, "converged"].value == 1
    assert rows["added", 2, "bits"].n == 4 * LINES * 3 // 10
    assert rows["added", 2, "bits"].train_n == rows["added", 2, "converged"].n == 4 * LINES // 2


def test_a_layer_that_validation_does_not_want_adds_exactly_0(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    words = cue(rng, LANGUAGE >> 1)
    rows = measured(bank(tmp_path, [words, np.zeros_like(words)]))
    assert rows["added", 1, "read"].value == 0
    for metric in ("bits", "accuracy", "macro_f1"):
        row = rows["added", 1, metric]
        assert (row.value, row.low, row.high) == (0.0, 0.0, 0.0)


def test_layers_are_chosen_and_the_last_is_minus_1(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    made = bank(tmp_path, [cue(rng, None) for _ in range(4)])
    assert {layer for probe, layer, _ in measured(made, [0, 1, -1]) if probe == "added"} == {1, 3}
    assert {layer for probe, layer, _ in measured(made) if probe == "added"} == {1, 2, 3}
    with pytest.raises(LangspecError, match=r"layers \[9\] are not in this feature bank"):
        measured(made, [9])


def test_fewer_training_vectors_are_read_and_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    rows = measured(bank(tmp_path, [cue(rng, LANGUAGE >> 1), cue(rng, LANGUAGE & 1)]), most=50)
    assert rows["embeddings", 0, "bits"].train_n == rows["added", 1, "bits"].train_n == 4 * 50
    assert rows["added", 1, "bits"].n == 4 * LINES * 3 // 10
    assert rows["added", 1, "bits"].value == pytest.approx(1.0, abs=0.1)


def test_a_split_without_a_language_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    language = np.where((LANGUAGE == 3) & (SPLIT == 1), 2, LANGUAGE)
    made = bank(tmp_path, [cue(rng, None), cue(rng, None)], language)
    with pytest.raises(LangspecError, match="split 'dev' has no sentence vectors of tr"):
        measured(made)
