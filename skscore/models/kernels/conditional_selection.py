r"""Bandwidths and ridge of a conditional kernel family, by what held-out rows say of them.

For each pair of bandwidths, folds of rows give quadratic forms; one eigendecomposition for each fold gives the fits of
all ridges to the other folds. They are compared by the mean of :math:`\log p(v \mid u)` over the fold, whose log Z(u)
is an integral for each row, or by the Hyvärinen objective of the fold, which needs none.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from ..._kernels.threads import enough_for
from ...fitting.ridge_path import RidgePath, without
from ..objectives import Implicit
from .conditional_kernel import ConditionalLiteFamily
from .conditional_law import ConditionalDensity, coarse_nodes
from .landmarks import thinned
from .lite import flops_of_a_pass

__all__ = ["select"]

MAX_HELD_OUT = 400  # rows of a fold whose normalisers are computed


def select(rows, weight, fold, landmarks, n_inputs, candidates, criterion):
    """Choose bandwidths and ridge.

    Parameters
    ----------
    rows : ndarray of shape (n, d + t)
        Joint rows (u, v).
    weight : ndarray of shape (n,)
    fold : ndarray of int, shape (n,)
        In which fold each row is held out.
    landmarks : ndarray of shape (m, d + t)
    n_inputs : int
        d.
    candidates : (list, list, ndarray)
        Input bandwidths, target bandwidths and ridges to be crossed.
    criterion : {"log_likelihood", "hyvarinen"}

    Returns
    -------
    best : (float, float, float)
        Input bandwidth, target bandwidth and ridge.
    scores : ndarray
        Mean criterion of all candidates, in the order of their product.
    """
    *bandwidths, alphas = candidates
    folds = [(rows[fold == k], weight[fold == k]) for k in range(fold.max() + 1)]
    pairs = list(product(*bandwidths))
    with enough_for(flops_of_a_pass(len(rows), len(landmarks))):
        families = (ConditionalLiteFamily(landmarks, n_inputs, *pair) for pair in pairs)
        scores = np.array([_scores(family, folds, alphas, criterion) for family in families])
    best_pair, best_alpha = np.unravel_index(scores.argmax(), scores.shape)
    return (*pairs[best_pair], float(alphas[best_alpha])), scores.ravel()


def _scores(family, folds, alphas, criterion):
    """Mean criterion of the rows held out, for each ridge, shape (L,)."""
    forms = [family.assemble(part, None, w, Implicit()) for part, w in folds]
    paths = [RidgePath(without(forms, k)).thetas(alphas) for k in range(len(folds))]
    if criterion == "log_likelihood":
        by_fold = [_log_likelihoods(family, path, *part) for path, part in zip(paths, folds, strict=True)]
    else:
        by_fold = [[-form.value(phi) for phi in path] for form, path in zip(forms, paths, strict=True)]
    return np.average(by_fold, axis=0, weights=[form.n for form in forms])


def _log_likelihoods(family, path, rows, weight):
    """Mean log p(v | u) of `rows` at each φ of `path`, shape (L,)."""
    rows, weight = thinned(rows, weight, MAX_HELD_OUT)
    U, nodes = rows[:, : family.n_inputs], coarse_nodes(family, seed=0)
    log_z = [ConditionalDensity(family, phi, nodes).log_normalizer(U) for phi in path]
    log_density = family.statistics(rows) @ path.T + family.base.log_density(rows)[:, None] - np.transpose(log_z)
    return weight @ log_density / weight.sum()
