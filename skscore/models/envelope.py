r"""A density in place of a fitted polynomial that is none.

Score matching looks at slopes at the rows, and does not see how high a polynomial f rises far from them. Two things
show whether :math:`e^f` is a density of the rows: its mean over the rows, :math:`\bar f`, which is linear in θ, and its
highest value. For a Gaussian in d columns the latter is d/2 above the former. What is asked here is

.. math:: f(u) - \bar f \;\le\; d \qquad\text{for every } u,

a nat for each column. If a sum of squares proves it for the fit, the fit stands. Otherwise the nearest θ, in the norm
of the objective, is taken for which it is proved of :math:`f + \tfrac c2\|u\|^2` in place of f, with :math:`c =
1/(2\lambda)` and λ the largest variance of the standardised rows in any direction. So beyond the rows the density falls
at least like a Gaussian, and

.. math:: \log Z = \log\int e^f \;\le\; \bar f + d + \tfrac c2\,E\|u\|^2 + \tfrac d2\log\frac{2\pi}c :

the mean log-likelihood of the rows is bounded below, whatever they are. No number here depends on units.

The squares are of polynomials in those columns that occur in one term together, and of linear ones in all columns: a
sufficient condition, as diagonal dominance is one for a definite matrix. It is also necessary at degree 2, for terms in
single columns, and for two columns at degree 4 (:mod:`skscore.fitting.sums_of_squares`).
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
from scipy.linalg import eigvalsh

from ..fitting.sums_of_squares import is_bounded, nearest_bounded
from .monomials import MonomialBasis

__all__ = ["MOST_TERMS", "blocks", "bounded", "n_terms", "normal_moments"]

NATS = 1.0  # for each column, between the highest log-density and its mean over the rows
MOST_TERMS = 1500  # of a polynomial that is bounded: half a minute


def n_terms(d, degree, interaction_degree):
    """Number of monomials but the constant.

    Examples
    --------
    >>> from skscore.models.envelope import n_terms
    >>> n_terms(2, degree=4, interaction_degree=1)
    8
    """
    return sum(comb(d, k) * comb(degree, k) for k in range(1, min(d, degree, interaction_degree) + 1))


def bounded(basis, interaction_degree, estimate, A, mean):
    """The estimate if it is proved to be a density of its rows, or the nearest one that is.

    Parameters
    ----------
    basis : MonomialBasis
        Of even degree, in standardised columns.
    interaction_degree : int
    estimate : Estimate
        Coefficients θ of all monomials but the constant.
    A : ndarray of shape (m, m)
        Curvature of the objective, with its ridge.
    mean : ndarray of shape (m,)
        Means of the monomials over the rows.

    Returns
    -------
    Estimate
    """
    d = basis.exponents.shape[1]
    certificate = blocks(basis, interaction_degree), normal_moments(basis)
    if is_bounded(estimate.theta, mean, NATS * d, *certificate):
        return estimate
    tail = np.zeros(len(mean))
    tail[_squares(basis)] = -0.25 / _largest_variance(basis, mean)
    nearest = nearest_bounded(estimate.theta - tail, A, mean, NATS * d, *certificate)
    return estimate._replace(theta=tail + nearest.theta, remarks=estimate.remarks + nearest.remarks)


def blocks(basis, interaction_degree):
    """Moment matrices of the monomials of half the degree in a few columns each, and of 1, u_1, …, u_d.

    Parameters
    ----------
    basis : MonomialBasis
    interaction_degree : int

    Returns
    -------
    list of int ndarrays of shape (k, r, r)
        Positions of their entries in the basis.

    Examples
    --------
    >>> from skscore.models.envelope import blocks
    >>> from skscore.models.monomials import MonomialBasis
    >>> blocks(MonomialBasis(2, degree=2, interaction_degree=1), 1)[0].tolist()  # 1, u₁ and 1, u₂
    [[[0, 1], [1, 3]], [[0, 2], [2, 4]]]
    """
    d = basis.exponents.shape[1]
    n_together = min(interaction_degree, d)
    subsets = np.array(list(combinations(range(d), n_together)))
    half = MonomialBasis(n_together, basis.degree // 2, n_together).exponents
    together = basis.index((half[:, None] + half) @ np.eye(d, dtype=np.int64)[subsets][:, None])
    linear = np.vstack([np.zeros(d, np.int64), np.eye(d, dtype=np.int64)])
    is_new = 1 < n_together < d
    return [together, basis.index(linear[:, None] + linear)[None]] if is_new else [together]


def normal_moments(basis):
    """Means of the monomials under N(0, I): E z^γ = (γ − 1)!! where γ is even.

    Examples
    --------
    >>> from skscore.models.envelope import normal_moments
    >>> from skscore.models.monomials import MonomialBasis
    >>> normal_moments(MonomialBasis(1, degree=4, interaction_degree=1))
    array([1., 0., 1., 0., 3.])
    """
    of_one = np.zeros(basis.degree + 1)
    of_one[::2] = np.cumprod([1, *range(1, basis.degree, 2)])
    return of_one[basis.exponents].prod(axis=1)


def _squares(basis):
    """Positions of u_j² among the monomials but the constant."""
    return basis.index(2 * np.eye(basis.exponents.shape[1], dtype=np.int64)) - 1


def _largest_variance(basis, mean):
    """In any direction, as far as there are terms in two columns; otherwise of any column."""
    d = basis.exponents.shape[1]
    unit = np.eye(d, dtype=np.int64)
    linear = mean[basis.index(unit) - 1]
    if basis.exponents.astype(bool).sum(axis=1).max() == 1:
        return (mean[_squares(basis)] - linear**2).max()
    second = mean[basis.index(unit[:, None] + unit) - 1]
    return eigvalsh(second - np.outer(linear, linear))[-1]
