r"""The protocol of a family of densities :math:`p_\theta(x) \propto \exp(\theta^\top T(x))\, q_0(x)` on a domain.

A *model* (``Gaussian()``, ``Polynomial(degree=4)``) holds constructor parameters only. ``model.family(...)`` binds it
to a table's width and scale: a *family*, which knows T and its derivatives. Parameters θ are always an argument. What a
family must supply are four methods of T; every objective, evaluation and test follows from them. A family overrides
what it knows in closed form.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy.sparse import eye_array
from sklearn.base import BaseEstimator

from .._compat import beside, is_numpy, to_numpy
from ..domains import Reals
from ..fitting.solvers import solve_ridge
from ..formulas.moments import row_blocks
from .base import GaussianBase, resolve_base
from .objectives import Denoising, Objective, assemble

__all__ = ["Choice", "Family", "Model", "Sample"]

BLOCK_BYTES = 1 << 22


class Sample(NamedTuple):
    """Rows first fitted: X (n, d), known scores Y (n, d) or None, weights (n,) or None, and the moments of X."""

    X: Any
    Y: Any
    weight: Any
    moments: Any

    def sum(self, function):
        """``function(X, Y, weight)``, a sum over rows: partitions that share this method add up theirs."""
        return function(self.X, self.Y, self.weight)


class Choice(NamedTuple):
    """What the first rows decide: family and ridge α, what was tried (by column) if anything was, and remarks on it."""

    family: Any
    alpha: float | np.ndarray
    results: dict | None = None
    remarks: tuple[str, ...] = ()


class Model(BaseEstimator):
    """Constructor parameters of a model; a subclass binds them to a table.

    Attributes
    ----------
    counts_parameters : bool
        Whether the number of free parameters says how flexible it is, as without a penalty.
    fits_beside_rows : bool
        Whether what it fits to rows of other array libraries lies beside them, too; otherwise solving takes numpy.
    """

    counts_parameters = True
    fits_beside_rows = False

    @property
    def is_gaussian(self):
        """Whether its densities are Gaussians on R^d, with a mean and a covariance."""
        return False

    @property
    def sums_beside_rows(self):
        """Whether rows of other array libraries than numpy are summed up where they lie."""
        return self.fits_beside_rows

    @classmethod
    def examples(cls):
        """Instances that tests fit to forty rows of three positive columns: enough to reach every branch."""
        return [cls()]

    def adds_up(self, objective):
        """Whether statistics of rows add up whatever the first rows decided: moments alone, or forms that translate."""
        return False

    def cheapest_objective(self, d):
        """Name of the objective that reaches a given accuracy soonest at d columns."""
        return "implicit"

    def without_noise(self):
        """The model for rows to which noise is added: it adds none of its own."""
        return self

    def obstacles(self, d):
        """What keeps any table of d columns from a density, in sentences, as far as it is known before the work."""
        return ()

    def family(self, moments):
        """Family bound to a table.

        Parameters
        ----------
        moments : Moments
            Of the rows first fitted.

        Returns
        -------
        Family
        """
        raise NotImplementedError

    def choose(self, sample, objective, alpha, criterion):
        """Family and ridge for a table of which `sample` are the first rows.

        Parameters
        ----------
        sample : Sample
        objective : Objective
        alpha : float, "auto" or "cv"
            What the estimator was asked for.
        criterion : str
            Score of rows held out, by which the model chooses parameters of its own.

        Returns
        -------
        Choice
        """
        return Choice(self.family(sample.moments), 0.0 if alpha == "auto" else alpha)


class Family:
    """A family bound to the number of columns.

    Attributes
    ----------
    n_parameters : int
        m, set by each family.
    domain : Reals
        Its support.
    base : GaussianBase or another with its methods
        q₀.
    closed_forms : mapping of an objective's class to the name of a method
        The method ``(X, Y, weight, objective)`` gives the quadratic form in closed form, or None if the moments of the
        rows are enough. Every other objective, a subclass of one of these among them, goes row by row.
    directions : ndarray of shape (k, d) or None
        Rows v_j along which the implicit objective takes derivatives; None for the columns.
    has_exact_normalizer : bool
        Whether log Z is analytic.
    translates : bool
        Whether `translate` takes the form of a family that was bound to any other rows.
    block_rows : int or None
        Rows that are evaluated at a time; None for as many as BLOCK_BYTES hold.
    rounding : float
        Nats to which log Z can be told at best, as log-densities are rounded.
    """

    n_parameters: int
    domain: Reals = Reals()
    has_exact_normalizer = False
    base = resolve_base(None, None)
    closed_forms: ClassVar[Mapping[type[Objective], str]] = {}
    directions: np.ndarray | None = None
    block_rows: int | None = None
    rounding = 1e-10
    translates = False
    keeps_single_precision = False  # of rows

    # ==== supply these four: T and its derivatives, row by row ====================================

    def statistics(self, X):
        """T(x) of each row, shape (n, m)."""
        raise NotImplementedError

    def jacobian(self, X):
        """∂T/∂x of each row, shape (n, m, d)."""
        raise NotImplementedError

    def laplacian(self, X):
        """ΔT(x) of each row, shape (n, m)."""
        raise NotImplementedError

    def statistics_curvature(self, X, V):
        """vᵀ∇²T(x)v of each row, shape (n, m), for directions V of shape (d,) or (n, d)."""
        raise NotImplementedError

    # ==== override what the family knows in closed form ===========================================

    def infinite_mass(self, theta):
        """Why exp(θᵀT)q₀ has no finite integral, or None if nothing is known against it."""
        return None

    def log_normalizer(self, theta):
        """log Z(θ) if it is analytic, else None."""
        return None

    def log_mass_of_a_mode(self, theta):
        """Mass of exp(θᵀT)q₀ about a narrow mode that integration may miss, as its logarithm."""
        return -np.inf

    def log_normalizer_offset(self, theta):
        """What to add to log Z of ``log_density`` for the log Z that belongs to the reported natural parameters."""
        return 0.0

    def sample(self, theta, n_samples, rng):
        """`Sampled` rows (n_samples, d) of the family's own sampler, or None if it has none."""
        return None

    def attributes(self, theta):
        """Fitted attributes by name, without the trailing underscore."""
        return {"theta": theta}

    # ==== what follows, and few families override ==================================================
    # ---- the weights of the implicit objective ---------------------------------------------------

    def weights(self, X):
        """h, one for all directions (n, 1) or one of each (n, d), and its slope along each (n, d): 1 and 0 on R^d."""
        if not self.domain.has_boundary:
            return np.ones((1, 1)), np.zeros((1, 1))
        h, slope = self.domain.boundary_distance(X)
        return h[:, None], slope

    def weighted_laplacian(self, X, h):
        """Σ_j h_j v_jᵀ∇²T v_j of each row, shape (n, m)."""
        return h * self.laplacian(X)

    def functions(self, X, thetas):
        """θᵀT(x) of each row for each θ of `thetas` (k, m), shape (n, k)."""
        return self.statistics(X) @ thetas.T

    # ---- from rows to θ --------------------------------------------------------------------------

    def knows(self, objective):
        """Whether this very objective, and not one like it, has a closed form."""
        return type(objective) in self.closed_forms

    def assemble(self, X, Y, weight, objective):
        """Quadratic form of the rows, in closed form or by the derivatives of T; None if their moments are enough."""
        if not self.knows(objective):
            return assemble(self, X, Y, weight, objective)
        return getattr(self, self.closed_forms[type(objective)])(X, Y, weight, objective)

    def assemble_ladder(self, X, weight, levels):
        """Quadratic forms of the denoising objective, one for each noise level."""
        return [self.blurred(sigma).assemble(X, None, weight, Denoising(sigma)) for sigma in levels]

    def blurred(self, sigma):
        """The family of rows with noise σ: a Gaussian base measure takes on the noise, a flat one stays flat."""
        loc, scale = self.base.loc, np.asarray(self.base.scale, float)
        if np.isinf(scale).all():
            return self
        noisy = copy(self)
        noisy.base = GaussianBase(loc, np.hypot(scale, sigma))
        return noisy

    def rebound(self, moments):
        """The same family in coordinates for rows with these moments, if it has coordinates of its own."""
        return self

    def translate(self, form, source):
        """`form` of the family `source` in the parameters of this one, which differs from it by ``rebound`` alone."""
        return form

    def penalised(self, l1_ratio, symmetric):
        """The family under a penalty that is in part Σ|K_ij|, for models of interactions alone."""
        if l1_ratio > 0.0 or symmetric is not True:
            raise ValueError(
                f"l1_ratio={l1_ratio}, symmetric={symmetric!r}: only models of pairwise interactions have a sparse "
                'penalty. Set l1_ratio=0 and symmetric=True, or model="pairwise", which is Gaussian by default.'
            )
        return self

    def form(self, statistics, objective):
        """Quadratic form in θ of all rows seen."""
        return statistics.form

    def solve(self, statistics, objective, alpha):
        """`Estimate` that minimises the objective plus a ridge of strength `alpha`."""
        return solve_ridge(self.form(statistics, objective), alpha)

    def as_density(self, estimate, statistics, objective, alpha):
        """The estimate that `solve` or a path of penalties found, or a density in its place where it is none."""
        return estimate

    def doubts_of_errors(self, theta):
        """What a user should know of standard errors at θ, in sentences."""
        return ()

    def path_entry(self, theta):
        """What the path of estimates shows of θ."""
        return theta

    def objective_value(self, theta, statistics, objective):
        """Objective at θ, without penalty."""
        return float(self.form(statistics, objective).value(theta))

    @property
    def closed_under_powers(self):
        """Whether powers of its densities are of the family, up to their normaliser; `power` says which."""
        return self.has_row_gradients and self.base.is_flat

    def power(self, theta, exponent):
        """The parameters of :math:`p_θ^{exponent}`, for a family that is closed under powers."""
        return exponent * theta

    @property
    def has_row_gradients(self):
        """Whether T has its Jacobian row by row, and not only what sums of rows need."""
        return type(self).jacobian is not Family.jacobian

    def natural(self, theta, statistics, objective):
        """An estimate as a vector, with what its certainty depends on.

        Returns
        -------
        family : Family
            That takes the vector as its θ.
        theta : ndarray of shape (m,)
        Gamma : ndarray of shape (m, m)
            Γ of its objective.
        directions : sparse array of shape (m, k)
            Columns along which θ was free.
        """
        everywhere = eye_array(self.n_parameters, format="csr")
        return self, theta, self.form(statistics, objective).Gamma, everywhere

    def n_free(self, theta):
        """Number of parameters that were free at an estimate."""
        return self.n_parameters

    def ridge_matrix(self):
        """R of the ridge ½θᵀRθ, shape (m, m)."""
        return np.eye(self.n_parameters)

    def report_matrix(self):
        """A, if the reported parameters are Aθ; None if they are θ."""
        return None

    def row_gradients(self, theta, X, Y, objective):
        """ψ = Γθ − g of each row's own form, shape (n, m)."""

        def gradient(D, linear):
            return np.einsum("nmk,nk->nm", D, np.einsum("nmk,m->nk", D, theta)) + linear

        parts = [gradient(D, linear) for D, linear, _ in objective.rows(self, X, Y)]
        return sum(parts) / len(parts)

    # ---- the density at θ ------------------------------------------------------------------------

    def evaluator(self, X):
        """What evaluates the density at rows of the array library of X: the family, or one that moves rows to numpy."""
        return self if is_numpy(X) else EvaluatedInNumpy(self)

    def _blockwise(self, function, *tables):
        """Rows of `function` over blocks of the tables, so that no array of n × m × d entries is formed."""
        n, d = tables[0].shape
        block_rows = self.block_rows or BLOCK_BYTES // (8 * self.n_parameters * (d + 1))
        parts = [function(*(table[rows] for table in tables)) for rows in row_blocks(n, 1, block_rows)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def log_density(self, theta, X):
        """log q₀ + θᵀT of each row, up to the constant log Z; −inf outside the domain."""
        inside = self.domain.contains(X)
        value = np.full(len(X), -np.inf)
        if inside.any():
            value[inside] = self._blockwise(lambda B: self.statistics(B) @ theta + self.base.log_density(B), X[inside])
        return value

    def score(self, theta, X):
        """∇ₓ log p of each row, shape (n, d)."""
        return self._blockwise(lambda B: np.einsum("nmd,m->nd", self.jacobian(B), theta) + self.base.score(B), X)

    def proposal_score(self, theta, X):
        """∇ log p of each row, shape (n, d), as precisely as a proposal of a Markov chain needs it."""
        return self.score(theta, X)

    def divergence(self, theta, X):
        """Δ log p of each row, shape (n,)."""
        return self._blockwise(lambda B: self.laplacian(B) @ theta + self.base.divergence(B), X)

    def curvature(self, theta, X, V):
        """vᵀ ∇² log p(x) v of each row, shape (n,)."""
        return self.statistics_curvature(X, V) @ theta + self.base.curvature(X, V)

    def traced_curvature(self, theta, X, A):
        """Σ_j aⱼᵀ ∇² log p(x) aⱼ over the rows aⱼ of A, shape (n,): the Laplacian in coordinates z with x = zA."""
        return sum(self.curvature(theta, X, a) for a in A)


class EvaluatedInNumpy:
    """A family at rows of another array library, which are moved to numpy, and the values back beside them.

    Parameters
    ----------
    family : Family
    """

    def __init__(self, family):
        self.family = family

    def log_density(self, theta, X):
        """log q₀ + θᵀT of each row, shape (n,)."""
        return beside(X, self.family.log_density(theta, to_numpy(X)))

    def score(self, theta, X):
        """∇ₓ log p of each row, shape (n, d)."""
        return beside(X, self.family.score(theta, to_numpy(X)))

    def divergence(self, theta, X):
        """Δ log p of each row, shape (n,)."""
        return beside(X, self.family.divergence(theta, to_numpy(X)))

    def curvature(self, theta, X, V):
        """vᵀ ∇² log p(x) v of each row, shape (n,)."""
        return beside(X, self.family.curvature(theta, to_numpy(X), to_numpy(V)))
