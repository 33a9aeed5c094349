"""Whether the levels of a table follow from frequencies of their combinations, beside a tree or a network.

Rows held out decide: frequencies stay if the mixture with them gains `WORTH` nats per row. They do where columns say
something of a third that neither says alone, as two say of their sum.
"""

from __future__ import annotations

import numpy as np

from ..levels.mixture import WORTH, Offer, choose_weights
from ..models.discrete.frequencies import WithFrequencies, count_rows
from .row_stack import CrossFit, rest_of

__all__ = ["with_frequencies"]

EXACT_COLUMNS = 2  # of levels, which a tree knows wholly
MOST_COMBINATIONS = 4096  # whose frequencies a density keeps


def with_frequencies(levels, codes, folds, weight):
    """The densities of levels, mixed with the frequencies of whole rows if rows held out gain by these.

    Parameters
    ----------
    levels : CrossFit of AnyOrder
    codes : ndarray of int, shape (n, q)
    folds : list of index arrays
    weight : ndarray of shape (n,)
        How many rows each stands for.

    Returns
    -------
    CrossFit
        `levels` itself if nothing is gained.
    """
    if codes.shape[1] <= EXACT_COLUMNS or not folds:
        return levels
    tables = [count_rows(codes[index], weight[index]) for index in (slice(None), *rest_of(folds, len(codes)))]
    if any(table is None or len(table.share) > MOST_COMBINATIONS for table in tables):
        return levels
    held_out = zip(levels.parts, tables[1:], folds, strict=True)
    log_p = np.concatenate([_log_probabilities(part, table, codes[fold]) for part, table, fold in held_out])
    offers = {"frequencies": Offer(log_p[:, 1:], list, WORTH)}
    (_, (w,)), _ = choose_weights(log_p[:, 0], offers, weight[np.concatenate(folds)])
    if w == 0.0:
        return levels
    whole, *parts = (WithFrequencies(*pair, w) for pair in zip([levels.whole, *levels.parts], tables, strict=True))
    return CrossFit(whole, parts)


def _log_probabilities(density, table, codes):
    """Log-probabilities of rows by a density and by frequencies, shape (k, 2)."""
    every = np.ones(codes.shape, dtype=bool)
    return np.stack([density.log_prob(codes, every, ~every), table.log_prob(codes, every)], axis=1)
