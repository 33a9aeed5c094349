r"""Statistics of a pairwise interaction model: one small quadratic form for each column of the interaction matrix.

The score of :math:`\log p = -\tfrac1{2a}{x^a}^\top K x^a + \tfrac1b\eta^\top(x^b - 1)` (a power 0 stands for the
logarithm, with 1 for 1/a) is linear in column j of K and :math:`\eta_j` alone,

.. math:: s_j = D_j^\top\theta_j, \qquad \theta_j = (K_j, \eta_j), \qquad D_j = (-x_j^{a-1}x^a,\; x_j^{b-1}),

so generalised score matching (Yu, Drton & Shojaie, 2019, section 3), :math:`J = \sum_j E[\tfrac12h_js_j^2 +
h_j\partial_js_j + h_j's_j]`, is one quadratic for each column:

.. math:: \Gamma_j = E[h_jD_jD_j^\top], \qquad g_j = -E[h_j\partial_jD_j + h_j'D_j] .

They are the blocks of one ``QuadraticForm`` with ``Gamma`` (p, p + 1, p + 1) and ``g`` (p, p + 1), which cost n p³
flops, half of what a general product takes. On :math:`R^p` with a = b = 1 and h = 1 the columns share one block of
second moments. Where a = b, a shift of :math:`x^a` by a *centre* c is the change :math:`\eta \to \eta - Kc`, so that
columns far from zero keep their digits.

References
----------
Yu, S., Drton, M., & Shojaie, A. (2019). Generalized score matching for non-negative data. JMLR, 20(76), 1-70.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import singledispatch
from typing import NamedTuple

import numpy as np

from ..._kernels import threads
from ...fitting.row_form import RowForm
from ...formulas.moments import row_blocks
from ...formulas.quadratic import QuadraticForm

__all__ = [
    "Powers",
    "default_multiplier",
    "interaction_form",
    "moment_form",
    "multiplied",
    "powers",
    "profile",
    "profiled",
    "row_form",
]

ROUNDING = 1e-14  # of a moment about the origin: what is left of it about the mean and less, as of a constant column
BLOCK_BYTES = 1 << 22  # rows enough that adding a block of products to Γ costs little beside forming it


class Powers(NamedTuple):
    """A power of every entry and its derivatives over a (over 1 for the logarithm), each of shape (n, p)."""

    value: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray


def powers(X, a, centre=0.0) -> Powers:
    """x^a − c, x^(a−1) and (a−1) x^(a−2) of every entry of X; log x instead of the first if a = 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.interactions.form import powers
    >>> [part.item() for part in powers(np.array([[4.0]]), 0.5)]
    [2.0, 0.5, -0.0625]
    """
    if a == 1.0:
        return Powers(X - centre, np.ones_like(X), np.zeros_like(X))
    return Powers((X**a if a else np.log(X)) - centre, X ** (a - 1.0), (a - 1.0) * X ** (a - 2.0))


def interaction_form(X, weight, a, b, h, h_slope, *, centered=False, centre=0.0) -> QuadraticForm:
    """Blocks of generalised score matching, one for each column of K.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Rows.
    weight : ndarray of shape (n,) or None
        Non-negative row weights.
    a, b : float
        Powers of the interactions and of the linear part; 0 for the logarithm.
    h, h_slope : ndarrays of shape (n, p)
        h_j at each row, and its derivative in x_j.
    centered : bool, default=False
        Leave the linear part out.
    centre : float or ndarray of shape (p,), default=0.0
        Subtracted from x^a; not zero only if a = b.

    Returns
    -------
    QuadraticForm
        ``Gamma`` (p, m, m) and ``g`` (p, m), row j in θ_j = (K_j, η_j); m = p + 1, or p if `centered`.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.interactions.form import interaction_form
    >>> X = np.array([[1.0], [3.0]])
    >>> form = interaction_form(X, None, 1.0, 1.0, np.ones_like(X), np.zeros_like(X))
    >>> form.Gamma, form.g
    (array([[[ 5., -2.],
            [-2.,  1.]]]), array([[1., 0.]]))
    """
    weight = np.ones(len(X)) if weight is None else weight
    n, p = float(weight.sum()), X.shape[1]
    Gamma, g = np.zeros((p, p + 1, p + 1)), np.zeros((p, p + 1))

    def add_products(columns):
        for rows, A, B, share in _powers_of_rows(X, weight / n, a, b, centre):
            _add_products(Gamma[columns], A, B, np.sqrt(share * h[rows]), columns)

    threads.deal(add_products, p, float(len(X)) * p**3)
    for rows, A, B, share in _powers_of_rows(X, weight / n, a, b, centre):
        _add_linear(g, A, B, a or 1.0, share * h[rows], share * h_slope[rows])
    m = p if centered else p + 1
    return QuadraticForm(Gamma[:, :m, :m], g[:, :m], 0.0, n)


def _powers_of_rows(X, share, a, b, centre):
    """Yield blocks of rows as a slice, with their powers of x^a and x^b and shares of the weight, shape (·, 1)."""
    for rows in row_blocks(len(X), 8 * X.shape[1], block_bytes=BLOCK_BYTES):
        A = powers(X[rows], a, centre)
        yield rows, A, A if a == b else powers(X[rows], b), share[rows, None]


def _add_products(Gamma, A, B, root, columns):
    """Add Σ h_j D_j D_jᵀ to blocks of `columns`, each a matrix times its own transpose: BLAS does half the work."""
    interaction, linear = root[:, columns] * A.slope[:, columns], root[:, columns] * B.slope[:, columns]
    features = np.empty((len(root), Gamma.shape[1]))
    for block, quadratic, flat in zip(Gamma, interaction.T, linear.T, strict=True):
        np.multiply(A.value, quadratic[:, None], out=features[:, :-1])
        np.negative(flat, out=features[:, -1])
        block += features.T @ features


def _add_linear(g, A, B, a, h, h_slope):
    """Add −Σ (h_j ∂_j D_j + h′_j D_j) to each row; ∂_j reaches x_j^(a−1) and entry j of x^a."""
    g[:, :-1] += (h * A.curvature + h_slope * A.slope).T @ A.value
    g[:, :-1] += np.diag(a * (h * A.slope**2).sum(axis=0))
    g[:, -1] -= (h * B.curvature + h_slope * B.slope).sum(axis=0)


def row_form(X, weight, a, b, h, h_slope, *, centered=False, centre=0.0) -> RowForm:
    """The form of `interaction_form`, whose blocks are held by their rows: O(np + p²) memory."""
    share = (np.ones(len(X)) if weight is None else weight)[:, None]
    n = float(share.sum())
    A = powers(X, a, centre)
    B = A if a == b else powers(X, b)
    g, root = np.zeros((X.shape[1], X.shape[1] + 1)), np.sqrt(share / n * h)
    _add_linear(g, A, B, a or 1.0, share / n * h, share / n * h_slope)
    if centered:
        return RowForm(A.value, root * A.slope, None, g[:, :-1], 0.0, n)
    return RowForm(A.value, root * A.slope, root * B.slope, g, 0.0, n)


def moment_form(moments, *, centered=False, centre=0.0) -> QuadraticForm:
    """The form for a = b = 1 and h = 1, of which all columns share one block, from moments of the rows.

    Parameters
    ----------
    moments : Moments
    centered : bool, default=False
        Leave the linear part out.
    centre : float or ndarray of shape (p,), default=0.0
        Subtracted from the rows.

    Returns
    -------
    QuadraticForm
        ``Gamma`` (m, m) and ``g`` (p, m).
    """
    p = len(moments.mean)
    offset = np.append(moments.mean_from(centre), -1.0)
    Gamma, varies = np.outer(offset, offset), ~moments.constant
    Gamma[:p, :p] += np.where(np.outer(varies, varies), moments.covariance, 0.0)  # of one value it is rounding
    m = p if centered else p + 1
    return QuadraticForm(Gamma[:m, :m], np.eye(p, m), 0.0, moments.n)


@singledispatch
def profiled(form, q) -> QuadraticForm:
    """The form in the first `q` parameters, at the best of the others.

    Parameters
    ----------
    form : QuadraticForm
        With or without blocks.
    q : int
        Parameters kept.

    Returns
    -------
    QuadraticForm
        What is left of its Γ are moments about a mean, weighted in each column by its h.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> from skscore.models.interactions.form import profiled
    >>> profiled(QuadraticForm(np.array([[5.0, -2.0], [-2.0, 1.0]]), np.array([1.0, 0.0]), 0.0, 2.0), 1).Gamma
    array([[1.]])
    """
    cross, g_rest = form.Gamma[..., :q, q:], form.g[..., q:]
    pull = np.linalg.solve(form.Gamma[..., q:, q:], cross.mT)
    best = _times(np.linalg.inv(form.Gamma[..., q:, q:]), g_rest)
    explained = cross @ pull
    kept = form.Gamma[..., :q, :q]
    left = np.subtract(kept, explained, out=explained)  # p³ numbers, held once
    flat = np.einsum("...ii->...i", left) <= ROUNDING * np.einsum("...ii->...i", kept)
    if flat.any():
        left[flat[..., :, None] | flat[..., None, :]] = 0.0
    return QuadraticForm(
        left, form.g[..., :q] - _times(cross, best), form.c - 0.5 * float(np.sum(g_rest * best)), form.n
    )


@profiled.register
def _(form: RowForm, q):
    return form.profiled()


@singledispatch
def profile(form, kept):
    """The best of the other parameters if the first are `kept` (..., q), shape (..., m − q)."""
    q = kept.shape[-1]
    pull = form.g[..., q:] - _times(form.Gamma[..., q:, :q], kept)
    return _times(np.linalg.inv(form.Gamma[..., q:, q:]), pull)


@profile.register
def _(form: RowForm, kept):
    return form.profile(kept)


def _times(matrices, vectors):
    return (matrices @ vectors[..., None])[..., 0]


@singledispatch
def multiplied(form, multiplier, q=None) -> QuadraticForm:
    """The form with the diagonals of Γ, or their first `q` entries, times a multiplier ≥ 1.

    It is a ridge in the units of each parameter.
    It bounds the objective from below if the rows are fewer than the columns (Yu, Drton & Shojaie, 2019). Applied
    to a profiled form it does not depend on the origin.
    """
    if multiplier == 1.0:
        return form
    Gamma = form.Gamma.copy()
    np.einsum("...ii->...i", Gamma)[..., :q] *= multiplier  # einsum returns a view of the diagonals
    return QuadraticForm(Gamma, form.g, form.c, form.n)


@multiplied.register
def _(form: RowForm, multiplier, q=None):
    return replace(form, multiplier=multiplier)


def default_multiplier(n, p):
    """The largest multiplier under which the l1 estimate is consistent, 2 − 1/(1 + 4e max(r, √r)), r = 6 log(p)/n.

    Examples
    --------
    >>> from skscore.models.interactions.form import default_multiplier
    >>> round(default_multiplier(80, 30), 4)
    1.846
    """
    rate = 6.0 * np.log(p) / n
    return float(2.0 - 1.0 / (1.0 + 4.0 * math.e * max(rate, np.sqrt(rate))))
