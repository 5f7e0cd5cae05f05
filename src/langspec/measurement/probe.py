"""A converged multinomial logistic probe, its regularisation chosen on validation data.

Three things make probe numbers comparable between encoders: features are standardised (a shrunken
representation is not a less informative one), the strength of L2 is chosen for each condition (one
strength for all is a confound), and the optimum is reached, which is checked and reported.

The objective is that of scikit-learn's ``LogisticRegression``: the sum of the log-losses plus
``|W|^2 / (2 C)``, intercepts free (two classes keep two rows of W: scikit-learn's at 2 C). It is
minimised by L-BFGS after an exact change of variables: features are rotated to their principal
axes, which leaves the penalty as it is, and every coefficient is scaled by an estimate of its
curvature. Correlated features, as encoders have them, then cost tens of iterations, not hundreds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.optimize import minimize

from langspec.errors import LangspecError


@dataclass(frozen=True)
class ProbeOptions:
    """How a probe is fitted.

    Attributes:
        strengths: candidate C, ascending (from strong to weak regularisation).
        tolerance: largest entry of the gradient of the mean objective (relative to the objective
            where that is below 1) that counts as converged at the C that is chosen.
        path_tolerance: the same for the other C, which are only compared.
        max_iterations: of L-BFGS for one C and tolerance.
        patience: the path ends after so many C in a row that are worse on validation data.
    """

    strengths: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
    tolerance: float = 3e-5
    path_tolerance: float = 1e-3
    max_iterations: int = 500
    patience: int = 1


@dataclass(frozen=True)
class ProbeStep:
    """One C: validation log-loss (nats a row), effort, largest gradient entry (relative)."""

    c: float
    dev_loss: float
    iterations: int
    gradient: float
    converged: bool


@dataclass(frozen=True)
class Probe:
    """A fitted probe: ``scores = (x - mean) / scale @ weights.T + intercepts``.

    Attributes:
        mean: float64 ``[H]`` of the training features.
        scale: float64 ``[H]``, their standard deviation (1 where they do not vary).
        weights: float64 ``[K, H]``; rows of classes without training rows are zero.
        intercepts: float64 ``[K]``; -inf for classes without training rows.
        path: the C tried, in order.
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
        """L-BFGS iterations over the whole path."""
        return sum(step.iterations for step in self.path)

    @property
    def converged(self) -> bool:
        """Did every C of the path reach its tolerance (the choice compares them all)?"""
        return all(step.converged for step in self.path)

    def log_probabilities(self, features: np.ndarray) -> np.ndarray:
        """float64 ``[N, K]`` of features ``[N, H]``."""
        scaled = (np.asarray(features, dtype=np.float64) - self.mean) / self.scale
        return log_softmax(scaled @ self.weights.T + self.intercepts)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """int64 ``[N]``: the most probable class of features ``[N, H]``."""
        return self.log_probabilities(features).argmax(axis=1)


def log_softmax(scores: np.ndarray) -> np.ndarray:
    """Logarithms of probabilities ``[N, K]`` from scores ``[N, K]``."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


class _Objective:
    """Mean log-loss + |W|^2 / (2 C N) on rotated features, and its gradient."""

    def __init__(self, features: np.ndarray, labels: np.ndarray, classes: int) -> None:
        self.x = torch.from_numpy(features)
        self.y = torch.from_numpy(labels)[:, None]
        self.n, self.width = features.shape
        self.classes = classes
        self.penalty = 0.0

    def scores(self, theta: np.ndarray) -> torch.Tensor:
        """``[N, K]`` of parameters ``[K, H+1]``, the intercept last."""
        weights = torch.from_numpy(theta).to(self.x.dtype)
        return torch.addmm(weights[:, -1], self.x, weights[:, :-1].T)

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient ``[K, H+1]``, float64."""
        log_p = torch.log_softmax(self.scores(theta), dim=1)
        loss = -log_p.gather(1, self.y).sum(dtype=torch.float64).item() / self.n
        residual = log_p.exp_()
        residual.scatter_add_(1, self.y, residual.new_full(self.y.shape, -1.0))
        gradient = np.empty_like(theta)
        gradient[:, :-1] = (residual.T @ self.x).numpy()
        gradient[:, -1] = residual.sum(dim=0, dtype=torch.float64).numpy()
        gradient /= self.n
        weights = theta[:, :-1]
        loss += 0.5 * self.penalty * float(np.vdot(weights, weights))
        gradient[:, :-1] += self.penalty * weights
        return loss, gradient

    def spread(self, theta: np.ndarray) -> np.ndarray:
        """Mean of p (1 - p) of each class, ``[K]``: the curvature of its scores."""
        p = torch.softmax(self.scores(theta), dim=1)
        return np.asarray((p * (1 - p)).mean(dim=0, dtype=torch.float64))


def _relative(value: float, gradient: np.ndarray) -> float:
    """Largest gradient entry, over the objective where that is below 1.

    Where classes are separable losses are near zero, and so are gradients far from the optimum.
    """
    return float(np.abs(gradient).max() / min(1.0, max(value, 1e-12)))


class _Reached(Exception):
    """A point ``[K, H+1]`` whose gradient is within the tolerance: L-BFGS may end here."""

    def __init__(self, point: np.ndarray) -> None:
        self.point = point


class _Scaled:
    """The objective in coordinates in which every parameter has a curvature near 1."""

    def __init__(self, objective: _Objective, scale: np.ndarray, tolerance: float) -> None:
        self.objective = objective
        self.scale = scale
        self.tolerance = tolerance
        self.iterations = 0
        self.evaluations = 0

    def __call__(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        self.evaluations += 1
        point = flat.reshape(self.scale.shape) * self.scale
        value, gradient = self.objective(point)
        if _relative(value, gradient) <= self.tolerance:
            raise _Reached(point)
        return value, (gradient * self.scale).ravel()

    def minimise(self, point: np.ndarray, max_iterations: int) -> np.ndarray:
        """L-BFGS from ``point`` to the tolerance, the limit, or as far as rounding lets it."""

        def count(_: np.ndarray) -> None:
            self.iterations += 1

        try:
            found = minimize(
                self,
                (point / self.scale).ravel(),
                jac=True,
                method="L-BFGS-B",
                callback=count,
                # Only our own criterion ends it: on the gradient in the probe's own coordinates.
                options={"maxiter": max_iterations, "maxcor": 20, "ftol": 0.0, "gtol": 0.0},
            )
        except _Reached as reached:
            self.iterations += self.evaluations > 1  # the step that arrived, if one was needed
            return reached.point
        return found.x.reshape(self.scale.shape) * self.scale


def _fit(
    objective: _Objective,
    theta: np.ndarray,
    variances: np.ndarray,
    c: float,
    tolerance: float,
    max_iterations: int,
) -> tuple[np.ndarray, int, float]:
    """Minimise for one C from ``theta``; return parameters, iterations, largest gradient entry.

    ``variances`` ``[H+1]`` are those of the rotated features (1 for the intercept).
    """
    objective.penalty = 1.0 / (c * objective.n)
    iterations = 0
    gradient = np.inf
    x = objective.x
    # Where rounding in float32 stops the line search (separable classes: losses near zero),
    # float64 goes on from there, with the scale that the curvature has by then.
    for precision in (torch.float32, torch.float64):
        objective.x = x.to(precision)
        curvature = np.maximum(objective.spread(theta), 1e-6)[:, None] * variances
        curvature[:, :-1] += objective.penalty
        scaled = _Scaled(objective, 1.0 / np.sqrt(curvature), tolerance)
        theta = scaled.minimise(theta, max_iterations - iterations)
        iterations += scaled.iterations
        gradient = _relative(*objective(theta))
        if gradient <= tolerance or iterations >= max_iterations:
            break
    objective.x = x
    return theta, iterations, gradient


def usable_rows(
    train: np.ndarray, train_labels: np.ndarray, dev: np.ndarray, dev_labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The classes of the training rows, and bool ``[M]``: validation rows of these classes.

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
    """float64 ``[H]`` twice: mean, and standard deviation (1 where features do not vary)."""
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
    options: ProbeOptions | None = None,
) -> Probe:
    """Fit along the path of C and keep the C with the least validation log-loss.

    Args:
        train: features ``[N, H]``.
        train_labels: int ``[N]`` in ``0..classes-1``.
        dev: features ``[M, H]`` that choose C.
        dev_labels: int ``[M]``; rows of classes that training lacks take no part in the choice.
        classes: number of classes K of the fixed label set.
        options: of the fit.

    Raises:
        LangspecError: fewer than two classes in the training rows, no usable validation row,
            features that are not finite.
    """
    options = options or ProbeOptions()
    present, usable = usable_rows(train, train_labels, dev, dev_labels)
    mean, scale = standardisation(train)

    def standardise(features: np.ndarray) -> np.ndarray:
        return ((features - mean) / scale).astype(np.float32)

    x = standardise(train)
    gram = (x.T @ x).astype(np.float64) / len(x)
    values, axes = np.linalg.eigh(gram)
    rotation = axes.astype(np.float32)
    objective = _Objective(x @ rotation, np.searchsorted(present, train_labels), len(present))
    del x
    variances = np.append(np.maximum(values, 0.0), 1.0)
    dev_x = standardise(dev[usable]) @ rotation
    dev_y = np.searchsorted(present, dev_labels[usable])

    def fit(point: np.ndarray, c: float, tolerance: float) -> tuple[np.ndarray, ProbeStep]:
        point, iterations, gradient = _fit(
            objective, point, variances, c, tolerance, options.max_iterations
        )
        scores = dev_x.astype(np.float64) @ point[:, :-1].T + point[:, -1]
        loss = float(-log_softmax(scores)[np.arange(len(dev_y)), dev_y].mean())
        return point, ProbeStep(c, loss, iterations, gradient, gradient <= tolerance)

    theta = kept = np.zeros((len(present), len(variances)))
    path: list[ProbeStep] = []
    chosen = 0
    for c in options.strengths:
        theta, step = fit(theta, c, options.path_tolerance)
        path.append(step)
        if step.dev_loss < path[chosen].dev_loss or len(path) == 1:
            chosen, kept = len(path) - 1, theta
        elif len(path) - 1 - chosen >= options.patience:
            break
    kept, last = fit(kept, path[chosen].c, options.tolerance)
    path[chosen] = replace(last, iterations=path[chosen].iterations + last.iterations)

    weights = np.zeros((classes, train.shape[1]))
    weights[present] = kept[:, :-1] @ rotation.T.astype(np.float64)
    intercepts = np.full(classes, -np.inf)
    intercepts[present] = kept[:, -1]
    return Probe(mean, scale, weights, intercepts, tuple(path), chosen)
