"""Non-linear attackers: planted cues, the linear probe that they start from, what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from measure_options import attackers, probe_options
from test_erasure_inlp import demo
from test_measurement_beyond import CODES, COUNT, LANGUAGE, LINE, Planted, bank_of, signal

from langspec.attackers.base import Target
from langspec.attackers.known_attackers import ATTACKERS, attacker_classes
from langspec.erasure.base import Eraser
from langspec.erasure.centring import Centring
from langspec.erasure.leace import LEACE
from langspec.errors import LangspecError
from langspec.measurement.attacks import LINEAR, STRONGEST, attack, attacked_bank, make_target
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.probe import fit_probe
from langspec.measurement.rows import Origin
from langspec.results import Result

pytestmark = pytest.mark.medium

PROBE = probe_options(0.01, 0.1, 1.0, tolerance=1e-3)
OPTIONS = attackers(hidden=32, decays=(0.01,), landmarks=200)
ORIGIN = Origin("pos", "frozen", 0, "text", "test", "attack", eraser="leace")
MANY = 8  # times the rows of the small planted banks


def target_of(
    x: np.ndarray, y: np.ndarray, classes: int, *, seed: int = 0
) -> tuple[Target, np.ndarray, np.ndarray]:
    """Half of some rows to train on, a fifth to validate; and the test rows with their labels."""
    place = np.random.default_rng(seed).permutation(len(x)) % 10
    rows = {"train": place < 5, "dev": (place >= 5) & (place < 7), "test": place >= 7}
    part = {name: x[where] for name, where in rows.items()}
    label = {name: y[where].astype(np.int64) for name, where in rows.items()}
    linear = fit_probe(part["train"], label["train"], part["dev"], label["dev"], classes, PROBE)
    return make_target(part, label, linear, PROBE, seed), part["test"], label["test"]


def accuracy(predicted: np.ndarray, gold: np.ndarray) -> float:
    return float((predicted == gold).mean())


# --- what they read behind erasers -----------------------------------------------------------


def radius(rng: np.random.Generator, y: np.ndarray) -> np.ndarray:
    """The length of a vector tells its language, its direction nothing.

    LEACE takes three directions out, where the means of a sample differ by chance.
    """
    x = rng.normal(size=(len(y), 16))
    return x / np.linalg.norm(x, axis=1, keepdims=True) * 2.0 ** y[:, None]


def exclusive_or(rng: np.random.Generator, y: np.ndarray) -> np.ndarray:
    """The product of two signs tells each of the two bits of the language."""
    x = rng.normal(scale=0.2, size=(len(y), 8))
    for bit in (0, 1):
        sign = rng.choice([-1, 1], size=len(y))
        x[:, 2 * bit] += sign
        x[:, 2 * bit + 1] += sign * np.where(y >> bit & 1, 1, -1)
    return x


def planted_bank(make: Callable[[np.random.Generator, np.ndarray], np.ndarray]) -> Planted:
    y, line = np.tile(LANGUAGE, MANY), np.tile(LINE, MANY) + np.repeat(np.arange(MANY), COUNT) * 60
    return bank_of(make(np.random.default_rng(0), y)[None], y, line)


def erased(bank: Planted, eraser: Eraser) -> Planted:
    """The bank behind an eraser that is fitted on its training vectors."""
    units, train = bank.units, bank.units.split == bank.splits.index("train")
    codes = np.asarray(CODES)[units.language]
    fitted = eraser.fit(bank.vectors[0][train], codes[train]).map
    return bank_of(fitted.apply(bank.vectors[0], codes)[None], units.language, units.line)


def read(bank: Planted) -> dict[str, float]:
    """Accuracy by probe."""
    rows = attacked_bank(
        bank, 0, ORIGIN, ATTACKERS, OPTIONS, PROBE, BootstrapOptions(100, 0),
        units=("token",), seed=0,
    )  # fmt: skip
    assert {row.language for row in rows} == {"all"}
    assert {row.eraser for row in rows} == {"leace"}
    return {row.probe: row.value for row in rows if row.metric == "accuracy"}


@pytest.mark.parametrize("cue", [radius, exclusive_or])
def test_attackers_read_a_non_linear_cue_behind_leace(cue) -> None:
    """The linear probe is at chance, which would pass for an erased language."""
    found = read(erased(planted_bank(cue), LEACE()))
    assert found[LINEAR] < 0.35
    assert found["majority"] == pytest.approx(0.25)
    assert found["mlp"] >= 0.9
    assert found["rbf"] >= 0.9
    assert found[STRONGEST] >= 0.9


def test_attackers_read_at_most_so_many_training_vectors_of_a_language() -> None:
    def rows(most: int | None) -> list[Result]:
        return attacked_bank(
            planted_bank(radius), 0, ORIGIN, ["mlp"], OPTIONS, PROBE, BootstrapOptions(100, 0),
            units=("token",), seed=0, most=most,
        )  # fmt: skip

    fewer, every = rows(20), rows(None)
    assert {row.train_n for row in fewer if row.probe == "mlp"} == {20 * len(CODES)}
    assert max(row.train_n for row in every) > 20 * len(CODES)
    of_test = {row.n for row in (*fewer, *every) if row.metric == "accuracy"}
    assert len(of_test) == 1


def test_oracle_centring_leaves_a_label_that_attackers_read() -> None:
    """Vectors lie on a grid; each language's is shifted by its own share of a step."""

    def grid(rng: np.random.Generator, y: np.ndarray) -> np.ndarray:
        x = rng.integers(-1, 2, size=(len(y), 4)).astype(float)
        # More of one language lie above: the mean that is subtracted writes the language down.
        x[:, 0] = np.where(rng.random(len(y)) < 0.2 + 0.2 * y, 1, -1)
        return x + rng.normal(scale=0.02, size=x.shape)

    bank = planted_bank(grid)
    before, after = read(bank), read(erased(bank, Centring(gold=True)))
    assert after[LINEAR] < 0.35
    assert max(before["mlp"], before["rbf"]) < 0.6  # nobody could read much before
    assert after["mlp"] >= 0.9
    assert after["rbf"] >= 0.9


def test_a_linear_cue_behind_leace_is_read_by_nobody() -> None:
    def shifted(rng: np.random.Generator, y: np.ndarray) -> np.ndarray:
        return rng.normal(size=(len(y), 8)) + 3 * np.eye(8)[y]

    found = read(erased(planted_bank(shifted), LEACE()))
    assert all(found[name] < 0.32 for name in (LINEAR, *ATTACKERS))


# --- never below the linear probe ------------------------------------------------------------


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Correlated Gaussians whose means alone tell the class: no probe can beat a linear one."""
    rng = np.random.default_rng(seed)
    classes, width = int(rng.integers(3, 9)), int(rng.integers(8, 64))
    y = rng.integers(classes, size=int(rng.integers(60, 300)) * classes)
    mixing = rng.normal(size=(width, width)) / np.sqrt(width)
    means = rng.normal(size=(classes, width)) * rng.uniform(0.1, 1.0)
    return (rng.normal(size=(len(y), width)) + means[y]) @ mixing + 3, y, classes


def real(layer: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Sentences of the demo as its encoder reads them in a layer; the class is the language."""
    data = demo(layer)
    return data.x, data.y, len(np.unique(data.y))


@pytest.mark.parametrize(
    ("make", "seed"), [*((drawn, seed) for seed in range(20)), (real, 0), (real, 2), (real, -1)]
)
def test_no_attacker_is_below_the_linear_probe(make, seed: int) -> None:
    """On validation vectors exactly. On test vectors up to three standard errors.

    The two probes are compared on the same test vectors, so the standard error of the difference
    is that of a paired one (McNemar): the root of the number of vectors on which exactly one of
    them is right, over all. Two of 40 comparisons would lie above two errors by chance.
    """
    x, y, classes = make(seed)
    target, test, gold = target_of(x, y, classes, seed=max(seed, 0))
    linear = target.linear.predict(test) == gold
    for name in ATTACKERS:
        fitted = attack(target, test, [name], OPTIONS)[name]
        reader = attacker_classes()[name].fit(target, getattr(OPTIONS, name))
        added = fitted.facts["added"]
        dev = (reader if added else target.linear).log_probabilities(target.dev)
        of_linear = target.linear.log_probabilities(target.dev)
        assert accuracy(dev.argmax(axis=1), target.dev_labels) >= accuracy(
            of_linear.argmax(axis=1), target.dev_labels
        )
        at = np.arange(len(dev)), target.dev_labels
        assert -dev[at].mean() <= -of_linear[at].mean()
        assert fitted.dev_loss == pytest.approx(-dev[at].mean())
        right = fitted.predicted == gold
        error = np.sqrt((right != linear).sum()) / len(gold)
        assert right.mean() >= linear.mean() - 3 * error


def test_the_mlp_before_its_first_step_is_the_linear_probe() -> None:
    x, y, classes = drawn(3)
    target, test, _ = target_of(x, y, classes)
    mlp = attacker_classes()["mlp"]
    start = mlp.fit(target, attackers(max_rounds=1, decays=(1e9,)).mlp)  # a step that ruins it
    np.testing.assert_allclose(
        start.log_probabilities(test), target.linear.log_probabilities(test), atol=1e-4
    )


# --- fits ------------------------------------------------------------------------------------


def test_what_does_not_converge_says_so_and_is_scored_all_the_same() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(4, size=600)
    target, test, _ = target_of(exclusive_or(rng, y), y, 4)
    few = attackers(max_rounds=1, landmarks=20)
    hurried = Target(**(vars(target) | {"probe": probe_options(1.0, max_iterations=1)}))
    readings = attack(hurried, test, ATTACKERS, few)
    for reading in readings.values():
        assert reading.facts["converged"] == 0
        assert len(reading.predicted) == len(test)


@pytest.mark.parametrize("name", ATTACKERS)
def test_a_fit_is_repeatable_and_leaves_torch_alone(name: str) -> None:
    x, y, classes = drawn(1)
    target, test, _ = target_of(x, y, classes)
    state = torch.random.get_rng_state()
    one, two = (attack(target, test, [name], OPTIONS)[name] for _ in range(2))
    np.testing.assert_array_equal(one.predicted, two.predicted)
    assert one.facts == two.facts
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("name", ATTACKERS)
def test_classes_that_training_lacks_are_never_named(name: str) -> None:
    rng = np.random.default_rng(6)
    y = rng.integers(3, size=400)
    x = rng.normal(size=(400, 6)) + 6 * np.eye(6)[y]
    seen = (y != 1) | (np.arange(400) >= 200)
    part = {"train": x[:200][seen[:200]], "dev": x[200:]}
    label = {"train": y[:200][seen[:200]], "dev": y[200:]}
    linear = fit_probe(part["train"], label["train"], part["dev"], label["dev"], 3, PROBE)
    target = make_target(part, label, linear, PROBE, 0)
    fitted = attacker_classes()[name].fit(target, getattr(OPTIONS, name))
    log_p = fitted.log_probabilities(x)
    assert (np.exp(log_p)[:, 1] == 0).all()
    assert accuracy(log_p.argmax(axis=1)[y != 1], y[y != 1]) > 0.97


@pytest.mark.parametrize("name", ATTACKERS)
def test_options_are_chosen_on_few_vectors_and_the_fit_reads_all(name: str, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(4, size=3000)
    target, test, gold = target_of(exclusive_or(rng, y), y, 4)
    module = f"langspec.attackers.{name}"
    monkeypatch.setattr(f"{module}.CHOICE", 400)
    reading = attack(target, test, [name], attackers(hidden=32, landmarks=200))[name]
    assert accuracy(reading.predicted, gold) > 0.9
    assert reading.facts["converged"] == 1


# --- refusals --------------------------------------------------------------------------------


def refused(bank: Planted) -> str:
    with pytest.raises(LangspecError) as error:
        read(bank)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_bad_vectors_are_refused_in_one_line() -> None:
    broken = signal(np.random.default_rng(0))
    broken[7, 3] = np.inf
    assert "token vectors of layer 0 are not finite" in refused(
        bank_of(broken[None], LANGUAGE, LINE)
    )
    few = LINE % 10 > 2  # two training lines in ten
    few &= LINE < 10
    bank = bank_of(signal(np.random.default_rng(0))[few][None], LANGUAGE[few], LINE[few])
    assert "2 training lines for 4 languages" in refused(bank)
