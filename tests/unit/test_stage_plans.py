"""What --dry-run counts for methods that read language text."""

from __future__ import annotations

import pytest
from training_fixtures import language_data, method_options

from langspec import presets
from langspec.config import parse_config, parse_yaml, set_values
from langspec.stages.train import language_cost

DEMO = parse_yaml(presets.preset_text("demo"))
TEXT = language_data(30)
ROWS, PIECES = 40, 400


def cost(method: str, *changes: str, batch: str = "tokens"):
    config = parse_config(set_values(DEMO, [f"train.batch.language={batch}"]))
    return language_cost(config, method_options(method, *changes), TEXT, ROWS, PIECES)


@pytest.mark.parametrize("method", ["control", "grl"])
def test_as_many_tokens_again_forward_and_back(method: str) -> None:
    found = cost(method, "inner_steps=3")  # these reuse the step's vectors
    assert (found.language, found.passes, found.width, found.copies) == (400, 1200, 2, 1)


def test_as_many_rows_have_their_own_length() -> None:
    mean = TEXT.lengths.mean()
    assert mean != PIECES / ROWS
    assert cost("grl", batch="rows").language == pytest.approx(ROWS * mean)


def test_the_adversary_reads_rows_of_its_own() -> None:
    assert cost("adversary", "inner_steps=2").passes == 1200 + 2 * 400
    # A pass over the text, where that is shorter than the task's epoch.
    whole = TEXT.lengths.sum()
    assert whole < 400
    assert cost("adversary", "inner_steps=2", "alternate=epoch").passes == 1200 + 2 * whole


def test_retention_costs_a_forward_or_rows_of_its_own() -> None:
    distil, masked = (cost("grl", f"retention.kind={kind}") for kind in ("distil", "mlm"))
    assert (distil.passes, distil.copies, distil.width) == (1600, 2, 2)
    assert (masked.passes, masked.copies, masked.width) == (2400, 1, 3)
