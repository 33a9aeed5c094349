r"""The ball.

The bijection from :math:`R^d` onto the ball of radius r preserves directions and maps a Gaussian tail onto the radius:

.. math:: x = c + r \sqrt{q}\, u, \qquad q = \frac{1 - e^{-\rho^2}}{\rho^2}, \quad \rho = \|u\|, \qquad
    \log\Big|\det\frac{\partial x}{\partial u}\Big| = d \log r - \rho^2 + \Big(\frac d2 - 1\Big) \log q,

so that :math:`1 - \|x - c\|^2/r^2 = e^{-\rho^2}`; for d = 2 the uniform distribution on the disc is exactly N(0, I/2)
in u (Box & Muller, 1958).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.special import exprel

from .reals import Reals, nearest_end, one_for_each_column

__all__ = ["Ball"]


class Ball(Reals):
    """The open ball {x : ‖x − centre‖ < radius}.

    Parameters
    ----------
    radius : float, default=1.0
        In the units of X, which must be the same for all columns.
    centre : float or array-like of shape (d,), default=0.0
        In the units of X.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Ball
    >>> X = np.array([[3.0, 0.0]])
    >>> Ball(5.0).boundary_distance(X)
    (array([2.]), array([[-1., -0.]]))
    >>> Ball(5.0).coordinate_distance(X)
    (array([[2., 4.]]), array([[-1.,  0.]]))
    """

    has_boundary = True

    def __init__(self, radius: float = 1.0, centre: ArrayLike = 0.0) -> None:
        self.radius = radius
        self.centre = centre

    @classmethod
    def examples(cls) -> list[tuple[Any, int]]:
        """A ball off the origin."""
        return [(cls(2.0, centre=[1.0, 0.0, -1.0, 0.5]), 4)]

    def recession_normals(self, d: int) -> ndarray:
        """Nowhere."""
        return np.vstack([np.eye(d), -np.eye(d)])

    def check(self, d: int) -> None:
        """Raise a ValueError unless the radius is positive and the centre has d finite coordinates."""
        one_for_each_column(self, "centre", d)
        if np.ndim(self.radius) or not 0.0 < self.radius < np.inf:
            raise ValueError(f"Ball: radius={self.radius!r}; give one positive number.")

    def rescaled(self, scale: ndarray) -> Ball:
        """Return the ball of x/scale, for scales of shape (d,) that are all equal."""
        if np.ptp(scale):
            raise NotImplementedError(
                f"{self} in columns of different units is no ball; leave its columns as they are."
            )
        return Ball(self.radius / scale[0], np.asarray(self.centre, float) / scale)

    def contains(self, X: ndarray) -> ndarray:
        """Return whether each row of X (n, d) lies strictly inside, shape (n,)."""
        return np.linalg.norm(X - self.centre, axis=1) < self.radius

    def boundary_distance(self, X: ndarray) -> tuple[ndarray, ndarray]:
        """Return the distance of each row to the sphere, (n,), and its gradient, (n, d), which is 0 at the centre."""
        Z = X - self.centre
        norm = np.linalg.norm(Z, axis=1, keepdims=True)
        return self.radius - norm[:, 0], -np.divide(Z, norm, out=np.zeros_like(Z), where=norm > 0.0)

    def coordinate_distance(self, X: ndarray) -> tuple[ndarray, ndarray]:
        """Return the distance to the nearer end of the chord along each coordinate, and its derivative, (n, d)."""
        Z = X - self.centre
        half_chord = np.sqrt(np.maximum(self.radius**2 - (Z**2).sum(axis=1, keepdims=True) + Z**2, 0.0))
        return nearest_end(half_chord + Z, half_chord - Z)

    def project(self, X: ndarray) -> ndarray:
        """Return the nearest point of the closed ball to each row, shape (n, d)."""
        Z = X - self.centre
        return self.centre + Z / np.maximum(np.linalg.norm(Z, axis=1, keepdims=True) / self.radius, 1.0)

    def to_reals(self, X: ndarray) -> ndarray:
        """Return u with ρ² = −log(1 − ‖x − c‖²/r²) for each row inside, shape (n, d)."""
        Z = (X - self.centre) / self.radius
        squared = -np.log1p(-(Z**2).sum(axis=1, keepdims=True))
        return Z / np.sqrt(exprel(-squared))

    def from_reals(self, U: ndarray) -> ndarray:
        """Return ``c + r √q u`` of each row, shape (n, d)."""
        return self.centre + self.radius * np.sqrt(exprel(-(U**2).sum(axis=1, keepdims=True))) * U

    def log_det(self, U: ndarray) -> ndarray:
        """Return ``log |det ∂x/∂u|`` at each row of U, shape (n,)."""
        d, squared = U.shape[1], (U**2).sum(axis=1)
        return d * np.log(self.radius) - squared + (0.5 * d - 1.0) * np.log(exprel(-squared))

    def pull_score(self, U: ndarray, score: ndarray) -> ndarray:
        """Return the score in u, shape (n, d); ∂x/∂u = r √q (I + κ u uᵀ) with κ = d log q/dρ²."""
        squared = (U**2).sum(axis=1, keepdims=True)
        kappa = _derivative_of_log_q(squared)
        along = (U * score).sum(axis=1, keepdims=True)
        pulled = self.radius * np.sqrt(exprel(-squared)) * (score + kappa * along * U)
        return pulled + ((U.shape[1] - 2.0) * kappa - 2.0) * U


def _derivative_of_log_q(squared: ndarray) -> ndarray:
    """Return d log q/dρ² = 1/(e^{ρ²} − 1) − 1/ρ², near 0 by its series, because the two terms cancel there."""
    small = squared < 1e-3
    far = np.where(small, 1.0, np.minimum(squared, 700.0))  # e^700 is still finite, and its inverse is negligible
    exact = 1.0 / np.expm1(far) - 1.0 / np.where(small, 1.0, squared)
    return np.where(small, -0.5 + squared / 12.0, exact)
