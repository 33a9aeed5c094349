r"""A fitted density mixed with another that stands in for it where it fails.

.. math:: p(x) = (1 - \varepsilon)\, p_0(x) + \varepsilon\, p_1(x)

is a proper density, never below :math:`(1-\varepsilon)\,p_0`, with an exact gradient and sampler: the defensive mixture
of Hesterberg (1995). With the responsibility :math:`r(x) = \varepsilon\, p_1(x)/p(x)` of the second part,

.. math::

   \nabla\log p = (1-r)\,s_0 + r\,s_1,\qquad
   \nabla^2\log p = (1-r)\,H_0 + r\,H_1 + r(1-r)\,(s_0 - s_1)(s_0 - s_1)^\top .

References
----------
Hesterberg, T. (1995). Weighted average importance sampling and defensive mixture distributions. Technometrics, 37(2),
185-194.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

__all__ = ["EVIDENCE", "DefensiveMixture"]

EVIDENCE = 1.92  # nats in all: half the 95 % quantile of χ²₁, below which a likelihood ratio may be chance


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
        return np.logaddexp(np.log1p(-self.weight) + log_p, np.log(self.weight) + self.part.log_density(X))

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


def _blend(r, first, second):
    """(1 − r) first + r second, and the second alone where r is 1: there the first may be nan or infinite."""
    alone = r == 1.0
    return (1.0 - r) * np.where(alone, 0.0, first) + r * second


def _over(r, square):
    """r/(1 − r) times the square of a difference that holds the factor 1 − r; 0 where r is 1."""
    return r * square / np.where(r == 1.0, 1.0, 1.0 - r)
