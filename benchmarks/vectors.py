"""Vectors in files: how fast an eraser is fitted and applied, and in how much memory.

    python benchmarks/vectors.py make FOLDER --count 1000000 --format npy
    python benchmarks/vectors.py read FOLDER/vectors.npy
    python benchmarks/vectors.py fit FOLDER/vectors.npy --method leace
    python benchmarks/vectors.py erase FOLDER/vectors.npy
    python benchmarks/vectors.py apply FOLDER/vectors.npy

`make` writes vectors of 768 dimensions in 16 languages, with an offset a language, as fp32: a 3 GB
file for a million. `read` is the pass that checks, counts and samples; `fit` fits one method on
all training rows; `erase` applies what `fit` left and removes what it wrote; `apply` does so in
memory, without files. Each prints processor seconds and wall seconds, vectors a processor second,
and the most memory that the process had.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from langspec.vectors.applied_map import AppliedEraser
from langspec.vectors.erase_file import erase_file
from langspec.vectors.open_vectors import open_vectors
from langspec.vectors.streamed_fit import fit_streamed
from langspec.vectors.vector_eraser import (
    VectorEraser,
    load_vector_eraser,
    make_guard,
    save_vector_eraser,
)
from langspec.vectors.vector_file import Columns, VectorFile
from langspec.vectors.vector_sample import read_sample

CODES = tuple("ar bg de el en es fr hi it ja nl ru sw th tr zh".split())
WIDTH, BLOCK = 768, 20_000


def make(folder: Path, count: int, form: str) -> None:
    """Write vectors and their languages."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    offsets = rng.normal(size=(len(CODES), WIDTH)).astype(np.float32)
    spread = np.geomspace(0.05, 1, WIDTH).astype(np.float32)
    path = folder / f"vectors.{form}"
    codes = rng.integers(len(CODES), size=count)
    (folder / "languages.txt").write_text("\n".join(CODES[k] for k in codes) + "\n")

    def block(start: int) -> np.ndarray:
        of = codes[start : start + BLOCK]
        vectors = rng.standard_normal((len(of), WIDTH), dtype=np.float32) * spread + 1
        vectors += 0.5 * offsets[of]
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    starts = range(0, count, BLOCK)
    if form == "npy":
        out = np.lib.format.open_memmap(path, "w+", np.float32, (count, WIDTH))
        for start in starts:
            out[start : start + BLOCK] = block(start)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.list_(pa.float32(), WIDTH)
    schema = pa.schema([("vector", kind), ("language", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in starts:
            flat = pa.array(block(start).ravel())
            names = pa.array([CODES[k] for k in codes[start : start + BLOCK]])
            column = pa.FixedSizeListArray.from_arrays(flat, type=kind)
            writer.write_table(pa.Table.from_arrays([column, names], schema=schema))


def opened(path: Path) -> VectorFile:
    """The file with its languages."""
    beside = path.parent / "languages.txt"
    return open_vectors(path, Columns(languages=beside if path.suffix == ".npy" else None))


def fit(path: Path, method: str) -> None:
    """Fit a method on all training rows; the eraser lies beside the file."""
    file = opened(path)
    eraser = fit_streamed(file, method, 0, CODES)
    first = next(file.blocks()).vectors.astype(np.float64)
    guard = make_guard((1.0, 1.0), first.mean(axis=0), np.cov(first.T), first)
    (path.parent / "eraser").mkdir(exist_ok=True)
    save_vector_eraser(path.parent / "eraser", VectorEraser(eraser, guard))


def erase(path: Path) -> None:
    """Apply it, and remove what was written."""
    out = path.parent / f"erased{path.suffix}"
    erase_file(path.parent / "eraser", path, out, Columns())
    out.unlink()


def main() -> None:
    """Do one part and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["make", "read", "fit", "erase", "apply"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--format", choices=["npy", "parquet"], default="npy")
    parser.add_argument("--method", default="leace")
    values = parser.parse_args()
    if values.part == "make":
        make(values.path, values.count, values.format)
        return
    block = next(opened(values.path).blocks(1 << 15)).vectors
    eraser = values.path.parent / "eraser"
    began, before = time.monotonic(), time.process_time()
    if values.part == "read":
        read_sample(opened(values.path), 0)
    elif values.part == "fit":
        fit(values.path, values.method)
    elif values.part == "erase":
        erase(values.path)
    else:
        applied = AppliedEraser(load_vector_eraser(eraser).eraser)
        for start in range(0, values.count, len(block)):
            applied.apply(block[: values.count - start])
    cpu, wall = time.process_time() - before, time.monotonic() - began
    count = values.count if values.part == "apply" else opened(values.path).count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{values.part}: {count:,} vectors, {cpu:.1f} CPU s, {wall:.1f} s, "
        f"{count / cpu:,.0f} a CPU s, {peak:,.0f} MB"
    )


if __name__ == "__main__":
    main()
