"""Monomials of a table with one multiplication each: u^γ = u^parent(γ) · u_j.

Arrays are filled and copied by loops over their numbers: numba takes a second to compile one assignment to a slice.
"""

import numpy as np
from numba import njit

LANES = 16  # rows computed together, so that the inner loops vectorise


@njit(cache=True)
def moments(U, weight, parent, variable):
    """Compute the weighted sums Σ_i w_i u_i^γ of all monomials γ; row 0 of the basis is the constant."""
    n, n_monomials = U.shape[0], parent.shape[0]
    values = np.empty((n_monomials, LANES))
    total = np.zeros(n_monomials)
    columns = np.zeros((U.shape[1], LANES))
    for start in range(0, n, LANES):
        width = min(LANES, n - start)
        acc = 0.0
        for lane in range(LANES):
            values[0, lane] = weight[start + lane] if lane < width else 0.0
            acc += values[0, lane]
        total[0] += acc
        for lane in range(width):
            for j in range(U.shape[1]):
                columns[j, lane] = U[start + lane, j]
        for k in range(1, n_monomials):
            source, column = parent[k], variable[k]
            acc = 0.0
            for lane in range(LANES):
                v = values[source, lane] * columns[column, lane]
                values[k, lane] = v
                acc += v
            total[k] += acc
    return total


@njit(cache=True)
def combine(U, coefficients, parent, variable):
    """Compute the values of several polynomials, (n, k), from their coefficients (k, n_monomials)."""
    n, n_monomials = U.shape[0], parent.shape[0]
    block = np.ones((n_monomials, LANES))
    columns = np.zeros((U.shape[1], LANES))
    out = np.empty((n, coefficients.shape[0]))
    for start in range(0, n, LANES):
        width = min(LANES, n - start)
        for lane in range(width):
            for j in range(U.shape[1]):
                columns[j, lane] = U[start + lane, j]
        for k in range(1, n_monomials):
            source, column = parent[k], variable[k]
            for lane in range(LANES):
                block[k, lane] = block[source, lane] * columns[column, lane]
        values = coefficients @ block
        for lane in range(width):
            for j in range(coefficients.shape[0]):
                out[start + lane, j] = values[j, lane]
    return out
