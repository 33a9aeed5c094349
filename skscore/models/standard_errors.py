r"""Standard errors of a fitted density: one more pass over its rows, for the gradient of each.

The sandwich of :mod:`skscore.fitting.inference` at the parameters :math:`\varphi = (1 + c)\theta` of the weighted rows,
with the slope :math:`A = (1 + c)(\Gamma + \alpha R) + cC` of :mod:`skscore.models.windham`; c = 0 for a plain fit. What
was not free in θ, as the entries that an l1 penalty left out, has no error.
"""

from __future__ import annotations

from functools import reduce
from operator import add

import numpy as np

from ..fitting.inference import Gradients, sandwich
from ..formulas.moments import row_blocks
from .windham import feedback

__all__ = ["gradients", "parameters_and_covariance"]

BLOCK_BYTES = 1 << 22


def gradients(family, theta, X, Y, weight, objective) -> Gradients:
    """Sums over rows of ψ = D Dᵀθ + ℓ, the gradient of a row's objective, and of its products."""
    weight = np.ones(len(X)) if weight is None else weight
    blocks = row_blocks(len(X), 8 * X.shape[1] * family.n_parameters, BLOCK_BYTES)
    parts = (
        Gradients.of_rows(family.row_gradients(theta, X[b], None if Y is None else Y[b], objective), weight[b])
        for b in blocks
    )
    return reduce(add, parts)


def parameters_and_covariance(fit, sample, ridge, c=0.0):
    """The parameters of a fit as it reports them, and their covariance.

    Parameters
    ----------
    fit : Fit
        With its density.
    sample : Sample
        The rows fitted, with the weights that were used.
    ridge : float
        Strength of the ridge on θ.
    c : float
        Power of the density by which rows were weighted.

    Returns
    -------
    theta : ndarray of shape (m,)
    covariance : ndarray of shape (m, m)

    Raises
    ------
    LinAlgError
        If the rows do not determine every parameter.
    """
    X, Y, weight, _ = sample
    family, theta, Gamma, L = fit.family.natural(fit.density.theta, fit.summary, fit.objective)
    phi = (1.0 + c) * theta
    relative = None if weight is None else weight / weight.max()  # whose squares neither overflow nor vanish
    M = gradients(family, phi, X, Y, relative, fit.objective).covariance_of_mean()
    A = (1.0 + c) * (Gamma + ridge * family.ridge_matrix())
    if c > 0.0:
        A = A + c * feedback(family, phi, X, weight, fit.objective)
    covariance = L @ sandwich(L.T @ A @ L, L.T @ M @ L) @ L.T
    report = family.report_matrix()
    if report is None:
        return theta, covariance
    return report @ theta, report @ covariance @ report.T
