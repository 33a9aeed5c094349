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

import numpy as np

from ...formulas.moments import row_blocks
from .form import profiled

__all__ = ["gain_by_rows", "null_gain"]

BLOCK_BYTES = 1 << 22


def null_gain(family, sample, curvature):
    """λ of a table, as a function of θ.

    Parameters
    ----------
    family : PairwiseFamily
    sample : Sample
    curvature : ndarray of shape (p, p)
        Diagonals of the blocks Γ_j in row j, at the best η and without multiplier.

    Returns
    -------
    callable
        Maps θ to the mean of λ over pairs.
    """
    (X, _, weight, _), p = sample, family.p
    share = np.full(len(X), 1.0 / len(X)) if weight is None else weight / weight.sum()
    (h, h_slope), (A, _) = family.weights(X), family.powers_of(X)
    V, u = A.value, share[:, None] * h * A.slope**2
    M = np.zeros((p, p)) if family.centered else u.T @ V / u.sum(axis=0)[:, None]
    W = np.where(np.eye(p, dtype=bool), 0.0, 1.0 / (curvature + curvature.T))
    WM, WMM = W * M, W * M * M.T
    Q = V**2 @ W - 2.0 * V @ WM.T + (WM * M).sum(axis=1)

    def gain(theta):
        F = (h * family.score(theta, X) + h_slope) * A.slope + h * A.curvature
        G = F * V
        own, cross = F**2 * Q, G * (G @ W - 2.0 * F @ WM.T) + F * (F @ WMM)
        return float(share @ (own + cross).sum(axis=1)) / (0.5 * p * (p - 1))

    return gain


def gain_by_rows(family, sample, objective, form, theta):
    """Mean of λ over pairs, by the gradient of each row.

    Parameters
    ----------
    family : PairwiseFamily
    sample : Sample
    objective : Implicit, Explicit, Sliced or Denoising
    form : QuadraticForm
        In θ.
    theta : ndarray of shape (m,)

    Returns
    -------
    float
    """
    (X, Y, weight, _), q, m = sample, family.n_interactions, family.n_parameters
    share = np.full(len(X), 1.0 / len(X)) if weight is None else weight / weight.sum()
    indices, directions = family.unknowns(q)
    at_best = directions.T @ np.hstack([np.eye(q), -np.linalg.solve(form.Gamma[q:, q:], form.Gamma[q:, :q]).T])
    square = np.zeros(len(indices))
    for rows in row_blocks(len(X), 8 * X.shape[1] * m, BLOCK_BYTES):
        psi = family.row_gradients(theta, X[rows], None if Y is None else Y[rows], objective)
        square += share[rows] @ (psi @ at_best.T) ** 2
    curvature = np.diag(directions.T @ profiled(form, q).Gamma @ directions)
    pairs = (family.pairs[0] != family.pairs[1])[indices]
    return float(np.mean(square[pairs] / curvature[pairs]))
