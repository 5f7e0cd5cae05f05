"""The functions that notebooks use: docs/python.md runs, and they refuse what they cannot do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import langspec
from audit_fixtures import write_texts
from conftest import CHECKOUT
from encoder_shapes import random_bert
from langspec.encoders.load import Encoder, EncoderCard
from langspec.encoders.save_folder import save_encoder
from langspec.errors import LangspecError
from report_files import write_predictions, write_run

pytestmark = pytest.mark.medium

CODES = ("de", "en", "fr")
LAYERS, HIDDEN = 2, 16


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("text"), CODES)


@pytest.fixture(scope="module")
def folder(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT with random weights, whose tokenizer knows the texts."""
    lines = [line for file in text.glob("*.txt") for line in file.read_text().splitlines()]
    model, tokenizer = random_bert(lines, pieces=200, positions=64)
    place = tmp_path_factory.mktemp("encoders") / "small"
    card = EncoderCard("small", max_tokens=64)
    save_encoder(place, model, tokenizer, card)
    return place


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return langspec.load_encoder(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    write_run(root, tasks=("pos",), points=1, layers=1)
    write_predictions(root / "results", "pos", {"frozen": 0.70, "finetune": 0.84})
    return root / "results"


def test_the_code_of_the_documentation_runs(
    folder: Path, text: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGSPEC_CACHE", str(tmp_path / "cache"))
    blocks = re.findall(
        r"```python\n(.*?)```", (CHECKOUT / "docs" / "python.md").read_text("utf-8"), re.S
    )
    assert len(blocks) >= 5
    names: dict[str, Any] = {"FOLDER": folder, "TEXT": text, "RUN": run, "OUT": tmp_path / "out"}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert names["vectors"].shape == (LAYERS + 1, 2, HIDDEN)
    assert (names["audit"].folder / "index.html").is_file()
    assert len(names["apart"]) == len(CODES) * (LAYERS + 1)
    assert names["eraser"].rank == len(CODES) - 1
    verdicts = names["verdicts"].query("metric == 'accuracy' and language == 'mean_targets'")
    assert list(verdicts["verdict"]) == ["better"]


def test_layers_are_those_of_all_and_batches_change_nothing(encoder: Encoder) -> None:
    texts = ["en1 en2 en3", "de1", "fr1 fr2 fr3 fr4 fr5 fr6"]
    every = langspec.encode(encoder, texts)
    np.testing.assert_array_equal(langspec.encode(encoder, texts, layers=[-1, 0]), every[[-1, 0]])
    one = langspec.encode(encoder, texts[1:2])
    np.testing.assert_allclose(one[:, 0], every[:, 1], atol=1e-5)
    assert every.dtype == np.float32


def test_precision_is_what_is_asked_for(encoder: Encoder, text: Path, monkeypatch: Any) -> None:
    from langspec import api

    asked = []
    real = api.resolve_precision
    monkeypatch.setattr(
        api, "resolve_precision", lambda *given: asked.append(given) or real("fp32", given[1])
    )
    langspec.encode(encoder, ["one two"], precision="bf16")
    names = sorted(text.glob("*.txt"))
    texts = [line for file in names for line in file.read_text().splitlines()]
    codes = [file.stem for file in names for _ in file.read_text().splitlines()]
    langspec.leak_by_layer(encoder, texts, codes, max_words=30, precision="fp16")
    assert asked == [("bf16", "cpu"), ("fp16", "cpu")]
    with pytest.raises(LangspecError, match="precision: 'int8'; expected one of auto, fp32"):
        langspec.encode(encoder, ["one"], precision="int8")


def test_words_are_read_without_the_prefix_and_counted_by_split(
    folder: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words behind a prefix are other vectors; without it they are those of no prefix."""
    prefix = " ".join((text / "en.txt").read_text("utf-8").split()[:3]) + " "
    files = [text / f"{code}.txt" for code in CODES]
    texts = [line for file in files for line in file.read_text("utf-8").splitlines()]
    codes = [file.stem for file in files for _ in file.read_text("utf-8").splitlines()]

    def leaks(prefix: str, *, behind: bool = False) -> pd.DataFrame:
        encoder = langspec.load_encoder(folder, prefix=prefix)
        found = langspec.leak_by_layer(encoder, texts, codes, max_words=60, prefix_words=behind)
        return found.set_index("unit")

    bare, plain, behind = leaks(""), leaks(prefix), leaks(prefix, behind=True)
    pd.testing.assert_frame_equal(plain.loc["token"], bare.loc["token"])
    assert not plain.loc["token"].equals(behind.loc["token"])
    pd.testing.assert_frame_equal(plain.loc["sentence"], behind.loc["sentence"])
    assert not plain.loc["sentence"].equals(bare.loc["sentence"])
    assert set(plain.loc["token", "train_n"]) == {60 * len(CODES)}
    assert set(plain.loc["token", "n"]) == {30 * len(CODES)}


def test_leak_is_what_erasing_takes(encoder: Encoder, text: Path) -> None:
    files = [text / f"{code}.txt" for code in CODES]
    texts = [line for file in files for line in file.read_text("utf-8").splitlines()]
    languages = [file.stem for file in files for _ in file.read_text("utf-8").splitlines()]
    lines = [n for file in files for n, _ in enumerate(file.read_text("utf-8").splitlines())]
    leak = langspec.leak_by_layer(encoder, texts, languages, lines=lines)
    assert list(leak["layer"]) == [0, 1, 2] * 2
    assert set(leak["unit"]) == {"token", "sentence"}
    assert leak["macro_f1"].between(leak["macro_f1_low"], leak["macro_f1_high"]).all()
    # Languages share no word: random weights alone tell them apart better than chance (1/3).
    assert leak["macro_f1"].min() > 0.45
    assert leak.loc[leak["unit"] == "sentence", "macro_f1"].min() > 0.7
    vectors = langspec.encode(encoder, texts, layers=[-1])[0]
    whole = langspec.LanguageEraser("leace").update(vectors, languages)
    parts = langspec.LanguageEraser("leace")
    for start in range(0, len(texts), 50):
        parts.update(vectors[start : start + 50], languages[start : start + 50])
    erased = parts.apply(vectors)
    np.testing.assert_allclose(erased, whole.apply(vectors), atol=1e-5)
    codes = np.asarray(languages)
    means = np.stack([erased[codes == code].mean(axis=0) for code in CODES])
    np.testing.assert_allclose(means, np.broadcast_to(means[0], means.shape), atol=1e-5)


def test_refusals_say_what_was_expected(encoder: Encoder, run: Path, tmp_path: Path) -> None:
    with pytest.raises(LangspecError, match="no texts"):
        langspec.encode(encoder, [])
    with pytest.raises(LangspecError, match=r"layers: \[3\]; expected layers from 0"):
        langspec.encode(encoder, ["en1"], layers=[3])
    with pytest.raises(LangspecError, match="languages: 1; expected 2"):
        langspec.leak_by_layer(encoder, ["en1", "de1"], ["en"])
    with pytest.raises(LangspecError, match="name: unknown eraser 'rubber'"):
        langspec.LanguageEraser("rubber")
    with pytest.raises(LangspecError, match="two languages"):
        langspec.LanguageEraser().update(np.eye(3), ["en"] * 3).apply(np.eye(3))
    with pytest.raises(LangspecError, match="nothing evaluated there"):
        langspec.load_results(tmp_path)
    with pytest.raises(LangspecError, match="found the method 'grl'"):
        langspec.compare_methods(run, "pos", "grl", "frozen")


def test_importing_is_light_and_every_name_is_there() -> None:
    script = (
        "import sys, langspec\n"
        "assert not {'torch', 'numpy', 'pandas', 'pydantic'} & set(sys.modules)\n"
        "assert set(langspec.__all__) <= set(dir(langspec))\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    for name in langspec.__all__:
        assert getattr(langspec, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        langspec.nothing  # noqa: B018
