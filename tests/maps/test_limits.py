"""Columns between limits: inverse and slopes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skscore.maps.limits import Limits


@pytest.fixture
def limits():
    return Limits(np.array([-np.inf, 1.0, -np.inf, -2.0]), np.array([np.inf, np.inf, 3.0, 5.0]))


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return np.stack(
        [rng.normal(size=50), 1.0 + rng.exponential(size=50), 3.0 - rng.exponential(size=50), rng.uniform(-2, 5, 50)],
        axis=1,
    )


def test_rows_come_back_and_lie_within(limits, X):
    assert limits.contains(X).all()
    assert not limits.contains(np.array([[0.0, 1.0, 0.0, 0.0]])).any()
    assert_allclose(limits.inverse(limits.forward(X)), X)
    Z = np.random.default_rng(1).normal(0, 5, (200, 4))
    assert limits.contains(limits.inverse(Z)).all()


def test_slopes_are_the_derivatives(limits, X):
    h = 1e-6
    X = np.clip(X, [-9, 1.01, -9, -1.99], [9, 9, 2.99, 4.99])
    assert_allclose(limits.log_slope(X), np.log((limits.forward(X + h) - limits.forward(X - h)) / (2 * h)), atol=1e-6)
    for f, derivative in (
        (limits.log_slope, limits.log_slope_gradient),
        (limits.log_slope_gradient, limits.log_slope_curvature),
    ):
        assert_allclose(derivative(X), (f(X + h) - f(X - h)) / (2 * h), rtol=1e-4, atol=1e-4)


def test_missing_numbers_stay_missing(limits):
    hole = np.full((1, 4), np.nan)
    assert np.isnan(limits.forward(hole)).all()
    assert np.isnan(limits.inverse(hole)).all()
