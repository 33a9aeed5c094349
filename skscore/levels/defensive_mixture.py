r"""A fitted density mixed with another that stands in for it where it fails.

.. math:: p(x) = (1 - \varepsilon)\, p_0(x) + \varepsilon\, p_1(x)

is a proper density, never below :math:`(1-\varepsilon)\,p_0`, with an exact gradient and sampler: the defensive mixture
of Hesterberg (1995). With the responsibility :math:`r(x) = \varepsilon\, p_1(x)/p(x)` of the second part,

.. math::

   \nabla\log p = (1-r)\,s_0 + r\,s_1,\qquad
   \nabla^2\log p = (1-r)\,H_0 + r\,H_1 + r(1-r)\,(s_0 - s_1)(s_0 - s_1)^\top .

A few rows far from all others ruin a mean log-likelihood, and no network is trained where no row lies. The tail is a
Student t wide enough for every row,

.. math::

   p_1(x) = t_\nu(x; 0, \operatorname{diag}\lambda) \propto \Bigl(1 + \tfrac{q}{\nu}\Bigr)^{-(\nu + d)/2},
   \qquad q = \sum_j x_j^2/\lambda_j .

Its scale matrix is :math:`\lambda` itself, not the :math:`\lambda(\nu-2)/\nu` that would give the t the variance
:math:`\lambda`: the tail has to cover what lies outside the ellipsoid of the data, and matching the variance would pull
it in the more the heavier it is.

References
----------
Hesterberg, T. (1995). Weighted average importance sampling and defensive mixture distributions. Technometrics, 37(2),
185-194.
Lange, K. L., Little, R. J. A., & Taylor, J. M. G. (1989). Robust statistical modeling using the t distribution. Journal
of the American Statistical Association, 84(408), 881-896.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from ..models.base import StudentT

__all__ = ["DefensiveMixture", "choose_tail"]

EVIDENCE = 1.92  # nats in all: half the 95 % quantile of χ²₁, below which a likelihood ratio may be chance
DEGREES_OF_FREEDOM = (2.5, 3.0, 5.0, 10.0, 30.0)
PREMIUM = 1e-3  # nats per row, at most, for a tail that no validation row asked for
LARGEST_WEIGHT = 0.5  # beyond which the Student would be the density, and the flow its correction


@dataclass(frozen=True, eq=False)
class DefensiveMixture:
    """The mixture (1 − ε) p_0 + ε p_1, from what is known of p_0 at the rows.

    Parameters
    ----------
    weight : float
        ε, in (0, 1).
    part : object
        p_1, with ``log_density(X)``, ``score(X)``, ``curvature(X, V)`` and ``sample(n, rng)``.

    Examples
    --------
    A density that gives -497 nats to a row that it never saw:

    >>> import numpy as np
    >>> from skscore.levels.defensive_mixture import DefensiveMixture
    >>> from skscore.models.base import StudentT
    >>> mixture = DefensiveMixture(0.003, StudentT(df=2.5, variance=np.ones(2)))
    >>> mixture.log_density(np.array([-1.84, -497.0]), np.array([[0.0, 0.0], [20.0, 24.0]])).round(2)
    array([ -1.84, -21.08])
    """

    weight: float
    part: Any

    def log_density(self, log_p, X):
        """Log-density of the mixture, shape (n,).

        Parameters
        ----------
        log_p : ndarray of shape (n,)
            Log-density p_0.
        X : ndarray of shape (n, d)
            The rows.
        """
        return _mixed(self.weight, log_p, self.part.log_density(X))

    def log_density_of_rows(self, log_p, points):
        """Log-density of rows by the CellPoints `points`, shape (n,); `log_p` (n,) is that under p_0."""
        return _mixed(self.weight, log_p, points.log_mean(self.part.log_density(points.Z)))

    def responsibility(self, log_p, X):
        """Probability r that a row came from p_1, shape (n,); parameters as in `log_density`."""
        return expit(logit(self.weight) + self.part.log_density(X) - log_p)

    def score(self, log_p, score, X):
        """Score of the mixture, shape (n, d), from the `score` of p_0."""
        return _blend(self.responsibility(log_p, X)[:, None], score, self.part.score(X))

    def curvature(self, log_p, score, curvature, X, V):
        """vᵀ ∇² log p v of the mixture, shape (n,), from `score` and `curvature` of p_0 along `V`."""
        r, s = self.responsibility(log_p, X), self.part.score(X)
        between = _blend(r[:, None], score, s) - s  # (1 − r)(s_0 − s_1)
        return _blend(r, curvature, self.part.curvature(X, V)) + _over(r, (between * V).sum(axis=1) ** 2)

    def mix_samples(self, X, rng):
        """Draws of the mixture, shape (n, d): each row of `X`, drawn from p_0, gives way with probability ε."""
        responsible = rng.random(len(X)) < self.weight
        mixed = X.copy()
        mixed[responsible] = self.part.sample(responsible.sum(), rng)
        return mixed


def _mixed(weight, log_p, log_part):
    """Logarithm of (1 − ε) p_0 + ε p_1."""
    return np.logaddexp(np.log1p(-weight) + log_p, np.log(weight) + log_part)


def _blend(r, first, second):
    """(1 − r) first + r second, and the second alone where r is 1: there the first may be nan or infinite."""
    alone = r == 1.0
    return (1.0 - r) * np.where(alone, 0.0, first) + r * second


def _over(r, square):
    """r/(1 − r) times the square of a difference that holds the factor 1 − r; 0 where r is 1."""
    return r * square / np.where(r == 1.0, 1.0, 1.0 - r)


# ---- the tail ------------------------------------------------------------------------------------


def choose_tail(log_p, X, variance, log_mean=np.asarray, degrees_of_freedom=DEGREES_OF_FREEDOM, weight=None):
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
    X : ndarray of shape (n, d), or (n m, d)
        The rows, around 0, or m points of the cells of each.
    variance : ndarray of shape (d,)
        λ of the reference Gaussian.
    log_mean : callable
        From log-densities of `X` to those of the rows, shape (n,).
    degrees_of_freedom : tuple of float
        To choose from, increasing.
    weight : ndarray of shape (n,), optional
        Weights of the rows, of mean one; by default all are equal.

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
    >>> from skscore.levels.defensive_mixture import choose_tail
    >>> X = np.random.default_rng(0).standard_normal((57, 2))
    >>> log_p = -0.5 * (X**2).sum(axis=1) - np.log(2 * np.pi)
    >>> choose_tail(log_p, X, np.ones(2)).weight
    0.001
    >>> X[0], log_p[0] = (20.0, 24.0), -497.0
    >>> tail = choose_tail(log_p, X, np.ones(2))
    >>> f"{tail.weight:.3f}, {log_p.mean():.2f} -> {tail.log_density(log_p, X).mean():.2f}"
    '0.108, -11.44 -> -3.05'
    """
    smallest = min(PREMIUM, 0.1 / len(log_p))
    weight = np.ones(len(log_p)) if weight is None else weight
    students = [StudentT(df, variance) for df in degrees_of_freedom]
    log_t = [log_mean(student.log_density(X)) for student in students]

    def likelihood(epsilon, k):
        return weight @ _mixed(epsilon, log_p, log_t[k])

    tried = [(_best_weight(log_t[k] - log_p, weight, smallest), k) for k in range(len(students))]
    enough = max(likelihood(*each) for each in tried) - EVIDENCE
    epsilon, k = next(each for each in ((smallest, 0), *tried) if likelihood(*each) >= enough)
    return DefensiveMixture(epsilon, students[k])


def _best_weight(log_ratio, weight, smallest):
    """ε of largest likelihood: the root of mean r(ε) = ε, which is unique because the likelihood is concave."""

    def excess(epsilon):
        return np.average(expit(logit(epsilon) + log_ratio), weights=weight) - epsilon

    if excess(smallest) <= 0.0:
        return smallest
    if excess(LARGEST_WEIGHT) >= 0.0:
        return LARGEST_WEIGHT
    return brentq(excess, smallest, LARGEST_WEIGHT, xtol=1e-9)
