"""The options of an audit and their defaults: an audit reads no params.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from langspec.attackers.known_attackers import Attackers, AttackersBase
from langspec.attackers.mlp import MlpAttacker
from langspec.attackers.rbf import RbfAttacker
from langspec.errors import LangspecError
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.probe_options import ProbeOptions
from langspec.measures.beyond_linear import BeyondOptions, NgramOptions
from langspec.measures.linear_leak import LeakOptions
from langspec.measures.space_geometry import GeometryOptions

SPLITS = (0.6, 0.1, 0.3)
"""Shares of a language's texts that train the probe, choose its regularisation, and test it."""
CACHE_GB = 5.0
"""Size of the folder of banks that audits and repairs share, in gigabytes."""


def check_seed(seed: int) -> None:
    """Refuse a seed that does not fit into 32 bits.

    Raises:
        LangspecError: it does not.
    """
    if not 0 <= seed < 1 << 32:
        raise LangspecError(f"{seed}; expected 0 to {(1 << 32) - 1}", place="--seed")


def word_limits(most: int) -> dict[str, int]:
    """Words of a language at most by split: ``most`` train, dev and test have their shares."""
    train, *rest = SPLITS
    others = (round(most * share / train) for share in rest)
    return dict(zip(("train", "dev", "test"), (most, *others), strict=True))


@dataclass(frozen=True)
class EncoderChoice:
    """Which encoder, its prefix and its pooling (None: as its folder states).

    ``folder`` holds a model of another name (``models:/...``) on this machine.
    """

    encoder: str
    prefix: str | None = None
    pooling: str | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class AuditOptions:
    """An audit.

    Attributes:
        encoders: one, or two that are compared.
        text: folder of language text.
        parallel: folder of translations, line by line; may be ``text``; None: there are none.
        out: folder to write; None: ``audit-NAME`` in the working folder.
        layers: as the user wrote them, such as ``0,4-6,-1``; None: all.
        full: also non-linear attackers, description length and a random encoder.
        max_texts: texts a language at most, drawn by seed.
        max_tokens: pieces a text at most; None: as many as the encoder reads.
        max_words: words a language at most that probes of words are trained on, drawn by seed; as
            many more choose and test as :data:`SPLITS` has for them.
        prefix_words: are words read behind the encoder's prefix too? It is a convention of pooled
            vectors. False costs a second encoding pass where there is a prefix.
        batch_tokens: pieces, padding included, that are encoded at once.
        seed: of splits, samples and random weights.
        precision: ``fp32``, ``bf16`` or ``fp16`` of the encoding pass; ``auto``: the fastest that
            the machine multiplies in hardware.
        force: replace an earlier audit to which other files were added.
        command: the command line, for the page.
    """

    encoders: tuple[EncoderChoice, ...]
    text: Path
    parallel: Path | None = None
    out: Path | None = None
    layers: str | None = None
    full: bool = False
    max_texts: int = 2000
    max_tokens: int | None = None
    max_words: int = 1000
    prefix_words: bool = False
    batch_tokens: int = 2048
    seed: int = 0
    precision: str = "auto"
    force: bool = False
    command: str = ""


PROBE = ProbeOptions(strengths=[1e-3, 1e-2, 1e-1, 1.0, 10.0], max_iterations=500, tolerance=3e-5)
"""How every linear probe of an audit is fitted."""
BOOTSTRAP = BootstrapOptions(resamples=1000, seed=0)
"""How the intervals of an audit resample."""
NEIGHBOURS_BOOTSTRAP = BootstrapOptions(resamples=100, seed=0)
"""How those of neighbourhoods do: a resample weighs all neighbourhoods anew, at every layer."""
BEYOND_PROBE = PROBE.model_copy(update={"strengths": [1e-4, *PROBE.strengths, 100.0]})
"""The probes of ``--full``: some read few vectors, some labels without meaning."""
BEYOND = BeyondOptions(
    run=["mlp", "rbf", "mdl", "shuffled", "char_ngrams"],
    layers=None,
    max_train_per_language=None,
    char_ngrams=NgramOptions(longest=4, strengths=[1.0, 10.0, 100.0]),
    task_text=0,
)
LEAK = LeakOptions(rising=0.01, curve=None)
ATTACKERS = Attackers(
    mlp=MlpAttacker(hidden=64, decays=[0.01, 1.0], max_rounds=100),
    rbf=RbfAttacker(landmarks=512, widths=[0.5, 1.0, 2.0]),
)
"""The non-linear attackers of ``--full``."""
GEOMETRY = GeometryOptions(
    run=True, vectors=200, per_class=100, starts=3, neighbours=10, candidates=1000
)


@dataclass(frozen=True)
class Measures:
    """How things are measured; the same for everyone, so that audits can be compared.

    Attributes:
        probe: of the linear probe.
        bootstrap: of the intervals.
        neighbours_bootstrap: of the intervals of neighbourhoods.
        geometry: of clusters, neighbours, subspaces and sizes.
        leak: of the leak's curve.
        beyond: of what ``--full`` adds.
        attackers: of its non-linear probes.
        beyond_probe: of its linear probes.
        near: Jaccard similarity from which two texts count as near duplicates.
        cache_gb: size of the folder of banks.
    """

    probe: ProbeOptions = PROBE
    bootstrap: BootstrapOptions = BOOTSTRAP
    neighbours_bootstrap: BootstrapOptions = NEIGHBOURS_BOOTSTRAP
    geometry: GeometryOptions = GEOMETRY
    leak: LeakOptions = LEAK
    beyond: BeyondOptions = BEYOND
    attackers: AttackersBase = ATTACKERS
    beyond_probe: ProbeOptions = BEYOND_PROBE
    near: float = 0.8
    cache_gb: float = CACHE_GB
