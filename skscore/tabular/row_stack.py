r"""The density of a table: experts on its rows, mixed as rows held out ask for.

The experts are

- **model**: levels, then numbers given levels (:mod:`skscore.models.mixed.blocks`), as the parameters of the estimator
  say;
- **closed_form**: the same of a tree and a conditional Gaussian, if the model is more than that;
- **latent_classes**: mixtures of 2, 4, … classes of independent levels and Gaussian numbers;
- **tail**: the tree and a Student t with few degrees of freedom, for rows far from all others.

Each is fitted to the rows without every fold in turn, where it says what it thinks of that fold. The weights are those
of largest likelihood on the rows held out (:mod:`skscore.levels.mixture`). Experts of which the mixture makes next to
no use are left out, all others are fitted to all rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp, softmax

from ..levels.mixture import FIRST, FLOOR, WORTH, Offer, choose_weights
from ..models.mixed.blocks import BlockDensity
from ..models.mixed.conditional_student import ConditionalStudent
from ..models.mixed.guided_blocks import GuidedBlocks
from ..models.mixed.latent_classes import grow_latent_classes, refit_latent_classes
from ..models.mixed.row_mixture import RowMixture

__all__ = ["CrossFit", "Stack", "blocks", "cross_fit", "deal", "fit_without", "stack"]

FEW_ROWS, FOLDS, HELD_OUT = 2000, 5, 0.15  # up to which every row is held out once, in so many folds; else a share
DEGREES_OF_FREEDOM = (3.0, 10.0)
PRIOR_ROWS = 1.0, 0.03  # of the covariance of a latent class: numbers that heap up want little
LEAST_TAIL = 1e-3  # its weight, but at most a tenth of a row
TINY = np.finfo(float).tiny
LEAST_USE = 5e-4  # nats per row that the mixture loses without an expert, below which it is left out


class CrossFit(NamedTuple):
    """A density fitted to all rows, and to the rows without each fold.

    Attributes
    ----------
    whole : density
    parts : list of density
    """

    whole: Any
    parts: list


class _Expert(NamedTuple):
    """A density of the stack."""

    parts: list  # fitted to the rows without each fold
    whole: Callable  # makes that of all rows


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
        "closed_form": [] if closed_form is model else [_ready(closed_form)],
        "latent_classes": _latent_classes(rows, layout, folds, weight),
        "tail": [_ready(_tail(closed_form, df)) for df in DEGREES_OF_FREEDOM if has_tail],
    }
    insured = {"tail": min(LEAST_TAIL, 0.1 / weight.sum())}
    offers = {
        name: Offer(_held_out(own, rows, folds), _no_part, 0.0 if name in insured else WORTH, insured.get(name, 0.0))
        for name, own in offered.items()
        if own
    }
    experts = [_ready(model), *(expert for name in offers for expert in offered[name])]
    log_p, of_rows = _held_out(experts[:1], rows, folds), weight[np.concatenate(folds)]
    of_each, _ = choose_weights(log_p[:, 0], offers, of_rows)
    log_p = np.column_stack([log_p, *(offer.log_p for offer in offers.values())])
    weights = _of_use(of_each, [True, *(name in insured for name in offers)], log_p, of_rows)
    kept, owner = np.flatnonzero(weights), np.repeat(np.arange(len(of_each)), list(map(len, of_each)))
    density = RowMixture(weights[kept], [experts[k].whole() for k in kept])
    mixed = logsumexp(np.log(weights[kept]) + np.fmax(log_p[:, kept], -np.inf), axis=1)
    return Stack(density, dict(zip([FIRST, *offers], np.bincount(owner, weights).tolist(), strict=True)), mixed)


def _ready(fitted):
    """The expert of a `CrossFit`."""
    return _Expert(fitted.parts, lambda: fitted.whole)


def _of_use(of_each, insured, log_p, of_rows):
    """The weights of all experts, zero for those without which rows held out lose nearly nothing.

    Parameters
    ----------
    of_each : list of ndarray
        The weights, offer by offer.
    insured : list of bool
        Whether the largest of an offer stays in any case.
    log_p : ndarray of shape (k, J)
        Log-densities of the rows held out.
    of_rows : ndarray of shape (k,)
        Weights of these rows.
    """
    weights = np.concatenate(of_each)
    stays = np.concatenate([keep & (np.arange(len(w)) == w.argmax()) for keep, w in zip(insured, of_each, strict=True)])
    with np.errstate(divide="ignore"):
        log_w, log_rest = np.log(weights), np.log1p(-weights)
    without = np.average(np.log(np.maximum(1.0 - softmax(log_w + np.fmax(log_p, FLOOR), axis=1), TINY)), 0, of_rows)
    kept = np.where(stays | (log_rest - without >= LEAST_USE), weights, 0.0)
    return kept / kept.sum()


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
        grow = partial(_grow, layout=layout, prior_rows=prior_rows)
        paths = [list(path) for path in fit_without(grow, rows, folds, weight)]
        grown = _Lazy(partial(grow, rows, weight))
        for k, parts in list(enumerate(zip(*paths, strict=False)))[1:]:
            refit = partial(refit_latent_classes, parts[0], rows, weight, prior_rows)
            experts.append(_Expert(list(parts), refit if len(folds) == 1 else partial(grown.at, k)))
    return experts


def _grow(rows, weight, layout, prior_rows):
    return grow_latent_classes(rows, layout, weight=weight, prior_rows=prior_rows)


class _Lazy:
    """The items of an iterator, made when one is asked for; the last of them for all that it lacks."""

    def __init__(self, begin):
        self.made, self.begin = [], begin

    @cached_property
    def items(self):
        """The iterator."""
        return self.begin()

    def at(self, k):
        """Item k."""
        self.made.extend(islice(self.items, max(0, k + 1 - len(self.made))))
        return self.made[min(k, len(self.made) - 1)]


def _tail(closed_form, df):
    """The same blocks with a Student t in place of the Gaussian."""

    def wide(density):
        return BlockDensity(density.layout, density.levels, ConditionalStudent(density.numbers, df))

    return CrossFit(wide(closed_form.whole), [wide(part) for part in closed_form.parts])
