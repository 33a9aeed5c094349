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
from scipy.special import log_ndtr, logsumexp, ndtri, ndtri_exp, softmax

from .._kernels import normal_mixture as kernels
from .algebra import Elementwise

__all__ = ["MixtureScores"]

HALVINGS = 60  # of the interval that holds the inverse
LEAST_TAIL = 1e-290  # smaller ones lose digits
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
        columns = zip(np.ascontiguousarray(X.T), self.weights, self.means, self.scales, strict=True)
        return np.stack([evaluate(*column) for column in columns], axis=-1) if X.shape[1] else X.copy()

    def forward(self, X):
        """Return Φ⁻¹(F(x))."""
        return self._by_column(_score, X)

    def inverse(self, Z):
        """Return F⁻¹(Φ(z))."""
        return self._by_column(_quantile, Z)

    def log_slope(self, X):
        """Return log p + z²/2 + ½ log 2π."""
        return self.moved(X)[1]

    def moved(self, X):
        """Return z and the logarithm of its slope, which shares the tails."""
        return self._by_column(_score_and_log_slope, X) if X.shape[1] else (X.copy(), X.copy())

    def log_slope_gradient(self, X):
        """Return (log p)' + z z'."""
        return self._by_column(_log_slope_gradient, X)

    def log_slope_curvature(self, X):
        """Return (log p)'' + z'² + z z' (log z')'."""
        return self._by_column(_log_slope_curvature, X)


# ---- one column ----------------------------------------------------------------------------------


def _score(x, w, mu, s):
    """z, from the smaller of the two tails."""
    below, above = np.empty((2, len(x)))
    kernels.tails(x, w, mu, s, below, above)
    z = np.where(below < above, ndtri(below), -ndtri(above))
    far = np.minimum(below, above) < LEAST_TAIL
    if far.any():
        z[far] = _far_score(x[far], w, mu, s)
    return z


def _far_score(x, w, mu, s):
    """z where a tail may underflow, from its logarithm."""
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


def _log_density(x, w, mu, s):
    log_p = np.empty(len(x))
    kernels.log_density(x, w, mu, s, log_p)
    return log_p


def _score_and_log_slope(x, w, mu, s):
    z = _score(x, w, mu, s)
    return z, _log_density(x, w, mu, s) + 0.5 * z**2 + HALF_LOG_2_PI


def _log_density_slopes(x, w, mu, s):
    """(log p)' and (log p)''."""
    a = (x[:, None] - mu) / s
    r, slope = softmax(np.log(w / s) - 0.5 * a**2, axis=1), -a / s
    first = (r * slope).sum(axis=1)
    return first, (r * (slope**2 - s**-2.0)).sum(axis=1) - first**2


def _log_slope_gradient(x, w, mu, s):
    z, log_slope = _score_and_log_slope(x, w, mu, s)
    return _log_density_slopes(x, w, mu, s)[0] + z * np.exp(log_slope)


def _log_slope_curvature(x, w, mu, s):
    (z, log_slope), (first, second) = _score_and_log_slope(x, w, mu, s), _log_density_slopes(x, w, mu, s)
    slope = np.exp(log_slope)
    return second + slope**2 + z * slope * (first + z * slope)
