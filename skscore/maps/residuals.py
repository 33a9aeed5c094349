r"""The affine map of inputs and targets (x, y) after which little but shape is left to model.

:math:`u = (x - \bar x)D` has columns of variance 1. A ridge regression :math:`\hat y(u) = uB + c` takes out what is
linear, and :math:`v = (y - \hat y(u))A` has mean 0 and covariance I over residuals that are out of fold: a regression
with nearly as many columns as rows would make its own look small. Together,

.. math:: (u, v) = (x - \bar x,\ y - c) \begin{pmatrix} D & -DBA \\ 0 & A \end{pmatrix} + \text{shift}.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.linear_model import Ridge

from ..formulas.moments import moments
from .affine import Affine

__all__ = ["fit_residuals"]

RIDGE = 1e-6  # for each row, on standardised inputs
SMALLEST_RESIDUAL = 1e-8  # of the variance of a target


def fit_residuals(X, Y, weight, fold):
    """Return the maps of the inputs alone and of both, and the rows after it with residuals out of fold.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    Y : ndarray of shape (n, t)
    weight : ndarray of shape (n,)
    fold : ndarray of int, shape (n,)
        In which fold the residual of each row is taken.

    Returns
    -------
    inputs : Affine
        From x to u.
    joint : Affine
        From (x, y) to (u, v).
    rows : ndarray of shape (n, d + t)

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.maps.residuals import fit_residuals
    >>> X, Y = np.arange(6.0)[:, None], np.array([[0.0], [1.1], [1.9], [3.0], [4.2], [5.0]])
    >>> inputs, joint, rows = fit_residuals(X, Y, np.ones(6), np.arange(6) % 3)
    >>> rows.std(axis=0).round(4)
    array([1., 1.])
    """
    inputs = Affine.standardizing(moments(X, weight))
    U, residuals = inputs.forward(X), np.empty_like(Y)
    for k in range(fold.max() + 1):
        held_out = fold == k
        B, c = _regression(U[~held_out], Y[~held_out], weight[~held_out])
        residuals[held_out] = (Y[held_out] - c) - U[held_out] @ B
    summary = moments(residuals, weight)
    floor = SMALLEST_RESIDUAL * np.diag(moments(Y, weight).variance)  # a linear table would leave no residual to scale
    whitening = Affine.whitening(replace(summary, covariance=summary.covariance + floor))
    B, c = _regression(U, Y, weight)
    return inputs, _joint(inputs, B, c, whitening), np.hstack([U, whitening.forward(residuals)])


def _regression(U, Y, weight):
    """Return the slopes B of shape (d, t), and the intercepts c of shape (t,)."""
    fitted = Ridge(alpha=RIDGE * weight.sum()).fit(U, Y, sample_weight=weight)
    return fitted.coef_.reshape(Y.shape[1], -1).T, np.atleast_1d(fitted.intercept_)


def _joint(inputs, B, c, whitening):
    """Return the map (x, y) ↦ (u, whitening(y − uB − c))."""
    D, A = inputs.matrix, whitening.matrix
    matrix = np.block([[D, -D @ B @ A], [np.zeros((len(A), len(D))), A]])
    shift = np.concatenate([inputs.shift, whitening.forward(-inputs.shift @ B)])
    return Affine(np.concatenate([inputs.origin, c]), matrix, shift)
