r"""Rows of numbers, all classes of a row side by side.

A row i of numbers is :math:`\tilde x_i = (1, x_i)`; g(i) says which of them are known. With a term for each class k,

.. math::

   t_{ik} \mathrel{+}= \sum_b \beta_{g b k} \tilde x_{ib}, \qquad
   t_{ik} \mathrel{-}= \tfrac12 \sum_a \Bigl(\sum_{b \le a + 1} W_{g a b k} \tilde x_{ib}\Bigr)^2,

and from shares :math:`r_{ik}` back,

.. math:: M_{g a b k} \mathrel{+}= \sum_{i: g(i) = g} r_{ik} \tilde x_{ia} \tilde x_{ib}, \quad b \le a .

Beforehand, :math:`L L^\top = \Sigma_{k,OO}` of the cells O that are known and :math:`L^{-1}` are written, class by
class. The shares are :math:`r_{ik} = w_i e^{t_{ik}} / \sum_k e^{t_{ik}}` with the weight w of a row.

The class is the last index of every array, so that the innermost loop is over neighbours. Of at most `FEW` classes it
is over rows of one pattern, which follow each other: `TILE` of them pass together, with their numbers transposed.
"""

import numpy as np
from numba import njit

FEW, TILE = 8, 32


@njit(cache=True, nogil=True, error_model="numpy")
def _factorise(covariance, cells, L):
    """Write the factor L of some cells of a covariance, and return log |L|."""
    log_det = 0.0
    for a in range(len(cells)):
        for b in range(a + 1):
            total = covariance[cells[a], cells[b]]
            for c in range(b):
                total -= L[a, c] * L[b, c]
            L[a, b] = np.sqrt(total) if a == b else total / L[b, b]
        log_det += np.log(L[a, a])
    return log_det


@njit(cache=True, nogil=True, error_model="numpy")
def _invert(L, cells, out):
    """Write L⁻¹ to these cells of `out`."""
    for a in range(len(cells)):
        for b in range(a + 1):
            total = 1.0 if a == b else 0.0
            for c in range(b, a):
                total -= L[a, c] * out[cells[c], cells[b]]
            out[cells[a], cells[b]] = total / L[a, a]


@njit(cache=True, nogil=True)
def whiten(covariances, masks, whitening, log_det):
    """Write L⁻¹ and log |L| of the cells O of each mask and class, where L Lᵀ = Σ_kOO.

    `covariances` are (K, p, p), `masks` (G, p), `whitening` is (G, p, p, K), zeros to begin with, and `log_det` (G, K).
    """
    L = np.empty(covariances.shape[1:])
    for g in range(masks.shape[0]):
        cells = np.flatnonzero(masks[g])
        for k in range(covariances.shape[0]):
            log_det[g, k] = _factorise(covariances[k], cells, L)
            _invert(L, cells, whitening[g, :, :, k])


@njit(cache=True, nogil=True)
def add_linear(X, pattern, slopes, out):
    """Add β x̃ of `slopes` (G, 1 + p, K), or of their first columns, and `X` (n, 1 + p) to `out` (n, K)."""
    for i in range(X.shape[0]):
        g = pattern[i]
        for b in range(slopes.shape[1]):
            x = X[i, b]
            for k in range(out.shape[1]):
                out[i, k] += slopes[g, b, k] * x


@njit(cache=True, nogil=True)
def _subtract_squares_of(x, whitening, z, out):
    """The same of one row; `z` (K,) is scratch."""
    for a in range(whitening.shape[0]):
        for k in range(z.shape[0]):
            z[k] = 0.0
        for b in range(a + 2):
            for k in range(out.shape[0]):
                z[k] += whitening[a, b, k] * x[b]
        for k in range(out.shape[0]):
            out[k] -= 0.5 * z[k] * z[k]


@njit(cache=True, nogil=True)
def _fill_tile(X, pattern, start, x):
    """Write rows of one pattern from `start` on to the columns of `x` (1 + p, TILE), and return where they end."""
    end = start
    while end < X.shape[0] and end - start < x.shape[1] and pattern[end] == pattern[start]:
        for b in range(X.shape[1]):
            x[b, end - start] = X[end, b]
        end += 1
    return end


@njit(cache=True, nogil=True)
def _squares_of_tile(x, m, whitening, k, z, total):
    """Write ‖W x̃‖² of m columns of `x` and class k to `total`; `z` is scratch."""
    total[:m] = 0.0
    for a in range(whitening.shape[0]):
        z[:m] = 0.0
        for b in range(a + 2):
            w = whitening[a, b, k]
            for i in range(m):
                z[i] += w * x[b, i]
        for i in range(m):
            total[i] += z[i] * z[i]


@njit(cache=True, nogil=True)
def subtract_squares(X, pattern, whitening, out):
    """Subtract ½ ‖W x̃‖² of `whitening` (G, p, 1 + p, K) and `X` (n, 1 + p) from `out` (n, K)."""
    if out.shape[1] > FEW:
        scratch = np.empty(out.shape[1])
        for i in range(X.shape[0]):
            _subtract_squares_of(X[i], whitening[pattern[i]], scratch, out[i])
        return
    x, z, total, start = np.empty((X.shape[1], TILE)), np.empty(TILE), np.empty(TILE), 0
    while start < X.shape[0]:
        end = _fill_tile(X, pattern, start, x)
        m = end - start
        for k in range(out.shape[1]):
            _squares_of_tile(x, m, whitening[pattern[start]], k, z, total)
            for i in range(m):
                out[start + i, k] -= 0.5 * total[i]
        start = end


@njit(cache=True, nogil=True)
def _largest(row):
    """The largest number of a row, NaN if there is one; the method of arrays takes half a second to compile."""
    top = row[0]
    for k in range(1, row.shape[0]):
        top = row[k] if row[k] > top or row[k] != row[k] else top
    return top


@njit(cache=True, nogil=True)
def log_sums(terms):
    """Return log Σ_k e^t of terms (n, K), shape (n,)."""
    out = np.empty(terms.shape[0])
    for i in range(terms.shape[0]):
        top, total = _largest(terms[i]), 0.0
        for k in range(terms.shape[1]):
            total += np.exp(terms[i, k] - top)
        out[i] = top + np.log(total)
    return out


@njit(cache=True, nogil=True)
def to_shares(terms, weight):
    """Turn terms (n, K) into shares in place, and return Σ_i w_i log Σ_k e^t."""
    value = 0.0
    for i in range(terms.shape[0]):
        top, total = _largest(terms[i]), 0.0
        for k in range(terms.shape[1]):
            terms[i, k] = np.exp(terms[i, k] - top)
            total += terms[i, k]
        for k in range(terms.shape[1]):
            terms[i, k] *= weight[i] / total
        value += weight[i] * (top + np.log(total))
    return value


@njit(cache=True, nogil=True)
def _add_products_of(x, shares, scaled, out):
    """The same of one row; `scaled` (K,) is scratch."""
    for a in range(x.shape[0]):
        for k in range(shares.shape[0]):
            scaled[k] = shares[k] * x[a]
        for b in range(min(a + 1, out.shape[1])):
            for k in range(shares.shape[0]):
                out[a, b, k] += scaled[k] * x[b]


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def _add_products_of_tile(x, m, k, scaled, shares, out):
    """The same of m columns of `x` and class k, whose rows have these `shares` (m, K); `scaled` is scratch."""
    for a in range(x.shape[0]):
        for i in range(m):
            scaled[i] = shares[i, k] * x[a, i]
        for b in range(min(a + 1, out.shape[1])):
            total = 0.0
            for i in range(m):
                total += scaled[i] * x[b, i]
            out[a, b, k] += total


@njit(cache=True, nogil=True)
def sum_products(X, pattern, shares, out):
    """Add the lower triangles of r x̃ x̃ᵀ to `out` (G, 1 + p, 1 + p, K), which may have the first columns only."""
    if shares.shape[1] > FEW:
        scratch = np.empty(shares.shape[1])
        for i in range(X.shape[0]):
            _add_products_of(X[i], shares[i], scratch, out[pattern[i]])
        return
    x, scaled, start = np.empty((X.shape[1], TILE)), np.empty(TILE), 0
    while start < X.shape[0]:
        end = _fill_tile(X, pattern, start, x)
        m = end - start
        for k in range(shares.shape[1]):
            _add_products_of_tile(x, m, k, scaled, shares[start:end], out[pattern[start]])
        start = end
