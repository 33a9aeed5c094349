"""Equal rows count as one: numbered alike, and dealt into one fold, so that a weight of 2 is exactly a repeated row.

A small table is dealt into folds of equal size. The fold of a row of a large one depends on this row alone, so that
whoever has a part of the table deals it as one who has all of it would.
"""

from __future__ import annotations

import numpy as np

from .._compat import beside, get_namespace, is_numpy, to_numpy
from ..formulas.moments import evenly, row_blocks
from .family import Sample

__all__ = [
    "MOST_DEALT",
    "deal",
    "distinct",
    "fold_of_rows",
    "folds_of",
    "group_rows",
    "hashed_folds",
    "hashes",
    "in_numpy",
    "means_of_groups",
    "merge_equal",
    "taken",
]

MOST_DEALT = 10_000  # distinct rows that are dealt into folds of equal size; more follow a hash
DIGITS = 10  # of a distance, relative to the greatest: below them it ties, and rows are in the order of their columns
GOLDEN, HALF, LAST_SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(32), np.uint64(31)
MIXING = (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB))
TINY = np.finfo(np.float64).tiny


def group_rows(X, coordinates=None):
    """Number of the distinct row that each row of X (n, d) equals.

    Rows that lie nearer to the origin of their `coordinates`, by default X, come first: an order that no rotation of
    these changes, nor the order of the table. Rows are compared in X itself, as a product of matrices may round equal
    rows apart.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.folds import group_rows
    >>> group_rows(np.array([[2.0], [-1.0], [2.0]]))
    array([1, 0, 1])
    """
    order, position = np.lexsort(X.T), X if coordinates is None else coordinates
    is_new = np.ones(len(X), dtype=bool)
    for rows in row_blocks(len(X) - 1, 8 * X.shape[1]):  # a sorted copy would be as large as the table
        later = slice(rows.start + 1, rows.stop + 1)
        is_new[later] = (X[order[later]] != X[order[rows]]).any(axis=1)
    distance = np.sqrt(np.einsum("ij,ij->i", position, position)[order[is_new]])
    nearest_first = np.argsort(np.round(distance / max(distance.max(), TINY), DIGITS), kind="stable")
    place = np.empty(len(distance), dtype=int)
    place[nearest_first] = np.arange(len(distance))
    group = np.empty(len(X), dtype=int)
    group[order] = place[np.cumsum(is_new) - 1]
    return group


def fold_of_rows(X, n_folds):
    """Fold of each row of X (n, d), from a hash of its numbers: uniform, and the same wherever the row lies.

    The numbers are mixed in one by one, by the finaliser of splitmix64 (Steele, Lea & Flood, 2014).

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.folds import fold_of_rows
    >>> fold_of_rows(np.array([[0.5, 1.0], [1.0, 0.5], [0.5, 1.0]]), 5)
    array([3, 4, 3])
    """
    return ((hashes(X) >> HALF) * np.uint64(n_folds) >> HALF).astype(int)


def folds_of(sample, n_folds):
    """Samples of the rows in each fold that has any: of equal size, or by `fold_of_rows` beyond `MOST_DEALT` rows.

    A table that is rotated, or in other units, has the same folds of equal size.
    """
    X = sample.X
    if len(X) > MOST_DEALT and len(np.unique(hashes(X))) > MOST_DEALT:
        return [fold for fold in hashed_folds(sample, n_folds) if len(fold.X)]
    return deal(sample, group_rows(X - sample.moments.mean), n_folds, len(X))


def hashed_folds(sample, n_folds):
    """Samples of the rows in each fold, by `fold_of_rows`, some of them without rows."""
    fold = fold_of_rows(sample.X, n_folds)
    return [taken(sample, np.flatnonzero(fold == k)) for k in range(n_folds)]


def hashes(X):
    """64 bits for each row of X (n, d), shape (n,); −0 counts as 0."""
    state = np.zeros(len(X), dtype=np.uint64)
    for column in X.T:
        state ^= (column.astype(np.float64) + 0.0).view(np.uint64)
        state += GOLDEN
        for shift, factor in MIXING:
            state ^= state >> shift
            state *= factor
        state ^= state >> LAST_SHIFT
    return state


def deal(sample, group, n_folds, most_groups):
    """Samples of the rows in each fold, of at most `most_groups` distinct rows in all.

    Parameters
    ----------
    sample : Sample
    group : ndarray of int, shape (n,)
        From `group_rows`.
    n_folds, most_groups : int

    Returns
    -------
    list of Sample
    """
    number = np.random.default_rng(0).permutation(group.max() + 1)[group]
    n_dealt = min(number.max() + 1, most_groups)
    chosen = [np.flatnonzero((number < n_dealt) & (number % n_folds == fold)) for fold in range(min(n_folds, n_dealt))]
    return [taken(sample, rows) for rows in chosen]


def taken(sample, rows):
    """The sample of some rows, with the moments of all."""
    X, Y, weight, table = sample
    return Sample(X[rows], None if Y is None else Y[rows], None if weight is None else weight[rows], table)


def distinct(group, weight):
    """Place of the first row of each group, and the weight of all of its rows; the number of them without weights.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.folds import distinct
    >>> distinct(np.array([1, 0, 1]), None)
    (array([1, 0]), array([1., 2.]))
    """
    _, first = np.unique(group, return_index=True)
    return first, np.bincount(group, weight).astype(float)


def merge_equal(sample, group):
    """The distinct rows in the order of `group`, with the summed weights of those that are equal, of mean one."""
    X, Y, weight, table = sample
    first, total = distinct(group, weight)
    return Sample(X[first], None if Y is None else means_of_groups(Y, weight, group), total / total.mean(), table)


def means_of_groups(Y, weight, group):
    """Weighted means of the scores Y of equal rows, which make one and the same quadratic form."""
    sums = [np.bincount(group, y if weight is None else weight * y) for y in Y.T]
    return np.column_stack(sums) / np.bincount(group, weight)[:, None]


def in_numpy(sample, most):
    """A sample of numpy as it is; of tensors at most so many rows, evenly spaced, in double precision.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.moments import moments
    >>> from skscore.models.family import Sample
    >>> from skscore.models.folds import in_numpy
    >>> X = np.eye(2)
    >>> in_numpy(Sample(X, None, None, moments(X)), most=1).X is X
    True
    """
    X, _, weight, table = sample
    if is_numpy(X):
        return sample
    xp, _ = get_namespace(X)
    rows = beside(X, evenly(X.shape[0], most))
    taken_weight = None if weight is None else to_numpy(xp.take(weight, rows, axis=0))
    return Sample(to_numpy(xp.take(X, rows, axis=0)).astype(np.float64), None, taken_weight, table)
