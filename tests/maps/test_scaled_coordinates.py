"""Coordinates with scales of their own: a chart of R^d by its derivatives, and found only where rows ask for them."""

import numpy as np
import pytest

from skscore.datasets import Banana, Funnel
from skscore.maps.affine import AffineMap
from skscore.maps.scale_regression import scaled_coordinates
from skscore.maps.scaled_coordinates import ScaledCoordinates

STEP = 1e-5


@pytest.fixture(params=[10.0, 0.3])
def coordinates(rng, request):
    """A map of three columns in the order 2, 0, 1, with limits that many or few rows are beyond."""
    order = np.array([2, 0, 1])
    A, C = np.zeros((2, 3, 3))
    A[np.ix_(order, order)] = np.triu(rng.standard_normal((3, 3)), 1) + np.diag([1.5, 0.7, 2.0])
    C[np.ix_(order, order)] = np.triu(0.5 * rng.standard_normal((3, 3)), 1)
    origin = rng.standard_normal(3)
    linear, log_scale = (AffineMap(origin, M, rng.standard_normal(3)) for M in (A, C))
    return ScaledCoordinates(linear, log_scale, request.param * np.array([[-1.0], [1.0]]) * np.ones(3), tuple(order))


def jacobian(function, X):
    """∂f_i/∂x_k by central differences, shape (n, i, k)."""
    return np.stack([(function(X + e) - function(X - e)) / (2 * STEP) for e in STEP * np.eye(X.shape[1])], axis=-1)


def test_there_and_back(coordinates, rng):
    X = rng.standard_normal((50, 3))
    np.testing.assert_allclose(coordinates.from_reals(coordinates.to_reals(X)), X, rtol=1e-12, atol=1e-12)


def test_volume_and_score_are_those_of_the_jacobian(coordinates, rng):
    U, score = rng.standard_normal((2, 20, 3))
    P = jacobian(coordinates.from_reals, U)
    np.testing.assert_allclose(coordinates.log_det(U), np.linalg.slogdet(P)[1], atol=1e-7)
    slope = jacobian(lambda U: coordinates.log_det(U)[:, None], U)[:, 0]
    np.testing.assert_allclose(
        coordinates.pull_score(U, score), np.einsum("nik,ni->nk", P, score) + slope, rtol=1e-6, atol=1e-6
    )
    X = coordinates.from_reals(
        U
    )  # and the way back: ∇_x of (f − Σ g), f with the slope just found in u less that of −Σ g
    np.testing.assert_allclose(coordinates.slope_in_x(X, coordinates.pull_score(U, score)), score, rtol=1e-9, atol=1e-9)


def test_motion_is_the_first_and_second_derivative_along_a_line(coordinates, rng):
    X, V = rng.standard_normal((2, 20, 3))
    ahead, here, behind = (coordinates.to_reals(X + t * V) for t in (1e-4, 0.0, -1e-4))
    velocity, acceleration = coordinates.motion(X, V)
    np.testing.assert_allclose(velocity, (ahead - behind) / 2e-4, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(acceleration, (ahead - 2 * here + behind) / 1e-8, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_a_funnel_is_found_in_any_order_of_its_columns(order):
    X = Funnel(3).sample(2000, 0)[:, order]
    found = scaled_coordinates(X, None, *np.split(np.arange(2000), [1800]))
    assert found.order[0] == order.index(0)
    Y = found.to_reals(X)
    np.testing.assert_allclose(Y.std(axis=0), 1.0, atol=0.06)
    neck = Y[X[:, order.index(0)] < -4.0]
    np.testing.assert_allclose(np.delete(neck, order.index(0), axis=1).std(axis=0), 1.0, atol=0.2)


@pytest.mark.parametrize("law", [Banana(), Banana(curvature=3.0), Funnel(scale=0.2)])
def test_other_rows_keep_their_plain_coordinates(law):
    assert scaled_coordinates(law.sample(2000, 0), None, *np.split(np.arange(2000), [1800])) is None


def test_integer_weights_are_repeated_rows(rng):
    X = Funnel().sample(600, 0)
    copies = np.concatenate([rng.integers(0, 3, 500), np.ones(100, dtype=int)])
    by_weight = scaled_coordinates(X, copies.astype(float), *np.split(np.arange(600), [500]))
    n = copies.sum()
    by_copies = scaled_coordinates(np.repeat(X, copies, axis=0), None, *np.split(np.arange(n), [n - 100]))
    np.testing.assert_allclose(by_weight.to_reals(X), by_copies.to_reals(X), rtol=1e-3, atol=1e-3)


def test_columns_that_repeat_each_other_stay_finite():
    X = Funnel().sample(400, 0)[:, [0, 1, 1]]
    found = scaled_coordinates(X, None, *np.split(np.arange(400), [300]))
    assert np.isfinite(found.to_reals(X)).all()
