r"""Solvers: from a quadratic form and a ridge to θ.

.. math:: \hat\theta = \arg\min_\theta\; \tfrac12\theta^\top\Gamma\theta - g^\top\theta
          + \tfrac{\alpha}{2}(\theta - \theta_0)^\top R(\theta - \theta_0) = (\Gamma + \alpha R)^{-1}(g + \alpha
          R\theta_0)

The Gaussian's form is matrix valued: over symmetric K, :math:`\tfrac12\mathrm{tr}(KSK) - \mathrm{tr}(KC)` has the
Lyapunov equation :math:`SK + KS = C + C^\top` as its stationarity, with solution :math:`S^{-1}` where C = I (the
D-trace loss, Zhang & Zou, 2014).
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.linalg import LinAlgError, LinAlgWarning, cho_factor, cho_solve, eigh
from sklearn.exceptions import ConvergenceWarning

__all__ = ["UnboundedObjectiveError", "solve_lyapunov", "solve_ridge"]

RANK_TOLERANCE = 1e-12  # relative to a unit diagonal, about 1e4 rounding errors


class UnboundedObjectiveError(LinAlgError):
    """The objective has no minimum: Γ + αR is singular and g has a component in its null space."""


def _minimum_norm(A, b):
    """Solve A x = b for a singular A where b lies in its range, else say that no minimum exists."""
    values, vectors = eigh(A)
    kept = values > RANK_TOLERANCE * len(values) * values[-1]
    coordinates = vectors.T @ b
    if np.abs(coordinates[~kept]).max(initial=0.0) > 1e-8 * np.abs(coordinates).max(initial=0.0):
        raise UnboundedObjectiveError("the score-matching objective is unbounded below")
    warnings.warn(
        f"{(~kept).sum()} of {len(values)} natural parameters are not determined by the data; the solution of least "
        "norm is taken. A ridge alpha > 0 makes it unique.",
        ConvergenceWarning,
        stacklevel=2,
    )
    return vectors[:, kept] @ (coordinates[kept] / values[kept])


def solve_ridge(form, alpha=0.0, penalty=None, centre=None):
    """Minimise a quadratic form plus the ridge (α/2)(θ − θ₀)ᵀR(θ − θ₀).

    Parameters
    ----------
    form : QuadraticForm
        With Γ of shape (m, m).
    alpha : float, default=0.0
        Strength α ≥ 0 of the ridge.
    penalty : ndarray of shape (m, m), optional
        R, the identity where None.
    centre : ndarray of shape (m,), optional
        θ₀, zero where None.

    Returns
    -------
    ndarray of shape (m,)
        θ.

    Raises
    ------
    UnboundedObjectiveError
        Where no minimum exists.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> from skscore.fitting.solvers import solve_ridge
    >>> solve_ridge(QuadraticForm(np.eye(2), np.array([1.0, 2.0]), 0.0, 1), alpha=1.0)
    array([0.5, 1. ])
    """
    A, b = form.Gamma, form.g
    if alpha > 0.0:
        R = np.eye(len(b)) if penalty is None else penalty
        A = A + alpha * R
        b = b if centre is None else b + alpha * (R @ centre)
    diagonal = np.diag(A)
    scale = np.where(diagonal > 0.0, 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0)), 1.0)
    A = A * np.outer(scale, scale)  # a unit diagonal: monomials of all degrees weigh the same
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", LinAlgWarning)
            factor = cho_factor(A, lower=True)
        if np.diag(factor[0]).min() ** 2 > RANK_TOLERANCE:
            return scale * cho_solve(factor, scale * b)
    except LinAlgError:
        pass
    return scale * _minimum_norm(A, scale * b)


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
