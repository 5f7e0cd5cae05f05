"""Much text, many languages, endless lines: memory stays flat, and nothing crashes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from conftest import CHECKOUT, Make
from langspec.corpora.lines import MAX_LINE_BYTES
from langspec.languages import LANGUAGES

sys.path.insert(0, str(CHECKOUT / "benchmarks"))
import prepare

pytestmark = [pytest.mark.slow, pytest.mark.hostile]

WORDS = "tree dog sees small house river green under old walks".split()


def write_texts(folder: Path, lines: int, codes: Sequence[str] = ("en", "de", "fr")) -> Path:
    folder.mkdir()
    rng = random.Random(1)
    for code in codes:
        with (folder / f"{code}.txt").open("w") as file:
            for number in range(lines):
                file.write(f"{' '.join(rng.choices(WORDS, k=12))} {code} {number}\n")
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory, ready_project: Make) -> Path:
    return ready_project(tmp_path_factory.mktemp("load") / "project") / "data/encoders/tiny"


def audit(encoder: Path, texts: Path) -> tuple[int, float, str]:
    """Audit a folder of text: exit code, MB of memory at most, and what was said."""
    log = texts.with_suffix(".log")
    command = [sys.executable, "-m", "langspec", "audit", str(encoder), "--text", str(texts)]
    command += ["--out", str(texts.with_suffix(".out")), "--threads", "1"]
    with log.open("w") as said:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=said,
            env={**os.environ, "LANGSPEC_CACHE": str(texts.parent / "cache")},
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss / 1024, log.read_text()


def test_an_audit_of_eight_times_the_text_takes_no_more_memory(
    encoder: Path, tmp_path: Path
) -> None:
    peaks = []
    for lines in (20_000, 160_000):
        code, peak, said = audit(encoder, write_texts(tmp_path / f"texts-{lines}", lines))
        assert code == 0, said[-2000:]
        peaks.append(peak)
    print(f"peak MB by text: {peaks}")
    assert peaks[1] < 1.15 * peaks[0], peaks


def test_more_languages_than_dimensions_are_refused_at_once(encoder: Path, tmp_path: Path) -> None:
    texts = write_texts(tmp_path / "texts", 100, list(LANGUAGES)[:200])
    code, peak, said = audit(encoder, texts)
    assert code == 2
    last = said.strip().splitlines()[-1]
    assert last.startswith(f"error: --text: {texts}: 200 languages; expected at most 32, ")
    assert peak < 1500, peak


def test_a_line_of_200_mb_is_refused_without_reading_it(encoder: Path, tmp_path: Path) -> None:
    texts = write_texts(tmp_path / "texts", 50)
    with (texts / "ru.txt").open("w") as file:
        for _ in range(200):
            file.write("слово" * 100_000)
    code, peak, said = audit(encoder, texts)
    assert code == 2
    last = said.strip().splitlines()[-1]
    assert last.startswith(
        f"error: {texts}/ru.txt:1: a line longer than {MAX_LINE_BYTES >> 20} MiB"
    )
    assert peak < 1500, peak


def test_corpora_of_eight_times_the_size_take_little_more_memory(tmp_path: Path) -> None:
    """Beside the index of near-duplicates, which grows with the training rows."""
    peaks = []
    for size in (1, 8):
        prepare.write_files(tmp_path / f"files-{size}", size)
        measured = prepare.measure(tmp_path / f"files-{size}", tmp_path / f"out-{size}", None)
        peaks.append(measured["peak_mb"])
    print(f"peak MB: {peaks}")
    assert peaks[1] < 1.3 * peaks[0], peaks
