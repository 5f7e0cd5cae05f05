"""A converged multinomial logistic probe, its regularisation chosen on validation data.

Three things make probe numbers comparable between encoders. Features are standardised, because
smaller vectors are not less informative ones. The strength of L2 is chosen for each condition,
because one strength for all would be a confound. The optimum is reached, which is checked and
reported.

:mod:`langspec.measurement.multinomial` is the solver. Where training rows are many, a fit with
every C on a part of them says where the fits on all start, and that no smaller C need be tried:
more rows need no stronger penalty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from langspec.errors import LangspecError
from langspec.measurement.multinomial import Objective, Watch, minimise
from langspec.measurement.probe_options import ProbeOptions

PATH_TOLERANCE = 1e-3
"""The tolerance of fits that only choose C; the chosen C is fitted to the options' tolerance."""
_WAIT = 4
"""Iterations after which a C that is worse on validation data is given up, see :class:`_Worse`."""

_CHUNK = 1024


@dataclass(frozen=True)
class ProbeStep:
    """The fit with one C.

    Attributes:
        c: inverse strength of the L2 penalty.
        dev_loss: validation log-loss, nats a row.
        iterations: of L-BFGS.
        gradient: largest entry of the gradient (see :class:`ProbeOptions`, ``tolerance``).
        converged: is it within the tolerance?
    """

    c: float
    dev_loss: float
    iterations: int
    gradient: float
    converged: bool


@dataclass(frozen=True)
class Probe:
    """A fitted probe: ``scores = (x - mean) / scale @ weights.T + intercepts``.

    Attributes:
        mean: float64 ``[H]``, mean of the training features.
        scale: float64 ``[H]``, their standard deviation (1 where they do not vary).
        weights: float64 ``[K, H]``; rows of classes without training rows are zero.
        intercepts: float64 ``[K]``; -inf for classes without training rows.
        path: the fits with each C, in order.
        chosen: index into ``path``.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    intercepts: np.ndarray
    path: tuple[ProbeStep, ...]
    chosen: int

    @property
    def chosen_c(self) -> float:
        """The C with the least validation log-loss."""
        return self.path[self.chosen].c

    @property
    def iterations(self) -> int:
        """L-BFGS iterations of all fits together."""
        return sum(step.iterations for step in self.path)

    @property
    def converged(self) -> bool:
        """Did the fit with every C reach its tolerance? The choice compares them all."""
        return all(step.converged for step in self.path)

    @property
    def facts(self) -> dict[str, float]:
        """Of the fit: ``chosen_c``, ``iterations`` and ``converged`` (0 or 1), as rows have it."""
        return {
            "chosen_c": self.chosen_c,
            "iterations": self.iterations,
            "converged": self.converged,
        }

    def log_probabilities(self, features: np.ndarray) -> np.ndarray:
        """Log-probabilities float64 ``[N, K]`` (nats) of features ``[N, H]``."""
        scaled = (np.asarray(features, dtype=np.float64) - self.mean) / self.scale
        return log_softmax(scaled @ self.weights.T + self.intercepts)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """int64 ``[N]``: the most probable class of features ``[N, H]``."""
        return self.log_probabilities(features).argmax(axis=1)


def log_softmax(scores: np.ndarray) -> np.ndarray:
    """Log-probabilities ``[N, K]`` (nats) of scores ``[N, K]``."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def usable_rows(
    train: np.ndarray, train_labels: np.ndarray, dev: np.ndarray, dev_labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The classes ``[P]`` of the training rows, and which validation rows ``[M]`` are of these.

    Raises:
        LangspecError: what :func:`fit_probe` refuses.
    """
    present = np.unique(train_labels)
    if len(present) < 2:
        raise LangspecError(
            f"a probe needs at least two classes in its training rows, found {len(present)}"
        )
    usable = np.isin(dev_labels, present)
    if not usable.any():
        raise LangspecError("a probe needs validation rows to choose its regularisation on")
    if not (np.isfinite(train).all() and np.isfinite(dev).all()):
        raise LangspecError("the features given to a probe are not finite")
    return present, usable


def standardisation(train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation float64 ``[H]`` of features ``[N, H]``.

    The deviation of a feature that does not vary is given as 1.
    """
    mean = train.mean(axis=0, dtype=np.float64)
    scale = train.std(axis=0, dtype=np.float64)
    scale[scale <= 1e-6 * np.abs(train).max(axis=0)] = 1.0
    scale[scale == 0.0] = 1.0
    return mean, scale


def fit_probe(
    train: np.ndarray,
    train_labels: np.ndarray,
    dev: np.ndarray,
    dev_labels: np.ndarray,
    classes: int,
    options: ProbeOptions,
    *,
    patience: int = 1,
    scaled: bool = True,
) -> Probe:
    """Fit with one C after the other and choose the one with the least validation log-loss.

    Args:
        train: features ``[N, H]``.
        train_labels: int ``[N]`` in ``0..classes-1``.
        dev: features ``[M, H]`` that choose C.
        dev_labels: int ``[M]``; rows of classes that training lacks are not used.
        classes: number of classes K.
        options: candidate C in ascending order, tolerance, limit of iterations.
        patience: after so many C in a row that are no better than the best, no further C is tried;
            of many rows (:data:`langspec.measurement.multinomial.MANY`) after one.
        scaled: divide each feature by its deviation? Else the features are only centred.

    Raises:
        LangspecError: fewer than two classes in the training rows, no usable validation row,
            features that are not finite.
    """
    present, usable = usable_rows(train, train_labels, dev, dev_labels)
    mean, scale = standardisation(train)
    if not scaled:
        scale = np.ones_like(scale)

    def standardise(features: np.ndarray) -> np.ndarray:
        out = np.empty(features.shape, dtype=np.float32)
        for low in range(0, len(features), _CHUNK):  # float64 in the processor's cache
            out[low : low + _CHUNK] = (features[low : low + _CHUNK] - mean) / scale
        return out

    objective = Objective(standardise(train), np.searchsorted(present, train_labels))
    dev_y = np.searchsorted(present, dev_labels[usable])
    path = _Path(objective, standardise(dev[usable]).astype(np.float64), dev_y, options, patience)
    zero = np.zeros((len(present), train.shape[1] + 1))
    steps, chosen, best = path.of_many(zero) if objective.many else path.follow(zero)
    return Probe(mean, scale, *_of_all(best, present, classes), tuple(steps), chosen)


class _Path:
    """The fits with one C after the other, each started from the one before.

    Args:
        objective: of the training rows.
        dev: standardised features float64 ``[M, H]`` that choose C.
        dev_labels: int ``[M]``.
        options: candidate C, tolerance, limit of iterations.
        patience: see :func:`fit_probe`.
    """

    def __init__(
        self,
        objective: Objective,
        dev: np.ndarray,
        dev_labels: np.ndarray,
        options: ProbeOptions,
        patience: int,
    ) -> None:
        self.objective, self.dev, self.dev_labels = objective, dev, dev_labels
        self.options, self.patience = options, patience

    def follow(self, point: np.ndarray) -> tuple[list[ProbeStep], int, np.ndarray]:
        """The steps, which of them was chosen, and its parameters ``[K, H+1]``."""
        steps, chosen, best = self._along(self.objective, point)
        best, last = self._fit(self.objective, best, steps[chosen].c, self.options.tolerance)
        steps[chosen] = replace(last, iterations=steps[chosen].iterations + last.iterations)
        return steps, chosen, best

    def of_many(self, point: np.ndarray) -> tuple[list[ProbeStep], int, np.ndarray]:
        """:meth:`follow` from the C that a part of the rows chose; the steps are of all rows.

        Its fit goes to the options' tolerance at once. A weaker penalty is given up as soon as it
        is seen to be worse (:class:`_Worse`), and is then no step.
        """
        options = self.options
        _, first, point = self._along(self.objective.part(), point, watched=True)
        best, step = self._fit(self.objective, point, options.strengths[first], options.tolerance)
        steps = [step]
        for c in options.strengths[first + 1 :]:
            worse = _Worse(self._loss, steps[-1].dev_loss)
            point, step = self._fit(self.objective, best, c, options.tolerance, worse)
            if worse.sure or step.dev_loss >= steps[-1].dev_loss:
                break
            best, steps = point, [*steps, step]
        return steps, len(steps) - 1, best

    def _along(
        self, objective: Objective, point: np.ndarray, *, watched: bool = False
    ) -> tuple[list[ProbeStep], int, np.ndarray]:
        """:meth:`follow`, without the last fit; ``watched``: worse ones are given up early."""
        best, chosen, steps = point, 0, list[ProbeStep]()
        for c in self.options.strengths:
            worse = _Worse(self._loss, steps[-1].dev_loss) if watched and steps else None
            point, step = self._fit(objective, point, c, PATH_TOLERANCE, worse)
            steps.append(step)
            if step.dev_loss < steps[chosen].dev_loss or len(steps) == 1:
                chosen, best = len(steps) - 1, point
            elif len(steps) - 1 - chosen >= self.patience:
                break
        return steps, chosen, best

    def _fit(
        self,
        objective: Objective,
        point: np.ndarray,
        c: float,
        tolerance: float,
        watch: Watch | None = None,
    ) -> tuple[np.ndarray, ProbeStep]:
        limit = self.options.max_iterations
        fit = minimise(objective, point, c, tolerance, limit, watch)
        loss, converged = self._loss(fit.point), fit.gradient <= tolerance
        return fit.point, ProbeStep(c, loss, fit.iterations, fit.gradient, converged)

    def _loss(self, point: np.ndarray) -> float:
        """Validation log-loss of parameters ``[K, H+1]``, nats a row."""
        scores = self.dev @ point[:, :-1].T + point[:, -1]
        return float(-log_softmax(scores)[np.arange(len(scores)), self.dev_labels].mean())


class _Worse:
    """Watches a fit: is its C surely worse than the one that it started from?

    It is where the validation log-loss has been above that of the start, and the last time by a
    hundredth of it, after :data:`_WAIT` iterations in a row.

    Args:
        loss: validation log-loss of parameters.
        best: that of the start.

    Attributes:
        sure: it is worse.
    """

    def __init__(self, loss: Callable[[np.ndarray], float], best: float) -> None:
        self._loss, self._best, self._above = loss, best, 0
        self.sure = False

    def __call__(self, point: np.ndarray) -> bool:
        loss = self._loss(point)
        self._above = self._above + 1 if loss > self._best else 0
        self.sure = self._above >= _WAIT and loss > 1.01 * self._best
        return self.sure


def _of_all(theta: np.ndarray, present: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights and intercepts of all classes, of the parameters ``[P, H+1]`` of those present."""
    weights = np.zeros((classes, theta.shape[1] - 1))
    weights[present] = theta[:, :-1]
    intercepts = np.full(classes, -np.inf)
    intercepts[present] = theta[:, -1]
    return weights, intercepts


def fit_probe_on(
    fit: np.ndarray,
    choose: np.ndarray,
    vectors: np.ndarray,
    labels: np.ndarray,
    classes: int,
    options: ProbeOptions,
) -> Probe:
    """:func:`fit_probe` on parts of one set of vectors.

    Args:
        fit: positions in ``vectors``, or bool ``[N]``: what it is fitted on.
        choose: the same, of what chooses its regularisation.
        vectors: float ``[N, H]``.
        labels: int64 ``[N]``.
        classes: how many there are.
        options: of the probe.
    """
    return fit_probe(vectors[fit], labels[fit], vectors[choose], labels[choose], classes, options)
