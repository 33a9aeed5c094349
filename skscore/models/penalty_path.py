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
from .sparse_interactions import fit_on_graph, greatest_alpha, sparse_path

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
EDGES_FOR_EACH_COLUMN = 10  # at most, of graphs that are refitted: denser ones are far from any that is chosen


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
    """Estimates at each of descending α, as long as the objective has a minimum."""
    if getattr(family, "l1_ratio", 0.0) == 0.0:
        return PenaltyPath(alphas, [family.solve(statistics, objective, alpha) for alpha in alphas], None)
    fits = []
    try:
        for fit in sparse_path(family, family.blocks(statistics, objective), alphas):
            fits.append(fit)
    except UnboundedObjectiveError:  # from here on, as penalties only fall
        if not fits:
            raise
    return PenaltyPath(np.asarray(alphas)[: len(fits)], [fit.theta for fit in fits], [fit.edges for fit in fits])


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
        judged = [family.objective_value(theta, held_out, objective) for theta in path.thetas]
        values.append(judged + [np.inf] * (len(alphas) - len(judged)))
    mean = np.average(values, axis=0, weights=[held_out.moments.n for _, held_out in pairs])
    with np.errstate(invalid="ignore"):  # of infinite values
        error = np.nan_to_num(np.std(values, axis=0, ddof=min(1, len(values) - 1))) / np.sqrt(len(values))
    return mean, error, np.array(values)


def _joined(sample):
    return sample.X if sample.Y is None else np.hstack([sample.X, sample.Y])


def by_ebic(family, sample, statistics, objective, path, gamma, refit, calibrate):
    """Extended Bayesian information criterion of each estimate, of its graph alone where `refit`.

    With `calibrate`, an edge costs what it gains by chance: twice the gain of n J by a pair that is not there is λχ²₁
    with λ = E[ψ²]/Γ, where it would be χ²₁ for a log-likelihood.
    """
    form, n = family.blocks(statistics, objective), statistics.moments.n
    values, thetas = [], []
    for alpha, theta, edges in zip(*path, strict=True):
        fit = _refitted(family, form, edges) if refit else None
        thetas.append(theta if fit is None else fit.theta)
        value = family.penalised_value(form, theta, alpha)
        if refit:
            value = np.inf if fit is None else family.without_multiplier().penalised_value(form, fit.theta, 0.0)
        values.append(value)
    gain = np.array([_gain_by_chance(family, form, sample, theta) for theta in thetas]) if calibrate else 1.0
    return 2.0 * n * np.array(values) + gain * ebic(0.0, path.n_edges, n, family.p, gamma)


def _refitted(family, form, edges):
    """The fit of a graph without penalty; None for a dense one, or where it has no minimum."""
    if edges.sum() > 2 * EDGES_FOR_EACH_COLUMN * family.p or edges.sum(axis=0).max() >= form.n - 2:
        return None
    try:
        return fit_on_graph(family, form, edges)
    except UnboundedObjectiveError:
        return None


def _gain_by_chance(family, form, sample, theta):
    """Mean over pairs of E[ψ²]/Γ, with the linear part minimised over."""
    X, _, weight, _ = sample
    weight = np.ones(len(X)) if weight is None else weight
    h, h_slope = family.weights(X)
    A, _ = family.powers_of(X)
    V, u = A.value, h * A.slope**2
    F = h * family.grad_log_density(theta, X) * A.slope + h * A.curvature + h_slope * A.slope

    def mean(P, Q):
        return (weight[:, None] * P).T @ Q / weight.sum()

    M = np.zeros((family.p, family.p)) if family.centered else mean(u, V) / mean(u, np.ones((len(X), 1)))
    own = mean(F**2, V**2) - 2.0 * M * mean(F**2, V) + M**2 * mean(F**2, np.ones((len(X), 1)))
    FV = F * V
    cross = mean(FV, FV) - M.T * mean(F, FV) - M * mean(FV, F) + M * M.T * mean(F, F)
    Gamma = family.without_multiplier().interactions_form(form).Gamma
    curvature = np.broadcast_to(np.diagonal(Gamma, axis1=-2, axis2=-1), (family.p, family.p))
    pairs = np.triu_indices(family.p, 1)
    return float(np.mean(((own + own.T + 2.0 * cross) / (curvature + curvature.T))[pairs]))


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
