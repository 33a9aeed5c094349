r"""The convex problem behind sparse interactions: one quadratic for each column of a matrix, and an l1 penalty.

The unknowns are the columns :math:`\theta_j` of an interaction matrix K, each perhaps with a last entry, its linear
parameter :math:`\eta_j`. Score matching gives each column its own quadratic (Lin, Drton & Shojaie, 2016, eq. 12; one
block :math:`G_j = S` for all is the D-trace loss of Zhang & Zou, 2014), and

.. math:: P(\theta) = \sum_j \bigl[\tfrac12\theta_j^\top G_j\theta_j - g_j^\top\theta_j\bigr]
          + \lambda\sum_{ij} w_{ij}|\theta_{ij}|

is minimised over symmetric K, or column by column. A ridge is part of :math:`G_j`. Weights w are zero where an entry is
free, as the diagonal is.

**Optimality.** Let :math:`r = g - G\theta`, averaged over both entries of a pair where K is symmetric. At the minimum
:math:`r` lies in the box :math:`|r_{ij}| \le \lambda w_{ij}`, and equals :math:`\lambda w\,\mathrm{sign}(\theta)` where
θ ≠ 0. Split r into its projection :math:`\hat r` on the box and a rest v: the *residual* is :math:`\max|v|`.

**Duality gap.** For each θ' we have :math:`\lambda w^\top|\theta'| \ge \hat r^\top\theta'`, hence

.. math:: P(\theta') \ge \tfrac12\theta'^\top G\theta' - (g - \hat r)^\top\theta'
          = \tfrac12\theta'^\top G\theta' - (G\theta + v)^\top\theta'
          \ge -\tfrac12(G\theta + v)^\top G^{-1}(G\theta + v),

the value at :math:`u = \theta + G^{-1}v` of the dual: maximise :math:`-\tfrac12u^\top Gu` where g − Gu lies in the box.
Subtracted from P(θ) it leaves

.. math:: P(\theta) - \min P \le \sum_{ij}\bigl(\lambda w_{ij}|\theta_{ij}| - \hat r_{ij}\theta_{ij}\bigr)
          + \tfrac12 v^\top G^{-1} v .

The sum is the *gap* reported here. It needs no inverse: it is the duality gap of the same problem with g − v for g, and
the second term is below rounding once the residual is 1e-9, unless G is near singular. Where it is singular the first
alone is meaningful: θ is then the minimiser to within the gap for a g that differs by no more than the residual.

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

from .._kernels import coordinate_descent
from .row_form import RowForm

__all__ = ["InteractionProblem", "Interactions", "penalised_value"]


@dataclass(frozen=True)
class Interactions:
    """A solution.

    Parameters
    ----------
    theta : ndarray of shape (p, m)
        Row j is column j of K, with η_j as its last entry where m = p + 1.
    value : float
        Objective, with the l1 penalty and the ridge.
    gap : float
        Duality gap.
    residual : float
        Largest violation of the optimality conditions.
    remarks : tuple of str
        What a user should know of it.
    """

    theta: np.ndarray
    value: float
    gap: float
    residual: float
    remarks: tuple[str, ...] = ()

    @property
    def K(self):
        """Interactions, shape (p, p)."""
        return self.theta[:, : len(self.theta)].T

    @property
    def eta(self):
        """Linear parameters, shape (p,), or None where the problem has none."""
        p, m = self.theta.shape
        return self.theta[:, p] if m > p else None


class InteractionProblem:
    r"""The objective, but for λ.

    Parameters
    ----------
    form : QuadraticForm or RowForm
        ``Gamma`` of shape (p, m, m), or (m, m) where all columns share it; ``g`` of shape (p, m), whose row j belongs
        to column j. m = p, or p + 1 where the last entry of each column is η_j. Or the rows behind the blocks.
    ridge : float, default=0.0
        Adds (ridge/2)‖K‖² (Frobenius) to the objective; η has none.
    symmetric : bool, default=True
        Whether K is symmetric; else its columns are independent problems.
    weights : ndarray of shape (p, m), optional
        w in rows as those of ``g``; symmetric where K is. By default one for each pair, zero for the diagonal and η.

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

    def __init__(self, form, *, ridge=0.0, symmetric=True, weights=None):
        p, m = form.g.shape
        self.n, self.symmetric = form.n, symmetric
        self.g = np.ascontiguousarray(form.g, dtype=float)
        self.weights = 1.0 * (~np.eye(p, m, dtype=bool) & (np.arange(m) < p)) if weights is None else weights
        ridges = ridge * (np.arange(m) < p)
        self._blocks = (_Rows if isinstance(form, RowForm) else _Blocks)(form, ridges)

    @property
    def shared(self):
        """Whether all columns have one block."""
        return self._blocks.shared

    @property
    def Gamma(self):
        """Blocks as they lie in memory, shape (p, m, m) or (1, m, m); None where only their rows are held."""
        return self._blocks.Gamma

    @cached_property
    def curvature(self):
        """Diagonals of the blocks, shape (p, m)."""
        return self._blocks.diagonal(self.g.shape)

    def gradient(self, theta):
        """Gθ − g, shape (p, m)."""
        return self._blocks.product(theta) - self.g

    def block(self, j, kept=slice(None)):
        """G_j restricted to the entries `kept`."""
        return self._blocks.block(j, kept)

    def gather(self, first, rows, place, out):
        """Write the block of each column j, restricted to ``rows[first[j]:first[j + 1]]``, into `out` at place[j]."""
        self._blocks.gather(first, rows, place, out)

    def paired(self, slopes):
        """Mean of the slopes over both entries of each pair where K is symmetric; shape (p, m)."""
        if not self.symmetric:
            return slopes
        p, m = slopes.shape
        if m == p:
            return 0.5 * (slopes + slopes.T)
        return np.hstack([0.5 * (slopes[:, :p] + slopes[:, :p].T), slopes[:, p:]])

    def certificate(self, theta, gradient, lam):
        """The `Interactions` at θ, of which the gradient is known."""
        bound = lam * self.weights
        r = -self.paired(gradient)
        inside = np.clip(r, -bound, bound)
        on_support = np.where(theta != 0.0, r - bound * np.sign(theta), r - inside)
        gap = float(np.sum(bound * np.abs(theta) - inside * theta))
        return Interactions(theta, self.value(theta, gradient, lam), gap, float(abs(on_support).max()))

    def value(self, theta, gradient, lam):
        """P(θ) at θ, of which the gradient is known."""
        return penalised_value(theta, gradient, self.g, lam * self.weights)

    def numbering(self, support=None):
        """Number of the parameter that each entry of θ is, one for a pair, shape (p, m); −1 outside `support`."""
        p, m = self.g.shape
        entries = np.arange(p * m).reshape(p, m)
        if self.symmetric:
            entries[:, :p] = np.minimum(entries[:, :p], entries[:, :p].T)
        support = np.ones((p, m), dtype=bool) if support is None else support
        numbers = np.full((p, m), -1)
        numbers[support] = np.unique(entries[support], return_inverse=True)[1]
        return numbers


def penalised_value(theta, gradient, g, penalty):
    """P(θ) of entries with these gradients and penalties, all of one shape."""
    return float(np.sum(0.5 * theta * (gradient - g) + penalty * np.abs(theta)))


class _Blocks:
    """G_j in full."""

    def __init__(self, form, ridges):
        m = len(ridges)
        Gamma = np.asarray(form.Gamma, dtype=float).reshape(-1, m, m)
        self.Gamma = np.ascontiguousarray(Gamma + np.diag(ridges) if ridges.any() else Gamma)
        self.shared = len(self.Gamma) == 1

    def diagonal(self, shape):
        return np.broadcast_to(np.diagonal(self.Gamma, axis1=1, axis2=2), shape)

    def product(self, theta):
        out = np.empty_like(theta)
        coordinate_descent.products(self.Gamma, theta, out)
        return out

    def block(self, j, kept):
        block = self.Gamma[0 if self.shared else j]
        return block[kept][:, kept]

    def gather(self, first, rows, place, out):
        coordinate_descent.gather(self.Gamma, first, rows, place, out)


class _Rows:
    """G_j by the rows behind it: products of all columns at once, blocks on demand."""

    shared, Gamma = False, None

    def __init__(self, form, ridges):
        self.form, self.ridges = form, ridges

    def diagonal(self, shape):
        return self.form.diagonal + self.ridges

    def product(self, theta):
        return self.form.product(theta) + self.ridges * theta

    def block(self, j, kept):
        return self.form.block(j, kept) + np.diag(self.ridges[kept])

    def gather(self, first, rows, place, out):
        for j, start in enumerate(place):
            kept = rows[first[j] : first[j + 1]]
            out[start : start + len(kept) ** 2] = self.block(j, kept).ravel()
