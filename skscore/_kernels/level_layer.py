r"""A layer of a residual network at one noise level, and tangents through it, but for their products: a pass for each.

With :math:`\hat x = (h - \bar h)/s` the normalised units of a row, z their product with the weights and a the SiLU,

.. math::

   h' = h + a(z + b), \qquad
   dh' = dh + \tfrac1s\,a'(z + b) \odot \bigl(W_c\,dh - z\,\tfrac1H \hat x^\top dh\bigr),

and a trace of the last layer is :math:`\ell^\top W_{out}\,d\hat x`. Units are matrices (n, H), tangents (n, K, H), all
in single precision. The n rows are those of several networks, the same number of each, one network after the other.
"""

import numpy as np
from numba import njit

from .residual_layer import ONE, ZERO, _mean_and_inverse_sd, _sigmoid


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def _along(x, dh):
    along = ZERO
    for j in range(x.shape[0]):
        along += x[j] * dh[j]
    return along / np.float32(x.shape[0])


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def activated(eps, z, shift, h, out, unit, inverse_sd, slope):
    """Write h', the same normalised, 1/s of it, and a'(z + b); without `h` there is no skip, `slope` may be None."""
    n, H = z.shape
    shared = n // shift.shape[0]
    for i in range(n):
        q = i // shared
        for j in range(H):
            t = z[i, j] + shift[q, j]
            p = _sigmoid(t)
            a = t * p
            out[i, j] = a if h is None else h[i, j] + a
            if slope is not None:
                slope[i, j] = p + a * (ONE - p)
        mean, inverse_sd[i] = _mean_and_inverse_sd(out[i], eps)
        for j in range(H):
            unit[i, j] = (out[i, j] - mean) * inverse_sd[i]


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def moved(skipped, dh, da, unit, inverse_sd, z, slope):
    """Write dh' over `da`, which has W_c dh; `skipped` is dh, or None without the skip."""
    n, K, H = da.shape
    factor = np.empty(H, np.float32)
    for i in range(n):
        for j in range(H):
            factor[j] = slope[i, j] * inverse_sd[i]
        for k in range(K):
            along = _along(unit[i], dh[i, k])
            for j in range(H):
                d = factor[j] * (da[i, k, j] - z[i, j] * along)
                da[i, k, j] = d if skipped is None else skipped[i, k, j] + d


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def traced(rows, centred, dh, unit, inverse_sd, traces):
    """Write traces (n, K), given the rows of all ℓᵀW_out of each network, (m, K, H), and the same less their means."""
    n, K, H = dh.shape
    shared = n // rows.shape[0]
    for i in range(n):
        q = i // shared
        for k in range(K):
            bent, across = ZERO, ZERO
            for j in range(H):
                bent += centred[q, k, j] * dh[i, k, j]
                across += rows[q, k, j] * unit[i, j]
            traces[i, k] = inverse_sd[i] * (bent - across * _along(unit[i], dh[i, k]))
