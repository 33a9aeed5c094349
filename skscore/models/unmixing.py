r"""Independent components by score matching, as many as wished.

The log-density is a sum of one-dimensional functions of projections on unit vectors :math:`w_k` of whitened rows,

.. math:: \log p(x) = \sum_k \alpha_k G(w_k^\top x) - \log Z, \qquad \alpha_k \ge 0,

with G the log-density of a source up to scale and g = G′ its score. Z is unknown if there are more components than
columns, and score matching does without (Hyvärinen, 2005, section 3.3):

.. math:: J = E\Bigl[\sum_k \alpha_k \|w_k\|^2 g'(w_k^\top x)
              + \tfrac12 \bigl\|\sum_k \alpha_k\, g(w_k^\top x)\, w_k\bigr\|^2\Bigr].

The second term is :math:`\tfrac12\sum_{kl}\alpha_k\alpha_l\,(w_k^\top w_l)\,E[g_k g_l]`: value and gradient take three
matrix products of each block of rows, and nothing but the rows grows with their number.

No more components than directions are orthonormal, as those of white rows are. Left free, two of them would share the
most peaked source, whose sharper shape lowers J by more than another source is worth.

**Which source.** A component by itself has :math:`J = \alpha E g' + \tfrac12\alpha^2 E g^2`, at its best scale
:math:`-\tfrac12 (E g')^2 / E g^2`. This lies below the value of a Gaussian component where g is of the right kind, and
above it where g is of the wrong one; a mixture is more Gaussian than what it mixes, so that minima separate in the
first case alone. :func:`chosen_unmixing` therefore seeks as many sub-Gaussian components as it finds, much as Lee,
Girolami & Sejnowski (1999) do by a sign, and one more while this lies deeper: both halves of a gamma and a sine
source mixed at 45° are super-Gaussian.

References
----------
Hyvärinen, A. (2005). Estimation of non-normalized statistical models by score matching. JMLR 6, 695-709.

Lee, T.-W., Girolami, M., & Sejnowski, T. J. (1999). Independent component analysis using an extended infomax algorithm
for mixed subgaussian and supergaussian sources. Neural Computation, 11(2), 417-441.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from ..formulas.moments import row_blocks
from ..maps.affine import Affine

__all__ = [
    "GAUSSIAN",
    "SOURCES",
    "Unmixing",
    "best_unmixing",
    "chosen_unmixing",
    "heights",
    "logcosh",
    "objective",
    "principal_coordinates",
    "quartic",
    "sub_then_super",
]

SMALLEST_VARIANCE = 1e-10  # of a principal direction of standardised columns that counts as one
BLOCK_BYTES = 1 << 18  # a dozen arrays of a block are alive at once
MEMORY = 20  # pairs of steps and gradients that L-BFGS keeps
SMALLEST_DECREASE = 1e-14  # of the objective, relative: less is rounding
ITERATIONS_REACHED = 1  # status of scipy's L-BFGS-B


def logcosh(s):
    """Score of the super-Gaussian source G(s) = −log cosh s, and its first two derivatives.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.unmixing import logcosh
    >>> [values.round(3).tolist() for values in logcosh(np.array([0.0, 1.0]))]
    [[-0.0, -0.762], [-1.0, -0.42], [0.0, 0.64]]
    """
    tanh = np.tanh(s)
    sech2 = 1.0 - tanh * tanh
    return -tanh, -sech2, 2.0 * tanh * sech2


def quartic(s):
    """Score of the sub-Gaussian source G(s) = −s⁴/4, and its first two derivatives.

    Examples
    --------
    >>> from skscore.models.unmixing import quartic
    >>> quartic(2.0)
    (-8.0, -12.0, -12.0)
    """
    return -s * s * s, -3.0 * s * s, -6.0 * s


SOURCES = {"logcosh": logcosh, "quartic": quartic}
GAUSSIAN = {"logcosh": (-0.46523496, 0.48146866), "quartic": (-0.3, 1.56460858)}
"""Objective of a Gaussian component under each source, and √n times its standard deviation over tables of n rows."""


def sub_then_super(n_sub):
    """The source of several components, quartic for the first `n_sub` of them and −log cosh for the others.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.unmixing import sub_then_super
    >>> sub_then_super(1)(np.array([[2.0, 2.0]]))[0].round(2)
    array([[-8.  , -0.96]])
    """

    def source(s):
        parts = zip(quartic(s[:, :n_sub]), logcosh(s[:, n_sub:]), strict=True)
        return tuple(np.concatenate(part, axis=1) for part in parts)

    return source if n_sub else logcosh


class Unmixing(NamedTuple):
    """A minimum of the objective.

    Attributes
    ----------
    directions : ndarray of shape (m, r)
        Rows w_k of norm 1, orthogonal if m ≤ r.
    scales : ndarray of shape (m,)
        α_k, not negative.
    objective : float
    n_iter : int
    converged : bool
    order : ndarray of shape (m,)
        The column of the argument of `source` that each component is.
    """

    directions: np.ndarray
    scales: np.ndarray
    objective: float
    n_iter: int
    converged: bool
    order: np.ndarray


def principal_coordinates(table, n_directions=None):
    """Whitened coordinates along the leading principal directions of the standardised columns.

    Parameters
    ----------
    table : Moments
        Of the d columns.
    n_directions : int, optional
        At most so many; None for all in which the rows vary.

    Returns
    -------
    Affine
        Its matrix is of shape (d, r).

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.moments import moments
    >>> from skscore.models.unmixing import principal_coordinates
    >>> X = np.array([[0.0, 0.0, 0.0], [1.0, 3.0, 2.0], [2.0, 0.0, 4.0]])
    >>> np.cov(principal_coordinates(moments(X)).forward(X).T, ddof=0).round(12) + 0.0
    array([[1., 0.],
           [0., 1.]])
    """
    variance, U = np.linalg.eigh(table.correlation)
    leading = np.argsort(-variance)[: np.count_nonzero(variance > SMALLEST_VARIANCE)][:n_directions]
    matrix = U[:, leading] / np.sqrt(variance[leading]) / table.scale[:, None]
    return Affine.centred(table, matrix)


def objective(W, alpha, X, coordinates, source, weight=None):
    """J and its gradient.

    Parameters
    ----------
    W : ndarray of shape (m, r)
        Rows w_k, of any norm.
    alpha : ndarray of shape (m,)
    X : ndarray of shape (n, d)
    coordinates : Affine
        From rows of X to the r coordinates that W refers to.
    source : callable
        Maps an array s to g, g′ and g″.
    weight : ndarray of shape (n,), optional
        Of the rows in the mean E.

    Returns
    -------
    J : float
    dJ_dW : ndarray of shape (m, r)
    dJ_dalpha : ndarray of shape (m,)
    """
    cosines, norms = W @ W.T, (W * W).sum(axis=1)
    share = np.broadcast_to(1.0 / len(X), len(X)) if weight is None else weight / weight.sum()
    slope, second, pull = np.zeros(len(W)), np.zeros_like(cosines), np.zeros_like(W)
    for rows in row_blocks(len(X), 8 * sum(W.shape), BLOCK_BYTES):
        Y, each = coordinates.forward(X[rows]), share[rows, None]
        g, g1, g2 = source(Y @ W.T)
        slope += share[rows] @ g1
        second += (each * g).T @ g
        pull += (norms * g2 + g1 * (g @ (alpha[:, None] * cosines))).T @ (each * Y)
    weighted = np.outer(alpha, alpha) * second
    J = (alpha * norms) @ slope + 0.5 * np.sum(weighted * cosines)
    dJ_dW = alpha[:, None] * pull + weighted @ W + (2.0 * alpha * slope)[:, None] * W
    return J, dJ_dW, norms * slope + (second * cosines) @ alpha


def best_unmixing(X, coordinates, n_components, source, *, n_init, max_iter, tol, rng, weight=None):
    """The lowest of the minima that random starts lead to, its components in decreasing order of their scales.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    coordinates : Affine
        From rows of X to r whitened coordinates.
    n_components : int
        m.
    source : callable
        Maps an array s to g, g′ and g″.
    n_init : int
        Number of starts.
    max_iter : int
        Iterations of L-BFGS of each start, at most.
    tol : float
        Largest entry of the gradient at which a start has converged.
    rng : Generator
    weight : ndarray of shape (n,), optional
        Of the rows.

    Returns
    -------
    Unmixing

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.moments import moments
    >>> from skscore.models.unmixing import best_unmixing, logcosh, principal_coordinates
    >>> rng = np.random.default_rng(0)
    >>> X = rng.laplace(size=(2000, 2))
    >>> coordinates = principal_coordinates(moments(X))
    >>> found = best_unmixing(X, coordinates, 2, logcosh, n_init=1, max_iter=100, tol=1e-5, rng=rng)
    >>> np.abs(found.directions @ coordinates.matrix.T).round(1)
    array([[0. , 0.7],
           [0.7, 0. ]])
    """
    shape = n_components, coordinates.matrix.shape[1]
    options = {"maxiter": max_iter, "maxfun": 20 * max_iter, "maxcor": MEMORY, "gtol": tol, "ftol": SMALLEST_DECREASE}
    starts = [_random_directions(shape, rng) for _ in range(n_init)]
    measured = partial(objective, X=X, coordinates=coordinates, source=source, weight=weight)
    return min((_descended(V, measured, options) for V in starts), key=lambda found: found.objective)


def heights(W, X, coordinates, table, weight=None):
    """How far the objective of each component by itself lies above that of a Gaussian one, under each source.

    Parameters
    ----------
    W : ndarray of shape (m, r)
        Rows w_k, of any norm: a component counts at variance 1.
    X : ndarray of shape (n, d)
    coordinates : Affine
        From rows of X to the r coordinates that W refers to.
    table : Moments
        Of X, with its weights.
    weight : ndarray of shape (n,), optional
        Of the rows.

    Returns
    -------
    ndarray of shape (2, m)
        In standard deviations over tables of so many Gaussian rows, in the order of `SOURCES`; below 0 where a source
        separates the component. 0 for a component that does not vary.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.moments import moments
    >>> from skscore.models.unmixing import heights, principal_coordinates
    >>> rng = np.random.default_rng(0)
    >>> X = np.c_[rng.laplace(size=2000), rng.uniform(size=2000)]
    >>> coordinates = principal_coordinates(moments(X))
    >>> heights(np.linalg.inv(coordinates.matrix).T, X, coordinates, moments(X)) < 0
    array([[ True, False],
           [False,  True]])
    """
    components = Affine(coordinates.origin, coordinates.matrix @ W.T, coordinates.shift @ W.T)
    variance = components.push_moments(table).variance
    varies = variance > SMALLEST_VARIANCE * variance.max()
    unit = W[varies] / np.sqrt(variance[varies])[:, None]
    share = np.broadcast_to(1.0 / len(X), len(X)) if weight is None else weight / weight.sum()
    slope, square = np.zeros((2, len(SOURCES), len(unit)))
    for rows in row_blocks(len(X), 8 * sum(W.shape), BLOCK_BYTES):
        S = coordinates.forward(X[rows]) @ unit.T
        for k, source in enumerate(SOURCES.values()):
            g, g1, _ = source(S)
            slope[k] += share[rows] @ g1
            square[k] += share[rows] @ (g * g)
    mean, deviation = np.transpose(list(GAUSSIAN.values()))[:, :, None]
    above = np.zeros((len(SOURCES), len(W)))
    above[:, varies] = (-0.5 * slope**2 / square - mean) / deviation / np.sqrt(share @ share)
    return above


def chosen_unmixing(X, coordinates, n_components, table, *, weight=None, **options):
    """The unmixing with the number of sub-Gaussian components that lies deepest, and how far each is from Gaussian.

    More components than directions have one source, that of most of them.

    Parameters
    ----------
    X, coordinates, n_components, weight, **options
        As for `best_unmixing`.
    table : Moments
        Of X, with its weights.

    Returns
    -------
    found : Unmixing
        The first tried has super-Gaussian components alone: if they are that, it is what `best_unmixing` finds.
    sub_gaussian : ndarray of shape (m,)
        Whether the source of each component is quartic.
    depth : ndarray of shape (m,)
        Below the objective of a Gaussian component, in standard deviations over tables of Gaussian rows.
    """
    m, r = n_components, coordinates.matrix.shape[1]
    untried, tried = [0], {}
    while untried:
        n_sub = untried[0]
        found = best_unmixing(X, coordinates, m, sub_then_super(n_sub), weight=weight, **options)
        above_super, above_sub = heights(found.directions, X, coordinates, table, weight)
        sub_gaussian = found.order < n_sub
        tried[n_sub] = found, sub_gaussian, -np.where(sub_gaussian, above_sub, above_super)
        n_found = int(np.count_nonzero(above_sub < above_super))
        deepest = max(tried, key=lambda number: tried[number][2].sum())
        to_try = (n_found, deepest + 1) if m <= r else (m * (2 * n_found > m),)
        untried = [number for number in to_try if number <= m and number not in tried]
    return tried[deepest]


def _random_directions(shape, rng):
    V = rng.standard_normal(shape)
    return _as_orthonormal(V)[0] if shape[0] <= shape[1] else V


def _as_orthonormal(V):
    """W = (VVᵀ)^(−1/2) V, the nearest matrix of orthonormal rows, and the map from dJ/dW to dJ/dV."""
    U, s, R = np.linalg.svd(V, full_matrices=False)

    def pulled_back(dJ_dW):
        inside = U.T @ dJ_dW @ R.T
        outside = dJ_dW - (dJ_dW @ R.T) @ R
        return U @ ((inside - inside.T) / np.add.outer(s, s)) @ R + (U / s) @ (U.T @ outside)

    return U @ R, pulled_back


def _as_unit(V):
    """Rows of V divided by their norms, and the map from dJ/dW to dJ/dV."""
    norm = np.linalg.norm(V, axis=1, keepdims=True)
    W = V / norm
    return W, lambda dJ_dW: (dJ_dW - (dJ_dW * W).sum(axis=1, keepdims=True) * W) / norm


def _descended(V, measured, options):
    (m, r), size = V.shape, V.size
    directions = _as_orthonormal if m <= r else _as_unit

    def value_and_gradient(z):
        W, pulled_back = directions(z[:size].reshape(m, r))
        J, dJ_dW, dJ_dalpha = measured(W, z[size:])
        return J, np.concatenate([pulled_back(dJ_dW).ravel(), dJ_dalpha])

    start = np.concatenate([V.ravel(), np.ones(m)])
    bounds = [(None, None)] * size + [(0.0, None)] * m
    end = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    W, alpha = directions(end.x[:size].reshape(m, r))[0], end.x[size:]
    order = np.argsort(-alpha)
    return Unmixing(W[order], alpha[order], end.fun, end.nit, end.status != ITERATIONS_REACHED, order)
