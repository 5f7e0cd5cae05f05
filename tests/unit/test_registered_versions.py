"""Versions in the registry: each once, two aliases, and where the files of one lie."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from langspec.errors import LangspecError
from langspec.tracking import tags as names
from langspec.tracking.runs import Tracker
from langspec.tracking.versions import (
    CHAMPION,
    register_task,
    requirements,
    served_folder,
    signature,
)

pytestmark = pytest.mark.medium

MODEL = "langspec-pos"


def version(method: str, seed: int = 1, **changes: Any) -> dict[str, Any]:
    """A version of ``register.json``."""
    plain = {"failed_seeds": 0, "seeds": 1, "rule": "source_dev", "metric": "macro_f1",
             "score": 0.5, "refusal": "", "params_hash": "p" * 64, "data_hash": "d" * 64,
             "encoder_hash": "e" * 64, "weights_hash": "w" * 64, "run_key": "r" * 64,
             "licence": "MIT"}  # fmt: skip
    value = {"value": 0.5, "low": 0.25, "high": 0.75}
    return plain | {
        "task": "pos", "method": method, "seed": seed, "key": f"{method}-{seed}".ljust(64, "k"),
        "seed_key": f"{method} {seed}", "languages": {"de": value, "en": value},
        "numbers": {"transfer": value, "leak": value}, "erasers": {}, "unit": "token",
        "source": "en",
    } | changes  # fmt: skip


def record(*versions: dict[str, Any], name: str = "demo", champion: str | None) -> dict[str, Any]:
    why = "the best by its rule" if champion else "all seeds failed"
    return {"name": name, "task": "pos", "champion": champion, "why": why,
            "versions": list(versions), "left_out": {}}  # fmt: skip


@pytest.fixture
def tracker(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    """A store with a finished run of two methods; what is served is a copy of the folder."""

    def served(target: Path, folder: Path, version: Mapping[str, Any]) -> None:
        shutil.copytree(folder, target / "artifacts" / "model")

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("langspec.tracking.versions.save_served", served)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    tracker = Tracker.open(root=tmp_path)
    assert tracker.client is not None
    experiment = tracker.experiment("langspec-pos")
    for name, key in (("demo", "grl 1"), ("demo", "finetune 1"), ("other", "grl 1")):
        tags = {names.RUN_KEY: key, names.NAME: name, "langspec.task": "pos"}
        run = tracker.client.create_run(experiment, tags=tags)
        tracker.client.set_terminated(run.info.run_id)
    return tracker


@pytest.fixture
def folder_of(tmp_path: Path) -> Any:
    @contextmanager
    def folder(version: dict[str, Any]) -> Iterator[Path]:
        place = tmp_path / "assembled"
        place.mkdir()
        (place / "weights").write_text(version["method"], encoding="utf-8")
        yield place
        shutil.rmtree(place)

    return folder


def register(tracker: Tracker, folder_of: Any, *versions: dict[str, Any], **named: Any) -> str:
    take_over = named.pop("take_over", False)
    named = {"champion": versions[0]["method"] if versions else None} | named
    return register_task(
        tracker, record(*versions, **named), folder_of, take_over=take_over
    ).summary


def alias(tracker: Tracker, name: str) -> str:
    assert tracker.client is not None
    return tracker.client.get_model_version_by_alias(MODEL, name).tags["langspec.version_key"]


def test_a_version_is_registered_once_with_what_it_is(tracker: Tracker, folder_of: Any) -> None:
    both = version("grl"), version("finetune", erasers={"leace": {"leak": {"value": 0.2}}})
    said = register(tracker, folder_of, *both)
    assert said == (
        f"{MODEL}: version 1 (grl), version 2 (finetune) (0 were there); champion is version 1 "
        "(grl): the best by its rule"
    )
    again = register(tracker, folder_of, *both)
    assert "nothing new (2 were there)" in again
    assert tracker.client is not None
    assert len(tracker.client.search_model_versions(f"name = '{MODEL}'")) == 2
    tags = tracker.client.get_model_version(MODEL, "2").tags
    assert (tags["langspec.leak"], tags["langspec.leak.low"]) == ("0.5", "0.25")
    assert (tags["langspec.erasers"], tags["langspec.leace.leak"]) == ("leace", "0.2")
    assert tags["langspec.languages"] == "de en"
    assert tags["langspec.champion_eligible"] == "true"
    assert "langspec.refusal" not in tags


def test_the_champion_changes_with_the_record_and_goes_with_it(
    tracker: Tracker, folder_of: Any
) -> None:
    both = version("grl"), version("finetune")
    register(tracker, folder_of, *both)
    register(tracker, folder_of, *both, champion="finetune")
    assert alias(tracker, CHAMPION).startswith("demo:finetune")
    said = register(tracker, folder_of, *both, champion=None)
    assert said.endswith("no champion: all seeds failed")
    assert tracker.client is not None
    assert tracker.client.get_registered_model(MODEL).aliases == {}


def test_another_run_takes_over_the_champion_only_where_it_is_asked_to(
    tracker: Tracker, folder_of: Any
) -> None:
    register(tracker, folder_of, version("grl"))
    other = version("grl", key="o" * 64)
    said = register(tracker, folder_of, other, name="other")
    assert said.endswith("of other; `champion` stays version 1 of demo")
    assert alias(tracker, "other-champion").startswith("other:")
    assert alias(tracker, CHAMPION).startswith("demo:")
    register(tracker, folder_of, other, name="other", champion=None)  # leaves demo's alone
    assert alias(tracker, CHAMPION).startswith("demo:")
    said = register(tracker, folder_of, other, name="other", take_over=True)
    assert said.endswith("(was version 1 of demo)")
    assert alias(tracker, CHAMPION).startswith("other:")


def test_a_version_whose_training_is_not_in_the_store_is_refused(
    tracker: Tracker, folder_of: Any
) -> None:
    with pytest.raises(LangspecError, match="no finished run of grl seed 7 as it was registered"):
        register(tracker, folder_of, version("grl", 7))


def test_a_disabled_tracker_registers_nothing(folder_of: Any) -> None:
    said = register(Tracker.disabled(), folder_of, version("grl"))
    assert said == f"{MODEL}: nothing new (0 were there); "


def test_the_files_of_a_version_are_found_by_alias_and_by_number(
    tracker: Tracker, folder_of: Any
) -> None:
    register(tracker, folder_of, version("grl"), version("finetune"))
    for uri, method in ((f"models:/{MODEL}@champion", "grl"), (f"models:/{MODEL}/2", "finetune")):
        assert (served_folder(tracker, uri) / "weights").read_text(encoding="utf-8") == method


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("langspec-pos", "expected models:/NAME@ALIAS or models:/NAME/VERSION"),
        ("models:/nothing@champion", f"no registered model 'nothing' in .*; there are: {MODEL}"),
        (f"models:/{MODEL}@best", "no alias 'best'; there are: champion, demo-champion"),
        (f"models:/{MODEL}/9", "no version '9'; there are: 1"),
    ],
)
def test_a_version_that_is_not_there_is_one_line(
    tracker: Tracker, folder_of: Any, uri: str, said: str
) -> None:
    register(tracker, folder_of, version("grl"))
    with pytest.raises(LangspecError, match=f"--model: .*{said}"):
        served_folder(tracker, uri)


def test_a_model_without_versions_and_lost_files_are_one_line(
    tracker: Tracker, folder_of: Any, tmp_path: Path
) -> None:
    assert tracker.client is not None
    tracker.client.create_registered_model(MODEL)
    with pytest.raises(LangspecError, match=f"{MODEL} has no versions; register one with"):
        served_folder(tracker, f"models:/{MODEL}/1")
    register(tracker, folder_of, version("grl"))
    (lost,) = tmp_path.rglob("artifacts/model")
    shutil.rmtree(lost)
    with pytest.raises(LangspecError, match=r"version 1 are gone .*langspec replay"):
        served_folder(tracker, f"models:/{MODEL}/1")


def test_a_request_has_the_columns_of_the_task() -> None:
    pair = signature({"premise": "a", "hypothesis": "b"}, token=False)
    assert pair.inputs.input_names() == ["premise", "hypothesis"]
    assert pair.outputs.input_names() == ["label", "probability", "probabilities"]
    token = signature({"text": "a"}, token=True)
    assert token.inputs.required_input_names() == []  # either will do
    assert token.inputs.input_names() == ["text", "words"]


def test_serving_asks_for_installed_versions_that_an_index_has() -> None:
    found = dict(line.split("==") for line in requirements())
    assert {"torch", "transformers", "safetensors"} < set(found)
    assert not [name for name, number in found.items() if "+" in number]
