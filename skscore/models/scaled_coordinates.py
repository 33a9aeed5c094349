r"""Coordinates whose unit changes from row to row: :math:`y = a(x)\,e^{-g(x)}` in each column, a and g affine.

An affine map whitens the rows as a whole; where the spread of a column depends on the others (Neal's funnel, a level
with its noise) some rows stay far too narrow in it. With :math:`a_j` and :math:`g_j` functions of x_j and of columns
that come before it in some order, the inverse is found column by column. With :math:`q = e^{-g}`, and A, C the matrices
of a and g,

.. math::

    \dot y &= q\,\dot a - y\,\dot g, \qquad \ddot y = -2q\,\dot a\,\dot g + y\,\dot g^2
              \qquad\text{along}\ v,\ \dot a = vA,\ \dot g = vC, \\
    \log|\det \partial y/\partial x| &= \log|\det A| - \textstyle\sum_j g_j(x).

References
----------
Papamakarios, G., Pavlakou, T., & Murray, I. (2017). Masked autoregressive flow for density estimation. NeurIPS, eq. 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..domains import Reals
from .affine import AffineMap

__all__ = ["ScaledCoordinates"]


@dataclass(frozen=True, eq=False)
class ScaledCoordinates(Reals):
    """All of R^d in the coordinates y.

    Parameters
    ----------
    linear, log_scale : AffineMap
        a and g.
    order : tuple of int
        Columns so that a_j depends on x_j and the columns before, and g_j on the columns before.

    Examples
    --------
    The second column is as wide as the exponential of the first:

    >>> import numpy as np
    >>> from skscore.models.affine import AffineMap
    >>> from skscore.models.scaled_coordinates import ScaledCoordinates
    >>> plain = AffineMap(np.zeros(2), np.eye(2), np.zeros(2))
    >>> first = AffineMap(np.zeros(2), np.array([[0.0, 1.0], [0.0, 0.0]]), np.zeros(2))
    >>> funnel = ScaledCoordinates(plain, first, (0, 1))
    >>> funnel.to_reals(np.array([[np.log(4.0), 8.0]])).round(3)
    array([[1.386, 2.   ]])
    """

    linear: AffineMap
    log_scale: AffineMap
    order: tuple
    curved = True

    def to_reals(self, X):
        """Coordinates y of rows x, shape (n, d)."""
        return self.linear(X) * np.exp(-self.log_scale(X))

    def from_reals(self, U):
        """Rows x of coordinates u, shape (n, d), one column after the other."""
        A, C = self.linear.matrix, self.log_scale.matrix
        D = np.zeros_like(U)  # x − o; columns still to come are zero, and have no part in this one
        for j in self.order:
            width = np.exp(D @ C[:, j] + self.log_scale.shift[j])
            D[:, j] = (U[:, j] * width - D @ A[:, j] - self.linear.shift[j]) / A[j, j]
        return D + self.linear.origin

    def log_volume(self, U):
        """``log |det ∂x/∂u|`` at each row of U, shape (n,)."""
        return self.log_width(self.from_reals(U)) - self.linear.log_volume

    def pull_back(self, U, score):
        """Score in u (n, d) of a law with this `score` in x: t with (∂y/∂x)ᵀ t = score + ∇ Σ g, last column first."""
        A, C = self.linear.matrix, self.log_scale.matrix
        q = np.exp(-self.log_scale(self.from_reals(U)))
        T, rest = np.zeros_like(U), score + C.sum(axis=1)
        for k in reversed(self.order):
            T[:, k] = (rest[:, k] - (q * T) @ A[k] + (U * T) @ C[k]) / (q[:, k] * A[k, k])
        return T

    def log_width(self, X):
        """Σ_j g_j of each row, shape (n,)."""
        return self.log_scale(X).sum(axis=1)

    def slope_in_x(self, X, slope):
        """∇_x of f(y(x)) − Σ_j g_j(x), shape (n, d), where `slope` (n, d) is ∇_y f."""
        g = self.log_scale(X)
        q = np.exp(-g)
        return (slope * q) @ self.linear.matrix.T - (slope * self.linear(X) * q + 1.0) @ self.log_scale.matrix.T

    def motion(self, X, V):
        """ẏ and ÿ of rows X (n, d) that move along V, of shape (n, d), or (K, 1, d) for K motions of each row."""
        q = np.exp(-self.log_scale(X))
        y, da, dg = self.linear(X) * q, V @ self.linear.matrix, V @ self.log_scale.matrix
        return q * da - y * dg, (y * dg - 2.0 * q * da) * dg
