r"""The ball.

The bijection from :math:`R^d` onto the ball of radius r keeps directions and fills the radius with Gaussian tails:

.. math:: x = c + r \sqrt{q}\, u, \qquad q = \frac{1 - e^{-\rho^2}}{\rho^2}, \quad \rho = \|u\|, \qquad
    \log\Big|\det\frac{\partial x}{\partial u}\Big| = d \log r - \rho^2 + \Big(\frac d2 - 1\Big) \log q,

so that :math:`1 - \|x - c\|^2/r^2 = e^{-\rho^2}`; for d = 2 the uniform law on the disc is exactly N(0, I/2) (Box &
Muller, 1958).
"""

from __future__ import annotations

import numpy as np
from scipy.special import exprel

from .reals import Reals, nearest_end, one_for_each_column

__all__ = ["Ball"]


class Ball(Reals):
    """The open ball {x : ‖x − centre‖ < radius}.

    Parameters
    ----------
    radius : float, default=1.0
        In the units of X, which all columns share.
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

    def __init__(self, radius=1.0, centre=0.0):
        self.radius = radius
        self.centre = centre

    @classmethod
    def examples(cls):
        """A ball off the origin."""
        return [(cls(2.0, centre=[1.0, 0.0, -1.0, 0.5]), 4)]

    def recession_normals(self, d):
        """Nowhere."""
        return np.vstack([np.eye(d), -np.eye(d)])

    def check(self, d):
        """Raise a ValueError unless the radius is positive and the centre has d finite coordinates."""
        one_for_each_column(self, "centre", d)
        if np.ndim(self.radius) or not 0.0 < self.radius < np.inf:
            raise ValueError(f"Ball: radius={self.radius!r}; give one positive number.")

    def rescaled(self, scale) -> Ball:
        """The ball of x/scale, for scales of shape (d,) that are all the same."""
        if np.ptp(scale):
            raise NotImplementedError(
                f"{self} in columns of different units is no ball; leave its columns as they are."
            )
        return Ball(self.radius / scale[0], np.asarray(self.centre, float) / scale)

    def contains(self, X):
        """Whether each row of X (n, d) lies strictly inside, shape (n,)."""
        return np.linalg.norm(X - self.centre, axis=1) < self.radius

    def boundary_distance(self, X):
        """Distance of each row to the sphere, shape (n,), and its gradient, shape (n, d), 0 at the centre."""
        Z = X - self.centre
        norm = np.linalg.norm(Z, axis=1, keepdims=True)
        return self.radius - norm[:, 0], -np.divide(Z, norm, out=np.zeros_like(Z), where=norm > 0.0)

    def coordinate_distance(self, X):
        """Distance to the nearer end of the chord along each coordinate, and its slope, both of shape (n, d)."""
        Z = X - self.centre
        half_chord = np.sqrt(np.maximum(self.radius**2 - (Z**2).sum(axis=1, keepdims=True) + Z**2, 0.0))
        return nearest_end(half_chord + Z, half_chord - Z)

    def project(self, X):
        """Nearest point of the closed ball to each row, shape (n, d)."""
        Z = X - self.centre
        return self.centre + Z / np.maximum(np.linalg.norm(Z, axis=1, keepdims=True) / self.radius, 1.0)

    def to_reals(self, X):
        """u with ρ² = −log(1 − ‖x − c‖²/r²) for each row inside, shape (n, d)."""
        Z = (X - self.centre) / self.radius
        squared = -np.log1p(-(Z**2).sum(axis=1, keepdims=True))
        return Z / np.sqrt(exprel(-squared))

    def from_reals(self, U):
        """``c + r √q u`` of each row, shape (n, d)."""
        return self.centre + self.radius * np.sqrt(exprel(-(U**2).sum(axis=1, keepdims=True))) * U

    def log_volume(self, U):
        """``log |det ∂x/∂u|`` at each row of U, shape (n,)."""
        d, squared = U.shape[1], (U**2).sum(axis=1)
        return d * np.log(self.radius) - squared + (0.5 * d - 1.0) * np.log(exprel(-squared))

    def pull_back(self, U, score):
        """Score in u, shape (n, d); ∂x/∂u = r √q (I + κ u uᵀ) with κ = d log q/dρ²."""
        squared = (U**2).sum(axis=1, keepdims=True)
        kappa = _slope_of_log_q(squared)
        along = (U * score).sum(axis=1, keepdims=True)
        pulled = self.radius * np.sqrt(exprel(-squared)) * (score + kappa * along * U)
        return pulled + ((U.shape[1] - 2.0) * kappa - 2.0) * U


def _slope_of_log_q(squared):
    """d log q/dρ² = 1/(e^{ρ²} − 1) − 1/ρ²; by its series at 0, where the two terms cancel."""
    small = squared < 1e-3
    far = np.where(small, 1.0, np.minimum(squared, 700.0))  # e^700 is still finite, and its inverse already nothing
    exact = 1.0 / np.expm1(far) - 1.0 / np.where(small, 1.0, squared)
    return np.where(small, -0.5 + squared / 12.0, exact)
