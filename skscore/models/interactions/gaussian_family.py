r"""Gaussian graphical models: pairwise interactions with a = b = 1 on all of :math:`R^d`.

The columns of K share one block, the covariance S of the rows (their second moments where η = 0), and the objective is

.. math:: J(K) = \tfrac12\mathrm{tr}(KSK) - \mathrm{tr}K + c,

the D-trace loss of Zhang & Zou (2014), with minimiser :math:`(S + \alpha I)^{-1}` under a ridge. Moments of the rows
are all it needs.

An l1 penalty can leave K without a density: the objective is defined for every symmetric K. What then serves is the
definite matrix that is nearest to K in the Frobenius norm,

.. math:: K_+ = \sum_k \max(\lambda_k, \epsilon\lambda_{\max})\,v_kv_k^\top, \qquad \epsilon = 10^{-4},

with :math:`\lambda_k, v_k` the eigenpairs of K (Higham, 1988, theorem 2.1). Its zeros are not those of K.

References
----------
Higham, N. J. (1988). Computing a nearest symmetric positive semidefinite matrix. Linear Algebra and its Applications,
103, 103-118.
Zhang, T., & Zou, H. (2014). Sparse precision matrix estimation via lasso penalized D-trace loss. Biometrika, 101(1),
103-120.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigvalsh

from ...fitting.solvers import RANK_TOLERANCE, Estimate, UnboundedObjectiveError, eigh
from ...samplers.chains import Sampled
from .family import PairwiseFamily
from .form import moment_form

__all__ = ["GaussianInteractions", "nearest_definite"]

MIN_EIGENVALUE = 1e-4  # of a projected K, relative to its largest


class GaussianInteractions(PairwiseFamily):
    """The family on R^d, with its analytic normaliser and exact draws."""

    has_exact_normalizer = True

    def implicit_form(self, X, Y, weight, objective):
        """None: moments of the rows are enough."""
        return None

    def blocks(self, statistics, objective):
        """Form with one block for all columns, or in θ for objectives other than the implicit."""
        if statistics.form is not None:
            return statistics.form
        return moment_form(statistics.moments.leading(self.p), centered=self.centered, centre=self.centre)

    def solve(self, statistics, objective, alpha):
        """θ with K = (S + αI)⁻¹, S with its multiplier, if K is symmetric and the penalty a ridge."""
        form = self.blocks(statistics, objective)
        is_ridge = self.l1_ratio == 0.0 and self.symmetric is True and self.graph is None
        if form.g.ndim == 1 or not is_ridge:
            return self.as_density(super().solve(statistics, objective, alpha), statistics, objective, alpha)
        K = _inverse(self.interactions_form(form).Gamma + alpha * np.eye(self.p))
        return Estimate(self._with_interactions(K, form))

    def _with_interactions(self, K, form):
        """θ of K and the best η."""
        if form.g.ndim == 1:
            return self.with_linear_part(form, K[self.pairs])
        theta = np.empty(self.n_parameters)
        theta[self.position] = self.with_linear_part(form, K)
        return theta

    def as_density(self, estimate, statistics, objective, alpha):
        """The estimate; if its K is not definite, with a remark or projected."""
        K, _ = self.unpack(estimate.theta)
        smallest = eigvalsh(K, subset_by_index=[0, 0])[0]
        if smallest > 0.0:
            return estimate
        if self.projection == "nearest":
            projected = self._with_interactions(nearest_definite(K), self.blocks(statistics, objective))
            return estimate._replace(theta=projected)
        remark = (
            f"the interactions are no precision matrix: their smallest eigenvalue is {smallest:.3g}. The graph stands, "
            'but there is no density. Raise alpha, add a ridge (l1_ratio < 1), or set projection="nearest".'
        )
        return estimate._replace(remarks=(*estimate.remarks, remark))

    def log_normalizer(self, theta):
        """log Z of ``log_density``."""
        return self._affine(theta).log_normalizer()

    def sample(self, theta, n_samples, rng):
        """Exact draws, shape (n_samples, p)."""
        return Sampled(self._affine(theta).sample(n_samples, rng))


def _inverse(S):
    """S⁻¹ on the scale of unit variances; if S has none, the objective has no minimum."""
    variance = np.diag(S)
    scale = 1.0 / np.sqrt(np.where(variance > 0.0, variance, 1.0))
    values, V = eigh(S * np.outer(scale, scale))
    if values[0] <= RANK_TOLERANCE * len(S):
        raise UnboundedObjectiveError("the covariance of the rows is singular")
    return (V / values) @ V.T * np.outer(scale, scale)


def nearest_definite(K):
    """Nearest matrix, in the Frobenius norm, whose eigenvalues are at least 1e-4 of the largest of K.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.interactions.gaussian_family import nearest_definite
    >>> nearest_definite(np.array([[1.0, 3.0], [3.0, 1.0]])).round(3)  # eigenvalues 4 and -2
    array([[2., 2.],
           [2., 2.]])
    """
    values, V = eigh(K)
    nearest = (V * np.maximum(values, MIN_EIGENVALUE * values[-1])) @ V.T
    return 0.5 * (nearest + nearest.T)
