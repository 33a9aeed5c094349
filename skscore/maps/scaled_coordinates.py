r"""Coordinates whose unit changes from row to row: :math:`y = a(x)\,e^{-g(x)}` in each column, a and g affine.

An affine map whitens the rows as a whole; where the spread of a column depends on the others (Neal's funnel, a level
with its noise) some rows stay far too narrow in it. With :math:`a_j` and :math:`g_j` functions of x_j and of columns
that come before it in some order, the inverse is found column by column. Beyond the limits that g had where it was
learnt it stays constant: a scale that grows for ever would send far rows out of sight. With :math:`q = e^{-g}`, and A,
C the matrices of a and g, C without the columns that are at a limit,

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
    limits : ndarray of shape (2, d)
        Least and greatest g.
    order : tuple of int
        Columns so that a_j depends on x_j and the columns before, and g_j on the columns before.

    Examples
    --------
    The second column is as wide as the exponential of the first:

    >>> import numpy as np
    >>> from skscore.maps.affine import AffineMap
    >>> from skscore.maps.scaled_coordinates import ScaledCoordinates
    >>> plain = AffineMap(np.zeros(2), np.eye(2), np.zeros(2))
    >>> first = AffineMap(np.zeros(2), np.array([[0.0, 1.0], [0.0, 0.0]]), np.zeros(2))
    >>> funnel = ScaledCoordinates(plain, first, np.array([[-5.0], [5.0]]) * np.ones(2), (0, 1))
    >>> funnel.to_reals(np.array([[np.log(4.0), 8.0]])).round(3)
    array([[1.386, 2.   ]])
    """

    linear: AffineMap
    log_scale: AffineMap
    limits: np.ndarray
    order: tuple
    curved = True

    def scales(self, X):
        """g of each row, and which of its entries are off their limits, both of shape (n, d)."""
        g = self.log_scale(X)
        least, greatest = self.limits
        return np.clip(g, least, greatest), (g > least) & (g < greatest)

    def to_reals(self, X):
        """Coordinates y of rows x, shape (n, d)."""
        return self.linear(X) * np.exp(-self.scales(X)[0])

    def from_reals(self, U):
        """Rows x of coordinates u, shape (n, d), one column after the other."""
        A, C = self.linear.matrix, self.log_scale.matrix
        D = np.zeros_like(U)  # x − o; columns still to come are zero, and have no part in this one
        for j in self.order:
            width = np.exp(np.clip(D @ C[:, j] + self.log_scale.shift[j], *self.limits[:, j]))
            D[:, j] = (U[:, j] * width - D @ A[:, j] - self.linear.shift[j]) / A[j, j]
        return D + self.linear.origin

    def log_det(self, U):
        """``log |det ∂x/∂u|`` at each row of U, shape (n,)."""
        return self.log_width(self.from_reals(U)) - self.linear.log_volume

    def pull_score(self, U, score):
        """Score in u (n, d) of a law with this `score` in x: t with (∂y/∂x)ᵀ t = score + ∇ Σ g, last column first."""
        A, C = self.linear.matrix, self.log_scale.matrix
        g, free = self.scales(self.from_reals(U))
        q, T, rest = np.exp(-g), np.zeros_like(U), score + free @ C.T
        for k in reversed(self.order):
            T[:, k] = (rest[:, k] - (q * T) @ A[k] + (free * U * T) @ C[k]) / (q[:, k] * A[k, k])
        return T

    def log_width(self, X):
        """Σ_j g_j of each row, shape (n,)."""
        return self.scales(X)[0].sum(axis=1)

    def slope_in_x(self, X, slope):
        """∇_x of f(y(x)) − Σ_j g_j(x), shape (n, d), where `slope` (n, d) is ∇_y f."""
        g, free = self.scales(X)
        slope_in_a = slope * np.exp(-g)
        slope_in_g = free * (slope_in_a * self.linear(X) + 1.0)
        return slope_in_a @ self.linear.matrix.T - slope_in_g @ self.log_scale.matrix.T

    def motion(self, X, V):
        """ẏ and ÿ of rows X (n, d) that move along V, of shape (n, d), or (K, 1, d) for K motions of each row."""
        g, free = self.scales(X)
        q = np.exp(-g)
        y, da, dg = self.linear(X) * q, V @ self.linear.matrix, free * (V @ self.log_scale.matrix)
        return q * da - y * dg, (y * dg - 2.0 * q * da) * dg
