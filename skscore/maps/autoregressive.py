r"""The map :math:`y = a(x)\,e^{-g(x)}` in each column, a and g affine, for columns that set the scale of others.

An affine map whitens the rows as a whole; if the spread of a column depends on the others (Neal's funnel, a level with
its noise) some rows stay far too narrow in it. With :math:`a_j` and :math:`g_j` functions of x_j and of columns that
come before it in some order, the inverse is found column by column (Papamakarios et al., 2017). Beyond the limits that
g had on the rows it was fitted to, it stays constant: a scale that grows for ever would send far rows out of sight.
With :math:`q = e^{-g}`, and A, C the matrices of a and g, C without the columns that are at a limit,

.. math::

    \dot y &= q\,\dot a - y\,\dot g, \qquad \ddot y = -2q\,\dot a\,\dot g + y\,\dot g^2
              \qquad\text{along}\ v,\ \dot a = vA,\ \dot g = vC, \\
    \log|\det \partial y/\partial x| &= \log|\det A| - \textstyle\sum_j g_j(x).

It is fitted by regression with multiplicative heteroscedasticity: in columns standardised to z, and in an order to be
found,

.. math:: z_j \sim N\bigl(m_j + b_j^\top z_{<j},\ e^{2(c_j + d_j^\top z_{<j})}\bigr),

each column by maximum likelihood (Harvey, 1976); with d = 0 this is the Gaussian of the rows. A column comes the
earlier the more it says of the squares of the others, and the less they say of its own. The map is kept if on held-out
rows its density beats their Gaussian by `WORTH` for each column after two standard errors are taken off, as it does if
logarithms of scales vary by 0.5 or more. What gains less, as the bend of a banana (0.35 nat), is better left to what
comes after. Columns that are constant or repeat others leave only their rounding, which has no scale.

References
----------
Harvey, A. C. (1976). Estimating regression models with multiplicative heteroscedasticity. Econometrica 44, 461-465.
Papamakarios, G., Pavlakou, T., & Murray, I. (2017). Masked autoregressive flow for density estimation. NeurIPS, eq. 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy.optimize import minimize

from ..domains import Reals
from ..formulas.moments import moments
from .affine import Affine
from .algebra import Map

__all__ = ["Autoregressive", "ScaledReals", "fit_autoregressive"]

MAX_COLUMNS = 32  # the regressions cost n d³
MAX_ROWS = 20_000
WORTH = 0.25  # nats per row and column
SMALLEST_SQUARE = 1e-12  # of a residual, in variances of its column: columns that repeat others stay finite
MIN_VARIANCE = 0.1  # of a column divided by its own scales: by the regression it is 1


@dataclass(frozen=True, eq=False)
class Autoregressive(Map):
    """The map y = a(x) exp(−g(x)), column by column.

    Parameters
    ----------
    linear, log_scale : Affine
        a and g, of one origin.
    limits : ndarray of shape (2, d)
        Least and greatest g.
    order : tuple of int
        Columns so that a_j depends on x_j and the columns before, and g_j on the columns before.

    Examples
    --------
    The second column is as wide as the exponential of the first:

    >>> import numpy as np
    >>> from skscore.maps.affine import Affine
    >>> from skscore.maps.autoregressive import Autoregressive
    >>> first = Affine(np.zeros(2), np.array([[0.0, 1.0], [0.0, 0.0]]), np.zeros(2))
    >>> funnel = Autoregressive(Affine.columnwise(2), first, np.array([[-5.0], [5.0]]) * np.ones(2), (0, 1))
    >>> funnel.forward(np.array([[np.log(4.0), 8.0]])).round(3)
    array([[1.386, 2.   ]])
    """

    linear: Affine
    log_scale: Affine
    limits: ndarray
    order: tuple[int, ...]

    def _scales(self, X):
        """Return g of each row, and which of its entries are off their limits, both of shape (n, d)."""
        g = self.log_scale.forward(X)
        least, greatest = self.limits
        return np.clip(g, least, greatest), (g > least) & (g < greatest)

    def forward(self, X):
        """Return a e^(−g)."""
        return self.linear.forward(X) * np.exp(-self._scales(X)[0])

    def inverse(self, Z):
        """Return the rows, one column after the other."""
        A, C = self.linear.matrix, self.log_scale.matrix
        D = np.zeros_like(Z)  # x − o; columns still to come are zero, and have no part in this one
        for j in self.order:
            width = np.exp(np.clip(D @ C[:, j] + self.log_scale.shift[j], *self.limits[:, j]))
            D[:, j] = (Z[:, j] * width - D @ A[:, j] - self.linear.shift[j]) / A[j, j]
        return D + self.linear.origin

    def log_det(self, X):
        """Return log |det A| − Σ_j g_j."""
        return self.linear.log_abs_det - self._scales(X)[0].sum(axis=1)

    def pushforward(self, X, V):
        """Return ẏ."""
        g, free = self._scales(X)
        q, dg = np.exp(-g), free * self.log_scale.pushforward(X, V)
        return q * self.linear.pushforward(X, V) - self.linear.forward(X) * q * dg

    def pull_score(self, X, S):
        """Return q s Aᵀ − (q s a + 1) Cᵀ."""
        g, free = self._scales(X)
        score_in_a = S * np.exp(-g)
        score_in_g = free * (score_in_a * self.linear.forward(X) + 1.0)
        return self.linear.pull_score(X, score_in_a) - self.log_scale.pull_score(X, score_in_g)

    def push_score(self, X, S):
        """Return the score t in y of a density with the score s in x: (∂y/∂x)ᵀ t = s + ∇ Σ g, last column first."""
        A, C = self.linear.matrix, self.log_scale.matrix
        g, free = self._scales(X)
        q = np.exp(-g)
        Y, T, rest = self.linear.forward(X) * q, np.zeros_like(S), S + free @ C.T
        for k in reversed(self.order):
            T[:, k] = (rest[:, k] - (q * T) @ A[k] + (free * Y * T) @ C[k]) / (q[:, k] * A[k, k])
        return T

    def second_order(self, X, V, S):
        """Return s·ÿ; log |det| is linear in x."""
        g, free = self._scales(X)
        q, da, dg = np.exp(-g), self.linear.pushforward(X, V), free * self.log_scale.pushforward(X, V)
        return (S * (self.linear.forward(X) * q * dg - 2.0 * q * da) * dg).sum(axis=-1)


@dataclass(frozen=True, eq=False)
class ScaledReals(Reals):
    """All of R^d, whose bijection from R^d is the inverse of an autoregressive map.

    Parameters
    ----------
    map : Autoregressive
        From x to u.
    """

    map: Autoregressive

    def to_reals(self, X):
        """u of each row, shape (n, d)."""
        return self.map.forward(X)

    def from_reals(self, U):
        """x of each row, shape (n, d)."""
        return self.map.inverse(U)

    def log_det(self, U):
        """``log |det ∂x/∂u|`` at each row of U, shape (n,)."""
        return -self.map.log_det(self.map.inverse(U))

    def pull_score(self, U, score):
        """Score in u of a density with this `score` in x, shape (n, d)."""
        return self.map.push_score(self.map.inverse(U), score)


# ---- fit -----------------------------------------------------------------------------------------


def fit_autoregressive(X, weight, rows, held_out) -> Autoregressive | None:
    """Return the map in which each row has a scale of its own, or None if held-out rows or flat columns forbid it.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    weight : ndarray of shape (n,) or None
    rows, held_out : ndarrays of int
        Rows to fit to, and to compare on.

    Returns
    -------
    Autoregressive or None
    """
    rows = rows[:MAX_ROWS]
    if not 2 <= X.shape[1] <= MAX_COLUMNS or min(len(rows), len(held_out)) < 2:
        return None
    share = np.ones(len(X)) if weight is None else weight
    summary = moments(X[rows], share[rows])
    fitted = _fitted(X[rows], share[rows] / share[rows].sum(), summary)
    if (moments(fitted.forward(X), weight).variance < MIN_VARIANCE).any():
        return None
    gain = _log_normal(fitted, X[held_out]) - _log_normal(Affine.whitening(summary), X[held_out])
    gained = moments(gain[:, None], share[held_out])
    certain = gained.mean[0] - 2.0 * np.sqrt(gained.variance[0] / len(held_out))
    return fitted if certain > WORTH * X.shape[1] else None


def _log_normal(f: Map, X):
    """Return the log-density of rows that are N(0, I) after the map f, up to a constant, shape (n,)."""
    return f.log_det(X) - 0.5 * np.square(f.forward(X)).sum(axis=1)


def _fitted(X, share, summary):
    """Return the map after which the rows are N(0, I)."""
    standardizing = Affine.standardizing(summary)
    Z, d = standardizing.forward(X), X.shape[1]
    order = _order(Z, share)
    A, C, m, c = np.eye(d), np.zeros((d, d)), np.zeros(d), np.zeros(d)
    for k, j in enumerate(order):
        before = list(order[:k])
        (m[j], *b), (c[j], *C[before, j]) = _regression(
            np.column_stack([np.ones(len(Z)), Z[:, before]]), Z[:, j], share
        )
        A[before, j] = -np.array(b)
    linear, log_scale = (Affine(np.zeros(d), M, shift).after(standardizing) for M, shift in ((A, -m), (C, c)))
    g = log_scale.forward(X)
    return Autoregressive(linear, log_scale, np.stack([g.min(axis=0), g.max(axis=0)]), order)


def _order(Z, share):
    """Return the columns, first those whose values say most of the squares of the others."""
    d = Z.shape[1]
    both = moments(np.hstack([Z, np.log(np.square(Z) + SMALLEST_SQUARE)]), share)
    says = np.square(both.covariance[:d, d:] / np.outer(both.scale[:d], both.scale[d:]))
    return tuple(np.argsort(says.sum(axis=0) - says.sum(axis=1), kind="stable").tolist())


def _regression(F, z, share):
    """Return the coefficients of the mean Fm and of the log standard deviation Fc of z, (2, m), most likely ones."""

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
