r"""Random Fourier features as sufficient statistics: :math:`T_j(x) = \sqrt{2/m}\,\cos(\omega_j\cdot x + u_j)`.

With :math:`\omega_j \sim N(0, \mathrm{diag}(1/\sigma^2))` and :math:`u_j` uniform on the circle, T(x)·T(z) has the mean
:math:`\exp(-\tfrac12\sum_i (x_i - z_i)^2/\sigma_i^2)` (Rahimi & Recht, 2007): they span the kernel exponential family
up to an error of order :math:`m^{-1/2}`, without landmarks. All derivatives are the same waves with other weights,

.. math:: \nabla T_j = -\sqrt{2/m}\,\sin(\omega_j\cdot x + u_j)\,\omega_j, \qquad
          v^\top\nabla^2 T_j\,v = -(\omega_j\cdot v)^2\,T_j ,

so that, with s the sines,

.. math:: \Gamma = \tfrac2m\,(\Omega^\top\Omega)\circ E[s s^\top], \qquad
          g_j = \|\omega_j\|^2\,E[T_j] + \sqrt{2/m}\;E[s_j\,\omega_j\cdot\nabla\log q_0] ,

of nm² flops whatever d is.

References
----------
Rahimi, A., & Recht, B. (2007). Random features for large-scale kernel machines. NeurIPS 20, eq. 1 and algorithm 1.

Yu, F. X., Suresh, A. T., Choromanski, K., Holtmann-Rice, D., & Kumar, S. (2016). Orthogonal random features. NeurIPS
29, eq. 3.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.blas import dsyrk

from ..._kernels.sincos import cosines_and_sines
from ...formulas import score_losses
from ...formulas.moments import row_blocks
from ...formulas.quadratic import QuadraticForm
from ..family import Family
from ..objectives import Implicit

__all__ = ["FourierFamily", "frequencies"]

BLOCK_ROWS = 1024


def frequencies(bandwidth, d, n, rng):
    """Frequencies and phases of random Fourier features.

    Frequencies come in blocks of d orthogonal directions with independent lengths (Yu et al., 2016), each still N(0,
    diag(1/σ²)): the waves of a block share no direction, and the error of the kernel falls.

    Parameters
    ----------
    bandwidth : float or ndarray of shape (d,)
        σ of the Gaussian kernel, in the units of the columns.
    d : int
        Columns.
    n : int
        Features.
    rng : numpy.random.Generator

    Returns
    -------
    frequencies : ndarray of shape (d, n)
        ω_j are the columns.
    phases : ndarray of shape (n,)
        u_j in [0, 2π).

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.kernels.fourier import frequencies
    >>> omega, phases = frequencies(2.0, d=3, n=5, rng=np.random.default_rng(0))
    >>> omega.shape, phases.shape, bool(abs(omega[:, 0] @ omega[:, 1]) < 1e-12)
    ((3, 5), (5,), True)
    """
    directions, _ = np.linalg.qr(rng.standard_normal((-(-n // d), d, d)))  # up to signs, to which a cosine is blind
    directions = np.moveaxis(directions, 0, 1).reshape(d, -1)[:, :n]
    lengths = np.linalg.norm(rng.standard_normal((d, n)), axis=0)
    return directions * lengths / np.reshape(bandwidth, (-1, 1)), rng.uniform(0.0, 2.0 * np.pi, n)


class FourierFamily(Family):
    """Waves of given frequencies; parameters are coordinates φ in a basis.

    Parameters
    ----------
    frequencies : ndarray of shape (d, m)
        Columns ω_j, in inverse units of the columns of X.
    phases : ndarray of shape (m,)
        u_j, in radians.
    basis : ndarray of shape (m, r)
        Columns are functions in the basis.
    base : GaussianBase or another with its methods
        q₀.
    block_rows : int, default=1024
        Rows in one product of matrices.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models import GaussianBase
    >>> from skscore.models.kernels.fourier import FourierFamily
    >>> family = FourierFamily(np.array([[1.0, 2.0]]), np.zeros(2), np.eye(2), GaussianBase())
    >>> family.laplacian(np.zeros((1, 1)))  # of cos x and cos 2x
    array([[-1., -4.]])
    """

    closed_forms = {Implicit: "by_products"}
    block_rows: int

    def __init__(self, frequencies, phases, basis, base, block_rows=BLOCK_ROWS):
        self.frequencies, self.phases, self.basis, self.base = frequencies, phases, basis, base
        self.amplitude = np.sqrt(2.0 / len(phases))
        self.block_rows, self.n_parameters = block_rows, basis.shape[1]

    def gram(self):
        """The identity: features approximate the kernel as T(x)·T(z), shape (m, m)."""
        return np.eye(len(self.phases))

    # ---- T and its derivatives -------------------------------------------------------------------

    def _waves(self, X):
        """√(2/m) cos and √(2/m) sin of a block of rows, each of shape (n, m)."""
        cosines = X @ self.frequencies + self.phases
        sines = np.empty_like(cosines)
        cosines_and_sines(cosines, self.amplitude, sines)
        return cosines, sines

    def _cosines(self, X):
        return self._waves(X)[0]

    def _sines(self, X):
        return self._waves(X)[1]

    def statistics(self, X):
        """T(x) of each row in the basis, shape (n, r)."""
        return self._cosines(X) @ self.basis

    def jacobian(self, X):
        """∂T/∂x of each row, shape (n, r, d)."""
        slopes = -self._sines(X)[:, None] * self.frequencies
        return np.moveaxis(slopes @ self.basis, 1, 2)

    def laplacian(self, X):
        """ΔT(x) of each row, shape (n, r)."""
        return -self._cosines(X) @ ((self.frequencies**2).sum(axis=0)[:, None] * self.basis)

    def statistics_curvature(self, X, V):
        """vᵀ∇²T(x)v of each row, shape (n, r), for directions V of shape (d,) or (n, d)."""
        return -(self._cosines(X) * (V @ self.frequencies) ** 2) @ self.basis

    # ---- from rows to the quadratic form ---------------------------------------------------------

    def by_products(self, X, Y, weight, objective):
        """Quadratic form in φ by one product of matrices."""
        return self.implicit_form(X, np.ones(len(X)) if weight is None else weight)

    def implicit_form(self, X, weight):
        """Quadratic form of the implicit objective by one product of matrices: the fast route."""
        n, m, omega = float(weight.sum()), len(self.phases), self.frequencies
        gram = np.zeros((m, m), order="F")  # to which BLAS adds in place
        linear, constant = np.zeros(m), 0.0
        for rows in row_blocks(len(X), 1, self.block_rows):
            block, w = np.asarray(X[rows]), weight[rows]
            (cosines, sines), b = self._waves(block), self.base.score(block)
            constant += float(w @ score_losses.implicit(b, self.base.divergence(block)))
            linear -= (omega**2).sum(axis=0) * (w @ cosines)  # Σ w ΔT
            linear -= (omega * ((w[:, None] * b).T @ sines)).sum(axis=0)  # Σ w ∇T·b
            dsyrk(1.0, (np.sqrt(w)[:, None] * sines).T, 1.0, gram, lower=1, overwrite_c=1)
        gram = np.tril(gram) + np.tril(gram, -1).T
        Gamma = self.basis.T @ (omega.T @ omega * gram) @ self.basis / n
        return QuadraticForm(0.5 * (Gamma + Gamma.T), -(linear @ self.basis) / n, constant / n, n)

    # ---- the density at φ ------------------------------------------------------------------------

    def log_density(self, phi, X):
        """log q₀ + f of each row, shape (n,)."""
        theta = self.basis @ phi
        return self._blockwise(lambda B: self._cosines(B) @ theta + self.base.log_density(B), X)

    def score(self, phi, X):
        """∇ₓ log p of each row, shape (n, d)."""
        pulls = -(self.frequencies * (self.basis @ phi)).T
        return self._blockwise(lambda B: self._sines(B) @ pulls + self.base.score(B), X)

    def divergence(self, phi, X):
        """Δ log p of each row, shape (n,)."""
        pulls = -(self.frequencies**2).sum(axis=0) * (self.basis @ phi)
        return self._blockwise(lambda B: self._cosines(B) @ pulls + self.base.divergence(B), X)

    def traced_curvature(self, phi, X, A):
        """Σ_j a_jᵀ ∇² log p(x) a_j over the rows a_j of A, for each row of X, shape (n,)."""
        pulls = -((A @ self.frequencies) ** 2).sum(axis=0) * (self.basis @ phi)
        return self._blockwise(lambda B: self._cosines(B) @ pulls + sum(self.base.curvature(B, a) for a in A), X)

    def curvature(self, phi, X, V):
        """vᵀ ∇² log p(x) v of each row, shape (n,)."""
        theta = self.basis @ phi

        def bend(B, W):
            return -(self._cosines(B) * (W @ self.frequencies) ** 2) @ theta + self.base.curvature(B, W)

        return self._blockwise(bend, X, np.broadcast_to(V, X.shape))
