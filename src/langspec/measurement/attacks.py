"""Non-linear attackers beside the linear probe: what each reads of the same test vectors.

On validation vectors no attacker is below the linear probe, by construction: where its fit is
worse there, by log-loss or by accuracy, the linear probe stands in for it. On test vectors the two
can differ by the noise of the sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from langspec.attackers.base import Attack, Target
from langspec.attackers.known_attackers import AttackersBase, attacker_classes
from langspec.errors import LangspecError
from langspec.features.bank import Bank
from langspec.features.sample import fewer_rows
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.leak import fit_rows, scored_rows, split_rows
from langspec.measurement.probe import Probe, fit_probe
from langspec.measurement.probe_options import ProbeOptions
from langspec.measurement.rows import Origin
from langspec.results import Result

LINEAR, STRONGEST = "linear_sample", "strongest"
"""The linear probe that attackers start from; the attacker with the least validation loss."""


@dataclass(frozen=True)
class Reading:
    """What one attacker reads.

    Attributes:
        predicted: int64 ``[T]``, the classes of test vectors.
        dev_loss: validation log-loss, nats a vector.
        facts: of the fit: ``converged``, ``iterations``, what validation chose, and ``added``: 1
            where the attacker was no worse than the linear probe on validation vectors, 0 where
            the linear probe stands in for it.
    """

    predicted: np.ndarray
    dev_loss: float
    facts: Mapping[str, float]


def attack(
    target: Target, test: np.ndarray, names: Sequence[str], options: AttackersBase
) -> dict[str, Reading]:
    """What attackers read of test vectors.

    Args:
        target: what they are fitted on.
        test: ``[T, H]``.
        names: of attackers.
        options: section ``evaluate.attackers``.

    Returns:
        By name.
    """
    linear = _validated(target, target.linear)
    readings = {}
    for name in names:
        fitted = attacker_classes()[name].fit(target, getattr(options, name))
        loss, accuracy = _validated(target, fitted)
        added = loss <= linear[0] and accuracy >= linear[1]
        reader: Attack | Probe = fitted if added else target.linear
        readings[name] = Reading(
            predicted=reader.log_probabilities(test).argmax(axis=1),
            dev_loss=loss if added else linear[0],
            facts={**fitted.facts, "added": float(added)},
        )
    return readings


def _validated(target: Target, reader: Attack | Probe) -> tuple[float, float]:
    """Log-loss (nats a vector) and accuracy of a probe on validation vectors."""
    log_p, labels = reader.log_probabilities(target.dev), target.dev_labels
    loss = -log_p[np.arange(len(labels)), labels].mean()
    return float(loss), float((log_p.argmax(axis=1) == labels).mean())


def make_target(
    part: Mapping[str, np.ndarray],
    label: Mapping[str, np.ndarray],
    linear: Probe,
    probe: ProbeOptions,
    seed: int,
) -> Target:
    """What attackers are fitted on.

    Args:
        part: vectors ``[N, H]`` by split: ``train`` and ``dev``.
        label: their languages, int64 ``[N]``.
        linear: the linear probe of the same vectors.
        probe: how linear probes are fitted.
        seed: of everything that is drawn.
    """
    usable = np.isin(label["dev"], label["train"])  # no probe knows a class that training lacks
    return Target(
        train=part["train"],
        train_labels=label["train"],
        dev=part["dev"][usable],
        dev_labels=label["dev"][usable],
        classes=len(linear.weights),
        linear=linear,
        probe=probe,
        seed=seed,
    )


def attacked_bank(
    bank: Bank,
    layer: int,
    origin: Origin,
    names: Sequence[str],
    options: AttackersBase,
    probe: ProbeOptions,
    bootstrap: BootstrapOptions,
    *,
    units: Sequence[str],
    seed: int,
    most: int | None = None,
) -> list[Result]:
    """Rows of the linear probe and of attackers on one layer, language ``all``.

    ``accuracy`` and ``macro_f1`` with intervals, and the facts of each fit. Probe ``majority``
    names the commonest language; ``strongest`` is the attacker of least validation loss.

    Args:
        bank: vectors with the splits train, dev and test; as they are, or erased.
        layer: of the bank.
        origin: of the rows.
        names: of attackers, whose options are ``options``.
        probe: of every linear probe.
        bootstrap: of the intervals.
        units: ``token``, ``sentence``, or ``pair`` for a bank of pairs.
        seed: of everything that is drawn.
        most: training vectors at most of each language; None: all.

    Raises:
        LangspecError: a split without vectors, too few training lines, vectors not finite.
    """
    results: list[Result] = []
    for unit in units:
        part, label, test_lines = _split_vectors(bank, layer, unit, most, seed + 1)
        linear = fit_probe(
            part["train"], label["train"], part["dev"], label["dev"], len(bank.languages), probe
        )
        target = make_target(part, label, linear, probe, seed)
        readings = attack(target, part["test"], names, options)
        predicted = _predicted(target, part["test"], label["test"], readings)
        for name, (classes, fit) in predicted.items():
            place: Any = {"layer": layer, "probe": name, "unit": unit}
            scored = scored_rows(
                origin,
                bank.languages,
                test_lines,
                label["test"],
                classes,
                bootstrap,
                train_n=len(label["train"]) if fit else 0,
                **place,
            )
            results += [row for row in scored if row.language == "all"]
            results += fit_rows(origin, fit, n=len(label["train"]), **place)
    return results


def _split_vectors(
    bank: Bank, layer: int, unit: str, most: int | None, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Vectors ``[N, H]`` and languages, int64 ``[N]``, by split; the lines of test vectors.

    Of training vectors, ``most`` of each language are drawn by ``seed``; None: all.

    Raises:
        LangspecError: a split without vectors, too few training lines, vectors not finite.
    """
    meta = bank.token_meta if unit == "token" else bank.sentence_meta
    vectors = bank.tokens(layer) if unit == "token" else bank.sentences(layer)
    rows = split_rows(bank, meta, unit)
    rows["train"] = fewer_rows(meta, rows["train"], bank.languages, most, seed)
    part = {name: vectors[places] for name, places in rows.items()}
    label = {name: meta.language[places].astype(np.int64) for name, places in rows.items()}
    check_finite(part, what=f"{unit} vectors of layer {layer}")
    return part, label, meta.line[rows["test"]]


def _predicted(
    target: Target, test: np.ndarray, gold: np.ndarray, readings: Mapping[str, Reading]
) -> dict[str, tuple[np.ndarray, Mapping[str, float]]]:
    """Predicted classes of test vectors, and the facts of the fit, by the name of the probe."""
    linear = target.linear
    strongest = min(readings.values(), key=lambda reading: reading.dev_loss)
    return {
        "majority": (np.full_like(gold, np.bincount(target.train_labels).argmax()), {}),
        LINEAR: (
            linear.predict(test),
            {"converged": linear.converged, "iterations": linear.iterations},
        ),
        **{name: (reading.predicted, reading.facts) for name, reading in readings.items()},
        STRONGEST: (strongest.predicted, {"converged": strongest.facts["converged"]}),
    }


def check_finite(parts: Mapping[str, np.ndarray], *, what: str) -> None:
    """Refuse vectors ``[N, H]`` by split that are not finite.

    Raises:
        LangspecError: they are not; ``what`` names them, as in ``token vectors of layer 4``.
    """
    if not all(np.isfinite(vectors).all() for vectors in parts.values()):
        raise LangspecError(f"the {what} are not finite; the checkpoint has diverged")
