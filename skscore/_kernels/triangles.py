r"""Rows times the lower triangles of their patterns, and divided by them.

Row i of V has the pattern g(i), whose triangle :math:`L_g` takes the columns in the order :math:`\pi_g`: with
:math:`v = V_{i, \pi_g}` the kernels write Lv, or :math:`L^{-1} v` by forward substitution, to the same columns.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def multiply(L, order, pattern, V, out):
    """Write Lv of triangles `L` (G, p, p) and the rows of `V` (n, p) to `out` (n, p)."""
    for i in range(V.shape[0]):
        g = pattern[i]
        for a in range(V.shape[1]):
            total = 0.0
            for b in range(a + 1):
                total += L[g, a, b] * V[i, order[g, b]]
            out[i, order[g, a]] = total


@njit(cache=True, nogil=True, error_model="numpy")
def solve(L, order, pattern, V, out):
    """Write L⁻¹v of triangles `L` (G, p, p) and the rows of `V` (n, p) to `out` (n, p)."""
    r = np.empty(V.shape[1])
    for i in range(V.shape[0]):
        g = pattern[i]
        for a in range(V.shape[1]):
            total = V[i, order[g, a]]
            for b in range(a):
                total -= L[g, a, b] * r[b]
            r[a] = total / L[g, a, a]
            out[i, order[g, a]] = r[a]
