"""What preparing corpora costs as they grow: seconds and peak memory, a process a size.

Made-up files in the official formats (UD, MultiNLI, XNLI, text), each size written to a folder of
its own, then prepared by a fresh process:

    python benchmarks/prepare.py --sizes 1 2 4 8

Dev and test rows stay as they are, as in a benchmark that gets more training data; training rows
and language text grow. With --near-duplicates off, signatures are not kept (see corpora/near.py).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from machine import said
from shared import ROOT, write_csv

LANGUAGES = ("en", "de", "fr")
TRAIN_SENTENCES, TRAIN_PAIRS, LINES = 4000, 20000, 10000  # at size 1
HELD_SENTENCES, HELD_PAIRS = 500, 900
LABELS = ("entailment", "neutral", "contradiction")


def words(rng: random.Random, count: int) -> list[str]:
    """Words of a made-up language of 20,000."""
    return [f"w{rng.randrange(20000)}" for _ in range(count)]


def sentences(rng: random.Random, count: int) -> Iterator[str]:
    """CoNLL-U."""
    for number in range(count):
        yield f"# sent_id = {rng.randrange(10**9)}-{number}\n"
        for place, form in enumerate(words(rng, rng.randint(5, 40)), start=1):
            yield f"{place}\t{form}\t_\tNOUN\t_\t_\t0\troot\t_\t_\n"
        yield "\n"


def pairs(rng: random.Random, count: int, language: str | None = None) -> Iterator[str]:
    """Json lines of MultiNLI, or of XNLI with a language."""
    for number in range(count):
        row = {
            "gold_label": LABELS[number % 3],
            "sentence1": " ".join(words(rng, 20)),
            "sentence2": " ".join(words(rng, 10)),
            "pairID": str(number),
            "promptID": str(number // 3),
        }
        yield json.dumps(row if language is None else {"language": language} | row) + "\n"


def write(path: Path, parts: Iterator[str]) -> None:
    """A file, never held in memory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as handle:
        handle.writelines(parts)


def write_files(folder: Path, size: int) -> None:
    """All files of a size."""
    rng = random.Random(size)
    for code in LANGUAGES:
        treebank = folder / "ud" / f"UD_Made-{code}"
        counts = {"dev": HELD_SENTENCES, "test": HELD_SENTENCES, "train": TRAIN_SENTENCES * size}
        for split, count in counts.items():
            write(treebank / f"{code}_made-ud-{split}.conllu", sentences(rng, count))
        lines = (" ".join(words(rng, 20)) + "\n" for _ in range(LINES * size))
        write(folder / "text" / f"{code}.txt", lines)
    for split in ("dev", "test"):
        held = (line for code in LANGUAGES for line in pairs(rng, HELD_PAIRS, code))
        write(folder / "xnli" / f"xnli.{split}.jsonl", held)
    train = pairs(rng, TRAIN_PAIRS * size)
    write(folder / "multinli" / "multinli_1.0_train.jsonl", train)


def prepare(folder: Path, out: Path, near: float | None) -> None:
    """What the stage corpora does with a folder."""
    from langspec.corpora.prepare import prepare as prepare_files
    from langspec.corpora.sources import LocatedFile, discover
    from langspec.presets import load_preset

    near_duplicates = f"{{threshold: {near or 'null'}, drop: false}}"
    changes = ["files=added", "targets=[de, fr]", "seed=1", f"near_duplicates={near_duplicates}"]
    section = load_preset("demo", [f"corpora.{one}" for one in changes]).corpora
    files = [LocatedFile(one, folder / one.name) for one in discover(folder).files]
    prepare_files(files, out, section, tasks=("pos", "nli"), custom={})


def measure(folder: Path, out: Path, near: float | None) -> dict[str, float]:
    """Seconds and peak memory of a process that prepares the folder."""
    command = [sys.executable, __file__, "--prepare", str(folder), "--out", str(out)]
    command += [] if near else ["--near-duplicates", "off"]
    began = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"preparing {folder} failed")
    return {
        "wall_s": time.perf_counter() - began,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--near-duplicates", choices=("on", "off"), default="on")
    parser.add_argument("--out", type=Path, help="a CSV file to write, too")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    near = 0.8 if given.near_duplicates == "on" else None
    if given.prepare is not None:
        prepare(given.prepare, given.out, near)
        return
    rows = []
    for size in given.sizes:
        with tempfile.TemporaryDirectory(dir=ROOT / ".langspec") as name:
            folder = Path(name)
            write_files(folder / "files", size)
            megabytes = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6
            found = measure(folder / "files", folder / "out", near)
        rows.append({"size": size, "files_mb": megabytes, **found})
        print("  ".join(f"{key} {value:.0f}" for key, value in rows[-1].items()), flush=True)
    print(said())
    if given.out is not None:
        write_csv(given.out, rows)


if __name__ == "__main__":
    main()
