"""The report is drawn again only where something of its files, options or code has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.difference import JudgeOptions
from langspec.presets import load_preset
from langspec.report.compared import CompareOptions
from langspec.report.make_report import Sources
from langspec.report.stored_report import report_key, stored_report

FILES = (
    "run/train/pos/frozen/run.json",
    "run/train/pos/frozen/seed-1/epochs.csv",
    "run/train/pos/frozen/seed-1/model.safetensors",
    "run/train/nli/frozen/run.json",
    "run/evaluate/pos/results.csv",
    "run/tune/trials.csv",
    "corpora/card.json",
    "encoder/langspec.json",
    "published/scores.csv",
)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return Sources(
        tmp_path / "run",
        tmp_path / "corpora",
        tmp_path / "encoder" / "langspec.json",
        "run",
        ["pos"],
        ["frozen"],
        tmp_path / "published",
        [tmp_path / "run" / "tune"],
    )


def key(sources: Sources, margin: float = 0.01, formats: str = "[png]") -> str:
    options = load_preset("tiny", [f"report.formats={formats}"]).report
    bootstrap = load_preset("tiny", []).evaluate.bootstrap_options
    assert isinstance(bootstrap, BootstrapOptions)
    return report_key(sources, options, CompareOptions(JudgeOptions(margin=margin), bootstrap), ())


@pytest.mark.parametrize(
    ("file", "read"), [(name, "model" not in name and "nli" not in name) for name in FILES]
)
def test_files_that_are_read_count(
    sources: Sources, tmp_path: Path, file: str, read: bool
) -> None:
    before = key(sources)
    assert key(sources) == before
    (tmp_path / file).write_text("another")
    assert (key(sources) != before) == read


def test_values_count(sources: Sources) -> None:
    keys = [
        key(sources),
        key(sources, margin=0.02),
        key(sources, formats="[svg]"),
        key(replace(sources, name="other")),
        key(replace(sources, tasks=["pos", "nli"])),
        key(replace(sources, methods=["finetune"])),
        key(replace(sources, studies=[])),
        key(replace(sources, published=None)),
    ]
    assert len(set(keys)) == len(keys)


def test_equal_reports_are_copied_and_older_ones_removed(tmp_path: Path) -> None:
    written = []

    def write(folder: Path) -> None:
        written.append(folder)
        (folder / "index.html").write_text(f"page {len(written)}")

    cache, out = tmp_path / "cache", tmp_path / "report"
    for name, page in (("a", 1), ("a", 1), ("b", 2), ("a", 3)):
        stored_report(cache / name, out, write)
        assert (out / "index.html").read_text() == f"page {page}"
        assert sorted(one.name for one in cache.iterdir()) == [name, f"{name}.sha256"]
    (cache / "a" / "index.html").write_text("damaged")
    stored_report(cache / "a", out, write)
    assert (out / "index.html").read_text() == "page 4"
