"""In what precision an encoder runs, and up to which layer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from test_features_bank import key_of, make, random_inputs, tiny_model

from bank_fixtures import bank_options
from langspec import compute
from langspec.compute import resolve_precision
from langspec.encoders.forward import hidden_states
from langspec.encoders.inference import casts, encoding_model, in_memory
from langspec.encoders.inputs import collate
from langspec.errors import LangspecError


def batch() -> dict[str, torch.Tensor]:
    return collate(random_inputs(6), np.arange(6), pad_id=0)


def states(model, precision: str, layers=None):
    with torch.inference_mode(), casts("cpu", precision):
        return hidden_states(model, batch(), layers)


def states_of(model, rows: dict[str, torch.Tensor], layers: tuple[int, ...]):
    with torch.inference_mode():
        return hidden_states(model, rows, layers)


@pytest.mark.parametrize(
    ("fast", "requested", "used"),
    [
        (("bf16", "fp32"), "auto", "bf16"),
        (("fp32",), "auto", "fp32"),
        (("fp16", "fp32"), "auto", "fp16"),
        (("bf16", "fp32"), "fp32", "fp32"),
        (("bf16", "fp16", "fp32"), "fp16", "fp16"),
    ],
)
def test_auto_is_the_fastest_in_hardware(monkeypatch, caplog, fast, requested, used) -> None:
    monkeypatch.setattr(compute, "fast_precisions", lambda device: fast)
    assert resolve_precision(requested, "cpu") == used
    assert not caplog.text


@pytest.mark.parametrize("requested", ["bf16", "fp16"])
def test_what_the_hardware_lacks_is_said_and_fp32_used(monkeypatch, caplog, requested) -> None:
    monkeypatch.setattr(compute, "cpu_has_fast_bf16", lambda: False)
    assert resolve_precision(requested, "cpu") == "fp32"
    assert f"does not multiply {requested} in hardware; using fp32" in caplog.text
    assert len(caplog.records) == 1


def test_avx2_kernels_mean_fp32(monkeypatch) -> None:
    """compute.portable hides AVX512, so the demo stays in fp32 on every machine."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert resolve_precision("auto", "cpu") == "fp32"
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert resolve_precision("auto", "cpu") == "bf16"


def test_bf16_is_autocast_with_the_weights_cast_once() -> None:
    model = tiny_model(0)
    half = encoding_model(model, "bf16")
    for name, weight in half.named_parameters():
        linear = not any(part in name for part in ("embeddings", "LayerNorm"))
        assert weight.dtype == (torch.bfloat16 if linear else torch.float32), name
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert half.get_input_embeddings().weight is model.get_input_embeddings().weight
    expected, found = states(model, "bf16"), states(half, "bf16")
    for one, other in zip(expected, found, strict=True):
        assert other.dtype == torch.float32  # residual sums and layer norms
        assert torch.equal(one, other)
    assert not torch.equal(found[-1], states(model, "fp32")[-1])


def test_fp32_is_the_model_itself() -> None:
    model = tiny_model(0)
    assert encoding_model(model, "fp32") is model


@pytest.mark.parametrize("top", [0, 1])
def test_layers_above_the_highest_that_is_read_do_not_run(top: int) -> None:
    model = tiny_model(0)
    whole = states(model, "fp32")
    for layer in model.encoder.layer[top:]:
        layer.attention.forward = None  # a call would fail
    for one, other in zip(whole, states(model, "fp32", range(top + 1)), strict=False):
        assert torch.equal(one, other)
    assert torch.equal(states(model, "fp32", [top, 0])[0], whole[top])
    assert torch.equal(states(model, "fp32", top)[0], whole[top])


def test_threads_read_different_layers_of_one_model() -> None:
    """Both are in their pass at once: neither stops the other or takes its states."""
    model = tiny_model(0)
    both = threading.Barrier(2)
    rows = [batch(), {name: values[:4] for name, values in batch().items()}]
    expected = [states_of(model, rows[0], (0,)), states_of(model, rows[1], (0, 1))]

    def wait(*_: object) -> None:
        both.wait(60)

    with model.embeddings.register_forward_hook(wait), ThreadPoolExecutor(2) as pool:
        found = list(pool.map(states_of, [model] * 2, rows, [(0,), (0, 1)]))
    for one, other in zip(expected, found, strict=True):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert torch.equal(left, right)


def test_a_bank_of_one_layer_runs_no_layer_above_it(tmp_path: Path) -> None:
    model = tiny_model(0)
    every = make(tmp_path / "every", model, bank_options())
    model.encoder.layer[1].attention.forward = None  # a call would fail
    first = make(tmp_path / "first", model, bank_options(layers=(1,)))
    assert np.array_equal(first.tokens(1), every.tokens(1))
    assert np.array_equal(first.sentences(1), every.sentences(1))


def test_a_bank_of_another_precision_is_another_bank(tmp_path: Path) -> None:
    single, half = (bank_options(precision=name) for name in ("fp32", "bf16"))
    assert key_of(single) != key_of(half)
    one, other = (make(tmp_path, tiny_model(0), options) for options in (single, half))
    assert other.meta["options"]["precision"] == "bf16"
    assert not np.array_equal(one.tokens(-1), other.tokens(-1))
    for layer in one.layers:
        difference = np.linalg.norm(one.tokens(layer) - other.tokens(layer))
        assert difference <= 0.01 * np.linalg.norm(one.tokens(layer))


def test_a_batch_that_does_not_fit_is_named_with_its_knob() -> None:
    ids = torch.zeros(7, 90)
    expected = r"a\.b: a batch of 7 rows of 90 tokens does not fit into memory; lower a\.b"
    with pytest.raises(LangspecError, match=expected), in_memory(ids, "a.b"):
        torch.empty(2**60)
    with pytest.raises(RuntimeError, match="something else"), in_memory(ids, "a.b"):
        raise RuntimeError("something else")
