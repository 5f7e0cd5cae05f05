"""The solver of the linear probe: multinomial logistic regression by L-BFGS, for one C at a time.

The objective is that of scikit-learn's ``LogisticRegression``: the sum of the log-losses plus
``|W|^2 / (2 C)``, with free intercepts (two classes have two rows of W here; their optimum is
scikit-learn's at 2 C). L-BFGS minimises it in other variables, in which its curvature is near 1 in
every direction (:class:`_Whitened`); the optimum is the same. Correlated features and separable
classes, which are usual with encoders, then cost tens of iterations instead of hundreds or
thousands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize

MANY = 10_000
"""Of more rows, a part of this size gives the curvature, and where fits start."""

Watch = Callable[[np.ndarray], bool]
"""Gets the parameters ``[K, H+1]`` after each iteration; True gives the fit up."""


@dataclass(frozen=True)
class Fit:
    """The end of a fit.

    Attributes:
        point: the parameters ``[K, H+1]``, intercept last.
        iterations: of L-BFGS.
        gradient: largest entry of the gradient, see :func:`relative`.
        given_up: did the watch end it?
    """

    point: np.ndarray
    iterations: int
    gradient: float
    given_up: bool = False


class Objective:
    """Mean log-loss + |W|^2 / (2 C N), its gradient; parameters ``[K, H+1]``, intercept last."""

    def __init__(self, features: np.ndarray, labels: np.ndarray) -> None:
        self.x = torch.from_numpy(np.pad(features, ((0, 0), (0, 1)), constant_values=1))
        self.y = torch.from_numpy(labels)[:, None]
        self.n = len(labels)
        self.penalty = 0.0

    @property
    def many(self) -> bool:
        """Are there so many rows that a part of them is worth a fit of its own?"""
        return self.n > MANY

    def part(self) -> Objective:
        """The objective of :data:`MANY` of the rows, drawn by a fixed seed; of fewer, of all."""
        if not self.many:
            return self
        drawn = torch.from_numpy(np.sort(np.random.default_rng(0).permutation(self.n)[:MANY]))
        part = object.__new__(Objective)
        part.x, part.y, part.n = self.x[drawn], self.y[drawn], MANY
        part.penalty = self.penalty
        return part

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


def relative(value: float, gradient: np.ndarray) -> float:
    """The largest gradient entry, divided by the objective where that is below 1.

    Where classes are separable, losses are near zero, and gradients are small far from the optimum
    too.
    """
    return float(np.abs(gradient).max() / min(1.0, max(value, 1e-12)))


class _Ended(Exception):
    """A point ``[K, H+1]`` at which L-BFGS may end."""

    def __init__(self, point: np.ndarray) -> None:
        self.point = point


class _Reached(_Ended):
    """Its gradient is within the tolerance."""


class _GivenUp(_Ended):
    """The watch gave the fit up."""


class _Whitened:
    """The objective in coordinates in which its curvature at a point is near 1 in all directions.

    The Hessian of the log-loss is the mean over rows of (diag p - p p') x (features x features').
    It is approximated by the product of two means: the mean of the first factor, and the mean of
    the second weighted by the trace of the first. A row then counts by how undecided its
    prediction is. Where classes are separable few rows are undecided, and their features differ
    from those of all rows. The principal axes of the product are those of its factors, and its
    curvatures are the products of theirs. Of many rows a part gives these means.
    """

    def __init__(
        self, objective: Objective, point: np.ndarray, tolerance: float, watch: Watch | None
    ) -> None:
        self.objective = objective
        self.tolerance = tolerance
        self.watch = watch
        self.iterations = 0
        self.evaluations = 0
        part = objective.part()
        p = part.log_p(point).exp_()
        spread = (torch.diag(p.sum(dim=0)) - p.T @ p).double().numpy() / part.n
        undecided = (1 - (p * p).sum(dim=1)).clamp_(min=0)
        mass = max(undecided.sum(dtype=torch.float64).item(), 1e-30)
        features = ((part.x * undecided[:, None]).T @ part.x).double().numpy() / mass
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
        if relative(value, gradient) <= self.tolerance:
            raise _Reached(point)
        gradient -= gradient.mean(axis=0)
        return value, (self.classes.T @ gradient @ self.features * self.scale).ravel()

    def minimise(self, point: np.ndarray, max_iterations: int) -> np.ndarray:
        """Minimise by L-BFGS from ``point``; returns the parameters ``[K, H+1]``.

        It ends at the tolerance, at the limit, or where rounding allows no further descent.

        Raises:
            _GivenUp: the watch gave it up.
        """

        def count(flat: np.ndarray) -> None:
            self.iterations += 1
            if self.watch is not None and self.watch(point := self._point(flat)):
                raise _GivenUp(point)

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


def minimise(
    objective: Objective,
    point: np.ndarray,
    c: float,
    tolerance: float,
    max_iterations: int,
    watch: Watch | None = None,
) -> Fit:
    """Minimise for one C from ``point [K, H+1]``, until :func:`relative` is within the tolerance.

    Args:
        objective: of the training rows; its penalty is set.
        point: where it starts.
        c: inverse strength of the L2 penalty.
        tolerance: see :class:`langspec.measurement.probe_options.ProbeOptions`.
        max_iterations: of L-BFGS.
        watch: may give the fit up after an iteration.
    """
    objective.penalty = 1.0 / (c * objective.n)
    iterations = 0
    gradient = np.inf
    x = objective.x
    # Where rounding in float32 stops the line search (separable classes: losses near zero),
    # float64 goes on from there, with the curvature of that place.
    for precision in (torch.float32, torch.float64):
        objective.x = x.to(precision)
        whitened = _Whitened(objective, point, tolerance, watch)
        try:
            point = whitened.minimise(point, max_iterations - iterations)
        except _GivenUp as end:
            objective.x = x
            return Fit(end.point, iterations + whitened.iterations, np.inf, given_up=True)
        iterations += whitened.iterations
        gradient = relative(*objective(point))
        if gradient <= tolerance or iterations >= max_iterations:
            break
    objective.x = x
    return Fit(point, iterations, gradient)
