r"""The density of a table: experts on its rows, mixed as rows held out ask for.

The experts are

- **model**: levels, then numbers given levels (:mod:`skscore.models.mixed.blocks`), as the parameters of the estimator
  say;
- **closed_form**: the same of a tree and a conditional Gaussian, if the model is more than that;
- **latent_classes**: mixtures of 2, 4, … classes of independent levels and Gaussian numbers;
- **tail**: the tree and a Student t with few degrees of freedom, for rows far from all others.

Each is fitted to the rows without every fold in turn, where it says what it thinks of that fold, and to all rows. The
weights are those of largest likelihood on the rows held out (:mod:`skscore.levels.mixture`).
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..levels.mixture import FIRST, WORTH, Offer, choose_weights
from ..models.mixed.blocks import BlockDensity
from ..models.mixed.conditional_student import ConditionalStudent
from ..models.mixed.guided_blocks import GuidedBlocks
from ..models.mixed.latent_classes import latent_class_path
from ..models.mixed.row_mixture import RowMixture

__all__ = ["CrossFit", "Stack", "blocks", "cross_fit", "deal", "fit_without", "stack"]

FEW_ROWS, FOLDS, HELD_OUT = 2000, 5, 0.15  # up to which every row is held out once, in so many folds; else a share
DEGREES_OF_FREEDOM = (3.0, 10.0)
PRIOR_ROWS = 1.0, 0.03  # of the covariance of a latent class: numbers that heap up want little
LEAST_TAIL = 1e-3  # its weight, but at most a tenth of a row


class CrossFit(NamedTuple):
    """A density fitted to all rows, and to the rows without each fold.

    Attributes
    ----------
    whole : density
    parts : list of density
    """

    whole: Any
    parts: list


class Stack(NamedTuple):
    """The mixture that rows held out ask for.

    Attributes
    ----------
    density : RowMixture
    weight_of : dict of str to float
        Weight of each expert, by name.
    held_out : ndarray of shape (k,)
        Log-density of the rows held out, by experts that have not seen them.
    """

    density: RowMixture
    weight_of: dict
    held_out: np.ndarray


def deal(n, seed):
    """Folds of `n` rows, each held out once, as index arrays: of many rows a single one, of one row none.

    Examples
    --------
    >>> from skscore.tabular.row_stack import deal
    >>> [len(fold) for fold in deal(12, seed=0)], [len(fold) for fold in deal(10_000, seed=0)]
    ([3, 3, 2, 2, 2], [1500])
    """
    order = np.random.default_rng([seed, n]).permutation(n)
    if n <= FEW_ROWS:
        return [np.sort(fold) for fold in np.array_split(order, FOLDS) if 0 < len(fold) < n]
    return [np.sort(order[: round(HELD_OUT * n)])]


def cross_fit(fit, rows, folds, weight):
    """``fit(rows, weight)`` of all rows, and of those that are not in each fold."""
    return CrossFit(fit(rows, weight), fit_without(fit, rows, folds, weight))


def fit_without(fit, rows, folds, weight):
    """``fit(rows, weight)`` of the rows that are not in each fold, a list."""
    rest = [np.setdiff1d(np.arange(rows.n), fold) for fold in folds]
    return [fit(rows.at(index), weight[index]) for index in rest]


def blocks(layout, levels, numbers, guide=None):
    """The densities of blocks whose levels and numbers were fitted across the same folds, guided by others if given."""
    pairs = list(zip([levels.whole, *levels.parts], [numbers.whole, *numbers.parts], strict=True))
    if guide is None:
        fits = [BlockDensity(layout, *pair) for pair in pairs]
    else:
        guides = [guide.whole, *guide.parts]
        fits = [GuidedBlocks(layout, *pair, own) for pair, own in zip(pairs, guides, strict=True)]
    return CrossFit(fits[0], fits[1:])


def stack(rows, layout, folds, model, closed_form, weight, has_tail=True) -> Stack:
    """The mixture of all experts; the model alone if no rows are held out.

    Parameters
    ----------
    rows : Rows
    layout : Layout
    folds : list of index arrays
    model, closed_form : CrossFit of BlockDensity
        The latter of a tree and a conditional Gaussian; both may be the same.
    weight : ndarray of shape (n,)
        How many rows each stands for.
    has_tail : bool
    """
    if not folds:
        return Stack(RowMixture(np.ones(1), [model.whole]), {FIRST: 1.0}, np.empty(0))
    offered = {
        "closed_form": [] if closed_form is model else [closed_form],
        "latent_classes": _latent_classes(rows, layout, folds, weight),
        "tail": [_tail(closed_form, df) for df in DEGREES_OF_FREEDOM if has_tail],
    }
    insured = {"tail": min(LEAST_TAIL, 0.1 / weight.sum())}
    offers = {
        name: Offer(_held_out(own, rows, folds), _no_part, 0.0 if name in insured else WORTH, insured.get(name, 0.0))
        for name, own in offered.items()
        if own
    }
    of_each, mixed = choose_weights(_held_out([model], rows, folds)[:, 0], offers, weight[np.concatenate(folds)])
    experts, weights = [model, *(expert for name in offers for expert in offered[name])], np.concatenate(of_each)
    kept = np.flatnonzero(weights > 0.0)
    density = RowMixture(weights[kept], [experts[k].whole for k in kept])
    return Stack(density, dict(zip([FIRST, *offers], (float(w.sum()) for w in of_each), strict=True)), mixed)


def _no_part(weights):
    """Nothing: the parts are put together from the weights."""


def _held_out(experts, rows, folds):
    """Log-densities of the rows held out, fold by fold, a column for each expert, which has not seen them."""
    return np.concatenate(
        [_log_densities([e.parts[k] for e in experts], rows.at(fold)) for k, fold in enumerate(folds)]
    )


def _log_densities(densities, rows):
    every = rows.known
    return np.stack([density.log_prob(rows, every, every.none) for density in densities], axis=1)


def _latent_classes(rows, layout, folds, weight):
    """Mixtures of 2, 4, … latent classes, as many as there are for each fold, under each prior."""
    experts = []
    for prior_rows in PRIOR_ROWS:
        fit = partial(_path, layout=layout, prior_rows=prior_rows)
        path = cross_fit(fit, rows, folds, weight)
        sizes = range(1, min(map(len, [path.whole, *path.parts])))
        experts += [CrossFit(path.whole[k], [part[k] for part in path.parts]) for k in sizes]
    return experts


def _path(rows, weight, layout, prior_rows):
    return latent_class_path(rows, layout, weight=weight, prior_rows=prior_rows)


def _tail(closed_form, df):
    """The same blocks with a Student t in place of the Gaussian."""

    def wide(density):
        return BlockDensity(density.layout, density.levels, ConditionalStudent(density.numbers, df))

    return CrossFit(wide(closed_form.whole), [wide(part) for part in closed_form.parts])
