r"""Interactions under an l1 penalty: from a family's quadratic form to its K, at one penalty or along a path.

.. math:: J(\theta) + \alpha\Bigl[\rho\sum_{i \ne j}|K_{ij}| + \tfrac{1-\rho}2\sum_{ij}K_{ij}^2\Bigr],

with J at its best η and ρ the ``l1_ratio``. Where J has a block for each column the solver of ``fitting.interactions``
takes the blocks; where all of K is in one form (the simplex) it is one column of length p(p + 1)/2, in which a pair
counts twice.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..fitting import interactions
from ..fitting.interaction_problem import InteractionProblem
from ..fitting.solvers import UnboundedObjectiveError
from ..fitting.unpenalised import solve_unpenalised
from ..formulas.quadratic import QuadraticForm

__all__ = ["SparseFit", "fit_on_graph", "greatest_alpha", "penalised_value", "sparse_path", "unpenalised_on"]


class SparseFit(NamedTuple):
    """θ of a family, the columns of K as they were estimated, and which pairs are edges, shape (p, p)."""

    theta: np.ndarray
    columns: np.ndarray
    edges: np.ndarray
    gap: float


def _problem(family, own, alpha):
    """The problem at ridge α(1 − ρ), but for the l1 penalty."""
    ridge = alpha * (1.0 - family.l1_ratio)
    if own.g.ndim == 2:
        return InteractionProblem(own, ridge=ridge, symmetric=family.symmetric is True, weights=_pair_weights(family))
    i, j = family.pairs
    count = np.where(i == j, 1.0, 2.0)
    Gamma = own.Gamma + np.diag(ridge * count)
    weights = (count * _pair_weights(family)[i, j])[None]
    return InteractionProblem(QuadraticForm(Gamma[None], own.g[None], own.c, own.n), symmetric=False, weights=weights)


def _pair_weights(family):
    """Of |K_ij| in the penalty, shape (p, p)."""
    return family.pair_weights() * ~np.eye(family.p, dtype=bool)


def greatest_alpha(family, form):
    """Smallest α at which no pair is an edge, for ρ > 0."""
    own = family.interactions_form(form)
    if family.l1_ratio == 1.0:
        return interactions.lambda_max(_problem(family, own, 0.0))
    low, alpha = 0.0, interactions.lambda_max(_problem(family, own, 0.0)) / family.l1_ratio
    for _ in range(100):  # the ridge grows with α, and lowers the penalty that is needed
        low, alpha = alpha, interactions.lambda_max(_problem(family, own, alpha)) / family.l1_ratio
        if abs(alpha - low) <= 1e-12 * alpha:
            break
    return alpha


def sparse_path(family, form, alphas):
    """Yield the fits at each α, each from the one before.

    Parameters
    ----------
    family : PairwiseFamily
        With its ``l1_ratio`` and ``symmetric``.
    form : QuadraticForm
        In blocks or in θ.
    alphas : iterable of float
        Best in descending order.

    Yields
    ------
    SparseFit
    """
    own, fit, before = family.interactions_form(form), None, None
    for alpha in alphas:
        lam, problem = alpha * family.l1_ratio, _problem(family, own, alpha)
        if lam > 0.0:
            _refuse_flat_diagonals(problem)
        fit = interactions.solve(problem, lam, fit, before) if lam > 0.0 else solve_unpenalised(problem)
        before = lam if family.l1_ratio == 1.0 else None  # the strong rule is for one quadratic
        yield _unpacked(family, form, fit)


def _refuse_flat_diagonals(problem):
    """Where an unpenalised parameter has no curvature its objective falls without end."""
    flat = np.flatnonzero(((problem.curvature <= np.finfo(float).tiny) & (problem.weights == 0.0)).any(axis=0))
    if flat.size:
        raise UnboundedObjectiveError(
            f"the score-matching objective is unbounded below: parameters {flat.tolist()} of the columns are not "
            "determined, as where a column does not vary. Drop it, or add a ridge (l1_ratio < 1)."
        )


def _unpacked(family, form, fit):
    if form.g.ndim == 1:
        theta = family.with_linear_part(form, fit.theta[0])
        K, _ = family.unpack(theta)
        return SparseFit(theta, K, _off_diagonal(K != 0.0), fit.gap)
    K = fit.K
    present = _off_diagonal(K != 0.0)
    edges = present & present.T if family.symmetric == "and" else present | present.T
    symmetric = np.where(edges | np.eye(family.p, dtype=bool), 0.5 * (K + K.T), 0.0)
    theta = np.empty(family.n_parameters)
    theta[family.position] = family.with_linear_part(form, symmetric)
    return SparseFit(theta, K, edges, fit.gap)


def _off_diagonal(mask):
    return mask & ~np.eye(len(mask), dtype=bool)


def penalised_value(family, form, theta, alpha):
    """Objective with its multiplier and penalty at θ: what is minimised."""
    own, (K, _) = family.interactions_form(form), family.unpack(theta)
    interactions_ = theta[: family.n_interactions] if own.g.ndim == 1 else K
    l1, square = np.sum(_pair_weights(family) * np.abs(K)), np.sum(K**2)
    return float(own.value(interactions_)) + alpha * (family.l1_ratio * l1 + 0.5 * (1.0 - family.l1_ratio) * square)


def unpenalised_on(family, form, edges):
    """The `Interactions` of least objective on a graph, without multiplier or penalty."""
    plain = family.without_multiplier()
    own = plain.interactions_form(form)
    support = edges | np.eye(family.p, dtype=bool)
    support = support if own.g.ndim == 2 else support[family.pairs][None]
    return solve_unpenalised(_problem(plain.penalised(1.0, family.symmetric), own, 0.0), support)


def fit_on_graph(family, form, edges):
    """The SparseFit of least objective on a graph."""
    return _unpacked(family.without_multiplier(), form, unpenalised_on(family, form, edges))
