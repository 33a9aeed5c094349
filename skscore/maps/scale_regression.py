r"""Which columns set the scale of others, by regression with multiplicative heteroscedasticity.

In columns standardised to z, and in an order to be found,

.. math:: z_j \sim N\bigl(m_j + b_j^\top z_{<j},\ e^{2(c_j + d_j^\top z_{<j})}\bigr),

each column fitted by maximum likelihood (Harvey, 1976); with d = 0 this is the Gaussian of the rows. A column comes the
earlier the more it says of the squares of the others, and the less they say of its own. Rows held out judge: the law
must beat their Gaussian by `WORTH` for each column, two standard errors aside, as it does where logarithms of scales
vary by 0.5 or more. What gains less, as the bend of a banana (0.35 nat), is better left to what comes after.

References
----------
Harvey, A. C. (1976). Estimating regression models with multiplicative heteroscedasticity. Econometrica 44, 461-465.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from ..formulas.moments import moments
from .affine import AffineMap
from .scaled_coordinates import ScaledCoordinates

__all__ = ["scaled_coordinates"]

MAX_COLUMNS = 32  # the regressions cost n d³
MAX_ROWS = 20_000
WORTH = 0.25  # nats per row and column
SMALLEST_SQUARE = 1e-12  # of a residual, in variances of its column: columns that repeat others stay finite


def scaled_coordinates(X, weight, rows, held_out):
    """Coordinates with scales of their own for each row, where rows held out ask for them.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    weight : ndarray of shape (n,) or None
    rows, held_out : ndarrays of int
        Rows to learn from, and to judge by.

    Returns
    -------
    ScaledCoordinates or None
    """
    rows = rows[:MAX_ROWS]
    if not 2 <= X.shape[1] <= MAX_COLUMNS or min(len(rows), len(held_out)) < 2:
        return None
    share = np.ones(len(X)) if weight is None else weight
    table = moments(X[rows], share[rows])
    scaled = _fitted(X[rows], share[rows] / share[rows].sum(), table)
    judged = moments(_gain(X[held_out], scaled, AffineMap.whitening(table))[:, None], share[held_out])
    certain = judged.mean[0] - 2.0 * np.sqrt(judged.variance[0] / len(held_out))
    return scaled if certain > WORTH * X.shape[1] else None


def _gain(X, scaled, whiten):
    """Log-density of each row by the law in which `scaled` is N(0, I), less that in which `whiten` is, shape (n,)."""
    squares = np.square(whiten(X)).sum(axis=1) - np.square(scaled.to_reals(X)).sum(axis=1)
    return scaled.linear.log_volume - whiten.log_volume - scaled.log_width(X) + 0.5 * squares


def _fitted(X, share, table):
    """The law of the rows: coordinates in which it is N(0, I)."""
    standardise = AffineMap.standardizing(table)
    Z, d = standardise(X), X.shape[1]
    order = _order(Z, share)
    A, C, m, c = np.eye(d), np.zeros((d, d)), np.zeros(d), np.zeros(d)
    for k, j in enumerate(order):
        before = list(order[:k])
        (m[j], *b), (c[j], *C[before, j]) = _regression(
            np.column_stack([np.ones(len(Z)), Z[:, before]]), Z[:, j], share
        )
        A[before, j] = -np.array(b)
    linear, log_scale = (AffineMap(np.zeros(d), M, shift).after(standardise) for M, shift in ((A, -m), (C, c)))
    g = log_scale(X)
    return ScaledCoordinates(linear, log_scale, np.stack([g.min(axis=0), g.max(axis=0)]), order)


def _order(Z, share):
    """Columns, those first whose values say most of the squares of the others."""
    d = Z.shape[1]
    both = moments(np.hstack([Z, np.log(np.square(Z) + SMALLEST_SQUARE)]), share)
    says = np.square(both.covariance[:d, d:] / np.outer(both.scale[:d], both.scale[d:]))
    return tuple(np.argsort(says.sum(axis=0) - says.sum(axis=1), kind="stable").tolist())


def _regression(F, z, share):
    """Coefficients of the mean Fm and of the log standard deviation Fc of z, shape (2, m), by maximum likelihood."""

    def loss(coefficients):
        m, c = np.split(coefficients, 2)
        residual, log_sd = z - F @ m, F @ c
        precision = np.exp(np.minimum(-2.0 * log_sd, 600.0))
        square = (np.square(residual) + SMALLEST_SQUARE) * precision
        slope = np.concatenate([-(share * residual * precision) @ F, (share * (1.0 - square)) @ F])
        return share @ (log_sd + 0.5 * square), slope

    root = np.sqrt(share)[:, None]
    mean = np.linalg.lstsq(root * F, root[:, 0] * z)[0]
    log_square = np.log(np.square(z - F @ mean) + SMALLEST_SQUARE)
    log_sd = np.linalg.lstsq(root * F, root[:, 0] * 0.5 * log_square)[0]  # Harvey's first step
    return minimize(loss, np.concatenate([mean, log_sd]), jac=True, method="L-BFGS-B").x.reshape(2, -1)
