r"""Compositions: rows of positive parts that sum to one.

Densities are with respect to the first d − 1 parts; the last part is 1 minus their sum. If part j increases while the
others are fixed, the last part decreases, so that along coordinate j < d the boundary is :math:`\min(x_j, x_d)` away
(Yu, Drton & Shojaie, 2022). The last part is no free coordinate: its distance is set to 0, and every weight h of it is
0. The bijection is the additive log-ratio (Aitchison, 1986)

.. math:: u_j = \log(x_j/x_d), \qquad \log\Big|\det\frac{\partial x_{1..d-1}}{\partial u}\Big| = \sum_{j=1}^d \log x_j.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray
from scipy.special import log_softmax, softmax

from .reals import Reals, nearest_end

__all__ = ["Simplex"]

TOLERANCE = 5e-5  # of a row's sum, for each part: tables of compositions are rounded to four digits


class Simplex(Reals):
    """The open simplex {x : x > 0, Σ x = 1}.

    References
    ----------
    Wang, W. & Carreira-Perpiñán, M. Á. (2013). Projection onto the probability simplex: an efficient algorithm with a
    simple proof, and an application. arXiv:1309.1541.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Simplex
    >>> X = np.array([[0.125, 0.5, 0.375]])
    >>> Simplex().coordinate_distance(X)
    (array([[0.125, 0.375, 0.   ]]), array([[ 1., -1.,  0.]]))
    >>> Simplex().project(np.array([[2.0, 1.0, 0.0]]))
    array([[1., 0., 0.]])
    """

    has_boundary = True

    def recession_normals(self, d: int) -> ndarray:
        """Nowhere."""
        return np.vstack([np.eye(d), -np.eye(d)])

    def check(self, d: int) -> None:
        """Raise a ValueError for fewer than two parts."""
        if d < 2:
            raise ValueError(f"Simplex: a composition has two parts or more, X has {d} column; choose Box(0, 1).")

    def rescaled(self, scale: ndarray) -> Simplex:
        """Return the simplex itself: its parts have no units, so that scales of shape (d,) have to be 1."""
        if not np.all(np.asarray(scale) == 1.0):
            raise NotImplementedError("Simplex: parts of a whole have no units; leave the columns as they are.")
        return self

    def contains(self, X: ndarray) -> ndarray:
        """Return whether each row of X (n, d) is positive and sums to 1, up to d roundings to 4 digits, shape (n,)."""
        tolerance = TOLERANCE * X.shape[1] + np.finfo(float).eps
        return (X > 0.0).all(axis=1) & (np.abs(X.sum(axis=1) - 1.0) <= tolerance)

    def remedy(self, row: ndarray) -> str:
        """Return what to do about a row (d,) outside: parts are positive, and divided by their sum."""
        if (row <= 0.0).any():
            return "Parts are greater than 0: drop such rows, or replace their zeros by less than can be measured."
        return f"Its parts sum to {row.sum():.5g}: divide each row by its sum."

    def boundary_distance(self, X: ndarray) -> tuple[ndarray, ndarray]:
        """Return the distance of each row to the nearest face, (n,), and its gradient within Σ x = 1, (n, d)."""
        d = X.shape[1]
        towards = np.sqrt(d / (d - 1.0)) * (np.eye(d) - 1.0 / d)  # unit vectors away from each face
        return np.sqrt(d / (d - 1.0)) * X.min(axis=1), towards[X.argmin(axis=1)]

    def coordinate_distance(self, X: ndarray) -> tuple[ndarray, ndarray]:
        """Return min(x_j, x_d) and its derivative along e_j − e_d, both of shape (n, d); 0 and 0 for the last part."""
        distance, slope = nearest_end(X, X[:, -1:])
        distance[:, -1] = 0.0
        return distance, slope

    def directions(self, d: int) -> ndarray:
        """e_j − e_d for part j, shape (d, d); 0 for the last."""
        return np.eye(d) - np.eye(d)[-1]

    def project(self, X: ndarray) -> ndarray:
        """Return the nearest point of the closed simplex to each row, (n, d): max(x − τ, 0), which sums to 1."""
        descending, count = -np.sort(-X, axis=1), np.arange(1, X.shape[1] + 1)
        tau = (descending.cumsum(axis=1) - 1.0) / count
        support = (descending > tau).sum(axis=1, keepdims=True)
        return np.maximum(X - np.take_along_axis(tau, support - 1, axis=1), 0.0)

    def within(self, X: ndarray) -> ndarray:
        """Move rows that lie on a face inside, towards the centre; shape (n, d)."""
        return np.where(self.contains(X)[:, None], X, (1.0 - 1e-9) * X + 1e-9 / X.shape[1])

    def to_reals(self, X: ndarray) -> ndarray:
        """Return the additive log-ratios of each row, shape (n, d − 1)."""
        return np.log(X[:, :-1] / X[:, -1:])

    def from_reals(self, U: ndarray) -> ndarray:
        """Return the composition of each row of log-ratios, shape (n, d)."""
        return softmax(_with_last(U), axis=1)

    def log_det(self, U: ndarray) -> ndarray:
        """Return the sum of log x over all parts, at each row of U, shape (n,)."""
        return log_softmax(_with_last(U), axis=1).sum(axis=1)

    def pull_score(self, U: ndarray, score: ndarray) -> ndarray:
        """Return ``x_j (s_j − x·s) + 1 − d x_j`` for all parts but the last, shape (n, d − 1)."""
        X = self.from_reals(U)
        pulled = X * (score - (X * score).sum(axis=1, keepdims=True)) + 1.0 - X.shape[1] * X
        return pulled[:, :-1]


def _with_last(U: ndarray) -> ndarray:
    """Append the log-ratio of the last part, 0; shape (n, d)."""
    return np.column_stack([U, np.zeros(len(U))])
