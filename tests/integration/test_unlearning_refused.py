"""What unlearning cannot be trained on is refused at the start, as a user meets it."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from conftest import Make
from langspec.files import file_checksum, read_json, write_json

pytestmark = pytest.mark.slow

TRAIN = ("train", "--task", "pos", "--method")
MLM = "train.methods.control.retention={kind: mlm, weight: %s}"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, ready_project: Make) -> Path:
    """Corpora and an encoder."""
    return ready_project(tmp_path_factory.mktemp("refused") / "project")


@pytest.fixture
def project(prepared: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(prepared, tmp_path / "project"))


def refused(folder: Path, langspec, *arguments: str) -> str:
    """The one line that a command ends with; nothing may have been trained."""
    done = langspec(folder, *arguments, check=False)
    assert done.returncode == 2, done.stderr[-2000:]
    (line,) = [one for one in done.stderr.splitlines() if one.startswith("error: ")]
    assert "Traceback" not in done.stderr
    assert not list((folder / "results").rglob("*.safetensors"))
    return line.removeprefix("error: ")


def keep_text(folder: Path, *languages: str) -> None:
    """Leave only these languages' rows in the prepared language text, as its card then says."""
    path = folder / "data" / "corpora" / "tiny" / "text.parquet"
    table = pq.read_table(path)
    kept = table.filter(pc.is_in(table["language"], pc.cast(list(languages), "string")))
    pq.write_table(kept, path)
    card_path = path.parent / "card.json"
    card = read_json(card_path)
    card["outs"][path.name]["sha256"] = file_checksum(path)
    write_json(card_path, card)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("grl.schedule=exp", "train.methods.grl.schedule: found 'exp', expected one of"),
        ("grl.strength=-1", "train.methods.grl.strength: found -1"),
        ("grl.inner_steps=-1", "train.methods.grl.inner_steps: found -1"),
        ("adversary.inner_steps=-1", "train.methods.adversary.inner_steps: found -1"),
        ("adversary.loss=mse", "train.methods.adversary.loss: found 'mse', expected one of"),
        ("adversary.weight=1.5", "train.methods.adversary.weight: found 1.5"),
        ("adversary.weight=-0.1", "train.methods.adversary.weight: found -0.1"),
    ],
)
def test_bad_values(prepared: Path, langspec, value: str, expected: str) -> None:
    method = value.split(".")[0]
    line = refused(prepared, langspec, *TRAIN, method, "--set", f"train.methods.{value}")
    assert expected in line


@pytest.mark.parametrize(
    ("languages", "missing", "more"),
    [
        (("en", "de"), "ru", ("--dry-run",)),
        (("en",), "de, ru", ()),
        ((), "de, en, ru", ()),
    ],
)
def test_text_that_lacks_a_language(
    project: Path, langspec, languages: tuple[str, ...], missing: str, more: tuple[str, ...]
) -> None:
    keep_text(project, *languages)
    line = refused(project, langspec, *TRAIN, "grl", *more)
    assert line.startswith(f"corpora.targets: the text corpus has no train rows of {missing};")


def test_no_language_text_at_all(project: Path, langspec) -> None:
    (project / "data" / "corpora" / "tiny" / "text.parquet").unlink()
    assert "text.parquet: no such table" in refused(project, langspec, *TRAIN, "adversary")


def test_masked_retention_without_a_head(prepared: Path, langspec) -> None:
    line = refused(prepared, langspec, *TRAIN, "control", "--set", MLM % 1.0)
    assert line.startswith("train.methods.control.retention.kind: encoder tiny has no masked-")


def test_masked_retention_with_the_head_of_a_published_folder(project: Path, langspec) -> None:
    """A folder that transformers saved: its head comes along, and its loss falls if it counts."""
    import torch
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    own = project / "data" / "encoders" / "tiny"
    published = project / "published"
    torch.manual_seed(0)
    config = BertConfig.from_pretrained(own)
    BertForMaskedLM(config).save_pretrained(published)
    PreTrainedTokenizerFast.from_pretrained(own).save_pretrained(published)
    encoder = ["encoder.kind=folder", f"encoder.folder={published}", "encoder.name=published"]

    def sets(*values: str) -> list[str]:
        return [part for value in [*encoder, *values] for part in ("--set", value)]

    langspec(project, "encoder", *sets())
    assert (project / "data" / "encoders" / "published" / "mlm_head.safetensors").is_file()

    def end(weight: float) -> float:
        rates = ["train.pos.encoder_lr=5.0e-3", "train.clip=null"]
        more = ["train.seeds=[1]", "train.pos.epochs=4", *rates, MLM % weight]
        langspec(project, *TRAIN, "control", *sets(*more))
        steps = project / "results" / "tiny" / "train" / "pos" / "control" / "seed-1" / "steps.csv"
        with steps.open(newline="") as handle:
            losses = [float(row["loss_retention"]) for row in csv.DictReader(handle)]
        assert all(0 < loss < 100 for loss in losses)  # no NaN either
        assert len(losses) > 20
        first, last = sum(losses[:5]) / 5, sum(losses[-5:]) / 5
        assert weight == 0 or last < first - 0.03  # from ln 600, all words alike
        return last

    assert end(1.0) < end(0.0) - 0.03
