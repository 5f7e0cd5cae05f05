"""Erasers on a feature bank beside other ways: INLP beside scikit-learn's, LEACE shrunk or not.

    python benchmarks/erasers.py inlp .langspec/banks/KEY --layer 12 --train 500
    python benchmarks/erasers.py leace .langspec/banks/KEY --layer 4 --train 40
    python benchmarks/erasers.py suite .langspec/banks/KEY --layer 12 --preset e5

`inlp` prints, by the number of directions removed, the accuracy on test lines of a new probe
behind the eraser of preset demo, and behind nullspace projection as published: logistic regression
with C 1 on vectors as they are. `leace` prints what shrinking the covariance changes: its weight
alpha, the accuracy of a new probe, and the change of test vectors as a share of their variance.
`suite` prints what every eraser of `--preset` costs, and every attacker behind it, with what they
read of test vectors (macro-F1).
KEY is a folder below `.langspec/banks` that stage `evaluate` wrote.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from machine import said
from sklearn.linear_model import LogisticRegression

from langspec.erasure.choice import make_eraser
from langspec.erasure.leace import LEACE
from langspec.erasure.shrinkage import shrunk_covariance
from langspec.features.bank import Bank, open_bank
from langspec.measurement.attacks import LINEAR, attacked_bank
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.erased import ErasedBank, fit_maps
from langspec.measurement.probe import fit_probe
from langspec.measurement.rows import Origin
from langspec.presets import load_preset

VALUES = load_preset("demo", []).evaluate.erasers
Part = tuple[np.ndarray, np.ndarray, np.ndarray]


def parts(bank: Bank, layer: int, train: int) -> dict[str, Part]:
    """Vectors, labels and lines of the token vectors of a layer, by split.

    ``train``: training vectors of each language, at most; half as many for dev and test.
    """
    meta, vectors = bank.token_meta, bank.tokens(layer)
    chosen = {}
    for split in ("train", "dev", "test"):
        here = meta.split == bank.splits.index(split)
        most = train if split == "train" else train // 2
        rows = np.sort(
            np.concatenate(
                [
                    np.flatnonzero(here & (meta.language == k))[:most]
                    for k in range(len(bank.languages))
                ]
            )
        )
        chosen[split] = vectors[rows].astype(np.float64), meta.language[rows], meta.line[rows]
    return chosen


def left(of: dict[str, Part], basis: np.ndarray) -> float:
    """Accuracy on test lines of a new probe on vectors without ``basis [H, R]``."""
    (train, y, _), (dev, of_dev, _), (test, gold, _) = (of[s] for s in ("train", "dev", "test"))
    labels, of_dev = y.astype(np.int64), of_dev.astype(np.int64)
    classes = int(labels.max()) + 1
    erased = [x - (x @ basis) @ basis.T for x in (train, dev, test)]
    probe = fit_probe(erased[0], labels, erased[1], of_dev, classes, VALUES.judge)
    return float((probe.predict(erased[2]) == gold).mean())


def reference(of: dict[str, Part], ranks: list[int]) -> Iterator[np.ndarray]:
    """The directions after each of some ranks, each round a span of scikit-learn's weights."""
    x, y, _ = of["train"]
    x = x - x.mean(axis=0)
    basis = np.zeros((x.shape[1], 0))
    for rank in ranks:
        while basis.shape[1] < rank:
            rest = x - (x @ basis) @ basis.T
            weights = LogisticRegression(C=1.0, max_iter=300).fit(rest, y).coef_
            weights = weights - (weights @ basis) @ basis.T
            u, s, _ = np.linalg.svd(weights.T, full_matrices=False)
            basis = np.linalg.qr(np.concatenate([basis, u[:, s > 1e-6 * s.max()]], axis=1))[0]
        yield basis[:, :rank]


def inlp(of: dict[str, Part], languages: tuple[str, ...], most: int) -> None:
    """Print what is left by the number of directions; ``most`` of the reference."""
    codes = np.asarray(languages)
    eraser = make_eraser("inlp", VALUES)
    began = time.process_time()
    for split, take in (("train", eraser.partial_fit), ("dev", eraser.choose_on)):
        x, y, lines = of[split]
        take(x, codes[y], lines)
    fitted = eraser.map
    seconds = time.process_time() - began
    ours = {point.rank: fitted.first(point.rank).left[0] for point in fitted.path if point.rank}
    ranks = sorted({*ours, max(most, *ours)})
    gold = of["test"][1]
    largest = np.bincount(gold).max() / len(gold)
    print(f"most frequent language {largest:.3f}; inlp {seconds:.1f} CPU s")
    print("| directions | inlp | raw-space reference |\n|---|---|---|")
    for rank, basis in zip(ranks, reference(of, ranks), strict=True):
        by_inlp = f"{left(of, ours[rank]):.3f}" if rank in ours else ""
        print(f"| {rank} | {by_inlp} | {left(of, basis):.3f} |", flush=True)


def leace(of: dict[str, Part], languages: tuple[str, ...]) -> None:
    """Print what shrinking changes."""
    codes, (x, y, _), test = np.asarray(languages), of["train"], of["test"][0]
    print("| shrinkage | alpha | probe accuracy | change |\n|---|---|---|---|")
    for shrinkage in ("none", "linear"):
        fitted = LEACE(shrinkage=shrinkage).fit(x, codes[y])
        alpha = shrunk_covariance(fitted.moments.covariance, len(x))[1]
        erased = {split: (fitted.apply(part[0]), *part[1:]) for split, part in of.items()}
        changed = np.square(erased["test"][0] - test).sum() / np.square(test - test.mean(0)).sum()
        read = left(erased, np.zeros((x.shape[1], 0)))
        weight = f"{alpha:.3f}" if shrinkage == "linear" else "1"
        print(f"| {shrinkage} | {weight} | {read:.3f} | {changed:.4f} |")


def suite(bank: Bank, layer: int, evaluate: Any, names: list[str]) -> None:
    """Print what erasers cost, attackers behind them, and what all of them read of words."""
    attackers = evaluate.erasers.attackers
    print("| eraser | directions | CPU s | probe | macro-F1 | CPU s |\n|---|---|---|---|---|---|")
    total = 0.0
    for name in names or ["", *evaluate.erasers.run]:
        began, read, rank = time.process_time(), bank, ""
        if name:
            make = partial(make_eraser, name, evaluate.erasers)
            maps = fit_maps(bank, make, ["token"], [layer])
            read, rank = ErasedBank(bank.folder, bank.meta, maps), str(maps["token", layer].rank)
        spent = time.process_time() - began
        total += spent
        began = time.process_time()
        rows = attacked_bank(
            read,
            layer,
            Origin("", "", 0, "text", "test", "attack", name),
            attackers,
            evaluate.attackers,
            evaluate.probe,
            BootstrapOptions(resamples=100, seed=0),
            units=["token"],
            seed=0,
            most=evaluate.erasers.attack_train,
        )
        attacked = time.process_time() - began
        total += attacked
        scores = {row.probe: row.value for row in rows if row.metric == "macro_f1"}
        for probe in (LINEAR, *attackers):
            cost = f"{attacked:.1f}" if probe == attackers[-1] else ""
            cells = (name or "nothing", rank, f"{spent:.1f}") if probe == LINEAR else ("", "", "")
            print(f"| {' | '.join(cells)} | {probe} | {scores[probe]:.3f} | {cost} |", flush=True)
    print(f"\n{total:.1f} CPU s in all. {said()}")


def main() -> None:
    """Read the options, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("inlp", "leace", "suite"))
    parser.add_argument("bank", type=Path)
    parser.add_argument("--layer", type=int, default=-1)
    parser.add_argument("--train", type=int, default=500, help="vectors a language")
    parser.add_argument("--rank", type=int, default=160, help="most directions of the reference")
    parser.add_argument("--preset", default="e5", help="of suite")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="of suite")
    parser.add_argument("--only", nargs="+", default=[], metavar="ERASER", help="of suite")
    options = parser.parse_args()
    bank = open_bank(options.bank.parent, options.bank.name)
    if bank is None:
        raise SystemExit(f"{options.bank}: no feature bank")
    if options.what == "suite":
        values = load_preset(options.preset, options.set).evaluate
        suite(bank, options.layer, values, options.only)
        return
    of = parts(bank, options.layer, options.train)
    if options.what == "inlp":
        inlp(of, bank.languages, options.rank)
    else:
        leace(of, bank.languages)


if __name__ == "__main__":
    main()
