"""Files of vectors: every format is read in blocks, erased, and written as it was."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from langspec.cli import main
from langspec.erasure.base import ErasureMap
from langspec.erasure.leace import LEACE
from langspec.repair.fit_methods import Labelled, fit_all
from langspec.repair.unit_eraser import UnitEraser, unit
from langspec.vectors.applied_map import AppliedEraser
from langspec.vectors.line_numbers import line_keys
from langspec.vectors.open_vectors import open_vectors
from langspec.vectors.vector_eraser import (
    VectorEraser,
    load_vector_eraser,
    make_guard,
    save_vector_eraser,
)
from langspec.vectors.vector_file import Columns, VectorFile

WIDTH = 12
CODES = ("de", "en", "zh")


def planted(count: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors float32 ``[N, H]`` of length 1 with an offset a language, and their codes."""
    rng = np.random.default_rng(seed)
    offsets = np.random.default_rng(7).normal(size=(len(CODES), WIDTH))
    which = rng.integers(len(CODES), size=count)
    vectors = unit(rng.normal(size=(count, WIDTH)) + offsets[which] + 2)
    return vectors.astype(np.float32), np.asarray(CODES)[which]


def fitted(method: str = "leace") -> VectorEraser:
    vectors, codes = planted()
    eraser = fit_all(
        Labelled(vectors, codes, np.arange(len(codes)), parallel=False), [method]
    ).maps[method]
    held = planted(seed=1)[0]
    mean, covariance = vectors.mean(axis=0), np.cov(vectors.T)
    return VectorEraser(eraser, make_guard((1.0, 1.0), mean, covariance, held), {"note": "x"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "eraser").mkdir()
    save_vector_eraser(tmp_path / "eraser", fitted())
    return tmp_path / "eraser"


def npy(path: Path, vectors: np.ndarray, codes: np.ndarray) -> Path:
    np.save(path, vectors)
    (path.parent / "codes.txt").write_text("\n".join(codes) + "\n")
    return path


def npz(path: Path, vectors: np.ndarray, codes: np.ndarray) -> Path:
    np.savez_compressed(path, vectors=vectors, language=codes, ids=np.arange(len(codes)))
    return path


def parquet(path: Path, vectors: np.ndarray, codes: np.ndarray) -> Path:
    kind = pa.list_(pa.from_numpy_dtype(vectors.dtype), vectors.shape[1])
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), type=kind)
    table = pa.table({"id": np.arange(len(codes)), "vector": column, "lang": codes})
    pq.write_table(table, path, compression="zstd")
    return path


def jsonl(path: Path, vectors: np.ndarray, codes: np.ndarray) -> Path:
    rows = zip(vectors.tolist(), codes.tolist(), strict=True)
    lines = [json.dumps({"id": i, "e": v, "language": c}) for i, (v, c) in enumerate(rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


WRITERS = {".npy": npy, ".npz": npz, ".parquet": parquet, ".jsonl": jsonl}


def opened(path: Path, **names: str) -> VectorFile:
    languages = path.parent / "codes.txt" if path.suffix == ".npy" else None
    return open_vectors(path, Columns(languages=languages, **names))


def whole(path: Path) -> np.ndarray:
    columns = Columns()
    return np.concatenate([block.vectors for block in open_vectors(path, columns).blocks(100)])


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [
        *((suffix, dtype) for suffix in WRITERS for dtype in ("<f2", "<f4", "<f8")),
        (".npy", ">f4"),
        (".npz", ">f4"),
    ],
)
def test_every_format_is_read_in_blocks(suffix: str, dtype: str, tmp_path: Path) -> None:
    vectors, codes = planted(250)
    vectors = vectors.astype(dtype)
    file = opened(WRITERS[suffix](tmp_path / f"v{suffix}", vectors, codes))
    assert (file.count, file.width, file.has_languages) == (250, WIDTH, True)
    blocks = list(file.blocks(100))
    assert [(block.start, len(block.vectors)) for block in blocks] == [
        (0, 100), (100, 100), (200, 50)
    ]  # fmt: skip
    read = np.concatenate([block.vectors for block in blocks])
    assert np.array_equal(read, vectors)
    assert file.dtype == np.dtype("f8" if suffix == ".jsonl" else dtype)
    assert np.concatenate([block.languages for block in blocks]).tolist() == codes.tolist()


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet", ".jsonl"])
def test_space_around_a_code_is_no_part_of_it(suffix: str, tmp_path: Path) -> None:
    vectors, codes = planted(60)
    spaced = np.asarray([f" {code} " for code in codes])
    file = opened(WRITERS[suffix](tmp_path / f"v{suffix}", vectors, spaced))
    assert np.concatenate([block.languages for block in file.blocks(25)]).tolist() == [*codes]


def test_a_list_of_languages_may_be_a_pipe_and_is_read_again(tmp_path: Path) -> None:
    vectors, codes = planted(250)
    npy(tmp_path / "v.npy", vectors, codes)
    os.mkfifo(tmp_path / "pipe")
    text = "".join(f"{code}\t{line}\n" for line, code in enumerate(codes))
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(text,))
    writer.start()
    file = open_vectors(tmp_path / "v.npy", Columns(languages=tmp_path / "pipe"))
    writer.join()
    for _ in range(2):
        blocks = list(file.blocks(100))
        assert np.concatenate([block.languages for block in blocks]).tolist() == [*codes]
        assert np.concatenate([block.lines for block in blocks]).tolist() == [*range(250)]
    copy = file.listed
    assert copy is not None
    del file
    assert not copy.exists()


@pytest.mark.parametrize("suffix", [".npz", ".parquet", ".jsonl"])
def test_a_number_is_a_code_and_0_is_one(suffix: str, tmp_path: Path) -> None:
    vectors, codes = planted(60)
    numbers = np.searchsorted(CODES, codes)
    file = opened(WRITERS[suffix](tmp_path / f"v{suffix}", vectors, numbers))
    read = np.concatenate([block.languages for block in file.blocks(25)])
    assert read.tolist() == [str(number) for number in numbers]


@pytest.mark.parametrize(
    "values",
    [
        np.asarray([7, -8, 7, -8, -1]),
        np.asarray([7, 2**63 + 5, 7, 2**63 + 5], np.uint64),
        np.asarray([7, 3.5, 7, 3.5, np.nan, np.nan]),
        [7, 10**30, 7.0, 10**30, None, float("nan")],
    ],
    ids=["negative", "of 64 bits", "with gaps", "of any size"],
)
def test_lines_of_any_numbers_are_told_apart(values: Any) -> None:
    keys = line_keys(values).tolist()
    assert keys[0] == keys[2] == 7
    assert keys[1] == keys[3] > 7
    assert set(keys[4:]) <= {-1}


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_an_array_stored_by_columns_is_read_as_it_is(suffix: str, tmp_path: Path) -> None:
    vectors, codes = planted(250)
    path = WRITERS[suffix](tmp_path / f"v{suffix}", np.asfortranarray(vectors), codes)
    assert np.array_equal(whole(path), vectors)


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.float16())])
def test_a_list_of_any_kind_is_a_vector(kind: pa.DataType, tmp_path: Path, folder: Path) -> None:
    vectors, codes = planted(50)
    numbers = vectors.astype(kind.value_type.to_pandas_dtype())
    table = pa.table({"x": pa.array([*numbers], kind), "lang": codes})
    pq.write_table(table, tmp_path / "v.parquet", row_group_size=20)
    out = tmp_path / "out.parquet"
    ended = CliRunner().invoke(
        main, ["erase", str(folder), str(tmp_path / "v.parquet"), "--out", str(out)]
    )
    assert ended.exit_code == 0, ended.output
    assert pq.read_schema(out).equals(table.schema)
    assert np.allclose(whole(out), AppliedEraser(fitted().eraser).apply(numbers), atol=1e-3)


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_is_written_has_the_form_of_what_is_read(
    suffix: str, tmp_path: Path, folder: Path
) -> None:
    vectors, codes = planted(300, seed=3)
    path, out = WRITERS[suffix](tmp_path / f"v{suffix}", vectors, codes), tmp_path / f"o{suffix}"
    ended = CliRunner().invoke(main, ["erase", str(folder), str(path), "--out", str(out)])
    assert ended.exit_code == 0, ended.output
    assert f"erased 300 vectors of {WIDTH} dimensions" in ended.output
    right = fitted().eraser.apply(vectors)
    assert np.abs(whole(out) - right).max() < 1e-6
    assert np.allclose(np.linalg.norm(right, axis=1), 1, atol=1e-6)
    if suffix == ".npz":
        with np.load(path) as before, np.load(out) as after:
            assert sorted(before) == sorted(after)
            assert np.array_equal(before["ids"], after["ids"])
            assert np.array_equal(before["language"], after["language"])
    if suffix == ".parquet":
        before, after = pq.read_table(path), pq.read_table(out)
        assert before.schema.equals(after.schema)
        assert before.drop("vector").equals(after.drop("vector"))
        assert pq.ParquetFile(out).metadata.row_group(0).column(0).compression == "ZSTD"
    if suffix == ".jsonl":
        rows = [[json.loads(line) for line in one.open()] for one in (path, out)]
        assert [list(row) for row in rows[0]] == [list(row) for row in rows[1]]
        assert [(row["id"], row["language"]) for row in rows[0]] == [
            (row["id"], row["language"]) for row in rows[1]
        ]


def test_half_a_pair_of_code_units_is_written_as_it_was_read(tmp_path: Path, folder: Path) -> None:
    path = jsonl(tmp_path / "v.jsonl", *planted(40))
    rows = [json.loads(line) | {"text": "\ud83d", "\udc00": "ü"} for line in path.open()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "o.jsonl"
    ended = CliRunner().invoke(main, ["erase", str(folder), str(path), "--out", str(out)])
    assert ended.exit_code == 0, ended.output
    for row, line in zip(rows, out.open(encoding="utf-8"), strict=True):
        assert {**json.loads(line), "e": row["e"]} == row


@pytest.mark.parametrize("method", ["leace", "centring", "lir+leace", "centring_oracle"])
def test_blocks_change_nothing(method: str) -> None:
    eraser = fitted(method)
    vectors, codes = planted(5000, seed=4)
    right = eraser.eraser.apply(vectors, codes)
    assert np.abs(AppliedEraser(eraser.eraser).apply(vectors, codes) - right).max() < 1e-6


def test_a_vector_of_which_nothing_is_left_is_zeros() -> None:
    first = np.eye(WIDTH)[:1]
    none = np.zeros((0, WIDTH))
    left, right, shift = first.T[None], first[None], np.zeros((1, WIDTH))
    step = ErasureMap("leace", CODES, left, right, shift, False, none, none[:, 0], (1,))
    eraser = UnitEraser("leace", (step,))
    vectors = np.concatenate([3 * first, np.ones((1, WIDTH))]).astype(np.float32)
    applied = AppliedEraser(eraser).apply(vectors)
    assert not applied[0].any()
    assert np.allclose(applied, eraser.apply(vectors), atol=1e-6)


def test_an_eraser_comes_back_from_disk(folder: Path) -> None:
    back, eraser = load_vector_eraser(folder), fitted()
    assert (back.width, back.eraser.languages, back.facts) == (WIDTH, CODES, {"note": "x"})
    vectors, _ = planted(50, seed=5)
    assert np.array_equal(back.eraser.apply(vectors), eraser.eraser.apply(vectors))


def test_no_linear_map_is_left_between_means_of_one_step() -> None:
    vectors, codes = planted()
    after = LEACE(shrinkage="none").fit(vectors, codes).map.apply(vectors)
    means = np.stack([after[codes == code].mean(axis=0) for code in CODES])
    assert np.abs(means - means.mean(axis=0)).max() < 1e-6


def test_vectors_of_another_encoder_are_told_from_held_out_ones(folder: Path) -> None:
    eraser = load_vector_eraser(folder)
    assert eraser.guard.refusal(planted(seed=9)[0]) == ""
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(WIDTH, WIDTH)))[0]
    assert "they vary" in eraser.guard.refusal(planted(seed=9)[0] @ rotation)
    assert "it was fitted on vectors of length 1" in eraser.guard.refusal(7 * planted(seed=9)[0])


def test_a_language_that_was_not_seen_is_said(
    tmp_path: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vectors, codes = planted(50)
    codes[:3] = "ga"
    path = parquet(tmp_path / "v.parquet", vectors, codes)
    ended = CliRunner().invoke(
        main, ["erase", str(folder), str(path), "--out", str(tmp_path / "o.parquet")]
    )
    assert ended.exit_code == 0
    assert "languages it was not fitted on, erased like the others: ga (3)" in caplog.text


def test_two_steps_are_one_after_the_other() -> None:
    eraser = fitted("lir+leace").eraser
    vectors, codes = planted(80)
    step = UnitEraser("lir", eraser.steps[:1]).apply(vectors, codes)
    again = UnitEraser("leace", eraser.steps[1:]).apply(step, codes)
    assert np.abs(again - eraser.apply(vectors, codes)).max() < 1e-6
