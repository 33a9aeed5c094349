"""From the rows of a table to their density: coordinates of the numbers, blocks, and what is mixed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from ..formulas.moments import evenly
from ..maps.cells import EvenCells, OwnCells, dequantize
from ..maps.limits import Limits
from ..models.discrete.tree import fit_tree
from ..models.mixed.conditional_gaussian import fit_conditional_gaussian
from ..models.mixed.coordinates import MovedRows
from ..models.mixed.latent_classes import MOST_CLASSES
from ..models.mixed.rows import Layout, Rows
from .counted_levels import with_frequencies
from .marginals import MARGINALS, Marginals
from .network_blocks import consistency
from .row_stack import blocks, cross_fit, deal, stack
from .ways import Way, choose_way

__all__ = ["Table", "TableFit", "fit_table"]

SPREAD_SEED = 0x7AB1E  # where in its cell a number falls is the same in every fit
POINTS, POINT_ROWS, POINT_TOLERANCE = (1, 2, 4, 8, 16), 128, 0.01  # of cells; rows that choose, and nats in the mean


@dataclass(frozen=True, eq=False)
class Table:
    """What a density is fitted to.

    Parameters
    ----------
    rows : Rows
    layout : Layout
    cells : sequence of p EvenCells, OwnCells or None
        Of each numeric column.
    weight : ndarray of shape (n,)
        How many rows each stands for.
    folds : list of ndarray of int
        Rows that are held out together.
    seed : int
    limits : Limits or None
        Within which the numbers lie.
    """

    rows: Rows
    layout: Layout
    cells: Sequence[EvenCells | OwnCells | None]
    weight: np.ndarray
    folds: list
    seed: int
    limits: Limits | None = None

    @classmethod
    def of(cls, rows, layout, cells, weight, seed, limits=None):
        """The table with its rows dealt into folds, their levels in half the memory."""
        rows = rows._replace(codes=rows.codes.astype(np.int32))
        return cls(rows, layout, cells, weight, deal(rows.n, seed), seed, limits)

    def spread(self, rng):
        """Numbers spread over their cells, shape (n, p)."""
        return dequantize(self.rows.numbers, self.cells, rng)

    def part(self, most_rows, most_folds):
        """The table of at most so many rows, evenly spaced, and so many folds."""
        places = evenly(self.rows.n, most_rows)
        folds = [np.flatnonzero(np.isin(places, fold)) for fold in self.folds[:most_folds]]
        held_out = [fold for fold in folds if 0 < len(fold) < len(places)]
        return replace(self, rows=self.rows.at(places), weight=self.weight[places], folds=held_out), places

    @property
    def held_out(self):
        """Places of the rows that are held out, fold by fold."""
        return np.concatenate([np.empty(0, dtype=np.int64), *self.folds])

    def tree(self, rows, weight):
        """The tree of the levels of some rows."""
        return fit_tree(rows.codes, self.layout.n_levels, weight)

    def gaussian(self, rows, weight):
        """The conditional Gaussian of the numbers of some rows."""
        return fit_conditional_gaussian(rows, self.layout, weight)


class TableFit(NamedTuple):
    """A fitted density, and what was chosen for it.

    Attributes
    ----------
    density : MovedRows
    marginals : str
    weight_of : dict of str to float
        Weight of each expert.
    held_out : float
        Mean log-density of rows that the experts have not seen, in nats and in the units of the table.
    consistency : float
        Of the conditionals of the numbers with their joint density, in nats; 0 in closed form.
    """

    density: MovedRows
    marginals: str
    weight_of: dict
    held_out: float
    consistency: float


def fit_table(
    table, marginals, has_tail=True, learn_levels=None, learn_numbers=None, most_classes=MOST_CLASSES
) -> TableFit:
    """The density of a table.

    Parameters
    ----------
    table : Table
    marginals : {"auto", "none", "power", "mixture"}
    has_tail : bool
        Whether a heavy tail insures against rows far from all others.
    learn_levels, learn_numbers : callable, optional
        From the table and the trees, or the conditional Gaussians and the coordinates of the numbers, to the `CrossFit`
        of a block. Without them it is the trees, or the Gaussians.
    most_classes : int
        Latent classes of a mixture.
    """
    numbers = table.spread(np.random.default_rng(SPREAD_SEED))
    way = _way(table, numbers, marginals)
    coordinates = way.coordinates
    rows, log_slope = table.rows._replace(numbers=coordinates.forward(numbers)), way.log_slope(numbers)
    trees = cross_fit(table.tree, table.rows, table.folds, table.weight)
    gaussians = cross_fit(table.gaussian, rows, table.folds, table.weight)
    counted = partial(with_frequencies, codes=table.rows.codes, folds=table.folds, weight=table.weight)
    levels = of_trees = counted(trees)
    if learn_levels is not None and (learned := learn_levels(table, trees)) is not trees:
        levels = counted(learned)
    closed_form, consistent = blocks(table.layout, of_trees, gaussians), 0.0
    of_numbers = gaussians if learn_numbers is None else learn_numbers(table, gaussians, coordinates)
    is_closed_form = levels is of_trees and of_numbers is gaussians
    model = closed_form if is_closed_form else blocks(table.layout, levels, of_numbers, closed_form)
    if of_numbers is not gaussians:
        consistent = consistency(of_numbers, rows, table.folds)
    mixed = stack(rows, table.layout, table.folds, model, closed_form, table.weight, has_tail, most_classes)
    density = MovedRows(mixed.density, coordinates, table.cells, gaussian=gaussians.whole)
    density = _with_points(density, table.rows)
    held_out = mixed.held_out + log_slope[table.held_out]
    weight = table.weight[table.held_out]
    score = float(np.average(held_out, weights=weight)) if len(held_out) else np.nan
    return TableFit(density, way.kind, mixed.weight_of, score, consistent)


def _way(table, numbers, marginals):
    """Which `Way` the numbers of a table go: one of this kind of `marginals`."""
    kinds = MARGINALS if marginals == "auto" else (marginals,)
    plain = Marginals.of(numbers, table.weight, table.limits)
    stretched = plain if marginals == "none" else plain.stretched(table.cells)
    ways = [[Way(columns, kind) for kind in kinds] for columns in dict.fromkeys((stretched, plain))]
    return choose_way(table, numbers, ways)


def _with_points(density, rows):
    """The density with as many points of the cells as it takes for a row to move little with twice as many."""
    few = rows.at(evenly(rows.n, POINT_ROWS))
    every = few.known
    last = density.log_prob(few, every, every.none)
    for n_points in POINTS[1:]:
        finer = replace(density, n_points=n_points)
        log_p = finer.log_prob(few, every, every.none)
        if np.abs(log_p - last).mean() < POINT_TOLERANCE:
            return density
        density, last = finer, log_p
    return density
