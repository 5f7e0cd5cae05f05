"""Feature banks: what is sampled, what is stored, and that a bank can be trusted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from bank_fixtures import bank_options
from langspec.encoders.forward import hidden_states
from langspec.encoders.inputs import Inputs, collate
from langspec.errors import LangspecError
from langspec.features.bank import BankOptions, BankRows, bank_key, open_bank
from langspec.features.cache import evict
from langspec.features.encode import build_bank
from langspec.features.sample import lowest_per_group, unit_ranks

VOCABULARY, HIDDEN = 50, 32
LANGUAGES = ("de", "en")


def tiny_model(seed: int) -> BertModel:
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=40,
    )
    return BertModel(config, add_pooling_layer=False).eval()


def random_inputs(rows: int, seed: int = 0) -> Inputs:
    """Rows of [CLS] 2..20 pieces [SEP]; every second piece stands for a unit."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(4, 23, size=rows)
    starts = np.r_[0, np.cumsum(lengths)]
    units = [np.arange(1, length - 1, 2, dtype=np.int32) for length in lengths]
    return Inputs(
        ids=rng.integers(1, VOCABULARY, size=starts[-1]).astype(np.int32),
        starts=starts,
        segments=np.zeros(starts[-1], np.int8),
        units=np.concatenate(units),
        unit_starts=np.r_[0, np.cumsum([len(u) for u in units])],
        unit_words=np.concatenate([np.arange(len(u), dtype=np.int32) for u in units]),
    )


def rows_of(inputs: Inputs) -> BankRows:
    count = len(inputs)
    return BankRows(
        languages=[LANGUAGES[i % 2] for i in range(count)],
        splits=[("train", "dev", "test")[i // 2 % 3] for i in range(count)],
        lines=np.arange(count) // 2,
        token_labels=np.arange(len(inputs.units)) % 5,
        row_labels=np.arange(count) % 3,
    )


def key_of(options: BankOptions, checkpoint: str = "a") -> str:
    return bank_key(checkpoint=checkpoint, corpus="c", prefix="", max_tokens=32, options=options)


def make(root: Path, model: BertModel, options: BankOptions, checkpoint: str = "a", **more):
    inputs = random_inputs(24)
    return build_bank(
        model,
        0,
        inputs,
        rows_of(inputs),
        options=options,
        key=key_of(options, checkpoint),
        root=root,
        **more,
    )


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_vectors_are_those_of_each_row_encoded_alone(tmp_path: Path, pooling: str) -> None:
    model = tiny_model(0)
    inputs = random_inputs(24)
    bank = make(tmp_path, model, bank_options(max_tokens_per_language=30, pooling=pooling))
    tokens, sentences = bank.token_meta, bank.sentence_meta
    assert len(tokens) == 60
    assert len(sentences) == 24
    assert bank.layers == (0, 1, 2)
    for row in range(24):
        batch = collate(inputs, np.array([row]), pad_id=0)
        with torch.inference_mode():
            states = hidden_states(model, batch)
        mine = np.flatnonzero(tokens.row == row)
        for layer in bank.layers:
            alone = states[layer][0]
            assert bank.tokens(layer)[mine] == pytest.approx(
                alone[tokens.unit[mine]].numpy(), abs=4e-3
            )
            whole = alone.mean(0) if pooling == "mean" else alone[0]
            assert bank.sentences(layer)[row] == pytest.approx(whole.numpy(), abs=4e-3)
            assert bank.tokens(layer).dtype == np.float32


@torch.inference_mode()
def test_padding_does_not_change_vectors() -> None:
    model, inputs = tiny_model(0), random_inputs(24)
    together = hidden_states(model, collate(inputs, np.arange(24), pad_id=0))
    for row in range(24):
        alone = hidden_states(model, collate(inputs, np.array([row]), pad_id=0))
        for a, b in zip(alone, together, strict=True):
            assert torch.allclose(a[0], b[row, : a.shape[1]], atol=1e-5)


def test_metadata_belongs_to_the_vectors(tmp_path: Path) -> None:
    inputs = random_inputs(24)
    rows = rows_of(inputs)
    bank = make(tmp_path, tiny_model(0), bank_options(max_tokens_per_language=30))
    for units in (bank.token_meta, bank.sentence_meta):
        for i, row in enumerate(units.row):
            assert bank.languages[units.language[i]] == rows.languages[row]
            assert bank.splits[units.split[i]] == rows.splits[row]
            assert units.line[i] == row // 2
    assert (bank.sentence_meta.label == np.arange(24) % 3).all()
    flat = {
        (row, inputs.units[u]): u % 5
        for row in range(24)
        for u in range(inputs.unit_starts[row], inputs.unit_starts[row + 1])
    }
    units = bank.token_meta
    for row, unit, label in zip(units.row, units.unit, units.label, strict=True):
        assert flat[row, unit] == label


def test_two_checkpoints_get_the_same_units_and_other_vectors(tmp_path: Path) -> None:
    options = bank_options(max_tokens_per_language=20, max_sentences_per_language=5)
    one = make(tmp_path, tiny_model(0), options, "a")
    two = make(tmp_path, tiny_model(1), options, "b")
    for name in ("row", "unit", "language", "line", "split", "label"):
        for kind in ("token_meta", "sentence_meta"):
            assert (getattr(getattr(one, kind), name) == getattr(getattr(two, kind), name)).all()
    assert np.bincount(one.token_meta.language).tolist() == [20, 20]
    assert np.bincount(one.sentence_meta.language).tolist() == [5, 5]
    assert not np.allclose(one.tokens(-1), two.tokens(-1))


def test_sentences_are_of_the_same_lines_in_all_languages_and_bounded(tmp_path: Path) -> None:
    """Translations are kept together, and more lines make no larger bank."""
    few = make(tmp_path, tiny_model(0), bank_options(max_sentences_per_language=5))
    units = few.sentence_meta
    lines = [set(units.line[units.language == i].tolist()) for i in range(2)]
    assert len(lines[0]) == 5
    assert lines[0] == lines[1]
    more = make(tmp_path, tiny_model(0), bank_options(max_sentences_per_language=8))
    assert lines[0] < set(more.sentence_meta.line.tolist())
    every = make(tmp_path, tiny_model(0), bank_options())
    assert len(every.sentence_meta) == 24
    for i, place in enumerate(units.row):
        whole = np.flatnonzero(every.sentence_meta.row == place)
        assert few.sentences(-1)[i] == pytest.approx(every.sentences(-1)[whole[0]], abs=2e-3)


def test_sample_ignores_row_order_and_other_languages_and_is_nested() -> None:
    rng = np.random.default_rng(0)
    language, line = rng.integers(3, size=500), np.arange(500)
    word = rng.integers(20, size=500)

    def chosen(order: np.ndarray, most: int, codes: tuple[str, ...]) -> set[tuple[str, int]]:
        ranks = unit_ranks(7, codes, language[order], line[order], word[order])
        kept = order[lowest_per_group(ranks, language[order], most)]
        return {(codes[language[i]], int(line[i])) for i in kept}

    order = np.arange(500)
    codes = ("ar", "de", "zh")
    full = chosen(order, 40, codes)
    assert len(full) == 120
    assert chosen(rng.permutation(500), 40, codes) == full
    assert chosen(order, 20, codes) < full
    without = order[language != 1]
    assert chosen(without, 40, codes) == {unit for unit in full if unit[0] != "de"}


def test_a_bank_is_opened_not_made_again(tmp_path: Path) -> None:
    options = bank_options(max_tokens_per_language=10)
    model = tiny_model(0)
    first = make(tmp_path, model, options).tokens(-1)

    class Broken:
        training = False

        def __getattr__(self, name: str) -> None:
            raise AssertionError("the encoder was used")

    again = make(tmp_path, Broken(), options)  # type: ignore[arg-type]
    assert (again.tokens(-1) == first).all()
    assert open_bank(tmp_path, key_of(options)) is not None
    assert open_bank(tmp_path, key_of(options, "other")) is None


def damage_json(folder: Path) -> None:
    (folder / "meta.json").write_text("{", encoding="utf-8")


def damage_byte(folder: Path) -> None:
    """One bit of one vector; size and header stay."""
    file = folder / "tokens.npy"
    values = bytearray(file.read_bytes())
    values[-1] ^= 1
    file.write_bytes(values)


def damage_inputs(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    (folder / "meta.json").write_text(json.dumps(meta | {"fingerprint": "x"}), encoding="utf-8")


def damage_cut(folder: Path) -> None:
    os.truncate(folder / "tokens.npy", 500)


def damage_missing(folder: Path) -> None:
    (folder / "sentences_meta.npy").unlink()


@pytest.mark.parametrize(
    "damage", [damage_json, damage_byte, damage_inputs, damage_cut, damage_missing]
)
def test_a_damaged_or_stale_bank_is_made_again(tmp_path: Path, damage, caplog) -> None:
    options = bank_options(max_tokens_per_language=10)
    bank = make(tmp_path, tiny_model(0), options)
    good = bank.tokens(1)
    damage(bank.folder)
    again = make(tmp_path, tiny_model(0), options)
    told = [record for record in caplog.records if "damaged" in record.message]
    assert len(told) == (damage is not damage_inputs)  # other texts are no damage
    assert (again.tokens(1) == good).all()
    assert open_bank(tmp_path, again.folder.name) is not None


def test_a_failed_pass_leaves_nothing(tmp_path: Path) -> None:
    model = tiny_model(0)
    with torch.no_grad():
        model.encoder.layer[1].output.dense.weight.fill_(float("nan"))
    with pytest.raises(LangspecError, match="layer 2 are not finite"):
        make(tmp_path, model, bank_options(max_tokens_per_language=10))
    assert list(tmp_path.iterdir()) == []


def test_beyond_half_precision_is_kept_in_single(tmp_path: Path) -> None:
    def stored(change) -> tuple[dict[str, str], np.ndarray]:
        model = tiny_model(0)
        with torch.no_grad():
            change(model.encoder.layer[1].output.LayerNorm)
        bank = make(tmp_path / str(len(list(tmp_path.iterdir()))), model, bank_options())
        return bank.meta["dtypes"], bank.tokens(-1)

    assert stored(lambda norm: None)[0] == {"tokens": "float16", "sentences": "float16"}
    kinds, large = stored(lambda norm: norm.weight.mul_(1e5))
    assert kinds["tokens"] == "float32"
    assert np.abs(large).max() > 65504
    # Shrunken features around a large mean: fp16 would round the signal away.
    kinds, shifted = stored(lambda norm: (norm.weight.mul_(1e-3), norm.bias.add_(30.0)))
    assert kinds["tokens"] == "float32"
    assert 0 < shifted.std(axis=0).max() < 0.01


def test_least_recently_used_goes_first(tmp_path: Path) -> None:
    options = bank_options(max_tokens_per_language=10)
    banks = [make(tmp_path, tiny_model(0), options, name) for name in "abc"]
    for age, bank in zip((30, 20, 10), banks, strict=True):
        then = 1_700_000_000 - age
        os.utime(bank.folder / "meta.json", (then, then))
    size = sum(f.stat().st_size for f in banks[0].folder.iterdir())
    open_bank(tmp_path, banks[0].folder.name)  # now the most recently used
    removed = evict(tmp_path, 2.5 * size / 1e9)
    assert removed == [banks[1].folder.name]
    # The bank just made stays, even when it alone is over the limit.
    made = make(tmp_path, tiny_model(0), options, "d", limit_gb=0.0)
    assert [path.name for path in tmp_path.iterdir()] == [made.folder.name]


def test_layers_can_be_chosen(tmp_path: Path) -> None:
    every = make(tmp_path, tiny_model(0), bank_options())
    last = make(tmp_path, tiny_model(0), bank_options(layers=(-1,)))
    assert last.layers == (2,)
    assert (last.tokens(-1) == every.tokens(2)).all()
    with pytest.raises(LangspecError, match="layer 0 is not in this feature bank"):
        last.tokens(0)
    with pytest.raises(LangspecError, match=r"0\.\.2"):
        make(tmp_path, tiny_model(0), bank_options(layers=(7,)))


def test_no_units_and_no_tokens_are_allowed(tmp_path: Path) -> None:
    bank = make(tmp_path, tiny_model(0), bank_options(max_tokens_per_language=0))
    assert bank.tokens(0).shape == (0, HIDDEN)
    assert bank.sentences(0).shape == (24, HIDDEN)
    reopened = open_bank(tmp_path, bank.folder.name)
    assert reopened is not None
    assert len(reopened.token_meta) == 0


def test_disagreeing_lengths_are_refused(tmp_path: Path) -> None:
    inputs = random_inputs(4)
    with pytest.raises(LangspecError, match="expected 4 languages, one a row, found 3"):
        build_bank(
            tiny_model(0),
            0,
            inputs,
            BankRows(languages=["en"] * 3),
            options=bank_options(),
            key="k",
            root=tmp_path,
        )


def test_equal_bytes_on_two_runs(tmp_path: Path) -> None:
    options = bank_options(max_tokens_per_language=20)
    one = make(tmp_path / "one", tiny_model(0), options).folder
    two = make(tmp_path / "two", tiny_model(0), options).folder
    names = sorted(file.name for file in one.iterdir())
    assert names == sorted(file.name for file in two.iterdir())
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes()


@pytest.mark.usefixtures("three_threads")
def test_threads_give_the_bytes_of_one(tmp_path: Path) -> None:
    options = bank_options(max_tokens_per_language=20, tokens_per_batch=64)
    many = make(tmp_path / "many", tiny_model(0), options).folder
    torch.set_num_threads(1)
    one = make(tmp_path / "one", tiny_model(0), options).folder
    for kind in ("tokens", "sentences"):
        assert (one / f"{kind}.npy").read_bytes() == (many / f"{kind}.npy").read_bytes()


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_whole_rows_are_as_few_as_have_enough_units(tmp_path: Path) -> None:
    model = tiny_model(0)
    few = make(tmp_path, model, bank_options(max_tokens_per_language=20, whole_rows=True))
    spread = make(tmp_path, model, bank_options(max_tokens_per_language=20))
    counts = np.diff(random_inputs(24).unit_starts)
    for code in range(2):
        own = few.token_meta.language == code
        assert own.sum() == 20 == (spread.token_meta.language == code).sum()
        rows = np.unique(few.token_meta.row[own])
        sizes = counts[rows]
        assert sizes.sum() >= 20 > sizes.sum() - sizes.max()
        assert len(rows) < len(
            np.unique(spread.token_meta.row[spread.token_meta.language == code])
        )
    everything = make(tmp_path, model, bank_options(max_tokens_per_language=None, whole_rows=True))
    assert len(everything.token_meta) == counts.sum()


def test_each_split_has_a_limit_of_its_own(tmp_path: Path) -> None:
    model = tiny_model(0)
    some = {"train": 8, "dev": 3, "test": 5}
    lines = {"train": 2, "dev": None, "test": 1}
    bank = make(
        tmp_path,
        model,
        bank_options(max_tokens_per_language=some, max_sentences_per_language=lines),
    )
    for meta, limits in ((bank.token_meta, some), (bank.sentence_meta, lines)):
        for split, most in limits.items():
            of_split = meta.split == bank.splits.index(split)
            for code in range(2):
                assert (of_split & (meta.language == code)).sum() == (4 if most is None else most)
    trained = bank.sentence_meta.split == bank.splits.index("train")
    assert len(np.unique(bank.sentence_meta.line[trained])) == 2  # the same in both languages
    # A larger limit of one split adds to it, and leaves the other splits as they are.
    more = make(tmp_path, model, bank_options(max_tokens_per_language=some | {"train": 12}))
    pieces = [
        {*zip(one.token_meta.row.tolist(), one.token_meta.unit.tolist(), strict=True)}
        for one in (bank, more)
    ]
    assert pieces[0] < pieces[1]
    assert len(pieces[1]) - len(pieces[0]) == 2 * 4


def test_banks_that_need_the_same_rows_share_a_pass(tmp_path: Path) -> None:
    model, passes = tiny_model(0), []
    model.embeddings.register_forward_hook(lambda *_: passes.append(1))
    whole = bank_options(max_tokens_per_language=None, max_sentences_per_language=0, layers=(1,))
    few = bank_options(max_tokens_per_language=5, max_sentences_per_language=0)
    alone = make(tmp_path / "alone", model, whole)
    once = len(passes)
    beside = {key_of(whole): whole, key_of(few): few}
    first = make(tmp_path / "both", model, bank_options(), beside=beside)
    assert len(passes) == 2 * once
    other = make(tmp_path / "both", model, whole)
    assert len(passes) == 2 * once  # it was there
    assert np.array_equal(alone.tokens(1), other.tokens(1))
    assert other.meta == alone.meta
    assert first.layers == (0, 1, 2)
    # It needs other rows, so its batches, and with them the last digits, would be others.
    assert not (tmp_path / "both" / key_of(few)).exists()


def test_a_bank_of_few_lines_reads_no_others(tmp_path: Path) -> None:
    every = make(tmp_path, tiny_model(0), bank_options())
    few = make(tmp_path, tiny_model(0), bank_options(lines=4))
    lines = set(few.sentence_meta.line.tolist())
    assert len(lines) == 4
    assert set(few.token_meta.line.tolist()) <= lines
    assert len(few.sentence_meta) == 8  # the same lines in both languages
    assert 0 < len(few.token_meta) < len(every.token_meta)
    assert key_of(bank_options()) != key_of(bank_options(lines=4))


def test_whole_rows_of_few_lines_are_chosen_among_those(tmp_path: Path) -> None:
    few = make(tmp_path, tiny_model(0), bank_options(lines=4))
    whole = make(
        tmp_path,
        tiny_model(0),
        bank_options(lines=4, whole_rows=True, max_tokens_per_language=5),
    )
    assert set(whole.token_meta.line.tolist()) <= set(few.sentence_meta.line.tolist())
    assert len(whole.token_meta) == 10


def test_texts_may_lack_words_that_the_pass_without_a_prefix_has(tmp_path: Path) -> None:
    """A prefix takes room in a row of limited length: the last words fall away there."""
    words = random_inputs(24)
    # The last row, cut before its words.
    starts = np.r_[words.unit_starts[:-1], words.unit_starts[-2]]
    assert starts[-1] < words.unit_starts[-1]
    texts = replace(
        words,
        units=words.units[: starts[-1]],
        unit_starts=starts,
        unit_words=words.unit_words[: starts[-1]],
    )
    rows = replace(rows_of(words), token_labels=None)
    options = bank_options(max_tokens_per_language=None)
    given = {"rows": rows, "options": options, "key": key_of(options)}
    both = build_bank(tiny_model(0), 0, texts, words=words, root=tmp_path / "both", **given)
    plain = build_bank(tiny_model(0), 0, words, root=tmp_path / "plain", **given)
    assert np.array_equal(both.tokens(2), plain.tokens(2))


def test_words_of_other_pieces_have_a_pass_of_their_own(tmp_path: Path) -> None:
    model, passes = tiny_model(0), []
    model.register_forward_hook(lambda *_: passes.append(1))
    inputs = random_inputs(24)
    # As without a prefix of two pieces: other pieces, the words elsewhere.
    starts, lengths = inputs.starts[:-1], np.diff(inputs.starts)
    keep = np.arange(len(inputs.ids)) - np.repeat(starts, lengths) != 1
    fewer = replace(
        inputs,
        ids=inputs.ids[keep],
        segments=inputs.segments[keep],
        starts=inputs.starts - np.arange(25),
        units=np.maximum(inputs.units - 1, 0),
    )
    options = bank_options(max_tokens_per_language=20)
    beside = {key_of(options, "beside"): options}

    def build(name: str, rows: Inputs, **more):
        return build_bank(
            model, 0, rows, rows_of(rows), options=options, key=key_of(options),
            root=tmp_path / name, **more,
        )  # fmt: skip

    whole, plain = build("whole", inputs), build("plain", fewer)
    once = len(passes) // 2
    both = build("both", inputs, words=fewer, beside=beside)
    assert len(passes) == 4 * once
    assert np.array_equal(both.sentences(2), whole.sentences(2))
    assert np.array_equal(both.tokens(2), plain.tokens(2))
    assert np.array_equal(both.token_meta.unit, plain.token_meta.unit)
    assert not np.array_equal(both.tokens(2), whole.tokens(2))
    # Another bank of the same pass has its words from the first pieces.
    other = open_bank(tmp_path / "both", key_of(options, "beside"))
    assert other is not None
    assert np.array_equal(other.tokens(2), whole.tokens(2))
    build("both", inputs, words=fewer)
    assert len(passes) == 4 * once  # it was there
    assert both.meta["fingerprint"] != whole.meta["fingerprint"]
    assert key_of(options) != bank_key(
        checkpoint="a", corpus="c", prefix="q", max_tokens=32, options=options, token_prefix=""
    )
