r"""Derivatives of kernels as sufficient statistics: :math:`T_{a,i}(x) = \partial k(x, z_a)/\partial z_{a,i}`.

The solution of the full kernel exponential family lies in the span of such functions (Sriperumbudur et al., 2017);
Sutherland, Strathmann, Arbel & Gretton (2018) keep those of m landmarks, a Nyström approximation. The kernel is
:math:`k = \exp(-\tfrac12\|p - p_a\|^2)` in the coordinates p = xB, with B = U diag(c)^½ along the axes of the precision
P = U diag(c) Uᵀ. There v = p − p_a makes T the rows of :math:`t_a = v\,k` times Bᵀ, and for every direction e

.. math:: \partial_j t_i = k\,(\delta_{ij} - v_i v_j), \qquad
          e^\top\nabla^2 t_i\, e = k\,\bigl[((v\cdot e)^2 - \|e\|^2)\,v_i - 2 (v\cdot e)\,e_i\bigr] .

Slopes in x along the axes are √c_j ∂_j. With :math:`S_a = v^\top\mathrm{diag}(c)\,v`, F = [K∘v_i] and the polar
identity :math:`2\,v^\top\mathrm{diag}(c)\,v' = S_a + S_b - D_{ab}`, the Gram matrix of slopes is

.. math::

   \Gamma_{ia,lb} = E\bigl[\tfrac12 (M + M^\top)_{ia,lb} + \delta_{il}\,c_i\,(K^\top K)_{ab}
                  - \tfrac12 D_{ab}\,(F^\top F)_{ia,lb}\bigr], \qquad
   M_{ia,lb} = \bigl((F\circ S)^\top F - 2 c_l F^\top F\bigr)_{ia,lb} - 2 c_l (p_b - p_a)_l\,(F^\top K)_{ia,b} ,

one product of [K, F] with itself and one of F∘S with F: (3d² + 2d + 1) nm² flops. Few columns need less, and no
subtraction: :math:`\Gamma = \sum_j c_j\,E[A_j^\top A_j]` with the slopes :math:`A_j = \partial_j t`, d³nm² flops.

References
----------
Sriperumbudur, B., Fukumizu, K., Gretton, A., Hyvärinen, A., & Kumar, R. (2017). Density estimation in infinite
dimensional exponential families. JMLR 18(57), 1-59.

Sutherland, D. J., Strathmann, H., Arbel, M., & Gretton, A. (2018). Efficient and principled score estimation with
Nyström kernel exponential families. AISTATS, PMLR 84, 652-660.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.blas import dgemm, dsyrk
from scipy.spatial.distance import cdist

from ..._kernels import rbf
from ...formulas import score_losses
from ...formulas.moments import row_blocks
from ...formulas.quadratic import QuadraticForm
from ..family import Family
from ..objectives import Implicit, assemble

__all__ = ["NystromFamily"]

BLOCK_ROWS = 1024
STACKED_COLUMNS = 3  # up to which d³ < 3d² + 2d + 1
ROWS_PER_FUNCTION = 4  # below which f nearly interpolates: functions cancel, and Γ is built in the basis


class NystromFamily(Family):
    """Derivatives of kernels at given landmarks; parameters are coordinates φ in a basis.

    Parameters
    ----------
    landmarks : ndarray of shape (m, d)
        z_a.
    factor : ndarray of shape (d, d)
        Any root of the precision, P = factor · factorᵀ, in inverse units of the columns.
    basis : ndarray of shape (m · d, r)
        Columns are functions in the basis; T_{a,i} has the row a · d + i.
    base : GaussianBase or another with its methods
        q₀.
    block_rows : int, default=1024
        Rows in one product of matrices.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models import GaussianBase
    >>> from skscore.models.kernels.nystrom import NystromFamily
    >>> family = NystromFamily(np.zeros((1, 1)), np.eye(1), np.eye(1), GaussianBase())
    >>> family.statistics(np.array([[1.0]])) == np.exp(-0.5)  # x exp(−x²/2)
    array([[ True]])
    """

    closed_forms = {Implicit: "by_products"}
    block_rows: int

    def __init__(self, landmarks, factor, basis, base, block_rows=BLOCK_ROWS):
        U, root_c, _ = np.linalg.svd(factor)
        self.landmarks, self.centre, self.factor = landmarks, landmarks.mean(axis=0), U * root_c
        self.c, self.trace = root_c**2, float((root_c**2).sum())
        self.p = self._coordinates(landmarks)
        self.columns, self.norms = np.ascontiguousarray(self.p.T), (self.p**2).sum(axis=1)
        self.basis, self.base, self.block_rows = basis, base, block_rows
        m, d = landmarks.shape
        self.n_parameters = basis.shape[1]
        self.axes = np.einsum("li,alr->iar", self.factor, basis.reshape(m, d, -1)).reshape(d * m, -1)  # (i, a) of t

    def gram(self):
        """∂²k(z_a, z_b)/∂z_{a,i}∂z_{b,l} = k (P_il − (q_a − q_b)_i (q_a − q_b)_l) with q = zP, shape (m·d, m·d)."""
        q, K = self.p @ self.factor.T, self._kernel(self.p)
        between = q[:, None] - q
        blocks = (self.factor @ self.factor.T - between[..., :, None] * between[..., None, :]) * K[..., None, None]
        return np.moveaxis(blocks, 1, 2).reshape(q.size, q.size)

    def _coordinates(self, X):
        """p of rows; distances are taken near the landmarks, where squares are small."""
        return (X - self.centre) @ self.factor

    def _kernel(self, p, root=None):
        """√w k of a block of rows, shape (n, m)."""
        K, root = p @ self.p.T, np.ones(len(p)) if root is None else root
        rbf.gaussian(p, self.columns, self.norms, root, K)
        return K

    def _differences(self, p):
        """v of a block of rows, shape (n, d, m)."""
        return p[:, :, None] - self.columns

    # ---- T and its derivatives -------------------------------------------------------------------

    def statistics(self, X):
        """T(x) of each row in the basis, shape (n, r)."""
        p = self._coordinates(X)
        return self._in_basis(self._kernel(p)[:, None] * self._differences(p))

    def jacobian(self, X):
        """∂T/∂x of each row, shape (n, r, d)."""
        p = self._coordinates(X)
        K, V = self._kernel(p), self._differences(p)
        slopes = [self._in_basis(self._slopes(K, V, j)) for j in range(X.shape[1])]
        return np.stack(slopes, axis=2) @ self.factor.T

    def laplacian(self, X):
        """ΔT(x) of each row, shape (n, r)."""
        p = self._coordinates(X)
        K, V = self._kernel(p), self._differences(p)
        S = self.c @ V**2
        return self._in_basis((S[:, None] - self.trace - 2.0 * self.c[:, None]) * V * K[:, None])

    def statistics_curvature(self, X, V):
        """vᵀ∇²T(x)v of each row, shape (n, r), for directions V of shape (d,) or (n, d)."""
        p, E = self._coordinates(X), np.broadcast_to(V, X.shape) @ self.factor
        along, squares = self._along(p, E), (E**2).sum(axis=1)
        bent = (along**2 - squares[:, None])[:, None] * self._differences(p) - 2.0 * along[:, None] * E[:, :, None]
        return self._in_basis(self._kernel(p)[:, None] * bent)

    def _in_basis(self, functions):
        """Values (n, d, m) of the functions t, or of their derivatives, in the basis."""
        return functions.reshape(len(functions), -1) @ self.axes

    def _along(self, p, E):
        """v·e of each row and landmark, shape (n, m)."""
        return (p * E).sum(axis=1)[:, None] - E @ self.p.T

    def _slopes(self, K, V, j):
        """∂_j t = k (δ_ij − v_i v_j), shape (n, d, m)."""
        slopes = -(K * V[:, j])[:, None] * V
        slopes[:, j] += K
        return slopes

    # ---- from rows to the quadratic form ---------------------------------------------------------

    def by_products(self, X, Y, weight, objective):
        """Quadratic form in φ by products of kernel matrices, unless the rows are so few that functions cancel."""
        if len(X) < ROWS_PER_FUNCTION * len(self.basis):
            return assemble(self, X, Y, weight, objective)
        return self.implicit_form(X, np.ones(len(X)) if weight is None else weight)

    def implicit_form(self, X, weight):
        """Quadratic form of the implicit objective by products of kernel matrices: the fast route."""
        n, (m, d) = float(weight.sum()), self.landmarks.shape
        stacked = d <= STACKED_COLUMNS
        sizes = [m * d] if stacked else [m * (d + 1), m * d]
        products = [np.zeros((size, size), order="F") for size in sizes]  # BLAS adds in place to Fortran's order
        add, gamma = (self._add_stacked, _symmetric) if stacked else (self._add_polar, self._polar_gamma)
        linear, constant = np.zeros((d, m)), 0.0
        for rows in row_blocks(len(X), 1, self.block_rows):
            block, root = np.asarray(X[rows]), np.sqrt(weight[rows])
            p = self._coordinates(block)
            K, V = self._kernel(p, root), self._differences(p)
            S = self.c @ V**2
            b, divergence = self.base.score(block), self.base.divergence(block)
            constant += float(weight[rows] @ score_losses.implicit(b, divergence))
            linear += self._linear(K, V, S, self._along(p, b @ self.factor), b @ self.factor, root)
            add(K, V, S, *products)
        Gamma = self.axes.T @ gamma(*products) @ self.axes / n
        return QuadraticForm(0.5 * (Gamma + Gamma.T), -(linear.ravel() @ self.axes) / n, constant / n, n)

    def _linear(self, K, V, S, along, b, root):
        """Σ_rows w (Δt + ∂t·b), with Δt_i = k v_i (S − tr P − 2c_i) and ∂t_i·b = k (b_i − v_i v·b)."""
        weighted = root[:, None] * K
        moments = np.einsum("nm,nim->im", weighted * (S - along - self.trace), V)
        return moments - 2.0 * self.c[:, None] * np.einsum("nm,nim->im", weighted, V) + b.T @ weighted

    def _add_stacked(self, K, V, S, gram):
        """Add Σ_j c_j A_jᵀA_j to the lower triangle of `gram`."""
        for j, c in enumerate(self.c):
            dsyrk(c, self._slopes(K, V, j).reshape(len(K), -1).T, 1.0, gram, lower=1, overwrite_c=1)

    def _add_polar(self, K, V, S, gram, cross):
        """Add [K, F]ᵀ[K, F] to the lower triangle of `gram`, and (F∘S)ᵀF to `cross`."""
        values = np.concatenate([K[:, None], K[:, None] * V], axis=1)
        F = values[:, 1:].reshape(len(K), -1)
        FS = (values[:, 1:] * S[:, None]).reshape(len(K), -1)
        dsyrk(1.0, values.reshape(len(K), -1).T, 1.0, gram, lower=1, overwrite_c=1)
        dgemm(1.0, FS.T, F.T, 1.0, cross, trans_b=1, overwrite_c=1)

    def _polar_gamma(self, gram, cross):
        """Sum over rows of the Gram matrix of slopes, from the products."""
        m, d = self.landmarks.shape
        gram = _symmetric(gram)
        Q, L, G = gram[:m, :m], gram[m:, :m].reshape(d, m, 1, m), gram[m:, m:].reshape(d, m, d, m)
        between = self.columns - self.p[:, :, None]  # (p_b − p_a)_l, shape (a, l, b)
        D = self.c @ between**2
        M = cross.reshape(d, m, d, m) - 2.0 * self.c[:, None] * (G + between * L)
        M -= 0.5 * D[:, None] * G
        M = M.reshape(m * d, m * d) + np.kron(np.diag(self.c), Q)
        return 0.5 * (M + M.T)

    # ---- the density at φ ------------------------------------------------------------------------

    def _coefficients(self, phi):
        """C of f = Σ_a k C_a·v, shape (m, d), and the products p_a·C_a, shape (m,)."""
        C = (self.axes @ phi).reshape(self.columns.shape).T
        return C, (self.p * C).sum(axis=1)

    def log_density(self, phi, X):
        """log q₀ + f of each row, shape (n,)."""
        pulls = np.column_stack(self._coefficients(phi))

        def value(B):
            p = self._coordinates(B)
            pulled = self._kernel(p) @ pulls
            return (p * pulled[:, :-1]).sum(axis=1) - pulled[:, -1] + self.base.log_density(B)

        return self._blockwise(value, X)

    def score(self, phi, X):
        """∇ₓ log p of each row, shape (n, d)."""
        C, offsets = self._coefficients(phi)

        def slope(B):
            p = self._coordinates(B)
            K = self._kernel(p)
            W = K * (p @ C.T - offsets)
            return (K @ C + W @ self.p - W.sum(axis=1)[:, None] * p) @ self.factor.T + self.base.score(B)

        return self._blockwise(slope, X)

    def divergence(self, phi, X):
        """Δ log p of each row, shape (n,)."""
        return self._blockwise(lambda B: self._traced(phi, B, self.factor) + self.base.divergence(B), X)

    def traced_curvature(self, phi, X, A):
        """Σ_j a_jᵀ ∇² log p(x) a_j over the rows a_j of A, for each row of X, shape (n,)."""

        def traced(B):
            return self._traced(phi, B, A @ self.factor) + sum(self.base.curvature(B, a) for a in A)

        return self._blockwise(traced, X)

    def _traced(self, phi, X, E):
        """Σ_j e_jᵀ ∇²f e_j over the rows e_j of E, in the coordinates p."""
        C, offsets = self._coefficients(phi)
        CE = C @ E.T @ E
        p = self._coordinates(X)
        K, S = self._kernel(p), cdist(p @ E.T, self.p @ E.T, "sqeuclidean")
        bent = (K * (S - (E**2).sum()) * (p @ C.T - offsets)).sum(axis=1)
        return bent - 2.0 * ((p * (K @ CE)).sum(axis=1) - K @ (self.p * CE).sum(axis=1))

    def curvature(self, phi, X, V):
        """vᵀ ∇² log p(x) v of each row, shape (n,)."""
        C, offsets = self._coefficients(phi)

        def bend(B, W):
            p, E = self._coordinates(B), W @ self.factor
            along = self._along(p, E)
            bent = (along**2 - (E**2).sum(axis=1)[:, None]) * (p @ C.T - offsets) - 2.0 * along * (E @ C.T)
            return (self._kernel(p) * bent).sum(axis=1) + self.base.curvature(B, W)

        return self._blockwise(bend, X, np.broadcast_to(V, X.shape))


def _symmetric(lower):
    """The symmetric matrix with this lower triangle."""
    return np.tril(lower) + np.tril(lower, -1).T
