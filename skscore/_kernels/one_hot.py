r"""Products with the one-hot levels of rows, of which nothing but their places is stored.

A row of levels :math:`l_{ij}`, numbered through all columns, is a row of Φ with a one at each of them:

.. math:: (\Phi B)_{ik} = \sum_j B_{l_{ij} k}, \qquad (\Phi^\top R)_{lk} = \sum_{ij} 1(l_{ij} = l)\, R_{ik} ,
          \qquad (\Phi^\top \operatorname{diag}(w)\, \Phi)_{lm} = \sum_{ijk} 1(l_{ij} = l)\, 1(l_{ik} = m)\, w_i .
"""

from numba import njit


@njit(cache=True, nogil=True)
def add_levels(places, B, out):
    """Add ΦB of the levels `places` (n, q) and B (L, K) to `out` (n, K)."""
    for i in range(places.shape[0]):
        for j in range(places.shape[1]):
            level = places[i, j]
            for k in range(out.shape[1]):
                out[i, k] += B[level, k]


@njit(cache=True, nogil=True)
def sum_levels(places, R, out):
    """Add ΦᵀR of the levels `places` (n, q) and R (n, K) to `out` (L, K)."""
    for i in range(places.shape[0]):
        for j in range(places.shape[1]):
            level = places[i, j]
            for k in range(R.shape[1]):
                out[level, k] += R[i, k]


@njit(cache=True, nogil=True)
def sum_pairs(places, w, out):
    """Add Φᵀ diag(w) Φ of the levels `places` (n, q) and the weights `w` (n,) to `out` (L, L)."""
    for i in range(places.shape[0]):
        for j in range(places.shape[1]):
            for k in range(places.shape[1]):
                out[places[i, j], places[i, k]] += w[i]
