"""Values of the sections that measurements take, for tests; params.yaml has those of runs."""

from __future__ import annotations

from functools import partial

from langspec.attackers.known_attackers import Attackers, AttackersBase
from langspec.attackers.mlp import MlpAttacker
from langspec.attackers.rbf import RbfAttacker
from langspec.erasure.choice import make_eraser as make
from langspec.measurement.probe_options import ProbeOptions
from langspec.measures.beyond_linear import BeyondOptions, NgramOptions
from langspec.measures.space_geometry import GeometryOptions
from langspec.measures.tsne_map import ProjectionOptions
from langspec.presets import load_preset


def probe_options(
    *strengths: float, tolerance: float = 3e-5, max_iterations: int = 500
) -> ProbeOptions:
    """A linear probe that is fitted at these C."""
    values = {"tolerance": tolerance, "max_iterations": max_iterations}
    return ProbeOptions(strengths=list(strengths), **values)


PROBE = probe_options(1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)


def attackers(
    hidden: int = 64,
    decays: tuple[float, ...] = (0.01, 1.0),
    max_rounds: int = 100,
    landmarks: int = 256,
    widths: tuple[float, ...] = (0.5, 1.0, 2.0),
) -> AttackersBase:
    """Non-linear attackers."""
    mlp = MlpAttacker(hidden=hidden, decays=list(decays), max_rounds=max_rounds)
    return Attackers(mlp=mlp, rbf=RbfAttacker(landmarks=landmarks, widths=list(widths)))


NGRAMS = NgramOptions(longest=4, strengths=[1.0, 10.0, 100.0])
BEYOND = BeyondOptions(
    run=["mlp", "mdl", "selectivity", "shuffled", "char_ngrams"],
    layers=None,
    max_train_per_language=None,
    char_ngrams=NGRAMS,
    task_text=0,
)
GEOMETRY = GeometryOptions(
    run=True, vectors=200, per_class=100, starts=3, neighbours=10, candidates=1000
)
_OF_ERASERS = ("run=[]", "of=[]", "layers=head", "anchor=all", "lir.rank=1", "inlp.rounds=10")
ERASERS = load_preset("demo", [f"evaluate.erasers.{one}" for one in _OF_ERASERS]).evaluate.erasers


def geometry_options(**changes: int) -> GeometryOptions:
    """Geometry with some values changed."""
    return GEOMETRY.model_copy(update=changes)


def projection_options(
    per_class: int = 10, max_points: int = 3000, perplexity: float = 30.0
) -> ProjectionOptions:
    """A map of the space."""
    return ProjectionOptions(per_class=per_class, max_points=max_points, perplexity=perplexity)


make_eraser = partial(make, values=ERASERS)
