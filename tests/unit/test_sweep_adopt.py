"""Tuned values in params.yaml: comments kept, all or nothing."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest

from langspec import presets
from langspec.config import load_config
from langspec.errors import LangspecError
from langspec.tuning.adoption import _read_elsewhere, adopt

GRL = "train.methods.grl"
VALUES = {
    f"{GRL}.overrides.pos.strength": 1.17,
    f"{GRL}.overrides.pos.encoder_lr": 1e-06,
    f"{GRL}.overrides.pos.discriminator_lr": 0.0227,
    f"{GRL}.schedule": "cosine",
    f"{GRL}.inner_steps": 4,
    f"{GRL}.discriminator.layers": 2,
    f"{GRL}.retention.kind": "none",
}


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(presets.preset_text("demo"), encoding="utf-8")
    return path


def test_values_come_back_and_comments_stay(params: Path) -> None:
    before = params.read_text()
    told = adopt(params, VALUES)
    assert f"{GRL}.schedule: dann -> cosine" in told
    assert f"{GRL}.overrides.pos.strength: 1.0 -> 1.17" in told
    assert not any("retention.kind" in line for line in told)  # it was that already
    grl = load_config(params).train.methods.grl
    own = grl.for_task("pos")
    assert (own.strength, own.discriminator.lr) == (1.17, 0.0227)
    assert grl.overrides["pos"].encoder_lr == 1e-6
    assert (grl.schedule, grl.inner_steps, grl.discriminator.layers) == ("cosine", 4, 2)
    assert grl.for_task("nli").strength == 0.3  # another task is as it was
    lines = list(difflib.ndiff(before.splitlines(), params.read_text().splitlines()))
    gone = [line for line in lines if line.startswith("- ")]
    assert len(gone) == 4  # schedule, inner_steps, layers, strength
    for line in gone:
        _, _, comment = line.partition(" # ")
        assert comment in params.read_text()
    origin = {"study": "s", "trial": 3, "front": None, "values": VALUES}
    adopt(params, {**VALUES, "adopted.grl.pos": origin})
    kept = load_config(params).adopted["grl"]["pos"]
    assert (kept.model_dump(), kept.values) == (origin, VALUES)
    after = params.read_text()
    assert adopt(params, VALUES) == []
    assert params.read_text() == after


def test_nothing_is_written_of_what_is_not_valid(params: Path) -> None:
    before = params.read_text()
    with pytest.raises(LangspecError, match="strength"):
        adopt(params, VALUES | {f"{GRL}.overrides.pos.strength": -1.0})
    assert params.read_text() == before
    params.write_text(re.sub(r"trials: \d+", "trials: many", before))
    broken = params.read_text()
    with pytest.raises(LangspecError, match=r"tune\.trials"):
        adopt(params, VALUES)
    assert params.read_text() == broken


def test_what_other_tasks_read_too_is_said(params: Path) -> None:
    config = load_config(params, ["train.run=[frozen, grl]", "train.tasks=[pos, nli]"])
    changes = [f"{GRL}.schedule: dann -> cosine", f"{GRL}.overrides.pos.strength: None -> 1.17"]
    tune = {"task": "pos", "method": "grl"}
    (note,) = _read_elsewhere(config, changes, tune)
    assert note == f"note: grl on nli reads {GRL}.schedule too, and is trained anew with it"
    assert _read_elsewhere(config, changes[1:], tune) == []
    alone = load_config(params, ["train.run=[frozen, grl]", "train.tasks=[pos]"])
    assert _read_elsewhere(alone, changes, tune) == []
