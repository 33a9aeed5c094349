r"""The convex problem of sparse interactions: one quadratic form for each column of a matrix, and an l1 penalty.

The unknowns are the columns :math:`\theta_j` of an interaction matrix K; each may have a last entry, its linear
parameter :math:`\eta_j`. Score matching gives a quadratic form for each column (Lin, Drton & Shojaie, 2016, eq. 12;
with one block :math:`G_j = S` for all it is the D-trace loss of Zhang & Zou, 2014), and

.. math:: P(\theta) = \sum_j \bigl[\tfrac12\theta_j^\top G_j\theta_j - g_j^\top\theta_j\bigr]
          + \lambda\sum_{ij} w_{ij}|\theta_{ij}|

is minimised over symmetric K, or column by column. A ridge is part of :math:`G_j`. The weight w of an entry without
penalty, such as the diagonal, is zero.

**Optimality.** Let :math:`r = g - G\theta`, averaged over both entries of a pair if K is symmetric. At the minimum
:math:`r` lies in the box :math:`|r_{ij}| \le \lambda w_{ij}`, and equals :math:`\lambda w\,\mathrm{sign}(\theta)` if θ
≠ 0. Split r into its projection :math:`\hat r` on the box and a remainder v: the *residual* is :math:`\max|v|`.

**Duality gap.** For each θ' we have :math:`\lambda w^\top|\theta'| \ge \hat r^\top\theta'`, hence

.. math:: P(\theta') \ge \tfrac12\theta'^\top G\theta' - (g - \hat r)^\top\theta'
          = \tfrac12\theta'^\top G\theta' - (G\theta + v)^\top\theta'
          \ge -\tfrac12(G\theta + v)^\top G^{-1}(G\theta + v),

the value at :math:`u = \theta + G^{-1}v` of the dual problem, to maximise :math:`-\tfrac12u^\top Gu` subject to g − Gu
in the box. The difference from P(θ) is

.. math:: P(\theta) - \min P \le \sum_{ij}\bigl(\lambda w_{ij}|\theta_{ij}| - \hat r_{ij}\theta_{ij}\bigr)
          + \tfrac12 v^\top G^{-1} v .

The sum is the *gap* reported here. It needs no inverse: it is the duality gap of the same problem with g − v in place
of g. The second term is below rounding if the residual is 1e-9 and G is not near singular. If G is singular only the
sum is meaningful: θ then minimises, to within the gap, a problem whose g differs by no more than the residual.

References
----------
Lin, L., Drton, M., & Shojaie, A. (2016). Estimation of high-dimensional graphical models using regularized score
matching. Electronic Journal of Statistics, 10(1), 806-854.
Zhang, T., & Zou, H. (2014). Sparse precision matrix estimation via lasso penalized D-trace loss. Biometrika, 101(1),
103-120.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy import ndarray

from .._kernels import coordinate_descent
from ..formulas.quadratic import QuadraticForm
from .row_form import RowForm
from .solvers import RANK_TOLERANCE, eigh, lyapunov_solution

__all__ = ["InteractionProblem", "Interactions", "penalised_value"]


@dataclass(frozen=True)
class Interactions:
    """Solution of an `InteractionProblem` at one penalty.

    Parameters
    ----------
    theta : ndarray of shape (p, m)
        Row j is column j of K; if m = p + 1 its last entry is η_j.
    value : float
        Objective, including the l1 penalty and the ridge.
    gap : float
        Duality gap.
    residual : float
        Largest violation of the optimality conditions.
    relative_residual : float
        The same, each relative to the terms of its condition.
    remarks : tuple of str
        What a user should know of it.
    """

    theta: ndarray
    value: float
    gap: float
    residual: float
    relative_residual: float
    remarks: tuple[str, ...] = ()

    @property
    def K(self) -> ndarray:
        """Interactions, shape (p, p)."""
        return self.theta[:, : len(self.theta)].T

    @property
    def eta(self) -> ndarray | None:
        """Linear parameters, shape (p,), or None if the problem has none."""
        p, m = self.theta.shape
        return self.theta[:, p] if m > p else None


class InteractionProblem:
    r"""The objective of sparse interactions for any penalty λ.

    Parameters
    ----------
    form : QuadraticForm or RowForm
        A quadratic form has ``Gamma`` of shape (p, m, m), or (m, m) if all columns share it, and ``g`` of shape (p, m),
        whose row j belongs to column j. m is p, or p + 1 if the last entry of each column is η_j. A row form has the
        factors of the blocks.
    ridge : float, default=0.0
        Adds (ridge/2)‖K‖² (Frobenius norm) to the objective; η has no ridge.
    symmetric : bool, default=True
        Whether K is symmetric; otherwise its columns are independent problems.
    weights : ndarray of shape (p, m), optional
        w, in rows as those of ``g``; symmetric if K is. By default it is 1 for each pair, 0 for the diagonal and η.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.interaction_problem import InteractionProblem
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> S = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> problem = InteractionProblem(QuadraticForm(S, np.eye(2), 0.0, 10))
    >>> problem.gradient(np.eye(2))
    array([[0. , 0.5],
           [0.5, 0. ]])
    """

    def __init__(
        self,
        form: QuadraticForm | RowForm,
        *,
        ridge: float = 0.0,
        symmetric: bool = True,
        weights: ndarray | None = None,
    ) -> None:
        p, m = form.g.shape
        self.n, self.symmetric = form.n, symmetric
        self.g = np.ascontiguousarray(form.g, dtype=float)
        self.weights = 1.0 * (~np.eye(p, m, dtype=bool) & (np.arange(m) < p)) if weights is None else weights
        ridges = ridge * (np.arange(m) < p)
        self._blocks = form.ridged(ridges) if isinstance(form, RowForm) else _Blocks(form, ridges)

    @property
    def shared(self) -> bool:
        """Whether all columns share one block."""
        return self._blocks.shared

    @property
    def Gamma(self) -> ndarray | None:
        """Blocks, shape (p, m, m) or (1, m, m); None if only their factors are stored."""
        return self._blocks.Gamma

    @cached_property
    def curvature(self) -> ndarray:
        """Diagonals of the blocks, shape (p, m)."""
        return np.broadcast_to(self._blocks.diagonal, self.g.shape)

    @cached_property
    def has_regular_block(self) -> bool:
        """Whether all of a symmetric K shares one block, which is regular."""
        p, m = self.g.shape
        values = self._spectrum[0] if self.symmetric and self.shared and m == p else np.zeros(1)
        return bool(values[0] > RANK_TOLERANCE * p * values[-1])

    @cached_property
    def _spectrum(self) -> tuple[ndarray, ndarray]:
        return eigh(self.block(0))

    def without_penalty(self, R: ndarray) -> ndarray:
        """Solve SK + KS = 2R for symmetric R (p, p), with S the shared block."""
        return lyapunov_solution(*self._spectrum, R)

    def gradient(self, theta: ndarray) -> ndarray:
        """Return Gθ − g, shape (p, m)."""
        return self._blocks.product(theta) - self.g

    def block(self, j: int, kept: slice | ndarray = slice(None)) -> ndarray:
        """Return G_j restricted to the entries `kept`."""
        return self._blocks.block(j, kept)

    def gather(self, first: ndarray, rows: ndarray, start: ndarray, out: ndarray) -> None:
        """Write the block of each column j, restricted to ``rows[first[j]:first[j + 1]]``, to ``out[start[j]:]``."""
        if self.Gamma is not None:
            coordinate_descent.gather(self.Gamma, first, rows, start, out)
            return
        for j, begin in enumerate(start):
            kept = rows[first[j] : first[j + 1]]
            out[begin : begin + len(kept) ** 2] = self.block(j, kept).ravel()

    def paired(self, gradient: ndarray) -> ndarray:
        """Average a gradient over both entries of each pair if K is symmetric; shape (p, m)."""
        if not self.symmetric:
            return gradient
        p, m = gradient.shape
        if m == p:
            return 0.5 * (gradient + gradient.T)
        return np.hstack([0.5 * (gradient[:, :p] + gradient[:, :p].T), gradient[:, p:]])

    def certificate(self, theta: ndarray, gradient: ndarray, lam: float) -> Interactions:
        """Return the `Interactions` at θ, given the gradient there."""
        bound, r, some = lam * self.weights, -self.paired(gradient), theta != 0.0
        violation = np.maximum(np.abs(r) - bound, 0.0)
        bounds, values = bound[some], theta[some]
        violation[some] = np.abs(r[some] - bounds * np.sign(values))
        gap = float(np.sum(bounds * np.abs(values) - np.clip(r[some], -bounds, bounds) * values))
        relative = violation / np.maximum(self.magnitude(theta, lam), np.finfo(float).tiny)
        value = penalised_value(values, gradient[some], self.g[some], bounds)  # the other entries add nothing
        return Interactions(theta, value, gap, float(violation.max()), float(relative.max()))

    def magnitude(self, theta: ndarray, lam: float) -> ndarray:
        r"""Return a bound of the terms that add up to the optimality condition of each entry at θ, shape (p, m).

        Those of the gradient are at most :math:`\sqrt{G_{ii}}\sum_k\sqrt{G_{kk}}|\theta_k|`, as G is positive
        semi-definite. Rounding is in proportion to them, in any units of the columns.
        """
        root = np.sqrt(self._blocks.diagonal)
        terms = root * np.sum(root * np.abs(theta), axis=1, keepdims=True)
        return np.abs(self.g) + lam * self.weights + self.paired(terms)

    def value(self, theta: ndarray, gradient: ndarray, lam: float) -> float:
        """Return P(θ), given the gradient at θ."""
        return penalised_value(theta, gradient, self.g, lam * self.weights)

    def numbering(self, support: ndarray | None = None) -> ndarray:
        """Return the parameter number of each entry of θ, shape (p, m); pairs share one; −1 outside `support`."""
        p, m = self.g.shape
        entries = np.arange(p * m).reshape(p, m)
        if self.symmetric:
            entries[:, :p] = np.minimum(entries[:, :p], entries[:, :p].T)
        support = np.ones((p, m), dtype=bool) if support is None else support
        numbers = np.full((p, m), -1)
        numbers[support] = np.unique(entries[support], return_inverse=True)[1]
        return numbers


def penalised_value(theta: ndarray, gradient: ndarray, g: ndarray, penalty: ndarray) -> float:
    """Return P(θ) of entries with these gradients and penalties, all of one shape."""
    return float(np.sum(0.5 * theta * (gradient - g) + penalty * np.abs(theta)))


class _Blocks:
    """The blocks G_j of a quadratic form with a ridge on each entry, in full."""

    def __init__(self, form: QuadraticForm, ridges: ndarray) -> None:
        m = len(ridges)
        Gamma = np.asarray(form.Gamma, dtype=float).reshape(-1, m, m)
        self.Gamma = np.ascontiguousarray(Gamma + np.diag(ridges) if ridges.any() else Gamma)
        self.shared = len(self.Gamma) == 1

    @property
    def diagonal(self) -> ndarray:
        return np.diagonal(self.Gamma, axis1=1, axis2=2)

    def product(self, theta: ndarray) -> ndarray:
        out = np.empty_like(theta)
        coordinate_descent.products(self.Gamma, theta, out)
        return out

    def block(self, j: int, kept: slice | ndarray) -> ndarray:
        block = self.Gamma[0 if self.shared else j]
        return block[kept][:, kept]
