r"""All of :math:`R^d`, the contract of every domain, and the map that standardises data on a domain.

A domain says whether a row lies inside (``contains``), which point of its closure is nearest (``project``), and how far
its boundary is: in any direction (``boundary_distance``, the weight of Liu, Kanamori & Williams, 2022) or along one
coordinate with the others fixed (``coordinate_distance``, the argument of the weights h of Yu, Drton & Shojaie, 2022).
A bijection :math:`x = \varphi(u)`, smooth except on a null set, maps :math:`R^m` onto it, with

.. math:: \texttt{log\_det} = \log|\det\partial x/\partial u|, \qquad
    \texttt{pull\_score}(u, s) = (\partial x/\partial u)^\top s + \nabla_u \log|\det\partial x/\partial u|,

the score in u of a density whose score in x is s. A :class:`DomainMap` adds the location and scale of the data, so that
samplers and integrators always work on a density near N(0, I).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import ndarray
from sklearn.base import BaseEstimator

from ..formulas.moments import Moments

__all__ = ["DomainMap", "Reals", "nearest_end", "one_for_each_column"]


class Reals(BaseEstimator):
    """All of R^d, and the base class of every domain.

    Attributes
    ----------
    has_boundary : bool
        Whether the domain differs from R^d.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Reals
    >>> Reals().contains(np.array([[0.0, -3.0]]))
    array([ True])
    """

    has_boundary: bool = False

    @classmethod
    def examples(cls) -> list[tuple[Any, int]]:
        """Sound instances for tests, each with the number of columns of its rows."""
        return [(cls(), 4)]

    def check(self, d: int) -> None:
        """Raise a ValueError if the parameters do not describe a domain of rows with d columns."""

    def rescaled(self, scale: ndarray) -> Reals:
        """Return the domain of x/scale, for scales of shape (d,)."""
        return self

    def contains(self, X: ndarray) -> ndarray:
        """Return whether each row of X (n, d) lies inside, shape (n,)."""
        return np.ones(len(X), dtype=bool)

    def remedy(self, row: ndarray) -> str:
        """Return what to do about a row (d,) outside, in a sentence."""
        return "Drop them, or widen the domain."

    def boundary_distance(self, X: ndarray) -> tuple[ndarray, ndarray]:
        """Return the Euclidean distance of each row to the boundary, shape (n,), and its gradient, shape (n, d).

        As written here it holds for domains that limit each coordinate on its own: the nearest boundary point then
        differs from the row in one coordinate.
        """
        distance, slope = self.coordinate_distance(X)
        nearest, rows = distance.argmin(axis=1), np.arange(len(X))
        gradient = np.zeros_like(X)
        gradient[rows, nearest] = slope[rows, nearest]
        return distance[rows, nearest], gradient

    def coordinate_distance(self, X: ndarray) -> tuple[ndarray, ndarray]:
        """Return the distance to the boundary along each coordinate, and its derivative, both of shape (n, d).

        The other coordinates are fixed. The derivative is +1 if the nearest end lies below, −1 if it lies above, and 0
        if both ends are equally near or there is none.
        """
        return np.full(X.shape, np.inf), np.zeros_like(X)

    def directions(self, d: int) -> ndarray:
        """Directions in which a row moves if one coordinate does, the rows of a (d, d) array."""
        return np.eye(d)

    def ends(self, d: int) -> tuple[ndarray, ndarray] | None:
        """Ends (lower, upper) of each coordinate, of shape (d,); None if the domain is no product of sets of them."""
        return None if self.has_boundary else (np.full(d, -np.inf), np.full(d, np.inf))

    def recession_normals(self, d: int) -> ndarray:
        """A (k, d), with which the rows go on for ever along v if Av ≤ 0: along 0 alone if the domain is bounded."""
        ends = self.ends(d)
        if ends is None:
            raise NotImplementedError(
                f"{type(self).__name__}.recession_normals: say along which directions the domain goes on for ever."
            )
        lower, upper = ends
        return np.vstack([-np.eye(d)[np.isfinite(lower)], np.eye(d)[np.isfinite(upper)]])

    def project(self, X: ndarray) -> ndarray:
        """Return the nearest point of the domain's closure to each row, shape (n, d)."""
        return X

    def within(self, X: ndarray) -> ndarray:
        """Move rows that lie on the boundary, or beyond it by rounding, inside; shape (n, d)."""
        return X

    def around(self, point: ndarray) -> Reals:
        """Return the domain with the bijection centred on a point (d,) inside, if the bijection has a centre."""
        return self

    def to_reals(self, X: ndarray) -> ndarray:
        """Return φ⁻¹ of each row inside the domain, shape (n, m)."""
        return X

    def from_reals(self, U: ndarray) -> ndarray:
        """Return φ of each row of U (n, m), shape (n, d)."""
        return U

    def log_det(self, U: ndarray) -> ndarray:
        """Return ``log |det ∂x/∂u|`` at each row of U (n, m), shape (n,)."""
        return np.zeros(len(U))

    def pull_score(self, U: ndarray, score: ndarray) -> ndarray:
        """Return the score in u at the rows U (n, m), shape (n, m), given the `score` (n, d) in x."""
        return score


def nearest_end(down: ndarray, up: ndarray) -> tuple[ndarray, ndarray]:
    """Return the smaller of the distances `down` and `up` to the ends of a line, and its derivative along the line."""
    return np.minimum(down, up), (down < up).astype(float) - (up < down)


def one_for_each_column(domain: BaseEstimator, name: str, d: int, *, infinite: bool = False) -> ndarray:
    """Return the values of a parameter; ValueError unless it is one number or d of them, finite unless `infinite`."""
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
class DomainMap:
    """The map t ↦ x = φ(a + L t) from R^m onto a domain; in t the data are near N(0, I).

    Parameters
    ----------
    domain : Reals
        Domain with bijection φ.
    location : ndarray of shape (m,)
        a, the mean of u = φ⁻¹(x) over the data.
    factor : ndarray of shape (m, m)
        L, where LLᵀ is the covariance of u.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import DomainMap, Reals
    >>> DomainMap(Reals(), np.array([5.0]), np.array([[2.0]])).forward(np.array([[1.0]]))
    array([[7.]])
    """

    domain: Reals
    location: ndarray
    factor: ndarray

    @classmethod
    def from_moments(cls, domain: Reals, moments: Moments) -> DomainMap:
        """Return the map that standardises data with these moments in u."""
        scale = moments.scale
        values, vectors = np.linalg.eigh(moments.correlation)
        spread = np.sqrt(np.maximum(values, 1e-10 * values[-1] if values[-1] > 0.0 else 1.0))
        return cls(domain, moments.mean, scale[:, None] * vectors * spread)

    def recentred(self, moments: Moments) -> DomainMap:
        """Return the map that standardises data with these moments in t."""
        inner = DomainMap.from_moments(self.domain, moments)
        return DomainMap(self.domain, self.location + self.factor @ inner.location, self.factor @ inner.factor)

    def forward(self, T: ndarray) -> ndarray:
        """Return the rows x of t, shape (n, d)."""
        return self.domain.from_reals(self._affine(T))

    def log_det(self, T: ndarray) -> ndarray:
        """Return ``log |det ∂x/∂t|`` at each row of T, shape (n,)."""
        return self.domain.log_det(self._affine(T)) + np.linalg.slogdet(self.factor)[1]

    def pull_score(self, T: ndarray, score: ndarray) -> ndarray:
        """Return the score in t, shape (n, m), given the `score` in x."""
        return self.domain.pull_score(self._affine(T), score) @ self.factor

    def _affine(self, T: ndarray) -> ndarray:
        return self.location + T @ self.factor.T
