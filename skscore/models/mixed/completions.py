r"""Levels that a row may hold where it tells none, with their probabilities given all that it tells.

With F the open cells, A the levels that each may hold and S the cells that are known, numbers among them,

.. math:: P(c_F \mid c_F \in A, S) = \frac{p(c_F, S)}{\sum_{c \in A} p(c, S)}, \qquad c_F \in A .

Every combination is weighed if there are at most `MOST` of them. Otherwise all open cells are drawn from the density,
and then, one column after the other, those whose level A leaves out are drawn once more given all other cells: the same
law if A leaves none out, and near it if such levels are rare.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from .blocks import draw_index
from .rows import CellMask

__all__ = ["draw_levels", "log_posterior"]

MOST = 1024  # combinations of levels of one row
BLOCK = 1 << 16  # rows, each with one combination, at a time


def log_posterior(density, rows, known, columns, ways):
    """Logarithms of the probabilities of some combinations of levels, shape (n, m).

    Parameters
    ----------
    density : RowDensity
    rows : Rows
    known : CellMask
        S.
    columns : ndarray of int, shape (f,)
        F, the same in all rows.
    ways : ndarray of int, shape (m, f)
        The levels that they may hold.
    """
    joint = CellMask(known.codes.copy(), known.numbers)
    joint.codes[:, columns] = True
    log_p = np.empty((rows.n, len(ways)))
    for index in np.array_split(np.arange(rows.n), max(1, -(-log_p.size // BLOCK))):
        many, asked = (pair.at(index).repeat(len(ways)) for pair in (rows, joint))
        many.codes[:, columns] = np.tile(ways, (len(index), 1))
        log_p[index] = density.log_prob(many, asked, asked.none).reshape(len(index), len(ways))
    return log_softmax(log_p, axis=1)


def draw_levels(density, rows, known, free, allowed, n_draws, rng):
    """Draws of the codes of each row with the open cells filled, shape (n, n_draws, q).

    Parameters
    ----------
    density : RowDensity
    rows : Rows
    known : CellMask
        S.
    free : ndarray of bool, shape (n, q)
        F, none of which is known.
    allowed : list of q ndarrays of int
        A, the levels that may be drawn in each column.
    n_draws : int
    rng : numpy.random.Generator
    """
    codes = np.repeat(rows.codes[:, None], n_draws, axis=1)
    patterns, of_row = np.unique(free, axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        index, columns = np.flatnonzero(of_row.ravel() == k), np.flatnonzero(pattern)
        few, told = rows.at(index), known.at(index)
        if np.prod([float(len(allowed[j])) for j in columns]) <= MOST:
            drawn = _drawn(density, few, told, columns, allowed, n_draws, rng)
        else:
            drawn = _drawn_in_turn(density, few, told, columns, allowed, n_draws, rng)
        codes[np.ix_(index, np.arange(n_draws), columns)] = drawn
    return codes


def _drawn(density, rows, known, columns, allowed, n_draws, rng):
    """Levels of these columns drawn together, shape (n, n_draws, f)."""
    sizes = [len(allowed[j]) for j in columns]
    place = np.indices(sizes).reshape(len(sizes), np.prod(sizes, dtype=np.int64)).T
    ways = np.stack([allowed[j][place[:, k]] for k, j in enumerate(columns)], axis=1) if sizes else place
    log_p = log_posterior(density, rows, known, columns, ways)
    return ways[draw_index(log_p, rng, np.repeat(np.arange(rows.n), n_draws))].reshape(rows.n, n_draws, len(columns))


def _drawn_in_turn(density, rows, known, columns, allowed, n_draws, rng):
    """The same by draws of the density, of which those that are not allowed are drawn once more."""
    many, told = rows.repeat(n_draws), known.repeat(n_draws)
    many = many._replace(codes=density.sample(many, told, rng).codes)
    for j in columns:
        index = np.flatnonzero(~np.isin(many.codes[:, j], allowed[j]))
        others = CellMask(np.ones_like(told.codes[index]), told.numbers[index])
        others.codes[:, j] = False
        many.codes[index, j] = _drawn(density, many.at(index), others, np.array([j]), allowed, 1, rng)[:, 0, 0]
    return many.codes[:, columns].reshape(rows.n, n_draws, len(columns))
