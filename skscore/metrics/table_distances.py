r"""How two tables of the same columns differ: marginals, associations, and distances of rows.

- Marginals: the 1-Wasserstein distance of numbers, the total variation :math:`\tfrac12\sum_c |p_c - q_c|` of levels.
- Association of two columns: the correlation of numbers, with its sign; Cramér's V of levels; the correlation ratio η
  of levels and numbers, the root of the share of the variance that lies between levels.
- Rows: Gower's distance (1971), the mean over columns of :math:`|x - y|` / range for numbers and of :math:`x \ne y` for
  levels; a missing cell is at distance 1 from all others and 0 from another missing one.
- Coverage: the share of rows of a table with a row of the other no farther than their fifth neighbour in their own
  table (Naeem et al., 2020, eq. 4).

References
----------
Gower, J. C. (1971). A general coefficient of similarity and some of its properties. Biometrics, 27(4), 857-871.
Naeem, M. F., Oh, S. J., Uh, Y., Choi, Y., & Yoo, J. (2020). Reliable fidelity and diversity metrics for generative
models. ICML.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import ndarray
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance
from sklearn.utils import gen_batches

from .table_cells import TableCells

__all__ = [
    "Distance",
    "associations",
    "coverage",
    "exact_copies",
    "gower_distance",
    "marginal_distances",
    "nearest_distance",
    "spreads",
]

BLOCK = 2**22  # distances in memory at a time: 32 MiB
NEIGHBOURS = 5

Distance = Callable[[ndarray, ndarray], ndarray]


def marginal_distances(a: TableCells, b: TableCells, sd: ndarray) -> ndarray:
    """Return the distance of the marginals of each column, of numbers in units of `sd`; NaN where none is held."""
    held = [[x[~np.isnan(x)] for x in table.cells.T] for table in (a, b)]
    pairs = zip(*held, a.is_level, sd, strict=True)
    return np.array([_marginal_distance(x, y, *how) if len(x) and len(y) else np.nan for x, y, *how in pairs])


def spreads(table: TableCells) -> ndarray:
    """Return the standard deviation of each column of numbers, 1 where it has none, shape (d,)."""
    held = (x[~np.isnan(x)] for x in table.cells.T)
    sd = np.array([x.std() if len(x) else 0.0 for x in held])
    return np.where(sd > 0.0, sd, 1.0)


def _marginal_distance(x, y, is_level, sd):
    if not is_level:
        return wasserstein_distance(x, y) / sd
    n_levels = int(max(x.max(), y.max())) + 1
    share = [np.bincount(each.astype(np.int64), minlength=n_levels) / len(each) for each in (x, y)]
    return 0.5 * np.abs(share[0] - share[1]).sum()


def associations(table: TableCells) -> ndarray:
    """Return the association of each pair of columns i < j, over rows that hold both cells, shape (d (d − 1) / 2,)."""
    columns, is_level = table.cells.T, table.is_level
    return np.array(
        [_association(columns, is_level, i, j) for i, j in zip(*np.triu_indices(len(columns), 1), strict=True)]
    )


def _association(columns, is_level, i, j):
    """Correlation, Cramér's V or the correlation ratio; 0 where one of the two is constant."""
    i, j = (i, j) if is_level[i] else (j, i)  # levels first, if there are any
    both = ~np.isnan(columns[i]) & ~np.isnan(columns[j])
    x, y = columns[i][both], columns[j][both]
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    if not is_level[i]:
        return float(np.corrcoef(x, y)[0, 1])
    (_, row), (_, column) = (np.unique(each, return_inverse=True) for each in (x, y))
    return _cramer(row, column) if is_level[j] else _correlation_ratio(row, y)


def _cramer(row, column):
    """V, with the χ² of the table of counts: V² = (∑ n_rc² / (n_r n_c) − 1) / (min(R, C) − 1)."""
    R, C = row.max() + 1, column.max() + 1
    count = np.bincount(row * C + column, minlength=R * C).reshape(R, C)
    excess = (count**2 / np.outer(count.sum(axis=1), count.sum(axis=0))).sum() - 1
    return float(np.sqrt(max(excess, 0.0) / (min(R, C) - 1)))


def _correlation_ratio(level, y):
    """Root of the share of the variance of y that lies between levels."""
    centred = y - y.mean()
    between = np.bincount(level, centred) ** 2 / np.bincount(level)
    return float(np.sqrt(min(between.sum() / (centred @ centred), 1.0)))


# ---- rows ----------------------------------------------------------------------------------------


def gower_distance(*tables: TableCells) -> Distance:
    """Return the function from cells (n, d) and (m, d) to their distances (n, m), with the ranges of `tables`."""
    cells, is_level = np.vstack([table.cells for table in tables]), tables[0].is_level
    low, high = np.fmin.reduce(cells), np.fmax.reduce(cells)  # without missing cells, unless all are
    scale = np.where(high > low, high - low, 1.0)
    holed = np.isnan(cells).any(axis=0) & ~is_level
    whole = ~holed & ~is_level

    def distance(a, b):
        total = cdist(a[:, whole] / scale[whole], b[:, whole] / scale[whole], "cityblock") if whole.any() else 0.0
        if is_level.any():
            codes = (np.where(np.isnan(x), -1.0, x)[:, is_level] for x in (a, b))
            total = total + is_level.sum() * cdist(*codes, "hamming")
        for j in np.flatnonzero(holed):
            apart = np.abs(a[:, j, None] - b[:, j]) / scale[j]
            apart[np.isnan(apart)] = 1.0
            apart[np.ix_(np.isnan(a[:, j]), np.isnan(b[:, j]))] = 0.0
            total = total + apart
        return total / len(is_level)

    return distance


def nearest_distance(a: TableCells, b: TableCells, distance: Distance, k: int = 1) -> ndarray:
    """Return the distance of each row of `a` to its k-th nearest row of `b`, shape (n,), in blocks of rows."""
    nearest, k = np.empty(len(a)), min(k, len(b))
    for rows in gen_batches(len(a), max(1, BLOCK // len(b))):
        nearest[rows] = np.partition(distance(a.cells[rows], b.cells), k - 1, axis=1)[:, k - 1]
    return nearest


def coverage(sample: TableCells, target: TableCells, distance: Distance) -> float:
    """Return the share of rows of `target` with a row of `sample` no farther than their fifth neighbour in `target`."""
    radius = nearest_distance(target, target, distance, k=NEIGHBOURS + 1)  # the first is the row itself
    return float((nearest_distance(target, sample, distance) <= radius).mean())


def exact_copies(sample: TableCells, known: TableCells) -> float:
    """Return the share of rows of `sample` that are rows of `known`, too."""
    rows = {row.tobytes() for row in known.cells + 0.0}  # −0 is 0
    return float(np.mean([row.tobytes() in rows for row in sample.cells + 0.0]))
