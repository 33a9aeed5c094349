r"""Interactions under an l1 penalty: from a family's quadratic form to its K, at one penalty or along a path.

.. math:: J(\theta) + \alpha\Bigl[\rho\sum_{i \ne j}|K_{ij}| + \tfrac{1-\rho}2\sum_{ij}K_{ij}^2\Bigr],

with J at its best η and ρ the ``l1_ratio``. Where J has a block for each column the solver of ``fitting.interactions``
takes the blocks; if all of K is in one form (the simplex) it is one column of length p(p + 1)/2, in which a pair
counts twice. A penalty on η, :math:`\alpha\rho\,\tau\sum_j|\eta_j|`, leaves it among the unknowns.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from ...fitting import interactions
from ...fitting.interaction_problem import InteractionProblem
from ...fitting.solvers import UnboundedObjectiveError
from ...fitting.unpenalised import solve_unpenalised
from ...formulas.quadratic import QuadraticForm

__all__ = ["SparseFit", "SparseObjective"]


class SparseFit(NamedTuple):
    """θ of a family, the columns of K as they were estimated, which pairs are edges, (p, p), and what to know of it."""

    theta: np.ndarray
    columns: np.ndarray
    edges: np.ndarray
    gap: float
    remarks: tuple[str, ...]


class SparseObjective:
    """J of a form at its best η, which is formed once for all penalties.

    Parameters
    ----------
    family : PairwiseFamily
        With its ``l1_ratio`` and ``symmetric``.
    form : QuadraticForm or RowForm
        In blocks or in θ.
    """

    def __init__(self, family, form):
        if form.g.ndim == 1 and family.symmetric is not True:
            raise ValueError(
                f"symmetric={family.symmetric!r}: columns of K are problems of their own for the implicit objective, "
                "and not on the simplex, whose parts share their slopes. Set symmetric=True."
            )
        self.family, self.form = family, form
        self.reduced = family.interactions_form(form)

    @property
    def without_multiplier(self):
        """The same with the diagonal multiplier 1, and η free of a penalty."""
        is_plain = self.family.diagonal_multiplier == 1.0 and not self.family.shrinks_linear
        return self if is_plain else self._plain

    @cached_property
    def _plain(self):
        return SparseObjective(self.family.without_multiplier(), self.form)

    def problem(self, alpha):
        """The problem at the ridge α(1 − ρ), but for the l1 penalty."""
        ridge = alpha * (1.0 - self.family.l1_ratio)
        return self._with_ridge(ridge) if ridge > 0.0 else self._without_ridge

    @cached_property
    def _without_ridge(self):
        return self._with_ridge(0.0)

    def _with_ridge(self, ridge):
        reduced, family, weights = self.reduced, self.family, _pair_weights(self.family)
        if reduced.g.ndim == 2:
            weights = np.column_stack([weights, family.linear_weights()])[:, : reduced.g.shape[1]]
            return InteractionProblem(reduced, ridge=ridge, symmetric=family.symmetric is True, weights=weights)
        (i, j), (indices, E) = family.pairs, self._unknowns
        count = np.where(i == j, 1.0, 2.0)
        ridges = np.zeros(len(reduced.g))
        ridges[: len(count)] = ridge * count
        Gamma = E.T @ (reduced.Gamma + np.diag(ridges)) @ E
        form = QuadraticForm(Gamma[None], (reduced.g @ E)[None], reduced.c, reduced.n)
        weights = np.concatenate([count * weights[i, j], family.linear_weights()])
        return InteractionProblem(form, symmetric=False, weights=weights[indices][None])

    @cached_property
    def _unknowns(self):
        return self.family.unknowns(len(self.reduced.g))

    def value(self, theta, alpha):
        """Objective with its multiplier and penalty at θ: what is minimised."""
        is_flat = self.reduced.g.ndim == 1
        columns = (
            theta[self._unknowns[0]][None] if is_flat else theta[self.family.position[:, : self.reduced.g.shape[1]]]
        )
        problem = self.problem(alpha)
        return problem.value(columns, problem.gradient(columns), alpha * self.family.l1_ratio) + self.reduced.c

    def greatest_alpha(self):
        """Smallest α at which all penalised parameters are zero: the edges, and η if it is penalised (ρ > 0)."""
        rho = self.family.l1_ratio
        high = interactions.lambda_max(self.problem(0.0)) / rho
        if rho == 1.0 or high == 0.0:
            return high

        def excess(alpha):  # the ridge grows with α, and changes the penalty that is needed
            return interactions.lambda_max(self.problem(alpha)) - rho * alpha

        while excess(high) > 0.0:
            high *= 2.0
        low = 0.5 * high
        while excess(low) <= 0.0:
            low, high = 0.5 * low, low
        return brentq(excess, low, high, xtol=1e-14 * high)

    def path(self, alphas, accuracy=interactions.ACCURACY):
        """Yield the `SparseFit` of each α, best in descending order, each from the one before."""
        known: list[tuple[float, interactions.Interactions]] = []
        for alpha in alphas:
            lam, problem = alpha * self.family.l1_ratio, self.problem(alpha)
            if lam > 0.0:
                _refuse_flat_diagonals(problem)
            fit = interactions.solve(problem, lam, known, accuracy) if lam > 0.0 else solve_unpenalised(problem)
            known = [*known[-1:], (lam, fit)]
            yield self._unpacked(fit)

    def on_graph(self, edges):
        """The `SparseFit` of least objective on a graph, without multiplier or penalty."""
        plain, support = self.without_multiplier, edges | np.eye(self.family.p, dtype=bool)
        support = support if plain.reduced.g.ndim == 2 else support[self.family.pairs][plain._unknowns[0]][None]
        return plain._unpacked(solve_unpenalised(plain.problem(0.0), support))

    def _unpacked(self, fit):
        family, form = self.family, self.form
        if form.g.ndim == 1:
            entries = self._unknowns[1] @ fit.theta[0]
            theta = entries if family.shrinks_linear else family.with_linear_part(form, entries)
            K, _ = family.unpack(theta)
            return SparseFit(theta, K, _off_diagonal(K != 0.0), fit.gap, fit.remarks)
        K = fit.K
        present = _off_diagonal(K != 0.0)
        edges = present & present.T if family.symmetric == "and" else present | present.T
        symmetric = np.where(edges | np.eye(family.p, dtype=bool), 0.5 * (K + K.T), 0.0)
        theta = np.empty(family.n_parameters)
        theta[family.position] = (
            np.column_stack([symmetric, fit.eta]) if family.shrinks_linear else family.with_linear_part(form, symmetric)
        )
        return SparseFit(theta, K, edges, fit.gap, fit.remarks)


def _pair_weights(family):
    """Of |K_ij| in the penalty, shape (p, p)."""
    return family.pair_weights() * ~np.eye(family.p, dtype=bool)


def _refuse_flat_diagonals(problem):
    """Raise an error if an unpenalised parameter has no curvature: the objective is then unbounded."""
    flat = np.flatnonzero(((problem.curvature <= np.finfo(float).tiny) & (problem.weights == 0.0)).any(axis=0))
    if flat.size:
        raise UnboundedObjectiveError(
            f"the score-matching objective is unbounded below: parameters {flat.tolist()} of the columns are not "
            "determined, as where a column does not vary. Drop it, or add a ridge (l1_ratio < 1)."
        )


def _off_diagonal(mask):
    return mask & ~np.eye(len(mask), dtype=bool)
