r"""Normal scores by a mixture of Gaussians for each column, onto all of R.

.. math:: z_j = \Phi^{-1}(F_j(x_j)), \qquad F_j(x) = \sum_k w_{jk}\,\Phi\Bigl(\frac{x - \mu_{jk}}{s_{jk}}\Bigr).

F is a smooth stand-in for the distribution function of a column, so that z is nearly N(0, 1) whatever its shape. Its
logarithm and that of 1 − F keep both tails. With p = F' the slope is :math:`z' = p/\varphi(z)`, and

.. math:: (\log z')' = (\log p)' + z z', \qquad (\log z')'' = (\log p)'' + z'^2 + z z' (\log z')'.

The inverse lies between the least and the greatest of :math:`\mu_k + s_k z`, where bisection finds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy.special import log_ndtr, logsumexp, ndtri_exp, softmax

from .algebra import Elementwise

__all__ = ["MixtureScores"]

HALVINGS = 60  # of the interval that holds the inverse
HALF_LOG_2_PI = 0.5 * np.log(2.0 * np.pi)


@dataclass(frozen=True, eq=False)
class MixtureScores(Elementwise):
    """z_j = Φ⁻¹(F_j(x_j)); NaN stays NaN.

    Parameters
    ----------
    weights, means, scales : sequence of d ndarrays of shape (K_j,)
        w, μ and s of each column.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.maps.mixture_scores import MixtureScores
    >>> pair = MixtureScores([np.array([0.5, 0.5])], [np.array([-3.0, 3.0])], [np.ones(2)])
    >>> pair.forward(np.array([[-3.0], [3.0]])).round(3).ravel()
    array([-0.674,  0.674])
    """

    weights: Sequence[ndarray]
    means: Sequence[ndarray]
    scales: Sequence[ndarray]

    def _by_column(self, evaluate, X):
        """`evaluate` of each column and its mixture, as columns."""
        columns = zip(X.T, self.weights, self.means, self.scales, strict=True)
        return np.stack([evaluate(*column) for column in columns], axis=1) if X.shape[1] else X.copy()

    def forward(self, X):
        """Return Φ⁻¹(F(x))."""
        return self._by_column(_score, X)

    def inverse(self, Z):
        """Return F⁻¹(Φ(z))."""
        return self._by_column(_quantile, Z)

    def log_slope(self, X):
        """Return log p + z²/2 + ½ log 2π."""
        return self._by_column(_log_slope, X)

    def log_slope_gradient(self, X):
        """Return (log p)' + z z'."""
        return self._by_column(_log_slope_gradient, X)

    def log_slope_curvature(self, X):
        """Return (log p)'' + z'² + z z' (log z')'."""
        return self._by_column(_log_slope_curvature, X)


# ---- one column ----------------------------------------------------------------------------------


def _score(x, w, mu, s):
    """z, from the smaller of the two tails."""
    a = (x[:, None] - mu) / s
    below, above = (logsumexp(np.log(w) + log_ndtr(side), axis=1) for side in (a, -a))
    return np.where(below < above, ndtri_exp(below), -ndtri_exp(above))


def _quantile(z, w, mu, s):
    """The x of each z."""
    ends = mu + s * z[:, None]
    lower, upper = ends.min(axis=1), ends.max(axis=1)
    for _ in range(HALVINGS if len(w) > 1 else 1):
        middle = 0.5 * (lower + upper)
        is_below = _score(middle, w, mu, s) < z
        lower, upper = np.where(is_below, middle, lower), np.where(is_below, upper, middle)
    return 0.5 * (lower + upper)


def _log_terms(x, w, mu, s):
    """Logarithms of w_k N(x; μ_k, s_k²), shape (n, K)."""
    return np.log(w / s) - 0.5 * ((x[:, None] - mu) / s) ** 2 - HALF_LOG_2_PI


def _log_slope(x, w, mu, s):
    return logsumexp(_log_terms(x, w, mu, s), axis=1) + 0.5 * _score(x, w, mu, s) ** 2 + HALF_LOG_2_PI


def _log_density_slopes(x, w, mu, s):
    """(log p)' and (log p)''."""
    r, slope = softmax(_log_terms(x, w, mu, s), axis=1), -(x[:, None] - mu) / s**2
    first = (r * slope).sum(axis=1)
    return first, (r * (slope**2 - s**-2.0)).sum(axis=1) - first**2


def _log_slope_gradient(x, w, mu, s):
    return _log_density_slopes(x, w, mu, s)[0] + _score(x, w, mu, s) * np.exp(_log_slope(x, w, mu, s))


def _log_slope_curvature(x, w, mu, s):
    slope = np.exp(_log_slope(x, w, mu, s))
    bent = _score(x, w, mu, s) * slope * _log_slope_gradient(x, w, mu, s)
    return _log_density_slopes(x, w, mu, s)[1] + slope**2 + bent
