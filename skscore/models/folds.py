"""Equal rows count as one: numbered alike, and dealt into one fold, so that a weight of 2 is exactly a repeated row."""

from __future__ import annotations

import numpy as np

from .family import Sample

__all__ = ["deal", "group_rows", "merge_equal", "taken"]


def group_rows(X):
    """Number of the distinct row that each row of X (n, d) equals, in an order that no rotation changes.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.folds import group_rows
    >>> group_rows(np.array([[2.0], [-1.0], [2.0]]))
    array([1, 0, 1])
    """
    norms = np.einsum("ij,ij->i", X, X)
    order = np.lexsort((*X.T, norms))
    is_new = np.r_[False, (X[order][1:] != X[order][:-1]).any(axis=1)]
    group = np.empty(len(X), dtype=int)
    group[order] = np.cumsum(is_new)
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


def merge_equal(sample, group):
    """The distinct rows, with the summed weights of those that are equal."""
    X, Y, weight, table = sample
    _, first = np.unique(group, return_index=True)
    return Sample(X[first], None if Y is None else Y[first], np.bincount(group, weight).astype(float), table)
