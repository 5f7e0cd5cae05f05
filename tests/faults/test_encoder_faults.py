"""Encoder folders that are not what they should be: one line, the place, the cure."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from encoder_shapes import SHAPES, publish
from langspec.encoders.load import load_encoder
from langspec.encoders.published_encoder import published_encoder
from langspec.errors import LangspecError


def edit(file: Path, **changes: Any) -> None:
    values = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**values, **changes}))


def weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def shards(folder: Path) -> None:
    """The weights in two files and an index, as large models are published."""
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    where = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(names)}
    for file in set(where.values()):
        part = {name: tensors[name] for name in names if where[name] == file}
        save_file(part, folder / file, {"format": "pt"})
    (folder / "model.safetensors").unlink()
    edit(folder / "model.safetensors.index.json", metadata={}, weight_map=where)


def modules(folder: Path, *kinds: str, pooling: dict[str, Any] | None = None) -> None:
    """What sentence-transformers puts around a model."""
    paths = ["", *(f"{i}_{kind.rsplit('.')[-1]}" for i, kind in enumerate(kinds, 1))]
    entries = [
        {
            "idx": i,
            "name": str(i),
            "path": path,
            "type": kind if "." in kind else f"sentence_transformers.models.{kind}",
        }
        for i, (kind, path) in enumerate(zip(("Transformer", *kinds), paths, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(entries))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    mean = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}
    edit(folder / "1_Pooling" / "config.json", **(mean if pooling is None else pooling))


DENSE = "bert.encoder.layer.1.output.dense.weight"


def a_nan(folder: Path) -> None:
    weights(folder, lambda t: t[DENSE].view(-1)[3].fill_(torch.nan))


def one_weight_less(folder: Path) -> None:
    weights(folder, lambda t: t.pop(DENSE))


def cut_weights(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", 2000)


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def a_shard_less(folder: Path) -> None:
    shards(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()


def a_shard_elsewhere(folder: Path) -> None:
    shards(folder)
    edit(folder / "model.safetensors.index.json", weight_map={"a": "../x.safetensors"})


def larger_tokenizer(folder: Path) -> None:
    raw = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = raw["model"]["vocab"]
    vocabulary["dog"] = len(vocabulary)
    (folder / "tokenizer.json").write_text(json.dumps(raw))


def no_padding_token(folder: Path) -> None:
    raw = json.loads((folder / "tokenizer_config.json").read_text())
    raw = {k: v for k, v in raw.items() if k != "pad_token"}
    raw["tokenizer_class"] = "PreTrainedTokenizerFast"
    (folder / "tokenizer_config.json").write_text(json.dumps(raw))


FAULTS: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "no weights", ""),
    "pickle only": (pickled, "pytorch_model.bin, a pickle", ""),
    "cut weights": (cut_weights, "not a whole safetensors file", "model.safetensors"),
    "a weight is missing": (one_weight_less, "encoder.layer.1.output.dense.weight", ""),
    "not a number": (a_nan, "encoder.layer.1.output.dense.weight hold numbers", ""),
    "a shard is missing": (a_shard_less, "names model-00002", "model.safetensors.index.json"),
    "a shard elsewhere": (a_shard_elsewhere, "names ../x", "model.safetensors.index.json"),
    "no shards named": (
        lambda f: (shards(f), (f / "model.safetensors.index.json").write_text("[]")),
        "not an index of weights",
        "model.safetensors.index.json",
    ),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "AutoTokenizer", ""),
    "tokenizer too large": (larger_tokenizer, "14 tokens.*13 embeddings", "tokenizer.json"),
    "no padding token": (no_padding_token, "no padding token", "tokenizer_config.json"),
    "own code": (
        lambda f: edit(f / "config.json", auto_map={"AutoModel": "modeling_x.X"}),
        "brings its own code",
        "config.json",
    ),
    "a decoder": (
        lambda f: edit(f / "config.json", model_type="gpt2"),
        "gpt2 is no encoder",
        "config.json",
    ),
    "an encoder-decoder": (
        lambda f: edit(f / "config.json", model_type="bart"),
        "bart is an encoder-decoder",
        "config.json",
    ),
    "unknown architecture": (
        lambda f: edit(f / "config.json", model_type="berd"),
        "cannot be read as a model's settings",
        "config.json",
    ),
    "modules: code of its own": (
        lambda f: modules(f, "custom_st.Pooling"),
        "custom_st.Pooling is code",
        "modules.json",
    ),
    "modules: Dense": (lambda f: modules(f, "Pooling", "Dense"), "Dense changes", "modules.json"),
    "modules: no pooling": (lambda f: modules(f, "Normalize"), "0 Pooling", "modules.json"),
    "modules: max": (
        lambda f: modules(f, "Pooling", pooling={"pooling_mode_max_tokens": True}),
        "pools by max_tokens.*encoder.pooling",
        "1_Pooling/config.json",
    ),
    "modules: two poolings": (
        lambda f: modules(f, "Pooling", pooling={"pooling_mode": ["mean", "cls"]}),
        "pools by mean and cls",
        "1_Pooling/config.json",
    ),
    "modules: prompt left out": (
        lambda f: modules(f, "Pooling", pooling={"pooling_mode": "mean", "include_prompt": False}),
        "leaves the prompt out",
        "1_Pooling/config.json",
    ),
    "modules: no settings": (
        lambda f: (modules(f, "Pooling"), (f / "1_Pooling" / "config.json").unlink()),
        "cannot be read",
        "1_Pooling/config.json",
    ),
    "modules: out of the folder": (
        lambda f: (f / "modules.json").write_text(
            '[{"path": "../x", "type": "sentence_transformers.models.Transformer"}]'
        ),
        "out of the folder",
        "modules.json",
    ),
    "modules: broken": (
        lambda f: (f / "modules.json").write_text("["),
        "not JSON",
        "modules.json",
    ),
    "modules: not a list": (
        lambda f: (f / "modules.json").write_text("{}"),
        "a json dict",
        "modules.json",
    ),
    "modules: lower case": (
        lambda f: (
            modules(f, "Pooling"),
            edit(f / "sentence_bert_config.json", do_lower_case=True),
        ),
        "lower-cased",
        "sentence_bert_config.json",
    ),
    "prompts without a default": (
        lambda f: (
            modules(f, "Pooling"),
            edit(f / "config_sentence_transformers.json", prompts={"query": "query: "}),
        ),
        "query 'query: '.*encoder.prefix",
        "config_sentence_transformers.json",
    ),
    "unknown default prompt": (
        lambda f: (
            modules(f, "Pooling"),
            edit(f / "config_sentence_transformers.json", default_prompt_name="query"),
        ),
        "'query' is not among none",
        "config_sentence_transformers.json",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_told_in_one_line_with_its_place(bert: Path, fault: str) -> None:
    break_it, expected, file = FAULTS[fault]
    published_encoder(bert)
    break_it(bert)
    with pytest.raises(LangspecError, match=expected) as error:
        published_encoder(bert)
    text = str(error.value)
    assert text.startswith(str(bert / file))
    assert "\n" not in text


def test_the_conversion_command_converts(bert: Path) -> None:
    expected = load_encoder(bert).model.state_dict()
    tensors = load_file(bert / "model.safetensors")
    torch.save(
        {**tensors, "tied": tensors["bert.embeddings.word_embeddings.weight"]},
        bert / "pytorch_model.bin",
    )
    (bert / "model.safetensors").unlink()
    with pytest.raises(LangspecError) as error:
        load_encoder(bert)
    command = re.search('python -c "(.*)"$', str(error.value))
    assert command is not None
    exec(command[1])
    found = load_encoder(bert).model.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in found.items())


def test_shards_are_read_as_one(bert: Path) -> None:
    expected = load_encoder(bert)
    shards(bert)
    found = load_encoder(bert)
    state = found.model.state_dict()
    assert all(torch.equal(state[k], v) for k, v in expected.model.state_dict().items())
    assert len(found.card.sha256) == 64
    assert found.card.sha256 != expected.card.sha256


def test_positions_counted_from_another_padding_token(tmp_path: Path) -> None:
    publish(tmp_path / "x", "xlm-roberta", pad_token_id=0)
    with pytest.raises(LangspecError, match="pads with token 1") as error:
        published_encoder(tmp_path / "x")
    assert "tokenizer.json" in str(error.value)


@pytest.mark.parametrize("name", ["bert", "xlm-roberta"])
def test_more_tokens_than_positions_by_dotted_path(tmp_path: Path, name: str) -> None:
    limit = SHAPES[name].positions
    publish(tmp_path / "x", name)
    assert published_encoder(tmp_path / "x", max_tokens=limit).card.max_tokens == limit
    with pytest.raises(LangspecError, match=f"^encoder.max_tokens: .*{limit + 1}.*3 to {limit}"):
        published_encoder(tmp_path / "x", max_tokens=limit + 1)


def test_sentence_transformers_folder_says_pooling_and_prefix(bert: Path) -> None:
    modules(bert, "Pooling", "Normalize", pooling={"pooling_mode_cls_token": True})
    prompts = {"query": "query: ", "passage": "passage: "}
    place = bert / "config_sentence_transformers.json"
    edit(place, prompts=prompts, default_prompt_name="passage")
    card = published_encoder(bert).card
    assert (card.pooling, card.prefix, card.name) == ("cls", "passage: ", "bert")
    given = published_encoder(bert, pooling="mean", prefix="query: ").card
    assert (given.pooling, given.prefix) == ("mean", "query: ")
    edit(place, prompts={"query": "", "document": ""}, default_prompt_name=None)
    assert published_encoder(bert).card.prefix == ""
    modules(bert, "Pooling", "Dense")  # what the vector becomes then is of no concern
    assert published_encoder(bert, pooling="cls").card.pooling == "cls"


def test_sentence_transformers_model_in_a_folder_of_its_own(
    published_bert: Path, tmp_path: Path
) -> None:
    shutil.copytree(published_bert, tmp_path / "st" / "0_Transformer")
    modules(tmp_path / "st", "Pooling")
    entries = json.loads((tmp_path / "st" / "modules.json").read_text())
    entries[0]["path"] = "0_Transformer"
    (tmp_path / "st" / "modules.json").write_text(json.dumps(entries))
    card = published_encoder(tmp_path / "st").card
    assert (card.name, card.pooling) == ("st", "mean")


@pytest.mark.parametrize(
    ("name", "changes"), [("bert", {}), ("distilbert", {}), ("electra", {}), ("xlm-roberta", {})]
)
def test_compat_without_a_trained_pooler_is_refused(
    tmp_path: Path, name: str, changes: dict[str, Any]
) -> None:
    publish(tmp_path / "x", name, **changes)  # masked-LM checkpoints, or none has one at all
    with pytest.raises(LangspecError, match=r"^encoder\.pooling: compat.*has none"):
        published_encoder(tmp_path / "x", pooling="compat")


def test_vectors_that_padding_changes_are_refused(bert: Path, monkeypatch: Any) -> None:
    from langspec.encoders import published_encoder as published

    states = published.hidden_states

    def blind(model: Any, batch: dict[str, torch.Tensor]) -> Any:
        return states(model, {**batch, "attention_mask": torch.ones_like(batch["input_ids"])})

    monkeypatch.setattr(published, "hidden_states", blind)
    with pytest.raises(LangspecError, match="ignores padding"):
        published_encoder(bert)


def test_an_encoder_that_reads_one_way_is_refused(bert: Path) -> None:
    edit(bert / "config.json", is_decoder=True)
    with pytest.raises(LangspecError, match="both directions"):
        published_encoder(bert)
