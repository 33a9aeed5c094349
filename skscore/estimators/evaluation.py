"""A function of rows, a block of rows at a time: what it takes beside rows and answer does not grow with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..formulas.moments import row_blocks

__all__ = ["in_blocks"]

BLOCK_BYTES = 1 << 24  # of the rows: enough for every thread of a kernel, and little beside a large table


def in_blocks(evaluate: Callable[..., Any], X: Any, *tables: Any) -> Any:
    """Return the values that `evaluate` finds for the rows of `X`, in their order.

    Parameters
    ----------
    evaluate : callable
        Maps rows of `X`, and the same rows of `tables`, to an array with a value for each row, which no other row
        changes.
    X : array of shape (n, d)
        One of another library than numpy is evaluated at once.
    *tables : arrays of shape (n, ...) or (d,)
        Those of one axis are the same for all rows.

    Returns
    -------
    array of shape (n, ...)

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.estimators.evaluation import in_blocks
    >>> in_blocks(lambda X: X.sum(axis=1), np.eye(3))
    array([1., 1., 1.])
    """
    n = X.shape[0]
    blocks = list(row_blocks(n, 8 * X.shape[1], BLOCK_BYTES))
    if len(blocks) == 1 or not isinstance(X, np.ndarray):
        return evaluate(X, *tables)
    values = None
    for rows in blocks:
        found = evaluate(X[rows], *(table if table.ndim == 1 else table[rows] for table in tables))
        if values is None:
            values = np.empty((n, *found.shape[1:]), found.dtype)
        values[rows] = found
    return values
