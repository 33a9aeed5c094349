r"""Squared distances of rows from the ways of their kind.

Row i of `U` (n, p) is of the kind g(i), whose ways are the columns of :math:`V_g` in `V` (G, p, m):

.. math:: q_{iw} = \sum_a (U_{ia} - V_{g(i) a w})^2 .

The way is the last index, so that the innermost loop is over neighbours.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def way_distances(U, V, kind):
    """Return q, shape (n, m)."""
    out = np.zeros((U.shape[0], V.shape[2]))
    for i in range(U.shape[0]):
        for a in range(U.shape[1]):
            u, v = U[i, a], V[kind[i], a]
            for w in range(out.shape[1]):
                r = u - v[w]
                out[i, w] += r * r
    return out
