from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from langspec.errors import LangspecError
from langspec.files import sha256_folder
from langspec.measures.linear_leak import FIGURE
from langspec.report.declared import figure_of
from langspec.report.report_page import picture
from langspec.report.run_results import load_run
from langspec.report.style import class_styles, language_styles, method_styles
from report_files import build_made_up

pytestmark = pytest.mark.medium

METHODS = ("frozen", "finetune")
CHOSEN = "the best score on the source language&#39;s development set"


def build(root: Path, out: Path, **options: object) -> Path:
    return build_made_up(root, out, **options)


@pytest.fixture(scope="module")
def root(made_up_run: Path) -> Path:
    return made_up_run


@pytest.fixture(scope="module")
def report(made_up_report: Path) -> Path:
    return made_up_report


class Page(HTMLParser):
    """Tags with their attributes, and the text inside each figcaption and caption."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.captions: list[str] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("figcaption", "caption"):
            self.captions.append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("figcaption", "caption")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.captions[-1] += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    return Page((report / "details.html").read_text(encoding="utf-8"))


def test_page_loads_nothing(report: Path, page: Page) -> None:
    text = (report / "details.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", text)
    assert not page.named("script")
    assert all(str(image["src"]).startswith("data:image/") for image in page.named("img"))
    assert [link["href"] for link in page.named("link")] == ["data:,"]
    policy = [meta for meta in page.named("meta") if "http-equiv" in meta]
    assert str(policy[0]["content"]).startswith("default-src 'none'")


def test_every_figure_has_alt_text_and_a_caption_of_what_was_measured(page: Page) -> None:
    figures = len(page.named("figure"))
    assert figures == 8
    assert len(page.named("img")) == figures
    assert all(len(str(image["alt"])) > 30 for image in page.named("img"))
    assert len(page.captions) == figures + len(page.named("table"))
    assert all(len(caption.split()) > 10 for caption in page.captions)
    transfer = next(c for c in page.captions if "Marker: mean" in c)
    assert "POS tagging, test split, 1,200 tokens a language" in transfer
    assert "2 seeds" in transfer


def test_links_lead_to_files_and_anchors(report: Path, page: Page) -> None:
    anchors = {attributes.get("id") for _, attributes in page.tags}
    for link in page.named("a"):
        target = str(link["href"])
        assert target[1:] in anchors if target[0] == "#" else (report / target).is_file()
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))


def test_title_is_escaped_and_numbers_stand_in_the_page(report: Path) -> None:
    text = (report / "details.html").read_text(encoding="utf-8")
    assert "<h1>A &lt;made-up&gt; title</h1>" in (report / "index.html").read_text(
        encoding="utf-8"
    )
    assert "<h1>Details: A &lt;made-up&gt; title</h1>" in text
    headline = text[text.index('id="table-headline"') :]
    cells = re.search(r'<th scope="row"[^>]*>finetune</th>(.*?)</tr>', headline, re.S)
    assert cells
    numbers = re.findall(r'<td class="score">([^<]*)', cells[1])
    assert numbers[:4] == ["0.842", "0.792", "0.961", "0.119"]


def test_methods_are_compared_and_every_measured_table_names_its_rule(report: Path) -> None:
    assert (report / "tables" / "compare_pos.csv").is_file()
    page = (report / "details.html").read_text(encoding="utf-8")
    assert 'id="table-compare_pos"' in page
    assert "<li>Against frozen, in mean accuracy over the targets" in page
    measured = page.count("<caption>") - page.count('id="table-data')
    assert measured == page.count(f"Epochs chosen by {CHOSEN}.") > 4


def test_equal_files_give_equal_bytes(root: Path, report: Path) -> None:
    again = build(root, root / "again", title="A <made-up> title")
    assert sha256_folder(again) == sha256_folder(report)


@pytest.mark.slow
def test_another_process_with_another_hash_seed_gives_equal_bytes(
    root: Path, report: Path, tmp_path: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[3]);"
        "from report_files import build_made_up;"
        "build_made_up(Path(sys.argv[1]), Path(sys.argv[2]), title='A <made-up> title')"
    )
    tests = str(Path(__file__).parents[1])
    variables = {**os.environ, "PYTHONHASHSEED": "12345", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    subprocess.run(
        [sys.executable, "-c", code, str(root), str(tmp_path / "report"), tests],
        check=True,
        env=variables,
        cwd=tmp_path,
    )
    assert sha256_folder(tmp_path / "report") == sha256_folder(report)


def test_png_is_embedded_alone_and_carries_no_text_chunks(root: Path) -> None:
    run = load_run(
        root / "results",
        root / "corpora",
        root / "encoder",
        name="x",
        tasks=("pos",),
        methods=METHODS,
    )
    plot = figure_of(FIGURE, run, "pos")
    assert plot is not None
    png = plot.render("png")
    assert png.startswith(b"\x89PNG")
    assert b"tEXt" not in png
    shown = picture(plot.drawn(["png"]))
    assert shown.uri.startswith("data:image/png;base64,")
    assert shown.files == ("figures/leak_pos.png",)


def test_absent_parts_are_named_on_the_page(root: Path, tmp_path: Path) -> None:
    bare = tmp_path / "results" / "evaluate" / "pos" / "results.csv"
    bare.parent.mkdir(parents=True)
    lines = (root / "results/evaluate/pos/results.csv").read_text(encoding="utf-8").splitlines()
    scores = [line for line in lines if ",linear," not in line and ",majority,t" not in line]
    bare.write_text("\n".join(line for line in scores if ",majority,s" not in line) + "\n")
    text = (build(tmp_path, tmp_path / "report") / "details.html").read_text(encoding="utf-8")
    first = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert first.count("Not measured.") == 2
    assert "Not tried." in first
    assert "No language probe was run for this task." in text
    assert "No projection was written for this task." in text
    assert "No training history was found for this task." in text
    assert "No card of the corpora was found." in text
    assert "evaluate/pos/projection.parquet" in text
    assert "no figure of t-SNE before and after" in text


def test_missing_results_and_unknown_formats_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(LangspecError, match=r"evaluate/nli/results\.csv: expected the tidy"):
        build(root, tmp_path / "report", tasks=("pos", "nli"))
    with pytest.raises(LangspecError, match=r"report\.formats: found pdf"):
        build(root, tmp_path / "report", formats=("pdf",))
    assert not (tmp_path / "report").exists()


def test_signs_are_distinct_for_33_languages_17_labels_and_many_methods() -> None:
    languages = "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th"
    codes = (languages + " tl tr ur vi yo zh").split()
    signs = language_styles(codes)
    assert set(signs) == set(codes)
    assert len(set(signs.values())) == 33
    assert len(set(class_styles([f"label {i}" for i in range(17)]).values())) == 17
    methods = ["frozen", "finetune", "control", "grl", "adversary", "leace", "inlp", "random"]
    methods += ["majority", "lexicon"]
    assert len(set(method_styles(methods).values())) == len(methods)
