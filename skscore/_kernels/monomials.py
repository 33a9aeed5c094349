"""Monomials of a table with one multiplication each: u^γ = u^parent(γ) · u_j."""

import numpy as np
from numba import njit

LANES = 16  # rows computed together, so that the inner loops vectorise


@njit(cache=True)
def moments(U, weight, parent, variable):
    """Compute the weighted sums Σ_i w_i u_i^γ of all monomials γ; row 0 of the basis is the constant."""
    n, n_monomials = U.shape[0], parent.shape[0]
    values = np.empty((n_monomials, LANES))
    total = np.zeros(n_monomials)
    lane_weight = np.zeros(LANES)
    columns = np.zeros((U.shape[1], LANES))
    for start in range(0, n, LANES):
        stop = min(start + LANES, n)
        lane_weight[:] = 0.0
        for i in range(start, stop):
            lane_weight[i - start] = weight[i]
            for j in range(U.shape[1]):
                columns[j, i - start] = U[i, j]
        values[0, :] = lane_weight
        total[0] += lane_weight.sum()
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
    block = np.empty((n_monomials, LANES))
    columns = np.zeros((U.shape[1], LANES))
    out = np.empty((n, coefficients.shape[0]))
    for start in range(0, n, LANES):
        stop = min(start + LANES, n)
        for i in range(start, stop):
            for j in range(U.shape[1]):
                columns[j, i - start] = U[i, j]
        block[0, :] = 1.0
        for k in range(1, n_monomials):
            for lane in range(LANES):
                block[k, lane] = block[parent[k], lane] * columns[variable[k], lane]
        values = coefficients @ block
        out[start:stop] = values[:, : stop - start].T
    return out
