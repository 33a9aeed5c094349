r"""Sums of Gaussian kernels of many widths over the rows of a table.

Each width is half the one before, :math:`h_j = 2^{-j} h_0`, so that :math:`e_j = \exp(-q/2h_j^2) = e_{j-1}^4`: one
exponential suffices for all of them.
"""

import numpy as np
from numba import njit

__all__ = ["kernel_derivatives", "kernel_sums"]

LARGEST = 745.0  # −log of the smallest positive double


@njit(cache=True, nogil=True)
def kernel_sums(X, centres, weight, width, n_widths, own):
    """Compute Σ_i a_i exp(−‖x − c_i‖²/(2 h_j²)) for each row and width, without the centre that is the row itself.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    centres : ndarray of shape (m, d)
    weight : ndarray of shape (m,)
    width : float
        h_0, the largest width.
    n_widths : int
    own : ndarray of int, shape (n,)
        Index of the centre that is left out for each row; −1 if none is.

    Returns
    -------
    ndarray of shape (n, n_widths)
    """
    sums = np.zeros((X.shape[0], n_widths))
    for r in range(X.shape[0]):
        for i in range(centres.shape[0]):
            q = 0.0
            for k in range(X.shape[1]):
                q += (X[r, k] - centres[i, k]) ** 2
            t = q / (2.0 * width**2)
            if t > LARGEST or i == own[r]:
                continue
            e = np.exp(-t)
            for j in range(n_widths):
                sums[r, j] += weight[i] * e
                e = (e * e) * (e * e)
    return sums


@njit(cache=True, nogil=True)
def kernel_derivatives(X, V, centres, weight, width, factor):
    """Compute the gradient of f = Σ_i a_i Σ_j φ_j exp(−‖x − c_i‖²/(2 h_j²)), and the second derivative along V.

    Parameters
    ----------
    X, V : ndarrays of shape (n, d)
        Rows, and one direction for each.
    centres : ndarray of shape (m, d)
    weight : ndarray of shape (m,)
    width : float
        h_0, the largest width.
    factor : ndarray of shape (n, J)
        φ_j for each row.

    Returns
    -------
    gradient : ndarray of shape (n, d)
    second : ndarray of shape (n,)
        vᵀ ∇²f v.
    """
    n, d = X.shape
    gradient, second, step = np.zeros((n, d)), np.zeros(n), np.empty(d)
    for r in range(n):
        for i in range(centres.shape[0]):
            q, along, square = 0.0, 0.0, 0.0
            for k in range(d):
                step[k] = centres[i, k] - X[r, k]
                q += step[k] ** 2
                along += step[k] * V[r, k]
                square += V[r, k] ** 2
            first, curving = _factors(q / (2.0 * width**2), width**-2, factor[r])
            for k in range(d):
                gradient[r, k] += weight[i] * first * step[k]
            second[r] += weight[i] * (curving * along**2 - first * square)
    return gradient, second


@njit(cache=True, nogil=True)
def _factors(t, precision, factor):
    """Return Σ_j φ_j e_j/h_j² and Σ_j φ_j e_j/h_j⁴ of one centre, from t = q/2h_0² and 1/h_0²."""
    first, curving = 0.0, 0.0
    if t > LARGEST:
        return first, curving
    e = np.exp(-t)
    for phi in factor:
        first += phi * e * precision
        curving += phi * e * precision**2
        e = (e * e) * (e * e)
        precision *= 4.0
    return first, curving
