"""What this project does on one GPU, in at most eight minutes: it trains, encodes and refuses.

    make gpu-check                                    # OUT=FOLDER: where the two tables go
    python benchmarks/gpu_check.py --device cpu --shapes tiny --steps 3   # tries the program alone

Encoders of mBERT's and e5-small's shape with random weights, rows of random pieces; nothing is
downloaded. The rows of the table:

* ``matmul``: a large matrix product in each precision: the peak that the shares below refer to;
* ``encode``: forward passes as every measure takes them, in each precision;
* ``train``: steps of every method as stage train takes them (fp16 with the scaler's skipped
  steps, bf16 with fp32 master weights), word embeddings frozen;
* ``launches``: a step of few tokens, where a GPU waits for its launches: as it is, and compiled
  with CUDA graphs (``torch.compile``, ``reduce-overhead``);
* ``processes``: two processes on one GPU, which are refused in one line.

``share`` is the arithmetic of a row (2 operations a weight and token forward, twice that backward,
and attention) over its time and the peak of its precision. A row that fails says why; rows for
which no time is left say so.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from machine import said
from shared import ROOT, write_csv

COLUMNS = ("part", "shape", "what", "precision", "tokens_s", "ms", "share", "peak_mb", "note")
CLASSES, LANGUAGES = 17, 12
WARM = 3  # steps that are not timed


@dataclass(frozen=True)
class Shape:
    """The size of an encoder, and of the rows that it reads."""

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    inner: int
    length: int = 40
    rows: int = 64  # a step

    def model(self) -> Any:
        """A BERT of this shape; its weights are drawn by a seed."""
        import torch
        from transformers import BertConfig, BertModel

        torch.manual_seed(1)
        config = BertConfig(
            vocab_size=self.vocabulary, hidden_size=self.hidden, num_hidden_layers=self.layers,
            num_attention_heads=self.heads, intermediate_size=self.inner,
        )  # fmt: skip
        return BertModel(config, add_pooling_layer=False)

    def operations(self, length: float) -> float:
        """Of a token's forward pass."""
        layer = 4 * self.hidden**2 + 2 * self.hidden * self.inner
        return self.layers * (2 * layer + 4 * length * self.hidden)


SHAPES = {
    "mbert": Shape(119_547, 768, 12, 12, 3072),
    "e5": Shape(250_037, 384, 12, 12, 1536),
    "tiny": Shape(200, 16, 2, 2, 32, length=8, rows=6),
}


def synchronised() -> float:
    """Seconds, once the device has done what it was given."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def measured(step: Callable[[], Any], count: int) -> tuple[float, float]:
    """Seconds of a step (the mean of ``count`` after a few), and the peak of memory in MB."""
    import torch

    for _ in range(WARM):
        step()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    began = synchronised()
    for _ in range(count):
        step()
    seconds = (synchronised() - began) / count
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return seconds, peak / 1e6


class Check:
    """All rows of the table, and the time that is left."""

    def __init__(self, given: Namespace) -> None:
        from langspec.compute import fast_precisions

        self.given, self.rows = given, list[dict[str, Any]]()
        self.ends = time.monotonic() + given.seconds
        self.peaks: dict[str, float] = {}
        fast = fast_precisions(given.device)
        self.precisions = [one for one in ("fp32", "bf16", "fp16") if one in fast]

    def row(self, work: Callable[[], dict[str, Any]], **names: str) -> None:
        """A row of the table: what ``work`` measures, or why it could not."""
        try:
            if time.monotonic() > self.ends:
                found: dict[str, Any] = {"note": f"left out: {self.given.seconds} s were over"}
            else:
                found = work()
        except Exception as error:  # the other rows are still wanted
            found = {"note": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        self.rows.append({column: {**names, **found}.get(column, "") for column in COLUMNS})
        print("  " + "  ".join(f"{k} {v}" for k, v in self.rows[-1].items() if v != ""),
              file=sys.stderr, flush=True)  # fmt: skip

    def shown(self, seconds: float, peak: float, tokens: int, work: float, precision: str) -> Any:
        """The numbers of a row of ``tokens`` and ``work`` operations."""
        share = work / seconds / self.peaks[precision] if precision in self.peaks else None
        return {
            "tokens_s": f"{tokens / seconds:.0f}",
            "ms": f"{1e3 * seconds:.2f}",
            "share": "" if share is None else f"{share:.1%}",
            "peak_mb": f"{peak:.0f}" if peak else "",
        }


def matmul(check: Check, precision: str) -> dict[str, Any]:
    """The rate of a large product."""
    import torch

    types = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    size = 8192 if check.given.device == "cuda" else 256
    a = torch.randn(size, size, device=check.given.device).to(types[precision])
    seconds, _ = measured(lambda: a @ a, check.given.steps)
    check.peaks[precision] = 2 * size**3 / seconds
    return {
        "ms": f"{1e3 * seconds:.2f}",
        "note": f"{check.peaks[precision] / 1e12:.3g} TFLOP/s, products of {size}",
    }


def drawn(shape: Shape, rows: int, seed: int) -> tuple[Any, Any]:
    """Token ids of ``rows`` rows, between half and one and a half of the shape's length."""
    import numpy as np

    from langspec.encoders.inputs import Inputs

    rng = np.random.default_rng(seed)
    lengths = rng.integers(shape.length // 2, shape.length + shape.length // 2, rows)
    starts = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    ids = rng.integers(4, shape.vocabulary, starts[-1]).astype(np.int32)
    columns = (np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)).astype(np.int32)
    return Inputs(ids, starts, np.zeros(len(ids), np.int8), columns, starts, columns), rng


def task_data(shape: Shape, rows: int, seed: int = 1) -> Any:
    """Rows with a label a token that its id decides."""
    import numpy as np

    from langspec.tasks.task import TaskData

    inputs, _ = drawn(shape, rows, seed)
    return TaskData(
        inputs=inputs, labels=(inputs.ids % CLASSES).astype(np.int64),
        items=np.arange(rows, dtype=np.int32), languages=np.asarray(["en"] * rows),
        unit="token", pad_id=0,
    )  # fmt: skip


def language_data(shape: Shape, rows: int) -> Any:
    """Rows of made-up languages."""
    import numpy as np

    from langspec.training.language import LanguageData

    inputs, rng = drawn(shape, rows, 2)
    labels = rng.integers(0, LANGUAGES, rows).astype(np.int64)
    names = tuple(f"l{number}" for number in range(LANGUAGES))
    return LanguageData(inputs=inputs, labels=labels, languages=names, pad_id=0)


def encode(check: Check, shape: Shape, precision: str) -> dict[str, Any]:
    """Forward passes over one batch."""
    import numpy as np
    import torch

    from langspec.encoders.forward import hidden_states
    from langspec.encoders.inference import casts, encoding_model

    device = check.given.device
    model = encoding_model(shape.model().eval().to(device), precision)
    data = task_data(shape, 4 * shape.rows)
    batch = {k: v.to(device) for k, v in data.batch(np.arange(len(data))).items()}
    tokens = int(data.lengths.sum())

    def step() -> None:
        with torch.inference_mode(), casts(device, precision):
            hidden_states(model, batch)

    seconds, peak = measured(step, check.given.steps)
    work = tokens * shape.operations(float(data.lengths.mean()))
    return check.shown(seconds, peak, tokens, work, precision)


def train(check: Check, shape: Shape, method: str, precision: str) -> dict[str, Any]:
    """A training of one epoch by :func:`langspec.training.loop.fit`; its steps are timed."""
    import torch

    from langspec.modelling.model import EncoderWithHeads, LinearHead, freeze_embeddings
    from langspec.objectives import get_objective
    from langspec.presets import load_preset
    from langspec.training.loop import fit
    from langspec.training.scoring import encode_features
    from langspec.training.train_section import recipe_of

    config = load_preset("demo", [f"train.pos.batch_rows={shape.rows}", "train.pos.epochs=1"])
    objective = get_objective(method, getattr(config.train.methods, method))
    accelerator = _accelerator(check.given.device, precision)
    head = LinearHead(shape.hidden, CLASSES, dropout=0.1, init=0.02)
    model = EncoderWithHeads(shape.model(), {"task": head}, unit="token", pooling="mean")
    freeze_embeddings(model.encoder)
    model.to(accelerator.device)
    steps = check.given.steps + WARM
    data, dev = task_data(shape, steps * shape.rows), task_data(shape, 4, seed=9)
    tokens, reads = int(data.lengths.sum()), objective.reads_language
    if not objective.trains_encoder:
        data, dev = (encode_features(model, part, 4096, accelerator.device, precision)
                     for part in (data, dev))  # fmt: skip
        model.encoder = None
    clock = _Clock()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    result = fit(
        model, objective, data, dev, recipe_of(config.train, "pos", "finetune", 1), accelerator,
        classes=CLASSES, precision=precision, callbacks=[clock.callback()],
        language=language_data(shape, steps * shape.rows) if reads else None,
    )  # fmt: skip
    accelerator.free_memory()
    peak = torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_available() else 0
    whole = tokens / len(clock.times) * (1 + reads)  # a step's, with its language text
    work = 3 * whole * shape.operations(shape.length) * objective.trains_encoder
    found = check.shown(clock.seconds(), peak, round(whole), work, precision)
    losses = [row["loss"] for row in result.steps]
    note = f"loss {losses[0]:.2f} to {losses[-1]:.2f}, {result.skipped_steps} steps skipped"
    return {**found, "note": note}


def _accelerator(device: str, precision: str) -> Any:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    from langspec.training.experiment import MIXED

    AcceleratorState._reset_state(True)  # one process, several precisions
    return Accelerator(cpu=device == "cpu", mixed_precision=MIXED[precision])


class _Clock:
    """When each step ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def callback(self) -> Any:
        from langspec.training.callbacks import Look

        return Look(lambda step, model: self.times.append(synchronised()))

    def seconds(self) -> float:
        """Of a step: the mean after the first few."""
        return (self.times[-1] - self.times[WARM - 1]) / (len(self.times) - WARM)


def launches(check: Check, shape: Shape, how: str, precision: str) -> dict[str, Any]:
    """Forward and backward passes of 8 rows, in eager mode or compiled with CUDA graphs."""
    import torch

    from langspec.training.half_weights import HalfWeights

    device = check.given.device
    model = shape.model().train().to(device)
    if precision == "bf16":
        HalfWeights(model)
    ids = torch.randint(4, shape.vocabulary, (8, shape.length), device=device)
    # Without a GPU nothing waits for launches: the program is tried, and nothing is compiled.
    kind = {"mode": "reduce-overhead"} if device == "cuda" else {"backend": "eager"}
    run: Any = torch.compile(model, **kind) if how == "compiled" else model

    def step() -> None:
        run(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state.sum().backward()
        model.zero_grad()

    seconds, peak = measured(step, check.given.steps)
    tokens = ids.numel()
    work = 3 * tokens * shape.operations(shape.length)
    return check.shown(seconds, peak, tokens, work, precision)


def two_processes(check: Check) -> dict[str, Any]:
    """Two processes on one GPU: the one line that they end with."""
    code = "from langspec.launch import check_gpus; check_gpus()"
    command = [sys.executable, "-c", code]
    variables = {**os.environ, "LOCAL_WORLD_SIZE": "2", "CUDA_VISIBLE_DEVICES": "0"}
    variables |= {"ACCELERATE_USE_CPU": "true"} if check.given.device == "cpu" else {}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    line = done.stderr.strip().splitlines()[-1] if done.returncode else ""
    if not line and check.given.device == "cpu":
        return {"note": "no GPU: nothing to refuse"}
    return {"note": f"refused: {line}" if line else "NOT refused"}


def work_of(check: Check) -> Iterator[tuple[Callable[[], dict[str, Any]], dict[str, str]]]:
    """Every row: what it does, and its names."""
    from langspec.objectives import methods

    for precision in check.precisions:
        yield partial(matmul, check, precision), {"part": "matmul", "precision": precision}
    yield partial(two_processes, check), {"part": "processes", "what": "two on one GPU"}
    for name in check.given.shapes:
        shape = SHAPES[name]
        for precision in check.precisions:
            names = {"shape": name, "precision": precision}
            yield partial(encode, check, shape, precision), {"part": "encode", **names}
        for method in methods():
            for precision in check.precisions:
                names = {"part": "train", "shape": name, "what": method, "precision": precision}
                yield partial(train, check, shape, method, precision), names
        for how in ("eager", "compiled"):
            precision = "bf16" if "bf16" in check.precisions else "fp32"
            names = {"part": "launches", "shape": name, "what": how, "precision": precision}
            yield partial(launches, check, shape, how, precision), names


def page(check: Check, device: str) -> str:
    """The table in markdown."""
    lines = [
        f"Device: {device}. `make gpu-check`; what the rows are: `benchmarks/gpu_check.py`.",
        "",
    ]
    lines += ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    lines += ["| " + " | ".join(str(row[c]) for c in COLUMNS) + " |" for row in check.rows]
    return "\n".join([*lines, "", said("Compare the shares with other machines, not the times")])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["e5", "mbert"])
    parser.add_argument("--steps", type=int, default=20, help="timed, of every row")
    parser.add_argument("--seconds", type=int, default=420, help="no row begins after them")
    parser.add_argument("--out", type=Path, default=ROOT / "gpu-check", help="folder")
    given = parser.parse_args(arguments)
    import torch

    if given.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no GPU that PyTorch sees; --device cpu --shapes tiny tries the program without")
    check = Check(given)
    for work, names in work_of(check):
        check.row(work, **names)
    device = torch.cuda.get_device_name() if given.device == "cuda" else "CPU"
    given.out.mkdir(parents=True, exist_ok=True)
    write_csv(given.out / "gpu-check.csv", check.rows)
    text = page(check, f"{device}, PyTorch {torch.__version__}")
    (given.out / "gpu-check.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
