"""On paper: what the preset `paper` costs on one H100 and on eight. Arithmetic, no measurement.

    python benchmarks/cost.py

A step takes the larger of its arithmetic and its kernel launches, plus the optimiser's bytes, plus
with several GPUs the averaging of gradients. Epochs, rows a step, seeds and methods are those of
the preset; everything else is named here, with where it comes from.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from shared import write_csv

# bert-base-multilingual-cased (its config.json): layers, width, vocabulary.
LAYERS, WIDTH, VOCABULARY = 12, 768, 119_547
BODY = LAYERS * 12 * WIDTH**2  # weights of attention and feed-forward, 85 million
PARAMETERS = BODY + (VOCABULARY + 512 + 2) * WIDTH  # with embeddings, all trained

# H100 SXM (data sheet): dense bf16 and memory. The shares of them that are reached, the launches
# of a step and the averaging are assumptions, of the size that is reported for models like this.
PEAK_FLOPS, MEMORY_BYTES_S = 989e12, 3.35e12
REACHED_FLOPS, REACHED_BYTES = 0.35, 0.7
LAUNCH_SECONDS, LAUNCHES_A_LAYER = 6e-6, 90  # forward, backward and autocast's casts
LINK_BYTES_S = 300e9  # all-reduce over NVLink, bytes of gradients a second and GPU

# Tanti et al. 2021: 90 % of MultiNLI; English UD train; 33 x 3,500 paragraphs. Pieces: assumed.
ROWS = {"pos": 20_000, "nli": 353_432}
PIECES = {"pos": 25, "nli": 40}
TEXTS, TEXT_PIECES = 115_500, 90
TEST_PIECES = {"pos": 40_000 * 30, "nli": 14 * (5_010 + 2_490) * 45}


def flops(pieces: float, length: float) -> float:
    """Of a forward pass over so many pieces in rows of a length: weights, and attention."""
    return pieces * (2 * BODY + 4 * LAYERS * length * WIDTH)


@dataclass(frozen=True)
class Step:
    """A training step's cost on one GPU, in seconds."""

    arithmetic: float
    launches: float
    optimiser: float
    averaging: float

    def seconds(self, gpus: int) -> float:
        """The same rows a step, on so many GPUs that share it."""
        shared = max(self.arithmetic / gpus, self.launches) + self.optimiser
        return shared + (self.averaging * 2 * (gpus - 1) / gpus if gpus > 1 else 0)


def step_of(task: str, rows: int, language: bool) -> Step:
    """A step on ``rows`` of a task, with as many rows of language text."""
    forward = flops(rows * PIECES[task], PIECES[task])
    forward += flops(rows * TEXT_PIECES, TEXT_PIECES) if language else 0
    return Step(
        arithmetic=3 * forward / (PEAK_FLOPS * REACHED_FLOPS),  # backward: twice the forward
        launches=LAUNCHES_A_LAYER * LAYERS * LAUNCH_SECONDS,
        # AdamW reads weight, gradient and two moments, writes three: 28 bytes a weight.
        optimiser=28 * PARAMETERS / (MEMORY_BYTES_S * REACHED_BYTES),
        averaging=4 * PARAMETERS / LINK_BYTES_S,
    )


def training(task: str, method: str, rows: int, epochs: int, gpus: int) -> tuple[int, float]:
    """Steps and seconds of one seed."""
    steps = epochs * ceil(ROWS[task] / rows)
    if method == "frozen":  # encoded once, in large batches; heads are seconds
        once = flops(ROWS[task] * PIECES[task], PIECES[task])
        return 0, once / (PEAK_FLOPS * REACHED_FLOPS * gpus)
    step = step_of(task, rows, language=method != "finetune")
    seconds = steps * step.seconds(gpus)
    if method == "adversary":  # a pass of the discriminator before each epoch
        texts = min(TEXTS, ROWS[task])
        passes = epochs * flops(texts * TEXT_PIECES, TEXT_PIECES)
        launched = epochs * ceil(texts / rows) * LAUNCHES_A_LAYER / 3 * LAYERS * LAUNCH_SECONDS
        seconds += max(passes / (PEAK_FLOPS * REACHED_FLOPS * gpus), launched)
    return steps, seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    from langspec.presets import load_preset
    from langspec.training.train_section import recipe_of

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="a CSV file to write, too")
    given = parser.parse_args(arguments)
    config = load_preset("paper", [])
    seeds = len(config.train.seeds)
    rows = []
    for task in config.train.tasks:
        for method in config.train.run:
            recipe = recipe_of(config.train, task, method, 1)
            size = recipe.batch_rows or 1
            steps, one = training(task, method, size, recipe.epochs, 1)
            _, eight = training(task, method, size, recipe.epochs, 8)
            found = {"task": task, "method": method, "rows_a_step": size, "steps": steps}
            rows.append({**found, "one_h100_min": seeds * one / 60,
                         "eight_sharing_min": seeds * eight / 60})  # fmt: skip
    encoded = (
        sum(
            flops(TEST_PIECES[task], PIECES[task]) * (seeds * len(config.train.run) + 1)
            for task in config.train.tasks
        )
        + flops(TEXTS * TEXT_PIECES, TEXT_PIECES) * (seeds * len(config.train.run) + 1) * 2
    )
    evaluation = encoded / (PEAK_FLOPS * REACHED_FLOPS) / 60
    print(f"All {seeds} seeds, minutes:\n")
    print("| task | method | rows a step | steps a seed | one H100 | eight that share a step |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print("| {task} | {method} | {rows_a_step} | {steps} | {one_h100_min:.1f} | "
              "{eight_sharing_min:.1f} |".format(**row))  # fmt: skip
    one, eight = (sum(row[key] for row in rows) for key in ("one_h100_min", "eight_sharing_min"))
    print(f"| all | | | | {one:.0f} | {eight:.0f} |")
    print(f"\nEncoding for the evaluation: {evaluation:.1f} min on one.")
    print(f"Eight GPUs, a seed each: about {(one + evaluation) / 8:.0f} min.")
    for task, size in (("nli", 64), ("nli", 2048)):
        step = step_of(task, size, language=False)
        times = {gpus: 1e3 * step.seconds(gpus) for gpus in (1, 2, 4, 8)}
        print(
            f"\nA step of {size} {task} rows: arithmetic {1e3 * step.arithmetic:.1f} ms, launches "
            f"{1e3 * step.launches:.1f}, optimiser {1e3 * step.optimiser:.1f}, averaging "
            f"{1e3 * step.averaging:.1f}; on 1, 2, 4, 8 GPUs "
            + ", ".join(f"{value:.1f}" for value in times.values()) + " ms."
        )  # fmt: skip
    memory = 16 * PARAMETERS / 1e9
    print(f"\nMemory: {memory:.1f} GB for weights, gradients and moments, fp32; a checkpoint of "
          f"weights, moments and the best weights {16 * PARAMETERS / 1e9:.1f} GB.")  # fmt: skip
    if given.out is not None:
        write_csv(given.out, rows)


if __name__ == "__main__":
    main()
