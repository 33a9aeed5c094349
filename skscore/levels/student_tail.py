r"""A defensive tail: the fitted density mixed with a Student t that is wide enough for every row.

A few rows far from everything ruin a mean log-likelihood, and no network is trained where no row lies. In the mixture

.. math::

   p(x) = (1 - \varepsilon)\, p_{\mathrm{flow}}(x) + \varepsilon\, t_\nu(x; 0, \operatorname{diag}\lambda),\qquad
   t_\nu(x) \propto \Bigl(1 + \tfrac{q}{\nu}\Bigr)^{-(\nu + d)/2},\quad q = \sum_j x_j^2/\lambda_j,

the scale matrix is :math:`\lambda` itself, not the :math:`\lambda(\nu-2)/\nu` that would give the t the variance
:math:`\lambda`: the tail has to cover what lies outside the ellipsoid of the data, and matching the variance would pull
it in the more the heavier it is.

References
----------
Lange, K. L., Little, R. J. A., & Taylor, J. M. G. (1989). Robust statistical modeling using the t distribution. Journal
of the American Statistical Association, 84(408), 881-896.
"""

from __future__ import annotations

from scipy.optimize import brentq

from ..models.base import StudentT
from .defensive_mixture import EVIDENCE, DefensiveMixture

__all__ = ["choose_tail"]

DEGREES_OF_FREEDOM = (2.5, 3.0, 5.0, 10.0, 30.0)
PREMIUM = 1e-3  # nats per row, at most, for a tail that no validation row asked for
LARGEST_WEIGHT = 0.5  # beyond which the Student would be the density, and the flow its correction


def _best_weight(log_p, X, student, smallest):
    """ε of largest likelihood: the root of mean r(ε) = ε, which is unique because the likelihood is concave."""

    def excess(weight):
        return DefensiveMixture(weight, student).responsibility(log_p, X).mean() - weight

    if excess(smallest) <= 0.0:
        return smallest
    if excess(LARGEST_WEIGHT) >= 0.0:
        return LARGEST_WEIGHT
    return brentq(excess, smallest, LARGEST_WEIGHT, xtol=1e-9)


def choose_tail(log_p, X, variance):
    """Weight and degrees of freedom of the tail that validation rows ask for.

    The likelihood of n validation rows is maximised over ε for each ν of a grid, and three rules guard the choice
    against chance:

    - ε is never below min(1e-3, 1/(10 n)). Having seen n rows without a far one says only that less than about one in n
      is far; a tenth of that costs −log(1 − ε) ≤ 1e-3 nat per row and turns the hundreds of nats that a far row would
      lose into about log n.
    - A larger ε must gain 1.92 nats over all rows.
    - Of the ν within 1.92 nats of the best, the smallest: far rows that validation did not hold need the heavy tail.

    Parameters
    ----------
    log_p : ndarray of shape (n,)
        Log-density of the flow at validation rows, in nats; −inf is a value.
    X : ndarray of shape (n, d)
        The rows, around 0.
    variance : ndarray of shape (d,)
        λ of the reference Gaussian.

    Returns
    -------
    DefensiveMixture
        With a `StudentT`.

    References
    ----------
    Dempster, A. P., Laird, N. M., & Rubin, D. B. (1977). Maximum likelihood from incomplete data via the EM algorithm.
    Journal of the Royal Statistical Society B, 39(1), 1-38, section 4.3.

    Examples
    --------
    One row of 57 at -497 nats:

    >>> import numpy as np
    >>> from skscore.levels.student_tail import choose_tail
    >>> X = np.random.default_rng(0).standard_normal((57, 2))
    >>> log_p = -0.5 * (X**2).sum(axis=1) - np.log(2 * np.pi)
    >>> choose_tail(log_p, X, np.ones(2)).weight
    0.001
    >>> X[0], log_p[0] = (20.0, 24.0), -497.0
    >>> tail = choose_tail(log_p, X, np.ones(2))
    >>> f"{tail.weight:.3f}, {log_p.mean():.2f} -> {tail.log_density(log_p, X).mean():.2f}"
    '0.108, -11.44 -> -3.05'
    """
    smallest = min(PREMIUM, 0.1 / len(X))

    def likelihood(tail):
        return tail.log_density(log_p, X).sum()

    students = [StudentT(df, variance) for df in DEGREES_OF_FREEDOM]
    best = [DefensiveMixture(_best_weight(log_p, X, student, smallest), student) for student in students]
    enough = max(map(likelihood, best)) - EVIDENCE
    floor = DefensiveMixture(smallest, students[0])
    return next(tail for tail in (floor, *best) if likelihood(tail) >= enough)
