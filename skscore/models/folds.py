"""Equal rows count as one: numbered alike, and dealt into one fold, so that a weight of 2 is exactly a repeated row."""

from __future__ import annotations

import numpy as np

from .._compat import beside, get_namespace, is_numpy, to_numpy
from ..formulas.moments import evenly
from .family import Sample

__all__ = ["deal", "distinct", "group_rows", "in_numpy", "merge_equal", "taken"]

DIGITS = 10  # of a distance, relative to the greatest: below them it ties, and rows are in the order of their columns
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
    order = np.lexsort(X.T)
    is_new = np.r_[True, (X[order][1:] != X[order][:-1]).any(axis=1)]
    first = (X if coordinates is None else coordinates)[order[is_new]]
    distance = np.sqrt(np.einsum("ij,ij->i", first, first))
    nearest_first = np.argsort(np.round(distance / max(distance.max(), TINY), DIGITS), kind="stable")
    place = np.empty(len(first), dtype=int)
    place[nearest_first] = np.arange(len(first))
    group = np.empty(len(X), dtype=int)
    group[order] = place[np.cumsum(is_new) - 1]
    return group


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
    return Sample(X[first], None if Y is None else _means(Y, weight, group), total / total.mean(), table)


def _means(Y, weight, group):
    """Weighted means of the scores of equal rows, which make one and the same quadratic form."""
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
