r"""Gaussian graphical models: pairwise interactions with a = b = 1 on all of :math:`R^d`.

The columns of K share one block, the covariance S of the rows (their second moments where η = 0), and the objective is

.. math:: J(K) = \tfrac12\mathrm{tr}(KSK) - \mathrm{tr}K + c,

the D-trace loss of Zhang & Zou (2014), with minimiser :math:`(S + \alpha I)^{-1}` under a ridge. Moments of the rows
are all it needs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh

from ..fitting.solvers import RANK_TOLERANCE, UnboundedObjectiveError
from .forms import Implicit
from .gaussian import Gaussian
from .interaction_form import moment_form
from .pairwise_family import PairwiseFamily

__all__ = ["GaussianInteractions"]


class _Affine(NamedTuple):
    """s(x) = slope − K(x − centre), as the Gaussian family holds it."""

    centre: np.ndarray
    slope: np.ndarray
    precision: np.ndarray


class GaussianInteractions(PairwiseFamily):
    """The family on R^d, with its analytic normaliser and exact draws."""

    def assemble(self, X, Y, weight, objective):
        """None for the implicit objective: moments of the rows say everything."""
        return None if isinstance(objective, Implicit) else super().assemble(X, Y, weight, objective)

    def blocks(self, statistics, objective):
        """Form with one block for all columns, or in θ for objectives other than the implicit."""
        if statistics.form is not None:
            return statistics.form
        return moment_form(statistics.moments.leading(self.p), centered=self.centered, centre=self.centre)

    def solve(self, statistics, objective, alpha):
        """θ with K = (S + αI)⁻¹, S with its multiplier, where K is symmetric and the penalty a ridge."""
        is_ridge = self.l1_ratio == 0.0 and self.symmetric is True and self.graph is None
        if not isinstance(objective, Implicit) or not is_ridge:
            return super().solve(statistics, objective, alpha)
        form = self.blocks(statistics, objective)
        K = _inverse(self.interactions_form(form).Gamma + alpha * np.eye(self.p))
        theta = np.empty(self.n_parameters)
        theta[self.position] = self.with_linear_part(form, K)
        return theta

    def _affine(self, theta):
        K, eta = self.unpack(theta)
        return _Affine(self.centre, eta, K)

    def log_normalizer(self, theta):
        """log Z of ``log_density``."""
        return Gaussian().family(None).log_normalizer(self._affine(theta))

    def sample(self, theta, n_samples, rng):
        """Exact draws, shape (n_samples, p)."""
        return Gaussian().family(None).sample(self._affine(theta), n_samples, rng)


def _inverse(S):
    """S⁻¹ on the scale of unit variances; where S has none the objective has no minimum."""
    variance = np.diag(S)
    scale = 1.0 / np.sqrt(np.where(variance > 0.0, variance, 1.0))
    values, V = eigh(S * np.outer(scale, scale))
    if values[0] <= RANK_TOLERANCE * len(S):
        raise UnboundedObjectiveError("the covariance of the rows is singular")
    return (V / values) @ V.T * np.outer(scale, scale)
