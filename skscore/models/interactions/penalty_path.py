"""Estimates of a family along a path of penalties, and what a criterion says of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial, reduce
from itertools import chain
from operator import add
from typing import Any, NamedTuple

import numpy as np

from ..._kernels import threads
from ...fitting.criteria import ebic, smic
from ...fitting.interactions import ACCURACY
from ...fitting.solvers import Estimate, UnboundedObjectiveError
from ...formulas.moments import Summary, moments, row_blocks
from ..standard_errors import gradients
from .null_gain import gains_by_rows, null_gains
from .sparse import SparseObjective

__all__ = [
    "PathProblem",
    "PenaltyPath",
    "among_densities",
    "automatic_alphas",
    "by_ebic",
    "by_folds",
    "by_smic",
    "fold_statistics",
    "left_out",
    "penalty_path",
    "split_statistics",
]

RIDGES = np.logspace(2.0, -6.0, 25)
SWEEPS = 10  # at each penalty, about
FOLD_ACCURACY = 1e-7  # of estimates that are only compared: it moves the objective of held-out rows by less than 1e-6
MEAT_BYTES = 1 << 28  # of products of gradients, for several θ at a time
EDGES_FOR_EACH_COLUMN = 10  # at most, of graphs that are refitted: denser ones are far from any that is chosen


@dataclass(frozen=True)
class PathProblem:
    """What a path is fitted to: the objective of some rows, in a family."""

    family: Any
    statistics: Summary
    objective: Any

    @property
    def is_sparse(self):
        """Whether a part of the penalty is Σ|K_ij|."""
        return getattr(self.family, "l1_ratio", 0.0) > 0.0

    @cached_property
    def sparse(self) -> SparseObjective:
        """The objective of the interactions, for a penalty that is sparse."""
        return SparseObjective(self.family, self.family.blocks(self.statistics, self.objective))

    def value(self, theta):
        """Objective at θ, without penalty."""
        return self.family.objective_value(theta, self.statistics, self.objective)


class PenaltyPath(NamedTuple):
    """Estimates at each α, from the strongest penalty to the weakest; edges of each, (p, p), if it is sparse."""

    alphas: np.ndarray
    estimates: list
    edges: list[np.ndarray]

    @property
    def thetas(self):
        """θ at each α."""
        return [estimate.theta for estimate in self.estimates]

    @property
    def remarks(self):
        """What a user should know of the estimates."""
        return tuple(chain.from_iterable(estimate.remarks for estimate in self.estimates))

    @property
    def n_edges(self):
        """Number of edges at each α."""
        return np.array([int(edges.sum()) // 2 for edges in self.edges])


def automatic_alphas(target, n_alphas, lowest=1e-3):
    """A descending grid: from the least penalty without an edge to `lowest` of it if it is sparse, else of ridges."""
    if not target.is_sparse:
        return RIDGES
    return target.sparse.greatest_alpha() * np.logspace(0.0, np.log10(lowest), n_alphas)


def penalty_path(target, alphas, accuracy=ACCURACY, watch=None) -> PenaltyPath:
    """Estimates at each of descending α, as long as the objective has a minimum; each is shown to ``watch(fit)``."""
    if not target.is_sparse:
        family, statistics, objective = target.family, target.statistics, target.objective
        return PenaltyPath(alphas, [family.solve(statistics, objective, alpha) for alpha in alphas], [])
    fits = []
    try:
        for fit in target.sparse.path(alphas, accuracy):
            fits.append(fit)
            if watch is not None:
                watch(fit)
    except UnboundedObjectiveError:  # from here on, as penalties only fall
        if not fits:
            raise
    estimates = [Estimate(fit.theta, fit.remarks) for fit in fits]
    return PenaltyPath(np.asarray(alphas)[: len(fits)], estimates, [fit.edges for fit in fits])


def among_densities(target, alphas, thetas, values):
    """Criterion of each θ, (L,), with inf if it is no density, unless none is one; other than interactions pass."""
    if not target.is_sparse:
        return values
    known = target.statistics, target.objective
    fits = [
        None if theta is None else target.family.as_density(Estimate(theta), *known, alpha)
        for alpha, theta in zip(alphas, thetas, strict=True)
    ]
    judged = np.array(
        [
            np.inf if fit is None or target.family.infinite_mass(fit.theta) else value
            for fit, value in zip(fits, values, strict=True)
        ]
    )
    return judged if np.isfinite(judged).any() else values


# ---- what criteria say, smaller is better --------------------------------------------------------


def fold_statistics(target, folds):
    """Statistics to fit and those to score on, of each fold: the merged ones of the others, and its own."""
    return left_out([_statistics(target, fold) for fold in folds])


def left_out(parts):
    """The merged statistics of the other parts, and its own, for each part."""
    return [(reduce(add, parts[:k] + parts[k + 1 :]), part) for k, part in enumerate(parts)]


def split_statistics(target, splits):
    """As `fold_statistics`, of pairs of samples: rows to fit, and rows to score on."""
    return [(_statistics(target, fitted), _statistics(target, held_out)) for fitted, held_out in splits]


def _statistics(target, sample):
    form = target.family.assemble(*sample[:3], target.objective)
    return Summary(moments(_joined(sample), sample.weight), form)


def by_folds(target, pairs, alphas):
    """Mean objective of rows held out, without penalty, its standard error and its value in each fold (k, L).

    The pairs are statistics to fit and to score on.
    """

    def values_of(part):
        return [_held_out_values(target, fitted, held_out, alphas) for fitted, held_out in pairs[part]]

    flops = len(pairs) * _flops(target.family, alphas)
    values = list(chain.from_iterable(threads.deal(values_of, len(pairs), flops)))
    mean = np.average(values, axis=0, weights=[held_out.moments.n for _, held_out in pairs])
    with np.errstate(invalid="ignore"):  # of infinite values
        error = np.nan_to_num(np.std(values, axis=0, ddof=min(1, len(values) - 1))) / np.sqrt(len(values))
    return mean, error, np.array(values)


def _held_out_values(target, fitted, held_out, alphas):
    """Objective of the held-out rows at each α, inf where there is no estimate."""
    path = penalty_path(replace(target, statistics=fitted), alphas, FOLD_ACCURACY)
    held = replace(target, statistics=held_out)
    scores = [held.value(theta) for theta in path.thetas]
    return scores + [np.inf] * (len(alphas) - len(scores))


def _flops(family, alphas):
    """About the operations of a path: some sweeps over all pairs at each α; few where there is no l1 part."""
    return SWEEPS * 4.0 * family.p**3 * len(alphas) if getattr(family, "l1_ratio", 0.0) > 0.0 else 0.0


def _joined(sample):
    return sample.X if sample.Y is None else np.hstack([sample.X, sample.Y])


def by_ebic(target, rows, path, gamma, refit, calibrate):
    """Extended Bayesian information criterion along a path, and the θ that it scores.

    The rows are a sample, or partitions with its method ``sum``, which are asked for nothing unless `calibrate`.
    These are the estimates or, with `refit`, the fits of their graphs without penalty: None for a dense graph, or one
    without a minimum, which has an infinite criterion. With `calibrate` an edge costs the
    expected gain of a spurious one.
    """
    sparse, n = target.sparse, target.statistics.moments.n
    plain = sparse.without_multiplier
    has_pairs = target.family.p > 1
    n_linear = 0 if refit else _n_linear(target.family, path.thetas)  # refits have them all
    prices = np.asarray(ebic(0.0, path.n_edges, n, target.family.p, gamma, n_linear))
    thetas = [_refitted(target, edges) for edges in path.edges] if refit else path.thetas
    values, known = np.full(len(thetas), np.inf), [k for k, theta in enumerate(thetas) if theta is not None]
    gains = _gains(target, rows, plain, [thetas[k] for k in known]) if calibrate and has_pairs else np.ones(len(known))
    for k, gain in zip(known, gains, strict=True):
        J = plain.value(thetas[k], 0.0) if refit else sparse.value(thetas[k], path.alphas[k])
        values[k] = 2.0 * n * J + gain * prices[k]
    return values, thetas


def _n_linear(family, thetas):
    """Number of entries of η that a penalty on them left in each θ; 0 if there is no such penalty."""
    chosen = [np.count_nonzero(theta[family.n_interactions :]) for theta in thetas]
    return np.array(chosen) * family.shrinks_linear


def _gains(target, rows, plain, thetas):
    """Expected gain of a spurious edge at each θ."""
    if plain.form.g.ndim == 1:
        return gains_by_rows(target.family, rows, target.objective, plain.form, thetas)
    return null_gains(target.family, rows, plain.problem(0.0).curvature, thetas)


def _refitted(target, edges):
    p, n = target.family.p, target.statistics.moments.n
    if edges.sum() > 2 * EDGES_FOR_EACH_COLUMN * p or edges.sum(axis=0).max() >= n - 2:
        return None
    try:
        return target.sparse.on_graph(edges).theta
    except UnboundedObjectiveError:
        return None


def by_smic(target, rows, path):
    """Score matching information criterion of each estimate, over its own free parameters.

    The rows are a sample, or partitions with its method ``sum``.
    """
    n, m, values = target.statistics.moments.n, target.family.n_parameters, []
    for some in row_blocks(len(path.thetas), 8 * m * m, MEAT_BYTES):
        natural = [target.family.natural(theta, target.statistics, target.objective) for theta in path.thetas[some]]
        meats = rows.sum(partial(_meats, [vector[:2] for vector in natural], target.objective)) / n
        for theta, (_, _, Gamma, L), meat in zip(path.thetas[some], natural, meats, strict=True):
            values.append(smic(target.value(theta), L.T @ Gamma @ L, L.T @ meat @ L, n))
    return np.array(values)


def _meats(vectors, objective, X, Y, weight):
    """Σ w ψψᵀ over rows at each θ, a vector of a family, shape (L, m, m)."""
    root = None if weight is None else np.sqrt(weight)  # the products have its square: a weight of 2 is two rows
    return np.stack([gradients(family, theta, X, Y, root, objective).second for family, theta in vectors])
