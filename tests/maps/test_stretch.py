"""A line that is stretched between knots."""

import numpy as np
from numpy.testing import assert_allclose

from skscore.maps.stretch import Stretch

STRETCH = Stretch(
    [np.array([-1.0, 0.0, 2.0]), np.empty(0), np.array([0.0, 0.5])],
    [np.array([-2.0, 1.0, 1.5]), np.empty(0), np.array([3.0, 3.1])],
)
X = np.random.default_rng(0).normal(scale=2.0, size=(200, 3))


def test_the_inverse_leads_back():
    assert_allclose(STRETCH.inverse(STRETCH.forward(X)), X, atol=1e-12)


def test_the_slope_is_that_of_the_map():
    h = 1e-7
    numeric = (STRETCH.forward(X + h) - STRETCH.forward(X - h)) / (2.0 * h)
    assert_allclose(np.exp(STRETCH.log_slope(X)), numeric, rtol=1e-5)


def test_a_column_without_knots_stays_and_missing_numbers_stay_missing():
    assert (STRETCH.forward(X)[:, 1] == X[:, 1]).all()
    assert np.isnan(STRETCH.forward(np.full((1, 3), np.nan))).all()
    assert Stretch([], []).forward(np.empty((4, 0))).shape == (4, 0)
