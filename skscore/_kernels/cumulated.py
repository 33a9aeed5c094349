"""Places at which cumulated weights pass a share of their total, found by bisection."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def passing_places(cumulated, rows, shares):
    """Return the first place of row ``rows[i]`` of `cumulated` (k, m) above the share i of its last, shape (n,)."""
    last = cumulated.shape[1] - 1
    out = np.empty(len(rows), dtype=np.int64)
    for i in range(len(rows)):
        row = cumulated[rows[i]]
        share, low, high = shares[i] * row[last], 0, last
        while low < high:
            middle = (low + high) // 2
            if row[middle] > share:
                high = middle
            else:
                low = middle + 1
        out[i] = low
    return out
