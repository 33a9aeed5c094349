r"""The density of a table: experts on its rows, mixed as rows held out ask for.

The experts are

- **model**: levels, then numbers given levels (:mod:`skscore.models.mixed.blocks`), as the parameters of the estimator
  say;
- **closed_form**: the same of a tree and a conditional Gaussian, if the model is more than that;
- **latent_classes**: mixtures of 2, 4, … classes of independent levels and Gaussian numbers, up to `FOLLOWED` and from
  there on as long as twice as many gain `WORTH`;
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
from ..models.mixed.latent_classes import MOST_CLASSES, grow_latent_classes, refit_latent_classes
from ..models.mixed.row_mixture import RowMixture

__all__ = [
    "CrossFit",
    "Stack",
    "blocks",
    "cross_fit",
    "deal",
    "fit_without",
    "held_out_log_density",
    "latent_class_path",
    "mixed_log_density",
    "rest_of",
    "stack",
    "with_tail",
]

FEW_ROWS, FOLDS, HELD_OUT = 2000, 5, 0.15  # up to which every row is held out once, in so many folds; else a share
DEGREES_OF_FREEDOM = (3.0, 10.0)
PRIOR_ROWS = 1.0, 0.03  # of the covariance of a latent class: numbers that heap up want little
FOLLOWED = 16  # latent classes, up to which a path is followed whether it gains or not
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

    log_p: np.ndarray  # of the rows held out, fold by fold, by fits that have not seen them, shape (k,)
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
    return [fit(rows.at(index), weight[index]) for index in rest_of(folds, rows.n)]


def rest_of(folds, n):
    """Of n rows those that are not in each fold, index arrays."""
    return [np.setdiff1d(np.arange(n), fold) for fold in folds]


def blocks(layout, levels, numbers, guide=None):
    """The densities of blocks whose levels and numbers were fitted across the same folds, guided by others if given."""
    pairs = list(zip([levels.whole, *levels.parts], [numbers.whole, *numbers.parts], strict=True))
    if guide is None:
        fits = [BlockDensity(layout, *pair) for pair in pairs]
    else:
        guides = [guide.whole, *guide.parts]
        fits = [GuidedBlocks(layout, *pair, own) for pair, own in zip(pairs, guides, strict=True)]
    return CrossFit(fits[0], fits[1:])


def stack(rows, layout, folds, model, closed_form, weight, has_tail=True, most_classes=MOST_CLASSES) -> Stack:
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
    most_classes : int
    """
    if not folds:
        return Stack(RowMixture(np.ones(1), [model.whole]), {FIRST: 1.0}, np.empty(0))
    ready, of_rows = partial(_ready, rows=rows, folds=folds), weight[np.concatenate(folds)]
    offered = {
        "closed_form": [] if closed_form is model else [ready(closed_form)],
        "latent_classes": _latent_classes(rows, layout, folds, weight, most_classes),
        "tail": [ready(_tail(closed_form, df)) for df in DEGREES_OF_FREEDOM if has_tail],
    }
    insured = {"tail": min(LEAST_TAIL, 0.1 / weight.sum())}
    offers = {
        name: Offer(_log_densities(own), _no_part, 0.0 if name in insured else WORTH, insured.get(name, 0.0))
        for name, own in offered.items()
        if own
    }
    experts = [ready(model), *(expert for name in offers for expert in offered[name])]
    log_p = _log_densities(experts)
    of_each, _ = choose_weights(log_p[:, 0], offers, of_rows)
    weights = _of_use(of_each, [True, *(name in insured for name in offers)], log_p, of_rows)
    kept, owner = np.flatnonzero(weights), np.repeat(np.arange(len(of_each)), list(map(len, of_each)))
    density = RowMixture(weights[kept], [experts[k].whole() for k in kept])
    used = dict(zip([FIRST, *offers], np.bincount(owner, weights).tolist(), strict=True))
    return Stack(density, used, mixed_log_density(log_p, weights))


def mixed_log_density(log_p, weights):
    """Log-density of the mixture of densities whose logarithms are the columns of `log_p` (k, J); NaN counts as −∞."""
    kept = np.flatnonzero(weights)
    return logsumexp(np.log(weights[kept]) + np.fmax(log_p[:, kept], -np.inf), axis=1)


def _ready(fitted, rows, folds):
    """The expert of a `CrossFit`."""
    return _Expert(held_out_log_density(fitted.parts, rows, folds), lambda: fitted.whole)


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


def _log_densities(experts):
    """Of the rows held out, a column for each expert."""
    return np.stack([expert.log_p for expert in experts], axis=1)


def held_out_log_density(parts, rows, folds):
    """Log-densities of the rows held out, fold by fold, by the density that was fitted without them, shape (k,)."""
    few = [rows.at(fold) for fold in folds]
    return np.concatenate(
        [part.log_prob(some, some.known, some.known.none) for part, some in zip(parts, few, strict=True)]
    )


def _latent_classes(rows, layout, folds, weight, most):
    """Mixtures of 2, 4, … latent classes, as many as gain, under each prior."""
    experts = []
    for prior_rows in PRIOR_ROWS:
        grown = _Lazy(partial(_grow, rows, weight, layout, prior_rows, most))
        path = latent_class_path(rows, layout, folds, weight, prior_rows, most)
        for k, (parts, log_p) in islice(enumerate(path), 1, None):
            refit = partial(refit_latent_classes, parts[0], rows, weight, prior_rows)
            experts.append(_Expert(log_p, refit if len(folds) == 1 else partial(grown.at, k)))
    return experts


def latent_class_path(rows, layout, folds, weight, prior_rows, most=MOST_CLASSES):
    """Mixtures of 1, 2, 4, … latent classes without each fold, and log-densities of the rows held out.

    It ends where no part has more classes, or where twice as many gain too little.
    """
    grow, last = partial(_grow, layout=layout, prior_rows=prior_rows, most=most), -np.inf
    of_rows = weight[np.concatenate(folds)]
    for k, parts in enumerate(zip(*fit_without(grow, rows, folds, weight), strict=False)):
        log_p = held_out_log_density(parts, rows, folds)
        yield parts, log_p
        value = np.average(log_p, weights=of_rows)
        if 2**k >= FOLLOWED and value - last < WORTH:
            return
        last = value


def _grow(rows, weight, layout, prior_rows, most):
    return grow_latent_classes(rows, layout, most, weight, prior_rows=prior_rows)


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
    return CrossFit(with_tail(closed_form.whole, df), [with_tail(part, df) for part in closed_form.parts])


def with_tail(density, df):
    """The `BlockDensity` with a Student t in place of its Gaussian."""
    return BlockDensity(density.layout, density.levels, ConditionalStudent(density.numbers, df))
