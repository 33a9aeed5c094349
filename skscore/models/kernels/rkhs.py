r"""An orthonormal basis of the functions spanned by kernels at landmarks.

:math:`f = \sum_a \theta_a k(\cdot, z_a)` has the norm :math:`\|f\|^2 = \theta^\top K \theta` in the reproducing kernel
Hilbert space. With :math:`K = U\,\mathrm{diag}(w)\,U^\top`, :math:`\theta = W\varphi` with
:math:`W = U\,\mathrm{diag}(w)^{-1/2}` makes it :math:`\|\varphi\|^2`. Directions with w near the rounding of the
largest are functions that no arithmetic tells from zero: they are cut off, and with them all that Γ + αK would lose in
a Cholesky factorisation.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from ...fitting.solvers import eigh

__all__ = ["orthonormal_basis"]

CUT = 1e-12  # relative to the largest eigenvalue; below it, rounding of Γ would outweigh a ridge


def orthonormal_basis(K, cut=CUT):
    """W with WᵀKW = I, for a kernel matrix K.

    Parameters
    ----------
    K : ndarray of shape (m, m)
    cut : float, default=1e-12
        Smallest eigenvalue kept, relative to the largest: 1e-4 if Γ comes of products in single precision.

    Returns
    -------
    ndarray of shape (m, r)

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.kernels.rkhs import orthonormal_basis
    >>> np.abs(orthonormal_basis(np.array([[1.0, 1.0], [1.0, 1.0]])))  # twice the same function
    array([[0.5],
           [0.5]])
    """
    values, U = eigh(K)
    kept = values > cut * values[-1]
    W = U[:, kept] / np.sqrt(values[kept])
    L = cholesky(W.T @ K @ W, lower=True)  # small eigenvalues of K are known to few digits; this matrix is near I
    return solve_triangular(L, W.T, lower=True).T
