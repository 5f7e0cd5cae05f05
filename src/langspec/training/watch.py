"""Collapse and divergence: what a run shows while it goes wrong, named.

A watch looks at windows of steps. Each symptom is a rule over one window, and has to hold for
several in a row. Symptoms that are listed as failures mark the run failed, and end it where that
is asked for: such a run is never the best of its seeds. All others are warnings. That an adversary
is at chance is no symptom and no success: a fresh probe may still read the language.

================= ==========================================================================
``diverged``      a loss or a gradient became NaN or infinite (at once, always a failure)
``constant``      the task head says one class for everything while the gold labels differ
``norm``          language vectors shrink: norm or spread below a share of the first window's
``rank``          their effective rank is nearly one: all units on a line
``adversary``     the adversary's cross-entropy is above ln K: it is confidently wrong, and the
                  encoder moves languages about instead of together
``variance``      the share of variance between languages has risen above the first window's
``target_dev``    target-language dev falls while source dev holds (by epoch; a watch, never a
                  criterion of selection: as a failure it would use target labels)
================= ==========================================================================
"""

from __future__ import annotations

import logging
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from langspec.section import Count, Natural, Section, Share

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator

logger = logging.getLogger(__name__)


class WatchOptions(Section):
    """Collapse and divergence: when a symptom is one, and what follows."""

    every: Count  # steps a window
    patience: Count  # windows in a row (epochs, for ``target_dev``)
    stop: bool  # end a failed run at once
    fail: list[
        Literal["diverged", "constant", "norm", "rank", "adversary", "variance", "target_dev"]
    ]
    norm: Share  # smallest norm and spread, as a share of the first window's
    rank: Annotated[float, Field(ge=1)]  # smallest effective rank
    excess: Annotated[float, Field(ge=0)]  # of the adversary's cross-entropy, as a share of ln K
    variance: Share  # rise of the between-language share of variance over the first window's
    target_drop: Share  # fall of the targets' mean dev score from its best ...
    source_drop: Share  # ... while the source's is within this of its best
    target_rows: Natural  # dev rows a target language to watch; 0: none


@dataclass(frozen=True)
class Symptom:
    """What was seen, when, and its numbers in words."""

    name: str
    step: int
    text: str


class Moments:
    """Sums of vectors of several languages, from which their geometry follows."""

    def __init__(self, languages: int) -> None:
        self.languages = languages
        self.tensors: dict[str, torch.Tensor] = {}

    def add(self, vectors: torch.Tensor, languages: torch.Tensor) -> None:
        """Vectors ``[N, H]`` and their languages ``[N]`` (IGNORED: not counted)."""
        import torch

        from langspec.tasks.task import IGNORED

        known = languages != IGNORED
        vectors, languages = vectors[known].double(), languages[known]
        if not self.tensors:
            k, h = self.languages, vectors.shape[1]
            zeros = {"counts": (k,), "sums": (k, h), "products": (h, h), "norms": (1,)}
            self.tensors = {
                name: vectors.new_zeros(shape, dtype=torch.float64)
                for name, shape in zeros.items()
            }
        gathered = self.tensors
        gathered["counts"] += torch.bincount(languages, minlength=self.languages)
        gathered["sums"].index_add_(0, languages, vectors)
        gathered["products"] += vectors.T @ vectors
        gathered["norms"] += vectors.norm(dim=1).sum()

    def geometry(self) -> dict[str, float]:
        """Of all that was added.

        ``feature_norm``: mean norm. ``feature_spread``: root mean squared distance to the mean.
        ``effective_rank``: exp of the entropy of the covariance's normalised eigenvalues (after
        Roy & Vetterli 2007). ``language_variance``: share of the variance that lies between
        languages, corrected for chance (omega squared, so 0 where languages do not differ).
        """
        import torch

        counts, sums = self.tensors["counts"], self.tensors["sums"]
        n, mean = float(counts.sum()), sums.sum(0) / counts.sum().clamp(min=1)
        covariance = self.tensors["products"] / max(n, 1.0) - torch.outer(mean, mean)
        total = max(0.0, float(covariance.diagonal().sum())) * n
        there = counts > 0
        centres = sums[there] / counts[there, None]
        between = float((counts[there, None] * (centres - mean).square()).sum())
        freedom = float(there.sum()) - 1
        within = max(0.0, total - between) / max(1.0, n - freedom - 1)
        share = (between - freedom * within) / (total + within) if total > 0 else 0.0
        values = torch.linalg.eigvalsh(covariance).clamp(min=0)
        shares = values / values.sum().clamp(min=1e-300)
        rank = float(torch.exp(torch.special.entr(shares).sum()))
        return {
            "feature_norm": float(self.tensors["norms"]) / max(n, 1.0),
            "feature_spread": math.sqrt(total / max(n, 1.0)),
            "effective_rank": rank,
            "language_variance": min(1.0, max(0.0, share)),
        }


@dataclass
class _Memory:
    """What has to survive an interruption, as plain values."""

    symptoms: list[dict[str, Any]] = field(default_factory=list)
    streaks: dict[str, int] = field(default_factory=dict)
    reference: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    cross_entropy: float = 0.0
    best_source: float = -1.0
    best_target: float = -1.0


class Watch:
    """The watch of one run."""

    def __init__(self, options: WatchOptions, *, classes: int, languages: int) -> None:
        import torch

        self.options = options
        self.languages = languages
        self._moments = Moments(max(1, languages))
        self._predicted = torch.zeros(classes, dtype=torch.float64)
        self._gold = torch.zeros(classes, dtype=torch.float64)
        self._memory = _Memory()

    # What objectives tell, in this process.

    def predictions(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Task logits ``[N, C]`` and gold labels ``[N]``."""
        import torch

        from langspec.tasks.task import IGNORED

        known = labels != IGNORED
        for counts, shown in ((self._predicted, logits.argmax(-1)), (self._gold, labels)):
            counts += torch.bincount(shown[known].cpu(), minlength=len(counts))

    def features(self, vectors: torch.Tensor, languages: torch.Tensor) -> None:
        """Language vectors ``[N, H]`` and their languages ``[N]``."""
        self._moments.add(vectors, languages)

    # What the loop asks.

    @property
    def symptoms(self) -> list[Symptom]:
        """All symptoms seen, each name once, in order."""
        return [Symptom(**values) for values in self._memory.symptoms]

    @property
    def failure(self) -> Symptom | None:
        """The first symptom that fails the run, if any."""
        fatal = (*self.options.fail, "diverged")
        return next((symptom for symptom in self.symptoms if symptom.name in fatal), None)

    @property
    def stops(self) -> bool:
        """Must the run end? (Nothing goes on from what is not a number.)"""
        seen = self.failure is not None
        return seen and (self.options.stop or any(s.name == "diverged" for s in self.symptoms))

    def note(self, name: str, step: int, text: str) -> None:
        """A symptom; only its first time counts."""
        if name not in {symptom.name for symptom in self.symptoms}:
            self._memory.symptoms.append(asdict(Symptom(name, step, text)))
            failed = name in (*self.options.fail, "diverged")
            level = logging.ERROR if failed else logging.WARNING
            logger.log(level, "step %d: %s: %s", step, name, text)

    def end_of_step(
        self, step: int, metrics: dict[str, float], accelerator: Accelerator
    ) -> dict[str, float]:
        """After each step, with its metrics; at the end of a window what the window shows."""
        memory = self._memory
        memory.steps += 1
        memory.cross_entropy += metrics.get("adversary_cross_entropy", 0.0)
        if memory.steps < self.options.every:
            return {}
        watched = "adversary_cross_entropy" in metrics
        shown = self._window(step, watched, accelerator)
        memory.steps, memory.cross_entropy = 0, 0.0
        self._moments = Moments(self.languages)
        self._predicted.zero_()
        self._gold.zero_()
        return shown

    def end_of_epoch(self, step: int, source: float, target: float | None) -> None:
        """Dev scores of the source and, where there are rows, the mean of the targets."""
        if target is None:
            return
        memory, options = self._memory, self.options
        memory.best_source = max(memory.best_source, source)
        memory.best_target = max(memory.best_target, target)
        falls = memory.best_target - target > options.target_drop
        holds = memory.best_source - source <= options.source_drop
        # One epoch is evidence enough: there are few, and each is scored on whole dev sets.
        self._judge("target_dev", falls and holds, step, 1, (
            f"target dev {target:.3f}, was {memory.best_target:.3f}, while source dev holds at "
            f"{source:.3f}"
        ))  # fmt: skip

    def _judge(self, name: str, seen: bool, step: int, patience: int, text: str) -> None:
        streaks = self._memory.streaks
        streaks[name] = streaks.get(name, 0) + 1 if seen else 0
        if streaks[name] >= patience:
            self.note(name, step, text)

    def _window(self, step: int, adversary: bool, accelerator: Accelerator) -> dict[str, float]:
        import torch

        options, memory = self.options, self._memory
        device = accelerator.device
        both = torch.stack([self._predicted, self._gold]).to(device)
        predicted, gold = accelerator.reduce(both, reduction="sum").cpu() > 0
        self._judge(
            "constant",
            int(predicted.sum()) == 1 and int(gold.sum()) > 1,
            step,
            options.patience,
            f"every prediction of {options.patience * options.every} steps is class "
            f"{int(predicted.int().argmax())}",
        )
        shown: dict[str, float] = {}
        if self._moments.tensors:
            for name, tensor in self._moments.tensors.items():
                self._moments.tensors[name] = accelerator.reduce(tensor, reduction="sum")
            shown = self._moments.geometry()
            memory.reference = memory.reference or shown
            first = memory.reference
            sizes = ("feature_norm", "feature_spread")
            self._judge(
                "norm",
                any(shown[key] < options.norm * first[key] for key in sizes),
                step,
                options.patience,
                "language vectors have norm {feature_norm:.3g} and spread {feature_spread:.3g}, "
                "at first {0:.3g} and {1:.3g}".format(*(first[key] for key in sizes), **shown),
            )
            self._judge(
                "rank",
                shown["effective_rank"] < options.rank,
                step,
                options.patience,
                f"language vectors have effective rank {shown['effective_rank']:.2f}",
            )
            share, before = shown["language_variance"], first["language_variance"]
            self._judge(
                "variance",
                share - before > options.variance,
                step,
                options.patience,
                f"{share:.0%} of the variance lies between languages, at first {before:.0%}",
            )
        if adversary:
            mean, chance = memory.cross_entropy / memory.steps, math.log(max(2, self.languages))
            self._judge(
                "adversary",
                mean > (1 + options.excess) * chance,
                step,
                options.patience,
                f"adversary cross-entropy {mean:.2f} is above ln {self.languages} = {chance:.2f}",
            )
        return shown

    # Checkpoints.

    def state(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return asdict(self._memory)

    def tensors(self, accelerator: Accelerator) -> dict[str, torch.Tensor]:
        """The unfinished window's sums, ``[processes, ...]`` each, for a checkpoint."""
        gathered = {"predicted": self._predicted, "gold": self._gold, **self._moments.tensors}
        return {
            name: accelerator.gather(tensor.to(accelerator.device)[None])
            for name, tensor in gathered.items()
        }

    def load(
        self, state: dict[str, Any], tensors: dict[str, torch.Tensor], accelerator: Accelerator
    ) -> None:
        """Put back :meth:`state` and this process's part of :meth:`tensors`."""
        self._memory = _Memory(**state)
        gathered = {
            name: tensor[accelerator.process_index].clone() for name, tensor in tensors.items()
        }
        self._predicted, self._gold = gathered.pop("predicted"), gathered.pop("gold")
        self._moments.tensors = {
            name: tensor.to(accelerator.device) for name, tensor in gathered.items()
        }
