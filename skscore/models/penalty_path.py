"""Estimates of a family along a path of penalties, and what a criterion says of each."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np

from ..fitting.criteria import ebic, smic
from ..fitting.inference import Gradients
from ..fitting.solvers import UnboundedObjectiveError
from ..fitting.statistics import Statistics, moments, row_blocks
from .sparse_interactions import greatest_alpha, sparse_path, unpenalised_on

__all__ = [
    "PenaltyPath",
    "automatic_alphas",
    "by_ebic",
    "by_folds",
    "by_smic",
    "by_splits",
    "gradients",
    "penalty_path",
]

LEAST_ALPHA = 1e-3  # of an automatic grid, relative to the greatest
RIDGES = np.logspace(2.0, -6.0, 25)
BLOCK_BYTES = 1 << 22


class PenaltyPath(NamedTuple):
    """θ at each α, from the strongest penalty to the weakest; edges of each, (p, p), where the penalty is sparse."""

    alphas: np.ndarray
    thetas: list
    edges: list | None

    @property
    def n_edges(self):
        """Number of edges at each α."""
        return np.array([int(edges.sum()) // 2 for edges in self.edges])


def automatic_alphas(family, statistics, objective, n_alphas):
    """A descending grid: from the least penalty without an edge where it is sparse, else of ridges."""
    if getattr(family, "l1_ratio", 0.0) == 0.0:
        return RIDGES
    greatest = greatest_alpha(family, family.blocks(statistics, objective))
    return greatest * np.logspace(0.0, np.log10(LEAST_ALPHA), n_alphas)


def penalty_path(family, statistics, objective, alphas) -> PenaltyPath:
    """Estimates at each of descending α."""
    if getattr(family, "l1_ratio", 0.0) == 0.0:
        return PenaltyPath(alphas, [family.solve(statistics, objective, alpha) for alpha in alphas], None)
    fits = list(sparse_path(family, family.blocks(statistics, objective), alphas))
    return PenaltyPath(alphas, [fit.theta for fit in fits], [fit.edges for fit in fits])


# ---- what criteria say, smaller is better --------------------------------------------------------


def by_folds(family, folds, objective, alphas):
    """Mean objective of rows held out, without penalty, its standard error and its value in each fold (k, L).

    Folds are samples of rows; each is judged by the estimates of the others, whose statistics are merged.
    """
    parts = [_statistics(family, fold, objective) for fold in folds]
    others = [reduce(add, parts[:k] + parts[k + 1 :]) for k in range(len(parts))]
    return _judged(family, list(zip(others, parts, strict=True)), objective, alphas)


def by_splits(family, splits, objective, alphas):
    """As `by_folds`, for pairs of samples: rows to fit, and rows to judge by."""
    pairs = [tuple(_statistics(family, part, objective) for part in pair) for pair in splits]
    return _judged(family, pairs, objective, alphas)


def _statistics(family, sample, objective):
    return Statistics(moments(_joined(sample), sample.weight), family.assemble(*sample[:3], objective))


def _judged(family, pairs, objective, alphas):
    values = []
    for fitted, held_out in pairs:
        path = penalty_path(family, fitted, objective, alphas)
        values.append([family.objective_value(theta, held_out, objective) for theta in path.thetas])
    mean = np.average(values, axis=0, weights=[held_out.moments.n for _, held_out in pairs])
    return mean, np.std(values, axis=0, ddof=min(1, len(values) - 1)) / np.sqrt(len(values)), np.array(values)


def _joined(sample):
    return sample.X if sample.Y is None else np.hstack([sample.X, sample.Y])


def by_ebic(family, statistics, objective, path, gamma, refit):
    """Extended Bayesian information criterion of each estimate, of its graph alone where `refit`."""
    form, n = family.blocks(statistics, objective), statistics.moments.n
    if refit:
        values = [_value_of_graph(family, form, edges) for edges in path.edges]
    else:
        values = [
            family.penalised_value(form, theta, alpha) for alpha, theta in zip(path.alphas, path.thetas, strict=True)
        ]
    return ebic(np.array(values), path.n_edges, n, family.p, gamma)


def _value_of_graph(family, form, edges):
    try:
        return unpenalised_on(family, form, edges).value
    except UnboundedObjectiveError:
        return np.inf


def gradients(family, theta, X, Y, weight, objective) -> Gradients:
    """Sums over rows of ψ = D Dᵀθ + ℓ, the gradient of a row's objective, and of its products."""
    weight = np.ones(len(X)) if weight is None else weight
    blocks = row_blocks(len(X), 8 * X.shape[1] * family.n_parameters, BLOCK_BYTES)
    parts = (
        Gradients.of_rows(family.row_gradients(theta, X[b], None if Y is None else Y[b], objective), weight[b])
        for b in blocks
    )
    return reduce(add, parts)


def by_smic(family, sample, statistics, objective, path):
    """Score matching information criterion of each estimate, over its own free parameters."""
    form, n = family.form(statistics, objective), statistics.moments.n
    values = []
    for theta in path.thetas:
        meat = gradients(family, theta, *sample[:3], objective).second / n
        free = np.flatnonzero(theta != 0.0)
        kept = np.ix_(free, free)
        values.append(smic(family.objective_value(theta, statistics, objective), form.Gamma[kept], meat[kept], n))
    return np.array(values)
