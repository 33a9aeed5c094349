r"""Gaussian densities: score matching is linear algebra on the first two moments.

With :math:`s(x) = -K(x - \mu)` every objective is, at the best location, the same matrix form

.. math:: J(K) = \tfrac12\mathrm{tr}(K S K) - \mathrm{tr}(K C) + c .

===========  ==================================  ====================================  ==================
objective    S                                   C                                     c
===========  ==================================  ====================================  ==================
implicit     :math:`\hat\Sigma`                  I                                     0
sliced       :math:`\hat\Sigma`                  I                                     0
denoising    :math:`\hat\Sigma + \sigma^2 I`     I                                     :math:`d/2\sigma^2`
explicit     :math:`\hat\Sigma`                  :math:`-\mathrm{cov}(x, y)`           ½ E‖y − E y‖²
===========  ==================================  ====================================  ==================

If C = I, the minimiser over symmetric K is :math:`K = (S + \alpha I)^{-1}`: maximum likelihood at α = 0 (Hyvärinen,
2005, section 3.1), the D-trace loss of Zhang & Zou (2014) in general. The noise of the denoising objective is
integrated exactly, and what it fits is the density of the noisy rows, x + σz.

Any other objective is a form in the entries of K and in η = K(μ − c), those of a model of pairwise interactions.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import block_diag, csr_array, eye_array

from .._compat import StrOptions, get_namespace
from ..fitting.solvers import Estimate, solve_lyapunov, solve_ridge
from ..formulas.moments import Moments, Summary, is_rounding
from ..formulas.quadratic import QuadraticForm
from ..samplers.chains import Sampled
from .affine_score import AffineScore
from .family import Family, Model
from .interactions.pairwise import PairwiseInteraction
from .objectives import Denoising, Explicit, Implicit, Sliced

__all__ = ["Gaussian"]

FLOOR = 1e-10  # smallest variance of a direction, relative to columns of unit variance


class Gaussian(Model):
    """Gaussian density on R^d.

    Parameters
    ----------
    covariance_type : {"full", "diag", "spherical"}, default="full"
        Constraint on the covariance.
    assume_centered : bool, default=False
        Take the location to be zero.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore import ScoreMatchingDensity
    >>> from skscore.models import Gaussian
    >>> X = np.array([[0.0, 1.0], [2.0, 1.0], [1.0, 3.0], [1.0, 3.0]])
    >>> ScoreMatchingDensity(Gaussian("diag")).fit(X).precision_
    array([[2., 0.],
           [0., 1.]])
    """

    fits_beside_rows = True
    _parameter_constraints = {
        "covariance_type": [StrOptions({"full", "diag", "spherical"})],
        "assume_centered": ["boolean"],
    }

    def __init__(self, covariance_type: str = "full", assume_centered: bool = False) -> None:
        self.covariance_type = covariance_type
        self.assume_centered = assume_centered

    @property
    def is_gaussian(self):
        """True."""
        return True

    @classmethod
    def examples(cls):
        """Every structure."""
        return [cls(), cls(assume_centered=True), cls("diag"), cls("spherical")]

    def adds_up(self, objective):
        """Whether moments are enough."""
        return type(objective) in _FullGaussian.closed_forms

    def family(self, moments):
        """Family bound to a table with these moments."""
        return _STRUCTURES[self.covariance_type](self.assume_centered, moments)


class _Problem(NamedTuple):
    """Moments of the rows at which the score is taken, S, C and c of the form, and means of rows and known scores."""

    rows: Moments
    S: Any
    C: Any
    c: float
    mean: Any
    mean_score: Any


class _FullGaussian(Family):
    """θ is an ``AffineScore`` about the mean: its slope is what rounding took from that, and what known scores have."""

    has_exact_normalizer = True
    closed_forms = dict.fromkeys((Implicit, Sliced, Denoising, Explicit), "no_form")

    def __init__(self, assume_centered, moments):
        self.assume_centered, self.moments = assume_centered, moments
        d = moments.mean.shape[0]
        self.n_parameters = d * (d + 1) // 2 + (0 if assume_centered else d)  # entries of K and η

    # ---- from rows to (μ, K) ---------------------------------------------------------------------

    def no_form(self, X, Y, weight, objective):
        """None: the moments of the rows are enough."""
        return None

    def _problem(self, statistics, objective) -> _Problem:
        return _PROBLEMS[type(objective)](statistics.moments, objective, self.assume_centered)

    def form(self, statistics, objective):
        """Form in the columns of K, which share Γ = S; of an objective without a closed form, in the entries."""
        if statistics.form is not None:
            return statistics.form
        problem = self._problem(statistics, objective)
        return QuadraticForm(problem.S, 0.5 * (problem.C + problem.C.T), problem.c, problem.rows.n)

    def solve(self, statistics, objective, alpha):
        if statistics.form is not None:
            return self._solve_entries(statistics.form, alpha)
        problem = self._problem(statistics, objective)
        S, constant = _floored(problem.S, problem.mean, alpha)
        if type(objective) is Explicit:
            K, collinear = self._explicit_precision(S, problem.C), ()
        else:
            K, collinear = self._precision(S)
        floors = constant + collinear
        rounded = 0.0 if self.assume_centered else problem.rows.mean_from(problem.mean)
        slope = problem.mean_score + K @ (0.0 * problem.mean + rounded)
        return Estimate(AffineScore(problem.mean, slope, K), floors, is_determined=not floors)

    def objective_value(self, theta, statistics, objective):
        if statistics.form is not None:
            return float(statistics.form.value(_entries(self._by_entries, theta)))
        problem = self._problem(statistics, objective)
        off = theta.slope - theta.precision @ (problem.mean - theta.centre) - problem.mean_score
        return float(self.form(statistics, objective).value(theta.precision)) + 0.5 * float(off @ off)

    def _precision(self, S):
        """S⁻¹ on the scale of unit variances, on which columns of all units weigh the same; and remarks on it."""
        xp, _ = get_namespace(S)
        scale = xp.linalg.diagonal(S) ** 0.5
        correlation = S / (scale[:, None] * scale[None, :])
        try:
            root = xp.linalg.cholesky(correlation)
            floored = bool(xp.min(xp.linalg.diagonal(root)) ** 2 < FLOOR)
        except (np.linalg.LinAlgError, RuntimeError):  # torch raises the latter
            floored = True
        if floored:
            inverse, remark = self._floored_inverse(xp, correlation)
            return inverse / (scale[:, None] * scale[None, :]), (remark,)
        whitener = xp.linalg.inv(root)
        return (whitener.T @ whitener) / (scale[:, None] * scale[None, :]), ()

    def _floored_inverse(self, xp, correlation):
        values, vectors = xp.linalg.eigh(correlation)
        floor = FLOOR * values[-1]
        n_empty = int(xp.count_nonzero(values < floor))
        remark = _on_floor(f"{n_empty} of {values.shape[0]} directions have no variance (the columns are collinear)")
        values = xp.where(values < floor, floor, values)
        return (vectors / values[None, :]) @ vectors.T, remark

    def _explicit_precision(self, S, C):
        return solve_lyapunov(S, C)

    def power(self, theta, exponent):
        """A power multiplies precision and slope."""
        return theta._replace(slope=exponent * theta.slope, precision=exponent * theta.precision)

    # ---- θ as a vector: the upper triangle of K, and η -------------------------------------------

    @cached_property
    def _by_entries(self):
        """The family of pairwise interactions around the mean of the first rows."""
        return PairwiseInteraction(centered=self.assume_centered).family(self.moments)

    def statistics(self, X):
        return self._by_entries.statistics(X)

    def jacobian(self, X):
        return self._by_entries.jacobian(X)

    def laplacian(self, X):
        return self._by_entries.laplacian(X)

    def statistics_curvature(self, X, V):
        return self._by_entries.statistics_curvature(X, V)

    def natural(self, theta, statistics, objective):
        if statistics.form is not None:
            family, Gamma = self._by_entries, statistics.form.Gamma
        else:
            rows = self._problem(statistics, objective).rows
            family = PairwiseInteraction(centered=self.assume_centered).family(rows)
            Gamma = family.form(Summary(rows), Implicit()).Gamma
        return family, _entries(family, theta), Gamma, self._free_entries(family)

    def n_free(self, theta):
        precisions = self._free_precisions(*np.triu_indices(self.moments.mean.shape[0]))
        return precisions.shape[1] + (0 if self.assume_centered else self.moments.mean.shape[0])

    def _solve_entries(self, form, alpha):
        """θ of a form in the entries, along those of the structure that are free."""
        family = self._by_entries
        L, ridge = self._free_entries(family), alpha * family.ridge_matrix()
        free = solve_ridge(replace(form, Gamma=L.T @ (form.Gamma + ridge) @ L, g=L.T @ form.g))
        K, eta = family.unpack(L @ free.theta)
        return free._replace(theta=AffineScore(family.centre, eta, K))

    def _free_entries(self, family):
        """Directions in which the entries were free, in columns."""
        n_linear = family.n_parameters - family.n_interactions
        return block_diag([self._free_precisions(*family.pairs), eye_array(n_linear)], format="csr")

    def _free_precisions(self, i, j):
        """Directions in which the entries (i, j) of the upper triangle of K were free, in columns."""
        return eye_array(len(i))

    # ---- the density at (μ, K) -------------------------------------------------------------------

    def evaluator(self, X):
        """The family itself: θ lies beside the rows."""
        return self

    def log_density(self, theta, X):
        xp, _ = get_namespace(X)
        centred = X - theta.centre
        return xp.sum((theta.slope - 0.5 * (centred @ theta.precision)) * centred, axis=-1)

    def score(self, theta, X):
        return theta.slope - (X - theta.centre) @ theta.precision

    def divergence(self, theta, X):
        xp, _ = get_namespace(X)
        return 0.0 * X[:, 0] - xp.sum(xp.linalg.diagonal(theta.precision))

    def curvature(self, theta, X, V):
        xp, _ = get_namespace(X)
        return 0.0 * X[:, 0] - xp.sum((V @ theta.precision) * V, axis=-1)

    def infinite_mass(self, theta):
        if (smallest := theta.smallest_eigenvalue()) <= 0.0:
            return f"the fitted precision matrix is not positive definite (smallest scaled eigenvalue {smallest:.3g})"
        return None

    def log_normalizer(self, theta):
        return theta.log_normalizer()

    def sample(self, theta, n_samples, rng):
        return Sampled(theta.sample(n_samples, rng))

    def attributes(self, theta):
        return theta.attributes()


class _DiagonalGaussian(_FullGaussian):
    def _free_precisions(self, i, j):
        return eye_array(len(i), format="csc")[:, np.flatnonzero(i == j)]

    def _precision(self, S):
        xp, _ = get_namespace(S)
        return xp.eye(S.shape[0], dtype=S.dtype, device=getattr(S, "device", None)) / xp.linalg.diagonal(S), ()

    def _explicit_precision(self, S, C):
        return np.diag(np.diag(C) / np.diag(S))


class _SphericalGaussian(_DiagonalGaussian):
    def _free_precisions(self, i, j):
        return csr_array((i == j)[:, None].astype(float))

    def _precision(self, S):
        xp, _ = get_namespace(S)
        variance = xp.mean(xp.linalg.diagonal(S))
        return xp.eye(S.shape[0], dtype=S.dtype, device=getattr(S, "device", None)) / variance, ()

    def _explicit_precision(self, S, C):
        return np.trace(C) / np.trace(S) * np.eye(len(S))


_STRUCTURES = {"full": _FullGaussian, "diag": _DiagonalGaussian, "spherical": _SphericalGaussian}


def _implicit(moments, objective, assume_centered):
    xp, _ = get_namespace(moments.mean)
    S, mean = _second(moments, assume_centered)
    eye = xp.eye(mean.shape[0], dtype=S.dtype, device=getattr(S, "device", None))
    return _Problem(moments, S, eye, 0.0, mean, 0.0 * mean)


def _denoising(moments, objective, assume_centered):
    """The implicit objective of the noisy rows."""
    variance, eye = objective.sigma**2, _implicit(moments, objective, assume_centered).C
    noisy = replace(moments, covariance=moments.covariance + variance * eye)
    return _implicit(noisy, objective, assume_centered)._replace(c=0.5 * eye.shape[0] / variance)


def _explicit(moments, objective, assume_centered):
    """Of rows that are followed by their known scores."""
    xp, _ = get_namespace(moments.mean)
    (second, mean), d = _second(moments, assume_centered), moments.mean.shape[0] // 2
    c = 0.5 * float(xp.sum(xp.linalg.diagonal(second)[d:]))
    return _Problem(moments.leading(d), second[:d, :d], _cross(second, mean, d), c, mean[:d], mean[d:])


_PROBLEMS = {Implicit: _implicit, Sliced: _implicit, Denoising: _denoising, Explicit: _explicit}


def _second(moments, assume_centered):
    """Second moments about the location, and the location."""
    m = moments.mean
    if assume_centered:
        return moments.covariance + m[:, None] * m[None, :], 0.0 * m
    return moments.covariance, m


def _entries(family, theta):
    """The upper triangle of K, and η about the centre of `family`."""
    eta = theta.slope - theta.precision @ (family.centre - theta.centre)
    return np.concatenate([theta.precision[family.pairs], eta[: 0 if family.centered else None]])


def _cross(second, mean, d):
    """−cov(x, y), with what is only rounding of constant scores set to zero."""
    variance = np.diag(second)
    rounding = 1e-14 * np.sqrt(np.outer(variance[:d], variance[d:] + mean[d:] ** 2))
    return np.where(np.abs(second[:d, d:]) > rounding, -second[:d, d:], 0.0)


def _on_floor(what):
    return (
        f"{what}: a relative variance of {FLOOR:g} stands in, and log-likelihoods compare only with models under the "
        "same floor. Drop such columns, or choose alpha > 0."
    )


def _floored(S, mean, alpha):
    """S + αI with the variance of constant columns floored at their scale, and remarks on them."""
    xp, _ = get_namespace(S)
    d = S.shape[0]
    eye = xp.eye(d, dtype=S.dtype, device=getattr(S, "device", None))
    S = S + alpha * eye
    constant = is_rounding(xp.linalg.diagonal(S), mean)
    if not bool(xp.any(constant)):
        return S, ()
    columns = [j for j in range(d) if bool(constant[j])]
    size = xp.where(xp.abs(mean) > 0.0, xp.abs(mean), xp.asarray(1.0, dtype=S.dtype))
    floored = S + eye * xp.where(constant, FLOOR * size * size, 0.0 * size)[None, :]
    return floored, (_on_floor(f"columns {columns} are constant"),)
