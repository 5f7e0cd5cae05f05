"""Repair of vectors in a file: planted bias is removed, and ten lines of NumPy do the same."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from conftest import CHECKOUT
from doc_pages import blocks
from langspec import compute
from langspec.cli import main
from langspec.processes import machine
from langspec.repair.fit_methods import Labelled, fit_all
from langspec.vectors import repair_vectors, vector_sample
from langspec.vectors.applied_map import AppliedEraser
from langspec.vectors.open_vectors import open_vectors
from langspec.vectors.repair_vectors import _parts
from langspec.vectors.streamed_fit import fit_streamed, is_streamed
from langspec.vectors.vector_file import Columns
from langspec.vectors.vector_sample import Sample, read_sample

pytestmark = pytest.mark.medium

CODES, LINES, WIDTH = ("de", "en", "ru", "zh"), 240, 24


def written(folder: Path, bias: float, *, lines: bool = True, noise: float = 0.8) -> None:
    """``v.npy`` and ``c.txt``: translations with an offset a language."""
    rng = np.random.default_rng(1)
    content = rng.normal(size=(LINES, WIDTH))
    vectors, said = [], []
    for code in CODES:
        offset = bias * rng.normal(size=WIDTH)
        vectors.append(content + noise * rng.normal(size=content.shape) + offset)
        said += [f"{code}\t{line}" if lines else code for line in range(LINES)]
    np.save(folder / "v.npy", np.concatenate(vectors).astype(np.float32))
    (folder / "c.txt").write_text("\n".join(said) + "\n")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compute, "set_environment", lambda _: None)
    return tmp_path


def repair(*options: str) -> Result:
    command = ["repair", "--vectors", "v.npy", "--languages", "c.txt", "--out", "e", *options]
    return CliRunner().invoke(main, command)


def test_a_planted_bias_is_removed_and_proved_on_search(place: Path) -> None:
    written(place, 1.0)
    done = repair("--methods", "leace,centring")
    assert done.exit_code == 0, done.output
    assert "Is there a bias? Yes:" in done.output
    assert "Eraser: e" in done.output
    card = json.loads((place / "e" / "eraser.json").read_text())
    assert card["translations"]
    assert card["gain"][1] > 0
    assert card["leak"][0] > 0.7 > 0.5 > card["leak"][1]
    readme = (place / "e" / "README.md").read_text()
    assert "| recall@10 |" in readme
    assert "Hubness" in (place / "e" / "index.html").read_text()
    assert "A language that it was not fitted on" in readme
    assert (place / "e" / "index.html").is_file()
    assert CliRunner().invoke(main, ["erase", "e", "v.npy", "--out", "o.npy"]).exit_code == 0
    again = CliRunner().invoke(main, ["erase", "e", "o.npy", "--out", "p.npy"])
    assert again.exit_code == 2  # erased vectors are others: of length 1


@pytest.mark.parametrize("method", ["leace", "centring", "lir+leace"])
def test_ten_lines_of_numpy_do_what_the_command_does(method: str, place: Path) -> None:
    written(place, 1.0)
    assert repair("--methods", method, "--rule", "share", "--loss", "1").exit_code == 0
    assert CliRunner().invoke(main, ["erase", "e", "v.npy", "--out", "o.npy"]).exit_code == 0
    script = (
        "import sys; sys.path.insert(0, 'e'); import numpy as np\n"
        "from apply_eraser import erase\n"
        "difference = erase('e', np.load('v.npy')) - np.load('o.npy')\n"
        "assert np.abs(difference).max() < 2e-6, np.abs(difference).max()\n"
        "assert not [name for name in sys.modules if name.startswith('langspec')]\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=place)
    printed = (place / "e" / "README.md").read_text().partition("```python\n")[2]
    assert printed.partition("```")[0] == (place / "e" / "apply_eraser.py").read_text()
    body = (place / "e" / "apply_eraser.py").read_text().partition('length 1."""\n')[2]
    assert len(body.splitlines()) <= 11  # ten and the return


def test_without_line_numbers_what_is_missing_is_said(place: Path) -> None:
    written(place, 1.0, lines=False)
    done = repair("--methods", "leace")
    assert done.exit_code == 0, done.output
    assert "it is not known whether search finds more; --line-column measures that" in done.output
    assert "A linear probe names the language of" in done.output
    assert "No line numbers: whether a search finds more" in (place / "e/README.md").read_text()
    refused = repair("--rule", "recall")
    assert refused.exit_code == 2


def test_the_card_shows_codes_and_says_that_a_loss_has_no_bound(place: Path) -> None:
    written(place, 1.0, lines=False)
    codes = (place / "c.txt").read_text().replace("de", "[d](e)|*")
    (place / "c.txt").write_text(codes)
    done = repair("--methods", "leace")
    assert done.exit_code == 0, done.output
    card = (place / "e" / "README.md").read_text()
    assert r"\[d\](e)\|\*" in card
    assert "[d](e)" not in card
    unbounded = "monolingual search was not measured, so its loss has no bound"
    assert unbounded in card
    assert unbounded in (place / "e" / "index.html").read_text()
    assert "at most 0.01 of monolingual" not in card


def test_where_no_bias_is_planted_nothing_is_repaired(place: Path) -> None:
    written(place, 0.0)
    done = repair("--methods", "leace,centring")
    assert done.exit_code == 0, done.output
    assert "Nothing to repair." in done.output
    assert "No eraser was written." in done.output
    assert not (place / "e" / "eraser.json").exists()
    assert (place / "e" / "index.html").is_file()
    refused = CliRunner().invoke(main, ["erase", "e", "v.npy", "--out", "o.npy"])
    assert "no eraser.json" in refused.output


def test_an_estimate_writes_nothing(place: Path) -> None:
    written(place, 1.0)
    done = repair("--dry-run")
    assert done.exit_code == 0, done.output
    assert f"{4 * LINES:,} vectors of {WIDTH} dimensions, float32, with lines" in done.output
    assert "passes: 1 -> e" in done.output
    assert "0.9 GB of memory" in done.output  # a process that has imported everything
    assert not (place / "e").exists()


def sampled(place: Path) -> Sample:
    return read_sample(open_vectors(place / "v.npy", Columns(languages=place / "c.txt")), 0)


def test_what_is_left_out_is_said(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    written(place, 1.0)
    rows = (place / "c.txt").read_text().splitlines()
    rows[:10] = [row.replace("de", "sw") for row in rows[:10]]
    rows[10:12] = [row.replace("de", "") for row in rows[10:12]]
    rows = [row.replace("zh", "qqz") for row in rows]
    (place / "c.txt").write_text("\n".join(rows) + "\n")
    sample = sampled(place)
    assert (sample.left_out, sample.nameless) == ({"sw": 10}, 2)
    assert "left out, with fewer than 30 vectors: sw (10)" in caplog.text
    assert "2 vectors have no language" in caplog.text
    assert "no codes of ISO 639, treated like the others: qqz" in caplog.text
    assert set(sample.parts["train"].languages) == {"de", "en", "ru", "qqz"}


def test_a_byte_order_mark_is_no_part_of_the_first_code(place: Path) -> None:
    written(place, 1.0)
    (place / "c.txt").write_bytes(b"\xef\xbb\xbf" + (place / "c.txt").read_bytes())
    assert sampled(place).counts == dict.fromkeys(CODES, LINES)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_nothing_half_written(
    number: int, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        os.kill(os.getpid(), number)

    written(place, 1.0)
    assert repair("--methods", "leace").exit_code == 0
    before = signal.signal(number, lambda *_: None)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(AppliedEraser, "apply", stopped)
            ended = CliRunner().invoke(main, ["erase", "e", "v.npy", "--out", "o.npy"])
            assert (ended.exit_code, "starts anew" in ended.output) == (128 + number, True)
        (place / "e").rename(place / "first")
        monkeypatch.setattr(repair_vectors, "write_repair", stopped)
        ended = repair("--methods", "leace")
        assert (ended.exit_code, "starts anew" in ended.output) == (128 + number, True)
    finally:
        signal.signal(number, before)
    assert sorted(one.name for one in place.iterdir()) == ["c.txt", "first", "v.npy"]


def test_what_a_killed_process_left_goes_with_the_next_run(place: Path) -> None:
    written(place, 1.0)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    alive = f"{machine()}-{os.getpid()}"
    dead = f"{machine()}-{ended.pid}"
    for name in (f".o.npy.{dead}.x.part", f".o.npy.{alive}.x.part", f".p.npy.{dead}.x.part"):
        (place / name).write_text("half")
    (place / f".e.{dead}.x.part" / "repair").mkdir(parents=True)
    assert repair("--methods", "leace").exit_code == 0
    assert CliRunner().invoke(main, ["erase", "e", "v.npy", "--out", "o.npy"]).exit_code == 0
    left = {one.name for one in place.iterdir() if one.name.startswith(".")}
    assert left == {f".o.npy.{alive}.x.part", f".p.npy.{dead}.x.part"}


def test_a_sample_is_the_same_lines_in_all_languages_and_bounded(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(place, 1.0)
    whole = sampled(place)
    assert whole.complete
    assert sum(len(part.lines) for part in whole.parts.values()) == 4 * LINES
    for name, part in whole.parts.items():
        of = [set(part.lines[part.languages == code]) for code in CODES]
        assert all(one == of[0] for one in of), name
    monkeypatch.setattr(vector_sample, "MEMORY", 2 * 4 * LINES * WIDTH)  # half of the vectors
    small = sampled(place)
    assert not small.complete
    assert small.train_rows == whole.train_rows
    held = sum(part.vectors.nbytes for part in small.parts.values())
    assert held <= vector_sample.MEMORY
    for name, part in small.parts.items():
        of = [set(part.lines[part.languages == code]) for code in CODES]
        assert of[0], name
        assert all(one == of[0] for one in of), name
        assert of[0] <= set(whole.parts[name].lines)


@pytest.mark.parametrize("method", ["leace", "lsar", "lir+leace", "centring"])
def test_a_stream_fits_what_memory_fits(method: str, place: Path) -> None:
    written(place, 1.0)
    file = open_vectors(place / "v.npy", Columns(languages=place / "c.txt"))
    part = _parts(read_sample(file, 0)).train
    right = fit_all(part, [method]).maps[method]
    assert is_streamed(method)
    streamed = fit_streamed(file, method, 0, CODES)
    vectors = np.load(place / "v.npy")
    assert np.abs(streamed.apply(vectors) - right.apply(vectors)).max() < 1e-5
    assert not is_streamed("inlp")
    assert not is_streamed("relative")


def test_the_chosen_method_is_fitted_on_the_whole_file(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(place, 1.0)
    monkeypatch.setattr(vector_sample, "MOST", {"train": 60, "dev": 20, "test": 60})
    assert repair("--methods", "leace").exit_code == 0
    card = json.loads((place / "e" / "eraser.json").read_text())
    assert card["fitted_on"] == sampled(place).train_rows > 4 * 60


def test_labelled_vectors_know_whether_lines_are_shared(place: Path) -> None:
    written(place, 1.0)
    rows = (place / "c.txt").read_text().splitlines()
    (place / "c.txt").write_text("\n".join(f"{r}{i}" for i, r in enumerate(rows)) + "\n")
    part: Labelled = _parts(sampled(place)).train
    assert not part.parallel


def test_the_commands_of_the_documentation_run(place: Path) -> None:
    written(place, 1.0)
    (place / "v.npy").rename("index.npy")
    (place / "c.txt").rename("codes.txt")
    page = CHECKOUT / "docs" / "vectors.md"
    for block in blocks(page):
        for line in block.text.splitlines() if block.language == "sh" else ():
            done = CliRunner().invoke(main, shlex.split(line)[1:])
            assert done.exit_code == 0, done.output
    (recipe,) = [block.text for block in blocks(page) if block.language == "python"]
    assert recipe + "\n" == (place / "eraser/apply_eraser.py").read_text().partition("\n\n")[2]
    names: dict[str, Any] = {}
    exec(compile(recipe, "docs/vectors.md", "exec"), names)
    difference = names["erase"]("eraser", np.load("index.npy")) - np.load("erased.npy")
    assert np.abs(difference).max() < 2e-6
