"""What an audit is asked for, and every default of it: there is no params.yaml here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from langspec.measurement.beyond import BeyondOptions
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.geometry import GeometryOptions
from langspec.measurement.leak import LeakOptions
from langspec.measurement.mixing import MixingOptions
from langspec.measurement.probe import ProbeOptions

SPLITS = (0.6, 0.1, 0.3)
"""Shares of a language's texts that train the probe, choose its regularisation, and test it."""


@dataclass(frozen=True)
class Wanted:
    """Which encoder, and what is said of it that its folder does not say (None: as it says).

    ``folder`` is where a model named otherwise (``models:/...``) lies on this machine.
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
        full: also MLP probe, description length and a random encoder.
        max_texts: texts a language at most, drawn by seed.
        max_tokens: pieces a text at most; None: as many as the encoder reads.
        max_words: words a language at most that are probed one by one, drawn by seed.
        batch_tokens: pieces, padding included, that are encoded at once.
        seed: of splits, samples and random weights.
        force: replace an earlier audit to which other files were added.
        command: the command line, for the page.
    """

    encoders: tuple[Wanted, ...]
    text: Path
    parallel: Path | None = None
    out: Path | None = None
    layers: str | None = None
    full: bool = False
    max_texts: int = 2000
    max_tokens: int | None = None
    max_words: int = 1000
    batch_tokens: int = 2048
    seed: int = 0
    force: bool = False
    command: str = ""


@dataclass(frozen=True)
class Measures:
    """How things are measured; the same for everyone, so that audits can be compared.

    Attributes:
        leak: of the linear probe and its intervals.
        mixing: of nearest neighbours.
        geometry: of clusters, neighbours, subspaces and sizes.
        beyond: of what ``--full`` adds.
        near: Jaccard similarity from which two texts count as near duplicates.
        cache_gb: size of the folder of banks.
    """

    leak: LeakOptions = field(
        default_factory=lambda: LeakOptions(
            probe=ProbeOptions(strengths=(1e-3, 1e-2, 1e-1, 1.0, 10.0)),
            bootstrap=BootstrapOptions(resamples=1000),
        )
    )
    mixing: MixingOptions = field(default_factory=MixingOptions)
    geometry: GeometryOptions = field(default_factory=GeometryOptions)
    beyond: BeyondOptions = field(
        default_factory=lambda: BeyondOptions(run=("mlp", "mdl", "shuffled", "char_ngrams"))
    )
    near: float = 0.8
    cache_gb: float = 5.0
