r"""Polytopes :math:`\{x : Ax < b\}`, bounded or not.

Let o be a point inside. The *gauge* of a step u from o is its length in units of the distance to the first face ahead,

.. math:: \gamma(u) = \max\Bigl(0, \max_k \frac{a_k^\top u}{b_k - a_k^\top o}\Bigr),

so that o + u lies inside if and only if γ < 1; γ is 0 along rays that meet no face. The bijection preserves directions
and maps a Gaussian tail onto each ray, as that of the ball does:

.. math:: x = o + u\,f(\gamma), \qquad \gamma f(\gamma) = \operatorname{erf}(z), \quad z = \tfrac{\sqrt\pi}2\gamma,
    \qquad \log\Big|\det\frac{\partial x}{\partial u}\Big| = (d - 1)\log f(\gamma) - z^2 .

If o is the middle of a line segment, the uniform distribution on it becomes N(0, 2/π). The map has a kink at points
that are equally near to two faces. These are a null set, and cost samplers a little of their acceptance.

Rows are projected by the least-distance programme of Lawson & Hanson (1974, chapter 23), which is exact.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.optimize import linprog, nnls
from scipy.special import erf, erfcinv

from .reals import Reals, nearest_end

__all__ = ["Halfspaces"]

HALF_ROOT_PI = 0.5 * np.sqrt(np.pi)


class Halfspaces(Reals):
    """The polytope {x : A x < b}, bounded or not.

    Parameters
    ----------
    A : array-like of shape (m, d)
        Outward normal of each face.
    b : array-like of shape (m,)
        Offset of each face, in the units of A x.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Halfspaces
    >>> wedge = Halfspaces([[-1.0, 1.0], [0.0, -1.0]], [0.0, 0.0])  # 0 < x₂ < x₁
    >>> wedge.contains(np.array([[3.0, 1.0], [1.0, 3.0]]))
    array([ True, False])
    >>> wedge.coordinate_distance(np.array([[3.0, 1.0]]))
    (array([[2., 1.]]), array([[1., 1.]]))
    >>> wedge.project(np.array([[1.0, 3.0]])).round(12)
    array([[2., 2.]])
    """

    has_boundary = True
    _origin: ndarray | None = None

    def __init__(self, A: ArrayLike, b: ArrayLike) -> None:
        self.A = A
        self.b = b

    @classmethod
    def examples(cls) -> list[tuple[Any, int]]:
        """Faces in general position, and a wedge 0 < x₂ < x₁."""
        faces = np.vstack([np.random.default_rng(1).standard_normal((7, 4)), -np.ones(4)])
        wedge = cls([[-1.0, 1.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0]], [0.0, 0.0])
        return [(cls(faces, np.arange(1.0, 9.0)), 4), (wedge, 4)]

    def recession_normals(self, d: int) -> ndarray:
        """A, as the polytope ends only where a face does."""
        return np.asarray(self.A, float)

    def _faces(self) -> tuple[ndarray, ndarray, ndarray]:
        """Return A (m, d), b (m,) and the norms of the rows of A, (m,)."""
        A = np.asarray(self.A, float)
        return A, np.asarray(self.b, float), np.linalg.norm(A, axis=1)

    def check(self, d: int) -> None:
        """Raise a ValueError unless A is (m, d), b is (m,), and some ball fits inside."""
        A, b = np.asarray(self.A, float), np.asarray(self.b, float)
        if A.ndim != 2 or A.shape[1] != d or b.shape != A.shape[:1]:
            raise ValueError(
                f"Halfspaces: A has shape {A.shape} and b {b.shape}; for {d} columns give A of shape (m, {d}) and b of "
                "shape (m,)."
            )
        if not (np.isfinite(A).all() and np.isfinite(b).all() and A.any(axis=1).all()):
            raise ValueError("Halfspaces: A and b have to be finite, and no row of A zero; drop such faces.")
        if self._largest_ball(d)[-1] <= 0.0:
            raise ValueError("Halfspaces: no x has A x < b; the faces leave no interior. Check the signs of A and b.")

    def _largest_ball(self, d: int) -> ndarray:
        """Return the centre and radius t ≤ 1 of the largest ball inside: max t with a·x + t‖a‖ ≤ b for each face."""
        A, b, norms = self._faces()
        bounds = [(None, None)] * d + [(0.0, 1.0)]
        found = linprog(np.append(np.zeros(d), -1.0), np.column_stack([A, norms]), b, bounds=bounds)
        return found.x if found.status == 0 else np.zeros(d + 1)

    def around(self, point: ndarray) -> Halfspaces:
        """Return the polytope with o at a point inside, preferably the mean of the rows."""
        other = copy(self)
        other._origin = np.asarray(point, float)
        return other

    def rescaled(self, scale: ndarray) -> Halfspaces:
        """Return the polytope of x/scale, for scales of shape (d,)."""
        return Halfspaces(np.asarray(self.A, float) * scale, self.b)

    def contains(self, X: ndarray) -> ndarray:
        """Return whether each row of X (n, d) lies strictly inside, shape (n,)."""
        A, b, _ = self._faces()
        return (X @ A.T < b).all(axis=1)

    def boundary_distance(self, X: ndarray) -> tuple[ndarray, ndarray]:
        """Return the distance of each row inside to the nearest face, shape (n,), and its gradient, shape (n, d)."""
        A, b, norms = self._faces()
        distance = (b - X @ A.T) / norms
        nearest, rows = distance.argmin(axis=1), np.arange(len(X))
        return distance[rows, nearest], -(A / norms[:, None])[nearest]

    def coordinate_distance(self, X: ndarray) -> tuple[ndarray, ndarray]:
        """Return the distance to the nearer face along each coordinate, and its derivative, both of shape (n, d)."""
        A, b, _ = self._faces()
        down, up = np.full(X.shape, np.inf), np.full(X.shape, np.inf)
        for normal, slack in zip(A, (b - X @ A.T).T, strict=True):
            for side, ahead in ((down, normal < 0.0), (up, normal > 0.0)):
                side[:, ahead] = np.minimum(side[:, ahead], slack[:, None] / np.abs(normal[ahead]))
        return nearest_end(down, up)

    def project(self, X: ndarray) -> ndarray:
        """Return the nearest point of the closed polytope to each row, shape (n, d)."""
        A, b, norms = self._faces()
        normals = A / norms[:, None]
        excess, nearest = X @ normals.T - b / norms, X.copy()
        for i in np.flatnonzero((excess > 0.0).any(axis=1)):
            unit = excess[i].max()  # least squares are best conditioned if the step is near 1
            nearest[i] += unit * _least_step(-normals, excess[i] / unit)
        return nearest

    def within(self, X: ndarray) -> ndarray:
        """Move rows that lie on a face, or beyond it by rounding, inside; shape (n, d)."""
        origin, inside = self._start(X.shape[1]), self.contains(X)
        return np.where(inside[:, None], X, origin + (1.0 - 1e-9) * (X - origin))

    # ---- the bijection ---------------------------------------------------------------------------

    def _start(self, d: int) -> ndarray:
        """Return o."""
        return self._largest_ball(d)[:-1] if self._origin is None else self._origin

    def _gauge(self, U: ndarray) -> tuple[ndarray, ndarray]:
        """Return γ of each row of U (n, d), shape (n, 1), and its gradient, shape (n, d)."""
        A, b, _ = self._faces()
        normals = A / (b - A @ self._start(U.shape[1]))[:, None]
        ahead = U @ normals.T
        first = ahead.argmax(axis=1)
        gamma = np.maximum(ahead[np.arange(len(U)), first], 0.0)[:, None]
        return gamma, np.where(gamma > 0.0, normals[first], 0.0)

    def to_reals(self, X: ndarray) -> ndarray:
        """Return φ⁻¹ of each row inside, shape (n, d)."""
        (A, b, _), origin = self._faces(), self._start(X.shape[1])
        left = ((b - X @ A.T) / (b - A @ origin)).min(axis=1, keepdims=True)  # 1 − erf(z), with all its digits
        covered = np.maximum(1.0 - left, 0.0)
        gamma = erfcinv(np.minimum(left, 1.0)) / HALF_ROOT_PI
        return (X - origin) * np.divide(gamma, covered, out=np.ones_like(gamma), where=covered > 0.0)

    def from_reals(self, U: ndarray) -> ndarray:
        """Return ``o + u f(γ)`` of each row, shape (n, d)."""
        return self._start(U.shape[1]) + U * _shrinkage(self._gauge(U)[0])[0]

    def log_det(self, U: ndarray) -> ndarray:
        """Return ``log |det ∂x/∂u|`` at each row of U, shape (n,)."""
        gamma = self._gauge(U)[0]
        return ((U.shape[1] - 1.0) * np.log(_shrinkage(gamma)[0]) - (HALF_ROOT_PI * gamma) ** 2)[:, 0]

    def pull_score(self, U: ndarray, score: ndarray) -> ndarray:
        """Return the score in u, shape (n, d); ∂x/∂u = f I + f′ u ∇γᵀ."""
        gamma, gradient = self._gauge(U)
        f, derivative = _shrinkage(gamma)
        along = (U * score).sum(axis=1, keepdims=True)
        of_log_det = (U.shape[1] - 1.0) * derivative / f - 0.5 * np.pi * gamma
        return f * score + (derivative * along + of_log_det) * gradient


def _shrinkage(gamma: ndarray) -> tuple[ndarray, ndarray]:
    """Return f = erf(z)/γ and its derivative in γ, near 0 by their series, because the derivative cancels there."""
    z, small = HALF_ROOT_PI * gamma, gamma < 0.01
    far = np.where(small, 1.0, gamma)
    f = np.where(small, 1.0 - z**2 / 3.0 + z**4 / 10.0 - z**6 / 42.0, erf(z) / far)
    near = HALF_ROOT_PI * (-2.0 * z / 3.0 + 2.0 * z**3 / 5.0 - z**5 / 7.0)
    return f, np.where(small, near, (np.exp(-(z**2)) - f) / far)


def _least_step(G: ndarray, h: ndarray) -> ndarray:
    """Return the shortest y with G y ≥ h, by non-negative least squares on its dual."""
    E, f = np.vstack([G.T, h]), np.append(np.zeros(G.shape[1]), 1.0)
    residual = E @ nnls(E, f)[0] - f
    return -residual[:-1] / residual[-1]
