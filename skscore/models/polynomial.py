r"""Polynomial densities :math:`\log p(x) = \sum_\gamma \theta_\gamma x^\gamma + \log q_0(x) - \log Z`.

The statistics are the monomials :math:`x^\gamma`, so every entry of the quadratic form is a moment of the data:

.. math:: \Gamma_{\gamma\beta} = \sum_i \gamma_i\beta_i\,E\,x^{\gamma+\beta-2e_i}, \qquad
          g_\gamma = -\sum_i \gamma_i(\gamma_i - 1)\,E\,x^{\gamma-2e_i} ,

under a flat base (Hyvärinen, 2007, section 4). One pass over the rows collects each distinct moment once. Two changes
of variable keep this accurate and general:

* Moments are taken in u = (x − centre)/scale of the first rows, and θ is solved for there; the reported ``theta_`` =
  B(θ_u − δ_u) with B the change of origin of the polynomial.
* A Gaussian base is itself a polynomial δ of degree 2, so it enters no moment: it is the centre of the ridge, α/2
  ‖θ_flat − δ‖².

The noise of the denoising objective is integrated exactly: moments of x + σz are the heat flow exp(½σ²Δ) of the moments
of x.

An estimate that is no density of its rows is moved to the nearest one that is, by :mod:`skscore.models.envelope`. It
needs the means of the monomials, which are ratios of Γ: :math:`\Gamma_{\gamma,2e_i} = 2\gamma_i\,E\,x^\gamma\,
\Gamma_{e_i,e_i}`.
"""

from __future__ import annotations

from copy import copy
from functools import cached_property
from numbers import Integral
from typing import NamedTuple

import numpy as np

from .._compat import Interval, StrOptions, beside, get_namespace, is_numpy, to_numpy
from ..fitting.solvers import solve_ridge
from ..formulas.moments import row_blocks
from ..formulas.quadratic import QuadraticForm
from .base import GaussianBase, resolve_base
from .envelope import MOST_TERMS, bounded, n_terms
from .family import Family, Model
from .integrability import no_density_reason
from .monomial_products import moments_by_products
from .monomials import MonomialBasis
from .objectives import Denoising, Explicit, Implicit, Sliced

__all__ = ["Polynomial"]

MOST_BYTES = 4e9  # of the forms of a ladder


class Polynomial(Model):
    """Density whose logarithm is a polynomial.

    Parameters
    ----------
    degree : int, default=4
        Largest total degree. Only an even one can have finite mass; then a fit without it is moved to the nearest
        polynomial whose log-density is nowhere more than a nat for each column above its mean over the rows
        (:doc:`/user_guide/models`), if there are at most 1500 terms.
    interaction_degree : int, default=2
        Largest number of distinct columns in one monomial; 1 makes the columns independent.
    base : {"gaussian", None} or GaussianBase, default="gaussian"
        Base measure, towards which a ridge ``alpha`` shrinks: the Gaussian with the columns' means and variances, flat,
        or given.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore import ScoreMatchingDensity
    >>> from skscore.models import Polynomial
    >>> X = np.array([[-1.2], [-1.0], [-0.8], [0.7], [1.0], [1.3]])
    >>> density = ScoreMatchingDensity(Polynomial(degree=4, base=None)).fit(X)
    >>> density.exponents_.ravel()
    array([1, 2, 3, 4])
    >>> bool(density.score_samples([[1.0]])[0] > density.score_samples([[0.0]])[0])  # two modes
    True
    """

    _parameter_constraints = {
        "degree": [Interval(Integral, 2, None, closed="left")],
        "interaction_degree": [Interval(Integral, 1, None, closed="left")],
        "base": [StrOptions({"gaussian"}), GaussianBase, None],
    }

    def __init__(
        self, degree: int = 4, interaction_degree: int = 2, base: str | GaussianBase | None = "gaussian"
    ) -> None:
        self.degree = degree
        self.interaction_degree = interaction_degree
        self.base = base

    @property
    def sums_beside_rows(self):
        """True."""
        return True

    @classmethod
    def examples(cls):
        """Degrees, interactions and bases."""
        return [cls(2, base=None), cls(4), cls(4, interaction_degree=1), cls(3, 3, GaussianBase(0.5, 2.0))]

    def adds_up(self, objective):
        """True: a change of centre and scale is a linear map of the coefficients."""
        return True

    def family(self, moments):
        """Family bound to a table with these moments, in the units of its columns."""
        return PolynomialFamily(self, moments.mean, moments.scale)

    def obstacles(self, d):
        """One of: an odd degree, more terms than can be kept a density."""
        n = n_terms(d, self.degree, self.interaction_degree)
        if self.degree % 2:
            yield (
                f"model=Polynomial(degree={self.degree}): a polynomial of odd degree has infinite mass, so there will "
                'be scores but neither log-densities nor samples. Choose an even degree, or criterion="hyvarinen".'
            )
        elif n > MOST_TERMS:
            yield (
                f"model=Polynomial(degree={self.degree}, interaction_degree={self.interaction_degree}) has {n} terms "
                f"in {d} columns. Their moments take long, and above {MOST_TERMS} terms a fit without finite mass, "
                "which is likely, is not mended. Set interaction_degree=1, take fewer columns (PCA, in a Pipeline), "
                'or criterion="hyvarinen".'
            )


class _Parameters(NamedTuple):
    """Coefficients in u: θ over a flat base, and the base measure δ that the reported θ leaves out.

    ``is_density`` says that finite mass is proved; ``is_moved`` that θ is not the free minimum, therefore.
    """

    flat: np.ndarray
    base: np.ndarray
    is_density: bool = False
    is_moved: bool = False


class PolynomialFamily(Family):
    """Polynomials in u = (x − centre)/scale; θ holds the coefficients of all monomials but the constant."""

    translates = True

    def __init__(self, model, centre, scale):
        d = len(centre)
        self.centre, self.scale = centre, scale
        self.model = model
        self.basis = MonomialBasis(d, model.degree, model.interaction_degree)
        self.n_parameters = len(self.basis) - 1

    @cached_property
    def moment_basis(self):
        """Monomials whose means are the entries of the quadratic form."""
        model = self.model
        return MonomialBasis(len(self.centre), 2 * model.degree - 2, 2 * model.interaction_degree - 1)

    def _standardized(self, X):
        return (X - beside(X, self.centre)) / beside(X, self.scale)

    # ---- T and its derivatives, row by row -------------------------------------------------------

    def statistics(self, X):
        """Monomials of each row but the constant, shape (n, m)."""
        return self._monomials(X)[:, 1:]

    def jacobian(self, X):
        """Derivatives of the monomials, shape (n, m, d)."""
        T = self._monomials(X)
        return np.stack([T @ D[:, 1:] for D in self._scaled_derivatives], axis=-1)

    def laplacian(self, X):
        """Sum of their second derivatives, shape (n, m)."""
        return self._monomials(X) @ sum(D @ D for D in self._scaled_derivatives)[:, 1:]

    def statistics_curvature(self, X, V):
        """Their second derivatives along V, (d,) or (n, d), shape (n, m)."""
        T, scaled = self._monomials(X), self._scaled_derivatives
        V = np.broadcast_to(V, X.shape).T[..., None]
        return sum(
            v * w * (T @ (D @ E)[:, 1:]) for v, D in zip(V, scaled, strict=True) for w, E in zip(V, scaled, strict=True)
        )

    def _monomials(self, X):
        return self.basis.evaluate(np.eye(len(self.basis)), self._standardized(X))

    @property
    def _scaled_derivatives(self):
        """∂/∂x_j as matrices on coefficients in u."""
        return [D / s for D, s in zip(self.basis.derivatives, self.scale, strict=True)]

    # ---- from rows to θ --------------------------------------------------------------------------

    closed_forms = {
        Implicit: "implicit_form",
        Sliced: "implicit_form",  # its frame is complete: no moment depends on it
        Explicit: "explicit_form",
        Denoising: "denoising_form",
    }

    def implicit_form(self, X, Y, weight, objective):
        """Quadratic form by the moments of the rows."""
        return self._form_of_moments(*self._moments(X, weight))

    def denoising_form(self, X, Y, weight, objective):
        """Quadratic form by the moments of the noisy rows."""
        return self._form_of_noisy_moments(*self._moments(X, weight), objective.sigma)

    def explicit_form(self, X, Y, weight, objective):
        """Quadratic form by the moments of the rows, and those of their products with the scores Y."""
        values, n = self._moments(X, weight)
        weight, linear = np.ones(len(X)) if weight is None else weight, np.zeros(len(self.basis))
        for rows in row_blocks(len(X), 8 * X.shape[1]):
            linear += self._explicit_linear(self._standardized(X[rows]), weight[rows, None] * Y[rows])
        return QuadraticForm(self._gram(values), linear[1:] / n, 0.5 * (weight @ (Y * Y).sum(axis=1)) / n, n)

    def assemble_ladder(self, X, weight, levels):
        size = 8 * len(levels) * self.n_parameters**2
        if size > MOST_BYTES:
            raise ValueError(
                f"model={self.model!r} has {self.n_parameters} terms in {len(self.centre)} columns, of which the forms "
                f"of {len(levels)} noise levels take {size / 1e9:.0f} GB. Set interaction_degree=1 or a lower degree, "
                "take fewer columns (PCA, in a Pipeline), or fewer n_levels."
            )
        values, n = self._moments(X, weight)  # once: noise of any level is a heat flow on them
        return [self._form_of_noisy_moments(values, n, sigma) for sigma in levels]

    def _moments(self, X, weight) -> tuple[np.ndarray, float]:
        """Means of all monomials of the rows that a form asks for, and the total weight."""
        sums = self._sums if is_numpy(X) else self._sums_by_products
        values = sums(X, weight)
        return values / values[0], values[0]

    def _sums(self, X, weight):
        weight, values = np.ones(len(X)) if weight is None else weight, np.zeros(len(self.moment_basis))
        for rows in row_blocks(len(X), 8 * X.shape[1]):
            values += self.moment_basis.moments(self._standardized(X[rows]), weight[rows])
        return values

    def _sums_by_products(self, X, weight):
        return moments_by_products(self.moment_basis, X, weight, self.centre, self.scale)

    def rebound(self, moments):
        family = copy(self)  # the bases are shared
        family.centre, family.scale = moments.mean, moments.scale
        return family

    def translate(self, form, source):
        """In u = (s/r) v + (a − b)/r, a polynomial in u is one in v with the coefficients B θ, and Γ becomes BᵀΓB."""
        centre, scale = (self.centre - source.centre) / source.scale, self.scale / source.scale
        B = self.basis.change_of_origin(centre, scale)[1:, 1:]
        return QuadraticForm(B.T @ form.Gamma @ B, form.g @ B, form.c, form.n)

    def _explicit_linear(self, U, weighted_scores):
        """Σ_rows Σ_j ∂_j T y_j, over the whole basis."""
        return sum(
            D.T @ self.basis.moments(U, y) / s
            for D, y, s in zip(self.basis.derivatives, weighted_scores.T, self.scale, strict=True)
        )

    def _form_of_noisy_moments(self, values, n, sigma) -> QuadraticForm:
        """The implicit form of the noisy rows (Vincent, 2011)."""
        smoothed = self.moment_basis.smoothed_moments(values, sigma, self.scale)
        return self._form_of_moments(smoothed, n, 0.5 * len(self.centre) / sigma**2)

    def _form_of_moments(self, values, n, constant=0.0) -> QuadraticForm:
        low = values[self.moment_basis.index(self._low_exponents)]
        padded = np.concatenate([low, np.zeros(len(self.basis) - len(low))])
        linear = -sum(D.T @ (D.T @ padded) / s**2 for D, s in zip(self.basis.derivatives, self.scale, strict=True))
        return QuadraticForm(self._gram(values), linear[1:], constant, n)

    @property
    def _low_exponents(self):
        """Exponents of the basis that a second derivative can reach."""
        return self.basis.exponents[self.basis.exponents.sum(axis=1) <= self.basis.degree - 2]

    def _gram(self, values):
        """Γ, column by column of the table: only monomials that contain the column have a derivative there."""
        exponents = self.basis.exponents[1:]
        Gamma = np.zeros((len(exponents), len(exponents)))
        for i, s in enumerate(self.scale):
            active = np.flatnonzero(exponents[:, i])
            gamma = exponents[active].copy()
            gamma[:, i] -= 1
            products = values[self.moment_basis.index(gamma[:, None, :] + gamma[None, :, :])]
            powers = exponents[active, i]
            Gamma[np.ix_(active, active)] += np.outer(powers, powers) * products / s**2
        return Gamma

    def solve(self, statistics, objective, alpha):
        delta = self.base_coefficients(statistics.moments.leading(len(self.centre)))
        B = self.change_of_origin if alpha > 0.0 else None
        flat = solve_ridge(statistics.form, alpha, B, delta)
        return flat._replace(theta=_Parameters(flat.theta, delta))

    def as_density(self, estimate, statistics, objective, alpha):
        """The estimate if it is proved to be a density of its rows, or the nearest that is.

        Known scores need not be those of the law of the rows, and a large model would take too long: both stay.
        """
        if isinstance(objective, Explicit) or self.basis.degree % 2 or self.n_parameters > MOST_TERMS:
            return estimate
        form, theta = statistics.form, estimate.theta
        A = form.Gamma + alpha * self.ridge_matrix() if alpha > 0.0 else form.Gamma
        free = estimate._replace(theta=theta.flat)
        found = bounded(self.basis, self.model.interaction_degree, free, A, self._means(form))
        return found._replace(theta=_Parameters(found.theta, theta.base, True, found is not free))

    def _means(self, form):
        """Means of all monomials but the constant over the rows of a form."""
        unit = np.eye(len(self.scale), dtype=np.int64)
        linear, squares = self.basis.index(unit) - 1, self.basis.index(2 * unit) - 1
        weighted = form.Gamma[:, squares] / form.Gamma[linear, linear]
        return weighted.sum(axis=1) / (2 * self.basis.exponents[1:].sum(axis=1))

    @property
    def closed_under_powers(self):
        """With a base measure of the user's own, a power has another one."""
        return not isinstance(self.model.base, GaussianBase)

    def power(self, theta, exponent):
        """A power multiplies all coefficients."""
        return theta._replace(flat=exponent * theta.flat, base=exponent * theta.base)

    def objective_value(self, theta, statistics, objective):
        return float(statistics.form.value(theta.flat))

    def base_coefficients(self, moments):
        """δ, the base measure as a polynomial in u without its constant."""
        base = resolve_base(self.model.base, moments)
        loc, scale = (np.broadcast_to(np.asarray(v, float), self.centre.shape) for v in (base.loc, base.scale))
        delta = np.zeros(len(self.basis))
        unit = np.eye(len(self.centre), dtype=np.int64)
        delta[self.basis.index(unit)] = (loc - self.centre) * self.scale / scale**2
        delta[self.basis.index(2 * unit)] = -0.5 * (self.scale / scale) ** 2
        return delta[1:]

    def natural(self, theta, statistics, objective):
        """The coefficients over a flat base."""
        return super().natural(theta.flat, statistics, objective)

    def ridge_matrix(self):
        """BᵀB, as the ridge is one of coefficients in x."""
        B = self.change_of_origin
        return B.T @ B

    def report_matrix(self):
        """B; the base measure, which the reported coefficients leave out, counts as known."""
        return self.change_of_origin

    @property
    def change_of_origin(self):
        """B, from coefficients in u to coefficients in x, both without the constant."""
        with np.errstate(all="ignore"):
            B = self.basis.change_of_origin(self.centre, self.scale)[1:, 1:]
        if not np.isfinite(B).all():
            raise ValueError(
                f"X has columns of means {self.centre} and standard deviations {self.scale}, whose powers of degree "
                f"{self.basis.degree} overflow or vanish, and with them the coefficients. Standardise the columns."
            )
        return B

    # ---- the density at θ ------------------------------------------------------------------------

    def evaluator(self, X):
        """The family itself: monomials are products of columns, in any array library."""
        return self

    def _coefficients(self, theta):
        return np.concatenate([[0.0], theta.flat])

    def log_density(self, theta, X):
        return self.basis.evaluate(self._coefficients(theta)[None], self._standardized(X))[:, 0]

    def score(self, theta, X):
        c = self._coefficients(theta)
        slopes = np.stack([D @ c / s for D, s in zip(self.basis.derivatives, self.scale, strict=True)])
        return self.basis.evaluate(slopes, self._standardized(X))

    def divergence(self, theta, X):
        c = self.basis.laplacian(self._coefficients(theta)[None], self.scale)
        return self.basis.evaluate(c, self._standardized(X))[:, 0]

    def curvature(self, theta, X, V):
        c, scaled = self._coefficients(theta), self._scaled_derivatives
        if V.ndim == 1:
            along = sum(v * D for v, D in zip(to_numpy(V), scaled, strict=True))
            return self.basis.evaluate((along @ (along @ c))[None], self._standardized(X))[:, 0]
        j, k = np.triu_indices(len(self.centre))
        second = np.stack([(1.0 if a == b else 2.0) * scaled[a] @ (scaled[b] @ c) for a, b in zip(j, k, strict=True)])
        xp, _ = get_namespace(X)
        pairs = xp.take(V, beside(X, j), axis=1) * xp.take(V, beside(X, k), axis=1)
        return xp.sum(self.basis.evaluate(second, self._standardized(X)) * pairs, axis=1)

    def log_normalizer_offset(self, theta):
        """Minus the polynomial at x = 0: the reported polynomial has no constant there."""
        return -float(self.log_density(theta, np.zeros((1, len(self.centre))))[0])

    def infinite_mass(self, theta):
        return None if theta.is_density else no_density_reason(self.basis, self._coefficients(theta))

    def doubts_of_errors(self, theta):
        """One, if θ is not the free minimum."""
        if theta.is_moved:
            yield (
                "the free fit was no density of the rows and was moved to the nearest one, of which the standard "
                "errors take no account. A larger alpha may leave the fit free."
            )

    def attributes(self, theta):
        return {
            "theta": self.change_of_origin @ (theta.flat - theta.base),
            "exponents": self.basis.exponents[1:],
        }
