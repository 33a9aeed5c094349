r"""Monomials of rows in any array library, and their moments by one product of matrices.

Where compiled loops cannot go, as on an accelerator, products are fastest. A monomial is its parent times a column, a
degree at a time. Every exponent γ up to degree 2q in at most 2p − 1 columns is a sum α + β of two exponents up to
degree q in at most p columns, so that all moments are entries of

.. math:: \Phi^\top W \Phi, \qquad \Phi_{i\alpha} = u_i^\alpha ,

which takes :math:`2nm^2` flops with m monomials α. (Of the columns of γ let the one of the greatest power be common to
α and β, and deal the others to them in turn by their powers. Their sums differ by no more than that power, so it can be
divided to fill both up to q.) A product has the precision of the rows, sums over blocks are in double precision.
"""

from __future__ import annotations

import numpy as np

from .._compat import beside, get_namespace, to_numpy
from ..formulas.moments import blocks_of_products, precision

__all__ = ["evaluated", "moments_by_products"]


def _levels(basis, U):
    """Parents, counted in the degree before, and columns of the monomials of each degree from 1 on, beside U."""
    starts = np.searchsorted(basis.exponents.sum(axis=1), np.arange(basis.degree + 2))
    for before, start, stop in zip(starts, starts[1:-1], starts[2:], strict=False):
        yield beside(U, basis.parent[start:stop] - before), beside(U, basis.variable[start:stop])


def _products(levels, columns, constant):
    """All monomials times the `constant` (1, n), from the columns (d, n): shape (M, n)."""
    xp, _ = get_namespace(columns)
    degrees = [constant]
    for parent, variable in levels:
        degrees.append(xp.take(degrees[-1], parent, axis=0) * xp.take(columns, variable, axis=0))
    return xp.concat(degrees, axis=0)


def evaluated(basis, coefficients, U):
    """Values of the polynomials with `coefficients` (k, M) at the rows of U (n, d), shape (n, k).

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.monomial_products import evaluated
    >>> from skscore.models.monomials import MonomialBasis
    >>> evaluated(MonomialBasis(1, degree=2, interaction_degree=1), np.array([[1.0, 0.0, 2.0]]), np.array([[3.0]]))
    array([[19.]])
    """
    xp, _ = get_namespace(U)
    levels, coefficients = list(_levels(basis, U)), beside(U, coefficients.T)
    blocks = (U[rows, :].T for rows in blocks_of_products(U, len(basis)))
    values = [_products(levels, columns, xp.ones_like(columns[:1, :])).T @ coefficients for columns in blocks]
    return xp.concat(values, axis=0)


def _factors(basis, half):
    """Positions in the half basis of two monomials whose product is each monomial of the basis, shape (2, M)."""
    factors = np.zeros((2, len(basis)), dtype=np.int64)
    for a, alpha in enumerate(half.exponents):
        gamma = alpha + half.exponents
        known = np.flatnonzero(np.count_nonzero(gamma, axis=1) <= basis.interaction_degree)
        product = basis.index(gamma[known])
        factors[0, product], factors[1, product] = a, known
    return factors


def moments_by_products(basis, X, weight, centre, scale):
    r"""Sums :math:`\sum_i w_i u_i^\gamma` of all monomials of a basis in u = (x − centre)/scale, in one pass.

    Parameters
    ----------
    basis : MonomialBasis
        Of even degree 2q and an odd number 2p − 1 of interacting columns.
    X : array of shape (n, d)
        Rows, of any array library and on any device with double precision.
    weight : array of shape (n,) or None
    centre, scale : ndarrays of shape (d,)

    Returns
    -------
    ndarray of shape (M,)

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.monomial_products import moments_by_products
    >>> from skscore.models.monomials import MonomialBasis
    >>> X = np.array([[1.0], [3.0]])
    >>> moments_by_products(MonomialBasis(1, 4, 1), X, None, np.zeros(1), np.ones(1))
    array([ 2.,  4., 10., 28., 82.])
    """
    xp, _ = get_namespace(X)
    half = type(basis)(basis.exponents.shape[1], basis.degree // 2, (basis.interaction_degree + 1) // 2)
    levels, dtype, gram = list(_levels(half, X)), precision(X), 0.0
    centre, scale = beside(X, centre), beside(X, scale)
    for rows in blocks_of_products(X, len(half)):
        U = (xp.astype(X[rows, :], xp.float64) - centre) / scale
        root = xp.ones_like(U[:, 0]) if weight is None else weight[rows] ** 0.5
        Phi = _products(levels, xp.astype(U.T, dtype), xp.astype(root, dtype)[None, :])
        gram = gram + xp.astype(Phi @ Phi.T, xp.float64)
    first, second = _factors(basis, half)
    gram, total = to_numpy(gram), X.shape[0] if weight is None else float(xp.sum(weight))
    return total * (gram[first, second] / gram[0, 0])
