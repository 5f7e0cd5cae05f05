"""``langspec audit`` as a user starts it: in a folder of text, without params.yaml."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import CHECKOUT, Run
from demo.generate import Sizes, generate
from langspec.results import read_results

pytestmark = pytest.mark.slow

ENCODER = CHECKOUT / "data" / "encoders" / "demo"
CODES = ["de", "en", "ru", "tr"]
QUICK = ("--threads", "1", "--max-words", "100")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``text/de.txt`` ... and nothing else; the lines are translations."""
    root = tmp_path_factory.mktemp("user")
    sizes = Sizes(
        train_sentences=1,
        dev_sentences=1,
        test_sentences=1,
        nli_train=3,
        nli_dev=3,
        nli_test=3,
        text_lines=120,
        pretrain_lines=1,
        pretrain_pairs=1,
    )
    generate(root / "corpora", languages=CODES, source="en", sizes=sizes, seed=1)
    folder = root / "a folder"
    folder.mkdir()
    (root / "corpora" / "text" / "demo").rename(folder / "text")
    return folder


def audit(langspec: Run, work: Path, *arguments: str) -> str:
    cache = str(work.parent / "cache")
    return langspec(work, "audit", *arguments, *QUICK, LANGSPEC_CACHE=cache).stdout


def test_one_encoder_all_of_it(langspec: Run, work: Path) -> None:
    told = audit(langspec, work, str(ENCODER), "--parallel", "text", "--full", "--layers", "0,4")
    out = work / "audit-demo"
    assert told.splitlines()[-1] == "Page: audit-demo/index.html"
    for question in ("keep apart?", "At which layer?", "retrieval?"):
        assert sum(question in line for line in told.splitlines()) == 1
    frame = read_results(out / "results.csv")
    assert set(frame["method"]) == {"demo"}
    assert {"leak", "erasure", "random"} <= set(frame["measure"])
    assert {"mlp", "mdl", "shuffled", "char_ngrams", "linear"} <= set(frame["probe"])
    linear = frame[(frame["probe"] == "linear") & (frame["metric"] == "macro_f1")]
    f1 = linear[(linear["unit"] == "sentence") & (linear["layer"] == 4)].set_index("measure")
    assert f1.loc["leak", "value"] > 0.95  # four languages without a word in common
    assert f1.loc["erasure", "value"] < 0.5
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "linear probe, random encoder" in page
    assert "--parallel text --full" in page
    assert str(work) not in page.replace("langspec audit " + str(ENCODER), "")


def test_two_encoders_side_by_side_and_cls_pooling(langspec: Run, work: Path) -> None:
    # The bank of the first is there from the test before: only cls is encoded.
    told = audit(
        langspec, work, str(ENCODER), "--against", str(ENCODER), "--against-pooling", "cls",
        "--text", "text", "--out", "two",
    )  # fmt: skip
    assert "of 4 languages are kept apart" in told
    page = (work / "two" / "index.html").read_text(encoding="utf-8")
    assert "Side by side" in page
    assert "cls pooling" in page
    assert "--parallel" in page  # equal line counts: the page says what could be measured
    frame = read_results(work / "two" / "results.csv")
    assert {"demo-1", "demo-2"} <= set(frame["method"])


def test_faults_end_in_one_line(langspec: Run, work: Path) -> None:
    for arguments, told in (
        (("audit", str(ENCODER)), "--text: expected a folder"),
        (("audit", str(ENCODER), "--text", "none"), "--text: none: no such folder"),
        (("audit", "./none", "--text", "text"), "ENCODER: ./none: no such folder"),
        (("audit", str(ENCODER), "--text", "text", "--against-prefix", "x"), "needs --against"),
        (("audit", "models:/none@champion", "--text", "text"), "models:/none@champion: cannot"),
    ):
        store = f"sqlite:///{work.parent / 'mlflow.db'}"
        done = langspec(work, *arguments, check=False, MLFLOW_TRACKING_URI=store)
        assert done.returncode == 2
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert told in errors[0]
        assert "Traceback" not in done.stderr


def test_an_installed_copy_audits_in_an_empty_folder(work: Path, tmp_path: Path) -> None:
    site, source = tmp_path / "site", tmp_path / "source"
    subprocess.run(["git", "clone", "-q", str(CHECKOUT), str(source)], check=True)
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(site), str(source)], check=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    command = [sys.executable, "-P", "-m", "langspec", "audit", str(ENCODER), *QUICK]
    done = subprocess.run(
        [*command, "--text", str(work / "text"), "--layers", "4"],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(site), "LANGSPEC_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert [path.name for path in empty.iterdir()] == ["audit-demo"]
    assert (empty / "audit-demo" / "index.html").is_file()
