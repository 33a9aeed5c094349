"""Blocks of a table that networks learn, on top of the tree and the conditional Gaussian; torch is loaded here."""

from __future__ import annotations

import numpy as np

from ..models.discrete.orders import OrderMixture, draw_orders
from .row_stack import CrossFit

__all__ = ["consistency", "learn_levels", "learn_numbers"]

CONSISTENCY_ROWS, CONSISTENCY_SEED = 200, 0xC0  # of the rows held out, and of the splits of their numbers


def learn_levels(table, trees, watch) -> CrossFit:
    """Any-order conditionals of the levels; the `trees` if they are no better on rows held out.

    Parameters
    ----------
    table : Table
    trees : CrossFit of Tree
    watch : callable
        Called with the state of the training.
    """
    from ..neural.any_order import fit_any_order

    rows = table.rows.codes, table.folds, table.weight
    network = fit_any_order(trees.whole, trees.parts, *rows, table.seed, watch=watch)
    if network.exponent == 0.0:
        return trees
    orders = draw_orders(len(table.layout.n_levels))
    parts = [OrderMixture(network.part(k), orders) for k in range(len(table.folds))]
    return CrossFit(OrderMixture(network, orders), parts)


def learn_numbers(table, gaussians, coordinates, network, watch) -> CrossFit:
    """Scores of the numbers given the levels; the `gaussians` if they are no better on rows held out.

    Parameters
    ----------
    table : Table
    gaussians : CrossFit of ConditionalGaussian
        In these coordinates.
    coordinates : Coordinates
    network : ScoreNetwork
    watch : callable
        Called with the state of the training.
    """
    from ..neural.conditional_score import fit_conditional_score

    def spread(rng):
        return coordinates.forward(table.spread(rng))

    rows = table.rows._replace(numbers=coordinates.forward(table.rows.numbers))
    density = fit_conditional_score(
        gaussians.whole,
        gaussians.parts,
        rows,
        table.layout,
        table.folds,
        spread,
        table.weight,
        table.seed,
        network,
        watch,
    )
    return gaussians if density.is_gaussian else CrossFit(density, [density.part(k) for k in range(len(table.folds))])


def consistency(numbers, rows, folds):
    """Mean of log p(x_A | c) + log p(x_B | x_A, c) − log p(x_AB | c) over random splits of rows held out, in nats.

    Rows with a single number have no splits; 0 if there are no others.

    Parameters
    ----------
    numbers : CrossFit of ConditionalScore
    rows : Rows
        In their coordinates.
    folds : list of ndarray of int
    """
    rng, each = np.random.default_rng(CONSISTENCY_SEED), -(-CONSISTENCY_ROWS // len(folds))
    splits = (~np.isnan(rows.numbers)).sum(axis=1) > 1
    few = [fold[splits[fold]][:each] for fold in folds]
    pairs = zip(numbers.parts, few, strict=True)
    values = [part.consistency(rows.at(index), rng) for part, index in pairs if len(index)]
    return float(np.mean(values)) if values else 0.0
