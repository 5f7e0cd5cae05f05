from __future__ import annotations

import csv
from pathlib import Path

import pytest
from encoder_fixtures import options, write_pretraining_text

from langspec.encoders.build import build_encoder, estimate, parameters
from langspec.encoders.load import load_encoder
from langspec.encoders.pretrain import StepRecord
from langspec.encoders.recipe import EncoderSection
from langspec.errors import LangspecError
from langspec.files import sha256_folder

pytestmark = pytest.mark.medium


def section(*, steps: int = 60, **changes: object) -> EncoderSection:
    values = options(steps=steps, vocabulary=200).model_dump()
    return EncoderSection.model_validate(values | changes)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[StepRecord]]:
    folder = tmp_path_factory.mktemp("build")
    records: list[StepRecord] = []
    write_pretraining_text(folder / "corpora")
    build_encoder(section(), folder / "corpora", folder / "first", on_record=records.append)
    return folder / "corpora", folder / "first", records


def test_demo_folder_is_whole_and_the_same_again(
    built: tuple[Path, Path, list[StepRecord]], tmp_path: Path
) -> None:
    corpora, folder, records = built
    build_encoder(section(), corpora, tmp_path / "again")
    assert sha256_folder(tmp_path / "again") == sha256_folder(folder)
    encoder = load_encoder(folder)
    assert encoder.card.recipe == section().recipe()
    with (folder / "steps.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [int(row["step"]) for row in rows] == [record.step for record in records] == [50, 60]
    assert float(rows[0]["loss"]) == pytest.approx(records[0].loss, rel=1e-5)


def test_estimate_counts_the_weights(built: tuple[Path, Path, list[StepRecord]]) -> None:
    encoder = load_encoder(built[1])
    vocabulary = len(encoder.tokenizer)
    recipe = options(vocabulary=vocabulary)
    assert parameters(recipe) == sum(p.numel() for p in encoder.model.parameters())
    longer = section(steps=60_000)
    assert estimate(longer)["seconds"] > 3 * estimate(section())["seconds"]
    for kind, folder in (("e5", None), ("folder", str(built[1]))):
        assert all(v > 0 for v in estimate(section(kind=kind, folder=folder)).values())
    with pytest.raises(LangspecError, match="/nowhere: no such folder; expected a folder with"):
        estimate(section(kind="folder", folder="/nowhere"))


def test_a_folder_is_written_anew_without_its_path(
    built: tuple[Path, Path, list[StepRecord]], tmp_path: Path
) -> None:
    given = section(
        kind="folder", folder=str(built[1]), name="mine", prefix="> ", pooling="cls", max_tokens=9
    )
    build_encoder(given, tmp_path, tmp_path / "mine")
    card = load_encoder(tmp_path / "mine").card
    assert (card.name, card.kind, card.prefix) == ("mine", "folder", "> ")
    assert (card.pooling, card.max_tokens) == ("cls", 9)
    texts = "".join(path.read_text() for path in (tmp_path / "mine").glob("*.json"))
    assert str(built[1]) not in texts


def test_nothing_is_left_when_building_fails(
    built: tuple[Path, Path, list[StepRecord]], tmp_path: Path
) -> None:
    with pytest.raises(LangspecError, match=r"sentences.jsonl"):
        build_encoder(section(), tmp_path, tmp_path / "out")
    too_long = section(kind="folder", folder=str(built[1]), max_tokens=512)
    with pytest.raises(LangspecError, match="max_tokens"):
        build_encoder(too_long, tmp_path, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
