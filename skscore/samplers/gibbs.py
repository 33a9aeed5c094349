r"""Gaussians truncated to a box, drawn one coordinate at a time: every conditional is a univariate truncated normal.

The law is :math:`p(x) \propto \exp(-\tfrac12x^\top Kx + \eta^\top x)` on :math:`l < x < r`. Given the others,

.. math:: x_j \sim N\Bigl(x_j + \frac{(\eta - Kx)_j}{K_{jj}},\; \frac1{K_{jj}}\Bigr) \quad\text{on } (l_j, r_j),

where the terms in :math:`x_j` cancel: all that is asked of K is a positive diagonal and, where the box is unbounded, a
finite mass. No step is ever rejected (Geweke, 1991).

**Tails.** A univariate draw inverts the distribution function in logarithms, and in the left tail: with
:math:`\log\Phi(z) = \log[(1 - u)\Phi(\alpha) + u\,\Phi(\beta)]` and the limits mirrored where both are positive, no
digits are lost at any number of standard deviations from the mean.

**How many sweeps.** A few chains begin at :math:`p^{1/4}`, which is wider than p, and go on in windows of doubling
length until R̂ (Vehtari et al., 2021) says that within half a window each of them has seen the law. For it to be as low
as is asked, a window must hold some twenty autocorrelation times. Each draw is then a chain of its own, which starts at
a state of that window and runs for a quarter of its length.

References
----------
Geweke, J. (1991). Efficient simulation from the multivariate normal and Student-t distributions subject to linear
constraints. Computing Science and Statistics, 23, 571-578.
Vehtari, A., Gelman, A., Simpson, D., Carpenter, B., & Bürkner, P.-C. (2021). Rank-normalization, folding, and
localization: an improved R̂ for assessing convergence of MCMC. Bayesian Analysis, 16(2), 667-718.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr, ndtri_exp
from sklearn.exceptions import ConvergenceWarning

from .diagnostics import rhat

__all__ = ["BoxedGaussian", "draw_boxed_gaussian", "draw_truncated_normal"]

N_PILOTS = 64  # chains that find out how long chains must be
N_KEPT = 64  # states of a window on which they are judged, evenly spaced
MOST_SWEEPS = 4096  # of one window
MIXED = 1.05  # R-hat, which exceeds 1 by about the autocorrelation time over the number of states in half a window
HEAT = 4.0  # temperature of the law from which the chains begin


def draw_truncated_normal(mean, scale, lower, upper, rng):
    """Normal variates within limits, one for each entry of `mean`.

    Parameters
    ----------
    mean : ndarray of shape (n,)
        Of the normal law before it is truncated.
    scale : float
        Its standard deviation.
    lower, upper : float
        Limits, perhaps infinite.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n,)

    Examples
    --------
    The mean over the limit of a normal truncated far in its tail is near 1/limit:

    >>> import numpy as np
    >>> from skscore.samplers.gibbs import draw_truncated_normal
    >>> rng = np.random.default_rng(0)
    >>> x = draw_truncated_normal(np.zeros(10000), 1.0, 40.0, np.inf, rng)
    >>> round(float(x.mean() - 40.0), 4)
    0.025
    """
    low, high = (lower - mean) / scale, (upper - mean) / scale
    side = np.where(low > 0.0, -1.0, 1.0)  # limits that are both positive are mirrored into the left tail
    low, high = np.where(low > 0.0, -high, low), np.where(low > 0.0, -low, high)
    u = np.maximum(rng.random(mean.shape), 2.0**-54)  # 0 could be a draw at minus infinity
    with np.errstate(divide="ignore"):  # log 0 = -inf is the logarithm of nothing
        log_cdf = np.logaddexp(np.log1p(-u) + log_ndtr(low), np.log(u) + log_ndtr(high))
    return np.clip(mean + scale * side * ndtri_exp(log_cdf), lower, upper)


class BoxedGaussian(NamedTuple):
    """The law exp(−½xᵀKx + ηᵀx) on a box.

    Parameters
    ----------
    K : ndarray of shape (p, p)
        Symmetric, of positive diagonal.
    eta : ndarray of shape (p,)
    lower, upper : ndarrays of shape (p,)
        Limits, perhaps infinite.
    """

    K: np.ndarray
    eta: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def heated(self, temperature):
        """The law of density p^(1/temperature)."""
        return self._replace(K=self.K / temperature, eta=self.eta / temperature)

    def sweep(self, columns, rng):
        """Draw each coordinate of many chains anew; `columns` (p, n), one chain in each column, is overwritten."""
        for j, row in enumerate(self.K):
            mean = columns[j] + (self.eta[j] - row @ columns) / row[j]
            columns[j] = draw_truncated_normal(mean, row[j] ** -0.5, self.lower[j], self.upper[j], rng)


def draw_boxed_gaussian(law, start, n_samples, rng):
    """Independent draws, to within what R̂ can tell.

    Parameters
    ----------
    law : BoxedGaussian
    start : ndarray of shape (p,)
        A point of the closed box, best near the mean.
    n_samples : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n_samples, p)

    Warns
    -----
    ConvergenceWarning
        Where the chains disagree after the longest window.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers.gibbs import BoxedGaussian, draw_boxed_gaussian
    >>> K, zero = np.array([[1.0, 0.5], [0.5, 1.0]]), np.zeros(2)
    >>> law = BoxedGaussian(K, zero, zero, zero + np.inf)
    >>> X = draw_boxed_gaussian(law, zero, 20000, np.random.default_rng(0))
    >>> bool((X > 0.0).all()), X.mean(axis=0).round(1)
    (True, array([0.7, 0.7]))
    """
    states, n_sweeps, disagreement = _mixed_states(law, start, rng)
    if not disagreement <= MIXED:
        warnings.warn(
            f"the Gibbs chains of sample() disagree after {n_sweeps} sweeps (R-hat {disagreement:.3g}, above {MIXED}): "
            "the columns are nearly collinear, or the fitted density has separate modes whose weights may be off. "
            "A larger alpha draws the columns apart.",
            ConvergenceWarning,
            stacklevel=2,
        )
    columns = states[rng.integers(len(states), size=n_samples)].T.copy()
    for _ in range(n_sweeps // 4):
        law.sweep(columns, rng)
    return columns.T


def _mixed_states(law, start, rng):
    """States (s, p) of chains that have mixed, the length of their last window, and its largest R̂."""
    columns, heated = np.tile(start[:, None], N_PILOTS), law.heated(HEAT)
    for _ in range(N_KEPT):
        heated.sweep(columns, rng)
    thin, disagreement = 1, np.inf
    while not disagreement <= MIXED and thin * N_KEPT <= MOST_SWEEPS:
        kept = _window(law, columns, thin, rng)
        disagreement, thin = float(rhat(kept).max()), 2 * thin
    return kept.reshape(-1, len(start)), thin // 2 * N_KEPT, disagreement


def _window(law, columns, thin, rng):
    """Every `thin`-th state of the chains, shape (N_KEPT, N_PILOTS, p)."""
    kept = np.empty((N_KEPT, *columns.T.shape))
    for state in kept:
        for _ in range(thin):
            law.sweep(columns, rng)
        state[...] = columns.T
    return kept
