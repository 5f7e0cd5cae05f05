"""README and docs: short, linked, and each block of commands is run by a test or says why not."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from pathlib import Path

import click
import pytest

from conftest import CHECKOUT
from doc_pages import SAMPLE, Block, anchors, blocks, links, name_of, pages, prose
from langspec.cli import main

PAGES = {name_of(page): page for page in pages()}
LANGUAGES = {"sh", "python", "yaml", "text"}

# Blocks of commands that no test runs; each has its reason on the page. Fewer is better.
NOT_RUN = {
    "README.md": 2,
    "docs/corpora.md": 1,
    "docs/measuring.md": 1,
    "docs/reliability.md": 1,
    "docs/repair.md": 1,
    "docs/results.md": 2,
    "docs/running.md": 1,
    "docs/study.md": 2,
    "docs/sweeps.md": 3,
    "docs/tracking.md": 3,
    "docs/unlearning.md": 1,
}


def commands(page: Path) -> list[Block]:
    """The blocks of a page that a reader would type."""
    return [block for block in blocks(page) if block.language in {"sh", "python"}]


CALL = re.compile(r"(?:^|[|;&] *)(?:[A-Z_]+=\S+ +)*langspec +([a-z][^\n|;&<>#]*)", re.M)


def calls(text: str) -> list[list[str]]:
    """The calls of langspec in lines of a shell, as words."""
    return [shlex.split(found) for found in CALL.findall(text.replace("\\\n", " "))]


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("name", PAGES)
def test_links_and_anchors_resolve(name: str) -> None:
    page = PAGES[name]
    for target in links(page):
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{name}: {target}"
        assert place.is_relative_to(CHECKOUT), f"{name}: {target}"
        if anchor:
            assert anchor in anchors(place), f"{name}: {target}"


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "demo/README.md", "data/published/README.md"])
def test_links_of_other_pages_resolve(name: str) -> None:
    page = CHECKOUT / name
    for target in links(page):
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{name}: {target}"
        assert not anchor or anchor in anchors(place), f"{name}: {target}"


@pytest.mark.parametrize("name", PAGES)
def test_every_block_names_its_language(name: str) -> None:
    for block in blocks(PAGES[name]):
        typed = re.search(r"^(langspec|dvc|python|make|mlflow) ", block.text, re.M)
        assert block.language in LANGUAGES or not typed, f"{block.place}: commands without `sh`"


@pytest.mark.parametrize("name", PAGES)
def test_every_call_of_langspec_parses(name: str) -> None:
    page = PAGES[name]
    samples = [sample["command"] for sample in SAMPLE.finditer(page.read_text(encoding="utf-8"))]
    texts = [block.text for block in commands(page) if block.language == "sh"]
    for words in [words for text in [*texts, *samples] for words in calls(text)]:
        command, rest = main.commands[words[0]], words[1:]
        if isinstance(command, click.Group) and rest:
            command, rest = command.commands[rest[0]], rest[1:]
        if not {"--help", "--version"} & set(rest):
            command.make_context(words[0], rest)


def test_blocks_that_no_test_runs_are_counted() -> None:
    found = Counter(
        block.page
        for page in PAGES.values()
        for block in commands(page)
        if block.mark == "not run"
    )
    assert dict(found) == NOT_RUN


def test_the_tests_that_are_named_read_the_page() -> None:
    for page in PAGES.values():
        for block in commands(page):
            if block.mark == "run by":
                test = (CHECKOUT / block.reason).read_text(encoding="utf-8")
                assert page.name in test, f"{block.place}: {block.reason}"


def test_every_document_is_in_the_index() -> None:
    index = PAGES["docs/README.md"]
    listed = {target.partition("#")[0] for target in links(index)}
    absent = {page.name for page in PAGES.values()} - listed - {"README.md"}
    assert not absent


def test_documents_named_in_code_exist() -> None:
    files = [
        *(CHECKOUT / "src").rglob("*.py"),
        *(CHECKOUT / "src").rglob("*.yaml"),
        *(CHECKOUT / "benchmarks").glob("*.py"),
        CHECKOUT / "params.yaml",
        CHECKOUT / "dvc.yaml",
    ]
    for file in files:
        text = file.read_text(encoding="utf-8")
        for name in re.findall(r"\bdocs/([\w-]+\.\w+)", text):
            assert (CHECKOUT / "docs" / name).is_file(), f"{file.name}: docs/{name}"


@pytest.mark.parametrize("name", PAGES)
def test_tables_have_rows_of_equal_length(name: str) -> None:
    width = 0
    for line in prose(PAGES[name]).splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not cells or cells == (width or cells), f"{name}: {line[:60]}"
        width = cells


def test_samples_are_there() -> None:
    found = [
        (name, sample["command"], sample["body"])
        for name, page in PAGES.items()
        for sample in SAMPLE.finditer(page.read_text(encoding="utf-8"))
    ]
    assert found
    for name, command, body in found:
        assert body.strip(), f"{name}: run tests/doc_samples.py, nothing below {command}"
