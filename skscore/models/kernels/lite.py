r"""Kernels as sufficient statistics: :math:`T_a(x) = k(x, z_a) = \exp(-\tfrac12 (x - z_a)^\top P (x - z_a))`.

Sutherland, Strathmann, Arbel & Gretton (2018) call this basis "lite". With P = BBᵀ, p = xB and q = xP the kernel is
:math:`\exp(-\tfrac12\|p - p_a\|^2)`, and :math:`S_a = \|q - q_a\|^2` measures its slope:

.. math:: \nabla k_a = (q_a - q)\,k_a, \qquad \Delta k_a = (S_a - \operatorname{tr} P)\,k_a .

Everything is therefore a product of matrices over blocks of rows: :math:`\Gamma = E[\nabla k\cdot\nabla k]` and
:math:`g = -E[\Delta k + \nabla k\cdot\nabla\log q_0]` take 3nm² flops whatever d is (``slope_sums``). Parameters are
coordinates φ in a basis of functions, θ = Wφ.

References
----------
Sutherland, D. J., Strathmann, H., Arbel, M., & Gretton, A. (2018). Efficient and principled score estimation with
Nyström kernel exponential families. AISTATS, PMLR 84, 652-660.
"""

from __future__ import annotations

from functools import cached_property, reduce
from operator import add

import numpy as np

from ..._kernels import rbf, threads
from ..._kernels.rows import scaled_difference
from ...formulas.moments import row_blocks
from ...formulas.quadratic import QuadraticForm
from ..family import Family
from ..objectives import Implicit
from .slope_sums import PolarSums, StackedSums

__all__ = ["LiteFamily", "flops_of_a_pass"]

BLOCK_ROWS = 768
STACKED_COLUMNS = 2  # up to which Γ as a sum over columns takes fewer flops than the polar identity
ROWS_PER_KERNEL = 4  # below which f nearly interpolates: kernels cancel, and Γ is built from functions, not kernels
MAX_CANCELLATION = 1e4  # above which they cancel however many rows there are


def flops_of_a_pass(n_rows, n_kernels):
    """3nm² from rows to the quadratic form: a product of two matrices, and one of a matrix with itself."""
    return 3.0 * n_rows * n_kernels**2


def _squares(rows):
    return np.einsum("ij,ij->i", rows, rows)


def _inner_products(rows, landmarks, out):
    """Inner products of rows (n, d) and landmarks (m, d), written into `out` (n, m) in its precision."""
    return np.matmul(landmarks.astype(out.dtype, copy=False), rows.astype(out.dtype, copy=False).T, out=out.T).T


class LiteFamily(Family):
    """Kernels at given landmarks; parameters are coordinates φ in a basis.

    Parameters
    ----------
    landmarks : ndarray of shape (m, d)
        z_a.
    factor : ndarray of shape (d, d)
        B, in inverse units of the columns.
    basis : ndarray of shape (m, r)
        W.
    base : GaussianBase or another with its methods
        q₀.
    block_rows : int, default=768
        Rows in one product of matrices; twice as many in single precision, which take the same memory.
    dtype : {np.float64, np.float32}, default=np.float64
        Precision of the kernels and products behind Γ, which are summed in double precision. The basis of a family in
        single precision has no use for directions that `orthonormal_basis` cuts off at 1e-4. The density itself is
        always of double precision.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models import GaussianBase
    >>> from skscore.models.kernels.lite import LiteFamily
    >>> family = LiteFamily(np.zeros((1, 2)), np.eye(2), np.eye(1), GaussianBase())
    >>> family.statistics(np.array([[1.0, 1.0]])).round(4)
    array([[0.3679]])
    """

    closed_forms = {Implicit: "by_products"}
    block_rows: int
    surplus = 0.0  # of the objective of each row over that of the base measure

    def __init__(self, landmarks, factor, basis, base, block_rows=BLOCK_ROWS, dtype=np.float64):
        self.landmarks, self.centre = landmarks, landmarks.mean(axis=0)
        self.factor, self.metric = factor, factor @ factor.T
        self._width = factor[0, 0] if (factor == factor[0, 0] * np.eye(len(factor))).all() else None  # of one bandwidth
        self.trace = float(np.trace(self.metric))
        self.is_isotropic = bool((self.metric == self.metric[0, 0] * np.eye(len(factor))).all())
        self.p, self.q = self._coordinates(landmarks)
        self.columns, self.p_norms, self.q_norms = np.ascontiguousarray(self.p.T), _squares(self.p), _squares(self.q)
        self.basis, self.base, self.block_rows, self.dtype = basis, base, block_rows, dtype
        self.n_parameters = basis.shape[1]

    def _coordinates(self, X) -> tuple[np.ndarray, np.ndarray]:
        """p and q of rows; distances are taken near the landmarks, where squares are small."""
        width = self._width
        if width is None:
            centred = X - self.centre
            return centred @ self.factor, centred @ self.metric
        centred = scaled_difference(X, self.centre, np.ones(X.shape[1]))
        return width * centred, width**2 * centred

    def gram(self):
        """k(z_a, z_b), the metric of the RKHS norm of θ, shape (m, m)."""
        K = self._kernel(self.p)
        return 0.5 * (K + K.T)

    # ---- blocks of K and K∘S, in Fortran's order -------------------------------------------------

    def _buffer(self, rows):
        return np.empty((len(self.landmarks), len(rows))).T

    def _kernel(self, p, root=None, out=None):
        """√w k of a block of rows, shape (n, m)."""
        K, root = self._products(p, out), np.ones(len(p)) if root is None else root
        rbf.gaussian(p, self.columns, self.p_norms, root, K)
        return K

    def _products(self, p, out=None):
        """Inner products with the landmarks, if the kernels of ``_kernels`` want them; else a buffer for the result."""
        K = self._buffer(p) if out is None else out
        return _inner_products(p, self.p, K) if p.shape[1] > rbf.MAX_DIFFERENCES else K

    def _kernel_and_square(self, p, q, root=None, out=(None, None)) -> tuple[np.ndarray, np.ndarray]:
        """√w k and √w kS of a block of rows, each of shape (n, m)."""
        KS = self._buffer(p) if out[1] is None else out[1]
        if not self.is_isotropic:
            K = self._kernel(p, root, out[0])
            return K, self._times_square(K, q, self.q, self.trace, KS)
        K, root = self._products(p, out[0]), np.ones(len(p)) if root is None else root
        rbf.gaussian_and_square(p, self.columns, self.p_norms, root, self.metric[0, 0], K, KS)
        return K, KS

    @staticmethod
    def _times_square(K, rows, landmarks, trace, out):
        """K times the squared distances between `rows` and `landmarks`, which are at most `trace` times S."""
        _inner_products(rows, landmarks, out)
        rbf.times_square(rows, _squares(landmarks), K, trace * rbf.LARGEST, out)
        return out

    # ---- T and its derivatives -------------------------------------------------------------------

    def statistics(self, X):
        """T(x) of each row in the basis, shape (n, r)."""
        return self._kernel(self._coordinates(X)[0]) @ self.basis

    def functions(self, X, phis):
        """f of each row for each φ of `phis` (k, r), shape (n, k)."""
        K, (m, r), k = self._kernel(self._coordinates(X)[0]), self.basis.shape, len(phis)
        return (K @ self.basis) @ phis.T if r * (m + k) < m * k else K @ (self.basis @ phis.T)

    def jacobian(self, X):
        """∂T/∂x of each row, shape (n, r, d)."""
        p, q = self._coordinates(X)
        slopes = (self.q - q[:, None, :]) * self._kernel(p)[:, :, None]
        return np.matmul(self.basis.T, slopes)

    def laplacian(self, X):
        """ΔT(x) of each row, shape (n, r)."""
        K, KS = self._kernel_and_square(*self._coordinates(X))
        return (KS - self.trace * K) @ self.basis

    def statistics_curvature(self, X, V):
        """vᵀ∇²T(x)v of each row, shape (n, r), for directions V of shape (d,) or (n, d)."""
        return self._kernel_curvature(X, V) @ self.basis

    def _kernel_curvature(self, X, V):
        """vᵀ∇²k v = k [((q − q_a)·v)² − vᵀPv]."""
        p, q = self._coordinates(X)
        V = np.broadcast_to(V, X.shape)
        along = np.einsum("nj,nj->n", q, V)[:, None] - V @ self.q.T
        return (along**2 - _squares(V @ self.factor)[:, None]) * self._kernel(p)

    # ---- from rows to the quadratic form ---------------------------------------------------------

    def by_products(self, X, Y, weight, objective):
        """Quadratic form in φ by products of kernel matrices, unless kernels cancel or the rows are few."""
        weight = np.ones(len(X)) if weight is None else weight
        return (self.form_of_functions if self.kernels_cancel(len(X)) else self.implicit_form)(X, weight)

    def kernels_cancel(self, n_rows):
        """Whether Γ is to be built from functions, not kernels."""
        return n_rows < ROWS_PER_KERNEL * len(self.landmarks) or self._cancellation > MAX_CANCELLATION

    @cached_property
    def _cancellation(self):
        """‖W‖²: functions of small norm are differences of kernels, whose rounding it magnifies in Γ."""
        return np.square(self.basis).sum()

    def form_of_functions(self, X, weight):
        """Quadratic form of the implicit objective by products of the slopes of functions, not of kernels."""
        n, constant = float(weight.sum()), 0.0
        Gamma, linear = np.zeros((self.n_parameters, self.n_parameters)), np.zeros(self.n_parameters)
        for rows in row_blocks(len(X), 1, self.block_rows):
            block, root = np.asarray(X[rows]), np.sqrt(weight[rows])
            (p, q), b = self._coordinates(block), self.base.score(block)
            K, KS = self._kernel_and_square(p, q, root)
            linear += (root @ KS - self.trace * (root @ K)) @ self.basis
            for along, of_landmarks, pull in zip(q.T, self.q.T, b.T, strict=True):
                rbf.slopes(K, along, of_landmarks, KS)
                slopes = KS @ self.basis
                Gamma += slopes.T @ slopes
                linear += (root * pull) @ slopes
            constant += self._constant(block, b, weight[rows])
        share = 1.0 / n if n else 0.0
        return QuadraticForm(0.5 * share * (Gamma + Gamma.T), -share * linear, share * constant, n)

    def implicit_form(self, X, weight):
        """Quadratic form of the implicit objective by products of kernel matrices: the fast route."""
        flops = flops_of_a_pass(len(X), len(self.landmarks))
        shares = threads.deal(lambda rows: self._sums(X[rows], weight[rows]), len(X), flops)
        sums, constant = reduce(add, (s for s, _ in shares)), sum(c for _, c in shares)
        return self.form_of_sums(sums, constant, float(weight.sum()))

    def form_of_sums(self, sums, constant, n):
        """Quadratic form of rows of total weight n, of which the sums of products are known."""
        slopes, linear = self._slopes_and_linear(sums)
        Gamma = self.basis.T @ slopes @ self.basis / n
        return QuadraticForm(0.5 * (Gamma + Gamma.T), -(linear @ self.basis) / n, constant / n, n)

    def _sums(self, X, weight):
        """Sums over rows of the products of slopes, and of the constant of the objective."""
        per_block = self.block_rows * 8 // np.dtype(self.dtype).itemsize
        block_rows, constant = min(len(X), per_block), 0.0
        sums = self.empty_sums(block_rows)
        for rows in row_blocks(len(X), 1, block_rows):
            block = np.asarray(X[rows])
            b = self.base.score(block)
            self._add(sums, block, b, np.sqrt(weight[rows]).astype(self.dtype, copy=False))
            constant += self._constant(block, b, weight[rows])
        return sums, constant

    def _constant(self, X, b, weight):
        """Σ w(½‖b‖² + div b), the objective of the base measure, with the surplus."""
        return float(weight @ (0.5 * _squares(b) + self.base.divergence(X) + self.surplus))

    def linear_forms(self, X, weight, families):
        """g and c of `families` that differ from this one in the base measure alone, at the cost of the kernels."""
        weight = np.ones(len(X)) if weight is None else weight
        linear, constant = np.zeros((len(families), len(self.landmarks))), np.zeros(len(families))
        for rows in row_blocks(len(X), 1, self.block_rows):
            block, w = np.asarray(X[rows]), weight[rows]
            pulls = [family.base.score(block) for family in families]
            linear += self._linear(block, pulls, w, families)
            constant += [family._constant(block, b, w) for family, b in zip(families, pulls, strict=True)]
        n = float(weight.sum())
        return -(linear @ self.basis) / n, constant / n

    def _linear(self, X, pulls, weight, families):
        """Σ w(Δk + ∇k·b) for each of the scores b of base measures, shape (s, m)."""
        p, q = self._coordinates(X)
        K, KS = self._kernel_and_square(p, q)
        curvature, pulls = weight @ KS - self.trace * (weight @ K), [weight[:, None] * b for b in pulls]
        return [curvature + np.einsum("aj,aj->a", self.q, K.T @ b) - np.einsum("ij,ij->i", q, b) @ K for b in pulls]

    def _slopes_and_linear(self, sums):
        """Σ w ∇k·∇k of shape (m, m), and Σ w(Δk + ∇k·b) of shape (m,)."""
        return sums.result()

    def empty_sums(self, block_rows):
        """Sums of products over no rows yet, which are to come in blocks of at most so many."""
        return (StackedSums if self._is_stacked else PolarSums)(self.q, self.trace, block_rows, self.dtype)

    def _add(self, sums, X, b, root):
        """Add a block of rows (n, d), with the scores b (n, d) of the base measure and √w (n,), to the sums."""
        p, q = self._coordinates(X)
        self._kernel_and_square(p, q, root, sums.tables(len(p)))
        sums.add(q, b, root)

    @property
    def _is_stacked(self):
        return len(self.factor) <= STACKED_COLUMNS

    # ---- the density at φ ------------------------------------------------------------------------

    def log_density(self, phi, X):
        """log q₀ + f of each row, shape (n,)."""
        theta = self.basis @ phi
        return self._blockwise(lambda B: self._kernel(self._coordinates(B)[0]) @ theta + self.base.log_density(B), X)

    def score(self, phi, X):
        """∇ₓ log p of each row, shape (n, d)."""
        theta = self.basis @ phi
        pulls = np.column_stack([theta[:, None] * self.q, theta])

        def slope(B):
            p, q = self._coordinates(B)
            pulled = self._kernel(p) @ pulls
            return pulled[:, :-1] - pulled[:, -1:] * q + self.base.score(B)

        return self._blockwise(slope, X)

    def divergence(self, phi, X):
        """Δ log p of each row, shape (n,)."""
        theta = self.basis @ phi

        def laplacian(B):
            K, KS = self._kernel_and_square(*self._coordinates(B))
            return KS @ theta - self.trace * (K @ theta) + self.base.divergence(B)

        return self._blockwise(laplacian, X)

    def traced_curvature(self, phi, X, A):
        """Σ_j aⱼᵀ ∇² log p(x) aⱼ over the rows aⱼ of A, shape (n,): the Laplacian in coordinates z with x = zA."""
        theta, landmarks = self.basis @ phi, self.q @ A.T
        trace = float(np.sum((A @ self.factor) ** 2))

        def traced(B):
            p, q = self._coordinates(B)
            K = self._kernel(p)
            KS = self._times_square(K, q @ A.T, landmarks, trace, self._buffer(p))
            return KS @ theta - trace * (K @ theta) + sum(self.base.curvature(B, a) for a in A)

        return self._blockwise(traced, X)

    def curvature(self, phi, X, V):
        """vᵀ ∇² log p(x) v of each row, shape (n,)."""
        theta = self.basis @ phi

        def along(B, W):
            return self._kernel_curvature(B, W) @ theta + self.base.curvature(B, W)

        return self._blockwise(along, X, np.broadcast_to(V, X.shape))
