r"""The ways in which the numbers of a table may be moved before they are fitted, and the choice of one.

A way is a set of columns, standardised or stretched (:mod:`skscore.tabular.marginals`), and a shape for them. What is
fitted in its coordinates is a mixture, above all of latent classes, which follow bends and ridges that a conditional
Gaussian cannot: a stretch that makes this one likelier may break a ridge, such as that of a column which is the
logarithm of another. So the ways are compared by the mixture of a tree and a Gaussian, its tail and a path of latent
classes, on the rows held out of a part of the table, where :math:`w` are the best weights of these densities:

.. math:: \ell_i = \log \sum_k w_k\, p_k(c_i, u_i) + \log \lvert\partial u / \partial x\rvert_i.

Columns whose values heap up are stretched unless others gain more than twice the standard error of the gain: numbers of
a stretched column are drawn as often on a value as rows lie there.
"""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy import ndarray

from ..levels.mixture import largest_likelihood
from ..models.mixed.blocks import BlockDensity
from ..models.mixed.coordinates import Coordinates
from .row_stack import (
    DEGREES_OF_FREEDOM,
    LEAST_TAIL,
    fit_without,
    held_out_log_density,
    latent_class_path,
    mixed_log_density,
    with_tail,
)

__all__ = ["Way", "choose_way"]

ROWS, FOLDS = 3000, 2  # of the part of a table that chooses
SIZES, PRIOR_ROWS = 5, 0.03  # of latent classes: 1 to 16; ridges want little in their covariances
STANDARD_ERRORS = 2.0


class Way:
    """A set of columns and a shape for them.

    Parameters
    ----------
    columns : Marginals
    kind : {"none", "power", "mixture"}
    """

    def __init__(self, columns: Any, kind: str) -> None:
        self.columns, self.kind = columns, kind

    @cached_property
    def coordinates(self) -> Coordinates:
        """Those of the numbers."""
        return self.columns.coordinates(self.kind)

    def log_slope(self, numbers: ndarray, places: ndarray | slice = slice(None)) -> ndarray:
        """Of the coordinates at `numbers` of the rows at `places`, less what these gain by having been counted."""
        return self.coordinates.log_slopes(numbers) - self.columns.gain[places]


def choose_way(table, numbers, ways) -> Way:
    """Return the way for a table whose numbers were spread over their cells.

    Parameters
    ----------
    table : Table
    numbers : ndarray of shape (n, p)
    ways : list of list of Way
        Those of stretched columns before those of others.
    """
    part, places = table.part(ROWS, FOLDS)
    if sum(map(len, ways)) == 1 or not part.folds or not part.layout.state:
        return ways[-1][0]
    trees = fit_without(part.tree, part.rows, part.folds, part.weight)
    of_rows = part.weight[part.held_out]
    best = [_best(part, trees, numbers[places], places, same) for same in ways]
    (way, log_p), (other, other_log_p) = best[0], best[-1]
    gain = other_log_p - log_p
    mean, n = np.average(gain, weights=of_rows), of_rows.sum()
    error = np.sqrt(np.average((gain - mean) ** 2, weights=of_rows) / n)
    return other if mean > STANDARD_ERRORS * error else way


def _best(part, trees, numbers, places, ways):
    """The way of the largest log-density of the rows held out, and what it is in each of them."""
    found = [(way, _held_out(part, trees, numbers, places, way)) for way in ways]
    return max(found, key=lambda each: part.weight[part.held_out] @ each[1])


def _held_out(part, trees, numbers, places, way):
    """ℓ of the rows held out, shape (k,)."""
    rows = part.rows._replace(numbers=way.coordinates.forward(numbers))
    folds, weight, layout = part.folds, part.weight, part.layout
    gaussians = fit_without(part.gaussian, rows, folds, weight)
    blocks = [BlockDensity(layout, *pair) for pair in zip(trees, gaussians, strict=True)]
    tails = [with_tail(block, DEGREES_OF_FREEDOM[0]) for block in blocks]
    path = islice(latent_class_path(rows, layout, folds, weight, PRIOR_ROWS), SIZES)
    of_blocks = [held_out_log_density(parts, rows, folds) for parts in (tails, blocks)]
    log_p = np.stack([*of_blocks, *(of_classes for _, of_classes in path)], axis=1)
    every, least = np.ones(log_p.shape[1], dtype=bool), np.zeros(log_p.shape[1])
    least[0] = LEAST_TAIL
    weights, _ = largest_likelihood(log_p, weight[part.held_out], least, every)
    return mixed_log_density(log_p, weights) + way.log_slope(numbers, places)[part.held_out]
