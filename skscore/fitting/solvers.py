r"""Solvers: from a quadratic form and a ridge to θ.

.. math:: \hat\theta = \arg\min_\theta\; \tfrac12\theta^\top\Gamma\theta - g^\top\theta
          + \tfrac{\alpha}{2}(\theta - \theta_0)^\top R(\theta - \theta_0) = (\Gamma + \alpha R)^{-1}(g + \alpha
          R\theta_0)

The form of the Gaussian is matrix valued: the minimum of :math:`\tfrac12\mathrm{tr}(KSK) - \mathrm{tr}(KC)` over
symmetric K solves the Lyapunov equation :math:`SK + KS = C + C^\top`; if C = I the solution is :math:`S^{-1}` (the
D-trace loss, Zhang & Zou, 2014).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray
from scipy import linalg
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lapack, qr, solve_triangular

from .._kernels.threads import enough_for
from ..formulas.quadratic import QuadraticForm

__all__ = [
    "Estimate",
    "UnboundedObjectiveError",
    "eigh",
    "lyapunov_solution",
    "solve_lyapunov",
    "solve_regular",
    "solve_ridge",
    "solve_tridiagonal",
    "tridiagonalize",
]

RANK_TOLERANCE = 1e-12  # relative to a unit diagonal, about 1e4 rounding errors
EIGH_FLOPS, TRIDIAGONAL_FLOPS = 9.0, 8.0 / 3.0  # times the cube of the size (Golub & Van Loan, 2013, section 8.3)
LAPACK_BLOCK = 64  # columns that LAPACK works on at once, at most


class UnboundedObjectiveError(LinAlgError):
    """The objective has no minimum: Γ + αR is singular and g has a component in its null space.

    ``threshold`` is the smallest l1 penalty with a minimum, or None if it is not known.
    """

    def __init__(self, message: str, threshold: float | None = None) -> None:
        super().__init__(message)
        self.threshold = threshold


class Estimate(NamedTuple):
    """θ of least objective, what a user should know of it, in sentences, and whether the rows leave no other θ."""

    theta: Any
    remarks: tuple[str, ...] = ()
    is_determined: bool = True


def eigh(A: ndarray) -> tuple[ndarray, ndarray]:
    """Compute eigenvalues and eigenvectors of a symmetric matrix, with a number of threads that suits its size.

    A search needs hundreds of decompositions of small matrices; each would take much longer if threads had to wait.
    They are divided and conquered: eigenvalues in a cluster, which narrow kernels have, would take five times as long.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.solvers import eigh
    >>> eigh(np.diag([2.0, 1.0]))[0]
    array([1., 2.])
    """
    with enough_for(EIGH_FLOPS * len(A) ** 3):
        return linalg.eigh(A, driver="evd")


def tridiagonalize(A: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """Compute the diagonal of T, its neighbours and the orthogonal Q of a symmetric A = Q T Qᵀ with T tridiagonal.

    It takes an eighth of the time of the eigenvectors, and serves as well where A + αI is to be solved for many α.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.solvers import tridiagonalize
    >>> A = np.array([[2.0, 3.0, 4.0], [3.0, 1.0, 0.0], [4.0, 0.0, 1.0]])
    >>> diagonal, beside, Q = tridiagonalize(A)
    >>> T = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    >>> np.allclose(Q @ T @ Q.T, A)
    True
    """
    size = len(A)
    with enough_for(TRIDIAGONAL_FLOPS * size**3):
        packed, diagonal, beside, tau, info = lapack.dsytrd(A, lower=1, lwork=LAPACK_BLOCK * size)
        if info:
            raise LinAlgError(f"dsytrd: info={info}")
        Q = np.eye(size)
        if size > 1:  # its reflectors leave the first row and column alone
            Q[1:, 1:], _, _ = lapack.dorgqr(packed[1:, :-1], tau, lwork=LAPACK_BLOCK * size)
    return diagonal, beside, Q


def solve_tridiagonal(diagonal: ndarray, beside: ndarray, b: ndarray) -> ndarray:
    """Solve T x = b for a positive definite tridiagonal T, b of shape (n,) or (n, k).

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.solvers import solve_tridiagonal
    >>> solve_tridiagonal(np.array([2.0, 2.0]), np.array([1.0]), np.array([3.0, 3.0]))
    array([1., 1.])
    """
    _, _, x, info = lapack.dptsv(diagonal, np.resize(beside, max(1, len(diagonal) - 1)), b)  # a number has one, too
    if info:
        raise LinAlgError(f"dptsv: info={info}")
    return x


def _minimum_norm(A: ndarray, b: ndarray) -> Estimate:
    """Solve A x = b for a singular A; UnboundedObjectiveError if b does not lie in the range of A."""
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
    return Estimate(vectors[:, kept] @ (coordinates[kept] / values[kept]), (remark,), is_determined=False)


def solve_ridge(
    form: QuadraticForm, alpha: float = 0.0, root: ndarray | None = None, centre: ndarray | None = None
) -> Estimate:
    """Minimise a quadratic form plus the ridge (α/2)‖B(θ − θ₀)‖².

    Parameters
    ----------
    form : QuadraticForm
        With Γ of shape (m, m).
    alpha : float, default=0.0
        Strength α ≥ 0 of the ridge.
    root : ndarray of shape (m, m), optional
        B, non-singular; None means the identity.
    centre : ndarray of shape (m,), optional
        θ₀; None means zero.

    Returns
    -------
    Estimate
        With θ of shape (m,), and a remark if the solution is that of least norm among many.

    Raises
    ------
    UnboundedObjectiveError
        If there is no minimum.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> from skscore.fitting.solvers import solve_ridge
    >>> solve_ridge(QuadraticForm(np.eye(2), np.array([1.0, 2.0]), 0.0, 1), alpha=1.0).theta
    array([0.5, 1. ])
    """
    theta0 = np.zeros(len(form.g)) if centre is None else centre
    rest = -form.gradient(theta0)  # the solution is θ₀ + φ with (Γ + αBᵀB) φ = g − Γθ₀
    if alpha > 0.0 and root is not None:
        return Estimate(theta0 + _solve_stacked(form.Gamma, rest, np.sqrt(alpha) * root))
    A = form.Gamma + alpha * np.eye(len(rest))
    diagonal = np.diag(A)
    scale = np.where(diagonal > 0.0, 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0)), 1.0)
    scaled = _solve_definite(A * np.outer(scale, scale), scale * rest)
    return scaled._replace(theta=theta0 + scale * scaled.theta)


def _solve_definite(A: ndarray, b: ndarray) -> Estimate:
    """Solve A x = b for a positive semi-definite A with a unit diagonal."""
    x = _by_cholesky(A, b)
    return _minimum_norm(A, b) if x is None else Estimate(x)


def _by_cholesky(A: ndarray, b: ndarray) -> ndarray | None:
    """Solve A x = b for a positive semi-definite A with a unit diagonal; None if it is near singular."""
    try:
        with enough_for(len(A) ** 3 / 3.0):
            factor = cho_factor(A, lower=True)
    except LinAlgError:
        return None
    return cho_solve(factor, b) if np.diag(factor[0]).min() ** 2 > RANK_TOLERANCE else None


def solve_regular(A: ndarray, b: ndarray) -> ndarray | None:
    """Solve A x = b for a positive definite A, whatever the units of x; None if it is near singular.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.solvers import solve_regular
    >>> solve_regular(np.diag([1.0, 1e-20]), np.ones(2))
    array([1.e+00, 1.e+20])
    >>> solve_regular(np.ones((2, 2)), np.ones(2)) is None
    True
    """
    diagonal = np.diag(A)
    if diagonal.min() <= 0.0:
        return None
    scale = 1.0 / np.sqrt(diagonal)
    x = _by_cholesky(A * np.outer(scale, scale), scale * b)
    return None if x is None else scale * x


def _solve_stacked(Gamma: ndarray, b: ndarray, root: ndarray) -> ndarray:
    """Solve (Γ + BᵀB) φ = b as least squares in [Γ^½; B], without squaring the condition number of B.

    If the data lie far from the origin, and the penalty is centred there, BᵀB may exceed Γ by more than the precision
    of a float. The rows are sorted by size, which makes QR with column pivoting row-wise stable (Cox & Higham, 1998).
    """
    values, V = eigh(Gamma)
    kept = values > RANK_TOLERANCE * values[-1]
    half, values = V[:, kept], values[kept]
    projected = half.T @ b
    free = np.linalg.solve(root.T, b - half @ projected) if not kept.all() else np.zeros(len(b))
    rows = np.vstack([root, np.sqrt(values)[:, None] * half.T])
    target = np.concatenate([free, projected / np.sqrt(values)])
    order = np.argsort(-np.abs(rows).max(axis=1))
    scale = np.abs(rows).max(axis=0)
    Q, R, columns = qr(rows[order] / scale, mode="economic", pivoting=True)
    phi = np.empty(len(b))
    phi[columns] = solve_triangular(R, Q.T @ target[order])
    return phi / scale


def solve_lyapunov(S: ndarray, C: ndarray) -> ndarray:
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
    return lyapunov_solution(*eigh(S), C)


def lyapunov_solution(values: ndarray, V: ndarray, C: ndarray) -> ndarray:
    """Solve S K + K S = C + Cᵀ as `solve_lyapunov` does, given the eigenvalues and eigenvectors of S.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.solvers import lyapunov_solution
    >>> lyapunov_solution(np.array([1.0, 4.0]), np.eye(2), np.eye(2))
    array([[1.  , 0.  ],
           [0.  , 0.25]])
    """
    rotated = V.T @ (C + C.T) @ V
    return V @ (rotated / np.add.outer(values, values)) @ V.T
