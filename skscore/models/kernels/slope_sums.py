r"""Sums over rows of products of slopes of Gaussian kernels, by products of matrices.

The slopes are :math:`\nabla k_a = (q_a - q)\,k_a`, and :math:`\Delta k_a = (S_a - \tau)\,k_a` with
:math:`S_a = \|q - q_a\|^2`. From :math:`2 (q - q_a)\cdot(q - q_b) = S_a + S_b - D_{ab}`,
:math:`D_{ab} = \|q_a - q_b\|^2`, it follows that

.. math::

   \sum w\,\nabla k_a\cdot\nabla k_b = \tfrac12 (M + M^\top - D \circ Q), \qquad
   M = K^\top (K \circ S), \quad Q = K^\top K,

of 3nm² flops however many columns q has; K holds :math:`\sqrt w\,k`. One or two columns need less, and no subtraction:
:math:`\sum_i A_i^\top A_i` with the slopes :math:`A_i` along each. The linear part is
:math:`\sum w\,(\Delta k_a + \nabla k_a\cdot b)` with the score b of the base measure.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.blas import get_blas_funcs

from ..._kernels import rbf

__all__ = ["PolarProducts", "PolarSums", "StackedSums"]


def _sum_of_products(blas, shape, dtype, **how):
    """A sum of products of matrices in double precision, and the function that adds one to it.

    The factors are in Fortran's order; if they are in double precision, BLAS adds in place.
    """
    product, total = get_blas_funcs(blas, dtype=dtype), np.zeros(shape, order="F")
    buffer = total if dtype == np.float64 else np.zeros(shape, dtype, order="F")

    def add(*factors):
        product(1.0, *factors, float(buffer is total), buffer, overwrite_c=1, **how)
        if buffer is not total:
            np.add(total, buffer, out=total)

    return total, add


class _Sums:
    """Buffers for one block of rows, and sums over all blocks.

    Parameters
    ----------
    q : ndarray of shape (m, t)
        q_a, of the landmarks.
    trace : float
        τ.
    block_rows : int
        Most rows in a block.
    dtype : type
        Precision of K and of the products.
    extra : (int, int), default=(0, 0)
        Further columns of the two tables.
    linear : tuple of int, default=(0,)
        Shape of a sum behind the linear part that is none of products of the tables.
    """

    def __init__(self, q, trace, block_rows, dtype, extra=(0, 0), linear=(0,)):
        m, self.linear = len(q), np.zeros(linear)
        self.q, self.trace = q, trace
        self.widths = m + extra[0], m + extra[1]
        self.buffer = np.empty((block_rows, sum(self.widths)), dtype)  # fresh memory for each block would cost a fifth
        self.gram, self.add_gram = _sum_of_products("syrk", (m, m), dtype, trans=1, lower=1)

    def tables(self, n):
        """Buffers for K and K∘S of n rows, each of shape (n, m) in Fortran's order."""
        buffer = self.buffer.reshape(-1)[: n * sum(self.widths)].reshape(-1, n).T
        self.left, self.right = np.split(buffer, [self.widths[0]], axis=1)
        self.K, self.KS = self.left[:, : len(self.q)], self.right[:, : len(self.q)]
        return self.K, self.KS

    def __add__(self, other):
        """Sums over the rows of both, kept in this one."""
        self.gram += other.gram
        self.linear += other.linear
        return self

    @property
    def products(self):
        """Sum over rows of the product of a table with itself, shape (m, m), of which BLAS gives the lower half."""
        return np.where(np.tri(len(self.gram), dtype=bool), self.gram, self.gram.T)


class StackedSums(_Sums):
    """Sums of a product for each column of q."""

    def __init__(self, q, trace, block_rows, dtype):
        super().__init__(q, trace, block_rows, dtype, linear=(len(q),))

    def add(self, q, b, root):
        """Add the rows of the tables, with q (n, t), b (n, t) and √w (n,); K∘S is used up."""
        self.linear += root @ self.KS - self.trace * (root @ self.K)
        for along, of_landmarks, pull in zip(q.T, self.q.T, b.T, strict=True):
            rbf.slopes(self.K, along, of_landmarks, self.KS)
            self.linear += (root * pull).astype(root.dtype) @ self.KS
            self.add_gram(self.KS)

    def result(self):
        """Σ w ∇k·∇k of shape (m, m), and Σ w(Δk + ∇k·b) of shape (m,)."""
        return self.products, self.linear


class PolarProducts(_Sums):
    """KᵀK and Kᵀ(K∘S), of which the products of slopes are made for any number of columns."""

    def __init__(self, q, trace, block_rows, dtype, **shapes):
        super().__init__(q, trace, block_rows, dtype, **shapes)
        self.cross, self.add_cross = _sum_of_products("gemm", self.widths, dtype, trans_a=1)

    def multiply(self):
        """Add the products of the tables."""
        self.add_gram(self.K)
        self.add_cross(self.left, self.right)

    def __add__(self, other):
        self.cross += other.cross
        return super().__add__(other)

    @property
    def symmetric(self):
        """½(M + Mᵀ), shape (m, m)."""
        M = self.cross[: len(self.q), : len(self.q)]
        return 0.5 * (M + M.T)


class PolarSums(PolarProducts):
    """Sums of two products: KᵀK, and [K, √w]ᵀ[K∘S, √w b, √w(−τ − q·b)]."""

    def __init__(self, q, trace, block_rows, dtype):
        super().__init__(q, trace, block_rows, dtype, extra=(1, q.shape[1] + 1))

    def add(self, q, b, root):
        """Add the rows of the tables, with q (n, t), b (n, t) and √w (n,)."""
        m = len(self.q)
        self.left[:, m] = root
        rbf.weighted(root, b, self.right[:, m:-1])
        self.right[:, -1] = root * (-self.trace - np.einsum("ij,ij->i", q, b))
        self.multiply()

    def result(self):
        """Σ w ∇k·∇k of shape (m, m), and Σ w(Δk + ∇k·b) of shape (m,)."""
        m, cross = len(self.q), self.cross
        linear = cross[m, :m] + np.einsum("aj,aj->a", self.q, cross[:m, m:-1]) + cross[:m, -1]
        norms = np.einsum("ij,ij->i", self.q, self.q)
        D = np.add.outer(norms, norms) - 2.0 * self.q @ self.q.T
        return self.symmetric - 0.5 * D * self.products, linear
