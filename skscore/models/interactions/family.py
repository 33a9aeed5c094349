r"""The family behind pairwise interaction models: from rows to (K, η), and the density there.

With the powers :math:`A = x^a`, their slopes :math:`S = x^{a-1}` and curvatures :math:`C = (a - 1)x^{a-2}`, and R, Q
likewise those of :math:`x^b`,

.. math:: s = \eta \circ R - S \circ (KA), \qquad
          \partial_js_j = \eta_jQ_j - C_j(KA)_j - aK_{jj}S_j^2 .

θ holds the upper triangle of K, row by row, then η. Where a = b the family works in :math:`y = x^a - c`, with c near
the mean, and θ holds :math:`\eta - Kc`: columns far from zero keep their digits.
"""

from __future__ import annotations

from copy import copy
from functools import reduce
from operator import add

import numpy as np
from scipy.sparse import eye_array

from ...domains import Normalised, Tanh
from ...domains.weights import resolve
from ...fitting.solvers import Estimate
from ...formulas import score_losses
from ...formulas.moments import row_blocks
from ...formulas.quadratic import QuadraticForm
from ...samplers.gibbs import draw_truncated_gaussian
from ...samplers.truncated_gaussians import gaussian_on
from ..affine_score import AffineScore
from ..family import Family
from ..objectives import Implicit
from .form import default_multiplier, interaction_form, multiplied, powers, profile, profiled, row_form
from .recession import infinite_mass_reason
from .shrinkage import shrunk
from .sparse import SparseObjective

__all__ = ["PairwiseFamily"]

BLOCK_BYTES = 1 << 20  # of rows whose weights are found together
MAX_BLOCK_BYTES = 1 << 30  # of the blocks of a form, beyond which the rows are kept in their place


class PairwiseFamily(Family):
    """The family for tables of p columns.

    Attributes
    ----------
    l1_ratio : float
        Share of the penalty that is Σ|K_ij|.
    symmetric : {True, "and", "or"}
        Whether K is one symmetric unknown, or its columns are estimated each by itself.
    graph : ndarray of bool of shape (p, p) or None
        Pairs that may differ from zero; None for all.
    n_interactions : int
        Entries of the upper triangle of K, which come first in θ.
    position : ndarray of shape (p, p) or (p, p + 1)
        Where θ holds (K_j, η_j), in row j.
    centre : ndarray of shape (p,)
        c.
    start : ndarray of shape (p,)
        A point of the domain near the mean of the rows, at which chains begin.
    """

    closed_forms = {Implicit: "implicit_form"}
    l1_ratio, symmetric, graph = 0.0, True, None

    def __init__(self, model, moments):
        self.a, self.b, self.centered = model.a, model.b, model.centered
        self.domain = model.domain.around(moments.mean)
        self.start = self.domain.within(self.domain.project(moments.mean[None, :]))[0]
        by_default = "adaptive" if model.weight is None else 1.0
        self.diagonal_multiplier = by_default if model.diagonal_multiplier is None else model.diagonal_multiplier
        self.projection = model.projection
        self.linear_penalty = model.linear_penalty
        self.p = p = len(moments.mean)
        self.centre = self._centre()
        self.weight = self._weight(model, moments)
        self.pairs = np.triu_indices(p)
        self.n_interactions = len(self.pairs[0])
        self.position = np.empty((p, p if self.centered else p + 1), dtype=int)
        self.position[self.pairs] = self.position[self.pairs[::-1]] = np.arange(self.n_interactions)
        self.position[:, p:] = self.n_interactions + np.arange(p)[:, None]
        self.n_parameters = self.position.max() + 1

    def _centre(self):
        """Centre of x^a; 0 unless a shift of x^a changes η alone and η is not penalised."""
        if self.centered or self.a != self.b or self.linear_penalty > 0.0:
            return np.zeros(self.p)
        return powers(self.start[None, :], self.a).value[0]

    # ---- the weight ------------------------------------------------------------------------------

    def _weight(self, model, moments):
        """h, or None if it is 1; by default it saturates, since rows far from the boundary tell most of K."""
        if model.weight is not None:
            return resolve(model.weight)
        return Normalised(Tanh(0.5 / moments.scale)) if self.domain.has_boundary else None

    def with_weight_fitted(self, X, sample_weight):
        """The family with caps at quantiles of the rows, and means over them."""
        if self.weight is None:
            return self
        fitted, distance = copy(self), np.empty(X.shape)
        for rows in row_blocks(len(X), 8 * self.p, BLOCK_BYTES):
            distance[rows] = self.domain.coordinate_distance(X[rows])[0]
        fitted.weight = self.weight.fitted(distance, sample_weight)
        if np.isinf(distance).any() and not np.isfinite(fitted.weight.value_and_slope(distance)[0]).all():
            raise ValueError(
                f"weight={self.weight!r} is infinite in columns that {self.domain} leaves unbounded. Cap it: "
                "Capped(weight, quantile=0.9)."
            )
        return fitted

    def weights(self, X):
        """h_j of each row and its derivative in x_j, both of shape (n, p)."""
        if self.weight is None:
            return np.ones_like(X), np.zeros_like(X)
        distance, slope = self.domain.coordinate_distance(X)
        h, h_slope = self.weight.value_and_slope(distance)
        return h, h_slope * slope

    def weighted_laplacian(self, X, h):
        """Σ_j h_j v_jᵀ∇²T v_j of each row, shape (n, m)."""
        V = np.eye(self.p) if self.directions is None else self.directions
        return sum(h[:, [j]] * self.statistics_curvature(X, v) for j, v in enumerate(V))

    def hyvarinen_score(self, theta, X, scale=1.0):
        """Generalised score matching at each row, shape (n,), with columns measured in units of `scale`."""
        h, h_slope = self.weights(X)
        square = np.square(scale)
        return score_losses.coordinatewise(*self._score_and_slope(theta, X), square * h, square * h_slope)

    def _score_and_slope(self, theta, X) -> tuple[np.ndarray, np.ndarray]:
        """s_j and ∂_j s_j, both of shape (n, p)."""
        return self.score(theta, X), self.slopes(theta, X)

    # ---- T and its derivatives -------------------------------------------------------------------

    def _scales(self):
        """1/a and 1/b, 1 for a logarithm."""
        return 1.0 / (self.a or 1.0), 1.0 / (self.b or 1.0)

    def powers_of(self, X):
        """Powers of x^a, from their centre, and of x^b."""
        A = powers(X, self.a, self.centre)
        return A, A if self.a == self.b else powers(X, self.b, float(self.b > 0.0))

    def _with_linear(self, interactions, linear):
        """Summary of the pairs, then of the columns unless η = 0."""
        return interactions if self.centered else np.concatenate([interactions, linear], axis=1)

    def statistics(self, X):
        """Products of pairs, then powers: shape (n, m)."""
        (A, B), (i, j), (per_a, per_b) = self.powers_of(X), self.pairs, self._scales()
        shares = per_a * np.where(i == j, 0.5, 1.0)
        return self._with_linear(-shares * A.value[:, i] * A.value[:, j], per_b * B.value)

    def jacobian(self, X):
        """Derivatives of the statistics, shape (n, m, p)."""
        (A, B), (i, j) = self.powers_of(X), self.pairs
        D, columns, entries = np.zeros((len(X), self.n_parameters, self.p)), np.arange(self.p), np.arange(len(i))
        D[:, entries, i] = -A.slope[:, i] * A.value[:, j]
        D[:, entries, j] = -A.slope[:, j] * A.value[:, i]
        if not self.centered:
            D[:, self.n_interactions + columns, columns] = B.slope
        return D

    def laplacian(self, X):
        """Sum of their second derivatives, shape (n, m)."""
        return sum(self.statistics_curvature(X, e) for e in np.eye(self.p))

    def statistics_curvature(self, X, V):
        """Their second derivatives along V, shape (n, m)."""
        (A, B), (i, j), a = self.powers_of(X), self.pairs, self.a or 1.0
        along, bend = V * A.slope, V**2 * A.curvature
        bent = bend[:, i] * A.value[:, j] + np.where(i == j, 0.0, bend[:, j] * A.value[:, i])
        mixed = a * np.where(i == j, 1.0, 2.0) * along[:, i] * along[:, j]
        return self._with_linear(-bent - mixed, V**2 * B.curvature)

    # ---- from rows to θ --------------------------------------------------------------------------

    def implicit_form(self, X, Y, weight, objective):
        """Blocks of (K_j, η_j), one for each column; a form by rows is one in θ."""
        if 8 * self.p * self.position.shape[1] ** 2 > MAX_BLOCK_BYTES:
            return self._form_of_rows(row_form, X, weight)
        blocks = row_blocks(len(X), 8 * self.p, BLOCK_BYTES)
        shares = ((X[rows], None if weight is None else weight[rows]) for rows in blocks)
        return reduce(add, (self._form_of_rows(interaction_form, *share) for share in shares))

    def _form_of_rows(self, assembled, X, weight):
        h, h_slope = self.weights(X)
        return assembled(X, weight, self.a, self.b, h, h_slope, centered=self.centered, centre=self.centre)

    def form(self, statistics, objective):
        """Form in θ, gathered from the blocks."""
        blocks = self.blocks(statistics, objective)
        if blocks.g.ndim == 1:
            return blocks
        m = self.n_parameters
        Gamma, g = np.zeros((m, m)), np.zeros(m)
        for j, indices in enumerate(self.position):
            Gamma[np.ix_(indices, indices)] += blocks.Gamma if blocks.Gamma.ndim == 2 else blocks.Gamma[j]
            g[indices] += blocks.g[j]
        return QuadraticForm(Gamma, g, blocks.c, blocks.n)

    def blocks(self, statistics, objective):
        """Form with a block for each column of K if the objective has one, else in θ."""
        return statistics.form

    def interactions_form(self, form):
        """`form`, in blocks or in θ, with the multiplier: of the interactions at the best η, unless that is shrunk."""
        q = self.p if form.g.ndim == 2 else self.n_interactions
        reduced = form if self.centered or self.shrinks_linear else profiled(form, q)
        if self.diagonal_multiplier == "adaptive":
            return shrunk(reduced) if self.l1_ratio > 0.0 and reduced.g.shape == (self.p, self.p) else reduced
        is_auto = self.diagonal_multiplier == "auto"
        return multiplied(reduced, default_multiplier(form.n, self.p) if is_auto else self.diagonal_multiplier, q)

    @property
    def shrinks_linear(self):
        """Whether η is under an l1 penalty."""
        return not self.centered and self.linear_penalty * self.l1_ratio > 0.0

    def with_linear_part(self, form, interactions):
        """Interactions with the best η behind them: blocks (p, p) of columns, or the upper triangle of K."""
        return interactions if self.centered else np.concatenate([interactions, profile(form, interactions)], axis=-1)

    def unknowns(self, size):
        """Which of the first `size` entries of θ are estimated, (u,), and the matrix (size, u) that gives all."""
        return np.arange(size), eye_array(size, format="csc")

    def solve(self, statistics, objective, alpha):
        """θ at the least objective and penalty on the entries of K; η has none."""
        fit = self.fit_interactions(statistics, objective, alpha)
        return Estimate(fit.theta, fit.remarks)

    def fit_interactions(self, statistics, objective, alpha):
        """The SparseFit under the penalty, or on the graph without one."""
        sparse = SparseObjective(self, self.blocks(statistics, objective))
        return next(sparse.path([alpha])) if self.graph is None else sparse.on_graph(self.graph)

    def path_entry(self, theta):
        """K."""
        return self.unpack(theta)[0]

    def penalised(self, l1_ratio, symmetric):
        """The family under a penalty that is in part Σ|K_ij|, or with columns of K estimated each by itself."""
        other = copy(self)
        other.l1_ratio, other.symmetric = l1_ratio, symmetric
        return other

    def on_graph(self, edges):
        """The family whose only pairs are `edges` (p, p), and which has no penalty."""
        other = copy(self)
        other.graph = edges
        return other

    def without_multiplier(self):
        """The family with the diagonal multiplier 1, and η free of a penalty."""
        other = copy(self)
        other.diagonal_multiplier, other.linear_penalty = 1.0, 0.0
        return other

    def natural(self, theta, statistics, objective):
        """θ, free in η and what an l1 penalty or a graph left of K."""
        return self, theta, self.form(statistics, objective).Gamma, self._free(theta)

    def _free(self, theta):
        """Directions in which θ was free, in columns."""
        indices, directions = self.unknowns(len(theta))
        if self.l1_ratio == 0.0 and self.graph is None:
            return directions
        free = (theta[indices] != 0.0) | ((indices >= self.n_interactions) & (not self.shrinks_linear))
        return directions[:, np.flatnonzero(free)]

    def n_free(self, theta):
        """Number of parameters that a penalty or a graph left free."""
        return self._free(theta).shape[1]

    def ridge_matrix(self):
        """1 for the diagonal of K, 2 for a pair, none for η."""
        weights = np.zeros(self.n_parameters)
        weights[: self.n_interactions] = np.where(self.pairs[0] == self.pairs[1], 1.0, 2.0)
        return np.diag(weights)

    def report_matrix(self):
        """η is reported as the model states it, η + Kc."""
        A = np.eye(self.n_parameters)
        if not self.centered:
            (i, j), n = self.pairs, self.n_interactions
            np.add.at(A, (n + i, np.arange(n)), self.centre[j])
            np.add.at(A, (n + j, np.arange(n)), np.where(i == j, 0.0, self.centre[i]))
        return A

    def pair_weights(self):
        """Weights of |K_ij| in an l1 penalty, shape (p, p)."""
        return np.ones((self.p, self.p))

    def linear_weights(self):
        """Weights of |η_j|, shape (p,)."""
        return np.full(self.p, self.linear_penalty)

    def objective_value(self, theta, statistics, objective):
        """Objective at θ, without penalty and multiplier."""
        form = self.blocks(statistics, objective)
        return float(form.value(theta if form.g.ndim == 1 else theta[self.position]))

    # ---- the density at θ ------------------------------------------------------------------------

    def unpack(self, theta):
        """K, and η in the coordinates of the family."""
        K = theta[self.position[:, : self.p]]
        return K, np.zeros(self.p) if self.centered else theta[self.n_interactions :]

    def log_density(self, theta, X):
        """log p of each row up to a constant, shape (n,); −inf outside the domain."""
        value, inside = np.full(len(X), -np.inf), self.domain.contains(X)
        (K, eta), (A, B), (per_a, per_b) = self.unpack(theta), self.powers_of(X[inside]), self._scales()
        value[inside] = -0.5 * per_a * ((A.value @ K) * A.value).sum(axis=1) + per_b * (B.value @ eta)
        return value

    def score(self, theta, X):
        """Score s of each row, shape (n, p)."""
        (K, eta), (A, B) = self.unpack(theta), self.powers_of(X)
        return eta * B.slope - A.slope * (A.value @ K)

    def slopes(self, theta, X):
        """∂_j s_j of each row, shape (n, p)."""
        (K, eta), (A, B) = self.unpack(theta), self.powers_of(X)
        return eta * B.curvature - A.curvature * (A.value @ K) - (self.a or 1.0) * np.diag(K) * A.slope**2

    def divergence(self, theta, X):
        """∇·s of each row, shape (n,)."""
        return self.slopes(theta, X).sum(axis=1)

    def curvature(self, theta, X, V):
        """vᵀ∇s v of each row, shape (n,)."""
        (K, eta), (A, B) = self.unpack(theta), self.powers_of(X)
        along = V * A.slope
        bend = V**2 * (eta * B.curvature - A.curvature * (A.value @ K))
        return bend.sum(axis=1) - (self.a or 1.0) * ((along @ K) * along).sum(axis=1)

    def linear(self, theta):
        """η as the model states it."""
        K, eta = self.unpack(theta)
        return eta + K @ self.centre

    def log_normalizer_offset(self, theta):
        """What the constants of the model add to log Z if the family works in x^a − c."""
        if self.a != self.b or self.centered:
            return 0.0
        (per_a, per_b), (K, _), c = self._scales(), self.unpack(theta), self.centre
        return float(per_b * self.linear(theta) @ (c - float(self.b > 0.0)) - 0.5 * per_a * c @ K @ c)

    def infinite_mass(self, theta):
        """Why the density has no finite mass, or None if nothing is known against it."""
        K, _ = self.unpack(theta)
        return infinite_mass_reason(K, self.linear(theta), self.a, self.b, self.domain)

    def sample(self, theta, n_samples, rng):
        """Draws of truncated Gaussians, coordinate by coordinate, shape (n_samples, p); None for other densities."""
        K, eta = self.unpack(theta)
        gaussian = gaussian_on(self.domain, K, eta, self.centre) if self.a == self.b == 1.0 else None
        if gaussian is None or not (np.diag(K) > 0.0).all():
            return None
        drawn = draw_truncated_gaussian(gaussian, self.start - self.centre, n_samples, rng)
        return drawn._replace(rows=self.domain.within(drawn.rows + self.centre))

    def attributes(self, theta):
        """Fitted attributes; precision and location if a = b = 1, and the covariance on R^d."""
        K, _ = self.unpack(theta)
        named = {"theta": self._reported(theta), "interaction": K, "linear": self.linear(theta)}
        if self.a == self.b == 1.0:
            affine, bounded = self._affine(theta), self.domain.has_boundary
            named |= {"precision": K, "location": affine.location()} if bounded else affine.attributes()
        return named

    def _affine(self, theta):
        """The score of a = b = 1."""
        K, eta = self.unpack(theta)
        return AffineScore(self.centre, eta, K)

    def _reported(self, theta):
        return theta if self.centered else np.concatenate([theta[: self.n_interactions], self.linear(theta)])
