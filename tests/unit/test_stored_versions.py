"""The versions of a task are written again only where something of theirs has changed."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from langspec.erasure.leace import LEACE
from langspec.files import write_json
from langspec.paths import Paths, paths_of
from langspec.presets import load_preset
from langspec.release.stored_versions import RECORD, stored_versions
from langspec.release.write_versions import Versions

RECORDED = {"task": "pos", "champion": None, "why": "all failed", "left_out": {"frozen": "failed"}}


def write(writer: Writer, folder: Path) -> None:
    writer(folder)


class Writer:
    """Writes a record, and counts how often it was asked to."""

    calls = 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        write_json(folder / RECORD, RECORDED)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A project with as little in its files as the hashes need."""
    found = paths_of(load_preset("tiny", []), tmp_path)
    trained = [found.train("pos", method) for method in ("frozen", "finetune")]
    for folder in (found.corpora, found.encoder, found.evaluate("pos"), *trained):
        folder.mkdir(parents=True)
        for name in ("pos.parquet", "text.parquet", "card.json", "results.csv"):
            (folder / name).write_text(folder.name)
    return found


def test_equal_inputs_are_written_once_and_told_each_time(
    paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    writer, config = Writer(), load_preset("tiny", [])
    first = stored_versions(config, paths, "pos", partial(write, writer))
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert stored_versions(config, paths, "pos", partial(write, writer)) == first
    assert writer.calls == 1
    assert caplog.messages == ["pos frozen is not registered: failed",
                               "pos has no champion: all failed"]  # fmt: skip


@pytest.mark.parametrize(
    "file", ["train/pos/finetune/card.json", "evaluate/pos/results.csv", "text", "encoder"]
)
def test_changed_files_are_written_anew(paths: Paths, file: str) -> None:
    writer, config = Writer(), load_preset("tiny", [])
    stored_versions(config, paths, "pos", partial(write, writer))
    places = {"text": paths.corpora / "text.parquet", "encoder": paths.encoder / "card.json"}
    places.get(file, paths.results / file).write_text("another")
    stored_versions(config, paths, "pos", partial(write, writer))
    assert writer.calls == 2


def test_changed_values_are_written_anew(paths: Paths) -> None:
    writer = Writer()
    stored_versions(load_preset("tiny", []), paths, "pos", partial(write, writer))
    stored_versions(
        load_preset("tiny", ["evaluate.erasers.anchor=all"]), paths, "pos", partial(write, writer)
    )
    assert writer.calls == 2
    stored_versions(load_preset("tiny", ["tune.trials=3"]), paths, "pos", partial(write, writer))
    assert writer.calls == 2


@pytest.mark.parametrize("content", ["{", None])
def test_a_damaged_entry_is_written_again(
    paths: Paths, caplog: pytest.LogCaptureFixture, content: str | None
) -> None:
    writer, config = Writer(), load_preset("tiny", [])
    place = stored_versions(config, paths, "pos", partial(write, writer))
    file = place / RECORD
    file.unlink() if content is None else file.write_text(content)
    assert stored_versions(config, paths, "pos", partial(write, writer)) == place
    assert writer.calls == 2
    assert "written again" in caplog.text


class Fitted:
    """The erasers of an evaluation; it records what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def maps(self, subject: Any, name: str, units: Any, layers: Any, *, of_head: bool) -> Any:
        self.asked.append((subject.state, name, *units, *layers, of_head))
        x = np.random.default_rng(0).normal(size=(40, 3))
        return {("token", 1): LEACE().fit(x, np.tile(["de", "en"], 20)).map}


def test_versions_take_the_erasers_that_an_evaluation_fitted(tmp_path: Path) -> None:
    """None is fitted again, and none that guesses the language is asked for."""
    config = load_preset("tiny", ["evaluate.erasers.run=[centring, leace]"])
    fitted = Fitted()
    versions = Versions.__new__(Versions)
    versions.config, versions.task = config, SimpleNamespace(unit="token")
    versions.make = config.evaluate.erasers.maker("en")
    versions.text = SimpleNamespace(config=config, shared={"erasers": fitted})
    seed = SimpleNamespace(
        card=SimpleNamespace(method="frozen", seed=1, trains_encoder=False),
        head=SimpleNamespace(layer=1),
        encoder=SimpleNamespace(model=torch.nn.Linear(2, 2)),
        state="abc",
    )
    assert versions._fit_erasers(seed, tmp_path) == ["leace"]
    assert fitted.asked == [("abc", "leace", "token", 1, True)]
    assert (tmp_path / "leace" / "eraser.json").is_file()
