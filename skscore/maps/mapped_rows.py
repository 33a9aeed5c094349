"""A table f(x) that is never there as a whole: it is found block by block, where it is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["MappedRows"]


class MappedRows:
    """Rows of X under a function of rows: a part of them is of the same kind, and ``np.asarray`` finds the values.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Or rows that are mapped themselves.
    function : callable
        From rows (k, d) to rows of as many columns in double precision, of which each depends on its own row alone.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.maps.mapped_rows import MappedRows
    >>> doubled = MappedRows(np.arange(6.0).reshape(3, 2), lambda X: 2.0 * X)
    >>> len(doubled), np.asarray(doubled[1:2])
    (3, array([[4., 6.]]))
    """

    def __init__(self, X: Any, function: Callable[[np.ndarray], np.ndarray]) -> None:
        self.X, self.function = X, function

    @property
    def shape(self):
        """Numbers of rows and columns."""
        return self.X.shape

    def __len__(self):
        return len(self.X)

    def __getitem__(self, rows):
        return MappedRows(self.X[rows], self.function)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.function(np.asarray(self.X)), dtype=dtype)
