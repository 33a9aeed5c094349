r"""Criteria that choose a penalty from a path of estimates.

The extended Bayesian information criterion (Foygel & Drton, 2010) with a score-matching loss (Lin, Drton & Shojaie,
2016, section 4),

.. math:: \mathrm{eBIC}_\gamma = 2nJ + |E|\log n + 2\gamma\log\binom{p(p-1)/2}{|E|},

to which :math:`|L|` of p penalised linear parameters add :math:`|L|\log n + 2\gamma\log\binom p{|L|}`, and the score
matching information criterion (Matsuda, Uehara & Hyvärinen, 2021, eq. 13),

.. math:: \mathrm{SMIC} = nJ + \operatorname{tr}(I\,\Gamma^{-1}), \qquad I = E[\psi\psi^\top],

the analogue of Akaike's criterion, with ψ the gradient of the objective of a row.

References
----------
Foygel, R., & Drton, M. (2010). Extended Bayesian information criteria for Gaussian graphical models. NeurIPS, 604-612.
Lin, L., Drton, M., & Shojaie, A. (2016). Estimation of high-dimensional graphical models using regularized score
matching. Electronic Journal of Statistics, 10(1), 806-854.
Matsuda, T., Uehara, M., & Hyvärinen, A. (2021). Information criteria for non-normalized models. JMLR, 22(158), 1-33.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.special import gammaln

__all__ = ["ebic", "one_standard_error", "smic"]


def ebic(
    objective: ArrayLike, n_edges: ArrayLike, n: float, p: int, gamma: float, n_linear: ArrayLike = 0
) -> float | ndarray:
    """Compute the extended Bayesian information criterion; smaller is better.

    Parameters
    ----------
    objective : float or ndarray
        J, a mean over rows.
    n_edges : int or ndarray
        Number of pairs of columns with an interaction.
    n : float
        Total weight of the rows.
    p : int
        Number of columns.
    gamma : float
        γ in [0, 1]; with 0 it is the ordinary criterion.
    n_linear : int or ndarray, default=0
        Number of penalised linear parameters that are not zero.

    Returns
    -------
    float or ndarray

    Examples
    --------
    >>> from skscore.fitting.criteria import ebic
    >>> round(float(ebic(-1.0, 2, n=100, p=4, gamma=0.5)), 3)
    -188.082
    """
    objective, n_edges, n_linear = np.asarray(objective), np.asarray(n_edges), np.asarray(n_linear)
    log_models = _log_choices(p * (p - 1) / 2.0, n_edges) + _log_choices(p, n_linear)
    return 2.0 * n * objective + (n_edges + n_linear) * np.log(n) + 2.0 * gamma * log_models


def _log_choices(n: float, k: ndarray) -> ndarray:
    """Return the logarithm of the number of ways to choose k of n."""
    return gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)


def smic(objective: float, Gamma: ndarray, meat: ndarray, n: float) -> float:
    """Compute the score matching information criterion; smaller is better.

    Parameters
    ----------
    objective : float
    Gamma : ndarray of shape (k, k)
        Γ restricted to the free parameters, in any units.
    meat : ndarray of shape (k, k)
        I, the mean of ψψᵀ over rows.
    n : float
        Total weight of the rows.

    Returns
    -------
    float
    """
    scale = np.sqrt(np.maximum(np.diag(Gamma), np.finfo(float).tiny))
    units = np.outer(scale, scale)  # with a unit diagonal, so that the rank does not depend on units
    return float(n * objective + np.trace(np.linalg.lstsq(Gamma / units, meat / units, rcond=None)[0]))


def one_standard_error(means: ndarray, errors: ndarray) -> int:
    """Return the first index whose mean is within one standard error of the smallest mean.

    Parameters
    ----------
    means, errors : ndarrays of shape (L,)
        In the order from the strongest penalty to the weakest.

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
