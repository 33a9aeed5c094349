r"""Convex domains whose coordinates are bounded together: the ball and the polytope.

The bijection from :math:`R^d` onto the ball of radius r keeps directions and fills the radius with Gaussian tails:

.. math:: x = c + r \sqrt{q}\, u, \qquad q = \frac{1 - e^{-\rho^2}}{\rho^2}, \quad \rho = \|u\|, \qquad
    \log\Big|\det\frac{\partial x}{\partial u}\Big| = d \log r - \rho^2 + \Big(\frac d2 - 1\Big) \log q,

so that :math:`1 - \|x - c\|^2/r^2 = e^{-\rho^2}`; for d = 2 the uniform law on the disc is exactly N(0, I/2) (Box &
Muller, 1958).
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog, nnls
from scipy.special import exprel

from .reals import Chartless, Reals, nearest_end, one_for_each_column

__all__ = ["Ball", "Halfspaces"]


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

    bounded = True

    def __init__(self, radius=1.0, centre=0.0):
        self.radius = radius
        self.centre = centre

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


class Halfspaces(Chartless):
    """The polytope {x : A x < b}, bounded or not.

    Rows are projected by the least-distance programme of Lawson & Hanson (1974, chapter 23), which is exact.

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

    def __init__(self, A, b):
        self.A = A
        self.b = b

    def _faces(self):
        """A (m, d), b (m,) and the norms of the rows of A, (m,)."""
        A = np.asarray(self.A, float)
        return A, np.asarray(self.b, float), np.linalg.norm(A, axis=1)

    def check(self, d):
        """Raise a ValueError unless A is (m, d), b is (m,), and some ball fits inside."""
        A, b = np.asarray(self.A, float), np.asarray(self.b, float)
        if A.ndim != 2 or A.shape[1] != d or b.shape != A.shape[:1]:
            raise ValueError(
                f"Halfspaces: A has shape {A.shape} and b {b.shape}; for {d} columns give A of shape (m, {d}) and b of "
                "shape (m,)."
            )
        if not (np.isfinite(A).all() and np.isfinite(b).all() and A.any(axis=1).all()):
            raise ValueError("Halfspaces: A and b have to be finite, and no row of A zero; drop such faces.")
        # The largest ball, of radius at most 1: max t subject to a·x + t‖a‖ ≤ b for every face.
        rows = np.column_stack([A, np.linalg.norm(A, axis=1)])
        found = linprog(np.append(np.zeros(d), -1.0), rows, b, bounds=[(None, None)] * d + [(0.0, 1.0)])
        if found.status != 0 or found.x[-1] <= 0.0:
            raise ValueError("Halfspaces: no x has A x < b; the faces leave no interior. Check the signs of A and b.")

    def rescaled(self, scale) -> Halfspaces:
        """The polytope of x/scale, for scales of shape (d,)."""
        return Halfspaces(np.asarray(self.A, float) * scale, self.b)

    def contains(self, X):
        """Whether each row of X (n, d) lies strictly inside, shape (n,)."""
        A, b, _ = self._faces()
        return (X @ A.T < b).all(axis=1)

    def boundary_distance(self, X):
        """Distance of each row inside to the nearest face, shape (n,), and its gradient, shape (n, d)."""
        A, b, norms = self._faces()
        distance = (b - X @ A.T) / norms
        nearest, rows = distance.argmin(axis=1), np.arange(len(X))
        return distance[rows, nearest], -(A / norms[:, None])[nearest]

    def coordinate_distance(self, X):
        """Distance to the nearer face along each coordinate, and its slope, both of shape (n, d)."""
        A, b, _ = self._faces()
        down, up = np.full(X.shape, np.inf), np.full(X.shape, np.inf)
        for normal, room in zip(A, (b - X @ A.T).T, strict=True):
            for side, ahead in ((down, normal < 0.0), (up, normal > 0.0)):
                side[:, ahead] = np.minimum(side[:, ahead], room[:, None] / np.abs(normal[ahead]))
        return nearest_end(down, up)

    def project(self, X):
        """Nearest point of the closed polytope to each row, shape (n, d)."""
        A, b, norms = self._faces()
        normals = A / norms[:, None]
        excess, nearest = X @ normals.T - b / norms, X.copy()
        for i in np.flatnonzero((excess > 0.0).any(axis=1)):
            unit = excess[i].max()  # least squares are best conditioned where the step is near 1
            nearest[i] += unit * _least_step(-normals, excess[i] / unit)
        return nearest


def _least_step(G, h):
    """The shortest y with G y ≥ h, by non-negative least squares on its dual."""
    E, f = np.vstack([G.T, h]), np.append(np.zeros(G.shape[1]), 1.0)
    residual = E @ nnls(E, f)[0] - f
    return -residual[:-1] / residual[-1]
