r"""All of :math:`R^d`, the contract of every domain, and the chart that puts data near N(0, I).

A domain knows whether a row lies inside (``contains``), the nearest row of its closure (``project``), and how far its
boundary is: in any direction (``boundary_distance``, the weight of Liu, Kanamori & Williams, 2022) or along one
coordinate with the others fixed (``coordinate_distance``, the argument of the weights h of Yu, Drton & Shojaie, 2022).
A bijection :math:`x = \varphi(u)`, smooth but for a null set, carries :math:`R^m` onto it, with

.. math:: \texttt{log\_volume} = \log|\det\partial x/\partial u|, \qquad
    \texttt{pull\_back}(u, s) = (\partial x/\partial u)^\top s + \nabla_u \log|\det\partial x/\partial u|,

the score in u of a law whose score in x is s. A :class:`Chart` adds the location and scale of the data, so that
samplers and integrators always work on a law near N(0, I).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator

__all__ = ["Chart", "Reals", "nearest_end", "one_for_each_column"]


class Reals(BaseEstimator):
    """All of R^d, and the base class of every domain.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Reals
    >>> Reals().contains(np.array([[0.0, -3.0]]))
    array([ True])
    """

    has_boundary = False

    @classmethod
    def examples(cls):
        """Sound instances for tests, each with the number of columns of its rows."""
        return [(cls(), 4)]

    def check(self, d):
        """Raise a ValueError where the parameters do not describe a domain of rows with d columns."""

    def rescaled(self, scale) -> Reals:
        """The domain of x/scale, for scales of shape (d,)."""
        return self

    def contains(self, X):
        """Whether each row of X (n, d) lies inside, shape (n,)."""
        return np.ones(len(X), dtype=bool)

    def boundary_distance(self, X):
        """Euclidean distance of each row to the boundary, shape (n,), and its gradient, shape (n, d)."""
        return np.full(len(X), np.inf), np.zeros_like(X)

    def coordinate_distance(self, X):
        """Distance to the boundary along each coordinate, the others fixed, and its slope in it, both of shape (n, d).

        The slope is +1 where the nearest end lies below, −1 where it lies above, 0 at ties and where there is no end.
        """
        return np.full(X.shape, np.inf), np.zeros_like(X)

    def directions(self, d):
        """Directions in which a row moves if one coordinate does, the rows of a (d, d) array."""
        return np.eye(d)

    def ends(self, d):
        """Ends (lower, upper) of each coordinate, of shape (d,); None if the domain is no product of sets of them."""
        return None if self.has_boundary else (np.full(d, -np.inf), np.full(d, np.inf))

    def recession_normals(self, d):
        """A (k, d), with which the rows go on for ever along v if Av ≤ 0: along 0 alone if the domain is bounded."""
        ends = self.ends(d)
        if ends is None:
            raise NotImplementedError(
                f"{type(self).__name__}.recession_normals: say along which directions the domain goes on for ever."
            )
        lower, upper = ends
        return np.vstack([-np.eye(d)[np.isfinite(lower)], np.eye(d)[np.isfinite(upper)]])

    def project(self, X):
        """Nearest point of the domain's closure to each row, shape (n, d)."""
        return X

    def within(self, X):
        """Rows on the boundary, or beyond it by rounding, moved inside, shape (n, d)."""
        return X

    def around(self, point) -> Reals:
        """The domain with its chart spread from a point (d,) inside, where the chart has a choice."""
        return self

    def to_reals(self, X):
        """φ⁻¹ of each row inside the domain, shape (n, m)."""
        return X

    def from_reals(self, U):
        """φ of each row of U (n, m), shape (n, d)."""
        return U

    def log_volume(self, U):
        """``log |det ∂x/∂u|`` at each row of U (n, m), shape (n,)."""
        return np.zeros(len(U))

    def pull_back(self, U, score):
        """Score in u (n, m), at rows U (n, m), of a law whose `score` (n, d) in x is known."""
        return score


def nearest_end(down, up):
    """The lesser of the distances `down` and `up` to the ends of a line, and its slope along the line."""
    return np.minimum(down, up), (down < up).astype(float) - (up < down)


def one_for_each_column(domain, name, d, *, infinite=False):
    """Values of a parameter, one number or d of them; ValueError for any other shape, NaN, or unwelcome infinity."""
    values = np.asarray(getattr(domain, name), dtype=float)
    if values.shape not in {(), (1,), (d,)}:
        raise ValueError(
            f"{type(domain).__name__}: {name} has shape {values.shape}; give one number, or one for each of the {d} "
            "columns."
        )
    if np.isnan(values).any() or not (infinite or np.isfinite(values).all()):
        raise ValueError(f"{type(domain).__name__}: {name}={getattr(domain, name)!r} is not finite; give numbers.")
    return values


@dataclass(frozen=True)
class Chart:
    """The map t ↦ x = φ(a + L t) from R^m onto a domain, in which the data are near N(0, I).

    Parameters
    ----------
    domain : Reals
        Domain with bijection φ.
    location : ndarray of shape (m,)
        a, mean of the data in the coordinates u = φ⁻¹(x).
    factor : ndarray of shape (m, m)
        L, with LLᵀ the covariance of the data in these coordinates.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Chart, Reals
    >>> Chart(Reals(), np.array([5.0]), np.array([[2.0]])).to_domain(np.array([[1.0]]))
    array([[7.]])
    """

    domain: Reals
    location: np.ndarray
    factor: np.ndarray

    @classmethod
    def from_moments(cls, domain, moments) -> Chart:
        """Chart of data with these moments in the coordinates u."""
        scale = moments.scale
        values, vectors = np.linalg.eigh(moments.correlation)
        spread = np.sqrt(np.maximum(values, 1e-10 * values[-1] if values[-1] > 0.0 else 1.0))
        return cls(domain, moments.mean, scale[:, None] * vectors * spread)

    def recentred(self, moments) -> Chart:
        """Chart in which a law with these moments in the present coordinates t is standardised."""
        inner = Chart.from_moments(self.domain, moments)
        return Chart(self.domain, self.location + self.factor @ inner.location, self.factor @ inner.factor)

    def to_domain(self, T):
        """Rows x of coordinates t, shape (n, d)."""
        return self.domain.from_reals(self._coordinates(T))

    def log_volume(self, T):
        """``log |det ∂x/∂t|`` at each row of T, shape (n,)."""
        return self.domain.log_volume(self._coordinates(T)) + np.linalg.slogdet(self.factor)[1]

    def pull_back(self, T, score):
        """Score in t, shape (n, m), of a law with this `score` in x."""
        return self.domain.pull_back(self._coordinates(T), score) @ self.factor

    def _coordinates(self, T):
        return self.location + T @ self.factor.T
