"""Probabilities of rows by the points of their cells: against the law that is known, and against another route."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from skscore.formulas.moments import Moments, moments
from skscore.maps.cell_points import FARTHEST, cell_points, unit_points
from skscore.maps.cells import dequantize
from skscore.maps.dequantize import find_cells

N = 4000
CHAIN = 0.6 ** np.abs(np.subtract.outer(np.arange(3), np.arange(3)))


@pytest.fixture
def table(rng):
    """Three dependent grades, one of two values; every row that may occur, and the Gaussian of normal scores."""
    Z = rng.multivariate_normal(np.zeros(3), CHAIN, N)
    X = np.column_stack(
        [np.digitize(Z[:, 0], [-0.5, 0.7]), np.digitize(Z[:, 1], [0.8]), np.digitize(Z[:, 2], [-1, 0, 1])]
    )
    every = np.array(list(itertools.product(range(3), range(2), range(4))), dtype=float)
    return X.astype(float), every, Moments(1.0, np.zeros(3), np.zeros(3), CHAIN)


def log_normal(Z):
    return stats.multivariate_normal(cov=CHAIN).logpdf(Z)


@pytest.mark.parametrize(("n_points", "error"), [(16, 0.01), (64, 0.003)])
def test_probabilities_of_all_rows_add_up(table, n_points, error):
    X, every, gaussian = table
    points = cell_points(every, find_cells(X), gaussian, n_points)
    assert_allclose(np.exp(points.log_mean(log_normal(points.Z))).sum(), 1.0, atol=error)


def test_probabilities_of_boxes_are_scipys(table):
    X, every, gaussian = table
    cells = find_cells(X)
    ends = [cell.cells_of(x)[1:] for cell, x in zip(cells, every.T, strict=True)]
    lower, upper = np.moveaxis(np.array(ends), 0, -1)
    expected = stats.multivariate_normal.cdf(upper, cov=CHAIN, lower_limit=lower, abseps=1e-7, maxpts=10**6)
    points = cell_points(every, cells, gaussian, 64)
    assert_allclose(np.exp(points.log_mean(log_normal(points.Z))), expected, rtol=0.02)


def test_one_point_is_exact_for_independent_columns(rng):
    X = np.column_stack([rng.integers(0, 2, N), rng.poisson(0.5, N)]).astype(float)
    cells, gaussian = find_cells(X), Moments(1.0, np.zeros(2), np.zeros(2), np.eye(2))
    points = cell_points(X, cells, gaussian, 1)
    expected = sum(np.log(cell.share[cell.values.searchsorted(x)]) for cell, x in zip(cells, X.T, strict=True))
    assert_allclose(points.log_mean(stats.norm.logpdf(points.Z).sum(axis=1)), expected, atol=1e-9)


def test_the_mean_of_logarithms_lies_below(table):
    X, every, gaussian = table
    points = cell_points(every, find_cells(X), gaussian, 8)
    log_p = stats.multivariate_t(shape=CHAIN, df=3).logpdf(points.Z)
    assert (points.mean_log(log_p) < points.log_mean(log_p)).all()


def test_a_row_has_the_same_points_in_every_batch(table):
    X, every, gaussian = table
    cells = find_cells(X)
    together = cell_points(every, cells, gaussian, 8).Y.reshape(len(every), 8, 3)
    for row, expected in zip(every, together, strict=True):
        assert_array_equal(cell_points(row[None], cells, gaussian, 8).Y, expected)


@pytest.mark.parametrize("d", [1, 5, 40])
def test_points_are_stratified_on_every_axis(rng, d):
    U = unit_points(rng.integers(0, 3, (20, d)), 16)
    assert_allclose(np.sort(U, axis=1), np.broadcast_to((np.arange(16)[:, None] + 0.5) / 16, U.shape))
    assert_array_equal(unit_points(np.zeros((2, d)), 1), 0.5)


def test_cells_far_from_the_mean_keep_their_digits(rng):
    """A rare value, given a column that says it cannot be."""
    X = np.column_stack([rng.standard_normal(N), np.zeros(N)])
    X[:, 1] = X[:, 0] > 2.0
    cells = find_cells(X)
    spread = dequantize(X, cells, rng)
    row = np.array([[-8.0, 1.0], [8.0, 0.0]])
    points = cell_points(row, cells, moments(spread), 4)
    assert np.isfinite(points.log_volume).all()
    assert_array_equal(cells[1].round(points.Y[:, 1]), np.repeat([1.0, 0.0], 4))
    assert FARTHEST < 8.0


def test_derivatives_are_those_of_the_sum(rng):
    """Along an even column the cell moves with its value, so differences of log P are its score and curvature."""
    X = np.column_stack([rng.normal(size=300).round(1), rng.standard_normal(300)])
    cells, gaussian = find_cells(X), moments(X)
    law, precision = (
        stats.multivariate_normal(cov=[[0.02, 0.01], [0.01, 0.02]]),
        np.linalg.inv([[0.02, 0.01], [0.01, 0.02]]),
    )

    def log_p(rows):
        points = cell_points(rows, cells, gaussian, 4)
        return points.log_mean(law.logpdf(points.Z))

    row, h, V = np.array([[0.1, 0.03]]), 1e-4, np.array([[0.7, -0.4]])
    points = cell_points(row, cells, gaussian, 4)
    # off the lattice a row has other points, as its box is another; here they are kept
    moved = [law.logpdf(points.Z + k * h * V).reshape(1, 4) for k in (-1, 0, 1)]
    below, here, above = (np.log(np.exp(m).mean()) for m in moved)
    S = -points.Z @ precision
    found = points.mean_score(law.logpdf(points.Z), S)
    assert_allclose(found @ V[0], (above - below) / (2 * h), rtol=1e-5)
    curvature = np.repeat(-V @ precision @ V.T, 4)
    bent = points.mean_curvature(law.logpdf(points.Z), S @ V.T, curvature)
    assert_allclose(bent, (above - 2 * here + below) / h**2, rtol=1e-4)
    assert_allclose(log_p(row), here)
