r"""An exponential family at every noise level: a noise-conditional score in closed form.

The denoising objective of a family at a level σ is a quadratic form in θ (Vincent, 2011, eq. 9), never negative, so it
has a minimum whatever the rows. A ladder of levels :math:`\sigma_1 > \dots > \sigma_L` takes L solves; θ_i is the
score-matching fit of the family to the rows with noise σ_i. A Gaussian base measure takes on that noise as the rows do.

Between the levels the log-density is interpolated. With λ the variances of the reference Gaussian,
:math:`r_j^2 = \sigma^2 + \lambda_j` and :math:`\rho^2 = \sigma^2 + \bar\lambda`, the excess over that Gaussian, times
ρ², is a function of x/ρ that hardly changes with σ at either end; the cubic in log σ through the nearest levels gives,
with :math:`k_i = \rho_i/\rho` and Lagrange's weights w_i,

.. math::

   \log p_\sigma(x) = \log N(x; 0, \operatorname{diag} r^2) + \sum_i w_i k_i^2\, e_i(k_i x), \qquad
   e_i(x) = \log p_{\sigma_i}(x) - \log N(x; 0, \operatorname{diag} r_i^2) .

So the score is a gradient, is exact at the levels and for the reference Gaussian everywhere, and needs of a family no
more than its score and divergence. Beyond the ends, and where there is one level only, the nearest e is kept: it fades
as 1/ρ² at high noise. The error falls with the fourth power of the spacing: for σ from 0.01 to 20 it is below 1e-2 of
the score at 20 levels and below 1e-3 at 40, on Gaussian and quartic ladders.

Far from the rows a fitted polynomial is free. Where its top form is negative, its score pulls so hard that the
probability flow reaches infinity: log-densities there are −inf, and the law lives on a bounded region, at whose edge
its flow needs many steps (:mod:`skscore.likelihood.flow_likelihood` gives them to the rows there). Where the top
form is positive, as for every law of heavy tails once noise covers it, a few draws of a sampler (1e-4 for a Laplace
law) run off to infinity. So such a ladder needs a defensive tail, and its draws a second look.

References
----------
Vincent, P. (2011). A connection between score matching and denoising autoencoders. Neural Computation 23, 1661-1674.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from ..formulas.moments import Moments, Summary, moments
from ..models.family import Family
from ..models.objectives import Implicit

__all__ = ["Ladder", "LadderSummary", "fit_ladder", "gather"]

NEAREST = 4  # levels that a cubic in log σ runs through


@dataclass(frozen=True, eq=False)
class Ladder:
    """A family with a θ at each noise level: a ``NoiseConditionalScore`` with exact divergences.

    Parameters
    ----------
    families : tuple of Family
        The family of each level, bound to the noisy rows.
    thetas : tuple
        θ_i of each level.
    levels : ndarray of shape (L,)
        Noise levels σ_i, decreasing, in the units of X.
    variance : ndarray of shape (d,)
        λ, the variances of the reference Gaussian N(0, diag λ).
    remarks : tuple of str
        What a user should know of the fits.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models import Gaussian
    >>> from skscore.formulas.moments import moments
    >>> from skscore.levels.ladder import fit_ladder, gather
    >>> X = np.array([[-2.0], [2.0]])  # of variance 4
    >>> statistics = gather(Gaussian().family(moments(X)), X, None, levels=np.array([3.0, 1.0]))
    >>> ladder = fit_ladder(statistics, variance=np.array([4.0]), alpha=0.0)
    >>> ladder.score(np.array([[10.0]]), 1.0)  # of N(0, 4 + 1)
    array([[-2.]])
    """

    families: tuple[Family, ...]
    thetas: tuple
    levels: np.ndarray
    variance: np.ndarray
    remarks: tuple[str, ...] = ()

    def score(self, X, sigma):
        """∇ log p_σ of rows (n, d)."""
        own = -X / (sigma**2 + self.variance)
        return own + sum(
            w * k**3 * (family.score(theta, k * X) + k * X / r2) for family, theta, r2, k, w in self._nearest(sigma)
        )

    def score_and_divergence(self, X, sigma):
        """∇ log p_σ of rows (n, d) and its divergence, of shape (n, 1)."""
        own = -(1.0 / (sigma**2 + self.variance)).sum()
        divergence = own + sum(
            w * k**4 * (family.divergence(theta, k * X) + (1.0 / r2).sum())
            for family, theta, r2, k, w in self._nearest(sigma)
        )
        return self.score(X, sigma), divergence[:, None]

    def curvature(self, X, sigma, V):
        """vᵀ ∇² log p_σ v of each row, shape (n,), for directions V of shape (d,) or (n, d)."""
        own = -(V**2 / (sigma**2 + self.variance)).sum(axis=-1)
        return own + sum(
            w * k**4 * (family.curvature(theta, k * X, V) + (V**2 / r2).sum(axis=-1))
            for family, theta, r2, k, w in self._nearest(sigma)
        )

    def traces(self, X, sigma, directions):
        """Σ_k v_kᵀ ∇² log p_σ v_k of each row, shape (n,), over directions (K, d)."""
        return sum(self.curvature(X, sigma, v) for v in directions)

    def _nearest(self, sigma):
        """Family, θ, r_i², k_i and w_i of the levels that matter at σ."""
        rho2 = sigma**2 + self.variance.mean()
        for i, weight in interpolation_weights(sigma, self.levels):
            r2 = self.levels[i] ** 2 + self.variance
            yield self.families[i], self.thetas[i], r2, np.sqrt(r2.mean() / rho2), weight


def interpolation_weights(sigma, levels):
    """Lagrange's weights at log σ of the levels nearest to σ.

    Parameters
    ----------
    sigma : float
        Noise level; beyond the ends the end itself stands in.
    levels : ndarray of shape (L,)
        Noise levels, decreasing.

    Returns
    -------
    list of (int, float)
        Index and weight of at most four levels, only those of weight other than zero.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.levels.ladder import interpolation_weights
    >>> interpolation_weights(4.0, np.array([16.0, 4.0, 1.0]))
    [(1, 1.0)]
    >>> interpolation_weights(2.0, np.array([4.0, 1.0]))
    [(0, 0.5), (1, 0.5)]
    """
    t, nodes = np.log(np.clip(sigma, levels[-1], levels[0])), np.log(levels)
    above = len(levels) - np.searchsorted(levels[::-1], sigma, side="right")
    first = max(0, min(above - NEAREST // 2, len(levels) - NEAREST))
    near = range(first, min(first + NEAREST, len(levels)))
    weights = [np.prod([(t - nodes[j]) / (nodes[i] - nodes[j]) for j in near if j != i]) for i in near]
    return [(i, float(weight)) for i, weight in zip(near, weights, strict=True) if weight != 0.0]


@dataclass(frozen=True, eq=False)
class LadderSummary:
    """What the ladder of a family needs to know of rows; those of two sets of rows merge by `+`.

    Parameters
    ----------
    family : Family
        Bound to the rows first seen.
    table : Moments
        Of the rows.
    forms : list of QuadraticForm or None
        Denoising objective of each level; None where the moments say everything.
    levels : ndarray of shape (L,)
    """

    family: Family
    table: Moments
    forms: list
    levels: np.ndarray

    @property
    def moments_suffice(self):
        """Whether the moments of the rows say everything, as for a Gaussian."""
        return all(form is None for form in self.forms)

    def __add__(self, other: LadderSummary) -> LadderSummary:
        """Summary of the rows of both, which were gathered for one family."""
        forms = [None if a is None else a + b for a, b in zip(self.forms, other.forms, strict=True)]
        return replace(self, table=self.table + other.table, forms=forms)

    def counted(self, times: float) -> LadderSummary:
        """Summary with each row counted so many times."""
        forms = [None if form is None else form.counted(times) for form in self.forms]
        return replace(self, table=self.table.counted(times), forms=forms)


def gather(family, X, weight, levels) -> LadderSummary:
    """Summary of the rows X (n, d), with weights (n,) or None, at each noise level.

    Parameters
    ----------
    family : Family
        Of a model of :mod:`skscore.models` on R^d.
    X : ndarray of shape (n, d)
        Rows near the origin, in coordinates where the noise is isotropic.
    weight : ndarray of shape (n,) or None
        Non-negative weights.
    levels : ndarray of shape (L,)
        Noise levels σ_i > 0, decreasing, in the units of X.

    Returns
    -------
    LadderSummary
    """
    return LadderSummary(family, moments(X, weight), family.assemble_ladder(X, weight, levels), levels)


def fit_ladder(statistics, variance, alpha, normalised=False) -> Ladder:
    """Fit an exponential family to the rows at each noise level.

    Parameters
    ----------
    statistics : LadderSummary
    variance : ndarray of shape (d,)
        λ, the variances of the reference Gaussian.
    alpha : float
        Strength α ≥ 0 of the ridge, the same at each level.
    normalised : bool, default=False
        Whether each level is to be a density by itself, and not only a score.

    Returns
    -------
    Ladder
    """
    fits = [
        _fit_level(statistics, form, sigma, alpha, normalised)
        for form, sigma in zip(statistics.forms, statistics.levels, strict=True)
    ]
    families, estimates = zip(*fits, strict=True)
    thetas = tuple(estimate.theta for estimate in estimates)
    remarks = tuple(chain.from_iterable(estimate.remarks for estimate in estimates))
    return Ladder(families, thetas, statistics.levels, variance, remarks)


def _fit_level(statistics, form, sigma, alpha, normalised):
    """Family and estimate at level σ: the implicit objective of noisy rows, their noise integrated (Vincent, 2011)."""
    family, table = statistics.family, statistics.table
    noisy = replace(table, covariance=table.covariance + sigma**2 * np.eye(len(table.mean)))
    level = family.blurred(sigma).rebound(noisy)
    problem = Summary(noisy, level.translate(form, family)), Implicit(), alpha
    estimate = level.solve(*problem)
    return level, level.as_density(estimate, *problem) if normalised else estimate
