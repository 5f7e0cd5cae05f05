"""A repaired folder is audited and repaired again as SentenceTransformer reads it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from audit_fixtures import biased_bert, write_texts
from langspec.audit.after_pooling import IDENTITY, TANH
from langspec.audit.audited_encoder import load_subject
from langspec.audit.options import AuditOptions, EncoderChoice, Measures
from langspec.audit.run import run_audit
from langspec.errors import LangspecError
from langspec.repair.encoded_parts import encoded
from langspec.repair.repair_options import RepairOptions
from langspec.repair.repair_run import prepare, run_repair

pytestmark = pytest.mark.medium

CODES = ("de", "en", "tr", "xx")
KIND = "sentence_transformers.models"


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("again") / "text", CODES, 120)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSPEC_CACHE", str(tmp_path / "cache"))


def options(folder: Path, text: Path, out: Path, **changes: Any) -> RepairOptions:
    values: dict[str, Any] = {"methods": "leace", "precision": "fp32"}
    return RepairOptions(EncoderChoice(str(folder)), None, text, out, **values | changes)


def vectors_of(folder: Path, text: Path, tmp_path: Path) -> np.ndarray:
    """Vectors of all texts, by the order of their rows."""
    prepared = prepare(options(folder, text, tmp_path / "unused"))
    (read,) = prepared.texts
    every, _, _ = encoded(prepared.subject, read, prepared.options.encoding, tmp_path / "banks")
    return every.vectors


def with_layer(folder: Path, source: Path, activation: str, width: int = 32) -> Path:
    """A copy of an encoder with one linear layer of random weights behind its pooling."""
    shutil.copytree(source, folder)
    pooling, dense = folder / "1_Pooling", folder / "2_Dense"
    pooling.mkdir()
    dense.mkdir()
    hidden = json.loads((folder / "config.json").read_text())["hidden_size"]
    (pooling / "config.json").write_text('{"pooling_mode_mean_tokens": true, '
                                         f'"word_embedding_dimension": {hidden}}}')  # fmt: skip
    config = {"in_features": hidden, "out_features": width, "bias": True}
    (dense / "config.json").write_text(json.dumps(config | {"activation_function": activation}))
    rng = np.random.default_rng(0)
    tensors = {"linear.weight": rng.normal(size=(width, hidden)).astype(np.float32) / 8}
    tensors["linear.bias"] = rng.normal(size=width).astype(np.float32)
    save_file(tensors, dense / "model.safetensors", metadata={"format": "pt"})
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense")]
    entries = [
        {"idx": i, "name": str(i), "path": path, "type": f"{KIND}.{kind}"}
        for i, (path, kind) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(entries))
    return folder


def test_a_repaired_folder_is_audited_beside_its_base(text: Path, tmp_path: Path) -> None:
    base = biased_bert(tmp_path / "base", text, 1.0)
    repaired = tmp_path / "repaired"
    run_repair(options(base, text, repaired))
    encoders = tuple(EncoderChoice(str(one)) for one in (repaired, base))
    chosen = AuditOptions(
        encoders, text, text, layers="-1", max_words=30, out=tmp_path / "audit", precision="fp32"
    )
    said = run_audit(chosen, Measures())
    rows = (tmp_path / "audit" / "tables" / "apartness.csv").read_text().splitlines()
    names = rows[0].split(",")
    apart = {
        name: [float(row.split(",")[names.index("apartness")]) for row in rows[1:] if name in row]
        for name in ("repaired", "base")
    }
    assert np.mean(apart["repaired"]) < 0.3 < 0.7 < min(apart["base"]), said
    again = run_repair(options(repaired, text, tmp_path / "twice"))
    assert "Nothing to repair" in again


@pytest.mark.parametrize(("activation", "width"), [(IDENTITY, 32), (TANH, 32), (IDENTITY, 24)])
def test_vectors_behind_a_layer_are_those_of_the_library(
    activation: str, width: int, text: Path, tmp_path: Path
) -> None:
    library = pytest.importorskip("sentence_transformers")
    base = biased_bert(tmp_path / "base", text, 1.0)
    folder = with_layer(tmp_path / "layer", base, activation, width)
    model = library.SentenceTransformer(str(folder), device="cpu")
    lines = [
        line for code in CODES for line in (text / f"{code}.txt").read_text().splitlines()
    ]  # fmt: skip
    theirs = model.encode(lines)
    np.testing.assert_allclose(vectors_of(folder, text, tmp_path), theirs, atol=1e-3)
    out = tmp_path / "out"
    run_repair(options(folder, text, out))
    behind = library.SentenceTransformer(str(out), device="cpu").encode(lines)
    assert behind.shape == theirs.shape
    np.testing.assert_allclose(vectors_of(out, text, tmp_path), behind, atol=1e-3)


def test_a_layer_is_in_the_hash_and_a_pooling_asked_for_is_read_alone(
    text: Path, tmp_path: Path
) -> None:
    base = biased_bert(tmp_path / "base", text, 1.0)
    folder = with_layer(tmp_path / "layer", base, IDENTITY)
    choice = EncoderChoice(str(folder))
    hashes = set()
    for one in (choice, replace(choice, pooling="mean"), EncoderChoice(str(base))):
        hashes.add(load_subject(one, layers=None, max_tokens=None).sha256)
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"activation_function": "torch.nn.GELU"}, "expected none or tanh"),
        ({"use_residual": True}, "more than a linear layer"),
        ({"module_input_name": "token_embeddings"}, "more than a linear layer"),
        ({"out_features": 7}, "the weights are no [7, "),
    ],
)
def test_another_layer_is_refused_in_one_line(
    changes: dict[str, Any], said: str, text: Path, tmp_path: Path
) -> None:
    base = biased_bert(tmp_path / "base", text, 1.0)
    folder = with_layer(tmp_path / "layer", base, IDENTITY)
    place = folder / "2_Dense" / "config.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | changes))
    with pytest.raises(LangspecError) as error:
        load_subject(EncoderChoice(str(folder)), layers=None, max_tokens=None)
    assert said in str(error.value)
    assert str(folder / "2_Dense") in str(error.value)
    assert "\n" not in str(error.value)


def test_what_the_loader_refuses_names_the_folder_itself(text: Path, tmp_path: Path) -> None:
    base = biased_bert(tmp_path / "base", text, 1.0)
    folder = with_layer(tmp_path / "layer", base, IDENTITY)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(LangspecError) as error:
        load_subject(EncoderChoice(str(folder)), layers=None, max_tokens=None)
    assert str(folder) in str(error.value)
    assert "langspec-" not in str(error.value)
