"""Language leak, maps and neighbourhoods on banks with a known truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from measure_options import PROBE, projection_options
from torch import nn

from bank_fixtures import bank_options
from langspec.encoders.inputs import Inputs
from langspec.errors import LangspecError
from langspec.features.bank import Bank, BankRows, Units
from langspec.features.encode import build_bank
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.leak import language_leak
from langspec.measurement.projection import (
    balanced_sample,
    neighbour_purity,
    projection,
)
from langspec.measurement.rows import Origin

ORIGIN = Origin("pos", "frozen", 0, "text", "test", "m")
LANGUAGES = ("de", "en", "tr", "zh")
HIDDEN, LINES, WORDS = 24, 60, 4


class Planted(nn.Module):
    """An "encoder" with noise at layer 0 and noise + a direction a language at layer 1.

    A row's language is told by its first piece; the noise is a fixed vector a piece.
    """

    class config:
        type_vocab_size = 1
        num_hidden_layers = 1

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.noise = nn.Parameter(torch.randn(5000, HIDDEN, generator=generator))
        self.tongue = nn.Parameter(3.0 * torch.randn(5000, HIDDEN, generator=generator))

    def forward(self, input_ids, attention_mask, output_hidden_states):
        plain = self.noise[input_ids]
        plain[:, 0] = 0.0
        marked = plain + self.tongue[input_ids[:, :1]]
        return type("Output", (), {"hidden_states": (plain, marked)})()


def planted_bank(root: Path, languages: tuple[str, ...] = LANGUAGES) -> Bank:
    rng = np.random.default_rng(0)
    rows = len(languages) * LINES
    tongue = np.repeat(np.arange(len(languages)), LINES)
    ids = rng.integers(10, 5000, size=(rows, WORDS + 1))
    ids[:, 0] = tongue
    line = np.tile(np.arange(LINES), len(languages))
    inputs = Inputs(
        ids=ids.ravel().astype(np.int32),
        starts=np.arange(rows + 1) * (WORDS + 1),
        segments=np.zeros(ids.size, np.int8),
        units=np.tile(np.arange(1, WORDS + 1, dtype=np.int32), rows),
        unit_starts=np.arange(rows + 1) * WORDS,
        unit_words=np.tile(np.arange(WORDS, dtype=np.int32), rows),
    )
    return build_bank(
        Planted(),  # type: ignore[arg-type]
        0,
        inputs,
        BankRows(
            languages=[languages[i] for i in tongue],
            splits=[("train", "train", "train", "dev", "test")[i % 5] for i in line],
            lines=line,
        ),
        options=bank_options(max_tokens_per_language=None),
        key="planted",
        root=root,
    )


def test_a_planted_leak_is_found_where_it_is(tmp_path: Path) -> None:
    rows = language_leak(planted_bank(tmp_path), ORIGIN, PROBE, BootstrapOptions(1000, 0))
    found = {(r.probe, r.unit, r.layer, r.language, r.metric): r for r in rows}
    assert len(found) == len(rows)
    for unit, n in (("token", 4 * 12 * WORDS), ("sentence", 4 * 12)):
        planted = found["linear", unit, 1, "all", "accuracy"]
        assert planted.value >= 0.99
        assert planted.n == n
        assert planted.train_n == n * 36 // 12
        assert found["linear", unit, 1, "all", "macro_f1"].value >= 0.99
        noise = {m: found["linear", unit, 0, "all", m].value for m in ("accuracy",)}
        assert abs(noise["accuracy"] - 0.25) < 3.5 * np.sqrt(0.25 * 0.75 / n)
        majority = found["majority", unit, -1, "all", "accuracy"]
        assert majority.value == 0.25
        assert majority.train_n == 0
        assert found["majority", unit, -1, "all", "macro_f1"].value == pytest.approx(0.1)
        for layer in (0, 1):
            assert found["linear", unit, layer, "all", "converged"].value == 1.0
            assert found["linear", unit, layer, "all", "iterations"].value > 0
            assert found["linear", unit, layer, "all", "chosen_c"].value in (PROBE.strengths)
            recall = [found["linear", unit, layer, code, "recall"] for code in LANGUAGES]
            assert sum(r.value * r.n for r in recall) == pytest.approx(
                found["linear", unit, layer, "all", "accuracy"].value * n
            )
            row = found["linear", unit, layer, "all", "macro_f1"]
            assert row.low <= row.value <= row.high


def test_leak_is_the_same_on_two_runs(tmp_path: Path) -> None:
    bank = planted_bank(tmp_path)
    options = PROBE, BootstrapOptions(100, 0)
    assert language_leak(bank, ORIGIN, *options) == language_leak(bank, ORIGIN, *options)


def test_leak_refuses_one_language_and_missing_splits(tmp_path: Path) -> None:
    with pytest.raises(LangspecError, match="at least two languages, found en"):
        language_leak(
            planted_bank(tmp_path / "one", ("en",)), ORIGIN, PROBE, BootstrapOptions(1000, 0)
        )
    bank = planted_bank(tmp_path / "all")
    without = Bank(bank.folder, bank.meta | {"splits": ["other", "test", "train"]})
    with pytest.raises(LangspecError, match="split 'dev'"):
        language_leak(without, ORIGIN, PROBE, BootstrapOptions(1000, 0))


def units_of(language: np.ndarray, label: np.ndarray, row: np.ndarray | None = None) -> Units:
    count = np.arange(len(language), dtype=np.int32)
    row = count if row is None else row.astype(np.int32)
    none = np.full(len(language), -1, np.int32)
    return Units(row, count, language.astype(np.int32), row, none, label.astype(np.int32))


def test_a_sample_is_balanced() -> None:
    rng = np.random.default_rng(0)
    language = rng.integers(3, size=3000)
    label = np.where(rng.random(3000) < 0.9, 0, rng.integers(-1, 4, size=3000))
    label[label < 0] = -100
    units = units_of(language, label)
    chosen = balanced_sample(units, LANGUAGES[:3], projection_options(per_class=15))
    sizes = np.zeros((3, 4), int)
    np.add.at(sizes, (language[chosen], label[chosen]), 1)
    assert (sizes == 15).all()
    fewer = balanced_sample(units, LANGUAGES[:3], projection_options(per_class=15, max_points=100))
    assert len(fewer) == 96
    assert set(fewer) < set(chosen)


def test_purity_of_planted_and_of_no_neighbourhoods() -> None:
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(4), 100)
    noise = rng.normal(size=(400, 16)).astype(np.float32)
    rows = np.arange(400)
    pure, chance = neighbour_purity(noise + 50 * np.eye(16)[classes], classes, rows, 10)
    assert pure == 1.0
    assert chance == pytest.approx(99 / 399)
    mixed, chance = neighbour_purity(noise, classes, rows, 10)
    assert mixed == pytest.approx(chance, abs=0.03)
    # Near only to the words of the own sentence, which are no evidence of a class.
    own = rng.normal(size=(100, 16))[np.arange(400) // 4] * 50
    shared, chance = neighbour_purity(noise + own, classes, np.arange(400) // 4, 10)
    assert shared < 0.6
    assert chance == pytest.approx(96 / 396)


def test_a_map_keeps_planted_groups_together() -> None:
    rng = np.random.default_rng(0)
    language, label = np.repeat(np.arange(3), 60), np.tile(np.arange(2), 90)
    vectors = rng.normal(size=(180, 16)) + 20 * np.eye(16)[language]
    options = projection_options(per_class=25, perplexity=10.0)

    def run():
        return projection(
            vectors.astype(np.float32),
            units_of(language, label),
            LANGUAGES[:3],
            ("NOUN", "VERB"),
            ORIGIN,
            layer=2,
            unit="token",
            options=options,
        )

    table, rows = run()
    assert list(table.columns) == ["row", "unit", "language", "label", "x", "y"]
    assert table.groupby(["language", "label"]).size().tolist() == [25] * 6
    value = {(r.metric, r.probe): r.value for r in rows}
    assert value["knn_purity_language", ""] == 1.0
    assert value["knn_purity_language", "chance"] < 0.35
    assert value["knn_purity_label", ""] == pytest.approx(
        value["knn_purity_label", "chance"], abs=0.08
    )
    places = table[["x", "y"]].to_numpy()
    on_map, _ = neighbour_purity(
        places, table["language"].astype("category").cat.codes.to_numpy(), np.arange(150), 5
    )
    assert on_map > 0.95
    again, rows_again = run()
    assert places.tobytes() == again[["x", "y"]].to_numpy().tobytes()
    assert rows == rows_again


def test_nothing_to_project_is_refused() -> None:
    units = units_of(np.zeros(5, int), np.full(5, -100))
    with pytest.raises(LangspecError, match="no labelled vectors"):
        projection(
            np.zeros((5, 2), np.float32),
            units,
            ("en",),
            (),
            ORIGIN,
            layer=0,
            unit="token",
            options=projection_options(),
        )
