"""Which trial a training has its values from: all of them, as they were trained."""

from __future__ import annotations

from typing import Any

import pytest

from langspec.release.version_facts import origin_of, origin_text

VALUES = {"train.methods.grl.schedule": "cosine", "train.methods.grl.overrides.pos.strength": 0.7}
ADOPTED = {"grl": {"pos": {"study": "s", "trial": 12, "front": None, "values": VALUES}}}


def run(**changed: Any) -> dict[str, Any]:
    """``run.json`` of a training with these values, and others."""
    params = {**VALUES, "train.clip": 1.0} | changed.pop("params", {})
    return {"method": "grl", "task": "pos", "params": params} | changed


def test_the_trial_is_named_where_all_of_its_values_were_trained() -> None:
    assert origin_of(ADOPTED, run()) == {"study": "s", "trial": 12}
    assert origin_of(ADOPTED, run(params={"train.clip": 0.1})) == {"study": "s", "trial": 12}
    assert origin_text({"study": "s", "trial": 12}) == "trial 12 of study s"


def test_the_place_on_a_front_is_origin_text() -> None:
    ADOPTED["grl"]["nli"] = {**ADOPTED["grl"]["pos"], "front": 0}
    found = origin_of(ADOPTED, run(task="nli"))
    assert found == {"study": "s", "trial": 12, "front": 0}
    assert origin_text(found) == "trial 12 of study s, place 0 on its front"


@pytest.mark.parametrize(
    "other",
    [
        run(params={"train.methods.grl.schedule": "dann"}),  # changed by hand
        run(params={"train.methods.grl.overrides.pos.strength": None}),
        {"method": "grl", "task": "pos", "params": {"train.methods.grl.schedule": "cosine"}},
        run(method="adversary"),
        run(task="text"),
    ],
)
def test_a_training_with_other_values_has_no_origin(other: dict[str, Any]) -> None:
    assert origin_of(ADOPTED, other) is None
