"""Missing cells filled from their density given the other cells of a row.

That a cell is missing is not held against what it might hold: it is drawn from its density given the other cells, and
that it holds something. What stands in place of a number, a state, is drawn with it.
"""

from __future__ import annotations

import numpy as np

from ..models.mixed.completions import draw_levels
from ..models.mixed.rows import ALWAYS, NOT_KNOWN, CellMask, Rows

__all__ = ["central", "draw_missing", "rows_with_holes", "told_cells"]


def told_cells(rows, missing):
    """The cells that hold something.

    Parameters
    ----------
    rows : Rows
    missing : list of q int or None
        The level of each discrete column that says that a cell is missing.
    """
    codes = np.array([NOT_KNOWN if level is None else level for level in missing], dtype=np.int64)
    return rows.known & CellMask(rows.codes != codes, np.ones(rows.numbers.shape, dtype=bool))


def rows_with_holes(told, layout):
    """Places of the rows in which a cell is missing."""
    without_state = np.array(layout.state, dtype=np.int64) == ALWAYS
    return np.flatnonzero((~told.codes).any(axis=1) | (~told.numbers & without_state).any(axis=1))


def draw_missing(density, rows, told, missing, n_draws, rng):
    """Draws of the rows with their missing cells, levels first: `n_draws` of each row, one after the other; remarks."""
    allowed = [
        np.setdiff1d(np.arange(K), [] if level is None else [level])
        for K, level in zip(density.layout.n_levels, missing, strict=True)
    ]
    codes, remarks = draw_levels(density, rows, told, ~told.codes, allowed, n_draws, rng)
    codes = codes.reshape(rows.n * n_draws, codes.shape[2])
    numbers, there = (np.repeat(array, n_draws, axis=0) for array in (rows.numbers, told.numbers))
    return density.sample(Rows(codes, numbers), CellMask(np.ones(codes.shape, dtype=bool), there), rng), remarks


def central(draws, rows, told, layout):
    """The rows with the most frequent level of many draws in each missing cell, and the median of its numbers."""
    n_draws = draws.n // max(1, rows.n)
    codes, numbers = (array.reshape(rows.n, n_draws, array.shape[1]) for array in draws)
    counts = np.stack([(codes == level).sum(axis=1) for level in range(codes.max(initial=0) + 1)])
    mode = np.where(told.codes, rows.codes, counts.argmax(axis=0))
    is_number, medians = ~np.isnan(numbers).all(axis=1), np.full(rows.numbers.shape, np.nan)
    medians[is_number] = np.nanmedian(numbers.swapaxes(1, 2)[is_number], axis=1)
    return Rows(mode, np.where(told.numbers, rows.numbers, np.where(layout.holds_number(mode), medians, np.nan)))
