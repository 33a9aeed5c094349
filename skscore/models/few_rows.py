r"""Some of the rows of a long table, to choose by: a sample that the rows decide, whoever reads them in what order.

Rows are numbered by a hash of their entries, and the distinct rows of the smallest numbers are kept, each with the
weight of all that equal it (a bottom-k sketch; Cohen & Kaplan, 2007). So the order of a table does not matter, and a
weight of 2 is exactly a repeated row, as where all rows choose. The table is read once, in blocks.

References
----------
Cohen, E., & Kaplan, H. (2007). Summarizing data using bottom-k sketches. PODC, 225-234.
"""

from __future__ import annotations

import numpy as np

from ..formulas.moments import row_blocks
from .family import Sample
from .folds import hashes, means_of_groups

__all__ = ["MOST_TO_CHOOSE", "few_rows"]

MOST_TO_CHOOSE = 100_000  # rows of a table, of which all choose
BLOCK_BYTES = 1 << 22


def few_rows(sample, most=None):
    """A sample as it is; of one with more than `most` rows at most as many distinct ones, with the moments of all.

    None is `MOST_TO_CHOOSE`.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.moments import moments
    >>> from skscore.models.family import Sample
    >>> from skscore.models.few_rows import few_rows
    >>> X = np.arange(6.0).repeat(2)[:, None]
    >>> few = few_rows(Sample(X, None, None, moments(X)), most=4)
    >>> few.X.shape, few.weight, few.moments.n
    ((4, 1), array([2., 2., 2., 2.]), 12.0)
    """
    X, Y, weight, table = sample
    most = MOST_TO_CHOOSE if most is None else most
    if len(X) <= most:
        return sample
    kept, waiting, bound = _no_rows(X, Y), [], np.iinfo(np.uint64).max
    for rows in row_blocks(len(X), 8 * X.shape[1], BLOCK_BYTES):
        number = hashes(X[rows])
        near = np.flatnonzero(number <= bound)
        w = np.ones(len(near)) if weight is None else weight[rows][near]
        waiting.append((number[near], X[rows][near], None if Y is None else Y[rows][near], w))
        if 4 * sum(len(part[0]) for part in waiting) > most or rows.stop == len(X):
            kept, waiting = _merged([kept, *waiting], most), []
            bound = kept[0][-1] if len(kept[0]) == most else bound
    _, X, Y, weight = kept
    return Sample(X, Y, weight, table)


def _no_rows(X, Y):
    """Numbers, rows, scores and weights of none."""
    return np.zeros(0, np.uint64), X[:0], None if Y is None else Y[:0], np.zeros(0)


def _merged(parts, most):
    """Numbers, rows, scores and weights of the distinct rows of the parts, of which the smallest numbers are kept."""
    numbers, rows, scores, weights = zip(*parts, strict=True)
    X, weight = np.concatenate(rows), np.concatenate(weights)
    Y = None if scores[0] is None else np.concatenate(scores)
    number, first, group = np.unique(np.concatenate(numbers), return_index=True, return_inverse=True)
    Y = None if Y is None else means_of_groups(Y, weight, group)[:most]
    return number[:most], X[first[:most]], Y, np.bincount(group, weight)[:most]
