r"""Sums of Gaussian kernels of many widths over the rows of a table.

The widths halve from one to the next, :math:`h_j = 2^{-j} h_0`, so that
:math:`e_j = \exp(-q/2h_j^2) = e_{j-1}^4`: one exponential serves all of them.
"""

import numpy as np
from numba import njit

__all__ = ["kernel_derivatives", "kernel_sums"]

LARGEST = 745.0  # −log of the least positive double


@njit(cache=True, nogil=True)
def kernel_sums(X, centres, weight, width, n_widths, own):
    """Σ_i a_i exp(−‖x − c_i‖²/(2 h_j²)) for each row and width, without the centre that the row itself is.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    centres : ndarray of shape (m, d)
    weight : ndarray of shape (m,)
    width : float
        h_0, the largest.
    n_widths : int
    own : ndarray of int, shape (n,)
        The centre left out for each row; −1 leaves out none.

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
    """First derivatives of f = Σ_i a_i Σ_j φ_j exp(−‖x − c_i‖²/(2 h_j²)), and the second along V.

    Parameters
    ----------
    X, V : ndarrays of shape (n, d)
        Rows, and one direction for each.
    centres : ndarray of shape (m, d)
    weight : ndarray of shape (m,)
    width : float
        h_0, the largest.
    factor : ndarray of shape (n, J)
        φ_j, which may differ between rows.

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
            pull, bend = _forces(q / (2.0 * width**2), width**-2, factor[r])
            for k in range(d):
                gradient[r, k] += weight[i] * pull * step[k]
            second[r] += weight[i] * (bend * along**2 - pull * square)
    return gradient, second


@njit(cache=True, nogil=True)
def _forces(t, precision, factor):
    """Σ_j φ_j e_j/h_j² and Σ_j φ_j e_j/h_j⁴ of one centre, from t = q/2h_0² and 1/h_0²."""
    pull, bend = 0.0, 0.0
    if t > LARGEST:
        return pull, bend
    e = np.exp(-t)
    for phi in factor:
        pull += phi * e * precision
        bend += phi * e * precision**2
        e = (e * e) * (e * e)
        precision *= 4.0
    return pull, bend
