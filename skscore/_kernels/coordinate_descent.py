r"""Coordinate descent on a quadratic with an l1 penalty; the unknowns form columns, and pairs of them may be equal.

The unknowns of column j are :math:`\theta_j`, and the objective is

.. math:: \sum_j \bigl[\tfrac12\theta_j^\top G_j\theta_j - g_j^\top\theta_j\bigr] + \sum_e \lambda_e|\theta_e| .

Entry e may share its value with its mirror f, an entry of another column; an entry without one is its own mirror. Given
the gradient :math:`d = G\theta - g`, the minimiser over both entries of a pair is the soft-thresholded

.. math:: \theta_e = \theta_f \leftarrow S\Bigl(c\,\theta_e - \tfrac{d_e + d_f}2,\; \lambda_e\Bigr)\Big/c,
          \qquad c = \tfrac12(G_{ee} + G_{ff}),

and its change adds a multiple of one row of the block to d in each column (Friedman, Hastie & Tibshirani, 2010, for the
lasso). Entries lie in one flat array, column after column: those of column j are ``first[j]:first[j + 1]``, and
``rows`` has the row of each in its column. The block of column j begins at ``block[j]`` of the flat array ``blocks``,
so that columns may share one.

References
----------
Friedman, J., Hastie, T., & Tibshirani, R. (2010). Regularization paths for generalized linear models via coordinate
descent. Journal of Statistical Software, 33(1), 1-22.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _move(gradient, row, step):
    """Add `step` times the row of a block to the gradient of its column."""
    for k in range(row.shape[0]):
        gradient[k] += step * row[k]


@njit(cache=True, nogil=True)
def products(Gamma, theta, out):
    """Write Γ_j θ_j into row j of `out` (p, m), for blocks (p, m, m) or a shared one (1, m, m); zeros are skipped."""
    shared = Gamma.shape[0] == 1
    for j in range(theta.shape[0]):
        block = Gamma[0 if shared else j]
        for i in range(theta.shape[1]):
            out[j, i] = 0.0
        for i in range(theta.shape[1]):
            if theta[j, i] != 0.0:
                _move(out[j], block[i], theta[j, i])


@njit(cache=True, nogil=True)
def gather(Gamma, first, rows, block, blocks):
    """Write the block of each column, restricted to the entries of the column, into `blocks`."""
    shared = Gamma.shape[0] == 1
    for j in range(first.shape[0] - 1):
        source = Gamma[0 if shared else j]
        size = first[j + 1] - first[j]
        for a in range(size):
            row = rows[first[j] + a]
            start = block[j] + a * size
            for b in range(size):
                blocks[start + b] = source[row, rows[first[j] + b]]


@njit(cache=True, nogil=True)
def _add(row, numbers, values):
    """Add values to the places of a row that have their numbers; −1 leaves a value out."""
    for b in range(numbers.shape[0]):
        if numbers[b] >= 0:
            row[numbers[b]] += values[b]


@njit(cache=True, nogil=True)
def assemble(first, block, blocks, number, H):
    """Add each gathered block to the rows and columns of H whose numbers its entries have; −1 leaves an entry out."""
    for j in range(first.shape[0] - 1):
        begin, size = first[j], first[j + 1] - first[j]
        numbers = number[begin : begin + size]
        for a in range(size):
            if numbers[a] >= 0:
                start = block[j] + a * size
                _add(H[numbers[a]], numbers, blocks[start : start + size])


@njit(cache=True, nogil=True)
def gathered_products(first, block, blocks, theta, out):
    """Write the product of each block with its column of θ into `out`, both flat; zeros are skipped."""
    for e in range(out.shape[0]):
        out[e] = 0.0
    for j in range(first.shape[0] - 1):
        begin, end = first[j], first[j + 1]
        for e in range(begin, end):
            if theta[e] != 0.0:
                start = block[j] + (e - begin) * (end - begin)
                _move(out[begin:end], blocks[start : start + end - begin], theta[e])


@njit(cache=True, nogil=True)
def _shrunk(value, threshold):
    """Soft thresholding S(value, threshold)."""
    if value > threshold:
        return value - threshold
    if value < -threshold:
        return value + threshold
    return 0.0


@njit(cache=True, nogil=True)
def _sweep(low, high, first, columns, mirror, block, blocks, curvature, penalty, theta, gradient, tolerance):
    """Visit each pair of the columns low to high once; return the largest change of the gradient over its tolerance."""
    largest = 0.0
    for e in range(first[low], first[high]):
        f = mirror[e]
        c = 0.5 * (curvature[e] + curvature[f])
        if f < e or c <= 0.0:
            continue
        value = _shrunk(c * theta[e] - 0.5 * (gradient[e] + gradient[f]), penalty[e]) / c
        step = value - theta[e]
        if step == 0.0:
            continue
        largest = max(largest, c * abs(step) / tolerance[e])
        for entry in (e, f):
            begin, end = first[columns[entry]], first[columns[entry] + 1]
            start = block[columns[entry]] + (entry - begin) * (end - begin)
            theta[entry] = value
            _move(gradient[begin:end], blocks[start : start + end - begin], step)
            if f == e:
                break
    return largest


@njit(cache=True, nogil=True)
def descend(
    lows,
    width,
    first,
    columns,
    mirror,
    block,
    blocks,
    curvature,
    penalty,
    theta,
    gradient,
    tolerance,
    max_sweeps,
    swept,
):
    """Sweep until no change exceeds the `tolerance` of its entry, or `max_sweeps` times; `swept` has the numbers.

    It descends in `width` columns from each of `lows` on. Columns without pairs among them are solved one after the
    other, each from the cache, and possibly in several threads.
    """
    for k in range(lows.shape[0]):
        low, sweeps, largest = lows[k], 0, np.inf
        while largest > 1.0 and sweeps < max_sweeps:
            largest = _sweep(
                low, low + width, first, columns, mirror, block, blocks, curvature, penalty, theta, gradient, tolerance
            )
            sweeps += 1
        swept[k] = sweeps
