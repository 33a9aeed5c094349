r"""Solvers: from a quadratic form and a ridge to θ.

.. math:: \hat\theta = \arg\min_\theta\; \tfrac12\theta^\top\Gamma\theta - g^\top\theta
          + \tfrac{\alpha}{2}(\theta - \theta_0)^\top R(\theta - \theta_0) = (\Gamma + \alpha R)^{-1}(g + \alpha
          R\theta_0)

The Gaussian's form is matrix valued: over symmetric K, :math:`\tfrac12\mathrm{tr}(KSK) - \mathrm{tr}(KC)` has the
Lyapunov equation :math:`SK + KS = C + C^\top` as its stationarity, with solution :math:`S^{-1}` where C = I (the
D-trace loss, Zhang & Zou, 2014).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import linalg
from scipy.linalg import LinAlgError, cho_factor, cho_solve, qr, solve, solve_triangular

from .._kernels.threads import enough_for

__all__ = ["Estimate", "UnboundedObjectiveError", "eigh", "solve_lyapunov", "solve_ridge"]

RANK_TOLERANCE = 1e-12  # relative to a unit diagonal, about 1e4 rounding errors
EIGH_FLOPS = 9.0  # for each entry of a cube of its size (Golub & Van Loan, 2013, section 8.3)


class UnboundedObjectiveError(LinAlgError):
    """The objective has no minimum: Γ + αR is singular and g has a component in its null space.

    Where it is known, ``threshold`` is the l1 penalty from which on there is one.
    """

    def __init__(self, message, threshold=None):
        super().__init__(message)
        self.threshold = threshold


class Estimate(NamedTuple):
    """θ of least objective, and what a user should know of it, in sentences."""

    theta: Any
    remarks: tuple[str, ...] = ()


def eigh(A):
    """Eigenvalues and eigenvectors of a symmetric matrix, on as many threads as its size can feed.

    Searches ask for hundreds of small ones, of which each takes many times as long where threads wait for each other.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.solvers import eigh
    >>> eigh(np.diag([2.0, 1.0]))[0]
    array([1., 2.])
    """
    with enough_for(EIGH_FLOPS * len(A) ** 3):
        return linalg.eigh(A)


def _minimum_norm(A, b) -> Estimate:
    """Solve A x = b for a singular A if b lies in its range, else say that no minimum exists."""
    values, vectors = eigh(A)
    kept = values > RANK_TOLERANCE * len(values) * values[-1]
    coordinates = vectors.T @ b
    rounding = 1e-8 * (np.abs(vectors).T @ np.abs(b))
    if (np.abs(coordinates) > rounding)[~kept].any():
        raise UnboundedObjectiveError("the score-matching objective is unbounded below")
    remark = (
        f"{(~kept).sum()} of {len(values)} natural parameters are not determined by the data; the solution of least "
        "norm is taken. A ridge alpha > 0 makes it unique."
    )
    return Estimate(vectors[:, kept] @ (coordinates[kept] / values[kept]), (remark,))


def solve_ridge(form, alpha=0.0, root=None, centre=None) -> Estimate:
    """Minimise a quadratic form plus the ridge (α/2)‖B(θ − θ₀)‖².

    Parameters
    ----------
    form : QuadraticForm
        With Γ of shape (m, m).
    alpha : float, default=0.0
        Strength α ≥ 0 of the ridge.
    root : ndarray of shape (m, m), optional
        B, non-singular; the identity where None.
    centre : ndarray of shape (m,), optional
        θ₀, zero where None.

    Returns
    -------
    Estimate
        With θ of shape (m,), and a remark if the solution is that of least norm among many.

    Raises
    ------
    UnboundedObjectiveError
        Where no minimum exists.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> from skscore.fitting.solvers import solve_ridge
    >>> solve_ridge(QuadraticForm(np.eye(2), np.array([1.0, 2.0]), 0.0, 1), alpha=1.0).theta
    array([0.5, 1. ])
    """
    theta0 = np.zeros(len(form.g)) if centre is None else centre
    pull = -form.gradient(theta0)  # the solution is θ₀ + φ with (Γ + αBᵀB) φ = g − Γθ₀
    if alpha > 0.0 and root is not None:
        return Estimate(theta0 + _solve_stacked(form.Gamma, pull, np.sqrt(alpha) * root))
    A = form.Gamma + alpha * np.eye(len(pull))
    diagonal = np.diag(A)
    scale = np.where(diagonal > 0.0, 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0)), 1.0)
    phi, remarks = _solve_definite(A * np.outer(scale, scale), scale * pull)
    return Estimate(theta0 + scale * phi, remarks)


def _solve_definite(A, b) -> Estimate:
    """Solve A x = b for a positive semi-definite A of unit diagonal."""
    try:
        factor = cho_factor(A, lower=True)
        if np.diag(factor[0]).min() ** 2 > RANK_TOLERANCE:
            return Estimate(cho_solve(factor, b))
    except LinAlgError:
        pass
    return _minimum_norm(A, b)


def _solve_stacked(Gamma, pull, root):
    """Solve (Γ + BᵀB) φ = pull as least squares in [Γ^½; B], which never squares the condition of B.

    A penalty about the origin on data far from it makes BᵀB larger than Γ by more than all digits. Rows are sorted by
    size, which makes QR with column pivoting stable row by row (Cox & Higham, 1998).
    """
    values, V = eigh(Gamma)
    kept = values > RANK_TOLERANCE * values[-1]
    half, values = V[:, kept], values[kept]
    projected = half.T @ pull
    free = solve(root.T, pull - half @ projected) if not kept.all() else np.zeros(len(pull))
    rows = np.vstack([root, np.sqrt(values)[:, None] * half.T])
    target = np.concatenate([free, projected / np.sqrt(values)])
    order = np.argsort(-np.abs(rows).max(axis=1))
    scale = np.abs(rows).max(axis=0)
    Q, R, columns = qr(rows[order] / scale, mode="economic", pivoting=True)
    phi = np.empty(len(pull))
    phi[columns] = solve_triangular(R, Q.T @ target[order])
    return phi / scale


def solve_lyapunov(S, C):
    """Solve S K + K S = C + Cᵀ for symmetric K, with S symmetric and positive definite.

    Parameters
    ----------
    S, C : ndarrays of shape (d, d)

    Returns
    -------
    ndarray of shape (d, d)
        K = V [2(VᵀC̄V)_ab/(l_a + l_b)] Vᵀ for S = V diag(l) Vᵀ and C̄ = (C + Cᵀ)/2.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.solvers import solve_lyapunov
    >>> solve_lyapunov(np.diag([1.0, 4.0]), np.eye(2))
    array([[1.  , 0.  ],
           [0.  , 0.25]])
    """
    values, V = eigh(S)
    rotated = V.T @ (C + C.T) @ V
    return V @ (rotated / np.add.outer(values, values)) @ V.T
