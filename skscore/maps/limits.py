r"""Columns between limits a and b, moved onto all of R.

.. math::

   z = \log(x - a), \qquad z = -\log(b - x), \qquad z = \log\frac{x - a}{b - x}

if x has a lower limit, an upper one, or both; z = x if it has none. The slope is 1/(x − a), 1/(b − x), or their sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy.special import expit

from .algebra import Elementwise

__all__ = ["Limits"]


@dataclass(frozen=True, eq=False)
class Limits(Elementwise):
    """The map of columns between limits; NaN stays NaN.

    Parameters
    ----------
    lower, upper : ndarray of shape (d,)
        a and b, infinite where there is none.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.maps.limits import Limits
    >>> limits = Limits(np.array([0.0, 0.0]), np.array([np.inf, 1.0]))
    >>> limits.inverse(limits.forward(np.array([[3.0, 0.25]])))
    array([[3.  , 0.25]])
    """

    lower: ndarray
    upper: ndarray

    @property
    def _kinds(self):
        """Which columns have a lower and an upper limit."""
        return np.isfinite(self.lower), np.isfinite(self.upper)

    def _terms(self, X, of_lower, of_upper):
        """Functions of x − a and of b − x, zero in columns without the limit."""
        below, above = self._kinds
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(below, of_lower(X - self.lower), 0.0), np.where(above, of_upper(self.upper - X), 0.0)

    def contains(self, X):
        """Return whether each row lies strictly within the limits."""
        return ((X > self.lower) & (X < self.upper)).all(axis=1)

    def forward(self, X):
        """Return z."""
        low, high = self._terms(X, np.log, np.log)
        return np.where(self._kinds[0] | self._kinds[1], low - high, X)

    def inverse(self, Z):
        """Return x."""
        below, above = self._kinds
        a, b = np.where(below, self.lower, 0.0), np.where(above, self.upper, 0.0)
        with np.errstate(over="ignore"):
            one_sided = np.where(below, a + np.exp(Z), np.where(above, b - np.exp(-Z), Z))
        return np.where(below & above, a + (b - a) * expit(Z), one_sided)

    def log_slope(self, X):
        """Return log dz/dx."""
        low, high = self._terms(X, np.log, np.log)
        below, above = self._kinds
        width = np.log(np.where(below & above, self.upper - np.where(below, self.lower, 0.0), 1.0))
        return width - low - high

    def log_slope_gradient(self, X):
        """Return d/dx log dz/dx = −1/(x − a) + 1/(b − x)."""
        low, high = self._terms(X, np.reciprocal, np.reciprocal)
        return high - low

    def log_slope_curvature(self, X):
        """Return 1/(x − a)² + 1/(b − x)²."""
        low, high = self._terms(X, lambda d: d**-2.0, lambda d: d**-2.0)
        return low + high
