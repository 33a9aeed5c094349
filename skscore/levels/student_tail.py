r"""A Student tail: what rows far from all others cost, bounded.

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
Lange, K. L., Little, R. J. A., & Taylor, J. M. G. (1989). Robust statistical modeling using the t distribution. Journal
of the American Statistical Association, 84(408), 881-896.
"""

from __future__ import annotations

import numpy as np

from ..models.base import StudentT
from .mixture import LEAST, Offer, largest_likelihood

__all__ = ["offer_tail"]

EVIDENCE = 1.92  # nats in all: half the 95 % quantile of χ²₁, below which a likelihood ratio may be chance
DEGREES_OF_FREEDOM = (2.5, 3.0, 5.0, 10.0, 30.0)
PREMIUM = 1e-3  # nats per row, at most, for a tail that no validation row asked for


def offer_tail(log_p, X, variance, log_mean=np.asarray, degrees_of_freedom=DEGREES_OF_FREEDOM, weight=None):
    """The tail that validation rows ask for, as the offer to mix it in whether or not they do.

    The likelihood of n validation rows is maximised over the weight ε of the tail for each ν of a grid, and rules guard
    the choice against chance:

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
        Weights of the rows; by default each counts one.

    Returns
    -------
    Offer
        Of a `StudentT`.

    Examples
    --------
    One row of 57 at -497 nats:

    >>> import numpy as np
    >>> from skscore.levels.mixture import choose_mixture
    >>> from skscore.levels.student_tail import offer_tail
    >>> X = np.random.default_rng(0).standard_normal((57, 2))
    >>> log_p = -0.5 * (X**2).sum(axis=1) - np.log(2 * np.pi)
    >>> choose_mixture(log_p, {"tail": offer_tail(log_p, X, np.ones(2))}).weight_of
    {'model': 0.999, 'tail': 0.001}
    >>> X[0], log_p[0] = (20.0, 24.0), -497.0
    >>> mixture = choose_mixture(log_p, {"tail": offer_tail(log_p, X, np.ones(2))})
    >>> f"{mixture.weight_of['tail']:.3f}, {log_p.mean():.2f} -> {mixture.log_density(log_p, X).mean():.2f}"
    '0.109, -11.44 -> -3.05'
    """
    weight = np.ones(len(log_p)) if weight is None else weight
    smallest = min(PREMIUM, 0.1 / weight.sum())
    students = [StudentT(df, variance) for df in degrees_of_freedom]
    pairs = [np.column_stack([log_p, log_mean(student.log_density(X))]) for student in students]

    def likelihood(pair, *free):
        return weight.sum() * largest_likelihood(pair, weight, np.array([LEAST, smallest]), np.array(free))[1]

    tried = [likelihood(pairs[0], True, False), *(likelihood(pair, True, True) for pair in pairs)]
    k = max(int(np.argmax(np.array(tried) >= max(tried) - EVIDENCE)) - 1, 0)
    return Offer(pairs[k][:, 1:], lambda weights: students[k], worth=0.0, least=smallest)
