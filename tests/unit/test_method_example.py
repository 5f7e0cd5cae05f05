"""The worked example of docs/architecture.md: three files, and it trains."""

from __future__ import annotations

import re
import sys
import types

import pytest
from accelerate import Accelerator
from pydantic import ValidationError, create_model
from training_fixtures import CLASSES, options, tiny_model, token_data

from conftest import CHECKOUT
from langspec import config, presets
from langspec.config import parse_yaml
from langspec.objectives import get_objective, methods
from langspec.training.loop import fit

PAGE = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", PAGE, flags=re.DOTALL))


def test_a_method_takes_three_files_and_trains(monkeypatch) -> None:
    assert len(BLOCKS) == 3
    new, section, values = BLOCKS
    assert not (CHECKOUT / new).exists()  # a new module
    assert (CHECKOUT / section).is_file()
    assert (CHECKOUT / values).is_file()

    # Its section beside the others, with its values under those of the demo.
    scope = dict(vars(config))
    exec(BLOCKS[section], scope)
    own = {"smoothed": (scope["SmoothedMethod"], ...)}
    sections = create_model("Methods", __base__=config.Methods, **own)
    demo = parse_yaml(presets.preset_text("demo"))["train"]["methods"]
    chosen = sections.model_validate(demo | parse_yaml(BLOCKS[values])).smoothed
    with pytest.raises(ValidationError, match="smoothing"):
        sections.model_validate(
            demo | {"smoothed": {"smoothing": 2.0, "freeze_embeddings": False}}
        )

    # The module, as Python imports it.
    name = "langspec.objectives.smoothed"
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(BLOCKS[new], new, "exec"), vars(module))
    assert "smoothed" in methods()
    result = fit(
        tiny_model(),
        get_objective("smoothed", chosen),
        token_data(60),
        token_data(20, seed=9),
        options(epochs=6),
        Accelerator(cpu=True),
        classes=CLASSES,
    )
    assert result.dev["accuracy"] > 0.9
    # Smoothed labels keep the loss above that of full confidence.
    assert min(row["loss"] for row in result.steps) > 0.1
