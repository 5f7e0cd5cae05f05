"""A converged multinomial logistic probe, its regularisation chosen on validation data.

Three things make probe numbers comparable between encoders. Features are standardised, because
smaller vectors are not less informative ones. The strength of L2 is chosen for each condition,
because one strength for all would be a confound. The optimum is reached, which is checked and
reported.

The objective is that of scikit-learn's ``LogisticRegression``: the sum of the log-losses plus
``|W|^2 / (2 C)``, with free intercepts (two classes have two rows of W here; their optimum is
scikit-learn's at 2 C). L-BFGS minimises it in other variables, in which its curvature is near 1 in
every direction (:class:`_Whitened`); the optimum is the same. Correlated features and separable
classes, which are usual with encoders, then cost tens of iterations instead of hundreds or
thousands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.optimize import minimize

from langspec.errors import LangspecError
from langspec.measurement.probe_options import ProbeOptions

PATH_TOLERANCE = 1e-3
"""The tolerance of fits that only choose C; the chosen C is fitted to the options' tolerance."""


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


class _Objective:
    """Mean log-loss + |W|^2 / (2 C N), its gradient; parameters ``[K, H+1]``, intercept last."""

    def __init__(self, features: np.ndarray, labels: np.ndarray) -> None:
        self.x = torch.from_numpy(np.pad(features, ((0, 0), (0, 1)), constant_values=1))
        self.y = torch.from_numpy(labels)[:, None]
        self.n = len(labels)
        self.penalty = 0.0

    def log_p(self, theta: np.ndarray) -> torch.Tensor:
        """Log-probabilities ``[N, K]`` (nats)."""
        return torch.log_softmax(self.x @ torch.from_numpy(theta).to(self.x.dtype).T, dim=1)

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient ``[K, H+1]``, float64."""
        log_p = self.log_p(theta)
        loss = -log_p.gather(1, self.y).sum(dtype=torch.float64).item() / self.n
        residual = log_p.exp_()
        residual.scatter_add_(1, self.y, residual.new_full(self.y.shape, -1.0))
        gradient = (residual.T @ self.x).numpy().astype(np.float64) / self.n
        weights = theta[:, :-1]
        loss += 0.5 * self.penalty * float(np.vdot(weights, weights))
        gradient[:, :-1] += self.penalty * weights
        return loss, gradient


def _relative(value: float, gradient: np.ndarray) -> float:
    """The largest gradient entry, divided by the objective where that is below 1.

    Where classes are separable, losses are near zero, and gradients are small far from the optimum
    too.
    """
    return float(np.abs(gradient).max() / min(1.0, max(value, 1e-12)))


class _Reached(Exception):
    """A point ``[K, H+1]`` whose gradient is within the tolerance: L-BFGS may end here."""

    def __init__(self, point: np.ndarray) -> None:
        self.point = point


class _Whitened:
    """The objective in coordinates in which its curvature at a point is near 1 in all directions.

    The Hessian of the log-loss is the mean over rows of (diag p - p p') x (features x features').
    It is approximated by the product of two means: the mean of the first factor, and the mean of
    the second weighted by the trace of the first. A row then counts by how undecided its
    prediction is. Where classes are separable few rows are undecided, and their features differ
    from those of all rows. The principal axes of the product are those of its factors, and its
    curvatures are the products of theirs.
    """

    def __init__(self, objective: _Objective, point: np.ndarray, tolerance: float) -> None:
        self.objective = objective
        self.tolerance = tolerance
        self.iterations = 0
        self.evaluations = 0
        p = objective.log_p(point).exp_()
        spread = (torch.diag(p.sum(dim=0)) - p.T @ p).double().numpy() / objective.n
        undecided = (1 - (p * p).sum(dim=1)).clamp_(min=0)
        mass = max(undecided.sum(dtype=torch.float64).item(), 1e-30)
        features = ((objective.x * undecided[:, None]).T @ objective.x).double().numpy() / mass
        spreads, self.classes = np.linalg.eigh(spread)
        variances, self.features = np.linalg.eigh(features)
        curvature = np.maximum(spreads, 0)[:, None] * np.maximum(variances, 0)
        # 1e-9: intercepts are not penalised, and have no curvature where no row is undecided.
        self.scale = 1.0 / np.sqrt(np.maximum(curvature, 1e-9) + objective.penalty)

    def _point(self, flat: np.ndarray) -> np.ndarray:
        """The parameters ``[K, H+1]`` of a point in these coordinates; their mean over K is zero.

        Adding the same to all classes changes no probability, so the mean is zero at the optimum.
        Rounding would change it, and only the penalty would move it back.
        """
        point = self.classes @ (flat.reshape(self.scale.shape) * self.scale) @ self.features.T
        return point - point.mean(axis=0)

    def __call__(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        self.evaluations += 1
        point = self._point(flat)
        value, gradient = self.objective(point)
        if _relative(value, gradient) <= self.tolerance:
            raise _Reached(point)
        gradient -= gradient.mean(axis=0)
        return value, (self.classes.T @ gradient @ self.features * self.scale).ravel()

    def minimise(self, point: np.ndarray, max_iterations: int) -> np.ndarray:
        """Minimise by L-BFGS from ``point``; returns the parameters ``[K, H+1]``.

        It ends at the tolerance, at the limit, or where rounding allows no further descent.
        """

        def count(_: np.ndarray) -> None:
            self.iterations += 1

        try:
            minimum = minimize(
                self,
                (self.classes.T @ point @ self.features / self.scale).ravel(),
                jac=True,
                method="L-BFGS-B",
                callback=count,
                # Only our own criterion ends it: on the gradient in the probe's own coordinates.
                options={"maxiter": max_iterations, "maxcor": 60, "ftol": 0.0, "gtol": 0.0},
            )
        except _Reached as reached:
            self.iterations += self.evaluations > 1  # the last step, if one was needed
            return reached.point
        return self._point(minimum.x)


def _fit(
    objective: _Objective, theta: np.ndarray, c: float, tolerance: float, max_iterations: int
) -> tuple[np.ndarray, int, float]:
    """Minimise for one C from ``theta``; return parameters, iterations, largest gradient entry."""
    objective.penalty = 1.0 / (c * objective.n)
    iterations = 0
    gradient = np.inf
    x = objective.x
    # Where rounding in float32 stops the line search (separable classes: losses near zero),
    # float64 goes on from there, with the curvature of that place.
    for precision in (torch.float32, torch.float64):
        objective.x = x.to(precision)
        whitened = _Whitened(objective, theta, tolerance)
        theta = whitened.minimise(theta, max_iterations - iterations)
        iterations += whitened.iterations
        gradient = _relative(*objective(theta))
        if gradient <= tolerance or iterations >= max_iterations:
            break
    objective.x = x
    return theta, iterations, gradient


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
        patience: after so many C in a row that are no better than the best, no further C is tried.
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
        return ((features - mean) / scale).astype(np.float32)

    objective = _Objective(standardise(train), np.searchsorted(present, train_labels))
    dev_x = standardise(dev[usable]).astype(np.float64)
    dev_y = np.searchsorted(present, dev_labels[usable])

    def fit(point: np.ndarray, c: float, tolerance: float) -> tuple[np.ndarray, ProbeStep]:
        point, iterations, gradient = _fit(objective, point, c, tolerance, options.max_iterations)
        scores = dev_x @ point[:, :-1].T + point[:, -1]
        loss = float(-log_softmax(scores)[np.arange(len(dev_y)), dev_y].mean())
        return point, ProbeStep(c, loss, iterations, gradient, gradient <= tolerance)

    theta = best = np.zeros((len(present), train.shape[1] + 1))
    path: list[ProbeStep] = []
    chosen = 0
    for c in options.strengths:
        theta, step = fit(theta, c, PATH_TOLERANCE)
        path.append(step)
        if step.dev_loss < path[chosen].dev_loss or len(path) == 1:
            chosen, best = len(path) - 1, theta
        elif len(path) - 1 - chosen >= patience:
            break
    best, last = fit(best, path[chosen].c, options.tolerance)
    path[chosen] = replace(last, iterations=path[chosen].iterations + last.iterations)

    return Probe(mean, scale, *_of_all(best, present, classes), tuple(path), chosen)


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
