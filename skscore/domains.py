r"""What a row may be: supports of a density, each a differentiable image of :math:`R^d`.

A domain knows whether a row lies inside (``contains``), how far the boundary is (``boundary_distance``, with its
gradient: the weight that lets score matching work on truncated data, Liu, Kanamori & Williams, 2022), the nearest row
inside (``project``), and a smooth bijection :math:`\varphi: R^d \to` domain, coordinate by coordinate:

==================  ===========================================  =======================================
limits              :math:`x = \varphi(u)`                       :math:`(\log|\varphi'|)'`
==================  ===========================================  =======================================
none                :math:`u`                                    0
lower               :math:`l + e^u`                              1
upper               :math:`r - e^{-u}`                           -1
both                :math:`l + (r - l)/(1 + e^{-u})`             :math:`1 - 2/(1 + e^{-u})`
==================  ===========================================  =======================================

A :class:`Chart` adds the location and scale of the data, so that samplers and integrators always work on a law near
N(0, I).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, log_expit
from sklearn.base import BaseEstimator

__all__ = ["Box", "Chart", "Orthant", "Reals"]


class Reals(BaseEstimator):
    """All of R^d.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Reals
    >>> Reals().contains(np.array([[0.0, -3.0]]))
    array([ True])
    """

    bounded = False

    def contains(self, X):
        """Whether each row of X (n, d) lies inside, shape (n,)."""
        return np.ones(len(X), dtype=bool)

    def boundary_distance(self, X):
        """Distance of each row to the boundary, shape (n,), and its gradient, shape (n, d)."""
        return np.full(len(X), np.inf), np.zeros_like(X)

    def project(self, X):
        """Nearest point of the domain's closure to each row, shape (n, d)."""
        return X

    def to_reals(self, X):
        """φ⁻¹ of each row inside the domain, shape (n, d)."""
        return X

    def from_reals(self, U):
        """φ of each row, shape (n, d)."""
        return U

    def log_slope(self, U):
        """log φ′ of each coordinate and its derivative, both of shape (n, d)."""
        return np.zeros_like(U), np.zeros_like(U)


class Box(Reals):
    """The box {x : lower < x < upper}, with infinite limits allowed.

    Parameters
    ----------
    lower, upper : float or array-like of shape (d,), default=0 and 1
        Limits of every coordinate, in the units of X; ``-inf`` and ``inf`` leave a side open.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Box
    >>> distance, gradient = Box(0.0, 4.0).boundary_distance(np.array([[1.0, 2.0]]))
    >>> distance, gradient
    (array([1.]), array([[1., 0.]]))
    """

    bounded = True

    def __init__(self, lower=0.0, upper=1.0):
        self.lower = lower
        self.upper = upper

    def _limits(self, X):
        """Limits and which are finite, each of shape (d,)."""
        low, high = (np.broadcast_to(np.asarray(limit, float), X.shape[1:]) for limit in (self.lower, self.upper))
        return low, high, np.isfinite(low), np.isfinite(high)

    def rescaled(self, scale) -> Box:
        """The box of x/scale, for scales of shape (d,)."""
        return Box(np.asarray(self.lower, float) / scale, np.asarray(self.upper, float) / scale)

    def contains(self, X):
        """Whether each row of X (n, d) lies strictly inside, shape (n,)."""
        low, high, _, _ = self._limits(X)
        return ((X > low) & (X < high)).all(axis=1)

    def boundary_distance(self, X):
        """Euclidean distance of each row to the nearest face, shape (n,), and its gradient, shape (n, d)."""
        low, high, _, _ = self._limits(X)
        faces = np.concatenate([X - low, high - X], axis=1)
        nearest, rows = faces.argmin(axis=1), np.arange(len(X))
        gradient = np.zeros_like(X)
        gradient[rows, nearest % X.shape[1]] = np.where(nearest < X.shape[1], 1.0, -1.0)
        return faces[rows, nearest], gradient

    def project(self, X):
        """Nearest point of the closed box to each row, shape (n, d)."""
        low, high, _, _ = self._limits(X)
        return np.clip(X, low, high)

    def to_reals(self, X):
        """φ⁻¹ of each row inside the box, shape (n, d)."""
        low, high, has_low, has_high = self._limits(X)
        U = X.copy()
        for j in np.flatnonzero(has_low | has_high):
            above = np.log(X[:, j] - low[j]) if has_low[j] else 0.0
            below = np.log(high[j] - X[:, j]) if has_high[j] else 0.0
            U[:, j] = above - below
        return U

    def from_reals(self, U):
        """φ of each row, shape (n, d)."""
        low, high, has_low, has_high = self._limits(U)
        X = U.copy()
        both, lower, upper = has_low & has_high, has_low & ~has_high, ~has_low & has_high
        X[:, both] = low[both] + (high - low)[both] * expit(U[:, both])
        X[:, lower] = low[lower] + np.exp(U[:, lower])
        X[:, upper] = high[upper] - np.exp(-U[:, upper])
        return X

    def log_slope(self, U):
        """``log |φ′|`` of each coordinate and its derivative, both of shape (n, d)."""
        low, high, has_low, has_high = self._limits(U)
        both = has_low & has_high
        side = np.where(has_low ^ has_high, np.where(has_low, 1.0, -1.0), 0.0)  # +1: a lower limit alone
        value, derivative = side * U, np.broadcast_to(side, U.shape).copy()
        value[:, both] = np.log((high - low)[both]) + log_expit(U[:, both]) + log_expit(-U[:, both])
        derivative[:, both] = 1.0 - 2.0 * expit(U[:, both])
        return value, derivative


class Orthant(Box):
    """The positive orthant {x : x > 0}.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Orthant
    >>> Orthant().contains(np.array([[1.0, 2.0], [1.0, -2.0]]))
    array([ True, False])
    """

    def __init__(self):
        super().__init__(lower=0.0, upper=np.inf)


@dataclass(frozen=True)
class Chart:
    """The map t ↦ x = φ(a + L t) from R^d onto a domain, in which the data are near N(0, I).

    Parameters
    ----------
    domain : Reals
        Domain with bijection φ.
    location : ndarray of shape (d,)
        a, mean of the data in the coordinates u = φ⁻¹(x).
    factor : ndarray of shape (d, d)
        L, with LLᵀ the covariance of the data in these coordinates.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Chart, Reals
    >>> Chart(Reals(), np.array([5.0]), np.array([[2.0]])).to_domain(np.array([[1.0]]))
    array([[7.]])
    """

    domain: Any
    location: np.ndarray
    factor: np.ndarray

    @classmethod
    def from_moments(cls, domain, moments) -> Chart:
        """Chart of data with these moments in the coordinates u."""
        scale = moments.scale
        values, vectors = np.linalg.eigh(moments.covariance / np.outer(scale, scale))
        spread = np.sqrt(np.maximum(values, 1e-10 * values[-1] if values[-1] > 0.0 else 1.0))
        return cls(domain, moments.mean, scale[:, None] * vectors * spread)

    def recentred(self, moments) -> Chart:
        """Chart in which a law with these moments in the present coordinates t is standardised."""
        inner = Chart.from_moments(self.domain, moments)
        return Chart(self.domain, self.location + self.factor @ inner.location, self.factor @ inner.factor)

    def to_domain(self, T):
        """Rows x of coordinates t, shape (n, d)."""
        return self.domain.from_reals(self.location + T @ self.factor.T)

    def log_volume(self, T):
        """``log |det ∂x/∂t|`` at each row of T, shape (n,)."""
        slope, _ = self.domain.log_slope(self.location + T @ self.factor.T)
        return slope.sum(axis=1) + np.linalg.slogdet(self.factor)[1]

    def pull_back(self, T, score):
        """Score in t of a law with this `score` in x: Lᵀ(φ′ ∘ s + (log φ′)′)."""
        slope, derivative = self.domain.log_slope(self.location + T @ self.factor.T)
        return (np.exp(slope) * score + derivative) @ self.factor
