r"""The line of each column stretched where its values heap up.

.. math:: z_j = y_{jk} + (x_j - e_{jk})\,\frac{y_{j,k+1} - y_{jk}}{e_{j,k+1} - e_{jk}}
          \qquad\text{for } e_{jk} \le x_j \le e_{j,k+1},

with slope 1 before the first and after the last of the knots :math:`e_j`; a column without knots stays as it is. The
map is onto all of R.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from .algebra import Elementwise

__all__ = ["Stretch"]


@dataclass(frozen=True, eq=False)
class Stretch(Elementwise):
    """z_j interpolates the points (e_j, y_j); NaN stays NaN.

    Parameters
    ----------
    knots, values : sequence of d ndarrays of shape (K_j,)
        e and y of each column, strictly increasing; empty in a column that stays as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.maps.stretch import Stretch
    >>> twice = Stretch([np.array([0.0, 1.0])], [np.array([0.0, 2.0])])
    >>> twice.forward(np.array([[-1.0], [0.5], [3.0]])).ravel()
    array([-1.,  1.,  4.])
    """

    knots: Sequence[ndarray]
    values: Sequence[ndarray]

    def forward(self, X):
        """Return z."""
        return _by_column(_interpolated, X, self.knots, self.values)

    def inverse(self, Z):
        """Return x."""
        return _by_column(_interpolated, Z, self.values, self.knots)

    def log_slope(self, X):
        """Return the logarithm of the slope between the knots beside x, 0 beyond them."""
        return _by_column(_log_slope, X, self.knots, self.values)

    def log_slope_gradient(self, X):
        """Return zeros: between knots the slope is constant."""
        return np.zeros(X.shape)

    def log_slope_curvature(self, X):
        """Return zeros."""
        return np.zeros(X.shape)


def _by_column(evaluate, X, knots, values):
    columns = zip(X.T, knots, values, strict=True)
    return np.stack([evaluate(*column) for column in columns], axis=1) if X.shape[1] else X.copy()


def _interpolated(x, a, b):
    return np.interp(x, a, b) + (x - np.clip(x, a[0], a[-1])) if len(a) else x


def _log_slope(x, a, b):
    if not len(a):
        return np.zeros(len(x))
    slopes = np.concatenate([[0.0], np.log(np.diff(b) / np.diff(a)), [0.0]])
    return slopes[np.searchsorted(a, x)]
