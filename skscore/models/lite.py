r"""Kernels as sufficient statistics: :math:`T_a(x) = k(x, z_a) = \exp(-\tfrac12 (x - z_a)^\top P (x - z_a))`.

Sutherland, Strathmann, Arbel & Gretton (2018) call this basis "lite". With P = BBᵀ, p = xB and q = xP the kernel is
:math:`\exp(-\tfrac12\|p - p_a\|^2)`, and :math:`S_a = \|q - q_a\|^2` measures its slope:

.. math:: \nabla k_a = (q_a - q)\,k_a, \qquad \Delta k_a = (S_a - \operatorname{tr} P)\,k_a .

Everything is therefore a product of matrices over blocks of rows. For the implicit objective the polar identity
:math:`2 (q - q_a)\cdot(q - q_b) = S_a + S_b - D_{ab}` with :math:`D_{ab} = \|q_a - q_b\|^2` gives

.. math::

   \Gamma = \tfrac12 E[M + M^\top - D \circ Q], \quad M = (K \circ S)^\top K, \quad Q = K^\top K, \qquad
   g = -E[\Delta k + \nabla k\cdot\nabla\log q_0],

of 3nm² flops whatever d is. One or two columns need less, and no subtraction: :math:`\Gamma = \sum_i E[A_i^\top A_i]`
with the slopes :math:`A_i` along each. Parameters are coordinates φ in a basis of functions, θ = Wφ.

References
----------
Sutherland, D. J., Strathmann, H., Arbel, M., & Gretton, A. (2018). Efficient and principled score estimation with
Nyström kernel exponential families. AISTATS, PMLR 84, 652-660.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.blas import dgemm, dsyrk

from .._kernels import rbf
from ..fitting.statistics import row_blocks
from ..formulas import objectives
from ..formulas.quadratic import QuadraticForm
from .family import Family
from .forms import Implicit

__all__ = ["LiteFamily"]

BLOCK_ROWS = 1024
STACKED_COLUMNS = 2  # up to which Γ as a sum over columns takes fewer flops than the polar identity
ROWS_PER_KERNEL = 4  # below which f nearly interpolates: kernels cancel, and Γ is built from functions, not kernels


def _squares(rows):
    return np.einsum("ij,ij->i", rows, rows)


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
    block_rows : int, default=1024
        Rows in one product of matrices.
    """

    def __init__(self, landmarks, factor, basis, base, block_rows=BLOCK_ROWS):
        self.landmarks, self.centre = landmarks, landmarks.mean(axis=0)
        self.factor, self.metric = factor, factor @ factor.T
        self.trace = float(np.trace(self.metric))
        self.is_isotropic = bool((self.metric == self.metric[0, 0] * np.eye(len(factor))).all())
        self.p, self.q = self._coordinates(landmarks)
        self.columns, self.p_norms, self.q_norms = np.ascontiguousarray(self.p.T), _squares(self.p), _squares(self.q)
        self.basis, self.base, self.block_rows = basis, base, block_rows
        self.n_parameters = basis.shape[1]

    def _coordinates(self, X):
        """p and q of rows; distances are taken near the landmarks, where squares are small."""
        centred = X - self.centre
        return centred @ self.factor, centred @ self.metric

    # ---- blocks of K and K∘S ---------------------------------------------------------------------

    def _products(self, p, out=None):
        """Inner products with the landmarks, where the kernels of ``_kernels`` want them; else room for the result."""
        if p.shape[1] > rbf.MOST_DIFFERENCES:
            return np.matmul(p, self.p.T, out=out)
        return np.empty((len(p), len(self.p))) if out is None else out

    def _kernel(self, p, root=None, out=None):
        """√w k of a block of rows, shape (n, m)."""
        K, root = self._products(p, out), np.ones(len(p)) if root is None else root
        rbf.gaussian(p, self.columns, self.p_norms, root, K)
        return K

    def _kernel_and_square(self, p, q, root=None, out=(None, None)):
        """√w k and √w kS of a block of rows, each of shape (n, m)."""
        if not self.is_isotropic:
            K, KS = self._kernel(p, root, out[0]), np.matmul(q, self.q.T, out=out[1])
            rbf.times_square(q, self.q_norms, K, self.trace * rbf.LARGEST, KS)
            return K, KS
        K, root = self._products(p, out[0]), np.ones(len(p)) if root is None else root
        KS = np.empty_like(K) if out[1] is None else out[1]
        rbf.gaussian_and_square(p, self.columns, self.p_norms, root, self.metric[0, 0], K, KS)
        return K, KS

    # ---- T and its derivatives -------------------------------------------------------------------

    def statistics(self, X):
        """T(x) of each row in the basis, shape (n, r)."""
        return self._kernel(self._coordinates(X)[0]) @ self.basis

    def jacobian(self, X):
        """∂T/∂x of each row, shape (n, r, d)."""
        p, q = self._coordinates(X)
        slopes = (self.q - q[:, None, :]) * self._kernel(p)[:, :, None]
        return np.matmul(self.basis.T, slopes)

    def laplacian(self, X):
        """ΔT(x) of each row, shape (n, r)."""
        K, KS = self._kernel_and_square(*self._coordinates(X))
        return (KS - self.trace * K) @ self.basis

    def curvature(self, X, V):
        """vᵀ∇²T(x)v of each row, shape (n, r), for directions V of shape (d,) or (n, d)."""
        return self._kernel_curvature(X, V) @ self.basis

    def _kernel_curvature(self, X, V):
        """vᵀ∇²k v = k [((q − q_a)·v)² − vᵀPv]."""
        p, q = self._coordinates(X)
        V = np.broadcast_to(V, X.shape)
        along = np.einsum("nj,nj->n", q, V)[:, None] - V @ self.q.T
        return (along**2 - _squares(V @ self.factor)[:, None]) * self._kernel(p)

    # ---- from rows to the quadratic form ---------------------------------------------------------

    def assemble(self, X, Y, weight, objective):
        """Quadratic form in φ of the rows under `objective`."""
        if not isinstance(objective, Implicit) or len(X) < ROWS_PER_KERNEL * len(self.landmarks):
            return super().assemble(X, Y, weight, objective)
        return self.implicit_form(X, np.ones(len(X)) if weight is None else weight)

    def implicit_form(self, X, weight):
        """Quadratic form of the implicit objective by products of kernel matrices: the fast route."""
        m, n = len(self.landmarks), float(weight.sum())
        products = np.zeros((2, m, m)).transpose(0, 2, 1)  # in Fortran's order, to which BLAS adds in place
        linear, constant = np.zeros(m), 0.0
        room = np.empty((2, min(len(X), self.block_rows), m))  # fresh memory for each block would cost a fifth
        for rows in row_blocks(len(X), 1, self.block_rows):
            (p, q), root = self._coordinates(X[rows]), np.sqrt(weight[rows])
            K, KS = self._kernel_and_square(p, q, root, room[:, : len(p)])
            b, divergence = self.base.grad_log_density(X[rows]), self.base.divergence(X[rows])
            constant += float(weight[rows] @ objectives.implicit(b, divergence))
            linear += self._linear(K, KS, q, b, root)
            self._add_products(K, KS, q, *products)
        Gamma = self.basis.T @ self._gamma(*products) @ self.basis / n
        return QuadraticForm(0.5 * (Gamma + Gamma.T), -(linear @ self.basis) / n, constant / n, n)

    @property
    def _is_stacked(self):
        return len(self.factor) <= STACKED_COLUMNS

    def _add_products(self, K, KS, q, gram, cross):
        """Add KᵀK or Σ_i AᵢᵀAᵢ to the lower triangle of `gram`, and (K∘S)ᵀK to `cross`; KS is used up."""
        if not self._is_stacked:
            dsyrk(1.0, K.T, 1.0, gram, lower=1, overwrite_c=1)
            dgemm(1.0, KS.T, K.T, 1.0, cross, trans_b=1, overwrite_c=1)
            return
        for along, of_landmarks in zip(q.T, self.q.T, strict=True):
            rbf.slopes(K, along, of_landmarks, KS)
            dsyrk(1.0, KS.T, 1.0, gram, lower=1, overwrite_c=1)

    def _gamma(self, gram, cross):
        """Sum over rows of the Gram matrix of slopes, from the products."""
        Q = np.tril(gram) + np.tril(gram, -1).T
        if self._is_stacked:
            return Q
        D = np.add.outer(self.q_norms, self.q_norms) - 2.0 * self.q @ self.q.T
        return 0.5 * (cross + cross.T - D * Q)

    def _linear(self, K, KS, q, b, root):
        """Σ_rows w (Δk + ∇k·b)."""
        pulls = root[:, None] * np.column_stack([b, -self.trace - np.einsum("ij,ij->i", q, b)])
        pulled = K.T @ pulls
        return root @ KS + np.einsum("ij,ij->i", self.q, pulled[:, :-1]) + pulled[:, -1]

    # ---- the density at φ ------------------------------------------------------------------------

    def _blockwise(self, function, *tables):
        blocks = row_blocks(len(tables[0]), 1, self.block_rows)
        parts = [function(*(table[rows] for table in tables)) for rows in blocks]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def log_density(self, phi, X):
        """log q₀ + f of each row, shape (n,)."""
        theta = self.basis @ phi
        return self._blockwise(lambda B: self._kernel(self._coordinates(B)[0]) @ theta + self.base.log_density(B), X)

    def grad_log_density(self, phi, X):
        """∇ₓ log p of each row, shape (n, d)."""
        theta = self.basis @ phi
        pulls = np.column_stack([theta[:, None] * self.q, theta])

        def slope(B):
            p, q = self._coordinates(B)
            pulled = self._kernel(p) @ pulls
            return pulled[:, :-1] - pulled[:, -1:] * q + self.base.grad_log_density(B)

        return self._blockwise(slope, X)

    def divergence(self, phi, X):
        """Δ log p of each row, shape (n,)."""
        theta = self.basis @ phi

        def laplacian(B):
            K, KS = self._kernel_and_square(*self._coordinates(B))
            return KS @ theta - self.trace * (K @ theta) + self.base.divergence(B)

        return self._blockwise(laplacian, X)

    def log_density_curvature(self, phi, X, V):
        """vᵀ ∇² log p(x) v of each row, shape (n,)."""
        theta = self.basis @ phi

        def along(B, W):
            return self._kernel_curvature(B, W) @ theta + self.base.curvature(B, W)

        return self._blockwise(along, X, np.broadcast_to(V, X.shape))
