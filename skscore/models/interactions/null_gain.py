r"""Expected decrease of the objective when a spurious edge is added, which calibrates the price of an edge in the EBIC.

Freed from :math:`K_{ij} = 0`, a pair lowers :math:`2nJ` by :math:`\lambda_{ij}\chi^2_1`,
:math:`\lambda_{ij} = E[\psi_{ij}^2]/\Gamma_{ij}`, with ψ a row's gradient in the pair and Γ its curvature; for a
log-likelihood λ would be 1. With η at its best the gradient is

.. math:: \psi_{ij} = f_i(v_j - m_{ij}) + f_j(v_i - m_{ji}), \qquad m_{ij} = E[u_iv_j]/E[u_i],

for the powers :math:`v = x^a`, their slopes :math:`v'`, :math:`u = hv'^2` and :math:`f = hsv' + hv'' + h'v'`. The mean
of λ over pairs is that of a form in f, whose matrices depend on the rows alone: with :math:`w_{ij} = 1/\Gamma_{ij}`,

.. math:: \sum_{i \ne j} w_{ij}E[\psi_{ij}^2] = 2E\Bigl[\sum_i f_i^2q_i + \sum_{ij} w_{ij}
          f_i(v_i - m_{ji})\,f_j(v_j - m_{ij})\Bigr], \qquad q_i = \sum_j w_{ij}(v_j - m_{ij})^2,

so that each θ costs four products of its rows with a matrix. A form in θ, which has no f and v, takes the gradients of
the rows one by one.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ...formulas.moments import row_blocks
from .form import profiled

__all__ = ["gains_by_rows", "null_gains"]

BLOCK_BYTES = 1 << 22


def null_gains(family, rows, curvature, thetas):
    """λ of a table, the mean over pairs, at each θ.

    Parameters
    ----------
    family : PairwiseFamily
    rows : Sample or Partitions
        Whose ``sum`` adds up a function of rows.
    curvature : ndarray of shape (p, p)
        Diagonals of the blocks Γ_j in row j, at the best η and without multiplier.
    thetas : list of ndarrays

    Returns
    -------
    ndarray of shape (L,)
    """
    p, M = family.p, np.zeros((family.p, family.p))
    if not family.centered:
        sums = rows.sum(partial(_weighted_powers, family))
        M = sums[:, :p] / sums[:, p:]
    W = np.where(np.eye(p, dtype=bool), 0.0, 1.0 / (curvature + curvature.T))
    *gains, n = rows.sum(partial(_gains, family, M, W, thetas))
    return np.array(gains) / (0.5 * p * (p - 1) * n)


def _weighted_powers(family, X, Y, weight):
    """Σ u_i v_j over rows and, as a last column, Σ u_i, shape (p, p + 1)."""
    h, _ = family.weights(X)
    A, _ = family.powers_of(X)
    u = _ones_or(weight, X)[:, None] * h * A.slope**2
    return np.column_stack([u.T @ A.value, u.sum(axis=0)])


def _gains(family, M, W, thetas, X, Y, weight):
    """Sums over rows of the form in f at each θ and, as the last number, of the weights, shape (L + 1,)."""
    (h, h_slope), (A, _), weight = family.weights(X), family.powers_of(X), _ones_or(weight, X)
    V, WM, WMM = A.value, W * M, W * M * M.T
    Q = V**2 @ W - 2.0 * V @ WM.T + (WM * M).sum(axis=1)

    def gain(theta):
        F = (h * family.score(theta, X) + h_slope) * A.slope + h * A.curvature
        G = F * V
        own, cross = F**2 * Q, G * (G @ W - 2.0 * F @ WM.T) + F * (F @ WMM)
        return float(weight @ (own + cross).sum(axis=1))

    return np.array([*map(gain, thetas), weight.sum()])


def _ones_or(weight, X):
    return np.ones(len(X)) if weight is None else weight


def gains_by_rows(family, rows, objective, form, thetas):
    """Mean of λ over pairs at each θ, by the gradient of each row.

    Parameters
    ----------
    family : PairwiseFamily
    rows : Sample or Partitions
        Whose ``sum`` adds up a function of rows.
    objective : Implicit, Explicit, Sliced or Denoising
    form : QuadraticForm
        In θ.
    thetas : list of ndarrays of shape (m,)

    Returns
    -------
    ndarray of shape (L,)
    """
    q = family.n_interactions
    indices, directions = family.unknowns(q)
    at_best = directions.T @ np.hstack([np.eye(q), -np.linalg.solve(form.Gamma[q:, q:], form.Gamma[q:, :q]).T])
    sums = rows.sum(partial(_squares, family, objective, at_best, thetas))
    curvature = np.diag(directions.T @ profiled(form, q).Gamma @ directions)
    pairs = (family.pairs[0] != family.pairs[1])[indices]
    return (sums[:, :-1][:, pairs] / curvature[pairs]).mean(axis=1) / sums[:, -1]


def _squares(family, objective, at_best, thetas, X, Y, weight):
    """Sums over rows of ψ² along each direction and, as a last column, of the weights, for each θ."""
    weight, sums = _ones_or(weight, X), np.zeros((len(thetas), len(at_best) + 1))
    for rows in row_blocks(len(X), 8 * X.shape[1] * family.n_parameters, BLOCK_BYTES):
        for theta, square in zip(thetas, sums, strict=True):
            psi = family.row_gradients(theta, X[rows], None if Y is None else Y[rows], objective)
            square[:-1] += weight[rows] @ (psi @ at_best.T) ** 2
    sums[:, -1] = weight.sum()
    return sums
