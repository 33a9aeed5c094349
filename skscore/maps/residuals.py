r"""Coordinates of inputs and targets in which little but shape is left to model.

:math:`u = (x - \bar x)D` has columns of variance 1. A ridge regression of the targets takes out what is linear, and
:math:`v = (y - \hat y(u))A` has mean 0 and covariance I over residuals that are out of fold: a regression with nearly
as many columns as rows would make its own look small.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.linear_model import Ridge

from ..formulas.moments import moments
from .affine import AffineMap

__all__ = ["ResidualCoordinates", "residual_coordinates"]

RIDGE = 1e-6  # for each row, on standardised inputs
SMALLEST_RESIDUAL = 1e-8  # of the variance of a target


@dataclass(frozen=True, eq=False)
class ResidualCoordinates:
    """From rows (x, y) to (u, v), and back.

    Parameters
    ----------
    inputs : AffineMap
        From x to u.
    regression : Ridge
        From u to ŷ.
    residuals : AffineMap
        From y − ŷ to v.
    """

    inputs: AffineMap
    regression: Ridge
    residuals: AffineMap

    def __call__(self, X, Y):
        """Joint rows (u, v), shape (n, d + t), of X (n, d) and Y (n, t)."""
        U = self.inputs(X)
        return np.hstack([U, self.residuals(Y - self._linear(U))])

    def targets(self, U, V):
        """Targets y at inputs u (n, d) of residuals v (n, ..., t)."""
        linear = self._linear(U)
        return np.expand_dims(linear, tuple(range(1, V.ndim - 1))) + self.residuals.inverse(V)

    def _linear(self, U):
        return self.regression.predict(U).reshape(len(U), -1)


def residual_coordinates(X, Y, weight, fold):
    """Coordinates for the rows, and the rows in them with residuals out of fold.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    Y : ndarray of shape (n, t)
    weight : ndarray of shape (n,)
    fold : ndarray of int, shape (n,)
        In which fold the residual of each row is taken.

    Returns
    -------
    coordinates : ResidualCoordinates
    rows : ndarray of shape (n, d + t)

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.maps.residuals import residual_coordinates
    >>> X, Y = np.arange(6.0)[:, None], np.array([[0.0], [1.1], [1.9], [3.0], [4.2], [5.0]])
    >>> coordinates, rows = residual_coordinates(X, Y, np.ones(6), np.arange(6) % 3)
    >>> rows.std(axis=0).round(4)
    array([1., 1.])
    """
    inputs = AffineMap.standardizing(moments(X, weight))
    U, residuals = inputs(X), np.empty_like(Y)
    for k in range(fold.max() + 1):
        held_out = fold == k
        fit = _regression(U[~held_out], Y[~held_out], weight[~held_out])
        residuals[held_out] = Y[held_out] - fit.predict(U[held_out]).reshape(-1, Y.shape[1])
    table = moments(residuals, weight)
    floor = SMALLEST_RESIDUAL * np.diag(moments(Y, weight).variance)  # a linear table would leave no residual to scale
    whitening = AffineMap.whitening(replace(table, covariance=table.covariance + floor))
    return ResidualCoordinates(inputs, _regression(U, Y, weight), whitening), np.hstack([U, whitening(residuals)])


def _regression(U, Y, weight):
    return Ridge(alpha=RIDGE * weight.sum()).fit(U, Y, sample_weight=weight)
