r"""The nearest polynomial that is bounded above, by a convex programme with a proof of the bound.

Let T(u) be the monomials of some set but the constant, and :math:`\bar t` their means over the rows. Of all θ whose
polynomial :math:`f(u) = \theta^\top T(u)` nowhere exceeds its mean over the rows by more than b, the nearest to
:math:`\hat\theta` is wanted. That no u breaks the bound is proved by a sum of squares, of polynomials with the
monomials :math:`z_S` of each block S:

.. math:: \min_\theta \tfrac12(\theta - \hat\theta)^\top A(\theta - \hat\theta)
          \quad\text{where}\quad b + \theta^\top(\bar t - T(u)) = \sum_S z_S(u)^\top Q_S z_S(u), \quad Q_S \succeq 0 .

The multipliers y of this identity, one for each monomial, are the moments of rows that are not there, where f would be
too high: :math:`A(\theta - \hat\theta) = y_0\bar t - y_T = L^\top y`. They minimise

.. math:: \tfrac12 y^\top LA^{-1}L^\top y + y^\top s, \qquad s = b\,e_0 + L\hat\theta, \qquad
          M_S(y) = (y_{\alpha+\beta})_{\alpha,\beta \in S} \succeq 0 ,

here with the barrier :math:`-\mu\sum_S\log\det M_S(y)` by Newton's method for μ → 0 (Nesterov & Nemirovskii, 1994).
Where a step :math:`\Delta y` is shorter than 1 in the norm of the barrier, :math:`Q_S = \mu(M^{-1} -
M^{-1}M(\Delta y)M^{-1})` proves the bound for the θ that it leads to, and the objective is at most μ times the size of
all blocks above its minimum.

At degree 2, and at degree 4 with at most two columns in all, every polynomial that is nowhere negative is such a sum of
squares (Hilbert, 1888), as is one of a single column at any degree.

References
----------
Hilbert, D. (1888). Über die Darstellung definiter Formen als Summe von Formenquadraten. Math. Annalen 32, 342-350.
Nesterov, Y., & Nemirovskii, A. (1994). Interior-point polynomial algorithms in convex programming. SIAM.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy import ndarray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.sparse import bsr_array, csr_array

from .solvers import RANK_TOLERANCE, Estimate, eigh

__all__ = ["is_bounded", "nearest_bounded"]

GAP = 3e-8  # of the objective at the end, relative to that of θ = 0; rounding would meet or miss a power of FALL
CENTRED = 1e-4  # square of a short Newton step, in the norm of the barrier: the next one is shorter than rounding
FALL = 0.1  # of μ, from one centre to the next
MOST_STEPS = 500  # of Newton's method; some 80 are usual
MOST_CERTIFYING_STEPS = 40  # to find a proof that is there; some 10 are usual


def _barrier(y: ndarray, blocks: Sequence[ndarray]) -> float:
    """Return −Σ log det M_S(y), infinite where a matrix is not definite."""
    try:
        roots = [np.linalg.cholesky(y[block]) for block in blocks]
    except LinAlgError:
        return np.inf
    return -2.0 * sum(float(np.log(np.diagonal(root, axis1=1, axis2=2)).sum()) for root in roots)


def _slopes(y: ndarray, blocks: Sequence[ndarray]) -> tuple[ndarray, ndarray]:
    """Return gradient and Hessian of the barrier: −W and W ⊗ W with W = M⁻¹, summed over equal entries."""
    gradient, hessian = np.zeros(len(y)), np.zeros((len(y), len(y)))
    for block in blocks:
        k, m, _ = block.shape
        E = csr_array((np.ones(block.size), block.ravel(), np.arange(block.size + 1)), shape=(block.size, len(y)))
        C = np.linalg.inv(np.linalg.cholesky(y[block]))
        W = C.mT @ C
        products = (W[:, :, None, :, None] * W[:, None, :, None, :]).reshape(k, m * m, m * m)
        gradient -= E.T @ W.ravel()
        hessian += (E.T @ bsr_array((products, np.arange(k), np.arange(k + 1))) @ E).toarray()
    return gradient, hessian


def _newton(hessian: ndarray, gradient: ndarray) -> ndarray:
    scale = 1.0 / np.sqrt(np.diag(hessian))
    scaled, target = hessian * np.outer(scale, scale), scale * gradient
    try:
        return -scale * cho_solve(cho_factor(scaled), target)
    except LinAlgError:  # definite but for rounding
        values, vectors = eigh(scaled)
        values = np.maximum(values, len(values) * np.finfo(float).eps * values[-1])
        return -scale * (vectors @ (vectors.T @ target / values))


def _along(value, start: ndarray, step: ndarray, decrement: float) -> ndarray:
    """Return the first of start + step, start + step/2, … that is lower by a part of what the step promises.

    `value` is the barrier plus a convex quadratic: steps shorter than ½ in its norm stay inside and need no search.
    """
    if decrement < 0.25:
        return start + step
    length, highest = 1.0, value(start)
    while length > 1e-12 and not value(start + length * step) <= highest - 1e-4 * length * decrement:
        length *= 0.5
    return start + length * step


def is_bounded(theta: ndarray, mean: ndarray, bound: float, blocks: Sequence[ndarray], start: ndarray) -> bool:
    """Whether a sum of squares proves that the polynomial θ is below its mean plus the bound everywhere.

    Parameters
    ----------
    theta, mean : ndarrays of shape (m,)
        θ, and the means of the monomials.
    bound : float
        b > 0.
    blocks : sequence of int ndarrays of shape (k, r, r)
        Moment matrices of r monomials each: the positions of their entries among m + 1 moments, that of the constant
        first.
    start : ndarray of shape (m + 1,)
        Moments whose matrices are definite.

    Returns
    -------
    bool
        False also if the bound holds, but by so little that no proof was found.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.sums_of_squares import is_bounded
    >>> blocks, mean, normal = [np.array([[[0, 1], [1, 2]]])], np.array([0.0, 1.0]), np.array([1.0, 0.0, 1.0])
    >>> [is_bounded(np.array([0.0, q]), mean, 1.0, blocks, normal) for q in (-0.5, 0.5)]  # q u²
    [True, False]
    """
    slack, y = _slack(theta, mean, bound), start
    for _ in range(MOST_CERTIFYING_STEPS):
        if slack @ y <= 0.0:
            return False  # no sum of squares has a negative mean
        gradient, hessian = _slopes(y, blocks)
        step = _newton(hessian, gradient + slack)
        decrement = -(gradient + slack) @ step
        if decrement < 1.0:
            return True
        y = _along(lambda y: _barrier(y, blocks) + slack @ y, y, step, decrement)
    return False


def _slack(theta: ndarray, mean: ndarray, bound: float) -> ndarray:
    """Coefficients of b + θᵀ(t̄ − T(u)), the constant first."""
    return np.concatenate([[bound + theta @ mean], -theta])


def nearest_bounded(
    theta: ndarray, A: ndarray, mean: ndarray, bound: float, blocks: Sequence[ndarray], start: ndarray
) -> Estimate:
    """Move θ to the nearest polynomial, in the norm of A, that is proved to be below its mean plus the bound.

    Parameters
    ----------
    theta, mean : ndarrays of shape (m,)
    A : ndarray of shape (m, m)
        Positive semi-definite; directions of no curvature, relative to a unit diagonal, count as flat.
    bound : float
        b > 0.
    blocks : sequence of int ndarrays of shape (k, r, r)
    start : ndarray of shape (m + 1,)

    Returns
    -------
    Estimate
        With a remark if the steps allowed do not reach the accuracy.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.sums_of_squares import nearest_bounded
    >>> blocks, mean, normal = [np.array([[[0, 1], [1, 2]]])], np.array([0.0, 1.0]), np.array([1.0, 0.0, 1.0])
    >>> rising = np.array([0.0, 0.5])
    >>> nearest_bounded(rising, np.eye(2), mean, 1.0, blocks, normal).theta.round(4) + 0.0
    array([0., 0.])
    """
    slack, steps = _slack(theta, mean, bound), _flat_inverse_root(A)
    pulls = np.vstack([mean @ steps, -steps])  # L A^{−½}
    Q, widest = pulls @ pulls.T, 0.5 * theta @ A @ theta  # the gap at θ = 0
    size = sum(k * m for k, m, _ in (block.shape for block in blocks))
    mu, end = widest / size, GAP * widest
    y = start * _best_multiple(start @ Q @ start, slack @ start, widest)
    for _ in range(MOST_STEPS):
        gradient, hessian = _slopes(y, blocks)
        gradient = mu * gradient + Q @ y + slack
        step = _newton(mu * hessian + Q, gradient)
        decrement = -gradient @ step / mu
        if decrement >= CENTRED:
            y = _along(lambda y, mu=mu: _barrier(y, blocks) + y @ (0.5 * Q @ y + slack) / mu, y, step, decrement)
            continue
        y = y + step
        if mu * size <= end:
            return Estimate(theta + steps @ (pulls.T @ y))
        mu *= FALL
    remark = f"the bounded polynomial is not exact: its objective may be {mu * size:.2g} above the least."
    return Estimate(theta + steps @ (pulls.T @ y), (remark,))


def _best_multiple(q: float, linear: float, nu: float) -> float:
    """Return the s > 0 of least ½qs² + linear s − ν log s."""
    return 2.0 * nu / (linear + np.sqrt(linear**2 + 4.0 * q * nu))


def _flat_inverse_root(A: ndarray) -> ndarray:
    """R with R Rᵀ = A⁻¹, where no eigenvalue, relative to a unit diagonal, counts as less than rounding."""
    diagonal = np.diag(A)
    scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    values, vectors = eigh(A * np.outer(scale, scale))
    return scale[:, None] * vectors / np.sqrt(np.maximum(values, RANK_TOLERANCE * len(values) * values[-1]))
