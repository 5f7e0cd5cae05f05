"""Files of vectors and erasers that cannot be used: each ends in one line, and nothing is left."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file
from test_bad_input import refused

from langspec import compute
from langspec.files import sha256_file
from langspec.repair.fit_methods import Labelled, fit_all
from langspec.repair.unit_eraser import unit
from langspec.vectors.vector_eraser import VectorEraser, make_guard, save_vector_eraser

WIDTH, ROWS = 6, 240
CODES = np.asarray(["de", "en", "zh"])[np.arange(ROWS) % 3]


def vectors(seed: int = 0, count: int = ROWS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    offsets = np.random.default_rng(7).normal(size=(3, WIDTH))[np.arange(count) % 3]
    spread = np.geomspace(0.01, 1, WIDTH)
    return unit(rng.normal(size=(count, WIDTH)) * spread + offsets + 2).astype(np.float32)


def save(folder: Path, method: str = "leace", scale: float = 1.0) -> None:
    lines = np.arange(ROWS)
    eraser = fit_all(Labelled(vectors(), CODES, lines, parallel=False), [method]).maps[method]
    mean, covariance = vectors().mean(axis=0), np.cov(vectors().T)
    guard = make_guard((scale, scale * 1.5 if scale > 1 else 1.0), mean, covariance, vectors(1))
    folder.mkdir(exist_ok=True)
    save_vector_eraser(folder, VectorEraser(eraser, guard))


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compute, "set_environment", lambda _: None)
    save(tmp_path / "e")
    return tmp_path


def with_row(row: int, value: float) -> np.ndarray:
    changed = vectors()
    changed[row] = value
    return changed


def scaled_row(row: int, factor: float) -> np.ndarray:
    changed = vectors().astype(np.float64)
    changed[row] *= factor
    return changed


def late(change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """7,200 vectors, of which the last 2,400 are changed: beyond the first blocks of a file."""
    rows = vectors(count=7200)
    rows[4800:] = change(rows[4800:])
    return rows


def turned(rows: np.ndarray) -> np.ndarray:
    return unit(rows[:, ::-1])


def npy(values: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        np.save(folder / "v.npy", np.asarray(values))
        return folder / "v.npy"

    return write


def raw(name: str, content: bytes | str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return folder / name

    return write


def table(**columns: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        pq.write_table(pa.table(columns), folder / "v.parquet")
        return folder / "v.parquet"

    return write


def archive(**arrays: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        np.savez(folder / "v.npz", **arrays)
        return folder / "v.npz"

    return write


def cut(folder: Path) -> Path:
    path = npy(vectors())(folder)
    path.write_bytes(path.read_bytes()[:-100])
    return path


def cut_archive(folder: Path) -> Path:
    path = archive(vectors=vectors())(folder)
    path.write_bytes(path.read_bytes()[:-100])
    return path


def broken(name: str, at: int, *, packed: bool) -> Callable[[Path], Path]:
    """An archive with 8 other bytes in the middle of one array, before or after its values."""

    def write(folder: Path) -> Path:
        save = np.savez_compressed if packed else np.savez
        save(folder / "v.npz", vectors=vectors(), language=CODES.astype("U9"))
        with zipfile.ZipFile(folder / "v.npz") as archive:
            begin = archive.getinfo(f"{name}.npy").header_offset + 50 + len(name)
        content = bytearray((folder / "v.npz").read_bytes())
        content[begin + at : begin + at + 8] = b"\xff" * 8
        (folder / "v.npz").write_bytes(content)
        return folder / "v.npz"

    return write


def encrypted(folder: Path) -> Path:
    path = archive(vectors=vectors())(folder)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    return path


def cut_table(folder: Path) -> Path:
    path = table(v=[*vectors()])(folder)
    path.write_bytes(path.read_bytes()[:-100])
    return path


def same_names(folder: Path) -> Path:
    column = pa.array([*vectors()])
    pq.write_table(pa.Table.from_arrays([column, column], ["v", "v"]), folder / "v.parquet")
    return folder / "v.parquet"


OBJECTS = np.asarray([None, 3], dtype=object)
TEXT = b"{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 6)}\n"
NEGATIVE = b"\x93NUMPY\x01\x00" + bytes([len(TEXT), 0]) + TEXT + bytes(72)
ROW = '{"v": [1, 2, 3, 4, 5, 7]}\n'
FILES = [
    (npy(with_row(17, np.nan)), "v.npy: vector 18: holds a number that is not finite"),
    (npy(with_row(17, np.inf)), "v.npy: vector 18: holds a number that is not finite"),
    (npy(with_row(3, 0)), "v.npy: vector 4: is all zeros"),
    (npy(with_row(3, 1e25)), "v.npy: vector 4: its largest number is 1e+25, out of the range"),
    (npy(with_row(3, 1e-30)), "v.npy: vector 4: its largest number is 1e-30, out of the range"),
    (npy(scaled_row(100, 1e-60)), "vector 101: its largest number is 5.44e-61, out of the range"),
    (npy(scaled_row(100, 1e200)), "v.npy: vector 101: its largest number is"),
    (npy(vectors()[:, :5]), "v.npy: vectors of 5 dimensions; the eraser was fitted on 6"),
    (npy(3 * vectors()), "it was fitted on vectors of length 1"),
    (
        npy(late(lambda rows: 3 * rows)),
        "v.npy: vector 4,801: not like the vectors of this eraser: its length is 3",
    ),
    (npy(late(lambda rows: np.nan * rows)), "v.npy: vector 4,801: holds a number that is not"),
    (npy(late(turned)), "v.npy: vectors 4,097 to 6,144: not like the vectors of this eraser"),
    (npy(vectors() @ np.eye(WIDTH, k=1) + 0.01), "not like the vectors of this eraser"),
    (npy(unit(vectors() @ np.eye(WIDTH)[::-1])), "where these hardly do"),
    (npy(np.asarray([None])), "v.npy: holds Python objects"),
    (npy(np.ones((3, WIDTH), np.int8)), "holds int8; expected vectors of fp16, fp32 or fp64"),
    (npy(np.ones(WIDTH)), "has the shape [6]; expected vectors [N, H]"),
    (npy(np.ones((0, WIDTH))), "has the shape [0, 6]"),
    (raw("v.npy", NEGATIVE), "has the shape [-3, 6]; expected vectors [N, H]"),
    (cut, "v.npy: is cut off: 5,660 bytes of vectors, its header says 5,760"),
    (raw("v.npy", ""), "v.npy: not NumPy's format"),
    (raw("v.npy", b"\x93NUMPY\x01\x00\x10\x00{}"), "v.npy: not NumPy's format"),
    (raw("v.npz", "x"), "v.npz: cannot be read"),
    (cut_archive, "v.npz: cannot be read"),
    (
        archive(a=vectors(), b=vectors()),
        "expected one array [N, H], of a, b; name it: --vector",
    ),
    (archive(a=OBJECTS), "expected one array [N, H], there is none; name it"),
    (archive(a=vectors(), language=CODES[:5]), "language has the shape [5]; expected [240]"),
    (broken("vectors", 200, packed=False), "v.npz: is damaged (Bad CRC-32"),
    (broken("vectors", 0, packed=True), "v.npz: vectors.npy: not NumPy's format (Error -3"),
    (broken("language", 6000, packed=False), "v.npz: language is damaged (Bad CRC-32"),
    (encrypted, "v.npz: cannot be read (File 'vectors.npy' is encrypted"),
    (archive(a=vectors(), language=np.asarray([b"d\xe9"] * ROWS)), "language is not UTF-8"),
    (raw("v.parquet", "x"), "v.parquet: cannot be read"),
    (cut_table, "v.parquet: cannot be read"),
    (table(v=[[1.0, 2.0], [1.0]]), "vectors of 2 dimensions"),
    (table(v=[[1.0] * 6, [1.0] * 5, [1.0] * 6]), "v.parquet: vector 2: 5 dimensions; the first"),
    (table(v=[[1.0] * 6, None]), "v.parquet: vector 2: there is none"),
    (table(v=[[1.0] * 5 + [None]]), "v.parquet: vector 1: a number is missing"),
    (table(v=[1.0, 2.0]), "expected one column of lists of fp16, fp32 or fp64, there is none"),
    (table(v=pa.array([], pa.list_(pa.float32()))), "has no rows"),
    (table(a=[[1.0] * 6], b=[[1.0] * 6]), "of a, b; name it: --vector-column NAME"),
    (table(v=[*vectors()], lang=[["de"]] * ROWS), "v.parquet: lang holds list<"),
    (same_names, "v.parquet: has several columns called v; rename them"),
    (raw("v.jsonl", ""), "v.jsonl: has no line"),
    (raw("v.jsonl", ROW + "{\n"), "v.jsonl:2: not JSON"),
    (raw("v.jsonl", ROW + "[1]\n"), "v.jsonl:2: a JSON list; expected an object"),
    (raw("v.jsonl", ROW + '{"v": [1, 2]}\n'), "v.jsonl:2: 2 dimensions; the first vector has 6"),
    (raw("v.jsonl", ROW + '{"w": 1}\n'), "v.jsonl:2: 'v' is no list of numbers"),
    (raw("v.jsonl", ROW + '{"v": [1, 2, 3, 4, 5, "6.0"]}\n'), ":2: 'v' is no list of numbers"),
    (raw("v.jsonl", ROW + '{"v": [1, 2, 3, 4, 5, true]}\n'), ":2: 'v' is no list of numb"),
    (raw("v.jsonl", ROW + '{"v": [1, 2, 3, 4, 5, {}]}\n'), "v.jsonl:2: 'v' is no list of num"),
    (raw("v.jsonl", ROW + '{"v": [1, 2, 3, 4, 5, NaN]}\n'), "vector 2: holds a number that is"),
    (raw("v.jsonl", f'{ROW}{{"v": [{"9" * 400}, 2, 3, 4, 5, 6]}}\n'), "v.jsonl:2: 'v' is no lis"),
    (raw("v.jsonl", ROW + '{"v": [[1], [2], [3], [4], [5], [6]]}\n'), ":2: 'v' is no list of n"),
    (raw("v.jsonl", b"\xff\xfe\n"), "v.jsonl:1: not JSON"),
    (raw("v.jsonl", '{"v": 3}\n'), "v.jsonl:1: expected one list of numbers, there is none"),
    (raw("v.csv", "1,2"), "v.csv: expected a file of vectors that ends in .npy, .npz"),
    (lambda folder: folder / "w.npy", "w.npy: No such file or directory"),
    (lambda folder: folder, "expected a file of vectors that ends in"),
]


@pytest.mark.parametrize(("make", "said"), FILES, ids=[said for _, said in FILES])
def test_a_file_that_cannot_be_erased(
    make: Callable[[Path], Path], said: str, place: Path
) -> None:
    path = make(place)
    out = f"out{path.suffix}"
    assert said in refused(place, ("erase", "e", path.name or ".", "--out", out))


def raw_lengths(folder: Path) -> None:
    save(folder / "e", scale=5.0)


def oracle(folder: Path) -> None:
    save(folder / "e", method="centring_oracle")


def edit(**values: Any) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        path = folder / "e" / "eraser.json"
        card = json.loads(path.read_text()) | values
        path.write_text(json.dumps({k: v for k, v in card.items() if v is not None}))

    return write


def other_tensors(folder: Path) -> None:
    path = folder / "e" / "eraser.safetensors"
    save_file({name: one + 1 for name, one in load_file(path).items()}, path)


def fewer_tensors(folder: Path) -> None:
    path = folder / "e" / "eraser.safetensors"
    save_file({"0.left": load_file(path)["0.left"]}, path)
    edit(sha256=sha256_file(path))(folder)


def no_card(folder: Path) -> None:
    (folder / "e" / "eraser.json").unlink()


def encoder_of_it(folder: Path) -> None:
    (folder / "e").rename(folder / "eraser")
    (folder / "e").mkdir()
    (folder / "eraser").rename(folder / "e" / "eraser")


def half_card(folder: Path) -> None:
    (folder / "e" / "eraser.json").write_text('{"schema"')


ERASERS = [
    (raw_lengths, "their lengths are 1 to 1, it was fitted on 5 to 7.5"),
    (oracle, "centring_oracle is given the language of each vector: name them"),
    (edit(encoder="a" * 64), "an eraser of the encoder aaaaaaaaaaaa"),
    (edit(schema=99), "no eraser of vectors of schema 1"),
    (edit(width=None), "no eraser of vectors of schema 1"),
    (edit(steps=3), "cannot be read"),
    (edit(lengths=[1]), "cannot be read"),
    (edit(lengths=["short", "long"]), "cannot be read (could not convert string to float"),
    (edit(quiet=[]), "cannot be read (float() argument must be"),
    (other_tensors, "not the tensors that eraser.json names"),
    (fewer_tensors, "cannot be read"),
    (no_card, "no eraser.json; expected a folder that langspec repair --vectors wrote"),
    (encoder_of_it, "e: no eraser.json; the eraser of this encoder is e/eraser"),
    (half_card, "eraser.json: not JSON"),
]


@pytest.mark.parametrize(("make", "said"), ERASERS, ids=[said for _, said in ERASERS])
def test_an_eraser_that_cannot_be_used(
    make: Callable[[Path], None], said: str, place: Path
) -> None:
    npy(vectors(2))(place)
    make(place)
    assert said in refused(place, ("erase", "e", "v.npy", "--out", "out.npy"))


OPTIONS = [
    (("--out", "v.npy"), "v.npy is the file that is read"),
    (("--out", "link.npy"), "link.npy is the file that is read"),
    (("--out", "there.npy"), "there.npy exists; name another, or say --force"),
    (("--out", "out.parquet"), "end the name in .npy"),
    (("--out", "folder.npy"), "folder.npy is a folder"),
    (("--out", "v.npy/out.npy"), "v.npy is a file; name another"),
    (("--out", "o.npy", "--vector-column", "x"), "an npy has no columns"),
    (("--out", "o.npy", "--languages", "nowhere"), "--languages: nowhere: No such file"),
    (("--out", "o.npy", "--languages", "few.txt"), "few.txt: 2 languages for 240 vectors"),
    (("--out", "o.npy", "--languages", "many.txt"), "many.txt: 241 languages for 240 vectors"),
    (("--out", "o.npy", "--languages", "mixed.txt"), "mixed.txt:2: 2 columns; expected a code"),
    (("--out", "o.npy", "--languages", "latin.txt"), "latin.txt: not UTF-8"),
]


@pytest.mark.parametrize(("options", "said"), OPTIONS, ids=[said for _, said in OPTIONS])
def test_options_that_do_not_fit(options: tuple[str, ...], said: str, place: Path) -> None:
    npy(vectors(2))(place)
    (place / "link.npy").symlink_to("v.npy")
    (place / "there.npy").write_text("x")
    (place / "folder.npy").mkdir()
    for name, text in (
        ("few.txt", "en\nde\n"),
        ("many.txt", "en\n" * (ROWS + 1)),
        ("mixed.txt", "en\nde\t3\n" * ROWS),
    ):
        (place / name).write_text(text)
    (place / "latin.txt").write_bytes(b"\xff\xfe" * ROWS)
    assert said in refused(place, ("erase", "e", "v.npy", *options))


@pytest.mark.parametrize("name", ["x", "vector"])
def test_a_column_that_is_not_there(name: str, place: Path) -> None:
    table(v=[*vectors()])(place)
    command = ("erase", "e", "v.parquet", "--out", "o.parquet", "--vector-column", name)
    assert f"--vector-column: no '{name}'; there are: v" in refused(place, command)


def test_force_erases_what_looks_like_another_encoder(place: Path) -> None:
    from click.testing import CliRunner

    from langspec.cli import main

    npy(3 * vectors())(place)
    done = CliRunner().invoke(main, ["erase", "e", "v.npy", "--out", "o.npy", "--force"])
    assert done.exit_code == 0, done.output
    again = CliRunner().invoke(main, ["erase", "e", "v.npy", "--out", "o.npy", "--force"])
    assert again.exit_code == 0


def languages(*codes: str) -> str:
    return "\n".join(codes) + "\n"


THREE = languages(*CODES)
NAMED = ("--languages", "c.txt")
REPAIRS = [
    (npy(vectors()), THREE, (), "the vectors have no languages; name them: --languages FILE"),
    (table(v=[*vectors()]), THREE, (), "the vectors have no languages"),
    (npy(with_row(17, np.nan)), THREE, NAMED, "v.npy: vector 18: holds a number that is not"),
    (npy(with_row(3, 0)), THREE, NAMED, "v.npy: vector 4: is all zeros"),
    (npy(vectors()), languages(*["en"] * ROWS), NAMED, "expected two languages with 30 vectors"),
    (npy(vectors()), languages(*[""] * ROWS), NAMED, "with 30 vectors or more, found none"),
    (
        npy(vectors()),
        languages(*["en"] * 230, *["sw"] * 10),
        NAMED,
        "found en; too few vectors of sw (10)",
    ),
    (npy(vectors()), THREE, (*NAMED, "--rule", "recall"), "no two languages share a line"),
    (npy(vectors()), THREE, (*NAMED, "--rule", "best"), "--rule: 'best'; expected one of"),
    (npy(vectors()), THREE, (*NAMED, "--methods", "magic"), "unknown method 'magic'"),
    (npy(vectors()), THREE, (*NAMED, "--text", "t"), "--text: is about an encoder"),
    (npy(vectors()), THREE, (*NAMED, "--line-column", "x"), "an npy has no columns"),
    (npy(vectors()), THREE, (*NAMED, "--threads", "0"), "--threads: 0; expected 1 to 1024"),
    (npy(vectors()), THREE, (*NAMED, "--threads", "99999"), "99999; expected 1 to 1024"),
    (broken("language", 6000, packed=False), "", (), "v.npz: language is damaged (Bad CRC-32"),
    (npy(vectors()), THREE, (*NAMED, "--seed", "-1"), "--seed: -1; expected 0 to"),
    (npy(vectors()), THREE, (*NAMED, "--out", "e"), "e exists and is not an empty folder"),
    (npy(vectors()), THREE, (*NAMED, "--out", "v.npy/e"), "v.npy is a file"),
    (
        table(v=[*vectors()], lang=CODES),
        THREE,
        NAMED,
        "--languages: v.parquet has languages of its own",
    ),
]


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry"])
@pytest.mark.parametrize(
    ("make", "codes", "options", "said"), REPAIRS, ids=[row[-1] for row in REPAIRS]
)
def test_vectors_that_cannot_be_repaired(
    make: Callable[[Path], Path],
    codes: str,
    options: tuple[str, ...],
    said: str,
    dry: tuple[str, ...],
    place: Path,
) -> None:
    path = make(place)
    (place / "c.txt").write_text(codes)
    command = ("repair", "--vectors", path.name, "--out", "new", *options, *dry)
    assert said in refused(place, command)


def test_an_encoder_and_vectors_exclude_each_other(place: Path) -> None:
    npy(vectors())(place)
    command = ("repair", "e5", "--vectors", "v.npy", "--out", "new")
    assert "ENCODER: is about an encoder" in refused(place, command)
    assert "expected an encoder, or --vectors FILE" in refused(place, ("repair", "--out", "new"))
    command = ("repair", "e5", "--line-column", "x", "--out", "new")
    assert "say where the parts of --vectors are" in refused(place, command)
