r"""Held-out objectives along a path of ridges, in closed form.

The parameters are coordinates in which the penalty is :math:`\tfrac\alpha2\|\theta\|^2`. One tridiagonal form
:math:`\Gamma = Q T Q^\top`, at a fraction of the cost of eigenvalues, then suffices for every α,

.. math:: \theta(\alpha) = Q\,(T + \alpha I)^{-1} Q^\top g,

and the held-out value of a fold is its quadratic form at the θ of the other folds. Ridges below rounding, and rows left
out one by one, take the eigenvalues of Γ. A single row changes Γ by a matrix of rank d,
:math:`\Gamma_i = D_i D_i^\top`, so that leaving it out needs no fit. Let w be its weight, N the total
weight, and :math:`\Gamma_i, g_i, c_i` the quadratic form of this row:

.. math::

   M = N\Gamma + (N - w)\alpha I, \quad r = N g - w g_i, \quad H = w D_i^\top M^{-1} D_i, \quad
   y = (I - H)^{-1} D_i^\top M^{-1} r,

   \theta_{-i} = M^{-1}(r + w D_i y), \qquad J_i(\theta_{-i}) = \tfrac12\|y\|^2 - g_i^\top\theta_{-i} + c_i,

where :math:`y = D_i^\top\theta_{-i}` is the score, at the row, of the fit to the other rows. This is the leave-one-out
identity of ridge regression (Allen, 1974) for d residuals per row.

References
----------
Allen, D. M. (1974). The relationship between variable selection and data augmentation and a method for prediction.
Technometrics, 16(1), 125-127.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, reduce
from operator import add

import numpy as np
from numpy import ndarray
from scipy.linalg import eigvalsh_tridiagonal

from ..formulas.quadratic import QuadraticForm
from .solvers import eigh, solve_tridiagonal, tridiagonalize

__all__ = ["RidgePath", "held_out_values", "leave_one_out", "without"]

EPSILON, TINY = np.finfo(np.float64).eps, np.finfo(np.float64).tiny


class RidgePath:
    """Minimisers of a quadratic form plus (α/2)‖θ‖² for any α ≥ 0; with α = 0 the minimiser of smallest norm.

    Parameters
    ----------
    form : QuadraticForm
        With Γ of shape (r, r) and g of shape (r,) or (s, r).

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.ridge_path import RidgePath
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> form = QuadraticForm(np.diag([1.0, 3.0]), np.array([2.0, 4.0]), 0.0, 1.0)
    >>> RidgePath(form).thetas([1.0, 5.0])
    array([[1.        , 1.        ],
           [0.33333333, 0.5       ]])
    """

    def __init__(self, form: QuadraticForm) -> None:
        self.form, self.n = form, form.n

    @cached_property
    def _tridiagonal(self) -> tuple[ndarray, ndarray, ndarray]:
        """The diagonal of T, what is beside it, and Q."""
        return tridiagonalize(self.form.Gamma)

    @cached_property
    def _limits(self) -> ndarray:
        """Least and greatest eigenvalue."""
        diagonal, beside, _ = self._tridiagonal
        ends = (0, len(diagonal) - 1)
        values = [eigvalsh_tridiagonal(diagonal, beside, select="i", select_range=(end, end)) for end in ends]
        return np.concatenate(values)

    @cached_property
    def _eigen(self) -> tuple[ndarray, ndarray]:
        """Eigenvalues and eigenvectors; Γ is positive semi-definite up to rounding."""
        values, vectors = eigh(self.form.Gamma)
        return np.maximum(values, 0.0), vectors

    def thetas(self, alphas: Sequence[float] | ndarray) -> ndarray:
        """Return θ(α) for each ridge of `alphas` (L,), shape (L, r) or (s, L, r)."""
        (least, greatest), size = self._limits, len(self.form.Gamma)
        is_above_rounding = np.min(alphas) > max(size * EPSILON * greatest, -2.0 * least)
        return self._by_tridiagonal(alphas) if is_above_rounding else self._by_eigenvalues(alphas)

    def _by_tridiagonal(self, alphas: Sequence[float] | ndarray) -> ndarray:
        diagonal, beside, Q = self._tridiagonal
        g = (self.form.g @ Q).T
        solutions = [solve_tridiagonal(diagonal + alpha, beside, g).T for alpha in alphas]
        return np.stack(solutions, axis=-2) @ Q.T

    def _by_eigenvalues(self, alphas: Sequence[float] | ndarray) -> ndarray:
        _, vectors = self._eigen
        curvatures = np.array([alpha + self._curvature(alpha) for alpha in alphas])
        return (self.form.g @ vectors)[..., None, :] / curvatures @ vectors.T

    def rounding(self, thetas: ndarray, alphas: Sequence[float] | ndarray) -> ndarray:
        """Return how far rounding may move θᵀT, if ‖T‖ is at most one, for the `thetas` of these ridges (..., L, r).

        Γ is known to ε times its largest eigenvalue, which the solution magnifies by the inverse of the smallest.
        """
        least, greatest = np.maximum(self._limits, 0.0)
        condition = greatest / np.maximum(least + np.asarray(alphas), TINY)
        return EPSILON * condition * np.linalg.norm(thetas, axis=-1)

    def _curvature(self, alpha: float) -> ndarray:
        """Return the eigenvalues of Γ; without a ridge those below rounding are replaced by ∞, so that θ is 0 there."""
        values, _ = self._eigen
        is_rounding = values <= len(values) * EPSILON * values.max()
        return np.where((alpha == 0.0) & is_rounding, np.inf, values)

    def leave_one_out(self, D: ndarray, linear: ndarray, constant: ndarray, weight: ndarray, alpha: float) -> ndarray:
        """Return the objective of each row of a block at the θ of all other rows, shape (n,)."""
        _, vectors = self._eigen
        D = np.matmul(vectors.T, D)
        g = -linear @ vectors
        w, rest = weight[:, None], self.n - weight[:, None]
        inverse = 1.0 / (self.n * self._curvature(alpha) + rest * alpha)  # of M, shape (n, r)
        r = self.n * (self.form.g @ vectors) - w * g
        MD = inverse[:, :, None] * D
        kept = np.eye(D.shape[2]) - w[:, :, None] * np.matmul(D.mT, MD)  # I − H
        y = np.linalg.solve(kept, np.matmul(MD.mT, r[:, :, None]))
        theta = inverse * r + w * np.matmul(MD, y)[:, :, 0]
        return 0.5 * np.square(y[:, :, 0]).sum(axis=1) - np.einsum("nr,nr->n", g, theta) + constant


def without(folds: Sequence[QuadraticForm], k: int) -> QuadraticForm:
    """Return the quadratic form of all folds except the k-th; means are merged, not subtracted, to keep all digits.

    Parameters
    ----------
    folds : sequence of QuadraticForm
    k : int

    Returns
    -------
    QuadraticForm

    Examples
    --------
    >>> from skscore.fitting.ridge_path import without
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> without([QuadraticForm(1.0, 2.0, 3.0, 4.0)] * 3, 0)
    QuadraticForm(Gamma=1.0, g=2.0, c=3.0, n=8.0)
    """
    return reduce(add, [fold for j, fold in enumerate(folds) if j != k])


def held_out_values(folds: Sequence[QuadraticForm], alphas: Sequence[float] | ndarray) -> ndarray:
    """Compute the objective of each fold at the θ(α) of the other folds.

    Parameters
    ----------
    folds : sequence of QuadraticForm
        k forms with Γ of shape (r, r).
    alphas : array-like of shape (L,)
        Ridges, all positive.

    Returns
    -------
    ndarray of shape (k, L)

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.ridge_path import held_out_values
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> forms = [QuadraticForm(np.eye(1), np.array([g]), 0.0, 10.0) for g in (1.0, 3.0)]
    >>> held_out_values(forms, [1.0, 2.0])
    array([[-0.375     , -0.5       ],
           [-1.375     , -0.94444444]])
    """
    paths = (RidgePath(without(folds, k)).thetas(alphas) for k in range(len(folds)))
    return np.array([[fold.value(theta) for theta in thetas] for fold, thetas in zip(folds, paths, strict=True)])


def leave_one_out(
    form: QuadraticForm,
    blocks: Iterable[tuple[ndarray, ndarray, ndarray, ndarray]],
    alphas: Sequence[float] | ndarray,
) -> ndarray:
    """Compute the objective of each row at the θ(α) of all other rows, without a refit.

    Parameters
    ----------
    form : QuadraticForm
        The form of all rows.
    blocks : iterable of tuples (D, linear, constant, weight)
        Blocks of n_b rows, of shapes (n_b, r, d), (n_b, r), (n_b,) and (n_b,). The means of DDᵀ, −linear and constant
        over all rows are Γ, g and c of `form`. A row is left out with its whole weight; at least two rows have a
        positive weight.
    alphas : array-like of shape (L,)
        Ridges, all positive.

    Returns
    -------
    ndarray of shape (n, L)

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.ridge_path import leave_one_out
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> linear = np.array([[-1.0], [-3.0]])  # two rows, one parameter
    >>> form = QuadraticForm(np.eye(1), np.array([2.0]), 0.0, 2.0)
    >>> leave_one_out(form, [(np.ones((2, 1, 1)), linear, np.zeros(2), np.ones(2))], [1.0])
    array([[-0.375],
           [-1.375]])
    """
    path = RidgePath(form)
    values = [[path.leave_one_out(*block, alpha) for alpha in alphas] for block in blocks]
    return np.concatenate([np.transpose(block) for block in values])
