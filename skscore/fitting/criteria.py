r"""Criteria that choose a penalty from what a path of estimates says of its rows or of rows held out.

The extended Bayesian information criterion (Foygel & Drton, 2010) with a score-matching loss (Lin, Drton & Shojaie,
2016, section 4),

.. math:: \mathrm{eBIC}_\gamma = 2nJ + |E|\log n + 2\gamma\log\binom{p(p-1)/2}{|E|},

in which linear parameters under a penalty of their own, :math:`|L|` of p, cost :math:`|L|\log n + 2\gamma\log\binom
p{|L|}` more, and the score matching information criterion (Matsuda, Uehara & Hyvärinen, 2021, eq. 13),

.. math:: \mathrm{SMIC} = nJ + \operatorname{tr}(I\,\Gamma^{-1}), \qquad I = E[\psi\psi^\top],

the analogue of Akaike's, with ψ the gradient of a row's objective.

References
----------
Foygel, R., & Drton, M. (2010). Extended Bayesian information criteria for Gaussian graphical models. NeurIPS, 604-612.
Lin, L., Drton, M., & Shojaie, A. (2016). Estimation of high-dimensional graphical models using regularized score
matching. Electronic Journal of Statistics, 10(1), 806-854.
Matsuda, T., Uehara, M., & Hyvärinen, A. (2021). Information criteria for non-normalized models. JMLR, 22(158), 1-33.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

__all__ = ["ebic", "one_standard_error", "smic"]


def ebic(objective, n_edges, n, p, gamma, n_linear=0):
    """Extended Bayesian information criterion, smaller is better.

    Parameters
    ----------
    objective : float or ndarray
        J, a mean over rows.
    n_edges : int or ndarray
        Pairs of columns with an interaction.
    n : float
        Total weight of the rows.
    p : int
        Columns.
    gamma : float
        γ in [0, 1]; 0 is the ordinary criterion.
    n_linear : int or ndarray, default=0
        Linear parameters that a penalty on them left.

    Returns
    -------
    float or ndarray

    Examples
    --------
    >>> from skscore.fitting.criteria import ebic
    >>> round(float(ebic(-1.0, 2, n=100, p=4, gamma=0.5)), 3)
    -188.082
    """
    log_models = _log_choices(p * (p - 1) / 2.0, n_edges) + _log_choices(p, n_linear)
    return 2.0 * n * objective + (n_edges + n_linear) * np.log(n) + 2.0 * gamma * log_models


def _log_choices(n, k):
    """Logarithm of the number of ways to choose k of n."""
    return gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)


def smic(objective, Gamma, meat, n):
    """Score matching information criterion, smaller is better.

    Parameters
    ----------
    objective : float
    Gamma : ndarray of shape (k, k)
        Γ of the parameters that are free, in any units.
    meat : ndarray of shape (k, k)
        I, the mean of ψψᵀ over rows.
    n : float

    Returns
    -------
    float
    """
    scale = np.sqrt(np.maximum(np.diag(Gamma), np.finfo(float).tiny))
    units = np.outer(scale, scale)  # of a unit diagonal: what least squares take for rounding has no units
    return float(n * objective + np.trace(np.linalg.lstsq(Gamma / units, meat / units, rcond=None)[0]))


def one_standard_error(means, errors):
    """First place whose mean is within one standard error of the smallest.

    Parameters
    ----------
    means, errors : ndarrays of shape (L,)
        From the strongest penalty to the weakest.

    Returns
    -------
    int

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.criteria import one_standard_error
    >>> one_standard_error(np.array([3.0, 1.2, 1.0, 1.1]), np.full(4, 0.3))
    1
    """
    best = int(np.argmin(means))
    return int(np.flatnonzero(means <= means[best] + errors[best])[0])
