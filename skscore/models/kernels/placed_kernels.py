r"""Kernels beside their rows: what ``lite``, ``slope_sums`` and ``smoothed`` compute, in the array library of the rows.

Rows that lie on an accelerator stay there. The constants of a family (landmarks, metric, base measure) are placed
beside them once, blocks of rows stream through products of kernel matrices, and Γ and g come back to numpy at the end.
Coordinates, base measures and sums over blocks are in double precision, kernels and their products in the precision of
the family: where kernels cancel, that of the rows would not be enough.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from ..._compat import beside, get_namespace, to_numpy
from ..._kernels.rbf import MAX_DIFFERENCES
from ...formulas import score_losses
from ...formulas.moments import blocks_of_products
from ...formulas.quadratic import QuadraticForm
from .slope_sums import PolarProducts, PolarSums, StackedSums

__all__ = ["PlacedKernels", "form_beside", "placed"]


def placed(record: Any, X: Any) -> Any:
    """Return a map or base measure with its arrays in the library of X, on its device."""
    if isinstance(record, np.ndarray):
        return beside(X, record)
    if not hasattr(record, "__dataclass_fields__"):
        return record
    return replace(record, **{field.name: placed(getattr(record, field.name), X) for field in fields(record)})


class PlacedKernels:
    """The kernels of a family beside rows.

    Parameters
    ----------
    family : LiteFamily
    X : array of shape (n, d)
        Rows of any array library, on any device with double precision.
    dtype : type, default=np.float64
        Precision of the kernels.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models import GaussianBase
    >>> from skscore.models.kernels.lite import LiteFamily
    >>> from skscore.models.kernels.placed_kernels import PlacedKernels
    >>> X = np.array([[1.0, 1.0]])
    >>> kernels = PlacedKernels(LiteFamily(np.zeros((1, 2)), np.eye(2), np.eye(1), GaussianBase()), X)
    >>> kernels.kernel(kernels.coordinates(X)[0]).round(4)
    array([[0.3679]])
    """

    def __init__(self, family, X, dtype=np.float64):
        self.xp, _ = get_namespace(X)
        self.dtype, self.base = getattr(self.xp, np.dtype(dtype).name), placed(family.base, X)
        self.centre, self.factor, self.metric = (beside(X, a) for a in (family.centre, family.factor, family.metric))
        self.p, self.q, self.basis = (self.narrow(beside(X, a)) for a in (family.p, family.q, family.basis))
        self.trace = family.trace
        self.step = float(family.metric[0, 0]) if family.is_isotropic else None

    def narrow(self, array):
        """The array in the precision of kernels."""
        return self.xp.astype(array, self.dtype, copy=False)

    def wide(self, array):
        """The array in double precision."""
        return self.xp.astype(array, self.xp.float64, copy=False)

    def coordinates(self, x):
        """p and q of rows in double precision, in the precision of kernels."""
        centred = x - self.centre
        return self.narrow(centred @ self.factor), self.narrow(centred @ self.metric)

    def squared_distances(self, rows, landmarks):
        """‖·‖² between rows (n, d) and landmarks (m, d), shape (n, m), by differences if the columns are few."""
        xp = self.xp
        if rows.shape[1] <= MAX_DIFFERENCES:
            return sum((rows[:, j, None] - landmarks[None, :, j]) ** 2 for j in range(rows.shape[1]))
        norms = xp.sum(rows * rows, axis=1)[:, None] + xp.sum(landmarks * landmarks, axis=1)[None, :]
        S = norms - 2.0 * (rows @ landmarks.T)
        return xp.where(S < 0.0, 0.0 * S, S)

    def kernel(self, p, root=None):
        """√w k, shape (n, m)."""
        K = self.xp.exp(-0.5 * self.squared_distances(p, self.p))
        return K if root is None else root[:, None] * K

    def kernel_and_square(self, p, q, root):
        """√w k and √w kS, each of shape (n, m)."""
        S = self.squared_distances(p, self.p)
        K = root[:, None] * self.xp.exp(-0.5 * S)
        return K, K * (self.step * S if self.step is not None else self.squared_distances(q, self.q))

    # ---- the density at φ ------------------------------------------------------------------------

    def _blockwise(self, function, *tables):
        """Rows of `function` over blocks of the tables."""
        blocks = blocks_of_products(tables[0], self.p.shape[0])
        return self.xp.concat([function(*(table[rows, :] for table in tables)) for rows in blocks], axis=0)

    def _theta(self, phi):
        return self.basis @ beside(self.basis, phi)

    def log_density(self, phi, X):
        """log q₀ + f of each row, shape (n,)."""
        theta = self._theta(phi)
        return self._blockwise(lambda B: self.kernel(self.coordinates(B)[0]) @ theta + self.base.log_density(B), X)

    def score(self, phi, X):
        """∇ₓ log p of each row, shape (n, d)."""
        theta = self._theta(phi)[:, None]
        pulls = self.xp.concat([theta * self.q, theta], axis=1)

        def slope(B):
            p, q = self.coordinates(B)
            pulled = self.kernel(p) @ pulls
            return pulled[:, :-1] - pulled[:, -1:] * q + self.base.score(B)

        return self._blockwise(slope, X)

    def traced_curvature(self, phi, X, A):
        """Σ_j aⱼᵀ ∇² log p(x) aⱼ over the rows aⱼ of A, shape (n,)."""
        theta, landmarks = self._theta(phi), self.q @ A.T
        trace = self.xp.sum((A @ self.factor) ** 2)

        def traced(B):
            p, q = self.coordinates(B)
            bent = (self.squared_distances(q @ A.T, landmarks) - trace) * self.kernel(p)
            return bent @ theta + sum(self.base.curvature(B, A[j, :]) for j in range(A.shape[0]))

        return self._blockwise(traced, X)

    def curvature(self, phi, X, V):
        """vᵀ ∇² log p(x) v of each row, shape (n,)."""
        xp, theta = self.xp, self._theta(phi)

        def bent(B, W):
            p, q = self.coordinates(B)
            along = xp.sum(q * W, axis=1)[:, None] - W @ self.q.T
            squares = xp.sum((W @ self.factor) ** 2, axis=1)[:, None]
            return ((along**2 - squares) * self.kernel(p)) @ theta + self.base.curvature(B, W)

        return self._blockwise(bent, X, xp.broadcast_to(V, X.shape))


# ---- sums over one block of rows -------------------------------------------------------------------
# Each of these makes, for a family and rows X, a function of a block x, with the scores b of the base measure and √w.
# It yields what the block adds to the arrays of a record of ``slope_sums``, by name.


def _stacked(family, X):
    """Σ AᵀA over columns; see StackedSums."""
    kernels = PlacedKernels(family, X, family.dtype)

    def add(x, b, root):
        p, q = kernels.coordinates(x)
        K, KS = kernels.kernel_and_square(p, q, root)
        linear = root @ KS - kernels.trace * (root @ K)
        for j in range(q.shape[1]):
            A = (kernels.q[:, j] - q[:, j, None]) * K
            linear = linear + (root * b[:, j]) @ A
            yield "gram", A.T @ A
        yield "linear", linear

    return add


def _polar(family, X):
    """KᵀK and [K, √w]ᵀ[K∘S, √w b, √w(−τ − q·b)]; see PolarSums."""
    kernels = PlacedKernels(family, X, family.dtype)
    xp = kernels.xp

    def add(x, b, root):
        p, q = kernels.coordinates(x)
        K, KS = kernels.kernel_and_square(p, q, root)
        trace = -kernels.trace - xp.sum(q * b, axis=1)
        right = xp.concat([KS, root[:, None] * b, (root * trace)[:, None]], axis=1)
        yield "gram", K.T @ K
        yield "cross", xp.concat([K, root[:, None]], axis=1).T @ right

    return add


def _noisy(family, X):
    """KᵀK and Kᵀ(K∘S) of the kernels u, and Vᵀ of monomials; see SmoothedFamily."""
    u, v = (PlacedKernels(part, X, family.dtype) for part in (family.u, family.v))

    def add(x, b, root):
        p, q = u.coordinates(x)
        K, KS = u.kernel_and_square(p, q, root)
        yield "gram", K.T @ K
        yield "cross", K.T @ KS
        V = v.kernel(v.coordinates(x)[0], root * root)
        yield "linear", V.T @ v.narrow(family.monomials(x, u.wide(b)))

    return add


def _of_functions(family, X):
    """Γ and the linear part in the basis, by products of the slopes of functions; see ``form_of_functions``."""
    kernels = PlacedKernels(family, X, family.dtype)

    def add(x, b, root):
        p, q = kernels.coordinates(x)
        K, KS = kernels.kernel_and_square(p, q, root)
        linear = (root @ KS - kernels.trace * (root @ K)) @ kernels.basis
        for j in range(q.shape[1]):
            slopes = ((kernels.q[:, j] - q[:, j, None]) * K) @ kernels.basis
            linear = linear + (root * b[:, j]) @ slopes
            yield "Gamma", slopes.T @ slopes
        yield "linear", linear

    return add


BLOCK_SUMS = {StackedSums: _stacked, PolarSums: _polar, PolarProducts: _noisy}


# ---- from rows to the quadratic form -------------------------------------------------------------


def form_beside(family, coordinates, X, weight):
    """Quadratic form of the implicit objective for rows that stay where they are.

    Parameters
    ----------
    family : LiteFamily
        In the coordinates y of the rows.
    coordinates : Affine
        From rows to y.
    X : array of shape (n, d)
        Rows of any array library, on any device with double precision.
    weight : array of shape (n,) or None

    Returns
    -------
    QuadraticForm
        In arrays of numpy.
    """
    if family.kernels_cancel(X.shape[0]):
        found, n = _streamed(family, coordinates, X, weight, _of_functions)
        return QuadraticForm(
            0.5 * (found["Gamma"] + found["Gamma"].T) / n, -found["linear"] / n, found["constant"] / n, n
        )
    sums = family.empty_sums(0)
    found, n = _streamed(family, coordinates, X, weight, BLOCK_SUMS[type(sums)])
    constant = found.pop("constant")
    vars(sums).update(found)
    return family.form_of_sums(sums, constant, n)


def _streamed(family, coordinates, X, weight, block_sums):
    """Sums over all rows by name, in double precision, with the `constant` of the objective; and the total weight."""
    xp, _ = get_namespace(X)
    base, forward, add = placed(family.base, X), placed(coordinates, X).forward, block_sums(family, X)
    dtype = getattr(xp, np.dtype(family.dtype).name)
    totals: dict[str, Any] = {}
    for rows in blocks_of_products(X, len(family.landmarks)):
        x = forward(xp.astype(X[rows, :], xp.float64, copy=False))
        b, w = base.score(x), xp.ones_like(x[:, 0]) if weight is None else weight[rows]
        objective = score_losses.implicit(b, base.divergence(x)) + family.surplus
        parts = add(x, *(xp.astype(part, dtype, copy=False) for part in (b, w**0.5)))
        for name, part in [*parts, ("constant", w @ objective)]:
            totals[name] = totals.get(name, 0.0) + xp.astype(part, xp.float64, copy=False)
    n = float(X.shape[0]) if weight is None else float(xp.sum(weight))
    return {name: to_numpy(total)[()] for name, total in totals.items()}, n
