"""What probing costs, and whether the intervals hold what they say.

    python benchmarks/probes.py suite      # every linear probe of one checkpoint at e5's scale
    python benchmarks/probes.py attackers  # the non-linear attackers of one checkpoint
    python benchmarks/probes.py reencode   # probes from a bank against encoding in every epoch
    python benchmarks/probes.py growth     # size and memory of banks as the corpus grows
    python benchmarks/probes.py coverage   # coverage of the clustered bootstrap, simulated

Each prints a Markdown table; seconds are processor seconds of one thread. docs/measuring.md holds
the figures of one run.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import click
import numpy as np
import torch
from machine import said

from langspec.attackers.known_attackers import ATTACKERS
from langspec.encoders.inputs import Inputs, collate, length_batches
from langspec.erasure.leace import LEACE
from langspec.features.bank import Bank, BankOptions, BankRows, Units
from langspec.features.encode import build_bank
from langspec.measurement.attacks import attack, make_target
from langspec.measurement.bootstrap import BootstrapOptions, score_intervals
from langspec.measurement.leak import language_leak
from langspec.measurement.probe import fit_probe
from langspec.measurement.probe_options import ProbeOptions
from langspec.measurement.rows import Origin
from langspec.presets import load_preset

LANGUAGES = tuple(f"l{i:02d}" for i in range(17))
PROBE = ProbeOptions(strengths=[0.001, 0.01, 0.1, 1.0, 10.0], max_iterations=2000, tolerance=1e-4)
BOOTSTRAP = BootstrapOptions(1000, 0)
NOT_COMPARABLE = "Compare ratios, sizes and coverage with other machines, not seconds"
ORIGIN = Origin("pos", "benchmark", 0, "text", "test", "leak")


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of a piece of work, and what it gave."""
    began = time.process_time()
    value = work()
    return time.process_time() - began, value


def row(*values: Any) -> None:
    """Print a row of a Markdown table."""
    cells = [f"{v:.3g}" if isinstance(v, float) else str(v) for v in values]
    print("| " + " | ".join(cells) + " |", flush=True)


def head(*names: str) -> None:
    """Print the head of a Markdown table."""
    row(*names)
    row(*["---"] * len(names))


def table(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Print a Markdown table."""
    head(*heads)
    for values in rows:
        row(*values)


# --- the probe suite -------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn(Bank):
    """A bank whose vectors are drawn as they are asked for.

    Dimensions are correlated with variances that fall as 1/rank, around a common mean far from
    zero, as encoders have them. Languages differ by mean vectors whose length falls with the
    layer, from nearly separable to a probe accuracy of about a half.
    """

    rows: dict[str, Units]
    width: int

    token_meta = property(lambda self: self.rows["token"])
    sentence_meta = property(lambda self: self.rows["sentence"])

    def draw(self, unit: str, layer: int) -> np.ndarray:
        """float32 ``[N, H]``."""
        units, rng = self.rows[unit], np.random.default_rng([layer, len(unit)])
        axes = np.linalg.qr(rng.normal(size=(self.width, self.width)))[0]
        spread = 1 / np.sqrt(np.arange(1, self.width + 1))
        reach = (1.6 - 0.1 * layer) * (1.5 if unit == "sentence" else 1.0)
        means = rng.normal(size=(len(LANGUAGES), self.width)) * spread * reach / 3
        noise = rng.normal(size=(len(units), self.width)) * spread
        return ((noise + means[units.language]) @ axes.T + 5 * axes[0]).astype(np.float32)

    def tokens(self, layer: int) -> np.ndarray:
        """Token vectors of a layer."""
        return self.draw("token", layer)

    def sentences(self, layer: int) -> np.ndarray:
        """Sentence vectors of a layer."""
        return self.draw("sentence", layer)


def drawn_bank(layers: int, width: int, tokens: int, sentences: int) -> Drawn:
    """A bank of e5's shape: half of the lines to train, a fifth for dev, the rest to test."""

    def units(count: int) -> Units:
        language = np.repeat(np.arange(len(LANGUAGES)), count)
        line = np.tile(np.arange(count) * sentences // count, len(LANGUAGES))
        split = np.array([2, 2, 2, 2, 2, 0, 0, 1, 1, 1])[line % 10]
        place = np.arange(len(language))
        return Units(place, place, language, line, split, np.full(len(language), -100))

    meta = {"languages": LANGUAGES, "splits": ("dev", "test", "train"), "layers": range(layers)}
    return Drawn(
        Path("drawn"), meta, {"token": units(tokens), "sentence": units(sentences)}, width
    )


def bank_options(tokens: int, sentences: int | None) -> BankOptions:
    """A pass in fp32."""
    return BankOptions(tokens, sentences, "mean", seed=0, precision="fp32", tokens_per_batch=4096)


@click.group()
def main() -> None:
    """Benchmarks of probing."""
    torch.set_num_threads(1)


@main.result_callback()
def name_machine(_: Any) -> None:
    """Below the table of a command: the machine, and what compares with another one."""
    print("\n" + said(NOT_COMPARABLE))


@main.command()
@click.option("--layers", default=13)
@click.option("--width", default=384)
@click.option("--tokens", default=2000, help="token vectors a language")
@click.option("--sentences", default=500, help="lines a language")
def suite(layers: int, width: int, tokens: int, sentences: int) -> None:
    """Every linear probe of one checkpoint: all layers, tokens and sentences."""
    bank = drawn_bank(layers, width, tokens, sentences)
    rows = []
    for unit in ("token", "sentence"):
        drawing, _ = seconds(lambda unit=unit: [bank.draw(unit, i) for i in range(layers)])
        spent, found = seconds(
            lambda unit=unit: language_leak(bank, ORIGIN, PROBE, BOOTSTRAP, units=(unit,))
        )
        told = {m: [r.value for r in found if r.probe == "linear" and r.metric == m]
                for m in ("accuracy", "iterations", "converged")}  # fmt: skip
        n = len(bank.rows[unit])
        accuracy = f"{min(told['accuracy']):.2f} to {max(told['accuracy']):.2f}"
        rows.append((unit, n, len(told["converged"]), int(sum(told["converged"])),
                     int(sum(told["iterations"])), accuracy, spent - drawing))  # fmt: skip
    rows.append(
        ("both", "", *(sum(r[i] for r in rows) for i in (2, 3, 4)), "", sum(r[-1] for r in rows))
    )
    table(("unit", "vectors", "probes", "converged", "iterations", "accuracy", "CPU s"), rows)


# --- non-linear attackers ----------------------------------------------------------------------


def bent(rows: int, width: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Vectors ``[N, H]`` whose means and whose squares tell 17 languages, and the languages."""
    labels = rng.integers(len(LANGUAGES), size=rows)
    shape = np.random.default_rng(1)
    spread = 1 / np.sqrt(np.arange(1, width + 1))
    means = shape.normal(size=(len(LANGUAGES), width)) * spread * 0.2
    scales = np.exp(0.15 * shape.normal(size=(len(LANGUAGES), width)))
    vectors = rng.normal(size=(rows, width)) * spread * scales[labels] + means[labels]
    axes = np.linalg.qr(shape.normal(size=(width, width)))[0]
    return (vectors @ axes).astype(np.float32), labels


@main.command()
@click.option("--width", default=384)
@click.option("--tokens", default=3000, help="training vectors a language")
@click.option("--held", default=500, help="validation and test vectors a language, each")
def attackers(width: int, tokens: int, held: int) -> None:
    """The attackers on drawn vectors of e5's size, as they are and behind LEACE."""
    options = load_preset("e5", []).evaluate.attackers
    rows: dict[str, tuple[np.ndarray, np.ndarray]] = {
        name: bent(count * len(LANGUAGES), width, np.random.default_rng(place))
        for place, (name, count) in enumerate({"train": tokens, "dev": held, "test": held}.items())
    }
    eraser = LEACE().fit(rows["train"][0], np.asarray(LANGUAGES)[rows["train"][1]])
    head("vectors", "probe", "trained on", "accuracy", "converged", "iterations", "CPU s")
    for title, change in (("as they are", None), ("behind LEACE", eraser)):
        part = {n: x if change is None else change.apply(x) for n, (x, _) in rows.items()}
        label = {name: y for name, (_, y) in rows.items()}
        spent, linear = seconds(
            lambda part=part, label=label: fit_probe(
                part["train"], label["train"], part["dev"], label["dev"], len(LANGUAGES), PROBE
            )
        )
        right = float((linear.predict(part["test"]) == label["test"]).mean())
        count = len(label["train"])
        row(title, "linear", count, right, linear.converged, linear.iterations, spent)
        target = make_target(part, label, linear, PROBE, 0)
        for name in ATTACKERS:
            spent, read = seconds(
                lambda target=target, part=part, name=name: attack(
                    target, part["test"], [name], options
                )[name]
            )
            right = float((read.predicted == label["test"]).mean())
            facts = read.facts
            row(title, name, count, right, facts["converged"], facts["iterations"], spent)


# --- banks of a real encoder's shape ----------------------------------------------------------


def encoder(layers: int, width: int, heads: int) -> Any:
    """An encoder with random weights: what it costs does not depend on them."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=5000, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=4 * width,
    )  # fmt: skip
    return BertModel(config).eval()


def text(lines: int, pieces: int = 25) -> tuple[Inputs, BankRows]:
    """``lines`` random rows a language, a unit a piece; every third piece is of the language."""
    count = lines * len(LANGUAGES)
    rng = np.random.default_rng(0)
    ids = rng.integers(5, 5000, size=count * pieces)
    own = 5 + np.repeat(np.arange(len(LANGUAGES)), lines * pieces) * 200
    ids = np.where(rng.random(len(ids)) < 1 / 3, own + rng.integers(200, size=len(ids)), ids)
    inputs = Inputs(
        ids=ids.astype(np.int32),
        starts=np.arange(count + 1) * pieces,
        segments=np.zeros(len(ids), np.int8),
        units=np.tile(np.arange(1, pieces, dtype=np.int32), count),
        unit_starts=np.arange(count + 1) * (pieces - 1),
        unit_words=np.tile(np.arange(pieces - 1, dtype=np.int32), count),
    )
    line = np.tile(np.arange(lines), len(LANGUAGES))
    split = np.array(["train"] * 5 + ["dev"] * 2 + ["test"] * 3)[line % 10]
    return inputs, BankRows(np.repeat(LANGUAGES, lines).tolist(), split.tolist(), line)


@main.command()
@click.option("--lines", default=40, help="a language; the probes need 34")
@click.option("--pieces", default=25, help="a line")
@click.option("--tokens", default=400, help="token vectors a language")
@click.option("--epochs", default=5, help="of the probe that encodes its text in every epoch")
def reencode(lines: int, pieces: int, tokens: int, epochs: int) -> None:
    """Probes from a bank against a probe that encodes its text in every epoch."""
    model = encoder(12, 384, 12)
    inputs, rows = text(lines, pieces)

    def epoch() -> None:
        """Encode everything and take one step of Adam on a linear head a batch."""
        head = torch.nn.Linear(384, len(LANGUAGES))
        optimiser = torch.optim.Adam(head.parameters())
        labels = torch.from_numpy(np.repeat(np.arange(len(LANGUAGES)), lines))
        for part in length_batches(inputs.lengths, 4096):
            batch = collate(inputs, part, pad_id=0)
            names = ("input_ids", "attention_mask")
            with torch.inference_mode():
                state = model(**{n: batch[n] for n in names}).last_hidden_state
                vectors = state[batch["unit_rows"], batch["unit_columns"]]
            optimiser.zero_grad()
            gold = labels[torch.from_numpy(part)][batch["unit_rows"]]
            torch.nn.functional.cross_entropy(head(vectors.clone()), gold).backward()
            optimiser.step()

    once, _ = seconds(epoch)
    with tempfile.TemporaryDirectory() as folder:
        options = bank_options(tokens, None)
        building, bank = seconds(
            lambda: build_bank(
                model, 0, inputs, rows, options=options, key="bank", root=Path(folder)
            )
        )
        last = Bank(bank.folder, dict(bank.meta))
        whole, found = seconds(lambda: language_leak(last, ORIGIN, PROBE, BOOTSTRAP))
        bank.meta["layers"] = [12]
        np.save(bank.folder / "tokens.npy", np.load(bank.folder / "tokens.npy")[-1:])
        one, single = seconds(
            lambda: language_leak(bank, ORIGIN, PROBE, BOOTSTRAP, units=("token",))
        )
    # An iteration of the solver reads all vectors once: what an epoch is to a probe that encodes.
    passes = [int(r.value) for r in found if r.metric == "iterations"]
    own = int(next(r.value for r in single if r.metric == "iterations"))
    assert all(r.value for r in (*found, *single) if r.metric == "converged")
    print(
        f"One epoch that encodes: {once:.1f} s; the pass that writes the bank: {building:.1f} s.\n"
        f"Passes over the vectors until converged: {min(passes)} to {max(passes)}, "
        f"{sum(passes)} in all.\n"
    )
    suite, number = building + whole, len(passes)

    def line(what: str, count: int, bank: float) -> tuple[Any, ...]:
        """``count`` epochs that encode, reckoned from one that was measured."""
        return what, count, count * once, bank, count * once / bank

    table(
        ("what", "epochs", "encoding in each, CPU s", "from the bank, CPU s", "times cheaper"),
        [
            line("converged: one more probe (last layer, tokens), bank there", own, one),
            line(f"converged: all {number}, each with its own epochs", sum(passes), suite),
            line(f"converged: all {number}, an epoch serves all of them", max(passes), suite),
            line(f"{epochs} epochs, not converged: one more probe", epochs, one),
            line(f"{epochs} epochs, not converged: all {number}, own epochs",
                 number * epochs, suite),
            line(f"{epochs} epochs, not converged: all {number}, shared epochs", epochs, suite),
        ],
    )  # fmt: skip


@main.command()
@click.option("--factor", type=int, help="measure this one, as JSON (used by itself)")
def growth(factor: int | None) -> None:
    """Size and peak memory of a bank of 1 to 8 times as many rows."""
    if factor is None:
        head("rows", "token vectors", "tokens, MB", "sentences, MB", "peak memory, MB", "CPU s")
        for times in (1, 2, 4, 8):
            command = [sys.executable, __file__, "growth", "--factor", str(times)]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            row(*json.loads(out.splitlines()[-1]))
        return
    inputs, rows = text(40 * factor)
    with tempfile.TemporaryDirectory() as folder:
        options = bank_options(500, 40)
        model = encoder(4, 128, 4)
        spent, bank = seconds(
            lambda: build_bank(
                model, 0, inputs, rows, options=options, key="bank", root=Path(folder)
            )
        )
        sizes = [bank.meta["sizes"][f"{kind}.npy"] / 1e6 for kind in ("tokens", "sentences")]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps([len(inputs), len(bank.languages) * 500, *sizes, peak, spent]))
    raise SystemExit  # its parent names the machine


# --- coverage --------------------------------------------------------------------------------


@main.command()
@click.option("--simulations", default=2000)
@click.option("--resamples", default=400)
def coverage(simulations: int, resamples: int) -> None:
    """How often 95 % intervals hold the truth, by the number of items."""
    classes, shares = 6, np.array([0.3, 0.25, 0.2, 0.1, 0.1, 0.05])

    def draw(rng: np.random.Generator, items: int, level: float) -> tuple[np.ndarray, ...]:
        ease = rng.beta(level * 17 / 3, (1 - level) * 17 / 3, size=items)
        item = np.repeat(np.arange(items), rng.integers(2, 15, size=items))
        gold = rng.choice(classes, p=shares, size=len(item))
        wrong = (gold + rng.integers(1, classes, size=len(item))) % classes
        return item, gold, np.where(rng.random(len(item)) < ease[item], gold, wrong)

    head("accuracy", "items", "coverage, accuracy", "coverage, macro-F1")
    for level in (0.6, 0.9):
        _, gold, predicted = draw(np.random.default_rng(0), 300_000, level)
        many = score_intervals(
            np.arange(len(gold)), gold, predicted, classes, BootstrapOptions(1, 0)
        )
        for items in (10, 20, 50, 180):
            hits = dict.fromkeys(many, 0)
            for seed in range(simulations):
                sample = draw(np.random.default_rng([items, seed]), items, level)
                found = score_intervals(*sample, classes, BootstrapOptions(resamples, seed))
                for metric, interval in found.items():
                    hits[metric] += interval.low <= many[metric].value <= interval.high
            row(level, items, *(hits[m] / simulations for m in hits))


if __name__ == "__main__":
    main()
