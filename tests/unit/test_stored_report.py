"""The report is drawn again only where something of its files, options or code has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.difference import JudgeOptions
from langspec.presets import load_preset
from langspec.report import stored_report
from langspec.report.compared import CompareOptions
from langspec.report.make_report import Sources

pytestmark = pytest.mark.medium

COMPARING = CompareOptions(JudgeOptions(margin=0.01), BootstrapOptions(1000, 0))
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
    comparing = replace(COMPARING, judge=JudgeOptions(margin=margin))
    return stored_report.report_key(sources, options, comparing, ())


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


def test_the_template_and_what_draws_count(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key(sources)
    with monkeypatch.context() as patch:
        patch.setattr(stored_report, "page_templates", lambda: "<p>another</p>")
        assert key(sources) != before
    monkeypatch.setattr(stored_report, "version", lambda name: "0.0")
    assert key(sources) != before


def test_each_of_two_studies_of_one_name_counts(sources: Sources, tmp_path: Path) -> None:
    other = tmp_path / "other" / "tune"
    other.mkdir(parents=True)
    (other / "trials.csv").write_text("b")
    both = replace(sources, studies=[*sources.studies, other])
    before = key(both)
    (sources.studies[0] / "trials.csv").write_text("another")
    assert key(both) != before


def test_equal_reports_are_copied_and_older_ones_removed(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def build(sources: Sources, folder: Path, *_: object, **__: object) -> None:
        written.append(folder)
        (folder / "index.html").write_text(f"page {len(written)}")

    def make(name: str) -> str:
        named = replace(sources, name=name)
        options = load_preset("tiny", []).report
        stored_report.stored_report(
            named, out, cache, options, comparing=COMPARING, specs=(), workers=1
        )
        return (out / "index.html").read_text()

    monkeypatch.setattr(stored_report, "build_report", build)
    cache, out = tmp_path / "cache", tmp_path / "report"
    assert [make("a"), make("a"), make("b"), make("a")] == ["page 1", "page 1", "page 2", "page 3"]
    (entry,) = cache.glob("*/index.html")
    entry.write_text("damaged")
    assert make("a") == "page 4"
    assert len(list(cache.iterdir())) == 2  # the report, and the hash of its files
